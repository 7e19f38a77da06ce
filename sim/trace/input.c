/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See input.h. Several gzip members in a row are one stream, as gzip itself has it. */
#include "sim/trace/input.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#include "sim/base/error.h"
#include "sim/trace/source.h"

#define BUFFER   (256u << 10)
#define PIECE    (64u << 10)
#define MAX_LINE 4096u

struct _M2dInput {
	M2dSource *source;
	bool gzip, in_member, eof;
	z_stream z;
	uint8_t *buf;
	size_t start, end;
	uint64_t offset; /* of buf[start] in the decompressed data */
	uint64_t lines;
};

M2dInput *m2d_input_open(const char *path, GError **error)
{
	M2dSource *source = m2d_source_open(path, error);
	const uint8_t *p;
	M2dInput *in;
	size_t got;

	if (source == NULL)
		return NULL;
	p = m2d_source_peek(source, 2, &got, error);
	if (p == NULL) {
		m2d_source_close(source);
		return NULL;
	}
	in = g_new0(M2dInput, 1);
	in->source = source;
	in->buf = g_malloc(BUFFER);
	in->gzip = got == 2 && p[0] == 0x1f && p[1] == 0x8b;
	if (in->gzip && inflateInit2(&in->z, 15 + 16) != Z_OK)
		g_error("zlib cannot be initialised");
	in->in_member = in->gzip;
	return in;
}

void m2d_input_close(M2dInput *in)
{
	if (in == NULL)
		return;
	if (in->gzip)
		inflateEnd(&in->z);
	m2d_source_close(in->source);
	g_free(in->buf);
	g_free(in);
}

static gboolean gzip_error(M2dInput *in, const char *what, GError **error)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "%s: offset %" PRIu64 " of the gzip file: %s", m2d_source_name(in->source),
		    m2d_source_offset(in->source), what);
	return FALSE;
}

/* Add decompressed bytes behind buf[end]. */
static gboolean inflate_more(M2dInput *in, GError **error)
{
	const uint8_t *p;
	size_t got;
	int ret;

	p = m2d_source_peek(in->source, PIECE, &got, error);
	if (p == NULL)
		return FALSE;
	if (got == 0) {
		if (in->in_member)
			return gzip_error(in, "the compressed data end too early", error);
		in->eof = true;
		return TRUE;
	}
	if (!in->in_member) {
		inflateReset(&in->z);
		in->in_member = true;
	}
	in->z.next_in = (Bytef *)p;
	in->z.avail_in = (uInt)got;
	in->z.next_out = in->buf + in->end;
	in->z.avail_out = (uInt)(BUFFER - in->end);
	ret = inflate(&in->z, Z_NO_FLUSH);
	in->end = BUFFER - in->z.avail_out;
	m2d_source_consume(in->source, got - in->z.avail_in);
	if (ret == Z_STREAM_END)
		in->in_member = false;
	else if (ret != Z_OK && ret != Z_BUF_ERROR)
		return gzip_error(in, in->z.msg != NULL ? in->z.msg : "damaged data", error);
	return TRUE;
}

static gboolean copy_more(M2dInput *in, GError **error)
{
	size_t room = BUFFER - in->end, got;
	const uint8_t *p = m2d_source_peek(in->source, room < PIECE ? room : PIECE, &got, error);

	if (p == NULL)
		return FALSE;
	in->eof = got == 0;
	memcpy(in->buf + in->end, p, got);
	in->end += got;
	m2d_source_consume(in->source, got);
	return TRUE;
}

const uint8_t *m2d_input_peek(M2dInput *in, size_t want, size_t *got, GError **error)
{
	if (in->end - in->start < want && BUFFER - in->start < want) {
		memmove(in->buf, in->buf + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	while (in->end - in->start < want && !in->eof)
		if (!(in->gzip ? inflate_more(in, error) : copy_more(in, error)))
			return NULL;
	*got = in->end - in->start < want ? in->end - in->start : want;
	return in->buf + in->start;
}

void m2d_input_consume(M2dInput *in, size_t len)
{
	in->start += len;
	in->offset += len;
}

int m2d_input_line(M2dInput *in, M2dLine *line, GError **error)
{
	size_t have = in->end - in->start, got;
	const uint8_t *p, *end;

	/* What is in the buffer usually holds a whole line. */
	p = in->buf + in->start;
	end = memchr(p, '\n', have < MAX_LINE ? have : MAX_LINE);
	if (end == NULL) {
		p = m2d_input_peek(in, MAX_LINE, &got, error);
		if (p == NULL)
			return -1;
		if (got == 0)
			return 0;
		end = memchr(p, '\n', got);
		if (end == NULL && got == MAX_LINE) {
			*line = (M2dLine){.number = in->lines + 1};
			m2d_input_line_error(in, error, line, MAX_LINE,
					     "the line is longer than 4096 bytes");
			return -1;
		}
		if (end == NULL)
			end = p + got;
	}
	line->p = (const char *)p;
	line->len = (size_t)(end - p);
	line->number = ++in->lines;
	line->unended = in->start + line->len == in->end;
	m2d_input_consume(in, line->len + (in->start + line->len < in->end));
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return 1;
}

void m2d_input_line_error(const M2dInput *in, GError **error, const M2dLine *line, size_t column,
			  const char *what)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%" PRIu64 ":%zu: %s",
		    m2d_source_name(in->source), line->number, column, what);
}

void m2d_input_error(const M2dInput *in, GError **error, size_t ahead, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: offset %" PRIu64 "%s: %s",
		    m2d_source_name(in->source), in->offset + ahead,
		    in->gzip ? " of the decompressed data" : "", text);
}

uint64_t m2d_input_progress(const M2dInput *in, uint64_t *total)
{
	*total = m2d_source_size(in->source);
	return m2d_source_offset(in->source);
}
