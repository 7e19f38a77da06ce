/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chunk: its sections unpacked, then its records piece by piece, as large as the caller wants. */
#include "sim/trace/decode-private.h"

M2dDecoder *m2d_decoder_new(unsigned n_vcpus)
{
	M2dDecoder *d = g_new0(M2dDecoder, 1);

	d->inflater = m2d_inflater_new();
	d->n_vcpus = n_vcpus;
	return d;
}

void m2d_decoder_free(M2dDecoder *d)
{
	if (d == NULL)
		return;
	m2d_inflater_free(d->inflater);
	m2d_batch_clear(&d->plan);
	g_free(d);
}

uint64_t m2d_decoder_skipped(const M2dDecoder *d)
{
	return d->skipped;
}

const char *m2d_decode_error(M2dDecoder *d, unsigned kind, const char *what)
{
	g_snprintf(d->message, sizeof(d->message), "section '%s': %s", m2d_section_name(kind),
		   what);
	return d->message;
}

/* Unpack the sections whose bit is set in @wanted; of others at most the checksum is checked. */
static const char *unpack(M2dDecoder *d, const M2dChunkHeader *h, const uint8_t *body,
			  uint32_t wanted, bool check_all, M2dSection *section)
{
	static const uint8_t none[M2D_SECTION_SLACK];
	uint32_t seen = 0;

	for (unsigned i = 0; i < 32; i++)
		section[i] = (M2dSection){.p = none};
	m2d_inflater_reset(d->inflater);
	for (unsigned i = 0; i < h->n_sections; i++) {
		const M2dSectionEntry *e = &h->section[i];
		const uint8_t *stored = body;
		const char *what;

		body += e->size;
		if (e->kind >= 32 || (wanted & (1u << e->kind)) == 0) {
			if (check_all && !m2d_section_intact(e, stored))
				return m2d_decode_error(d, e->kind, "the checksum does not match");
			continue;
		}
		if (seen & (1u << e->kind))
			return m2d_decode_error(d, e->kind, "comes twice");
		seen |= 1u << e->kind;
		what = m2d_inflater_section(d->inflater, e, stored, &section[e->kind].p);
		if (what != NULL)
			return m2d_decode_error(d, e->kind, what);
		section[e->kind].len = e->raw;
	}
	return NULL;
}

const char *m2d_decoder_begin(M2dDecoder *d, const M2dChunkHeader *h, const uint8_t *body,
			      bool counts)
{
	uint32_t wanted = 1u << M2D_SEC_OP_TABLE | 1u << M2D_SEC_OPS | 1u << M2D_SEC_DELTAS |
			  1u << M2D_SEC_EXTRA | 1u << M2D_SEC_SEGMENTS | 1u << M2D_SEC_EVENTS;
	const M2dSection *section = d->section;
	const char *what;

	if (h->kind == M2D_CHUNK_PAGES)
		wanted = 1u << M2D_SEC_PAGE_TABLE | 1u << M2D_SEC_PAGE_DATA;
	else if (counts)
		wanted |= 1u << M2D_SEC_COUNTS;
	d->h = *h;
	d->segment = d->segment_done = d->refs_done = 0;
	memset(d->counts_sum, 0, sizeof(d->counts_sum));
	d->plan.n_segments = 0;
	what = unpack(d, h, body, wanted, counts, d->section);
	if (what != NULL || h->kind == M2D_CHUNK_PAGES)
		return what;
	d->counts_in = (M2dVarints){.p = section[M2D_SEC_COUNTS].p,
				    .end = section[M2D_SEC_COUNTS].p + section[M2D_SEC_COUNTS].len};
	d->events_in = (M2dVarints){.p = section[M2D_SEC_EVENTS].p,
				    .end = section[M2D_SEC_EVENTS].p + section[M2D_SEC_EVENTS].len};
	memset(d->last_a, 0, sizeof(d->last_a));
	memset(d->last_b, 0, sizeof(d->last_b));
	what = m2d_decode_segments(d);
	return what != NULL ? what : m2d_decode_begin_refs(d);
}

/* A piece ends early behind so many events, which are larger than references. */
#define MAX_PIECE_EVENTS 4096u

/* The segments that the next @max references lie in, with their events, as a batch's own. */
static const char *plan_piece(M2dDecoder *d, uint32_t max, M2dBatch *batch)
{
	uint32_t first = d->segment, last = first, events = 0, refs = 0;
	const char *what;

	for (; last < d->plan.n_segments; last++) {
		uint32_t left =
			d->plan.segments[last].n_refs - (last == first ? d->segment_done : 0);

		if (refs == max || (max != UINT32_MAX && events >= MAX_PIECE_EVENTS))
			break;
		refs += MIN(left, max - refs);
		events += d->plan.segments[last].n_events;
	}
	m2d_batch_room(&batch->segments, &batch->cap_segments, last - first, sizeof(M2dSegment));
	m2d_batch_room(&batch->events, &batch->cap_events, events + 1, sizeof(M2dTraceEvent));
	m2d_batch_room_refs(batch, refs);
	for (uint32_t i = first; i < last; i++) {
		M2dSegment s = d->plan.segments[i];
		uint32_t left = s.n_refs - d->segment_done;

		/* A segment's events came with its first piece. */
		if (d->segment_done != 0)
			s.n_events = 0;
		what = m2d_decode_events(d, &s, batch);
		if (what != NULL)
			return what;
		s.first_ref = batch->n_refs;
		s.n_refs = MIN(left, max - batch->n_refs);
		batch->n_refs += s.n_refs;
		batch->segments[batch->n_segments++] = s;
		if (s.n_refs == left) {
			d->segment++;
			d->segment_done = 0;
		} else {
			d->segment_done += s.n_refs;
		}
	}
	return NULL;
}

const char *m2d_decoder_piece(M2dDecoder *d, uint32_t max, M2dBatch *batch, uint32_t *counts,
			      bool *more)
{
	const char *what = NULL;

	*more = false;
	batch->n_refs = batch->n_events = batch->n_segments = batch->n_pages = 0;
	batch->first_ref = d->h.first_ref + d->refs_done;
	batch->instructions = batch->elided = 0;
	if (d->h.kind == M2D_CHUNK_PAGES)
		return m2d_decode_pages(d, batch);
	what = plan_piece(d, max, batch);
	if (what != NULL)
		return what;
	for (uint32_t i = 0; i < batch->n_segments; i++) {
		const M2dSegment *s = &batch->segments[i];

		if (!m2d_decode_refs(d, batch->refs + s->first_ref, s->n_refs,
				     s->vcpu * 2u + s->guest))
			return m2d_decode_error(d, M2D_SEC_DELTAS, "ends too early");
	}
	d->refs_done += batch->n_refs;
	*more = d->segment < d->plan.n_segments;
	if (!*more && d->events_in.p != d->events_in.end)
		return m2d_decode_error(d, M2D_SEC_EVENTS, "is too long");
	if (!*more)
		what = m2d_decode_end_refs(d);
	if (what == NULL && counts != NULL)
		what = m2d_decode_counts(d, batch, counts);
	return what;
}

const char *m2d_decoder_single(M2dDecoder *d, const M2dChunkHeader *h, const uint8_t *body,
			       M2dSectionKind kind, const uint8_t **raw, size_t *len)
{
	M2dSection section[32];
	const char *what = unpack(d, h, body, 1u << kind, true, section);

	*raw = section[kind].p;
	*len = section[kind].len;
	return what;
}
