/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stale-host-map: SPTEs against the host's page tables; what a notifier promises. */
#include "sim/check/check-private.h"

static void report(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte, const char *why)
{
	uint64_t gfn, n;
	M2dMoment birth;

	m2d_leaf_gfns(c, sp, index, &gfn, &n);
	m2d_find(c, M2D_INV_STALE_HOST_MAP,
		 &(M2dAbout){.vcpu = M2D_NO_ACTOR,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = gfn << M2D_PAGE_SHIFT,
			     .hpa = m2d_spte_pfn(&c->vm->fmt, spte) << M2D_PAGE_SHIFT,
			     .birth = m2d_birth_get(c->births, sp, index, &birth)},
		 "SPTE 0x%" G_GINT64_MODIFIER "x maps gfn 0x%" G_GINT64_MODIFIER "x %s", spte, gfn,
		 why);
}

void m2d_inv_stale_host_map_install(M2dCheck *c, const M2dLeaf *leaf)
{
	if (c->vm->s->mmu_invalidate_in_progress != 0)
		return;
	m2d_premise(c, M2D_INV_STALE_HOST_MAP);
	/* Without a slot: it is on its way out. */
	if (leaf->slot == NULL || (leaf->backed && leaf->host_pfn == leaf->pfn))
		return;
	report(c, leaf->sp, leaf->index, leaf->spte,
	       "to a frame that the host does not have there");
}

static void still_mapped(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte, void *data)
{
	report(c, sp, index, spte, "after the notifier's invalidation has returned");
}

void m2d_inv_stale_host_map(M2dCheck *c, const M2dEvent *e)
{
	m2d_premise(c, M2D_INV_STALE_HOST_MAP);
	m2d_each_leaf(c, (unsigned)e->a[2], e->a[0], e->a[1] - e->a[0], 0, still_mapped, NULL);
	m2d_promise_gfns(c, e->a[0], e->a[1] - e->a[0], M2D_STALE_GONE | M2D_STALE_RIGHT, false);
	m2d_judge(c, M2D_NO_ACTOR);
}
