/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unsync pages: shadows of guest page tables that the guest may write without KVM noticing until it
 * flushes. Their ancestors carry a bit for each entry that leads to one.
 * Sources: arch/x86/kvm/mmu/mmu.c mmu_try_to_unsync_pages(), mark_unsync(), __mmu_unsync_walk(),
 * mmu_pages_next().
 */
#include "sim/shadow/shadow-private.h"

#define NO_INDEX 0xffffu

bool m2d_gfn_write_tracked(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn)
{
	return slot != NULL && m2d_slot_has(slot, gfn) && *m2d_slot_track(vm, slot, gfn) != 0;
}

void m2d_mark_parents_unsync(M2dVm *vm, M2dSpIndex i)
{
	M2dListIter it;

	if (!M2D_OWES(vm, MARK_UNSYNC_PARENTS))
		return;
	for (M2dSptep p = m2d_list_first(vm, m2d_sp(vm, i)->parents, &it); p != 0;
	     p = m2d_list_next(vm, &it))
		m2d_mark_unsync(vm, p);
}

void m2d_mark_unsync(M2dVm *vm, M2dSptep parent)
{
	M2dSp *sp = m2d_sp(vm, m2d_sptep_sp(parent));
	unsigned index = m2d_sptep_index(parent);
	uint64_t *word = &sp->unsync_child[index / 64];

	if (*word >> index % 64 & 1)
		return;
	VM_PUT(vm, *word, *word | UINT64_C(1) << index % 64);
	VM_PUT(vm, sp->unsync_children, sp->unsync_children + 1);
	if (sp->unsync_children == 1)
		m2d_mark_parents_unsync(vm, m2d_sptep_sp(parent));
}

static void clear_child_bit(M2dVm *vm, M2dSp *sp, unsigned index)
{
	uint64_t *word = &sp->unsync_child[index / 64];

	if (!(*word >> index % 64 & 1))
		return;
	VM_PUT(vm, *word, *word & ~(UINT64_C(1) << index % 64));
	VM_PUT(vm, sp->unsync_children, sp->unsync_children - 1);
}

void m2d_unlink_unsync(M2dVm *vm, M2dSpIndex i)
{
	m2d_sp_event(vm, M2D_E_KVM_MMU_SYNC_PAGE, i, false);
	VM_PUT(vm, m2d_sp(vm, i)->unsync, 0);
}

/* Why a tracked gfn may not be written: it is a table above level 1, or a device watches it. */
static bool tracked(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn)
{
	if (!m2d_gfn_write_tracked(vm, slot, gfn))
		return false;
	for (M2dSpIndex i = m2d_sp_first(vm, gfn); i != 0; i = m2d_sp_next(vm, i)) {
		if (m2d_role_level(m2d_sp(vm, i)->role) > 1)
			return M2D_OWES(vm, WRPROT_UPPER);
	}
	return M2D_OWES(vm, WRPROT_TRACKED);
}

int m2d_try_to_unsync(M2dVm *vm, const M2dMemslot *slot, uint64_t gfn, bool synchronizing,
		      bool prefetch)
{
	int ret = M2D_UNSYNC_OK;

	if (tracked(vm, slot, gfn))
		return M2D_UNSYNC_REFUSED;
	for (M2dSpIndex i = m2d_sp_first(vm, gfn); i != 0; i = m2d_sp_next(vm, i)) {
		M2dSp *sp = m2d_sp(vm, i);

		/* The guest's flush comes first: until it is through, nothing becomes writable. */
		if (synchronizing)
			return M2D_UNSYNC_REFUSED;
		if (sp->unsync || m2d_role_level(sp->role) > 1)
			continue;
		if (prefetch)
			return M2D_UNSYNC_REFUSED;
		if (!M2D_OWES(vm, WRPROT_UNSYNC))
			continue;
		m2d_sp_event(vm, M2D_E_KVM_MMU_UNSYNC_PAGE, i, false);
		VM_PUT(vm, sp->unsync, 1);
		m2d_mark_parents_unsync(vm, i);
		ret = M2D_UNSYNC_MARKED;
	}
	return ret;
}

/* True: no room for more. */
static bool pages_add(const M2dVm *vm, M2dSpPages *pages, M2dSpIndex i, unsigned index)
{
	if (m2d_sp(vm, i)->unsync) {
		for (unsigned n = 0; n < pages->nr; n++) {
			if (pages->sp[n] == i)
				return false;
		}
	}
	pages->sp[pages->nr] = i;
	pages->idx[pages->nr] = (uint16_t)index;
	return ++pages->nr == M2D_SP_PAGES;
}

/* Number of unsync pages found below, -1: there was no room for all. Clears bits that lead to
 * none. */
static int walk(M2dVm *vm, M2dSpIndex i, M2dSpPages *pages)
{
	M2dSp *sp = m2d_sp(vm, i);
	unsigned level = m2d_role_level(sp->role);
	int found = 0;

	for (unsigned n = 0; n < 512; n++) {
		uint64_t v;
		M2dSpIndex child;
		int ret;

		if (!(sp->unsync_child[n / 64] >> n % 64 & 1))
			continue;
		v = m2d_spte_read(vm, m2d_sptep(i, n));
		child = m2d_spte_is_table(vm, v, level) ? m2d_spte_child(vm, v) : 0;
		if (child == 0) {
			clear_child_bit(vm, sp, n);
		} else if (m2d_sp(vm, child)->unsync_children) {
			if (pages_add(vm, pages, child, n))
				return -1;
			ret = walk(vm, child, pages);
			if (ret < 0)
				return ret;
			if (ret == 0)
				clear_child_bit(vm, sp, n);
			found += ret;
		} else if (m2d_sp(vm, child)->unsync) {
			found++;
			if (pages_add(vm, pages, child, n))
				return -1;
		} else {
			clear_child_bit(vm, sp, n);
		}
	}
	return found;
}

unsigned m2d_unsync_walk(M2dVm *vm, M2dSpIndex parent, M2dSpPages *pages)
{
	int found;

	*pages = (M2dSpPages){0};
	if (!m2d_sp(vm, parent)->unsync_children)
		return 0;
	pages_add(vm, pages, parent, NO_INDEX);
	found = walk(vm, parent, pages);
	return found < 0 ? pages->nr : (unsigned)found;
}

/* @pages lists tables and, behind each, what is below it; only pages of level 1 are stopped at, and
 * the path to the one at hand is kept. */
unsigned m2d_pages_next(const M2dVm *vm, M2dSpPages *pages, unsigned i)
{
	unsigned n;

	for (n = i + 1; n < pages->nr; n++) {
		unsigned level = m2d_role_level(m2d_sp(vm, pages->sp[n])->role);

		pages->parent_idx[level - 1] = pages->idx[n];
		if (level == 1)
			break;
		pages->parent[level - 2] = pages->sp[n];
	}
	return n;
}

unsigned m2d_pages_first(const M2dVm *vm, M2dSpPages *pages)
{
	unsigned level;

	if (pages->nr == 0)
		return 0;
	level = m2d_role_level(m2d_sp(vm, pages->sp[0])->role);
	pages->parent[level - 2] = pages->sp[0];
	pages->parent[level - 1] = 0;
	return m2d_pages_next(vm, pages, 0);
}

void m2d_pages_clear_parents(M2dVm *vm, M2dSpPages *pages)
{
	for (unsigned level = 0; pages->parent[level] != 0; level++) {
		M2dSp *sp = m2d_sp(vm, pages->parent[level]);

		clear_child_bit(vm, sp, pages->parent_idx[level]);
		if (sp->unsync_children)
			break;
	}
}

bool m2d_root_is_unsync(const M2dVm *vm, M2dSpIndex root)
{
	const M2dSp *sp;

	if (root == 0 || root == M2D_ROOT_DUMMY || root == M2D_ROOT_PAE)
		return false;
	sp = m2d_sp(vm, root);
	return sp->unsync || sp->unsync_children;
}
