/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by worlds*.c and memo*.c only. */
#pragma once

#include "sim/explore/worlds.h"

/* How far an actor's program is. */
typedef struct {
	M2D_OWN_WORD uint8_t next; /* index into the actor's list of steps */
	uint8_t doing;             /* 1 + the scenario's step under way; 0: none */
} M2dExProgress;

/* In the arena. */
typedef struct {
	M2dExProgress at[M2D_EX_MAX_ACTORS];
	uint64_t refused; /* a step could not be begun: a broken scenario, not a violation */
	/* Of the operations under way, where claims ask for them: the model of KVM keeps them
	 * outside of the arena. */
	M2dOpOutcome outcome[M2D_EX_MAX_ACTORS];
	uint8_t hw_left[M2D_MAX_KVM_VCPUS]; /* things that each processor may still do of itself */
} M2dExWorldState;

struct _M2dExWorld {
	const M2dScenario *s;
	M2dScnWorld *w;
	M2dCheck *check;
	M2dExClaims *claims; /* or NULL */
	M2dExWorldState *st;
	M2dExModel model;
	/* Of a world of the copy that can be observed; else NULL. */
	const M2dExObserved *observed;
	struct _M2dExMemo *memo;
	void (*run_step)(void *data, unsigned actor, unsigned alt);
	unsigned (*ways)(void *data, unsigned actor);
	GArray *program[M2D_EX_MAX_ACTORS]; /* of unsigned: steps of the actor */
	/* By step: it may begin while another step of its actor is under way; NULL: none may. */
	bool *beside;
	unsigned n_vm;    /* actors of the VM; behind them one for each processor */
	GArray *hw_pages; /* of M2dHwAct */
	uint64_t *ended;  /* by step of the scenario: how often it came to its end; statistics */
	/* With reductions. */
	M2dFootprints *footprints;
	GArray *rest[M2D_EX_MAX_ACTORS];      /* of M2dFootprint: from each step of the actor on */
	unsigned last_ipi[M2D_EX_MAX_ACTORS]; /* its last step + 1 that interrupts; 0: none */
};

/* m2d_ex_world_step: the next step of the scenario for @actor, NULL: none is left; @index: of it.
 */
const M2dScnStep *m2d_ex_world_step(const M2dExWorld *world, unsigned actor, unsigned *index);
/* m2d_ex_world_programs: make them, without the steps (bits of @drop) that are left out. */
void m2d_ex_world_programs(M2dExWorld *world, uint64_t drop);
/* m2d_ex_world_yields: the idle vCPU would be scheduled out for another. */
bool m2d_ex_world_yields(const M2dExWorld *world, unsigned actor);
/* m2d_ex_world_reduce: let searches leave out orders that footprints tell to be equal. */
void m2d_ex_world_reduce(M2dExWorld *world);
void m2d_ex_world_reduce_free(M2dExWorld *world);
