/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The freedom of hardware, as acts of the logical processors: a speculative walk for an address of
 * the scenario, or the loss of a translation or of the upper-level entries that lead to it. Runs do
 * none of it of themselves; schedules and searches do.
 */
#pragma once

#include "sim/scenario/scenario.h"
#include "sim/vm/vm.h"

typedef enum {
	M2D_HW_WALK,
	M2D_HW_EVICT,       /* the translation of the page */
	M2D_HW_EVICT_UPPER, /* paging-structure entries that a walk for it would use */
	M2D_N_HW_KINDS
} M2dHwKind;

typedef struct {
	uint8_t kind; /* M2dHwKind */
	uint8_t cpu;
	uint8_t user; /* the walk is for an access from user mode */
	uint64_t gva;
} M2dHwAct;

/* M2D_HW_MAX_ACTS: of one processor in one state. */
#define M2D_HW_MAX_PAGES 8u
#define M2D_HW_MAX_ACTS  (M2D_HW_MAX_PAGES * M2D_N_HW_KINDS)

/* m2d_hw_pages: walks for the pages that the steps of @scenario name as guest-virtual addresses, at
 * most M2D_HW_MAX_PAGES, in their order; of M2dHwAct. */
GArray *m2d_hw_pages(const M2dScenario *scenario);

/* m2d_hw_acts: what processor @cpu can do now about @pages; fills @acts and returns how many. */
unsigned m2d_hw_acts(const M2dVm *vm, unsigned cpu, const GArray *pages,
		     M2dHwAct acts[M2D_HW_MAX_ACTS]);
/* m2d_hw_can: it can do this now. */
bool m2d_hw_can(const M2dVm *vm, const M2dHwAct *act);
/* m2d_hw_do: do it. */
void m2d_hw_do(M2dVm *vm, const M2dHwAct *act);
/* m2d_hw_vcpu: the vCPU that runs on @cpu, or M2D_NO_ACTOR. */
unsigned m2d_hw_vcpu(const M2dVm *vm, unsigned cpu);

/* m2d_hw_text: "z0+0x400000": '+' a walk ('u' at the end: from user mode), '-' a translation lost,
 * '~' upper entries lost; g_free(). m2d_hw_parse: false: it is none. */
char *m2d_hw_text(const M2dHwAct *act);
bool m2d_hw_parse(const char *text, M2dHwAct *act);
