/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reference loop that replay's speed is a ratio of: two levels of set-associative TLB with
 * LRU, tags with ASID, permissions and frame, which only counts hits and misses. No tables, no
 * walks, no modes: what a class assignment would do, written to be fast.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sim/trace/record.h"

typedef struct {
	uint64_t l1_hits, l2_hits, misses, faults;
} PlainCounts;

typedef struct _Plain Plain;

/* Instruction and data side of 64 entries in 4 ways each, 1,536 entries in 12 ways behind them. */
Plain *plain_new(void);
void plain_free(Plain *plain);
void plain_run(Plain *plain, const M2dRef *refs, size_t n, uint32_t asid);
PlainCounts plain_counts(const Plain *plain);
