/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See evidence.h: the frame. Events go to the parts that rebuild state. */
#include "sim/evidence/evidence-private.h"

#include <string.h>

M2dEvidence *m2d_evidence_new(const M2dEvidenceOptions *options)
{
	M2dEvidence *ev = g_new0(M2dEvidence, 1);

	ev->options = *options;
	ev->time_cpu = 256;
	ev->findings = m2d_ev_findings_new();
	ev->tasks = g_ptr_array_new_with_free_func(g_free);
	ev->by_pfn = g_hash_table_new(NULL, NULL);
	ev->freed = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	ev->vcpus = g_new0(M2dEvVcpu, M2D_EV_MAX_VCPUS);
	ev->silent = g_new0(M2dEvSilent, M2D_EV_SILENT);
	ev->slots = g_array_new(FALSE, TRUE, sizeof(M2dEvSlot));
	ev->last_of_cpu = g_malloc0(256 * sizeof(*ev->last_of_cpu));
	ev->gfns = g_new0(M2dEvGfn, M2D_EV_GFNS);
	m2d_ev_tables_init(ev);
	return ev;
}

void m2d_evidence_free(M2dEvidence *ev)
{
	if (ev == NULL)
		return;
	m2d_ev_forget_tables(ev);
	m2d_ev_tables_fini(ev);
	g_array_unref(ev->findings);
	g_ptr_array_unref(ev->tasks);
	g_hash_table_unref(ev->by_pfn);
	g_hash_table_unref(ev->freed);
	g_array_unref(ev->slots);
	g_free(ev->vcpus);
	g_free(ev->last_of_cpu);
	g_free(ev->gfns);
	g_free(ev->silent);
	g_free(ev);
}

/* All that was known may have changed unseen. */
static void forget(M2dEvidence *ev)
{
	ev->lossy = true;
	ev->birth = false;
	ev->born = true;
	m2d_ev_forget_tables(ev);
	for (guint i = 0; i < ev->tasks->len; i++) {
		M2dEvTask *task = ev->tasks->pdata[i], *next = task->next_hash;
		M2dEvVcpu *vcpu = task->vcpu;
		uint32_t pid = task->pid;

		memset(task, 0, sizeof(*task));
		task->pid = pid;
		task->vcpu = vcpu;
		task->next_hash = next;
	}
	for (unsigned i = 0; i < ev->n_vcpus; i++) {
		M2dEvVcpu *v = &ev->vcpus[i];

		memset(v->req, 0, sizeof(v->req));
		v->must_flush = v->first_entry = v->last_entry = 0;
		v->in_guest = false;
	}
	ev->gen_known = ev->mmio_gen_known[0] = ev->mmio_gen_known[1] = false;
	g_array_set_size(ev->slots, 0);
	ev->slots_known = false;
	memset(ev->gfns, 0, M2D_EV_GFNS * sizeof(*ev->gfns));
	ev->n_silent = 0;
}

/*
 * The lost events of a CPU lie between its last event and this mark, while those of other CPUs in
 * that time have been judged already.
 */
static void on_loss(M2dEvidence *ev, const M2dCapEvent *e)
{
	ev->summary.losses++;
	m2d_ev_doubt(ev, e->kind == M2D_CAP_LOST ? ev->cpu_time[e->cpu & 255] : UINT64_MAX,
		     "events were lost about that time");
	forget(ev);
}

bool m2d_ev_format(M2dEvidence *ev, uint64_t spte)
{
	M2dSpteConfig cfg = {.maxphyaddr = 51, .ad = true};

	if (ev->format_known)
		return true;
	if (!(spte & 1) && !(spte & M2D_BIT(11)))
		return false;
	/* EPT: a memory type in leafs, A in bit 8; KVM's write bits above the address; of a link
	 * without A and D nothing but the rights and bit 11. */
	ev->ept = ev->vmx && ((spte & M2D_BITS(58, 57)) || ((spte & 0x138) && !(spte & 0x20)) ||
			      (spte & 0x38) == 0x30 || (spte & 0xfff) == 0x807);
	cfg.kind = ev->ept ? M2D_SPTE_EPT : M2D_SPTE_PT;
	cfg.layout = !(spte & M2D_BIT(11)) ? M2D_SPTE_5_10
		     : ev->nonpresent63    ? M2D_SPTE_6_12
					   : M2D_SPTE_5_14;
	if (ev->ept && (spte >> 63))
		cfg.layout = M2D_SPTE_6_13;
	if (ev->options.layout >= 0)
		cfg.layout = (M2dSpteLayout)ev->options.layout;
	m2d_spte_format(&ev->format, &cfg);
	ev->format_known = true;
	return true;
}

/* Kinds that are part of an operation and don't end it. */
static bool is_inner(unsigned kind)
{
	switch (kind) {
	case M2D_CAP_TDP_SPTE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_SYNC_PAGE:
	case M2D_CAP_COMMIT_ZAP:
	case M2D_CAP_FLUSH_REMOTE:
	case M2D_CAP_FLUSH_REMOTE_RANGE:
	case M2D_CAP_FLUSH_REMOTE_MEMSLOT:
	case M2D_CAP_HV_NESTED_FLUSH:
	case M2D_CAP_HV_NESTED_FLUSH_RANGE:
	case M2D_CAP_UNMAP_GFN:
	case M2D_CAP_AGE_GFN:
	case M2D_CAP_TEST_AGE_GFN:
	case M2D_CAP_SET_SPTE_GFN:
	case M2D_CAP_ZAP_GFN_RANGE:
	case M2D_CAP_TDP_ZAP_LEAFS:
	case M2D_CAP_TDP_ZAP_INVALID:
	case M2D_CAP_REMOVE_WRITE:
	case M2D_CAP_CLEAR_DIRTY:
	case M2D_CAP_TRY_SPLIT:
	case M2D_CAP_SPLIT:
	case M2D_CAP_DIRTY_MASKED:
	case M2D_CAP_COLLAPSIBLE:
	case M2D_CAP_APICV_INHIBIT:
	case M2D_CAP_APICV_CALL:
	case M2D_CAP_PV_FLUSH:
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_ZAP_ALL_FAST:
	case M2D_CAP_UNSYNC_PAGE:
	case M2D_CAP_SET_SPTE:
	case M2D_CAP_MARK_MMIO:
		return true;
	default:
		return kind >= M2D_CAP_N_KINDS;
	}
}

static void dispatch(M2dEvidence *ev, M2dEvTask *task, unsigned kind)
{
	switch (kind) {
	case M2D_CAP_TDP_SPTE:
		m2d_ev_tdp_event(ev, task);
		break;
	case M2D_CAP_SET_SPTE:
		m2d_ev_set_spte(ev, task);
		break;
	case M2D_CAP_FAST_FAULT:
		m2d_ev_fast_fault(ev, task);
		break;
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_SYNC_PAGE:
	case M2D_CAP_UNSYNC_PAGE:
		m2d_ev_page_event(ev, task);
		break;
	case M2D_CAP_ZAP_ALL_FAST:
		m2d_ev_zap_all_fast(ev, task);
		break;
	case M2D_CAP_ENTRY:
	case M2D_CAP_EXIT:
	case M2D_CAP_PAGE_FAULT:
	case M2D_CAP_SPTE_REQUESTED:
	case M2D_CAP_MMU_LOAD:
	case M2D_CAP_MMU_UNLOAD:
	case M2D_CAP_SVM_FLUSH_CURRENT:
	case M2D_CAP_SVM_FLUSH_ASID:
	case M2D_CAP_SVM_FLUSH_ALL:
	case M2D_CAP_SVM_FLUSH_GVA:
	case M2D_CAP_VMX_FLUSH_CURRENT:
	case M2D_CAP_VMX_FLUSH_GUEST:
	case M2D_CAP_VMX_FLUSH_ALL:
	case M2D_CAP_VMX_FLUSH_GVA:
	case M2D_CAP_PV_FLUSH:
	case M2D_CAP_HV_FLUSH:
		m2d_ev_vcpu_event(ev, task);
		break;
	case M2D_CAP_NESTED_ENTER:
	case M2D_CAP_NESTED_RUN:
	case M2D_CAP_NESTED_EXIT:
		ev->nested = true;
		break;
	case M2D_CAP_SMM:
		ev->smm = true;
		break;
	case M2D_CAP_WALK:
	case M2D_CAP_WALK_ACCESSED: /* if that lost a race, the walk begins again without a word */
	case M2D_CAP_WALK_DIRTY:
		task->walk_level = 0;
		task->walking = true;
		break;
	case M2D_CAP_WALK_ELEMENT:
		m2d_ev_walk_element(ev, task);
		break;
	case M2D_CAP_EMULATE:
		ev->disturbed = ev->now->place;
		break;
	case M2D_CAP_SYNC_ROOTS:
		task->synced = true;
		break;
	case M2D_CAP_MMU_INVLPG:
		task->invalidated = true;
		task->flush = m2d_ev_ref(ev);
		ev->disturbed = ev->now->place;
		break;
	case M2D_CAP_UNMAP_HVA:
	case M2D_CAP_SET_SPTE_HVA:
		m2d_ev_notified(ev, task, ev->now->u.hva.start,
				kind == M2D_CAP_UNMAP_HVA ? ev->now->u.hva.end
							  : ev->now->u.hva.start + 4096);
		break;
	case M2D_CAP_FLUSH_REMOTE:
	case M2D_CAP_FLUSH_REMOTE_RANGE:
	case M2D_CAP_FLUSH_REMOTE_MEMSLOT:
	case M2D_CAP_HV_NESTED_FLUSH:
	case M2D_CAP_HV_NESTED_FLUSH_RANGE:
	case M2D_CAP_COMMIT_ZAP:
	case M2D_CAP_UNMAP_GFN:
	case M2D_CAP_SET_SPTE_GFN:
	case M2D_CAP_ZAP_GFN_RANGE:
	case M2D_CAP_TDP_ZAP_LEAFS:
	case M2D_CAP_REMOVE_WRITE:
	case M2D_CAP_DIRTY_MASKED:
	case M2D_CAP_CLEAR_DIRTY:
	case M2D_CAP_COLLAPSIBLE:
		m2d_ev_flush_event(ev, task);
		break;
	case M2D_CAP_SET_REGION:
	case M2D_CAP_PRIVATE_REGION:
	case M2D_CAP_FLUSH_SHADOW:
	case M2D_CAP_INVAL_MMIO:
	case M2D_CAP_MARK_MMIO:
	case M2D_CAP_CHECK_MMIO:
		m2d_ev_slot_event(ev, task);
		break;
	}
}

void m2d_evidence_add(M2dEvidence *ev, const M2dCapEvent *e)
{
	M2dEvTask *task;

	ev->now = e;
	ev->seq++;
	if (e->kind == M2D_CAP_LOST || e->kind == M2D_CAP_BAD) {
		on_loss(ev, e);
		return;
	}
	m2d_ev_check_time(ev, e);
	m2d_ev_check_twice(ev, e);
	if (e->kind >= M2D_CAP_N_KINDS)
		return;
	if (!ev->born)
		m2d_ev_look_for_birth(ev, e);
	task = m2d_ev_task(ev, e->pid);
	if (task->sent && e->kind != M2D_CAP_HV_NESTED_FLUSH)
		m2d_ev_completed(ev, task);
	if (task->asid_due) {
		task->asid_due = false;
		if (e->kind != M2D_CAP_SVM_FLUSH_ASID)
			m2d_ev_missing(ev, &task->flush, M2D_CAP_SVM_FLUSH_ASID, NULL,
				       "a flush function ran, and svm_flush_tlb_asid() did not "
				       "follow");
	}
	if (task->prev_kind == M2D_CAP_MMU_INVLPG && e->kind != M2D_CAP_SVM_FLUSH_GVA)
		m2d_ev_missing(ev, &task->flush, M2D_CAP_SVM_FLUSH_GVA,
			       "the address may not have been canonical",
			       "an address was invalidated, and no flush of it followed");
	if (!is_inner(e->kind))
		m2d_ev_boundary(ev, task);
	dispatch(ev, task, e->kind);
	task->prev_kind = e->kind;
	ev->seen[e->kind] = 1;
	if (ev->bytes > M2D_EV_MAX_BYTES)
		forget(ev);
}

/* What is due when the recording ends, and whether all went that had to when the VM did. */
static void check_end(M2dEvidence *ev)
{
	unsigned unloaded = 0, vcpus = 0;

	for (guint i = 0; i < ev->tasks->len; i++) {
		M2dEvTask *task = ev->tasks->pdata[i];

		if (task->vcpu != NULL) {
			vcpus++;
			unloaded += !task->has_root;
		}
		if (task->hva_due != 0)
			m2d_ev_missing(ev, &task->hva, M2D_CAP_UNMAP_GFN,
				       "the recording may end in between",
				       "a notifier did not come to the gfns of a memslot");
		if (task->uncommitted || task->owes)
			m2d_ev_report(
				ev,
				&(M2dEvReport){
					.rule = M2D_RULE_FLUSH_OWED,
					.needs = task->uncommitted ? M2D_CAP_COMMIT_ZAP
								   : M2D_CAP_FLUSH_REMOTE,
					.doubt = "the recording may end in between",
					.refs = {task->uncommitted ? &task->prepared : &task->owed},
					.labels = {"took away"}},
				"%s until the recording ends",
				task->uncommitted ? "pages prepared for zapping are not committed"
						  : "no flush comes");
	}
	if (vcpus == 0 || ev->unloads < vcpus || !ev->birth)
		return;
	for (unsigned i = 0; i < M2D_EV_BUCKETS; i++)
		for (const M2dEvTable *t = ev->buckets[i]; t != NULL; t = t->next)
			if (t->state == M2D_EV_LIVE && !(ev->tdp && t->parent == NULL))
				m2d_ev_report(
					ev,
					&(M2dEvReport){.rule = M2D_RULE_TABLE_LEFT,
						       .doubt = "the recording may end before",
						       .refs = {&t->made},
						       .labels = {"made"}},
					"the table of level %u for gfn 0x%" G_GINT64_MODIFIER
					"x is never zapped, though the VM goes down",
					t->level, t->gfn);
}

void m2d_evidence_finish(M2dEvidence *ev)
{
	/* The event of now is gone with whoever read it. */
	ev->now = ev->time_cpu < 256 ? &ev->last_of_cpu[ev->time_cpu].event : NULL;
	if (ev->now != NULL)
		check_end(ev);
	m2d_ev_settle(ev);
}

void m2d_evidence_summary(const M2dEvidence *ev, M2dEvSummary *summary)
{
	*summary = ev->summary;
	summary->mmu = ev->tdp ? "TDP MMU"
		       : ev->direct_pages > 0
			       ? (ev->indirect_pages > ev->direct_pages / 4 ? "shadow paging"
									    : "direct MMU")
		       : ev->indirect_pages > 0 ? "shadow paging"
						: "unknown";
	summary->ept = ev->ept;
	summary->vmx = ev->vmx;
	summary->layout = ev->format_known ? m2d_spte_layout_name(ev->format.layout) : "unknown";
	summary->vcpus = 0;
	for (unsigned i = 0; i < ev->n_vcpus; i++)
		summary->vcpus += ev->vcpus[i].known;
	summary->slots = ev->slots->len;
	summary->several_vms = ev->several_vms;
	summary->nested = ev->nested;
}
