/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * deferred-flush, level-mixed: an operation that took a page away from an SPTE has ended, and a
 * vCPU in the guest still has the page cached. Later promises rely on it: where nothing is mapped
 * any more, nobody flushes.
 */
#include "sim/check/check-private.h"

void m2d_inv_deferred_flush(M2dCheck *c, const M2dEvent *e)
{
	if (m2d_items_marked(c->items) == 0)
		return;
	for (unsigned i = 0; i < c->vm->n_vcpus; i++) {
		const M2dKvmVcpu *v = c->vm->vcpu[i];

		if (!v->in_guest)
			continue;
		for (M2dItemId id = m2d_items_first(c->items, v->pcpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			const M2dItem *it = m2d_item(c->items, id);
			bool size;

			if (it->reported || !m2d_usable(c, i, id) ||
			    !(m2d_item_stale_host(c->items, id) & M2D_STALE_GONE))
				continue;
			/* Another's flush may still be under way. */
			if (!(m2d_item_gone_by(c->items, id) >> e->actor & 1))
				continue;
			size = m2d_item_resized(c->items, id);
			m2d_find(c, size ? M2D_INV_LEVEL_MIXED : M2D_INV_DEFERRED_FLUSH,
				 &(M2dAbout){.vcpu = i,
					     .gva = m2d_tag_va(it->tag),
					     .gpa = M2D_NO_ADDRESS,
					     .hpa = it->data & M2D_ITEM_FRAME,
					     .item = id},
				 "vcpu%u still has what an ended operation took away", i);
		}
	}
}
