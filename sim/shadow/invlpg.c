/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INVLPG and INVPCID of an address: the hardware's entry, then the shadow entries for it in every
 * root that the guest may mean.
 * Sources: arch/x86/kvm/mmu/mmu.c kvm_mmu_invlpg(), kvm_mmu_invpcid_gva(),
 * __kvm_mmu_invalidate_addr().
 */
#include "sim/guest/guest.h"
#include "sim/shadow/routines.h"

/* True: the entry at hand was dropped or changed and must be flushed. */
static bool sync_entry(M2dVm *vm, const M2dKvmVcpu *v, const M2dShadowWalk *it)
{
	int ret;

	if (!m2d_sp(vm, it->sp)->unsync)
		return false;
	ret = m2d_sync_spte(vm, v, it->sptep);
	if (ret < 0)
		m2d_page_zap_pte(vm, it->sptep, M2D_ON_NONE);
	return ret != 0;
}

/* Down to the unsync page, if there is one on the way. Says what to flush. */
static bool walk_root(M2dVm *vm, const M2dKvmVcpu *v, m2d_mmu_invalidate_addr_frame *f)
{
	M2dShadowWalk it;

	m2d_shadow_walk_init(vm, v, f->root, f->gva, &it);
	while (it.level != 0) {
		uint64_t spte = m2d_spte_read(vm, it.sptep);

		f->gfn = m2d_sp_entry_gfn(vm, it.sp, it.index);
		f->level = it.level;
		if (sync_entry(vm, v, &it))
			return true;
		if (!m2d_sp(vm, it.sp)->unsync_children)
			break;
		m2d_shadow_walk_next(vm, &it, spte);
	}
	return false;
}

/* Before 6.4 (knob invlpg): the entry on an unsync page on the way down; 0: there is none. @gfn,
 * @level: out: what to flush for it; level 0: it mapped nothing. */
static M2dSptep zap_unsync_entry(M2dVm *vm, m2d_mmu_invlpg_zap_frame *f)
{
	M2dShadowWalk it;

	f->level = 0;
	m2d_shadow_walk_init(vm, vm->vcpu[f->vcpu], f->root, f->gva, &it);
	for (; it.level != 0; m2d_shadow_walk_next(vm, &it, m2d_spte_read(vm, it.sptep))) {
		const M2dSp *sp = m2d_sp(vm, it.sp);
		uint64_t spte = m2d_spte_read(vm, it.sptep);

		if (it.level == 1 || m2d_spte_is_last(spte, it.level)) {
			if (!sp->unsync)
				break;
			m2d_page_zap_pte(vm, it.sptep, M2D_ON_NONE);
			if (m2d_spte_is_present(&vm->fmt, spte)) {
				f->gfn = sp->gfn;
				f->level = it.level;
			}
			return it.sptep;
		}
		if (!sp->unsync_children)
			break;
	}
	return 0;
}

/* paging_tmpl.h FNAME(invlpg) of old. */
M2D_ROUTINE(m2d_mmu_invlpg_zap)
{
	m2d_mmu_invlpg_zap_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	bool flush = false;

	M2D_BEGIN(rt, f);
	f->sptep = zap_unsync_entry(vm, f);
	if (f->sptep != 0) {
		if (f->level != 0 && M2D_OWES(vm, FLUSH_INVLPG_SPTE)) {
			M2D_POINT(rt, f, ZAPPED);
			M2D_CALL(rt, f, m2d_mmu_flush_gfn, .gfn = f->gfn, .level = f->level);
		}
		m2d_prefetch_one(vm, vm->vcpu[f->vcpu], f->sptep, false, &flush);
		if (flush)
			M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = 0);
	}
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_invalidate_addr)
{
	m2d_mmu_invalidate_addr_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	bool flush;

	M2D_BEGIN(rt, f);
	m2d_clear_mmio_cache(vm, v, f->gva);
	if (f->root == 0 || f->root == M2D_ROOT_DUMMY)
		M2D_RETURN(rt, f, 0);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	if (vm->cfg.knobs.invlpg == M2D_INVLPG_ZAP) {
		M2D_CALL(rt, f, m2d_mmu_invlpg_zap, .vcpu = f->vcpu, .root = f->root,
			 .gva = f->gva);
		m2d_unlock(vm, M2D_LOCK_MMU);
		M2D_RETURN(rt, f, 0);
	}
	flush = walk_root(vm, v, f);
	if (flush && M2D_OWES(vm, FLUSH_INVLPG_SPTE)) {
		M2D_POINT(rt, f, ZAPPED);
		M2D_CALL(rt, f, m2d_mmu_flush_gfn, .gfn = f->gfn, .level = f->level);
	}
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

static bool root_wanted(const M2dVm *vm, const M2dKvmVcpu *v, const m2d_mmu_invlpg_frame *f,
			unsigned i)
{
	const M2dRootInfo *root = i == 0 ? &v->mmu.root : &v->mmu.prev[i - 1];
	uint64_t pgd = i == 0 ? v->regs.cr3 : root->pgd;
	uint64_t pcid = v->regs.cr4 & M2D_CR4_PCIDE ? pgd & M2D_CR3_PCID : 0;

	if (root->sp == 0 || (f->pcid_only && pcid != f->pcid))
		return false;
	return i == 0 ? M2D_OWES(vm, SYNC_INVLPG) : M2D_OWES(vm, SYNC_INVLPG_PREV);
}

static bool any_pcid(const M2dKvmVcpu *v, const m2d_mmu_invlpg_frame *f)
{
	uint64_t mask = v->regs.cr4 & M2D_CR4_PCIDE ? M2D_CR3_PCID : 0;

	if (!f->pcid_only || (v->regs.cr3 & mask) == f->pcid)
		return true;
	for (unsigned i = 0; i < M2D_N_PREV_ROOTS; i++) {
		if (v->mmu.prev[i].sp != 0 && (v->mmu.prev[i].pgd & mask) == f->pcid)
			return true;
	}
	return false;
}

M2D_ROUTINE(m2d_mmu_invlpg)
{
	m2d_mmu_invlpg_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	if (!f->pcid_only)
		m2d_emit(vm->ev, FN_MMU_INVLPG, f->gva);
	if (!m2d_guest_canonical(&v->mmu.gfmt, f->gva) || !any_pcid(v, f))
		M2D_RETURN(rt, f, 0);
	if (M2D_OWES(vm, FLUSH_INVLPG_HW))
		m2d_flush_tlb_gva(vm, f->vcpu, (M2dGva){f->gva});
	M2D_POINT(rt, f, FLUSHED_HW);
	if (v->mmu.root_role & M2D_ROLE_DIRECT) {
		/* Such an MMU has nothing to sync, and the callback for it is NULL. */
		if (f->pcid_only && !vm->cfg.knobs.invpcid_nonpaging && !vm->cfg.tdp)
			m2d_emit(vm->ev, KVM_BUG, M2D_BUG_NULL_CALL, 0);
		M2D_RETURN(rt, f, 0);
	}
	for (f->i = 0; f->i <= M2D_N_PREV_ROOTS; f->i++) {
		if (!root_wanted(vm, v, f, f->i))
			continue;
		M2D_CALL(rt, f, m2d_mmu_invalidate_addr, .vcpu = f->vcpu, .gva = f->gva,
			 .root = f->i == 0 ? v->mmu.root.sp : v->mmu.prev[f->i - 1].sp);
	}
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}
