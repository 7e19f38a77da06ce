/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pt-use-after-free: a table that is freed while something cached or linked leads to it. */
#include "sim/check/check-private.h"

static void linked(M2dCheck *c, uint64_t pfn)
{
	M2dSpIndex max = m2d_shadow_max_sp(c->vm);

	for (M2dSpIndex sp = 1; sp < max; sp++) {
		const M2dSp *s = m2d_sp(c->vm, sp);
		const uint64_t *words;

		if (s->pfn == 0 || s->pfn == pfn || s->on_list == 2 || s->nonzero == 0)
			continue;
		words = m2d_sp_words(c, s);
		for (unsigned i = 0; i < 512; i++) {
			uint64_t spte = words[i];

			if (spte == c->vm->fmt.nonpresent ||
			    !m2d_spte_is_present(&c->vm->fmt, spte) ||
			    m2d_spte_is_last(spte, m2d_role_level(s->role)) ||
			    m2d_spte_pfn(&c->vm->fmt, spte) != pfn)
				continue;
			m2d_find(c, M2D_INV_PT_USE_AFTER_FREE,
				 &(M2dAbout){.vcpu = M2D_NO_ACTOR,
					     .gva = M2D_NO_ADDRESS,
					     .gpa = M2D_NO_ADDRESS,
					     .hpa = pfn << M2D_PAGE_SHIFT},
				 "table 0x%" G_GINT64_MODIFIER
				 "x is freed while the SPTE at 0x%" G_GINT64_MODIFIER "x links it",
				 pfn, m2d_spte_hpa(c->vm, m2d_sptep(sp, i)).v);
			return;
		}
	}
}

static void loaded(M2dCheck *c, M2dSpIndex sp, uint64_t pfn)
{
	for (unsigned i = 0; i < c->vm->n_vcpus; i++) {
		const M2dKvmVcpu *v = c->vm->vcpu[i];

		if (!v->in_guest || v->mmu.root_hpa >> M2D_PAGE_SHIFT != pfn)
			continue;
		m2d_find(c, M2D_INV_PT_USE_AFTER_FREE,
			 &(M2dAbout){.vcpu = i,
				     .gva = M2D_NO_ADDRESS,
				     .gpa = M2D_NO_ADDRESS,
				     .hpa = pfn << M2D_PAGE_SHIFT},
			 "root page %u is freed while vcpu%u runs on it", sp, i);
	}
}

void m2d_inv_pt_use_after_free(M2dCheck *c, const M2dEvent *e)
{
	M2dMoment now = m2d_event_moment(c);
	uint64_t pfn = e->a[3];

	m2d_premise(c, M2D_INV_PT_USE_AFTER_FREE);
	loaded(c, (M2dSpIndex)e->a[0], pfn);
	if (c->opt.audit_every != 0)
		linked(c, pfn);
	if (!m2d_items_use_frame(c->items, pfn))
		return;
	for (unsigned cpu = 0; cpu < m2d_items_n_cpus(c->items); cpu++)
		for (M2dItemId id = m2d_items_first(c->items, cpu); id != 0;
		     id = m2d_items_next(c->items, id))
			if (m2d_item_stems_from(c->items, id, pfn))
				m2d_item_set_due(c->items, id, M2D_DUE_HOST, &now);
	m2d_judge(c, M2D_NO_ACTOR);
}
