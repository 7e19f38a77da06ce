/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flushes: those of a vCPU on its own CPU, and why it did one; those that operations owe to all
 * vCPUs, and who goes on to something else without them.
 */
#include "sim/evidence/evidence-private.h"

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

	if (kind == M2D_CAP_SVM_FLUSH_GVA)
		task->invalidated = true;
	/* A #PF for a present entry invalidates the address, too: kvm_inject_emulated_page_fault().
	 */
	if (kind == M2D_CAP_SVM_FLUSH_GVA && before != M2D_CAP_MMU_INVLPG &&
	    before != M2D_CAP_WALK_ERROR && ev->birth)
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

/* AMD's functions that flush, and Intel's for the same. */
static const unsigned flush_kinds[][2] = {
	{M2D_CAP_SVM_FLUSH_ALL, M2D_CAP_VMX_FLUSH_ALL},
	{M2D_CAP_SVM_FLUSH_CURRENT, M2D_CAP_VMX_FLUSH_CURRENT},
	/* What the guest's own tables gave; of AMD the whole ASID. */
	{M2D_CAP_SVM_FLUSH_ASID, M2D_CAP_VMX_FLUSH_GUEST},
	{M2D_CAP_SVM_FLUSH_GVA, M2D_CAP_VMX_FLUSH_GVA},
};

unsigned m2d_ev_of_vendor(const M2dEvidence *ev, unsigned kind)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(flush_kinds); i++)
		if (flush_kinds[i][0] == kind)
			return flush_kinds[i][ev->vmx];
	return kind;
}

/*
 * AMD's functions end in the one that flushes the ASID, and who calls them is known. Intel's end in
 * instructions, and a vCPU that comes to another CPU asks itself for a flush of everything.
 */
static void check_svm_flush(M2dEvidence *ev, M2dEvTask *task, unsigned kind)
{
	if (kind == M2D_CAP_SVM_FLUSH_CURRENT || kind == M2D_CAP_SVM_FLUSH_ALL) {
		task->asid_due = true;
		task->flush = m2d_ev_ref(ev);
	}
	if (task->vcpu == NULL)
		return;
	if (kind == M2D_CAP_SVM_FLUSH_ALL)
		explain_flush(ev, task, task->vcpu);
	check_caller(ev, task, kind);
}

void m2d_ev_local_flush(M2dEvidence *ev, M2dEvTask *task)
{
	M2dEvVcpu *v = task->vcpu;
	unsigned kind = ev->now->kind, all;

	for (unsigned i = 0; i < G_N_ELEMENTS(flush_kinds); i++)
		ev->vmx |= kind == flush_kinds[i][1];
	all = m2d_ev_of_vendor(ev, M2D_CAP_SVM_FLUSH_ALL);
	if (kind == m2d_ev_of_vendor(ev, M2D_CAP_SVM_FLUSH_CURRENT))
		task->loaded = false;
	if (!ev->vmx)
		check_svm_flush(ev, task, kind);
	if (v == NULL)
		return;
	task->flushed = true;
	v->req[M2D_EV_REQ_GUEST_FLUSH].pending = false;
	if (kind == m2d_ev_of_vendor(ev, M2D_CAP_SVM_FLUSH_GVA))
		return;
	/* Kernels without a function of its own for all flush the current ASID. */
	if (kind == all || !ev->seen[all])
		v->req[M2D_EV_REQ_FLUSH].pending = false;
	v->last_flush = ev->seq;
	v->must_flush = 0;
}

void m2d_ev_owe(M2dEvidence *ev, M2dEvTask *task, M2dEvRef owed, const char *what)
{
	m2d_ev_premise(ev, M2D_RULE_FLUSH_OWED);
	task->owes = true;
	task->owed = owed;
	task->owed_what = what;
	task->owed_doubt = NULL;
	task->owed_also = 0;
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
		if (task->uncommitted)
			m2d_ev_owe(ev, task, task->prepared, "shadow pages are freed");
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
		m2d_ev_missing(ev, &task->memslot, M2D_CAP_FLUSH_REMOTE, NULL,
			       "a flush of a memslot began, and no remote flush came of it");
	}
	if (task->hva_due != 0) {
		task->hva_due = 0;
		m2d_ev_missing(
			ev, &task->hva,
			task->hva.kind == M2D_CAP_UNMAP_HVA ? M2D_CAP_UNMAP_GFN
							    : M2D_CAP_SET_SPTE_GFN,
			NULL,
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
