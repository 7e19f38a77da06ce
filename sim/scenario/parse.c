/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file, line by line: what is text at all, and what its lines come to. */
#include "sim/scenario/parse-private.h"

#include <string.h>

#include "sim/base/bits.h"
#include "sim/base/error.h"
#include "sim/base/near.h"

/* --- lines ---------------------------------------------------------------------------------- */

static bool parse_code(M2dScnParser *ps, M2dScnLineKind *kind)
{
	if (ps->line == 1) {
		*kind = M2D_SCN_LINE_HEADER;
		return m2d_scn_parse_version(ps);
	}
	if (*ps->p == '[') {
		*kind = M2D_SCN_LINE_SECTION;
		return m2d_scn_parse_section(ps);
	}
	switch (ps->section) {
	case M2D_SCN_IN_HEADER:
		*kind = M2D_SCN_LINE_HEADER;
		return m2d_scn_parse_header(ps);
	case M2D_SCN_IN_MACHINE:
	case M2D_SCN_IN_VARIANT:
		*kind = M2D_SCN_LINE_SETTING;
		return m2d_scn_parse_setting(ps);
	case M2D_SCN_IN_LAYOUT:
		*kind = M2D_SCN_LINE_OBJECT;
		return m2d_scn_parse_object(ps);
	case M2D_SCN_IN_STEPS:
		*kind = M2D_SCN_LINE_STEP;
		return m2d_scn_parse_step(ps);
	case M2D_SCN_IN_ORDERS:
		*kind = M2D_SCN_LINE_ORDER;
		return m2d_scn_parse_order(ps);
	case M2D_SCN_IN_FINAL:
		*kind = M2D_SCN_LINE_CLAIM;
		return m2d_scn_parse_claim(ps);
	}
	g_assert_not_reached();
}

/* The comment of the line, cut off from @text, or NULL. In the header '#' is a letter, as in #PF,
 * except at the start of a line. */
static const char *cut_comment(const M2dScnParser *ps, char *text)
{
	char *hash;
	const char *comment;

	if (ps->section == M2D_SCN_IN_HEADER && ps->line > 1) {
		hash = text + strspn(text, " \t");
		if (*hash != '#' && *hash != '[')
			return NULL;
		hash = strchr(hash, '#');
	} else {
		hash = strchr(text, '#');
	}
	if (hash == NULL)
		return NULL;
	comment = m2d_scn_strndup(ps->pool, hash, strlen(hash));
	*hash = '\0';
	return comment;
}

static bool parse_line(M2dScnParser *ps, const char *text, gsize len)
{
	char *line = (char *)m2d_scn_strndup(ps->pool, text, len);
	bool continues = ps->in_doc && ps->section == M2D_SCN_IN_HEADER &&
			 g_str_has_prefix(line, "  ") && line[strspn(line, " \t")] != '\0';
	M2dScnLine l = {.step = ps->steps->len};

	g_strchomp(line);
	if (!continues) {
		l.comment = cut_comment(ps, line);
		g_strchomp(line);
	}
	ps->start = line;
	ps->p = line;
	ps->tail = NULL;
	g_string_truncate(ps->code, 0);
	m2d_scn_skip_space(ps);
	if (continues) {
		l.kind = M2D_SCN_LINE_DOC;
		m2d_scn_parse_doc(ps);
	} else if (*ps->p == '\0' && ps->line > 1) {
		l.kind = l.comment != NULL ? M2D_SCN_LINE_COMMENT : M2D_SCN_LINE_BLANK;
		l.indented = text[0] == ' ' || text[0] == '\t';
		ps->in_doc = ps->in_doc && l.comment != NULL;
	} else {
		ps->in_doc = false;
		if (!parse_code(ps, &l.kind))
			return false;
	}
	l.code = m2d_scn_strndup(ps->pool, ps->code->str, ps->code->len);
	l.tail = ps->tail;
	g_array_append_val(ps->lines, l);
	return true;
}

/* A line is text: no control characters, and short enough to be looked at. */
static bool check_line(M2dScnParser *ps, const char *text, gsize len)
{
	ps->start = text;
	if (ps->line > M2D_SCENARIO_MAX_LINES)
		return m2d_scn_fail(ps, text, "more lines than a scenario may have, expected %u",
				    M2D_SCENARIO_MAX_LINES);
	if (len > M2D_SCENARIO_MAX_LINE)
		return m2d_scn_fail(ps, text,
				    "line of %" G_GSIZE_FORMAT " bytes, expected at most "
				    "%u",
				    len, M2D_SCENARIO_MAX_LINE);
	for (const char *p = text; p < text + len; p++) {
		if (*p == '\r')
			return m2d_scn_fail(ps, p,
					    "carriage return, expected lines that end in a "
					    "line feed alone");
		if (g_ascii_iscntrl(*p) && *p != '\t')
			return m2d_scn_fail(ps, p, "control character 0x%02x, expected text",
					    (unsigned char)*p);
	}
	return true;
}

/* Position of the first byte that is not text, for the message. */
static bool check_text(M2dScnParser *ps, const char *text, gsize len)
{
	const char *bad;

	if (len > M2D_SCENARIO_MAX_BYTES)
		return m2d_scn_fail(ps, text, "longer than %u bytes, expected a scenario",
				    M2D_SCENARIO_MAX_BYTES);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return m2d_scn_fail(ps, text, "byte order mark, expected plain UTF-8");
	if (g_utf8_validate(text, (gssize)len, &bad))
		return true;
	for (const char *p = text; p < bad; p++) {
		if (*p == '\n') {
			ps->line++;
			ps->start = p + 1;
		}
	}
	return m2d_scn_fail(ps, bad, "byte 0x%02x is not UTF-8, expected text",
			    (unsigned char)*bad);
}

static bool parse_lines(M2dScnParser *ps, const char *text, gsize len)
{
	const char *end = text + len;

	ps->line = 1;
	ps->start = text;
	if (!check_text(ps, text, len))
		return false;
	for (const char *p = text;; ps->line++) {
		const char *lf = memchr(p, '\n', (gsize)(end - p));
		gsize n = lf != NULL ? (gsize)(lf - p) : (gsize)(end - p);

		if (!check_line(ps, p, n))
			return false;
		if ((n > 0 || lf != NULL || ps->line == 1) && !parse_line(ps, p, n))
			return false;
		if (lf == NULL || lf + 1 == end)
			break;
		p = lf + 1;
	}
	if (ps->steps->len == 0)
		return m2d_scn_fail_at(
			ps, (M2dScnPlace){ps->line + 1, 1},
			"the file ends without a step, expected [steps] and at least "
			"one");
	return true;
}

/* --- the whole ------------------------------------------------------------------------------ */

/* Labels of variants' results name steps that come later in the file. */
static bool join_overrides(M2dScnParser *ps)
{
	M2dScenario *s = ps->s;

	for (unsigned i = 0; i < s->n_variants; i++) {
		for (unsigned j = 0; j < s->variants[i].n_overrides; j++) {
			M2dScnOverride *o = (M2dScnOverride *)&s->variants[i].overrides[j];
			const M2dScnName *label =
				&g_array_index(ps->override_labels, M2dScnName, o->step);
			int step = m2d_scenario_find_step(s, label->text);
			const char *near = NULL;

			for (unsigned k = 0; k < s->n_steps; k++)
				if (s->steps[k].label != NULL)
					near = m2d_near_better(label->text, near,
							       s->steps[k].label);
			if (step < 0)
				return m2d_scn_fail_at(ps, label->place,
						       "no step has label %s, expected one of "
						       "[steps]%s",
						       m2d_scn_quote(ps, label->text),
						       m2d_scn_hint(ps, near));
			o->step = (unsigned)step;
			for (unsigned k = 0; k < j; k++)
				if (s->variants[i].overrides[k].step == o->step)
					return m2d_scn_fail_at(ps, label->place,
							       "second result of @%s, expected one",
							       label->text);
		}
	}
	return true;
}

static gint by_actor(gconstpointer a, gconstpointer b)
{
	const M2dScnActor *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* The actors that occur, in order, and the place of each step's among them. */
static void join_actors(M2dScnParser *ps)
{
	g_autoptr(GArray) actors = g_array_new(FALSE, FALSE, sizeof(M2dScnActor));
	guint at;

	for (guint i = 0; i < ps->steps->len; i++) {
		M2dScnActor actor = g_array_index(ps->steps, M2dScnStep, i).actor;

		if (!g_array_binary_search(actors, &actor, by_actor, &at)) {
			g_array_append_val(actors, actor);
			g_array_sort(actors, by_actor);
		}
	}
	for (guint i = 0; i < ps->steps->len; i++) {
		M2dScnStep *step = &g_array_index(ps->steps, M2dScnStep, i);

		g_array_binary_search(actors, &step->actor, by_actor, &at);
		step->column = at;
	}
	ps->s->actors = m2d_scn_freeze(ps->pool, actors, &ps->s->n_actors);
}

static void join(M2dScnParser *ps)
{
	M2dScenario *s = ps->s;

	m2d_scn_close_variant(ps);
	join_actors(ps);
	s->settings = m2d_scn_freeze(ps->pool, ps->settings, &s->n_settings);
	s->variants = m2d_scn_freeze(ps->pool, ps->variants, &s->n_variants);
	s->objects = m2d_scn_freeze(ps->pool, ps->objects, &s->n_objects);
	s->gpts = m2d_scn_freeze(ps->pool, ps->gpts, &s->n_gpts);
	s->steps = m2d_scn_freeze(ps->pool, ps->steps, &s->n_steps);
	s->orders = m2d_scn_freeze(ps->pool, ps->orders, &s->n_orders);
	s->claims = m2d_scn_freeze(ps->pool, ps->claims, &s->n_claims);
	s->lines = m2d_scn_freeze(ps->pool, ps->lines, &s->n_lines);
}

/* All arrays of the parser, to be made and freed. */
static void arrays(M2dScnParser *ps, bool make)
{
	const struct {
		GArray **array;
		gsize size;
	} all[] = {
		{&ps->settings, sizeof(M2dScnSetting)},
		{&ps->variants, sizeof(M2dScnVariant)},
		{&ps->objects, sizeof(M2dScnObject)},
		{&ps->gpts, sizeof(const char *)},
		{&ps->steps, sizeof(M2dScnStep)},
		{&ps->orders, sizeof(M2dScnOrder)},
		{&ps->claims, sizeof(M2dScnClaim)},
		{&ps->lines, sizeof(M2dScnLine)},
		{&ps->v_settings, sizeof(M2dScnSetting)},
		{&ps->v_expect, sizeof(M2dScnName)},
		{&ps->v_overrides, sizeof(M2dScnOverride)},
		{&ps->override_labels, sizeof(M2dScnName)},
	};

	for (unsigned i = 0; i < M2D_N_ELEMENTS(all); i++) {
		if (make)
			*all[i].array = g_array_new(FALSE, FALSE, (guint)all[i].size);
		else
			g_array_unref(*all[i].array);
	}
}

M2dScenario *m2d_scenario_parse(const char *path, const char *text, gsize len,
				const M2dScenarioTables *tables, GError **error)
{
	M2dScenario *s = g_new0(M2dScenario, 1);
	M2dScnParser ps = {.s = s, .tables = tables, .error = error};
	bool ok;

	s->pool = ps.pool = m2d_scn_pool_new();
	s->path = m2d_scn_strndup(ps.pool, path, strlen(path));
	ps.code = g_string_new(NULL);
	arrays(&ps, true);
	ok = parse_lines(&ps, text, len);
	if (ok) {
		join(&ps);
		ok = join_overrides(&ps);
	}
	arrays(&ps, false);
	g_string_free(ps.code, TRUE);
	if (!ok)
		g_clear_pointer(&s, m2d_scenario_free);
	return s;
}

void m2d_scenario_free(M2dScenario *scenario)
{
	if (scenario == NULL)
		return;
	m2d_scn_pool_free(scenario->pool);
	g_free(scenario);
}
