/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Formats the tests use. */
#pragma once

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "sim/spte/spte.h"

#define V(hex) UINT64_C(hex)

static inline M2dSpteFormat format_of(M2dSpteKind kind, M2dSpteLayout layout, bool ad)
{
	M2dSpteConfig cfg = {.kind = kind, .layout = layout, .maxphyaddr = 46, .ad = ad};
	M2dSpteFormat f;

	m2d_spte_format(&f, &cfg);
	return f;
}

/* All formats one after the other: PT, EPT with and without A/D, each with and without exec-only.
 */
#define N_FORMATS (M2D_SPTE_N_LAYOUTS * 5)

static inline M2dSpteFormat format_nth(unsigned i)
{
	unsigned variant = i % 5;
	M2dSpteConfig cfg = {
		.kind = variant ? M2D_SPTE_EPT : M2D_SPTE_PT,
		.layout = i / 5,
		.maxphyaddr = 46,
		.ad = variant != 2 && variant != 4,
		.exec_only = variant > 2,
	};
	M2dSpteFormat f;

	m2d_spte_format(&f, &cfg);
	return f;
}
