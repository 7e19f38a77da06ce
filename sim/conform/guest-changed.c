/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fault walks the guest's tables, waits for mmu_lock, and finds an entry changed: it is retried
 * (FNAME(gpte_changed)). That the guest stored in between is recorded nowhere. Where a fault came
 * to nothing, the model has no other reason for it, and an entry of its walk is another when it is
 * seen next, in a walk or in the SPTE that is made of it, the store was before the lock.
 */
#include "sim/conform/conform-private.h"

/* The next event after @now that sets @sptep; M2D_CONF_NONE: none. */
static uint32_t set_next(const M2dConform *c, M2dSptep sptep, uint32_t now)
{
	gpointer k;
	uint64_t at;

	if (sptep == 0)
		return M2D_CONF_NONE;
	k = g_hash_table_lookup(c->m2k, GSIZE_TO_POINTER(m2d_sp(c->vm, sptep >> 9)->pfn));
	if (k == NULL)
		return M2D_CONF_NONE;
	at = (GPOINTER_TO_SIZE(k) << M2D_PAGE_SHIFT) + (sptep & 511) * 8;
	return m2d_conf_first_after(g_hash_table_lookup(c->set_at, GSIZE_TO_POINTER(at)), now);
}

static bool leaf_changed(M2dConform *c, const M2dPteFormat *fmt, const M2dGuestWalk *w,
			 M2dSptep sptep)
{
	uint64_t gpa = w->pte_gpa[0], value = w->pte[0];
	uint32_t seen = m2d_conf_seen_next(c, gpa, c->now), set = set_next(c, sptep, c->now);

	if (set < seen) {
		unsigned access = m2d_role_access(m2d_sp(c->vm, sptep >> 9)->role);

		if (m2d_conf_entry_explains(c, fmt, value, access, set))
			return false;
		m2d_conf_guest_write(c, gpa, 1u << fmt->entry_shift,
				     m2d_conf_entry_shown(c, fmt, value, set));
		return true;
	}
	if (seen == M2D_CONF_NONE || m2d_conf_event(c, seen)->u.element.pte == value)
		return false;
	m2d_conf_put_entry(c, fmt, gpa, seen, c->now);
	return true;
}

static bool table_changed(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, uint64_t value)
{
	uint32_t seen = m2d_conf_seen_next(c, gpa, c->now);

	if (gpa == 0 || seen == M2D_CONF_NONE || m2d_conf_event(c, seen)->u.element.pte == value)
		return false;
	m2d_conf_put_entry(c, fmt, gpa, seen, c->now);
	return true;
}

bool m2d_conf_guest_changed(M2dConform *c, const M2dConfTask *task)
{
	const M2dKvmVcpu *v = c->vm->vcpu[task->vcpu];
	const M2dGuestWalk *w = m2d_mmu_last_fault(c->vm, (unsigned)task->vcpu);
	uint64_t addr = m2d_conf_event(c, task->fault_event)->u.page_fault.addr;

	if (c->tdp || !(v->regs.cr0 & M2D_CR0_PG))
		return false;
	for (unsigned level = MAX(w->level, 2u); level <= M2D_MAX_LEVELS; level++)
		if (table_changed(c, &v->mmu.gfmt, w->pte_gpa[level - 1], w->pte[level - 1]))
			return true;
	return w->level == 1 && leaf_changed(c, &v->mmu.gfmt, w, m2d_conf_shadow_of(c, task, addr));
}
