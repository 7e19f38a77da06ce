/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builder of page tables for whoever plays an operating system or a hypervisor: maps on demand,
 * with real entries in simulated memory. The format is a few masks, so that guest tables, nested
 * tables and EPT come from one routine.
 *
 * The size of a page depends only on the naturally aligned region it lies in and the seed, never
 * on the order of the faults. Exception: when no aligned block of memory is left, the next
 * smaller size serves.
 *
 * Invariant between calls: a present entry is never replaced, so nothing built here ever needs a
 * TLB flush.
 */
#pragma once

#include "sim/base/addr.h"
#include "sim/mem/falloc.h"
#include "sim/mem/space.h"

/* Shares of the address space that are mapped with larger pages; the rest has 4 KiB pages. */
typedef struct {
	double share_2m, share_1g; /* their sum is at most 1 */
	uint64_t seed;
} M2dPageShares;

/* m2d_page_shares_size: the size of the page that @addr lies in. */
M2dPageSize m2d_page_shares_size(const M2dPageShares *shares, uint64_t addr);

typedef struct {
	M2dSpace *space;   /* holds the tables */
	M2dFalloc *frames; /* for tables and pages */
	uint8_t levels;
	uint8_t index_bits;  /* 9, or 10 for 32-bit paging */
	uint8_t entry_shift; /* log2 of the entry size: 3, or 2 for 32-bit paging */
	uint64_t present;    /* an entry with any of these bits is present */
	uint64_t large;      /* bit that tells a large page from a table above level 1 */
	/* Where @frames' addresses are in @space: identity if NULL. False: no memory there. */
	bool (*locate)(void *data, uint64_t pa, M2dHpa *hpa);
	void *data;
} M2dTables;

/* Bits beside the address in entries that m2d_tables_map() writes. */
typedef struct {
	uint64_t table, leaf;
} M2dTableBits;

typedef enum {
	M2D_TABLES_MAPPED,
	M2D_TABLES_PRESENT,   /* was mapped already; nothing changed */
	M2D_TABLES_NO_MEMORY, /* tables may have been added, no page was */
} M2dTablesResult;

/* Where an address leads. */
typedef struct {
	M2dPageSize size;
	uint64_t pa;    /* of the address itself, not of its page */
	uint64_t entry; /* value of the leaf */
} M2dTablesPage;

/* m2d_tables_new_table: a zeroed table; its address goes to *@pa. False if memory is full. */
bool m2d_tables_new_table(const M2dTables *tables, uint64_t *pa);

/**
 * m2d_tables_map: map the page of @va below the table at @root, with the size that @shares give.
 * *@page says where it now leads (both when mapped and when present).
 */
M2dTablesResult m2d_tables_map(const M2dTables *tables, uint64_t root, uint64_t va,
			       const M2dTableBits *bits, const M2dPageShares *shares,
			       M2dTablesPage *page);

/* m2d_tables_find: where @va leads; false if it is not mapped. Sets no accessed bit. */
bool m2d_tables_find(const M2dTables *tables, uint64_t root, uint64_t va, M2dTablesPage *page);

/**
 * m2d_tables_read_entry, m2d_tables_write_entry: the entry for @va in the table at @table, which
 * is of @level (1 = page table). False if no memory backs the table.
 */
bool m2d_tables_read_entry(const M2dTables *tables, uint64_t table, unsigned level, uint64_t va,
			   uint64_t *entry);
bool m2d_tables_write_entry(const M2dTables *tables, uint64_t table, unsigned level, uint64_t va,
			    uint64_t entry);
