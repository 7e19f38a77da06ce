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

	m2d_arena_catch_up(m->x->model.arena);
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

/* The effect of the actor's step at the place that @to tells of, in the present state; 0: it is not
 * known. @root: of the tree there; 0: the place tells. */
static uint32_t find(M2dExMemo *m, unsigned actor, unsigned alt, M2dExAhead *to, uint32_t root)
{
	uint32_t known, none;

	if (root == 0)
		root = m2d_ex_memo_place(m, to->place)->root[alt];
	known = m2d_ex_memo_find(m, &m->shared, root, &to->leaf);
	if (m2d_likely(known != 0))
		return known;
	m2d_arena_catch_up(m->x->model.arena);
	known = m2d_ex_memo_find(m, &m->whole, *m2d_ex_memo_root(m, actor, alt), &none);
	if (known != 0)
		to->leaf = m2d_ex_place_learn(m, to->place, alt, known);
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

/* The step of an actor, which was @before (NULL: not known) until the last step was taken. Returns
 * in how many ways it can move. */
static unsigned look_at(M2dExMemo *m, const M2dExAhead *before, M2dExAhead *to, unsigned actor,
			unsigned alt)
{
	uint32_t root = 0;
	unsigned ways;

	if (m2d_unlikely(before == NULL || !m2d_ex_memo_is_place(m, before->place)))
		to->place = m2d_ex_place_now(m, actor);
	else if (m->brief[m->last].actor == actor)
		to->place = m2d_ex_place_after(m, before->place, alt == 0 ? &root : NULL);
	else
		to->place = before->place;
	to->known = find(m, actor, alt, to, root);
	if (m2d_likely(to->known != 0)) {
		lead(m->x->model.arena, to, brief_of(m, to->known));
		return m->brief[to->known].ways;
	}
	ways = m->x->model.enabled(m->x, actor);
	if (alt >= ways)
		to->known = m2d_ex_memo_learn_ways(m, actor, alt);
	return ways;
}

/* The same for all actors behind the step taken last; returns which of them can move. */
M2D_ALWAYS_INLINE uint32_t look_behind(M2dExMemo *m, const M2dExAhead *before, M2dExAhead *ahead,
				       uint8_t *ways, unsigned alts)
{
	const M2dExBrief *took = brief_of(m, m->last), *brief = m->brief;
	/* Looking changes nothing of it but where stores have been made. */
	const M2dArena here = *m->x->model.arena;
	unsigned n_movers = m->n_movers, mover = took->actor;
	uint32_t enabled = 0, first_place = m->first_place, era = m->era;

	for (unsigned actor = 0; actor < n_movers; actor++) {
		for (unsigned alt = 0; alt < alts; alt++, before++, ahead++) {
			const M2dExBrief *b = &brief[before->known];

			if (actor == mover || before->known == 0 || before->place < first_place ||
			    b->era != era || !apart(took, b)) {
				ways[actor] = (uint8_t)look_at(m, before, ahead, actor, alt);
				/* It may have learnt that a word is shared. */
				first_place = m->first_place;
				era = m->era;
				continue;
			}
			*ahead = *before;
			lead(&here, ahead, b);
			ways[actor] = b->ways;
		}
		enabled |= (uint32_t)(ways[actor] != 0) << actor;
	}
	return enabled;
}

/* The same behind an unknown step. */
static uint32_t look_anew(M2dExMemo *m, const M2dExAhead *before, M2dExAhead *ahead, uint8_t *ways)
{
	unsigned alts = m->x->model.look_alts;
	uint32_t enabled = 0;

	if (before == NULL)
		m2d_ex_places_begin_era(m);
	for (unsigned i = 0; i < m->n_movers * alts; i++) {
		unsigned actor = i / alts;

		ways[actor] = (uint8_t)look_at(m, NULL, &ahead[i], actor, i % alts);
		enabled |= (uint32_t)(ways[actor] != 0) << actor;
	}
	return enabled;
}

uint32_t m2d_ex_memo_look(M2dExMemo *m, const M2dExAhead *before, M2dExAhead *ahead, uint8_t *ways)
{
	unsigned alts = m->x->model.look_alts, n = m->n_movers * alts;
	uint32_t enabled;

	if (m2d_unlikely(before == NULL || m->last == 0))
		enabled = look_anew(m, before, ahead, ways);
	else if (m2d_likely(alts == 1))
		enabled = look_behind(m, before, ahead, ways, 1);
	else
		enabled = look_behind(m, before, ahead, ways, alts);
	for (unsigned actor = m->n_movers; actor < m->x->model.n_actors; actor++)
		ways[actor] = 0;
	m->until_probe -= (int)n;
	if (m2d_unlikely(m->until_probe <= 0)) {
		m->until_probe = (int)m->observed->probe_every;
		hide_one(m, ahead, n);
	}
	return enabled;
}

void m2d_ex_memo_make(M2dExMemo *m, uint32_t known, bool late)
{
	const M2dExBrief *b = brief_of(m, known);
	M2dArenaDelta delta = {b->hash, b->hash_low, b->hash2, 0};
	uint32_t n_now = b->n_shared;

	if (m2d_unlikely(!late || n_now == UINT16_MAX)) {
		m2d_arena_catch_up(m->x->model.arena);
		n_now = b->n;
	}
	if (m2d_unlikely(b->end != 0))
		delta.used = m2d_ex_memo_effect(m, known)->used;
	m2d_arena_apply(m->x->model.arena, m->store + b->first, n_now, b->n, &delta);
	m->last = known;
	m->last_leaf = 0;
}

void m2d_ex_memo_again(M2dExMemo *m, const M2dExAhead *a, M2dExAgain how)
{
	m2d_ex_memo_hit(m, a->known);
	if (m2d_likely(how == M2D_EX_COUNT))
		return;
	m2d_ex_memo_make(m, a->known, how == M2D_EX_TAKE_LATE);
	if (m2d_likely(m2d_ex_memo_is_place(m, a->place)))
		m->last_leaf = a->leaf;
}
