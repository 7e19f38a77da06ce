/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See replay-capture.h. */
#include "tools/replay-capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/conform/conform.h"
#include "sim/vm/knobs.h"
#include "tools/import-capture.h"

#define ENOUGH 99 /* per cent that the model must predict for status 0 */

typedef struct {
	const M2dReplayCapture *opt;
	GString *out; /* a row */
	uint64_t at;  /* the line or, if @timed, the time in ns to look at */
	bool timed;
} Rows;

#define AROUND_LINES 40
#define AROUND_NS    1000000

static void add_event(const M2dCapture *capture, const M2dCapEvent *event, void *data)
{
	m2d_conform_add(data, event);
}

static bool on_progress(uint64_t done, uint64_t total, void *data)
{
	m2d_progress_update(data, done);
	return !m2d_interrupted();
}

static const char *const outcomes[] = {"",         "retried",  "mapped", "mended",
				       "emulated", "injected", "refused"};

/* "10269ce67"; functions and outcomes by name. */
static void put_field(GString *s, unsigned kind, uint64_t v)
{
	const char *text = NULL;

	if (kind == M2D_CAP_FLUSH_REMOTE)
		text = m2d_conform_function(v);
	else if (kind == M2D_CONF_FAULT_OUTCOME && v < G_N_ELEMENTS(outcomes))
		text = outcomes[v];
	if (text != NULL)
		g_string_append(s, text);
	else
		g_string_append_printf(s, "%" PRIx64, v);
}

/* "gfn=200 spte=10269ce67": fields of an event that are known. */
static void put_fields(GString *s, unsigned kind, const uint64_t *f, uint32_t has, uint32_t marked)
{
	const char *p =
		kind == M2D_CONF_FAULT_OUTCOME ? "(kernel, model)" : m2d_cap_kind_fields(kind);
	size_t len;

	for (unsigned n = 0; (p = m2d_cap_next_field(p, &len)) != NULL; n++, p += len) {
		if (!(has >> n & 1))
			continue;
		g_string_append_printf(s, " %s%.*s=", marked >> n & 1 ? "*" : "", (int)len, p);
		put_field(s, kind, f[n]);
	}
}

static void put_row(Rows *rows, const M2dConfRow *r)
{
	static const char marks[] = {[M2D_CONF_SAME] = ' ',
				     [M2D_CONF_DIFFERENT] = '!',
				     [M2D_CONF_MISSING] = '-',
				     [M2D_CONF_ADDITIONAL] = '+',
				     [M2D_CONF_INPUT] = '.'};
	const M2dCapEvent *e = r->at;

	g_string_append_printf(rows->out, "%c %8" PRIu64 " %5" PRIu64 ".%06" PRIu64 " %6u %s",
			       marks[r->verdict], e->place, e->time / 1000000000,
			       e->time / 1000 % 1000000, e->pid, m2d_conform_kind_name(r->kind));
	if (r->kind == M2D_CONF_FAULT_OUTCOME)
		put_fields(rows->out, M2D_CAP_PAGE_FAULT, e->u.f, e->has, 0);
	else if (r->kernel != NULL)
		put_fields(rows->out, r->kind, e->u.f, e->has, r->fields);
	if (r->verdict == M2D_CONF_DIFFERENT)
		g_string_append(rows->out, "  | model:");
	if (r->model != NULL && r->verdict != M2D_CONF_SAME)
		put_fields(rows->out, r->kind, r->model->f, r->model->has, r->fields);
	g_string_append_c(rows->out, '\n');
}

/* Whether @e is what --at asks for. */
static bool is_near(const Rows *rows, const M2dCapEvent *e)
{
	uint64_t here = rows->timed ? e->time : e->place;
	uint64_t around = rows->timed ? AROUND_NS : AROUND_LINES;

	return here + around >= rows->at && here <= rows->at + around;
}

/* "1234" or "12.345678". */
static bool parse_at(Rows *rows, const char *text)
{
	char *end;

	if (strchr(text, '.') == NULL) {
		rows->at = g_ascii_strtoull(text, &end, 10);
	} else {
		rows->at = (uint64_t)(g_ascii_strtod(text, &end) * 1e9);
		rows->timed = true;
	}
	return g_ascii_isdigit(*text) && *end == '\0';
}

static void on_row(const M2dConfRow *r, void *data)
{
	Rows *rows = data;
	const M2dReplayCapture *opt = rows->opt;

	if (opt->diff_kind != NULL && strcmp(opt->diff_kind, m2d_conform_kind_name(r->kind)) != 0)
		return;
	if (opt->at != NULL ? !is_near(rows, r->at) : r->verdict == M2D_CONF_SAME)
		return;
	put_row(rows, r);
	fputs(rows->out->str, stdout);
	g_string_truncate(rows->out, 0);
}

static double share(const M2dConfCount *n)
{
	return n->kernel != 0 ? 100.0 * (double)n->same / (double)n->kernel : 100.0;
}

static void print_count(const char *name, const M2dConfCount *n)
{
	printf("%-28s %9" PRIu64 " %9" PRIu64 " %7.2f %% %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "\n",
	       name, n->kernel, n->same, share(n), n->different, n->missing, n->additional);
}

/* Kinds that make up the total, or the others. */
static void print_kinds(const M2dConform *c, bool counted)
{
	for (unsigned k = 0; k < M2D_CONF_KINDS; k++) {
		const M2dConfCount *n = m2d_conform_count(c, k);

		if (m2d_conform_counted(c, k) == counted && n->kernel + n->additional != 0)
			print_count(m2d_conform_kind_name(k), n);
	}
}

static void print_text(const M2dCapture *capture, const M2dConform *c)
{
	const char *why, *profile = m2d_conform_profile(c, &why);
	M2dConfCount total = m2d_conform_total(c, false), all = m2d_conform_total(c, true);

	printf("%s, %s MMU, model of Linux %s (%s)\n\n", m2d_capture_source(capture),
	       m2d_conform_mmu(c), profile, why);
	printf("%-28s %9s %9s %9s %9s %9s %9s\n", "event", "kernel", "predicted", "share",
	       "different", "missing", "additional");
	print_kinds(c, true);
	print_count("total", &total);
	printf("\n");
	print_kinds(c, false);
	print_count("all compared", &all);
	if (total.input != 0)
		printf("\n%" PRIu64
		       " events show guest entries that nothing else does: taken as input, "
		       "not counted\n",
		       total.input);
}

static void emit_count(M2dJson *j, const char *name, const M2dConfCount *n)
{
	m2d_json_object_begin(j, name);
	m2d_json_uint(j, "kernel", n->kernel);
	m2d_json_uint(j, "predicted", n->same);
	m2d_json_uint(j, "different", n->different);
	m2d_json_uint(j, "missing", n->missing);
	m2d_json_uint(j, "additional", n->additional);
	m2d_json_uint(j, "input", n->input);
	m2d_json_double(j, "share", share(n) / 100);
	m2d_json_object_end(j);
}

static void print_json(const char *path, const M2dCapture *capture, const M2dConform *c)
{
	const char *why, *profile = m2d_conform_profile(c, &why);
	M2dConfCount total = m2d_conform_total(c, false), all = m2d_conform_total(c, true);
	M2dJson *j = m2d_json_new();

	m2d_json_object_begin(j, NULL);
	m2d_json_string(j, "input", path);
	m2d_json_string(j, "format", m2d_capture_source(capture));
	m2d_json_string(j, "mmu", m2d_conform_mmu(c));
	m2d_json_string(j, "kvm", profile);
	m2d_json_string(j, "kvm_why", why);
	m2d_json_uint(j, "resyncs", m2d_conform_resyncs(c));
	m2d_json_object_begin(j, "events");
	for (unsigned k = 0; k < M2D_CONF_KINDS; k++) {
		const M2dConfCount *n = m2d_conform_count(c, k);

		if (n->kernel + n->additional != 0)
			emit_count(j, m2d_conform_kind_name(k), n);
	}
	m2d_json_object_end(j);
	emit_count(j, "total", &total);
	emit_count(j, "all", &all);
	m2d_json_object_end(j);
	m2d_cmd_print_json(j);
}

static bool add_duties(M2dDutySet *set, char **names, GError **error)
{
	for (char **n = names; n != NULL && *n != NULL; n++) {
		M2dDuty duty = m2d_duty_find(*n);
		const char *near = m2d_duty_near(*n);

		if (duty == M2D_N_DUTIES) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
				    "--without=%s: no such duty%s%s%s; see `mmu2d duties`", *n,
				    near != NULL ? "; did you mean " : "", near != NULL ? near : "",
				    near != NULL ? "?" : "");
			return false;
		}
		m2d_duty_add(set, duty);
	}
	return true;
}

static int replay(const char *path, const M2dReplayCapture *opt, M2dCapture *capture,
		  M2dConfOptions *conf)
{
	g_autoptr(M2dConform) c = m2d_conform_new(conf);
	M2dCaptureRead read = {.quiet = opt->quiet, .what = "read"};
	M2dProgress *progress;
	GError *error = NULL;
	M2dConfCount total;
	int status;
	bool ok;

	if (!m2d_tool_read_capture(&read, capture, add_event, c, &error))
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	progress = m2d_progress_new("replay", "events", m2d_conform_events(c), opt->quiet);
	ok = m2d_conform_run(c, on_progress, progress, &error);
	m2d_progress_free(progress);
	if (!ok) {
		g_prefix_error(&error, "%s: ", path);
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	}
	total = m2d_conform_total(c, false);
	if (opt->json)
		print_json(path, capture, c);
	else
		print_text(capture, c);
	status = m2d_cmd_finish_stdout(&m2d_cmd_replay);
	if (status == 0)
		status = m2d_tool_capture_status(&m2d_cmd_replay, capture);
	return status != 0 ? status : total.same * 100 < total.kernel * ENOUGH ? 1 : 0;
}

int m2d_replay_capture(const char *path, const M2dReplayCapture *opt)
{
	g_autoptr(M2dCapture) capture = NULL;
	g_autoptr(GString) out = g_string_new(NULL);
	Rows rows = {.opt = opt, .out = out};
	M2dConfOptions conf = {.kvm = opt->kvm};
	M2dKnobs knobs;
	GError *error = NULL;

	if (opt->kvm != NULL && !m2d_knobs_profile(&knobs, opt->kvm, &error)) {
		g_prefix_error(&error, "--kvm: ");
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	}
	if (!add_duties(&conf.without, opt->without, &error))
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	if (opt->at != NULL && !parse_at(&rows, opt->at))
		return m2d_cmd_usage(&m2d_cmd_replay,
				     "--at=%s: expected a line or a time, as 1234 or 12.345678",
				     opt->at);
	capture = m2d_capture_open(path, M2D_CAP_AUTO, &error);
	if (capture == NULL)
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	if (opt->diff || opt->diff_kind != NULL || opt->at != NULL) {
		conf.row = on_row;
		conf.row_data = &rows;
	}
	return replay(path, opt, capture, &conf);
}
