/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dirty logging by write protection, and the way back to huge pages.
 * Sources: arch/x86/kvm/mmu/mmu.c kvm_mmu_slot_remove_write_access(),
 * kvm_arch_mmu_enable_log_dirty_pt_masked(), kvm_mmu_zap_collapsible_spte().
 */
#include "sim/shadow/routines.h"

static bool protect_one(M2dVm *vm, M2dMemslot *slot, uint32_t *head, uint64_t gfn, unsigned level)
{
	(void)slot, (void)gfn, (void)level;
	return m2d_rmap_write_protect(vm, *head, false);
}

M2D_ROUTINE(m2d_mmu_slot_remove_write_access)
{
	m2d_mmu_slot_remove_write_access_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dMemslot *slot = m2d_slot(vm, f->as, f->id);

	M2D_BEGIN(rt, f);
	m2d_emit(vm->ev, FN_REMOVE_WRITE, m2d_slot_number(slot));
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	f->flush = M2D_OWES(vm, WRPROT_LOG) &&
		   m2d_rmap_foreach(vm, slot, 1, 3, slot->base_gfn, slot->base_gfn + slot->npages,
				    protect_one);
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_POINT(rt, f, LOG_PROTECTED);
	M2D_RETURN(rt, f, f->flush);
	M2D_END(rt, f);
}

bool m2d_mmu_enable_log_dirty_pt_masked(M2dVm *vm, M2dMemslot *slot, uint64_t gfn_offset,
					uint64_t mask)
{
	uint64_t gfn = slot->base_gfn + gfn_offset;
	bool flush = false;

	m2d_emit(vm->ev, FN_DIRTY_MASKED, gfn_offset, mask);
	if (!M2D_OWES(vm, WRPROT_DIRTY))
		return false;
	for (; mask != 0; mask &= mask - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(mask);

		flush |= m2d_rmap_write_protect(vm, *m2d_slot_rmap(vm, slot, gfn + bit, 1), false);
	}
	return flush;
}

/* The first SPTE of the list that only lacks being huge; pages that shadow a guest table cannot. */
static M2dSptep collapsible(const M2dVm *vm, const M2dMemslot *slot, uint32_t head)
{
	M2dListIter it;

	for (M2dSptep p = m2d_list_first(vm, head, &it); p != 0; p = m2d_list_next(vm, &it)) {
		const M2dSp *sp = m2d_sp(vm, m2d_sptep_sp(p));

		if ((sp->role & M2D_ROLE_DIRECT) && sp->gfn >= slot->base_gfn &&
		    m2d_role_level(sp->role) <
			    m2d_max_mapping_level(vm, slot, sp->gfn, m2d_largest_level(vm)))
			return p;
	}
	return 0;
}

static bool collapse_one(M2dVm *vm, M2dMemslot *slot, uint32_t *head, uint64_t gfn, unsigned level)
{
	bool flush = false;

	(void)gfn, (void)level;
	for (M2dSptep p; (p = collapsible(vm, slot, *head)) != 0; flush = true) {
		m2d_mmu_spte_clear_track_bits(vm, p);
		m2d_list_remove(vm, head, p);
	}
	return flush;
}

M2D_ROUTINE(m2d_mmu_zap_collapsible)
{
	m2d_mmu_zap_collapsible_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dMemslot *slot = m2d_slot(vm, f->as, f->id);

	M2D_BEGIN(rt, f);
	m2d_emit(vm->ev, FN_COLLAPSIBLE, m2d_slot_number(slot));
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	f->flush = m2d_rmap_foreach(vm, slot, 1, 2, slot->base_gfn, slot->base_gfn + slot->npages,
				    collapse_one);
	M2D_POINT(rt, f, ZAPPED);
	if (f->flush && M2D_OWES(vm, FLUSH_SLOT))
		M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = slot->base_gfn,
			 .pages = slot->npages);
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, f->flush);
	M2D_END(rt, f);
}
