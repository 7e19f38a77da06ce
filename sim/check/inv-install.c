/* SPDX-License-Identifier: GPL-2.0-or-later */
/* writable-combo, huge-mixed, rights-beyond (the host's part): leafs as they are installed. */
#include "sim/check/check-private.h"

static void report(M2dCheck *c, M2dInvariantId id, const M2dLeaf *leaf, const char *why)
{
	m2d_find(c, id,
		 &(M2dAbout){.vcpu = c->event->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = leaf->gfn << M2D_PAGE_SHIFT,
			     .hpa = leaf->pfn << M2D_PAGE_SHIFT},
		 "SPTE 0x%" G_GINT64_MODIFIER "x for gfn 0x%" G_GINT64_MODIFIER "x %s", leaf->spte,
		 leaf->gfn, why);
}

void m2d_inv_writable_combo(M2dCheck *c, const M2dLeaf *leaf)
{
	const M2dSpteFormat *fmt = &c->vm->fmt;
	bool mmu_writable = m2d_spte_is_mmu_writable(fmt, leaf->spte);

	if (fmt->mmu_writable == 0 || fmt->host_writable == 0)
		return;
	m2d_premise(c, M2D_INV_WRITABLE_COMBO);
	if ((m2d_spte_is_writable(leaf->spte) && !mmu_writable) ||
	    (mmu_writable && !m2d_spte_is_host_writable(fmt, leaf->spte)))
		report(c, M2D_INV_WRITABLE_COMBO, leaf, "is writable without what that implies");
}

void m2d_inv_rights_host(M2dCheck *c, const M2dLeaf *leaf)
{
	if (!m2d_spte_is_writable(leaf->spte) || c->vm->s->mmu_invalidate_in_progress != 0 ||
	    !leaf->backed || leaf->host_pfn != leaf->pfn)
		return;
	m2d_premise(c, M2D_INV_RIGHTS_BEYOND);
	if (!leaf->writable)
		report(c, M2D_INV_RIGHTS_BEYOND, leaf,
		       "is writable where memslot or host let the guest only read");
}

/* Some gfn of the leaf, all in its slot, is tracked or shadowed in sync. */
static bool shadowed_in(const M2dCheck *c, const M2dLeaf *leaf)
{
	const uint16_t *track = m2d_slot_track(c->vm, leaf->slot, leaf->gfn);
	M2dSpIndex max = m2d_shadow_max_sp(c->vm), by;
	uint16_t tracked = 0;

	for (uint64_t i = 0; i < leaf->n; i++)
		tracked |= track[i];
	if (tracked != 0)
		return true;
	for (M2dSpIndex sp = 1; sp < max; sp++) {
		uint64_t gfn = m2d_sp(c->vm, sp)->gfn;

		if (gfn - leaf->gfn < leaf->n && m2d_shadowed(c, leaf->as, gfn, &by))
			return true;
	}
	return false;
}

void m2d_inv_huge_mixed(M2dCheck *c, const M2dLeaf *leaf)
{
	const M2dMemslot *slot = leaf->slot;

	if (leaf->level == 1)
		return;
	m2d_premise(c, M2D_INV_HUGE_MIXED);
	if (slot == NULL || c->vm->s->mmu_invalidate_in_progress != 0)
		return;
	if (leaf->gfn < slot->base_gfn || leaf->gfn + leaf->n > slot->base_gfn + slot->npages) {
		report(c, M2D_INV_HUGE_MIXED, leaf, "reaches beyond its memslot");
		return;
	}
	if (m2d_spte_is_writable(leaf->spte) && (slot->flags & M2D_SLOT_LOG_DIRTY)) {
		report(c, M2D_INV_HUGE_MIXED, leaf,
		       "is huge and writable while dirty pages are logged");
		return;
	}
	if (!m2d_hostmm_in_row(c->vm, m2d_slot_hva(slot, leaf->gfn), leaf->n, leaf->pfn))
		report(c, M2D_INV_HUGE_MIXED, leaf, "covers frames that are not contiguous");
	else if (m2d_spte_is_writable(leaf->spte) && shadowed_in(c, leaf))
		report(c, M2D_INV_HUGE_MIXED, leaf, "covers a shadowed or write-tracked page");
}
