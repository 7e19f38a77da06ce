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

/* One of the known steps is not told of now and then, so that it is run, and compared: see
 * m2d_ex_memo_step(). */
static G_GNUC_NO_INLINE void hide_one(M2dExMemo *m, M2dExAhead *ahead, unsigned n)
{
	unsigned alts = m->x->model.look_alts;

	for (unsigned k = 0; k < n; k++) {
		unsigned i = (m->n_probes + k) % n, actor = i / alts, alt = i % alts;
		uint32_t known = ahead[i].known;
		M2dExDue due = {m->x->model.arena->hash, known, (uint8_t)actor, (uint8_t)alt};

		if (known == 0)
			continue;
		g_assert(m->brief[known].ways == m->x->model.enabled(m->x, actor));
		if (alt >= m->brief[known].ways)
			continue;
		/* Some are never taken. */
		if (m->due->len >= MAX_DUE)
			g_array_set_size(m->due, 0);
		g_array_append_val(m->due, due);
		ahead[i].known = 0;
		break;
	}
	m->n_probes++;
}

/* The effect of the actor's step at the place, in the present state; 0: it is not known. */
static uint32_t find(M2dExMemo *m, unsigned actor, unsigned alt, M2dHash128 place)
{
	uint32_t known = m2d_ex_place_find(m, actor, alt, place);

	if (m2d_likely(known != 0))
		return known;
	known = m2d_ex_memo_find(m, &m->whole, *m2d_ex_memo_root(m, actor, alt));
	if (known != 0)
		m2d_ex_place_learn(m, actor, alt, place, known);
	return known;
}

/* @to leads where the effect does. */
M2D_ALWAYS_INLINE void lead(const M2dArena *arena, M2dExAhead *to, const M2dExBrief *b)
{
	uint64_t low;

	to->hash =
		arena->hash + b->hash + __builtin_add_overflow(arena->hash_low, b->hash_low, &low);
	to->hash2 = arena->hash2 ^ b->hash2;
}

/* The step of an actor behind the step @took (NULL: not known), before which it was @before, or is
 * not known (NULL). Returns in how many ways it can move. */
static unsigned look_at(M2dExMemo *m, const M2dExBrief *took, const M2dExAhead *before,
			M2dExAhead *to, unsigned actor, unsigned alt)
{
	M2dHash128 place;
	unsigned ways;

	if (m2d_likely(took != NULL && before->era == m->era)) {
		place = (M2dHash128){before->place_low, before->place_high};
		if (took->actor == actor)
			place.high += took->own.high +
				      __builtin_add_overflow(place.low, took->own.low, &place.low);
	} else {
		place = m2d_ex_place_of(m, actor);
	}
	*to = (M2dExAhead){.era = m->era, .place_high = place.high, .place_low = place.low};
	to->known = find(m, actor, alt, place);
	if (m2d_likely(to->known != 0)) {
		lead(m->x->model.arena, to, &m->brief[to->known]);
		return m->brief[to->known].ways;
	}
	ways = m->x->model.enabled(m->x, actor);
	if (alt >= ways)
		to->known = m2d_ex_memo_learn_ways(m, actor, alt);
	return ways;
}

uint32_t m2d_ex_memo_look(M2dExMemo *m, const M2dExAhead *before, M2dExAhead *ahead, uint8_t *ways)
{
	const M2dArena *arena = m->x->model.arena;
	unsigned alts = m->x->model.look_alts, n = m->x->model.n_actors * alts;
	uint32_t enabled = 0;

	if (before == NULL)
		m2d_ex_places_begin_era(m);
	for (unsigned i = 0; i < n; i++) {
		unsigned actor = alts == 1 ? i : i / alts;
		const M2dExBrief *took = NULL, *b;

		if (before != NULL && m->last != 0)
			took = brief_of(m, m->last);
		if (took != NULL && took->actor != actor && before[i].known != 0 &&
		    before[i].era == m->era && apart(took, b = brief_of(m, before[i].known))) {
			ahead[i] = before[i];
			lead(arena, &ahead[i], b);
			ways[actor] = b->ways;
		} else {
			ways[actor] = (uint8_t)look_at(m, took, before != NULL ? &before[i] : NULL,
						       &ahead[i], actor, i % alts);
		}
		enabled |= (uint32_t)(ways[actor] != 0) << actor;
	}
	m->until_probe -= (int)n;
	if (m2d_unlikely(m->until_probe <= 0)) {
		m->until_probe = (int)m->observed->probe_every;
		hide_one(m, ahead, n);
	}
	return enabled;
}

void m2d_ex_memo_again(M2dExMemo *m, uint32_t known, bool make)
{
	M2dExBrief *b = &m->brief[known];
	M2dArenaDelta delta;

	m->hits++;
	if (m2d_unlikely(++b->hits == UINT32_MAX))
		m2d_ex_memo_count(m);
	if (!make)
		return;
	delta = (M2dArenaDelta){b->hash, b->hash_low, b->hash2, 0};
	if (m2d_unlikely(b->end != 0))
		delta.used = m2d_ex_memo_effect(m, known)->used;
	m2d_arena_apply(m->x->model.arena, m->store + b->first, b->n, &delta);
	m->last = known;
}
