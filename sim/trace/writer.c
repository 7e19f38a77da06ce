/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writer: collects records into chunks and writes these, then the index and the trailer.
 * The first error sticks: later calls fail with it again, and close leaves no file.
 */
#include <inttypes.h>
#include <zlib.h>

#include "sim/base/error.h"
#include "sim/trace/encode.h"
#include "sim/base/outfile.h"

struct _M2dTraceWriter {
	M2dTraceInfo info;
	M2dOutFile *out;
	M2dEncoder *encoder;
	M2dDeflater *deflater;
	GByteArray *chunk; /* bytes of the chunk being written */
	GByteArray *body;
	GByteArray *index;
	GByteArray *page_table, *page_data;
	GByteArray *meta; /* pairs not written yet */
	size_t meta_total;
	uint32_t sequence;
	uint64_t refs, events, pages;  /* in chunks already written */
	uint64_t all_refs, all_events; /* and pending */
	GError *failed;
};

static void writer_free(M2dTraceWriter *w)
{
	GByteArray *arrays[] = {w->chunk, w->body, w->index, w->page_table, w->page_data, w->meta};

	m2d_out_file_abort(w->out);
	m2d_encoder_free(w->encoder);
	m2d_deflater_free(w->deflater);
	for (unsigned i = 0; i < M2D_N_ELEMENTS(arrays); i++)
		g_byte_array_unref(arrays[i]);
	g_clear_error(&w->failed);
	g_free(w);
}

/* Keep @error as the reason why every later call fails. */
static gboolean fail(M2dTraceWriter *w, GError *cause, GError **error)
{
	if (w->failed == NULL)
		w->failed = cause;
	if (error != NULL)
		*error = g_error_copy(w->failed);
	return FALSE;
}

static gboolean refuse(GError **error, const char *what, uint64_t value)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "trace record: %s (0x%" PRIx64 ")", what,
		    value);
	return FALSE;
}

static gboolean put(M2dTraceWriter *w, const void *data, size_t len, GError **error)
{
	GError *cause = NULL;

	if (w->failed != NULL)
		return fail(w, NULL, error);
	if (!m2d_out_file_write(w->out, data, len, &cause))
		return fail(w, cause, error);
	return TRUE;
}

static void seal(uint8_t *p, size_t len)
{
	m2d_put32(p + len - 4, (uint32_t)crc32(0, p, (uInt)(len - 4)));
}

M2dTraceWriter *m2d_trace_writer_new(const char *path, const M2dTraceInfo *info, GError **error)
{
	uint8_t head[M2D_FMT_FILE_HEADER] = {0};
	M2dTraceWriter *w;
	M2dOutFile *out;

	if (info->n_vcpus < 1 || info->n_vcpus > M2D_TRACE_MAX_VCPUS) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: %u vCPUs, expected 1 to %u",
			    path, info->n_vcpus, M2D_TRACE_MAX_VCPUS);
		return NULL;
	}
	out = m2d_out_file_new(path, error);
	if (out == NULL)
		return NULL;
	w = g_new0(M2dTraceWriter, 1);
	w->info = *info;
	w->out = out;
	w->encoder = m2d_encoder_new();
	w->deflater = m2d_deflater_new();
	w->chunk = g_byte_array_new();
	w->body = g_byte_array_new();
	w->index = g_byte_array_new();
	w->page_table = g_byte_array_new();
	w->page_data = g_byte_array_new();
	w->meta = g_byte_array_new();

	memcpy(head, M2D_FMT_FILE_MAGIC, 8);
	m2d_put16(head + 8, M2D_FMT_MAJOR);
	m2d_put16(head + 10, M2D_FMT_MINOR);
	m2d_put32(head + 12, sizeof(head));
	m2d_put32(head + 16, info->flags);
	m2d_put32(head + 20, info->n_vcpus);
	seal(head, sizeof(head));
	if (!put(w, head, sizeof(head), error)) {
		writer_free(w);
		return NULL;
	}
	return w;
}

/* Write @header with w->body as a chunk and enter it in the index. */
static gboolean put_chunk(M2dTraceWriter *w, M2dChunkHeader *header, GError **error)
{
	uint8_t entry[M2D_FMT_INDEX_ENTRY] = {0};
	uint64_t offset = m2d_out_file_offset(w->out);

	header->sequence = w->sequence++;
	header->first_ref = w->refs;
	header->first_event = w->events;
	g_byte_array_set_size(w->chunk, 0);
	m2d_chunk_header_put(w->chunk, header);
	m2d_put64(entry, offset);
	m2d_put64(entry + 8, w->refs);
	m2d_put32(entry + 16, header->n_refs);
	m2d_put32(entry + 20, header->n_events);
	m2d_put32(entry + 24, header->kind);
	m2d_put32(entry + 28, (uint32_t)(header->header_size + header->body_size));
	if (header->kind != M2D_CHUNK_INDEX)
		g_byte_array_append(w->index, entry, sizeof(entry));
	w->refs += header->n_refs;
	w->events += header->n_events;
	w->pages += header->n_pages;
	if (!put(w, w->chunk->data, w->chunk->len, error) ||
	    !put(w, w->body->data, w->body->len, error))
		return FALSE;
	g_byte_array_set_size(w->body, 0);
	return TRUE;
}

static gboolean flush_meta(M2dTraceWriter *w, GError **error)
{
	M2dChunkHeader header = {.kind = M2D_CHUNK_META};

	if (w->meta->len == 0)
		return TRUE;
	m2d_deflater_section(w->deflater, &header, w->body, M2D_SEC_TEXT, w->meta->data,
			     w->meta->len);
	g_byte_array_set_size(w->meta, 0);
	return put_chunk(w, &header, error);
}

static gboolean flush_pages(M2dTraceWriter *w, GError **error)
{
	M2dChunkHeader header = {.kind = M2D_CHUNK_PAGES, .kinds = 1u << 4};

	if (w->page_table->len == 0)
		return TRUE;
	header.n_pages = w->page_table->len / 8;
	m2d_deflater_section(w->deflater, &header, w->body, M2D_SEC_PAGE_TABLE, w->page_table->data,
			     w->page_table->len);
	m2d_deflater_section(w->deflater, &header, w->body, M2D_SEC_PAGE_DATA, w->page_data->data,
			     w->page_data->len);
	g_byte_array_set_size(w->page_table, 0);
	g_byte_array_set_size(w->page_data, 0);
	return put_chunk(w, &header, error);
}

static gboolean flush_records(M2dTraceWriter *w, GError **error)
{
	M2dChunkHeader header;

	if (m2d_encoder_empty(w->encoder))
		return TRUE;
	m2d_encoder_finish(w->encoder, w->deflater, &header, w->body);
	return put_chunk(w, &header, error);
}

gboolean m2d_trace_writer_meta(M2dTraceWriter *w, const char *key, const char *value,
			       GError **error)
{
	size_t len = strlen(key) + strlen(value) + 2;

	if (len > M2D_FMT_LIMIT_META - w->meta_total)
		return refuse(error, "metadata exceed 64 KiB in all", w->meta_total + len);
	w->meta_total += len;
	g_byte_array_append(w->meta, (const guint8 *)key, (guint)strlen(key) + 1);
	g_byte_array_append(w->meta, (const guint8 *)value, (guint)strlen(value) + 1);
	return TRUE;
}

gboolean m2d_trace_writer_page(M2dTraceWriter *w, uint64_t pa, const void *data, GError **error)
{
	uint8_t entry[8];

	if (pa & ~M2D_REF_FRAME)
		return refuse(error, "a page's address must be a multiple of 4096 below 2^52", pa);
	if (w->all_refs + w->all_events != 0)
		return refuse(error, "pages come before all other records", pa);
	if (!flush_meta(w, error))
		return FALSE;
	m2d_put64(entry, pa | (data == NULL));
	g_byte_array_append(w->page_table, entry, 8);
	if (data != NULL)
		g_byte_array_append(w->page_data, data, 4096);
	if (w->page_data->len < M2D_FMT_PAGES_PER_CHUNK * 4096 &&
	    w->page_table->len < M2D_FMT_MAX_PAYLOAD / 8)
		return TRUE;
	return flush_pages(w, error);
}

/* What has to be out before the first record, and room for one more. */
static gboolean prepare(M2dTraceWriter *w, GError **error)
{
	if (w->failed != NULL)
		return fail(w, NULL, error);
	if (w->all_refs + w->all_events == 0 && (!flush_meta(w, error) || !flush_pages(w, error)))
		return FALSE;
	return !m2d_encoder_full(w->encoder) || flush_records(w, error);
}

gboolean m2d_trace_writer_ref(M2dTraceWriter *w, unsigned vcpu, M2dRef ref, uint32_t n,
			      GError **error)
{
	if (m2d_unlikely(vcpu >= w->info.n_vcpus))
		return refuse(error, "no such vCPU", vcpu);
	if (m2d_unlikely((ref.w & M2D_REF_KIND) == 3))
		return refuse(error, "a reference is a read, a write or a fetch", ref.w);
	if (m2d_unlikely(!prepare(w, error)))
		return FALSE;
	w->all_refs++;
	m2d_encoder_ref(w->encoder, vcpu, ref, n);
	return TRUE;
}

gboolean m2d_trace_writer_event(M2dTraceWriter *w, const M2dTraceEvent *event, GError **error)
{
	if (event->vcpu >= w->info.n_vcpus)
		return refuse(error, "no such vCPU", event->vcpu);
	if (event->kind == 0 || event->kind > 255)
		return refuse(error, "an event's kind is 1 to 255", event->kind);
	if (!prepare(w, error))
		return FALSE;
	w->all_events++;
	m2d_encoder_event(w->encoder, event);
	return TRUE;
}

static gboolean put_end(M2dTraceWriter *w, GError **error)
{
	M2dChunkHeader header = {.kind = M2D_CHUNK_INDEX};
	uint8_t end[M2D_FMT_TRAILER] = {0};
	uint64_t index = m2d_out_file_offset(w->out);
	uint32_t chunks = w->sequence;

	m2d_deflater_section(w->deflater, &header, w->body, M2D_SEC_INDEX, w->index->data,
			     w->index->len);
	if (!put_chunk(w, &header, error))
		return FALSE;
	memcpy(end, M2D_FMT_END_MAGIC, 8);
	m2d_put64(end + 8, index);
	m2d_put64(end + 16, w->refs);
	m2d_put64(end + 24, w->events);
	m2d_put64(end + 32, w->pages);
	m2d_put32(end + 40, chunks);
	m2d_put32(end + 44, w->info.n_vcpus);
	m2d_put64(end + 48, m2d_out_file_offset(w->out) + sizeof(end));
	m2d_put32(end + 56, w->info.flags);
	seal(end, sizeof(end));
	return put(w, end, sizeof(end), error);
}

gboolean m2d_trace_writer_close(M2dTraceWriter *w, GError **error)
{
	gboolean ok;

	/* Without records the early metadata and pages are still pending. */
	ok = (w->all_refs + w->all_events != 0 || (flush_meta(w, error) && flush_pages(w, error)));
	ok = ok && flush_records(w, error) && flush_meta(w, error) && put_end(w, error);
	if (ok)
		ok = m2d_out_file_commit(g_steal_pointer(&w->out), error);
	writer_free(w);
	return ok;
}

void m2d_trace_writer_abort(M2dTraceWriter *w)
{
	if (w != NULL)
		writer_free(w);
}
