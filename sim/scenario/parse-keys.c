/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments of steps and objects: flags and key=value words, by the keys of a .def file. */
#include "sim/scenario/parse-private.h"

#include <string.h>

#include "sim/base/addr.h"
#include "sim/base/bits.h"
#include "sim/base/near.h"

/* What a value of @key looks like, for messages. */
static const char *expected_value(M2dScnParser *ps, const M2dOpKey *key, int bits_of)
{
	g_autoptr(GString) list = g_string_new("");
	const char *word;
	uint64_t bit;
	size_t len;

	switch (key->type) {
	case M2D_OP_ARG_GVA:
	case M2D_OP_ARG_GPA:
	case M2D_OP_ARG_HVA:
		return "an address, 0x...";
	case M2D_OP_ARG_RANGE:
		return "a range of whole pages, 0xFIRST..0xLAST with both included";
	case M2D_OP_ARG_UINT:
		return "a number";
	case M2D_OP_ARG_HEX:
		return "a number of 64 bits";
	case M2D_OP_ARG_FLAG:
		return "the word alone";
	case M2D_OP_ARG_GPT:
		return "a guest address space of [layout]";
	case M2D_OP_ARG_VCPU:
		return "vcpuN";
	case M2D_OP_ARG_VCPUS:
		return "vcpuN or vcpuN,vcpuM...";
	case M2D_OP_ARG_RIGHTS:
		return "letters of rwxug, or -";
	case M2D_OP_ARG_BITS:
		for (unsigned i = 0; (word = m2d_op_bit((M2dOpKind)bits_of, i, &bit)) != NULL; i++)
			g_string_append_printf(list, "%s%s", i > 0 ? ", " : "bits ", word);
		break;
	case M2D_OP_ARG_ENUM:
		for (unsigned i = 0; (word = m2d_op_word(key, i, &len)) != NULL; i++)
			g_string_append_printf(list, "%s%.*s", i > 0 ? ", " : "", (int)len, word);
		break;
	}
	return m2d_scn_strndup(ps->pool, list->str, list->len);
}

static bool parse_vcpus(const M2dScnParser *ps, const char *text, uint64_t *mask)
{
	g_auto(GStrv) words = g_strsplit(text, ",", -1);
	unsigned number;

	*mask = 0;
	for (char **w = words; *w != NULL; w++) {
		if (!m2d_scn_vcpu(*w, &number) || number >= MIN(ps->vcpus, 64))
			return false;
		*mask |= M2D_BIT(number);
	}
	return *mask != 0;
}

static bool parse_bits(int bits_of, const char *text, uint64_t *mask)
{
	g_auto(GStrv) words = g_strsplit(text, ",", -1);

	*mask = 0;
	for (char **w = words; *w != NULL; w++) {
		const char *name;
		uint64_t bit;
		unsigned i;

		for (i = 0; (name = m2d_op_bit((M2dOpKind)bits_of, i, &bit)) != NULL; i++)
			if (strcmp(name, *w) == 0)
				break;
		if (name == NULL)
			return false;
		*mask |= bit;
	}
	return *mask != 0;
}

static bool parse_word(const M2dOpKey *key, const char *text, uint64_t *index)
{
	const char *word;
	size_t len;

	for (*index = 0; (word = m2d_op_word(key, (unsigned)*index, &len)) != NULL; (*index)++)
		if (strlen(text) == len && memcmp(word, text, len) == 0)
			return true;
	return false;
}

/* A range of bytes that begins and ends with a page. */
static bool parse_pages(const char *text, uint64_t *arg)
{
	return m2d_scn_range(text, &arg[0], &arg[1]) && arg[0] % M2D_PAGE_SIZE == 0 &&
	       (arg[1] + 1) % M2D_PAGE_SIZE == 0;
}

static bool parse_value(const M2dScnParser *ps, const M2dOpKey *key, int bits_of, const char *text,
			uint64_t *arg)
{
	const char *near;
	unsigned number;
	int gpt;

	switch (key->type) {
	case M2D_OP_ARG_GVA:
	case M2D_OP_ARG_GPA:
	case M2D_OP_ARG_HVA:
		return m2d_scn_address(text, arg);
	case M2D_OP_ARG_RANGE:
		return parse_pages(text, arg);
	case M2D_OP_ARG_UINT:
	case M2D_OP_ARG_HEX:
		return m2d_scn_number(text, arg);
	case M2D_OP_ARG_FLAG:
		return false;
	case M2D_OP_ARG_GPT:
		gpt = m2d_scn_find_gpt(ps, text, &near);
		*arg = (uint64_t)gpt;
		return gpt >= 0;
	case M2D_OP_ARG_VCPU:
		if (!m2d_scn_vcpu(text, &number) || number >= ps->vcpus)
			return false;
		*arg = number;
		return true;
	case M2D_OP_ARG_VCPUS:
		return parse_vcpus(ps, text, arg);
	case M2D_OP_ARG_RIGHTS:
		return m2d_op_rights(text, strlen(text), arg);
	case M2D_OP_ARG_BITS:
		return parse_bits(bits_of, text, arg);
	case M2D_OP_ARG_ENUM:
		return parse_word(key, text, arg);
	}
	g_assert_not_reached();
}

/* The keys that @what takes, for messages. */
static const char *list_keys(M2dScnParser *ps, const char *keys)
{
	g_autoptr(GString) list = g_string_new("");
	M2dOpKeyIter iter = {0};
	M2dOpKey key;

	while (m2d_op_keys_next(keys, &iter, &key))
		g_string_append_printf(list, "%s%s%s", list->len > 0 ? ", " : "", key.name,
				       key.type == M2D_OP_ARG_FLAG ? "" : "=");
	if (list->len == 0)
		g_string_append(list, "nothing");
	return m2d_scn_strndup(ps->pool, list->str, list->len);
}

static bool find_key(M2dScnParser *ps, const char *what, const char *keys, const M2dScnWord *word,
		     M2dOpKey *key)
{
	const char *equals = strchr(word->text, '=');
	gsize len = equals != NULL ? (gsize)(equals - word->text) : strlen(word->text);
	const char *name = m2d_scn_strndup(ps->pool, word->text, len);
	const char *near = NULL;
	M2dOpKeyIter iter = {0};

	while (m2d_op_keys_next(keys, &iter, key)) {
		if (strcmp(key->name, name) == 0)
			return true;
		near = m2d_near_better(name, near,
				       m2d_scn_strndup(ps->pool, key->name, strlen(key->name)));
	}
	return m2d_scn_fail(ps, word->at, "unknown key %s of %s, expected %s%s",
			    m2d_scn_quote(ps, name), what, list_keys(ps, keys),
			    m2d_scn_hint(ps, near));
}

static bool parse_key(M2dScnParser *ps, const char *what, const char *keys, int bits_of,
		      const M2dScnWord *word, uint64_t *arg, uint16_t *given)
{
	const char *value = strchr(word->text, '=');
	M2dOpKey key;

	if (!find_key(ps, what, keys, word, &key))
		return false;
	if (*given >> key.arg & 1)
		return m2d_scn_fail(ps, word->at, "second %s, expected one", key.name);
	*given |= (uint16_t)(m2d_low_mask(key.n_args) << key.arg);
	if (key.type == M2D_OP_ARG_FLAG && value == NULL) {
		arg[key.arg] = 1;
		return true;
	}
	if (value == NULL)
		return m2d_scn_fail(ps, word->at + strlen(word->text),
				    "%s has no value, expected %s=%s", key.name, key.name,
				    expected_value(ps, &key, bits_of));
	value++;
	if (!parse_value(ps, &key, bits_of, value, &arg[key.arg]))
		return m2d_scn_fail(ps, word->at + (value - word->text), "%s=%s, expected %s",
				    key.name, m2d_scn_quote(ps, value),
				    expected_value(ps, &key, bits_of));
	return true;
}

bool m2d_scn_parse_keys(M2dScnParser *ps, const char *what, const char *keys, int bits_of,
			uint64_t *arg, uint16_t *given)
{
	M2dOpKeyIter iter = {0};
	M2dScnWord word;
	M2dOpKey key;

	*given = 0;
	while (m2d_op_keys_next(keys, &iter, &key))
		arg[key.arg] = key.preset;
	while (m2d_scn_peek(ps, &word)) {
		if (strcmp(word.text, "until") == 0 || strcmp(word.text, "->") == 0)
			break;
		m2d_scn_word(ps, &word);
		m2d_scn_code(ps, word.text);
		if (!parse_key(ps, what, keys, bits_of, &word, arg, given))
			return false;
	}
	iter = (M2dOpKeyIter){0};
	while (m2d_op_keys_next(keys, &iter, &key))
		if (key.must && !(*given >> key.arg & 1))
			return m2d_scn_fail(ps, ps->p, "%s lacks %s, expected %s=%s", what,
					    key.name, key.name, expected_value(ps, &key, bits_of));
	return true;
}
