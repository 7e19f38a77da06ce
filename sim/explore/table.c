/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open addressing with linear probing. A slot is one piece, so that a visit costs one access to
 * memory: the fingerprint, with wide ones its second half, and 16 bits where the engine needs them.
 * Where a fingerprint goes is its rank among all fingerprints times the capacity: a larger table
 * has the same order, and growing is one pass from the end to the start, in place.
 *
 * The load is at most 0.8 and the table grows by a quarter: 12.5 to 15.6 bytes a state. Slots of 8
 * bytes leave room for growing less often: 0.75 and by 7 in 16, 10.7 to 15.3 bytes.
 */
#include "sim/explore/explore-private.h"

#include <string.h>
#include <unistd.h>

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

static void set_capacity(M2dExTable *t, uint64_t capacity)
{
	t->capacity = capacity;
	t->limit = t->slot_bytes == SLOT_PLAIN ? capacity / 4 * 3 : capacity / 5 * 4;
}

/* Address space for all that the table may become; memory is taken as it grows. */
static void reserve(M2dExTable *t, uint64_t max_bytes)
{
	uint64_t least = size_of(t, FIRST_CAPACITY);

	if (max_bytes == 0)
		max_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	for (t->max_bytes = MAX(max_bytes, least);; t->max_bytes = MAX(t->max_bytes / 2, least)) {
		t->slot = m2d_ex_pages_take(t->pages, t->max_bytes);
		if (t->slot != NULL)
			return;
		if (t->max_bytes == least)
			g_error("no memory for a table of states");
	}
}

void m2d_ex_table_init(M2dExTable *t, bool values, bool wide, uint64_t max_bytes, M2dExPages *pages)
{
	*t = (M2dExTable){.slot_bytes = wide     ? SLOT_WIDE
					: values ? SLOT_VALUE
						 : SLOT_PLAIN,
			  .pages = pages};
	reserve(t, max_bytes);
	set_capacity(t, FIRST_CAPACITY);
}

void m2d_ex_table_clear(M2dExTable *t)
{
	m2d_ex_pages_give(t->pages, t->slot, t->max_bytes, size_of(t, t->capacity));
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

M2D_ALWAYS_INLINE uint64_t find(const M2dExTable *t, uint64_t key, uint64_t key2, bool *there,
				unsigned bytes)
{
	uint64_t i, k;

	/* 0 marks a free slot. */
	key += key == 0;
	for (i = m2d_ex_table_rank(t, key);; i++) {
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
		return m2d_ex_table_find_plain(t, key, there);
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

/* Put a slot of the smaller table where it goes; false: it goes before @end, which is to be left
 * alone. */
M2D_ALWAYS_INLINE bool move(M2dExTable *t, const uint8_t *slot, uint64_t end, unsigned bytes)
{
	uint64_t key, to;

	memcpy(&key, slot, 8);
	to = m2d_ex_table_rank(t, key);
	if (m2d_unlikely(to < end))
		return false;
	while (key_at(t, to, bytes) != 0)
		to++;
	memcpy(t->slot + to * bytes, slot, bytes);
	t->crowded |= to + 2 >= t->capacity + TAIL;
	return true;
}

/* From the end on, since ranks grow: what is behind a slot has been moved when its turn comes. Only
 * near the start can one have been so far behind its rank that it goes to a place before. */
M2D_ALWAYS_INLINE void move_all(M2dExTable *t, uint64_t n_slots, unsigned bytes)
{
	g_autoptr(GByteArray) early = g_byte_array_new();

	for (uint64_t i = n_slots; i-- != 0;) {
		uint8_t slot[SLOT_WIDE];

		if (key_at(t, i, bytes) == 0)
			continue;
		memcpy(slot, t->slot + i * bytes, bytes);
		memset(t->slot + i * bytes, 0, bytes);
		if (!move(t, slot, i + 1, bytes))
			g_byte_array_append(early, slot, bytes);
	}
	for (guint i = 0; i < early->len; i += bytes)
		move(t, early->data + i, 0, bytes);
}

static bool grow(M2dExTable *t)
{
	uint64_t n_slots = t->capacity + TAIL;
	uint64_t capacity = t->slot_bytes == SLOT_PLAIN ? t->capacity + t->capacity / 16 * 7
							: t->capacity + t->capacity / 4;

	if (size_of(t, capacity) > t->max_bytes)
		return false;
	set_capacity(t, capacity);
	t->crowded = false;
	if (t->slot_bytes == SLOT_PLAIN)
		move_all(t, n_slots, SLOT_PLAIN);
	else if (t->slot_bytes == SLOT_VALUE)
		move_all(t, n_slots, SLOT_VALUE);
	else
		move_all(t, n_slots, SLOT_WIDE);
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
