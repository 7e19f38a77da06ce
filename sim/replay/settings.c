/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/replay/settings.h"

#include <math.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/base/near.h"

bool m2d_settings_parse_bytes(const char *text, uint64_t *bytes)
{
	static const char suffixes[] = "kMGT";
	unsigned shift = 0;
	char *end = NULL;
	uint64_t whole;
	double value;

	if (!g_ascii_isdigit(text[0]))
		return false;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		if (!g_ascii_string_to_unsigned(text + 2, 16, 0, UINT64_MAX, &whole, NULL))
			return false;
		*bytes = whole;
		return true;
	}
	value = g_ascii_strtod(text, &end);
	for (unsigned i = 0; suffixes[i] != '\0'; i++)
		if (g_ascii_tolower(*end) == g_ascii_tolower(suffixes[i]))
			shift = 10 * (i + 1);
	if (end[shift != 0] != '\0')
		return false;
	if (shift == 0) /* exact above 2^53 too */
		return g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, bytes, NULL);
	value = ldexp(value, (int)shift);
	if (!(value < 0x1p63) || value != floor(value))
		return false;
	*bytes = (uint64_t)value;
	return true;
}

/* Bytes with the largest suffix that leaves a whole number. */
static char *bytes_text(uint64_t bytes)
{
	static const char suffixes[] = "kMGT";
	unsigned n = 0;

	while (n < 4 && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		n++;
	}
	return n == 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, bytes)
		      : g_strdup_printf("%" G_GUINT64_FORMAT "%c", bytes, suffixes[n - 1]);
}

/* The shortest decimal that reads back as @value. */
static char *real_text(double value)
{
	char buf[G_ASCII_DTOSTR_BUF_SIZE], format[8];

	for (int digits = 1; digits <= 17; digits++) {
		g_snprintf(format, sizeof(format), "%%.%dg", digits);
		g_ascii_formatd(buf, sizeof(buf), format, value);
		if (g_ascii_strtod(buf, NULL) == value)
			break;
	}
	return g_strdup(buf);
}

static char *value_text(const M2dSetting *s, const void *config)
{
	const void *p = (const uint8_t *)config + s->offset;

	switch (s->type) {
	case M2D_SETTING_SHARE:
	case M2D_SETTING_REAL:
		return real_text(*(const double *)p);
	case M2D_SETTING_BYTES:
		return bytes_text(*(const uint64_t *)p);
	case M2D_SETTING_UINT:
		return g_strdup_printf("%" G_GUINT64_FORMAT, *(const uint64_t *)p);
	case M2D_SETTING_BOOL:
		return g_strdup(*(const bool *)p ? "yes" : "no");
	case M2D_SETTING_NAME:
		return g_strdup(s->names[*(const unsigned *)p]);
	}
	g_assert_not_reached();
}

static bool parse_bool(const char *value, bool *out)
{
	static const char *const words[] = {"no", "yes", "off", "on", "0", "1", "false", "true"};

	for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
		if (strcmp(value, words[i]) == 0) {
			*out = i % 2 != 0;
			return true;
		}
	}
	return false;
}

static bool parse_real(const char *value, double min, double max, double *out)
{
	char *end = NULL;
	double real = g_ascii_strtod(value, &end);

	if (!(g_ascii_isdigit(value[0]) || value[0] == '.') || *end != '\0' ||
	    !(real >= min && real <= max))
		return false;
	*out = real;
	return true;
}

/* Store @value; else return what was expected, to g_free(). */
static char *value_parse(const M2dSetting *s, void *config, const char *value)
{
	void *p = (uint8_t *)config + s->offset;
	g_autofree char *low = NULL, *high = NULL, *names = NULL;
	uint64_t n;

	switch (s->type) {
	case M2D_SETTING_SHARE:
		if (!parse_real(value, 0, 1, p))
			return g_strdup("a number from 0 to 1");
		return NULL;
	case M2D_SETTING_REAL:
		if (!parse_real(value, (double)s->min, (double)s->max, p))
			return g_strdup_printf("a number from %" G_GUINT64_FORMAT
					       " to %" G_GUINT64_FORMAT,
					       s->min, s->max);
		return NULL;
	case M2D_SETTING_BYTES:
		if (m2d_settings_parse_bytes(value, &n) && n >= s->min && n <= s->max) {
			*(uint64_t *)p = n;
			return NULL;
		}
		low = bytes_text(s->min);
		high = bytes_text(s->max);
		return g_strdup_printf("bytes from %s to %s", low, high);
	case M2D_SETTING_UINT:
		if (g_ascii_string_to_unsigned(value, 10, s->min, s->max, &n, NULL)) {
			*(uint64_t *)p = n;
			return NULL;
		}
		return g_strdup_printf("a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
				       s->min, s->max);
	case M2D_SETTING_BOOL:
		return parse_bool(value, p) ? NULL : g_strdup("yes or no");
	case M2D_SETTING_NAME:
		for (unsigned i = 0; s->names[i] != NULL; i++) {
			if (strcmp(value, s->names[i]) == 0) {
				*(unsigned *)p = i;
				return NULL;
			}
		}
		names = g_strjoinv(", ", (char **)s->names);
		return g_strdup_printf("one of %s", names);
	}
	g_assert_not_reached();
}

bool m2d_settings_set(const M2dSetting *table, void *config, const char *assignment, GError **error)
{
	const char *eq = strchr(assignment, '='), *near = NULL;
	g_autofree char *key = NULL, *expected = NULL, *shown = NULL;

	if (eq == NULL) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "'%s': expected key=value",
			    assignment);
		return false;
	}
	key = g_strndup(assignment, (gsize)(eq - assignment));
	for (const M2dSetting *s = table; s->key != NULL; s++) {
		if (strcmp(s->key, key) != 0) {
			near = m2d_near_better(key, near, s->key);
			continue;
		}
		expected = value_parse(s, config, eq + 1);
		if (expected == NULL)
			return true;
		shown = g_strescape(eq + 1, NULL);
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: '%s' is not %s", key, shown,
			    expected);
		return false;
	}
	shown = g_strescape(key, NULL);
	if (near != NULL)
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "'%s': unknown setting; did you mean %s?", shown, near);
	else
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "'%s': unknown setting", shown);
	return false;
}

void m2d_settings_foreach(const M2dSetting *table, const void *config,
			  void (*fn)(const char *key, const char *value, void *data), void *data)
{
	for (const M2dSetting *s = table; s->key != NULL; s++) {
		g_autofree char *value = value_text(s, config);

		fn(s->key, value, data);
	}
}
