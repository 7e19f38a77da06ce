/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks, the vCPUs they run, what is requested of vCPUs, and flushes: who owes one, and who enters
 * the guest without it.
 *
 * What is recorded is that somebody is about to ask. The vCPU may enter the guest before it is
 * asked, and a request can reach it when it has just looked for requests; its entry is then cut
 * short by an interrupt, and who asked waits for that. So a request binds from the moment when its
 * asker goes on to something else.
 */
#include "sim/evidence/evidence-private.h"

static const struct {
	const char *what;
	unsigned served_by; /* the kind that must be recorded for the rule to be judged */
} requests[M2D_EV_N_REQS] = {
	[M2D_EV_REQ_FLUSH] = {"a flush", M2D_CAP_SVM_FLUSH_ALL},
	[M2D_EV_REQ_GUEST_FLUSH] = {"a guest flush", M2D_CAP_SVM_FLUSH_ASID},
	[M2D_EV_REQ_ROOT] = {"a new root", M2D_CAP_MMU_LOAD},
};

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
		unsigned needs = requests[r].served_by;

		if (!q->pending || !q->complete)
			continue;
		m2d_ev_premise(ev, M2D_RULE_REQUEST_SERVED);
		if (r == M2D_EV_REQ_FLUSH && !ev->seen[needs])
			needs = M2D_CAP_SVM_FLUSH_ASID;
		q->pending = false;
		m2d_ev_report(
			ev,
			&(M2dEvReport){.rule = M2D_RULE_REQUEST_SERVED,
				       .needs = needs,
				       .refs = {&q->ref, &v->task->last_exit},
				       .labels = {"asked", "left the guest"}},
			"vCPU %u enters the guest and has not done %s that was requested of it", id,
			requests[r].what);
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
	if (task->exited)
		missing(ev, &task->last_exit, M2D_CAP_ENTRY,
			"the task leaves the guest twice without an entry between");
	else if (!task->entered && ev->birth)
		missing(ev, &task->last_exit, M2D_CAP_ENTRY,
			"the task leaves the guest and has not entered it");
	if (e->u.exit.reason & M2D_CAP_EXIT_VMX)
		ev->summary.ept = true;
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

#define SHORT 200000u /* ns */

/*
 * A flush of everything without a request. One that was logged just before the last such flush
 * may have come when the vCPU had taken the requests before it already.
 */
static void explain_flush(M2dEvidence *ev, M2dEvTask *task, M2dEvVcpu *v)
{
	const M2dCapEvent *e = ev->now;
	bool asked = ev->last_remote > v->all_seq;

	if (!asked && !v->all_doubtful && ev->birth && ev->n_remote > 0)
		m2d_ev_missing(ev, &task->last_exit, M2D_CAP_FLUSH_REMOTE,
			       "others may ask for it than kvm_flush_remote_tlbs()",
			       "a vCPU flushes everything, and nobody asked for it");
	v->all_doubtful = asked && e->time - ev->last_remote_time < SHORT;
	v->all_seq = ev->seq;
	v->all_time = e->time;
}

/* Who calls the last function of a flush has been recorded before it, in shadow paging. */
static void check_caller(M2dEvidence *ev, M2dEvTask *task, unsigned kind)
{
	unsigned before = task->prev_kind;

	if (kind == M2D_CAP_SVM_FLUSH_GVA && before != M2D_CAP_MMU_INVLPG && ev->birth)
		m2d_ev_missing(ev, &task->last_exit, M2D_CAP_MMU_INVLPG, NULL,
			       "an address is flushed, and nothing invalidated it");
	if (kind != M2D_CAP_SVM_FLUSH_ASID || !ev->shadow || ev->indirect_pages == 0 ||
	    !ev->birth || before == M2D_CAP_SVM_FLUSH_CURRENT || before == M2D_CAP_SVM_FLUSH_ALL ||
	    before == M2D_CAP_SYNC_PREV_ROOTS || before == M2D_CAP_VCPU_FLUSH_GUEST)
		return;
	m2d_ev_report(ev,
		      &(M2dEvReport){.rule = M2D_RULE_MISSING_EVENT,
				     .needs = M2D_CAP_SVM_FLUSH_CURRENT,
				     .also = M2D_CAP_SVM_FLUSH_ALL,
				     .doubt = "a guest flush may come from a function that is not "
					      "recorded",
				     .refs = {&task->last_exit},
				     .labels = {"before"}},
		      "the ASID is flushed, and no flush function was called");
}

/* A flush on the vCPU's own CPU. */
static void on_local_flush(M2dEvidence *ev, M2dEvTask *task)
{
	M2dEvVcpu *v = task->vcpu;
	unsigned kind = ev->now->kind;

	if (kind == M2D_CAP_SVM_FLUSH_CURRENT)
		task->loaded = false;
	if (kind == M2D_CAP_SVM_FLUSH_CURRENT || kind == M2D_CAP_SVM_FLUSH_ALL) {
		task->asid_due = true;
		task->flush = m2d_ev_ref(ev);
	}
	if (v == NULL)
		return;
	if (kind == M2D_CAP_SVM_FLUSH_ALL)
		explain_flush(ev, task, v);
	check_caller(ev, task, kind);
	task->flushed = true;
	v->req[M2D_EV_REQ_GUEST_FLUSH].pending = false;
	if (kind == M2D_CAP_SVM_FLUSH_GVA)
		return;
	/* Kernels without a function of its own for all flush the current ASID. */
	if (kind == M2D_CAP_SVM_FLUSH_ALL || !ev->seen[M2D_CAP_SVM_FLUSH_ALL])
		v->req[M2D_EV_REQ_FLUSH].pending = false;
	v->last_flush = ev->seq;
	v->must_flush = 0;
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
		on_local_flush(ev, task);
		break;
	}
}

static void begin_op(M2dEvidence *ev, M2dEvTask *task, uint64_t start, uint64_t end)
{
	task->op = ev->now->kind;
	task->op_start = start;
	task->op_end = end;
	task->op_ref = m2d_ev_ref(ev);
	if (!ev->tdp)
		m2d_ev_shadow_zap_range(ev, task, start, end);
	m2d_ev_silent(ev, start, end);
}

void m2d_ev_flush_event(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;

	switch (e->kind) {
	case M2D_CAP_FLUSH_REMOTE:
		ev->last_remote = ev->seq;
		ev->last_remote_time = e->time;
		ev->n_remote++;
		task->memslot_due = false;
		ev->summary.remote_flushes++;
		m2d_ev_ask(ev, task, M2D_EV_REQ_FLUSH, UINT64_MAX);
		task->owes = false;
		if (!ev->seen[M2D_CAP_COMMIT_ZAP])
			task->uncommitted = false;
		break;
	case M2D_CAP_FLUSH_REMOTE_RANGE:
		task->owes = false;
		break;
	case M2D_CAP_FLUSH_REMOTE_MEMSLOT:
		task->memslot_due = !ev->below;
		task->memslot = m2d_ev_ref(ev);
		break;
	case M2D_CAP_HV_NESTED_FLUSH:
	case M2D_CAP_HV_NESTED_FLUSH_RANGE:
		ev->below = true;
		task->memslot_due = false;
		/* The hypervisor below flushes; no vCPU is asked, unless that failed. */
		task->owes = false;
		for (unsigned i = 0; i < ev->n_vcpus; i++)
			if (ev->vcpus[i].req[M2D_EV_REQ_FLUSH].ref.pid == task->pid)
				ev->vcpus[i].req[M2D_EV_REQ_FLUSH].pending = false;
		break;
	case M2D_CAP_COMMIT_ZAP:
		if (task->uncommitted) {
			m2d_ev_premise(ev, M2D_RULE_FLUSH_OWED);
			task->owes = true;
			task->owed = task->prepared;
			task->owed_what = "shadow pages are freed";
			task->owed_doubt = NULL;
			task->owed_also = 0;
		}
		task->uncommitted = false;
		break;
	case M2D_CAP_UNMAP_GFN:
	case M2D_CAP_SET_SPTE_GFN:
		m2d_ev_notified_slot(ev, task, e->u.unmap_gfn.start, e->u.unmap_gfn.end);
		begin_op(ev, task, e->u.unmap_gfn.start, e->u.unmap_gfn.end);
		break;
	case M2D_CAP_ZAP_GFN_RANGE:
	case M2D_CAP_TDP_ZAP_LEAFS:
		begin_op(ev, task, e->u.unmap_gfn.start, e->u.unmap_gfn.end);
		break;
	case M2D_CAP_REMOVE_WRITE:
	case M2D_CAP_DIRTY_MASKED:
		task->in_protect = true;
		m2d_ev_protect(ev, task);
		break;
	case M2D_CAP_CLEAR_DIRTY:
		task->in_protect = true;
		break;
	case M2D_CAP_COLLAPSIBLE:
		m2d_ev_silent(ev, 0, UINT64_MAX);
		break;
	}
}

void m2d_ev_boundary(M2dEvidence *ev, M2dEvTask *task)
{
	if (ev->tdp)
		m2d_ev_tdp_done(ev, task);
	if (task->owes) {
		task->owes = false;
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_FLUSH_OWED,
					     .needs = M2D_CAP_FLUSH_REMOTE,
					     .also = task->owed_also,
					     .doubt = task->owed_doubt,
					     .refs = {&task->op_ref, &task->owed},
					     .labels = {"operation", "took away"}},
			      "%s, and the task goes on without a flush of the vCPUs",
			      task->owed_what);
	}
	if (task->uncommitted) {
		task->uncommitted = false;
		m2d_ev_report(
			ev,
			&(M2dEvReport){.rule = M2D_RULE_FLUSH_OWED,
				       .needs = M2D_CAP_COMMIT_ZAP,
				       .refs = {&task->prepared},
				       .labels = {"prepared"}},
			"shadow pages were prepared for zapping, and the task goes on without "
			"committing it");
	}
	if (task->memslot_due) {
		task->memslot_due = false;
		missing(ev, &task->memslot, M2D_CAP_FLUSH_REMOTE,
			"a flush of a memslot began, and no remote flush came of it");
	}
	if (task->hva_due != 0) {
		task->hva_due = 0;
		missing(ev, &task->hva,
			task->hva.kind == M2D_CAP_UNMAP_HVA ? M2D_CAP_UNMAP_GFN
							    : M2D_CAP_SET_SPTE_GFN,
			"a notifier is for host addresses of a memslot, and did not come to its "
			"gfns");
	}
	if (task->region_due && ev->now->kind != M2D_CAP_INVAL_MMIO) {
		task->region_due = false;
		m2d_ev_missing(ev, &task->region, M2D_CAP_INVAL_MMIO, "the call may have failed",
			       "a memslot was made, and the generation did not go up");
	}
	task->op = 0;
	task->hva_end = 0;
	task->in_protect = false;
	if (task->protecting)
		m2d_ev_protected(ev, task);
	if (task->slot_due && ev->now->kind != M2D_CAP_INVAL_MMIO)
		m2d_ev_slot_unzapped(ev, task);
}
