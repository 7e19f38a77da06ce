/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of sim/mmu only. */
#pragma once

#include "sim/mmu/mmu.h"

/* One access to the second dimension. */
typedef struct {
	M2dAccKind kind;      /* as the second dimension checks it */
	bool table;           /* of a first-dimension entry, not of the final address */
	bool user_page;       /* linear address is a user-mode one (mode-based execute control) */
	unsigned guest_level; /* for the log; 0: final */
	const M2dGuestRights *rights; /* final accesses: for advanced exit information */
	uint64_t gla;
} M2dNestedAccess;

typedef struct {
	uint64_t hpa;   /* of the address asked for */
	uint64_t flags; /* M2D_ITEM_N* and M2D_ITEM_D */
	M2dPageSize size;
} M2dNestedHit;

/**
 * m2d_mmu_nested: translate @gpa in the second dimension (identity without one).
 * False: @out holds the fault. Fetches go to the log.
 */
bool m2d_mmu_nested(M2dMmu *mmu, uint64_t gpa, const M2dNestedAccess *access, M2dNestedHit *hit,
		    M2dOutcome *out);

/* m2d_mmu_ept_qualification: what a violation with the rights @flags reports. */
uint64_t m2d_mmu_ept_qualification(const M2dMmu *mmu, const M2dNestedAccess *access, uint64_t flags,
				   bool rmw);

/* m2d_mmu_read_entry: 8 or 4 bytes at @hpa; an absent frame reads as zero and is counted. */
static inline uint64_t m2d_mmu_read_entry(M2dMmu *mmu, uint64_t hpa, unsigned shift)
{
	const uint64_t *f = m2d_space_frame(mmu->space, hpa >> M2D_PAGE_SHIFT);

	if (m2d_unlikely(f == NULL)) {
		mmu->stats.c.outside++;
		return 0;
	}
	return shift == 3 ? f[(hpa & 4095) / 8] : ((const uint32_t *)f)[(hpa & 4095) / 4];
}

/* m2d_mmu_write_entry: the locked update of a walker. */
static inline void m2d_mmu_write_entry(M2dMmu *mmu, uint64_t hpa, uint64_t value, unsigned shift)
{
	if (shift == 3)
		m2d_space_write64(mmu->space, M2D_HPA(hpa), value);
	else
		m2d_space_write32(mmu->space, M2D_HPA(hpa), (uint32_t)value);
}

/* Result of one attempt to walk. */
typedef enum {
	M2D_WALK_OK,
	M2D_WALK_FAULT,   /* @out says which */
	M2D_WALK_RESTART, /* a cached upper level lacks what this access needs: walk from the top */
} M2dWalkStatus;

/**
 * m2d_mmu_walk: walk for one page.
 * @use_psc: start from first-dimension paging-structure caches
 * @item: the translation as a TLB would hold it
 */
M2dWalkStatus m2d_mmu_walk(M2dMmu *mmu, uint64_t va, M2dAccKind kind, bool user, bool implicit,
			   bool use_psc, uint64_t *item, M2dOutcome *out);

/* m2d_mmu_translate: one page, through the caches; out->hpa is the address of @va. */
M2dOutcomeKind m2d_mmu_translate(M2dMmu *mmu, uint64_t va, M2dAccKind kind, bool user,
				 bool implicit, M2dOutcome *out);

/* The flush bill's memory of what was dropped (bill.c). */
typedef struct _M2dGhosts M2dGhosts;
void m2d_ghosts_record(M2dMmu *mmu, uint64_t tag, uint64_t data, M2dFlushCause cause);
void m2d_ghosts_refill(M2dMmu *mmu, uint64_t va, uint64_t item, uint64_t cycles);

/* Address of @va through @item. */
static inline uint64_t m2d_item_hpa(uint64_t item, uint64_t va)
{
	uint64_t low = m2d_low_mask(m2d_size_shift(m2d_item_esize(item)));

	return (item & M2D_ITEM_FRAME & ~low) | (va & low);
}
