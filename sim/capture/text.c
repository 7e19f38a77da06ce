/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See text.h. */
#include "sim/capture/text.h"

#include <glib.h>
#include <string.h>

#include "sim/capture/scan.h"

#define COMM 16u /* columns of the task's name, of which it uses 15 */

static M2dCapLine bad(M2dCapText *t, const char *where, const char *what)
{
	t->bad = where;
	t->what = what;
	return M2D_CAP_LINE_BAD;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	return p;
}

/* The numbers in "# entries-in-buffer/entries-written: N/M   #P:2"; of all heads in the text. */
static void read_comment(M2dCapText *t, const char *p, const char *end)
{
	static const char key[] = "entries-in-buffer/entries-written: ";
	const char *s = memmem(p, (size_t)(end - p), key, sizeof(key) - 1);
	uint64_t in_buffer, written;

	if (s == NULL)
		return;
	s += sizeof(key) - 1;
	if (!m2d_cap_scan_dec(&s, end, &in_buffer) || s == end || *s++ != '/' ||
	    !m2d_cap_scan_dec(&s, end, &written))
		return;
	t->in_buffer += in_buffer;
	t->written += written;
}

/* CPU:N [LOST n EVENTS], CPU:N [n EVENTS DROPPED], CPU:N [EVENTS DROPPED]. */
static M2dCapLine read_lost(M2dCapText *t, M2dCapEvent *e, const char *p, const char *end)
{
	const char *start = p;
	uint64_t cpu;

	p += 4;
	if (!m2d_cap_scan_dec(&p, end, &cpu) || end - p < 2 || memcmp(p, " [", 2) != 0)
		return bad(t, start, "expected CPU:N [LOST n EVENTS]");
	p += 2;
	if (end - p > 5 && memcmp(p, "LOST ", 5) == 0)
		p += 5;
	e->kind = M2D_CAP_LOST;
	e->cpu = (uint16_t)cpu;
	e->u.f[0] = 0;
	e->has = m2d_cap_scan_dec(&p, end, &e->u.f[0]) ? 1 : 0;
	if (memmem(p, (size_t)(end - p), "EVENTS", 6) == NULL)
		return bad(t, p, "expected EVENTS");
	return M2D_CAP_LINE_LOST;
}

/*
 * Behind the dash between the task's name, which may have blanks and dashes itself, and its number.
 * The name takes 16 columns unless somebody has moved the text.
 */
static const char *find_pid(const char *p, const char *end)
{
	if (end - p > COMM + 1 && p[COMM] == '-' && g_ascii_isdigit(p[COMM + 1]))
		return p + COMM + 1;
	for (const char *s = p; s + 1 < end && *s != '\t'; s++) {
		const char *q = s + 1;

		if (*s != '-' || !g_ascii_isdigit(*q))
			continue;
		while (q < end && g_ascii_isdigit(*q))
			q++;
		q = skip_blanks(q, end);
		if (q + 1 < end && (*q == '(' || (*q == '[' && g_ascii_isdigit(q[1]))))
			return s + 1;
	}
	return NULL;
}

/* SECONDS.FRACTION: or, of a clock that counts, TICKS:. To nanoseconds. */
static bool scan_time(const char **p, const char *end, uint64_t *ns)
{
	const char *s = *p;
	uint64_t whole, part = 0, digits = 0;

	if (!m2d_cap_scan_dec(&s, end, &whole))
		return false;
	if (s < end && *s == '.') {
		const char *dot = s++;

		if (!m2d_cap_scan_dec(&s, end, &part))
			return false;
		digits = (uint64_t)(s - dot - 1);
		if (digits > 9)
			return false;
		for (; digits < 9; digits++)
			part *= 10;
		whole = whole * 1000000000 + part;
	}
	if (s == end || *s != ':')
		return false;
	*ns = whole;
	*p = s + 1;
	return true;
}

/* Up to the timestamp: task, CPU and flags. Returns what follows, or NULL. */
static const char *read_prefix(M2dCapText *t, M2dCapEvent *e, const char *line, const char *end)
{
	const char *p = find_pid(line, end), *comm;
	uint64_t v;

	if (p == NULL) {
		bad(t, skip_blanks(line, end), "expected TASK-PID [CPU] TIMESTAMP: EVENT:");
		return NULL;
	}
	comm = skip_blanks(line, p);
	t->comm = comm;
	t->comm_len = (size_t)(p - 1 - comm);
	m2d_cap_scan_dec(&p, end, &v);
	e->pid = (uint32_t)v;
	p = skip_blanks(p, end);
	if (p < end && *p == '(') {
		const char *close = memchr(p, ')', (size_t)(end - p));

		p = close == NULL ? end : skip_blanks(close + 1, end);
	}
	if (p == end || *p++ != '[' || !m2d_cap_scan_dec(&p, end, &v) || p == end || *p != ']') {
		bad(t, p, "expected the CPU as [N]");
		return NULL;
	}
	e->cpu = (uint16_t)v;
	p = skip_blanks(p + 1, end);
	/* Flags such as "d..1." are there or not; they never begin with a digit. */
	if (p < end && !g_ascii_isdigit(*p)) {
		while (p < end && *p != ' ')
			p++;
		p = skip_blanks(p, end);
	}
	if (!scan_time(&p, end, &e->time)) {
		bad(t, p, "expected a timestamp");
		return NULL;
	}
	return skip_blanks(p, end);
}

static bool is_name(char c)
{
	return g_ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
}

/* EVENT: or SYSTEM:EVENT:. What function tracers write, "function <-caller", is an event too. */
static const char *read_name(M2dCapText *t, M2dCapEvent *e, const char *p, const char *end)
{
	const char *start = p;

	while (p < end && is_name(*p))
		p++;
	if (p > start && p + 1 < end && *p == ':' && is_name(p[1])) {
		start = ++p;
		while (p < end && is_name(*p))
			p++;
	}
	if (p > start && p < end && *p == ':') {
		e->kind = (uint16_t)m2d_cap_names_get(t->names, start, (size_t)(p - start));
		return p + 1;
	}
	if (p > start && end - p > 3 && memcmp(p, " <-", 3) == 0) {
		e->kind = (uint16_t)m2d_cap_names_get(t->names, "function", 8);
		return end;
	}
	bad(t, p, "expected an event's name and a colon");
	return NULL;
}

/* Marks are "tracing_mark_write: text" in tracefs, "print: tracing_mark_write: text" in reports. */
static void read_mark(M2dCapText *t, M2dCapEvent *e, const char *p, const char *end)
{
	static const char name[] = "tracing_mark_write: ";
	const size_t len = sizeof(name) - 1;

	if ((size_t)(end - p) >= len && memcmp(p, name, len) == 0)
		p += len;
	e->kind = M2D_CAP_MARK;
	m2d_cap_match(t->patterns, e, p, end, &t->bad);
}

M2dCapLine m2d_cap_text_line(M2dCapText *t, const M2dLine *line, M2dCapEvent *e)
{
	const char *p = line->p, *end = p + line->len;

	if (line->len == 0)
		return M2D_CAP_LINE_NOTHING;
	if (*p == '#') {
		read_comment(t, p, end);
		return M2D_CAP_LINE_NOTHING;
	}
	if (*p == 'C' && line->len > 4 && memcmp(p, "CPU:", 4) == 0)
		return read_lost(t, e, p, end);
	if (*p == 'C' && line->len > 12 && memcmp(p, "CPU ", 4) == 0 &&
	    memcmp(end - 8, "is empty", 8) == 0)
		return M2D_CAP_LINE_NOTHING;
	if (*p == 'c' && line->len > 5 && memcmp(p, "cpus=", 5) == 0)
		return M2D_CAP_LINE_NOTHING;
	p = read_prefix(t, e, p, end);
	if (p == NULL)
		return M2D_CAP_LINE_BAD;
	p = read_name(t, e, p, end);
	if (p == NULL)
		return M2D_CAP_LINE_BAD;
	p = skip_blanks(p, end);
	e->has = 0;
	if (e->kind < M2D_CAP_N_KINDS) {
		if (!m2d_cap_match(t->patterns, e, p, end, &t->bad)) {
			t->what = "expected what this event looks like in KVM";
			return M2D_CAP_LINE_BAD;
		}
	} else if (e->kind == t->print_kind) {
		read_mark(t, e, p, end);
	}
	return M2D_CAP_LINE_EVENT;
}
