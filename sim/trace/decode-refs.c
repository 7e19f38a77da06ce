/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * References, the heart of the decoder: one table lookup a reference gives the address as base
 * register + bias + a few bytes, and everything else as one word; there is no branch that depends
 * on the data but for pages seen first and for rare shapes.
 *
 * Whatever the bytes are, reads and writes stay inside the buffers: lengths are checked before the
 * loop, and inside it once in BLOCK references, which the slack behind a section covers.
 */
#include "sim/trace/decode-private.h"

#define BLOCK 64u
_Static_assert(BLOCK * 8 + 8 <= M2D_SECTION_SLACK, "a block may overrun its section by this");

static const char *load_ops(M2dDecoder *d, const M2dSection *table, const M2dSection *ops,
			    bool *frames)
{
	size_t n = table->len / M2D_FMT_OP_ENTRY;
	uint8_t max = 0;

	*frames = false;
	if (table->len % M2D_FMT_OP_ENTRY != 0 || n > 256)
		return m2d_decode_error(d, M2D_SEC_OP_TABLE, "has an impossible size");
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = table->p + i * M2D_FMT_OP_ENTRY;
		M2dTraceOp *op = &d->op[i];

		if (p[0] & ~M2D_OP_KEY_BITS || p[0] & M2D_REF_GUEST || (p[0] & M2D_REF_KIND) == 3 ||
		    p[2] >= M2D_FMT_BASES || p[3] > 8 || p[4] > (M2D_OP_FRAME | M2D_OP_ESCAPE))
			return m2d_decode_error(d, M2D_SEC_OP_TABLE, "has an impossible entry");
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
		return m2d_decode_error(d, M2D_SEC_OPS, "names an entry that the op table lacks");
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

/* As m2d_decode_refs(); @frames is a constant in both uses. */
M2D_ALWAYS_INLINE bool decode_refs(M2dDecoder *d, M2dRef *out, uint32_t n, uint32_t context,
				   bool frames)
{
	M2dRefStreams *in = &d->in;
	M2dRefState *state = &d->state;
	uint64_t *base = state->base[context];
	const uint8_t *delta = in->delta, *ops = in->ops;
	uint64_t segment = context & 1 ? M2D_REF_GUEST : 0;

	in->ops += n;
	while (n > 0) {
		uint32_t block = n < BLOCK ? n : BLOCK;

		for (uint32_t i = 0; i < block; i++) {
			const M2dTraceOp *op = &d->op[ops[i]];
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

bool m2d_decode_refs(M2dDecoder *d, M2dRef *out, uint32_t n, uint32_t context)
{
	return d->frames ? decode_refs(d, out, n, context, true)
			 : decode_refs(d, out, n, context, false);
}

const char *m2d_decode_begin_refs(M2dDecoder *d)
{
	const M2dSection *delta = &d->section[M2D_SEC_DELTAS], *extra = &d->section[M2D_SEC_EXTRA];
	const char *what;

	d->in = (M2dRefStreams){.ops = d->section[M2D_SEC_OPS].p,
				.delta = delta->p,
				.delta_end = delta->p + delta->len,
				.extra = {.p = extra->p, .end = extra->p + extra->len}};
	if (d->section[M2D_SEC_OPS].len != d->h.n_refs)
		return m2d_decode_error(d, M2D_SEC_OPS, "has another length than the chunk says");
	what = load_ops(d, &d->section[M2D_SEC_OP_TABLE], &d->section[M2D_SEC_OPS], &d->frames);
	if (what != NULL)
		return what;
	memset(d->state.base, 0, sizeof(d->state.base[0]) * 2 * d->n_vcpus);
	memset(d->state.frame, 0, sizeof(d->state.frame));
	d->state.miss_va = d->state.miss_pa = 0;
	return NULL;
}

const char *m2d_decode_end_refs(M2dDecoder *d)
{
	if (d->in.delta != d->in.delta_end)
		return m2d_decode_error(d, M2D_SEC_DELTAS, "is too long");
	if (d->in.extra.bad || d->in.extra.p != d->in.extra.end)
		return m2d_decode_error(d, M2D_SEC_EXTRA, "has an impossible value or length");
	return NULL;
}
