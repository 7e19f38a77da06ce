/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See import-capture.h. */
#include "tools/import-capture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/capture/native-write.h"

#define TICK 16384u /* events between looks at the clock and at signals */

gboolean m2d_tool_read_capture(const M2dCaptureRead *read, M2dCapture *capture, M2dCaptureFn fn,
			       void *data, GError **error)
{
	M2dProgress *progress = NULL;
	M2dCapEvent e;
	uint64_t n = 0, total;
	int r;

	while ((r = m2d_capture_next(capture, &e, error)) > 0) {
		fn(capture, &e, data);
		if (n++ % TICK != 0)
			continue;
		if (m2d_interrupted()) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT,
				    "interrupted after %" PRIu64 " events", n);
			r = -1;
			break;
		}
		uint64_t bytes = m2d_capture_progress(capture, &total);

		if (progress == NULL)
			progress = m2d_progress_new(read->what, "bytes", total, read->quiet);
		m2d_progress_update(progress, bytes);
	}
	m2d_progress_free(progress);
	return r == 0;
}

bool m2d_tool_window(const char *text, uint64_t *from, uint64_t *to)
{
	char *end;
	double a, b;

	*from = *to = 0;
	if (text == NULL)
		return true;
	a = g_ascii_strtod(text, &end);
	if (end == text || *end != ',')
		return false;
	text = end + 1;
	b = g_ascii_strtod(text, &end);
	if (end == text || *end != 0 || !(a >= 0) || !(b > a) || b > 1e9)
		return false;
	*from = (uint64_t)(a * 1e9 + 0.5);
	*to = (uint64_t)(b * 1e9 + 0.5);
	return true;
}

int m2d_tool_capture_status(const M2dCommand *cmd, const M2dCapture *capture)
{
	const char *first, *cut = m2d_capture_cut(capture);
	uint64_t bad = m2d_capture_bad(capture, &first);

	fflush(stdout);
	if (cut != NULL)
		fprintf(stderr, "mmu2d %s: %s: the file is cut off\n", cmd->name, cut);
	else if (bad > 1)
		fprintf(stderr, "mmu2d %s: %s; so are %" PRIu64 " more\n", cmd->name, first,
			bad - 1);
	else if (bad != 0)
		fprintf(stderr, "mmu2d %s: %s\n", cmd->name, first);
	return cut != NULL || bad != 0 ? 2 : 0;
}

static void emit_member(const char *name, uint64_t n, void *data)
{
	m2d_json_uint(data, name, n);
}

void m2d_tool_emit_tally(M2dJson *json, const M2dTally *tally, const M2dCapture *capture)
{
	m2d_json_object_begin(json, "by_name");
	m2d_tally_events(tally, capture, emit_member, json);
	m2d_json_object_end(json);
	m2d_json_object_begin(json, "exits");
	m2d_tally_exits(tally, capture, emit_member, json);
	m2d_json_object_end(json);
	m2d_json_object_begin(json, "derived");
	m2d_tally_derived(tally, capture, emit_member, json);
	m2d_json_object_end(json);
}

static void emit_line(const char *name, uint64_t n, void *data)
{
	printf("  %-32s %14" PRIu64 "\n", name, n);
}

static void print_text(const M2dTally *tally, const M2dCapture *capture)
{
	uint64_t over = m2d_capture_overwritten(capture);

	printf("events by name (%s)\n", m2d_capture_source(capture));
	m2d_tally_events(tally, capture, emit_line, NULL);
	printf("exits by reason\n");
	m2d_tally_exits(tally, capture, emit_line, NULL);
	printf("derived\n");
	m2d_tally_derived(tally, capture, emit_line, NULL);
	printf("%" PRIu64 " events, %" PRIu64 " of them of unknown names; %" PRIu64
	       " lines that cannot be read\n",
	       m2d_tally_total(tally), m2d_tally_unknown(tally), m2d_capture_bad(capture, NULL));
	if (over != 0)
		printf("the ring buffer had overwritten %" PRIu64 " events before these\n", over);
}

typedef struct {
	M2dTally *tally;
	M2dCapWriter *writer; /* or NULL */
} Import;

static void take(const M2dCapture *capture, const M2dCapEvent *event, void *data)
{
	Import *import = data;

	m2d_tally_add(import->tally, event);
	if (import->writer != NULL)
		m2d_cap_writer_add(import->writer, event);
}

/* Read all; @bytes: of the native capture written, if one is. */
static bool import_all(const M2dCaptureRead *read, M2dCapture *capture, M2dTally *tally,
		       uint64_t *bytes, GError **error)
{
	Import import = {.tally = tally};

	if (read->output != NULL) {
		import.writer = m2d_cap_writer_new(read->output, capture, error);
		if (import.writer == NULL)
			return false;
	}
	if (!m2d_tool_read_capture(read, capture, take, &import, error)) {
		m2d_cap_writer_abort(import.writer);
		return false;
	}
	return import.writer == NULL || m2d_cap_writer_finish(import.writer, bytes, error);
}

int m2d_import_capture(const M2dCommand *cmd, const char *path, const M2dCaptureRead *read,
		       bool json)
{
	g_autoptr(M2dTally) tally = m2d_tally_new();
	g_autoptr(M2dCapture) capture = NULL;
	GError *error = NULL;
	uint64_t bytes = 0;
	int status;

	capture = m2d_capture_open(path, read->format, &error);
	if (capture == NULL || !import_all(read, capture, tally, &bytes, &error))
		return m2d_cmd_fail(cmd, error);
	if (json) {
		M2dJson *j = m2d_json_new();

		m2d_json_object_begin(j, NULL);
		m2d_json_string(j, "input", path);
		if (read->output != NULL) {
			m2d_json_string(j, "output", read->output);
			m2d_json_uint(j, "output_bytes", bytes);
		}
		m2d_json_string(j, "format", m2d_capture_source(capture));
		m2d_json_uint(j, "events", m2d_tally_total(tally));
		m2d_json_uint(j, "unknown_events", m2d_tally_unknown(tally));
		m2d_json_uint(j, "parse_errors", m2d_capture_bad(capture, NULL));
		m2d_json_uint(j, "overwritten_events", m2d_capture_overwritten(capture));
		m2d_tool_emit_tally(j, tally, capture);
		m2d_json_object_end(j);
		m2d_cmd_print_json(j);
	} else if (read->output != NULL) {
		if (!read->quiet && strcmp(read->output, "-") != 0)
			printf("%s: %" PRIu64 " events in %" PRIu64 " bytes\n", read->output,
			       m2d_tally_total(tally), bytes);
	} else if (!read->quiet) {
		print_text(tally, capture);
	}
	status = m2d_tool_capture_status(cmd, capture);
	return status != 0 ? status : m2d_cmd_finish_stdout(cmd);
}
