/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop: which kernel event starts which operation of the model, and how far the model goes for
 * each that is compared.
 *
 * The order of events in the capture is the order of the model's steps: an operation moves when its
 * thread records something, up to there, so that the model's locks are taken in the order of the
 * kernel's. Operations of the host are run to their end behind their last event; a fault that
 * records nothing is run when its vCPU enters the guest again.
 */
#include "sim/base/error.h"
#include "sim/conform/conform-private.h"
#include "sim/kvm/drive.h"
#include "sim/vm/request.h"

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

/* The fault of @op has the walk behind it that events of @kind are of: KVM began it anew, since an
 * entry had changed when it was to be marked accessed. */
static bool walked_already(const M2dConform *c, const M2dConfOp *op, unsigned kind)
{
	switch (kind) {
	case M2D_CAP_WALK:
	case M2D_CAP_WALK_ELEMENT:
	case M2D_CAP_WALK_ACCESSED:
	case M2D_CAP_WALK_DIRTY:
		break;
	default:
		return false;
	}
	if (op->kind != M2D_CONF_OP_FAULT)
		return false;
	switch ((M2dPoint)c->vm->rt->task[op->actor]->point) {
	case M2D_PT_GUEST_WALKED:
	case M2D_PT_SLOT_FOUND:
	case M2D_PT_SEQ_READ:
	case M2D_PT_PFN_READ:
	case M2D_PT_FAULT_LOCKED:
		return true;
	default:
		return false;
	}
}

/* A root is loaded once more before the guest is entered: the vCPU was asked to drop obsolete ones
 * again after it had looked for that. When it was asked is not recorded, only by what: roots that
 * were zapped since it entered the guest last, one for each time. */
static void asked_again(M2dConform *c, const M2dConfTask *task, unsigned kind)
{
	if (kind == M2D_CAP_MMU_LOAD && task->vcpu >= 0 && task->n_kernel[kind] > 1 &&
	    c->root_zaps - task->root_zaps >= task->n_kernel[kind])
		m2d_make_request(c->vm, (unsigned)task->vcpu, M2D_REQ_MMU_FREE_OBSOLETE_ROOTS);
}

/* Go on until the model has done as much of @kind as the kernel. */
static void advance(M2dConform *c, M2dConfTask *task, unsigned kind)
{
	while (!c->stuck && task->n_model[kind] < task->n_kernel[kind]) {
		M2dConfOp *op;

		m2d_conf_tidy(c, task);
		op = m2d_conf_top(task);
		if (op == NULL) {
			if (!of_entry(kind) || !m2d_conf_start_enter(c, task))
				return;
			continue;
		}
		if (walked_already(c, op, kind))
			return;
		/* The guest is entered when the kernel does. */
		if (op->kind == M2D_CONF_OP_ENTER &&
		    c->vm->rt->task[op->actor]->point == M2D_PT_MODE_IN_GUEST &&
		    !(of_entry(kind) && m2d_conf_send_flush(c))) {
			asked_again(c, task, kind);
			if (c->vm->vcpu[task->vcpu]->requests == 0)
				return;
		}
		if (of_entry(kind))
			m2d_conf_give_up(c, task);
		m2d_conf_step_op(c, op);
	}
}

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

static void on_enter(M2dConform *c, uint32_t t)
{
	M2dConfTask *task = m2d_conf_task(c, t);

	m2d_conf_tidy(c, task);
	m2d_conf_give_up(c, task);
	m2d_conf_finish_but_entry(c, task);
	m2d_conf_end_fault(c, task);
	if (task->n_ops == 0)
		m2d_conf_start_enter(c, task);
	m2d_conf_finish_ops(c, task);
	m2d_conf_close(c, t);
}

static void on_leave(M2dConform *c, uint32_t t)
{
	M2dConfTask *task = m2d_conf_task(c, t);

	m2d_conf_finish_ops(c, task);
	m2d_conf_close(c, t);
	if (c->vm->vcpu[task->vcpu]->in_guest)
		m2d_kvm_leave(c->vm, (unsigned)task->vcpu, 0);
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
	return page >= v->start && page < v->end && m2d_conf_outcome(c, i) == M2D_CONF_OUT_NONE &&
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
		m2d_conf_tidy(c, task);
		if (m2d_conf_top(task) == NULL || m2d_conf_top(task)->kind != M2D_CONF_OP_FAULT)
			continue;
		m2d_conf_give_up(c, task);
		m2d_conf_finish_top(c, task);
	}
}

static void on_unmap(M2dConform *c, uint32_t t, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	M2dConfTask *task = m2d_conf_task(c, t);
	uint64_t start = m2d_conf_page(c, e->u.hva.start), n;
	M2dConfOp *op;

	end_changes(c, t);
	m2d_conf_publish_slots(c);
	m2d_conf_tidy(c, task);
	op = m2d_conf_top(task);
	if (op == NULL || op->kind != M2D_CONF_OP_FAULT)
		m2d_conf_finish_ops(c, task);
	/* Setting bits in a guest's entry invalidates pages, too, which comes before. */
	else if (c->tdp || m2d_conf_outcome(c, task->fault_event) == M2D_CONF_OUT_NONE)
		m2d_conf_read_sequence(c, op);
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

/* A vCPU that goes away, or all of the process's memory. */
static void on_unload(M2dConform *c, uint32_t t)
{
	M2dConfTask *task = m2d_conf_task(c, t);

	if (!ends(c, t, c->now))
		return;
	m2d_conf_finish_ops(c, task);
	m2d_conf_close(c, t);
	if (c->unloaded < c->vm->n_vcpus)
		M2D_CONF_START(c, t, M2D_CONF_OP_OTHER, m2d_mmu_unload, .vcpu = c->unloaded++);
}

static void start(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);

	switch (m2d_conf_event(c, i)->kind) {
	case M2D_CAP_ENTRY:
		if (task->vcpu >= 0)
			on_enter(c, t);
		break;
	case M2D_CAP_EXIT:
		if (task->vcpu >= 0)
			on_leave(c, t);
		task->exit_reason = (uint32_t)m2d_conf_event(c, i)->u.exit.reason;
		task->left = false;
		break;
	case M2D_CAP_PAGE_FAULT:
		m2d_conf_fault(c, t, i);
		break;
	case M2D_CAP_SET_REGION:
		m2d_conf_region(c, t, i);
		break;
	case M2D_CAP_UNMAP_HVA:
		on_unmap(c, t, i);
		break;
	case M2D_CAP_AGE_HVA:
	case M2D_CAP_TEST_AGE_HVA:
		m2d_conf_finish_ops(c, task);
		if (task->vcpu < 0)
			m2d_conf_close(c, t);
		m2d_conf_age_start(c, t, i);
		break;
	case M2D_CAP_MMU_UNLOAD:
		on_unload(c, t);
		break;
	case M2D_CAP_USERSPACE_EXIT:
		m2d_conf_finish_ops(c, task);
		task->left = true;
		break;
	case M2D_CAP_SMM:
		m2d_conf_smm(c, task, m2d_conf_event(c, i)->u.smm.entering);
		break;
	case M2D_CAP_DIRTY_MASKED:
		m2d_conf_tidy(c, task);
		if (task->n_ops == 0)
			m2d_conf_dirty_start(c, t, i);
		break;
	case M2D_CAP_ZAP_PAGE:
		/* The process goes: all tables are zapped. Nothing else tells of it. */
		m2d_conf_tidy(c, task);
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

	m2d_conf_tidy(c, task);
	op = m2d_conf_top(task);
	if (op == NULL ||
	    (n != M2D_CONF_NONE && inside(c, op->kind, kind, m2d_conf_event(c, n)->kind)))
		return;
	if (op->kind == M2D_CONF_OP_ENTER)
		return;
	/* Where a capture ends, a memslot ioctl may still be waiting. */
	if (n == M2D_CONF_NONE && op->kind == M2D_CONF_OP_REGION && kind != M2D_CAP_INVAL_MMIO)
		return;
	if (c->vm->rt->task[op->actor]->point == M2D_PT_FLUSH_BEGUN) {
		op->due = true;
		return;
	}
	if (op->kind == M2D_CONF_OP_FAULT && kind != M2D_CAP_SET_SPTE && kind != M2D_CAP_MARK_MMIO)
		return;
	m2d_conf_finish_top(c, task);
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

/* The thread has gone on: an invalidation that it began is through. */
static void finish_notifier(M2dConform *c, M2dConfTask *task)
{
	while (!c->stuck && m2d_conf_top(task) != NULL &&
	       m2d_conf_top(task)->kind == M2D_CONF_OP_NOTIFIER)
		m2d_conf_finish_top(c, task);
}

void m2d_conf_drive(M2dConform *c, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint32_t t = g_array_index(c->task_of, uint32_t, i);
	M2dConfTask *task = m2d_conf_task(c, t);

	c->now = i;
	task->at = i;
	if (task->vcpu >= 0 && of_entry(e->kind))
		m2d_conf_give_up(c, task);
	if (e->kind != M2D_CAP_ENTRY)
		m2d_conf_finish_due(c, i);
	m2d_conf_tidy(c, task);
	if (!within_notifier(e->kind) && !nested(c, t, e)) {
		finish_notifier(c, task);
		m2d_conf_notifiers_end(c, t);
	}
	if (m2d_conf_starts(e->kind) || e->kind == M2D_CAP_ZAP_PAGE || e->kind == M2D_CAP_SMM ||
	    e->kind == M2D_CAP_DIRTY_MASKED)
		start(c, t, i);
	m2d_conf_fault_goes_on(c, task, e->kind);
	if (!c->tdp && task->vcpu >= 0)
		m2d_conf_guest_event(c, t, i);
	if (e->kind == M2D_CAP_SET_SPTE_GFN)
		m2d_conf_notifier_changes(c, t);
	if (e->kind == M2D_CAP_SPTE_REQUESTED && task->vcpu >= 0) {
		m2d_conf_settle_log(c, i);
		m2d_conf_host_requested(c, i);
		m2d_conf_host_passed(c, i, task->fault_event);
	}
	if (e->kind == M2D_CAP_ZAP_PAGE)
		m2d_conf_root_dropped(c, i);
	c->root_zaps += e->kind == M2D_CAP_ZAP_PAGE && e->u.page.roots != 0;
	if (e->kind == M2D_CAP_ENTRY)
		task->root_zaps = c->root_zaps;
	if (m2d_conf_predicted(c, e->kind)) {
		g_array_append_val(task->kernel, i);
		task->n_kernel[e->kind]++;
		advance(c, task, e->kind);
	}
	m2d_conf_guest_stores(c, task, i);
	end_early(c, task, i);
}

bool m2d_conform_run(M2dConform *c, M2dConfProgressFn progress, void *data, GError **error)
{
	if (!m2d_conf_stream_end(c, error) || !m2d_conf_world_new(c, error))
		return false;
	for (uint32_t i = 0; i < c->events->len; i++) {
		m2d_conf_drive(c, i);
		if (c->stuck) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_BOUND,
				    "line or record %" G_GUINT64_FORMAT ": the model cannot follow "
				    "the capture any further",
				    m2d_conf_event(c, i)->place);
			return false;
		}
		if (i % 4096 == 0 && progress != NULL && !progress(i, c->events->len, data)) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT,
				    "interrupted after %u events", i);
			return false;
		}
	}
	/* What is under way where the capture ends stays so. */
	for (uint32_t t = 0; t < c->tasks->len; t++)
		m2d_conf_close(c, t);
	return true;
}
