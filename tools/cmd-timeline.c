/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d timeline CAPTURE -o FILE.json`: a recorded KVM as spans and arrows, for Perfetto. */
#include "tools/cmd.h"

#include <inttypes.h>
#include <stdio.h>

#include "sim/report/timeline.h"
#include "tools/import-capture.h"

static char *output, *window;
static gboolean quiet;

static const GOptionEntry entries[] = {
	{"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "JSON to write; - is stdout", "FILE"},
	{"time", 't', 0, G_OPTION_ARG_STRING, &window, "Only this time, in seconds", "A,B"},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "No progress and no counts", NULL},
	{NULL}};

typedef struct {
	M2dTimeline *timeline;
	const M2dCapture *capture;
} Sink;

static void add(const M2dCapEvent *event, void *data)
{
	Sink *sink = data;

	m2d_timeline_add(sink->timeline, sink->capture, event);
}

static int draw(const char *path, uint64_t from, uint64_t to)
{
	const M2dCaptureRead read = {.quiet = quiet, .what = "timeline"};
	g_autoptr(M2dTimeline) timeline = NULL;
	g_autoptr(M2dCapture) capture = NULL;
	M2dOutFile *out = NULL;
	uint64_t spans, arrows;
	GError *error = NULL;
	int status;

	capture = m2d_capture_open(path, M2D_CAP_AUTO, &error);
	if (capture != NULL)
		out = m2d_out_file_new(output, &error);
	if (out == NULL)
		return m2d_cmd_fail(&m2d_cmd_timeline, error);
	timeline = m2d_timeline_new(out, from, to);
	if (!m2d_tool_read_capture(&read, capture, add, &(Sink){timeline, capture}, &error) ||
	    !m2d_timeline_finish(timeline, capture, &spans, &arrows, &error)) {
		m2d_out_file_abort(out);
		return m2d_cmd_fail(&m2d_cmd_timeline, error);
	}
	if (!m2d_out_file_commit(out, &error))
		return m2d_cmd_fail(&m2d_cmd_timeline, error);
	if (!quiet && g_strcmp0(output, "-") != 0)
		printf("%s: %" PRIu64 " spans, %" PRIu64
		       " arrows; open it at https://ui.perfetto.dev\n",
		       output, spans, arrows);
	status = m2d_tool_capture_status(&m2d_cmd_timeline, capture);
	return status != 0 ? status : m2d_cmd_finish_stdout(&m2d_cmd_timeline);
}

static int run(int argc, char **argv)
{
	uint64_t from, to;
	int status;

	if (!m2d_cmd_parse(
		    &m2d_cmd_timeline, "CAPTURE -o FILE.json [OPTION...]",
		    "Writes a capture of KVM's events as Chrome Trace Event JSON: spans in the "
		    "guest,\n"
		    "in exits, faults, zaps and flushes, a track a vCPU and task, and arrows from\n"
		    "remote flushes to the vCPUs that flush.\n\n"
		    "  mmu2d timeline trace.dat -o trace.json",
		    &argc, &argv, &status))
		return status;
	if (argc != 2)
		return m2d_cmd_usage(&m2d_cmd_timeline, "%s",
				     argc < 2 ? "expected the capture to draw"
					      : "one capture at a time");
	if (output == NULL)
		return m2d_cmd_usage(&m2d_cmd_timeline, "expected -o and the file to write");
	if (!m2d_tool_window(window, &from, &to))
		return m2d_cmd_usage(&m2d_cmd_timeline,
				     "--time %s: expected two times in seconds, as 9.5,9.75",
				     window);
	return draw(argv[1], from, to);
}

const M2dCommand m2d_cmd_timeline = {"timeline", run, "draw what a real KVM recorded", entries};
