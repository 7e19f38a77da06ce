/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/report/explore.h"

char *m2d_explore_drop_text(const M2dExDrop *d)
{
	g_autofree char *name = m2d_ex_drop_name(d->search->scenario, &d->what);
	g_autofree char *end = m2d_ex_variant_end(d->search);
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "%-13s  %-28s ", m2d_ex_drop_verdict_name(d->verdict), name);
	if (d->why != NULL)
		g_string_append(text, d->why);
	else
		g_string_append_printf(text, "%s; %" G_GUINT64_FORMAT " states", end,
				       d->search->all->states);
	return g_string_free(text, FALSE);
}

void m2d_explore_drop_json(M2dJson *j, const M2dExDrop *d)
{
	g_autofree char *name = m2d_ex_drop_name(d->search->scenario, &d->what);

	m2d_json_object_begin(j, NULL);
	m2d_json_string(j, d->what.step < 0 ? "duty" : "step", name);
	m2d_json_string(j, "verdict", m2d_ex_drop_verdict_name(d->verdict));
	m2d_json_string(j, "why", d->why);
	m2d_json_object_begin(j, "search");
	m2d_explore_json_fields(j, d->search);
	m2d_json_object_end(j);
	m2d_json_object_end(j);
}
