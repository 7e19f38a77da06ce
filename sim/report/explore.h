/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Searches through all schedules as text and JSON. */
#pragma once

#include "sim/base/json.h"
#include "sim/explore/drop.h"
#include "sim/explore/orders.h"

/* Rows of a step table, unless marks need more. */
#define M2D_EXPLORE_ROWS 12u

/* One row: micro-steps of one actor on end. */
typedef struct {
	unsigned first, last; /* of the schedule, from 1 */
	unsigned actor;
	bool preempts; /* the actor before could have gone on */
	bool repair;   /* its step is the last before which a repair was possible */
	bool breaks;
	char *text;
} M2dExploreRow;

/* m2d_explore_rows: the schedule of @v, which has a run, in rows of M2dExploreRow. */
GArray *m2d_explore_rows(const M2dExVariant *v);

/* m2d_explore_table: the same as text, a column an actor, in lines of @width columns; g_free(). */
char *m2d_explore_table(const M2dExVariant *v, unsigned width);

/* m2d_explore_verdict: one line; g_free(). */
char *m2d_explore_verdict(const M2dExVariant *v);

/* m2d_explore_coverage: how often each step ended, each invariant was at stake and each point was
 * passed, over all schedules, and which points of the routines that the operations may call nobody
 * passed, in four lines; g_free(). */
char *m2d_explore_coverage(const M2dExVariant *v);

/* m2d_explore_uncovered: what never was, one line each, of what the scenario is about: steps that
 * never ended, points that `until` names and nobody passed, invariants that a variant of it expects
 * and that were never at stake. NULL: nothing; g_free(). */
char *m2d_explore_uncovered(const M2dExVariant *v);

/* m2d_explore_json_fields: all about @v, into the object that @json is in. */
void m2d_explore_json_fields(M2dJson *json, const M2dExVariant *v);

/* m2d_explore_drop_text: one line; g_free(). */
char *m2d_explore_drop_text(const M2dExDrop *drop);
/* m2d_explore_drop_json: append its object to the array that @json is in. */
void m2d_explore_drop_json(M2dJson *json, const M2dExDrop *drop);
