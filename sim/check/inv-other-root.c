/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stale-gva, stale-gpa: translations that were made below another root. None of their entries need
 * have changed: what changed is where the walk begins, and hardware does not know it where the root
 * is no tag. With PCIDs the guest itself may keep what it has of another CR3 (MOV with bit 63), so
 * that nothing is said then.
 */
#include "sim/check/check-private.h"

void m2d_inv_other_root(M2dCheck *c, const M2dEvent *e)
{
	const M2dKvmVcpu *v = c->vm->vcpu[e->vcpu];
	M2dInvariantId inv = c->vm->cfg.tdp ? M2D_INV_STALE_GPA : M2D_INV_STALE_GVA;
	uint64_t place = v->mmu.root_hpa | (v->pcpu + 1);

	if (!c->vm->cfg.tdp && (v->regs.cr4 & M2D_CR4_PCIDE))
		return;
	/* What was made since is made below the root that the vCPU has had. */
	if (c->s->last_root[e->vcpu] == place)
		return;
	CHECK_PUT(c, c->s->last_root[e->vcpu], place);
	m2d_premise(c, inv);
	for (M2dItemId id = m2d_items_first(c->items, v->pcpu); id != 0;
	     id = m2d_items_next(c->items, id)) {
		const M2dItem *it = m2d_item(c->items, id);

		if (it->root == 0 || it->root == v->mmu.root_hpa || it->reported ||
		    it->owner != e->vcpu || !m2d_usable(c, e->vcpu, id))
			continue;
		m2d_find(c, inv,
			 &(M2dAbout){.vcpu = e->vcpu,
				     .gva = m2d_tag_va(it->tag),
				     .gpa = M2D_NO_ADDRESS,
				     .hpa = it->data & M2D_ITEM_FRAME,
				     .item = id},
			 "vcpu%u enters with root 0x%" G_GINT64_MODIFIER
			 "x and can use a translation made below 0x%" G_GINT64_MODIFIER "x",
			 e->vcpu, v->mmu.root_hpa, it->root);
	}
}
