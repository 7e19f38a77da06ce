/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slot-still-mapped: what leads to the gfns of a memslot that is gone. */
#include "sim/check/check-private.h"

static bool page_valid(const M2dCheck *c, M2dSpIndex sp)
{
	return !m2d_sp_obsolete(c->vm, m2d_sp(c->vm, sp));
}

static void mapped(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte, void *data)
{
	bool *found = data;
	uint64_t gfn, n;
	M2dMoment birth;

	if (*found || !page_valid(c, sp))
		return;
	*found = true;
	m2d_leaf_gfns(c, sp, index, &gfn, &n);
	m2d_find(c, M2D_INV_SLOT_STILL_MAPPED,
		 &(M2dAbout){.vcpu = M2D_NO_ACTOR,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = gfn << M2D_PAGE_SHIFT,
			     .hpa = m2d_spte_pfn(&c->vm->fmt, spte) << M2D_PAGE_SHIFT,
			     .birth = m2d_birth_get(c->births, sp, index, &birth)},
		 "SPTE 0x%" G_GINT64_MODIFIER "x still maps gfn 0x%" G_GINT64_MODIFIER
		 "x of a memslot that is gone",
		 spte, gfn);
}

void m2d_inv_slot_still_mapped(M2dCheck *c, const M2dEvent *e)
{
	bool found = false;

	m2d_premise(c, M2D_INV_SLOT_STILL_MAPPED);
	m2d_each_leaf(c, (unsigned)(e->a[0] >> 16), e->a[1], e->a[2], 0, mapped, &found);
	m2d_promise_gfns(c, e->a[1], e->a[2], M2D_STALE_GONE, false);
	m2d_judge(c, M2D_NO_ACTOR);
}

/* Who read the memslots before the deletion must be through before it. */
void m2d_inv_slot_install(M2dCheck *c, const M2dLeaf *leaf)
{
	bool found = false;

	if (leaf->slot == NULL)
		mapped(c, leaf->sp, leaf->index, leaf->spte, &found);
}
