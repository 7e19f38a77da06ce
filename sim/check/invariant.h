/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checker knows of by name. */
#pragma once

#include <stdbool.h>

typedef enum {
#define INVARIANT(id, name, ids, statement, source, breakers) M2D_INV_##id,
#include "sim/check/inv.def"
#undef INVARIANT
	M2D_N_INVARIANTS
} M2dInvariantId;

typedef struct {
	const char *name;      /* as in scenarios and reports */
	const char *ids;       /* in the catalogue of invariants */
	const char *statement; /* one line */
	const char *source;
	const char *breakers; /* duties that, left out, break it, and knob values that do */
} M2dInvariant;

const M2dInvariant *m2d_invariant(M2dInvariantId id);
/* m2d_invariant_find: M2D_N_INVARIANTS if there is none of that name or catalogue id. */
M2dInvariantId m2d_invariant_find(const char *name);
/* m2d_invariant_near: the name that a typist of @name may have meant, or NULL. */
const char *m2d_invariant_near(const char *name);
