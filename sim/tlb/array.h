/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One associative array of cached items with true LRU replacement: the building block of TLBs,
 * paging-structure caches and nested TLBs. Tags and data are one word each; tag 0 is a free slot.
 *
 * Invariants between calls: no tag stands twice in a set; @n_valid counts the tags that are not 0,
 * @n_class the same by class.
 */
#pragma once

#include "sim/engine/machine.h"
#include "sim/mem/arena.h"
#include "sim/tlb/recency.h"

#define M2D_MAX_WAYS 254

/* Links of one way in the recency list of its set; index @ways is the list's head and tail. */
typedef struct {
	uint8_t next; /* towards older */
	uint8_t prev; /* towards newer */
} M2dWayLink;

typedef struct {
	uint64_t *tag;     /* [sets * ways] */
	uint64_t *data;    /* [sets * ways] */
	uint64_t *order;   /* [sets], matrix or nibbles */
	M2dWayLink *link;  /* [sets * (ways + 1)], more than 16 ways */
	uint64_t *n_valid; /* items present */
	uint64_t *n_class; /* [4]: items present by class, see item.h */
	uint32_t set_mask;
	uint32_t ways; /* 0: the array does not exist */
	M2dRecency recency;
} M2dArray;

/* m2d_array_init: lay out @geometry in @arena; an absent geometry gives an array that is empty. */
void m2d_array_init(M2dArray *array, M2dArena *arena, M2dGeometry geometry);

/* m2d_array_find: slot in set @set of @tag or else of @other (which may be the same), or -1. Does
 * not touch the recency. */
static inline int32_t m2d_array_find(const M2dArray *array, uint32_t set, uint64_t tag,
				     uint64_t other)
{
	uint32_t base = set * array->ways, w = 0;
	const uint64_t *t = array->tag + base;

	/* By fours without a branch between: which way hits cannot be predicted. */
	for (; w + 4 <= array->ways; w += 4) {
		uint32_t hit = 0;

		for (uint32_t k = 0; k < 4; k++)
			hit |= (uint32_t)((t[w + k] == tag) | (t[w + k] == other)) << k;
		if (hit != 0)
			return (int32_t)(base + w + (uint32_t)__builtin_ctz(hit));
	}
	for (; w < array->ways; w++)
		if (t[w] == tag || t[w] == other)
			return (int32_t)(base + w);
	return -1;
}

void m2d_array_touch_list(const M2dArray *array, M2dArena *arena, uint32_t set, uint32_t way);

/* m2d_array_touch_list_plain: the same as plain stores: only while no journal is attached. */
M2D_ALWAYS_INLINE void m2d_array_touch_list_plain(const M2dArray *array, uint32_t set, uint32_t way)
{
	M2dWayLink *l = array->link + (size_t)set * (array->ways + 1);
	uint32_t head = array->ways, first = l[head].next, next, prev;

	if (first == way)
		return;
	next = l[way].next;
	prev = l[way].prev;
	l[prev].next = (uint8_t)next;
	l[next].prev = (uint8_t)prev;
	l[way].next = (uint8_t)first;
	l[way].prev = (uint8_t)head;
	l[first].prev = (uint8_t)way;
	l[head].next = (uint8_t)way;
}

/* m2d_array_touch: make @slot of @set the most recently used. */
M2D_ALWAYS_INLINE void m2d_array_touch(const M2dArray *array, M2dArena *arena, uint32_t set,
				       uint32_t slot)
{
	uint32_t way = slot - set * array->ways;

	if (array->recency == M2D_RECENCY_MATRIX) {
		m2d_set64(arena, &array->order[set], m2d_matrix_touch(array->order[set], way));
	} else if (array->recency == M2D_RECENCY_NIBBLES) {
		uint64_t *o = &array->order[set];

		if ((*o & 15) != way)
			m2d_set64(arena, o, m2d_nibbles_touch(*o, way));
	} else {
		m2d_array_touch_list(array, arena, set, way);
	}
}

/**
 * m2d_array_victim: slot of @set where a new item goes: a free one (the lowest), else the least
 * recently used. The caller stores tag and data with m2d_array_put().
 */
uint32_t m2d_array_victim(const M2dArray *array, uint32_t set);

/* m2d_array_put: store an item in @slot (evicting what is there) and make it most recent. */
void m2d_array_put(const M2dArray *array, M2dArena *arena, uint32_t set, uint32_t slot,
		   uint64_t tag, uint64_t data);

/* m2d_array_drop: free @slot, which must be in use. */
void m2d_array_drop(const M2dArray *array, M2dArena *arena, uint32_t slot);

/* m2d_array_slots: number of slots, for iteration. */
static inline uint32_t m2d_array_slots(const M2dArray *array)
{
	return (array->set_mask + 1) * array->ways;
}
