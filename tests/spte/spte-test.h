/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Formats the tests use. */
#pragma once

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "sim/spte/spte-state.h"

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

/* A leaf as the documents describe it, apart from its bits. */
typedef struct {
	bool r, x, u;       /* r: P without EPT; u: without EPT only */
	M2dSpteWrite write; /* RW, DL, PT or RO */
	bool a, d;
	M2dSpteAdType type;
	bool tracked; /* r and x are saved, not given */
} Model;

static inline uint64_t model_encode(const M2dSpteFormat *f, const Model *m, unsigned level)
{
	uint64_t v = f->mmu_present | (f->present & V(0x8000000000000000));
	uint64_t rx = (m->r ? 1 : 0) | (m->x && f->x ? 4 : 0);

	v |= m->tracked ? rx << f->saved_shift : rx;
	v |= f->kind == M2D_SPTE_EPT ? 0x70 : (m->x ? 0 : f->nx) | (m->u ? 4 : 0);
	v |= m->write == M2D_SPTE_WRITE_RW ? 2 : 0;
	v |= m->write == M2D_SPTE_WRITE_RW || m->write == M2D_SPTE_WRITE_DL ? f->mmu_writable : 0;
	v |= m->write != M2D_SPTE_WRITE_RO ? f->host_writable : 0;
	v |= (m->a ? f->accessed : 0) | (m->d ? f->dirty : 0) | (level > 1 ? 0x80 : 0);
	if (m->type == M2D_SPTE_AD_DISABLED)
		v |= f->ad_disabled;
	if (m->type == M2D_SPTE_AD_WRPROT_ONLY)
		v |= f->ad_wrprot;
	return v;
}

/* Whether @m is a leaf that KVM may make in format @f. */
static inline bool model_legal(const M2dSpteFormat *f, const Model *m)
{
	bool ept = f->kind == M2D_SPTE_EPT;
	bool off = m->type == M2D_SPTE_AD_DISABLED;
	bool bits = f->layout >= M2D_SPTE_6_13 || (!off && (f->ad || !ept));

	if (!ept)
		return m->r && m->type == M2D_SPTE_AD_ENABLED && !m->tracked;
	if (m->u || (m->type == M2D_SPTE_AD_WRPROT_ONLY && !f->ad_wrprot))
		return false;
	if (!bits && (m->a || m->d))
		return false;
	if (m->tracked && (!off || m->a || m->write == M2D_SPTE_WRITE_RW))
		return false;
	if (!m->r)
		return m->x && !(f->present & 1) && m->write >= M2D_SPTE_WRITE_PT;
	return true;
}

#define N_MODELS (8 * 4 * 4 * 3 * 2)

static inline Model model_nth(unsigned i)
{
	Model m = {.r = i & 1, .x = i & 2, .u = i & 4};

	i /= 8;
	m.write = M2D_SPTE_WRITE_RW + i % 4;
	i /= 4;
	m.a = i & 1;
	m.d = i & 2;
	i /= 4;
	m.type = i % 3;
	m.tracked = i / 3;
	return m;
}

static inline int run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
