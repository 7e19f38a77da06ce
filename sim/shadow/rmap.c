/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reverse maps: from a gfn to the SPTEs that map it, one list a memslot page of each level.
 * Sources: arch/x86/kvm/mmu/mmu.c rmap_add(), rmap_remove(), drop_spte(), rmap_write_protect(),
 * kvm_zap_all_rmap_sptes(), kvm_handle_gfn_range().
 */
#include "sim/shadow/shadow-private.h"

/* More SPTEs for one gfn than this are dropped: the list is walked under mmu_lock. */
#define RECYCLE_THRESHOLD 1000u

static uint64_t *translation(const M2dVm *vm, const M2dSp *sp)
{
	return sp->shadowed ? m2d_arena_at(vm->arena, sp->shadowed) : NULL;
}

uint64_t m2d_sp_entry_gfn(const M2dVm *vm, M2dSpIndex i, unsigned index)
{
	const M2dSp *sp = m2d_sp(vm, i);
	const uint64_t *shadowed = translation(vm, sp);

	if (sp->role & M2D_ROLE_PASSTHROUGH)
		return sp->gfn;
	if (shadowed != NULL)
		return shadowed[index] >> 12;
	return sp->gfn + ((uint64_t)index << 9 * (m2d_role_level(sp->role) - 1));
}

unsigned m2d_sp_entry_access(const M2dVm *vm, M2dSpIndex i, unsigned index)
{
	const M2dSp *sp = m2d_sp(vm, i);
	const uint64_t *shadowed = translation(vm, sp);

	return shadowed != NULL ? shadowed[index] & M2D_SPTE_ACC_ALL : m2d_role_access(sp->role);
}

void m2d_sp_set_translation(M2dVm *vm, M2dSptep sptep, uint64_t gfn, unsigned access)
{
	uint64_t *shadowed = translation(vm, m2d_sp(vm, m2d_sptep_sp(sptep)));

	if (shadowed != NULL)
		VM_PUT(vm, shadowed[m2d_sptep_index(sptep)], gfn << 12 | access);
}

void m2d_sp_set_access(M2dVm *vm, M2dSptep sptep, unsigned access)
{
	uint64_t gfn = m2d_sp_entry_gfn(vm, m2d_sptep_sp(sptep), m2d_sptep_index(sptep));

	m2d_sp_set_translation(vm, sptep, gfn, access);
}

bool m2d_rmap_add(M2dVm *vm, const M2dMemslot *slot, M2dSptep sptep, uint64_t gfn, unsigned access)
{
	unsigned level = m2d_role_level(m2d_sp(vm, m2d_sptep_sp(sptep))->role);
	uint32_t *head;

	m2d_sp_set_translation(vm, sptep, gfn, access);
	if (!m2d_slot_has(slot, gfn))
		m2d_emit(vm->ev, KVM_BUG, M2D_BUG_SLOT_GONE, m2d_spte_hpa(vm, sptep).v);
	if (!M2D_OWES(vm, RMAP_ADD) || !m2d_slot_has(slot, gfn))
		return false;
	head = m2d_slot_rmap(vm, slot, gfn, level);
	if (m2d_list_add(vm, head, sptep) <= RECYCLE_THRESHOLD)
		return false;
	m2d_rmap_zap(vm, head);
	return true;
}

/* The list is the one of the gfn that the page says the entry shadows: if that is not the gfn it
 * was added under, the entry stays on the other list for ever. */
static void rmap_remove(M2dVm *vm, M2dSptep sptep)
{
	M2dSpIndex i = m2d_sptep_sp(sptep);
	const M2dSp *sp = m2d_sp(vm, i);
	uint64_t gfn = m2d_sp_entry_gfn(vm, i, m2d_sptep_index(sptep));
	M2dMemslot *slot = m2d_sp_slot(vm, sp, gfn);

	if (slot == NULL) {
		m2d_emit(vm->ev, KVM_BUG, M2D_BUG_LIST_REMOVE, m2d_spte_hpa(vm, sptep).v);
		return;
	}
	if (M2D_OWES(vm, RMAP_REMOVE) && M2D_OWES(vm, RMAP_ADD))
		m2d_list_remove(vm, m2d_slot_rmap(vm, slot, gfn, m2d_role_level(sp->role)), sptep);
}

void m2d_drop_spte(M2dVm *vm, M2dSptep sptep)
{
	uint64_t old = m2d_mmu_spte_clear_track_bits(vm, sptep);

	if (!m2d_spte_is_present(&vm->fmt, old))
		return;
	m2d_shadow_charge(vm, M2D_CAUSE_KVM_ZAP, vm->machine->kvm.zap_spte);
	rmap_remove(vm, sptep);
}

/* A list that leads to an entry which maps nothing stops a real host. */
static bool usable(M2dVm *vm, M2dSptep sptep)
{
	if (m2d_spte_is_present(&vm->fmt, m2d_spte_read(vm, sptep)))
		return true;
	m2d_emit(vm->ev, KVM_BUG, M2D_BUG_RMAP_NOT_PRESENT, m2d_spte_hpa(vm, sptep).v);
	return false;
}

static bool spte_write_protect(M2dVm *vm, M2dSptep sptep, bool pt_protect)
{
	uint64_t v = m2d_spte_read(vm, sptep);

	if (!m2d_spte_is_writable(v) && !(pt_protect && m2d_spte_is_mmu_writable(&vm->fmt, v)))
		return false;
	m2d_shadow_charge(vm, M2D_CAUSE_KVM_OTHER, vm->machine->kvm.wrprot_spte);
	return m2d_mmu_spte_update(vm, sptep, m2d_spte_wrprot(&vm->fmt, v, pt_protect));
}

bool m2d_rmap_write_protect(M2dVm *vm, uint32_t head, bool pt_protect)
{
	bool flush = false;
	M2dListIter it;

	for (M2dSptep p = m2d_list_first(vm, head, &it); p != 0; p = m2d_list_next(vm, &it)) {
		if (usable(vm, p))
			flush |= spte_write_protect(vm, p, pt_protect);
	}
	return flush;
}

bool m2d_rmap_zap(M2dVm *vm, uint32_t *head)
{
	M2dListIter it;

	if (*head == 0)
		return false;
	for (M2dSptep p = m2d_list_first(vm, *head, &it); p != 0; p = m2d_list_next(vm, &it)) {
		if (!usable(vm, p))
			continue;
		m2d_shadow_charge(vm, M2D_CAUSE_KVM_ZAP, vm->machine->kvm.rmap_zap);
		m2d_mmu_spte_clear_track_bits(vm, p);
	}
	if (M2D_OWES(vm, RMAP_REMOVE))
		m2d_list_clear(vm, head);
	return true;
}

bool m2d_rmap_foreach(M2dVm *vm, M2dMemslot *slot, unsigned min, unsigned max, uint64_t start,
		      uint64_t end, M2dRmapFn fn)
{
	bool ret = false;

	for (unsigned level = min; level <= max; level++) {
		uint64_t mask = m2d_low_mask(9 * (level - 1));

		for (uint64_t gfn = start & ~mask; gfn < end; gfn += mask + 1) {
			uint32_t *head = m2d_slot_rmap(vm, slot, MAX(gfn, slot->base_gfn), level);

			if (*head != 0)
				ret |= fn(vm, slot, head, gfn, level);
		}
	}
	return ret;
}

static bool zap_one(M2dVm *vm, M2dMemslot *slot, uint32_t *head, uint64_t gfn, unsigned level)
{
	(void)slot, (void)gfn, (void)level;
	return m2d_rmap_zap(vm, head);
}

bool m2d_mmu_unmap_gfn_range(M2dVm *vm, M2dMemslot *slot, uint64_t start, uint64_t end)
{
	return m2d_rmap_foreach(vm, slot, 1, 3, start, end, zap_one);
}

static bool age_one(M2dVm *vm, M2dMemslot *slot, uint32_t *head, uint64_t gfn, unsigned level)
{
	bool young = false;
	M2dListIter it;

	(void)slot, (void)gfn, (void)level;
	for (M2dSptep p = m2d_list_first(vm, *head, &it); p != 0; p = m2d_list_next(vm, &it))
		young |= m2d_mmu_spte_age(vm, p);
	return young;
}

bool m2d_mmu_age_gfn_range(M2dVm *vm, M2dMemslot *slot, uint64_t start, uint64_t end)
{
	return m2d_rmap_foreach(vm, slot, 1, 3, start, end, age_one);
}

bool m2d_mmu_test_age_gfn(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn)
{
	M2dListIter it;

	for (unsigned level = 1; level <= 3; level++) {
		uint32_t head = *m2d_slot_rmap(vm, slot, gfn, level);

		for (M2dSptep p = m2d_list_first(vm, head, &it); p != 0;
		     p = m2d_list_next(vm, &it)) {
			uint64_t v = m2d_spte_read(vm, p);

			if (m2d_spte_is_present(&vm->fmt, v) && m2d_spte_is_accessed(&vm->fmt, v))
				return true;
		}
	}
	return false;
}

bool m2d_mmu_slot_gfn_write_protect(M2dVm *vm, M2dMemslot *slot, uint64_t gfn, unsigned min_level)
{
	bool flush = false;

	for (unsigned level = min_level; level <= 3; level++)
		flush |= m2d_rmap_write_protect(vm, *m2d_slot_rmap(vm, slot, gfn, level), true);
	return flush;
}

static void change_lpage(M2dVm *vm, M2dMemslot *slot, uint64_t gfn, int by)
{
	for (unsigned level = 2; level <= 3; level++) {
		uint32_t *count = m2d_slot_lpage(vm, slot, gfn, level);

		VM_PUT(vm, *count, *count + (uint32_t)by);
	}
}

void m2d_mmu_gfn_disallow_lpage(M2dVm *vm, M2dMemslot *slot, uint64_t gfn)
{
	change_lpage(vm, slot, gfn, 1);
}

void m2d_mmu_gfn_allow_lpage(M2dVm *vm, M2dMemslot *slot, uint64_t gfn)
{
	change_lpage(vm, slot, gfn, -1);
}
