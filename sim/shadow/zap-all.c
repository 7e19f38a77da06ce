/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zapping at large: everything, everything of an old generation, or what concerns one memslot.
 * Sources: arch/x86/kvm/mmu/mmu.c kvm_mmu_zap_all_fast(), kvm_zap_obsolete_pages(),
 * kvm_mmu_zap_all(), kvm_mmu_zap_memslot().
 */
#include "sim/shadow/routines.h"

#define BATCH 10u /* pages between chances for others to take mmu_lock */

/* Zap obsolete pages, oldest first. True: the batch is full and there may be more. */
static bool zap_obsolete_batch(M2dVm *vm)
{
	M2dShadowState *s = m2d_shadow(vm)->s;
	unsigned batch = 0, nr;
	M2dSpIndex i, newer;

restart:
	for (i = s->tail[M2D_ON_ACTIVE]; i != 0; i = newer) {
		newer = m2d_sp(vm, i)->lru_prev;
		/* New pages go to the head: behind a good one there is nothing old. */
		if (!m2d_sp_obsolete(vm, m2d_sp(vm, i)))
			return false;
		if (batch >= BATCH)
			return true;
		if (m2d_prepare_zap_page(vm, i, M2D_ON_OBSOLETE, &nr)) {
			batch += nr;
			goto restart;
		}
		batch += nr;
	}
	return false;
}

M2D_ROUTINE(m2d_mmu_zap_all_fast)
{
	m2d_mmu_zap_all_fast_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	m2d_emit(vm->ev, KVM_MMU_ZAP_ALL_FAST, vm->s->mmu_valid_gen, m2d_shadow_used_pages(vm));
	VM_PUT(vm, vm->s->mmu_valid_gen, !vm->s->mmu_valid_gen);
	M2D_FINE(rt, f, FLUSH_BEGUN);
	/* No vCPU runs on an obsolete root once this is through, so nothing needs a flush: whoever
	 * loads a root flushes. */
	if (M2D_OWES(vm, RELOAD_OBSOLETE))
		M2D_CALL(rt, f, m2d_make_all_cpus_request,
			 .request = M2D_REQ_MMU_FREE_OBSOLETE_ROOTS);
	while (zap_obsolete_batch(vm)) {
		m2d_unlock(vm, M2D_LOCK_MMU);
		M2D_POINT(rt, f, UNLOCKED);
		M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	}
	M2D_CALL(rt, f, m2d_mmu_commit_zap, .obsolete = 1);
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

static void zap_everything(M2dVm *vm)
{
	M2dShadowState *s = m2d_shadow(vm)->s;

	while (s->head[M2D_ON_ACTIVE] != 0)
		m2d_prepare_zap_page(vm, s->head[M2D_ON_ACTIVE], M2D_ON_ZAPPED, NULL);
}

M2D_ROUTINE(m2d_mmu_zap_all)
{
	m2d_mmu_zap_all_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	zap_everything(vm);
	M2D_CALL(rt, f, m2d_mmu_commit_zap);
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

/* The accounting of a page that shadows a table lies in the slot: such pages must go before it. */
static void zap_pages_of_slot(M2dVm *vm, const M2dMemslot *slot)
{
	for (M2dSpIndex i = 1; i < m2d_shadow_max_sp(vm); i++) {
		const M2dSp *sp = m2d_sp(vm, i);

		if (sp->pfn != 0 && m2d_sp_has_gptes(sp) && !m2d_sp_obsolete(vm, sp) &&
		    m2d_role_as(sp->role) == slot->as && sp->gfn >= slot->base_gfn &&
		    sp->gfn < slot->base_gfn + slot->npages)
			m2d_prepare_zap_page(vm, i, M2D_ON_ZAPPED, NULL);
	}
}

M2D_ROUTINE(m2d_mmu_zap_slot_leafs)
{
	m2d_mmu_zap_slot_leafs_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dMemslot *slot = m2d_slot(vm, f->as, f->id);

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	f->flush = m2d_mmu_unmap_gfn_range(vm, slot, slot->base_gfn, slot->base_gfn + slot->npages);
	zap_pages_of_slot(vm, slot);
	M2D_POINT(rt, f, ZAPPED);
	M2D_CALL(rt, f, m2d_mmu_flush_or_zap, .flush = f->flush && M2D_OWES(vm, FLUSH_SLOT));
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}
