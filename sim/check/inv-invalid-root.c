/* SPDX-License-Identifier: GPL-2.0-or-later */
/* invalid-root: roots that vCPUs enter with, and pages below them. */
#include "sim/check/check-private.h"

/* Zapped, or of an old generation: the request to drop it came with the new one. */
static bool obsolete(const M2dVm *vm, M2dSpIndex sp)
{
	return m2d_sp_obsolete(vm, m2d_sp(vm, sp));
}

/* A leaf is installed. Faults look at their root under mmu_lock, and pages go obsolete under it. */
void m2d_inv_invalid_page(M2dCheck *c, M2dSpIndex sp, const M2dEvent *e)
{
	m2d_premise(c, M2D_INV_INVALID_ROOT);
	if (!obsolete(c->vm, sp))
		return;
	m2d_find(c, M2D_INV_INVALID_ROOT,
		 &(M2dAbout){.vcpu = e->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = e->a[0] << M2D_PAGE_SHIFT,
			     .hpa = e->a[3]},
		 "a leaf for gfn 0x%" G_GINT64_MODIFIER
		 "x goes into shadow page %u, which is obsolete",
		 e->a[0], sp);
}

void m2d_inv_invalid_root(M2dCheck *c, const M2dEvent *e)
{
	M2dSpIndex sp;

	if (e->vcpu >= c->vm->n_vcpus)
		return;
	m2d_premise(c, M2D_INV_INVALID_ROOT);
	for (unsigned i = 0; i < 4; i++) {
		sp = m2d_root_page(c, e->vcpu, i);
		if (sp == 0 || !obsolete(c->vm, sp))
			continue;
		if (c->s->vcpu[e->vcpu].bad_root == sp)
			return;
		CHECK_PUT(c, c->s->vcpu[e->vcpu].bad_root, sp);
		m2d_find(c, M2D_INV_INVALID_ROOT,
			 &(M2dAbout){.vcpu = e->vcpu,
				     .gva = M2D_NO_ADDRESS,
				     .gpa = m2d_sp(c->vm, sp)->gfn << M2D_PAGE_SHIFT,
				     .hpa = m2d_sp(c->vm, sp)->pfn << M2D_PAGE_SHIFT},
			 "vcpu%u enters with root page %u, which is obsolete", e->vcpu, sp);
		return;
	}
}
