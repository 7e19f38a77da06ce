/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run under way. Shared by runner.c, run-steps.c and run-order.c only. */
#pragma once

#include "sim/scenario/runner.h"

typedef struct {
	M2dScnWorld *w;
	M2dScnRun *run; /* what is kept of it */
	const M2dScenario *s;
	int doing[M2D_MAX_ACTORS]; /* step under way, -1: none */
	int begun[M2D_MAX_ACTORS]; /* step that began the operation, behind a `continue` */
	bool held[M2D_MAX_ACTORS]; /* stopped at an `until` point on purpose */
	M2dPoint until[M2D_MAX_ACTORS];
	M2dScnMicro now; /* being taken */
	M2dCheck *check;
	GStringChunk *names;      /* of steps, for stories */
	const M2dScnOrder *order; /* NULL: as written */
	uint64_t drop;            /* steps left out: bit n stands for step n */
	bool undo;                /* take each micro-step twice, see M2dScnOptions */
	bool no_until; /* behind a schedule: `continue` has no effect there, so neither has this */
} M2dScnRunner;

/* m2d_scn_run_fail: the run's verdict is why not. The first reason stays. Returns false. */
bool m2d_scn_run_fail(M2dScnRunner *r, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* m2d_scn_step_name: of the scenario's step @step, as "@2.1 (line 31)"; g_free(). */
char *m2d_scn_step_name(const M2dScnRunner *r, int step);

/*
 * Of these false means that the run is over: run->why says it, or @error, which is set where the
 * scenario asks for what no actor can do.
 */

/* m2d_scn_begin_step: begin the scenario's step @i or, if it says so, continue what is under way.
 */
bool m2d_scn_begin_step(M2dScnRunner *r, unsigned i, GError **error);
/* m2d_scn_micro_step: one of @actor, which must be able to take it. */
bool m2d_scn_micro_step(M2dScnRunner *r, unsigned actor);
/* m2d_scn_run_actor: to its end, its `until` point, or until it blocks and nobody can end that. */
bool m2d_scn_run_actor(M2dScnRunner *r, unsigned actor);
/* m2d_scn_run_step: begin step @i and run its actor, and then all whose wait it ended. */
bool m2d_scn_run_step(M2dScnRunner *r, unsigned i, GError **error);
/* m2d_scn_finish_steps: all that is still under way ends, in the order of the actors. */
bool m2d_scn_finish_steps(M2dScnRunner *r);
/* m2d_scn_all_steps: @schedule (of M2dScnChoice, or NULL) as far as it goes, then what is left. */
bool m2d_scn_all_steps(M2dScnRunner *r, const GArray *schedule, GError **error);
