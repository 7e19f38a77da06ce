/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SPTE state machine: what a value is, which step of KVM's or of the processor's takes one
 * value to the next, and which changes nobody may make. Judged are values only; who wrote, under
 * which lock and with which flush, is for those who saw the write.
 */
#pragma once

#include "sim/spte/spte.h"

typedef enum {
	M2D_SPTE_STATE_BAD,        /* no value of the format */
	M2D_SPTE_STATE_NONPRESENT, /* N */
	M2D_SPTE_STATE_MMIO,       /* M */
	M2D_SPTE_STATE_FROZEN,     /* F */
	M2D_SPTE_STATE_NONLEAF,    /* P: maps a table */
	M2D_SPTE_STATE_LEAF,       /* L; AT if access-tracked */
} M2dSpteState;

/* m2d_spte_state: what @v is in a table of @level. */
M2dSpteState m2d_spte_state(const M2dSpteFormat *f, uint64_t v, unsigned level);

/* Why a leaf is writable or not. */
typedef enum {
	M2D_SPTE_WRITE_BAD, /* not one of the four combinations: INV-WP-3 */
	M2D_SPTE_WRITE_RW,  /* 111 */
	M2D_SPTE_WRITE_DL,  /* 110: dirty logging, or access-tracked; a fault may give W back
			       lockless */
	M2D_SPTE_WRITE_PT,  /* 100: a shadowed or tracked gfn */
	M2D_SPTE_WRITE_RO,  /* 000: the host forbids writes */
} M2dSpteWrite;

M2dSpteWrite m2d_spte_write_state(const M2dSpteFormat *f, uint64_t v);

/*
 * m2d_spte_illegal: why no table of @level may hold @v (a short text), or NULL. Beside INV-WP-3:
 * unknown or reserved bits, misaligned frames, EPT misconfigurations, saved rights where none
 * belong, a table link with less than all rights.
 */
const char *m2d_spte_illegal(const M2dSpteFormat *f, uint64_t v, unsigned level);

/* Changes of an entry. The numbers are those of the table in doc comments and reports. */
typedef enum {
	M2D_SPTE_T_ILLEGAL,
	M2D_SPTE_T_NONE, /* the same value */
	M2D_SPTE_T1,     /* N or M to L or P: a fault maps */
	M2D_SPTE_T2,     /* N to M, M to N, M to M of another generation */
	M2D_SPTE_T3,     /* huge L to P: split */
	M2D_SPTE_T4,     /* P to huge L: join. The table below must not be freed before a flush */
	M2D_SPTE_T5,     /* W goes, MMU-writable stays: write-protect for dirty logging */
	M2D_SPTE_T6,     /* MMU-writable goes: write-protect a guest table */
	M2D_SPTE_T7,     /* W comes, MMU-writable was there: write fault, lockless */
	M2D_SPTE_T8,     /* AT to L with exactly the saved rights, and W if MMU-writable */
	M2D_SPTE_T9,     /* A goes, or L to AT: aging */
	M2D_SPTE_T10,    /* D goes: dirty logging with PML */
	M2D_SPTE_T11,    /* A or D comes: the processor */
	M2D_SPTE_T12,    /* L to N, or to F on the way: zap */
	M2D_SPTE_T13,    /* P to N or F; N or M to F, in a table that goes */
	M2D_SPTE_T14,    /* F to anything: by the one who froze it */
	M2D_SPTE_T_REWRITE, /* L to L, same frame, other rights: the slow path or a sync */
	M2D_SPTE_N_TRANSITIONS,
} M2dSpteTransition;

/*
 * m2d_spte_transition: the kind of the change from @from to @to in a table of @level. If several
 * fit, the one with the stronger duties: T6 before T8 before T9 before T5. A change that no KVM
 * makes is illegal, with a short text in @why: values that are illegal themselves; a leaf that
 * changes its frame, loses host-writable or changes whether it has A/D; a present entry overwritten
 * by an MMIO SPTE; a table link rewritten. T15, the invalidation of a root, changes no SPTE.
 */
M2dSpteTransition m2d_spte_transition(const M2dSpteFormat *f, uint64_t from, uint64_t to,
				      unsigned level, const char **why);

/* Which present leafs must be replaced atomically, since others change them without mmu_lock. */
typedef enum {
	M2D_SPTE_VOLATILE_OLD,  /* up to 5.17: also every MMU-writable one */
	M2D_SPTE_VOLATILE_5_18, /* 706c9c55e5a3 */
	M2D_SPTE_VOLATILE_6_13, /* a lost A is tolerated */
	M2D_SPTE_VOLATILE_6_15, /* aging without mmu_lock: all without A/D */
} M2dSpteVolatile;

/* m2d_spte_is_volatile: INV-DIRTY-3's premise; @v is any value, and volatile only if present. */
bool m2d_spte_is_volatile(const M2dSpteFormat *f, uint64_t v, M2dSpteVolatile era);

/* When replacing one present leaf by another needs a remote flush before mmu_lock is dropped. */
typedef enum {
	M2D_SPTE_FLUSH_OLD,  /* up to 6.12, shadow MMU: MMU-writable loses W, or A or D goes */
	M2D_SPTE_FLUSH_6_13, /* MMU-writable goes, whatever W was; both MMUs */
} M2dSpteFlush;

bool m2d_spte_needs_flush(const M2dSpteFormat *f, uint64_t from, uint64_t to, M2dSpteFlush era);

/* A fault as the fast path sees it. Direct MMUs only: the user bit decides nothing there. */
typedef struct {
	bool write, exec; /* neither: a read */
	bool present;     /* a right was missing, not the entry */
	bool rsvd;        /* reserved bit or misconfiguration: MMIO */
} M2dSpteFault;

typedef enum {
	M2D_SPTE_FAST_NO,       /* take mmu_lock */
	M2D_SPTE_FAST_SPURIOUS, /* the entry allows the access by now */
	M2D_SPTE_FAST_FIX,      /* cmpxchg to the new value; if that set W, the page is dirty */
} M2dSpteFast;

/* m2d_spte_fault_can_be_fast: whether a walk for the entry is worth it. */
static inline bool m2d_spte_fault_can_be_fast(const M2dSpteFormat *f, const M2dSpteFault *fault)
{
	if (fault->rsvd)
		return false;
	/* With A/D nothing is ever access-tracked, and a missing entry is just missing. */
	if (!fault->present)
		return !f->ad;
	return fault->write;
}

/*
 * m2d_spte_fast_fault: what the fast path does with @v, found last on the walk at @level.
 * @dirty_logged: the slot logs dirty pages, in 4 KiB: a huge leaf then stays write-protected. Older
 * kernels refuse every huge leaf; pass true for them. @to: the new value, set with FAST_FIX.
 */
M2dSpteFast m2d_spte_fast_fault(const M2dSpteFormat *f, const M2dSpteFault *fault, uint64_t v,
				unsigned level, bool dirty_logged, uint64_t *to);

/* --- Text. --- */

const char *m2d_spte_state_name(M2dSpteState state);
const char *m2d_spte_write_name(M2dSpteWrite write);

/* m2d_spte_transition_name: "T5", "rewrite"; m2d_spte_transition_text: what it is, in words. */
const char *m2d_spte_transition_name(M2dSpteTransition t);
const char *m2d_spte_transition_text(M2dSpteTransition t);

#define M2D_SPTE_TEXT 128

/*
 * m2d_spte_to_string: @v of @level on one line, such as "pfn 0x1234 4k rwxu hw mw a d", "table pfn
 * 0x5 a", "mmio gfn 0xfee00 gen 0x12345 wu", "frozen", "none". EPT has no u. "track r-x" are the
 * saved rights of an access-tracked leaf, "ad-off" and "wp-only" its A/D type. Illegal values end
 * in "!" and the reason. Returns @buf.
 */
char *m2d_spte_to_string(const M2dSpteFormat *f, uint64_t v, unsigned level,
			 char buf[M2D_SPTE_TEXT]);
