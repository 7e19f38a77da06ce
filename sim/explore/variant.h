/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One variant of a scenario under every schedule: the search, the schedule to report, and the
 * verdict. A variant that expects violations passes if one of them is found; a clean one if none is
 * and, where claims are looked at, they hold. What a search was to find and did not within its
 * bounds leaves the verdict open.
 */
#pragma once

#include "sim/explore/worlds.h"

typedef struct {
	M2dExOptions search; /* engine and bounds */
	bool shortest; /* of engine exhaust: report the shortest; look for it first, and again after
			*/
	bool shrink;   /* make what is reported smaller where it is not known to be the shortest */
	bool repair;   /* look for the last step that could be repaired */
	bool stated; /* the bound on preemptions is the scenario's own: what is not within fails */
	bool story;  /* run the schedule once more with all of the checker */
	const M2dExObserved *observed; /* for searches that take long: see memo.h; or NULL */
} M2dExVariantOptions;

typedef struct {
	const M2dScenario *scenario;
	int variant; /* -1: the scenario names none */
	char *kvm;
	bool pass;
	bool open;             /* not passed, and a search without its bounds may yet show it */
	char *why;             /* one line, or NULL */
	int bound;             /* on preemptions; -1: none */
	bool complete;         /* all schedules within it were covered */
	M2dExResult *all;      /* of the engine asked for */
	M2dExResult *shortest; /* of the search for the report, or NULL */
	/* The schedule reported; NULL: no violation was found. */
	GArray *schedule; /* of M2dExStep */
	GArray *switches; /* of uint8_t, by step: 1 a switch, 2 one away from who could go on */
	const char *invariant;
	unsigned violation, preemptions;
	bool is_shortest; /* known: no schedule with less of both breaks anything */
	M2dExRepair repair;
	M2dScnRun *run; /* of it, or NULL */
	uint64_t premises[M2D_N_INVARIANTS];
	uint64_t points[M2D_N_POINTS];
	uint64_t *ended;         /* by step of the scenario: how often it came to its end */
	M2dExClaimCount *claims; /* by claim; NULL: not looked at */
	double seconds;          /* of all of this */
} M2dExVariant;

/* m2d_ex_variant: NULL with @error if the world cannot be built, or the user interrupts. */
M2dExVariant *m2d_ex_variant(const M2dScenario *scenario, int variant, const M2dScnOptions *options,
			     const M2dExVariantOptions *how, GError **error);
/* m2d_ex_variant_end: how the search ended, with the bound on preemptions; g_free(). */
char *m2d_ex_variant_end(const M2dExVariant *variant);
void m2d_ex_variant_free(M2dExVariant *variant);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dExVariant, m2d_ex_variant_free)
