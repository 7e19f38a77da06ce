/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * role-mismatch: the tables that a fault went down through. Upper levels are write-protected, so
 * that when a fault has ended they are what the guest's tables call for.
 */
#include "sim/check/check-private.h"

void m2d_inv_role_mismatch(M2dCheck *c, const M2dEvent *e)
{

	uint64_t gva = e->a[0];
	M2dSpIndex sp;

	if (e->a[2] != M2D_RET_PF_FIXED || c->vm->cfg.tdp || e->vcpu >= c->vm->n_vcpus)
		return;
	/* A store that KVM performs for another vCPU changes the guest's entry before mmu_lock is
	 * taken to zap what it meant: until then both are right. */
	if (c->s->stored & ~(1u << e->vcpu))
		return;
	m2d_premise(c, M2D_INV_ROLE_MISMATCH);
	sp = m2d_root_for(c, e->vcpu, gva);
	while (sp != 0) {
		unsigned level = m2d_role_level(m2d_sp(c->vm, sp)->role);
		unsigned index = gva >> (12 + 9 * (level - 1)) & 511;
		uint64_t spte = m2d_spte_read(c->vm, m2d_sptep(sp, index));
		M2dVtPage *page = m2d_vt_page(c, sp, false);
		M2dDiffers d;

		if (level == 1 || !m2d_spte_is_present(&c->vm->fmt, spte) ||
		    m2d_spte_is_last(spte, level))
			return;
		d = m2d_spte_differs(c, sp, index);
		if ((d == M2D_DIFFERS_GONE || d == M2D_DIFFERS_ROLE) &&
		    !(page != NULL && (page->flags[index] & M2D_VT_REPORTED))) {
			m2d_find(c, M2D_INV_ROLE_MISMATCH,
				 &(M2dAbout){.vcpu = e->vcpu,
					     .gva = gva,
					     .gpa = m2d_sp(c->vm, sp)->gfn << M2D_PAGE_SHIFT,
					     .hpa = m2d_spte_hpa(c->vm, m2d_sptep(sp, index)).v,
					     .write = g_hash_table_lookup(
						     c->changes,
						     GUINT_TO_POINTER(m2d_sptep(sp, index)))},
				 "a fault of vcpu%u went through SPTE 0x%" G_GINT64_MODIFIER
				 "x of level %u, which is not what the guest's entry calls for",
				 e->vcpu, spte, level);
			return;
		}
		sp = m2d_shadow_sp_of_frame(c->vm, m2d_spte_pfn(&c->vm->fmt, spte));
	}
}
