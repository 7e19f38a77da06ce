/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d timeline CAPTURE|SCENARIO -o FILE.json`: spans and arrows, for Perfetto. */
#include "tools/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/report/timeline.h"
#include "sim/report/timeline-run.h"
#include "sim/scenario/schedule.h"
#include "tools/import-capture.h"

static char *output, *window, *variant_name, *kvm, *schedule_name;
static gboolean quiet;

static const GOptionEntry entries[] = {
	{"kvm", 0, 0, G_OPTION_ARG_STRING, &kvm,
	 "Of a scenario: kernel profile in place of the variant's", "VERSION"},
	{"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "JSON to write; - is stdout", "FILE"},
	{"schedule", 0, 0, G_OPTION_ARG_FILENAME, &schedule_name,
	 "Of a scenario: the choices in FILE instead of the order as written", "FILE"},
	{"time", 't', 0, G_OPTION_ARG_STRING, &window, "Of a capture: only this time, in seconds",
	 "A,B"},
	{"variant", 0, 0, G_OPTION_ARG_STRING, &variant_name, "Of a scenario: this variant",
	 "NAME"},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "No progress and no counts", NULL},
	{NULL}};

static void add(const M2dCapture *capture, const M2dCapEvent *event, void *data)
{
	m2d_timeline_add(data, capture, event);
}

static void print_counts(uint64_t spans, uint64_t arrows)
{
	if (!quiet && g_strcmp0(output, "-") != 0)
		printf("%s: %" PRIu64 " spans, %" PRIu64
		       " arrows; open it at https://ui.perfetto.dev\n",
		       output, spans, arrows);
}

static int draw_capture(const char *path, uint64_t from, uint64_t to)
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
	if (!m2d_tool_read_capture(&read, capture, add, timeline, &error) ||
	    !m2d_timeline_finish(timeline, capture, &spans, &arrows, &error)) {
		m2d_out_file_abort(out);
		return m2d_cmd_fail(&m2d_cmd_timeline, error);
	}
	if (!m2d_out_file_commit(out, &error))
		return m2d_cmd_fail(&m2d_cmd_timeline, error);
	print_counts(spans, arrows);
	status = m2d_tool_capture_status(&m2d_cmd_timeline, capture);
	return status != 0 ? status : m2d_cmd_finish_stdout(&m2d_cmd_timeline);
}

/* --- scenarios -------------------------------------------------------------------------------- */

static int bad_variant(const M2dScenario *s, GError **error)
{
	GString *names = g_string_new(NULL);

	for (unsigned i = 0; i < s->n_variants; i++)
		g_string_append_printf(names, "%s%s", i != 0 ? ", " : "", s->variants[i].name);
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: %s%s%s, expected --variant, one of: %s",
		    s->path, variant_name != NULL ? "no variant '" : "has several variants",
		    variant_name != NULL ? variant_name : "", variant_name != NULL ? "'" : "",
		    names->len != 0 ? names->str : "none");
	g_string_free(names, TRUE);
	return -2;
}

/* The variant to draw, -1 for that of a scenario that names none, -2 with @error. */
static int choose_variant(const M2dScenario *s, const M2dSchedule *schedule, GError **error)
{
	int variant;

	if (schedule != NULL)
		variant_name = schedule->variant;
	if (variant_name == NULL)
		return s->n_variants == 0 ? -1 : s->n_variants == 1 ? 0 : bad_variant(s, error);
	variant = m2d_scenario_find_variant(s, variant_name);
	return variant >= 0 ? variant : bad_variant(s, error);
}

static M2dScnRun *run_it(const M2dScenario *s, const M2dSchedule *schedule, GError **error)
{
	M2dScnOptions options = {.kvm = kvm, .timing = M2D_TIMING_FUNCTIONAL};
	int variant = choose_variant(s, schedule, error);

	if (variant == -2)
		return NULL;
	if (schedule != NULL) {
		if (!m2d_schedule_actors_fit(schedule, m2d_scn_vcpus(s, variant), error))
			return NULL;
		options.kvm = schedule->kvm;
		options.without = (const char *const *)schedule->without->pdata;
	}
	return m2d_scn_run(s, variant, &options, schedule != NULL ? schedule->choices : NULL,
			   error);
}

static int draw_scenario(const char *path, const M2dSchedule *schedule)
{
	g_autofree char *text = NULL;
	g_autoptr(M2dScenario) s = NULL;
	g_autoptr(M2dScnRun) r = NULL;
	M2dOutFile *out = NULL;
	uint64_t spans, arrows;
	GError *error = NULL;
	gsize len;

	text = m2d_scenario_read(path, &len, &error);
	if (text != NULL)
		s = m2d_scenario_parse(path, text, len, &m2d_scenario_models, &error);
	if (s != NULL &&
	    (schedule == NULL || m2d_schedule_is_of(schedule, path, text, len, &error)))
		r = run_it(s, schedule, &error);
	if (r != NULL)
		out = m2d_out_file_new(output, &error);
	if (out == NULL)
		return m2d_cmd_fail(&m2d_cmd_timeline, error);
	if (!m2d_timeline_run(out, r, &spans, &arrows, &error)) {
		m2d_out_file_abort(out);
		return m2d_cmd_fail(&m2d_cmd_timeline, error);
	}
	if (!m2d_out_file_commit(out, &error))
		return m2d_cmd_fail(&m2d_cmd_timeline, error);
	print_counts(spans, arrows);
	return m2d_cmd_finish_stdout(&m2d_cmd_timeline);
}

static int draw_schedule(const char *path)
{
	GError *error = NULL;
	g_autoptr(M2dSchedule) schedule = m2d_schedule_load(schedule_name, &error);

	if (schedule == NULL)
		return m2d_cmd_fail(&m2d_cmd_timeline, error);
	return draw_scenario(path != NULL ? path : schedule->path, schedule);
}

/* Whether @path is to be read as a scenario: it begins like one, or an option is of scenarios. */
static bool is_scenario(const char *path)
{
	char head[16] = "";
	FILE *f = strcmp(path, "-") == 0 ? NULL : fopen(path, "re");

	if (f != NULL) {
		size_t n = fread(head, 1, sizeof(head) - 1, f);

		head[n] = 0;
		fclose(f);
	}
	return variant_name != NULL || kvm != NULL || g_str_has_prefix(head, "mmu2d-scenario") ||
	       g_str_has_suffix(path, ".scn");
}

static int run(int argc, char **argv)
{
	uint64_t from, to;
	bool scenario;
	int status;

	if (!m2d_cmd_parse(
		    &m2d_cmd_timeline, "CAPTURE|SCENARIO -o FILE.json [OPTION...]",
		    "Writes Chrome Trace Event JSON. Of a capture of KVM's events: spans in the "
		    "guest,\n"
		    "in exits, faults, zaps and flushes, a track a vCPU and task, and arrows from\n"
		    "remote flushes to the vCPUs that flush. Of a run of a scenario: its steps, "
		    "and "
		    "the\n"
		    "same for each layer, in the order in which they happen.\n\n"
		    "  mmu2d timeline trace.dat -o trace.json",
		    &argc, &argv, &status))
		return status;
	if (argc > 2 || (argc == 1 && schedule_name == NULL))
		return m2d_cmd_usage(&m2d_cmd_timeline, "%s",
				     argc < 2 ? "expected the capture or scenario to draw"
					      : "one file expected at a time");
	if (output == NULL)
		return m2d_cmd_usage(&m2d_cmd_timeline, "expected -o and the file to write");
	if (!m2d_tool_window(window, &from, &to))
		return m2d_cmd_usage(&m2d_cmd_timeline,
				     "--time %s: expected two times in seconds, as 9.5,9.75",
				     window);
	scenario = schedule_name != NULL || is_scenario(argv[1]);
	if (scenario && window != NULL)
		return m2d_cmd_usage(&m2d_cmd_timeline,
				     "--time %s: expected a capture, not a scenario", window);
	if (schedule_name != NULL && (variant_name != NULL || kvm != NULL))
		return m2d_cmd_usage(&m2d_cmd_timeline,
				     "--schedule: says itself which variant and kernel, --%s not "
				     "expected",
				     variant_name != NULL ? "variant" : "kvm");
	if (schedule_name != NULL)
		return draw_schedule(argc == 2 ? argv[1] : NULL);
	return scenario ? draw_scenario(argv[1], NULL) : draw_capture(argv[1], from, to);
}

const M2dCommand m2d_cmd_timeline = {"timeline", run, "draw a capture or a scenario for Perfetto",
				     entries};
