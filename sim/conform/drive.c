/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop: which kernel event starts which operation of the model, and how far the model goes for
 * each that is compared.
 *
 * The order of events in the capture is the order of the model's steps: an operation moves when its
 * thread records something, up to there, so that the model's locks are taken in the order of the
 * kernel's. Who waits for a lock lets its holder go on first; who waits for a vCPU that was kicked
 * sees it leave the guest. Operations of the host are run to their end behind their last event; a
 * fault that records nothing is run when its vCPU enters the guest again.
 */
#include "sim/base/error.h"
#include "sim/conform/conform-private.h"
#include "sim/kvm/drive.h"

#define MAX_STEPS 1000000u

/* --- stepping --------------------------------------------------------------------------------- */

static void step_holder(M2dConform *c, unsigned lock, unsigned actor)
{
	const M2dLock *l = &c->vm->s->lock[lock];
	unsigned owner =
		l->owner != 0 ? l->owner - 1u : (unsigned)__builtin_ctz(l->readers | 0x10000u);

	g_assert(owner != actor && owner < c->vm->rt->n_tasks);
	m2d_conf_step(c, owner);
}

static void await_vcpus(M2dConform *c, unsigned actor, uint32_t targets)
{
	M2dVm *vm = c->vm;

	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		if (!(targets >> i & 1) || !(vm->vcpu[i]->kicks >> actor & 1))
			continue;
		if (vm->vcpu[i]->in_guest)
			m2d_kvm_leave(vm, i, 0);
		else
			m2d_conf_step(c, i);
	}
}

static void tidy(M2dConform *c, M2dConfTask *task);

/* Invalidations that have begun and not returned. */
static void finish_notifiers(M2dConform *c)
{
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);

		for (unsigned n = 0; n < task->n_ops; n++)
			if (task->op[n].kind == M2D_CONF_OP_NOTIFIER)
				m2d_conf_finish(c, task->op[n].actor);
		tidy(c, task);
	}
}

static void unblock(M2dConform *c, unsigned actor)
{
	M2dVm *vm = c->vm;
	const M2dTask *t = vm->rt->task[actor];

	switch ((M2dWait)t->wait) {
	case M2D_WAIT_LOCK:
		step_holder(c, (unsigned)t->wait_arg & 0xff, actor);
		break;
	case M2D_WAIT_ACKS:
		await_vcpus(c, actor, (uint32_t)t->wait_arg);
		break;
	case M2D_WAIT_READERS:
		for (unsigned i = 0; i < vm->n_vcpus; i++) {
			if (!(vm->s->srcu_old >> i & 1))
				continue;
			VM_PUT(vm, vm->s->srcu_old, vm->s->srcu_old & ~(1u << i));
		}
		break;
	case M2D_WAIT_NOTIFIER:
		finish_notifiers(c);
		m2d_conf_notifiers_end_all(c);
		break;
	default:
		g_assert_not_reached();
	}
}

void m2d_conf_step(M2dConform *c, unsigned actor)
{
	M2dRuntime *rt = c->vm->rt;

	for (unsigned n = 0; !m2d_rt_enabled(rt, actor); n++) {
		g_assert(n < MAX_STEPS);
		unblock(c, actor);
	}
	m2d_rt_step(rt, actor);
}

void m2d_conf_finish(M2dConform *c, unsigned actor)
{
	while (!m2d_rt_idle(c->vm->rt, actor))
		m2d_conf_step(c, actor);
}

unsigned m2d_conf_take_actor(M2dConform *c, uint32_t t)
{
	for (unsigned i = c->vm->n_vcpus; i < M2D_MAX_ACTORS; i++) {
		if (!m2d_rt_idle(c->vm->rt, i) || c->busy >> i & 1)
			continue;
		c->actor_task[i] = t;
		return i;
	}
	g_assert_not_reached();
}

/* --- operations ------------------------------------------------------------------------------- */

static M2dConfOp *top(M2dConfTask *task)
{
	return task->n_ops != 0 ? &task->op[task->n_ops - 1] : NULL;
}

static M2dConfOp *push(M2dConform *c, M2dConfTask *task, unsigned kind, unsigned actor)
{
	M2dConfOp *op;

	g_assert(task->n_ops < M2D_CONF_MAX_OPS);
	op = &task->op[task->n_ops++];
	*op = (M2dConfOp){.actor = (uint8_t)actor, .kind = (uint8_t)kind};
	if (actor >= c->vm->n_vcpus)
		c->busy |= 1u << actor;
	return op;
}

M2dConfOp *m2d_conf_op(M2dConform *c, uint32_t t, unsigned kind, unsigned number, const void *frame,
		       uint32_t size)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	unsigned actor = kind == M2D_CONF_OP_FAULT || kind == M2D_CONF_OP_GUEST
				 ? (unsigned)task->vcpu
				 : m2d_conf_take_actor(c, t);

	m2d_rt_start(c->vm->rt, actor, number, frame, size);
	return push(c, task, kind, actor);
}

static M2dConfOutcome fault_outcome(const M2dConform *c, const M2dConfTask *task, unsigned actor)
{
	switch ((M2dRetPf)c->vm->rt->task[actor]->ret) {
	case M2D_RET_PF_EMULATE:
	case M2D_RET_PF_WRITE_PROTECTED:
		return M2D_CONF_OUT_EMULATED;
	case M2D_RET_PF_INJECT:
		return M2D_CONF_OUT_INJECTED;
	case M2D_RET_PF_FIXED:
	case M2D_RET_PF_SPURIOUS:
		break;
	default:
		return M2D_CONF_OUT_NONE;
	}
	for (guint i = task->model->len; i-- > 0;) {
		const M2dConfItem *item = &g_array_index(task->model, M2dConfItem, i);

		if (item->kind == M2D_CAP_FAST_FAULT && (item->f[6] || item->f[7]))
			return M2D_CONF_OUT_FAST;
	}
	return M2D_CONF_OUT_MAPPED;
}

/* The innermost operation has ended. */
static void pop(M2dConform *c, M2dConfTask *task)
{
	M2dConfOp *op = top(task);

	if (op->kind == M2D_CONF_OP_FAULT) {
		task->outcome = (int)fault_outcome(c, task, op->actor);
		m2d_conf_host_forget(c);
	} else if (op->kind == M2D_CONF_OP_NOTIFIER) {
		m2d_conf_notifier_begun(c, c->actor_task[op->actor], op->start, op->end);
	}
	if (op->actor >= c->vm->n_vcpus) {
		c->actor_task[op->actor] = M2D_CONF_NONE;
		c->busy &= ~(1u << op->actor);
	}
	task->n_ops--;
}

/* Operations that are through, although nobody has looked. */
static void tidy(M2dConform *c, M2dConfTask *task)
{
	while (task->n_ops != 0 && m2d_rt_idle(c->vm->rt, top(task)->actor))
		pop(c, task);
}

static void finish_ops(M2dConform *c, M2dConfTask *task, bool enter)
{
	tidy(c, task);
	while (task->n_ops != 0 && (enter || top(task)->kind != M2D_CONF_OP_ENTER)) {
		m2d_conf_finish(c, top(task)->actor);
		tidy(c, task);
	}
}

void m2d_conf_finish_ops(M2dConform *c, M2dConfTask *task)
{
	finish_ops(c, task, true);
}

static bool start_enter(M2dConform *c, M2dConfTask *task)
{
	M2dOp op;

	if (task->vcpu < 0 || c->vm->vcpu[task->vcpu]->in_guest)
		return false;
	m2d_conf_registers(c, task);
	m2d_op_preset(&op, M2D_OP_ENTER);
	c->actor_task[task->vcpu] = g_array_index(c->task_of, uint32_t, c->now);
	if (!m2d_kvm_start(c->vm, (unsigned)task->vcpu, &op, NULL))
		return false;
	push(c, task, M2D_CONF_OP_ENTER, (unsigned)task->vcpu);
	return true;
}

static bool of_entry(unsigned kind)
{
	switch (kind) {
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_COMMIT_ZAP:
	case M2D_CAP_SYNC_PAGE:
	case M2D_CAP_FLUSH_REMOTE:
	case M2D_CAP_SVM_FLUSH_ALL:
	case M2D_CAP_SVM_FLUSH_CURRENT:
	case M2D_CAP_SVM_FLUSH_ASID:
	case M2D_CAP_MMU_LOAD:
	case M2D_CAP_SYNC_ROOTS:
	case M2D_CAP_SYNC_PREV_ROOTS:
		return true;
	default:
		return false;
	}
}

static M2dConfOutcome kernel_outcome(const M2dConform *c, uint32_t i)
{
	M2dConfOutcome out = M2D_CONF_OUT_NONE;

	for (i = m2d_conf_next(c, i); i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);

		switch (e->kind) {
		case M2D_CAP_MARK_MMIO:
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
static void read_sequence(M2dConform *c, M2dConfOp *op)
{
	const M2dTask *t = c->vm->rt->task[op->actor];

	if (op->seq != 0)
		return;
	while (t->sp != 0 && t->point != M2D_PT_SEQ_READ && t->point != M2D_PT_PFN_READ &&
	       t->point != M2D_PT_FAULT_LOCKED)
		m2d_conf_step(c, op->actor);
	op->seq = c->vm->s->mmu_invalidate_seq;
}

/* Behind the last event of a fault: one that came to nothing has a reason. */
static void give_up(M2dConform *c, M2dConfTask *task)
{
	M2dConfOp *op = top(task);

	if (op == NULL || op->kind != M2D_CONF_OP_FAULT || op->given_up)
		return;
	op->given_up = true;
	if (kernel_outcome(c, task->fault_event) == M2D_CONF_OUT_NONE)
		m2d_conf_host_retry(c, task->fault_event, op->actor, op->seq);
}

/* Who has begun a remote flush may have asked vCPUs for it at any time since. */
static bool send_flush(M2dConform *c)
{
	bool any = false;

	for (unsigned i = 0; i < M2D_MAX_ACTORS; i++) {
		if (m2d_rt_idle(c->vm->rt, i) || c->vm->rt->task[i]->point != M2D_PT_FLUSH_BEGUN)
			continue;
		m2d_rt_step(c->vm->rt, i);
		any = true;
	}
	return any;
}

static void step_op(M2dConform *c, M2dConfOp *op)
{
	unsigned point;

	m2d_conf_step(c, op->actor);
	point = c->vm->rt->task[op->actor]->point;
	op->published |= point == M2D_PT_SLOT_INVALID || point == M2D_PT_SLOT_PUBLISHED;
}

/* Go on until the model has done as much of @kind as the kernel. */
static void advance(M2dConform *c, M2dConfTask *task, unsigned kind)
{
	while (task->n_model[kind] < task->n_kernel[kind]) {
		M2dConfOp *op;

		tidy(c, task);
		op = top(task);
		if (op == NULL) {
			if (!of_entry(kind) || !start_enter(c, task))
				return;
			continue;
		}
		/* The guest is entered when the kernel does. */
		if (op->kind == M2D_CONF_OP_ENTER &&
		    c->vm->rt->task[op->actor]->point == M2D_PT_MODE_IN_GUEST &&
		    !(of_entry(kind) && send_flush(c)))
			return;
		if (of_entry(kind))
			give_up(c, task);
		step_op(c, op);
	}
}

/* --- windows ---------------------------------------------------------------------------------- */

void m2d_conf_close(M2dConform *c, uint32_t t)
{
	M2dConfTask *task = m2d_conf_task(c, t);

	if (task->kernel->len == 0 && task->model->len == 0)
		return;
	m2d_conf_compare(c, task);
	g_array_set_size(task->kernel, 0);
	g_array_set_size(task->model, 0);
	memset(task->n_kernel, 0, sizeof(task->n_kernel));
	memset(task->n_model, 0, sizeof(task->n_model));
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

	if (r == M2D_CONF_NONE)
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

static void end_fault(M2dConform *c, M2dConfTask *task)
{
	if (!task->faulted)
		return;
	m2d_conf_count_outcome(c, task->fault_event, kernel_outcome(c, task->fault_event),
			       (M2dConfOutcome)task->outcome);
	task->faulted = false;
	if (c->tdp && kernel_outcome(c, task->fault_event) == M2D_CONF_OUT_MAPPED &&
	    task->outcome == M2D_CONF_OUT_NONE)
		map_after_all(c, task);
}

static void on_enter(M2dConform *c, uint32_t t)
{
	M2dConfTask *task = m2d_conf_task(c, t);

	tidy(c, task);
	give_up(c, task);
	finish_ops(c, task, false);
	end_fault(c, task);
	if (task->n_ops == 0)
		start_enter(c, task);
	finish_ops(c, task, true);
	m2d_conf_close(c, t);
}

static void on_leave(M2dConform *c, uint32_t t)
{
	M2dConfTask *task = m2d_conf_task(c, t);

	finish_ops(c, task, true);
	m2d_conf_close(c, t);
	if (c->vm->vcpu[task->vcpu]->in_guest)
		m2d_kvm_leave(c->vm, (unsigned)task->vcpu, 0);
}

/* The kernel has not shown the memslot that @op changes as it will be, at event @i: a fault behind
 * it still finds it as it was. */
static bool not_yet_seen(const M2dConform *c, const M2dConfOp *op, uint32_t i)
{
	bool there = m2d_slot_visible(m2d_gfn_to_slot(c->vm, 0, op->start));

	for (; i < c->events->len; i++) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		M2dConfOutcome outcome;
		uint64_t gfn;

		if (e->kind == M2D_CAP_INVAL_MMIO)
			return false;
		if (e->kind != M2D_CAP_PAGE_FAULT || !m2d_conf_fault_gfn(c, i, &gfn) ||
		    gfn < op->start || gfn >= op->end)
			continue;
		outcome = kernel_outcome(c, i);
		return there ? outcome == M2D_CONF_OUT_MAPPED : outcome == M2D_CONF_OUT_EMULATED;
	}
	return false;
}

/* Changed memslots can be seen at once, unless an invalidation has to end first: so one that begins
 * later has not been waited for. */
static void publish_slots(M2dConform *c)
{
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);
		M2dConfOp *op = top(task);

		if (op == NULL || op->kind != M2D_CONF_OP_REGION || c->notifiers->len != 0 ||
		    op->published || not_yet_seen(c, op, c->now))
			continue;
		while (!op->published && !m2d_rt_idle(c->vm->rt, op->actor))
			step_op(c, op);
	}
}

/* A memslot ioctl under way that is about @gfn. */
static M2dConfOp *region_of(M2dConform *c, uint64_t gfn)
{
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);
		M2dConfOp *op = top(task);

		if (op != NULL && op->kind == M2D_CONF_OP_REGION &&
		    (gfn - op->start < op->end - op->start ||
		     (!op->creates && gfn - op->from < op->end - op->start)) &&
		    !m2d_rt_idle(c->vm->rt, op->actor))
			return op;
	}
	return NULL;
}

/* An MMIO SPTE whose generation KVM does not even compare: memslots are being changed. */
static void settle_generation(M2dConform *c, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);

	if (!(e->u.page_fault.error & M2D_PFEC_RSVD) || c->seen[M2D_CAP_CHECK_MMIO] == 0 ||
	    m2d_conf_find(c, i, M2D_CAP_CHECK_MMIO) != M2D_CONF_NONE ||
	    m2d_conf_find(c, i, M2D_CAP_SPTE_REQUESTED) == M2D_CONF_NONE)
		return;
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfOp *op = top(m2d_conf_task(c, t));

		if (op == NULL || op->kind != M2D_CONF_OP_REGION)
			continue;
		while (!(c->vm->slots->generation[0] & M2D_GEN_UPDATE_IN_PROGRESS) &&
		       !m2d_rt_idle(c->vm->rt, op->actor))
			step_op(c, op);
	}
}

/* When memslots that are being changed can be seen is not recorded. What becomes of a fault on them
 * tells whether they could. */
static void settle_slots(M2dConform *c, uint32_t i, M2dConfOutcome outcome)
{
	unsigned vcpu = (unsigned)m2d_conf_task_of(c, i)->vcpu;
	M2dConfOp *op;
	uint64_t gfn;

	if (!m2d_conf_fault_gfn(c, i, &gfn))
		return;
	while ((op = region_of(c, gfn)) != NULL) {
		const M2dMemslot *slot = m2d_gfn_to_slot(c->vm, 0, gfn);

		if (outcome == M2D_CONF_OUT_MAPPED || outcome == M2D_CONF_OUT_FAST) {
			if (m2d_slot_visible(slot) || op->removes ||
			    gfn - op->start >= op->end - op->start)
				return;
		} else if (outcome == M2D_CONF_OUT_NONE) {
			if (slot == NULL && !op->creates)
				return;
			if (slot != NULL &&
			    (op->creates || m2d_mmu_must_retry(c->vm, vcpu, gfn) ||
			     m2d_conf_find(c, i, M2D_CAP_UNMAP_HVA) != M2D_CONF_NONE))
				return;
		} else if (slot == NULL) {
			return;
		}
		step_op(c, op);
	}
}

/* A prefetch, or a huge page, in a memslot that is logged no more. */
static void settle_log(M2dConform *c, uint32_t i)
{
	uint64_t gfn = m2d_conf_event(c, i)->u.requested.gfn;
	const M2dMemslot *slot = m2d_gfn_to_slot(c->vm, 0, gfn);
	M2dConfOp *op;

	if (slot == NULL ||
	    (m2d_conf_event(c, i)->u.requested.level == 1 && !m2d_conf_prefetches(c, i)))
		return;
	while (slot->flags & M2D_SLOT_LOG_DIRTY && (op = region_of(c, gfn)) != NULL)
		step_op(c, op);
}

/* The memslots are as the outcome of the fault at event @i wants them. */
static bool slot_fits(const M2dConform *c, uint32_t i, M2dConfOutcome outcome)
{
	const M2dMemslot *slot;
	uint64_t gfn;

	if (!m2d_conf_fault_gfn(c, i, &gfn))
		return false;
	slot = m2d_gfn_to_slot(c->vm, 0, gfn);
	if (outcome == M2D_CONF_OUT_MAPPED || outcome == M2D_CONF_OUT_FAST)
		return m2d_slot_visible(slot);
	return slot == NULL;
}

/* Up to where the fault knows its memslot, or what it does without. */
static void find_slot(M2dConform *c, const M2dConfOp *op)
{
	const M2dTask *t = c->vm->rt->task[op->actor];

	while (t->sp != 0 && t->point != M2D_PT_SLOT_FOUND)
		m2d_conf_step(c, op->actor);
}

/* What the fault at hand shows of memslots by @kind, its next event. */
static void fault_goes_on(M2dConform *c, M2dConfTask *task, unsigned kind)
{
	const M2dConfOp *op = top(task);

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
		settle_slots(c, task->fault_event, kernel_outcome(c, task->fault_event));
		break;
	default:
		break;
	}
}

static void on_fault(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	const M2dCapEvent *e = m2d_conf_event(c, i);
	M2dConfOutcome outcome = kernel_outcome(c, i);
	M2dConfOp *op;

	finish_ops(c, task, true);
	end_fault(c, task);
	c->actor_task[task->vcpu] = t;
	task->faulted = true;
	task->fault_event = i;
	task->outcome = -1;
	/* One that began in view must have been entered. */
	if (c->vm->vcpu[task->vcpu]->in_guest)
		m2d_kvm_leave(c->vm, (unsigned)task->vcpu, 0);
	settle_generation(c, i);
	m2d_conf_hardware_bits(c, i);
	m2d_conf_host_write(c, i);
	m2d_conf_host_fault(c, i);
	if (!c->tdp)
		m2d_conf_guest_walk(c, t, m2d_conf_find(c, i, M2D_CAP_WALK));
	op = M2D_CONF_START(
		c, t, M2D_CONF_OP_FAULT, m2d_mmu_page_fault, .vcpu = (uint32_t)task->vcpu,
		.error_code = (uint32_t)e->u.page_fault.error, .address = e->u.page_fault.addr);
	/* When the memslot was looked up and the sequence of invalidations read is not recorded:
	 * early if that explains the outcome, or else late. */
	if (outcome == M2D_CONF_OUT_NONE) {
		settle_slots(c, i, outcome);
		read_sequence(c, op);
	} else if (slot_fits(c, i, outcome)) {
		find_slot(c, op);
	}
}

static void on_region(M2dConform *c, uint32_t t, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint32_t id = (uint32_t)e->u.region.slot & 0xffff, as = (uint32_t)e->u.region.slot >> 16;
	uint64_t size = e->u.region.size;
	M2dConfOp *op;
	int slot;

	finish_ops(c, m2d_conf_task(c, t), true);
	if (m2d_conf_task(c, t)->vcpu < 0)
		m2d_conf_close(c, t);
	slot = as < M2D_N_AS ? m2d_conf_slot(c, as, id, size != 0) : -1;
	if (slot < 0)
		return;
	op = M2D_CONF_START(c, t, M2D_CONF_OP_REGION, m2d_set_memory_region, .as = as,
			    .id = (uint32_t)slot, .gfn = e->u.region.gpa >> 12,
			    .npages = size >> 12,
			    .hva = size != 0 ? m2d_conf_page(c, e->u.region.hva) : 0,
			    .flags = (uint32_t)e->u.region.flags & 3);
	op->start = e->u.region.gpa >> 12;
	op->end = op->start + (size >> 12);
	op->creates = m2d_slot(c->vm, as, (unsigned)slot)->npages == 0;
	op->from = m2d_slot(c->vm, as, (unsigned)slot)->base_gfn;
	op->removes = size == 0;
	if (size == 0) {
		op->start = m2d_slot(c->vm, as, (unsigned)slot)->base_gfn;
		op->end = op->start + m2d_slot(c->vm, as, (unsigned)slot)->npages;
	}
	if (size == 0)
		m2d_conf_slot_gone(c, as, id);
}

/* The next fault of thread @t is on a page of @v, and is retried without another reason: then the
 * invalidation had not ended when the next one began. */
static bool still_retried(const M2dConform *c, const M2dConfNotifier *v)
{
	uint32_t i = m2d_conf_next(c, v->event);
	const M2dMemslot *slot;
	uint64_t gfn, page;

	while (i != M2D_CONF_NONE &&
	       (i <= c->now || m2d_conf_event(c, i)->kind != M2D_CAP_PAGE_FAULT))
		i = m2d_conf_next(c, i);
	if (i == M2D_CONF_NONE)
		return false;
	gfn = m2d_conf_event(c, i)->u.page_fault.addr >> 12;
	slot = m2d_gfn_to_slot(c->vm, 0, gfn);
	if (!c->tdp || slot == NULL)
		return false;
	page = m2d_slot_hva(slot, gfn);
	return page >= v->start && page < v->end && kernel_outcome(c, i) == M2D_CONF_OUT_NONE &&
	       m2d_conf_find(c, i, M2D_CAP_UNMAP_HVA) == M2D_CONF_NONE;
}

/* Before an invalidation of thread @t: others whose page has been changed end, and the faults that
 * they were part of, unless what comes shows that they had not. */
static void end_changes(M2dConform *c, uint32_t t)
{
	for (guint n = c->notifiers->len; n-- > 0;) {
		M2dConfNotifier v = g_array_index(c->notifiers, M2dConfNotifier, n);
		M2dConfTask *task = m2d_conf_task(c, v.task);

		if (!v.changed || v.task == t || still_retried(c, &v))
			continue;
		m2d_conf_notifiers_end(c, v.task);
		tidy(c, task);
		if (top(task) == NULL || top(task)->kind != M2D_CONF_OP_FAULT)
			continue;
		give_up(c, task);
		m2d_conf_finish(c, top(task)->actor);
		tidy(c, task);
	}
}

static void on_unmap(M2dConform *c, uint32_t t, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	M2dConfTask *task = m2d_conf_task(c, t);
	uint64_t start = m2d_conf_page(c, e->u.hva.start), n;
	M2dConfOp *op;

	end_changes(c, t);
	publish_slots(c);
	tidy(c, task);
	op = top(task);
	if (op == NULL || op->kind != M2D_CONF_OP_FAULT)
		finish_ops(c, task, true);
	else
		read_sequence(c, op);
	if (task->vcpu < 0)
		m2d_conf_close(c, t);
	n = (e->u.hva.end >> 12) - (e->u.hva.start >> 12);
	op = M2D_CONF_START(c, t, M2D_CONF_OP_NOTIFIER, m2d_mmu_notifier_start, .start = start,
			    .end = start + n);
	op->start = start;
	op->end = start + n;
}

/* Thread @t runs no guest from event @i on. */
static bool ends(const M2dConform *c, uint32_t t, uint32_t i)
{
	if (m2d_conf_task(c, t)->vcpu < 0)
		return true;
	while (i != M2D_CONF_NONE && m2d_conf_event(c, i)->kind != M2D_CAP_ENTRY)
		i = m2d_conf_next(c, i);
	return i == M2D_CONF_NONE;
}

/* Of one page in the format of some kernels. */
/* A vCPU that goes away, or all of the process's memory. */
static void on_unload(M2dConform *c, uint32_t t)
{
	M2dConfTask *task = m2d_conf_task(c, t);

	if (!ends(c, t, c->now))
		return;
	finish_ops(c, task, true);
	m2d_conf_close(c, t);
	if (c->unloaded < c->vm->n_vcpus)
		M2D_CONF_START(c, t, M2D_CONF_OP_OTHER, m2d_mmu_unload, .vcpu = c->unloaded++);
}

static void start(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);

	switch (m2d_conf_event(c, i)->kind) {
	case M2D_CAP_ENTRY:
		on_enter(c, t);
		break;
	case M2D_CAP_EXIT:
		on_leave(c, t);
		task->exit_reason = (uint32_t)m2d_conf_event(c, i)->u.exit.reason;
		task->left = false;
		break;
	case M2D_CAP_PAGE_FAULT:
		on_fault(c, t, i);
		break;
	case M2D_CAP_SET_REGION:
		on_region(c, t, i);
		break;
	case M2D_CAP_UNMAP_HVA:
		on_unmap(c, t, i);
		break;
	case M2D_CAP_AGE_HVA:
	case M2D_CAP_TEST_AGE_HVA:
		finish_ops(c, task, true);
		if (task->vcpu < 0)
			m2d_conf_close(c, t);
		m2d_conf_age_start(c, t, i);
		break;
	case M2D_CAP_MMU_UNLOAD:
		on_unload(c, t);
		break;
	case M2D_CAP_USERSPACE_EXIT:
		finish_ops(c, task, true);
		task->left = true;
		break;
	case M2D_CAP_SMM:
		m2d_conf_smm(c, task, m2d_conf_event(c, i)->u.smm.entering);
		break;
	case M2D_CAP_DIRTY_MASKED:
		tidy(c, task);
		if (task->n_ops == 0)
			m2d_conf_dirty_start(c, t, i);
		break;
	case M2D_CAP_ZAP_PAGE:
		/* The process goes: all tables are zapped. Nothing else tells of it. */
		tidy(c, task);
		if (task->n_ops == 0 && ends(c, t, i))
			M2D_CONF_START(c, t, M2D_CONF_OP_OTHER, m2d_mmu_zap_all);
		break;
	default:
		break;
	}
}

/* Within an invalidation: its end has not come yet. */
static bool within_notifier(unsigned kind)
{
	switch (kind) {
	case M2D_CAP_UNMAP_GFN:
	case M2D_CAP_FLUSH_REMOTE:
	case M2D_CAP_FLUSH_REMOTE_RANGE:
	case M2D_CAP_SET_SPTE_HVA:
	case M2D_CAP_SET_SPTE_GFN:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_COMMIT_ZAP:
		return true;
	default:
		return false;
	}
}

/* More of the operation under way is to come. */
static bool inside(const M2dConform *c, unsigned op, unsigned kind, unsigned next)
{
	if (op == M2D_CONF_OP_NOTIFIER)
		return next == M2D_CAP_UNMAP_GFN || next == M2D_CAP_FLUSH_REMOTE ||
		       next == M2D_CAP_FLUSH_REMOTE_RANGE;
	switch (next) {
	case M2D_CAP_ZAP_PAGE:
		/* Or else the process goes. */
		return kind != M2D_CAP_INVAL_MMIO;
	case M2D_CAP_DIRTY_MASKED:
		return kind == M2D_CAP_DIRTY_MASKED;
	case M2D_CAP_UNMAP_GFN:
	case M2D_CAP_AGE_GFN:
	case M2D_CAP_TEST_AGE_GFN:
	case M2D_CAP_SET_SPTE_GFN:
	case M2D_CAP_FLUSH_SHADOW:
	case M2D_CAP_INVAL_MMIO:
	case M2D_CAP_TRY_SPLIT:
	case M2D_CAP_SPLIT:
	case M2D_CAP_REMOVE_WRITE:
	case M2D_CAP_COLLAPSIBLE:
	case M2D_CAP_COMMIT_ZAP:
	case M2D_CAP_FLUSH_REMOTE_MEMSLOT:
	case M2D_CAP_FLUSH_REMOTE_RANGE:
		return true;
	default:
		return m2d_conf_predicted(c, next);
	}
}

static void end_early(M2dConform *c, M2dConfTask *task, uint32_t i)
{
	uint32_t n = m2d_conf_next(c, i);
	M2dConfOp *op;
	unsigned kind = m2d_conf_event(c, i)->kind;

	tidy(c, task);
	op = top(task);
	if (op == NULL ||
	    (n != M2D_CONF_NONE && inside(c, op->kind, kind, m2d_conf_event(c, n)->kind)))
		return;
	if (op->kind == M2D_CONF_OP_ENTER)
		return;
	if (c->vm->rt->task[op->actor]->point == M2D_PT_FLUSH_BEGUN) {
		op->due = true;
		return;
	}
	if (op->kind == M2D_CONF_OP_FAULT && kind != M2D_CAP_SET_SPTE && kind != M2D_CAP_MARK_MMIO)
		return;
	m2d_conf_finish(c, op->actor);
	tidy(c, task);
}

/* An invalidation around the one that thread @t has begun: a huge page that must be split first. */
static bool nested(M2dConform *c, uint32_t t, const M2dCapEvent *e)
{
	uint64_t start, end;

	if (e->kind != M2D_CAP_UNMAP_HVA)
		return false;
	start = m2d_conf_page(c, e->u.hva.start);
	end = start + (e->u.hva.end >> 12) - (e->u.hva.start >> 12);
	for (guint n = 0; n < c->notifiers->len; n++) {
		const M2dConfNotifier *v = &g_array_index(c->notifiers, M2dConfNotifier, n);

		if (v->task == t && start <= v->start && v->end <= end && end - start == 512 &&
		    v->end - v->start < 512)
			return true;
	}
	return false;
}

/* Operations that wait to ask for a flush, behind their last event. A vCPU that enters the guest
 * just then may not have been asked yet. */
static void finish_due(M2dConform *c)
{
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);

		tidy(c, task);
		if (top(task) == NULL || !top(task)->due)
			continue;
		m2d_conf_finish(c, top(task)->actor);
		tidy(c, task);
	}
}

void m2d_conf_drive(M2dConform *c, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint32_t t = g_array_index(c->task_of, uint32_t, i);
	M2dConfTask *task = m2d_conf_task(c, t);

	c->now = i;
	if (e->kind != M2D_CAP_ENTRY && !(task->vcpu >= 0 && of_entry(e->kind)))
		finish_due(c);
	tidy(c, task);
	if (!within_notifier(e->kind) && !nested(c, t, e))
		m2d_conf_notifiers_end(c, t);
	if (m2d_conf_starts(e->kind) || e->kind == M2D_CAP_ZAP_PAGE || e->kind == M2D_CAP_SMM ||
	    e->kind == M2D_CAP_DIRTY_MASKED)
		start(c, t, i);
	fault_goes_on(c, task, e->kind);
	if (!c->tdp && task->vcpu >= 0)
		m2d_conf_guest_event(c, t, i);
	if (e->kind == M2D_CAP_SET_SPTE_GFN)
		m2d_conf_notifier_changes(c, t);
	if (e->kind == M2D_CAP_SPTE_REQUESTED) {
		settle_log(c, i);
		m2d_conf_host_requested(c, i);
		m2d_conf_host_passed(c, i, task->fault_event);
	}
	if (m2d_conf_predicted(c, e->kind)) {
		g_array_append_val(task->kernel, i);
		task->n_kernel[e->kind]++;
		advance(c, task, e->kind);
	}
	end_early(c, task, i);
}

bool m2d_conform_run(M2dConform *c, GError **error)
{
	if (!m2d_conf_stream_end(c, error) || !m2d_conf_world_new(c, error))
		return false;
	for (uint32_t i = 0; i < c->events->len; i++) {
		m2d_conf_drive(c, i);
		if (i % 4096 == 0 && c->opt.progress != NULL &&
		    !c->opt.progress(i, c->events->len, c->opt.progress_data)) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT,
				    "interrupted after %u events", i);
			return false;
		}
	}
	for (uint32_t t = 0; t < c->tasks->len; t++) {
		finish_ops(c, m2d_conf_task(c, t), true);
		m2d_conf_close(c, t);
	}
	return true;
}
