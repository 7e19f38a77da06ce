/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder of chunks. Shared by decode*.c and batch.c only. */
#pragma once

#include "sim/trace/decode.h"

/* An entry of the op table, as decode-refs.c wants it. */
typedef struct {
	uint64_t bias;
	uint64_t mask; /* of the @width bytes */
	uint64_t w;    /* kind, privilege, attributes, size */
	uint8_t base, width, flags;
	uint16_t size;
	uint16_t reach; /* distance of the last byte accessed from the first */
} M2dTraceOp;
_Static_assert(sizeof(M2dTraceOp) == 32, "entries are found by a shift");

/* Bytes of an unpacked section, with M2D_SECTION_SLACK behind them. */
typedef struct {
	const uint8_t *p;
	size_t len;
} M2dSection;

/* The streams that the references of a chunk come from. */
typedef struct {
	const uint8_t *ops;
	const uint8_t *delta, *delta_end;
	M2dVarints extra;
} M2dRefStreams;

struct _M2dDecoder {
	M2dInflater *inflater;
	unsigned n_vcpus;
	uint64_t skipped;
	M2dTraceOp op[256];
	uint64_t last_a[128], last_b[128]; /* of events, by kind */
	M2dRefState state;

	/* The chunk in work. */
	M2dChunkHeader h;
	M2dSection section[32];
	M2dBatch plan; /* all of its segments; neither events nor references */
	M2dRefStreams in;
	bool frames;
	uint32_t segment;      /* of the plan, where the next piece starts */
	uint32_t segment_done; /* references of it decoded */
	uint32_t refs_done;    /* of the chunk */
	M2dVarints events_in, counts_in;
	uint64_t counts_sum[3];
	char message[128];
};

/* m2d_decode_error: "section 'KIND': @what", valid until the next one. */
const char *m2d_decode_error(M2dDecoder *d, unsigned kind, const char *what);

/* But for m2d_decode_refs() these return NULL if fine, else what is wrong. */

/* m2d_decode_begin_refs: set up the streams of the references and the state that predicts them. */
const char *m2d_decode_begin_refs(M2dDecoder *d);
/* m2d_decode_refs: the next @n references of one vCPU and mode (@context); false: too few bytes. */
bool m2d_decode_refs(M2dDecoder *d, M2dRef *out, uint32_t n, uint32_t context);
/* m2d_decode_end_refs: the streams must end with the references. */
const char *m2d_decode_end_refs(M2dDecoder *d);

/* m2d_decode_segments: all of the chunk, into d->plan. */
const char *m2d_decode_segments(M2dDecoder *d);
/* m2d_decode_events: those of segment @s, appended to @batch, which has room. */
const char *m2d_decode_events(M2dDecoder *d, M2dSegment *s, M2dBatch *batch);
/* m2d_decode_counts: a count for each of @batch's references. */
const char *m2d_decode_counts(M2dDecoder *d, const M2dBatch *batch, uint32_t *counts);
/* m2d_decode_pages: all of a chunk of pages. */
const char *m2d_decode_pages(M2dDecoder *d, M2dBatch *batch);

/* m2d_batch_room: room for @n elements of @size bytes at *@array; old content is not kept. */
void m2d_batch_room(void *array, uint32_t *cap, uint32_t n, size_t size);
/* m2d_batch_room_refs: as m2d_batch_room(), for @n references. */
void m2d_batch_room_refs(M2dBatch *batch, uint32_t n);
