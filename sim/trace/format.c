/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chunk headers and varints; see format.h. */
#include "sim/trace/format.h"

#include <zlib.h>

#include "sim/trace/trace.h"

void m2d_put_varint(GByteArray *out, uint64_t v)
{
	uint8_t buf[10];
	unsigned n = 0;

	while (v >= 0x80) {
		buf[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	buf[n++] = (uint8_t)v;
	g_byte_array_append(out, buf, n);
}

uint64_t m2d_get_long_varint(M2dVarints *in)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = m2d_get_byte(in);

		v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0)
			return v;
	}
	in->bad = true;
	return 0;
}

void m2d_chunk_header_put(GByteArray *out, M2dChunkHeader *header)
{
	uint8_t buf[M2D_FMT_MAX_HEADER] = {0};
	uint32_t size = M2D_FMT_CHUNK_FIXED + header->n_sections * M2D_FMT_SECTION_ENTRY + 4;
	uint64_t body = 0;

	g_assert(header->n_sections <= M2D_FMT_MAX_SECTIONS);
	for (unsigned i = 0; i < header->n_sections; i++)
		body += header->section[i].size;
	header->header_size = size;
	header->body_size = body;
	memcpy(buf, M2D_FMT_CHUNK_MAGIC, 8);
	m2d_put16(buf + 8, header->kind);
	m2d_put16(buf + 10, header->n_sections);
	m2d_put32(buf + 12, size);
	m2d_put32(buf + 16, header->sequence);
	m2d_put32(buf + 20, header->kinds);
	m2d_put64(buf + 24, header->first_ref);
	m2d_put64(buf + 32, header->first_event);
	m2d_put32(buf + 40, header->n_refs);
	m2d_put32(buf + 44, header->n_events);
	m2d_put32(buf + 48, header->n_segments);
	m2d_put32(buf + 52, header->n_pages);
	m2d_put64(buf + 56, body);
	for (unsigned i = 0; i < 3; i++) {
		m2d_put64(buf + 64 + 8 * i, header->n_sum[i]);
		m2d_put32(buf + 88 + 4 * i, header->n_const[i]);
	}
	m2d_put32(buf + 100, header->n_listed);
	for (unsigned i = 0; i < header->n_sections; i++) {
		const M2dSectionEntry *s = &header->section[i];
		uint8_t *p = buf + M2D_FMT_CHUNK_FIXED + i * M2D_FMT_SECTION_ENTRY;

		p[0] = s->kind;
		p[1] = s->codec;
		m2d_put32(p + 4, s->raw);
		m2d_put32(p + 8, s->size);
		m2d_put32(p + 12, s->crc);
	}
	m2d_put32(buf + size - 4, (uint32_t)crc32(0, buf, size - 4));
	g_byte_array_append(out, buf, size);
}

static const char *check_sizes(const M2dChunkHeader *h)
{
	uint64_t raw = 0, body = 0;
	uint64_t limit = h->kind == M2D_CHUNK_INDEX ? M2D_FMT_LIMIT_INDEX : M2D_FMT_LIMIT_RAW;

	for (unsigned i = 0; i < h->n_sections; i++) {
		const M2dSectionEntry *s = &h->section[i];

		raw += s->raw;
		body += s->size;
		if (s->codec == M2D_CODEC_STORED && s->raw != s->size)
			return "a stored section has two sizes";
		/* Deflate packs at most 1032 to 1. */
		if (s->raw / 1040 > s->size)
			return "a section claims more data than its bytes can hold";
		if (s->codec > M2D_CODEC_DEFLATE)
			return "a section is compressed in an unknown way";
	}
	if (body != h->body_size)
		return "the sizes of the sections do not add up";
	if (raw > limit || body > limit)
		return "the sections are larger than the format allows";
	if (h->n_refs > M2D_TRACE_MAX_BATCH_REFS)
		return "more references than a chunk may hold";
	/* Each event and each segment takes bytes, so these bound what a decoder allocates. */
	if (h->n_events > raw || h->n_segments > raw || h->n_pages > raw / 8)
		return "more records than the sections can hold";
	return NULL;
}

const char *m2d_chunk_header_get(const uint8_t *p, size_t len, M2dChunkHeader *h, size_t *need)
{
	*need = M2D_FMT_CHUNK_FIXED;
	if (len < *need)
		return "";
	if (memcmp(p, M2D_FMT_CHUNK_MAGIC, 8) != 0)
		return "no chunk starts here";
	memset(h, 0, offsetof(M2dChunkHeader, section));
	h->kind = m2d_get16(p + 8);
	h->n_sections = m2d_get16(p + 10);
	h->header_size = m2d_get32(p + 12);
	if (h->n_sections > M2D_FMT_MAX_SECTIONS ||
	    h->header_size != M2D_FMT_CHUNK_FIXED + h->n_sections * M2D_FMT_SECTION_ENTRY + 4)
		return "the chunk header has an impossible size";
	*need = h->header_size;
	if (len < *need)
		return "";
	if (m2d_get32(p + h->header_size - 4) != (uint32_t)crc32(0, p, h->header_size - 4))
		return "the checksum of the chunk header does not match";
	h->sequence = m2d_get32(p + 16);
	h->kinds = m2d_get32(p + 20);
	h->first_ref = m2d_get64(p + 24);
	h->first_event = m2d_get64(p + 32);
	h->n_refs = m2d_get32(p + 40);
	h->n_events = m2d_get32(p + 44);
	h->n_segments = m2d_get32(p + 48);
	h->n_pages = m2d_get32(p + 52);
	h->body_size = m2d_get64(p + 56);
	for (unsigned i = 0; i < 3; i++) {
		h->n_sum[i] = m2d_get64(p + 64 + 8 * i);
		h->n_const[i] = m2d_get32(p + 88 + 4 * i);
	}
	h->n_listed = m2d_get32(p + 100);
	for (unsigned i = 0; i < h->n_sections; i++) {
		const uint8_t *q = p + M2D_FMT_CHUNK_FIXED + i * M2D_FMT_SECTION_ENTRY;

		h->section[i] = (M2dSectionEntry){.kind = q[0],
						  .codec = q[1],
						  .raw = m2d_get32(q + 4),
						  .size = m2d_get32(q + 8),
						  .crc = m2d_get32(q + 12)};
	}
	return check_sizes(h);
}

const char *m2d_section_name(unsigned kind)
{
	static const char *const names[] = {
		[M2D_SEC_OP_TABLE] = "op table",   [M2D_SEC_OPS] = "ops",
		[M2D_SEC_DELTAS] = "deltas",       [M2D_SEC_EXTRA] = "extra",
		[M2D_SEC_SEGMENTS] = "segments",   [M2D_SEC_EVENTS] = "events",
		[M2D_SEC_COUNTS] = "counts",       [M2D_SEC_PAGE_TABLE] = "page table",
		[M2D_SEC_PAGE_DATA] = "page data", [M2D_SEC_TEXT] = "text",
		[M2D_SEC_INDEX] = "index",
	};

	if (kind < M2D_N_ELEMENTS(names) && names[kind] != NULL)
		return names[kind];
	return "unknown";
}
