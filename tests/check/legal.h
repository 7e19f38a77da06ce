/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random work that is legal: vCPUs of one guest that edit their tables and flush as the manuals
 * demand, sooner or later, while the host takes memory away, ages, logs, moves memslots.
 */
#pragma once

#include "sim/check/check.h"
#include "tests/shadow/fixture.h"

/* What an actor is still to do, when all go on a step at a time. */
typedef struct {
	M2dOp op[16];
	unsigned n;
} LegalQueue;

typedef struct {
	Fx fx;
	M2dCheck *check;
	M2dRng rng;
	M2dGuestSpace space[2];
	M2dGuestInfo guest;
	bool preempted[M2D_MAX_KVM_VCPUS];
	bool slot1, logging, tracked;
	bool stepping;
	LegalQueue queue[M2D_MAX_KVM_VCPUS + 1];
	uint64_t done; /* operations */
} Legal;

/* legal_init: a VM as @setup says, its guest's tables, two vCPUs or more, and a checker.
 * @stepping: actors take turns at every point, by chance */
void legal_init(Legal *l, const Setup *setup, uint64_t seed, bool stepping);
void legal_free(Legal *l);
/* legal_steps: @n operations, or until the checker has found something; returns the number of
 * findings. */
unsigned legal_steps(Legal *l, unsigned n);
/* legal_print: the findings so far, to stdout. */
void legal_print(const Legal *l);
