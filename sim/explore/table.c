/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open addressing with linear probing, load at most 0.7, arrays by field so that a probe reads keys
 * only. 10 bytes a slot (18 wide), hence about 14 bytes a state.
 */
#include "sim/explore/explore-private.h"

#include <string.h>

#define FIRST_CAPACITY (UINT64_C(1) << 16)

static uint64_t slot_bytes(const M2dExTable *t)
{
	return sizeof(uint64_t) + sizeof(uint16_t) + (t->key2 != NULL ? sizeof(uint64_t) : 0);
}

void m2d_ex_table_init(M2dExTable *t, bool wide, uint64_t max_bytes)
{
	*t = (M2dExTable){.capacity = FIRST_CAPACITY, .max_bytes = max_bytes};
	t->key = g_new0(uint64_t, t->capacity);
	t->value = g_new0(uint16_t, t->capacity);
	if (wide)
		t->key2 = g_new0(uint64_t, t->capacity);
}

void m2d_ex_table_clear(M2dExTable *t)
{
	g_free(t->key);
	g_free(t->key2);
	g_free(t->value);
	memset(t, 0, sizeof(*t));
}

uint64_t m2d_ex_table_find(M2dExTable *t, uint64_t key, uint64_t key2)
{
	/* 0 marks a free slot. */
	uint64_t mask = t->capacity - 1, i;

	key += key == 0;
	for (i = m2d_mix64(key) & mask;; i = (i + 1) & mask) {
		if (t->key[i] == 0)
			return i;
		if (t->key[i] == key && (t->key2 == NULL || t->key2[i] == key2))
			return i;
	}
}

static bool grow(M2dExTable *t)
{
	M2dExTable old = *t;

	if (t->max_bytes != 0 && 3 * t->capacity * slot_bytes(t) > t->max_bytes) {
		t->full = true;
		return false;
	}
	t->capacity *= 2;
	t->key = g_new0(uint64_t, t->capacity);
	t->value = g_new0(uint16_t, t->capacity);
	t->key2 = old.key2 != NULL ? g_new0(uint64_t, t->capacity) : NULL;
	for (uint64_t i = 0; i < old.capacity; i++) {
		uint64_t key2 = old.key2 != NULL ? old.key2[i] : 0, s;

		if (old.key[i] == 0)
			continue;
		s = m2d_ex_table_find(t, old.key[i], key2);
		t->key[s] = old.key[i];
		t->value[s] = old.value[i];
		if (t->key2 != NULL)
			t->key2[s] = key2;
	}
	g_free(old.key);
	g_free(old.key2);
	g_free(old.value);
	return true;
}

uint64_t m2d_ex_table_add(M2dExTable *t, uint64_t slot, uint64_t key, uint64_t key2, uint16_t value)
{
	if (10 * (t->n + 1) > 7 * t->capacity) {
		if (!grow(t))
			return UINT64_MAX;
		slot = m2d_ex_table_find(t, key, key2);
	}
	t->key[slot] = key + (key == 0);
	t->value[slot] = value;
	if (t->key2 != NULL)
		t->key2[slot] = key2;
	t->n++;
	return slot;
}

uint64_t m2d_ex_table_bytes(const M2dExTable *t)
{
	return t->capacity * slot_bytes(t);
}
