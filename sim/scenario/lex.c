/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words, numbers and errors with their place. */
#include "sim/scenario/parse-private.h"

#include <stdarg.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/base/near.h"

/* Characters of a word that a message repeats. */
#define MAX_QUOTE 60

/* --- errors --------------------------------------------------------------------------------- */

M2dScnPlace m2d_scn_place(const M2dScnParser *ps, const char *at)
{
	return (M2dScnPlace){ps->line, 1 + (unsigned)g_utf8_strlen(ps->start, at - ps->start)};
}

static bool fail_va(M2dScnParser *ps, M2dScnPlace place, const char *format, va_list ap)
{
	g_autofree char *message = g_strdup_vprintf(format, ap);

	g_set_error(ps->error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%u:%u: %s", ps->s->path, place.line,
		    place.column, message);
	return false;
}

bool m2d_scn_fail(M2dScnParser *ps, const char *at, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fail_va(ps, m2d_scn_place(ps, at), format, ap);
	va_end(ap);
	return false;
}

bool m2d_scn_fail_at(M2dScnParser *ps, M2dScnPlace place, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fail_va(ps, place, format, ap);
	va_end(ap);
	return false;
}

bool m2d_scn_fail_from(M2dScnParser *ps, M2dScnPlace place, GError *inner)
{
	m2d_scn_fail_at(ps, place, "%s", inner->message);
	g_error_free(inner);
	return false;
}

const char *m2d_scn_hint(M2dScnParser *ps, const char *near)
{
	g_autofree char *text = NULL;

	if (near == NULL)
		return "";
	text = g_strdup_printf("; did you mean '%s'?", near);
	return m2d_scn_strndup(ps->pool, text, strlen(text));
}

const char *m2d_scn_quote(M2dScnParser *ps, const char *text)
{
	bool whole = g_utf8_strlen(text, -1) <= MAX_QUOTE;
	g_autofree char *shown = whole ? g_strdup(text) : g_utf8_substring(text, 0, MAX_QUOTE);
	g_autofree char *quoted = g_strdup_printf("'%s%s'", shown, whole ? "" : "...");

	return m2d_scn_strndup(ps->pool, quoted, strlen(quoted));
}

bool m2d_scn_check_name(M2dScnParser *ps, M2dScnNameKind kind, const char *what, const char *text,
			const char *at)
{
	const char *near = NULL, *name;

	if (!m2d_scn_is_name(text))
		return m2d_scn_fail(ps, at, "%s is no name, expected %s", m2d_scn_quote(ps, text),
				    what);
	if (ps->tables == NULL || ps->tables->name_at == NULL)
		return true;
	for (unsigned i = 0; (name = ps->tables->name_at(kind, i)) != NULL; i++) {
		if (strcmp(name, text) == 0)
			return true;
		near = m2d_near_better(text, near, name);
	}
	return m2d_scn_fail(ps, at, "unknown name %s, expected %s%s", m2d_scn_quote(ps, text), what,
			    m2d_scn_hint(ps, near));
}

int m2d_scn_find_gpt(const M2dScnParser *ps, const char *name, const char **near)
{
	*near = NULL;
	for (guint i = 0; i < ps->gpts->len; i++) {
		const char *known = g_array_index(ps->gpts, const char *, i);

		if (strcmp(known, name) == 0)
			return (int)i;
		*near = m2d_near_better(name, *near, known);
	}
	return -1;
}

/* --- words ---------------------------------------------------------------------------------- */

void m2d_scn_skip_space(M2dScnParser *ps)
{
	while (*ps->p == ' ' || *ps->p == '\t')
		ps->p++;
}

bool m2d_scn_peek(M2dScnParser *ps, M2dScnWord *word)
{
	gsize len;

	m2d_scn_skip_space(ps);
	len = strcspn(ps->p, " \t");
	word->at = ps->p;
	word->text = m2d_scn_strndup(ps->pool, ps->p, len);
	return len > 0;
}

bool m2d_scn_word(M2dScnParser *ps, M2dScnWord *word)
{
	if (!m2d_scn_peek(ps, word))
		return false;
	ps->p += strlen(word->text);
	return true;
}

bool m2d_scn_end(M2dScnParser *ps, const char *expected)
{
	M2dScnWord word;

	if (!m2d_scn_peek(ps, &word))
		return true;
	return m2d_scn_fail(ps, word.at, "unexpected %s, expected %s", m2d_scn_quote(ps, word.text),
			    expected);
}

void m2d_scn_code(M2dScnParser *ps, const char *text)
{
	if (ps->code->len > 0)
		g_string_append_c(ps->code, ' ');
	g_string_append(ps->code, text);
}

bool m2d_scn_is_name(const char *text)
{
	if (!g_ascii_isalnum(text[0]))
		return false;
	for (const char *p = text; *p != '\0'; p++)
		if (!g_ascii_isalnum(*p) && strchr("-_.", *p) == NULL)
			return false;
	return true;
}

/* --- numbers -------------------------------------------------------------------------------- */

static bool hexadecimal(const char *text, uint64_t *value)
{
	return text[0] == '0' && text[1] == 'x' &&
	       g_ascii_string_to_unsigned(text + 2, 16, 0, UINT64_MAX, value, NULL);
}

bool m2d_scn_number(const char *text, uint64_t *value)
{
	if (hexadecimal(text, value))
		return true;
	/* A leading zero means base 8 to some readers and base 10 to others. */
	if (text[0] == '0' && text[1] != '\0')
		return false;
	return g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, value, NULL);
}

bool m2d_scn_size(const char *text, uint64_t *value)
{
	static const char suffixes[] = "kmg";
	gsize len = strlen(text);
	const char *suffix = len > 1 ? strchr(suffixes, text[len - 1]) : NULL;
	unsigned shift;
	g_autofree char *digits = NULL;

	if (suffix == NULL || *suffix == '\0' || text[1] == 'x')
		return m2d_scn_number(text, value);
	shift = 10 * (unsigned)(suffix - suffixes + 1);
	digits = g_strndup(text, len - 1);
	if (!m2d_scn_number(digits, value) || *value > UINT64_MAX >> shift)
		return false;
	*value <<= shift;
	return true;
}

bool m2d_scn_address(const char *text, uint64_t *value)
{
	*value = 0;
	return strcmp(text, "0") == 0 || hexadecimal(text, value);
}

bool m2d_scn_range(const char *text, uint64_t *first, uint64_t *last)
{
	const char *dots = strstr(text, "..");
	g_autofree char *begin = dots != NULL ? g_strndup(text, (gsize)(dots - text)) : NULL;

	return dots != NULL && m2d_scn_address(begin, first) && m2d_scn_address(dots + 2, last) &&
	       *first <= *last;
}

bool m2d_scn_vcpu(const char *text, unsigned *number)
{
	uint64_t n;

	if (!g_str_has_prefix(text, "vcpu") || !m2d_scn_number(text + 4, &n) || n > 999 ||
	    text[5] == 'x')
		return false;
	*number = (unsigned)n;
	return true;
}
