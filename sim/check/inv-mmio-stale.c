/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmio-stale: MMIO where there is memory. A vCPU that left the guest before the memslot appeared
 * may still finish that one access.
 */
#include "sim/check/check-private.h"

void m2d_inv_mmio_stale(M2dCheck *c, const M2dEvent *e)
{
	uint8_t me = (uint8_t)(1u << (e->vcpu & 7));
	const M2dMemslot *slot;
	bool writable = false;
	unsigned as;
	uint64_t pfn;

	if (e->type == M2D_E_SLOT_CHANGED) {
		CHECK_PUT(c, c->s->slots_changed, 0xff);
		return;
	}
	if (e->type == M2D_E_KVM_EXIT) {
		if (c->s->slots_changed & me)
			CHECK_PUT(c, c->s->slots_changed, c->s->slots_changed & ~me);
		return;
	}
	m2d_premise(c, M2D_INV_MMIO_STALE);
	as = c->vm->vcpu[e->vcpu]->smm;
	slot = m2d_gfn_to_slot(c->vm, as, e->a[2] >> M2D_PAGE_SHIFT);
	if (!m2d_slot_visible(slot) || (c->s->slots_changed & me))
		return;
	/* A write that slot or host do not let through goes to userspace. */
	if (e->a[0] == 2 &&
	    (!m2d_peek_gfn(c->vm, as, e->a[2] >> M2D_PAGE_SHIFT, &pfn, &writable) || !writable))
		return;
	m2d_find(c, M2D_INV_MMIO_STALE,
		 &(M2dAbout){.vcpu = e->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = e->a[2],
			     .hpa = M2D_NO_ADDRESS},
		 "vcpu%u has an access to gpa 0x%" G_GINT64_MODIFIER
		 "x emulated as MMIO, where memslot %u is",
		 e->vcpu, e->a[2], slot->id);
}
