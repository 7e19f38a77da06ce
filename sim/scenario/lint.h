/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written well in a scenario but cannot be meant. */
#pragma once

#include "sim/scenario/scenario.h"

/* One rule of lint. */
typedef struct {
	const char *id;
	const char *text; /* one line for the manual */
} M2dScnRule;

extern const M2dScnRule m2d_scn_rules[]; /* ends with id NULL */

typedef struct {
	M2dScnPlace place;
	const char *id; /* of the rule */
	char *text;     /* what was found */
} M2dScnFinding;

/**
 * m2d_scenario_lint: all findings in @scenario by line; g_ptr_array_unref() it.
 * @tables: names that the models define, or NULL
 */
GPtrArray *m2d_scenario_lint(const M2dScenario *scenario, const M2dScenarioTables *tables);
