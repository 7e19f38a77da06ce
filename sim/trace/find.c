/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding chunks in a file, intact or not, and the list of what is damaged. */
#include <inttypes.h>
#include <stdarg.h>

#include "sim/base/error.h"
#include "sim/trace/reader-private.h"

void m2d_reader_error(M2dTraceReader *r, GError **error, uint64_t offset, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: offset %" PRIu64 ": %s",
		    m2d_source_name(r->source), offset, text);
}

static M2dTraceDamage *open_damage(M2dTraceReader *r)
{
	return r->gap ? &g_array_index(r->damage, M2dTraceDamage, r->damage->len - 1) : NULL;
}

void m2d_reader_add_damage(M2dTraceReader *r, uint64_t offset, char *text)
{
	M2dTraceDamage damage = {.offset = offset, .refs_lost = UINT64_MAX, .text = text};

	if (r->gap) {
		/* Still in the same hole. */
		g_free(text);
		return;
	}
	g_array_append_val(r->damage, damage);
	r->gap = true;
}

/* The hole, if one is open, ends at @offset, where reference @first_ref (~0: unknown) follows. */
void m2d_reader_close_gap(M2dTraceReader *r, uint64_t offset, uint64_t first_ref)
{
	M2dTraceDamage *d = open_damage(r);

	if (d == NULL)
		return;
	d->length = offset - d->offset;
	if (first_ref != UINT64_MAX)
		d->refs_lost = first_ref > r->next_ref ? first_ref - r->next_ref : 0;
	r->gap = false;
}

M2dFind m2d_reader_peek_header(M2dTraceReader *r, M2dChunkHeader *h, const char **what,
			       GError **error)
{
	size_t need = M2D_FMT_CHUNK_FIXED, got;
	const uint8_t *p;

	for (;;) {
		p = m2d_source_peek(r->source, need, &got, error);
		if (p == NULL)
			return M2D_FIND_FAILED;
		if (got == 0)
			return M2D_FIND_END;
		if (got < need) {
			*what = got >= 8 && memcmp(p, M2D_FMT_CHUNK_MAGIC, 8) != 0
					? "no chunk starts here"
					: "the file ends inside a chunk header";
			return M2D_FIND_BROKEN;
		}
		*what = m2d_chunk_header_get(p, got, h, &need);
		if (*what == NULL)
			return M2D_FIND_CHUNK;
		if (**what != '\0')
			return M2D_FIND_BROKEN;
	}
}

/* Go to the next intact chunk header after the present byte. */
M2dFind m2d_reader_resync(M2dTraceReader *r, M2dChunkHeader *h, GError **error)
{
	size_t skip = 1;

	for (;;) {
		const char *what;
		const uint8_t *p, *hit;
		size_t got;

		p = m2d_source_peek(r->source, 64u << 10, &got, error);
		if (p == NULL)
			return M2D_FIND_FAILED;
		if (got <= skip) {
			m2d_source_consume(r->source, got);
			return M2D_FIND_END;
		}
		hit = memmem(p + skip, got - skip, M2D_FMT_CHUNK_MAGIC, 8);
		if (hit == NULL) {
			/* The magic may straddle the end of what was seen. */
			size_t step = got - skip > 7 ? got - 7 : got;

			m2d_source_consume(r->source, step);
			skip = 0;
			if (got < 64u << 10) {
				p = m2d_source_peek(r->source, 64u << 10, &got, error);
				if (p == NULL)
					return M2D_FIND_FAILED;
				m2d_source_consume(r->source, got);
				return M2D_FIND_END;
			}
			continue;
		}
		m2d_source_consume(r->source, (size_t)(hit - p));
		switch (m2d_reader_peek_header(r, h, &what, error)) {
		case M2D_FIND_CHUNK:
			return M2D_FIND_CHUNK;
		case M2D_FIND_FAILED:
			return M2D_FIND_FAILED;
		default:
			skip = 1;
		}
	}
}

/* The whole chunk @h at the present byte; NULL with *what, or with @error on I/O errors. */
const uint8_t *m2d_reader_peek_chunk(M2dTraceReader *r, const M2dChunkHeader *h, const char **what,
				     GError **error)
{
	size_t len = h->header_size + h->body_size, got;
	const uint8_t *p = m2d_source_peek(r->source, len, &got, error);

	if (p == NULL)
		return NULL;
	if (got < len) {
		*what = "the file ends inside the chunk";
		return NULL;
	}
	return p;
}
