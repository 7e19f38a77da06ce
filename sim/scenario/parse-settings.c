/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of [machine] and [variant]: key = value. */
#include "sim/scenario/parse-private.h"

#include <string.h>

#include "sim/base/near.h"

/* The values that @info takes, for messages; g_free(). */
static char *expected_values(const M2dScnSettingInfo *info)
{
	g_auto(GStrv) words = NULL;

	switch (info->type) {
	case M2D_SCN_TEXT:
		return g_strdup("text");
	case M2D_SCN_BOOL:
		return g_strdup("yes or no");
	case M2D_SCN_UINT:
	case M2D_SCN_SIZE:
		return g_strdup_printf("a number, %s", info->domain);
	case M2D_SCN_ENUM:
		words = g_strsplit(info->domain, "|", -1);
		return g_strjoinv(", ", words);
	}
	g_assert_not_reached();
}

static bool in_domain(const char *domain, uint64_t value)
{
	g_auto(GStrv) ends = g_strsplit(domain, "..", 2);
	uint64_t least, most;

	return !m2d_scn_size(ends[0], &least) || !m2d_scn_size(ends[1], &most) ||
	       (value >= least && value <= most);
}

static bool find_word(const char *domain, const char *text, uint64_t *index)
{
	g_auto(GStrv) words = g_strsplit(domain, "|", -1);

	for (*index = 0; words[*index] != NULL; (*index)++)
		if (strcmp(words[*index], text) == 0)
			return true;
	return false;
}

static bool parse_bool(const char *text, uint64_t *value)
{
	*value = strcmp(text, "yes") == 0;
	return *value || strcmp(text, "no") == 0;
}

bool m2d_scn_setting_value(const M2dScnSettingInfo *info, const char *text, uint64_t *value)
{
	switch (info->type) {
	case M2D_SCN_TEXT:
		*value = 0;
		return text[0] != '\0';
	case M2D_SCN_BOOL:
		return parse_bool(text, value);
	case M2D_SCN_UINT:
		return m2d_scn_number(text, value) && in_domain(info->domain, *value);
	case M2D_SCN_SIZE:
		return m2d_scn_size(text, value) && in_domain(info->domain, *value);
	case M2D_SCN_ENUM:
		return find_word(info->domain, text, value);
	}
	g_assert_not_reached();
}

/* A row of settings.def. */
static bool set_known(M2dScnParser *ps, M2dScnSetting *set, const char *at)
{
	const M2dScnSettingInfo *info = &m2d_scn_setting_info[set->index];
	g_autofree char *expected = NULL;
	GError *inner = NULL;

	if (!m2d_scn_setting_value(info, set->value, &set->number)) {
		expected = expected_values(info);
		return m2d_scn_fail(ps, at, "%s = %s, expected %s", set->key,
				    m2d_scn_quote(ps, set->value), expected);
	}
	if (set->index == M2D_SCN_SET_kvm && ps->tables != NULL && ps->tables->profile != NULL &&
	    !ps->tables->profile(set->value, &inner))
		return m2d_scn_fail_from(ps, set->value_place, inner);
	return true;
}

/* kvm.NAME and bug.NAME. */
static bool set_open(M2dScnParser *ps, M2dScnSetting *set, const char *key_at, const char *at)
{
	GError *inner = NULL;

	if (set->index == M2D_SCN_SET_BUG) {
		if (!m2d_scn_check_name(ps, M2D_SCN_NAME_BUG, "what can be left out", set->name,
					key_at + (set->name - set->key)))
			return false;
		if (!parse_bool(set->value, &set->number))
			return m2d_scn_fail(ps, at, "%s = %s, expected yes or no", set->key,
					    m2d_scn_quote(ps, set->value));
		return true;
	}
	if (!m2d_scn_is_name(set->name))
		return m2d_scn_fail(ps, key_at, "%s is no name, expected kvm.KNOB",
				    m2d_scn_quote(ps, set->key));
	if (ps->tables != NULL && ps->tables->knob != NULL &&
	    !ps->tables->knob(set->name, set->value, &inner))
		return m2d_scn_fail_from(ps, set->place, inner);
	return true;
}

static bool find_key(M2dScnParser *ps, M2dScnSetting *set, const char *at)
{
	const char *near = NULL;

	if (g_str_has_prefix(set->key, "kvm.") || g_str_has_prefix(set->key, "bug.")) {
		set->index = set->key[0] == 'k' ? M2D_SCN_SET_KNOB : M2D_SCN_SET_BUG;
		set->name = set->key + 4;
		return true;
	}
	for (unsigned i = 0; i < M2D_N_SCN_SETTINGS; i++) {
		set->index = i;
		if (strcmp(m2d_scn_setting_info[i].key, set->key) == 0)
			return true;
		near = m2d_near_better(set->key, near, m2d_scn_setting_info[i].key);
	}
	near = m2d_near_better(set->key, near, "expect");
	return m2d_scn_fail(ps, at, "unknown setting %s, expected one of mmu2d-scenario(5)%s",
			    m2d_scn_quote(ps, set->key), m2d_scn_hint(ps, near));
}

static bool parse_expect(M2dScnParser *ps, const char *key_at)
{
	M2dScnVariant *v = &g_array_index(ps->variants, M2dScnVariant, ps->variants->len - 1);
	M2dScnWord word;
	bool clean = false;

	if (v->expect_place.line != 0)
		return m2d_scn_fail(ps, key_at, "second expect, expected one in a variant");
	v->expect_place = m2d_scn_place(ps, key_at);
	m2d_scn_skip_space(ps);
	if (*ps->p == '\0')
		return m2d_scn_fail(ps, ps->p, "expect is empty, expected clean or invariants");
	while (m2d_scn_word(ps, &word)) {
		M2dScnName name = {.place = m2d_scn_place(ps, word.at), .text = word.text};

		if (!m2d_scn_is_name(word.text))
			return m2d_scn_fail(ps, word.at, "%s is no name, expected an invariant",
					    m2d_scn_quote(ps, word.text));
		m2d_scn_code(ps, word.text);
		if (clean || (ps->v_expect->len > 0 && strcmp(word.text, "clean") == 0))
			return m2d_scn_fail(ps, word.at,
					    "clean and a violation, expected one or the other");
		clean = strcmp(word.text, "clean") == 0;
		if (!clean)
			g_array_append_val(ps->v_expect, name);
	}
	return true;
}

/* "result @LABEL = value"; the cursor stands behind "result". */
static bool parse_override(M2dScnParser *ps)
{
	M2dScnOverride o = {.step = ps->override_labels->len};
	M2dScnWord word;
	M2dScnName label;
	const char *equals;

	if (!m2d_scn_peek(ps, &word) || word.text[0] != '@')
		return m2d_scn_fail(ps, word.at, "result of what, expected result @LABEL = VALUE");
	equals = strchr(word.text, '=');
	label.place = o.place = m2d_scn_place(ps, word.at);
	label.text = m2d_scn_strndup(ps->pool, word.text + 1,
				     equals != NULL ? (gsize)(equals - word.text - 1)
						    : strlen(word.text + 1));
	if (!m2d_scn_is_name(label.text))
		return m2d_scn_fail(ps, word.at, "%s is no label, expected @LABEL",
				    m2d_scn_quote(ps, word.text));
	ps->p += strlen(label.text) + 1;
	m2d_scn_skip_space(ps);
	if (*ps->p != '=')
		return m2d_scn_fail(ps, ps->p, "no value, expected '=' after @%s", label.text);
	ps->p++;
	g_string_printf(ps->code, "result @%s =", label.text);
	if (!m2d_scn_parse_result(ps, &o.result))
		return false;
	g_array_append_val(ps->override_labels, label);
	g_array_append_val(ps->v_overrides, o);
	return true;
}

/* The value: the rest of the line, white space made single. */
static bool parse_value(M2dScnParser *ps, M2dScnSetting *set, const char *key_at)
{
	g_autoptr(GString) value = g_string_new(NULL);
	const char *at;
	M2dScnWord word;

	m2d_scn_skip_space(ps);
	at = ps->p;
	set->value_place = m2d_scn_place(ps, at);
	while (m2d_scn_word(ps, &word)) {
		m2d_scn_code(ps, word.text);
		g_string_append_printf(value, "%s%s", value->len > 0 ? " " : "", word.text);
	}
	set->value = m2d_scn_strndup(ps->pool, value->str, value->len);
	if (set->value[0] == '\0')
		return m2d_scn_fail(ps, at, "%s has no value, expected %s = VALUE", set->key,
				    set->key);
	if (set->index < M2D_N_SCN_SETTINGS)
		return set_known(ps, set, at);
	return set_open(ps, set, key_at, at);
}

static bool is_quantifier(const char *word)
{
	for (unsigned q = M2D_SCN_ALWAYS; q <= M2D_SCN_SOMETIMES; q++)
		if (strcmp(m2d_scn_quantifier_word((M2dScnQuantifier)q), word) == 0)
			return true;
	return false;
}

bool m2d_scn_parse_setting(M2dScnParser *ps)
{
	bool in_variant = ps->section == M2D_SCN_IN_VARIANT;
	GArray *list = in_variant ? ps->v_settings : ps->settings;
	const char *at = ps->p;
	gsize len = strcspn(at, " \t=");
	M2dScnSetting set = {.place = m2d_scn_place(ps, at),
			     .key = m2d_scn_strndup(ps->pool, at, len)};

	if (in_variant && is_quantifier(set.key))
		return m2d_scn_parse_claim(ps);
	ps->p += len;
	if (in_variant && strcmp(set.key, "result") == 0)
		return parse_override(ps);
	m2d_scn_skip_space(ps);
	if (len == 0 || *ps->p != '=')
		return m2d_scn_fail(ps, len == 0 ? at : ps->p, "no setting, expected KEY = VALUE");
	ps->p++;
	g_string_printf(ps->code, "%s =", set.key);
	if (strcmp(set.key, "expect") == 0) {
		if (!in_variant)
			return m2d_scn_fail(ps, at,
					    "expect in [machine], expected it in a "
					    "[variant NAME]");
		return parse_expect(ps, at);
	}
	if (!find_key(ps, &set, at) || !parse_value(ps, &set, at))
		return false;
	for (guint i = 0; i < list->len; i++) {
		const M2dScnSetting *other = &g_array_index(list, M2dScnSetting, i);

		if (strcmp(other->key, set.key) == 0)
			return m2d_scn_fail(ps, at, "second %s, expected one: line %u sets it",
					    set.key, other->place.line);
	}
	g_array_append_val(list, set);
	return true;
}
