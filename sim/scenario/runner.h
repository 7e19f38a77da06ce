/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a variant of a scenario with one schedule: as written, or a list of choices. Steps are
 * taken one micro-step at a time; the checker watches.
 *
 * As written: each step runs to its end or to its `until` point. An actor that blocks is left where
 * it is; it goes on as soon as another actor's step has ended the wait, and idle vCPUs take the
 * interrupts that somebody waits for. At the end every operation still under way is finished.
 */
#pragma once

#include "sim/check/check.h"
#include "sim/scenario/hw.h"
#include "sim/scenario/world.h"

/* One micro-step as it was taken. */
typedef struct {
	uint8_t actor;
	bool done;       /* the operation ended with it */
	bool begins;     /* none was taken: the step was begun, at a moment of the schedule's own */
	bool hw;         /* none was taken: hardware did @act; @actor: the vCPU that it ran */
	uint16_t point;  /* where the actor stopped */
	int step;        /* index of the scenario's step that it belongs to; -1: an interrupt */
	uint32_t number; /* of the actor's micro-steps in this run, from 1 */
	guint first_event, n_events; /* in M2dScnRun.events */
	M2dHwAct act;
} M2dScnMicro;

/* How one step of the scenario ended. */
typedef struct {
	bool started, ended, blocked; /* blocked: when the next step was begun */
	bool reached;                 /* its `until` point */
	M2dOpOutcome outcome;
	GArray *dirty;  /* of uint64_t gfns; get-dirty-log only, else NULL */
	char *mismatch; /* what was expected and what came, or NULL */
} M2dScnStepEnd;

/* A finding, kept after the checker is gone. */
typedef struct {
	const char *invariant;
	uint8_t actor; /* M2D_NO_ACTOR: none */
	int label;     /* index of the scenario's step in which it was found, or -1 */
	char *what;    /* one line */
	char *story;   /* lines */
} M2dScnFinding;

typedef struct {
	const M2dScenario *scenario;
	int variant;
	char *kvm;
	bool pass;
	char *why;            /* one line: why not, or NULL */
	GArray *micro;        /* of M2dScnMicro */
	GArray *events;       /* of M2dEvent */
	M2dScnStepEnd *steps; /* by index of the scenario's steps */
	GArray *findings;     /* of M2dScnFinding */
	uint64_t premises[M2D_N_INVARIANTS];
	GPtrArray *claims; /* failed claims, as text */
	uint8_t *held;     /* by claim: 1 its predicate held at the end, 2 it did not; 0 no look */
	uint64_t drop;     /* steps that were left out, as in the options */
	uint64_t hash;     /* of the final state */
	uint64_t *event_count; /* [M2D_N_EVENTS] */
	uint64_t *point_count; /* [M2D_N_POINTS] */
	uint64_t cycles;       /* of all vCPUs and the host */
	M2dStats stats;        /* of all pCPUs */
	uint64_t host_cycles;
} M2dScnRun;

/**
 * A choice of a schedule: @count micro-steps of @actor, which begins its next step if it has none
 * under way. @begins: it begins the step, and that is all: where the step happens at once beside
 * what is under way, as preempt does, or has to be begun before an interrupt that is pending.
 * @steps_first: an idle vCPU begins its next step, if there is one, before an interrupt.
 * @hw: no actor moves: hardware does @act, if it can.
 */
typedef struct {
	uint8_t actor;
	bool begins, steps_first, hw;
	uint32_t count;
	M2dHwAct act;
} M2dScnChoice;

/**
 * m2d_scn_run: run @variant.
 * @schedule: choices, or NULL for the order as written; when it is used up or names an actor that
 *   cannot move, the rest goes as written
 * NULL with @error if the world cannot be built or a step cannot be begun.
 */
M2dScnRun *m2d_scn_run(const M2dScenario *scenario, int variant, const M2dScnOptions *options,
		       const GArray *schedule, GError **error);
void m2d_scn_run_free(M2dScnRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dScnRun, m2d_scn_run_free)

/* m2d_scn_run_schedule: the choices that were made, to be run again; of M2dScnChoice. */
GArray *m2d_scn_run_schedule(const M2dScnRun *run);
