/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d trace dump`, `cut` and `merge`: record by record. */
#include "tools/trace-command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Which records are printed: bits by kind of reference and event, and pages. */
typedef struct {
	bool refs[3], events[256], pages;
} Wanted;

static bool want_one(Wanted *w, const char *name)
{
	bool found = false;

	for (unsigned k = 0; k < 3; k++) {
		if (strcmp(name, m2d_trace_ref_name(k)) == 0 || strcmp(name, "ref") == 0)
			found = w->refs[k] = true;
	}
	for (unsigned k = 0; k < 256; k++) {
		if (strcmp(name, m2d_trace_event_name(k)) == 0)
			found = w->events[k] = true;
	}
	if (strcmp(name, "page") == 0)
		found = w->pages = true;
	return found;
}

/* Parse --kind. Returns 0 or an exit status. */
static int parse_kinds(Wanted *w)
{
	g_auto(GStrv) names = NULL;

	if (m2d_trace_options.kinds == NULL) {
		memset(w, true, sizeof(*w));
		return 0;
	}
	names = g_strsplit(m2d_trace_options.kinds, ",", -1);
	for (char **name = names; *name != NULL; name++) {
		if (!want_one(w, *name))
			return m2d_cmd_usage(&m2d_cmd_trace,
					     "--kind '%s': expected ref, read, write, fetch, page, "
					     "or an event such as reg, invlpg, ptwrite, vmrun",
					     *name);
	}
	return 0;
}

static bool is_wanted(const Wanted *w, const M2dTraceRecord *r)
{
	if (r->type == M2D_RECORD_PAGE)
		return w->pages;
	if (r->type == M2D_RECORD_EVENT)
		return w->events[r->event.kind & 0xff];
	return w->refs[r->ref.w & M2D_REF_KIND];
}

static int dump(M2dTraceCursor *cursor, const Wanted *w)
{
	uint64_t from = (uint64_t)m2d_trace_options.from_ref, left = UINT64_MAX;
	g_autoptr(GString) text = g_string_new(NULL);
	M2dTraceRecord record;
	GError *error = NULL;
	int ret = 0;

	if (m2d_trace_options.limit >= 0)
		left = (uint64_t)m2d_trace_options.limit;
	while (left > 0 && (ret = m2d_trace_cursor_next(cursor, &record, &error)) == 1) {
		if (record.ordinal < from || !is_wanted(w, &record))
			continue;
		m2d_trace_print(text, &record);
		left--;
		if (text->len < 64u << 10)
			continue;
		if (m2d_interrupted())
			return m2d_cmd_interrupted(&m2d_cmd_trace);
		if (fwrite(text->str, 1, text->len, stdout) != text->len)
			return 0; /* the caller reports the end of stdout */
		g_string_truncate(text, 0);
	}
	fwrite(text->str, 1, text->len, stdout);
	return ret < 0 ? m2d_cmd_fail(&m2d_cmd_trace, error) : 0;
}

int m2d_trace_dump(const char *path)
{
	g_autoptr(M2dTraceCursor) cursor = NULL;
	uint64_t total;
	GError *error = NULL;
	Wanted wanted = {0};
	int status;

	if (m2d_trace_options.from_ref < 0 || m2d_trace_options.limit < -1)
		return m2d_cmd_usage(&m2d_cmd_trace, "--from-ref and --limit: expected 0 or more");
	status = parse_kinds(&wanted);
	if (status != 0)
		return status;
	cursor = m2d_trace_cursor_open(path, m2d_trace_read_flags(), &error);
	if (cursor == NULL)
		return m2d_cmd_fail(&m2d_cmd_trace, error);
	m2d_trace_reader_bytes(m2d_trace_cursor_reader(cursor), &total);
	/* A pipe is read from its start instead. */
	if (m2d_trace_options.from_ref > 0 && total != 0 &&
	    !m2d_trace_cursor_seek(cursor, (uint64_t)m2d_trace_options.from_ref, &error))
		return m2d_cmd_fail(&m2d_cmd_trace, error);
	status = dump(cursor, &wanted);
	m2d_trace_warn_all(path, m2d_trace_cursor_reader(cursor));
	return status;
}

/* --- cut and merge --------------------------------------------------------------------------- */

typedef struct {
	M2dProgress *progress;
	const char *what;
} Watch;

static bool on_progress(uint64_t done, uint64_t total, void *data)
{
	Watch *watch = data;

	if (watch->progress == NULL)
		watch->progress =
			m2d_progress_new(watch->what, "records", total, m2d_trace_options.quiet);
	m2d_progress_update(watch->progress, done);
	return !m2d_interrupted();
}

static void on_damage(const char *path, const M2dTraceDamage *damage, void *data)
{
	m2d_trace_warn(path, damage);
}

static int finish_edit(Watch *watch, const M2dTraceEdit *edit, gboolean ok, GError *error)
{
	if (watch->progress != NULL)
		m2d_progress_free(watch->progress);
	if (!ok)
		return m2d_cmd_fail(&m2d_cmd_trace, error);
	if (!m2d_trace_options.quiet && strcmp(m2d_trace_options.output, "-") != 0)
		printf("%s: %" PRIu64 " references\n", m2d_trace_options.output, edit->refs);
	return 0;
}

/* "A..B", "A..", "..B" */
static bool parse_refs(const char *text, uint64_t *from, uint64_t *to)
{
	const char *dots = strstr(text, "..");
	g_autofree char *first = NULL;

	*from = 0;
	*to = UINT64_MAX;
	if (dots == NULL)
		return false;
	first = g_strndup(text, (size_t)(dots - text));
	if (first[0] != '\0' && !g_ascii_string_to_unsigned(first, 10, 0, UINT64_MAX, from, NULL))
		return false;
	if (dots[2] != '\0' && !g_ascii_string_to_unsigned(dots + 2, 10, 0, UINT64_MAX, to, NULL))
		return false;
	return *from < *to;
}

int m2d_trace_do_cut(const char *path)
{
	Watch watch = {.what = "cut"};
	M2dTraceEdit edit = {.read_flags = m2d_trace_read_flags(),
			     .progress = on_progress,
			     .damage = on_damage,
			     .data = &watch};
	GError *error = NULL;
	uint64_t from, to;
	gboolean ok;

	if (m2d_trace_options.refs == NULL || m2d_trace_options.output == NULL)
		return m2d_cmd_usage(&m2d_cmd_trace, "cut: expected --refs A..B and -o FILE");
	if (!parse_refs(m2d_trace_options.refs, &from, &to))
		return m2d_cmd_usage(&m2d_cmd_trace,
				     "--refs '%s': expected A..B with A below B, two reference "
				     "numbers",
				     m2d_trace_options.refs);
	ok = m2d_trace_cut(&edit, path, m2d_trace_options.output, from, to, &error);
	return finish_edit(&watch, &edit, ok, error);
}

int m2d_trace_do_merge(char **paths, unsigned n)
{
	Watch watch = {.what = "merge"};
	M2dTraceEdit edit = {.read_flags = m2d_trace_read_flags(),
			     .progress = on_progress,
			     .damage = on_damage,
			     .data = &watch};
	GError *error = NULL;
	gboolean ok;

	if (m2d_trace_options.output == NULL)
		return m2d_cmd_usage(&m2d_cmd_trace, "merge: expected -o FILE");
	if (m2d_trace_options.every < 1)
		return m2d_cmd_usage(&m2d_cmd_trace, "--every: expected 1 or more");
	ok = m2d_trace_merge(&edit, paths, n, m2d_trace_options.output,
			     (uint64_t)m2d_trace_options.every, &error);
	return finish_edit(&watch, &edit, ok, error);
}
