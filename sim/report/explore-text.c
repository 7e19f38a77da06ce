/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/report/explore.h"

#include "sim/explore/coverage.h"
#include "sim/report/run.h"

char *m2d_explore_verdict(const M2dExVariant *v)
{
	GString *text = g_string_new(NULL);
	const char *name = v->variant >= 0 ? v->scenario->variants[v->variant].name : "";
	g_autofree char *end = m2d_ex_variant_end(v);

	g_string_append_printf(text, "%-4s  %-28s kvm %-8s ",
			       v->pass   ? "pass"
			       : v->open ? "open"
					 : "FAIL",
			       name, v->kvm);
	if (v->schedule != NULL)
		g_string_append_printf(text, "%s after %u steps, %u preemption%s%s", v->invariant,
				       v->schedule->len, v->preemptions,
				       v->preemptions == 1 ? "" : "s",
				       v->is_shortest ? " (the shortest)" : "");
	else
		g_string_append_printf(text, "no violation, %s", end);
	/* Without a table of states, schedules are what there is to count. */
	g_string_append_printf(
		text, "; %" G_GUINT64_FORMAT " %s, %" G_GUINT64_FORMAT " transitions, %.2f s",
		v->all->states != 0 ? v->all->states : v->all->runs,
		v->all->states != 0 ? "states" : "schedules", v->all->transitions, v->seconds);
	if (v->why != NULL)
		g_string_append_printf(text, "; %s", v->why);
	return g_string_free(text, FALSE);
}

/* Some variant of the scenario expects @invariant. */
static bool is_about(const M2dScenario *s, const char *invariant)
{
	for (unsigned v = 0; v < s->n_variants; v++)
		for (unsigned i = 0; i < s->variants[v].n_expect; i++)
			if (g_strcmp0(s->variants[v].expect[i].text, invariant) == 0)
				return true;
	return false;
}

char *m2d_explore_uncovered(const M2dExVariant *v)
{
	const M2dScenario *s = v->scenario;
	GString *text = g_string_new(NULL);

	for (unsigned i = 0; i < s->n_steps; i++)
		if (v->ended[i] == 0 && !s->steps[i].is_continue)
			g_string_append_printf(text, "  never ended: line %u: %s\n",
					       s->steps[i].place.line, s->steps[i].text);
	for (unsigned i = 0; i < s->n_steps; i++)
		if (s->steps[i].until != NULL && v->points[m2d_point_find(s->steps[i].until)] == 0)
			g_string_append_printf(text, "  never passed: line %u: point %s\n",
					       s->steps[i].until_place.line, s->steps[i].until);
	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++) {
		const char *name = m2d_invariant((M2dInvariantId)i)->name;

		/* A BUG() of the kernel is not at stake before it is there. */
		if (v->premises[i] == 0 && i != M2D_INV_KVM_BUG && is_about(s, name))
			g_string_append_printf(text, "  never at stake: %s\n", name);
	}
	if (text->len != 0)
		return g_string_free(text, FALSE);
	g_string_free(text, TRUE);
	return NULL;
}

char *m2d_explore_coverage(const M2dExVariant *v)
{
	const M2dScenario *s = v->scenario;
	GString *text = g_string_new("    steps that ended:");
	bool reachable[M2D_N_POINTS];

	for (unsigned i = 0; i < s->n_steps; i++)
		if (!s->steps[i].is_continue)
			g_string_append_printf(text, " line %u %" G_GUINT64_FORMAT,
					       s->steps[i].place.line, v->ended[i]);
	g_string_append(text, "\n    invariants at stake:");
	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++)
		if (v->premises[i] != 0)
			g_string_append_printf(text, " %s %" G_GUINT64_FORMAT,
					       m2d_invariant((M2dInvariantId)i)->name,
					       v->premises[i]);
	g_string_append(text, "\n    points passed:");
	for (unsigned i = 0; i < M2D_N_POINTS; i++)
		if (v->points[i] != 0)
			g_string_append_printf(text, " %s %" G_GUINT64_FORMAT,
					       m2d_point_name((M2dPoint)i), v->points[i]);
	g_string_append(text, "\n    points that its operations may pass, and none did:");
	m2d_ex_reachable_points(s, reachable);
	for (unsigned i = 0; i < M2D_N_POINTS; i++)
		if (reachable[i] && v->points[i] == 0)
			g_string_append_printf(text, " %s", m2d_point_name((M2dPoint)i));
	g_string_append_c(text, '\n');
	return g_string_free(text, FALSE);
}
