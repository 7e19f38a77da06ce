/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The world that a variant of a scenario describes, before its first step. */
#pragma once

#include "sim/kvm/kvm.h"
#include "sim/mmu/timing.h"
#include "sim/scenario/config.h"
#include "sim/scenario/guest-tables.h"
#include "sim/scenario/scenario.h"

/* What a run changes in a variant's settings. */
typedef struct {
	const char *kvm;            /* profile instead of the variant's, or NULL */
	const char *const *without; /* names of duties to leave out, NULL-terminated, or NULL */
	M2dTimingModel timing;
	const M2dScnOrder *order; /* a permutation of the steps; NULL: as written */
	uint64_t drop;            /* steps to leave out: bit n stands for step n */
	bool claims;              /* search: look at claims in each end */
	unsigned hw; /* searches: things that each processor may do of itself; see hw.h */
	bool reduce; /* searches: leave out orders that footprints tell to be equal */
	bool undo; /* take each micro-step, undo it and take it again; a difference fails the run */
} M2dScnOptions;

typedef struct {
	const M2dScenario *scenario;
	int variant; /* -1: none is named */
	M2dScnConfig config;
	char *kvm; /* the profile as text */
	M2dWorld *world;
	M2dVm *vm;
	M2dGuestTables tables;
	M2dGuestSpace *spaces; /* by index in M2dScenario.gpts */
	M2dGuestInfo guest;
} M2dScnWorld;

/**
 * m2d_scn_world_new: build @variant (-1 if the scenario has none) of @scenario, which must outlive
 * it. NULL with @error, whose message starts with the place in the file where there is one.
 */
M2dScnWorld *m2d_scn_world_new(const M2dScenario *scenario, int variant,
			       const M2dScnOptions *options, GError **error);
void m2d_scn_world_free(M2dScnWorld *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dScnWorld, m2d_scn_world_free)

/* m2d_scn_world_actor: number of the actor in the VM; worker: -1. */
int m2d_scn_world_actor(const M2dScnWorld *w, M2dScnActor actor);
