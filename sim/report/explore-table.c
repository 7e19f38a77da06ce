/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The schedule of a counterexample as a table: a row for what an actor does on end. */
#include "sim/report/explore.h"

#include <stdlib.h>
#include <string.h>

#include "sim/report/run.h"
#include "sim/scenario/results.h"

#define MIN_CELL 16u

static void row_clear(gpointer data)
{
	M2dExploreRow *row = data;

	g_free(row->text);
}

/* --- what the story of the finding tells of ----------------------------------------------------
 */

/* Words of the story's lines ("cached: ... [36]: ...") that are about micro-step @m, appended. */
static void add_story(const M2dScnRun *run, const M2dScnMicro *m, GString *text)
{
	const char *line =
		run->findings->len != 0 ? g_array_index(run->findings, M2dScnFinding, 0).story : "";

	while (*line != '\0') {
		size_t n = strcspn(line, "\n"), word = strcspn(line, ":");
		size_t indent = strspn(line, " ");
		const char *at = memchr(line, '[', n);
		uint64_t time = at != NULL ? strtoull(at + 1, NULL, 10) : 0;

		for (guint i = 0; time != 0 && word < n && indent < word && i < m->n_events; i++)
			if (g_array_index(run->events, M2dEvent, m->first_event + i).time == time)
				g_string_append_printf(text, "%.*s: ", (int)(word - indent),
						       line + indent);
		line += n + (line[n] != '\0');
	}
}

/* --- rows ------------------------------------------------------------------------------------- */

typedef struct {
	const M2dExVariant *v;
	GArray *rows;
	bool *begun; /* steps of the scenario */
	int step;    /* of the row under way; -1: an interrupt */
	unsigned point;
	GString *text;
	GString *story;
	bool open, ended;
} Builder;

static void close_row(Builder *b)
{
	M2dExploreRow *row;

	if (!b->open)
		return;
	row = &g_array_index(b->rows, M2dExploreRow, b->rows->len - 1);
	if (!b->ended && b->point != M2D_PT_NONE)
		g_string_append_printf(b->text, " [%s]", m2d_point_name((M2dPoint)b->point));
	g_string_prepend(b->text, b->story->str);
	row->text = g_strdup(b->text->str);
	b->open = false;
}

static void open_row(Builder *b, const M2dScnMicro *m, unsigned k)
{
	const M2dScenario *s = b->v->scenario;
	M2dExploreRow row = {.first = k + 1, .actor = m->actor};

	close_row(b);
	g_string_truncate(b->text, 0);
	g_string_truncate(b->story, 0);
	row.preempts = g_array_index(b->v->switches, uint8_t, k) == 2;
	if (m->hw) {
		static const char *const acts[M2D_N_HW_KINDS] = {
			"walks for", "forgets the translation of", "forgets the upper levels of"};

		g_string_append_printf(b->text, "(hardware %s 0x%" G_GINT64_MODIFIER "x)",
				       acts[m->act.kind], m->act.gva);
	} else if (m->step < 0) {
		g_string_append(b->text, "(interrupt)");
	} else {
		const M2dScnStep *step = &s->steps[m->step];

		if (step->label != NULL)
			g_string_append_printf(b->text, "@%s ", step->label);
		g_string_append(b->text, b->begun[m->step] ? "goes on" : step->text);
		b->begun[m->step] = true;
	}
	g_array_append_val(b->rows, row);
	b->step = m->step;
	b->open = true;
}

static void add_micro(Builder *b, const M2dScnMicro *m, unsigned k)
{
	const M2dExVariant *v = b->v;
	M2dExploreRow *row =
		b->open ? &g_array_index(b->rows, M2dExploreRow, b->rows->len - 1) : NULL;
	bool repair = (int)k == v->repair.step, breaks = k + 1 == v->schedule->len;

	if (row == NULL || m->hw || row->actor != m->actor || b->step != m->step || row->repair ||
	    repair || breaks || b->ended)
		open_row(b, m, k);
	row = &g_array_index(b->rows, M2dExploreRow, b->rows->len - 1);
	row->last = k + 1;
	row->repair |= repair;
	row->breaks |= breaks;
	b->point = m->point;
	b->ended = m->done || m->hw;
	if (m->done && m->step >= 0) {
		g_autofree char *text =
			m2d_scn_outcome_text(&v->scenario->steps[m->step], &v->run->steps[m->step]);

		if (strcmp(text, "ok") != 0)
			g_string_append_printf(b->text, " -> %s", text);
	}
	add_story(v->run, m, b->story);
}

/* Two rows of one actor on end into one; false: there are none that may be. */
static bool merge_some(GArray *rows)
{
	for (guint i = 0; i + 1 < rows->len; i++) {
		M2dExploreRow *a = &g_array_index(rows, M2dExploreRow, i), *b = a + 1;
		char *text;

		if (a->actor != b->actor || a->repair || b->repair || b->breaks)
			continue;
		text = g_strdup_printf("%s; %s", a->text, b->text);
		g_free(a->text);
		a->text = text;
		a->last = b->last;
		g_array_remove_index(rows, i + 1);
		return true;
	}
	return false;
}

GArray *m2d_explore_rows(const M2dExVariant *v)
{
	Builder b = {.v = v, .rows = g_array_new(FALSE, FALSE, sizeof(M2dExploreRow))};
	unsigned k = 0;

	g_array_set_clear_func(b.rows, row_clear);
	b.begun = g_new0(bool, v->scenario->n_steps + 1);
	b.text = g_string_new(NULL);
	b.story = g_string_new(NULL);
	for (guint i = 0; i < v->run->micro->len && k < v->schedule->len; i++) {
		const M2dScnMicro *m = &g_array_index(v->run->micro, M2dScnMicro, i);

		/* What was begun and goes on is no micro-step of its own. */
		if (!m->begins || m->done)
			add_micro(&b, m, k++);
	}
	close_row(&b);
	while (b.rows->len > M2D_EXPLORE_ROWS && merge_some(b.rows))
		;
	g_string_free(b.text, TRUE);
	g_string_free(b.story, TRUE);
	g_free(b.begun);
	return b.rows;
}

/* --- text ------------------------------------------------------------------------------------- */

static unsigned column_of(const M2dExVariant *v, unsigned actor, unsigned n_vcpus)
{
	const M2dScenario *s = v->scenario;

	for (unsigned i = 0; i < s->n_actors; i++)
		if ((s->actors[i].kind == M2D_SCN_ACTOR_VCPU && s->actors[i].number == actor) ||
		    (s->actors[i].kind == M2D_SCN_ACTOR_HOST && actor >= n_vcpus))
			return i;
	return s->n_actors;
}

static void add_cell(GString *line, unsigned cell, const char *text)
{
	size_t len = strlen(text);

	if (len > cell)
		g_string_append_printf(line, " | %.*s...", (int)cell - 3, text);
	else
		g_string_append_printf(line, " | %-*s", (int)cell, text);
}

static void add_line(GString *out, GString *line)
{
	while (line->len != 0 && line->str[line->len - 1] == ' ')
		g_string_truncate(line, line->len - 1);
	g_string_append_printf(out, "%s\n", line->str);
}

static void add_row(const M2dExVariant *v, const M2dExploreRow *row, unsigned n_columns,
		    unsigned cell, GString *out)
{
	g_autoptr(GString) line = g_string_new(NULL);
	unsigned at = column_of(v, row->actor, m2d_run_vcpus(v->run));
	g_autofree char *range = row->first == row->last
					 ? g_strdup_printf("%u", row->first)
					 : g_strdup_printf("%u-%u", row->first, row->last);

	g_string_append_printf(line, "  %c%c%9s", row->preempts ? '>' : ' ',
			       row->breaks   ? '!'
			       : row->repair ? '*'
					     : ' ',
			       range);
	for (unsigned i = 0; i < n_columns; i++)
		add_cell(line, cell, i == at ? row->text : "");
	add_line(out, line);
}

static char *actor_name(const M2dExVariant *v, unsigned actor)
{
	unsigned n = m2d_run_vcpus(v->run);

	return actor < n ? g_strdup_printf("vcpu%u", actor)
			 : g_strdup(actor == n ? "host" : "hardware");
}

static void add_repair(const M2dExVariant *v, GString *out)
{
	const M2dExRepair *r = &v->repair;
	g_autofree char *actor = NULL;

	if (!r->known)
		return;
	if (r->step < 0) {
		g_string_append(out, "  No schedule is clean.\n");
		return;
	}
	actor = actor_name(v, r->instead);
	g_string_append_printf(
		out,
		"  * Until step %d it could be repaired: %s goes on instead, and some "
		"end is clean.\n",
		r->step + 1, actor);
}

char *m2d_explore_table(const M2dExVariant *v, unsigned width)
{
	const M2dScenario *s = v->scenario;
	g_autoptr(GArray) rows = m2d_explore_rows(v);
	GString *out = g_string_new(NULL);
	g_autoptr(GString) head = g_string_new("         step");
	unsigned n_columns = s->n_actors, cell;

	for (guint i = 0; i < rows->len; i++)
		n_columns =
			MAX(n_columns, 1 + column_of(v, g_array_index(rows, M2dExploreRow, i).actor,
						     m2d_run_vcpus(v->run)));
	cell = MAX(MIN_CELL, (width - 13) / MAX(n_columns, 1) - 3);
	for (unsigned i = 0; i < n_columns; i++) {
		g_autofree char *title =
			i < s->n_actors ? m2d_scn_actor_text(s->actors[i]) : g_strdup("others");

		add_cell(head, cell, title);
	}
	add_line(out, head);
	for (guint i = 0; i < rows->len; i++)
		add_row(v, &g_array_index(rows, M2dExploreRow, i), n_columns, cell, out);
	add_repair(v, out);
	return g_string_free(out, FALSE);
}
