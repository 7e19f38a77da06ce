/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/report/run.h"

#include "sim/scenario/results.h"

static void add_expected(M2dJson *json, const M2dScnRun *run)
{
	const M2dScnVariant *v = run->variant >= 0 ? &run->scenario->variants[run->variant] : NULL;

	m2d_json_array_begin(json, "expected");
	for (unsigned i = 0; v != NULL && i < v->n_expect; i++)
		m2d_json_string(json, NULL, v->expect[i].text);
	m2d_json_array_end(json);
}

/* "vcpu1", "host"; NULL: nobody's step. */
static char *actor_name(const M2dScnRun *run, unsigned actor)
{
	if (actor == M2D_NO_ACTOR)
		return NULL;
	if (actor >= m2d_run_vcpus(run))
		return g_strdup("host");
	return g_strdup_printf("vcpu%u", actor);
}

static void add_findings(M2dJson *json, const M2dScnRun *run)
{
	m2d_json_array_begin(json, "violations");
	for (guint i = 0; i < run->findings->len; i++) {
		const M2dScnFinding *f = &g_array_index(run->findings, M2dScnFinding, i);
		const M2dScnStep *s = f->label >= 0 ? &run->scenario->steps[f->label] : NULL;
		g_autofree char *actor = actor_name(run, f->actor);

		m2d_json_object_begin(json, NULL);
		m2d_json_string(json, "invariant", f->invariant);
		m2d_json_string(json, "actor", actor);
		m2d_json_string(json, "step", s != NULL ? s->label : NULL);
		m2d_json_uint(json, "line", s != NULL ? s->place.line : 0);
		m2d_json_string(json, "what", f->what);
		m2d_json_string(json, "story", f->story);
		m2d_json_object_end(json);
	}
	m2d_json_array_end(json);
}

static void add_steps(M2dJson *json, const M2dScnRun *run)
{
	m2d_json_array_begin(json, "steps");
	for (unsigned i = 0; i < run->scenario->n_steps; i++) {
		const M2dScnStep *s = &run->scenario->steps[i];
		g_autofree char *actor = m2d_scn_actor_text(s->actor);
		g_autofree char *outcome = m2d_scn_outcome_text(s, &run->steps[i]);

		m2d_json_object_begin(json, NULL);
		m2d_json_string(json, "label", s->label);
		m2d_json_uint(json, "line", s->place.line);
		m2d_json_string(json, "actor", actor);
		m2d_json_string(json, "text", s->text);
		m2d_json_string(json, "outcome", outcome);
		m2d_json_string(json, "mismatch", run->steps[i].mismatch);
		m2d_json_object_end(json);
	}
	m2d_json_array_end(json);
}

static void add_cost(M2dJson *json, const M2dScnRun *run)
{
	m2d_json_object_begin(json, "cost");
	m2d_json_uint(json, "cycles", run->cycles);
	for (unsigned c = 0; c < M2D_N_CAUSES; c++)
		if (run->stats.cycles[c] != 0)
			m2d_json_uint(json, m2d_cause_name((M2dCause)c), run->stats.cycles[c]);
	m2d_json_object_end(json);
}

static void add_premises(M2dJson *json, const M2dScnRun *run)
{
	m2d_json_object_begin(json, "premises");
	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++)
		if (run->premises[i] != 0)
			m2d_json_uint(json, m2d_invariant((M2dInvariantId)i)->name,
				      run->premises[i]);
	m2d_json_object_end(json);
}

static void add_events(M2dJson *json, const M2dScnRun *run)
{
	m2d_json_object_begin(json, "events");
	for (unsigned e = 0; e < M2D_N_EVENTS; e++)
		if (run->event_count[e] != 0)
			m2d_json_uint(json, m2d_event_name((M2dEventType)e), run->event_count[e]);
	m2d_json_object_end(json);
}

static void add_orders(M2dJson *json, const M2dExOrders *orders)
{
	const M2dExVariant *v = orders->search;

	m2d_json_object_begin(json, "orders");
	m2d_json_uint(json, "permutations", orders->perms);
	if (v != NULL) {
		m2d_json_bool(json, "complete", v->complete);
		m2d_json_int(json, "max_preemptions", v->bound);
		m2d_json_string(json, "end", m2d_ex_end_text(v->all->end));
		m2d_json_uint(json, "states", v->all->states);
		m2d_json_uint(json, "transitions", v->all->transitions);
		m2d_json_string(json, "invariant", v->invariant);
	}
	m2d_json_object_end(json);
}

void m2d_run_json(M2dJson *json, const M2dScnRun *run, const M2dExOrders *orders, bool cost)
{
	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "scenario", run->scenario->path);
	m2d_json_string(json, "title", run->scenario->title);
	m2d_json_string(json, "variant", m2d_run_name(run));
	m2d_json_string(json, "kvm", run->kvm);
	m2d_json_string(json, "verdict", run->pass ? "pass" : "fail");
	m2d_json_string(json, "why", run->why);
	add_expected(json, run);
	add_findings(json, run);
	m2d_json_array_begin(json, "claims");
	for (guint i = 0; i < run->claims->len; i++)
		m2d_json_string(json, NULL, run->claims->pdata[i]);
	m2d_json_array_end(json);
	add_steps(json, run);
	add_premises(json, run);
	add_events(json, run);
	if (orders != NULL)
		add_orders(json, orders);
	if (cost)
		add_cost(json, run);
	m2d_json_uint(json, "micro_steps", run->micro->len);
	m2d_json_hex(json, "state", run->hash);
	m2d_json_object_end(json);
}
