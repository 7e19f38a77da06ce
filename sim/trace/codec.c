/* SPDX-License-Identifier: GPL-2.0-or-later */
/* zlib behind two small objects whose streams and buffers live as long as a file is open. */
#include "sim/trace/codec.h"

#include <zlib.h>

struct _M2dDeflater {
	z_stream z;
	uint8_t *buf;
	size_t cap;
};

M2dDeflater *m2d_deflater_new(void)
{
	M2dDeflater *d = g_new0(M2dDeflater, 1);

	/* Level 9 saves 2 to 4 per cent and takes two to three times as long; decoding is the
	 * same. */
	if (deflateInit2(&d->z, 5, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		g_error("zlib cannot be initialised");
	return d;
}

void m2d_deflater_free(M2dDeflater *d)
{
	if (d == NULL)
		return;
	deflateEnd(&d->z);
	g_free(d->buf);
	g_free(d);
}

void m2d_deflater_section(M2dDeflater *d, M2dChunkHeader *header, GByteArray *body,
			  M2dSectionKind kind, const void *raw, size_t len)
{
	M2dSectionEntry *entry;
	size_t want = len - len / 8;
	const void *data = raw;

	/* What hardly shrinks is slowest to inflate, and stays as it is. */
	if (len == 0)
		return;
	g_assert(header->n_sections < M2D_FMT_MAX_SECTIONS);
	entry = &header->section[header->n_sections++];
	*entry = (M2dSectionEntry){.kind = (uint8_t)kind, .raw = (uint32_t)len};
	if (d->cap < want) {
		g_free(d->buf);
		d->cap = want;
		d->buf = g_malloc(want);
	}
	/* Too little room makes deflate() stop early, which means: not worth it. */
	deflateReset(&d->z);
	d->z.next_in = (Bytef *)raw;
	d->z.avail_in = (uInt)len;
	d->z.next_out = d->buf;
	d->z.avail_out = (uInt)want;
	entry->size = (uint32_t)len;
	if (deflate(&d->z, Z_FINISH) == Z_STREAM_END) {
		entry->codec = M2D_CODEC_DEFLATE;
		entry->size = (uint32_t)(want - d->z.avail_out);
		data = d->buf;
	}
	entry->crc = (uint32_t)crc32(0, data, entry->size);
	g_byte_array_append(body, data, entry->size);
}

#define N_BUFFERS 16

struct _M2dInflater {
	z_stream z;
	uint8_t *buf[N_BUFFERS]; /* one for each section of a chunk */
	size_t cap[N_BUFFERS];
	unsigned used;
};

M2dInflater *m2d_inflater_new(void)
{
	M2dInflater *in = g_new0(M2dInflater, 1);

	if (inflateInit2(&in->z, -15) != Z_OK)
		g_error("zlib cannot be initialised");
	return in;
}

void m2d_inflater_free(M2dInflater *in)
{
	if (in == NULL)
		return;
	inflateEnd(&in->z);
	for (unsigned i = 0; i < N_BUFFERS; i++)
		g_free(in->buf[i]);
	g_free(in);
}

void m2d_inflater_reset(M2dInflater *in)
{
	in->used = 0;
}

bool m2d_section_intact(const M2dSectionEntry *entry, const uint8_t *stored)
{
	return (uint32_t)crc32(0, stored, entry->size) == entry->crc;
}

const char *m2d_inflater_section(M2dInflater *in, const M2dSectionEntry *entry,
				 const uint8_t *stored, const uint8_t **raw)
{
	unsigned i = in->used;
	int ret;

	*raw = stored;
	if (!m2d_section_intact(entry, stored))
		return "the checksum does not match";
	if (entry->codec == M2D_CODEC_STORED)
		return NULL;
	if (i == N_BUFFERS)
		return "too many sections";
	in->used++;
	if (in->cap[i] < entry->raw + M2D_SECTION_SLACK) {
		g_free(in->buf[i]);
		in->cap[i] = entry->raw + entry->raw / 4 + M2D_SECTION_SLACK;
		in->buf[i] = g_malloc0(in->cap[i]);
	}
	inflateReset(&in->z);
	in->z.next_in = (Bytef *)stored;
	in->z.avail_in = entry->size;
	in->z.next_out = in->buf[i];
	in->z.avail_out = entry->raw;
	ret = inflate(&in->z, Z_FINISH);
	if (ret != Z_STREAM_END || in->z.avail_out != 0 || in->z.avail_in != 0)
		return "the compressed data are damaged or of another length";
	*raw = in->buf[i];
	return NULL;
}
