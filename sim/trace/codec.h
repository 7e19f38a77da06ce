/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections of a chunk: compressed or stored, each with its CRC. Private to sim/trace. */
#pragma once

#include "sim/trace/format.h"

typedef struct _M2dDeflater M2dDeflater;

M2dDeflater *m2d_deflater_new(void);
void m2d_deflater_free(M2dDeflater *deflater);

/**
 * m2d_deflater_section: append @len bytes at @raw to @body and enter them in @header as @kind.
 * They are compressed only where that pays: a decoder reads stored bytes where they lie. Empty
 * sections are left out.
 */
void m2d_deflater_section(M2dDeflater *deflater, M2dChunkHeader *header, GByteArray *body,
			  M2dSectionKind kind, const void *raw, size_t len);

/* Bytes beyond each decompressed or stored section that may be read (not used). */
#define M2D_SECTION_SLACK 1024u

typedef struct _M2dInflater M2dInflater;

M2dInflater *m2d_inflater_new(void);
void m2d_inflater_free(M2dInflater *inflater);

/* m2d_section_intact: the checksum of @entry's bytes at @stored matches. */
bool m2d_section_intact(const M2dSectionEntry *entry, const uint8_t *stored);
/* m2d_inflater_reset: forget the sections handed out; their memory is reused. */
void m2d_inflater_reset(M2dInflater *inflater);
/**
 * m2d_inflater_section: check and decompress section @entry whose bytes start at @stored.
 * @raw: the bytes, valid until m2d_inflater_reset() and while @stored is
 * Returns NULL if fine, else what is wrong.
 */
const char *m2d_inflater_section(M2dInflater *inflater, const M2dSectionEntry *entry,
				 const uint8_t *stored, const uint8_t **raw);
