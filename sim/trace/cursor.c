/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cursor: records one at a time, in the order of the trace, on top of a reader. */
#include "sim/trace/trace.h"

struct _M2dTraceCursor {
	M2dTraceReader *reader;
	M2dBatch batch;
	uint32_t page, segment, event, ref; /* next in the batch */
};

M2dTraceCursor *m2d_trace_cursor_open(const char *path, unsigned flags, GError **error)
{
	M2dTraceReader *reader = m2d_trace_reader_open(path, flags | M2D_TRACE_COUNTS, error);
	M2dTraceCursor *c;

	if (reader == NULL)
		return NULL;
	c = g_new0(M2dTraceCursor, 1);
	c->reader = reader;
	return c;
}

void m2d_trace_cursor_close(M2dTraceCursor *c)
{
	if (c == NULL)
		return;
	m2d_trace_reader_close(c->reader);
	m2d_batch_clear(&c->batch);
	g_free(c);
}

M2dTraceReader *m2d_trace_cursor_reader(M2dTraceCursor *c)
{
	return c->reader;
}

static void start_batch(M2dTraceCursor *c)
{
	c->page = c->segment = c->event = c->ref = 0;
}

gboolean m2d_trace_cursor_seek(M2dTraceCursor *c, uint64_t ref, GError **error)
{
	c->batch.n_pages = c->batch.n_segments = 0;
	start_batch(c);
	return m2d_trace_reader_seek(c->reader, ref, error);
}

/* The next record of the present batch; false if there is none. */
static bool next_in_batch(M2dTraceCursor *c, M2dTraceRecord *record)
{
	const M2dBatch *b = &c->batch;

	record->ordinal = b->first_ref + c->ref;
	if (c->page < b->n_pages) {
		record->type = M2D_RECORD_PAGE;
		record->page = b->pages[c->page++];
		return true;
	}
	for (; c->segment < b->n_segments; c->segment++) {
		const M2dSegment *s = &b->segments[c->segment];

		record->vcpu = s->vcpu;
		if (c->event < s->first_event + s->n_events) {
			record->type = M2D_RECORD_EVENT;
			record->event = b->events[c->event++];
			return true;
		}
		if (c->ref < s->first_ref + s->n_refs) {
			record->type = M2D_RECORD_REF;
			record->ref = b->refs[c->ref];
			record->n = m2d_trace_reader_counts(c->reader)[c->ref++];
			return true;
		}
	}
	return false;
}

int m2d_trace_cursor_next(M2dTraceCursor *c, M2dTraceRecord *record, GError **error)
{
	while (!next_in_batch(c, record)) {
		int ret = m2d_trace_reader_next(c->reader, &c->batch, error);

		if (ret != 1)
			return ret;
		start_batch(c);
	}
	return 1;
}
