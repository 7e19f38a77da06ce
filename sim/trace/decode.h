/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the bytes of a chunk to a batch. Private to sim/trace. */
#pragma once

#include "sim/trace/codec.h"
#include "sim/trace/trace.h"

typedef struct _M2dDecoder M2dDecoder;

M2dDecoder *m2d_decoder_new(unsigned n_vcpus);
void m2d_decoder_free(M2dDecoder *decoder);

/**
 * m2d_decoder_begin: unpack a chunk of records or pages.
 * @body: the sections, followed by M2D_SECTION_SLACK readable bytes; not needed afterwards
 * @counts: the counts of references are wanted, too; else they are not even decompressed
 * Returns NULL if fine, else what is wrong, valid until the next call.
 */
const char *m2d_decoder_begin(M2dDecoder *decoder, const M2dChunkHeader *header,
			      const uint8_t *body, bool counts);

/**
 * m2d_decoder_piece: decode the next references of the chunk, at most @max, and their events.
 * @batch: filled; unspecified on failure
 * @counts: room for @max counts, or NULL as at m2d_decoder_begin()
 * @more: set if references are left
 */
const char *m2d_decoder_piece(M2dDecoder *decoder, uint32_t max, M2dBatch *batch, uint32_t *counts,
			      bool *more);

/* m2d_decoder_single: a metadata chunk's or the index's only section. As above. */
const char *m2d_decoder_single(M2dDecoder *decoder, const M2dChunkHeader *header,
			       const uint8_t *body, M2dSectionKind kind, const uint8_t **raw,
			       size_t *len);

/* m2d_decoder_skipped: records of unknown kinds passed over so far. */
uint64_t m2d_decoder_skipped(const M2dDecoder *decoder);
