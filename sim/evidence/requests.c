/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks, the vCPUs they run, what is requested of vCPUs, and who enters the guest without having
 * done it.
 *
 * What is recorded is that somebody is about to ask. The vCPU may enter the guest before it is
 * asked, and a request can reach it when it has just looked for requests; its entry is then cut
 * short by an interrupt, and who asked waits for that. So a request binds from the moment when its
 * asker goes on to something else.
 */
#include "sim/evidence/evidence-private.h"

static const char *const requests[M2D_EV_N_REQS] = {
	[M2D_EV_REQ_FLUSH] = "a flush",
	[M2D_EV_REQ_GUEST_FLUSH] = "a guest flush",
	[M2D_EV_REQ_ROOT] = "a new root",
};

/* The kind that must be recorded for the serving of @req to be judged. */
static unsigned served_by(const M2dEvidence *ev, unsigned req)
{
	if (req == M2D_EV_REQ_ROOT)
		return M2D_CAP_MMU_LOAD;
	/* Kernels without a function of its own for all flush the current ASID. */
	if (req == M2D_EV_REQ_FLUSH && (ev->seen[M2D_CAP_SVM_FLUSH_ALL] || ev->vmx))
		return M2D_CAP_SVM_FLUSH_ALL;
	return M2D_CAP_SVM_FLUSH_ASID;
}

M2dEvTask *m2d_ev_task(M2dEvidence *ev, uint32_t pid)
{
	M2dEvTask **first = &ev->task_hash[pid & 1023], *task;

	if (ev->last_task != NULL && ev->last_task->pid == pid)
		return ev->last_task;
	for (task = *first; task != NULL && task->pid != pid; task = task->next_hash)
		;
	if (task == NULL) {
		task = g_new0(M2dEvTask, 1);
		task->pid = pid;
		task->next_hash = *first;
		*first = task;
		g_ptr_array_add(ev->tasks, task);
	}
	ev->last_task = task;
	return task;
}

/* The vCPU @id that @task runs; NULL if ids go beyond all bounds. */
static M2dEvVcpu *vcpu_of(M2dEvidence *ev, M2dEvTask *task, uint64_t id)
{
	M2dEvVcpu *v;

	if (id >= M2D_EV_MAX_VCPUS)
		return NULL;
	v = &ev->vcpus[id];
	/* Two tasks for one id, or two ids for one task: two VMs, or a thread made anew. */
	if ((v->known && v->task != task) || (task->vcpu != NULL && task->vcpu != v))
		ev->several_vms = true;
	v->known = true;
	v->task = task;
	task->vcpu = v;
	ev->n_vcpus = MAX(ev->n_vcpus, (unsigned)id + 1);
	return v;
}

void m2d_ev_ask(M2dEvidence *ev, M2dEvTask *task, M2dEvReq req, uint64_t mask)
{
	for (unsigned i = 0; i < ev->n_vcpus; i++) {
		M2dEvVcpu *v = &ev->vcpus[i];

		if (!v->known || v->first_entry == 0 || !(mask >> (i & 63) & 1) ||
		    v->req[req].pending)
			continue;
		v->req[req] = (M2dEvRequest){.pending = true, .ref = m2d_ev_ref(ev)};
	}
	task->sent = true;
}

void m2d_ev_completed(M2dEvidence *ev, M2dEvTask *task)
{
	task->sent = false;
	for (unsigned i = 0; i < ev->n_vcpus; i++)
		for (unsigned r = 0; r < M2D_EV_N_REQS; r++) {
			M2dEvRequest *q = &ev->vcpus[i].req[r];

			/* Its own requests a vCPU knows of anyway. */
			if (q->pending && q->ref.pid == task->pid)
				q->complete = true;
		}
}

void m2d_ev_page_reused(M2dEvidence *ev, uint64_t seq, const M2dEvRef *unlinked)
{
	m2d_ev_premise(ev, M2D_RULE_TABLE_REUSED);
	for (unsigned i = 0; i < ev->n_vcpus; i++) {
		M2dEvVcpu *v = &ev->vcpus[i];

		if (!v->known || v->first_entry == 0 || v->first_entry > seq ||
		    v->last_flush > seq || v->must_flush != 0)
			continue;
		v->must_flush = seq;
		v->freed = *unlinked;
		v->reused = m2d_ev_ref(ev);
	}
}

static void check_requests(M2dEvidence *ev, M2dEvVcpu *v, unsigned id)
{
	for (unsigned r = 0; r < M2D_EV_N_REQS; r++) {
		M2dEvRequest *q = &v->req[r];

		if (!q->pending || !q->complete)
			continue;
		m2d_ev_premise(ev, M2D_RULE_REQUEST_SERVED);
		q->pending = false;
		m2d_ev_report(
			ev,
			&(M2dEvReport){.rule = M2D_RULE_REQUEST_SERVED,
				       .needs = served_by(ev, r),
				       .refs = {&q->ref, &v->task->last_exit},
				       .labels = {"asked", "left the guest"}},
			"vCPU %u enters the guest and has not done %s that was requested of it", id,
			requests[r]);
	}
}

static void missing(M2dEvidence *ev, const M2dEvRef *before, unsigned needs, const char *what)
{
	m2d_ev_missing(ev, before, needs, NULL, what);
}

/* What an exit for the guest's own flushes leads to, in shadow paging. */
static void check_exit_work(M2dEvidence *ev, const M2dEvTask *task)
{
	if (!task->exited || !ev->shadow || ev->indirect_pages == 0 || !ev->birth)
		return;
	if (task->exit_reason == (M2D_CAP_EXIT_SVM | 0x79) && !task->invalidated)
		m2d_ev_missing(ev, &task->last_exit, M2D_CAP_MMU_INVLPG,
			       "the instruction may not have been emulated",
			       "the exit was an INVLPG, and nothing was invalidated");
	if (task->exit_reason == (M2D_CAP_EXIT_SVM | 0x13) && (!task->synced || !task->flushed))
		m2d_ev_missing(ev, &task->last_exit,
			       task->synced ? M2D_CAP_SVM_FLUSH_ASID : M2D_CAP_SYNC_ROOTS,
			       "the guest may have kept its TLB",
			       task->synced
				       ? "the exit was a load of CR3, and there was no flush"
				       : "the exit was a load of CR3, and roots were not synced");
}

static void on_entry(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	M2dEvVcpu *v = vcpu_of(ev, task, e->u.entry.vcpu);

	m2d_ev_premise(ev, M2D_RULE_MISSING_EVENT);
	if (task->entered)
		missing(ev, &task->last_entry, M2D_CAP_EXIT,
			"the task enters the guest twice without an exit between");
	if (task->fault_due)
		missing(ev, &task->last_exit, M2D_CAP_PAGE_FAULT,
			"the exit was a page fault, and no kvm_page_fault came");
	check_exit_work(ev, task);
	ev->unloads = 0;
	task->entered = true;
	task->exited = task->fault_due = task->request_known = task->faulted = false;
	task->last_entry = m2d_ev_ref(ev);
	if (v == NULL)
		return;
	/* On another CPU the vCPU gets another ASID, or flushes. */
	if (v->last_entry == 0 || v->cpu != e->cpu) {
		v->last_flush = ev->seq;
		v->must_flush = 0;
	}
	v->cpu = e->cpu;
	check_requests(ev, v, (unsigned)e->u.entry.vcpu);
	m2d_ev_premise(ev, M2D_RULE_ROOT_FLUSH);
	if (task->loaded)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_ROOT_FLUSH,
					     .needs = M2D_CAP_SVM_FLUSH_CURRENT,
					     .refs = {&task->load},
					     .labels = {"loaded"}},
			      "vCPU %u enters the guest with a root it has just loaded and has not "
			      "flushed",
			      (unsigned)e->u.entry.vcpu);
	task->loaded = false;
	if (!task->has_root && ev->birth)
		missing(ev, &task->last_exit, M2D_CAP_MMU_LOAD,
			"the task enters the guest and has not loaded a root");
	task->has_root = true;
	if (v->must_flush != 0)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_TABLE_REUSED,
					     .needs = M2D_CAP_SVM_FLUSH_ASID,
					     .refs = {&v->freed, &v->reused},
					     .labels = {"zapped", "used again"}},
			      "vCPU %u enters the guest without a flush since a table it may have "
			      "cached was zapped, and its page is used again",
			      (unsigned)e->u.entry.vcpu);
	v->must_flush = 0;
	if (v->first_entry == 0)
		v->first_entry = ev->seq;
	v->last_entry = ev->seq;
	v->in_guest = true;
}

static bool is_page_fault(uint32_t reason)
{
	return reason == (M2D_CAP_EXIT_SVM | 0x400) || reason == (M2D_CAP_EXIT_SVM | 0x4e) ||
	       reason == (M2D_CAP_EXIT_VMX | 48);
}

static void on_exit_event(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;

	m2d_ev_premise(ev, M2D_RULE_MISSING_EVENT);
	/* Intel's fast paths enter again without a word. */
	if (task->exited && !(e->u.exit.reason & M2D_CAP_EXIT_VMX))
		missing(ev, &task->last_exit, M2D_CAP_ENTRY,
			"the task leaves the guest twice without an entry between");
	else if (!task->entered && !task->exited && ev->birth)
		missing(ev, &task->last_exit, M2D_CAP_ENTRY,
			"the task leaves the guest and has not entered it");
	if (e->u.exit.reason & M2D_CAP_EXIT_VMX)
		ev->vmx = true;
	task->entered = false;
	task->exited = true;
	task->last_exit = m2d_ev_ref(ev);
	task->exit_reason = (uint32_t)e->u.exit.reason;
	task->exit_info1 = e->u.exit.info1;
	task->exit_info2 = e->u.exit.info2;
	task->fault_due =
		is_page_fault(task->exit_reason) && !(task->exit_reason & M2D_CAP_EXIT_VMX);
	task->faulted = task->request_known = false;
	task->synced = task->flushed = task->invalidated = false;
	for (unsigned k = 0; k < G_N_ELEMENTS(task->got); k++)
		task->got[k] = NULL;
	if (task->vcpu != NULL)
		task->vcpu->in_guest = false;
}

static void on_page_fault(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;

	m2d_ev_premise(ev, M2D_RULE_MISSING_EVENT);
	if (task->faulted)
		missing(ev, &task->fault, M2D_CAP_EXIT, "two page faults of one exit");
	else if (task->entered)
		missing(ev, &task->last_entry, M2D_CAP_EXIT, "a page fault without an exit");
	if (task->fault_due && (task->exit_reason & M2D_CAP_EXIT_SVM) && (e->has & 8)) {
		m2d_ev_premise(ev, M2D_RULE_SPTE_MISMATCH);
		/* KVM adds bits above those of hardware to the error code. */
		if (e->u.page_fault.addr != task->exit_info2 ||
		    (e->u.page_fault.error ^ task->exit_info1) & 0x1f)
			m2d_ev_report(ev,
				      &(M2dEvReport){.rule = M2D_RULE_SPTE_MISMATCH,
						     .refs = {&task->last_exit},
						     .labels = {"exit"}},
				      "the page fault is at 0x%" G_GINT64_MODIFIER
				      "x code 0x%" G_GINT64_MODIFIER
				      "x, its exit was for 0x%" G_GINT64_MODIFIER
				      "x code 0x%" G_GINT64_MODIFIER "x",
				      e->u.page_fault.addr, e->u.page_fault.error, task->exit_info2,
				      task->exit_info1);
	}
	task->fault_due = false;
	task->faulted = true;
	task->fault = m2d_ev_ref(ev);
}

static void on_request(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;

	m2d_ev_premise(ev, M2D_RULE_MISSING_EVENT);
	if (task->exited && is_page_fault(task->exit_reason) && !task->faulted)
		missing(ev, &task->last_exit, M2D_CAP_PAGE_FAULT,
			"an SPTE is asked for without a page fault");
	if (task->request_known)
		missing(ev, &task->request, M2D_CAP_ENTRY, "two SPTEs are asked for in one exit");
	task->request_known = true;
	task->set_at = 0;
	task->req_gfn = e->u.requested.gfn;
	task->req_pfn = e->u.requested.pfn;
	task->req_level = e->u.requested.level;
	task->request = m2d_ev_ref(ev);
}

void m2d_ev_vcpu_event(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;

	switch (e->kind) {
	case M2D_CAP_ENTRY:
		on_entry(ev, task);
		break;
	case M2D_CAP_EXIT:
		on_exit_event(ev, task);
		break;
	case M2D_CAP_PAGE_FAULT:
		on_page_fault(ev, task);
		break;
	case M2D_CAP_SPTE_REQUESTED:
		on_request(ev, task);
		break;
	case M2D_CAP_MMU_UNLOAD:
		task->has_root = false;
		ev->unloads++;
		break;
	case M2D_CAP_MMU_LOAD:
		if (task->loaded)
			m2d_ev_missing(ev, &task->load, M2D_CAP_SVM_FLUSH_CURRENT,
				       "a load of a root may fail",
				       "a root is loaded twice without a flush between");
		task->has_root = true;
		task->loaded = true;
		task->load = m2d_ev_ref(ev);
		if (task->vcpu != NULL)
			task->vcpu->req[M2D_EV_REQ_ROOT].pending = false;
		break;
	case M2D_CAP_PV_FLUSH:
		if (e->u.pv_flush.need && task->vcpu != NULL) {
			task->vcpu->req[M2D_EV_REQ_GUEST_FLUSH] = (M2dEvRequest){
				.pending = true, .complete = true, .ref = m2d_ev_ref(ev)};
		}
		break;
	case M2D_CAP_HV_FLUSH:
		/* Flag 0 means all processors. */
		m2d_ev_ask(ev, task, M2D_EV_REQ_GUEST_FLUSH,
			   e->u.hv_flush.flags & 1 ? UINT64_MAX : e->u.hv_flush.mask);
		break;
	default:
		m2d_ev_local_flush(ev, task);
		break;
	}
}
