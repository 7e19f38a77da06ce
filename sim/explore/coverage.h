/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the operations of a scenario may come past, by the table of footprints. */
#pragma once

#include "sim/explore/footprint.h"
#include "sim/scenario/scenario.h"

/**
 * m2d_ex_reachable_points: true in @points[M2D_N_POINTS] for those of the routines that the
 * scenario's operations may call, whatever its machine and kernel.
 */
void m2d_ex_reachable_points(const M2dScenario *scenario, bool *points);
