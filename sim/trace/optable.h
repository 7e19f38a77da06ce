/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The choice of a chunk's op table: which 256 shapes of references get a one-byte code. Private
 * to the encoder.
 *
 * A class is all about a reference that is not an address: kind, attributes, size, base register,
 * whether the frame is explicit. A reference of class c at distance d from its base register may
 * be coded by an exact entry (c, d), which takes no more bytes; by an entry (c, width) with d in
 * that many bytes; or by the escape, which spells out everything.
 */
#pragma once

#include "sim/trace/format.h"

#define M2D_CLASS_KEY_BITS 20u /* M2dOpEntry key, size, base and frame flag packed */
#define M2D_CLASS_NONE     0xffffu

typedef struct _M2dOpTable M2dOpTable;

M2dOpTable *m2d_op_table_new(void);
void m2d_op_table_free(M2dOpTable *table);

/* m2d_op_table_reset: forget everything; a new chunk begins. */
void m2d_op_table_reset(M2dOpTable *table);
/* m2d_op_table_count: note a reference; returns its class for m2d_op_table_op(). */
uint16_t m2d_op_table_count(M2dOpTable *table, uint32_t key, uint64_t distance);
/* m2d_op_table_choose: fix the entries by what was counted. */
void m2d_op_table_choose(M2dOpTable *table);
/* m2d_op_table_unchoose: drop the entries again; counting may go on. */
void m2d_op_table_unchoose(M2dOpTable *table);
/* m2d_op_table_op: the entry to use for a reference; its index is returned. */
unsigned m2d_op_table_op(const M2dOpTable *table, uint16_t class_id, uint64_t distance);
/* m2d_op_table_entries: the chosen entries; @n of them. */
const M2dOpEntry *m2d_op_table_entries(const M2dOpTable *table, unsigned *n);
/* m2d_op_table_key: the packed key of class @class_id. */
uint32_t m2d_op_table_key(const M2dOpTable *table, uint16_t class_id);

/* The same packing as of an escaped reference in EXTRA. */
static inline uint32_t m2d_class_key(uint64_t w, unsigned base, bool frame)
{
	return (uint32_t)(w & M2D_OP_KEY_BITS & ~M2D_REF_GUEST) |
	       (uint32_t)(w >> M2D_REF_SIZE_SHIFT & 0xff) << 7 | base << 15 | (uint32_t)frame << 19;
}

/* Bytes that a signed @distance needs: 1..8. */
static inline unsigned m2d_distance_width(uint64_t distance)
{
	uint64_t z = m2d_zigzag(distance);

	return z < 0x100 ? 1 : (71u - (unsigned)__builtin_clzll(z)) / 8;
}
