/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stale-gva, stale-psc, unsynced-shadow: what a flush of the guest covers. */
#include "sim/check/check-private.h"

static void flush_begins(M2dCheck *c, const M2dEvent *e)
{
	M2dMoment now = m2d_event_moment(c);

	for (unsigned cpu = 0; cpu < m2d_items_n_cpus(c->items); cpu++) {
		for (M2dItemId id = m2d_items_first(c->items, cpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			if (!m2d_flush_covers(c, e, id) || m2d_item_stale_guest(c->items, id) == 0)
				continue;
			m2d_premise(c, m2d_item_is_upper(c->items, id) ? M2D_INV_STALE_PSC
								       : M2D_INV_STALE_GVA);
			m2d_item_set_due(c->items, id, M2D_DUE_GUEST, &now);
		}
	}
}

void m2d_inv_guest_flush(M2dCheck *c, const M2dEvent *e)
{
	if (e->vcpu >= c->vm->n_vcpus)
		return;
	if (e->type == M2D_E_GUEST_FLUSH) {
		c->guest_flush[e->vcpu] = m2d_event_moment(c);
		if (m2d_items_marked(c->items) != 0)
			flush_begins(c, e);
		if (!c->vm->cfg.tdp)
			m2d_vt_flush(c, e->vcpu, (M2dGuestFlush)e->a[0], e->a[1],
				     (uint32_t)e->a[2]);
		CHECK_PUT(c, c->s->vcpu[e->vcpu].cr3, 0);
		return;
	}
	m2d_inv_other_root_flushed(c, e);
	m2d_inv_mmio_flushed(c, e);
	m2d_judge(c, e->vcpu);
	if (c->vm->vcpu[e->vcpu]->in_guest)
		m2d_vt_judge(c, e->vcpu);
}
