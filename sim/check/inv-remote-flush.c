/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stale-gpa: what a remote flush that has returned had to drop. */
#include "sim/check/check-private.h"

static void begins(M2dCheck *c, uint16_t actor)
{
	for (unsigned cpu = 0; cpu < m2d_items_n_cpus(c->items); cpu++) {
		for (M2dItemId id = m2d_items_first(c->items, cpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			M2dItem *it = m2d_item(c->items, id);

			if (m2d_item_stale_host(c->items, id) != 0)
				CHECK_PUT(c, it->asked, it->asked | actor);
		}
	}
}

static void ends(M2dCheck *c, uint16_t actor)
{
	M2dMoment now = m2d_event_moment(c);

	for (unsigned cpu = 0; cpu < m2d_items_n_cpus(c->items); cpu++) {
		for (M2dItemId id = m2d_items_first(c->items, cpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			M2dItem *it = m2d_item(c->items, id);

			if (!(it->asked & actor))
				continue;
			CHECK_PUT(c, it->asked, it->asked & ~actor);
			m2d_premise(c, m2d_item_is_upper(c->items, id) ? M2D_INV_STALE_PSC
								       : M2D_INV_STALE_GPA);
			m2d_item_set_due(c->items, id, M2D_DUE_HOST, &now);
		}
	}
}

void m2d_inv_remote_flush(M2dCheck *c, const M2dEvent *e)
{
	uint16_t actor = (uint16_t)(1u << (e->actor & 15));

	if (m2d_items_marked(c->items) == 0)
		return;
	if (e->type == M2D_E_FLUSH_REMOTE) {
		begins(c, actor);
		return;
	}
	ends(c, actor);
	m2d_judge(c, M2D_NO_ACTOR);
}
