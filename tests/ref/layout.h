/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One page behind one 4-level guest walk, and 4-level nested tables under it if wanted: the small
 * fixed world of the vector and permutation tests. Every entry allows everything and has its
 * accessed and dirty bits set until a test changes it.
 */
#pragma once

#include "lib/mmu2d.h"

/* Guest-physical pages; the same numbers are host-physical in one dimension. */
#define LAYOUT_GPA_PML4 UINT64_C(0x1000)
#define LAYOUT_GPA_PDPT UINT64_C(0x2000)
#define LAYOUT_GPA_PD   UINT64_C(0x3000)
#define LAYOUT_GPA_PT   UINT64_C(0x4000)
#define LAYOUT_GPA_DATA UINT64_C(0x5000)
/* Where nested leaves put guest-physical address 0, and where nested tables lie. */
#define LAYOUT_HPA_GUEST  UINT64_C(0x100000000)
#define LAYOUT_HPA_NESTED UINT64_C(0x200000000)
#define LAYOUT_HPA_PML    UINT64_C(0x300000000)
/* Index 1 at every level. */
#define LAYOUT_GVA UINT64_C(0x8040201123)
/* Guest-physical address of the entry that a walk for LAYOUT_GVA reads in table page @gpa. */
#define LAYOUT_ENTRY(gpa) ((gpa) + 8)

#define LAYOUT_PTE       UINT64_C(0x67)  /* P, R/W, U/S, A, D */
#define LAYOUT_EPT       UINT64_C(0x737) /* R, W, X, type 6, A, D, user X */
#define LAYOUT_EPT_TABLE UINT64_C(0x507) /* R, W, X, A, user X */

typedef struct {
	M2dWorld *world;
	M2dSpace *space;
	M2dVcpu *vcpu;
	M2dRegs regs; /* of the guest, or of the host in one dimension */
	M2dNested nested;
} Layout;

/**
 * layout_init: a world on machine @machine as @vendor, tables in place, nothing loaded.
 * @caches: false takes all caching structures out of the machine
 * Ends the process with status 2 if the machine cannot be loaded.
 */
void layout_init(Layout *l, const char *machine, M2dVendor vendor, M2dNestedKind kind, bool caches);
void layout_clear(Layout *l);
/* layout_load: put l->regs and l->nested in force; true if the entry succeeded. */
bool layout_load(Layout *l, unsigned maxphyaddr, uint32_t features);
/* layout_hpa: host-physical address of guest-physical @gpa. */
uint64_t layout_hpa(const Layout *l, uint64_t gpa);
/* layout_nested_leaf: address of the nested leaf entry for @gpa. */
uint64_t layout_nested_leaf(uint64_t gpa);
uint64_t layout_get(const Layout *l, uint64_t hpa);
void layout_set(Layout *l, uint64_t hpa, uint64_t value);
/* layout_access: one 1-byte access to LAYOUT_GVA. */
M2dOutcomeKind layout_access(Layout *l, M2dAccKind kind, bool user, M2dOutcome *out);
