/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reference walker: nested page tables (AMD), under all four host paging modes. */
#include "tests/ref/refwalk-private.h"

/* One nested walk under way. */
typedef struct {
	uint64_t gpa;
	M2dAccKind kind;
	bool final;
	/* Used entries, for their accessed bits. */
	uint64_t used[5];
	unsigned n_used;
	unsigned size;
	bool rw, us, nx;
} NptWalk;

static bool npt_fault(RefWalk *w, const NptWalk *n, bool present, bool reserved)
{
	const M2dNested *nd = &w->cpu->nested;
	bool nx_exists = (nd->hefer & M2D_EFER_LMA) || (nd->hcr4 & M2D_CR4_PAE);
	M2dOutcome *out = &w->res->out;

	out->kind = M2D_OUT_NPF;
	out->fault_gpa.v = n->gpa;
	out->exitinfo1 = UINT64_C(1) << 2; /* nested accesses are user accesses */
	if (present)
		out->exitinfo1 |= UINT64_C(1) << 0;
	if (n->kind == M2D_ACC_WRITE)
		out->exitinfo1 |= UINT64_C(1) << 1;
	if (reserved)
		out->exitinfo1 |= UINT64_C(1) << 3;
	if (n->kind == M2D_ACC_FETCH &&
	    ((nd->hcr4 & M2D_CR4_SMEP) || (nx_exists && (nd->hefer & M2D_EFER_NXE))))
		out->exitinfo1 |= UINT64_C(1) << 4;
	out->exitinfo1 |= UINT64_C(1) << (n->final ? 32 : 33);
	return false;
}

/* Take the rights of used entry @e at @pa. */
static void npt_use(NptWalk *n, uint64_t pa, uint64_t e, bool nx_exists)
{
	n->used[n->n_used++] = pa;
	n->rw = n->rw && ref_bit(e, 1);
	n->us = n->us && ref_bit(e, 2);
	n->nx = n->nx || (nx_exists && ref_bit(e, 63));
}

/* The walk found the page at @hpa: rights, then accessed and dirty bits. */
static bool npt_finish(RefWalk *w, NptWalk *n, uint64_t hpa, unsigned shift)
{
	if (!n->us || (n->kind == M2D_ACC_WRITE && !n->rw) || (n->kind == M2D_ACC_FETCH && n->nx))
		return npt_fault(w, n, true, false);
	for (unsigned i = 0; i < n->n_used; i++)
		ref_or_entry(w, n->used[i], n->size, 1u << 5);
	if (n->kind == M2D_ACC_WRITE)
		ref_or_entry(w, n->used[n->n_used - 1], n->size, 1u << 6);
	w->hpa = hpa;
	w->nested_shift = shift;
	return true;
}

static bool npt_long(RefWalk *w, NptWalk *n)
{
	const M2dNested *nd = &w->cpu->nested;
	unsigned m = w->cpu->host_maxphyaddr;
	unsigned levels = (nd->hcr4 & M2D_CR4_LA57) ? 5 : 4;
	uint64_t table = ref_field(nd->ncr3, (int)m - 1, 12);

	if (n->gpa >> (12 + 9 * levels) != 0)
		return npt_fault(w, n, false, false);
	for (unsigned level = levels;; level--) {
		int lo = 12 + 9 * ((int)level - 1);
		uint64_t pa = table + 8 * ref_number(n->gpa, lo + 8, lo);
		uint64_t e = ref_read_entry(w, true, level, n->gpa, 0, pa, 8);

		if (!ref_bit(e, 0))
			return npt_fault(w, n, false, false);
		if (ref_long_reserved(e, level, m, (nd->hefer & M2D_EFER_NXE) != 0,
				      w->cpu->host_features, true))
			return npt_fault(w, n, true, true);
		npt_use(n, pa, e, true);
		if (level == 1 || ref_bit(e, 7)) {
			uint64_t hpa = ref_field(e, (int)m - 1, lo) | ref_field(n->gpa, lo - 1, 0);

			return npt_finish(w, n, hpa, (unsigned)lo);
		}
		table = ref_field(e, (int)m - 1, 12);
	}
}

static bool npt_pae(RefWalk *w, NptWalk *n)
{
	const M2dNested *nd = &w->cpu->nested;
	unsigned m = w->cpu->host_maxphyaddr;
	uint64_t pa, e;

	if (n->gpa >> 32 != 0)
		return npt_fault(w, n, false, false);
	pa = ref_field(nd->ncr3, 31, 5) + 8 * ref_number(n->gpa, 31, 30);
	e = ref_read_entry(w, true, 3, n->gpa, 0, pa, 8);
	if (!ref_bit(e, 0))
		return npt_fault(w, n, false, false);
	if (ref_pdpte_reserved(e, m))
		return npt_fault(w, n, true, true);
	for (unsigned level = 2;; level--) {
		int lo = level == 2 ? 21 : 12;

		pa = ref_field(e, (int)m - 1, 12) + 8 * ref_number(n->gpa, lo + 8, lo);
		e = ref_read_entry(w, true, level, n->gpa, 0, pa, 8);
		if (!ref_bit(e, 0))
			return npt_fault(w, n, false, false);
		if (ref_pae_reserved(e, level, m, (nd->hefer & M2D_EFER_NXE) != 0))
			return npt_fault(w, n, true, true);
		npt_use(n, pa, e, true);
		if (level == 1 || ref_bit(e, 7))
			return npt_finish(
				w, n, ref_field(e, (int)m - 1, lo) | ref_field(n->gpa, lo - 1, 0),
				(unsigned)lo);
	}
}

static bool npt_32(RefWalk *w, NptWalk *n)
{
	const M2dNested *nd = &w->cpu->nested;
	uint64_t pa, e;

	n->size = 4;
	if (n->gpa >> 32 != 0)
		return npt_fault(w, n, false, false);
	pa = ref_field(nd->ncr3, 31, 12) + 4 * ref_number(n->gpa, 31, 22);
	e = ref_read_entry(w, true, 2, n->gpa, 0, pa, 4);
	if (!ref_bit(e, 0))
		return npt_fault(w, n, false, false);
	if (ref_bit(e, 7) && (nd->hcr4 & M2D_CR4_PSE)) {
		if (ref_pde4m_reserved(e, w->cpu->host_maxphyaddr, w->cpu->host_features))
			return npt_fault(w, n, true, true);
		npt_use(n, pa, e, false);
		return npt_finish(w, n, ref_pde4m_address(e, n->gpa), 22);
	}
	npt_use(n, pa, e, false);
	pa = ref_field(e, 31, 12) + 4 * ref_number(n->gpa, 21, 12);
	e = ref_read_entry(w, true, 1, n->gpa, 0, pa, 4);
	if (!ref_bit(e, 0))
		return npt_fault(w, n, false, false);
	npt_use(n, pa, e, false);
	return npt_finish(w, n, ref_field(e, 31, 12) | ref_field(n->gpa, 11, 0), 12);
}

bool ref_npt_translate(RefWalk *w, uint64_t gpa, M2dAccKind kind, bool final)
{
	const M2dNested *nd = &w->cpu->nested;
	NptWalk n = {.gpa = gpa, .kind = kind, .final = final, .size = 8, .rw = true, .us = true};

	if (nd->hefer & M2D_EFER_LMA)
		return npt_long(w, &n);
	if (nd->hcr4 & M2D_CR4_PAE)
		return npt_pae(w, &n);
	return npt_32(w, &n);
}
