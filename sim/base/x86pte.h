/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The x86 page-table entry in all its legacy and long-mode forms. Guest tables and AMD nested
 * tables share it: NPT uses the format of the host's paging mode (APM "Nested Paging").
 * Sources: SDM vol. 3 "Paging"; APM vol. 2 "Page Translation and Protection".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/base/bits.h"

#define M2D_PTE_P         M2D_BIT(0) /* present: everything else is software's while it is clear */
#define M2D_PTE_RW        M2D_BIT(1) /* writable, if set at all levels */
#define M2D_PTE_US        M2D_BIT(2) /* user page, if set at all levels */
#define M2D_PTE_A         M2D_BIT(5) /* accessed: set by hardware when the entry is used */
#define M2D_PTE_D         M2D_BIT(6) /* dirty: set by hardware in the entry that maps a written page */
#define M2D_PTE_PS        M2D_BIT(7)  /* maps a large page (reserved or PAT elsewhere) */
#define M2D_PTE_G         M2D_BIT(8)  /* global, in an entry that maps a page, if CR4.PGE */
#define M2D_PTE_NX        M2D_BIT(63) /* no execute if EFER.NXE, else reserved */
#define M2D_PTE_KEY_SHIFT 59          /* protection key: bits 62:59 */
_Static_assert((M2D_PTE_P | M2D_PTE_RW | M2D_PTE_US | M2D_PTE_A | M2D_PTE_D | M2D_PTE_PS |
		M2D_PTE_G) == 0x1e7,
	       "flag bits of an entry do not overlap");

typedef enum {
	M2D_PAGING_NONE,
	M2D_PAGING_32,
	M2D_PAGING_PAE,
	M2D_PAGING_4LEVEL,
	M2D_PAGING_5LEVEL,
} M2dPagingMode;

#define M2D_MAX_LEVELS 5

/* Everything a walker must know about a paging mode; level 1 is the page table. */
typedef struct {
	uint8_t mode;        /* M2dPagingMode */
	uint8_t levels;      /* top level: 2, 3, 4 or 5; 0 without paging */
	uint8_t index_bits;  /* 9, or 10 for 32-bit paging */
	uint8_t entry_shift; /* log2 of the entry size: 3 or 2 */
	uint8_t leaf_levels; /* bit n set: an entry with PS at level n maps a page */
	uint8_t va_bits;     /* 32, 48 or 57 */
	uint8_t pdpte_level; /* 3 in PAE mode: entries there have no A, R/W, U/S; else 0 */
	uint8_t pad;
	uint64_t frame_mask;                     /* address bits of an entry */
	uint64_t rsvd_table[M2D_MAX_LEVELS + 1]; /* reserved in an entry that points at a table */
	uint64_t rsvd_leaf[M2D_MAX_LEVELS + 1];  /* reserved in an entry that maps a page */
} M2dPteFormat;

/* Inputs of m2d_pte_format(); the same for a guest's tables and for nested tables. */
typedef struct {
	bool pg, pae, pse, lma, la57, nxe;
	bool amd;            /* bit 8 of PML4E and PML5E must be zero */
	bool pse36, page_1g; /* CPUID */
	unsigned maxphyaddr; /* 32..52 */
} M2dPteMode;

/* m2d_pte_format: derive the format of a paging mode. */
void m2d_pte_format(M2dPteFormat *fmt, const M2dPteMode *mode);

typedef enum {
	M2D_PTE_TABLE, /* points at the next table */
	M2D_PTE_LEAF,  /* maps a page */
	M2D_PTE_NOT_PRESENT,
	M2D_PTE_RESERVED, /* present with a reserved bit set */
} M2dPteClass;

/* m2d_pte_classify: what @pte, read at @level, is. Not-present wins over reserved bits. */
static inline M2dPteClass m2d_pte_classify(const M2dPteFormat *fmt, unsigned level, uint64_t pte)
{
	bool leaf;

	if (!(pte & M2D_PTE_P))
		return M2D_PTE_NOT_PRESENT;
	leaf = level == 1 || ((pte & M2D_PTE_PS) && (fmt->leaf_levels >> level & 1));
	if (pte & (leaf ? fmt->rsvd_leaf[level] : fmt->rsvd_table[level]))
		return M2D_PTE_RESERVED;
	return leaf ? M2D_PTE_LEAF : M2D_PTE_TABLE;
}

/* m2d_pte_shift: log2 of the bytes that one entry at @level covers. */
static inline unsigned m2d_pte_shift(const M2dPteFormat *fmt, unsigned level)
{
	return 12u + fmt->index_bits * (level - 1u);
}

/* m2d_pte_index_offset: byte offset in its table of the entry for @va at @level. */
static inline uint64_t m2d_pte_index_offset(const M2dPteFormat *fmt, unsigned level, uint64_t va)
{
	uint64_t index = va >> m2d_pte_shift(fmt, level);

	index &= level == fmt->pdpte_level ? 3u : (1u << fmt->index_bits) - 1u;
	return index << fmt->entry_shift;
}

/* m2d_pte_leaf_base: physical address of the page that leaf @pte at @level maps. */
static inline uint64_t m2d_pte_leaf_base(const M2dPteFormat *fmt, unsigned level, uint64_t pte)
{
	if (level == 1)
		return pte & fmt->frame_mask;
	if (fmt->mode == M2D_PAGING_32) /* PSE-36: bits 20:13 are address bits 39:32 */
		return (pte & UINT64_C(0xffc00000)) | (pte >> 13 & 0xff) << 32;
	return pte & fmt->frame_mask & ~m2d_low_mask(m2d_pte_shift(fmt, level));
}
