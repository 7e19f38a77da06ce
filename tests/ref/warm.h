/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the comparison with caches share. */
#pragma once

#include "tests/ref/pool.h"

#define PAGES 12 /* that one epoch goes to */

typedef struct {
	const char *machine;
	bool tiny;  /* a few entries everywhere, so that most are evicted soon */
	bool ideal; /* nothing is ever evicted */
} Variant;

/* What was done after a change, for the tally and for messages. */
typedef enum {
	DO_NOTHING,
	DO_INVLPG,
	DO_INVPCID_ADDRESS,
	DO_INVPCID_CONTEXT,
	DO_INVPCID_ALL_GLOBAL,
	DO_INVPCID_ALL,
	DO_MOV_CR3,
	DO_TOGGLE_PGE,
	DO_INVVPID_ADDRESS,
	DO_INVVPID_CONTEXT,
	DO_INVVPID_ALL,
	DO_INVVPID_RETAIN,
	DO_INVEPT_CONTEXT,
	DO_INVEPT_ALL,
	DO_TLB_CONTROL_1,
	DO_TLB_CONTROL_3,
	DO_TLB_CONTROL_7,
	DO_INVLPGA,
	DO_INVLPGB,
	DO_INVLPGB_NESTED,
	N_DO
} Deed;

extern const char *const warm_deed_name[N_DO];

typedef struct {
	const Mode *mode;
	const Variant *variant;
	unsigned number; /* of the variant: other cases for each */
	uint64_t seed, epoch;
	unsigned i; /* case in the epoch */
	M2dWorld *world;
	M2dVcpu *vcpu;
	Pool *pool;
	RefCpu cpu;
	RefResult res;
	bool in_guest;
	bool two; /* two address spaces with PCIDs take turns */
	uint64_t other_cr3;
	uint64_t page[PAGES];
	Deed last_deed;
	uint64_t n_deed[N_DO], n_served[3], n_kind[M2D_OUT_PML_FULL + 1];
	bool verbose;
} Run;

/* Pages and rights that a change concerns. */
typedef struct {
	unsigned pages; /* bit for each of run->page */
	bool here;      /* in the address space in force */
	bool other;     /* in the other one */
	bool upper;     /* the entry points at a table for one of them */
	bool global;
	unsigned shift; /* the entry maps pages of 1 << shift bytes; 12 if it points at a table */
} Touched;

/* warm_must: end the process with a report on @what unless @insn was executed. */
void warm_must(const Run *run, M2dInsn insn, const char *what);
/* warm_enter: enter the guest with the registers of run->cpu. */
void warm_enter(Run *run, unsigned tlb_control);
/* warm_load_host: leave the guest and load a host that suits its second dimension. */
void warm_load_host(Run *run);
/* warm_intel_pae: are the PDPTEs in registers? */
bool warm_intel_pae(const Run *run);
/* warm_enough_for_guest: may @deed, and nothing else, follow a change of a guest entry? */
bool warm_enough_for_guest(const Run *run, Deed deed, const Touched *t);
/* warm_enough_for_nested: the same for a nested entry. */
bool warm_enough_for_nested(const Run *run, Deed deed);
/* warm_perform: execute @deed for the pages of @t. */
void warm_perform(Run *run, Deed deed, const Touched *t);
