/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/variant.h"

#include <string.h>

#include "sim/base/error.h"

/* Where the last chance of a repair is looked for. */
#define REPAIR_STATES  2000000u
#define REPAIR_SECONDS 5.0
/* The first look. */
#define FIRST_PREEMPTIONS 1
#define FIRST_STATES      100000u
/* The first times that steps are observed take longer than they save in a search of less. */
#define SHORT_STATES 20000u

void m2d_ex_variant_free(M2dExVariant *v)
{
	if (v == NULL)
		return;
	m2d_ex_result_free(v->all);
	m2d_ex_result_free(v->shortest);
	m2d_scn_run_free(v->run);
	g_clear_pointer(&v->schedule, g_array_unref);
	g_clear_pointer(&v->switches, g_array_unref);
	g_free(v->ended);
	g_free(v->claims);
	g_free(v->kvm);
	g_free(v->why);
	g_free(v);
}

char *m2d_ex_variant_end(const M2dExVariant *v)
{
	const char *end = m2d_ex_end_text(v->all->end);

	if (v->bound < 0 || v->all->end == M2D_EX_STOPPED)
		return g_strdup(end);
	return g_strdup_printf("%s within %d preemption%s", end, v->bound,
			       v->bound == 1 ? "" : "s");
}

static const M2dScnVariant *variant_of(const M2dExVariant *v)
{
	return v->variant >= 0 ? &v->scenario->variants[v->variant] : NULL;
}

static bool expects(const M2dScnVariant *v, const char *name)
{
	for (unsigned i = 0; v != NULL && i < v->n_expect; i++)
		if (strcmp(v->expect[i].text, name) == 0)
			return true;
	return false;
}

/* The first claim of those that some end must meet, and none of them all did. */
static char *never_met(const M2dExVariant *v)
{
	const M2dScenario *s = v->scenario;

	for (unsigned i = 0; i < s->n_claims; i++) {
		const M2dExClaimCount *n = &v->claims[i];
		g_autofree char *ends = NULL;

		if (s->claims[i].quantifier != M2D_SCN_SOMETIMES || n->yes != 0 || n->no == 0)
			continue;
		ends = g_strdup_printf("in none of %" G_GUINT64_FORMAT " ends", n->no);
		return m2d_scn_claim_text(&s->claims[i], ends);
	}
	return NULL;
}

static void judge(M2dExVariant *v, const M2dExVariantOptions *how, const char *claim)
{
	const M2dScnVariant *written = variant_of(v);
	bool clean = written == NULL || written->n_expect == 0;

	if (v->schedule != NULL && v->violation == M2D_EX_CLAIM)
		v->why = g_strdup(claim);
	else if (v->schedule != NULL && !expects(written, v->invariant))
		v->why = g_strdup_printf("%s is violated", v->invariant);
	else if (v->schedule == NULL && !clean)
		v->why = g_strdup_printf("%s is not violated", written->expect[0].text);
	else if (v->schedule == NULL && v->claims != NULL)
		v->why = never_met(v);
	v->pass = v->why == NULL;
	v->open = !v->pass && v->schedule == NULL &&
		  (!v->complete || (how->search.preemptions >= 0 && !how->stated));
}

/* Which steps of the schedule are taken by another actor than the one before. */
static void find_switches(M2dExVariant *v, const M2dExModel *m)
{
	unsigned last = M2D_EX_MAX_ACTORS;
	M2dMark start;

	v->switches = g_array_new(FALSE, TRUE, 1);
	m2d_arena_attach_journal(m->arena);
	start = m2d_arena_mark(m->arena);
	for (guint i = 0; i < v->schedule->len; i++) {
		M2dExStep s = g_array_index(v->schedule, M2dExStep, i);
		unsigned ran = m2d_ex_ran(m, last, s.actor);
		uint8_t kind = last == M2D_EX_MAX_ACTORS || last == ran ? 0
			       : m->enabled(m->data, last) != 0         ? 2
									: 1;

		g_array_append_val(v->switches, kind);
		v->preemptions += kind == 2;
		m->step(m->data, s.actor, s.alt);
		last = ran;
	}
	if (m->violation != NULL)
		m->violation(m->data);
	m2d_arena_rollback(m->arena, start);
	m2d_arena_detach_journal(m->arena);
}

/* Most bugs show with one preemption or none, and those schedules are few: look at them before all
 * others. What is found so is the shortest. NULL: nothing is, or not within a small budget. */
static M2dExResult *first_look(const M2dExModel *m, const M2dExVariantOptions *how)
{
	M2dExOptions x = how->search;
	M2dExResult *r;

	x.engine = M2D_EX_SHORTEST;
	x.preemptions =
		x.preemptions < 0 ? FIRST_PREEMPTIONS : MIN(x.preemptions, FIRST_PREEMPTIONS);
	x.max_states = x.max_states == 0 ? FIRST_STATES : MIN(x.max_states, FIRST_STATES);
	r = m2d_explore(m, &x);
	if (r->end == M2D_EX_STOPPED || r->end == M2D_EX_INTERRUPTED)
		return r;
	m2d_ex_result_free(r);
	return NULL;
}

/* A schedule to report: the shortest if it is known, else a small one. */
static bool make_report(M2dExVariant *v, const M2dScnOptions *options,
			const M2dExVariantOptions *how, char **claim, GError **error)
{
	g_autoptr(M2dExWorld) world = m2d_ex_world_new(v->scenario, v->variant, options, error);
	const M2dExModel *m;
	const M2dExResult *r = v->all;

	if (world == NULL)
		return false;
	m = m2d_ex_world_model(world);
	v->is_shortest |= how->search.engine == M2D_EX_SHORTEST && r->end == M2D_EX_STOPPED;
	if (how->shortest && !v->is_shortest) {
		M2dExOptions x = how->search;

		/* What was found bounds the search. */
		x.engine = M2D_EX_SHORTEST;
		x.preemptions = (int)r->preemptions;
		v->shortest = m2d_explore(m, &x);
		if (v->shortest->schedule != NULL)
			r = v->shortest;
		v->is_shortest = v->shortest->end == M2D_EX_STOPPED;
	}
	v->violation = r->violation;
	v->invariant = m2d_ex_world_violation_name(r->violation);
	if (!v->is_shortest && how->shrink)
		v->schedule = m2d_ex_shrink(m, r->schedule, r->violation);
	else
		v->schedule = g_array_ref(r->schedule);
	find_switches(v, m);
	if (m2d_ex_world_claims(world) != NULL)
		*claim = g_strdup(m2d_ex_claims_why(m2d_ex_world_claims(world)));
	if (how->repair) {
		M2dExRepairOptions x = {.max_states = REPAIR_STATES,
					.max_bytes = how->search.max_bytes,
					.max_seconds = REPAIR_SECONDS};

		m2d_ex_repair(m, v->schedule, &x, &v->repair);
	}
	return true;
}

static bool tell(M2dExVariant *v, const M2dScnOptions *options, GError **error)
{
	g_autoptr(M2dExWorld) world = m2d_ex_world_new(v->scenario, v->variant, options, error);
	g_autoptr(GArray) choices = NULL;

	if (world == NULL)
		return false;
	choices = m2d_ex_world_choices(world, v->schedule);

	v->run = m2d_scn_run(v->scenario, v->variant, options, choices, error);
	return v->run != NULL;
}

static void add_counts(M2dExVariant *v, const M2dExWorld *world)
{
	const M2dExClaims *claims = m2d_ex_world_claims(world);
	const M2dScenario *s = v->scenario;

	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++)
		v->premises[i] += m2d_ex_world_premises(world, (M2dInvariantId)i);
	for (unsigned i = 0; i < M2D_N_POINTS; i++)
		v->points[i] += m2d_ex_world_point_count(world)[i];
	for (unsigned i = 0; i < s->n_steps; i++)
		v->ended[i] += m2d_ex_world_ended(world)[i];
	if (claims == NULL)
		return;
	if (v->claims == NULL)
		v->claims = g_new0(M2dExClaimCount, s->n_claims + 1);
	for (unsigned i = 0; i < s->n_claims; i++) {
		M2dExClaimCount n = m2d_ex_claims_count(claims, i);

		v->claims[i].yes += n.yes;
		v->claims[i].no += n.no;
	}
}

static void clear_counts(M2dExVariant *v)
{
	memset(v->premises, 0, sizeof(v->premises));
	memset(v->points, 0, sizeof(v->points));
	memset(v->ended, 0, v->scenario->n_steps * sizeof(uint64_t));
	if (v->claims != NULL)
		memset(v->claims, 0, v->scenario->n_claims * sizeof(M2dExClaimCount));
}

/* All orders, by the engine asked for. May put another world in the place of @world, and then has
 * added what was counted in that one before. */
static M2dExResult *search_all(M2dExVariant *v, M2dExWorld **world, const M2dScnOptions *options,
			       const M2dExVariantOptions *how, GError **error)
{
	M2dExOptions few = how->search;
	M2dExResult *r;
	bool stateful = few.engine == M2D_EX_EXHAUST || few.engine == M2D_EX_SHORTEST;

	if (how->observed == NULL || !stateful ||
	    (few.max_states != 0 && few.max_states <= SHORT_STATES))
		return m2d_explore(m2d_ex_world_model(*world), &how->search);
	add_counts(v, *world);
	few.max_states = SHORT_STATES;
	r = m2d_explore(m2d_ex_world_model(*world), &few);
	if (r->end != M2D_EX_BOUND_STATES) {
		clear_counts(v);
		return r;
	}
	m2d_ex_result_free(r);
	m2d_ex_world_free(*world);
	*world = m2d_ex_world_new_observed(how->observed, how->search.pages, v->scenario,
					   v->variant, options, error);
	return *world != NULL ? m2d_explore(m2d_ex_world_model(*world), &how->search) : NULL;
}

M2dExVariant *m2d_ex_variant(const M2dScenario *scenario, int variant, const M2dScnOptions *options,
			     const M2dExVariantOptions *how, GError **error)
{
	gint64 start = g_get_monotonic_time();
	g_autoptr(M2dExWorld) world = m2d_ex_world_new(scenario, variant, options, error);
	g_autoptr(M2dExVariant) v = NULL;
	g_autofree char *claim = NULL;

	if (world == NULL)
		return NULL;
	v = g_new0(M2dExVariant, 1);
	v->scenario = scenario;
	v->variant = variant;
	v->kvm = g_strdup(m2d_ex_world_kvm(world));
	v->repair.step = -1;
	v->bound = how->search.engine == M2D_EX_EXHAUST || how->search.engine == M2D_EX_SHORTEST
			   ? how->search.preemptions
			   : -1;
	v->ended = g_new0(uint64_t, scenario->n_steps + 1);
	if (how->shortest)
		v->all = first_look(m2d_ex_world_model(world), how);
	v->is_shortest = v->all != NULL;
	if (v->all == NULL)
		v->all = search_all(v, &world, options, how, error);
	if (v->all == NULL)
		return NULL;
	v->complete = v->all->end == M2D_EX_COMPLETE;
	add_counts(v, world);
	if (v->all->end == M2D_EX_INTERRUPTED) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT,
			    "%s: interrupted after %" G_GUINT64_FORMAT " states", scenario->path,
			    v->all->states);
		return NULL;
	}
	if (v->all->schedule != NULL) {
		if (!make_report(v, options, how, &claim, error))
			return NULL;
		if (how->story && !tell(v, options, error))
			return NULL;
		if (claim == NULL && m2d_ex_world_claims(world) != NULL)
			claim = g_strdup(m2d_ex_claims_why(m2d_ex_world_claims(world)));
	}
	judge(v, how, claim);
	v->seconds = (double)(g_get_monotonic_time() - start) / 1e6;
	return g_steal_pointer(&v);
}
