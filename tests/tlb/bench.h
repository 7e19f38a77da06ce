/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU with something of every kind in its caches: host and guest contexts of several VPIDs or
 * ASIDs, PCIDs and EP4TAs; pages of all sizes, global and not, whole and in pieces. Tests execute
 * one instruction, compare what is left, and roll back.
 */
#pragma once

#include "tests/mmu/pages.h"
#include "tests/tlb/dump.h"

/* Addresses mapped in every context; the first-dimension page is 1 << shift bytes at va. */
typedef struct {
	uint64_t va;
	unsigned shift;
	uint64_t flags;    /* leaf bits beside P, R/W, U/S; NO_WRITE: without R/W */
	uint64_t touch[2]; /* offsets accessed */
	bool fetch;
} Region;

#define REGION_GLOBAL    0x100u
#define REGION_NO_WRITE  UINT64_C(0x10000000000000) /* marks, not entry bits */
#define REGION_NESTED_RO UINT64_C(0x20000000000000)
#define REGION_MISCONFIG UINT64_C(0x40000000000000) /* not touched by the fill */
#define REGION_NOT_THERE UINT64_C(0x80000000000000)

enum {
	R_4K,
	R_4K_NEXT,
	R_4K_FAR,
	R_2M,
	R_1G,
	R_PML4,
	R_4K_GLOBAL,
	R_2M_GLOBAL,
	R_1G_GLOBAL,
	R_READ_ONLY,
	R_READ_ONLY_GLOBAL,
	R_NESTED_RO,
	R_MISCONFIG,
	R_NOT_THERE,
	N_REGIONS
};
extern const Region regions[N_REGIONS];

typedef struct {
	bool guest;
	bool nested;    /* with the second dimension @space */
	unsigned space; /* 0 or 1 */
	uint32_t tag;   /* VPID or ASID */
	uint32_t pcid;
} Context;

#define N_CONTEXTS 8

typedef struct {
	M2dVendor vendor;
	Pages p;
	M2dNested nested[2];
	uint64_t root[2];       /* guest-physical, of the guest's tables in each second dimension */
	uint64_t host_root;     /* tables for contexts of one dimension */
	const Context *context; /* [N_CONTEXTS], the first is the host with PCID 0 */
	unsigned current;
	M2dMark mark;
} Bench;

/* bench_init: fill the caches of @machine (taken over), then start the journal. */
void bench_init(Bench *b, M2dMachine *machine);
void bench_clear(Bench *b);
/* bench_switch: put context @c in force by loads, entries and exits that drop nothing. */
void bench_switch(Bench *b, unsigned c);
/* bench_rollback: the state after bench_init() again. */
void bench_rollback(Bench *b);
M2dNested bench_nested(const Bench *b, const Context *c);
M2dRegs bench_regs(const Bench *b, const Context *c);

/* bench_covers: @item stands for (part of) the first-dimension page or table of @va. */
bool bench_covers(const Item *item, uint64_t va);
