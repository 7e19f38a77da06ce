/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenarios as models of the search: each actor does its steps in the order of the file, `until`
 * and `continue` aside; which actor moves next is free. A vCPU that has nothing to do takes
 * interrupts when it is scheduled.
 */
#pragma once

#include "sim/explore/claims.h"
#include "sim/explore/explore.h"
#include "sim/explore/reduce.h"
#include "sim/scenario/runner.h"

typedef struct _M2dExWorld M2dExWorld;
typedef struct _M2dExObserved M2dExObserved; /* memo.h */

/* What the model's violation() gives where a claim of [final] does not hold in an end. */
#define M2D_EX_CLAIM (M2D_N_INVARIANTS + 1u)

/**
 * m2d_ex_world_new: @variant of @scenario, with the checker watching. With @options->hw each
 * logical processor is an actor, too, behind those of the VM.
 * NULL with @error if the world cannot be built. Free with m2d_ex_world_free().
 */
M2dExWorld *m2d_ex_world_new(const M2dScenario *scenario, int variant, const M2dScnOptions *options,
			     GError **error);
/* m2d_ex_world_new_observed: the same, of the copy that @observed tells of (NULL: of this one): for
 * long searches, see memo.h. @pages: memory of searches before, or NULL; must outlive it. */
M2dExWorld *m2d_ex_world_new_observed(const M2dExObserved *observed, M2dExPages *pages,
				      const M2dScenario *scenario, int variant,
				      const M2dScnOptions *options, GError **error);
void m2d_ex_world_free(M2dExWorld *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dExWorld, m2d_ex_world_free)

const M2dExModel *m2d_ex_world_model(const M2dExWorld *world);

/* m2d_ex_world_violation_name: what a number that the model's violation() gave means. */
const char *m2d_ex_world_violation_name(unsigned violation);

/* m2d_ex_world_claims: how claims did; NULL: none were looked at. */
const M2dExClaims *m2d_ex_world_claims(const M2dExWorld *world);

/* m2d_ex_world_kvm: the profile, as text. */
const char *m2d_ex_world_kvm(const M2dExWorld *world);

/* m2d_ex_world_premises: how often the invariant could have been broken so far. */
uint64_t m2d_ex_world_premises(const M2dExWorld *world, M2dInvariantId id);
/* m2d_ex_world_point_count: visits of each point so far; [M2D_N_POINTS]. */
const uint64_t *m2d_ex_world_point_count(const M2dExWorld *world);
/* m2d_ex_world_ended: how often each step of the scenario came to its end so far. */
const uint64_t *m2d_ex_world_ended(const M2dExWorld *world);

/* m2d_ex_world_repeated: steps so far of which it was known what they do. */
uint64_t m2d_ex_world_repeated(const M2dExWorld *world);

/* m2d_ex_world_vm, m2d_ex_world_check: what the model moves, and who watches. */
M2dVm *m2d_ex_world_vm(const M2dExWorld *world);
M2dCheck *m2d_ex_world_check(const M2dExWorld *world);
/* m2d_ex_world_next: what the idle @actor does next; NULL: nothing but take interrupts. */
const M2dOp *m2d_ex_world_next(const M2dExWorld *world, unsigned actor);
/* m2d_ex_world_footprints: put @footprints, which the world takes over, in place of its own; it
 * must have been made with M2dScnOptions.reduce set. For tests. */
void m2d_ex_world_footprints(M2dExWorld *world, M2dFootprints *footprints);
/* m2d_ex_world_progress: where in the arena the actors' progress is kept. */
const void *m2d_ex_world_progress(const M2dExWorld *world, uint64_t *bytes);

/* m2d_ex_world_choices: @schedule as choices that m2d_scn_run() takes; of M2dScnChoice. */
GArray *m2d_ex_world_choices(M2dExWorld *world, const GArray *schedule);
