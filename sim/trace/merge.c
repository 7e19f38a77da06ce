/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Merging traces: their vCPUs side by side, their references in turn. */
#include <inttypes.h>

#include "sim/base/error.h"
#include "sim/trace/edit-private.h"

typedef struct {
	const char *path;
	M2dTraceCursor *cursor;
	unsigned first_vcpu;
	M2dTraceRecord next;
	bool ended;
} Input;

typedef struct {
	M2dTraceEdit *edit;
	Input *in;
	unsigned n;
	const char *out_path;
	M2dTraceWriter *out;
	M2dEditPages pages;
	M2dTraceInfo info; /* of the result */
	uint64_t total;
} Merge;

static gboolean advance(Input *in, GError **error)
{
	int ret = m2d_trace_cursor_next(in->cursor, &in->next, error);

	in->ended = ret == 0;
	return ret >= 0;
}

static gboolean open_inputs(Merge *m, GError **error)
{
	const uint32_t same = M2D_TRACE_HAS_TABLES | M2D_TRACE_FILTERED;

	for (unsigned i = 0; i < m->n; i++) {
		Input *in = &m->in[i];
		const M2dTraceInfo *info;

		in->cursor = m2d_trace_cursor_open(in->path, m->edit->read_flags, error);
		if (in->cursor == NULL)
			return FALSE;
		info = m2d_trace_reader_info(m2d_trace_cursor_reader(in->cursor));
		if (i == 0)
			m->info.flags = info->flags;
		if ((info->flags ^ m->info.flags) & same) {
			bool tables = (info->flags ^ m->info.flags) & M2D_TRACE_HAS_TABLES;

			g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
				    "%s: %s, expected what %s is: all or none", in->path,
				    tables ? info->flags & M2D_TRACE_HAS_TABLES
						     ? "with page tables"
						     : "without page tables"
				    : info->flags & M2D_TRACE_FILTERED ? "filtered"
								       : "unfiltered",
				    m->in[0].path);
			return FALSE;
		}
		m->info.flags |= info->flags;
		in->first_vcpu = m->info.n_vcpus;
		m->info.n_vcpus += info->n_vcpus;
		m->total += info->known ? info->refs : 0;
	}
	return TRUE;
}

/* Collect the pages of all inputs; afterwards each stands at its first other record. */
static gboolean read_pages(Merge *m, GError **error)
{
	for (unsigned i = 0; i < m->n; i++) {
		Input *in = &m->in[i];

		for (;;) {
			const M2dTracePage *page = &in->next.page;
			M2dEditPage *known;

			if (!advance(in, error))
				return FALSE;
			if (in->ended || in->next.type != M2D_RECORD_PAGE)
				break;
			known = m2d_edit_pages_get(&m->pages, page->pa, false);
			if (known != NULL && !m2d_edit_pages_same(known, page)) {
				g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
					    "%s: page 0x%" PRIx64
					    " differs from the one in a trace "
					    "before it: they are not of one memory",
					    in->path, page->pa);
				return FALSE;
			}
			if (known == NULL)
				m2d_edit_pages_put(&m->pages, page);
		}
	}
	return TRUE;
}

static gboolean put_start(Merge *m, GError **error)
{
	m->out = m2d_trace_writer_new(m->out_path, &m->info, error);
	if (m->out == NULL)
		return FALSE;
	for (unsigned i = 0; i < m->n; i++)
		if (!m2d_trace_writer_meta(m->out, "merged", m->in[i].path, error))
			return FALSE;
	if (!m2d_edit_pages_write(&m->pages, m->out, error))
		return FALSE;
	if (m->info.flags & M2D_TRACE_HAS_TABLES)
		return TRUE;
	for (unsigned i = 0; i < m->n; i++) {
		unsigned end = i + 1 < m->n ? m->in[i + 1].first_vcpu : m->info.n_vcpus;

		for (unsigned v = m->in[i].first_vcpu; v < end; v++) {
			const M2dTraceEvent ev = {
				.kind = M2D_EV_ASPACE, .vcpu = (uint8_t)v, .a = i};

			if (!m2d_trace_writer_event(m->out, &ev, error))
				return FALSE;
		}
	}
	return TRUE;
}

/* Copy records of input @i until @every references are written and the next one is another. */
static gboolean take_turn(Merge *m, unsigned i, uint64_t every, GError **error)
{
	Input *in = &m->in[i];
	uint64_t refs = 0;

	while (!in->ended) {
		M2dTraceRecord *r = &in->next;

		if (r->type == M2D_RECORD_REF) {
			if (refs == every)
				return TRUE;
			refs++;
			m->edit->refs++;
			if (!m2d_edit_tick(m->edit, m->total, m->out_path, error))
				return FALSE;
		} else if (r->type == M2D_RECORD_PAGE) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
				    "%s: a page comes after other records", in->path);
			return FALSE;
		} else if (r->event.kind == M2D_EV_ASPACE) {
			/* Process p of input i: a number no other process gets. */
			r->event.a = r->event.a * m->n + i;
		}
		if (!m2d_edit_copy_record(m->out, r, in->first_vcpu + r->vcpu, error) ||
		    !advance(in, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean run(Merge *m, uint64_t every, GError **error)
{
	bool more = true;

	if (!open_inputs(m, error) || !read_pages(m, error) || !put_start(m, error))
		return FALSE;
	while (more) {
		more = false;
		for (unsigned i = 0; i < m->n; i++) {
			if (!take_turn(m, i, every, error))
				return FALSE;
			more |= !m->in[i].ended;
		}
	}
	return TRUE;
}

gboolean m2d_trace_merge(M2dTraceEdit *edit, char *const *in, unsigned n, const char *out,
			 uint64_t every, GError **error)
{
	Merge m = {.edit = edit, .n = n, .out_path = out};
	gboolean ok;

	edit->refs = edit->ticks = 0;
	m.in = g_new0(Input, n);
	for (unsigned i = 0; i < n; i++)
		m.in[i].path = in[i];
	m2d_edit_pages_init(&m.pages);
	ok = run(&m, every, error);
	for (unsigned i = 0; i < n; i++) {
		if (m.in[i].cursor != NULL)
			m2d_edit_report(edit, in[i], m.in[i].cursor);
		m2d_trace_cursor_close(m.in[i].cursor);
	}
	if (ok)
		ok = m2d_trace_writer_close(g_steal_pointer(&m.out), error);
	m2d_trace_writer_abort(m.out);
	m2d_edit_pages_clear(&m.pages);
	g_free(m.in);
	return ok;
}
