/* SPDX-License-Identifier: GPL-2.0-or-later */
/* writable-combo, huge-mixed, rights-beyond (the host's part): leafs as they are installed. */
#include "sim/check/check-private.h"

static void report(M2dCheck *c, M2dInvariantId id, M2dSpIndex sp, unsigned index, uint64_t spte,
		   const char *why)
{
	uint64_t gfn, n;

	m2d_leaf_gfns(c, sp, index, &gfn, &n);
	m2d_find(c, id,
		 &(M2dAbout){.vcpu = c->event->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = gfn << M2D_PAGE_SHIFT,
			     .hpa = m2d_spte_pfn(&c->vm->fmt, spte) << M2D_PAGE_SHIFT},
		 "SPTE 0x%" G_GINT64_MODIFIER "x for gfn 0x%" G_GINT64_MODIFIER "x %s", spte, gfn,
		 why);
}

void m2d_inv_writable_combo(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte)
{
	const M2dSpteFormat *fmt = &c->vm->fmt;

	if (fmt->mmu_writable == 0 || fmt->host_writable == 0)
		return;
	m2d_premise(c, M2D_INV_WRITABLE_COMBO);
	if ((m2d_spte_is_writable(spte) && !m2d_spte_is_mmu_writable(fmt, spte)) ||
	    (m2d_spte_is_mmu_writable(fmt, spte) && !m2d_spte_is_host_writable(fmt, spte)))
		report(c, M2D_INV_WRITABLE_COMBO, sp, index, spte,
		       "is writable without what that implies");
}

void m2d_inv_rights_host(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte)
{
	uint64_t gfn, n, pfn;
	bool writable;

	if (!m2d_spte_is_writable(spte) || c->vm->s->mmu_invalidate_in_progress != 0)
		return;
	m2d_leaf_gfns(c, sp, index, &gfn, &n);
	if (!m2d_peek_gfn(c->vm, m2d_role_as(m2d_sp(c->vm, sp)->role), gfn, &pfn, &writable) ||
	    pfn != m2d_spte_pfn(&c->vm->fmt, spte))
		return;
	m2d_premise(c, M2D_INV_RIGHTS_BEYOND);
	if (!writable)
		report(c, M2D_INV_RIGHTS_BEYOND, sp, index, spte,
		       "is writable where memslot or host let the guest only read");
}

/* Some gfn of [gfn, gfn + n), all in @slot, is tracked or shadowed in sync. */
static bool shadowed_in(const M2dCheck *c, unsigned as, const M2dMemslot *slot, uint64_t gfn,
			uint64_t n)
{
	const uint16_t *track = m2d_slot_track(c->vm, slot, gfn);
	M2dSpIndex max = m2d_shadow_max_sp(c->vm), by;

	for (uint64_t i = 0; i < n; i++)
		if (track[i] != 0)
			return true;
	for (M2dSpIndex sp = 1; sp < max; sp++)
		if (m2d_sp(c->vm, sp)->gfn - gfn < n &&
		    m2d_shadowed(c, as, m2d_sp(c->vm, sp)->gfn, &by))
			return true;
	return false;
}

void m2d_inv_huge_mixed(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte)
{
	unsigned as = m2d_role_as(m2d_sp(c->vm, sp)->role);
	uint64_t gfn, n, pfn = m2d_spte_pfn(&c->vm->fmt, spte);
	const M2dMemslot *slot;

	if (m2d_role_level(m2d_sp(c->vm, sp)->role) == 1)
		return;
	m2d_premise(c, M2D_INV_HUGE_MIXED);
	m2d_leaf_gfns(c, sp, index, &gfn, &n);
	slot = m2d_gfn_to_slot(c->vm, as, gfn);
	if (slot == NULL || c->vm->s->mmu_invalidate_in_progress != 0)
		return;
	if (gfn < slot->base_gfn || gfn + n > slot->base_gfn + slot->npages) {
		report(c, M2D_INV_HUGE_MIXED, sp, index, spte, "reaches beyond its memslot");
		return;
	}
	if (m2d_spte_is_writable(spte) && (slot->flags & M2D_SLOT_LOG_DIRTY)) {
		report(c, M2D_INV_HUGE_MIXED, sp, index, spte,
		       "is huge and writable while dirty pages are logged");
		return;
	}
	if (!m2d_hostmm_in_row(c->vm, m2d_slot_hva(slot, gfn), n, pfn)) {
		report(c, M2D_INV_HUGE_MIXED, sp, index, spte,
		       "covers frames that are not contiguous");
		return;
	}
	if (m2d_spte_is_writable(spte) && shadowed_in(c, as, slot, gfn, n))
		report(c, M2D_INV_HUGE_MIXED, sp, index, spte,
		       "covers a shadowed or write-tracked page");
}
