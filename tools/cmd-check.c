/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d check CAPTURE`: what a real KVM did, judged. */
#include "tools/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/evidence/evidence.h"
#include "tools/import-capture.h"

static gboolean quiet, json_output, list_rules, all_findings;
static char *layout_name;

static const GOptionEntry entries[] = {
	{"all", 'a', 0, G_OPTION_ARG_NONE, &all_findings, "Print all findings, not 20", NULL},
	{"spte-layout", 0, 0, G_OPTION_ARG_STRING, &layout_name,
	 "SPTEs as of this release (4.19, 5.4, 5.10, 5.14, 6.12, 6.13); default: by their values",
	 "RELEASE"},
	{"rules", 0, 0, G_OPTION_ARG_NONE, &list_rules, "List what is checked", NULL},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "No progress and no text; the status tells",
	 NULL},
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "One JSON document", NULL},
	{NULL}};

#define FEW 20u

typedef struct {
	M2dTally *tally;
	M2dEvidence *ev;
} Sinks;

static void add(const M2dCapture *capture, const M2dCapEvent *event, void *data)
{
	Sinks *sinks = data;

	m2d_tally_add(sinks->tally, event);
	m2d_evidence_add(sinks->ev, event);
}

static unsigned count_certain(const GArray *findings)
{
	unsigned n = 0;

	for (guint i = 0; i < findings->len; i++)
		n += g_array_index(findings, M2dEvFinding, i).certain;
	return n;
}

static void print_ref(const M2dCapture *capture, const M2dEvFinding *f, unsigned i)
{
	const M2dEvRef *r = &f->refs[i];
	bool last = i + 1 == f->n_refs;

	printf("    %-16s %s %-8" PRIu64 " [%03u] %5" PRIu64 ".%06" PRIu64 " %s-%u %s%s%s\n",
	       f->labels[i], m2d_capture_is_text(capture) ? "line" : "record", r->place, r->cpu,
	       r->time / 1000000000, (r->time + 500) / 1000 % 1000000,
	       m2d_capture_task(capture, r->pid), r->pid, m2d_capture_name(capture, r->kind),
	       last && *f->event ? ": " : "", last ? f->event : "");
}

static void print_findings(const M2dCapture *capture, const GArray *findings)
{
	guint n = findings->len;

	if (!all_findings && n > FEW)
		n = FEW;
	for (guint i = 0; i < n; i++) {
		const M2dEvFinding *f = &g_array_index(findings, M2dEvFinding, i);

		printf("%s (%s%s%s): %s\n", m2d_rule_name(f->rule),
		       f->certain ? "certain" : "possible", f->certain ? "" : ": ",
		       f->certain ? "" : f->doubt, f->text);
		for (unsigned k = 0; k < f->n_refs; k++)
			print_ref(capture, f, k);
	}
	if (n < findings->len)
		printf("%u more findings; see --all\n", findings->len - n);
}

static void print_text(const M2dCapture *capture, const Sinks *sinks)
{
	const GArray *findings = m2d_evidence_findings(sinks->ev);
	unsigned certain = count_certain(findings), n;
	const char *not_judged[M2D_EV_MAX_NOT_JUDGED];
	M2dEvSummary s;

	m2d_evidence_summary(sinks->ev, &s);
	n = m2d_evidence_not_judged(sinks->ev, not_judged);
	printf("%s, %s, SPTEs as of %s%s, %u vCPUs, %u memslots at the end\n",
	       m2d_capture_source(capture), s.mmu, s.layout,
	       s.ept   ? " (EPT)"
	       : s.vmx ? " (Intel)"
		       : "",
	       s.vcpus, s.slots);
	printf("%" PRIu64 " events (%" PRIu64 " of names not known), %" PRIu64
	       " tables made, %" PRIu64 " zapped, %" PRIu64 " leaf SPTEs set, %" PRIu64
	       " zap-alls, %" PRIu64 " remote flushes",
	       m2d_tally_total(sinks->tally), m2d_tally_unknown(sinks->tally), s.tables_made,
	       s.tables_zapped, s.leafs_set, s.zap_all, s.remote_flushes);
	if (s.losses != 0)
		printf("; lost track %" PRIu64 " times", s.losses);
	printf("\n");
	for (unsigned i = 0; i < n; i++)
		printf("not judged: %s\n", not_judged[i]);
	print_findings(capture, findings);
	printf("%u findings: %u certain, %u possible\n", findings->len, certain,
	       findings->len - certain);
}

static void emit_finding(M2dJson *j, const M2dCapture *capture, const M2dEvFinding *f)
{
	m2d_json_object_begin(j, NULL);
	m2d_json_string(j, "rule", m2d_rule_name(f->rule));
	m2d_json_bool(j, "certain", f->certain);
	m2d_json_string(j, "doubt", f->doubt);
	m2d_json_string(j, "text", f->text);
	m2d_json_array_begin(j, "events");
	for (unsigned i = 0; i < f->n_refs; i++) {
		const M2dEvRef *r = &f->refs[i];

		m2d_json_object_begin(j, NULL);
		m2d_json_string(j, "label", f->labels[i]);
		m2d_json_uint(j, m2d_capture_is_text(capture) ? "line" : "record", r->place);
		m2d_json_double(j, "time", (double)r->time / 1e9);
		m2d_json_uint(j, "cpu", r->cpu);
		m2d_json_uint(j, "pid", r->pid);
		m2d_json_string(j, "task", m2d_capture_task(capture, r->pid));
		m2d_json_string(j, "event", m2d_capture_name(capture, r->kind));
		if (i + 1 == f->n_refs)
			m2d_json_string(j, "fields", f->event);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
	m2d_json_object_end(j);
}

static void print_json(const M2dCapture *capture, const Sinks *sinks, const char *path,
		       double seconds)
{
	const GArray *findings = m2d_evidence_findings(sinks->ev);
	const char *not_judged[M2D_EV_MAX_NOT_JUDGED];
	unsigned n = m2d_evidence_not_judged(sinks->ev, not_judged);
	M2dJson *j = m2d_json_new();
	M2dEvSummary s;

	m2d_evidence_summary(sinks->ev, &s);
	m2d_json_object_begin(j, NULL);
	m2d_json_string(j, "input", path);
	m2d_json_string(j, "format", m2d_capture_source(capture));
	m2d_json_uint(j, "events", m2d_tally_total(sinks->tally));
	m2d_json_uint(j, "unknown_events", m2d_tally_unknown(sinks->tally));
	m2d_json_uint(j, "parse_errors", m2d_capture_bad(capture, NULL));
	m2d_json_uint(j, "losses", s.losses);
	m2d_json_double(j, "seconds", seconds);
	m2d_json_string(j, "mmu", s.mmu);
	m2d_json_string(j, "spte_layout", s.layout);
	m2d_json_uint(j, "vcpus", s.vcpus);
	m2d_json_uint(j, "certain", count_certain(findings));
	m2d_json_uint(j, "possible", findings->len - count_certain(findings));
	m2d_json_uint(j, "more", m2d_evidence_dropped(sinks->ev));
	m2d_json_bool(j, "vmx", s.vmx);
	m2d_json_array_begin(j, "not_judged");
	for (unsigned i = 0; i < n; i++)
		m2d_json_string(j, NULL, not_judged[i]);
	m2d_json_array_end(j);
	m2d_json_array_begin(j, "violations");
	for (guint i = 0; i < findings->len; i++)
		emit_finding(j, capture, &g_array_index(findings, M2dEvFinding, i));
	m2d_json_array_end(j);
	m2d_json_object_begin(j, "premises");
	for (unsigned r = 0; r < M2D_N_RULES; r++)
		m2d_json_uint(j, m2d_rule_name((M2dRule)r),
			      m2d_evidence_premises(sinks->ev, (M2dRule)r));
	m2d_json_object_end(j);
	m2d_json_object_end(j);
	m2d_cmd_print_json(j);
}

static int print_rules(void)
{
	for (unsigned r = 0; r < M2D_N_RULES; r++)
		printf("%s\n    %s\n", m2d_rule_name((M2dRule)r), m2d_rule_text((M2dRule)r));
	return m2d_cmd_finish_stdout(&m2d_cmd_check);
}

/* The layout asked for, -1 for none; -2 if there is no such. */
static int find_layout(void)
{
	if (layout_name == NULL)
		return -1;
	for (int i = 0; i < M2D_SPTE_N_LAYOUTS; i++)
		if (strcmp(m2d_spte_layout_name((M2dSpteLayout)i), layout_name) == 0)
			return i;
	return -2;
}

static int check(const char *path, const M2dEvidenceOptions *options)
{
	const M2dCaptureRead read = {.quiet = quiet, .what = "check"};
	g_autoptr(M2dTally) tally = m2d_tally_new();
	g_autoptr(M2dEvidence) ev = m2d_evidence_new(options);
	g_autoptr(M2dCapture) capture = NULL;
	Sinks sinks = {tally, ev};
	gint64 start = g_get_monotonic_time();
	GError *error = NULL;
	int status;

	capture = m2d_capture_open(path, M2D_CAP_AUTO, &error);
	if (capture == NULL || !m2d_tool_read_capture(&read, capture, add, &sinks, &error))
		return m2d_cmd_fail(&m2d_cmd_check, error);
	m2d_evidence_finish(ev);
	if (json_output)
		print_json(capture, &sinks, path, (double)(g_get_monotonic_time() - start) / 1e6);
	else if (!quiet)
		print_text(capture, &sinks);
	status = m2d_tool_capture_status(&m2d_cmd_check, capture);
	if (status == 0)
		status = m2d_cmd_finish_stdout(&m2d_cmd_check);
	/* What is wrong in what could be read weighs more than what could not. */
	return count_certain(m2d_evidence_findings(ev)) != 0 ? 1 : status;
}

static int run(int argc, char **argv)
{
	M2dEvidenceOptions options;
	int status;

	if (!m2d_cmd_parse(&m2d_cmd_check, "CAPTURE [OPTION...]",
			   "Rebuilds memslots, tables, SPTEs, requests and flushes from the events "
			   "that a\n"
			   "real KVM recorded, and judges them. CAPTURE is a trace.dat, text of "
			   "tracefs, or\n"
			   "of trace-cmd report; - is stdin. Status 1 if a finding is certain.\n\n"
			   "  mmu2d check trace.dat",
			   &argc, &argv, &status))
		return status;
	if (list_rules)
		return print_rules();
	options.layout = find_layout();
	if (options.layout == -2)
		return m2d_cmd_usage(
			&m2d_cmd_check,
			"--spte-layout %s: expected 4.19, 5.4, 5.10, 5.14, 6.12 or 6.13",
			layout_name);
	if (argc != 2)
		return m2d_cmd_usage(&m2d_cmd_check, "%s",
				     argc < 2 ? "expected the capture to check"
					      : "one capture at a time");
	return check(argv[1], &options);
}

const M2dCommand m2d_cmd_check = {"check", run, "judge what a real KVM recorded", entries};
