/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything a vCPU's caches hold, in architectural terms. */
#pragma once

#include "sim/tlb/tlb.h"

typedef struct {
	M2dArrayId array;
	bool upper;      /* paging-structure item */
	M2dCtxKind kind; /* of its context */
	bool global;
	uint32_t pcid;  /* unless global or guest-physical */
	uint32_t tag;   /* VPID or ASID */
	uint64_t root;  /* EP4TA */
	uint64_t va;    /* first address it is tagged with */
	unsigned shift; /* log2 of the bytes its tag covers */
	uint64_t tag_word, data;
} Item;

/* dump_items: all items, array by array; the caller frees the array of Item. */
GArray *dump_items(const M2dTlb *tlb);
/* dump_print: one item to stdout. */
void dump_print(const Item *item, const char *prefix);
