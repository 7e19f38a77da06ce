/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d explore SCENARIO`: every schedule, and the shortest that breaks an invariant. */
#include "tools/explore.h"
#include "tools/observe.h"

#include "sim/base/json.h"
#include "sim/report/explore.h"
#include "sim/report/run.h"
#include "sim/scenario/schedule.h"

#include <math.h>
#include <stdio.h>

#define NOT_GIVEN G_MININT

static struct {
	char *variant, *kvm, *engine, *save, *drop;
	char **without;
	gint preemptions, hw;
	gint64 max_states, max_bytes, runs, seed;
	gdouble max_seconds;
	gint width;
	gboolean json, quiet, wide, explain, claims, coverage, reduce, require_coverage;
} o;

static const GOptionEntry entries[] = {
	{"variant", 0, 0, G_OPTION_ARG_STRING, &o.variant, "Explore this variant only", "NAME"},
	{"kvm", 0, 0, G_OPTION_ARG_STRING, &o.kvm, "Kernel profile in place of the variant's",
	 "VERSION"},
	{"without", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.without, "Leave out one duty", "DUTY"},
	{"engine", 'e', 0, G_OPTION_ARG_STRING, &o.engine,
	 "exhaust, then shortest for the report (the default); shortest; dpor; random", "NAME"},
	{"preemptions", 'p', 0, G_OPTION_ARG_INT, &o.preemptions,
	 "Only schedules with at most N preemptions; -1: any", "N"},
	{"hw", 0, 0, G_OPTION_ARG_INT, &o.hw,
	 "Let each processor do N things of itself: walk, forget; -1: as [orders] says", "N"},
	{"reduce", 0, 0, G_OPTION_ARG_NONE, &o.reduce,
	 "exhaust, dpor: leave out orders that footprints tell to be equal", NULL},
	{"states", 0, 0, G_OPTION_ARG_INT64, &o.max_states, "Stop after N states (50 million)",
	 "N"},
	{"memory", 0, 0, G_OPTION_ARG_INT64, &o.max_bytes, "Stop at N MiB of tables (1024)", "N"},
	{"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &o.max_seconds, "Stop after N seconds a variant",
	 "N"},
	{"runs", 0, 0, G_OPTION_ARG_INT64, &o.runs, "random: number of schedules (10000)", "N"},
	{"seed", 0, 0, G_OPTION_ARG_INT64, &o.seed, "random: seed (1)", "N"},
	{"wide", 0, 0, G_OPTION_ARG_NONE, &o.wide, "128-bit fingerprints of states", NULL},
	{"drop", 0, 0, G_OPTION_ARG_STRING, &o.drop,
	 "Tell what a step or duty is needed for by leaving it out; all: one after the other",
	 "LABEL|DUTY|all"},
	{"claims", 0, 0, G_OPTION_ARG_NONE, &o.claims,
	 "Look at claims also where [orders] does not say explore", NULL},
	{"coverage", 0, 0, G_OPTION_ARG_NONE, &o.coverage,
	 "Print how often steps ended, invariants were at stake and points were passed", NULL},
	{"require-coverage", 0, 0, G_OPTION_ARG_NONE, &o.require_coverage,
	 "Fail if what the scenario is about never happened (see the manual)", NULL},
	{"explain", 'x', 0, G_OPTION_ARG_NONE, &o.explain,
	 "Print what each actor does in the schedule found", NULL},
	{"width", 'w', 0, G_OPTION_ARG_INT, &o.width, "Columns that a line may have (150)", "N"},
	{"save-schedule", 0, 0, G_OPTION_ARG_FILENAME, &o.save,
	 "Write the schedule found, for mmu2d run --schedule", "FILE"},
	{"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "One JSON document", NULL},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "No progress", NULL},
	{NULL}};

static bool on_progress(uint64_t states, uint64_t transitions, void *data)
{
	if (data != NULL)
		m2d_progress_update(data, states);
	return !m2d_interrupted();
}

static int engine_of(const char *name)
{
	static const char *const names[] = {"exhaust", "shortest", "dpor", "random", NULL};

	return m2d_cmd_choice(name, names);
}

/* Bounds as asked for; that of the scenario holds where the user names none. */
static void make_options(M2dExVariantOptions *how, const M2dScenario *s, void *progress)
{
	const M2dScnOrder *order = m2d_ex_explore_order(s);
	M2dExOptions *x = &how->search;

	*how = (M2dExVariantOptions){
		.shortest = o.engine == NULL, .shrink = true, .repair = true, .story = true};
	m2d_ex_options_init(x);
	x->engine = o.engine != NULL ? (M2dExEngine)engine_of(o.engine) : M2D_EX_EXHAUST;
	x->preemptions = MAX(o.preemptions, -1);
	if (o.preemptions == NOT_GIVEN && order != NULL && order->bounded) {
		x->preemptions = (int)order->preempt;
		how->stated = true;
	}
	x->wide = o.wide;
	x->max_states = (uint64_t)o.max_states;
	x->max_bytes = (uint64_t)o.max_bytes << 20;
	x->max_seconds = o.max_seconds;
	x->runs = (uint64_t)o.runs;
	x->seed = (uint64_t)o.seed;
	x->progress = on_progress;
	x->progress_data = progress;
}

static void print_text(const M2dExVariant *v)
{
	g_autofree char *verdict = m2d_explore_verdict(v);

	printf("  %s\n", verdict);
	if (o.coverage) {
		g_autofree char *counts = m2d_explore_coverage(v);

		fputs(counts, stdout);
	}
	if (v->run == NULL || (!o.explain && v->pass && o.variant == NULL))
		return;
	{
		g_autofree char *table = m2d_explore_table(v, (unsigned)o.width);
		g_autofree char *stories = m2d_run_stories_text(v->run);

		printf("\n%s\n", table);
		if (o.explain) {
			g_autoptr(M2dLadder) ladder = m2d_run_ladder(v->run);
			g_autofree char *text = m2d_ladder_text(ladder, (unsigned)o.width);

			printf("%s\n", text);
		}
		fputs(stories, stdout);
	}
}

/* Which files a reader has to be told of what was not covered. */
static bool print_uncovered(const M2dExVariant *v)
{
	g_autofree char *text = m2d_explore_uncovered(v);

	/* A search that stopped has not gone everywhere. */
	if (!o.require_coverage || !v->complete || text == NULL)
		return true;
	if (!o.json)
		fputs(text, stdout);
	return false;
}

static bool save(const M2dExVariant *v, GError **error)
{
	gsize len;
	g_autofree char *text = NULL;

	if (o.save == NULL || v->run == NULL)
		return true;
	text = m2d_scenario_read(v->scenario->path, &len, error);
	if (text == NULL)
		return false;
	return m2d_schedule_save(o.save, v->run, (const char *const *)o.without,
				 m2d_run_vcpus(v->run), text, len, error);
}

/* With --drop, what can be left out of a variant that is clean. */
static bool drop(const M2dExVariant *v, const M2dScnOptions *options, M2dExVariantOptions *how,
		 M2dJson *json, int *status, GError **error)
{
	if (o.drop == NULL)
		return true;
	if (v->schedule == NULL && v->pass) {
		how->repair = false;
		how->story = o.explain;
		return m2d_explore_drop(v, o.drop, options, how, (unsigned)o.width, json, status,
					error);
	}
	if (json == NULL)
		printf("    nothing is dropped from a variant that is not clean\n");
	return true;
}

static bool explore_variant(const M2dScenario *s, int variant, M2dExPages *pages, M2dJson *json,
			    int *status, GError **error)
{
	M2dScnOptions options = {.kvm = o.kvm,
				 .reduce = o.reduce,
				 .without = (const char *const *)o.without,
				 .claims = o.claims || m2d_ex_explore_order(s) != NULL};
	const M2dScnOrder *order = m2d_ex_explore_order(s);
	void *progress = m2d_progress_new("explore", "states", 0, o.quiet);
	M2dExVariantOptions how;
	g_autoptr(M2dExVariant) v = NULL;
	bool ok;

	options.hw = o.hw >= 0 ? (unsigned)o.hw : order != NULL ? order->hw : 0;
	make_options(&how, s, progress);
	how.observed = m2d_observed();
	how.search.pages = pages;
	v = m2d_ex_variant(s, variant, &options, &how, error);
	if (v == NULL) {
		m2d_progress_free(progress);
		return false;
	}
	if (json != NULL) {
		m2d_json_object_begin(json, NULL);
		m2d_explore_json_fields(json, v);
	} else {
		print_text(v);
	}
	ok = drop(v, &options, &how, json, status, error);
	if (json != NULL)
		m2d_json_object_end(json);
	m2d_progress_free(progress);
	if (!ok)
		return false;
	if (!print_uncovered(v) || (!v->pass && !v->open))
		*status = 1;
	else if (*status == 0 && (v->open || v->all->end >= M2D_EX_BOUND_STATES))
		*status = 3;
	return save(v, error);
}

/* Exit status so far: 1 a failed verdict, 3 a bound was reached. */
static bool explore_file(const char *path, M2dExPages *pages, M2dJson *json, int *status,
			 GError **error)
{
	g_autoptr(M2dScenario) s = m2d_scenario_load(path, &m2d_scenario_models, error);
	int first = -1, last = -1;

	if (s == NULL)
		return false;
	if (o.variant != NULL) {
		if (!m2d_scenario_variant(s, o.variant, &first, error))
			return false;
		last = first;
	} else if (s->n_variants != 0) {
		first = 0;
		last = (int)s->n_variants - 1;
	}
	if (o.drop != NULL) {
		g_autoptr(GArray) what = m2d_ex_drop_find(s, o.drop, error);

		if (what == NULL)
			return false;
	}
	if (json == NULL)
		printf("%s: %s\n", s->path, s->title != NULL ? s->title : "");
	for (int v = first; v <= last; v++)
		if (!explore_variant(s, v, pages, json, status, error))
			return false;
	return true;
}

static int explore_all(int n, char **paths)
{
	g_autoptr(M2dExPages) pages = m2d_ex_pages_new();
	M2dJson *json = o.json ? m2d_json_new() : NULL;
	GError *error = NULL;
	int status = 0, finish;

	if (json != NULL)
		m2d_json_array_begin(json, NULL);
	for (int i = 0; i < n; i++)
		if (!explore_file(paths[i], pages, json, &status, &error)) {
			m2d_json_free(json);
			return m2d_cmd_fail(&m2d_cmd_explore, error);
		}
	if (json != NULL) {
		m2d_json_array_end(json);
		m2d_cmd_print_json(json);
	}
	finish = m2d_cmd_finish_stdout(&m2d_cmd_explore);
	return finish != 0 ? finish : status;
}

/* What is wrong with the numbers given; NULL: nothing. */
static const char *bad_bound(void)
{
	int engine = o.engine != NULL ? engine_of(o.engine) : M2D_EX_EXHAUST;

	if (o.max_states < 1)
		return "--states: expected a number from 1";
	if (o.max_bytes < 1 || o.max_bytes > G_MAXINT64 >> 20)
		return "--memory: expected MiB, a number from 1";
	/* Not a number is not above 0 either. */
	if (!(o.max_seconds > 0))
		return "--seconds: expected a number above 0";
	if (o.runs < 1)
		return "--runs: expected a number from 1";
	if (o.hw < -1 || o.hw > 255)
		return "--hw: expected a number from 0 to 255, or -1 for what [orders] says";
	if (o.preemptions != NOT_GIVEN && o.preemptions < -1)
		return "--preemptions: expected a number from 0, or -1 for any number";
	if (o.preemptions >= 0 && engine != M2D_EX_EXHAUST && engine != M2D_EX_SHORTEST)
		return "--preemptions: expected --engine exhaust or shortest; others know no such "
		       "bound";
	return NULL;
}

static int run(int argc, char **argv)
{
	const char *bad;
	int status;

	o.preemptions = NOT_GIVEN;
	o.hw = -1;
	o.width = 150;
	o.max_states = 50000000;
	o.max_bytes = 1024;
	o.max_seconds = INFINITY;
	o.runs = 10000;
	o.seed = 1;
	if (!m2d_cmd_parse(
		    &m2d_cmd_explore, "SCENARIO... [OPTION...]",
		    "Tries every order of the actors' micro-steps in each variant of the "
		    "scenarios and\nreports the schedule with the fewest preemptions, then the "
		    "fewest steps, that breaks\nan invariant; or that there is none.\n\n"
		    "Example:\n  mmu2d explore scenarios/regressions/"
		    "2021-pv-flush-before-sync.scn --variant before --explain",
		    &argc, &argv, &status))
		return status;
	if (argc < 2)
		return m2d_cmd_usage(&m2d_cmd_explore, "expected a scenario");
	if (o.engine != NULL && engine_of(o.engine) < 0)
		return m2d_cmd_usage(&m2d_cmd_explore,
				     "--engine=%s: expected exhaust, shortest, dpor or random",
				     o.engine);
	bad = bad_bound();
	if (bad != NULL)
		return m2d_cmd_usage(&m2d_cmd_explore, "%s", bad);
	if (o.width < (gint)M2D_LADDER_MIN_WIDTH || o.width > 1000)
		return m2d_cmd_usage(&m2d_cmd_explore, "--width=%d: expected %u to 1000", o.width,
				     M2D_LADDER_MIN_WIDTH);
	if (o.save != NULL && (argc != 2 || o.variant == NULL))
		return m2d_cmd_usage(&m2d_cmd_explore,
				     "--save-schedule: expected one scenario and --variant");
	return explore_all(argc - 1, argv + 1);
}

const M2dCommand m2d_cmd_explore = {"explore", run, "try every schedule of scenarios", entries};
