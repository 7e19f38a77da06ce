/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header of a file, and the sections that it is made of. */
#include <string.h>

#include "sim/base/bits.h"
#include "sim/base/near.h"
#include "sim/scenario/parse-private.h"

static const char *const section_names[] = {
	"header", "machine", "variant", "layout", "steps", "orders", "final",
};

/* --- the header ----------------------------------------------------------------------------- */

bool m2d_scn_parse_version(M2dScnParser *ps)
{
	g_autofree char *expected = g_strdup_printf("mmu2d-scenario %u", M2D_SCENARIO_VERSION);
	M2dScnWord word;
	uint64_t version;

	if (!m2d_scn_word(ps, &word) || strcmp(word.text, "mmu2d-scenario") != 0)
		return m2d_scn_fail(ps, ps->start,
				    "not a scenario, expected '%s' in the first line", expected);
	if (!m2d_scn_word(ps, &word) || !m2d_scn_number(word.text, &version) ||
	    version != M2D_SCENARIO_VERSION)
		return m2d_scn_fail(ps, word.at, "unknown version %s, expected %u",
				    m2d_scn_quote(ps, word.text), M2D_SCENARIO_VERSION);
	m2d_scn_code(ps, expected);
	return m2d_scn_end(ps, "nothing after the version");
}

/* The field of the scenario that header line @key sets, or NULL. */
static const char **header_field(M2dScenario *s, const char *key)
{
	const struct {
		const char *key;
		const char **field;
	} fields[] = {
		{"title", &s->title}, {"origin", &s->origin}, {"tags", &s->tags}, {"doc", &s->doc}};

	for (unsigned i = 0; i < M2D_N_ELEMENTS(fields); i++)
		if (strcmp(fields[i].key, key) == 0)
			return fields[i].field;
	return NULL;
}

bool m2d_scn_parse_header(M2dScnParser *ps)
{
	static const char *const keys[] = {"title", "origin", "tags", "doc"};
	const char *near = NULL;
	const char **field;
	M2dScnWord word;

	m2d_scn_word(ps, &word);
	field = header_field(ps->s, word.text);
	for (unsigned i = 0; i < M2D_N_ELEMENTS(keys); i++)
		near = m2d_near_better(word.text, near, keys[i]);
	if (field == NULL)
		return m2d_scn_fail(ps, word.at,
				    "unexpected %s, expected title, origin, tags, doc or a "
				    "[section]%s",
				    m2d_scn_quote(ps, word.text), m2d_scn_hint(ps, near));
	if (*field != NULL)
		return m2d_scn_fail(ps, word.at, "second %s, expected one", word.text);
	m2d_scn_skip_space(ps);
	if (*ps->p == '\0')
		return m2d_scn_fail(ps, ps->p, "%s is empty, expected text", word.text);
	*field = m2d_scn_strndup(ps->pool, ps->p, strlen(ps->p));
	g_string_append_printf(ps->code, "%-7s %s", word.text, ps->p);
	ps->in_doc = field == &ps->s->doc;
	return true;
}

void m2d_scn_parse_doc(M2dScnParser *ps)
{
	g_autofree char *joined = NULL;

	m2d_scn_skip_space(ps);
	joined = g_strdup_printf("%s\n%s", ps->s->doc, ps->p);
	ps->s->doc = m2d_scn_strndup(ps->pool, joined, strlen(joined));
	m2d_scn_code(ps, ps->p);
}

/* --- sections ------------------------------------------------------------------------------- */

void m2d_scn_close_variant(M2dScnParser *ps)
{
	M2dScnVariant *v;

	if (ps->section != M2D_SCN_IN_VARIANT)
		return;
	v = &g_array_index(ps->variants, M2dScnVariant, ps->variants->len - 1);
	v->settings = m2d_scn_freeze(ps->pool, ps->v_settings, &v->n_settings);
	v->expect = m2d_scn_freeze(ps->pool, ps->v_expect, &v->n_expect);
	v->overrides = m2d_scn_freeze(ps->pool, ps->v_overrides, &v->n_overrides);
}

static uint64_t setting_in(const M2dScnSetting *settings, unsigned n, unsigned index,
			   uint64_t otherwise)
{
	for (unsigned i = 0; i < n; i++)
		if (settings[i].index == index)
			return settings[i].number;
	return otherwise;
}

/* The least value that number @index has in any variant. */
static unsigned least(const M2dScnParser *ps, unsigned index)
{
	uint64_t preset = g_ascii_strtoull(m2d_scn_setting_info[index].preset, NULL, 0);
	uint64_t base = setting_in((const M2dScnSetting *)(const void *)ps->settings->data,
				   ps->settings->len, index, preset);
	uint64_t min = ps->variants->len > 0 ? UINT64_MAX : base;

	for (guint i = 0; i < ps->variants->len; i++) {
		const M2dScnVariant *v = &g_array_index(ps->variants, M2dScnVariant, i);
		uint64_t own = setting_in(v->settings, v->n_settings, index, base);

		min = MIN(min, own);
	}
	return (unsigned)min;
}

static bool begin_variant(M2dScnParser *ps, const M2dScnWord *word)
{
	M2dScnVariant v = {.place = m2d_scn_place(ps, word->at), .name = word->text};

	if (!m2d_scn_is_name(word->text))
		return m2d_scn_fail(ps, word->at,
				    "%s is no name, expected letters, digits, '-', '_' and '.'",
				    m2d_scn_quote(ps, word->text));
	for (guint i = 0; i < ps->variants->len; i++) {
		const M2dScnVariant *other = &g_array_index(ps->variants, M2dScnVariant, i);

		if (strcmp(other->name, v.name) == 0)
			return m2d_scn_fail(ps, word->at,
					    "second variant %s, expected another name than that of "
					    "line %u",
					    m2d_scn_quote(ps, v.name), other->place.line);
	}
	g_array_append_val(ps->variants, v);
	return true;
}

static bool find_section(M2dScnParser *ps, const M2dScnWord *word, M2dScnSection *section)
{
	const char *near = NULL;

	for (unsigned i = M2D_SCN_IN_MACHINE; i < M2D_N_ELEMENTS(section_names); i++) {
		*section = (M2dScnSection)i;
		if (strcmp(section_names[i], word->text) == 0)
			return true;
		near = m2d_near_better(word->text, near, section_names[i]);
	}
	return m2d_scn_fail(ps, word->at,
			    "unknown section %s, expected machine, variant NAME, layout, steps, "
			    "orders or final%s",
			    m2d_scn_quote(ps, word->text), m2d_scn_hint(ps, near));
}

bool m2d_scn_parse_section(M2dScnParser *ps)
{
	gsize len = strlen(ps->start);
	const char *open = ps->p;
	M2dScnParser inner = *ps;
	M2dScnSection section;
	M2dScnWord word;
	bool has_name;

	if (ps->start[len - 1] != ']')
		return m2d_scn_fail(ps, ps->start + len, "section without end, expected ']'");
	/* What stands between the brackets, in the same columns. */
	inner.start = m2d_scn_strndup(ps->pool, ps->start, len - 1);
	inner.p = inner.start + (open + 1 - ps->start);
	if (!m2d_scn_word(&inner, &word))
		return m2d_scn_fail(ps, open, "section without a name, expected [NAME]");
	if (!find_section(&inner, &word, &section))
		return false;
	if (section < ps->section)
		return m2d_scn_fail(ps, open, "[%s] after [%s], expected it before", word.text,
				    section_names[ps->section]);
	if (section != M2D_SCN_IN_VARIANT && ps->n_sections[section]++ > 0)
		return m2d_scn_fail(ps, open, "second [%s], expected one", word.text);
	g_string_printf(ps->code, "[%s", word.text);
	m2d_scn_close_variant(ps);
	has_name = section == M2D_SCN_IN_VARIANT;
	if (has_name) {
		if (!m2d_scn_word(&inner, &word))
			return m2d_scn_fail(&inner, inner.p,
					    "variant without a name, expected "
					    "[variant NAME]");
		if (!begin_variant(&inner, &word))
			return false;
		g_string_append_printf(ps->code, " %s", word.text);
	}
	if (!m2d_scn_end(&inner, "']'"))
		return false;
	g_string_append_c(ps->code, ']');
	ps->section = section;
	if (section > M2D_SCN_IN_VARIANT) {
		ps->vcpus = least(ps, M2D_SCN_SET_vcpus);
		ps->pcpus = least(ps, M2D_SCN_SET_pcpus);
	}
	return true;
}
