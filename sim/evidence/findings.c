/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules and findings: what is kept of them, and which stand in the end. */
#include "sim/evidence/evidence-private.h"

#include <stdarg.h>

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

GArray *m2d_ev_findings_new(void)
{
	GArray *findings = g_array_new(FALSE, TRUE, sizeof(M2dEvFinding));

	g_array_set_clear_func(findings, clear_finding);
	return findings;
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

void m2d_ev_doubt(M2dEvidence *ev, uint64_t time, const char *why)
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

void m2d_ev_settle(M2dEvidence *ev)
{
	for (guint i = 0; i < ev->findings->len;) {
		M2dEvFinding *f = &g_array_index(ev->findings, M2dEvFinding, i);

		/* The vendor may have become known since. */
		f->needs = m2d_ev_of_vendor(ev, f->needs);
		if ((f->needs != 0 && !ev->seen[f->needs]) ||
		    (f->also != 0 && !ev->seen[f->also]) || needs_zaps(ev, f->rule)) {
			g_array_remove_index(ev->findings, i);
			continue;
		}
		if (f->certain && (ev->several_vms || ev->nested || ev->vmx)) {
			f->certain = false;
			f->doubt = ev->nested ? "a guest of the guest runs"
				   : ev->several_vms
					   ? "more than one VM is recorded"
					   : "these rules have been held against AMD's only";
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

#define MAX_ANY 3u

/* What needs one of these kinds to be judged at all. */
static const struct {
	const char *what;
	unsigned any[MAX_ANY];
} judged[] = {
	{"whether vCPUs flush when they are asked to: no flush function of the vendor's",
	 {M2D_CAP_SVM_FLUSH_ALL, M2D_CAP_SVM_FLUSH_ASID, M2D_CAP_VMX_FLUSH_ALL}},
	{"the flush behind a new root: no vendor's function for it",
	 {M2D_CAP_SVM_FLUSH_CURRENT, M2D_CAP_VMX_FLUSH_CURRENT}},
	{"flushes that operations owe: no kvm_flush_remote_tlbs()", {M2D_CAP_FLUSH_REMOTE}},
	{"what notifiers take away: no kvm_unmap_gfn_range()", {M2D_CAP_UNMAP_GFN}},
	{"requests for new roots: no kvm_mmu_load()", {M2D_CAP_MMU_LOAD}},
	{"memslots: no kvm_set_memory_region()", {M2D_CAP_SET_REGION}},
};

static const char *const not_of_intel[] = {
	"why a vCPU flushes, and what vmx_flush_tlb_*() do then",
	"exits without an entry between, which fast paths make",
	"what exits for INVLPG and loads of CR3 lead to, and that a page fault is at its exit's "
	"address",
};

G_STATIC_ASSERT(G_N_ELEMENTS(judged) + G_N_ELEMENTS(not_of_intel) <= M2D_EV_MAX_NOT_JUDGED);

unsigned m2d_evidence_not_judged(const M2dEvidence *ev, const char *what[M2D_EV_MAX_NOT_JUDGED])
{
	unsigned n = 0;

	if (!ev->seen[M2D_CAP_ENTRY] && !ev->seen[M2D_CAP_EXIT])
		return 0;
	for (unsigned i = 0; i < G_N_ELEMENTS(judged); i++) {
		bool any = false;

		for (unsigned k = 0; k < MAX_ANY; k++)
			any |= judged[i].any[k] != 0 && ev->seen[judged[i].any[k]];
		if (!any)
			what[n++] = judged[i].what;
	}
	for (unsigned i = 0; i < G_N_ELEMENTS(not_of_intel) && ev->vmx; i++)
		what[n++] = not_of_intel[i];
	return n;
}
