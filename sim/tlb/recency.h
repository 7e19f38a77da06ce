/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Order of use within one set of an associative array: true LRU. It is kept as an order, not as
 * time stamps, so that two sets used in the same order are the same bytes. By the number of ways:
 *
 * matrix, up to 8: bit (r, c) says that way r was used after way c. Using a way sets its row and
 *   clears its column: two operations without a branch, which the hot path of a TLB hit wants. The
 *   least recently used way is the one whose row is empty.
 * nibbles, up to 16: a permutation of way numbers in one word, most recent lowest.
 * list, beyond: a doubly linked list of ways, see array.h.
 */
#pragma once

#include <stdint.h>

#include "sim/base/bits.h"

typedef enum {
	M2D_RECENCY_MATRIX,
	M2D_RECENCY_NIBBLES,
	M2D_RECENCY_LIST,
} M2dRecency;

#define M2D_BYTES   UINT64_C(0x0101010101010101)
#define M2D_NIBBLES UINT64_C(0x1111111111111111)

static inline M2dRecency m2d_recency_kind(uint32_t ways)
{
	return ways <= 8 ? M2D_RECENCY_MATRIX : ways <= 16 ? M2D_RECENCY_NIBBLES : M2D_RECENCY_LIST;
}

/* m2d_matrix_touch: the matrix after use of @way; all of 8 columns, whatever the number of ways. */
M2D_ALWAYS_INLINE uint64_t m2d_matrix_touch(uint64_t matrix, uint32_t way)
{
	return (matrix | UINT64_C(0xff) << (8 * way)) & ~(M2D_BYTES << way);
}

/* m2d_matrix_oldest: the way whose row is empty, looking at @ways columns and rows. */
static inline uint32_t m2d_matrix_oldest(uint64_t matrix, uint32_t ways)
{
	uint64_t x = matrix & M2D_BYTES * ((1u << ways) - 1);

	return (uint32_t)__builtin_ctzll((x - M2D_BYTES) & ~x & M2D_BYTES << 7) / 8;
}

/* m2d_nibbles_touch: the permutation after use of @way. */
static inline uint64_t m2d_nibbles_touch(uint64_t order, uint32_t way)
{
	uint64_t x = order ^ way * M2D_NIBBLES;
	uint64_t zero = (x - M2D_NIBBLES) & ~x & (M2D_NIBBLES << 3);
	unsigned pos = (unsigned)__builtin_ctzll(zero) - 3;
	uint64_t low = order & (((uint64_t)1 << pos) - 1);
	uint64_t high = order & (~(uint64_t)0xf << pos) & ~(((uint64_t)1 << pos) - 1);

	return high | low << 4 | way;
}

static inline uint32_t m2d_nibbles_oldest(uint64_t order, uint32_t ways)
{
	return (uint32_t)(order >> (4 * (ways - 1)) & 15);
}

/* m2d_recency_init: the order word in which way 0 is the most recent, way n - 1 the oldest. */
static inline uint64_t m2d_recency_init(uint32_t ways)
{
	uint64_t matrix = 0;

	if (m2d_recency_kind(ways) == M2D_RECENCY_NIBBLES)
		return UINT64_C(0xfedcba9876543210);
	for (uint32_t w = 8; w-- > 0;)
		matrix = m2d_matrix_touch(matrix, w);
	return matrix;
}
