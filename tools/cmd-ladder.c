/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d ladder FILE`: the steps of a scenario, or a window of a capture, as a table that a commit
 * message can hold. */
#include "tools/cmd.h"

#include "sim/report/ladder-capture.h"
#include "tools/import-capture.h"

#include <stdio.h>

#define MAX_WIDTH 1000

static char *variant_name, *times, *lines;
static gboolean all_events, quiet;
static gint width = M2D_LADDER_WIDTH;

static const GOptionEntry entries[] = {
	{"all", 'a', 0, G_OPTION_ARG_NONE, &all_events, "Of a capture: fold no rows", NULL},
	{"lines", 'l', 0, G_OPTION_ARG_STRING, &lines,
	 "Of a capture: only these lines, of a trace.dat these records", "A,B"},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "No progress", NULL},
	{"time", 't', 0, G_OPTION_ARG_STRING, &times, "Of a capture: only this time, in seconds",
	 "A,B"},
	{"variant", 0, 0, G_OPTION_ARG_STRING, &variant_name, "Show the results of this variant",
	 "NAME"},
	{"width", 'w', 0, G_OPTION_ARG_INT, &width, "Columns that a line may have (72)", "N"},
	{NULL}};

static int print_ladder(const char *path)
{
	GError *error = NULL;
	g_autoptr(M2dScenario) scenario = m2d_scenario_load(path, NULL, &error);
	g_autoptr(M2dLadder) ladder = NULL;
	g_autofree char *text = NULL;
	int variant = -1;

	if (scenario == NULL || (variant_name != NULL &&
				 !m2d_scenario_variant(scenario, variant_name, &variant, &error)))
		return m2d_cmd_fail(&m2d_cmd_ladder, error);
	ladder = m2d_ladder_steps(scenario, variant);
	text = m2d_ladder_text(ladder, (unsigned)width);
	if (scenario->title != NULL)
		printf("  %s%s%s%s\n\n", scenario->title, variant >= 0 ? " (" : "",
		       variant >= 0 ? variant_name : "", variant >= 0 ? ")" : "");
	fputs(text, stdout);
	return 0;
}

/* "A,B", numbers from 1. */
static bool parse_lines(M2dLadderWindow *window)
{
	char *end;

	if (lines == NULL)
		return true;
	if (!g_ascii_isdigit(*lines))
		return false;
	window->first = g_ascii_strtoull(lines, &end, 10);
	if (*end != ',' || !g_ascii_isdigit(end[1]))
		return false;
	window->last = g_ascii_strtoull(end + 1, &end, 10);
	return *end == 0 && window->first >= 1 && window->last >= window->first &&
	       window->last != UINT64_MAX;
}

static void add(const M2dCapture *capture, const M2dCapEvent *event, void *data)
{
	m2d_ladder_capture_add(data, capture, event);
}

static int print_capture(const char *path, const M2dLadderWindow *window)
{
	const M2dCaptureRead read = {.quiet = quiet, .what = "ladder"};
	g_autoptr(M2dLadderCapture) lc = m2d_ladder_capture_new(window);
	g_autoptr(M2dCapture) capture = NULL;
	g_autoptr(M2dLadder) ladder = NULL;
	g_autofree char *text = NULL;
	GError *error = NULL;

	capture = m2d_capture_open(path, M2D_CAP_AUTO, &error);
	if (capture == NULL || !m2d_tool_read_capture(&read, capture, add, lc, &error))
		return m2d_cmd_fail(&m2d_cmd_ladder, error);
	ladder = m2d_ladder_capture_finish(lc, capture, &error);
	if (ladder == NULL) {
		g_prefix_error(&error, "%s: ", path);
		return m2d_cmd_fail(&m2d_cmd_ladder, error);
	}
	text = m2d_ladder_text(ladder, (unsigned)width);
	printf("  %s", path);
	if (times != NULL)
		printf(", %s s", times);
	if (lines != NULL)
		printf(", %s %s", m2d_capture_is_text(capture) ? "lines" : "records", lines);
	printf("\n\n%s", text);
	return m2d_tool_capture_status(&m2d_cmd_ladder, capture);
}

/* Whether @path is to be read as a capture: standard input is one if a window is given. */
static bool is_capture(const char *path)
{
	return times != NULL || lines != NULL || m2d_capture_probe(path);
}

static int run(int argc, char **argv)
{
	M2dLadderWindow window = {0};
	int status, finish;
	bool capture;

	if (!m2d_cmd_parse(
		    &m2d_cmd_ladder, "FILE [OPTION...]",
		    "Prints the steps of a scenario, or the events of a window of a capture, one\n"
		    "column an actor, ruled so that mail archives leave it readable; - is "
		    "standard\n"
		    "input.\n\n"
		    "  mmu2d ladder traces/kvm-hv-shadow.txt.gz --lines 12010,12030",
		    &argc, &argv, &status))
		return status;
	if (argc != 2)
		return m2d_cmd_usage(&m2d_cmd_ladder, "one scenario or capture expected, got %d",
				     argc - 1);
	if (width < (gint)M2D_LADDER_MIN_WIDTH || width > MAX_WIDTH)
		return m2d_cmd_usage(&m2d_cmd_ladder, "--width=%d: expected %u to %d", width,
				     M2D_LADDER_MIN_WIDTH, MAX_WIDTH);
	if (!m2d_tool_window(times, &window.from, &window.to))
		return m2d_cmd_usage(&m2d_cmd_ladder,
				     "--time %s: expected two times in seconds, as 9.5,9.75",
				     times);
	if (!parse_lines(&window))
		return m2d_cmd_usage(&m2d_cmd_ladder,
				     "--lines %s: expected two numbers from 1, as 100,140", lines);
	window.all = all_events;
	capture = is_capture(argv[1]);
	if (m2d_interrupted())
		return m2d_cmd_interrupted(&m2d_cmd_ladder);
	if (capture && variant_name != NULL)
		return m2d_cmd_usage(&m2d_cmd_ladder,
				     "--variant %s: expected a scenario, not a capture",
				     variant_name);
	status = capture ? print_capture(argv[1], &window) : print_ladder(argv[1]);
	finish = m2d_cmd_finish_stdout(&m2d_cmd_ladder);
	return status != 0 ? status : finish;
}

const M2dCommand m2d_cmd_ladder = {"ladder", run,
				   "print a scenario or a window of a capture as a table", entries};
