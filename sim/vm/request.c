/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests and kicks. A request that waits is complete when each vCPU that was in the guest when
 * the request became visible has left it since; vCPUs outside see the bit before they enter.
 */
#include "sim/vm/request.h"

void m2d_make_request(M2dVm *vm, unsigned target, M2dRequest request)
{
	M2dKvmVcpu *v = vm->vcpu[target];

	m2d_emit(vm->ev, KVM_REQUEST, target, request);
	VM_PUT(vm, v->requests, v->requests | 1u << request);
}

void m2d_make_all_request(M2dVm *vm, M2dRequest request)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		m2d_make_request(vm, i, request);
}

bool m2d_check_request(M2dVm *vm, unsigned vcpu, M2dRequest request)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	if (!(v->requests >> request & 1))
		return false;
	VM_PUT(vm, v->requests, v->requests & ~(1u << request));
	m2d_emit(vm->ev, KVM_REQUEST_DONE, request);
	return true;
}

/* kvm_request_needs_ipi() and the interrupt: one cmpxchg of vcpu->mode decides. */
static bool kick(M2dVm *vm, unsigned target)
{
	M2dKvmVcpu *v = vm->vcpu[target];
	bool needs = v->mode != M2D_OUTSIDE_GUEST_MODE;

	/* A vCPU that is made to wait for itself would wait for ever. */
	if (target == vm->rt->current)
		return false;
	if (v->mode == M2D_IN_GUEST_MODE)
		VM_PUT(vm, v->mode, M2D_EXITING_GUEST_MODE);
	m2d_emit(vm->ev, KVM_KICK, target, v->mode, needs);
	if (needs)
		VM_PUT(vm, v->kicks, v->kicks | 1u << vm->rt->current);
	return needs;
}

M2D_ROUTINE(m2d_make_all_cpus_request)
{
	m2d_make_all_cpus_request_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	m2d_make_all_request(vm, (M2dRequest)f->request);
	m2d_vm_charge(vm, rt->current, M2D_CAUSE_KICK,
		      (uint64_t)vm->machine->kvm.post_request * vm->n_vcpus);
	M2D_POINT(rt, f, FLUSH_SENT);
	if (M2D_OWES(vm, KICK)) {
		for (unsigned i = 0; i < vm->n_vcpus; i++) {
			if (!kick(vm, i))
				continue;
			f->targets |= 1u << i;
			m2d_vm_charge(vm, rt->current, M2D_CAUSE_KICK, vm->machine->kvm.kick);
		}
	}
	M2D_POINT(rt, f, FLUSH_KICKED);
	if (M2D_OWES(vm, WAIT_ACKS))
		M2D_WAIT(rt, f, ACKS, f->targets);
	M2D_RETURN(rt, f, f->targets);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_flush_remote_tlbs)
{
	m2d_flush_remote_tlbs_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	m2d_emit(vm->ev, FLUSH_REMOTE, f->gfn, f->pages);
	M2D_FINE(rt, f, FLUSH_BEGUN);
	M2D_CALL(rt, f, m2d_make_all_cpus_request, .request = M2D_REQ_TLB_FLUSH);
	M2D_POINT(rt, f, FLUSH_ACKED);
	m2d_emit(vm->ev, FLUSH_REMOTE_DONE, f->gfn, f->pages);
	M2D_END(rt, f);
}

void m2d_set_mode(M2dVm *vm, unsigned vcpu, M2dVcpuMode mode)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	VM_PUT(vm, v->mode, mode);
	m2d_emit(vm->ev, KVM_VCPU_MODE, mode);
	/* Interrupts are enabled again outside the guest's modes, and the pending one is taken. */
	if (mode == M2D_OUTSIDE_GUEST_MODE && v->kicks != 0) {
		VM_PUT(vm, v->kicks, 0);
		m2d_emit(vm->ev, KVM_KICK_TAKEN, 0);
	}
}

bool m2d_acked(const M2dVm *vm, unsigned actor, uint32_t targets)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (targets >> i & 1 && vm->vcpu[i]->kicks >> actor & 1)
			return false;
	return true;
}
