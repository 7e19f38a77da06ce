/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explore.h"

#include "sim/report/explore.h"

#include <stdio.h>

typedef struct {
	const M2dExVariant *with;
	const M2dScnOptions *options;
	const M2dExVariantOptions *how;
	M2dJson *json;
	unsigned width;
	GString *idle; /* names of what makes no difference */
	unsigned necessary, redundant, idles, open;
} Drops;

static bool drop_one(Drops *d, const M2dExDropWhat *what, GError **error)
{
	M2dExDrop drop;
	bool ok = m2d_ex_drop(d->with, d->options, d->how, what, &drop, error);

	if (ok) {
		g_autofree char *text = m2d_explore_drop_text(&drop);

		d->necessary += drop.verdict == M2D_EX_DROP_NECESSARY;
		d->redundant += drop.verdict == M2D_EX_DROP_REDUNDANT;
		d->open += drop.verdict == M2D_EX_DROP_OPEN;
		if (drop.verdict == M2D_EX_DROP_IDLE) {
			g_autofree char *name = m2d_ex_drop_name(d->with->scenario, what);

			d->idles++;
			g_string_append_printf(d->idle, "%s%s", d->idle->len != 0 ? ", " : "",
					       name);
		}
		if (d->json != NULL)
			m2d_explore_drop_json(d->json, &drop);
		else if (drop.verdict != M2D_EX_DROP_IDLE)
			printf("    %s\n", text);
		if (d->json == NULL && drop.search->run != NULL) {
			g_autofree char *table = m2d_explore_table(drop.search, d->width);

			printf("\n%s\n", table);
		}
	}
	m2d_ex_drop_clear(&drop);
	return ok;
}

static bool drop_all(Drops *d, const char *name, GError **error)
{
	g_autoptr(GArray) what = m2d_ex_drop_find(d->with->scenario, name, error);

	if (what == NULL)
		return false;
	for (guint i = 0; i < what->len; i++)
		if (!drop_one(d, &g_array_index(what, M2dExDropWhat, i), error))
			return false;
	return true;
}

bool m2d_explore_drop(const M2dExVariant *with, const char *name, const M2dScnOptions *options,
		      const M2dExVariantOptions *how, unsigned width, M2dJson *json, int *status,
		      GError **error)
{
	Drops d = {.with = with, .options = options, .how = how, .json = json, .width = width};
	bool ok;

	d.idle = g_string_new(NULL);
	if (json != NULL)
		m2d_json_array_begin(json, "drops");
	ok = drop_all(&d, name, error);
	if (json != NULL)
		m2d_json_array_end(json);
	if (ok && json == NULL && d.idles != 0)
		printf("    no difference  %s\n", d.idle->str);
	if (ok && json == NULL)
		printf("    %u necessary, %u redundant, %u make no difference, %u open\n",
		       d.necessary, d.redundant, d.idles, d.open);
	if (ok && d.open != 0 && *status == 0)
		*status = 3;
	g_string_free(d.idle, TRUE);
	return ok;
}
