/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the engines. */
#pragma once

#include "sim/explore/explore.h"

/* --- fingerprints of visited states ------------------------------------------------------------
 */

/* Fingerprints, and 16 bits that an engine may keep with each. */
typedef struct {
	uint8_t *slot;
	unsigned slot_bytes;
	uint64_t capacity, n, limit; /* slots, used ones, when to grow */
	uint64_t max_bytes;          /* reserved for @slot */
	M2dExPages *pages;           /* that it comes from, or NULL */
	bool crowded;                /* the last slot is used */
} M2dExTable;

/* m2d_ex_table_init: without @values what is kept with each is 0 always. */
void m2d_ex_table_init(M2dExTable *table, bool values, bool wide, uint64_t max_bytes,
		       M2dExPages *pages);
void m2d_ex_table_clear(M2dExTable *table);

/* m2d_ex_table_rank: where a key other than 0 goes, if that is free. */
M2D_ALWAYS_INLINE uint64_t m2d_ex_table_rank(const M2dExTable *t, uint64_t key)
{
	return (uint64_t)((unsigned __int128)(key * UINT64_C(0x9e3779b97f4a7c15)) * t->capacity >>
			  64);
}

/* m2d_ex_table_prefetch: the state will be looked for soon. */
M2D_ALWAYS_INLINE void m2d_ex_table_prefetch(const M2dExTable *t, uint64_t key)
{
	__builtin_prefetch(t->slot + m2d_ex_table_rank(t, key) * t->slot_bytes);
}

/* m2d_ex_table_find: the slot of the state (*@there), or where it goes. */
uint64_t m2d_ex_table_find(const M2dExTable *table, uint64_t key, uint64_t key2, bool *there);
/* m2d_ex_table_find_plain: the same, of a table with neither values nor wide fingerprints. */
M2D_ALWAYS_INLINE uint64_t m2d_ex_table_find_plain(const M2dExTable *t, uint64_t key, bool *there)
{
	const uint64_t *slot = (const uint64_t *)(const void *)t->slot;
	uint64_t i, k;

	/* 0 marks a free slot. */
	key += key == 0;
	i = m2d_ex_table_rank(t, key);
	while ((k = slot[i]) != 0 && k != key)
		i++;
	*there = k != 0;
	return i;
}

uint16_t m2d_ex_table_value(const M2dExTable *table, uint64_t slot);
void m2d_ex_table_set(M2dExTable *table, uint64_t slot, uint16_t value);
/* m2d_ex_table_add: enter it at @slot (as found); may grow the table, which moves slots. Returns
 * the slot, or UINT64_MAX if there is no room. */
uint64_t m2d_ex_table_add(M2dExTable *table, uint64_t slot, uint64_t key, uint64_t key2,
			  uint16_t value);
uint64_t m2d_ex_table_bytes(const M2dExTable *table);

/* --- engines -----------------------------------------------------------------------------------
 */

typedef struct {
	const M2dExModel *m;
	const M2dExOptions *o;
	M2dExResult *r;
	gint64 start; /* monotonic, microseconds */
	uint64_t ticks;
	bool stop;
} M2dExRun;

/* Transitions between two looks at clock and user. */
#define M2D_EX_TICKS 4096u

/* m2d_ex_look_up: what m2d_ex_tick() does now and then. */
bool m2d_ex_look_up(M2dExRun *run);

/* m2d_ex_tick: count time and ask the user now and then; false: stop. */
static inline bool m2d_ex_tick(M2dExRun *run)
{
	return m2d_likely(++run->ticks % M2D_EX_TICKS != 0) || m2d_ex_look_up(run);
}

/* m2d_ex_found: a violation (0: a deadlock) at the end of @path[0..n-1]. */
void m2d_ex_found(M2dExRun *run, unsigned violation, const M2dExStep *path, uint64_t n);
/* m2d_ex_end_breaks: nobody can move: count the end and tell of it. True: it is a deadlock
 * (@violation 0) or breaks @violation. */
bool m2d_ex_end_breaks(M2dExRun *run, unsigned *violation);
/* m2d_ex_terminal: the same, and report it. */
void m2d_ex_terminal(M2dExRun *run, const M2dExStep *path, uint64_t n);

/* Mask of actors that can move. */
static inline uint32_t m2d_ex_enabled(const M2dExModel *m)
{
	uint32_t mask = 0;

	for (unsigned a = 0; a < m->n_actors; a++)
		if (m->enabled(m->data, a) != 0)
			mask |= 1u << a;
	return mask;
}

/* In a state where nobody can move: it is the end of a schedule, not a deadlock. */
static inline bool m2d_ex_all_done(const M2dExModel *m)
{
	for (unsigned a = 0; a < m->n_actors; a++)
		if (!m->done(m->data, a))
			return false;
	return true;
}

/* m2d_ex_still_asleep: actors in @sleep whose next step commutes with @actor's next step. */
uint32_t m2d_ex_still_asleep(const M2dExModel *m, uint32_t sleep, unsigned actor);
/* m2d_ex_persistent_set: the smallest one that begins with one of the @enabled actors. */
uint32_t m2d_ex_persistent_set(const M2dExModel *m, uint32_t enabled);

void m2d_ex_exhaust(M2dExRun *run);
void m2d_ex_shortest(M2dExRun *run);
void m2d_ex_dpor(M2dExRun *run);
void m2d_ex_random(M2dExRun *run);
