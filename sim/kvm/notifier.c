/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notifiers: how the host's memory management tells KVM that pages of the process change. A range
 * of the process is what it names; every slot over it, in either address space, is concerned.
 *
 * From start to end of an invalidation no fault may map what it read before: the count says that
 * one is in progress, the sequence that one has been. When start has returned, the host may give
 * the frames away.
 */
#include "sim/kvm/memory.h"

/* Part of a slot that lies over pages [start, end) of the process. */
typedef struct {
	M2dMemslot *slot;
	uint64_t gfn, end;
} Part;

/* The next slot from number *@cursor on that has such a part; false after the last. */
static bool next_part(const M2dVm *vm, uint64_t *cursor, uint64_t start, uint64_t end, Part *part)
{
	for (; *cursor < (uint64_t)M2D_N_AS * M2D_MAX_SLOTS; ++*cursor) {
		M2dMemslot *s = m2d_slot(vm, (unsigned)(*cursor / M2D_MAX_SLOTS),
					 (unsigned)(*cursor % M2D_MAX_SLOTS));
		uint64_t from = MAX(start, s->hva), to = MIN(end, s->hva + s->npages);

		if (from >= to)
			continue;
		part->slot = s;
		part->gfn = s->base_gfn + (from - s->hva);
		part->end = s->base_gfn + (to - s->hva);
		++*cursor;
		return true;
	}
	return false;
}

static void range_add(M2dVm *vm, uint64_t start, uint64_t end)
{
	M2dVmState *s = vm->s;
	bool first = s->mmu_invalidate_start == 0 && s->mmu_invalidate_end == 0;

	VM_PUT(vm, s->mmu_invalidate_start, first ? start : MIN(s->mmu_invalidate_start, start));
	VM_PUT(vm, s->mmu_invalidate_end, MAX(s->mmu_invalidate_end, end));
}

/* kvm_mmu_invalidate_begin(). One range is kept; several invalidations make it span all. */
static void invalidate_begin(M2dVm *vm, uint64_t start, uint64_t end)
{
	uint64_t cursor = 0;
	Part part;

	VM_PUT(vm, vm->s->mmu_invalidate_in_progress, vm->s->mmu_invalidate_in_progress + 1);
	if (vm->cfg.knobs.retry_scope == M2D_RETRY_SCOPE_HVA)
		range_add(vm, start, end);
	while (next_part(vm, &cursor, start, end, &part)) {
		if (vm->cfg.knobs.retry_scope != M2D_RETRY_SCOPE_HVA)
			range_add(vm, part.gfn, part.end);
		m2d_emit(vm->ev, NOTIFIER, part.gfn, part.end, 1, part.slot->as);
	}
}

M2D_ROUTINE(m2d_mmu_notifier_start)
{
	m2d_mmu_notifier_start_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	Part part;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	invalidate_begin(vm, f->start, f->end);
	M2D_POINT(rt, f, NOTIFIER_BEGUN);
	if (M2D_OWES(vm, ZAP_NOTIFIER))
		while (next_part(vm, &f->cursor, f->start, f->end, &part)) {
			m2d_emit(vm->ev, FN_UNMAP_GFN, part.gfn, part.end);
			f->flush |= m2d_mmu_unmap_gfn_range(vm, part.slot, part.gfn, part.end);
		}
	M2D_POINT(rt, f, NOTIFIER_ZAPPED);
	if (f->flush && M2D_OWES(vm, FLUSH_NOTIFIER))
		M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = 0);
	m2d_unlock(vm, M2D_LOCK_MMU);
	f->cursor = 0;
	while (next_part(vm, &f->cursor, f->start, f->end, &part))
		m2d_emit(vm->ev, NOTIFIER_DONE, part.gfn, part.end, part.slot->as);
	M2D_POINT(rt, f, NOTIFIER_RETURNED);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_notifier_end)
{
	m2d_mmu_notifier_end_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	uint64_t cursor = 0;
	Part part;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	/* The sequence first: who sees the count at 0 must see that something has been. */
	if (M2D_OWES(vm, NOTIFIER_SEQ))
		VM_PUT(vm, vm->s->mmu_invalidate_seq, vm->s->mmu_invalidate_seq + 1);
	VM_PUT(vm, vm->s->mmu_invalidate_in_progress, vm->s->mmu_invalidate_in_progress - 1);
	if (vm->s->mmu_invalidate_in_progress == 0) {
		VM_PUT(vm, vm->s->mmu_invalidate_start, 0);
		VM_PUT(vm, vm->s->mmu_invalidate_end, 0);
	}
	m2d_unlock(vm, M2D_LOCK_MMU);
	while (next_part(vm, &cursor, f->start, f->end, &part))
		m2d_emit(vm->ev, NOTIFIER, part.gfn, part.end, 0, part.slot->as);
	M2D_END(rt, f);
}

/* Clear, or only read, the accessed state of what maps pages [start, end) of the process. */
static bool age(M2dVm *vm, uint64_t start, uint64_t end, bool test)
{
	uint64_t cursor = 0;
	bool any = false;
	Part part;

	while (next_part(vm, &cursor, start, end, &part)) {
		if (test)
			m2d_emit(vm->ev, FN_TEST_AGE_GFN, part.gfn, part.end);
		else
			m2d_emit(vm->ev, FN_AGE_GFN, part.gfn, part.end);
		for (uint64_t gfn = part.gfn; gfn < part.end; gfn++) {
			bool young;

			if (test) {
				any |= m2d_mmu_test_age_gfn(vm, part.slot, gfn);
				continue;
			}
			young = m2d_mmu_age_gfn_range(vm, part.slot, gfn, gfn + 1);
			m2d_emit(vm->ev, AGED, gfn, young);
			any |= young;
		}
	}
	return any;
}

M2D_ROUTINE(m2d_mmu_notifier_age)
{
	m2d_mmu_notifier_age_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	bool lock = vm->cfg.knobs.aging_lock == M2D_AGING_LOCK_MMU_LOCK;

	M2D_BEGIN(rt, f);
	if (lock)
		M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	f->young = age(vm, f->start, f->end, f->test);
	M2D_POINT(rt, f, AGED);
	if (f->young && !f->test && !f->keep && vm->cfg.knobs.young_flush &&
	    M2D_OWES(vm, FLUSH_AGE))
		M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = 0);
	if (lock)
		m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, f->young);
	M2D_END(rt, f);
}
