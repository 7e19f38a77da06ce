/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cache hierarchy as page-table entries see it: set-associative levels with LRU, indexed by
 * physical line. Levels 1 and 2 belong to a vCPU, level 3 to all of them.
 *
 * Not modelled: lines of ordinary data competing for the same sets, coherence, prefetchers. It
 * decides only what a fetch costs, so it is statistics, not state: it lives outside the arena.
 */
#pragma once

#include "sim/engine/machine.h"

typedef struct _M2dPteCache M2dPteCache;

/* m2d_ptecache_new: empty; @sibling: another vCPU's whose level 3 is shared, or NULL. */
M2dPteCache *m2d_ptecache_new(const M2dMachine *machine, M2dPteCache *sibling);
void m2d_ptecache_free(M2dPteCache *cache);

/**
 * m2d_ptecache_fetch: bring the line of @hpa in; returns the level that had it: 1..3, 4 memory.
 * @cycles: latency of that level.
 */
unsigned m2d_ptecache_fetch(M2dPteCache *cache, uint64_t hpa, uint32_t *cycles);
