/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All translation caches of one vCPU: first-level TLBs per access type and page size, the unified
 * second level, paging-structure caches of both dimensions and the nested TLB. Hardware is
 * hostile here: an item stays until an operation must drop it or its slot is needed.
 *
 * Not modelled: sharing between hyperthreads, coalescing of neighbouring pages.
 */
#pragma once

#include "sim/engine/machine.h"
#include "sim/tlb/array.h"
#include "sim/tlb/ctx.h"
#include "sim/tlb/item.h"
#include "sim/tlb/watch.h"

/* Arrays, for iteration and observers. */
typedef enum {
	M2D_ARR_L1D_4K,
	M2D_ARR_L1D_2M,
	M2D_ARR_L1D_1G,
	M2D_ARR_L1I_4K,
	M2D_ARR_L1I_2M,
	M2D_ARR_L1I_1G,
	M2D_ARR_L2,
	M2D_ARR_L2_1G,
	M2D_ARR_PSC_PDE,
	M2D_ARR_PSC_PDPTE,
	M2D_ARR_PSC_PML4,
	M2D_ARR_PSC_PML5,
	M2D_ARR_NPSC_PDE,
	M2D_ARR_NPSC_PDPTE,
	M2D_ARR_NPSC_PML4,
	M2D_ARR_NPSC_PML5,
	M2D_ARR_NTLB,
	M2D_N_ARRAYS
} M2dArrayId;

/* Called for each item dropped by an invalidation (not by eviction), before it goes. */
typedef void (*M2dTlbDropFn)(M2dArrayId array, uint64_t tag, uint64_t data, void *data_arg);

typedef struct {
	M2dArena *arena;
	const M2dMachine *machine;
	M2dArray array[M2D_N_ARRAYS];
	uint8_t alias[M2D_N_ARRAYS]; /* arrays that share one structure name its first; else self */
	M2dCtxTable ctx;
	uint64_t ctx_epoch; /* counts reclaims, after which a context number may mean another one */
	uint64_t *n_splinters; /* translations whose first-dimension page is larger, ever filled */
	M2dTlbDropFn on_drop;
	void *on_drop_data;
	const M2dTlbWatch *watch; /* NULL: nobody watches */
} M2dTlb;

/* m2d_tlb_init: lay out the caches of @machine in @arena. */
void m2d_tlb_init(M2dTlb *tlb, M2dArena *arena, const M2dMachine *machine);

/**
 * m2d_tlb_ctx: the number of a context, made if needed. If none is free, contexts without items
 * are reclaimed, all but those in @keep (0-terminated; NULL: none to keep); if there are none
 * either, all items are dropped, as hardware may do at any time.
 */
uint32_t m2d_tlb_ctx(M2dTlb *tlb, const M2dCtx *ctx, const uint32_t *keep);

/* A slot of a translation cache. */
typedef struct {
	int8_t array; /* M2dArrayId; -1: not found */
	uint32_t set;
	uint32_t slot;
} M2dTlbSlot;

/**
 * m2d_tlb_find_l1: the first-level item for @va under @ctx, or globally under @gctx.
 * Touches recency. @fetch: instruction side.
 */
M2dTlbSlot m2d_tlb_find_l1(M2dTlb *tlb, uint64_t va, bool fetch, uint32_t ctx, uint32_t gctx);
/**
 * m2d_tlb_find_l2: the same in the second level; a hit is also installed in the first level, and
 * *@l1 names that slot.
 */
M2dTlbSlot m2d_tlb_find_l2(M2dTlb *tlb, uint64_t va, bool fetch, uint32_t ctx, uint32_t gctx,
			   M2dTlbSlot *l1);

/* m2d_tlb_data: data word of a found slot. */
static inline uint64_t m2d_tlb_data(const M2dTlb *tlb, M2dTlbSlot s)
{
	return tlb->array[s.array].data[s.slot];
}

/* m2d_tlb_tag: tag word of a found slot. */
static inline uint64_t m2d_tlb_tag(const M2dTlb *tlb, M2dTlbSlot s)
{
	return tlb->array[s.array].tag[s.slot];
}

/**
 * m2d_tlb_fill: cache a translation in both levels, replacing an older item of the same tag.
 * @data: item whose frame is that of the ESIZE page; its G bit chooses @gctx over @ctx
 * Returns the first-level slot (array -1 if the machine has none for that size).
 */
M2dTlbSlot m2d_tlb_fill(M2dTlb *tlb, uint64_t va, bool fetch, uint32_t ctx, uint32_t gctx,
			uint64_t data);

/* m2d_tlb_drop_va: drop the items that m2d_tlb_find_*() would find for the page of @va: what a
 * failed right does before hardware walks again. */
void m2d_tlb_drop_va(M2dTlb *tlb, uint64_t va, uint32_t ctx, uint32_t gctx);

/* m2d_tlb_cached: whether a translation of the page of @va is held, without a look-up. */
bool m2d_tlb_cached(const M2dTlb *tlb, uint64_t va, uint32_t ctx, uint32_t gctx);
/* m2d_psc_drop: evict the first-dimension items that a walk of @va would use; whether there were
 * any. @look_only: leave them */
bool m2d_psc_drop(M2dTlb *tlb, uint64_t va, uint32_t ctx, const uint8_t shifts[], bool look_only);

/* Paging-structure caches. @nested: of the second dimension. */
typedef struct {
	uint64_t data; /* frame of the table, rights */
	M2dPscLevel level;
	bool hit;
} M2dPscHit;

/**
 * m2d_psc_find: the item that skips most levels for @va.
 * @ctx: the context of the walk; upper-level items are never global
 * @shifts: log2 of the bytes covered, per level; 0: the mode has no such level
 */
M2dPscHit m2d_psc_find(M2dTlb *tlb, bool nested, uint64_t va, uint32_t ctx,
		       const uint8_t shifts[M2D_PSC_LEVELS]);
/* m2d_psc_fill: cache that the entry of @level for @va points at the table in @data. */
void m2d_psc_fill(M2dTlb *tlb, bool nested, M2dPscLevel level, unsigned shift, uint64_t va,
		  uint32_t ctx, uint64_t data);

/* m2d_ntlb_find: data of the guest-physical item for @gpa, 0 if none (an item is never 0).
 * @slot: where it is */
uint64_t m2d_ntlb_find(M2dTlb *tlb, uint64_t gpa, uint32_t ctx, uint32_t *slot);
/* m2d_ntlb_fill: cache that the page of @gpa translates to @data, an item as in item.h. */
void m2d_ntlb_fill(M2dTlb *tlb, uint64_t gpa, uint32_t ctx, uint64_t data);

/* m2d_tlb_used: tell the watcher that a walk goes on from the item in @slot. */
static inline void m2d_tlb_used(const M2dTlb *tlb, M2dArrayId array, uint32_t slot)
{
	if (m2d_unlikely(tlb->watch != NULL))
		tlb->watch->use(tlb->watch->data, tlb->alias[array], slot);
}

/* m2d_tlb_walk_begins: tell it that a walk begins. */
static inline void m2d_tlb_walk_begins(const M2dTlb *tlb)
{
	if (m2d_unlikely(tlb->watch != NULL))
		tlb->watch->begin(tlb->watch->data);
}

/* --- invalidation ----------------------------------------------------------------------------- */

typedef enum {
	M2D_KILL_TAG_ANY,
	M2D_KILL_TAG_EQUAL,   /* VPID/ASID equals tag */
	M2D_KILL_TAG_NONZERO, /* any but 0 (INVVPID all-context) */
} M2dKillTag;

typedef enum {
	M2D_KILL_PCID_ANY,       /* all PCIDs and global items */
	M2D_KILL_PCID_EQUAL,     /* items of pcid, not global ones */
	M2D_KILL_PCID_OR_GLOBAL, /* items of pcid and global ones */
	M2D_KILL_PCID_NONGLOBAL, /* all PCIDs, not global ones */
} M2dKillPcid;

typedef enum {
	M2D_UPPER_NONE, /* paging-structure items stay */
	M2D_UPPER_PATH, /* those that a walk for va would use go */
	M2D_UPPER_ALL,  /* all with the tags named go */
} M2dKillUpper;

#define M2D_KINDS_LINEAR   (1u << M2D_CTX_LINEAR | 1u << M2D_CTX_COMBINED)
#define M2D_KINDS_COMBINED (1u << M2D_CTX_COMBINED)
#define M2D_KINDS_PHYSICAL (1u << M2D_CTX_PHYSICAL)
#define M2D_KINDS_ALL      (M2D_KINDS_LINEAR | M2D_KINDS_PHYSICAL)

/* The exact scope of an invalidation: items that match all of it go, nothing else does. */
typedef struct {
	uint32_t kinds; /* M2D_KINDS_* */
	M2dKillTag tag_rule;
	uint32_t tag;
	M2dKillPcid pcid_rule; /* for items of linear addresses */
	uint32_t pcid;
	bool match_root;
	uint64_t root; /* EP4TA */
	bool match_va; /* translations of the page of va only, splinters of it included */
	uint64_t va;   /* linear address, or guest-physical for M2D_KINDS_PHYSICAL */
	M2dKillUpper upper;
	bool keep_leaves; /* drop paging-structure items only */
} M2dKill;

/* m2d_tlb_kill: drop what @kill names; returns the number of translations dropped (each cached
 * copy counts, paging-structure items do not). */
uint64_t m2d_tlb_kill(M2dTlb *tlb, const M2dKill *kill);
