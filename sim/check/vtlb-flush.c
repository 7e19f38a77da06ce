/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which SPTEs a flush of the guest covers, as entries of its virtual TLB. */
#include "sim/check/check-private.h"

static void flush_page(M2dCheck *c, unsigned vcpu, M2dSpIndex sp, bool globals)
{
	M2dVtPage *page = m2d_vt_page(c, sp, false);

	if (page == NULL || page->changed == 0)
		return;
	for (unsigned i = m2d_vt_next_flagged(page, 0); i < 512;
	     i = m2d_vt_next_flagged(page, i + 1))
		if (globals || !(m2d_vt_flags(page, i) & M2D_VT_GLOBAL))
			m2d_vt_cover(c, vcpu, sp, page, i);
}

/* Pages that, of the roots that the vCPU keeps, only previous ones of @pcid lead to: what is
 * flushed for that PCID and not for the current one. A root that it does not keep is synced when
 * loaded. */
static bool only_of_pcid(const M2dCheck *c, unsigned vcpu, M2dSpIndex sp, uint32_t pcid)
{
	const M2dKvmVcpu *v = c->vm->vcpu[vcpu];
	M2dSpIndex current = m2d_root_for(c, vcpu, 0);
	bool found = false;

	if (current != 0 && m2d_reaches(c, current, sp))
		return false;
	for (unsigned i = 0; i < M2D_N_PREV_ROOTS; i++) {
		const M2dRootInfo *root = &v->mmu.prev[i];

		if (root->sp == 0 || root->sp >= m2d_shadow_max_sp(c->vm) ||
		    !m2d_reaches(c, root->sp, sp))
			continue;
		if ((root->pgd & M2D_CR3_PCID) != pcid)
			return false;
		found = true;
	}
	return found;
}

/* The entry of @gva in previous roots: global ones, or those of @pcid. */
static void flush_previous(M2dCheck *c, unsigned vcpu, uint64_t gva, bool global, uint32_t pcid)
{
	const M2dKvmVcpu *v = c->vm->vcpu[vcpu];

	for (unsigned i = 0; i < M2D_N_PREV_ROOTS; i++) {
		M2dSpIndex sp = v->mmu.prev[i].sp;

		while (sp != 0 && sp < m2d_shadow_max_sp(c->vm)) {
			unsigned level = m2d_role_level(m2d_sp(c->vm, sp)->role);
			unsigned index = gva >> (12 + 9 * (level - 1)) & 511;
			M2dVtPage *page = m2d_vt_page(c, sp, false);
			uint64_t spte = m2d_spte_read(c->vm, m2d_sptep(sp, index));

			if (page != NULL && (m2d_vt_flags(page, index) & M2D_VT_CHANGED) &&
			    (global ? m2d_vt_flags(page, index) & M2D_VT_GLOBAL
				    : only_of_pcid(c, vcpu, sp, pcid)))
				m2d_vt_cover(c, vcpu, sp, page, index);
			if (!m2d_spte_is_present(&c->vm->fmt, spte) ||
			    m2d_spte_is_last(spte, level))
				break;
			sp = m2d_shadow_sp_of_frame(c->vm, m2d_spte_pfn(&c->vm->fmt, spte));
		}
	}
}

/* The entries that a walk of @gva from @sp goes through. */
static void flush_path(M2dCheck *c, unsigned vcpu, M2dSpIndex sp, uint64_t gva)
{
	while (sp != 0) {
		unsigned level = m2d_role_level(m2d_sp(c->vm, sp)->role);
		unsigned index = gva >> (12 + 9 * (level - 1)) & 511;
		M2dVtPage *page = m2d_vt_page(c, sp, false);
		uint64_t spte = m2d_spte_read(c->vm, m2d_sptep(sp, index));

		if (page != NULL)
			m2d_vt_cover(c, vcpu, sp, page, index);
		if (!m2d_spte_is_present(&c->vm->fmt, spte) || m2d_spte_is_last(spte, level))
			return;
		sp = m2d_shadow_sp_of_frame(c->vm, m2d_spte_pfn(&c->vm->fmt, spte));
	}
}

void m2d_vt_flush(M2dCheck *c, unsigned vcpu, M2dGuestFlush scope, uint64_t gva, uint32_t pcid)
{
	const M2dKvmVcpu *v = c->vm->vcpu[vcpu];
	bool globals = scope == M2D_GF_ALL || !(v->regs.cr4 & M2D_CR4_PGE);
	bool pcide = v->regs.cr4 & M2D_CR4_PCIDE;
	uint64_t cr3 = c->s->vcpu[vcpu].cr3 != 0 ? c->s->vcpu[vcpu].cr3 : v->regs.cr3;
	M2dSpIndex n = m2d_shadow_max_sp(c->vm), root;

	if (scope == M2D_GF_PAGE || scope == M2D_GF_PCID_PAGE) {
		if (scope == M2D_GF_PAGE || !pcide || (v->regs.cr3 & M2D_CR3_PCID) == pcid)
			flush_path(c, vcpu, m2d_root_for(c, vcpu, gva), gva);
		if (pcide && (scope == M2D_GF_PAGE ? v->regs.cr4 & M2D_CR4_PGE
						   : (v->regs.cr3 & M2D_CR3_PCID) != pcid))
			flush_previous(c, vcpu, gva, scope == M2D_GF_PAGE, pcid);
		return;
	}
	for (M2dSpIndex sp = m2d_vt_next_changed(c, 1, n); sp < n;
	     sp = m2d_vt_next_changed(c, sp + 1, n)) {
		if (m2d_sp(c->vm, sp)->pfn == 0)
			continue;
		/* With PCIDs a load of CR3 covers what the new root leads to; without, no other
		 * table is reached before the next load. */
		if (scope == M2D_GF_PCID && pcide) {
			root = m2d_root_for(c, vcpu, 0);
			if (((cr3 & M2D_CR3_PCID) != pcid || root == 0 ||
			     m2d_sp(c->vm, root)->gfn != (cr3 & M2D_BITS(51, 12)) >> 12 ||
			     !m2d_reaches(c, root, sp)) &&
			    ((v->regs.cr3 & M2D_CR3_PCID) == pcid ||
			     !only_of_pcid(c, vcpu, sp, pcid)))
				continue;
		}
		flush_page(c, vcpu, sp, globals);
	}
}
