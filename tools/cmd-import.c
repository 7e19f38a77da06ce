/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d import --from FORMAT IN -o OUT`: a foreign trace to a native one. */
#include "tools/cmd.h"

#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/trace/import.h"
#include "tools/import-capture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static char *from;
static char *output;
static gboolean quiet;
static gboolean json_output;

static const GOptionEntry entries[] = {
	{"from", 'f', 0, G_OPTION_ARG_STRING, &from,
	 "lackey, din, champsim, mmtrace, trace-cmd, ftrace or auto (default)", "FORMAT"},
	{"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
	 "Native trace to write; - is stdout; not for captures of KVM", "FILE"},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "No progress and no counts", NULL},
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "Counts as one JSON document", NULL},
	{NULL}};

typedef struct {
	M2dProgress *progress; /* made once the size of the input is known */
} Watch;

static bool on_progress(uint64_t bytes, uint64_t total, void *data)
{
	Watch *watch = data;

	if (watch->progress == NULL)
		watch->progress = m2d_progress_new("import", "bytes", total, quiet);
	m2d_progress_update(watch->progress, bytes);
	return !m2d_interrupted();
}

static void print_json(const M2dImport *im, const char *in)
{
	M2dJson *json = m2d_json_new();

	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "input", in);
	m2d_json_string(json, "format", m2d_import_format_name(im->format));
	m2d_json_string(json, "output", output);
	m2d_json_uint(json, "vcpus", im->n_vcpus);
	m2d_json_bool(json, "filtered", (im->flags & M2D_TRACE_FILTERED) != 0);
	m2d_json_bool(json, "tables", (im->flags & M2D_TRACE_HAS_TABLES) != 0);
	m2d_json_bool(json, "physical_addresses", (im->flags & M2D_TRACE_HAS_PA) != 0);
	m2d_json_uint(json, "refs", im->refs[0] + im->refs[1] + im->refs[2]);
	m2d_json_uint(json, "instructions", im->instructions);
	m2d_json_uint(json, "elided", im->elided);
	m2d_json_uint(json, "skipped", im->skipped);
	m2d_json_uint(json, "split", im->split);
	m2d_json_object_begin(json, "counts");
	for (unsigned k = 0; k < 3; k++)
		m2d_json_uint(json, m2d_trace_ref_name(k), im->refs[k]);
	m2d_json_uint(json, "page", im->pages);
	for (unsigned k = 0; k < 256; k++)
		if (im->events[k] != 0)
			m2d_json_uint(json, m2d_trace_event_name(k), im->events[k]);
	m2d_json_object_end(json);
	m2d_json_object_end(json);
	m2d_cmd_print_json(json);
}

static void print_count(const char *name, uint64_t n)
{
	if (n != 0)
		printf("%-12s %14" PRIu64 "\n", name, n);
}

static void print_text(const M2dImport *im)
{
	printf("%-12s %14s\n", "kind", m2d_import_format_name(im->format));
	for (unsigned k = 0; k < 3; k++)
		print_count(m2d_trace_ref_name(k), im->refs[k]);
	print_count("page", im->pages);
	for (unsigned k = 0; k < 256; k++)
		print_count(m2d_trace_event_name(k), im->events[k]);
	print_count("instructions", im->instructions);
	print_count("elided", im->elided);
	print_count("skipped", im->skipped);
	print_count("split", im->split);
}

static M2dImportFormat parse_format(int *status)
{
	M2dImportFormat format = from != NULL ? m2d_import_format(from) : M2D_IMPORT_AUTO;

	if (format != M2D_N_IMPORTS)
		return format;
	*status = m2d_cmd_usage(&m2d_cmd_import,
				"--from %s: expected lackey, din, champsim, mmtrace, trace-cmd, "
				"ftrace or auto",
				from);
	return format;
}

/* Whether @path is to be read as a capture of KVM's events, and how. */
static bool is_capture(const char *path, M2dCapFormat *format)
{
	*format = M2D_CAP_AUTO;
	if (from == NULL || strcmp(from, "auto") == 0)
		return m2d_capture_probe(path);
	if (strcmp(from, "trace-cmd") == 0)
		*format = M2D_CAP_TRACE_CMD;
	else if (strcmp(from, "ftrace") == 0)
		*format = M2D_CAP_FTRACE;
	return *format != M2D_CAP_AUTO;
}

static int run_capture(const char *path, M2dCapFormat format)
{
	const M2dCaptureRead read = {
		.format = format, .quiet = quiet, .what = "import", .output = output};

	if (json_output && g_strcmp0(output, "-") == 0)
		return m2d_cmd_usage(&m2d_cmd_import,
				     "--json and -o - would both go to standard output");
	return m2d_import_capture(&m2d_cmd_import, path, &read, json_output);
}

static int run(int argc, char **argv)
{
	M2dImport im = {.progress = on_progress};
	Watch watch = {0};
	M2dCapFormat capture_format;
	GError *error = NULL;
	int status = 0;
	gboolean ok;

	if (!m2d_cmd_parse(
		    &m2d_cmd_import, "[--from FORMAT] IN [-o OUT] [OPTION...]",
		    "Reads a trace of another program, plain or gzip, and writes a native one.\n"
		    "IN may be - for stdin. A capture of KVM's events, trace.dat or text, is "
		    "counted\n"
		    "(events by name, exits by reason, SPTEs set and zapped) or, with -o, made a "
		    "native\n"
		    "one, which check, timeline and ladder read faster.\n\n"
		    "  mmu2d import --from trace-cmd trace.dat\n"
		    "  valgrind --tool=lackey --trace-mem=yes ls 2>&1 >/dev/null |\n"
		    "          mmu2d import --from lackey - -o ls.m2t",
		    &argc, &argv, &status))
		return status;
	if (argc != 2)
		return m2d_cmd_usage(&m2d_cmd_import, "%s",
				     argc < 2 ? "expected the trace to read"
					      : "one trace at a time");
	if (is_capture(argv[1], &capture_format))
		return run_capture(argv[1], capture_format);
	if (m2d_interrupted())
		return m2d_cmd_interrupted(&m2d_cmd_import);
	im.format = parse_format(&status);
	if (status != 0)
		return status;
	if (output == NULL && strcmp(argv[1], "-") != 0 && g_access(argv[1], R_OK) != 0) {
		m2d_error_from_errno(&error, errno, "open", argv[1]);
		return m2d_cmd_fail(&m2d_cmd_import, error);
	}
	if (output == NULL)
		return m2d_cmd_usage(&m2d_cmd_import, "no capture of KVM's events: expected -o and "
						      "the file to write");
	if (json_output && strcmp(output, "-") == 0)
		return m2d_cmd_usage(&m2d_cmd_import,
				     "--json and -o - would both go to standard output");
	im.progress_data = &watch;
	ok = m2d_import(&im, argv[1], output, &error);
	if (watch.progress != NULL)
		m2d_progress_free(watch.progress);
	if (!ok)
		return m2d_cmd_fail(&m2d_cmd_import, error);
	if (json_output)
		print_json(&im, argv[1]);
	else if (!quiet && strcmp(output, "-") != 0)
		print_text(&im);
	return m2d_cmd_finish_stdout(&m2d_cmd_import);
}

const M2dCommand m2d_cmd_import = {"import", run, "make a native trace of a foreign one", entries};
