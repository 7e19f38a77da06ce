/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reader does before the first record: header, trailer, index, metadata. */
#include <inttypes.h>
#include <zlib.h>

#include "sim/base/error.h"
#include "sim/trace/reader-private.h"

void m2d_reader_take_meta(M2dTraceReader *r, const uint8_t *p, size_t len)
{
	const char *s = (const char *)p, *end = s + len;

	while (s < end) {
		const char *key = s, *value = memchr(s, 0, (size_t)(end - s)), *next;
		M2dTraceMeta meta;

		if (value == NULL || ++value >= end)
			return;
		next = memchr(value, 0, (size_t)(end - value));
		if (next == NULL)
			return;
		meta = (M2dTraceMeta){g_strdup(key), g_strdup(value)};
		g_array_append_val(r->meta, meta);
		s = next + 1;
	}
	r->info.meta = (const M2dTraceMeta *)r->meta->data;
	r->info.n_meta = r->meta->len;
}

bool m2d_reader_parse_trailer(const uint8_t *p, M2dTraceInfo *info, uint64_t *index, uint64_t *size)
{
	if (memcmp(p, M2D_FMT_END_MAGIC, 8) != 0 || m2d_get32(p + 60) != (uint32_t)crc32(0, p, 60))
		return false;
	*index = m2d_get64(p + 8);
	info->refs = m2d_get64(p + 16);
	info->events = m2d_get64(p + 24);
	info->pages = m2d_get64(p + 32);
	info->chunks = m2d_get32(p + 40);
	info->n_vcpus = m2d_get32(p + 44);
	*size = m2d_get64(p + 48);
	info->flags = m2d_get32(p + 56);
	info->known = true;
	return info->n_vcpus >= 1 && info->n_vcpus <= M2D_TRACE_MAX_VCPUS;
}

/* Load totals, index and metadata from the end of a file. False if any of it is damaged; the
 * position is arbitrary then, and after success too. */
static bool load_end(M2dTraceReader *r, M2dTraceInfo *end)
{
	uint64_t total = m2d_source_size(r->source), index_at, size;
	M2dDecoder *decoder = NULL;
	M2dChunkHeader *h = NULL;
	const char *what = NULL;
	const uint8_t *p, *raw;
	bool ok = false;
	size_t got, len;

	*end = (M2dTraceInfo){0};
	if (total < M2D_FMT_FILE_HEADER + M2D_FMT_TRAILER ||
	    !m2d_source_seek(r->source, total - M2D_FMT_TRAILER, NULL))
		return false;
	p = m2d_source_peek(r->source, M2D_FMT_TRAILER, &got, NULL);
	if (p == NULL || got < M2D_FMT_TRAILER ||
	    !m2d_reader_parse_trailer(p, end, &index_at, &size)) {
		*end = (M2dTraceInfo){0};
		return false;
	}
	h = g_new(M2dChunkHeader, 1);
	decoder = m2d_decoder_new(1);
	if (size != total || index_at >= total || !m2d_source_seek(r->source, index_at, NULL) ||
	    m2d_reader_peek_header(r, h, &what, NULL) != M2D_FIND_CHUNK ||
	    h->kind != M2D_CHUNK_INDEX)
		goto out;
	p = m2d_reader_peek_chunk(r, h, &what, NULL);
	if (p == NULL ||
	    m2d_decoder_single(decoder, h, p + h->header_size, M2D_SEC_INDEX, &raw, &len) != NULL)
		goto out;
	if (len % M2D_FMT_INDEX_ENTRY != 0 || len / M2D_FMT_INDEX_ENTRY != end->chunks)
		goto out;
	for (size_t i = 0; i < len; i += M2D_FMT_INDEX_ENTRY) {
		M2dIndexEntry entry = {.offset = m2d_get64(raw + i),
				       .first_ref = m2d_get64(raw + i + 8),
				       .n_refs = m2d_get32(raw + i + 16),
				       .kind = m2d_get32(raw + i + 24)};

		g_array_append_val(r->index, entry);
	}
	for (unsigned i = 0; i < r->index->len; i++) {
		const M2dIndexEntry *e = &g_array_index(r->index, M2dIndexEntry, i);

		if (e->kind != M2D_CHUNK_META)
			continue;
		if (!m2d_source_seek(r->source, e->offset, NULL) ||
		    m2d_reader_peek_header(r, h, &what, NULL) != M2D_FIND_CHUNK ||
		    h->kind != M2D_CHUNK_META)
			goto out;
		p = m2d_reader_peek_chunk(r, h, &what, NULL);
		if (p == NULL || m2d_decoder_single(decoder, h, p + h->header_size, M2D_SEC_TEXT,
						    &raw, &len) != NULL)
			goto out;
		m2d_reader_take_meta(r, raw, len);
	}
	ok = true;
out:
	if (!ok) {
		g_array_set_size(r->index, 0);
		g_array_set_size(r->meta, 0);
		r->info.n_meta = 0;
	}
	m2d_decoder_free(decoder);
	g_free(h);
	return ok;
}

static gboolean bad_start(M2dTraceReader *r, const uint8_t *p, size_t got, GError **error)
{
	const char *is = "no native trace (the magic is missing); `mmu2d import` reads others";

	if (got == 0)
		is = "the file is empty, expected a native trace";
	else if (got >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		is = "a gzip file, no native trace; `mmu2d import` reads such files";
	else if (got >= 8 && memcmp(p, "MMTRACE1", 8) == 0)
		is = "an MMTRACE1 file; use `mmu2d import`";
	else if (memcmp(p, M2D_FMT_FILE_MAGIC, MIN(got, 8)) == 0)
		is = "the file ends inside its header";
	m2d_reader_error(r, error, 0, "%s", is);
	return FALSE;
}

/* The file header. With RECOVER a damaged one is replaced by @end's copy, if that is known. */
static gboolean read_start(M2dTraceReader *r, const M2dTraceInfo *end, GError **error)
{
	const bool recover = r->flags & M2D_TRACE_RECOVER;
	const uint8_t *p;
	size_t got;

	p = m2d_source_peek(r->source, M2D_FMT_FILE_HEADER, &got, error);
	if (p == NULL)
		return FALSE;
	if (got < M2D_FMT_FILE_HEADER || memcmp(p, M2D_FMT_FILE_MAGIC, 8) != 0) {
		if (!recover || !end->known || got < M2D_FMT_FILE_HEADER)
			return bad_start(r, p, got, error);
	} else if (m2d_get32(p + 60) == (uint32_t)crc32(0, p, 60)) {
		r->info.version_major = m2d_get16(p + 8);
		r->info.version_minor = m2d_get16(p + 10);
		r->info.flags = m2d_get32(p + 16);
		r->info.n_vcpus = m2d_get32(p + 20);
		if (r->info.version_major != M2D_FMT_MAJOR) {
			m2d_reader_error(r, error, 8,
					 "format version %u.%u, this program reads version %u.x",
					 r->info.version_major, r->info.version_minor,
					 M2D_FMT_MAJOR);
			return FALSE;
		}
		r->first_chunk = m2d_get32(p + 12);
		if (r->info.n_vcpus < 1 || r->info.n_vcpus > M2D_TRACE_MAX_VCPUS) {
			m2d_reader_error(r, error, 20, "%u vCPUs, expected 1 to %u",
					 r->info.n_vcpus, M2D_TRACE_MAX_VCPUS);
			return FALSE;
		}
		if (r->first_chunk != M2D_FMT_FILE_HEADER) {
			m2d_reader_error(r, error, 12,
					 "a file header of %" PRIu64 " bytes, expected %u",
					 r->first_chunk, M2D_FMT_FILE_HEADER);
			return FALSE;
		}
		m2d_source_consume(r->source, M2D_FMT_FILE_HEADER);
		return TRUE;
	}
	if (!recover || !end->known) {
		m2d_reader_error(r, error, 0, "the checksum of the file header does not match");
		return FALSE;
	}
	r->info.version_major = M2D_FMT_MAJOR;
	r->info.flags = end->flags;
	r->info.n_vcpus = end->n_vcpus;
	r->first_chunk = M2D_FMT_FILE_HEADER;
	m2d_reader_add_damage(r, 0,
			      g_strdup("the file header is damaged; its copy at the end is used"));
	m2d_reader_close_gap(r, M2D_FMT_FILE_HEADER, 0);
	m2d_source_consume(r->source, M2D_FMT_FILE_HEADER);
	return TRUE;
}

/* The end of the file is damaged: walk the headers to say where and what that costs. */
static gboolean diagnose(M2dTraceReader *r, GError **error)
{
	uint64_t total = m2d_source_size(r->source), at = r->first_chunk, refs = 0;
	g_autofree M2dChunkHeader *h = g_new(M2dChunkHeader, 1);
	const char *what = "the file ends without its index: it was cut off";

	for (;;) {
		M2dFind found;

		if (at > total || !m2d_source_seek(r->source, at, error))
			return FALSE;
		found = m2d_reader_peek_header(r, h, &what, error);
		if (found == M2D_FIND_FAILED)
			return FALSE;
		if (found == M2D_FIND_BROKEN || found == M2D_FIND_END)
			break;
		if (h->header_size + h->body_size > total - at) {
			what = "the file ends inside the chunk";
			break;
		}
		at += h->header_size + h->body_size;
		refs = h->first_ref + h->n_refs;
		if (h->kind == M2D_CHUNK_INDEX) {
			m2d_reader_error(
				r, error, at,
				"the index or the %u bytes that end the file are damaged; no "
				"reference is lost, use --recover",
				M2D_FMT_TRAILER);
			return FALSE;
		}
	}
	m2d_reader_error(r, error, at,
			 "%s; references from %" PRIu64
			 " on are lost or in doubt, --recover uses what "
			 "is good",
			 what, refs);
	return FALSE;
}

/* Metadata at the head of a stream whose end cannot be seen. */
static gboolean read_early_meta(M2dTraceReader *r, GError **error)
{
	g_autofree M2dChunkHeader *h = g_new(M2dChunkHeader, 1);

	for (;;) {
		const char *what = NULL;
		const uint8_t *p, *raw;
		size_t len;

		if (m2d_reader_peek_header(r, h, &what, error) != M2D_FIND_CHUNK ||
		    h->kind != M2D_CHUNK_META)
			return error == NULL || *error == NULL;
		p = m2d_reader_peek_chunk(r, h, &what, error);
		if (p == NULL)
			return error == NULL || *error == NULL;
		if (m2d_decoder_single(r->decoder, h, p + h->header_size, M2D_SEC_TEXT, &raw,
				       &len) != NULL)
			return TRUE; /* reading on reports it */
		m2d_reader_take_meta(r, raw, len);
		m2d_source_consume(r->source, h->header_size + h->body_size);
		r->next_sequence = h->sequence + 1;
	}
}

gboolean m2d_reader_start(M2dTraceReader *r, GError **error)
{
	M2dTraceInfo end = {0};
	bool whole = false;
	GError *local = NULL;

	if (m2d_source_size(r->source) != 0) {
		whole = load_end(r, &end);
		if (!m2d_source_seek(r->source, 0, error))
			return FALSE;
	}
	if (!read_start(r, &end, error))
		return FALSE;
	r->decoder = m2d_decoder_new(r->info.n_vcpus);
	r->piece = UINT32_MAX;
	if (end.known) {
		r->info.known = true;
		r->info.refs = end.refs;
		r->info.events = end.events;
		r->info.pages = end.pages;
		r->info.chunks = end.chunks;
	}
	r->meta_loaded = whole;
	if (whole)
		return TRUE;
	if (m2d_source_size(r->source) != 0 && (r->flags & M2D_TRACE_RECOVER) == 0)
		return diagnose(r, error);
	if (read_early_meta(r, &local))
		return TRUE;
	g_propagate_error(error, local);
	return FALSE;
}
