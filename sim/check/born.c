/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An item that has just been cached: whose it is, which guest frame it leads to, and whether the
 * walk behind it was right.
 */
#include "sim/check/check-private.h"

/* The gfn behind the last second-dimension step of the walk that has just filled @it. */
static uint64_t nested_gfn(const M2dItem *it, const M2dMmu *mmu)
{
	uint64_t low = m2d_low_mask(m2d_size_shift(m2d_item_esize(it->data)));
	const M2dWalkLog *log = &mmu->log;
	const M2dFetch *f = log->n != 0 ? &log->fetch[log->n - 1] : NULL;

	if (it->array == M2D_ARR_NTLB)
		return m2d_tag_va(it->tag) >> M2D_PAGE_SHIFT;
	if (f != NULL && f->dimension == M2D_DIM_NESTED && f->guest_level == 0)
		return (f->gpa & ~low) >> M2D_PAGE_SHIFT;
	return M2D_NO_GFN;
}

/* Served by the nested TLB: the guest's leaf says which page. */
static uint64_t leaf_gfn(const M2dMmu *mmu, uint64_t tag_va)
{
	const M2dMmuState *s = mmu->s;
	const M2dWalkLog *log = &mmu->log;

	for (uint32_t i = log->n; i-- > 0;) {
		const M2dFetch *f = &log->fetch[i];

		if (f->dimension != M2D_DIM_GUEST)
			continue;
		return (m2d_pte_leaf_base(&s->fmt, f->level, f->value) |
			(tag_va & m2d_low_mask(m2d_pte_shift(&s->fmt, f->level)))) >>
		       M2D_PAGE_SHIFT;
	}
	return M2D_NO_GFN;
}

/* Under shadow paging: what the leaf SPTE stands for. An SPTE that is stale makes a stale item. */
static uint64_t shadow_gfn(M2dCheck *c, M2dItemId id)
{
	uint64_t hpa = m2d_item_leaf_entry(c->items, id), first, n;
	const M2dItem *it = m2d_item(c->items, id);
	M2dVtPage *page;
	M2dMoment why;
	unsigned index;
	M2dSpIndex sp;

	if (hpa == 0)
		return M2D_NO_GFN;
	sp = m2d_spte_at(c, hpa, &index);
	if (sp == 0)
		return M2D_NO_GFN;
	page = m2d_vt_page(c, sp, false);
	if (page != NULL && (m2d_vt_flags(page, index) & M2D_VT_CHANGED) &&
	    m2d_spte_differs(c, sp, index) != M2D_AGREES) {
		why = m2d_items_moment(c->items);
		m2d_brief_get(c->changes, sp, index, &why);
		m2d_items_mark_guest(c->items, hpa, M2D_STALE_GONE, &why);
	}
	m2d_leaf_gfns(c, sp, index, &first, &n);
	/* The item may be a smaller piece of the page. */
	return first + ((m2d_tag_va(it->tag) >> M2D_PAGE_SHIFT) & (n - 1));
}

/* tlb-conformance: what the walk read was present and, where hardware sets A, accessed. */
static void check_walk(M2dCheck *c, unsigned cpu, const M2dMmu *mmu)
{
	const M2dWalkLog *log = &mmu->log;

	m2d_premise(c, M2D_INV_TLB_CONFORMANCE);
	for (uint32_t i = m2d_items_walk_start(c->items, cpu); i < log->n; i++) {
		const M2dFetch *f = &log->fetch[i];
		bool ept = f->dimension == M2D_DIM_NESTED && mmu->s->nested.kind == M2D_NESTED_EPT;

		if (f->value & (ept ? UINT64_C(7) | M2D_EPT_XU : M2D_PTE_P))
			continue;
		m2d_find(c, M2D_INV_TLB_CONFORMANCE,
			 &(M2dAbout){.vcpu = M2D_NO_ACTOR,
				     .gva = M2D_NO_ADDRESS,
				     .gpa = M2D_NO_ADDRESS,
				     .hpa = f->hpa},
			 "a walk that cached something read an entry that is not present");
		return;
	}
}

void m2d_on_born(M2dItemId id, void *data)
{
	M2dCheck *c = data;
	M2dItem *it = m2d_item(c->items, id);
	const M2dMmu *mmu = m2d_items_mmu(c->items, it->cpu);
	uint64_t gfn = M2D_NO_GFN;

	CHECK_PUT(c, it->owner, m2d_vcpu_on(c, it->cpu));
	if (it->owner == M2D_NO_ACTOR) {
		/* The entry of a vCPU loads before it is said to be in the guest. */
		return;
	}
	m2d_root_born(c, it->owner, it);
	if (c->opt.audit_every != 0 && it->array <= M2D_ARR_L2_1G)
		check_walk(c, it->cpu, mmu);
	if (m2d_item_is_upper(c->items, id))
		return;
	if (!c->vm->cfg.tdp) {
		gfn = shadow_gfn(c, id);
	} else {
		gfn = nested_gfn(it, mmu);
		if (gfn == M2D_NO_GFN)
			gfn = leaf_gfn(mmu, m2d_tag_va(it->tag));
	}
	CHECK_PUT(c, it->gfn, gfn);
}
