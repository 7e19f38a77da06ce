/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cached items: one tag word and one data word.
 *
 * Tag: address bits 56:12 in 63:19, class in 18:17, context in 16:0. The class is the page size of
 * a translation or the level of a paging-structure entry. A context stands for everything else
 * that tags an item architecturally: kind of mapping, VPID or ASID, PCID or global, EP4TA.
 *
 * Data: frame in 51:12; rights are kept apart by dimension, since they are checked against the
 * registers of the moment of use (CPL, WP, SMEP, SMAP, AC, keys), not of the fill.
 */
#pragma once

#include "sim/base/addr.h"
#include "sim/base/bits.h"

#define M2D_TAG_CTX         M2D_BITS(16, 0)
#define M2D_TAG_CLASS_SHIFT 17
#define M2D_TAG_CLASS       M2D_BITS(18, 17)
#define M2D_TAG_VA          M2D_BITS(63, 19)

/* Class 3 of the second-level TLB: a page-directory entry (AMD since Zen). */
#define M2D_CLASS_PDE 3u

#define M2D_ITEM_W           M2D_BIT(0) /* first dimension: R/W at all levels */
#define M2D_ITEM_U           M2D_BIT(1) /* U/S at all levels */
#define M2D_ITEM_X           M2D_BIT(2) /* NX at no level */
#define M2D_ITEM_D           M2D_BIT(3) /* dirty in both dimensions: a store need not walk */
#define M2D_ITEM_G           M2D_BIT(4) /* global */
#define M2D_ITEM_NR          M2D_BIT(5) /* second dimension: readable, */
#define M2D_ITEM_NW          M2D_BIT(6) /* writable (paging-structure entry: the table it points at), */
#define M2D_ITEM_NX          M2D_BIT(7) /* executable; for guest-physical items: in supervisor mode */
#define M2D_ITEM_NXU         M2D_BIT(8) /* guest-physical items: executable in user mode */
#define M2D_ITEM_S           M2D_BIT(9) /* complement of U, so that SMAP and SMEP are a mask test */
#define M2D_ITEM_KEY0        M2D_BIT(10) /* protection key 0 */
#define M2D_ITEM_NEVER       M2D_BIT(11) /* set in no item: a mask with it fails the fast check */
#define M2D_ITEM_FRAME       M2D_BITS(51, 12)
#define M2D_ITEM_KEY_SHIFT   52
#define M2D_ITEM_KEY         M2D_BITS(55, 52)
#define M2D_ITEM_GSIZE_SHIFT 56 /* page size in the first dimension: M2dPageSize, 3 = 4 MiB */
#define M2D_ITEM_GSIZE       M2D_BITS(57, 56)
#define M2D_ITEM_ESIZE_SHIFT 58 /* size of the translation: min of both dimensions */
#define M2D_ITEM_ESIZE       M2D_BITS(59, 58)
_Static_assert((M2D_ITEM_FRAME & (M2D_ITEM_KEY | M2D_ITEM_GSIZE | M2D_ITEM_ESIZE)) == 0 &&
		       (M2D_ITEM_KEY & M2D_ITEM_GSIZE) == 0 &&
		       (M2D_ITEM_GSIZE & M2D_ITEM_ESIZE) == 0,
	       "fields of an item do not overlap");

#define M2D_GSIZE_4M 3u

/* Paging-structure items: log2 of the bytes covered, in 57:52. */
#define M2D_PSC_SHIFT_SHIFT 52
#define M2D_PSC_SHIFT       M2D_BITS(57, 52)

/* Rights of an item that says yes to everything its own dimension does not restrict. */
#define M2D_ITEM_NESTED_ALL (M2D_ITEM_NR | M2D_ITEM_NW | M2D_ITEM_NX | M2D_ITEM_NXU)

/* m2d_tag: tag of the item for the aligned piece of @shift bits around @va. */
static inline uint64_t m2d_tag(uint64_t va, unsigned shift, unsigned class, uint32_t ctx)
{
	return (va >> shift << shift) << 7 | (uint64_t) class << M2D_TAG_CLASS_SHIFT | ctx;
}

/* m2d_tag_va: low 57 bits of the address that @tag stands for. */
static inline uint64_t m2d_tag_va(uint64_t tag)
{
	return (tag & M2D_TAG_VA) >> 7;
}

static inline uint32_t m2d_tag_ctx(uint64_t tag)
{
	return (uint32_t)(tag & M2D_TAG_CTX);
}

static inline unsigned m2d_tag_class(uint64_t tag)
{
	return (unsigned)((tag & M2D_TAG_CLASS) >> M2D_TAG_CLASS_SHIFT);
}

/* m2d_item_gshift: log2 of the first-dimension page that a translation stems from. */
static inline unsigned m2d_item_gshift(uint64_t data)
{
	unsigned g = (unsigned)((data & M2D_ITEM_GSIZE) >> M2D_ITEM_GSIZE_SHIFT);

	return g == M2D_GSIZE_4M ? 22 : m2d_size_shift((M2dPageSize)g);
}

static inline M2dPageSize m2d_item_esize(uint64_t data)
{
	return (M2dPageSize)((data & M2D_ITEM_ESIZE) >> M2D_ITEM_ESIZE_SHIFT);
}
