/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of SPTEs and of the pages that they lie in, and who judges what has changed. */
#include "sim/check/check-private.h"

static bool installs(const M2dCheck *c, uint64_t old, uint64_t new, unsigned level)
{
	const M2dSpteFormat *fmt = &c->vm->fmt;

	return m2d_spte_is_present(fmt, new) && m2d_spte_is_last(new, level) &&
	       (!m2d_spte_is_present(fmt, old) || !m2d_spte_is_last(old, level) ||
		m2d_spte_pfn(fmt, old) != m2d_spte_pfn(fmt, new) ||
		(m2d_spte_is_writable(new) && !m2d_spte_is_writable(old)));
}

static void spte_is(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t old, uint64_t spte,
		    unsigned level)
{
	const M2dSp *s = m2d_sp(c->vm, sp);
	M2dLeaf leaf;

	if (!(s->role & M2D_ROLE_DIRECT))
		m2d_vt_changed(c, sp, index, spte);
	if (!installs(c, old, spte, level))
		return;
	leaf = (M2dLeaf){.sp = sp,
			 .index = index,
			 .level = level,
			 .as = m2d_role_as(s->role),
			 .spte = spte,
			 .pfn = m2d_spte_pfn(&c->vm->fmt, spte)};
	m2d_leaf_gfns(c, sp, index, &leaf.gfn, &leaf.n);
	leaf.slot = m2d_gfn_to_slot(c->vm, leaf.as, leaf.gfn);
	leaf.backed = leaf.slot != NULL && m2d_hostmm_peek(c->vm, m2d_slot_hva(leaf.slot, leaf.gfn),
							   &leaf.host_pfn, &leaf.writable);
	leaf.writable &= leaf.backed && !(leaf.slot->flags & M2D_SLOT_READONLY);
	m2d_inv_writable_combo(c, &leaf);
	m2d_inv_rights_host(c, &leaf);
	m2d_inv_huge_mixed(c, &leaf);
	m2d_inv_writable_install(c, &leaf);
	m2d_inv_stale_host_map_install(c, &leaf);
	m2d_inv_slot_install(c, &leaf);
}

/* What an operation takes away must be flushed by the time it ends. */
static void count_taken(M2dCheck *c, uint64_t old, uint64_t new, unsigned level)
{
	const M2dSpteFormat *fmt = &c->vm->fmt;

	if (!m2d_spte_is_present(fmt, old))
		return;
	if (!m2d_spte_is_present(fmt, new))
		m2d_premise(c, M2D_INV_DEFERRED_FLUSH);
	if (!m2d_spte_is_present(fmt, new) && level > 1 && m2d_spte_is_last(old, level))
		m2d_premise(c, M2D_INV_LEVEL_MIXED);
	else if (m2d_spte_is_last(old, level) != m2d_spte_is_last(new, level))
		m2d_premise(c, M2D_INV_LEVEL_MIXED);
}

void m2d_on_spte_changed(M2dCheck *c, const M2dEvent *e)
{
	unsigned index, level = (unsigned)e->a[1];
	M2dSpIndex sp = m2d_spte_at(c, e->a[0], &index);

	if (sp == 0)
		return;
	m2d_birth_put(c->births, sp, index, e);
	m2d_reach_changed(c, sp, e->a[2], e->a[3], level);
	m2d_count_leaf(c, e->a[2], level, -1);
	m2d_count_leaf(c, e->a[3], level, 1);
	count_taken(c, e->a[2], e->a[3], level);
	/* KVM notes which gfn a new leaf is for only after it has written the leaf. */
	if (!m2d_spte_is_present(&c->vm->fmt, e->a[2]) &&
	    m2d_spte_is_present(&c->vm->fmt, e->a[3]) && m2d_spte_is_last(e->a[3], level))
		return;
	spte_is(c, sp, index, e->a[2], e->a[3], level);
}

void m2d_on_leaf_set(M2dCheck *c, const M2dEvent *e)
{
	unsigned index;
	M2dSpIndex sp = m2d_spte_at(c, e->a[3], &index);

	if (sp == 0)
		return;
	m2d_inv_invalid_page(c, sp, e);
	c->setting = m2d_sptep(sp, index);
	c->setting_gfn = e->a[0];
	spte_is(c, sp, index, c->vm->fmt.nonpresent, e->a[1], (unsigned)e->a[2]);
	c->setting = 0;
}

void m2d_on_sp_event(M2dCheck *c, const M2dEvent *e)
{
	M2dSpIndex sp = (M2dSpIndex)e->a[0];

	if (e->type != M2D_E_SP_FREE) {
		m2d_vt_follow(c, sp);
		return;
	}
	m2d_inv_pt_use_after_free(c, e);
	m2d_vt_forget(c, sp);
	if (m2d_sp(c->vm, sp)->nonzero != 0)
		for (unsigned i = 0; i < 512; i++)
			m2d_count_leaf(
				c,
				m2d_space_read64(c->vm->space,
						 M2D_HPA((e->a[3] << M2D_PAGE_SHIFT) + 8 * i)),
				m2d_role_level((uint32_t)e->a[2]), -1);
}

void m2d_on_spte_synced(M2dCheck *c, const M2dEvent *e)
{
	unsigned index;
	M2dSpIndex sp = m2d_spte_at(c, e->a[0], &index);

	if (sp != 0)
		m2d_vt_synced(c, sp, index);
}
