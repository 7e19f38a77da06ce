/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's memory management and its userspace: what changes pages behind guest memory, with
 * KVM told before and after. Frames go only when the notifier has returned.
 *
 * change_pte, the notifier that pointed SPTEs at another page in place (knob change-pte), came
 * between start and end of an invalidation ever since Linux 3.x, so that it found no SPTE to
 * change; it has no effect of its own here either.
 */
#include <errno.h>

#include "sim/kvm/memory.h"
#include "sim/vm/hostmm.h"

/* The first stretch of one slot in gfns [*@gfn, @end): its pages of the process. *@gfn moves behind
 * it; false: none left. */
static bool next_stretch(const M2dVm *vm, unsigned as, uint64_t *gfn, uint64_t end, uint64_t *start,
			 uint64_t *n)
{
	for (; *gfn < end; ++*gfn) {
		const M2dMemslot *slot = m2d_gfn_to_slot(vm, as, *gfn);

		if (slot == NULL)
			continue;
		*start = m2d_slot_hva(slot, *gfn);
		*n = MIN(end, slot->base_gfn + slot->npages) - *gfn;
		*gfn += *n;
		return true;
	}
	return false;
}

static bool migrate(M2dVm *vm, uint64_t page)
{
	uint64_t old, new, offset;
	const uint64_t *from;
	bool writable, accessed, dirty;

	if (!m2d_hostmm_peek(vm, page, &old, &writable))
		return true;
	m2d_hostmm_detach(vm, page);
	if (!m2d_hostmm_get(vm, page, true, &new, NULL))
		return false;
	from = m2d_space_frame(vm->space, old);
	for (unsigned i = 0; from != NULL && i < 512; i++) {
		offset = 8 * (uint64_t)i;
		if (from[i] != 0)
			m2d_space_write64(vm->space, M2D_HPA((new << M2D_PAGE_SHIFT) + offset),
					  from[i]);
	}
	m2d_hostmm_protect(vm, page, writable);
	accessed = m2d_frame_accessed(vm, old);
	dirty = m2d_frame_dirty(vm, old);
	if (accessed)
		m2d_frame_set_accessed(vm, new);
	if (dirty)
		m2d_frame_set_dirty(vm, new);
	m2d_frame_free(vm, old);
	return true;
}

/* Hugepages that a change of pages [*@start, *@end) would split are invalidated whole, as
 * __split_huge_pmd() has it: a fault beside the range would else map the hugepage again. */
static void whole_hugepages(const M2dVm *vm, uint64_t *start, uint64_t *end)
{
	uint64_t first = UINT64_C(1) << (9 * (m2d_hostmm_level(vm, *start) - 1));
	uint64_t last = UINT64_C(1) << (9 * (m2d_hostmm_level(vm, *end - 1) - 1));

	*start &= ~(first - 1);
	*end = (*end + last - 1) & ~(last - 1);
}

/* The change itself; false: host memory is full. */
static bool change_page(M2dVm *vm, M2dHostChange change, uint64_t page)
{
	uint64_t pfn;

	switch (change) {
	case M2D_HOST_UNMAP:
		pfn = m2d_hostmm_detach(vm, page);
		if (pfn != 0)
			m2d_frame_free(vm, pfn);
		return true;
	case M2D_HOST_MIGRATE:
		return migrate(vm, page);
	default:
		m2d_hostmm_protect(vm, page, change == M2D_HOST_UNPROTECT);
		return true;
	}
}

static int64_t change_pages(M2dVm *vm, M2dHostChange change, uint64_t start, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (!change_page(vm, change, start + i))
			return -ENOMEM;
	return 0;
}

M2D_ROUTINE(m2d_host_change_pages)
{
	m2d_host_change_pages_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	f->ret = -EFAULT;
	while (next_stretch(vm, f->as, &f->gfn, f->end, &f->start, &f->n)) {
		f->told_start = f->start;
		f->told_end = f->start + f->n;
		whole_hugepages(vm, &f->told_start, &f->told_end);
		M2D_CALL(rt, f, m2d_mmu_notifier_start, .start = f->told_start, .end = f->told_end);
		f->ret = change_pages(vm, (M2dHostChange)f->change, f->start, f->n);
		M2D_POINT(rt, f, FRAMES_FREED);
		M2D_CALL(rt, f, m2d_mmu_notifier_end, .start = f->told_start, .end = f->told_end);
		if (f->ret < 0)
			break;
	}
	M2D_RETURN(rt, f, f->ret);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_host_munmap)
{
	m2d_host_munmap_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	f->told_start = f->start;
	f->told_end = f->start + f->n;
	whole_hugepages(vm, &f->told_start, &f->told_end);
	M2D_CALL(rt, f, m2d_mmu_notifier_start, .start = f->told_start, .end = f->told_end);
	change_pages(vm, M2D_HOST_UNMAP, f->start, f->n);
	M2D_POINT(rt, f, FRAMES_FREED);
	M2D_CALL(rt, f, m2d_mmu_notifier_end, .start = f->told_start, .end = f->told_end);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_host_age_pages)
{
	m2d_host_age_pages_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	f->ret = -EFAULT;
	while (next_stretch(vm, f->as, &f->gfn, f->end, &f->start, &f->n)) {
		M2D_CALL(rt, f, m2d_mmu_notifier_age, .start = f->start, .end = f->start + f->n,
			 .test = f->test);
		f->ret = MAX(f->ret, 0) | m2d_rt_ret(rt);
	}
	M2D_RETURN(rt, f, f->ret);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_host_poke)
{
	m2d_host_poke_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	const M2dMemslot *slot = m2d_gfn_to_slot(vm, f->as, f->gpa >> M2D_PAGE_SHIFT);
	uint64_t pfn;
	M2dHpa hpa;

	M2D_BEGIN(rt, f);
	/* The process may write where the guest may not, but not where the host forbids it. */
	if (slot == NULL ||
	    !m2d_hostmm_get(vm, m2d_slot_hva(slot, f->gpa >> M2D_PAGE_SHIFT), true, &pfn, NULL))
		M2D_RETURN(rt, f, -EFAULT);
	hpa = M2D_HPA((pfn << M2D_PAGE_SHIFT) + (f->gpa & (M2D_PAGE_SIZE - 1)));
	if (f->size == 8)
		m2d_space_write64(vm->space, hpa, f->value);
	else
		m2d_space_write(vm->space, hpa, &f->value, f->size);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

/* All pages of the process become unmapped and free. */
static void exit_mmap(M2dVm *vm)
{
	change_pages(vm, M2D_HOST_UNMAP, 0, vm->cfg.host_pages);
}

M2D_ROUTINE(m2d_host_release)
{
	m2d_host_release_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_mmu_zap_all);
	for (unsigned i = 0; i < M2D_N_AS * M2D_MAX_SLOTS; i++) {
		const M2dMemslot *s = m2d_slot(vm, i / M2D_MAX_SLOTS, i % M2D_MAX_SLOTS);

		if (s->npages != 0)
			m2d_emit(vm->ev, NOTIFIER_DONE, s->base_gfn, s->base_gfn + s->npages,
				 s->as);
	}
	M2D_POINT(rt, f, NOTIFIER_RETURNED);
	exit_mmap(vm);
	M2D_POINT(rt, f, FRAMES_FREED);
	M2D_END(rt, f);
}
