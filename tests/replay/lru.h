/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An independent model of the TLBs of one vCPU in one dimension: lists with the most recently used
 * item first, nothing else. It shares no code with the simulator but the machine description.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/engine/machine.h"

typedef struct {
	uint32_t sets, ways;
	uint64_t *key; /* [sets][ways], most recent first, 0: free */
} Lru;

typedef struct {
	const M2dMachine *m;
	Lru l1[2][M2D_N_SIZES]; /* data and fetches; a unified one stands at [0] */
	bool unified[2];
	Lru l2, l2_1g;
} LruTlb;

typedef enum {
	LRU_L1,
	LRU_L2,
	LRU_WALK
} LruHit;

void lru_init(LruTlb *t, const M2dMachine *m);
void lru_clear(LruTlb *t);
/* lru_access: @size: of the page; @owner: 1 + process, or 0 for a global page; @process: likewise,
 * whose tables are in force. */
LruHit lru_access(LruTlb *t, uint64_t va, bool fetch, M2dPageSize size, uint64_t owner,
		  uint64_t process);
/* lru_invlpg: forget the page of @va of @owner, and what else INVLPG drops. */
void lru_invlpg(LruTlb *t, uint64_t va, M2dPageSize size, uint64_t owner);
