/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/report/explore.h"

#include "sim/explore/coverage.h"

static void add_violations(M2dJson *j, const M2dExVariant *v)
{
	m2d_json_array_begin(j, "violations");
	if (v->schedule != NULL) {
		m2d_json_object_begin(j, NULL);
		m2d_json_string(j, "invariant", v->invariant);
		m2d_json_uint(j, "preemptions", v->preemptions);
		m2d_json_uint(j, "steps", v->schedule->len);
		m2d_json_bool(j, "shortest", v->is_shortest);
		m2d_json_string(j, "story",
				v->run != NULL && v->run->findings->len != 0
					? g_array_index(v->run->findings, M2dScnFinding, 0).story
					: NULL);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
	m2d_json_array_begin(j, "schedule");
	for (guint i = 0; v->schedule != NULL && i < v->schedule->len; i++)
		m2d_json_uint(j, NULL, g_array_index(v->schedule, M2dExStep, i).actor);
	m2d_json_array_end(j);
}

static void add_table(M2dJson *j, const M2dExVariant *v)
{
	g_autoptr(GArray) rows = NULL;

	if (v->run == NULL)
		return;
	rows = m2d_explore_rows(v);
	m2d_json_array_begin(j, "table");
	for (guint i = 0; i < rows->len; i++) {
		const M2dExploreRow *row = &g_array_index(rows, M2dExploreRow, i);

		m2d_json_object_begin(j, NULL);
		m2d_json_uint(j, "first", row->first);
		m2d_json_uint(j, "last", row->last);
		m2d_json_uint(j, "actor", row->actor);
		m2d_json_bool(j, "preempts", row->preempts);
		m2d_json_bool(j, "repair", row->repair);
		m2d_json_bool(j, "breaks", row->breaks);
		m2d_json_string(j, "text", row->text);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
	if (!v->repair.known)
		return;
	m2d_json_object_begin(j, "repair");
	/* 0: no schedule is clean. */
	m2d_json_uint(j, "step", (uint64_t)v->repair.step + 1);
	if (v->repair.step >= 0)
		m2d_json_uint(j, "instead", v->repair.instead);
	m2d_json_object_end(j);
}

static void add_claims(M2dJson *j, const M2dExVariant *v)
{
	if (v->claims == NULL)
		return;
	m2d_json_array_begin(j, "claims");
	for (unsigned i = 0; i < v->scenario->n_claims; i++) {
		const M2dScnClaim *c = &v->scenario->claims[i];

		if (v->claims[i].yes + v->claims[i].no == 0)
			continue;
		m2d_json_object_begin(j, NULL);
		m2d_json_uint(j, "line", c->place.line);
		m2d_json_string(j, "quantifier", m2d_scn_quantifier_word(c->quantifier));
		m2d_json_string(j, "text", c->text);
		m2d_json_uint(j, "yes", v->claims[i].yes);
		m2d_json_uint(j, "no", v->claims[i].no);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
}

static void add_coverage(M2dJson *j, const M2dExVariant *v)
{
	const M2dScenario *s = v->scenario;
	bool reachable[M2D_N_POINTS];

	m2d_json_object_begin(j, "premises");
	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++)
		if (v->premises[i] != 0)
			m2d_json_uint(j, m2d_invariant((M2dInvariantId)i)->name, v->premises[i]);
	m2d_json_object_end(j);
	m2d_json_object_begin(j, "points");
	for (unsigned i = 0; i < M2D_N_POINTS; i++)
		if (v->points[i] != 0)
			m2d_json_uint(j, m2d_point_name((M2dPoint)i), v->points[i]);
	m2d_json_object_end(j);
	m2d_json_array_begin(j, "points_not_passed");
	m2d_ex_reachable_points(s, reachable);
	for (unsigned i = 0; i < M2D_N_POINTS; i++)
		if (reachable[i] && v->points[i] == 0)
			m2d_json_string(j, NULL, m2d_point_name((M2dPoint)i));
	m2d_json_array_end(j);
	m2d_json_array_begin(j, "steps");
	for (unsigned i = 0; i < s->n_steps; i++) {
		if (s->steps[i].is_continue)
			continue;
		m2d_json_object_begin(j, NULL);
		m2d_json_uint(j, "line", s->steps[i].place.line);
		m2d_json_uint(j, "ended", v->ended[i]);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
}

void m2d_explore_json_fields(M2dJson *j, const M2dExVariant *v)
{
	const M2dScnVariant *written = v->variant >= 0 ? &v->scenario->variants[v->variant] : NULL;

	m2d_json_string(j, "scenario", v->scenario->path);
	m2d_json_string(j, "variant", written != NULL ? written->name : "");
	m2d_json_string(j, "kvm", v->kvm);
	m2d_json_string(j, "verdict", v->pass ? "pass" : v->open ? "bound" : "fail");
	m2d_json_string(j, "why", v->why);
	m2d_json_array_begin(j, "expected");
	for (unsigned i = 0; written != NULL && i < written->n_expect; i++)
		m2d_json_string(j, NULL, written->expect[i].text);
	m2d_json_array_end(j);
	m2d_json_bool(j, "complete", v->complete);
	m2d_json_int(j, "max_preemptions", v->bound);
	m2d_json_string(j, "end", m2d_ex_end_text(v->all->end));
	m2d_json_uint(j, "states", v->all->states);
	m2d_json_uint(j, "transitions", v->all->transitions);
	m2d_json_uint(j, "runs", v->all->runs);
	m2d_json_uint(j, "terminals", v->all->terminals);
	m2d_json_uint(j, "depth", v->all->depth);
	m2d_json_uint(j, "bytes", v->all->bytes);
	m2d_json_double(j, "seconds", v->seconds);
	m2d_json_double(j, "collision", v->all->collision);
	add_violations(j, v);
	add_table(j, v);
	add_claims(j, v);
	add_coverage(j, v);
}
