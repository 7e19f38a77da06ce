/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One translation, laid open: what was accessed, under which tables, every entry read in order,
 * what caches supplied, how it ended and what it cost. Plain data: onewalk.h fills it, sim/report
 * draws it.
 */
#pragma once

#include <glib.h>

#include "sim/engine/access.h"
#include "sim/engine/machine.h"
#include "sim/engine/stats.h"
#include "sim/engine/walklog.h"
#include "sim/ept/ept.h"
#include "sim/npt/npt.h"

/* Where the world of the walk came from, if from a trace. */
typedef struct {
	char *path;  /* NULL: the guest model */
	uint64_t at; /* references before the walk */
	unsigned vcpu;
	bool has_recorded; /* the reference carries its true physical frame, */
	uint64_t recorded; /* this one with the offset of the access */
} M2dWalkOrigin;

typedef struct {
	char *machine;
	M2dVendor vendor;
	M2dWalkOrigin origin;
	char *caches; /* which caches take part, for people */

	/* The translation that was asked for. */
	M2dAccess access;
	M2dRegs regs;
	M2dPteFormat fmt;     /* of the first dimension */
	uint64_t root;        /* of the first dimension: guest-physical with a second one */
	unsigned first_level; /* that walks start at: below fmt.levels if PDPTEs are registers */
	M2dNested nested;
	M2dNptConfig npt; /* valid with nested.kind NPT */
	M2dEptConfig ept; /* valid with nested.kind EPT */

	/* How it went. */
	M2dOutcome out;
	M2dWalkLog log;
	uint64_t cycles[M2D_N_CAUSES]; /* blocking timing */
	uint32_t latency[5];           /* cycles of a fetch, by M2dFetch.served_by */
	uint8_t rights[2];             /* if OK: bit M2dAccKind; [0] supervisor, [1] user */
} M2dWalkView;

void m2d_walkview_free(M2dWalkView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dWalkView, m2d_walkview_free)

/* m2d_walkview_nested_levels: levels of the second dimension; 0 if there is none. */
static inline unsigned m2d_walkview_nested_levels(const M2dWalkView *v)
{
	return v->nested.kind == M2D_NESTED_NPT   ? v->npt.fmt.levels
	       : v->nested.kind == M2D_NESTED_EPT ? v->ept.levels
						  : 0;
}
