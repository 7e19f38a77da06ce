/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/base/json.h"

#include <math.h>

/* One open object or array. */
typedef struct {
	bool object;
	bool empty;
} M2dJsonLevel;

struct _M2dJson {
	GString *text;
	GArray *levels; /* of M2dJsonLevel, innermost last */
};

M2dJson *m2d_json_new(void)
{
	M2dJson *json = g_new0(M2dJson, 1);

	json->text = g_string_new(NULL);
	json->levels = g_array_new(FALSE, FALSE, sizeof(M2dJsonLevel));
	return json;
}

static void append_newline(M2dJson *json)
{
	g_string_append_c(json->text, '\n');
	for (guint i = 0; i < json->levels->len; i++)
		g_string_append(json->text, "  ");
}

/* @s as a JSON string; each byte that does not belong to valid UTF-8 becomes U+FFFD. */
static void append_quoted(M2dJson *json, const char *s)
{
	GString *t = json->text;

	g_string_append_c(t, '"');
	while (*s != '\0') {
		gunichar c = g_utf8_get_char_validated(s, -1);

		if (c == (gunichar)-1 || c == (gunichar)-2) {
			g_string_append(t, "\xef\xbf\xbd");
			s++;
			continue;
		}
		if (c == '"' || c == '\\')
			g_string_append_printf(t, "\\%c", (char)c);
		else if (c == '\n')
			g_string_append(t, "\\n");
		else if (c == '\t')
			g_string_append(t, "\\t");
		else if (c < 0x20 || c == 0x7f)
			g_string_append_printf(t, "\\u%04x", c);
		else
			g_string_append_unichar(t, c);
		s = g_utf8_next_char(s);
	}
	g_string_append_c(t, '"');
}

/* Everything that comes before a value: comma, line break, key. */
static void begin_value(M2dJson *json, const char *key)
{
	M2dJsonLevel *level;

	if (json->levels->len == 0) {
		g_assert(key == NULL && json->text->len == 0);
		return;
	}
	level = &g_array_index(json->levels, M2dJsonLevel, json->levels->len - 1);
	g_assert(level->object == (key != NULL));
	if (!level->empty)
		g_string_append_c(json->text, ',');
	level->empty = false;
	append_newline(json);
	if (key != NULL) {
		append_quoted(json, key);
		g_string_append(json->text, ": ");
	}
}

static void begin_level(M2dJson *json, const char *key, bool object)
{
	M2dJsonLevel level = {.object = object, .empty = true};

	begin_value(json, key);
	g_string_append_c(json->text, object ? '{' : '[');
	g_array_append_val(json->levels, level);
}

static void end_level(M2dJson *json, bool object)
{
	M2dJsonLevel level;

	g_assert(json->levels->len > 0);
	level = g_array_index(json->levels, M2dJsonLevel, json->levels->len - 1);
	g_assert(level.object == object);
	g_array_set_size(json->levels, json->levels->len - 1);
	if (!level.empty)
		append_newline(json);
	g_string_append_c(json->text, object ? '}' : ']');
}

void m2d_json_object_begin(M2dJson *json, const char *key)
{
	begin_level(json, key, true);
}

void m2d_json_object_end(M2dJson *json)
{
	end_level(json, true);
}

void m2d_json_array_begin(M2dJson *json, const char *key)
{
	begin_level(json, key, false);
}

void m2d_json_array_end(M2dJson *json)
{
	end_level(json, false);
}

void m2d_json_string(M2dJson *json, const char *key, const char *value)
{
	begin_value(json, key);
	if (value == NULL)
		g_string_append(json->text, "null");
	else
		append_quoted(json, value);
}

void m2d_json_uint(M2dJson *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	g_string_append_printf(json->text, "%" G_GUINT64_FORMAT, (guint64)value);
}

void m2d_json_int(M2dJson *json, const char *key, int64_t value)
{
	begin_value(json, key);
	g_string_append_printf(json->text, "%" G_GINT64_FORMAT, (gint64)value);
}

void m2d_json_double(M2dJson *json, const char *key, double value)
{
	char buf[G_ASCII_DTOSTR_BUF_SIZE];

	begin_value(json, key);
	if (!isfinite(value)) {
		g_string_append(json->text, "null");
		return;
	}
	/* The shorter form where it reads back as the same number. */
	g_ascii_formatd(buf, sizeof(buf), "%.15g", value);
	if (g_ascii_strtod(buf, NULL) != value)
		g_ascii_dtostr(buf, sizeof(buf), value);
	g_string_append(json->text, buf);
}

void m2d_json_bool(M2dJson *json, const char *key, bool value)
{
	begin_value(json, key);
	g_string_append(json->text, value ? "true" : "false");
}

void m2d_json_hex(M2dJson *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	g_string_append_printf(json->text, "\"0x%" G_GINT64_MODIFIER "x\"", (guint64)value);
}

void m2d_json_free(M2dJson *json)
{
	if (json == NULL)
		return;
	g_string_free(json->text, TRUE);
	g_array_free(json->levels, TRUE);
	g_free(json);
}

char *m2d_json_finish(M2dJson *json)
{
	char *text;

	g_assert(json->levels->len == 0);
	g_string_append_c(json->text, '\n');
	text = g_string_free(json->text, FALSE);
	g_array_free(json->levels, TRUE);
	g_free(json);
	return text;
}
