/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations of the model under way: steps of theirs, what they wait for, which thread's they are.
 *
 * Who waits for a lock lets its holder go on first; who waits for a vCPU that was kicked sees it
 * leave the guest; who waits for readers of old memslots has waited.
 */
#include "sim/conform/conform-private.h"
#include "sim/kvm/drive.h"
#include "sim/vm/request.h"
#include "sim/vm/srcu.h"

#define MAX_STEPS 1000000u

M2dConfOp *m2d_conf_top(M2dConfTask *task)
{
	return task->n_ops != 0 ? &task->op[task->n_ops - 1] : NULL;
}

static void step_holder(M2dConform *c, unsigned lock, unsigned actor)
{
	const M2dLock *l = &c->vm->s->lock[lock];
	unsigned owner =
		l->owner != 0 ? l->owner - 1u : (unsigned)__builtin_ctz(l->readers | 0x10000u);

	if (owner == actor || owner >= c->vm->rt->n_tasks || m2d_rt_idle(c->vm->rt, owner))
		c->stuck = true;
	else
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
		else if (m2d_rt_idle(vm->rt, i))
			c->stuck = true;
		else
			m2d_conf_step(c, i);
	}
}

/* Invalidations that have begun and not returned. */
static void finish_notifiers(M2dConform *c)
{
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);

		for (unsigned n = 0; n < task->n_ops; n++)
			if (task->op[n].kind == M2D_CONF_OP_NOTIFIER)
				m2d_conf_finish(c, task->op[n].actor);
		m2d_conf_tidy(c, task);
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
		m2d_srcu_ignore(vm);
		break;
	case M2D_WAIT_NOTIFIER:
		finish_notifiers(c);
		m2d_conf_notifiers_end_all(c);
		break;
	default:
		c->stuck = true;
	}
}

/* The vCPU of @task drops an obsolete root while kvm_zap_obsolete_pages() lets others have
 * mmu_lock: it loads another before thread @t has committed. */
static bool reloads_within(const M2dConform *c, const M2dConfTask *task, const M2dConfTask *zapper)
{
	uint32_t load, commit;

	if (task->vcpu < 0 || task->at == M2D_CONF_NONE || c->vm->vcpu[task->vcpu]->in_guest ||
	    !(c->vm->vcpu[task->vcpu]->requests >> M2D_REQ_MMU_FREE_OBSOLETE_ROOTS & 1))
		return false;
	load = m2d_conf_find(c, task->at, M2D_CAP_MMU_LOAD);
	commit = m2d_conf_find(c, zapper->at, M2D_CAP_COMMIT_ZAP);
	return load != M2D_CONF_NONE && load < commit;
}

/* The vCPU of @task goes as far as to have dropped its root, before it enters the guest. */
static void drop_root(M2dConform *c, M2dConfTask *task)
{
	m2d_conf_tidy(c, task);
	m2d_conf_give_up(c, task);
	m2d_conf_finish_but_entry(c, task);
	if (task->n_ops != 0 || !m2d_conf_start_enter(c, task))
		return;
	while (m2d_conf_runs(c, (unsigned)task->vcpu) && c->vm->vcpu[task->vcpu]->mmu.root.sp != 0)
		m2d_conf_step(c, (unsigned)task->vcpu);
}

static void lock_broken(M2dConform *c, const M2dConfTask *zapper)
{
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);

		if (task != zapper && reloads_within(c, task, zapper))
			drop_root(c, task);
	}
}

/* The invalid root of @gfn and @role has more users than one. */
static bool shared_root(const M2dConform *c, uint64_t gfn, uint64_t role)
{
	for (M2dSpIndex n = 1; n < m2d_shadow_max_sp(c->vm); n++) {
		const M2dSp *sp = m2d_sp(c->vm, n);

		if (sp->pfn != 0 && sp->gfn == gfn && sp->root_count > 1 &&
		    sp->role & M2D_ROLE_INVALID &&
		    !((sp->role ^ role) & (M2D_CAP_ROLE_LEVEL | M2D_CAP_ROLE_QUADRANT)))
			return true;
	}
	return false;
}

void m2d_conf_root_dropped(M2dConform *c, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	const M2dConfTask *last = m2d_conf_task_of(c, i);

	if (last->vcpu < 0 || !(e->u.page.role & M2D_CAP_ROLE_INVALID) || e->u.page.roots != 0 ||
	    !shared_root(c, e->u.page.gfn, e->u.page.role))
		return;
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);

		if (task != last && task->vcpu >= 0 && task->at != M2D_CONF_NONE &&
		    !c->vm->vcpu[task->vcpu]->in_guest &&
		    c->vm->vcpu[task->vcpu]->requests >> M2D_REQ_MMU_FREE_OBSOLETE_ROOTS & 1)
			drop_root(c, task);
	}
}

static bool zaps_all(const M2dRuntime *rt, unsigned actor)
{
	const M2dFrame *f;

	if (rt->task[actor]->sp == 0 || rt->task[actor]->point != M2D_PT_UNLOCKED)
		return false;
	f = m2d_rt_top(rt, actor);
	return f->routine == M2D_R_m2d_mmu_zap_all_fast;
}

void m2d_conf_step(M2dConform *c, unsigned actor)
{
	M2dRuntime *rt = c->vm->rt;

	for (unsigned n = 0; !c->stuck && !m2d_rt_enabled(rt, actor); n++) {
		c->stuck = n == MAX_STEPS;
		unblock(c, actor);
	}
	if (c->stuck)
		return;
	m2d_rt_step(rt, actor);
	if (zaps_all(rt, actor) && c->actor_task[actor] != M2D_CONF_NONE)
		lock_broken(c, m2d_conf_task(c, c->actor_task[actor]));
}

void m2d_conf_finish(M2dConform *c, unsigned actor)
{
	while (m2d_conf_runs(c, actor))
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
	/* More operations at a time than the model has actors for. */
	c->stuck = true;
	return M2D_MAX_ACTORS - 1;
}

static M2dConfOp *push(M2dConform *c, M2dConfTask *task, unsigned kind, unsigned actor)
{
	M2dConfOp *op;

	if (task->n_ops == M2D_CONF_MAX_OPS) {
		c->stuck = true;
		task->n_ops--;
	}
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

	if (m2d_rt_idle(c->vm->rt, actor))
		m2d_rt_start(c->vm->rt, actor, number, frame, size);
	else
		c->stuck = true;
	return push(c, task, kind, actor);
}

static M2dConfOutcome fault_outcome(const M2dConform *c, const M2dConfTask *task, unsigned actor)
{
	switch ((M2dRetPf)c->vm->rt->task[actor]->ret) {
	case M2D_RET_PF_EMULATE:
		return task->refused ? M2D_CONF_OUT_REFUSED : M2D_CONF_OUT_EMULATED;
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
	M2dConfOp *op = m2d_conf_top(task);

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
void m2d_conf_tidy(M2dConform *c, M2dConfTask *task)
{
	while (task->n_ops != 0 && m2d_rt_idle(c->vm->rt, m2d_conf_top(task)->actor))
		pop(c, task);
}

void m2d_conf_finish_top(M2dConform *c, M2dConfTask *task)
{
	m2d_conf_finish(c, m2d_conf_top(task)->actor);
	m2d_conf_tidy(c, task);
}

static void finish_ops(M2dConform *c, M2dConfTask *task, bool enter)
{
	m2d_conf_tidy(c, task);
	while (!c->stuck && task->n_ops != 0 &&
	       (enter || m2d_conf_top(task)->kind != M2D_CONF_OP_ENTER))
		m2d_conf_finish_top(c, task);
}

void m2d_conf_finish_ops(M2dConform *c, M2dConfTask *task)
{
	finish_ops(c, task, true);
}

void m2d_conf_finish_but_entry(M2dConform *c, M2dConfTask *task)
{
	finish_ops(c, task, false);
}

bool m2d_conf_start_enter(M2dConform *c, M2dConfTask *task)
{
	M2dOp op;

	if (task->vcpu < 0 || c->vm->vcpu[task->vcpu]->in_guest ||
	    !m2d_rt_idle(c->vm->rt, (unsigned)task->vcpu))
		return false;
	m2d_conf_registers(c, task);
	m2d_op_preset(&op, M2D_OP_ENTER);
	c->actor_task[task->vcpu] = task->number;
	if (!m2d_kvm_start(c->vm, (unsigned)task->vcpu, &op, NULL))
		return false;
	push(c, task, M2D_CONF_OP_ENTER, (unsigned)task->vcpu);
	return true;
}

/* Who has begun a remote flush may have asked vCPUs for it at any time since. */
bool m2d_conf_send_flush(M2dConform *c)
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

void m2d_conf_step_op(M2dConform *c, M2dConfOp *op)
{
	unsigned point;

	m2d_conf_step(c, op->actor);
	point = c->vm->rt->task[op->actor]->point;
	op->published |= point == M2D_PT_SLOT_INVALID || point == M2D_PT_SLOT_PUBLISHED;
	op->applied |= point == M2D_PT_SLOT_PUBLISHED;
}

/* The vCPU of event @i flushes before it enters the guest; @i: the event behind that entry. */
static bool flushes(const M2dConform *c, uint32_t *i)
{
	bool any = false;

	for (; *i != M2D_CONF_NONE; *i = m2d_conf_next(c, *i)) {
		unsigned kind = m2d_conf_event(c, *i)->kind;

		any |= kind == M2D_CAP_SVM_FLUSH_ALL;
		if (kind != M2D_CAP_ENTRY)
			continue;
		*i = m2d_conf_next(c, *i);
		break;
	}
	return any;
}

/* The vCPU of event @i has not been asked for the flush that thread @t is to ask for: it will flush
 * behind its next entry, and not only before. */
static bool not_asked_yet(const M2dConform *c, uint32_t i, uint32_t t)
{
	const M2dConfTask *task = m2d_conf_task_of(c, i);

	if (task->vcpu < 0 || task->number == t || c->vm->vcpu[task->vcpu]->in_guest)
		return false;
	flushes(c, &i);
	return flushes(c, &i);
}

/* Before event @i: operations that wait to ask for a flush, behind their last event. When vCPUs
 * were asked is not recorded; what they did then tells. */
void m2d_conf_finish_due(M2dConform *c, uint32_t i)
{
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);

		m2d_conf_tidy(c, task);
		if (m2d_conf_top(task) != NULL && m2d_conf_top(task)->due &&
		    !not_asked_yet(c, i, t))
			m2d_conf_finish_top(c, task);
	}
}
