/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A deterministic frame allocator over a range of frame numbers, for whoever plays the operating
 * system of a space: naturally aligned blocks of 4 KiB, 2 MiB and 1 GiB. Equal calls with equal
 * seeds give equal frames. It hands out numbers only and touches no frame.
 *
 * All state lies in the arena, so a rollback also takes allocations back. Memory is proportional
 * to the 2 MiB blocks touched, not to the range, which may span all 2^40 frames.
 *
 * Not modelled: watermarks, zones, NUMA nodes, and merging: a freed block is handed out again as
 * it is or is split, small blocks never grow together.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/base/addr.h"
#include "sim/mem/arena.h"

typedef struct _M2dFalloc M2dFalloc;

/**
 * m2d_falloc_new: an allocator of the frames @first_pfn .. @first_pfn + @n_frames - 1.
 * @first_pfn, @n_frames: multiples of 512 (2 MiB); the range ends at or below frame 2^40
 * @scatter: fragmentation from 0 to 1: the share of 4 KiB allocations that go to a pseudo-random
 *   place instead of beside the previous one. Places lie in the lower half of the range (at most
 *   its first 64 GiB), so that room for aligned 1 GiB blocks remains above.
 * @seed: of the pseudo-random places
 * Free with m2d_falloc_free(); the arena keeps the state.
 */
M2dFalloc *m2d_falloc_new(M2dArena *arena, uint64_t first_pfn, uint64_t n_frames, double scatter,
			  uint64_t seed);
void m2d_falloc_free(M2dFalloc *falloc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dFalloc, m2d_falloc_free)

/**
 * m2d_falloc_take: one block of @size; its first frame goes to *@pfn.
 * The block given back last comes first. False if no block of that size is left: for 4 KiB that
 * means no frame at all, for larger ones no aligned, untouched block.
 */
bool m2d_falloc_take(M2dFalloc *falloc, M2dPageSize size, uint64_t *pfn);
/* m2d_falloc_give: the block of @size at @pfn, taken before in that size, is free again. */
void m2d_falloc_give(M2dFalloc *falloc, M2dPageSize size, uint64_t pfn);

/* m2d_falloc_taken: frames of 4 KiB in blocks that are taken. */
uint64_t m2d_falloc_taken(const M2dFalloc *falloc);
