/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads of control registers of a guest, by the guest or by userspace
 * (KVM_SET_SREGS, a reset). What was loaded is not recorded; that a register was loaded is the
 * reason of the exit, or that the vCPU was in userspace. Whether the load concerned the MMU shows
 * in what KVM does at the entry behind it: a root that is loaded again although it was good, a
 * flush of the guest's address space. Both are inputs then; what follows from them is not.
 */
#include "sim/conform/conform-private.h"
#include "sim/vm/request.h"

/* An exit or a stay in userspace in this window may have changed registers. */
static bool may_load(const M2dConfTask *task)
{
	switch (task->exit_reason & ~M2D_CAP_EXIT_SVM) {
	case 0x10: /* CR0 */
	case 0x13: /* CR3 */
	case 0x14: /* CR4 */
	case 0x7c: /* MSR: EFER */
	case 0x65: /* CR0, selectively */
	case 0x73: /* RSM */
		return true;
	default:
		return task->left;
	}
}

/* CR3 of a guest under shadow paging is known. */
static bool changes_mode(const M2dConfTask *task)
{
	return (task->exit_reason & ~M2D_CAP_EXIT_SVM) != 0x13;
}

/* The vCPU will load a root in any case. */
static bool reloads(const M2dVm *vm, const M2dKvmVcpu *v)
{
	M2dSpIndex root = v->mmu.root.sp;

	if (v->mmu.root_hpa == 0 || root == 0)
		return true;
	if (root == M2D_ROOT_PAE || root == M2D_ROOT_DUMMY)
		return v->requests >> M2D_REQ_MMU_FREE_OBSOLETE_ROOTS & 1;
	return m2d_sp_obsolete(vm, m2d_sp(vm, root));
}

static void reset(M2dConform *c, unsigned vcpu)
{
	m2d_mmu_reset_context_frame f = {.vcpu = vcpu};

	if (!m2d_rt_idle(c->vm->rt, vcpu))
		return;
	m2d_rt_start(c->vm->rt, vcpu, M2D_R_m2d_mmu_reset_context, &f, sizeof(f));
	m2d_conf_finish(c, vcpu);
}

/* The flush itself, as the vCPU's own. */
static void flush_guest(M2dConform *c, unsigned vcpu)
{
	c->vm->ev->actor = c->vm->ev->vcpu = (uint8_t)vcpu;
	m2d_flush_tlb_guest(c->vm, vcpu);
	c->vm->ev->actor = c->vm->ev->vcpu = M2D_NO_ACTOR;
}

void m2d_conf_registers(M2dConform *c, M2dConfTask *task)
{
	unsigned vcpu = (unsigned)task->vcpu, lone = 0;
	M2dKvmVcpu *v = c->vm->vcpu[vcpu];
	bool load = false, current = false, prev = false;
	uint32_t at = M2D_CONF_NONE;
	unsigned before = M2D_CAP_N_KINDS;

	/* Userspace sets the registers that a vCPU starts with. */
	if (task->exit_reason != 0 && !may_load(task))
		return;
	for (uint32_t i = c->now; i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		unsigned kind = m2d_conf_event(c, i)->kind;

		if (kind == M2D_CAP_ENTRY || kind == M2D_CAP_EXIT)
			break;
		if (kind == M2D_CAP_MMU_LOAD && !load)
			at = i;
		load |= kind == M2D_CAP_MMU_LOAD;
		current |= kind == M2D_CAP_SVM_FLUSH_CURRENT && !load;
		prev |= kind == M2D_CAP_SYNC_PREV_ROOTS;
		if (kind == M2D_CAP_SVM_FLUSH_ASID && before != M2D_CAP_SVM_FLUSH_ALL &&
		    before != M2D_CAP_SVM_FLUSH_CURRENT)
			lone++;
		before = kind;
	}
	if (!c->tdp && load && m2d_conf_guest_mode(c, task, at))
		reset(c, vcpu);
	else if (load && (c->tdp || changes_mode(task)) && !reloads(c->vm, v))
		reset(c, vcpu);
	/* What a load of CR3 flushes under shadow paging is not an input. */
	if (!c->tdp && !changes_mode(task))
		return;
	if (!c->tdp && prev)
		m2d_make_request(c->vm, vcpu, M2D_REQ_TLB_FLUSH_GUEST);
	if (current)
		m2d_make_request(c->vm, vcpu, M2D_REQ_TLB_FLUSH_CURRENT);
	/* MOV to CR4 flushes at once if PGE changes, and asks for the guest's flush. */
	for (; lone > 1 && c->tdp; lone--)
		flush_guest(c, vcpu);
	if (lone != 0 && c->tdp)
		m2d_make_request(c->vm, vcpu, M2D_REQ_TLB_FLUSH_GUEST);
}

void m2d_conf_smm(M2dConform *c, M2dConfTask *task, bool enter)
{
	M2dOp op;

	if (task->vcpu < 0)
		return;
	m2d_conf_finish_ops(c, task);
	m2d_op_preset(&op, M2D_OP_SMM);
	op.arg[0] = !enter;
	if (m2d_rt_idle(c->vm->rt, (unsigned)task->vcpu) &&
	    m2d_kvm_start(c->vm, (unsigned)task->vcpu, &op, NULL))
		m2d_conf_finish(c, (unsigned)task->vcpu);
}
