/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables of both dimensions in every paging mode, built entry by entry for the tests of
 * walks and TLBs. Host address = guest-physical address + PAGES_OFFSET, so that no translation is
 * the identity; nested tables lie below PAGES_OFFSET. Guest-physical addresses stay below 3 GiB,
 * which all modes can express in both dimensions.
 */
#pragma once

#include "lib/mmu2d.h"
#include "sim/mmu/mmu.h"

#define GIB          (UINT64_C(1) << 30)
#define PAGES_OFFSET GIB

typedef enum {
	GUEST_OFF,
	GUEST_32,
	GUEST_PAE,
	GUEST_4,
	GUEST_5,
	N_GUESTS
} PagesGuest;

typedef enum {
	NESTED_OFF,
	NPT_32,
	NPT_PAE,
	NPT_4,
	NPT_5,
	EPT_4,
	EPT_5,
	N_NESTEDS
} PagesNested;

typedef struct {
	M2dWorld *world;
	M2dSpace *space;
	M2dVcpu *vcpu;
	M2dMmu *mmu;
	uint64_t next_hpa; /* where the next nested table goes */
	uint64_t next_gpa; /* where the next guest table goes */
	M2dNested nested;  /* in which guest tables are made reachable */
	PagesNested nested_mode;
	M2dPageSize table_size; /* nested page size under guest tables */
} Pages;

extern const char *const pages_guest_name[N_GUESTS];
extern const char *const pages_nested_name[N_NESTEDS];

unsigned pages_guest_levels(PagesGuest g);
unsigned pages_nested_levels(PagesNested n);
static inline bool pages_is_npt(PagesNested n)
{
	return n >= NPT_32 && n <= NPT_5;
}

/* pages_machine: machine "generic" as @vendor with no caching structure at all. */
M2dMachine *pages_machine(M2dVendor vendor);
/* pages_set: m2d_machine_set() that must succeed. */
void pages_set(M2dMachine *machine, const char *assignment);

/* pages_init: a world on @machine (taken over) with one vCPU and an empty second dimension. */
void pages_init(Pages *p, M2dMachine *machine, PagesNested nested);
void pages_clear(Pages *p);

/* pages_new_nested: another empty second dimension of the same mode; *@nested describes it. */
void pages_new_nested(Pages *p, M2dNested *nested);
/* pages_nested_entry: host address of the nested entry at @level (1 = page table) for @gpa. */
uint64_t pages_nested_entry(Pages *p, uint64_t gpa, unsigned level);
/* pages_nested_map: let the @size page around @gpa be mapped in the second dimension. */
void pages_nested_map(Pages *p, uint64_t gpa, M2dPageSize size);

/* pages_hpa: where @gpa is. */
uint64_t pages_hpa(const Pages *p, uint64_t gpa);
/* pages_new_table: guest-physical address of a new zero guest table. */
uint64_t pages_new_table(Pages *p);
/**
 * pages_map: map @va to @gpa in the guest tables at @root as a page of @size (32-bit: 2 MiB means
 * 4 MiB). @flags go into the leaf on top of P, R/W and U/S. Returns the host address of the leaf.
 */
uint64_t pages_map(Pages *p, PagesGuest g, uint64_t root, uint64_t va, uint64_t gpa,
		   M2dPageSize size, uint64_t flags);
/* pages_regs: registers for the tables at @root, PDPTE registers included. */
M2dRegs pages_regs(Pages *p, PagesGuest g, uint64_t root);

/* pages_load: put @regs in force: natively, or by an entry under p->nested. */
void pages_load(Pages *p, const M2dRegs *regs);
M2dOutcome pages_access(Pages *p, uint64_t va, M2dAccKind kind, bool user);
