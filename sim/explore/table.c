/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open addressing with linear probing. A slot is one piece, so that a visit costs one access to
 * memory: the fingerprint, with wide ones its second half, and 16 bits where the engine needs them.
 * Where a fingerprint goes is its rank among all fingerprints times the capacity: a larger table
 * has the same order, and growing is one pass from end to end.
 *
 * The load is at most 0.8 and the table grows by a quarter: 12.5 to 15.6 bytes a state. Slots of 8
 * bytes leave room for growing less often: 0.75 and by 7 in 16, 10.7 to 15.3 bytes.
 */
#include "sim/explore/explore-private.h"

#include <string.h>

#include "sim/explore/pages.h"

#define FIRST_CAPACITY (UINT64_C(1) << 16)
/* Behind the last rank, so that probing never wraps; a longer run there grows the table. */
#define TAIL 1024u

#define SLOT_PLAIN 8u
#define SLOT_VALUE 10u
#define SLOT_WIDE  18u

static uint64_t size_of(const M2dExTable *t, uint64_t capacity)
{
	return (capacity + TAIL) * t->slot_bytes;
}

static bool allocate(M2dExTable *t, uint64_t capacity)
{
	void *p = m2d_ex_pages_new(size_of(t, capacity));

	if (p == NULL)
		return false;
	t->slot = p;
	t->capacity = capacity;
	t->limit = t->slot_bytes == SLOT_PLAIN ? capacity / 4 * 3 : capacity / 5 * 4;
	return true;
}

void m2d_ex_table_init(M2dExTable *t, bool values, bool wide, uint64_t max_bytes)
{
	*t = (M2dExTable){.max_bytes = max_bytes,
			  .slot_bytes = wide     ? SLOT_WIDE
					: values ? SLOT_VALUE
						 : SLOT_PLAIN};
	if (!allocate(t, FIRST_CAPACITY))
		g_error("no memory for a table of states");
}

void m2d_ex_table_clear(M2dExTable *t)
{
	m2d_ex_pages_free(t->slot, size_of(t, t->capacity));
	memset(t, 0, sizeof(*t));
}

/* In what follows @bytes is that of the table's slots, a constant wherever speed counts. */
M2D_ALWAYS_INLINE uint64_t key_at(const M2dExTable *t, uint64_t i, unsigned bytes)
{
	uint64_t key;

	memcpy(&key, t->slot + i * bytes, 8);
	return key;
}

M2D_ALWAYS_INLINE bool second_is(const M2dExTable *t, uint64_t i, uint64_t key2, unsigned bytes)
{
	uint64_t stored;

	if (bytes != SLOT_WIDE)
		return true;
	memcpy(&stored, t->slot + i * bytes + 10, 8);
	return stored == key2;
}

M2D_ALWAYS_INLINE uint64_t rank_of(const M2dExTable *t, uint64_t key)
{
	return (uint64_t)((unsigned __int128)(key * UINT64_C(0x9e3779b97f4a7c15)) * t->capacity >>
			  64);
}

void m2d_ex_table_prefetch(const M2dExTable *t, uint64_t key)
{
	__builtin_prefetch(t->slot + rank_of(t, key + (key == 0)) * t->slot_bytes);
}

M2D_ALWAYS_INLINE uint64_t find(const M2dExTable *t, uint64_t key, uint64_t key2, bool *there,
				unsigned bytes)
{
	uint64_t i, k;

	/* 0 marks a free slot. */
	key += key == 0;
	for (i = rank_of(t, key);; i++) {
		k = key_at(t, i, bytes);
		if (k == 0 || (k == key && second_is(t, i, key2, bytes))) {
			*there = k != 0;
			return i;
		}
	}
}

uint64_t m2d_ex_table_find(const M2dExTable *t, uint64_t key, uint64_t key2, bool *there)
{
	if (t->slot_bytes == SLOT_PLAIN)
		return find(t, key, key2, there, SLOT_PLAIN);
	if (t->slot_bytes == SLOT_VALUE)
		return find(t, key, key2, there, SLOT_VALUE);
	return find(t, key, key2, there, SLOT_WIDE);
}

static void put(M2dExTable *t, uint64_t i, uint64_t key, uint64_t key2, uint16_t value)
{
	uint8_t *slot = t->slot + i * t->slot_bytes;

	key += key == 0;
	memcpy(slot, &key, 8);
	if (t->slot_bytes != SLOT_PLAIN)
		memcpy(slot + 8, &value, 2);
	if (t->slot_bytes == SLOT_WIDE)
		memcpy(slot + 10, &key2, 8);
	t->n++;
	t->crowded |= i + 2 >= t->capacity + TAIL;
}

uint16_t m2d_ex_table_value(const M2dExTable *t, uint64_t i)
{
	uint16_t value;

	if (t->slot_bytes == SLOT_PLAIN)
		return 0;
	memcpy(&value, t->slot + i * t->slot_bytes + 8, 2);
	return value;
}

void m2d_ex_table_set(M2dExTable *t, uint64_t i, uint16_t value)
{
	if (t->slot_bytes != SLOT_PLAIN)
		memcpy(t->slot + i * t->slot_bytes + 8, &value, 2);
}

/* Ranks keep their order, so that most slots are free when their turn comes: only those of one run
 * of used slots are out of order. */
M2D_ALWAYS_INLINE void move_all(M2dExTable *t, const M2dExTable *old, unsigned bytes)
{
	uint64_t next = 0;

	for (uint64_t i = 0; i < old->capacity + TAIL; i++) {
		uint64_t key = key_at(old, i, bytes), to;

		if (key == 0)
			continue;
		to = rank_of(t, key);
		while (to < next && key_at(t, to, bytes) != 0)
			to++;
		next = MAX(next, to + 1);
		memcpy(t->slot + to * bytes, old->slot + i * bytes, bytes);
		t->crowded |= to + 2 >= t->capacity + TAIL;
	}
}

static bool grow(M2dExTable *t)
{
	M2dExTable old = *t;
	uint64_t capacity = t->slot_bytes == SLOT_PLAIN ? t->capacity + t->capacity / 16 * 7
							: t->capacity + t->capacity / 4;

	/* Both are there for a while. */
	if ((t->max_bytes != 0 && size_of(t, t->capacity) + size_of(t, capacity) > t->max_bytes) ||
	    !allocate(t, capacity))
		return false;
	t->crowded = false;
	if (t->slot_bytes == SLOT_PLAIN)
		move_all(t, &old, SLOT_PLAIN);
	else if (t->slot_bytes == SLOT_VALUE)
		move_all(t, &old, SLOT_VALUE);
	else
		move_all(t, &old, SLOT_WIDE);
	m2d_ex_pages_free(old.slot, size_of(&old, old.capacity));
	return true;
}

uint64_t m2d_ex_table_add(M2dExTable *t, uint64_t slot, uint64_t key, uint64_t key2, uint16_t value)
{
	bool there;

	while (t->n >= t->limit || t->crowded) {
		if (!grow(t))
			return UINT64_MAX;
		slot = m2d_ex_table_find(t, key, key2, &there);
	}
	put(t, slot, key, key2, value);
	return slot;
}

uint64_t m2d_ex_table_bytes(const M2dExTable *t)
{
	return size_of(t, t->capacity);
}
