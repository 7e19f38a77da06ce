/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page faults. The kernel's outcome is known from the events behind; the model's is its own. When a
 * fault looked up its memslot and read the sequence of invalidations, before it took mmu_lock, is
 * not recorded: as early as can be if it came to nothing, as late as can be if it did not.
 */
#include <errno.h>

#include "sim/conform/conform-private.h"
#include "sim/kvm/drive.h"

M2dConfOutcome m2d_conf_outcome(const M2dConform *c, uint32_t i)
{
	M2dConfOutcome out = M2D_CONF_OUT_NONE;

	for (i = m2d_conf_next(c, i); i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);

		switch (e->kind) {
		case M2D_CAP_MARK_MMIO:
			/* Before the fault's own it is of a table that is synchronised. */
			if (out == M2D_CONF_OUT_NONE)
				break;
			return M2D_CONF_OUT_EMULATED;
		case M2D_CAP_MMIO_FAULT:
		case M2D_CAP_EMULATE:
			return M2D_CONF_OUT_EMULATED;
		case M2D_CAP_WALK_ERROR:
			return M2D_CONF_OUT_INJECTED;
		case M2D_CAP_SPTE_REQUESTED:
		case M2D_CAP_SET_SPTE:
			out = M2D_CONF_OUT_MAPPED;
			break;
		case M2D_CAP_FAST_FAULT:
			if (e->u.fast_fault.spurious || e->u.fast_fault.fixed)
				out = M2D_CONF_OUT_FAST;
			break;
		case M2D_CAP_USERSPACE_EXIT:
			if (e->u.userspace_exit.reason == EFAULT && out == M2D_CONF_OUT_NONE)
				return M2D_CONF_OUT_REFUSED;
			break;
		case M2D_CAP_ENTRY:
		case M2D_CAP_EXIT:
		case M2D_CAP_PAGE_FAULT:
			return out;
		default:
			break;
		}
	}
	return out;
}

/* As far as the host's page, which comes before mmu_lock. */
void m2d_conf_read_sequence(M2dConform *c, M2dConfOp *op)
{
	const M2dTask *t = c->vm->rt->task[op->actor];

	if (op->seq != 0)
		return;
	while (m2d_conf_runs(c, op->actor) && t->point != M2D_PT_SEQ_READ &&
	       t->point != M2D_PT_PFN_READ && t->point != M2D_PT_FAULT_LOCKED)
		m2d_conf_step(c, op->actor);
	op->seq = c->vm->s->mmu_invalidate_seq;
}

/* Behind the last event of a fault: one that came to nothing has a reason. */
void m2d_conf_give_up(M2dConform *c, M2dConfTask *task)
{
	M2dConfOp *op = m2d_conf_top(task);

	if (op == NULL || op->kind != M2D_CONF_OP_FAULT || op->given_up)
		return;
	op->given_up = true;
	if (m2d_conf_outcome(c, task->fault_event) == M2D_CONF_OUT_NONE &&
	    !m2d_conf_host_retries(c, task->fault_event, op->actor, op->seq) &&
	    !m2d_conf_guest_changed(c, task))
		m2d_conf_host_retry(c, task->fault_event);
}

/* The kernel mapped what the model did not: once more, unheard, so that what follows is about the
 * same tables. */
static void map_after_all(M2dConform *c, M2dConfTask *task)
{
	const M2dCapEvent *e = m2d_conf_event(c, task->fault_event);
	uint32_t r = m2d_conf_find(c, task->fault_event, M2D_CAP_SPTE_REQUESTED);
	m2d_mmu_page_fault_frame f = {.vcpu = (uint32_t)task->vcpu,
				      .error_code = (uint32_t)e->u.page_fault.error,
				      .address = e->u.page_fault.addr};
	uint32_t heard = c->actor_task[task->vcpu];

	if (r == M2D_CONF_NONE || !m2d_rt_idle(c->vm->rt, (unsigned)task->vcpu))
		return;
	c->resyncs++;
	m2d_conf_host_fault(c, task->fault_event);
	m2d_conf_host_requested(c, r);
	c->actor_task[task->vcpu] = M2D_CONF_NONE;
	m2d_rt_start(c->vm->rt, (unsigned)task->vcpu, M2D_R_m2d_mmu_page_fault, &f, sizeof(f));
	m2d_conf_finish(c, (unsigned)task->vcpu);
	m2d_conf_host_forget(c);
	c->actor_task[task->vcpu] = heard;
}

void m2d_conf_end_fault(M2dConform *c, M2dConfTask *task)
{
	M2dConfOutcome kernel;

	if (!task->faulted)
		return;
	kernel = m2d_conf_outcome(c, task->fault_event);
	m2d_conf_count_outcome(c, task->fault_event, kernel, (M2dConfOutcome)task->outcome);
	task->faulted = false;
	if (c->tdp && kernel == M2D_CONF_OUT_MAPPED && task->outcome == M2D_CONF_OUT_NONE)
		map_after_all(c, task);
}

/* Up to where the fault knows its memslot, or what it does without. */
static void find_slot(M2dConform *c, const M2dConfOp *op)
{
	const M2dTask *t = c->vm->rt->task[op->actor];

	while (m2d_conf_runs(c, op->actor) && t->point != M2D_PT_SLOT_FOUND)
		m2d_conf_step(c, op->actor);
}

/* What the fault at hand shows of memslots by @kind, its next event. */
void m2d_conf_fault_goes_on(M2dConform *c, M2dConfTask *task, unsigned kind)
{
	const M2dConfOp *op = m2d_conf_top(task);

	if (op == NULL || op->kind != M2D_CONF_OP_FAULT)
		return;
	if (kind == M2D_CAP_SPTE_REQUESTED && op->seq == 0)
		m2d_conf_host_fault(c, task->fault_event);
	if (c->vm->rt->task[op->actor]->point != M2D_PT_START)
		return;
	switch (kind) {
	case M2D_CAP_SPTE_REQUESTED:
	case M2D_CAP_FAST_FAULT:
	case M2D_CAP_MARK_MMIO:
	case M2D_CAP_CHECK_MMIO:
	case M2D_CAP_MMIO_FAULT:
		m2d_conf_settle_slots(c, task->fault_event, m2d_conf_outcome(c, task->fault_event));
		break;
	default:
		break;
	}
}

/* The fault at event @i came while an interrupt was delivered: KVM unprotects the page first, so
 * that it can be delivered again, and walks the guest's tables for that as for a read
 * (kvm_mmu_unprotect_page_virt()). */
static bool unprotects(const M2dConform *c, uint32_t i)
{
	uint64_t error = m2d_conf_event(c, i)->u.page_fault.error & ~(uint64_t)M2D_PFEC_RSVD;
	uint32_t walk = m2d_conf_find(c, i, M2D_CAP_WALK), again;

	if (c->tdp || walk == M2D_CONF_NONE)
		return false;
	/* The fault's own walk is next; that of an instruction to emulate would be for another
	 * address, or other access. */
	again = m2d_conf_find(c, walk, M2D_CAP_WALK);
	return again != M2D_CONF_NONE && m2d_conf_event(c, again)->u.walk.error == error &&
	       m2d_conf_event(c, again)->u.walk.addr == m2d_conf_event(c, walk)->u.walk.addr &&
	       m2d_conf_find(c, walk, M2D_CAP_EMULATE) == M2D_CONF_NONE;
}

void m2d_conf_fault(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	const M2dCapEvent *e = m2d_conf_event(c, i);
	M2dConfOutcome outcome = m2d_conf_outcome(c, i);
	M2dConfOp *op;

	if (task->vcpu < 0)
		return;
	m2d_conf_finish_ops(c, task);
	m2d_conf_end_fault(c, task);
	c->actor_task[task->vcpu] = t;
	task->faulted = true;
	task->fault_event = i;
	task->outcome = -1;
	/* One that began in view must have been entered. */
	if (c->vm->vcpu[task->vcpu]->in_guest)
		m2d_kvm_leave(c->vm, (unsigned)task->vcpu, 0);
	m2d_conf_settle_generation(c, i);
	/* Under shadow paging the memslot is looked up right behind the guest's walk. */
	if (!c->tdp && outcome != M2D_CONF_OUT_NONE)
		m2d_conf_settle_slots(c, i, outcome);
	m2d_conf_hardware_bits(c, i);
	task->refused = outcome == M2D_CONF_OUT_REFUSED;
	m2d_conf_host_write(c, i, !task->refused);
	if (!c->tdp)
		m2d_conf_guest_walk(c, t, m2d_conf_find(c, i, M2D_CAP_WALK));
	task->unprotects = unprotects(c, i);
	if (task->unprotects)
		m2d_conf_guest_unprotect(c, t, m2d_conf_find(c, i, M2D_CAP_WALK));
	m2d_conf_finish_ops(c, task);
	op = M2D_CONF_START(
		c, t, M2D_CONF_OP_FAULT, m2d_mmu_page_fault, .vcpu = (uint32_t)task->vcpu,
		.error_code = (uint32_t)e->u.page_fault.error, .address = e->u.page_fault.addr);
	/* When the memslot was looked up and the sequence of invalidations read is not recorded:
	 * early if that explains the outcome, or else late. */
	if (outcome == M2D_CONF_OUT_NONE) {
		m2d_conf_settle_slots(c, i, outcome);
		m2d_conf_read_sequence(c, op);
	} else if (m2d_conf_slot_fits(c, i, outcome)) {
		find_slot(c, op);
	}
}
