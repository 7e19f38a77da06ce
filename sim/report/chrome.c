/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See chrome.h. */
#include "sim/report/chrome.h"

#include <inttypes.h>
#include <stdarg.h>

#define FULL (64u << 10) /* bytes of text before they are written */

void m2d_chrome_init(M2dChrome *c, M2dOutFile *out)
{
	*c = (M2dChrome){.out = out, .text = g_string_sized_new(FULL + 4096)};
	g_string_append(c->text, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
}

void m2d_chrome_clear(M2dChrome *c)
{
	g_string_free(c->text, TRUE);
	g_clear_error(&c->error);
}

static void write_out(M2dChrome *c, gsize more_than)
{
	if (c->text->len <= more_than || c->error != NULL)
		return;
	m2d_out_file_write(c->out, c->text->str, c->text->len, &c->error);
	g_string_truncate(c->text, 0);
}

bool m2d_chrome_finish(M2dChrome *c, GError **error)
{
	g_string_append(c->text, "\n]}\n");
	write_out(c, 0);
	if (c->error == NULL)
		return true;
	g_propagate_error(error, g_steal_pointer(&c->error));
	return false;
}

static void put(M2dChrome *c, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void put(M2dChrome *c, const char *format, ...)
{
	va_list args;

	if (c->error != NULL)
		return;
	g_string_append(c->text, c->begun ? ",\n{" : "{");
	c->begun = true;
	va_start(args, format);
	g_string_append_vprintf(c->text, format, args);
	va_end(args);
	g_string_append_c(c->text, '}');
	write_out(c, FULL);
}

#define US       "%" PRIu64 ".%03u"
#define IN_US(n) (n) / 1000, (unsigned)((n) % 1000)
#define AT       "\"pid\":%u,\"tid\":%" PRIu64

void m2d_chrome_span(M2dChrome *c, M2dChromeTrack at, uint64_t start, uint64_t end, const char *cat,
		     const char *name, const char *args)
{
	c->spans++;
	put(c,
	    "\"ph\":\"X\"," AT ",\"ts\":" US ",\"dur\":" US
	    ",\"cat\":\"%s\",\"name\":\"%s\",\"args\":{%s}",
	    at.group, at.track, IN_US(start), IN_US(end - start), cat, name, args);
}

void m2d_chrome_instant(M2dChrome *c, M2dChromeTrack at, uint64_t time, const char *cat,
			const char *name, const char *args)
{
	put(c,
	    "\"ph\":\"i\",\"s\":\"t\"," AT ",\"ts\":" US
	    ",\"cat\":\"%s\",\"name\":\"%s\",\"args\":{%s}",
	    at.group, at.track, IN_US(time), cat, name, args);
}

void m2d_chrome_async(M2dChrome *c, M2dChromeTrack at, uint64_t start, uint64_t end,
		      const char *cat, const char *name, const char *args)
{
	uint64_t id = ++c->spans;

	put(c,
	    "\"ph\":\"b\",\"id\":\"a%" PRIu64 "\"," AT ",\"ts\":" US
	    ",\"cat\":\"%s\",\"name\":\"%s\",\"args\":{%s}",
	    id, at.group, at.track, IN_US(start), cat, name, args);
	put(c,
	    "\"ph\":\"e\",\"id\":\"a%" PRIu64 "\"," AT ",\"ts\":" US
	    ",\"cat\":\"%s\",\"name\":\"%s\"",
	    id, at.group, at.track, IN_US(end), cat, name);
}

void m2d_chrome_arrow(M2dChrome *c, M2dChromeTrack from, uint64_t start, M2dChromeTrack to,
		      uint64_t end, const char *cat, const char *name)
{
	uint64_t id = ++c->arrows;

	put(c,
	    "\"ph\":\"s\",\"id\":%" PRIu64 "," AT ",\"ts\":" US ",\"cat\":\"%s\",\"name\":\"%s\"",
	    id, from.group, from.track, IN_US(start), cat, name);
	put(c,
	    "\"ph\":\"f\",\"bp\":\"e\",\"id\":%" PRIu64 "," AT ",\"ts\":" US
	    ",\"cat\":\"%s\",\"name\":\"%s\"",
	    id, to.group, to.track, IN_US(end), cat, name);
}

char *m2d_chrome_safe(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	char *safe = g_strescape(valid, NULL);

	/* Octal escapes, of bytes beyond ASCII and of control characters, are none of JSON's. */
	for (char *p = safe; *p != 0; p++) {
		if (*p != '\\')
			continue;
		if (p[1] == '"' || p[1] == '\\')
			p++;
		else
			*p = '?';
	}
	return safe;
}

static void put_name(M2dChrome *c, const char *kind, M2dChromeTrack at, const char *name)
{
	g_autofree char *safe = m2d_chrome_safe(name);

	put(c, "\"ph\":\"M\"," AT ",\"name\":\"%s\",\"args\":{\"name\":\"%s\"}", at.group, at.track,
	    kind, safe);
}

void m2d_chrome_group(M2dChrome *c, unsigned group, const char *name)
{
	put_name(c, "process_name", (M2dChromeTrack){.group = group}, name);
}

void m2d_chrome_track(M2dChrome *c, M2dChromeTrack at, const char *name)
{
	put_name(c, "thread_name", at, name);
}
