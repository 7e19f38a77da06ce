/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d run SCENARIO...`: run scenarios and compare with what they expect. */
#include "tools/cmd.h"

#include "sim/base/error.h"
#include "sim/report/run.h"
#include "sim/scenario/schedule.h"
#include "sim/vm/duty.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_WIDTH 150
#define MAX_WIDTH     1000
/* Bounds of a search that [orders] asks for; mmu2d explore has options for more. */
#define MAX_STATES 20000000u
#define MAX_BYTES  (UINT64_C(1) << 30)

static struct {
	char *variant, *kvm, *schedule, *save;
	char **without;
	gint width;
	gboolean explain, cost, json, quiet;
} o = {.width = DEFAULT_WIDTH};

static const GOptionEntry entries[] = {
	{"variant", 0, 0, G_OPTION_ARG_STRING, &o.variant, "Run this variant only", "NAME"},
	{"kvm", 0, 0, G_OPTION_ARG_STRING, &o.kvm,
	 "Kernel profile in place of the variant's (its kvm.KNOBs stay)", "VERSION"},
	{"without", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.without,
	 "Leave out one flush, sync, protection or zap (see mmu2d duties)", "DUTY"},
	{"explain", 'x', 0, G_OPTION_ARG_NONE, &o.explain,
	 "Print what each actor did, and the story of each finding", NULL},
	{"width", 'w', 0, G_OPTION_ARG_INT, &o.width,
	 "Columns that a line of --explain may have (150)", "N"},
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
	/* The file being run, and whether its name has been printed. */
	const M2dScenario *scenario;
	char *text;
	gsize len;
	bool named;
} Session;

/* --- what was asked for ----------------------------------------------------------------------- */

static bool bad_duty(const char *name, GError **error)
{
	const char *near = m2d_duty_near(name);

	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    near != NULL ? "--without: no duty '%s'; did you mean '%s'?"
				 : "--without: no duty '%s', expected one of mmu2d duties",
		    name, near);
	return false;
}

/* Names that do not depend on the scenario, before anything is run. */
static bool check_names(GError **error)
{
	M2dKnobs knobs;

	if (o.kvm != NULL && !m2d_knobs_profile(&knobs, o.kvm, error)) {
		g_prefix_error(error, "--kvm: ");
		return false;
	}
	for (char **n = o.without; n != NULL && *n != NULL; n++)
		if (m2d_duty_find(*n) == M2D_N_DUTIES)
			return bad_duty(*n, error);
	return true;
}

/* --- schedules -------------------------------------------------------------------------------- */

static const char *const *left_out(const Session *session)
{
	return session->schedule != NULL ? (const char *const *)session->schedule->without->pdata
					 : (const char *const *)o.without;
}

static bool save(const Session *session, const M2dScnRun *run, GError **error)
{
	return m2d_schedule_save(o.save, run, left_out(session), m2d_run_vcpus(run), session->text,
				 session->len, error);
}

/* The end state of a run that followed a schedule file. */
static void check_state(Session *session, const M2dScnRun *run)
{
	const M2dSchedule *s = session->schedule;

	if (s == NULL || !s->has_state || s->state == run->hash)
		return;
	fprintf(stderr,
		"mmu2d run: %s: ends in state %016" G_GINT64_MODIFIER
		"x, the schedule says %016" G_GINT64_MODIFIER "x\n",
		run->scenario->path, run->hash, s->state);
	session->failed++;
}

/* --- runs ------------------------------------------------------------------------------------- */

static void print_run(Session *session, const M2dScnRun *run, const M2dExOrders *orders)
{
	const M2dScenario *s = run->scenario;
	g_autofree char *verdict = m2d_run_verdict_text(run);
	g_autofree char *others = m2d_run_orders_text(orders);

	if (o.quiet && run->pass && !o.explain)
		return;
	if (!session->named)
		printf("%s: %s\n", s->path, s->title != NULL ? s->title : "");
	session->named = true;
	printf("  %s\n", verdict);
	if (others != NULL)
		printf("        other orders: %s\n", others);
	if (o.explain) {
		g_autoptr(M2dLadder) ladder = m2d_run_ladder(run);
		g_autofree char *text = m2d_ladder_text(ladder, (unsigned)o.width);

		printf("\n%s\n", text);
	}
	if (o.explain || !run->pass) {
		g_autofree char *stories = m2d_run_stories_text(run);

		fputs(stories, stdout);
	}
}

static bool on_progress(uint64_t states, uint64_t transitions, void *data)
{
	return !m2d_interrupted();
}

/* What [orders] asks for beside the order as written. */
static bool try_orders(Session *session, M2dScnRun *run, const M2dScnOptions *options,
		       M2dExOrders *orders, GError **error)
{
	M2dExVariantOptions how = {.shortest = true, .story = false};

	if (session->schedule != NULL || !m2d_ex_has_orders(run->scenario))
		return true;
	m2d_ex_options_init(&how.search);
	how.search.max_states = MAX_STATES;
	how.search.max_bytes = MAX_BYTES;
	how.search.progress = on_progress;
	return m2d_ex_orders(run, options, &how, orders, error);
}

static bool run_one(Session *session, int variant, GPtrArray *runs, GError **error)
{
	const M2dSchedule *schedule = session->schedule;
	M2dScnOptions options = {.kvm = o.kvm,
				 .without = left_out(session),
				 .timing = o.cost ? M2D_TIMING_BLOCKING : M2D_TIMING_FUNCTIONAL};
	M2dExOrders orders = {0};
	M2dScnRun *run;

	if (schedule != NULL) {
		options.kvm = schedule->kvm;
		if (!m2d_schedule_actors_fit(schedule, m2d_scn_vcpus(session->scenario, variant),
					     error))
			return false;
	}
	run = m2d_scn_run(session->scenario, variant, &options,
			  schedule != NULL ? schedule->choices : NULL, error);
	if (run == NULL) {
		if (schedule != NULL)
			g_prefix_error(error, "%s: ", schedule->file);
		return false;
	}
	g_ptr_array_add(runs, run);
	if (!try_orders(session, run, &options, &orders, error))
		return false;
	if (run->pass)
		session->passed++;
	else
		session->failed++;
	if (session->json != NULL)
		m2d_run_json(session->json, run,
			     orders.perms != 0 || orders.search != NULL ? &orders : NULL, o.cost);
	else
		print_run(session, run, &orders);
	m2d_ex_orders_clear(&orders);
	check_state(session, run);
	return o.save == NULL || save(session, run, error);
}

static void free_run(gpointer run)
{
	m2d_scn_run_free(run);
}

/* The variants to run, *@first to *@last; -1 is that of a scenario that names none. */
static bool pick_variants(const Session *session, int *first, int *last, GError **error)
{
	const M2dScenario *s = session->scenario;
	const char *only = o.variant;

	if (session->schedule != NULL)
		only = session->schedule->variant;
	*first = s->n_variants != 0 ? 0 : -1;
	*last = (int)s->n_variants - 1;
	if (only != NULL) {
		if (!m2d_scenario_variant(s, only, first, error)) {
			if (session->schedule != NULL)
				g_prefix_error(error, "%s: ", session->schedule->file);
			return false;
		}
		*last = *first;
	}
	if (*first == *last || (session->schedule == NULL && o.save == NULL))
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "%s: has %u variants, expected the schedule of one: %s",
		    session->schedule != NULL ? session->schedule->file : s->path, s->n_variants,
		    session->schedule != NULL ? "a line 'variant'" : "--variant=NAME");
	return false;
}

static bool run_variants(Session *session, GError **error)
{
	g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func(free_run);
	int first, last;

	if (!pick_variants(session, &first, &last, error))
		return false;
	for (int v = first; v <= last; v++)
		if (m2d_interrupted() || !run_one(session, v, runs, error))
			return false;
	if (o.cost && session->json == NULL) {
		g_autofree char *text =
			m2d_run_cost_text((const M2dScnRun *const *)runs->pdata, runs->len);

		printf("\n%s\n", text);
	}
	return true;
}

static bool run_file(Session *session, const char *path, GError **error)
{
	g_autofree char *text = m2d_scenario_read(path, &session->len, error);
	g_autoptr(M2dScenario) s = NULL;

	if (text == NULL)
		return false;
	s = m2d_scenario_parse(path, text, session->len, &m2d_scenario_models, error);
	if (s == NULL)
		return false;
	if (session->schedule != NULL &&
	    !m2d_schedule_is_of(session->schedule, path, text, session->len, error))
		return false;
	session->scenario = s;
	session->text = text;
	session->named = false;
	return run_variants(session, error);
}

static int run_all(int n, char **paths, const M2dSchedule *schedule)
{
	Session session = {.schedule = schedule, .json = o.json ? m2d_json_new() : NULL};
	g_autofree char *json = NULL;
	GError *error = NULL;
	int finish, i;

	if (session.json != NULL)
		m2d_json_array_begin(session.json, NULL);
	for (i = 0; i < n; i++)
		if (!run_file(&session, paths[i], &error))
			break;
	if (session.json != NULL) {
		m2d_json_array_end(session.json);
		json = m2d_json_finish(session.json);
	}
	if (i < n) {
		return error != NULL ? m2d_cmd_fail(&m2d_cmd_run, error)
				     : m2d_cmd_interrupted(&m2d_cmd_run);
	}
	if (json != NULL)
		fputs(json, stdout);
	else if (session.passed + session.failed > 1 && (!o.quiet || session.failed != 0))
		printf("%u passed, %u failed\n", session.passed, session.failed);
	finish = m2d_cmd_finish_stdout(&m2d_cmd_run);
	return finish != 0 ? finish : session.failed != 0;
}

/* A schedule says which scenario, variant, kernel and duties it is of. */
static int run_schedule(int argc, char **argv)
{
	g_autoptr(M2dSchedule) schedule = NULL;
	GError *error = NULL;

	if (o.variant != NULL || o.kvm != NULL || o.without != NULL)
		return m2d_cmd_usage(&m2d_cmd_run,
				     "--schedule: says itself which variant, kernel and duties, "
				     "--%s not expected",
				     o.variant != NULL ? "variant"
				     : o.kvm != NULL   ? "kvm"
						       : "without");
	if (argc > 2)
		return m2d_cmd_usage(&m2d_cmd_run, "--schedule: one scenario expected, got %d",
				     argc - 1);
	schedule = m2d_schedule_load(o.schedule, &error);
	if (schedule == NULL)
		return m2d_cmd_fail(&m2d_cmd_run, error);
	return run_all(1, argc == 2 ? &argv[1] : &schedule->path, schedule);
}

static int run(int argc, char **argv)
{
	GError *error = NULL;
	int status;

	if (!m2d_cmd_parse(
		    &m2d_cmd_run, "SCENARIO... [OPTION...]",
		    "Runs each variant of the scenarios and compares what the checker found, "
		    "results\nand claims with what the variant expects (mmu2d-scenario(5)); - is "
		    "standard input.\n\n"
		    "Example:\n  mmu2d run scenarios/regressions/2021-pv-flush-before-sync.scn "
		    "--explain",
		    &argc, &argv, &status))
		return status;
	if (!check_names(&error))
		return m2d_cmd_fail(&m2d_cmd_run, error);
	if (o.width < (gint)M2D_LADDER_MIN_WIDTH || o.width > MAX_WIDTH)
		return m2d_cmd_usage(&m2d_cmd_run, "--width=%d: expected %u to %d", o.width,
				     M2D_LADDER_MIN_WIDTH, MAX_WIDTH);
	if (o.save != NULL && argc != 2 && o.schedule == NULL)
		return m2d_cmd_usage(&m2d_cmd_run, "--save-schedule: one scenario expected, got %d",
				     argc - 1);
	if (o.save != NULL && argc == 2 && strcmp(argv[1], "-") == 0)
		return m2d_cmd_usage(&m2d_cmd_run,
				     "--save-schedule: a scenario in a file expected, "
				     "got standard input");
	if (o.schedule != NULL)
		return run_schedule(argc, argv);
	if (argc < 2)
		return m2d_cmd_usage(&m2d_cmd_run, "expected a scenario; see mmu2d run --help");
	return run_all(argc - 1, argv + 1, NULL);
}

const M2dCommand m2d_cmd_run = {"run", run, "run scenarios against what they expect", entries};
