/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INVLPG and INVPCID of a guest. With a direct MMU they run on hardware; under shadow paging they
 * exit, since what they flush is KVM's tables too.
 * Sources: x86.c kvm_handle_invpcid(), kvm_invalidate_pcid(); mmu.c kvm_mmu_invlpg().
 */
#include "sim/kvm/kvm-private.h"

static uint32_t current_pcid(const M2dKvmVcpu *v)
{
	return v->regs.cr4 & M2D_CR4_PCIDE ? (uint32_t)(v->regs.cr3 & M2D_CR3_PCID) : 0;
}

static M2dGuestFlush scope_of(const m2d_guest_invalidate_frame *f)
{
	static const M2dGuestFlush by_type[] = {M2D_GF_PCID_PAGE, M2D_GF_PCID, M2D_GF_ALL,
						M2D_GF_NONGLOBAL};

	return f->kind == 0 ? M2D_GF_PAGE : by_type[f->type & 3];
}

/* On hardware: begun and done in one step. */
static int64_t on_hardware(M2dVm *vm, m2d_guest_invalidate_frame *f)
{
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dVcpu *hw = m2d_vm_hw(vm, v);
	M2dGuestFlush scope = scope_of(f);
	M2dInsn r;

	m2d_emit(vm->ev, GUEST_FLUSH, scope, f->gva, f->pcid);
	r = f->kind == 0 ? m2d_vcpu_invlpg(hw, M2D_GVA(f->gva))
			 : m2d_vcpu_invpcid(hw, f->type, f->pcid, M2D_GVA(f->gva));
	m2d_emit(vm->ev, GUEST_FLUSH_DONE, scope, f->gva, f->pcid);
	return r == M2D_INSN_OK ? M2D_OPR_OK : M2D_OPR_GP;
}

static bool invpcid_allowed(const M2dKvmVcpu *v, const m2d_guest_invalidate_frame *f)
{
	if (f->kind == 0)
		return true;
	return f->type <= 3 && f->pcid <= M2D_CR3_PCID &&
	       (f->type > 1 || f->pcid == 0 || (v->regs.cr4 & M2D_CR4_PCIDE));
}

M2D_ROUTINE(m2d_guest_invalidate)
{
	m2d_guest_invalidate_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	if (!v->in_guest)
		M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
	if (!v->in_guest)
		M2D_RETURN(rt, f, M2D_OPR_FAILED);
	if (f->kind == 0)
		f->pcid = current_pcid(v);
	if (vm->cfg.tdp && (f->kind == 0 || !vm->cfg.intercept))
		M2D_RETURN(rt, f, on_hardware(vm, f));
	m2d_vcpu_leave_guest(vm, f->vcpu, f->kind == 0 ? M2D_EXIT_INVLPG : M2D_EXIT_INVPCID, f->gva,
			     f->type);
	if (!invpcid_allowed(v, f))
		M2D_RETURN(rt, f, M2D_OPR_GP);
	m2d_emit(vm->ev, GUEST_FLUSH, scope_of(f), f->gva, f->pcid);
	M2D_POINT(rt, f, EXITED);
	if (f->kind == 0)
		M2D_CALL(rt, f, m2d_mmu_invlpg, .vcpu = f->vcpu, .gva = f->gva);
	else if (f->type == 0)
		M2D_CALL(rt, f, m2d_mmu_invlpg, .vcpu = f->vcpu, .gva = f->gva, .pcid = f->pcid,
			 .pcid_only = 1);
	else if (f->type == 1)
		M2D_CALL(rt, f, m2d_invalidate_pcid, .vcpu = f->vcpu, .pcid = f->pcid);
	else
		m2d_make_request(vm, f->vcpu, M2D_REQ_TLB_FLUSH_GUEST);
	M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
	m2d_emit(vm->ev, GUEST_FLUSH_DONE, scope_of(f), f->gva, f->pcid);
	M2D_RETURN(rt, f, M2D_OPR_OK);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_invalidate_pcid)
{
	m2d_invalidate_pcid_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	if (vm->cfg.tdp && vm->cfg.knobs.pcid_hw_flush) {
		/* Nobody knows which PCIDs hardware has entries of. */
		m2d_make_request(vm, f->vcpu, M2D_REQ_TLB_FLUSH_GUEST);
		M2D_RETURN(rt, f, 0);
	}
	if (current_pcid(v) == f->pcid) {
		if (M2D_OWES(vm, SYNC_CR3))
			m2d_make_request(vm, f->vcpu, M2D_REQ_MMU_SYNC);
		if (M2D_OWES(vm, FLUSH_SYNC_HW))
			m2d_make_request(vm, f->vcpu, M2D_REQ_TLB_FLUSH_CURRENT);
	}
	/* Roots do not depend on the guest's CR3. */
	if (vm->cfg.tdp)
		M2D_RETURN(rt, f, 0);
	/* Without PCIDs every load of CR3 flushes: a root that returns is synced then. */
	if (!(v->regs.cr4 & M2D_CR4_PCIDE) && vm->cfg.knobs.prev_roots_no_pcid)
		M2D_RETURN(rt, f, 0);
	/* Roots of the PCID that are not in use are synced and flushed when they are loaded again.
	 */
	M2D_CALL(rt, f, m2d_mmu_free_pcid_roots, .vcpu = f->vcpu, .pcid = f->pcid);
	M2D_END(rt, f);
}
