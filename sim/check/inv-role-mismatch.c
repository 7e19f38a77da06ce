/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * role-mismatch: the tables that a fault went down through. Upper levels are write-protected, so
 * that when a fault has ended they are what the guest's tables call for. What a host store changed
 * while the fault was under way, KVM could not see: only what differed when it began counts.
 */
#include "sim/check/check-private.h"

/* A table entry on the way down to @gva; false behind the last. @sp: 0 at the end. */
static bool next_table(const M2dVm *vm, M2dSpIndex *sp, uint64_t gva, unsigned *level,
		       unsigned *index, uint64_t *spte)
{
	if (*sp == 0)
		return false;
	*level = m2d_role_level(m2d_sp(vm, *sp)->role);
	*index = gva >> (12 + 9 * (*level - 1)) & 511;
	*spte = m2d_spte_read(vm, m2d_sptep(*sp, *index));
	return *level > 1 && m2d_spte_is_present(&vm->fmt, *spte) &&
	       !m2d_spte_is_last(*spte, *level);
}

static bool is_wrong(M2dCheck *c, M2dSpIndex sp, unsigned index)
{
	M2dDiffers d = m2d_spte_differs(c, sp, index);

	return d == M2D_DIFFERS_GONE || d == M2D_DIFFERS_ROLE;
}

void m2d_inv_role_mismatch_begin(M2dCheck *c, const M2dEvent *e)
{
	M2dSpIndex sp;
	unsigned level, index, wrong = 0;
	uint64_t spte;

	if (c->vm->cfg.tdp || e->vcpu >= c->vm->n_vcpus)
		return;
	for (sp = m2d_root_for(c, e->vcpu, e->a[0]);
	     next_table(c->vm, &sp, e->a[0], &level, &index, &spte);
	     sp = m2d_shadow_sp_of_frame(c->vm, m2d_spte_pfn(&c->vm->fmt, spte)))
		wrong |= is_wrong(c, sp, index) ? 1u << level : 0;
	CHECK_PUT(c, c->s->vcpu[e->vcpu].path_wrong, wrong);
}

void m2d_inv_role_mismatch(M2dCheck *c, const M2dEvent *e)
{
	uint64_t gva = e->a[0], spte;
	unsigned level, index, wrong;
	M2dSpIndex sp;

	if (c->vm->cfg.tdp || e->vcpu >= c->vm->n_vcpus)
		return;
	wrong = c->s->vcpu[e->vcpu].path_wrong;
	CHECK_PUT(c, c->s->vcpu[e->vcpu].path_wrong, 0);
	if (e->a[2] != M2D_RET_PF_FIXED)
		return;
	m2d_premise(c, M2D_INV_ROLE_MISMATCH);
	for (sp = m2d_root_for(c, e->vcpu, gva); next_table(c->vm, &sp, gva, &level, &index, &spte);
	     sp = m2d_shadow_sp_of_frame(c->vm, m2d_spte_pfn(&c->vm->fmt, spte))) {
		M2dVtPage *page = m2d_vt_page(c, sp, false);
		M2dMoment birth, write;

		if (!(wrong >> level & 1) || !is_wrong(c, sp, index) ||
		    (page != NULL && (m2d_vt_flags(page, index) & M2D_VT_REPORTED)))
			continue;
		m2d_find(c, M2D_INV_ROLE_MISMATCH,
			 &(M2dAbout){.vcpu = e->vcpu,
				     .gva = gva,
				     .gpa = m2d_sp(c->vm, sp)->gfn << M2D_PAGE_SHIFT,
				     .hpa = m2d_spte_hpa(c->vm, m2d_sptep(sp, index)).v,
				     .birth = m2d_birth_get(c->births, sp, index, &birth),
				     .write = m2d_brief_get(c->changes, sp, index, &write)},
			 "a fault of vcpu%u went through SPTE 0x%" G_GINT64_MODIFIER
			 "x of level %u, which is not what the guest's entry calls for",
			 e->vcpu, spte, level);
		return;
	}
}
