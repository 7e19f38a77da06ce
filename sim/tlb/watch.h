/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A watcher of the caches of one logical processor: told what a walk starts from, what becomes of
 * it and what goes, so that it can keep by slot where each item came from. Hits in a TLB are not
 * told: nothing changes. Arrays that share one structure are named by the first of them.
 *
 * Calls come in the order of a walk: begin; use for each paging-structure or nested-TLB item it
 * goes on from; fill for each item made of what was read since (the walk log has that); a fill
 * or copy replaces what its slot held.
 */
#pragma once

#include <stdint.h>

typedef struct {
	/* A walk from a root, or from what a cache holds, begins; an earlier attempt counts no
	 * more. */
	void (*begin)(void *data);
	void (*use)(void *data, unsigned array, uint32_t slot);
	void (*fill)(void *data, unsigned array, uint32_t slot);
	void (*copy)(void *data, unsigned from, uint32_t from_slot, unsigned to, uint32_t to_slot);
	/* The item goes, by an invalidation or a fault; not told for what a fill replaces. */
	void (*drop)(void *data, unsigned array, uint32_t slot);
	void *data;
} M2dTlbWatch;
