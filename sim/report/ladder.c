/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/report/ladder.h"

#include <string.h>

#define MARGIN       2u /* before each line: a quotation in a commit message */
#define CONTINUATION 2u /* of a paragraph's further lines */
#define MIN_CELL     12u

typedef struct {
	char *number;
	unsigned column;
	char *text;
} Row;

struct _M2dLadder {
	GPtrArray *titles;
	GArray *rows;
};

static void row_clear(gpointer data)
{
	Row *row = data;

	g_free(row->number);
	g_free(row->text);
}

M2dLadder *m2d_ladder_new(void)
{
	M2dLadder *ladder = g_new0(M2dLadder, 1);

	ladder->titles = g_ptr_array_new_with_free_func(g_free);
	ladder->rows = g_array_new(FALSE, FALSE, sizeof(Row));
	g_array_set_clear_func(ladder->rows, row_clear);
	return ladder;
}

void m2d_ladder_free(M2dLadder *ladder)
{
	if (ladder == NULL)
		return;
	g_ptr_array_unref(ladder->titles);
	g_array_unref(ladder->rows);
	g_free(ladder);
}

unsigned m2d_ladder_column(M2dLadder *ladder, const char *title)
{
	g_ptr_array_add(ladder->titles, g_strdup(title));
	return ladder->titles->len - 1;
}

void m2d_ladder_row(M2dLadder *ladder, const char *number, unsigned column, const char *text)
{
	Row row = {g_strdup(number != NULL ? number : ""), column, g_strdup(text)};

	g_assert(column < ladder->titles->len);
	g_array_append_val(ladder->rows, row);
}

/* --- layout --------------------------------------------------------------------------------- */

static unsigned width_of(const char *text)
{
	return (unsigned)g_utf8_strlen(text, -1);
}

/* Break one paragraph into lines of at most @width columns. */
static void wrap_paragraph(const char *text, unsigned width, GPtrArray *lines)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);
	/* Spaces at the start are indentation and belong to the first word. */
	unsigned lead = (unsigned)strspn(text, " ");
	GString *line = g_string_new(NULL);
	bool empty = true;

	g_string_append_printf(line, "%*s", (int)lead, "");
	for (char **w = words; *w != NULL; w++) {
		if (**w == '\0')
			continue;
		if (!empty && width_of(line->str) + 1 + width_of(*w) > width) {
			g_ptr_array_add(lines, g_string_free(line, FALSE));
			line = g_string_new(NULL);
			g_string_append_printf(line, "%*s", (int)(lead + CONTINUATION), "");
			empty = true;
		}
		g_string_append_printf(line, "%s%s", empty ? "" : " ", *w);
		empty = false;
	}
	g_ptr_array_add(lines, g_string_free(line, FALSE));
}

static GPtrArray *wrap(const char *text, unsigned width)
{
	GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) paragraphs = g_strsplit(text, "\n", -1);

	for (char **p = paragraphs; *p != NULL; p++)
		wrap_paragraph(*p, width, lines);
	return lines;
}

/* Columns that the cells of @column take when they are @width wide. */
static unsigned used_width(const M2dLadder *ladder, unsigned column, unsigned width)
{
	unsigned most = width_of(ladder->titles->pdata[column]);

	for (guint i = 0; i < ladder->rows->len; i++) {
		const Row *row = &g_array_index(ladder->rows, Row, i);
		g_autoptr(GPtrArray) lines = NULL;

		if (row->column != column)
			continue;
		lines = wrap(row->text, width);
		for (guint j = 0; j < lines->len; j++)
			most = MAX(most, width_of(lines->pdata[j]));
	}
	return most;
}

/* Give each column what it needs, the wide ones an equal share of what is left. */
static void share(const M2dLadder *ladder, unsigned room, unsigned *widths)
{
	unsigned n = ladder->titles->len, open = n;
	g_autofree bool *fixed = g_new0(bool, n);

	for (bool again = true; again && open > 0;) {
		unsigned each = MAX(room / open, MIN_CELL);

		again = false;
		for (unsigned i = 0; i < n; i++) {
			unsigned need = used_width(ladder, i, 1000);

			if (fixed[i] || need > each)
				continue;
			fixed[i] = again = true;
			widths[i] = need;
			room -= MIN(room, need);
			open--;
		}
		for (unsigned i = 0; i < n && !again; i++)
			if (!fixed[i])
				widths[i] = used_width(ladder, i, each);
	}
}

static void put_line(GString *out, const char *number, unsigned number_width,
		     const char *const *cells, const unsigned *widths, unsigned n)
{
	g_string_append_printf(out, "%*s", (int)MARGIN, "");
	g_string_append_printf(out, " %-*s", (int)number_width, number);
	for (unsigned i = 0; i < n; i++) {
		g_string_append_printf(out, " | %s", cells[i]);
		if (i + 1 < n)
			g_string_append_printf(
				out, "%*s", (int)(widths[i] - MIN(widths[i], width_of(cells[i]))),
				"");
	}
	while (out->str[out->len - 1] == ' ')
		g_string_truncate(out, out->len - 1);
	g_string_append_c(out, '\n');
}

static void put_rule(GString *out, unsigned number_width, const unsigned *widths, unsigned n)
{
	g_string_append_printf(out, "%*s", (int)MARGIN, "");
	for (unsigned i = 0; i < number_width + 2; i++)
		g_string_append_c(out, '-');
	for (unsigned i = 0; i < n; i++) {
		g_string_append_c(out, '+');
		for (unsigned j = 0; j < widths[i] + 1 + (i + 1 < n); j++)
			g_string_append_c(out, '-');
	}
	g_string_append_c(out, '\n');
}

static void put_row(GString *out, const M2dLadder *ladder, const Row *row, unsigned number_width,
		    const unsigned *widths)
{
	unsigned n = ladder->titles->len;
	g_autofree const char **cells = g_new0(const char *, n);
	g_autoptr(GPtrArray) lines = wrap(row->text, widths[row->column]);

	for (unsigned i = 0; i < n; i++)
		cells[i] = "";
	for (guint j = 0; j < lines->len; j++) {
		cells[row->column] = lines->pdata[j];
		put_line(out, j == 0 ? row->number : "", number_width, cells, widths, n);
	}
}

char *m2d_ladder_text(const M2dLadder *ladder, unsigned width)
{
	unsigned n = ladder->titles->len, number_width = 1, frame;
	g_autofree unsigned *widths = g_new0(unsigned, n);
	GString *out = g_string_new(NULL);

	for (guint i = 0; i < ladder->rows->len; i++)
		number_width =
			MAX(number_width, width_of(g_array_index(ladder->rows, Row, i).number));
	frame = MARGIN + 1 + number_width + 3 * n;
	share(ladder, width > frame ? width - frame : 0, widths);
	put_line(out, "", number_width, (const char *const *)ladder->titles->pdata, widths, n);
	put_rule(out, number_width, widths, n);
	for (guint i = 0; i < ladder->rows->len; i++)
		put_row(out, ladder, &g_array_index(ladder->rows, Row, i), number_width, widths);
	return g_string_free(out, FALSE);
}

/* --- the steps of a scenario ---------------------------------------------------------------- */

M2dLadder *m2d_ladder_steps(const M2dScenario *scenario, int variant)
{
	M2dLadder *ladder = m2d_ladder_new();

	for (unsigned i = 0; i < scenario->n_actors; i++) {
		g_autofree char *title = m2d_scn_actor_text(scenario->actors[i]);

		m2d_ladder_column(ladder, title);
	}
	for (unsigned i = 0; i < scenario->n_steps; i++) {
		const M2dScnStep *step = &scenario->steps[i];
		const M2dScnResult *result = m2d_scenario_result(scenario, variant, i);
		g_autofree char *number =
			step->label != NULL ? g_strdup(step->label) : g_strdup_printf("%u", i + 1);
		g_autoptr(GString) text = g_string_new(step->text);

		if (step->until != NULL)
			g_string_append_printf(text, "\n  until %s", step->until);
		if (result->kind != M2D_SCN_RESULT_NONE) {
			g_autofree char *after = m2d_scn_result_text(result);

			g_string_append_printf(text, "\n  -> %s", after);
		}
		m2d_ladder_row(ladder, number, step->column, text->str);
	}
	return ladder;
}
