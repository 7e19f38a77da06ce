/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files that draw a walk; not for others. */
#pragma once

#include "sim/report/walk.h"

/* Five levels and the final address; five nested levels and the guest's entry. */
#define M2D_WALK_MAX_COLUMNS 6
#define M2D_WALK_MAX_ROWS    6

typedef enum {
	M2D_CELL_READ,    /* an entry was read: fetch */
	M2D_CELL_PSC,     /* skipped: a paging-structure cache of the first dimension, */
	M2D_CELL_NPSC,    /* of the second, */
	M2D_CELL_NTLB,    /* the nested TLB */
	M2D_CELL_TLB,     /* or the TLB knew the answer */
	M2D_CELL_LARGE,   /* an entry above maps a large page */
	M2D_CELL_DATA,    /* no entry: what the walk was for */
	M2D_CELL_NOT_YET, /* the walk ended in a fault before */
} M2dCellKind;

typedef struct {
	M2dCellKind kind;
	unsigned order;        /* READ: from 1 */
	const M2dFetch *fetch; /* READ */
	bool faulted;          /* READ: the entry that the fault comes from */
} M2dCell;

typedef struct {
	unsigned n_columns, n_rows;           /* the last row is the guest's */
	unsigned level[M2D_WALK_MAX_COLUMNS]; /* of the first dimension; 0: final address */
	unsigned n_level[M2D_WALK_MAX_ROWS];  /* of the second dimension; 0: guest's row */
	M2dCell cell[M2D_WALK_MAX_ROWS][M2D_WALK_MAX_COLUMNS];
	uint64_t address[M2D_WALK_MAX_COLUMNS]; /* translated by the column, */
	bool has_address[M2D_WALK_MAX_COLUMNS]; /* if known */
	unsigned n_guest, n_nested;             /* entries read */
} M2dGrid;

void m2d_walk_grid(const M2dWalkView *view, M2dGrid *grid);

/* m2d_walk_column_name: "gL4", "final"; static storage. */
const char *m2d_walk_column_name(unsigned level);
/* m2d_walk_row_name: "nL4", "guest", "entry" without a second dimension; static storage. */
const char *m2d_walk_row_name(const M2dWalkView *view, unsigned nested_level);
/* m2d_walk_entry_kind: "PML4E", "PDPTE", "PDE", "PTE" of the first dimension; static storage. */
const char *m2d_walk_entry_kind(unsigned level);
/* m2d_walk_step_name: "gL3" or "nL2@gL3", "nL1@final"; g_free(). */
char *m2d_walk_step_name(const M2dFetch *fetch);
/* m2d_walk_served: "L1", "L2", "L3", "memory". */
const char *m2d_walk_served(unsigned served_by);
/* m2d_walk_skip_name: of a cell, for people: "psc", "nested psc", ...; "" for others. */
const char *m2d_walk_skip_name(M2dCellKind kind);

/* m2d_walk_is_leaf: @fetch maps a page. */
bool m2d_walk_is_leaf(const M2dWalkView *view, const M2dFetch *fetch);
/* m2d_walk_flags: "P W U A D NX"; clear ones that matter are left out. g_free(). */
char *m2d_walk_flags(const M2dWalkView *view, const M2dFetch *fetch);
/* m2d_walk_updates: "+A", "+A +D" or "". */
const char *m2d_walk_updates(const M2dFetch *fetch);

/* m2d_walk_mode: "4-level guest x 4-level NPT"; g_free(). */
char *m2d_walk_mode(const M2dWalkView *view);
/* m2d_walk_access: "user read of 0x..."; g_free(). */
char *m2d_walk_access(const M2dWalkView *view);
/* m2d_walk_result: one line: the address, or the fault's name; g_free(). */
char *m2d_walk_result(const M2dWalkView *view);
/* m2d_walk_detail: page size and rights, or the fault's code bit by bit; g_free(). */
char *m2d_walk_detail(const M2dWalkView *view);
/* m2d_walk_count: "24 entries read: 4 guest + 20 nested"; g_free(). */
char *m2d_walk_count(const M2dWalkView *view, const M2dGrid *grid);
/* m2d_walk_cost: "5,012 cycles: walk_start 8, ..."; g_free(). */
char *m2d_walk_cost(const M2dWalkView *view);
/* m2d_walk_origin: where the tables came from; g_free(). */
char *m2d_walk_origin(const M2dWalkView *view);

/* m2d_walk_explain: one or two sentences on the @i-th entry read (from 0); g_free(). */
char *m2d_walk_explain(const M2dWalkView *view, uint32_t i);

typedef struct {
	const char *name; /* of the kind of code: "exit qualification" */
	uint64_t value;
	GPtrArray *bits; /* of char *: "bit 0 = 1: the page was present" */
} M2dFaultCode;

/* m2d_walk_fault_code: the code of the fault, decoded; bits is NULL if there is none. The caller
 * frees bits with g_ptr_array_unref(). */
void m2d_walk_fault_code(const M2dWalkView *view, M2dFaultCode *code);

/* m2d_walk_rights: "rwx", "r-x", "none" from bits of M2dAccKind; static storage. */
const char *m2d_walk_rights(uint8_t rights);

/* m2d_walk_put_xml: append @text, escaped; what XML cannot carry becomes '?'. */
void m2d_walk_put_xml(GString *s, const char *text);

/**
 * m2d_walk_svg_body: append the rest of an svg element whose name is written.
 * @ending: with result, cost and legend below the grid
 */
void m2d_walk_svg_body(const M2dWalkView *view, const M2dGrid *grid, bool ending, GString *s);
