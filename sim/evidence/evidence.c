/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See evidence.h: the frame. Events go to the parts that rebuild state; findings are kept here. */
#include "sim/evidence/evidence-private.h"

#include <stdarg.h>
#include <string.h>

static const struct {
	const char *name, *text;
} rules[M2D_N_RULES] = {
#define RULE(ID, name, text) [M2D_RULE_##ID] = {name, text},
#include "sim/evidence/rules.def"
#undef RULE
};

const char *m2d_rule_name(M2dRule rule)
{
	return rules[rule].name;
}

const char *m2d_rule_text(M2dRule rule)
{
	return rules[rule].text;
}

static void clear_finding(gpointer data)
{
	M2dEvFinding *f = data;

	g_free(f->text);
	g_free(f->event);
}

M2dEvidence *m2d_evidence_new(const M2dEvidenceOptions *options)
{
	M2dEvidence *ev = g_new0(M2dEvidence, 1);

	ev->options = *options;
	ev->time_cpu = 256;
	ev->findings = g_array_new(FALSE, TRUE, sizeof(M2dEvFinding));
	g_array_set_clear_func(ev->findings, clear_finding);
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

void m2d_ev_report(M2dEvidence *ev, const M2dEvReport *report, const char *format, ...)
{
	M2dEvFinding *f;
	va_list args;

	if (ev->kept[report->rule] == M2D_EV_MAX_PER_RULE) {
		ev->dropped++;
		return;
	}
	ev->kept[report->rule]++;
	g_array_set_size(ev->findings, ev->findings->len + 1);
	f = &g_array_index(ev->findings, M2dEvFinding, ev->findings->len - 1);
	f->rule = report->rule;
	f->needs = report->needs;
	f->also = report->also;
	f->doubt = report->doubt;
	f->certain = f->doubt == NULL;
	va_start(args, format);
	f->text = g_strdup_vprintf(format, args);
	va_end(args);
	for (unsigned i = 0; i < M2D_EV_REFS - 1 && report->refs[i] != NULL; i++) {
		if (report->refs[i]->place == 0)
			continue;
		f->refs[f->n_refs] = *report->refs[i];
		f->labels[f->n_refs++] = report->labels[i];
	}
	f->refs[f->n_refs] = m2d_ev_ref(ev);
	f->labels[f->n_refs++] = "found";
	f->event = m2d_cap_event_fields(ev->now);
}

/* Findings since @time are in doubt for @why. */
static void doubt(M2dEvidence *ev, uint64_t time, const char *why)
{
	for (guint i = ev->findings->len; i-- > 0;) {
		M2dEvFinding *f = &g_array_index(ev->findings, M2dEvFinding, i);

		if (f->refs[f->n_refs - 1].time < time)
			break;
		if (f->certain) {
			f->certain = false;
			f->doubt = why;
		}
	}
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
	doubt(ev, e->kind == M2D_CAP_LOST ? ev->cpu_time[e->cpu & 255] : UINT64_MAX,
	      "events were lost about that time");
	forget(ev);
}

/* Bytes of the fields up to the last known one. */
static size_t field_bytes(uint32_t has)
{
	return has == 0 ? 0 : (32u - (unsigned)__builtin_clz(has)) * sizeof(uint64_t);
}

static void check_time(M2dEvidence *ev, const M2dCapEvent *e)
{
	unsigned cpu = e->cpu & 255;

	m2d_ev_premise(ev, M2D_RULE_TIME_ORDER);
	if (ev->cpu_seen[cpu] && e->time < ev->cpu_time[cpu])
		m2d_ev_report(ev, &(M2dEvReport){.rule = M2D_RULE_TIME_ORDER},
			      "CPU %u: time goes back by %" G_GINT64_MODIFIER
			      "u ns; events have changed places",
			      e->cpu, ev->cpu_time[cpu] - e->time);
	else if (e->time < ev->time)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_TIME_ORDER,
					     .doubt = "buffers that are read while they fill come "
						      "in pieces"},
			      "events of CPUs are not in the order of their times, by "
			      "%" G_GINT64_MODIFIER "u ns",
			      ev->time - e->time);
	ev->cpu_seen[cpu] = 1;
	ev->cpu_time[cpu] = e->time;
	ev->time = e->time;
	ev->time_cpu = cpu;
}

/* The same event twice in a row at the same time of one CPU. */
static void check_twice(M2dEvidence *ev, const M2dCapEvent *e)
{
	M2dCapEvent *last = &ev->last_of_cpu[e->cpu & 255].event;

	if (last->kind == e->kind && last->time == e->time && last->pid == e->pid &&
	    last->has == e->has && last->cpu == e->cpu && e->kind < M2D_CAP_N_KINDS &&
	    memcmp(&last->u, &e->u, e->kind == M2D_CAP_MARK ? M2D_CAP_TEXT : field_bytes(e->has)) ==
		    0)
		m2d_ev_missing(ev, &(M2dEvRef){e->time, last->place, e->pid, e->cpu, e->kind}, 0,
			       "the clock may be too coarse to tell two events apart",
			       "the same event twice at the same time");
	*last = *e;
}

void m2d_ev_missing(M2dEvidence *ev, const M2dEvRef *before, unsigned needs, const char *doubt,
		    const char *what)
{
	m2d_ev_report(ev,
		      &(M2dEvReport){.rule = M2D_RULE_MISSING_EVENT,
				     .needs = needs,
				     .doubt = doubt,
				     .refs = {before},
				     .labels = {"before"}},
		      "%s", what);
}

bool m2d_ev_format(M2dEvidence *ev, uint64_t spte)
{
	M2dSpteConfig cfg = {.maxphyaddr = 51, .ad = true};
	bool vmx;

	if (ev->format_known)
		return true;
	if (!(spte & 1) && !(spte & M2D_BIT(11)))
		return false;
	/* EPT: a memory type in leafs, A in bit 8; KVM's write bits above the address. */
	vmx = ev->summary.ept;
	ev->ept = vmx && ((spte & M2D_BITS(58, 57)) || ((spte & 0x138) && !(spte & 0x20)) ||
			  (spte & 0x38) == 0x30);
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

/* Whether the VM is seen from its beginning: memslots come before the first vCPU runs. */
static void look_for_birth(M2dEvidence *ev, const M2dCapEvent *e)
{
	switch (e->kind) {
	case M2D_CAP_SET_REGION:
	case M2D_CAP_PRIVATE_REGION:
		ev->birth = true;
		break;
	case M2D_CAP_INVAL_MMIO:
		/* Each change of the memslots adds 2; the first makes 2, or 3 for SMM's. */
		if (!ev->mmio_gen_known[0] && !ev->mmio_gen_known[1] && e->u.inval_mmio.gen > 3) {
			ev->birth = false;
			ev->born = true;
		}
		break;
	case M2D_CAP_ENTRY:
	case M2D_CAP_EXIT:
	case M2D_CAP_PAGE_FAULT:
	case M2D_CAP_TDP_SPTE:
	case M2D_CAP_SET_SPTE:
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_ZAP_ALL_FAST:
		ev->born = true;
		ev->slots_known = ev->birth;
		break;
	}
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

/* Guest entries are read from the root down. */
static void on_element(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	unsigned level = (unsigned)e->u.element.level;

	if (level < G_N_ELEMENTS(task->walk))
		task->walk[level] = e->u.element.pte;
	m2d_ev_premise(ev, M2D_RULE_MISSING_EVENT);
	if (task->walk_level != 0 && level + 1 != task->walk_level)
		m2d_ev_missing(ev, &task->last_exit, M2D_CAP_WALK, NULL,
			       "a walk of the guest's tables leaves a level out, or begins "
			       "without a word");
	else if (!task->walking && task->walk_level == 0 && ev->birth)
		m2d_ev_missing(ev, &task->last_exit, M2D_CAP_WALK, NULL,
			       "a guest entry is read that no walk is of");
	task->walk_level = level;
	task->walking = level > 1;
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
		on_element(ev, task);
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
	check_time(ev, e);
	check_twice(ev, e);
	if (e->kind >= M2D_CAP_N_KINDS)
		return;
	if (!ev->born)
		look_for_birth(ev, e);
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

/* If pages were zapped and nothing told of them, what is known of pages outlives them. */
static bool needs_zaps(const M2dEvidence *ev, M2dRule rule)
{
	if (ev->tdp || ev->seen[M2D_CAP_ZAP_PAGE])
		return false;
	if (!ev->seen[M2D_CAP_ZAP_ALL_FAST] && !ev->seen[M2D_CAP_COMMIT_ZAP] &&
	    !ev->seen[M2D_CAP_MMU_UNLOAD])
		return false;
	return rule == M2D_RULE_OBSOLETE_PAGE || rule == M2D_RULE_TABLE_LEFT ||
	       rule == M2D_RULE_TABLE_UNKNOWN || rule == M2D_RULE_TABLE_REUSED ||
	       rule == M2D_RULE_UNSYNC_STATE || rule == M2D_RULE_SPTE_TRANSITION ||
	       rule == M2D_RULE_WRITABLE_SHADOWED || rule == M2D_RULE_FLUSH_OWED;
}

void m2d_evidence_finish(M2dEvidence *ev)
{
	/* The event of now is gone with whoever read it. */
	ev->now = ev->time_cpu < 256 ? &ev->last_of_cpu[ev->time_cpu].event : NULL;
	if (ev->now != NULL)
		check_end(ev);
	for (guint i = 0; i < ev->findings->len;) {
		M2dEvFinding *f = &g_array_index(ev->findings, M2dEvFinding, i);

		if ((f->needs != 0 && !ev->seen[f->needs]) ||
		    (f->also != 0 && !ev->seen[f->also]) || needs_zaps(ev, f->rule)) {
			g_array_remove_index(ev->findings, i);
			continue;
		}
		if (f->certain && (ev->several_vms || ev->nested)) {
			f->certain = false;
			f->doubt = ev->nested ? "a guest of the guest runs"
					      : "more than one VM is recorded";
		}
		i++;
	}
}

const GArray *m2d_evidence_findings(const M2dEvidence *ev)
{
	return ev->findings;
}

uint64_t m2d_evidence_dropped(const M2dEvidence *ev)
{
	return ev->dropped;
}

uint64_t m2d_evidence_premises(const M2dEvidence *ev, M2dRule rule)
{
	return ev->premises[rule];
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
	summary->layout = ev->format_known ? m2d_spte_layout_name(ev->format.layout) : "unknown";
	summary->vcpus = 0;
	for (unsigned i = 0; i < ev->n_vcpus; i++)
		summary->vcpus += ev->vcpus[i].known;
	summary->slots = ev->slots->len;
	summary->several_vms = ev->several_vms;
	summary->nested = ev->nested;
}
