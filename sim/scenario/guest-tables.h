/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's page tables as its kernel made them before the run: real entries in guest memory. The
 * kernel maps all memory that tables are made in at a fixed linear address (its direct map), in
 * every address space, so that its programs can store to their own entries.
 */
#pragma once

#include "sim/kvm/kvm.h"

typedef struct {
	M2dVm *vm;
	M2dPteFormat fmt;
	uint64_t next, end; /* guest-physical addresses of frames for tables */
	uint64_t direct_map;
	bool nx; /* EFER.NXE: entries may forbid execution */
} M2dGuestTables;

/* m2d_guest_tables_init: tables come from [@first, @end). @regs decide the format. */
void m2d_guest_tables_init(M2dGuestTables *t, M2dVm *vm, const M2dRegs *regs, uint64_t first,
			   uint64_t end);
/* m2d_guest_tables_new: a zeroed table; 0: no frame is left or no memory is there. */
uint64_t m2d_guest_tables_new(M2dGuestTables *t);
/* m2d_guest_tables_map: map the page of 2^@shift bytes at @gva below @root with M2D_OP_RIGHT_*.
 * False: no frame left, or the mode has no such page, or a larger page is in the way. */
bool m2d_guest_tables_map(M2dGuestTables *t, uint64_t root, uint64_t gva, uint64_t gpa,
			  unsigned shift, unsigned rights);
/* m2d_guest_tables_find: the entry for @gva at @level or where the tables end above it; false if
 * memory is missing. @level: in: the level wanted; out: where @entry_gpa is. */
bool m2d_guest_tables_find(const M2dGuestTables *t, uint64_t root, uint64_t gva, unsigned *level,
			   uint64_t *entry_gpa, uint64_t *value);
