/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "paths.h"

uint64_t paths_state(const M2dExModel *m)
{
	uint64_t h = 0;

	for (uint64_t i = 0; i < m->arena->used; i += 8) {
		uint64_t word;

		memcpy(&word, m->arena->base + i, 8);
		h = (h ^ word) * UINT64_C(0x100000001b3) + (h >> 29);
		h ^= h >> 32;
	}
	return h;
}

/* --- how many schedules ----------------------------------------------------------------------- */

static uint64_t *key_new(uint64_t key)
{
	uint64_t *k = g_new(uint64_t, 1);

	*k = key;
	return k;
}

static uint64_t count(const M2dExModel *m, GHashTable *known, int last, int left)
{
	uint64_t key = paths_state(m) ^ m2d_mix64((uint64_t)(last + 2) << 32 | (uint32_t)left),
		 n = 0;
	bool could_go_on = last >= 0 && m->enabled(m->data, (unsigned)last) != 0, any = false;
	const uint64_t *stored = g_hash_table_lookup(known, &key);

	if (stored != NULL)
		return *stored;
	for (unsigned a = 0; a < m->n_actors; a++) {
		bool preempts = could_go_on && (int)a != last;
		M2dMark mark;

		if (m->enabled(m->data, a) == 0)
			continue;
		any = true;
		if (preempts && left == 0)
			continue;
		mark = m2d_arena_mark(m->arena);
		m->step(m->data, a, 0);
		n += count(m, known, (int)a, left - (left > 0 && preempts));
		m2d_arena_rollback(m->arena, mark);
	}
	if (!any)
		n = 1;
	g_hash_table_insert(known, key_new(key), key_new(n));
	return n;
}

uint64_t paths_count(const M2dExModel *m, int bound)
{
	g_autoptr(GHashTable) known =
		g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);

	return count(m, known, -1, bound);
}

/* --- what is reachable ------------------------------------------------------------------------ */

static void reach(const M2dExModel *m, GHashTable *seen, Reachable *r)
{
	uint64_t key = paths_state(m);
	bool any = false, all = true;

	if (!g_hash_table_add(seen, key_new(key)))
		return;
	r->states++;
	for (unsigned a = 0; a < m->n_actors; a++) {
		M2dMark mark;

		all &= m->done(m->data, a);
		if (m->enabled(m->data, a) == 0)
			continue;
		any = true;
		mark = m2d_arena_mark(m->arena);
		m->step(m->data, a, 0);
		if (m->violation != NULL && m->violation(m->data) != 0)
			r->violated = true;
		else
			reach(m, seen, r);
		m2d_arena_rollback(m->arena, mark);
	}
	if (any)
		return;
	g_hash_table_add(r->ends, key_new(key));
	r->deadlocks += !all;
}

void paths_reachable(const M2dExModel *m, Reachable *r)
{
	g_autoptr(GHashTable) seen =
		g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

	*r = (Reachable){.ends = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL)};
	reach(m, seen, r);
}

void paths_reachable_clear(Reachable *r)
{
	g_hash_table_unref(r->ends);
}
