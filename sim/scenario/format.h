/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The canonical form of a scenario: one way to set spaces and blank lines. */
#pragma once

#include "sim/scenario/scenario.h"

/**
 * m2d_scenario_format: the text of @scenario in canonical form; g_free().
 * Comments, the order of keys and the spelling of numbers stay; what it returns is its own
 * canonical form, and means the same.
 */
char *m2d_scenario_format(const M2dScenario *scenario);
