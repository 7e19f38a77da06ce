/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vCPU loop: entry with its last look for requests, exit, and what hardware is given.
 * Sources: arch/x86/kvm/x86.c vcpu_enter_guest(), vcpu_run(); svm.c pre_svm_run(), svm_set_cr0(),
 * svm_set_cr4(), svm_set_efer(); vmx.c vmx_set_cr0(), vmx_set_cr4().
 *
 * Not modelled: exits for anything but memory, registers of paging and interrupts.
 */
#include "sim/kvm/kvm-private.h"

#include "sim/mmu/mmu.h"
#include "sim/vm/srcu.h"
#include "sim/vm/tag.h"

/*
 * Registers under shadow paging: the tables are KVM's, so paging is on and write protection holds
 * in supervisor mode; what the guest means by CR0.WP and by its own tables is in the SPTEs.
 */
static void shadow_regs(const M2dVm *vm, const M2dKvmVcpu *v, M2dRegs *hw)
{
	bool paging = v->regs.cr0 & M2D_CR0_PG;
	bool lma = paging && (v->regs.efer & M2D_EFER_LMA);

	hw->cr0 |= M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP;
	hw->cr4 |= M2D_CR4_PAE;
	hw->efer |= M2D_EFER_NXE;
	if (!lma) {
		hw->cr4 &= ~(M2D_CR4_LA57 | M2D_CR4_PCIDE);
		hw->efer &= ~(M2D_EFER_LMA | M2D_EFER_LME);
	}
	if (!paging)
		hw->cr4 &= ~(M2D_CR4_SMEP | M2D_CR4_SMAP | M2D_CR4_PKE);
	hw->cr3 = v->mmu.root_hpa;
	if (hw->cr4 & M2D_CR4_PCIDE)
		hw->cr3 |= v->regs.cr3 & M2D_CR3_PCID;
	if (!lma && !m2d_vm_amd(vm))
		for (unsigned i = 0; i < 4; i++)
			hw->pdpte[i] = m2d_space_read64(vm->space,
							M2D_HPA(v->mmu.root_hpa + 8 * (uint64_t)i));
}

static M2dInsn enter_hardware(M2dVm *vm, unsigned vcpu)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];
	M2dRegs hw = v->regs;
	M2dNested nested = {.kind = M2D_NESTED_NONE};
	unsigned tlb_ctl = v->tlb_ctl;
	M2dInsn r;

	nested.tag = m2d_vm_amd(vm) ? v->asid : v->vpid;
	if (!vm->cfg.tdp) {
		shadow_regs(vm, v, &hw);
	} else if (m2d_vm_amd(vm)) {
		nested.kind = M2D_NESTED_NPT;
		nested.ncr3 = v->mmu.root_hpa;
		nested.hcr4 = M2D_CR4_PAE | (v->mmu.root_level == 5 ? M2D_CR4_LA57 : 0);
		nested.hefer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE;
	} else {
		nested.kind = M2D_NESTED_EPT;
		nested.eptp = m2d_vm_eptp(vm, v);
		nested.ept_controls = M2D_EPT_EXEC_ONLY | M2D_EPT_2M | M2D_EPT_1G;
	}
	/* Checks come before TLB_CONTROL: an entry that fails flushes nothing. */
	r = v->bad_state ? M2D_INSN_INVALID
			 : m2d_vcpu_enter(m2d_vm_hw(vm, v), &hw, &nested, tlb_ctl);
	if (r == M2D_INSN_OK || !vm->cfg.knobs.tlb_ctl_kept)
		VM_PUT(vm, v->tlb_ctl, 0);
	return r;
}

/* The paravirtual flush that another vCPU left in the preempted byte is due from here on. */
static void pv_flush_done(M2dVm *vm, M2dKvmVcpu *v)
{
	if (!v->pv_flush_due)
		return;
	VM_PUT(vm, v->pv_flush_due, 0);
	m2d_emit(vm->ev, GUEST_FLUSH_DONE, M2D_GF_ALL, 0, 0);
}

/* kvm_vcpu_exit_request(). */
static bool exit_requested(const M2dVm *vm, const M2dKvmVcpu *v)
{
	return M2D_OWES(vm, CHECK_REQUESTS) &&
	       (v->mode == M2D_EXITING_GUEST_MODE || v->requests != 0);
}

/* The lowest pending request, in the order of service; M2D_N_REQS: none. */
static unsigned next_request(const M2dKvmVcpu *v)
{
	return v->requests != 0 ? (unsigned)__builtin_ctz(v->requests) : M2D_N_REQS;
}

M2D_ROUTINE(m2d_vcpu_enter_guest)
{
	m2d_vcpu_enter_guest_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	vm->ev->vcpu = (uint8_t)f->vcpu;
	M2D_BEGIN(rt, f);
	for (;;) {
		m2d_srcu_lock(vm, f->vcpu);
		/* One pass over the requests; one that is made meanwhile is seen by the last check.
		 */
		for (f->request = 0; f->request < M2D_N_REQS; f->request++) {
			if (next_request(v) == M2D_N_REQS)
				break;
			M2D_FINE(rt, f, REQUESTS_READ);
			if (!m2d_check_request(vm, f->vcpu, (M2dRequest)f->request))
				continue;
			m2d_vm_charge(vm, f->vcpu, M2D_CAUSE_KVM_OTHER,
				      vm->machine->kvm.request_check);
			M2D_POINT(rt, f, REQUEST_TAKEN);
			M2D_CALL(rt, f, m2d_vcpu_service_request, .vcpu = f->vcpu,
				 .request = f->request);
		}
		M2D_POINT(rt, f, REQUESTS_READ);
		if (v->mmu.root_hpa == 0)
			M2D_CALL(rt, f, m2d_mmu_load, .vcpu = f->vcpu);
		m2d_set_mode(vm, f->vcpu, M2D_IN_GUEST_MODE);
		m2d_srcu_unlock(vm, f->vcpu);
		M2D_POINT(rt, f, MODE_IN_GUEST);
		if (exit_requested(vm, v)) {
			m2d_set_mode(vm, f->vcpu, M2D_OUTSIDE_GUEST_MODE);
			continue;
		}
		m2d_tag_before_entry(vm, f->vcpu);
		if (enter_hardware(vm, f->vcpu) != M2D_INSN_OK) {
			m2d_set_mode(vm, f->vcpu, M2D_OUTSIDE_GUEST_MODE);
			M2D_RETURN(rt, f, false);
		}
		VM_PUT(vm, v->in_guest, 1);
		m2d_emit(vm->ev, KVM_ENTRY, v->mmu.root_hpa, v->requests);
		pv_flush_done(vm, v);
		M2D_POINT(rt, f, ENTERED);
		M2D_RETURN(rt, f, true);
	}
	M2D_END(rt, f);
}

void m2d_vcpu_leave_guest(M2dVm *vm, unsigned vcpu, M2dExitReason reason, uint64_t info1,
			  uint64_t info2)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];
	M2dVcpu *hw = m2d_vm_hw(vm, v);

	if (!v->in_guest)
		return;
	/* Registers that the guest changes without an exit. */
	if (vm->cfg.tdp)
		m2d_arena_write(vm->arena, &v->regs, m2d_vcpu_regs(hw), sizeof(M2dRegs));
	m2d_vcpu_exit(hw);
	VM_PUT(vm, v->in_guest, 0);
	vm->ev->vcpu = (uint8_t)vcpu;
	m2d_emit(vm->ev, KVM_EXIT, reason, info1, info2);
	m2d_set_mode(vm, vcpu, M2D_OUTSIDE_GUEST_MODE);
	m2d_srcu_lock(vm, vcpu);
}

static bool says_preempted(M2dVm *vm, const M2dKvmVcpu *v)
{
	uint64_t byte = 0;

	m2d_vm_read_guest(vm, M2D_GPA(v->steal_gpa + M2D_STEAL_PREEMPTED_BYTE), 1, &byte);
	return byte & M2D_STEAL_PREEMPTED;
}

void m2d_vcpu_sched_out(M2dVm *vm, unsigned vcpu, bool boundary)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];
	bool report = boundary || !vm->cfg.knobs.preempted_boundary;

	m2d_vcpu_leave_guest(vm, vcpu, M2D_EXIT_PREEMPT, 0, 0);
	VM_PUT(vm, v->loaded, 0);
	vm->ev->vcpu = (uint8_t)vcpu;
	m2d_emit(vm->ev, KVM_SCHED, 0, v->pcpu);
	/* kvm_steal_time_set_preempted(). Scheduled out again before it ran, the vCPU may have got
	 * a flush flag meanwhile (8c6de56a42e0). */
	if (v->steal_gpa != 0 && report &&
	    !(vm->cfg.knobs.preempted_atomic && says_preempted(vm, v)))
		m2d_vm_write_guest(vm, M2D_GPA(v->steal_gpa + M2D_STEAL_PREEMPTED_BYTE), 1,
				   M2D_STEAL_PREEMPTED, true);
}

void m2d_vcpu_sched_in(M2dVm *vm, unsigned vcpu, unsigned pcpu)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	VM_PUT(vm, v->pcpu, pcpu);
	VM_PUT(vm, v->loaded, 1);
	vm->ev->vcpu = (uint8_t)vcpu;
	m2d_emit(vm->ev, KVM_SCHED, 1, pcpu);
	m2d_tag_sched_in(vm, vcpu);
	if (v->steal_gpa != 0)
		m2d_make_request(vm, vcpu, M2D_REQ_STEAL_UPDATE);
}

M2D_ROUTINE(m2d_vcpu_take_interrupts)
{
	m2d_vcpu_take_interrupts_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	const M2dGuestIpi *ipi = &v->ipi[f->from];

	vm->ev->vcpu = (uint8_t)f->vcpu;
	M2D_BEGIN(rt, f);
	if (v->in_guest && v->kicks != 0) {
		m2d_vm_charge(vm, f->vcpu, M2D_CAUSE_KICK, vm->machine->kvm.kick_target);
		m2d_vcpu_leave_guest(vm, f->vcpu, M2D_EXIT_INTR, 0, 0);
		M2D_POINT(rt, f, EXITED);
	}
	while (v->ipis != 0 && v->loaded) {
		if (!v->in_guest)
			M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
		if (!v->in_guest)
			M2D_RETURN(rt, f, 0);
		f->from = (uint32_t)__builtin_ctz(v->ipis);
		ipi = &v->ipi[f->from];
		VM_PUT(vm, v->ipis, v->ipis & ~(1u << f->from));
		if (ipi->action == M2D_IPI_INVLPG)
			M2D_CALL(rt, f, m2d_guest_invalidate, .vcpu = f->vcpu, .gva = ipi->gva);
		else if (ipi->action == M2D_IPI_FLUSH)
			M2D_CALL(rt, f, m2d_guest_mov_cr, .vcpu = f->vcpu, .cr = 3,
				 .value = v->regs.cr3);
		else if (ipi->action == M2D_IPI_FLUSH_ALL)
			M2D_CALL(rt, f, m2d_guest_invalidate, .vcpu = f->vcpu, .kind = 1,
				 .type = 2);
		m2d_emit(vm->ev, GUEST_IPI_ACK, f->from);
		VM_PUT(vm, vm->vcpu[f->from]->unacked,
		       vm->vcpu[f->from]->unacked & ~(1u << f->vcpu));
		M2D_POINT(rt, f, IPI_ACKED);
	}
	if (!v->in_guest)
		m2d_srcu_unlock(vm, f->vcpu);
	M2D_END(rt, f);
}
