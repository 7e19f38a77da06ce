/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frame-use-after-free: accesses to frames that were given back, and what still leads there. */
#include "sim/check/check-private.h"

static void item_maps(M2dCheck *c, uint64_t pfn)
{
	M2dMoment now = m2d_event_moment(c);

	for (unsigned cpu = 0; cpu < m2d_items_n_cpus(c->items); cpu++) {
		for (M2dItemId id = m2d_items_first(c->items, cpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			uint64_t first, n;

			if (m2d_item_frames(c, id, &first, &n) && pfn >= first && pfn < first + n) {
				m2d_premise(c, M2D_INV_FRAME_USE_AFTER_FREE);
				m2d_item_set_due(c->items, id, M2D_DUE_HOST, &now);
			}
		}
	}
}

static void freed(M2dCheck *c, uint64_t pfn)
{
	uint64_t i = pfn - c->vm->cfg.first_pfn;

	m2d_premise(c, M2D_INV_FRAME_USE_AFTER_FREE);
	item_maps(c, pfn);
	m2d_judge(c, M2D_NO_ACTOR);
	if (i < c->vm->cfg.n_pfns && c->maps[i] != 0)
		m2d_find(c, M2D_INV_FRAME_USE_AFTER_FREE,
			 &(M2dAbout){.vcpu = M2D_NO_ACTOR,
				     .gva = M2D_NO_ADDRESS,
				     .gpa = M2D_NO_ADDRESS,
				     .hpa = pfn << M2D_PAGE_SHIFT},
			 "frame 0x%" G_GINT64_MODIFIER "x is given back while %u SPTE%s map%s it",
			 pfn, c->maps[i], c->maps[i] == 1 ? "" : "s", c->maps[i] == 1 ? "s" : "");
}

void m2d_inv_frame_use_after_free(M2dCheck *c, const M2dEvent *e)
{
	const M2dVm *vm = c->vm;
	M2dTlbSlot slot;
	uint64_t pfn;
	M2dAbout about;

	if (e->type == M2D_E_FRAME_FREED) {
		if (e->a[1] == M2D_FRAME_GUEST)
			freed(c, e->a[0]);
		return;
	}
	pfn = e->a[2] >> M2D_PAGE_SHIFT;
	if (e->vcpu >= vm->n_vcpus || m2d_frame_owner(vm, pfn) == M2D_FRAME_GUEST)
		return;
	slot = m2d_vcpu_mmu(m2d_vm_hw(vm, vm->vcpu[e->vcpu]))->last_slot;
	about = (M2dAbout){.vcpu = e->vcpu, .gva = e->a[1], .gpa = M2D_NO_ADDRESS, .hpa = e->a[2]};
	if (slot.array >= 0)
		about.item = m2d_items_at(c->items, vm->vcpu[e->vcpu]->pcpu, (unsigned)slot.array,
					  slot.slot);
	m2d_find(c, M2D_INV_FRAME_USE_AFTER_FREE, &about,
		 "vcpu%u accesses frame 0x%" G_GINT64_MODIFIER
		 "x, which is not the guest's any more",
		 e->vcpu, pfn);
}
