/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a native trace: numbers, limits and the (de)serialisation of headers. Private to
 * sim/trace; mmu2d-trace(5) describes the same byte by byte. All integers are little-endian.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sim/trace/record.h"

/* Newer minor versions only add chunk kinds, section kinds and metadata that may be passed over. */
#define M2D_FMT_MAJOR 1u
#define M2D_FMT_MINOR 0u

/* As PNG's: a byte above 127, the name, and line ends that a text transfer would damage. */
#define M2D_FMT_FILE_MAGIC  "\211M2T\r\n\032\n"
#define M2D_FMT_CHUNK_MAGIC "\211M2C\r\n\032\n"
#define M2D_FMT_END_MAGIC   "\211M2E\r\n\032\n"

#define M2D_FMT_FILE_HEADER   64u /* bytes */
#define M2D_FMT_TRAILER       64u
#define M2D_FMT_CHUNK_FIXED   104u /* chunk header before the section table */
#define M2D_FMT_SECTION_ENTRY 16u
#define M2D_FMT_INDEX_ENTRY   32u
#define M2D_FMT_OP_ENTRY      16u
#define M2D_FMT_MAX_SECTIONS  32u
#define M2D_FMT_MAX_HEADER    (M2D_FMT_CHUNK_FIXED + M2D_FMT_MAX_SECTIONS * M2D_FMT_SECTION_ENTRY + 4)

/* A writer ends a chunk between these; the last one may be smaller. */
#define M2D_FMT_MIN_PAYLOAD (256u << 10)
#define M2D_FMT_MAX_PAYLOAD (1024u << 10)
/* A reader refuses more. The index grows with the file, hence its own bound. */
#define M2D_FMT_LIMIT_RAW       (4u << 20)
#define M2D_FMT_LIMIT_INDEX     (64u << 20)
#define M2D_FMT_LIMIT_META      (64u << 10)
#define M2D_FMT_PAGES_PER_CHUNK 192u

typedef enum {
	M2D_CHUNK_RECORDS = 1,
	M2D_CHUNK_PAGES = 2,
	M2D_CHUNK_META = 3,
	M2D_CHUNK_INDEX = 4,
} M2dChunkKind;

typedef enum {
	M2D_SEC_OP_TABLE = 1,
	M2D_SEC_OPS = 2,
	M2D_SEC_DELTAS = 3,
	M2D_SEC_EXTRA = 4,
	M2D_SEC_SEGMENTS = 5,
	M2D_SEC_EVENTS = 6,
	M2D_SEC_COUNTS = 7,
	M2D_SEC_PAGE_TABLE = 8,
	M2D_SEC_PAGE_DATA = 9,
	M2D_SEC_TEXT = 10,
	M2D_SEC_INDEX = 11,
} M2dSectionKind;

typedef enum {
	M2D_CODEC_STORED = 0,
	M2D_CODEC_DEFLATE = 1, /* RFC 1951, no zlib header */
} M2dCodec;

typedef struct {
	uint8_t kind;  /* M2dSectionKind */
	uint8_t codec; /* M2dCodec */
	uint32_t raw;  /* bytes when decompressed */
	uint32_t size; /* bytes in the file */
	uint32_t crc;  /* CRC-32 of the bytes in the file */
} M2dSectionEntry;

typedef struct {
	uint16_t kind; /* M2dChunkKind */
	uint16_t n_sections;
	uint32_t header_size; /* bytes, section table and CRC included */
	uint32_t sequence;    /* 0 for the first chunk of the file */
	uint32_t kinds;       /* bits 0..2: reads, writes, fetches; 3: events; 4: pages */
	uint64_t first_ref;
	uint64_t first_event;
	uint32_t n_refs, n_events, n_segments, n_pages;
	uint64_t body_size;  /* bytes of the sections */
	uint64_t n_sum[3];   /* sum of n over reads, writes, fetches */
	uint32_t n_const[3]; /* n of each read, write, fetch whose bit in n_listed is clear */
	uint32_t n_listed;   /* bits 0..2: n of that kind is in section COUNTS */
	M2dSectionEntry section[M2D_FMT_MAX_SECTIONS];
} M2dChunkHeader;

/* Flags of an entry of the op table. */
#define M2D_OP_KEY_BITS M2D_BITS(6, 0) /* M2dRef.w bits 6:0 without M2D_REF_GUEST */
#define M2D_OP_FRAME    (1u << 0)      /* flags: the frame is in EXTRA */
#define M2D_OP_ESCAPE   (1u << 1)      /* flags: everything is in EXTRA */

/* Op table entry: address = base + bias + next @width bytes of DELTAS. */
typedef struct {
	uint8_t key;   /* M2D_OP_KEY_BITS */
	uint8_t size;  /* bytes accessed */
	uint8_t base;  /* base register, below M2D_FMT_BASES */
	uint8_t width; /* 0..8 */
	uint8_t flags; /* M2D_OP_FRAME, M2D_OP_ESCAPE */
	uint64_t bias;
} M2dOpEntry;

#define M2D_FMT_BASES      16u /* base registers of each vCPU and mode */
#define M2D_FMT_FRAME_BITS 11u /* log2 of the slots of the frame cache */

/* State that coder and decoder keep alike within a chunk. */
typedef struct {
	uint64_t base[2 * 256][M2D_FMT_BASES];
	uint64_t frame[1u << M2D_FMT_FRAME_BITS]; /* last physical page seen in the slot */
	uint64_t miss_va, miss_pa;                /* pages of the last explicit frame */
} M2dRefState;

/* Slot of the frame cache for the page of @va; @context is vcpu * 2 + guest. */
static inline uint32_t m2d_fmt_frame_slot(uint64_t va, uint32_t context)
{
	uint32_t page = (uint32_t)(va >> 12) ^ (uint32_t)(va >> 36);

	return ((page + context * 0x61c88647u) * 0x9e3779b1u) >> (32 - M2D_FMT_FRAME_BITS);
}

/* M2D_REF_CROSS if [@va, @va + @size) touches two pages; @size 0 counts as 1. */
static inline uint64_t m2d_fmt_cross(uint64_t va, uint64_t size)
{
	return (((va & 0xfff) + size - (size != 0)) >> 12) << 7;
}

static inline uint16_t m2d_get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return GUINT16_FROM_LE(v);
}

static inline uint32_t m2d_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return GUINT32_FROM_LE(v);
}

static inline uint64_t m2d_get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return GUINT64_FROM_LE(v);
}

static inline void m2d_put16(uint8_t *p, uint16_t v)
{
	v = GUINT16_TO_LE(v);
	memcpy(p, &v, 2);
}

static inline void m2d_put32(uint8_t *p, uint32_t v)
{
	v = GUINT32_TO_LE(v);
	memcpy(p, &v, 4);
}

static inline void m2d_put64(uint8_t *p, uint64_t v)
{
	v = GUINT64_TO_LE(v);
	memcpy(p, &v, 8);
}

/* Small numbers of either sign as small unsigned ones: 0, -1, 1, -2 ... to 0, 1, 2, 3 ... */
static inline uint64_t m2d_zigzag(uint64_t v)
{
	return (v << 1) ^ (0 - (v >> 63));
}

static inline uint64_t m2d_unzigzag(uint64_t v)
{
	return (v >> 1) ^ (0 - (v & 1));
}

/* Append @v as 7 bits a byte, least significant first, bit 7 set in all but the last. */
void m2d_put_varint(GByteArray *out, uint64_t v);

/* A bounded walk over varints: reading beyond @end gives zeros and sets @bad. */
typedef struct {
	const uint8_t *p, *end;
	bool bad;
} M2dVarints;

/* Varints of two bytes and more; m2d_get_varint() handles the rest. */
uint64_t m2d_get_long_varint(M2dVarints *in);

static inline uint8_t m2d_get_byte(M2dVarints *in)
{
	if (m2d_unlikely(in->p >= in->end)) {
		in->bad = true;
		return 0;
	}
	return *in->p++;
}

static inline uint64_t m2d_get_varint(M2dVarints *in)
{
	if (m2d_likely(in->p < in->end && *in->p < 0x80))
		return *in->p++;
	return m2d_get_long_varint(in);
}

/* m2d_chunk_header_put: serialise @header, CRC included; header_size is computed. */
void m2d_chunk_header_put(GByteArray *out, M2dChunkHeader *header);
/**
 * m2d_chunk_header_get: parse a header at @p.
 * @len: bytes that are there
 * @need: set to the bytes that are needed if @len does not suffice
 * Returns NULL if fine, "" if more bytes are needed, else what is wrong.
 */
const char *m2d_chunk_header_get(const uint8_t *p, size_t len, M2dChunkHeader *header,
				 size_t *need);

/* m2d_section_name: for messages. */
const char *m2d_section_name(unsigned kind);
