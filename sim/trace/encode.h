/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The encoder of record chunks: takes records until it is full, then gives the bytes of a chunk.
 * Private to sim/trace.
 */
#pragma once

#include "sim/trace/codec.h"
#include "sim/trace/trace.h"

typedef struct _M2dEncoder M2dEncoder;

M2dEncoder *m2d_encoder_new(void);
void m2d_encoder_free(M2dEncoder *encoder);

void m2d_encoder_ref(M2dEncoder *encoder, unsigned vcpu, M2dRef ref, uint32_t n);
void m2d_encoder_event(M2dEncoder *encoder, const M2dTraceEvent *event);
bool m2d_encoder_empty(const M2dEncoder *encoder);
/* m2d_encoder_full: the payload has reached the size at which a chunk ends. */
bool m2d_encoder_full(M2dEncoder *encoder);

/**
 * m2d_encoder_finish: append the chunk's sections to @body and empty the encoder.
 * @header: all fields but sequence, first_ref and first_event are set
 */
void m2d_encoder_finish(M2dEncoder *encoder, M2dDeflater *deflater, M2dChunkHeader *header,
			GByteArray *body);
