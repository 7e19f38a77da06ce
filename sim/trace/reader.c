/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader: finds chunks, has them decoded, and knows what to do when one is damaged.
 *
 * Chunks are self-contained and number their first reference. So the loss that a damage means is
 * the gap between what was read before it and what the next intact chunk starts with; that chunk
 * is found by looking for the magic and a header whose checksum matches.
 */
#include <inttypes.h>
#include <zlib.h>

#include "sim/base/error.h"
#include "sim/trace/reader-private.h"

static void clear_meta(gpointer p)
{
	M2dTraceMeta *meta = p;

	g_free(meta->key);
	g_free(meta->value);
}

static void clear_damage(gpointer p)
{
	g_free(((M2dTraceDamage *)p)->text);
}

void m2d_trace_reader_close(M2dTraceReader *r)
{
	if (r == NULL)
		return;
	m2d_source_close(r->source);
	m2d_decoder_free(r->decoder);
	g_array_unref(r->meta);
	g_array_unref(r->index);
	g_array_unref(r->damage);
	g_free(r->counts);
	g_free(r);
}

M2dTraceReader *m2d_trace_reader_open(const char *path, unsigned flags, GError **error)
{
	M2dSource *source = m2d_source_open(path, error);
	M2dTraceReader *r;

	if (source == NULL)
		return NULL;
	r = g_new0(M2dTraceReader, 1);
	r->source = source;
	r->flags = flags;
	r->meta = g_array_new(FALSE, FALSE, sizeof(M2dTraceMeta));
	g_array_set_clear_func(r->meta, clear_meta);
	r->index = g_array_new(FALSE, FALSE, sizeof(M2dIndexEntry));
	r->damage = g_array_new(FALSE, FALSE, sizeof(M2dTraceDamage));
	g_array_set_clear_func(r->damage, clear_damage);
	if (flags & M2D_TRACE_COUNTS)
		r->counts = g_new(uint32_t, M2D_TRACE_MAX_BATCH_REFS);
	if (!m2d_reader_start(r, error)) {
		m2d_trace_reader_close(r);
		return NULL;
	}
	return r;
}

const M2dTraceInfo *m2d_trace_reader_info(const M2dTraceReader *r)
{
	return &r->info;
}

const uint32_t *m2d_trace_reader_counts(const M2dTraceReader *r)
{
	return r->counts;
}

uint64_t m2d_trace_reader_skipped(const M2dTraceReader *r)
{
	return m2d_decoder_skipped(r->decoder);
}

const M2dTraceDamage *m2d_trace_reader_damage(const M2dTraceReader *r, unsigned *n)
{
	*n = r->damage->len;
	return (const M2dTraceDamage *)r->damage->data;
}

uint64_t m2d_trace_reader_bytes(const M2dTraceReader *r, uint64_t *total)
{
	*total = m2d_source_size(r->source);
	return m2d_source_offset(r->source);
}

/* --- reading on ------------------------------------------------------------------------------ */

#define GO_ON 2 /* besides the results of m2d_trace_reader_next() */

/* The file ends here though no index came. */
static int end_early(M2dTraceReader *r, GError **error)
{
	uint64_t at = m2d_source_offset(r->source);
	const char *what = "the file ends without its index: it was cut off";

	if ((r->flags & M2D_TRACE_RECOVER) == 0) {
		m2d_reader_error(r, error, at, "%s; references from %" PRIu64 " on are lost", what,
				 r->next_ref);
		return -1;
	}
	m2d_reader_add_damage(r, at, g_strdup(what));
	m2d_reader_close_gap(r, at, r->info.known ? r->info.refs : UINT64_MAX);
	r->done = true;
	return 0;
}

/* What starts at the present byte is damaged. @h: its header if that is intact. */
static int broken(M2dTraceReader *r, const M2dChunkHeader *h, const char *what, GError **error)
{
	uint64_t at = m2d_source_offset(r->source);
	g_autofree M2dChunkHeader *next = NULL;
	g_autofree char *text = NULL;

	if (h == NULL)
		text = g_strdup(what);
	else if (h->n_refs == 0)
		text = g_strdup_printf("chunk %u: %s", h->sequence, what);
	else
		text = g_strdup_printf("chunk %u with references %" PRIu64 " to %" PRIu64 ": %s",
				       h->sequence, h->first_ref, h->first_ref + h->n_refs - 1,
				       what);
	if ((r->flags & M2D_TRACE_RECOVER) == 0) {
		m2d_reader_error(r, error, at, "%s", text);
		return -1;
	}
	m2d_reader_add_damage(r, at, g_steal_pointer(&text));
	next = g_new(M2dChunkHeader, 1);
	switch (m2d_reader_resync(r, next, error)) {
	case M2D_FIND_CHUNK:
		return GO_ON;
	case M2D_FIND_FAILED:
		return -1;
	default:
		return end_early(r, error);
	}
}

/* The bytes from @at to @end do not end the trace as they should. */
static int bad_end(M2dTraceReader *r, uint64_t at, uint64_t end, const char *what, GError **error)
{
	if ((r->flags & M2D_TRACE_RECOVER) == 0) {
		m2d_reader_error(r, error, at, "%s", what);
		return -1;
	}
	m2d_reader_add_damage(r, at, g_strdup(what));
	m2d_reader_close_gap(r, end, r->next_ref);
	return 0;
}

static int take_end(M2dTraceReader *r, const M2dChunkHeader *h, GError **error)
{
	M2dTraceInfo end = {0};
	uint64_t index, size, at;
	const uint8_t *p;
	size_t got;

	m2d_source_consume(r->source, h->header_size + h->body_size);
	at = m2d_source_offset(r->source);
	p = m2d_source_peek(r->source, M2D_FMT_TRAILER + 1, &got, error);
	if (p == NULL)
		return -1;
	r->done = true;
	if (got < M2D_FMT_TRAILER || !m2d_reader_parse_trailer(p, &end, &index, &size))
		return bad_end(r, at, at + got,
			       "the last bytes of the file are damaged or missing; no reference is "
			       "lost",
			       error);
	if (got > M2D_FMT_TRAILER)
		return bad_end(r, at, at + got, "data follow the end of the trace", error);
	if (end.refs != h->first_ref)
		return bad_end(r, at, at + got, "the totals are those of another trace", error);
	if (!r->info.known) {
		r->info.known = true;
		r->info.refs = end.refs;
		r->info.events = end.events;
		r->info.pages = end.pages;
		r->info.chunks = end.chunks;
	}
	return 0;
}

/* Check where chunk @h stands in the file. NULL: fine. */
static const char *check_order(M2dTraceReader *r, const M2dChunkHeader *h)
{
	uint64_t at = m2d_source_offset(r->source);
	const char *what;

	if (r->resumed) {
		r->next_ref = h->first_ref;
		r->next_sequence = h->sequence;
		r->resumed = false;
	}
	if (h->first_ref < r->next_ref || h->sequence < r->next_sequence)
		return "it repeats an earlier part of the trace";
	if (h->first_ref != r->next_ref || h->sequence != r->next_sequence)
		what = "chunks before it are missing";
	else if (h->sequence < r->index->len &&
		 g_array_index(r->index, M2dIndexEntry, h->sequence).offset != at)
		what = "the index has it at another place";
	else if (h->sequence < r->index->len &&
		 g_array_index(r->index, M2dIndexEntry, h->sequence).kind != h->kind)
		what = "the index has it as another kind";
	else
		return NULL;
	if ((r->flags & M2D_TRACE_RECOVER) == 0)
		return what;
	m2d_reader_add_damage(r, at, g_strdup(what));
	return NULL;
}

static void account(M2dTraceReader *r, const M2dChunkHeader *h)
{
	r->next_ref = h->first_ref + h->n_refs;
	r->next_sequence = h->sequence + 1;
	if (r->info.known)
		return;
	r->info.refs += h->n_refs;
	r->info.events += h->n_events;
	r->info.pages += h->n_pages;
	r->info.chunks++;
}

/* Deal with the intact header @h at the present byte. */
static int take_chunk(M2dTraceReader *r, const M2dChunkHeader *h, M2dBatch *batch, GError **error)
{
	uint64_t at = m2d_source_offset(r->source);
	bool records = h->kind == M2D_CHUNK_RECORDS || h->kind == M2D_CHUNK_PAGES;
	bool wanted = records && (r->skip_to == 0 || h->first_ref + h->n_refs > r->skip_to);
	const char *what = check_order(r, h);
	const uint8_t *p, *raw;
	size_t len;

	if (what != NULL)
		return broken(r, h, what, error);
	p = m2d_reader_peek_chunk(r, h, &what, error);
	if (p == NULL)
		return what != NULL ? broken(r, h, what, error) : -1;
	if (wanted) {
		what = m2d_decoder_begin(r->decoder, h, p + h->header_size, r->counts != NULL);
		if (what == NULL)
			what = m2d_decoder_piece(r->decoder, r->piece, batch, r->counts,
						 &r->piece_left);
	} else if (h->kind == M2D_CHUNK_META && !r->meta_loaded) {
		what = m2d_decoder_single(r->decoder, h, p + h->header_size, M2D_SEC_TEXT, &raw,
					  &len);
		if (what == NULL)
			m2d_reader_take_meta(r, raw, len);
	} else if (h->kind == M2D_CHUNK_INDEX) {
		what = m2d_decoder_single(r->decoder, h, p + h->header_size, M2D_SEC_INDEX, &raw,
					  &len);
	}
	if (what != NULL) {
		r->piece_left = false;
		return broken(r, h, what, error);
	}
	m2d_reader_close_gap(r, at, h->first_ref);
	r->next_ref = h->first_ref;
	if (h->kind == M2D_CHUNK_INDEX)
		return take_end(r, h, error);
	account(r, h);
	m2d_source_consume(r->source, h->header_size + h->body_size);
	if (!wanted)
		return GO_ON;
	batch->file_offset = r->piece_offset = at;
	if (r->info.flags & M2D_TRACE_FILTERED)
		batch->elided = h->n_sum[0] + h->n_sum[1] + h->n_sum[2];
	else
		batch->instructions = h->n_sum[M2D_REF_FETCH];
	return 1;
}

void m2d_trace_reader_set_piece(M2dTraceReader *r, uint32_t refs)
{
	r->piece = refs != 0 && !(r->flags & M2D_TRACE_RECOVER) ? refs : UINT32_MAX;
}

/* The next references of a chunk that was begun before. */
static int next_piece(M2dTraceReader *r, M2dBatch *batch, GError **error)
{
	const char *what =
		m2d_decoder_piece(r->decoder, r->piece, batch, r->counts, &r->piece_left);

	if (what != NULL) {
		r->piece_left = false;
		m2d_reader_error(r, error, r->piece_offset, "%s", what);
		return -1;
	}
	batch->file_offset = r->piece_offset;
	return 1;
}

int m2d_trace_reader_next(M2dTraceReader *r, M2dBatch *batch, GError **error)
{
	M2dChunkHeader h;
	int ret = GO_ON;

	while (ret == GO_ON) {
		const char *what = NULL;

		if (r->piece_left)
			return next_piece(r, batch, error);
		if (r->done)
			return 0;
		switch (m2d_reader_peek_header(r, &h, &what, error)) {
		case M2D_FIND_CHUNK:
			ret = take_chunk(r, &h, batch, error);
			break;
		case M2D_FIND_BROKEN:
			ret = broken(r, NULL, what, error);
			break;
		case M2D_FIND_END:
			ret = end_early(r, error);
			break;
		default:
			return -1;
		}
	}
	return ret;
}

gboolean m2d_trace_reader_seek(M2dTraceReader *r, uint64_t ref, GError **error)
{
	uint64_t offset = r->first_chunk;

	if (m2d_source_size(r->source) == 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: a pipe cannot be read from reference %" PRIu64,
			    m2d_source_name(r->source), ref);
		return FALSE;
	}
	for (unsigned i = 0; ref != 0 && i < r->index->len; i++) {
		const M2dIndexEntry *e = &g_array_index(r->index, M2dIndexEntry, i);

		if (e->kind != M2D_CHUNK_RECORDS)
			continue;
		offset = e->offset;
		if (e->first_ref + e->n_refs > ref)
			break;
	}
	if (!m2d_source_seek(r->source, offset, error))
		return FALSE;
	/* Damage of chunks is found again when they are read again. */
	for (unsigned i = r->damage->len; i-- > 0;)
		if (g_array_index(r->damage, M2dTraceDamage, i).offset >= r->first_chunk)
			g_array_remove_index(r->damage, i);
	r->piece_left = false;
	r->skip_to = ref;
	r->resumed = ref != 0;
	r->next_ref = 0;
	r->next_sequence = 0;
	r->gap = r->done = false;
	if (!r->info.known)
		r->info.refs = r->info.events = r->info.pages = r->info.chunks = 0;
	return TRUE;
}
