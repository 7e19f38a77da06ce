/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a guest access to its end: hardware, exits, KVM's fault handler, emulation.
 * Sources: x86/kvm/mmu/mmu.c kvm_mmu_page_fault(), kvm_mmu_write_protect_fault(); x86.c
 * x86_emulate_instruction(), emulator_read_write(), emulator_cmpxchg_emulated().
 *
 * An access does not cross a page. Translation and access are one step: what could come between
 * them on hardware, an invalidation, is taken at instruction boundaries only.
 */
#include "sim/kvm/kvm-private.h"

#include "sim/mmu/mmu.h"

/* Rounds of one access after which it is given up: no legal sequence of events needs so many. */
#define MAX_TRIES 64

static uint64_t load(M2dVm *vm, M2dHpa hpa, unsigned size)
{
	uint64_t value = 0;

	m2d_space_read(vm->space, hpa, &value, size);
	return value;
}

/* The access at its physical address. */
static void perform(M2dVm *vm, m2d_guest_access_frame *f, M2dHpa hpa)
{
	M2dOpOutcome *o = &m2d_kvm(vm)->outcome[vm->rt->current];
	uint64_t old = load(vm, hpa, f->size);

	o->hpa = hpa.v;
	o->has_hpa = true;
	o->value = old;
	if (f->kind == M2D_ACC_WRITE && (!f->cmpxchg || old == f->expect)) {
		m2d_space_write(vm->space, hpa, &f->value, f->size);
		o->value = f->value;
	}
	/* What decides how the guest goes on has to be in the frame: others come between. */
	f->other = f->await && old != f->expect;
	m2d_emit(vm->ev, GUEST_ACCESS, f->kind, f->gva, hpa.v, o->value);
}

M2dExitReason m2d_fault_exit_reason(const M2dOutcome *out)
{
	return out->kind == M2D_OUT_PF              ? M2D_EXIT_PF
	       : out->kind == M2D_OUT_EPT_MISCONFIG ? M2D_EXIT_MISCONFIG
						    : M2D_EXIT_NPF;
}

/* npf_interception(), handle_ept_violation(), handle_ept_misconfig(). */
uint32_t m2d_fault_error_code(const M2dOutcome *out)
{
	uint64_t q = out->qualification;

	switch (out->kind) {
	case M2D_OUT_NPF:
		return (uint32_t)out->exitinfo1 & 0x1f;
	case M2D_OUT_EPT_VIOLATION:
		return (q & M2D_EPTQ_READ ? M2D_PFEC_U : 0) |
		       (q & M2D_EPTQ_WRITE ? M2D_PFEC_W : 0) |
		       (q & M2D_EPTQ_FETCH ? M2D_PFEC_ID : 0) |
		       (q >> M2D_EPTQ_RIGHTS & 7 ? M2D_PFEC_P : 0);
	case M2D_OUT_EPT_MISCONFIG:
		return M2D_PFEC_RSVD | M2D_PFEC_P;
	default:
		return out->error_code;
	}
}

static int64_t guest_pf(M2dVm *vm, uint64_t gva, uint32_t code)
{
	M2dOpOutcome *o = &m2d_kvm(vm)->outcome[vm->rt->current];

	o->value = code;
	m2d_emit(vm->ev, GUEST_PF, gva, code);
	return M2D_OPR_PF;
}

M2D_ROUTINE(m2d_guest_access)
{
	m2d_guest_access_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dOpOutcome *o = &m2d_kvm(vm)->outcome[rt->current];
	M2dAccess access = {.gva = M2D_GVA(f->gva),
			    .size = f->size,
			    .kind = (M2dAccKind)f->kind,
			    .user = f->user};
	M2dOutcome out;

	vm->ev->vcpu = (uint8_t)f->vcpu;
	M2D_BEGIN(rt, f);
	for (f->tries = 0; f->tries < MAX_TRIES; f->tries++) {
		if (v->in_guest && v->kicks != 0)
			M2D_CALL(rt, f, m2d_vcpu_take_interrupts, .vcpu = f->vcpu);
		if (!v->in_guest)
			M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
		if (!v->in_guest)
			M2D_RETURN(rt, f, M2D_OPR_FAILED);
		/* It would fault and retry until somebody else is done: so it can wait. */
		if (f->retry && m2d_mmu_must_retry(vm, f->vcpu, f->gpa >> M2D_PAGE_SHIFT)) {
			M2D_WAIT(rt, f, RETRY, f->gpa >> M2D_PAGE_SHIFT);
			continue;
		}
		m2d_vcpu_access(m2d_vm_hw(vm, v), &access, &out);
		if (out.kind == M2D_OUT_OK) {
			perform(vm, f, out.hpa);
			M2D_POINT(rt, f, ACCESSED);
			M2D_RETURN(rt, f, f->other ? M2D_OPR_NO : M2D_OPR_OK);
		}
		if (out.kind == M2D_OUT_GP)
			M2D_RETURN(rt, f, M2D_OPR_GP);
		if (out.kind == M2D_OUT_PF && vm->cfg.tdp)
			M2D_RETURN(rt, f, guest_pf(vm, f->gva, out.error_code));
		f->error_code = m2d_fault_error_code(&out);
		f->gpa = out.kind == M2D_OUT_PF ? f->gva : out.fault_gpa.v;
		m2d_vcpu_leave_guest(vm, f->vcpu, m2d_fault_exit_reason(&out), f->gpa,
				     f->error_code);
		M2D_POINT(rt, f, EXITED);
		M2D_CALL(rt, f, m2d_handle_page_fault, .vcpu = f->vcpu, .error_code = f->error_code,
			 .address = f->gpa, .kind = f->kind, .size = f->size, .user = f->user,
			 .cmpxchg = f->cmpxchg, .gva = f->gva, .value = f->value,
			 .expect = f->expect);
		f->gpa = m2d_mmu_last_fault(vm, f->vcpu)->gpa;
		f->retry = m2d_rt_ret(rt) == M2D_FAULT_RETRY;
		switch ((M2dFaultEnd)m2d_rt_ret(rt)) {
		case M2D_FAULT_AGAIN:
		case M2D_FAULT_RETRY:
			break;
		case M2D_FAULT_INJECTED:
			M2D_RETURN(rt, f, guest_pf(vm, f->gva, (uint32_t)o->value));
		case M2D_FAULT_DONE:
			M2D_RETURN(rt, f, M2D_OPR_EMULATED);
		case M2D_FAULT_MMIO:
			M2D_RETURN(rt, f, M2D_OPR_MMIO);
		case M2D_FAULT_BAD:
			M2D_RETURN(rt, f, M2D_OPR_FAILED);
		}
	}
	M2D_RETURN(rt, f, M2D_OPR_FAILED);
	M2D_END(rt, f);
}

/* Whose page the guest walked when it faulted: a table or the final address. */
M2D_ROUTINE(m2d_handle_page_fault)
{
	m2d_handle_page_fault_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dOpOutcome *o = &m2d_kvm(vm)->outcome[rt->current];

	M2D_BEGIN(rt, f);
	m2d_emit(vm->ev, KVM_PAGE_FAULT, f->address, f->error_code);
	o->faults++;
	m2d_vm_charge(vm, f->vcpu, M2D_CAUSE_KVM_FAULT, vm->machine->kvm.fault_handler);
	M2D_POINT(rt, f, FAULT);
	M2D_CALL(rt, f, m2d_mmu_page_fault, .vcpu = f->vcpu, .error_code = f->error_code,
		 .address = f->address);
	f->ret = (uint32_t)m2d_rt_ret(rt);
	o->faults_ret = (M2dRetPf)f->ret;
	f->gpa = m2d_mmu_last_fault(vm, f->vcpu)->gpa;
	m2d_emit(vm->ev, KVM_PAGE_FAULT_DONE, f->address, f->error_code, f->ret, f->gpa >> 12);
	if (f->ret == M2D_RET_PF_INJECT) {
		o->value = m2d_mmu_last_fault(vm, f->vcpu)->error_code;
		m2d_emit(vm->ev, INJECT_PF, f->address, o->value);
		M2D_RETURN(rt, f, M2D_FAULT_INJECTED);
	}
	if (f->ret != M2D_RET_PF_EMULATE && f->ret != M2D_RET_PF_WRITE_PROTECTED)
		M2D_RETURN(rt, f, f->ret == M2D_RET_PF_RETRY ? M2D_FAULT_RETRY : M2D_FAULT_AGAIN);
	/* A store to a table that is not one for this MMU: stop shadowing it and try again, once.
	 */
	if (f->ret == M2D_RET_PF_WRITE_PROTECTED && vm->cfg.tdp &&
	    v->last_retry_gpa != (f->gpa | 1)) {
		VM_PUT(vm, v->last_retry_gpa, f->gpa | 1);
		M2D_CALL(rt, f, m2d_mmu_unprotect_gfn, .gfn = f->gpa >> 12);
		if (m2d_rt_ret(rt))
			M2D_RETURN(rt, f, M2D_FAULT_AGAIN);
	}
	VM_PUT(vm, v->last_retry_gpa, 0);
	M2D_CALL(rt, f, m2d_emulate, .vcpu = f->vcpu, .kind = f->kind, .size = f->size,
		 .user = f->user, .cmpxchg = f->cmpxchg, .gva = f->gva, .value = f->value,
		 .expect = f->expect, .gpa = f->gpa);
	M2D_RETURN(rt, f, m2d_rt_ret(rt));
	M2D_END(rt, f);
}

static uint32_t emulated_access(const m2d_emulate_frame *f)
{
	return (f->kind == M2D_ACC_WRITE ? M2D_PFEC_W : 0) |
	       (f->kind == M2D_ACC_FETCH ? M2D_PFEC_ID : 0) | (f->user ? M2D_PFEC_U : 0);
}

/* The load or store itself; false: there is no memory, so it is MMIO. */
static bool emulate_access(M2dVm *vm, m2d_emulate_frame *f)
{
	M2dOpOutcome *o = &m2d_kvm(vm)->outcome[vm->rt->current];
	bool dirty = M2D_OWES(vm, DIRTY_ON_EMULATE) && (!f->cmpxchg || vm->cfg.knobs.cmpxchg_dirty);
	unsigned as = vm->vcpu[f->vcpu]->smm;
	M2dHpa hpa;
	uint64_t old;

	if (!m2d_as_read_guest(vm, as, M2D_GPA(f->gpa), f->size, &old))
		return false;
	o->value = old;
	if (f->kind == M2D_ACC_WRITE) {
		if (f->cmpxchg && old != f->expect)
			return true;
		if (!m2d_as_write_guest(vm, as, M2D_GPA(f->gpa), f->size, f->value, dirty))
			return false;
		o->value = f->value;
		m2d_emit(vm->ev, EMULATED_WRITE, f->gpa, f->value, f->size);
	}
	if (m2d_as_gpa_to_hpa(vm, as, M2D_GPA(f->gpa), false, &hpa)) {
		o->hpa = hpa.v;
		o->has_hpa = true;
	}
	return true;
}

M2D_ROUTINE(m2d_emulate)
{
	m2d_emulate_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dOpOutcome *o = &m2d_kvm(vm)->outcome[rt->current];
	bool paging = v->regs.cr0 & M2D_CR0_PG, known;

	M2D_BEGIN(rt, f);
	m2d_vm_charge(vm, f->vcpu, M2D_CAUSE_KVM_EMULATE, vm->machine->kvm.emulate);
	if (m2d_mmio_cached_gva(vm, v, f->gva, emulated_access(f))) {
		f->gpa = v->mmio_gfn << M2D_PAGE_SHIFT | (f->gva & (M2D_PAGE_SIZE - 1));
		m2d_emit(vm->ev, MATCH_MMIO, f->gva, f->gpa, f->kind == M2D_ACC_WRITE, 0);
	} else if (paging) {
		M2D_CALL(rt, f, m2d_mmu_walk_addr, .vcpu = f->vcpu, .access = emulated_access(f),
			 .gva = f->gva);
		if (!m2d_rt_ret(rt)) {
			o->value = m2d_mmu_last_fault(vm, f->vcpu)->error_code;
			m2d_emit(vm->ev, INJECT_PF, f->gva, o->value);
			M2D_RETURN(rt, f, M2D_FAULT_INJECTED);
		}
		f->gpa = m2d_mmu_last_fault(vm, f->vcpu)->gpa;
	} else {
		f->gpa = f->gva;
	}
	M2D_POINT(rt, f, GUEST_WALKED);
	/* What is known to be MMIO is not looked up again. */
	known = m2d_mmio_cached(vm, v, f->gpa, true);
	if (known && !m2d_mmio_cached_gva(vm, v, f->gva, emulated_access(f)))
		m2d_emit(vm->ev, MATCH_MMIO, f->gva, f->gpa, f->kind == M2D_ACC_WRITE, 1);
	if (known || !emulate_access(vm, f)) {
		m2d_emit(vm->ev, KVM_MMIO, f->kind == M2D_ACC_WRITE ? 2 : 1, f->size, f->gpa,
			 f->value);
		m2d_emit(vm->ev, KVM_USERSPACE_EXIT, 6);
		m2d_vm_charge(vm, f->vcpu, M2D_CAUSE_KVM_OTHER, vm->machine->kvm.userspace_exit);
		M2D_RETURN(rt, f, M2D_FAULT_MMIO);
	}
	M2D_POINT(rt, f, EMULATED);
	if (f->kind == M2D_ACC_WRITE)
		M2D_CALL(rt, f, m2d_mmu_track_write, .gpa = f->gpa, .bytes = f->size);
	M2D_RETURN(rt, f, M2D_FAULT_DONE);
	M2D_END(rt, f);
}

bool m2d_guest_peek(M2dVm *vm, unsigned vcpu, uint64_t gva, unsigned size, uint64_t *value)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];
	uint64_t hpa;

	if (!v->in_guest ||
	    !m2d_mmu_probe(m2d_vcpu_mmu(m2d_vm_hw(vm, v)), gva, M2D_ACC_READ, false, &hpa))
		return false;
	*value = load(vm, M2D_HPA(hpa), size);
	return true;
}
