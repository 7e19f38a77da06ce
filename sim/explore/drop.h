/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is this flush needed? One thing at a time is left out of a clean variant, a step of the scenario
 * or a duty of KVM's, and all orders are looked at without it.
 */
#pragma once

#include "sim/explore/variant.h"
#include "sim/vm/duty.h"

typedef enum {
	M2D_EX_DROP_NECESSARY, /* something is violated without it, or a step gives another result
				*/
	M2D_EX_DROP_REDUNDANT, /* nothing is, in any order within the bounds on preemptions */
	M2D_EX_DROP_IDLE,      /* the same: and there are as many states and ends as with it */
	M2D_EX_DROP_OPEN,      /* a bound of the search was reached */
} M2dExDropVerdict;

/* What can be left out. */
typedef struct {
	int step;     /* index of the scenario's step, or -1 */
	M2dDuty duty; /* if step is -1 */
} M2dExDropWhat;

typedef struct {
	M2dExDropWhat what;
	M2dExDropVerdict verdict;
	M2dExVariant *search; /* without it */
	char *why;            /* necessary: one line */
} M2dExDrop;

/* m2d_ex_drop_verdict_name: "necessary" and so on. */
const char *m2d_ex_drop_verdict_name(M2dExDropVerdict verdict);
/* m2d_ex_drop_name: the duty's name, or "@LABEL verb arguments"; g_free(). */
char *m2d_ex_drop_name(const M2dScenario *scenario, const M2dExDropWhat *what);

/**
 * m2d_ex_drop_find: what @name stands for: the label of a step, a duty, or "all", which is every
 * duty and every step that flushes, synchronises or waits. Of M2dExDropWhat; NULL with @error if it
 * is none of these.
 */
GArray *m2d_ex_drop_find(const M2dScenario *scenario, const char *name, GError **error);

/* m2d_ex_drop: leave @what out of the variant that @with is the search of, which must be clean.
 * False with @error if the search cannot be made or was interrupted. */
bool m2d_ex_drop(const M2dExVariant *with, const M2dScnOptions *options,
		 const M2dExVariantOptions *how, const M2dExDropWhat *what, M2dExDrop *drop,
		 GError **error);
void m2d_ex_drop_clear(M2dExDrop *drop);
