/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each actor would do next. After a step of another actor that has changed no word that an
 * actor's step reads, that step is what it was; otherwise it follows from the actor's place and the
 * shared words (memo-place.c), or from all that it reads.
 */
#include "sim/explore/memo-private.h"

#define MAX_DUE 4096u

/* What the step @took has changed @before has not read. */
static bool apart(const M2dExBrief *took, const M2dExBrief *before)
{
	uint64_t both = before->end;

	for (unsigned i = 0; i < M2D_EX_SET_WORDS; i++)
		both |= took->changed[i] & before->read[i];
	return both == 0;
}

/* The effect, in the present era. */
static const M2dExBrief *brief_of(M2dExMemo *m, uint32_t i)
{
	const M2dExBrief *b = &m->brief[i];

	if (m2d_unlikely(b->era != m->era))
		m2d_ex_places_refresh(m, i);
	return b;
}

/* The effect of the actor's step in the present state, 0: not known; @before: what a look told of
 * it before the last step, or NULL. */
static uint32_t next_of(M2dExMemo *m, const M2dExAhead *before, unsigned actor, unsigned alt,
			M2dHash128 *place)
{
	const M2dExBrief *took;
	uint32_t known;

	if (m2d_likely(before != NULL && m->last != 0 && before->era == m->era)) {
		took = brief_of(m, m->last);
		place->high = before->place_high;
		place->low = before->place_low;
		if (took->actor == actor)
			place->high +=
				took->own.high +
				__builtin_add_overflow(place->low, took->own.low, &place->low);
		else if (before->known != 0 && apart(took, brief_of(m, before->known)))
			return before->known;
	} else {
		*place = m2d_ex_place_of(m, actor);
	}
	known = m2d_ex_place_find(m, actor, alt, *place);
	if (m2d_likely(known != 0))
		return known;
	known = m2d_ex_memo_find(m, &m->whole, *m2d_ex_memo_root(m, actor, alt));
	if (known != 0)
		m2d_ex_place_learn(m, actor, alt, *place, known);
	return known;
}

/* Now and then what is known of a step is not told, so that it is run, and compared: see
 * m2d_ex_memo_step(). */
static bool is_due(M2dExMemo *m, unsigned actor, unsigned alt, uint32_t known)
{
	M2dExDue due = {m->x->model.arena->hash, known, (uint8_t)actor, (uint8_t)alt};

	if (m2d_likely(!m2d_ex_memo_count_down(m)))
		return false;
	g_assert(m->brief[known].ways == m->x->model.enabled(m->x, actor));
	if (alt >= m->brief[known].ways)
		return false;
	/* Some are never taken. */
	if (m->due->len >= MAX_DUE)
		g_array_set_size(m->due, 0);
	g_array_append_val(m->due, due);
	return true;
}

static void look_at(M2dExMemo *m, const M2dExAhead *before, M2dExAhead *ahead, unsigned actor,
		    unsigned alt, uint8_t *ways)
{
	const M2dArena *arena = m->x->model.arena;
	const M2dExBrief *b;
	M2dHash128 place;
	uint32_t known, era = m->era;
	uint64_t low;

	known = next_of(m, before, actor, alt, &place);
	*ahead = (M2dExAhead){.place_high = place.high, .place_low = place.low, .era = era};
	if (m2d_unlikely(known == 0)) {
		*ways = (uint8_t)m->x->model.enabled(m->x, actor);
		if (alt >= *ways)
			ahead->known = m2d_ex_memo_learn_ways(m, actor, alt);
		return;
	}
	b = &m->brief[known];
	*ways = b->ways;
	if (m2d_unlikely(is_due(m, actor, alt, known)))
		return;
	ahead->hash =
		arena->hash + b->hash + __builtin_add_overflow(arena->hash_low, b->hash_low, &low);
	ahead->hash2 = arena->hash2 ^ b->hash2;
	ahead->known = known;
}

void m2d_ex_memo_look(M2dExMemo *m, const M2dExAhead *before, M2dExAhead *ahead, uint8_t *ways)
{
	const M2dExModel *model = &m->x->model;

	for (unsigned a = 0; a < model->n_actors; a++)
		for (unsigned alt = 0; alt < model->look_alts; alt++) {
			unsigned i = a * model->look_alts + alt;

			look_at(m, before != NULL ? &before[i] : NULL, &ahead[i], a, alt, &ways[a]);
		}
}

void m2d_ex_memo_again(M2dExMemo *m, uint32_t known, bool make)
{
	M2dExBrief *b = &m->brief[known];
	M2dArenaDelta delta;

	if (m2d_unlikely(++b->hits == UINT32_MAX))
		m2d_ex_memo_count(m);
	m->hits++;
	if (!make)
		return;
	delta = (M2dArenaDelta){b->hash, b->hash_low, b->hash2, 0};
	if (m2d_unlikely(b->end != 0))
		delta.used = m2d_ex_memo_effect(m, known)->used;
	m2d_arena_apply(m->x->model.arena, m->store + b->first, b->n, &delta);
	m->last = known;
}
