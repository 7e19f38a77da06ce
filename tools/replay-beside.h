/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `replay --beside`: what the replayed trace and another one recorded of their hypervisors. */
#pragma once

#include "sim/replay/paid.h"

/* m2d_tool_beside: count @trace and @beside; false with @error if one cannot be read twice, or has
 * no guest. */
bool m2d_tool_beside(const char *trace, const char *beside, bool quiet, M2dPaid **recorded,
		     M2dPaid **other, GError **error);
