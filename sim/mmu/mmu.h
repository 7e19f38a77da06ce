/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two-dimensional access path of one vCPU: look up, walk, check, set A/D, fault, charge.
 *
 * One walker serves every mode: each read of a first-dimension entry is translated by the second
 * dimension (identity without nested paging). Walks read simulated frames and write A/D bits to
 * them; everything else they do goes through sim/tlb.
 *
 * Choices where the manuals leave one: the A bit of a first-dimension table entry is set as soon
 * as the entry is used, also if a lower level faults; A and D of the leaf only after the permission
 * check, in one update. A second-dimension walk sets all its A bits and the leaf's D together,
 * when it has succeeded.
 *
 * Invariants between calls: state derived from registers matches them; nothing in hardware caches
 * stems from an entry that was not present, reserved or not accessed.
 */
#pragma once

#include "sim/ept/ept.h"
#include "sim/guest/guest.h"
#include "sim/mmu/timing.h"
#include "sim/npt/npt.h"
#include "sim/tlb/tlb.h"

/* Registers and what follows from them. In the arena; replaced as a whole by
 * m2d_mmu_configure(). */
typedef struct {
	M2dRegs regs;
	M2dNested nested;                          /* kind NONE in host mode */
	uint32_t guest_maxphyaddr, guest_features; /* of the registers in force */
	uint32_t host_maxphyaddr, host_features;

	/* Derived. */
	M2dPteFormat fmt;
	M2dGuestPolicy policy;
	M2dNptConfig npt;
	M2dEptConfig ept;
	uint64_t root;    /* address of the top table in the first dimension */
	uint64_t need[8]; /* by kind | user << 2: item bits without which an access is not a hit */
	uint32_t ctx, gctx, nctx;
	uint32_t pcid;
	uint8_t psc_shift[M2D_PSC_LEVELS];
	uint8_t npsc_shift[M2D_PSC_LEVELS];
} M2dMmuState;

/* A page recently found in a first-level TLB: tells where to look, never what is there. It is
 * checked against the TLB at each use, so it needs no invalidation and is no state. */
typedef struct {
	uint64_t key; /* page address and context in force; 0: none */
	uint64_t tag; /* of the item in the TLB */
	uint32_t slot;
	uint16_t set;
	uint8_t array;
	uint8_t way;
} M2dFront;

#define M2D_FRONT_BITS 9

typedef struct _M2dMmu {
	M2dArena *arena;
	M2dSpace *space; /* of the frames */
	const M2dMachine *machine;
	M2dMmuState *s; /* in the arena */
	M2dTlb tlb;
	M2dStats stats;
	M2dTiming timing;
	M2dWalkLog log;            /* of the last walk */
	M2dTlbSlot last_slot;      /* first-level slot of the last translation; array -1: none */
	uint64_t ctx_epoch;        /* of the front: see M2dTlb.ctx_epoch */
	bool probe;                /* walks neither set bits nor fill caches */
	struct _M2dGhosts *ghosts; /* flush bill; NULL: not kept */
	bool front_stale;          /* to be emptied before it is used again */
	M2dFront front[2][1u << M2D_FRONT_BITS];
} M2dMmu;

/* m2d_mmu_init: caches empty, paging off. */
void m2d_mmu_init(M2dMmu *mmu, M2dArena *arena, M2dSpace *space, const M2dMachine *machine);
void m2d_mmu_clear(M2dMmu *mmu);

/**
 * m2d_mmu_configure: put registers and second dimension in force. Drops nothing.
 * @nested: kind NONE for the host and for guests on shadow tables; its tag is the ASID or VPID
 */
void m2d_mmu_configure(M2dMmu *mmu, const M2dRegs *regs, const M2dNested *nested);
/* m2d_mmu_set_features: physical address bits and M2D_FEAT_* of the registers in force and of the
 * host; call m2d_mmu_configure() afterwards. */
void m2d_mmu_set_features(M2dMmu *mmu, unsigned guest_maxphyaddr, uint32_t guest_features,
			  unsigned host_maxphyaddr, uint32_t host_features);

/**
 * m2d_mmu_access: one access of any size up to a page; see m2d_vcpu_access().
 */
M2dOutcomeKind m2d_mmu_access(M2dMmu *mmu, const M2dAccess *access, M2dOutcome *out);

/* m2d_mmu_cached, m2d_mmu_cached_upper: a translation of @va, or upper-level entries that lead to
 * it, are cached for what runs now. m2d_mmu_evict, m2d_mmu_evict_upper: they no longer are. */
bool m2d_mmu_cached(const M2dMmu *mmu, uint64_t va);
bool m2d_mmu_cached_upper(M2dMmu *mmu, uint64_t va);
void m2d_mmu_evict(M2dMmu *mmu, uint64_t va);
void m2d_mmu_evict_upper(M2dMmu *mmu, uint64_t va);
/* m2d_mmu_speculate: hardware walks for a read of @va that nobody executes. False: nothing came of
 * it: it is cached already, or would fault. */
bool m2d_mmu_speculate(M2dMmu *mmu, uint64_t va, bool user);

/* m2d_mmu_kill: an invalidation on behalf of @cause: drop, count, keep the flush bill. Charges
 * @cycles. Returns the translations dropped. */
uint64_t m2d_mmu_kill(M2dMmu *mmu, const M2dKill *kill, M2dFlushCause cause, uint32_t cycles);

/**
 * m2d_mmu_probe: what a walk from the top would give for a read, write or fetch of @va now; neither
 * bits nor caches are looked at or touched. False if it would fault.
 */
bool m2d_mmu_probe(M2dMmu *mmu, uint64_t va, M2dAccKind kind, bool user, uint64_t *hpa);
