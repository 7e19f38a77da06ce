/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statistics of a run. They live outside the arena: a rollback does not touch them. Every cycle
 * charged has one cause; every cause belongs to one of three classes, reported apart because only
 * the first is known within 20 %.
 */
#pragma once

#include <stdint.h>

typedef struct {
#define COUNTER(name, text) uint64_t name;
#include "sim/engine/counters.def"
#undef COUNTER
} M2dCounters;

#define M2D_N_COUNTERS (sizeof(M2dCounters) / sizeof(uint64_t))

typedef enum {
	M2D_CLASS_BASE,     /* execution without translation cost */
	M2D_CLASS_WALK,     /* hardware: TLB lookups and walks */
	M2D_CLASS_SOFTWARE, /* hypervisor and fault handlers, flush instructions */
	M2D_CLASS_CROSS,    /* cross-CPU: IPIs, waiting */
	M2D_N_CLASSES
} M2dCostClass;

/* CAUSE(NAME, text, class) */
#define M2D_CAUSES(CAUSE)                                                                          \
	CAUSE(BASE, "base", M2D_CLASS_BASE)                                                        \
	CAUSE(L1_HIT, "l1_hit", M2D_CLASS_WALK)                                                    \
	CAUSE(L2_HIT, "l2_hit", M2D_CLASS_WALK)                                                    \
	CAUSE(WALK_START, "walk_start", M2D_CLASS_WALK)                                            \
	CAUSE(PSC, "psc_lookup", M2D_CLASS_WALK)                                                   \
	CAUSE(NTLB, "ntlb_lookup", M2D_CLASS_WALK)                                                 \
	CAUSE(FETCH_GUEST, "fetch_guest", M2D_CLASS_WALK)                                          \
	CAUSE(FETCH_NESTED, "fetch_nested", M2D_CLASS_WALK)                                        \
	CAUSE(AD_UPDATE, "ad_update", M2D_CLASS_WALK)                                              \
	CAUSE(WALK_WAIT, "walk_wait", M2D_CLASS_WALK)                                              \
	CAUSE(PAGE_FAULT, "page_fault", M2D_CLASS_SOFTWARE)                                        \
	CAUSE(NESTED_FAULT, "nested_fault", M2D_CLASS_SOFTWARE)                                    \
	CAUSE(EXIT_ENTRY, "exit_entry", M2D_CLASS_SOFTWARE)                                        \
	CAUSE(FLUSH, "flush", M2D_CLASS_SOFTWARE)                                                  \
	CAUSE(KVM_FAULT, "kvm_fault", M2D_CLASS_SOFTWARE)                                          \
	CAUSE(KVM_EMULATE, "kvm_emulate", M2D_CLASS_SOFTWARE)                                      \
	CAUSE(KVM_SYNC, "kvm_sync", M2D_CLASS_SOFTWARE)                                            \
	CAUSE(KVM_ZAP, "kvm_zap", M2D_CLASS_SOFTWARE)                                              \
	CAUSE(KVM_ROOT, "kvm_root", M2D_CLASS_SOFTWARE)                                            \
	CAUSE(KVM_OTHER, "kvm_other", M2D_CLASS_SOFTWARE)                                          \
	CAUSE(KICK, "kick", M2D_CLASS_CROSS)                                                       \
	CAUSE(TLBSYNC, "tlbsync", M2D_CLASS_CROSS)                                                 \
	CAUSE(IPI, "ipi", M2D_CLASS_CROSS)

typedef enum {
#define CAUSE(name, text, class) M2D_CAUSE_##name,
	M2D_CAUSES(CAUSE)
#undef CAUSE
	M2D_N_CAUSES
} M2dCause;

/* Causes of flushes: rows of the flush bill. FLUSH(NAME, text) */
#define M2D_FLUSHES(FLUSH)                                                                         \
	FLUSH(INVLPG, "invlpg")                                                                    \
	FLUSH(INVPCID, "invpcid")                                                                  \
	FLUSH(MOV_CR3, "mov_cr3")                                                                  \
	FLUSH(MOV_CR4, "mov_cr4")                                                                  \
	FLUSH(MOV_CR0, "mov_cr0")                                                                  \
	FLUSH(INVVPID, "invvpid")                                                                  \
	FLUSH(INVEPT, "invept")                                                                    \
	FLUSH(TLB_CONTROL, "tlb_control")                                                          \
	FLUSH(VPID0, "entry_without_vpid")                                                         \
	FLUSH(INVLPGA, "invlpga")                                                                  \
	FLUSH(INVLPGB, "invlpgb")                                                                  \
	FLUSH(PAGE_FAULT, "page_fault")                                                            \
	FLUSH(NESTED_FAULT, "nested_fault")

typedef enum {
#define FLUSH(name, text) M2D_FLUSH_##name,
	M2D_FLUSHES(FLUSH)
#undef FLUSH
	M2D_N_FLUSHES
} M2dFlushCause;

typedef struct {
	uint64_t count;           /* operations */
	uint64_t direct_cycles;   /* of the operations themselves */
	uint64_t indirect_cycles; /* of the walks that re-created what they dropped */
	uint64_t dropped;
	uint64_t refilled;
	uint64_t over_flushed;
} M2dFlushBill;

#define M2D_MAX_WALK_REFS 64 /* histogram bound; a 5x5 walk reads 35 */

typedef struct {
	M2dCounters c;
	uint64_t cycles[M2D_N_CAUSES];
	uint64_t walk_refs_hist[M2D_MAX_WALK_REFS]; /* walks by entries read, last: or more */
	M2dFlushBill bill[M2D_N_FLUSHES];
} M2dStats;

/* m2d_counter_name: JSON key and SQL column of counter @i < M2D_N_COUNTERS, in struct order. */
const char *m2d_counter_name(unsigned i);
/* m2d_counter_text: one line of what counter @i counts. */
const char *m2d_counter_text(unsigned i);
const char *m2d_cause_name(M2dCause cause);
M2dCostClass m2d_cause_class(M2dCause cause);
const char *m2d_class_name(M2dCostClass class);
const char *m2d_flush_name(M2dFlushCause cause);

/* m2d_stats_add: add all fields of @b to @a. */
void m2d_stats_add(M2dStats *a, const M2dStats *b);
/* m2d_stats_cycles: the sum over all causes. */
uint64_t m2d_stats_cycles(const M2dStats *stats);
