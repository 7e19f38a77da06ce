/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plain searches of a model, to compare the engines with: no reduction, no bound, no cleverness. */
#pragma once

#include "sim/explore/explore.h"

/* paths_count: how many schedules there are with at most @bound preemptions (-1: any): the sum over
 * each state's successors, each state and bound looked at once. The arena has a journal. */
uint64_t paths_count(const M2dExModel *model, int bound);

/* What is reachable without going on from a violation. */
typedef struct {
	GHashTable *ends; /* of paths_state() */
	bool violated;
	uint64_t states, deadlocks;
} Reachable;

void paths_reachable(const M2dExModel *model, Reachable *r);
void paths_reachable_clear(Reachable *r);

/* paths_state: a fingerprint of all bytes of the model's state, by another hash than the arena's.
 */
uint64_t paths_state(const M2dExModel *model);
