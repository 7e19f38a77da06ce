/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Function calls by interrupt between a guest's vCPUs, as its own TLB shootdown uses them, and the
 * paravirtual flush (KVM_FEATURE_PV_TLB_FLUSH): a vCPU that the host says is preempted gets a flag
 * in its steal-time page instead of an interrupt.
 * Sources: kernel/smp.c smp_call_function_many(); arch/x86/kernel/kvm.c kvm_flush_tlb_multi().
 */
#include "sim/kvm/kvm-private.h"

static void send(M2dVm *vm, unsigned from, unsigned to, uint32_t action, uint64_t gva)
{
	M2dKvmVcpu *t = vm->vcpu[to];
	M2dKvmVcpu *me = vm->vcpu[from];

	VM_PUT(vm, t->ipi[from].action, action);
	VM_PUT(vm, t->ipi[from].gva, gva);
	VM_PUT(vm, t->ipis, t->ipis | 1u << from);
	VM_PUT(vm, me->unacked, me->unacked | 1u << to);
	m2d_emit(vm->ev, GUEST_IPI, to, action, gva);
}

M2D_ROUTINE(m2d_guest_send_ipi)
{
	m2d_guest_send_ipi_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (f->targets >> i & 1 && i != f->vcpu)
			send(vm, f->vcpu, i, f->action, f->gva);
	m2d_vm_charge(vm, f->vcpu, M2D_CAUSE_IPI, vm->machine->cost.ipi);
	M2D_POINT(rt, f, IPI_SENT);
	M2D_RETURN(rt, f, M2D_OPR_OK);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_guest_await_acks)
{
	m2d_guest_await_acks_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	/* Interrupts are on while it spins. */
	while (v->unacked != 0) {
		M2D_WAIT(rt, f, GUEST, f->vcpu);
		if (v->kicks != 0 || v->ipis != 0)
			M2D_CALL(rt, f, m2d_vcpu_take_interrupts, .vcpu = f->vcpu);
	}
	M2D_RETURN(rt, f, M2D_OPR_OK);
	M2D_END(rt, f);
}

static M2dGpa preempted_byte(const M2dKvmVcpu *v)
{
	return M2D_GPA(v->steal_gpa + M2D_STEAL_PREEMPTED_BYTE);
}

/* try_cmpxchg(&src->preempted, &state, state | KVM_VCPU_FLUSH_TLB) */
static bool set_flush_flag(M2dVm *vm, unsigned target)
{
	M2dKvmVcpu *t = vm->vcpu[target];
	unsigned me = vm->ev->vcpu;
	uint64_t state = 0;

	if (t->steal_gpa == 0 || !m2d_vm_read_guest(vm, preempted_byte(t), 1, &state) ||
	    !(state & M2D_STEAL_PREEMPTED))
		return false;
	m2d_vm_write_guest(vm, preempted_byte(t), 1, state | M2D_STEAL_FLUSH_TLB, false);
	m2d_emit(vm->ev, PV_FLUSH_FLAG, target);
	VM_PUT(vm, t->pv_flush_due, 1);
	vm->ev->vcpu = (uint8_t)target;
	m2d_emit(vm->ev, GUEST_FLUSH, M2D_GF_ALL, 0, 0);
	vm->ev->vcpu = (uint8_t)me;
	return true;
}

M2D_ROUTINE(m2d_guest_pv_flush)
{
	m2d_guest_pv_flush_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	const M2dGuestInfo *g = m2d_kvm(vm)->guest;

	M2D_BEGIN(rt, f);
	if (!v->in_guest)
		M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
	if (g != NULL && g->local_flush == M2D_LOCAL_FLUSH_FIRST)
		M2D_CALL(rt, f, m2d_guest_invalidate, .vcpu = f->vcpu, .gva = f->gva,
			 .kind = f->gva == 0, .type = 2);
	for (f->target = 0; f->target < vm->n_vcpus; f->target++) {
		if (f->target == f->vcpu || !(f->targets >> f->target & 1) ||
		    !set_flush_flag(vm, f->target))
			continue;
		f->targets &= ~(UINT64_C(1) << f->target);
		M2D_POINT(rt, f, FLAG_SET);
	}
	f->targets &= ~(UINT64_C(1) << f->vcpu);
	if (f->targets != 0) {
		M2D_CALL(rt, f, m2d_guest_send_ipi, .vcpu = f->vcpu, .targets = f->targets,
			 .action = f->gva != 0 ? M2D_IPI_INVLPG : M2D_IPI_FLUSH_ALL, .gva = f->gva);
		M2D_CALL(rt, f, m2d_guest_await_acks, .vcpu = f->vcpu);
	}
	if (g != NULL && g->local_flush == M2D_LOCAL_FLUSH_LAST)
		M2D_CALL(rt, f, m2d_guest_invalidate, .vcpu = f->vcpu, .gva = f->gva,
			 .kind = f->gva == 0, .type = 2);
	M2D_RETURN(rt, f, M2D_OPR_OK);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_guest_await)
{
	m2d_guest_await_frame *f = frame;

	M2D_BEGIN(rt, f);
	do {
		M2D_WAIT(rt, f, VALUE, f->vcpu);
		M2D_CALL(rt, f, m2d_guest_access, .vcpu = f->vcpu, .kind = M2D_ACC_READ,
			 .size = (uint8_t)f->size, .gva = f->gva, .expect = f->value, .await = 1);
	} while (m2d_rt_ret(rt) == M2D_OPR_NO);
	M2D_RETURN(rt, f, m2d_rt_ret(rt));
	M2D_END(rt, f);
}
