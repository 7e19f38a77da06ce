/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/base/ini.h"

#include "sim/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	const char *path;
	M2dIniFn fn;
	void *data;
	GHashTable *seen; /* "section" and "section\nkey" to the line they stand on */
	char *section;    /* NULL before the first */
	unsigned line;
} M2dIniReader;

/* Column @p of the present line, counted in characters from 1. */
static unsigned column_of(const char *line, const char *p)
{
	return 1 + (unsigned)g_utf8_strlen(line, p - line);
}

G_GNUC_PRINTF(4, 5)
static bool fail(const M2dIniReader *r, unsigned column, GError **error, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list ap;

	va_start(ap, format);
	message = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%u:%u: %s", r->path, r->line, column,
		    message);
	return false;
}

/* Whole file as a NUL-terminated string, or NULL. Also reads pipes. */
static char *read_all(const char *path, size_t *len, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t room = 8192;
	char *buf;
	ssize_t n = 0;

	if (fd == -1) {
		m2d_error_from_errno(error, errno, "open", path);
		return NULL;
	}
	buf = g_malloc(room);
	*len = 0;
	while (*len <= M2D_INI_MAX_BYTES) {
		/* One byte stays for the NUL. */
		if (*len + 1 == room)
			buf = g_realloc(buf, room *= 2);
		n = read(fd, buf + *len, room - *len - 1);
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	if (n == -1)
		m2d_error_from_errno(error, errno, "read", path);
	else if (*len > M2D_INI_MAX_BYTES)
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: longer than %u bytes, expected a settings file", path,
			    M2D_INI_MAX_BYTES);
	close(fd);
	if (n == -1 || *len > M2D_INI_MAX_BYTES) {
		g_free(buf);
		return NULL;
	}
	buf[*len] = '\0';
	return buf;
}

/* True the first time @name is seen. */
static bool is_new(M2dIniReader *r, const char *name, unsigned *first_line)
{
	gpointer line;

	if (g_hash_table_lookup_extended(r->seen, name, NULL, &line)) {
		*first_line = GPOINTER_TO_UINT(line);
		return false;
	}
	g_hash_table_insert(r->seen, g_strdup(name), GUINT_TO_POINTER(r->line));
	return true;
}

static bool read_section(M2dIniReader *r, char *line, char *text, GError **error)
{
	size_t len = strlen(text);
	unsigned first;

	if (len < 3 || text[len - 1] != ']')
		return fail(r, column_of(line, text), error, "expected [SECTION], got '%s'", text);
	text[len - 1] = '\0';
	g_free(r->section);
	r->section = g_strdup(g_strstrip(text + 1));
	if (!is_new(r, r->section, &first))
		return fail(r, column_of(line, text), error,
			    "section [%s] already began on line %u", r->section, first);
	return true;
}

static bool read_item(M2dIniReader *r, char *line, char *text, const char *remark, GError **error)
{
	char *equals = strchr(text, '=');
	char *value;
	unsigned first;
	M2dIniItem item = {.remark = remark, .line = r->line, .section = r->section};
	g_autofree char *full = NULL;
	GError *inner = NULL;
	unsigned column;
	bool ok;

	item.key_column = column_of(line, text);
	if (equals == NULL || equals == text)
		return fail(r, item.key_column, error,
			    "expected KEY = VALUE or [SECTION], got '%s'", text);
	if (r->section == NULL)
		return fail(r, item.key_column, error, "expected [SECTION] before the first key");
	value = equals + 1;
	while (g_ascii_isspace(*value))
		value++;
	item.value_column = column_of(line, value);
	*equals = '\0';
	item.key = g_strchomp(text);
	item.value = value;
	full = g_strdup_printf("%s\n%s", r->section, item.key);
	if (!is_new(r, full, &first))
		return fail(r, item.key_column, error, "key '%s' was already set on line %u",
			    item.key, first);
	column = item.value_column;
	ok = r->fn(&item, &column, r->data, &inner);
	if (!ok) {
		fail(r, column, error, "%s", inner->message);
		g_error_free(inner);
	}
	return ok;
}

static bool read_line(M2dIniReader *r, char *line, GError **error)
{
	char *comment = strchr(line, '#');
	char *text = line;
	const char *remark = NULL;

	if (comment != NULL) {
		*comment = '\0';
		remark = g_strstrip(comment + 1);
	}
	g_strchomp(line);
	while (g_ascii_isspace(*text))
		text++;
	if (*text == '\0')
		return true;
	if (*text == '[')
		return read_section(r, line, text, error);
	return read_item(r, line, text, remark, error);
}

/* Position of the first byte that is not text, for the message. */
static bool check_text(M2dIniReader *r, const char *buf, size_t len, GError **error)
{
	const char *bad;
	const char *start = buf;

	if (g_utf8_validate(buf, (gssize)len, &bad))
		return true;
	r->line = 1;
	for (const char *p = buf; p < bad; p++) {
		if (*p == '\n') {
			r->line++;
			start = p + 1;
		}
	}
	return fail(r, column_of(start, bad), error, "byte 0x%02x is not UTF-8 text",
		    (unsigned char)*bad);
}

bool m2d_ini_read(const char *path, M2dIniFn fn, void *data, GError **error)
{
	M2dIniReader r = {.path = path, .fn = fn, .data = data};
	size_t len;
	g_autofree char *buf = read_all(path, &len, error);
	char *next;
	bool ok;

	if (buf == NULL)
		return false;
	ok = check_text(&r, buf, len, error);
	r.line = 0;
	r.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (char *line = buf; ok && line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		r.line++;
		ok = read_line(&r, line, error);
	}
	g_hash_table_destroy(r.seen);
	g_free(r.section);
	return ok;
}
