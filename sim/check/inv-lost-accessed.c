/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lost-accessed: aging that is to flush, where the profile does. What was aged must be gone when
 * the host's operation has ended.
 */
#include "sim/check/check-private.h"

/* Bit of M2dItem.asked beyond those of actors. */
#define AGED 0x8000u

static void aged(M2dCheck *c, uint64_t gfn)
{
	for (unsigned cpu = 0; cpu < m2d_items_n_cpus(c->items); cpu++) {
		for (M2dItemId id = m2d_items_first(c->items, cpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			M2dItem *it = m2d_item(c->items, id);
			uint64_t first, n;

			if (m2d_item_gfns(c, id, &first, &n) && gfn - first < n &&
			    (m2d_item_stale_host(c->items, id) & M2D_STALE_ACC))
				CHECK_PUT(c, it->asked, it->asked | AGED);
		}
	}
}

static void ended(M2dCheck *c)
{
	M2dMoment now = m2d_event_moment(c);

	for (unsigned cpu = 0; cpu < m2d_items_n_cpus(c->items); cpu++) {
		for (M2dItemId id = m2d_items_first(c->items, cpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			M2dItem *it = m2d_item(c->items, id);

			if (!(it->asked & AGED))
				continue;
			CHECK_PUT(c, it->asked, it->asked & ~AGED);
			m2d_item_set_due(c->items, id, M2D_DUE_HOST, &now);
		}
	}
}

void m2d_inv_lost_accessed(M2dCheck *c, const M2dEvent *e)
{
	if (!c->vm->cfg.knobs.young_flush || m2d_items_marked(c->items) == 0)
		return;
	if (e->type == M2D_E_OP_DONE) {
		if (e->actor == c->vm->host_actor)
			ended(c);
		return;
	}
	if (e->a[1] == 0)
		return;
	m2d_premise(c, M2D_INV_LOST_ACCESSED);
	aged(c, e->a[0]);
}
