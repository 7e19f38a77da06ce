/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM put together, and its actors driven: what each waits for, who moves when straight
 * execution has to wait, interrupts of idle vCPUs.
 */
#include "sim/kvm/kvm.h"

#include <string.h>

#include "sim/base/error.h"
#include "sim/kvm/host-op.h"
#include "sim/kvm/kvm-private.h"
#include "sim/kvm/memory.h"
#include "sim/kvm/zap-policy.h"
#include "sim/vm/request.h"
#include "sim/vm/srcu.h"
#include "sim/vm/tag.h"

/* Some are known only to the layer that they belong to. */
#define ROUTINE(name) M2D_ROUTINE(name);
#include "sim/vm/routines.def"
#undef ROUTINE

static const M2dRoutineFn routines[M2D_N_ROUTINES] = {
	NULL,
#define ROUTINE(name) name,
#include "sim/vm/routines.def"
#undef ROUTINE
};

M2dKvm *m2d_kvm(const M2dVm *vm)
{
	return vm->kvm;
}

const M2dOpOutcome *m2d_kvm_outcome(const M2dVm *vm, unsigned actor)
{
	return &m2d_kvm(vm)->outcome[actor];
}

M2dOpOutcome *m2d_kvm_outcome_of(M2dVm *vm, unsigned actor)
{
	return &m2d_kvm(vm)->outcome[actor];
}

void m2d_kvm_set_guest(M2dVm *vm, const M2dGuestInfo *info)
{
	m2d_kvm(vm)->guest = info;
}

static bool ready(M2dRuntime *rt, unsigned actor, M2dWait kind, uint64_t arg)
{
	M2dVm *vm = rt->owner;
	const m2d_guest_await_frame *await;
	M2dKvmVcpu *v;
	uint64_t value;

	switch (kind) {
	case M2D_WAIT_LOCK:
		return m2d_lock_free(vm, (M2dLockId)(arg & 0xff), arg >> 8 & 1);
	case M2D_WAIT_ACKS:
		return m2d_acked(vm, actor, (uint32_t)arg);
	case M2D_WAIT_READERS:
		return m2d_srcu_synced(vm);
	case M2D_WAIT_NOTIFIER:
		return vm->s->mmu_invalidate_in_progress == 0;
	case M2D_WAIT_RETRY:
		/* One that was scheduled out has left the guest and reads memslots until it is
		 * back. */
		return vm->vcpu[actor]->kicks != 0 || !vm->vcpu[actor]->in_guest ||
		       !m2d_mmu_must_retry(vm, actor, arg);
	case M2D_WAIT_GUEST:
		v = vm->vcpu[arg];
		return v->unacked == 0 || v->kicks != 0 || (v->ipis != 0 && v->loaded);
	case M2D_WAIT_VALUE:
		/* The spinning guest's frame is the innermost: it waits in no other routine. */
		await = m2d_rt_top(rt, actor);
		v = vm->vcpu[arg];
		return !v->in_guest || v->kicks != 0 ||
		       !m2d_guest_peek(vm, (unsigned)arg, await->gva, await->size, &value) ||
		       value == await->value;
	case M2D_WAIT_NONE:
	case M2D_N_WAITS:
		break;
	}
	return true;
}

/* Let vCPU @id take its interrupt now, whatever else it is doing: straight execution finds all
 * others between two operations. */
static void take_now(M2dVm *vm, unsigned id)
{
	m2d_vcpu_take_interrupts_frame f = {.vcpu = id};

	m2d_rt_start(vm->rt, id, M2D_R_m2d_vcpu_take_interrupts, &f, sizeof(f));
	m2d_kvm_run(vm, id);
}

/* Let vCPU @id leave the guest, and no more: who waits may hold the locks that a guest's interrupt
 * handler would need. A vCPU that waits itself, in the guest, leaves it too. */
static void exit_now(M2dVm *vm, unsigned id)
{
	M2dKvmVcpu *v = vm->vcpu[id];
	uint8_t vcpu = vm->ev->vcpu;

	if (!v->in_guest)
		return;
	m2d_vm_charge(vm, id, M2D_CAUSE_KICK, vm->machine->kvm.kick_target);
	m2d_vcpu_leave_guest(vm, id, M2D_EXIT_INTR, 0, 0);
	m2d_srcu_unlock(vm, id);
	vm->ev->vcpu = vcpu;
}

static void pump(M2dRuntime *rt, unsigned actor, M2dWait kind, uint64_t arg)
{
	M2dVm *vm = rt->owner;

	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		if (i == actor)
			continue;
		if (kind == M2D_WAIT_ACKS && arg >> i & 1 && vm->vcpu[i]->kicks != 0)
			exit_now(vm, i);
		else if (kind == M2D_WAIT_GUEST && vm->vcpu[i]->ipis != 0 && m2d_rt_idle(rt, i))
			take_now(vm, i);
	}
}

static void free_kvm(struct _M2dKvm *kvm)
{
	g_free(kvm);
}

M2dVm *m2d_kvm_new(M2dWorld *world, const M2dVmConfig *config, GError **error)
{
	M2dVm *vm = m2d_vm_new(world, config, error);

	if (vm == NULL)
		return NULL;
	vm->kvm = g_new0(M2dKvm, 1);
	vm->kvm_free = free_kvm;
	vm->rt->table = routines;
	vm->rt->n_table = M2D_N_ROUTINES;
	vm->rt->ready = ready;
	vm->rt->pump = pump;
	vm->rt->n_vcpus = vm->n_vcpus;
	m2d_shadow_init(vm);
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		VM_PUT(vm, vm->vcpu[i]->loaded, 1);
		m2d_tag_sched_in(vm, i);
		m2d_mmu_init_context(vm, vm->vcpu[i]);
	}
	return vm;
}

/* Preemption of a vCPU that is in the middle of host code. */
static bool preempt_at_once(M2dVm *vm, unsigned actor, const M2dOp *op)
{
	M2dKvmVcpu *v = vm->vcpu[actor];

	if (op->kind == M2D_OP_PREEMPT)
		m2d_vcpu_sched_out(vm, actor, false);
	else if (op->kind == M2D_OP_RESUME)
		m2d_vcpu_sched_in(vm, actor, op->given & 1 ? (unsigned)op->arg[0] : v->pcpu);
	else
		return false;
	return true;
}

static bool check_op(const M2dVm *vm, unsigned actor, const M2dOp *op, GError **error)
{
	bool vcpu = actor < vm->n_vcpus;
	const M2dKvmVcpu *v = vcpu ? vm->vcpu[actor] : NULL;
	const char *why = NULL;

	if (!(m2d_op_info[op->kind].actors & (vcpu ? M2D_OP_VCPU : M2D_OP_HOST)))
		why = vcpu ? "is not an operation of a vCPU" : "is not an operation of the host";
	else if (vcpu && op->kind == M2D_OP_RESUME && op->given & 1 && op->arg[0] >= vm->n_pcpus)
		why = "names a pCPU that does not exist";
	else if (vcpu && op->kind == M2D_OP_RESUME && v->loaded)
		why = "wants a vCPU that was preempted";
	else if (vcpu && op->kind != M2D_OP_RESUME && !v->loaded)
		why = "wants a vCPU that is scheduled in; it was preempted";
	if (why == NULL)
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s %s", m2d_op_info[op->kind].verb, why);
	return false;
}

bool m2d_kvm_start(M2dVm *vm, unsigned actor, const M2dOp *op, GError **error)
{
	m2d_vcpu_op_frame f = {.vcpu = actor, .op = *op};

	if (!check_op(vm, actor, op, error))
		return false;
	memset(&m2d_kvm(vm)->outcome[actor], 0, sizeof(M2dOpOutcome));
	if (actor >= vm->n_vcpus)
		return m2d_host_op_start(vm, actor, op, error);
	vm->ev->vcpu = (uint8_t)actor;
	if (!m2d_kvm_idle(vm, actor) && preempt_at_once(vm, actor, op))
		return true;
	g_assert(m2d_kvm_idle(vm, actor));
	m2d_rt_start(vm->rt, actor, M2D_R_m2d_vcpu_op, &f, sizeof(f));
	return true;
}

static bool has_interrupt(const M2dVm *vm, unsigned actor)
{
	const M2dKvmVcpu *v;

	if (actor >= vm->n_vcpus)
		return false;
	v = vm->vcpu[actor];
	return (v->in_guest && v->kicks != 0) || (v->ipis != 0 && v->loaded);
}

bool m2d_kvm_wants_step(M2dVm *vm, unsigned actor)
{
	if (m2d_kvm_idle(vm, actor))
		return has_interrupt(vm, actor);
	return m2d_rt_enabled(vm->rt, actor);
}

void m2d_kvm_interrupt(M2dVm *vm, unsigned actor)
{
	m2d_vcpu_take_interrupts_frame f = {.vcpu = actor};

	m2d_rt_start(vm->rt, actor, M2D_R_m2d_vcpu_take_interrupts, &f, sizeof(f));
}

bool m2d_kvm_step(M2dVm *vm, unsigned actor)
{
	if (m2d_kvm_idle(vm, actor))
		m2d_kvm_interrupt(vm, actor);
	return m2d_rt_step(vm->rt, actor);
}

void m2d_kvm_run(M2dVm *vm, unsigned actor)
{
	m2d_rt_run(vm->rt, actor);
}
