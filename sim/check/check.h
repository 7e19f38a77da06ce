/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checker: watches one VM and says when something it relies on does not hold. It only
 * observes: events, stores to memory, and what the caches of the logical processors take in and
 * drop. What the architecture allows is silent: a stale entry is legal until a promise covers it.
 *
 * It speaks twice at most about one cached entry: when a promise is made while the entry is still
 * cached where it can be used, and when it is used. What belongs to a vCPU outside the guest is
 * judged when it enters.
 *
 * Not modelled: promises by INVLPGB, nested virtualisation, D-bit logging (PML).
 */
#pragma once

#include "sim/check/invariant.h"
#include "sim/vm/vm.h"

typedef struct _M2dCheck M2dCheck;

#define M2D_NO_ADDRESS UINT64_MAX

typedef struct {
	M2dInvariantId id;
	uint8_t actor, vcpu; /* in whose step it was found, and the vCPU it is about */
	uint32_t step;
	uint64_t time;
	uint64_t gva, gpa, hpa; /* M2D_NO_ADDRESS: not known */
	char *what;             /* one line */
	char *story;            /* lines: birth, write, promise, use */
} M2dFinding;

typedef struct {
	/* Compare KVM's bookkeeping each time an actor has ended so many operations; 0: never. */
	unsigned audit_every;
	unsigned max_findings; /* stop looking after so many; 0: 100 */
	/* Name of the step that was numbered @step of @actor, or NULL. */
	const char *(*label)(unsigned actor, uint32_t step, void *data);
	void *label_data;
} M2dCheckOptions;

/**
 * m2d_check_new: watch @vm from now on; it must have its MMU and empty caches, and no guest code
 * has run. Findings and counts survive a rollback of the world; what decides them is rolled back.
 * @options: NULL: no audit
 */
M2dCheck *m2d_check_new(M2dVm *vm, const M2dCheckOptions *options);
/* m2d_check_free: stop watching. Before the VM goes. */
void m2d_check_free(M2dCheck *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dCheck, m2d_check_free)

unsigned m2d_check_n_findings(const M2dCheck *check);
/* m2d_check_finding: valid until the next one is made. */
const M2dFinding *m2d_check_finding(const M2dCheck *check, unsigned index);
/* m2d_check_forget: drop all findings (after a rollback). */
void m2d_check_forget(M2dCheck *check);
/* m2d_check_premises: how often the invariant could have been broken. */
uint64_t m2d_check_premises(const M2dCheck *check, M2dInvariantId id);

/* m2d_check_end: the run is over: what must hold when everything is at rest. */
void m2d_check_end(M2dCheck *check);

/**
 * m2d_check_shadow_equal: compare every SPTE below @vcpu's root, in pages that are in sync, with
 * what the guest's tables and host memory say now. Returns the number that differ, and describes
 * the first in *@what (g_free()); may be NULL.
 */
unsigned m2d_check_shadow_equal(M2dCheck *check, unsigned vcpu, char **what);
