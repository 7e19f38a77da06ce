/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder of chunks. Its heart is decode_refs(): one table lookup a reference gives the
 * address as base register + bias + a few bytes, and everything else as one word; there is no
 * branch that depends on the data but for pages seen first and for rare shapes.
 *
 * Whatever the bytes are, reads and writes stay inside the buffers: lengths are checked before
 * the loops, and inside them once in BLOCK references, which the slack behind a section covers.
 */
#include "sim/trace/decode.h"

#include <stdlib.h>
#include <sys/mman.h>

#define BLOCK 64u
_Static_assert(BLOCK * 8 + 8 <= M2D_SECTION_SLACK, "a block may overrun its section by this");

typedef struct {
	uint64_t bias;
	uint64_t mask; /* of the @width bytes */
	uint64_t w;    /* kind, privilege, attributes, size */
	uint8_t base, width, flags;
	uint16_t size;
	uint16_t reach; /* distance of the last byte accessed from the first */
} Op;
_Static_assert(sizeof(Op) == 32, "entries are found by a shift");

typedef struct {
	const uint8_t *p;
	size_t len;
} Section;

/* The streams that the references of a chunk come from. */
typedef struct {
	const uint8_t *ops;
	const uint8_t *delta, *delta_end;
	M2dVarints extra;
} Streams;

struct _M2dDecoder {
	M2dInflater *inflater;
	unsigned n_vcpus;
	uint64_t skipped;
	Op op[256];
	uint64_t last_a[128], last_b[128]; /* of events, by kind */
	M2dRefState state;

	/* The chunk in work. */
	M2dChunkHeader h;
	Section section[32];
	M2dBatch plan; /* all of its segments; neither events nor references */
	Streams in;
	bool frames;
	uint32_t segment;      /* of the plan, where the next piece starts */
	uint32_t segment_done; /* references of it decoded */
	uint32_t refs_done;    /* of the chunk */
	M2dVarints events_in, counts_in;
	uint64_t counts_sum[3];
	char message[128];
};

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

static const char *section_error(M2dDecoder *d, unsigned kind, const char *what)
{
	g_snprintf(d->message, sizeof(d->message), "section '%s': %s", m2d_section_name(kind),
		   what);
	return d->message;
}

/* Unpack the sections whose bit is set in @wanted; of others at most the checksum is checked. */
static const char *unpack(M2dDecoder *d, const M2dChunkHeader *h, const uint8_t *body,
			  uint32_t wanted, bool check_all, Section *section)
{
	static const uint8_t none[M2D_SECTION_SLACK];
	uint32_t seen = 0;

	for (unsigned i = 0; i < 32; i++)
		section[i] = (Section){.p = none};
	m2d_inflater_reset(d->inflater);
	for (unsigned i = 0; i < h->n_sections; i++) {
		const M2dSectionEntry *e = &h->section[i];
		const uint8_t *stored = body;
		const char *what;

		body += e->size;
		if (e->kind >= 32 || (wanted & (1u << e->kind)) == 0) {
			if (check_all && !m2d_section_intact(e, stored))
				return section_error(d, e->kind, "the checksum does not match");
			continue;
		}
		if (seen & (1u << e->kind))
			return section_error(d, e->kind, "comes twice");
		seen |= 1u << e->kind;
		what = m2d_inflater_section(d->inflater, e, stored, &section[e->kind].p);
		if (what != NULL)
			return section_error(d, e->kind, what);
		section[e->kind].len = e->raw;
	}
	return NULL;
}

static const char *load_ops(M2dDecoder *d, const Section *table, const Section *ops, bool *frames)
{
	size_t n = table->len / M2D_FMT_OP_ENTRY;
	uint8_t max = 0;

	*frames = false;
	if (table->len % M2D_FMT_OP_ENTRY != 0 || n > 256)
		return section_error(d, M2D_SEC_OP_TABLE, "has an impossible size");
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = table->p + i * M2D_FMT_OP_ENTRY;
		Op *op = &d->op[i];

		if (p[0] & ~M2D_OP_KEY_BITS || p[0] & M2D_REF_GUEST || (p[0] & M2D_REF_KIND) == 3 ||
		    p[2] >= M2D_FMT_BASES || p[3] > 8 || p[4] > (M2D_OP_FRAME | M2D_OP_ESCAPE))
			return section_error(d, M2D_SEC_OP_TABLE, "has an impossible entry");
		op->w = p[0] | (uint64_t)p[1] << M2D_REF_SIZE_SHIFT;
		op->size = p[1];
		op->reach = p[1] - (p[1] != 0);
		op->base = p[2];
		op->width = p[3];
		op->mask = m2d_low_mask(8u * p[3]);
		op->flags = p[4];
		op->bias = m2d_get64(p + 8);
		if (p[0] & M2D_REF_HAS_PA || (p[4] != 0 && memchr(ops->p, (int)i, ops->len)))
			*frames = true;
	}
	for (size_t i = 0; i < ops->len; i++)
		max = ops->p[i] > max ? ops->p[i] : max;
	if (ops->len != 0 && max >= n)
		return section_error(d, M2D_SEC_OPS, "names an entry that the op table lacks");
	return NULL;
}

/* Read a frame that the cache does not hold; it becomes the slot's. */
static void explicit_frame(M2dRefState *state, M2dVarints *extra, uint64_t va, uint32_t slot)
{
	uint64_t page = va >> 12;
	uint64_t frame = state->miss_pa + (page - state->miss_va);

	frame = (frame + m2d_unzigzag(m2d_get_varint(extra))) & m2d_low_mask(40);
	state->miss_va = page;
	state->miss_pa = frame;
	state->frame[slot] = frame << 12;
}

static M2dRef escaped_ref(M2dRefState *state, M2dVarints *extra, uint32_t context)
{
	uint64_t v = m2d_get_varint(extra);
	uint64_t key = v & (M2D_OP_KEY_BITS & ~M2D_REF_GUEST), size = v >> 7 & 0xff;
	uint64_t *base = &state->base[context][v >> 15 & (M2D_FMT_BASES - 1)];
	uint64_t va = *base + m2d_unzigzag(m2d_get_varint(extra));
	M2dRef ref = {.va = va, .w = key | size << M2D_REF_SIZE_SHIFT | m2d_fmt_cross(va, size)};
	uint32_t slot = m2d_fmt_frame_slot(va, context);

	if ((key & M2D_REF_KIND) == 3)
		extra->bad = true;
	*base = va + size;
	if (v >> 19 & 1)
		explicit_frame(state, extra, va, slot);
	if (key & M2D_REF_HAS_PA)
		ref.w |= state->frame[slot];
	return ref;
}

/* Decode @n references of one vCPU and mode. @frames is a constant in both callers. */
M2D_ALWAYS_INLINE bool decode_refs(M2dDecoder *d, Streams *in, M2dRef *out, uint32_t n,
				   uint32_t context, bool frames)
{
	M2dRefState *state = &d->state;
	uint64_t *base = state->base[context];
	const uint8_t *delta = in->delta, *ops = in->ops;
	uint64_t segment = context & 1 ? M2D_REF_GUEST : 0;

	in->ops += n;
	while (n > 0) {
		uint32_t block = n < BLOCK ? n : BLOCK;

		for (uint32_t i = 0; i < block; i++) {
			const Op *op = &d->op[ops[i]];
			uint64_t step, va, w, start;

			if (frames && m2d_unlikely(op->flags & M2D_OP_ESCAPE)) {
				out[i] = escaped_ref(state, &in->extra, context);
				out[i].w |= segment;
				continue;
			}
			/* From one use of a base register to the next is the longest chain of
			 * dependent work here: keep it at one load, one addition, one store. */
			step = op->bias + (m2d_get64(delta) & op->mask);
			delta += op->width;
			start = base[op->base];
			va = start + step;
			base[op->base] = start + (step + op->size);
			w = op->w | segment | (((va & 0xfff) + op->reach) >> 12) << 7;
			if (frames) {
				uint32_t slot = m2d_fmt_frame_slot(va, context);

				if (m2d_unlikely(op->flags & M2D_OP_FRAME))
					explicit_frame(state, &in->extra, va, slot);
				w |= state->frame[slot] & (0 - (op->w >> 4 & 1));
			}
			out[i] = (M2dRef){.va = va, .w = w};
		}
		if (delta > in->delta_end)
			return false;
		ops += block;
		out += block;
		n -= block;
	}
	in->delta = delta;
	return true;
}

/* Set up the streams of the references and the state that predicts them. */
static const char *begin_refs(M2dDecoder *d)
{
	const Section *delta = &d->section[M2D_SEC_DELTAS], *extra = &d->section[M2D_SEC_EXTRA];
	const char *what;

	d->in = (Streams){.ops = d->section[M2D_SEC_OPS].p,
			  .delta = delta->p,
			  .delta_end = delta->p + delta->len,
			  .extra = {.p = extra->p, .end = extra->p + extra->len}};
	if (d->section[M2D_SEC_OPS].len != d->h.n_refs)
		return section_error(d, M2D_SEC_OPS, "has another length than the chunk says");
	what = load_ops(d, &d->section[M2D_SEC_OP_TABLE], &d->section[M2D_SEC_OPS], &d->frames);
	if (what != NULL)
		return what;
	memset(d->state.base, 0, sizeof(d->state.base[0]) * 2 * d->n_vcpus);
	memset(d->state.frame, 0, sizeof(d->state.frame));
	d->state.miss_va = d->state.miss_pa = 0;
	return NULL;
}

/* The streams must end with the references. */
static const char *end_refs(M2dDecoder *d)
{
	if (d->in.delta != d->in.delta_end)
		return section_error(d, M2D_SEC_DELTAS, "is too long");
	if (d->in.extra.bad || d->in.extra.p != d->in.extra.end)
		return section_error(d, M2D_SEC_EXTRA, "has an impossible value or length");
	return NULL;
}

static const char *decode_segments(M2dDecoder *d, const M2dChunkHeader *h, const Section *section,
				   M2dBatch *batch)
{
	M2dVarints in = {.p = section->p, .end = section->p + section->len};
	uint64_t events = 0, refs = 0;

	for (uint32_t i = 0; i < h->n_segments; i++) {
		uint64_t n_events = m2d_get_varint(&in), n_refs = m2d_get_varint(&in);
		uint8_t vcpu = m2d_get_byte(&in), guest = m2d_get_byte(&in);

		if (in.bad || n_events > h->n_events - events || n_refs > h->n_refs - refs ||
		    vcpu >= d->n_vcpus || guest > 1)
			return section_error(d, M2D_SEC_SEGMENTS, "has an impossible entry");
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
		return section_error(d, M2D_SEC_SEGMENTS, "does not add up to the chunk's counts");
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

/* The events of one segment, appended to @batch, which has room. */
static const char *decode_events(M2dDecoder *d, M2dSegment *s, M2dBatch *batch)
{
	uint32_t n = s->n_events, first = batch->n_events;

	for (uint32_t i = 0; i < n; i++) {
		M2dTraceEvent *event = &batch->events[batch->n_events];
		bool known;

		if (!decode_event(d, &d->events_in, event, &known))
			return section_error(d, M2D_SEC_EVENTS, "has an impossible record");
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

static const char *decode_counts(M2dDecoder *d, const M2dBatch *batch, uint32_t *counts)
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
		return section_error(d, M2D_SEC_COUNTS, "does not add up to the chunk's sums");
	return NULL;
}

/* Make room for @n elements; old content is not kept. */
static void room(void *array, uint32_t *cap, uint32_t n, size_t size)
{
	void **p = array;

	if (n <= *cap)
		return;
	g_free(*p);
	*cap = n + n / 4;
	*p = g_malloc(*cap * size);
}

#define HUGE_PAGE (UINT64_C(2) << 20)

/* As room(), for the largest array by far: in large pages where the system has them, since taking
 * 4 MiB by small page faults costs as much as decoding into them. */
static void room_refs(M2dBatch *batch, uint32_t n)
{
	size_t bytes = ((size_t)n * sizeof(M2dRef) + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	void *p;

	if (n <= batch->cap_refs)
		return;
	free(batch->refs);
	if ((size_t)n * sizeof(M2dRef) < HUGE_PAGE) {
		batch->refs = g_new(M2dRef, n);
		batch->cap_refs = n;
		return;
	}
	p = aligned_alloc(HUGE_PAGE, bytes);
	if (p == NULL)
		g_error("out of memory");
	madvise(p, bytes, MADV_HUGEPAGE);
	batch->refs = p;
	batch->cap_refs = (uint32_t)(bytes / sizeof(M2dRef));
}

static const char *decode_pages(M2dDecoder *d, const M2dChunkHeader *h, const Section *table,
				const Section *data, M2dBatch *batch)
{
	size_t used = 0;

	if (table->len != 8 * (size_t)h->n_pages)
		return section_error(d, M2D_SEC_PAGE_TABLE,
				     "has another length than the chunk says");
	room(&batch->pages, &batch->cap_pages, h->n_pages, sizeof(*batch->pages));
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
			return section_error(d, M2D_SEC_PAGE_TABLE, "has an impossible address");
		batch->pages[i] = (M2dTracePage){.pa = v & ~UINT64_C(1)};
		if (v & 1)
			continue;
		if (data->len - used < 4096)
			return section_error(d, M2D_SEC_PAGE_DATA, "ends too early");
		batch->pages[i].data = batch->page_data + used;
		used += 4096;
	}
	batch->n_pages = h->n_pages;
	if (used != data->len)
		return section_error(d, M2D_SEC_PAGE_DATA, "is too long");
	return NULL;
}

const char *m2d_decoder_begin(M2dDecoder *d, const M2dChunkHeader *h, const uint8_t *body,
			      bool counts)
{
	uint32_t wanted = 1u << M2D_SEC_OP_TABLE | 1u << M2D_SEC_OPS | 1u << M2D_SEC_DELTAS |
			  1u << M2D_SEC_EXTRA | 1u << M2D_SEC_SEGMENTS | 1u << M2D_SEC_EVENTS;
	const Section *section = d->section;
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
	room(&d->plan.segments, &d->plan.cap_segments, h->n_segments, sizeof(M2dSegment));
	d->events_in = (M2dVarints){.p = section[M2D_SEC_EVENTS].p,
				    .end = section[M2D_SEC_EVENTS].p + section[M2D_SEC_EVENTS].len};
	memset(d->last_a, 0, sizeof(d->last_a));
	memset(d->last_b, 0, sizeof(d->last_b));
	what = decode_segments(d, h, &section[M2D_SEC_SEGMENTS], &d->plan);
	return what != NULL ? what : begin_refs(d);
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
	room(&batch->segments, &batch->cap_segments, last - first, sizeof(M2dSegment));
	room(&batch->events, &batch->cap_events, events + 1, sizeof(M2dTraceEvent));
	room_refs(batch, refs);
	for (uint32_t i = first; i < last; i++) {
		M2dSegment s = d->plan.segments[i];
		uint32_t left = s.n_refs - d->segment_done;

		/* A segment's events came with its first piece. */
		if (d->segment_done != 0)
			s.n_events = 0;
		what = decode_events(d, &s, batch);
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
		return decode_pages(d, &d->h, &d->section[M2D_SEC_PAGE_TABLE],
				    &d->section[M2D_SEC_PAGE_DATA], batch);
	what = plan_piece(d, max, batch);
	if (what != NULL)
		return what;
	for (uint32_t i = 0; i < batch->n_segments; i++) {
		const M2dSegment *s = &batch->segments[i];
		M2dRef *out = batch->refs + s->first_ref;
		uint32_t context = s->vcpu * 2u + s->guest;
		bool ok = d->frames ? decode_refs(d, &d->in, out, s->n_refs, context, true)
				    : decode_refs(d, &d->in, out, s->n_refs, context, false);

		if (!ok)
			return section_error(d, M2D_SEC_DELTAS, "ends too early");
	}
	d->refs_done += batch->n_refs;
	*more = d->segment < d->plan.n_segments;
	if (!*more && d->events_in.p != d->events_in.end)
		return section_error(d, M2D_SEC_EVENTS, "is too long");
	if (!*more)
		what = end_refs(d);
	if (what == NULL && counts != NULL)
		what = decode_counts(d, batch, counts);
	return what;
}

const char *m2d_decoder_single(M2dDecoder *d, const M2dChunkHeader *h, const uint8_t *body,
			       M2dSectionKind kind, const uint8_t **raw, size_t *len)
{
	Section section[32];
	const char *what = unpack(d, h, body, 1u << kind, true, section);

	*raw = section[kind].p;
	*len = section[kind].len;
	return what;
}

void m2d_batch_clear(M2dBatch *batch)
{
	free(batch->refs);
	g_free(batch->events);
	g_free(batch->segments);
	g_free(batch->pages);
	g_free(batch->page_data);
	memset(batch, 0, sizeof(*batch));
}
