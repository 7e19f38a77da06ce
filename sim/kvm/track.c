/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write tracking of single gfns for users outside the MMU, and the limit of shadow pages.
 */
#include <errno.h>

#include "sim/kvm/memory.h"
#include "sim/vm/tag.h"

/* Count the tracker in or out; -EINVAL if that can't be. */
static int update_count(M2dVm *vm, M2dMemslot *slot, uint64_t gfn, bool add)
{
	uint16_t *count = m2d_slot_track(vm, slot, gfn);

	if (*count == (add ? UINT16_MAX : 0))
		return -EINVAL;
	VM_PUT(vm, *count, add ? *count + 1 : *count - 1);
	if (add)
		m2d_mmu_gfn_disallow_lpage(vm, slot, gfn);
	else
		m2d_mmu_gfn_allow_lpage(vm, slot, gfn);
	return 0;
}

M2D_ROUTINE(m2d_write_track)
{
	m2d_write_track_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dMemslot *slot = m2d_gfn_to_slot(vm, 0, f->gfn);
	bool flush;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	slot = m2d_gfn_to_slot(vm, 0, f->gfn);
	if (!m2d_slot_visible(slot) || update_count(vm, slot, f->gfn, f->add) < 0) {
		m2d_unlock(vm, M2D_LOCK_MMU);
		M2D_RETURN(rt, f, -EINVAL);
	}
	if (f->add) {
		flush = M2D_OWES(vm, WRPROT_TRACKED) &&
			m2d_mmu_slot_gfn_write_protect(vm, slot, f->gfn, 1);
		f->ret = flush;
		M2D_POINT(rt, f, PROTECTED);
		if (f->ret && M2D_OWES(vm, FLUSH_TRACK))
			M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = f->gfn, .pages = 1);
		m2d_emit(vm->ev, GFN_PROTECTED, f->gfn);
	}
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_set_nr_mmu_pages)
{
	m2d_set_nr_mmu_pages_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	if (f->n == 0)
		M2D_RETURN(rt, f, -EINVAL);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_SLOTS);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	if (m2d_mmu_prepare_shrink(vm, f->n))
		M2D_CALL(rt, f, m2d_mmu_commit_zap);
	m2d_unlock(vm, M2D_LOCK_MMU);
	m2d_unlock(vm, M2D_LOCK_SLOTS);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_pcpu_offline)
{
	m2d_pcpu_offline_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	if (f->pcpu >= vm->n_pcpus)
		M2D_RETURN(rt, f, -EINVAL);
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpu[i]->loaded && vm->vcpu[i]->pcpu == f->pcpu)
			M2D_RETURN(rt, f, -EBUSY);
	m2d_tag_pcpu_offline(vm, (unsigned)f->pcpu);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}
