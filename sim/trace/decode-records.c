/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a chunk has beside references: segments, events, counts, and pages of guest memory. */
#include "sim/trace/decode-private.h"

const char *m2d_decode_segments(M2dDecoder *d)
{
	const M2dChunkHeader *h = &d->h;
	const M2dSection *section = &d->section[M2D_SEC_SEGMENTS];
	M2dBatch *batch = &d->plan;
	M2dVarints in = {.p = section->p, .end = section->p + section->len};
	uint64_t events = 0, refs = 0;

	m2d_batch_room(&batch->segments, &batch->cap_segments, h->n_segments, sizeof(M2dSegment));
	for (uint32_t i = 0; i < h->n_segments; i++) {
		uint64_t n_events = m2d_get_varint(&in), n_refs = m2d_get_varint(&in);
		uint8_t vcpu = m2d_get_byte(&in), guest = m2d_get_byte(&in);

		if (in.bad || n_events > h->n_events - events || n_refs > h->n_refs - refs ||
		    vcpu >= d->n_vcpus || guest > 1)
			return m2d_decode_error(d, M2D_SEC_SEGMENTS, "has an impossible entry");
		batch->segments[i] = (M2dSegment){.first_event = (uint32_t)events,
						  .n_events = (uint32_t)n_events,
						  .first_ref = (uint32_t)refs,
						  .n_refs = (uint32_t)n_refs,
						  .vcpu = vcpu,
						  .guest = guest};
		events += n_events;
		refs += n_refs;
	}
	batch->n_segments = h->n_segments;
	if (events != h->n_events || refs != h->n_refs || in.p != in.end)
		return m2d_decode_error(d, M2D_SEC_SEGMENTS,
					"does not add up to the chunk's counts");
	return NULL;
}

/* Returns false on damage; a record of an unknown kind leaves @event untouched, *@known false. */
static bool decode_event(M2dDecoder *d, M2dVarints *in, M2dTraceEvent *event, bool *known)
{
	uint8_t kind = m2d_get_byte(in), mask;
	uint64_t len = m2d_get_varint(in), n = 0;
	M2dVarints body;

	if (in->bad || kind == 0 || len > (size_t)(in->end - in->p))
		return false;
	body = (M2dVarints){.p = in->p, .end = in->p + len};
	in->p += len;
	*known = kind < 128;
	if (!*known)
		return true;
	memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->sub = m2d_get_byte(&body);
	mask = m2d_get_byte(&body);
	event->guest = mask & 1;
	if (mask & 2)
		n = m2d_get_varint(&body);
	event->n = (uint32_t)n;
	if (mask & 4)
		event->a = d->last_a[kind] += m2d_unzigzag(m2d_get_varint(&body));
	if (mask & 8)
		event->b = d->last_b[kind] += m2d_unzigzag(m2d_get_varint(&body));
	if (mask & 16)
		event->c = m2d_get_varint(&body);
	if (mask & 32)
		event->d = m2d_get_varint(&body);
	if (mask & 64)
		event->e = m2d_get_varint(&body);
	return !body.bad && n <= UINT32_MAX;
}

const char *m2d_decode_events(M2dDecoder *d, M2dSegment *s, M2dBatch *batch)
{
	uint32_t n = s->n_events, first = batch->n_events;

	for (uint32_t i = 0; i < n; i++) {
		M2dTraceEvent *event = &batch->events[batch->n_events];
		bool known;

		if (!decode_event(d, &d->events_in, event, &known))
			return m2d_decode_error(d, M2D_SEC_EVENTS, "has an impossible record");
		if (known) {
			event->vcpu = s->vcpu;
			batch->n_events++;
		} else {
			d->skipped++;
		}
	}
	s->first_event = first;
	s->n_events = batch->n_events - first;
	return NULL;
}

const char *m2d_decode_counts(M2dDecoder *d, const M2dBatch *batch, uint32_t *counts)
{
	M2dVarints *in = &d->counts_in;

	for (uint32_t i = 0; i < batch->n_refs; i++) {
		unsigned kind = batch->refs[i].w & M2D_REF_KIND;
		uint64_t n = d->h.n_const[kind];

		if (d->h.n_listed >> kind & 1)
			n = m2d_get_varint(in);
		if (n > UINT32_MAX)
			in->bad = true;
		counts[i] = (uint32_t)n;
		d->counts_sum[kind] += n;
	}
	if (d->refs_done < d->h.n_refs && !in->bad)
		return NULL;
	if (in->bad || in->p != in->end ||
	    memcmp(d->counts_sum, d->h.n_sum, sizeof(d->counts_sum)) != 0)
		return m2d_decode_error(d, M2D_SEC_COUNTS, "does not add up to the chunk's sums");
	return NULL;
}

const char *m2d_decode_pages(M2dDecoder *d, M2dBatch *batch)
{
	const M2dChunkHeader *h = &d->h;
	const M2dSection *table = &d->section[M2D_SEC_PAGE_TABLE];
	const M2dSection *data = &d->section[M2D_SEC_PAGE_DATA];
	size_t used = 0;

	if (table->len != 8 * (size_t)h->n_pages)
		return m2d_decode_error(d, M2D_SEC_PAGE_TABLE,
					"has another length than the chunk says");
	m2d_batch_room(&batch->pages, &batch->cap_pages, h->n_pages, sizeof(*batch->pages));
	if (batch->cap_page_data < data->len) {
		g_free(batch->page_data);
		batch->page_data = g_malloc(data->len);
		batch->cap_page_data = data->len;
	}
	if (data->len != 0)
		memcpy(batch->page_data, data->p, data->len);
	for (uint32_t i = 0; i < h->n_pages; i++) {
		uint64_t v = m2d_get64(table->p + 8 * (size_t)i);

		if (v & ~(M2D_REF_FRAME | 1))
			return m2d_decode_error(d, M2D_SEC_PAGE_TABLE, "has an impossible address");
		batch->pages[i] = (M2dTracePage){.pa = v & ~UINT64_C(1)};
		if (v & 1)
			continue;
		if (data->len - used < 4096)
			return m2d_decode_error(d, M2D_SEC_PAGE_DATA, "ends too early");
		batch->pages[i].data = batch->page_data + used;
		used += 4096;
	}
	batch->n_pages = h->n_pages;
	if (used != data->len)
		return m2d_decode_error(d, M2D_SEC_PAGE_DATA, "is too long");
	return NULL;
}
