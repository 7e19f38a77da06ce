/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Updates of memslots. KVM prepares a copy of the slots, makes it the active one and waits until
 * nobody uses the old one; here the slot changes in place at the moment of the swap, and who read
 * it before goes on with what it read. Deletion and move swap twice: first the slot becomes
 * invalid, so that faults on it wait, then what maps it is zapped, then it goes.
 *
 * Between a swap and the end of the wait the generation says that an update is in progress, and no
 * MMIO SPTE is made or believed.
 */
#include <errno.h>

#include "sim/kvm/memory.h"
#include "sim/vm/srcu.h"

enum {
	MR_CREATE,
	MR_DELETE,
	MR_MOVE,
	MR_FLAGS,
	MR_NOTHING,
};

/* What the request amounts to, or a negative errno (kvm_set_memory_region()). */
static int classify(const M2dVm *vm, const m2d_set_memory_region_frame *f)
{
	const M2dMemslot *old;

	if (f->as >= M2D_N_AS || f->id >= M2D_MAX_SLOTS ||
	    (f->flags & ~(M2D_SLOT_LOG_DIRTY | M2D_SLOT_READONLY)) != 0)
		return -EINVAL;
	old = m2d_slot(vm, f->as, f->id);
	if (f->must_exist && old->npages == 0)
		return -ENOENT;
	if (f->npages == 0)
		return old->npages != 0 ? MR_DELETE : -EINVAL;
	/* Neither size nor place in the process nor read-only can change. */
	if (old->npages != 0 && (f->npages != old->npages || f->hva != old->hva ||
				 ((f->flags ^ old->flags) & M2D_SLOT_READONLY)))
		return -EINVAL;
	if (old->npages != 0 && f->gfn == old->base_gfn)
		return f->flags != old->flags ? MR_FLAGS : MR_NOTHING;
	if (!m2d_slot_check(vm, f->as, f->id, f->gfn, f->npages, f->hva, NULL))
		return -EEXIST;
	return old->npages != 0 ? MR_MOVE : MR_CREATE;
}

M2D_ROUTINE(m2d_set_memory_region)
{
	m2d_set_memory_region_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_SLOTS);
	f->change = classify(vm, f);
	if (f->change >= 0 && f->change != MR_NOTHING)
		M2D_CALL(rt, f, m2d_set_memslot, .as = f->as, .id = f->id, .gfn = f->gfn,
			 .npages = f->npages, .hva = f->hva, .flags = f->flags,
			 .change = (uint32_t)f->change);
	m2d_unlock(vm, M2D_LOCK_SLOTS);
	M2D_RETURN(rt, f, MIN(f->change, 0));
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_slot_delete)
{
	m2d_slot_delete_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	f->start = m2d_slot(vm, f->as, f->id)->hva;
	f->n = m2d_slot(vm, f->as, f->id)->npages;
	M2D_CALL(rt, f, m2d_set_memory_region, .as = f->as, .id = f->id, .must_exist = 1);
	if (m2d_rt_ret(rt) < 0)
		M2D_RETURN(rt, f, m2d_rt_ret(rt));
	if (f->unmap)
		M2D_CALL(rt, f, m2d_host_munmap, .start = f->start, .n = f->n);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

/* The swap itself: everybody who looks from now on sees the new slots. */
static void publish(M2dVm *vm, unsigned as)
{
	uint64_t *generation = &vm->slots->generation[as];

	VM_PUT(vm, *generation, *generation | M2D_GEN_UPDATE_IN_PROGRESS);
	m2d_srcu_swapped(vm);
}

/* kvm_mmu_invalidate_mmio_sptes(): a generation that MMIO SPTEs can't tell from the first. */
static bool mmio_generation_wrapped(const M2dVm *vm, uint64_t generation)
{
	return m2d_spte_can_mmio(&vm->fmt) &&
	       m2d_spte_mmio_gen_mask(&vm->fmt, generation & ~(uint64_t)(M2D_N_AS - 1)) == 0;
}

M2D_ROUTINE(m2d_memslots_sync)
{
	m2d_memslots_sync_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	if (M2D_OWES(vm, SRCU_SYNC))
		M2D_WAIT(rt, f, READERS, 0);
	else
		m2d_srcu_ignore(vm);
	f->generation = (vm->slots->generation[f->as] & ~M2D_GEN_UPDATE_IN_PROGRESS) + M2D_N_AS;
	m2d_emit(vm->ev, FN_INVAL_MMIO, f->generation);
	if (mmio_generation_wrapped(vm, f->generation) && M2D_OWES(vm, ZAP_MMIO_WRAP))
		M2D_CALL(rt, f, m2d_mmu_zap_all_fast);
	VM_PUT(vm, vm->slots->generation[f->as], f->generation);
	M2D_END(rt, f);
}

/* The slot as userspace wants it. */
static void apply(M2dVm *vm, const m2d_set_memslot_frame *f, M2dMemslot *slot)
{
	bool ok;

	switch (f->change) {
	case MR_CREATE:
		ok = m2d_slot_install(vm, f->as, f->id, f->gfn, f->npages, f->hva, f->flags, NULL);
		g_assert(ok);
		break;
	case MR_DELETE:
		m2d_slot_remove(vm, slot);
		break;
	case MR_MOVE:
		VM_PUT(vm, slot->flags, f->flags);
		m2d_slot_move(vm, slot, f->gfn);
		if (!(f->flags & M2D_SLOT_LOG_DIRTY))
			m2d_slot_clear_dirty(vm, slot);
		break;
	default:
		VM_PUT(vm, slot->flags, f->flags);
	}
}

M2D_ROUTINE(m2d_set_memslot)
{
	m2d_set_memslot_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dMemslot *slot = m2d_slot(vm, f->as, f->id);

	M2D_BEGIN(rt, f);
	f->old_gfn = slot->base_gfn;
	f->old_npages = slot->npages;
	f->old_flags = slot->flags;
	if (f->change == MR_DELETE || f->change == MR_MOVE) {
		/* An invalidation must end in the slots that it began in. */
		M2D_WAIT(rt, f, NOTIFIER, 0);
		VM_PUT(vm, slot->flags, slot->flags | M2D_SLOT_INVALID);
		publish(vm, f->as);
		m2d_slot_changed(vm, slot);
		M2D_POINT(rt, f, SLOT_INVALID);
		M2D_CALL(rt, f, m2d_memslots_sync, .as = f->as);
		M2D_POINT(rt, f, SLOT_SYNCED);
		M2D_CALL(rt, f, m2d_flush_shadow_memslot, .as = f->as, .id = f->id);
		M2D_POINT(rt, f, SLOT_ZAPPED);
	}
	M2D_WAIT(rt, f, NOTIFIER, 0);
	apply(vm, f, slot);
	publish(vm, f->as);
	M2D_POINT(rt, f, SLOT_PUBLISHED);
	M2D_CALL(rt, f, m2d_memslots_sync, .as = f->as);
	m2d_slot_changed(vm, slot);
	M2D_POINT(rt, f, SLOT_DONE);
	if (f->change == MR_FLAGS)
		M2D_CALL(rt, f, m2d_slot_apply_flags, .as = f->as, .id = f->id,
			 .old_flags = f->old_flags);
	if (f->change == MR_DELETE || f->change == MR_MOVE)
		m2d_emit(vm->ev, SLOT_DELETED, f->as << 16 | f->id, f->old_gfn, f->old_npages);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_slot_apply_flags)
{
	m2d_slot_apply_flags_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dMemslot *slot = m2d_slot(vm, f->as, f->id);
	bool log = slot->flags & M2D_SLOT_LOG_DIRTY;

	M2D_BEGIN(rt, f);
	/* Read-only pages are never dirty. */
	if (slot->flags & M2D_SLOT_READONLY)
		M2D_RETURN(rt, f, 0);
	if (log) {
		/* Pages mapped from now on are marked; those mapped before must fault again. */
		if (M2D_OWES(vm, WRPROT_LOG))
			M2D_CALL(rt, f, m2d_mmu_slot_remove_write_access, .as = f->as, .id = f->id);
		M2D_POINT(rt, f, LOG_PROTECTED);
		m2d_emit(vm->ev, FN_FLUSH_MEMSLOT, m2d_slot_number(slot));
		if (M2D_OWES(vm, FLUSH_LOG_START))
			M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = slot->base_gfn,
				 .pages = slot->npages);
		m2d_emit(vm->ev, DIRTY_LOG_DONE, m2d_slot_number(slot), slot->base_gfn,
			 slot->npages);
	} else {
		m2d_slot_clear_dirty(vm, slot);
		M2D_CALL(rt, f, m2d_mmu_zap_collapsible, .as = f->as, .id = f->id);
	}
	M2D_END(rt, f);
}
