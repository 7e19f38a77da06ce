/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The encoder of record chunks.
 *
 * Each vCPU and mode has base registers that hold where a reference ended. Fetches use number 0;
 * a data reference uses the nearest of the others, so that stack, heap and tables are followed
 * each on its own and most distances fit into a byte or recur exactly. Which register is nearest
 * is the encoder's affair alone: op table entries name it.
 */
#include "sim/trace/encode.h"

#include "sim/trace/optable.h"

#define DATA_BASES 7u /* of M2D_FMT_BASES - 1; more make the codes longer than the distances */

typedef struct {
	uint64_t distance;
	uint64_t w; /* of M2dRef */
	uint32_t n;
	uint16_t class_id;
	uint8_t base;
	bool frame; /* explicit; the next of M2dEncoder.frame */
} Pending;

struct _M2dEncoder {
	M2dRefState state;
	uint32_t stamp[2 * 256][M2D_FMT_BASES]; /* when a base register was used last */
	uint32_t now;
	M2dOpTable *table;

	Pending *ref;
	uint32_t n_refs, n_events, n_segments;
	uint64_t frames_cap, n_frames;
	uint64_t *frame; /* explicit frames, as in EXTRA, in order */
	GByteArray *events, *segments;
	uint64_t last_a[256], last_b[256];

	/* The open segment. */
	uint32_t seg_events, seg_refs;
	uint8_t seg_vcpu, seg_guest;

	uint64_t n_sum[3];
	uint32_t first_n[3];
	uint32_t kinds, varying; /* bits by kind: seen; n is not the same in all */
	uint64_t count_bytes;
	uint64_t estimate; /* bound of the payload */
	bool full;
};

M2dEncoder *m2d_encoder_new(void)
{
	M2dEncoder *e = g_new0(M2dEncoder, 1);

	e->table = m2d_op_table_new();
	e->ref = g_new(Pending, M2D_TRACE_MAX_BATCH_REFS);
	e->events = g_byte_array_new();
	e->segments = g_byte_array_new();
	return e;
}

void m2d_encoder_free(M2dEncoder *e)
{
	if (e == NULL)
		return;
	m2d_op_table_free(e->table);
	g_byte_array_unref(e->events);
	g_byte_array_unref(e->segments);
	g_free(e->ref);
	g_free(e->frame);
	g_free(e);
}

static void reset(M2dEncoder *e)
{
	memset(&e->state, 0, sizeof(e->state));
	memset(e->stamp, 0, sizeof(e->stamp));
	memset(e->last_a, 0, sizeof(e->last_a));
	memset(e->last_b, 0, sizeof(e->last_b));
	memset(e->n_sum, 0, sizeof(e->n_sum));
	m2d_op_table_reset(e->table);
	g_byte_array_set_size(e->events, 0);
	g_byte_array_set_size(e->segments, 0);
	e->now = e->n_refs = e->n_events = e->n_segments = 0;
	e->n_frames = e->count_bytes = e->estimate = 0;
	e->seg_events = e->seg_refs = 0;
	e->kinds = e->varying = 0;
	e->full = false;
}

bool m2d_encoder_empty(const M2dEncoder *e)
{
	return e->n_refs == 0 && e->n_events == 0;
}

static void end_segment(M2dEncoder *e)
{
	uint8_t who[2] = {e->seg_vcpu, e->seg_guest};

	if (e->seg_events == 0 && e->seg_refs == 0)
		return;
	m2d_put_varint(e->segments, e->seg_events);
	m2d_put_varint(e->segments, e->seg_refs);
	g_byte_array_append(e->segments, who, 2);
	e->n_segments++;
	e->seg_events = e->seg_refs = 0;
	e->estimate += 8;
}

static unsigned varint_bytes(uint64_t v)
{
	return v < 0x80 ? 1 : (70u - (unsigned)__builtin_clzll(v)) / 7;
}

/* The nearest base register; among equally many distance bytes (three or more: another object)
 * the one not used for longest, so that the objects in use keep theirs. */
static unsigned choose_base(M2dEncoder *e, uint32_t context, uint64_t va)
{
	const uint64_t *base = e->state.base[context];
	unsigned best = 1, best_width = 99;
	uint64_t best_near = UINT64_MAX;

	for (unsigned i = 1; i <= DATA_BASES; i++) {
		uint64_t near = m2d_zigzag(va - base[i]);
		unsigned width = m2d_distance_width(va - base[i]);
		bool better;

		if (width <= 2)
			better = near < best_near;
		else
			better = width < best_width ||
				 (width == best_width &&
				  e->stamp[context][i] < e->stamp[context][best]);
		if (better) {
			best = i;
			best_width = width;
			best_near = width <= 2 ? near : UINT64_MAX;
		}
	}
	return best;
}

/* Whether the frame of the reference is other than the cache says; then it is noted. */
static bool note_frame(M2dEncoder *e, uint32_t context, M2dRef ref)
{
	M2dRefState *s = &e->state;
	uint64_t *slot = &s->frame[m2d_fmt_frame_slot(ref.va, context)];
	uint64_t page = ref.va >> 12, frame = (ref.w & M2D_REF_FRAME) >> 12, diff;

	if ((ref.w & M2D_REF_HAS_PA) == 0 || *slot == frame << 12)
		return false;
	diff = (frame - (s->miss_pa + (page - s->miss_va))) << 24;
	diff = m2d_zigzag((uint64_t)((int64_t)diff >> 24));
	s->miss_va = page;
	s->miss_pa = frame;
	*slot = frame << 12;
	if (e->n_frames == e->frames_cap) {
		e->frames_cap = e->frames_cap * 2 + 256;
		e->frame = g_renew(uint64_t, e->frame, e->frames_cap);
	}
	e->frame[e->n_frames++] = diff;
	e->estimate += varint_bytes(diff);
	return true;
}

static void note_count(M2dEncoder *e, unsigned kind, uint32_t n)
{
	if ((e->kinds >> kind & 1) == 0)
		e->first_n[kind] = n;
	else if (e->first_n[kind] != n)
		e->varying |= 1u << kind;
	e->kinds |= 1u << kind;
	e->n_sum[kind] += n;
	e->count_bytes += varint_bytes(n);
}

void m2d_encoder_ref(M2dEncoder *e, unsigned vcpu, M2dRef ref, uint32_t n)
{
	bool guest = (ref.w & M2D_REF_GUEST) != 0, frame;
	unsigned kind = ref.w & M2D_REF_KIND, base;
	uint32_t context = vcpu * 2u + guest;
	uint64_t size = ref.w >> M2D_REF_SIZE_SHIFT & 0xff;
	Pending *p = &e->ref[e->n_refs];

	if (e->seg_refs == 0 && e->seg_events != 0 && e->seg_vcpu == vcpu) {
		e->seg_guest = guest;
	} else if (e->seg_refs == 0 || e->seg_vcpu != vcpu || e->seg_guest != guest) {
		end_segment(e);
		e->seg_vcpu = (uint8_t)vcpu;
		e->seg_guest = guest;
	}
	e->seg_refs++;

	base = kind == M2D_REF_FETCH ? 0 : choose_base(e, context, ref.va);
	frame = note_frame(e, context, ref);
	p->base = (uint8_t)base;
	p->frame = frame;
	p->distance = ref.va - e->state.base[context][base];
	p->w = ref.w;
	p->n = n;
	p->class_id = m2d_op_table_count(e->table, m2d_class_key(ref.w, base, frame), p->distance);
	e->state.base[context][base] = ref.va + size;
	e->stamp[context][base] = ++e->now;
	note_count(e, kind, n);
	e->estimate += 1 + m2d_distance_width(p->distance);
	if (p->class_id >= 128)
		e->estimate += 5;
	e->n_refs++;
}

void m2d_encoder_event(M2dEncoder *e, const M2dTraceEvent *ev)
{
	const uint64_t plain[3] = {ev->c, ev->d, ev->e};
	uint8_t head[2] = {ev->sub, ev->guest & 1};
	GByteArray *body = g_byte_array_sized_new(64);
	uint8_t kind = (uint8_t)ev->kind;

	if (e->seg_refs != 0 || (e->seg_events != 0 && e->seg_vcpu != ev->vcpu)) {
		end_segment(e);
	}
	if (e->seg_events == 0) {
		e->seg_vcpu = ev->vcpu;
		e->seg_guest = ev->guest & 1;
	}
	e->seg_events++;
	e->n_events++;

	head[1] |= (uint8_t)((ev->n != 0) << 1 | (ev->a != 0) << 2 | (ev->b != 0) << 3 |
			     (ev->c != 0) << 4 | (ev->d != 0) << 5 | (ev->e != 0) << 6);
	g_byte_array_append(body, head, 2);
	if (ev->n != 0)
		m2d_put_varint(body, ev->n);
	if (ev->a != 0) {
		m2d_put_varint(body, m2d_zigzag(ev->a - e->last_a[kind]));
		e->last_a[kind] = ev->a;
	}
	if (ev->b != 0) {
		m2d_put_varint(body, m2d_zigzag(ev->b - e->last_b[kind]));
		e->last_b[kind] = ev->b;
	}
	for (unsigned i = 0; i < 3; i++)
		if (plain[i] != 0)
			m2d_put_varint(body, plain[i]);
	g_byte_array_append(e->events, &kind, 1);
	m2d_put_varint(e->events, body->len);
	g_byte_array_append(e->events, body->data, body->len);
	e->estimate += body->len + 3;
	g_byte_array_unref(body);
}

/* Bytes of the payload if the chunk ended now. */
static uint64_t measure(M2dEncoder *e)
{
	const M2dOpEntry *entry;
	uint64_t bytes = e->n_refs + e->events->len + 4 * (uint64_t)e->n_segments + 8;
	unsigned n;

	m2d_op_table_choose(e->table);
	entry = m2d_op_table_entries(e->table, &n);
	bytes += n * M2D_FMT_OP_ENTRY;
	for (uint32_t i = 0; i < e->n_refs; i++) {
		const Pending *p = &e->ref[i];
		unsigned op = m2d_op_table_op(e->table, p->class_id, p->distance);

		bytes += op != 0 ? entry[op].width : 3 + varint_bytes(m2d_zigzag(p->distance));
	}
	for (uint64_t i = 0; i < e->n_frames; i++)
		bytes += varint_bytes(e->frame[i]);
	m2d_op_table_unchoose(e->table);
	return bytes;
}

bool m2d_encoder_full(M2dEncoder *e)
{
	/* Room for what one more record can add. */
	if (e->n_refs == M2D_TRACE_MAX_BATCH_REFS)
		return true;
	if (e->estimate + e->count_bytes < M2D_FMT_MAX_PAYLOAD - 4096 - 256)
		return false;
	/* The estimate knows nothing of exact entries: look closer. */
	if (!e->full) {
		uint64_t bytes = measure(e) + (e->varying != 0 ? e->count_bytes : 0);

		e->full = bytes >= M2D_FMT_MIN_PAYLOAD;
		e->estimate = bytes;
	}
	return e->full;
}

static void put_op_table(const M2dOpEntry *entry, unsigned n, GByteArray *out)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t p[M2D_FMT_OP_ENTRY] = {entry[i].key, entry[i].size, entry[i].base,
					       entry[i].width, entry[i].flags};

		m2d_put64(p + 8, entry[i].bias);
		g_byte_array_append(out, p, sizeof(p));
	}
}

static void put_refs(M2dEncoder *e, GByteArray *table, uint8_t *ops, GByteArray *deltas,
		     GByteArray *extra)
{
	const M2dOpEntry *entry;
	uint64_t next_frame = 0;
	unsigned n;

	m2d_op_table_choose(e->table);
	entry = m2d_op_table_entries(e->table, &n);
	put_op_table(entry, n, table);
	for (uint32_t i = 0; i < e->n_refs; i++) {
		const Pending *p = &e->ref[i];
		unsigned op = m2d_op_table_op(e->table, p->class_id, p->distance);

		ops[i] = (uint8_t)op;
		if (op == 0) {
			m2d_put_varint(extra, m2d_class_key(p->w, p->base, p->frame));
			m2d_put_varint(extra, m2d_zigzag(p->distance));
		} else if (entry[op].width != 0) {
			uint8_t buf[8];

			m2d_put64(buf, p->distance - entry[op].bias);
			g_byte_array_append(deltas, buf, entry[op].width);
		}
		if (p->frame)
			m2d_put_varint(extra, e->frame[next_frame++]);
	}
}

static void put_counts(M2dEncoder *e, M2dChunkHeader *h, GByteArray *out)
{
	for (unsigned k = 0; k < 3; k++) {
		h->n_sum[k] = e->n_sum[k];
		h->n_const[k] = e->kinds >> k & 1 ? e->first_n[k] : 0;
	}
	h->n_listed = e->varying;
	if (e->varying == 0)
		return;
	for (uint32_t i = 0; i < e->n_refs; i++)
		if (e->varying >> (e->ref[i].w & M2D_REF_KIND) & 1)
			m2d_put_varint(out, e->ref[i].n);
}

void m2d_encoder_finish(M2dEncoder *e, M2dDeflater *deflater, M2dChunkHeader *h, GByteArray *body)
{
	GByteArray *table = g_byte_array_new(), *deltas = g_byte_array_new();
	GByteArray *extra = g_byte_array_new(), *counts = g_byte_array_new();
	g_autofree uint8_t *ops = g_malloc(e->n_refs + 1);

	end_segment(e);
	*h = (M2dChunkHeader){.kind = M2D_CHUNK_RECORDS,
			      .kinds = e->kinds | (e->n_events != 0) << 3,
			      .n_refs = e->n_refs,
			      .n_events = e->n_events,
			      .n_segments = e->n_segments};
	if (e->n_refs != 0)
		put_refs(e, table, ops, deltas, extra);
	put_counts(e, h, counts);
	m2d_deflater_section(deflater, h, body, M2D_SEC_OP_TABLE, table->data, table->len);
	m2d_deflater_section(deflater, h, body, M2D_SEC_OPS, ops, e->n_refs);
	m2d_deflater_section(deflater, h, body, M2D_SEC_DELTAS, deltas->data, deltas->len);
	m2d_deflater_section(deflater, h, body, M2D_SEC_EXTRA, extra->data, extra->len);
	m2d_deflater_section(deflater, h, body, M2D_SEC_SEGMENTS, e->segments->data,
			     e->segments->len);
	m2d_deflater_section(deflater, h, body, M2D_SEC_EVENTS, e->events->data, e->events->len);
	m2d_deflater_section(deflater, h, body, M2D_SEC_COUNTS, counts->data, counts->len);
	g_byte_array_unref(table);
	g_byte_array_unref(deltas);
	g_byte_array_unref(extra);
	g_byte_array_unref(counts);
	reset(e);
}
