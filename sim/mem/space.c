/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A space is an open-addressing hash from pfn to the arena offset of the frame's bytes. The table
 * is arena state like the frames: rolling back to a mark also takes frames back out of it.
 * A derived space stores the offset of the parent's frame, so a read costs one probe at any depth
 * of nesting.
 *
 * Not modelled: memory types, ECC, ranges without memory behind them.
 */
#include "sim/mem/space.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 1024

typedef struct {
	uint64_t key;   /* pfn + 1; 0: free */
	uint64_t frame; /* arena offset of the bytes; 0: unmapped again (tombstone) */
} M2dSlot;

/* The part of a space that changes: in the arena. */
typedef struct {
	uint64_t table;    /* arena offset of the slots */
	uint64_t capacity; /* power of two */
	uint64_t n_keys;   /* keys in the table, tombstones included */
	uint64_t n_frames;
} M2dSpaceState;

typedef struct {
	M2dWriteObserver fn;
	void *data;
} M2dObserver;

struct _M2dSpace {
	M2dArena *arena;
	M2dSpace *parent;
	M2dSpaceState *state;
	GArray *observers; /* of M2dObserver; NULL while there are none */
};

static M2dSpace *space_new(M2dArena *arena, M2dSpace *parent)
{
	M2dSpace *space = g_new0(M2dSpace, 1);

	space->arena = arena;
	space->parent = parent;
	space->state = m2d_arena_alloc(arena, sizeof(M2dSpaceState), 64);
	m2d_set64(arena, &space->state->capacity, FIRST_CAPACITY);
	m2d_set64(arena, &space->state->table,
		  m2d_arena_offset(arena,
				   m2d_arena_alloc(arena, FIRST_CAPACITY * sizeof(M2dSlot), 64)));
	return space;
}

M2dSpace *m2d_space_new(M2dArena *arena)
{
	return space_new(arena, NULL);
}

M2dSpace *m2d_space_derive(M2dSpace *parent)
{
	return space_new(parent->arena, parent);
}

void m2d_space_free(M2dSpace *space)
{
	if (space == NULL)
		return;
	if (space->observers != NULL)
		g_array_unref(space->observers);
	g_free(space);
}

M2dArena *m2d_space_arena(const M2dSpace *space)
{
	return space->arena;
}

uint64_t m2d_space_frames(const M2dSpace *space)
{
	return space->state->n_frames;
}

/* The slot of @pfn, or the free slot where it would go. */
static M2dSlot *slot_find(const M2dSpace *space, uint64_t pfn)
{
	const M2dSpaceState *st = space->state;
	M2dSlot *slots = m2d_arena_at(space->arena, st->table);
	/* Bits 32 and up of the product depend on all 40 bits of a pfn at any capacity. */
	uint64_t i = (pfn * UINT64_C(0x9e3779b97f4a7c15)) >> 32;

	for (;; i++) {
		M2dSlot *s = &slots[i & (st->capacity - 1)];

		if (s->key == pfn + 1 || s->key == 0)
			return s;
	}
}

static void table_grow(M2dSpace *space)
{
	M2dSpaceState *st = space->state;
	M2dArena *arena = space->arena;
	uint64_t old_cap = st->capacity;
	M2dSlot *old = m2d_arena_at(arena, st->table);
	M2dSlot *new = m2d_arena_alloc(arena, 2 * old_cap * sizeof(M2dSlot), 64);

	m2d_set64(arena, &st->table, m2d_arena_offset(arena, new));
	m2d_set64(arena, &st->capacity, 2 * old_cap);
	for (uint64_t i = 0; i < old_cap; i++) {
		M2dSlot *s;

		if (old[i].key == 0)
			continue;
		s = slot_find(space, old[i].key - 1);
		m2d_set64(arena, &s->key, old[i].key);
		m2d_set64(arena, &s->frame, old[i].frame);
	}
}

static void slot_fill(M2dSpace *space, uint64_t pfn, uint64_t frame)
{
	M2dSpaceState *st = space->state;
	M2dArena *arena = space->arena;
	M2dSlot *s = slot_find(space, pfn);

	if (s->key == 0) {
		if (2 * (st->n_keys + 1) > st->capacity) {
			table_grow(space);
			s = slot_find(space, pfn);
		}
		m2d_set64(arena, &s->key, pfn + 1);
		m2d_set64(arena, &st->n_keys, st->n_keys + 1);
	}
	if (s->frame == 0)
		m2d_set64(arena, &st->n_frames, st->n_frames + 1);
	m2d_set64(arena, &s->frame, frame);
}

uint64_t *m2d_space_frame(const M2dSpace *space, uint64_t pfn)
{
	const M2dSlot *s = slot_find(space, pfn);

	return s->key != 0 && s->frame != 0 ? m2d_arena_at(space->arena, s->frame) : NULL;
}

uint64_t *m2d_space_frame_make(M2dSpace *space, uint64_t pfn)
{
	uint64_t *f = m2d_space_frame(space, pfn);

	g_assert(pfn < UINT64_C(1) << (M2D_PHYS_BITS - M2D_PAGE_SHIFT));
	if (f != NULL || space->parent != NULL)
		return f;
	f = m2d_arena_alloc(space->arena, M2D_PAGE_SIZE, M2D_PAGE_SIZE);
	slot_fill(space, pfn, m2d_arena_offset(space->arena, f));
	return f;
}

void m2d_space_map(M2dSpace *space, uint64_t pfn, uint64_t parent_pfn)
{
	uint64_t *f;

	g_assert(space->parent != NULL);
	f = m2d_space_frame_make(space->parent, parent_pfn);
	g_assert(f != NULL);
	slot_fill(space, pfn, m2d_arena_offset(space->arena, f));
}

void m2d_space_unmap(M2dSpace *space, uint64_t pfn)
{
	M2dSlot *s = slot_find(space, pfn);

	g_assert(space->parent != NULL);
	if (s->key == 0 || s->frame == 0)
		return;
	m2d_set64(space->arena, &s->frame, 0);
	m2d_set64(space->arena, &space->state->n_frames, space->state->n_frames - 1);
}

static int cmp_slot(const void *a, const void *b)
{
	uint64_t x = ((const M2dSlot *)a)->key, y = ((const M2dSlot *)b)->key;

	return (x > y) - (x < y);
}

void m2d_space_foreach(const M2dSpace *space,
		       void (*fn)(uint64_t pfn, const uint64_t *words, void *data), void *data)
{
	const M2dSpaceState *st = space->state;
	const M2dSlot *slots = m2d_arena_at(space->arena, st->table);
	g_autofree M2dSlot *sorted = g_new(M2dSlot, st->n_frames + 1);
	uint64_t n = 0;

	for (uint64_t i = 0; i < st->capacity; i++)
		if (slots[i].key != 0 && slots[i].frame != 0)
			sorted[n++] = slots[i];
	qsort(sorted, n, sizeof(M2dSlot), cmp_slot);
	for (uint64_t i = 0; i < n; i++)
		fn(sorted[i].key - 1, m2d_arena_at(space->arena, sorted[i].frame), data);
}

static void notify(M2dSpace *space, M2dHpa pa, uint64_t old_value, uint64_t new_value,
		   unsigned size)
{
	M2dWrite w = {space, pa, old_value, new_value, size};

	/* An observer may take itself off the list. */
	for (guint i = 0; space->observers != NULL && i < space->observers->len; i++) {
		M2dObserver o = g_array_index(space->observers, M2dObserver, i);

		o.fn(&w, o.data);
	}
}

void m2d_space_write64(M2dSpace *space, M2dHpa pa, uint64_t value)
{
	uint64_t *f = m2d_space_frame_make(space, pa.v >> M2D_PAGE_SHIFT), *p, old;

	g_assert(f != NULL && (pa.v & 7) == 0);
	p = &f[(pa.v & 4095) / 8];
	old = *p;
	m2d_set64(space->arena, p, value);
	if (m2d_unlikely(space->observers != NULL))
		notify(space, pa, old, value, 8);
}

void m2d_space_write32(M2dSpace *space, M2dHpa pa, uint32_t value)
{
	uint64_t *f = m2d_space_frame_make(space, pa.v >> M2D_PAGE_SHIFT);
	uint32_t *p, old;

	g_assert(f != NULL && (pa.v & 3) == 0);
	p = &((uint32_t *)f)[(pa.v & 4095) / 4];
	old = *p;
	m2d_set32(space->arena, p, value);
	if (m2d_unlikely(space->observers != NULL))
		notify(space, pa, old, value, 4);
}

void m2d_space_fill(M2dSpace *space, uint64_t pfn, uint64_t value)
{
	uint64_t *f = m2d_space_frame(space, pfn);

	g_assert(f != NULL);
	m2d_arena_fill(space->arena, f, M2D_PAGE_SIZE / 8, value);
}

void m2d_space_read(const M2dSpace *space, M2dHpa pa, void *buf, uint64_t len)
{
	uint8_t *out = buf;

	while (len > 0) {
		uint64_t in = pa.v & 4095, n = MIN(M2D_PAGE_SIZE - in, len);
		const uint64_t *f = m2d_space_frame(space, pa.v >> M2D_PAGE_SHIFT);

		if (f != NULL)
			memcpy(out, (const uint8_t *)f + in, n);
		else
			memset(out, 0, n);
		out += n;
		pa.v += n;
		len -= n;
	}
}

/* Largest aligned store that fits @len bytes at @pa: observers see the stores a CPU would make. */
static unsigned store_size(uint64_t pa, uint64_t len)
{
	for (unsigned size = 8; size > 1; size /= 2)
		if (len >= size && (pa & (size - 1)) == 0)
			return size;
	return 1;
}

bool m2d_space_write(M2dSpace *space, M2dHpa pa, const void *buf, uint64_t len)
{
	const uint8_t *in = buf;

	while (len > 0) {
		uint64_t off = pa.v & 4095, n = MIN(M2D_PAGE_SIZE - off, len);
		uint8_t *f = (uint8_t *)m2d_space_frame_make(space, pa.v >> M2D_PAGE_SHIFT);

		if (f == NULL)
			return false;
		if (m2d_unlikely(space->observers != NULL)) {
			uint64_t old_value = 0, new_value = 0;

			n = store_size(pa.v, n);
			memcpy(&old_value, f + off, n);
			memcpy(&new_value, in, n);
			m2d_arena_write(space->arena, f + off, in, n);
			notify(space, pa, old_value, new_value, (unsigned)n);
		} else {
			m2d_arena_write(space->arena, f + off, in, n);
		}
		in += n;
		pa.v += n;
		len -= n;
	}
	return true;
}

void m2d_space_observe(M2dSpace *space, M2dWriteObserver observer, void *data)
{
	M2dObserver o = {observer, data};

	if (space->observers == NULL)
		space->observers = g_array_new(FALSE, FALSE, sizeof(M2dObserver));
	g_array_append_val(space->observers, o);
}

void m2d_space_unobserve(M2dSpace *space, M2dWriteObserver observer, void *data)
{
	for (guint i = 0; space->observers != NULL && i < space->observers->len; i++) {
		M2dObserver *o = &g_array_index(space->observers, M2dObserver, i);

		if (o->fn == observer && o->data == data) {
			g_array_remove_index(space->observers, i);
			break;
		}
	}
	if (space->observers != NULL && space->observers->len == 0)
		g_clear_pointer(&space->observers, g_array_unref);
}
