/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `replay --set`, and what a run was set to, for its rows in a database. */
#pragma once

#include "sim/replay/replay.h"

/* m2d_tool_replay_set: one KEY=VALUE of the machine, of guest and host models, or of KVM. */
bool m2d_tool_replay_set(const char *setting, M2dMachine *machine, M2dReplayOptions *opt,
			 GError **error);
/* m2d_tool_replay_config: the full, resolved configuration: equal configurations give equal rows.
 */
void m2d_tool_replay_config(M2dResult *result, const M2dReplayOptions *opt,
			    const M2dMachine *machine);
