/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d run SCENARIO...`: run scenarios and compare with what they expect. */
#include "tools/cmd.h"

#include "sim/base/error.h"
#include "sim/base/near.h"
#include "sim/base/outfile.h"
#include "sim/report/run.h"
#include "sim/scenario/schedule.h"

#include <stdio.h>
#include <string.h>

static struct {
	char *variant, *kvm, *schedule, *save;
	char **without;
	gboolean explain, cost, json, quiet;
} o;

static const GOptionEntry entries[] = {
	{"variant", 0, 0, G_OPTION_ARG_STRING, &o.variant, "Run this variant only", "NAME"},
	{"kvm", 0, 0, G_OPTION_ARG_STRING, &o.kvm,
	 "Kernel profile in place of the variant's (its kvm.KNOBs stay)", "VERSION"},
	{"without", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.without,
	 "Leave out one flush, sync, protection or zap (see mmu2d duties)", "DUTY"},
	{"explain", 'x', 0, G_OPTION_ARG_NONE, &o.explain,
	 "Print what each actor did, and the story of each finding", NULL},
	{"cost", 0, 0, G_OPTION_ARG_NONE, &o.cost,
	 "Print cycles, faults and refills of the variants side by side", NULL},
	{"schedule", 0, 0, G_OPTION_ARG_FILENAME, &o.schedule,
	 "Run the choices in FILE instead of the order as written", "FILE"},
	{"save-schedule", 0, 0, G_OPTION_ARG_FILENAME, &o.save, "Write the choices that were made",
	 "FILE"},
	{"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "One JSON document", NULL},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "Print only what failed", NULL},
	{NULL}};

typedef struct {
	M2dJson *json;
	const M2dSchedule *schedule; /* or NULL */
	unsigned failed, passed;
} Session;

static bool find_variant(const M2dScenario *s, const char *name, int *variant, GError **error)
{
	const char *near = NULL;

	*variant = m2d_scenario_find_variant(s, name);
	if (*variant >= 0)
		return true;
	for (unsigned i = 0; i < s->n_variants; i++)
		near = m2d_near_better(name, near, s->variants[i].name);
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "%s: no variant '%s', expected a [variant NAME]%s%s%s", s->path, name,
		    near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		    near != NULL ? "'?" : "");
	return false;
}

static bool save(const M2dScnRun *run, GError **error)
{
	gsize len;
	g_autofree char *text = m2d_scenario_read(run->scenario->path, &len, error);
	g_autofree char *out = NULL;
	M2dScnConfig config;
	M2dOutFile *file;

	if (text == NULL)
		return false;
	m2d_scn_config(run->scenario, run->variant, &config);
	out = m2d_schedule_text(run, (unsigned)config.vcpus, text, len);
	m2d_scn_config_clear(&config);
	file = m2d_out_file_new(o.save, error);
	if (file == NULL)
		return false;
	if (!m2d_out_file_write(file, out, strlen(out), error)) {
		m2d_out_file_abort(file);
		return false;
	}
	return m2d_out_file_commit(file, error);
}

static void print_run(const M2dScnRun *run)
{
	g_autofree char *verdict = m2d_run_verdict_text(run);

	if (o.quiet && run->pass && !o.explain)
		return;
	printf("  %s\n", verdict);
	if (o.explain) {
		g_autoptr(M2dLadder) ladder = m2d_run_ladder(run);
		g_autofree char *text = m2d_ladder_text(ladder, 150);

		printf("\n%s\n", text);
	}
	if (o.explain || !run->pass) {
		g_autofree char *stories = m2d_run_stories_text(run);

		fputs(stories, stdout);
	}
}

/* The end state of a run that followed a schedule file. */
static bool check_state(Session *session, const M2dScnRun *run)
{
	const M2dSchedule *s = session->schedule;

	if (s == NULL || !s->has_state || s->state == run->hash)
		return true;
	fprintf(stderr,
		"mmu2d run: %s: ends in state %016" G_GINT64_MODIFIER
		"x, the schedule says %016" G_GINT64_MODIFIER "x\n",
		run->scenario->path, run->hash, s->state);
	session->failed++;
	return false;
}

static bool run_one(Session *session, const M2dScenario *s, int variant, GPtrArray *runs,
		    GError **error)
{
	M2dScnOptions options = {.kvm = o.kvm,
				 .without = (const char *const *)o.without,
				 .timing = o.cost ? M2D_TIMING_BLOCKING : M2D_TIMING_FUNCTIONAL};
	M2dScnRun *run =
		m2d_scn_run(s, variant, &options,
			    session->schedule != NULL ? session->schedule->choices : NULL, error);

	if (run == NULL)
		return false;
	g_ptr_array_add(runs, run);
	if (run->pass)
		session->passed++;
	else
		session->failed++;
	if (session->json != NULL)
		m2d_run_json(session->json, run, o.cost);
	else
		print_run(run);
	check_state(session, run);
	return o.save == NULL || save(run, error);
}

static void free_run(gpointer run)
{
	m2d_scn_run_free(run);
}

static bool run_file(Session *session, const char *path, GError **error)
{
	g_autoptr(M2dScenario) s = m2d_scenario_load(path, &m2d_scenario_models, error);
	g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func(free_run);
	const char *only = session->schedule != NULL ? session->schedule->variant : o.variant;
	int first = -1, last = -1;

	if (s == NULL)
		return false;
	if (only != NULL) {
		if (!find_variant(s, only, &first, error))
			return false;
		last = first;
	} else if (s->n_variants != 0) {
		first = 0;
		last = (int)s->n_variants - 1;
	}
	if (session->json == NULL && !o.quiet)
		printf("%s: %s\n", s->path, s->title != NULL ? s->title : "");
	for (int v = first; v <= last; v++)
		if (m2d_interrupted() || !run_one(session, s, v, runs, error))
			return false;
	if (o.cost && session->json == NULL) {
		g_autofree char *text =
			m2d_run_cost_text((const M2dScnRun *const *)runs->pdata, runs->len);

		printf("\n%s\n", text);
	}
	return true;
}

static int run_all(int n, char **paths, const M2dSchedule *schedule)
{
	Session session = {.schedule = schedule};
	GError *error = NULL;
	int finish;

	if (o.json) {
		session.json = m2d_json_new();
		m2d_json_array_begin(session.json, NULL);
	}
	for (int i = 0; i < n; i++) {
		if (run_file(&session, paths[i], &error))
			continue;
		if (error == NULL)
			g_set_error(&error, M2D_ERROR, M2D_ERROR_TRANSIENT, "interrupted");
		return m2d_cmd_fail(&m2d_cmd_run, error);
	}
	if (o.json) {
		g_autofree char *text = NULL;

		m2d_json_array_end(session.json);
		text = m2d_json_finish(session.json);
		fputs(text, stdout);
	} else if (session.passed + session.failed > 1 && (!o.quiet || session.failed != 0)) {
		printf("%u passed, %u failed\n", session.passed, session.failed);
	}
	finish = m2d_cmd_finish_stdout(&m2d_cmd_run);
	return finish != 0 ? finish : session.failed != 0;
}

static int run(int argc, char **argv)
{
	g_autoptr(M2dSchedule) schedule = NULL;
	char *from_schedule[1];
	GError *error = NULL;
	int status;

	if (!m2d_cmd_parse(
		    &m2d_cmd_run, "SCENARIO... [OPTION...]",
		    "Runs each variant of the scenarios and compares what the checker found, "
		    "results\nand claims with what the variant expects (mmu2d-scenario(5)).\n\n"
		    "Example:\n  mmu2d run scenarios/regressions/2021-pv-flush-before-sync.scn "
		    "--explain",
		    &argc, &argv, &status))
		return status;
	if (o.schedule != NULL) {
		schedule = m2d_schedule_load(o.schedule, &error);
		if (schedule == NULL)
			return m2d_cmd_fail(&m2d_cmd_run, error);
		if (argc > 2 || (argc == 1 && schedule->path == NULL))
			return m2d_cmd_usage(&m2d_cmd_run, "--schedule: expected one scenario");
		if (argc == 1) {
			from_schedule[0] = schedule->path;
			return run_all(1, from_schedule, schedule);
		}
	}
	if (argc < 2)
		return m2d_cmd_usage(&m2d_cmd_run, "expected a scenario");
	if (o.save != NULL && (argc != 2 || (o.variant == NULL && schedule == NULL)))
		return m2d_cmd_usage(&m2d_cmd_run,
				     "--save-schedule: expected one scenario and --variant");
	return run_all(argc - 1, argv + 1, schedule);
}

const M2dCommand m2d_cmd_run = {"run", run, "run scenarios against what they expect", entries};
