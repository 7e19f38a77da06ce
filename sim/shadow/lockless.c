/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What faults do without mmu_lock: recognise MMIO, give back rights that only await a fault. While
 * they read tables vcpu->mode says so, and who wants to free one waits.
 * Sources: arch/x86/kvm/mmu/mmu.c handle_mmio_page_fault(), fast_page_fault().
 */
#include "sim/shadow/routines.h"
#include "sim/spte/spte-state.h"

static uint64_t last_spte(const M2dVm *vm, const M2dKvmVcpu *v, uint64_t addr, M2dSptep *sptep)
{
	uint64_t spte = vm->fmt.nonpresent;
	M2dShadowWalk it;

	*sptep = 0;
	m2d_shadow_walk_init(vm, v, v->mmu.root.sp, addr, &it);
	for (; it.level != 0; m2d_shadow_walk_next(vm, &it, spte)) {
		*sptep = it.sptep;
		spte = m2d_spte_read(vm, it.sptep);
	}
	return spte;
}

static bool mmio_generation_fits(M2dVm *vm, const M2dKvmVcpu *v, uint64_t spte)
{
	uint64_t gen = vm->slots->generation[m2d_role_as(v->mmu.root_role)];
	uint64_t kvm_gen = m2d_spte_mmio_gen_mask(&vm->fmt, gen);
	uint64_t spte_gen = m2d_spte_mmio_generation(&vm->fmt, spte);

	if (!M2D_OWES(vm, MMIO_GENERATION))
		return true;
	if (gen & M2D_GEN_UPDATE_IN_PROGRESS)
		return false;
	m2d_emit(vm->ev, CHECK_MMIO_SPTE, spte, kvm_gen, spte_gen, kvm_gen == spte_gen);
	return kvm_gen == spte_gen;
}

static int judge_mmio(M2dVm *vm, unsigned vcpu, uint64_t spte)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];
	uint64_t addr = m2d_shadow(vm)->fault[vcpu].addr, gfn;
	bool direct = v->mmu.root_role & M2D_ROLE_DIRECT;
	unsigned access;

	/* Zapped meanwhile: the access will fault again, otherwise. */
	if (!m2d_spte_is_mmio(&vm->fmt, spte))
		return M2D_RET_PF_RETRY;
	if (!mmio_generation_fits(vm, v, spte))
		return M2D_RET_PF_INVALID;
	gfn = m2d_spte_mmio_gfn(&vm->fmt, spte);
	access = m2d_spte_mmio_access(&vm->fmt, spte);
	m2d_emit(vm->ev, HANDLE_MMIO_PAGE_FAULT, direct ? 0 : addr, gfn, access);
	m2d_cache_mmio(vm, v, direct ? 0 : addr, gfn, access);
	return M2D_RET_PF_EMULATE;
}

/* The emulation wants the gpa. */
static void tell_gpa(M2dVm *vm, unsigned vcpu)
{
	M2dPageFault *fault = &m2d_shadow(vm)->fault[vcpu];
	uint64_t gfn = vm->vcpu[vcpu]->mmio_gfn;

	VM_PUT(vm, fault->gfn, gfn);
	VM_PUT(vm, m2d_mmu_last_fault(vm, vcpu)->gpa, gfn << 12 | (fault->addr & 0xfff));
}

M2D_ROUTINE(m2d_mmu_mmio_fault)
{
	m2d_mmu_mmio_fault_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	uint64_t addr = m2d_shadow(vm)->fault[f->vcpu].addr;
	M2dSptep sptep;
	int ret;

	M2D_BEGIN(rt, f);
	if (!m2d_mmio_cached(vm, v, addr, v->mmu.root_role & M2D_ROLE_DIRECT)) {
		m2d_set_mode(vm, f->vcpu, M2D_READING_SHADOW_PAGE_TABLES);
		f->spte = last_spte(vm, v, addr, &sptep);
		M2D_POINT(rt, f, SPTE_READ);
		m2d_set_mode(vm, f->vcpu, M2D_OUTSIDE_GUEST_MODE);
		ret = judge_mmio(vm, f->vcpu, f->spte);
		if (ret != M2D_RET_PF_EMULATE)
			M2D_RETURN(rt, f, ret);
	}
	tell_gpa(vm, f->vcpu);
	M2D_RETURN(rt, f, M2D_RET_PF_EMULATE);
	M2D_END(rt, f);
}

static M2dSpteFault spte_fault(const M2dPageFault *fault)
{
	return (M2dSpteFault){
		.write = fault->write,
		.exec = fault->exec,
		.present = fault->present,
		.rsvd = fault->rsvd,
	};
}

/* One attempt with the value that was read. True: the outcome is in f->ret. */
static bool try_fix(M2dVm *vm, m2d_mmu_fast_fault_frame *f)
{
	const M2dPageFault *fault = &m2d_shadow(vm)->fault[f->vcpu];
	M2dMemslot *slot = (M2dMemslot *)m2d_slot_of_word(vm, fault->slot);
	M2dSpteFault sf = spte_fault(fault);
	unsigned level;

	f->to = f->spte;
	if (f->sptep == 0 || !m2d_spte_is_present(&vm->fmt, f->spte))
		return true;
	level = m2d_role_level(m2d_sp(vm, m2d_sptep_sp(f->sptep))->role);
	if (level == 0 || !m2d_spte_is_last(f->spte, level))
		return true;
	switch (m2d_spte_fast_fault(&vm->fmt, &sf, f->spte, level,
				    slot != NULL && (slot->flags & M2D_SLOT_LOG_DIRTY), &f->to)) {
	case M2D_SPTE_FAST_SPURIOUS:
		f->ret = M2D_RET_PF_SPURIOUS;
		return true;
	case M2D_SPTE_FAST_FIX:
		if (!m2d_mmu_spte_cmpxchg(vm, f->sptep, (M2dHpa){f->at}, f->spte, f->to))
			return ++f->tries > 4;
		if (m2d_spte_is_writable(f->to) && !m2d_spte_is_writable(f->spte) && slot != NULL &&
		    M2D_OWES(vm, DIRTY_ON_FAST))
			m2d_slot_mark_dirty(vm, slot, fault->gfn);
		f->ret = M2D_RET_PF_FIXED;
		return true;
	default:
		return true;
	}
}

M2D_ROUTINE(m2d_mmu_fast_fault)
{
	m2d_mmu_fast_fault_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	const M2dPageFault *fault = &m2d_shadow(vm)->fault[f->vcpu];
	M2dSpteFault sf = spte_fault(fault);

	M2D_BEGIN(rt, f);
	f->ret = M2D_RET_PF_INVALID;
	if (!m2d_spte_fault_can_be_fast(&vm->fmt, &sf))
		M2D_RETURN(rt, f, f->ret);
	m2d_set_mode(vm, f->vcpu, M2D_READING_SHADOW_PAGE_TABLES);
	do {
		f->spte = last_spte(vm, v, fault->addr, &f->sptep);
		f->at = f->sptep ? m2d_spte_hpa(vm, f->sptep).v : 0;
		M2D_POINT(rt, f, SPTE_READ);
	} while (!try_fix(vm, f));
	m2d_emit(vm->ev, FAST_PAGE_FAULT, fault->addr, fault->error_code, f->at, f->spte, f->to,
		 (uint64_t)f->ret);
	m2d_set_mode(vm, f->vcpu, M2D_OUTSIDE_GUEST_MODE);
	M2D_RETURN(rt, f, f->ret);
	M2D_END(rt, f);
}
