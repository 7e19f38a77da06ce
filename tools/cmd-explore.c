/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d explore SCENARIO`: every schedule, and the shortest that breaks an invariant. */
#include "tools/cmd.h"

#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/base/near.h"
#include "sim/explore/worlds.h"
#include "sim/report/run.h"
#include "sim/scenario/schedule.h"

#include <stdio.h>
#include <string.h>

static struct {
	char *variant, *kvm, *engine, *save;
	char **without;
	gint preemptions;
	gint64 max_states, max_bytes, runs, seed;
	gdouble max_seconds;
	gboolean json, quiet, wide, explain;
} o;

static const GOptionEntry entries[] = {
	{"variant", 0, 0, G_OPTION_ARG_STRING, &o.variant, "Explore this variant only", "NAME"},
	{"kvm", 0, 0, G_OPTION_ARG_STRING, &o.kvm, "Kernel profile in place of the variant's",
	 "VERSION"},
	{"without", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.without, "Leave out one duty", "DUTY"},
	{"engine", 'e', 0, G_OPTION_ARG_STRING, &o.engine,
	 "exhaust, then shortest for the report (the default); shortest; dpor; random", "NAME"},
	{"preemptions", 'p', 0, G_OPTION_ARG_INT, &o.preemptions,
	 "Only schedules with at most N preemptions", "N"},
	{"states", 0, 0, G_OPTION_ARG_INT64, &o.max_states, "Stop after N states (50 million)",
	 "N"},
	{"memory", 0, 0, G_OPTION_ARG_INT64, &o.max_bytes, "Stop at N MiB of tables (1024)", "N"},
	{"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &o.max_seconds, "Stop after N seconds a variant",
	 "N"},
	{"runs", 0, 0, G_OPTION_ARG_INT64, &o.runs, "random: number of schedules (10000)", "N"},
	{"seed", 0, 0, G_OPTION_ARG_INT64, &o.seed, "random: seed (1)", "N"},
	{"wide", 0, 0, G_OPTION_ARG_NONE, &o.wide, "128-bit fingerprints of states", NULL},
	{"explain", 'x', 0, G_OPTION_ARG_NONE, &o.explain,
	 "Print what each actor does in the schedule found", NULL},
	{"save-schedule", 0, 0, G_OPTION_ARG_FILENAME, &o.save,
	 "Write the schedule found, for mmu2d run --schedule", "FILE"},
	{"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "One JSON document", NULL},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "No progress", NULL},
	{NULL}};

/* What exploring one variant gave. */
typedef struct {
	const M2dScenario *s;
	int variant;
	M2dExWorld *world;
	M2dExResult *all;      /* of the engine asked for */
	M2dExResult *shortest; /* of the search for the report, or NULL */
	M2dScnRun *run;        /* of the schedule reported, or NULL */
	bool pass;
	char *why;
} Explored;

static void explored_clear(Explored *e)
{
	m2d_ex_result_free(e->all);
	m2d_ex_result_free(e->shortest);
	m2d_scn_run_free(e->run);
	m2d_ex_world_free(e->world);
	g_free(e->why);
}

static bool on_progress(uint64_t states, uint64_t transitions, void *data)
{
	if (data != NULL)
		m2d_progress_update(data, states);
	return !m2d_interrupted();
}

static int engine_of(const char *name)
{
	static const char *const names[] = {"exhaust", "shortest", "dpor", "random"};

	for (int i = 0; i < 4; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

static void make_options(M2dExOptions *x, void *progress)
{
	m2d_ex_options_init(x);
	x->engine = o.engine != NULL ? (M2dExEngine)engine_of(o.engine) : M2D_EX_EXHAUST;
	x->preemptions = o.preemptions;
	x->wide = o.wide;
	x->max_states = (uint64_t)o.max_states;
	x->max_bytes = (uint64_t)o.max_bytes << 20;
	x->max_seconds = o.max_seconds;
	x->runs = (uint64_t)o.runs;
	x->seed = (uint64_t)o.seed;
	x->progress = on_progress;
	x->progress_data = progress;
}

static const M2dScnVariant *variant_of(const Explored *e)
{
	return e->variant >= 0 ? &e->s->variants[e->variant] : NULL;
}

static const M2dExResult *best(const Explored *e)
{
	return e->shortest != NULL && e->shortest->schedule != NULL ? e->shortest : e->all;
}

static bool expects(const M2dScnVariant *v, const char *name)
{
	for (unsigned i = 0; v != NULL && i < v->n_expect; i++)
		if (strcmp(v->expect[i].text, name) == 0)
			return true;
	return false;
}

/* A variant that expects a violation passes if one of those is found; a clean one if none is. */
static void judge(Explored *e)
{
	const M2dScnVariant *v = variant_of(e);
	const M2dExResult *r = best(e);
	bool clean = v == NULL || v->n_expect == 0;

	if (r->schedule != NULL) {
		const char *name = m2d_ex_world_violation_name(r->violation);

		if (!expects(v, name))
			e->why = g_strdup_printf("%s is violated", name);
	} else if (!clean) {
		e->why = g_strdup_printf("%s is not violated", v->expect[0].text);
	}
	e->pass = e->why == NULL;
}

/* The schedule once more with the whole checker, for its story. */
static bool tell(Explored *e, const M2dScnOptions *options, GError **error)
{
	g_autoptr(GArray) choices = NULL;

	if (best(e)->schedule == NULL)
		return true;
	choices = m2d_ex_world_choices(best(e)->schedule);
	e->run = m2d_scn_run(e->s, e->variant, options, choices, error);
	return e->run != NULL;
}

static bool explore(Explored *e, GError **error)
{
	M2dScnOptions options = {.kvm = o.kvm, .without = (const char *const *)o.without};
	void *progress = m2d_progress_new("explore", "states", 0, o.quiet);
	M2dExOptions x;

	e->world = m2d_ex_world_new(e->s, e->variant, &options, error);
	if (e->world == NULL) {
		m2d_progress_free(progress);
		return false;
	}
	make_options(&x, progress);
	e->all = m2d_explore(m2d_ex_world_model(e->world), &x);
	if (o.engine == NULL && e->all->schedule != NULL) {
		/* The report wants the shortest; what was found bounds the search. */
		g_autoptr(M2dExWorld) again = m2d_ex_world_new(e->s, e->variant, &options, error);

		x.engine = M2D_EX_SHORTEST;
		x.preemptions = (int)e->all->preemptions;
		if (again != NULL)
			e->shortest = m2d_explore(m2d_ex_world_model(again), &x);
	}
	m2d_progress_free(progress);
	if (e->all->end == M2D_EX_INTERRUPTED) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT,
			    "%s: interrupted after %" G_GUINT64_FORMAT " states", e->s->path,
			    e->all->states);
		return false;
	}
	judge(e);
	return tell(e, &options, error);
}

static bool complete(const Explored *e)
{
	return e->all->end == M2D_EX_COMPLETE;
}

static void print_text(const Explored *e)
{
	const M2dExResult *r = best(e);
	const M2dScnVariant *v = variant_of(e);

	printf("  %-4s  %-28s kvm %-8s ", e->pass ? "pass" : "FAIL", v != NULL ? v->name : "",
	       m2d_ex_world_kvm(e->world));
	if (r->schedule != NULL)
		printf("%s after %u steps, %u preemption%s",
		       m2d_ex_world_violation_name(r->violation), r->schedule->len, r->preemptions,
		       r->preemptions == 1 ? "" : "s");
	else
		printf("no violation, %s", m2d_ex_end_text(e->all->end));
	printf("; %" G_GUINT64_FORMAT " states, %" G_GUINT64_FORMAT " transitions, %.2f s%s%s\n",
	       e->all->states, e->all->transitions,
	       e->all->seconds + (e->shortest != NULL ? e->shortest->seconds : 0),
	       e->why != NULL ? "; " : "", e->why != NULL ? e->why : "");
	if (e->run == NULL || (!o.explain && e->pass))
		return;
	if (o.explain) {
		g_autoptr(M2dLadder) ladder = m2d_run_ladder(e->run);
		g_autofree char *text = m2d_ladder_text(ladder, 150);

		printf("\n%s\n", text);
	}
	{
		g_autofree char *stories = m2d_run_stories_text(e->run);

		fputs(stories, stdout);
	}
}

static void print_json(M2dJson *j, const Explored *e)
{
	const M2dExResult *r = best(e);
	const M2dScnVariant *v = variant_of(e);

	m2d_json_object_begin(j, NULL);
	m2d_json_string(j, "scenario", e->s->path);
	m2d_json_string(j, "variant", v != NULL ? v->name : "");
	m2d_json_string(j, "kvm", m2d_ex_world_kvm(e->world));
	m2d_json_string(j, "verdict", e->pass ? "pass" : "fail");
	m2d_json_array_begin(j, "expected");
	for (unsigned i = 0; v != NULL && i < v->n_expect; i++)
		m2d_json_string(j, NULL, v->expect[i].text);
	m2d_json_array_end(j);
	m2d_json_bool(j, "complete", complete(e));
	m2d_json_string(j, "end", m2d_ex_end_text(e->all->end));
	m2d_json_uint(j, "states", e->all->states);
	m2d_json_uint(j, "transitions", e->all->transitions);
	m2d_json_uint(j, "terminals", e->all->terminals);
	m2d_json_uint(j, "depth", e->all->depth);
	m2d_json_uint(j, "bytes", e->all->bytes);
	m2d_json_double(j, "seconds",
			e->all->seconds + (e->shortest != NULL ? e->shortest->seconds : 0));
	m2d_json_double(j, "collision", e->all->collision);
	m2d_json_array_begin(j, "violations");
	if (r->schedule != NULL) {
		m2d_json_object_begin(j, NULL);
		m2d_json_string(j, "invariant", m2d_ex_world_violation_name(r->violation));
		m2d_json_uint(j, "preemptions", r->preemptions);
		m2d_json_uint(j, "steps", r->schedule->len);
		m2d_json_string(j, "story",
				e->run != NULL && e->run->findings->len != 0
					? g_array_index(e->run->findings, M2dScnFinding, 0).story
					: NULL);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
	m2d_json_array_begin(j, "schedule");
	for (guint i = 0; r->schedule != NULL && i < r->schedule->len; i++)
		m2d_json_uint(j, NULL, g_array_index(r->schedule, M2dExStep, i).actor);
	m2d_json_array_end(j);
	m2d_json_object_begin(j, "premises");
	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++) {
		uint64_t n = m2d_ex_world_premises(e->world, (M2dInvariantId)i);

		if (n != 0)
			m2d_json_uint(j, m2d_invariant((M2dInvariantId)i)->name, n);
	}
	m2d_json_object_end(j);
	m2d_json_object_end(j);
}

static bool save(const Explored *e, GError **error)
{
	gsize len;
	g_autofree char *text = NULL;
	M2dScnConfig config;
	unsigned n_vcpus;

	if (o.save == NULL || e->run == NULL)
		return true;
	text = m2d_scenario_read(e->s->path, &len, error);
	if (text == NULL)
		return false;
	m2d_scn_config(e->s, e->variant, &config);
	n_vcpus = (unsigned)config.vcpus;
	m2d_scn_config_clear(&config);
	return m2d_schedule_save(o.save, e->run, (const char *const *)o.without, n_vcpus, text, len,
				 error);
}

static bool find_variant(const M2dScenario *s, int *variant, GError **error)
{
	const char *near = NULL;

	*variant = m2d_scenario_find_variant(s, o.variant);
	if (*variant >= 0)
		return true;
	for (unsigned i = 0; i < s->n_variants; i++)
		near = m2d_near_better(o.variant, near, s->variants[i].name);
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "%s: no variant '%s', expected a [variant NAME]%s%s%s", s->path, o.variant,
		    near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		    near != NULL ? "'?" : "");
	return false;
}

/* Exit status so far: 1 a failed verdict, 3 a bound was reached. */
static bool explore_file(const char *path, M2dJson *json, int *status, GError **error)
{
	g_autoptr(M2dScenario) s = m2d_scenario_load(path, &m2d_scenario_models, error);
	int first = -1, last = -1;

	if (s == NULL)
		return false;
	if (o.variant != NULL) {
		if (!find_variant(s, &first, error))
			return false;
		last = first;
	} else if (s->n_variants != 0) {
		first = 0;
		last = (int)s->n_variants - 1;
	}
	if (json == NULL)
		printf("%s: %s\n", s->path, s->title != NULL ? s->title : "");
	for (int v = first; v <= last; v++) {
		Explored e = {.s = s, .variant = v};
		bool ok = explore(&e, error);

		if (ok && json != NULL)
			print_json(json, &e);
		else if (ok)
			print_text(&e);
		ok = ok && save(&e, error);
		if (ok && !e.pass)
			*status = 1;
		else if (ok && *status == 0 && e.all->end >= M2D_EX_BOUND_STATES &&
			 o.engine == NULL)
			*status = 3;
		explored_clear(&e);
		if (!ok)
			return false;
	}
	return true;
}

static int explore_all(int n, char **paths)
{
	M2dJson *json = o.json ? m2d_json_new() : NULL;
	GError *error = NULL;
	int status = 0, finish;

	if (json != NULL)
		m2d_json_array_begin(json, NULL);
	for (int i = 0; i < n; i++)
		if (!explore_file(paths[i], json, &status, &error))
			return m2d_cmd_fail(&m2d_cmd_explore, error);
	if (json != NULL) {
		m2d_json_array_end(json);
		m2d_cmd_print_json(json);
	}
	finish = m2d_cmd_finish_stdout(&m2d_cmd_explore);
	return finish != 0 ? finish : status;
}

static int run(int argc, char **argv)
{
	int status;

	o.preemptions = -1;
	o.max_states = 50000000;
	o.max_bytes = 1024;
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
	if (o.max_states < 0 || o.max_bytes < 1 || o.max_seconds < 0 || o.runs < 1 ||
	    o.preemptions < -1)
		return m2d_cmd_usage(&m2d_cmd_explore, "bounds are positive numbers");
	if (o.save != NULL && (argc != 2 || o.variant == NULL))
		return m2d_cmd_usage(&m2d_cmd_explore,
				     "--save-schedule: expected one scenario and --variant");
	return explore_all(argc - 1, argv + 1);
}

const M2dCommand m2d_cmd_explore = {"explore", run, "try every schedule of scenarios", entries};
