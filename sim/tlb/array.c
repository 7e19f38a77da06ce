/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/tlb/array.h"

#include "sim/tlb/item.h"

static M2dWayLink *set_links(const M2dArray *array, uint32_t set)
{
	return array->link + (size_t)set * (array->ways + 1);
}

static void set_link(M2dArena *arena, M2dWayLink *l, uint8_t next, uint8_t prev)
{
	m2d_set8(arena, &l->next, next);
	m2d_set8(arena, &l->prev, prev);
}

void m2d_array_init(M2dArray *array, M2dArena *arena, M2dGeometry geometry)
{
	uint32_t sets, slots;

	*array = (M2dArray){0};
	if (geometry.entries == 0)
		return;
	g_assert(geometry.ways > 0 && geometry.ways <= M2D_MAX_WAYS);
	sets = geometry.entries / geometry.ways;
	g_assert(m2d_is_pow2(sets));
	slots = sets * geometry.ways;
	array->ways = geometry.ways;
	array->set_mask = sets - 1;
	array->tag = m2d_arena_alloc(arena, slots * sizeof(uint64_t), 64);
	array->data = m2d_arena_alloc(arena, slots * sizeof(uint64_t), 64);
	array->n_valid = m2d_arena_alloc(arena, sizeof(uint64_t), 8);
	array->n_class = m2d_arena_alloc(arena, 4 * sizeof(uint64_t), 8);
	array->recency = m2d_recency_kind(geometry.ways);
	if (array->recency != M2D_RECENCY_LIST) {
		array->order = m2d_arena_alloc(arena, sets * sizeof(uint64_t), 64);
		for (uint32_t s = 0; s < sets; s++)
			m2d_set64(arena, &array->order[s], m2d_recency_init(geometry.ways));
		return;
	}
	array->link = m2d_arena_alloc(
		arena, (uint64_t)sets * (geometry.ways + 1) * sizeof(M2dWayLink), 64);
	for (uint32_t s = 0; s < sets; s++) {
		M2dWayLink *l = set_links(array, s);
		uint32_t n = geometry.ways;

		for (uint32_t w = 0; w <= n; w++)
			set_link(arena, &l[w], (uint8_t)(w == n ? 0 : w + 1),
				 (uint8_t)(w == 0 ? n : w - 1));
	}
}

void m2d_array_touch_list(const M2dArray *array, M2dArena *arena, uint32_t set, uint32_t way)
{
	M2dWayLink *l = set_links(array, set);
	uint32_t head = array->ways, first = l[head].next;

	if (first == way)
		return;
	/* Unlink, then insert before the former first. */
	m2d_set8(arena, &l[l[way].prev].next, l[way].next);
	m2d_set8(arena, &l[l[way].next].prev, l[way].prev);
	set_link(arena, &l[way], (uint8_t)first, (uint8_t)head);
	m2d_set8(arena, &l[first].prev, (uint8_t)way);
	m2d_set8(arena, &l[head].next, (uint8_t)way);
}

uint32_t m2d_array_victim(const M2dArray *array, uint32_t set)
{
	uint32_t base = set * array->ways;

	if (*array->n_valid < m2d_array_slots(array)) {
		for (uint32_t w = 0; w < array->ways; w++)
			if (array->tag[base + w] == 0)
				return base + w;
	}
	switch (array->recency) {
	case M2D_RECENCY_MATRIX:
		return base + m2d_matrix_oldest(array->order[set], array->ways);
	case M2D_RECENCY_NIBBLES:
		return base + m2d_nibbles_oldest(array->order[set], array->ways);
	case M2D_RECENCY_LIST:
		break;
	}
	return base + set_links(array, set)[array->ways].prev;
}

static void uncount(const M2dArray *array, M2dArena *arena, uint64_t tag)
{
	uint64_t *n = &array->n_class[m2d_tag_class(tag)];

	m2d_set64(arena, array->n_valid, *array->n_valid - 1);
	m2d_set64(arena, n, *n - 1);
}

void m2d_array_put(const M2dArray *array, M2dArena *arena, uint32_t set, uint32_t slot,
		   uint64_t tag, uint64_t data)
{
	uint64_t old = array->tag[slot];

	if (old == 0 || m2d_tag_class(old) != m2d_tag_class(tag)) {
		uint64_t *n = &array->n_class[m2d_tag_class(tag)];

		if (old != 0)
			uncount(array, arena, old);
		m2d_set64(arena, array->n_valid, *array->n_valid + 1);
		m2d_set64(arena, n, *n + 1);
	}
	m2d_set64(arena, &array->tag[slot], tag);
	m2d_set64(arena, &array->data[slot], data);
	m2d_array_touch(array, arena, set, slot);
}

void m2d_array_drop(const M2dArray *array, M2dArena *arena, uint32_t slot)
{
	g_assert(array->tag[slot] != 0);
	uncount(array, arena, array->tag[slot]);
	m2d_set64(arena, &array->tag[slot], 0);
	m2d_set64(arena, &array->data[slot], 0);
}
