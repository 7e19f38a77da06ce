/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps stand in columns, one an actor, so that a reader sees a ladder; columns and the place of
 * "->" are fixed, so that a longer step moves no other line.
 */
#include "sim/scenario/format.h"

#include <string.h>

#include "sim/scenario/parse-private.h"

#define ACTOR_COLUMNS 24 /* indentation of an actor against the one before */
#define MAX_COLUMN    2  /* further actors share the last column */
#define RESULT_COLUMN 40 /* of "->", behind the indentation */

static unsigned indentation(const M2dScenario *s, unsigned step)
{
	return ACTOR_COLUMNS * MIN(s->steps[step].column, MAX_COLUMN);
}

static void indent(GString *out, unsigned columns)
{
	for (unsigned i = 0; i < columns; i++)
		g_string_append_c(out, ' ');
}

/* Columns of the last line of @out. */
static unsigned width_of_last(const GString *out)
{
	const char *lf = strrchr(out->str, '\n');

	return (unsigned)g_utf8_strlen(lf != NULL ? lf + 1 : out->str, -1);
}

static void put_step(GString *out, const M2dScenario *s, const M2dScnLine *l)
{
	unsigned column = indentation(s, l->step);
	unsigned width;

	indent(out, column);
	g_string_append(out, l->code);
	if (l->tail == NULL)
		return;
	width = width_of_last(out);
	indent(out, width < column + RESULT_COLUMN ? column + RESULT_COLUMN - width : 1);
	g_string_append(out, l->tail);
}

/* A comment of its own among steps stands above the step it is about. */
static void put_comment(GString *out, const M2dScenario *s, unsigned line)
{
	const M2dScnLine *l = &s->lines[line];

	for (unsigned i = line + 1; l->indented && i < s->n_lines; i++) {
		const M2dScnLine *next = &s->lines[i];

		if (next->kind == M2D_SCN_LINE_STEP)
			indent(out, indentation(s, next->step));
		if (next->kind != M2D_SCN_LINE_COMMENT)
			break;
	}
	g_string_append(out, l->comment);
}

static void put_line(GString *out, const M2dScenario *s, unsigned line)
{
	const M2dScnLine *l = &s->lines[line];

	if (l->kind == M2D_SCN_LINE_COMMENT) {
		put_comment(out, s, line);
	} else {
		if (l->kind == M2D_SCN_LINE_STEP)
			put_step(out, s, l);
		else if (l->kind == M2D_SCN_LINE_DOC)
			g_string_append_printf(out, "        %s", l->code);
		else
			g_string_append(out, l->code);
		if (l->comment != NULL)
			g_string_append_printf(out, "  %s", l->comment);
	}
	g_string_append_c(out, '\n');
}

/* True if a section begins at @line or right below the comments that do. */
static bool begins_section(const M2dScenario *s, unsigned line)
{
	while (line < s->n_lines && s->lines[line].kind == M2D_SCN_LINE_COMMENT)
		line++;
	return line < s->n_lines && s->lines[line].kind == M2D_SCN_LINE_SECTION;
}

/* Blank lines: one before a section and its comments, none behind its name, elsewhere at most one
 * where the author set some. */
static bool wants_blank(const M2dScenario *s, unsigned line, const M2dScnLine *before, bool blank)
{
	bool section = begins_section(s, line);

	if (before == NULL || (before->kind == M2D_SCN_LINE_SECTION && !section))
		return false;
	return blank || (section && before->kind != M2D_SCN_LINE_COMMENT);
}

char *m2d_scenario_format(const M2dScenario *scenario)
{
	GString *out = g_string_new(NULL);
	const M2dScnLine *before = NULL;
	bool blank = false;

	for (unsigned i = 0; i < scenario->n_lines; i++) {
		const M2dScnLine *l = &scenario->lines[i];

		if (l->kind == M2D_SCN_LINE_BLANK) {
			blank = true;
			continue;
		}
		if (wants_blank(scenario, i, before, blank))
			g_string_append_c(out, '\n');
		blank = false;
		put_line(out, scenario, i);
		before = l;
	}
	return g_string_free(out, FALSE);
}
