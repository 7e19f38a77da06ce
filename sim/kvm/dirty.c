/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Harvesting the dirty log. The order is what keeps writes from being lost: the bits are taken
 * first, then the SPTEs lose the right to write unnoticed, then the TLBs, then userspace learns of
 * the pages and copies them.
 */
#include <errno.h>

#include "sim/kvm/memory.h"

static bool logs(const M2dVm *vm, uint32_t as, uint32_t id)
{
	return as < M2D_N_AS && id < M2D_MAX_SLOTS && m2d_slot(vm, as, id)->npages != 0 &&
	       m2d_slot(vm, as, id)->flags & M2D_SLOT_LOG_DIRTY;
}

static uint64_t words(const M2dMemslot *slot)
{
	return (slot->npages + 63) / 64;
}

/* The pages of word @word in @mask have been reported, and their bits are clear. */
static void harvested(M2dVm *vm, const M2dMemslot *slot, uint64_t word, uint64_t mask)
{
	for (; mask != 0; mask &= mask - 1)
		m2d_emit(vm->ev, DIRTY_HARVEST, m2d_slot_number(slot),
			 slot->base_gfn + 64 * word + (unsigned)__builtin_ctzll(mask));
}

/* With manual protection the log is only copied. */
static uint32_t copy_log(M2dVm *vm, M2dMemslot *slot)
{
	uint32_t pages = 0;

	for (uint64_t w = 0; w < words(slot); w++) {
		uint64_t bits = m2d_slot_dirty_word(vm, slot, w, false);

		VM_PUT(vm, *m2d_slot_log_word(vm, slot, w), bits);
		pages += (unsigned)__builtin_popcountll(bits);
	}
	return pages;
}

M2D_ROUTINE(m2d_get_dirty_log)
{
	m2d_get_dirty_log_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dMemslot *slot;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_SLOTS);
	if (!logs(vm, f->as, f->id) || vm->cfg.manual_protect) {
		int64_t ret = logs(vm, f->as, f->id)
				      ? (int64_t)copy_log(vm, m2d_slot(vm, f->as, f->id))
				      : -ENOENT;

		m2d_unlock(vm, M2D_LOCK_SLOTS);
		M2D_RETURN(rt, f, ret);
	}
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	for (; f->word < words(m2d_slot(vm, f->as, f->id)); f->word++) {
		slot = m2d_slot(vm, f->as, f->id);
		f->mask = m2d_slot_dirty_take(vm, slot, f->word, UINT64_MAX);
		VM_PUT(vm, *m2d_slot_log_word(vm, slot, f->word), f->mask);
		if (f->mask == 0)
			continue;
		f->flush = true;
		f->pages += (unsigned)__builtin_popcountll(f->mask);
		harvested(vm, slot, f->word, f->mask);
		M2D_POINT(rt, f, LOG_TAKEN);
		if (M2D_OWES(vm, WRPROT_DIRTY))
			m2d_mmu_enable_log_dirty_pt_masked(vm, m2d_slot(vm, f->as, f->id),
							   64 * f->word, f->mask);
	}
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_POINT(rt, f, LOG_PROTECTED);
	slot = m2d_slot(vm, f->as, f->id);
	if (f->flush)
		m2d_emit(vm->ev, FN_FLUSH_MEMSLOT, m2d_slot_number(slot));
	if (f->flush && M2D_OWES(vm, FLUSH_DIRTY_LOG))
		M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = slot->base_gfn,
			 .pages = slot->npages);
	slot = m2d_slot(vm, f->as, f->id);
	m2d_emit(vm->ev, DIRTY_LOG_DONE, m2d_slot_number(slot), slot->base_gfn, slot->npages);
	m2d_unlock(vm, M2D_LOCK_SLOTS);
	M2D_RETURN(rt, f, f->pages);
	M2D_END(rt, f);
}

/* Bits of word @word that gfns [gfn, end) have. */
static uint64_t range_mask(const M2dMemslot *slot, uint64_t word, uint64_t gfn, uint64_t end)
{
	uint64_t first = slot->base_gfn + 64 * word, mask = UINT64_MAX;

	if (gfn >= first + 64 || end <= first)
		return 0;
	if (gfn > first)
		mask &= UINT64_MAX << (gfn - first);
	if (end < first + 64)
		mask &= ~(UINT64_MAX << (end - first));
	return mask;
}

/* What userspace hands back of word @word: told once, cleared once. */
static uint64_t take_back(M2dVm *vm, M2dMemslot *slot, const m2d_clear_dirty_log_frame *f)
{
	uint64_t *told = m2d_slot_log_word(vm, slot, f->word);
	uint64_t mask = *told & range_mask(slot, f->word, f->gfn, f->end);

	if (mask == 0)
		return 0;
	VM_PUT(vm, *told, *told & ~mask);
	return m2d_slot_dirty_take(vm, slot, f->word, mask);
}

M2D_ROUTINE(m2d_clear_dirty_log)
{
	m2d_clear_dirty_log_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dMemslot *slot;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_SLOTS);
	slot = logs(vm, f->as, f->id) ? m2d_slot(vm, f->as, f->id) : NULL;
	if (slot == NULL || f->gfn >= f->end || !m2d_slot_has(slot, f->gfn) ||
	    !m2d_slot_has(slot, f->end - 1)) {
		m2d_unlock(vm, M2D_LOCK_SLOTS);
		M2D_RETURN(rt, f, slot == NULL ? -ENOENT : -EINVAL);
	}
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	for (; f->word < words(m2d_slot(vm, f->as, f->id)); f->word++) {
		slot = m2d_slot(vm, f->as, f->id);
		f->mask = take_back(vm, slot, f);
		if (f->mask == 0)
			continue;
		f->flush = true;
		f->pages += (unsigned)__builtin_popcountll(f->mask);
		harvested(vm, slot, f->word, f->mask);
		M2D_POINT(rt, f, LOG_TAKEN);
		if (M2D_OWES(vm, WRPROT_DIRTY))
			m2d_mmu_enable_log_dirty_pt_masked(vm, m2d_slot(vm, f->as, f->id),
							   64 * f->word, f->mask);
	}
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_POINT(rt, f, LOG_PROTECTED);
	slot = m2d_slot(vm, f->as, f->id);
	if (f->flush)
		m2d_emit(vm->ev, FN_FLUSH_MEMSLOT, m2d_slot_number(slot));
	if (f->flush && M2D_OWES(vm, FLUSH_DIRTY_LOG))
		M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = slot->base_gfn,
			 .pages = slot->npages);
	slot = m2d_slot(vm, f->as, f->id);
	m2d_emit(vm->ev, DIRTY_LOG_DONE, m2d_slot_number(slot), f->gfn, f->end - f->gfn);
	m2d_unlock(vm, M2D_LOCK_SLOTS);
	M2D_RETURN(rt, f, f->pages);
	M2D_END(rt, f);
}
