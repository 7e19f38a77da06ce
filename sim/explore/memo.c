/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/memo-private.h"

#include <string.h>

/* Bounds of memory: 16 bytes a node, 24 a change, 4 a word that is read. */
#define MAX_NODES   (UINT32_C(4) << 20)
#define MAX_CHANGES (UINT32_C(1) << 20)
#define MAX_READS   (UINT32_C(8) << 20)

M2dExMemo *m2d_ex_memo_new(M2dExWorld *x, const M2dExObserved *observed)
{
	M2dExMemo *m = g_new0(M2dExMemo, 1);
	M2dExNode no_node = {0};
	M2dExEffect no_effect = {0};
	M2dExBrief no_brief = {0};

	m->x = x;
	m->observed = observed;
	m->node = g_array_new(FALSE, FALSE, sizeof(M2dExNode));
	m->effect = g_array_new(FALSE, FALSE, sizeof(M2dExEffect));
	m->change = g_array_new(FALSE, FALSE, sizeof(M2dArenaChange));
	m->count = g_array_new(FALSE, FALSE, sizeof(M2dExCount));
	m->read = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	m->due = g_array_new(FALSE, FALSE, sizeof(M2dExDue));
	m->brief = g_array_new(FALSE, FALSE, sizeof(M2dExBrief));
	m2d_ex_places_init(m);
	g_array_append_val(m->node, no_node);
	g_array_append_val(m->effect, no_effect);
	g_array_append_val(m->brief, no_brief);
	m->n_counters = M2D_N_INVARIANTS + M2D_N_POINTS + x->s->n_steps;
	m->before = g_new0(uint64_t, m->n_counters);
	m->after = g_new0(uint64_t, m->n_counters);
	return m;
}

void m2d_ex_memo_free(M2dExMemo *m)
{
	if (m == NULL)
		return;
	g_array_unref(m->node);
	g_array_unref(m->effect);
	g_array_unref(m->change);
	g_array_unref(m->count);
	g_array_unref(m->read);
	g_array_unref(m->brief);
	g_array_unref(m->due);
	m2d_ex_places_clear(m);
	g_free(m->reads.touched);
	g_free(m->reads.word);
	g_free(m->before);
	g_free(m->after);
	g_free(m);
}

/* --- statistics ------------------------------------------------------------------------------- */

static void get_counters(const M2dExMemo *m, uint64_t *n)
{
	const M2dExWorld *x = m->x;

	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++)
		*n++ = m2d_check_premises(x->check, (M2dInvariantId)i);
	memcpy(n, x->w->vm->rt->point_count, sizeof(x->w->vm->rt->point_count));
	memcpy(n + M2D_N_POINTS, x->ended, x->s->n_steps * sizeof(uint64_t));
}

static void add_count(M2dExMemo *m, M2dExCount c, uint64_t times)
{
	uint64_t n = times * c.by;

	if (c.which < M2D_N_INVARIANTS)
		m->premises[c.which] += n;
	else if (c.which < M2D_N_INVARIANTS + M2D_N_POINTS)
		m->x->w->vm->rt->point_count[c.which - M2D_N_INVARIANTS] += n;
	else
		m->x->ended[c.which - M2D_N_INVARIANTS - M2D_N_POINTS] += n;
}

void m2d_ex_memo_count(M2dExMemo *m)
{
	for (guint i = 0; i < m->effect->len; i++) {
		M2dExEffect *e = &g_array_index(m->effect, M2dExEffect, i);

		for (uint32_t k = 0; k < e->n_count && e->hits != 0; k++)
			add_count(m, g_array_index(m->count, M2dExCount, e->first_count + k),
				  e->hits);
		e->hits = 0;
	}
}

uint64_t m2d_ex_memo_hits(const M2dExMemo *m)
{
	return m->hits;
}

uint64_t m2d_ex_memo_premises(M2dExMemo *m, M2dInvariantId id)
{
	m2d_ex_memo_count(m);
	return m->premises[id];
}

/* --- steps ------------------------------------------------------------------------------------ */

/* Any function of the state will do to choose one of the actor's trees; this one tells most steps
 * apart. */
uint32_t *m2d_ex_memo_root(M2dExMemo *m, unsigned actor, unsigned alt)
{
	const M2dTask *t = m->x->w->vm->rt->task[actor];
	uint64_t head, frame;

	memcpy(&head, &t->sp, 8);
	memcpy(&frame, t->stack + t->top, 8);
	head = (head ^ frame << 21 ^ m->x->st->next[actor]) * UINT64_C(0x9e3779b97f4a7c15);
	return &m->root[actor][alt][head >> 56];
}

static void watch(M2dExMemo *m)
{
	const M2dArena *arena = m->x->model.arena;
	M2dExReads *r = &m->reads;

	r->n_words = arena->used / 8;
	if (r->n_words > m->reads_room) {
		m->reads_room = 2 * r->n_words;
		g_free(r->touched);
		g_free(r->word);
		r->touched = g_new0(uint8_t, m->reads_room);
		r->word = g_new(uint32_t, m->reads_room);
	}
	r->base = arena->base;
	r->n = 0;
	m->observed->observe(r);
}

static void end_watch(M2dExMemo *m)
{
	M2dExReads *r = &m->reads;

	m->observed->observe(NULL);
	for (uint32_t i = 0; i < r->n; i++)
		r->touched[r->word[i]] = 0;
}

/* Enter what was read, in the state before the step, as a way to @e. Returns its number. */
static uint32_t keep(M2dExMemo *m, uint32_t *root, const M2dExEffect *e, const M2dExBrief *b)
{
	uint32_t i = m->effect->len;

	m2d_ex_places_note(m, b->actor, m->reads.word, m->reads.n,
			   &g_array_index(m->change, M2dArenaChange, e->first), e->n);
	g_array_append_val(m->effect, *e);
	g_array_append_val(m->brief, *b);
	if (!m2d_ex_memo_enter(m, m->node, root, m->reads.word, m->reads.n, i,
			       &m2d_ex_memo_effect(m, i)->next)) {
		g_array_set_size(m->effect, i);
		g_array_set_size(m->brief, i);
		return 0;
	}
	m2d_ex_memo_effect(m, i)->first_read = m->read->len;
	m2d_ex_memo_effect(m, i)->n_read = m->reads.n;
	g_array_append_vals(m->read, m->reads.word, m->reads.n);
	return i;
}

static bool is_full(const M2dExMemo *m)
{
	return m->node->len >= MAX_NODES || m->change->len >= MAX_CHANGES ||
	       m->read->len >= MAX_READS;
}

uint32_t m2d_ex_memo_learn_ways(M2dExMemo *m, unsigned actor, unsigned alt)
{
	M2dExEffect e = {.first = m->change->len, .first_count = m->count->len};
	M2dExBrief b = {.actor = (uint8_t)actor};

	if (is_full(m))
		return 0;
	watch(m);
	b.ways = (uint8_t)m->x->ways(m->x, actor);
	end_watch(m);
	g_assert(b.ways <= alt);
	return keep(m, m2d_ex_memo_root(m, actor, alt), &e, &b);
}

/* What the step that was just run has changed, with what it read. */
static uint32_t keep_step(M2dExMemo *m, uint32_t *root, M2dMark mark, M2dExBrief *b)
{
	M2dArena *arena = m->x->model.arena;
	M2dExEffect e = {.first = m->change->len, .first_count = m->count->len};
	M2dArenaDelta delta;
	uint32_t kept;

	m2d_arena_changes(arena, mark, m->change, &delta);
	b->hash = delta.hash;
	b->hash_low = delta.hash_low;
	b->hash2 = delta.hash2;
	b->end = delta.used != 0 ? mark.used : 0;
	e.used = delta.used;
	e.n = m->change->len - e.first;
	get_counters(m, m->after);
	for (uint32_t i = 0; i < m->n_counters; i++) {
		M2dExCount c = {i, (uint32_t)(m->after[i] - m->before[i])};

		if (c.by != 0)
			g_array_append_val(m->count, c);
	}
	e.n_count = m->count->len - e.first_count;
	/* What the words read were before. */
	m2d_arena_rollback(arena, mark);
	kept = keep(m, root, &e, b);
	m2d_arena_apply(arena, &g_array_index(m->change, M2dArenaChange, e.first), e.n, &delta);
	return kept;
}

/* Run a step without a look at what it reads. */
static void run_blindly(M2dExMemo *m, unsigned actor, unsigned alt)
{
	M2dArena *arena = m->x->model.arena;
	M2dMark mark = m2d_arena_mark(arena);
	guint n = m->change->len;
	M2dArenaDelta delta;

	m->x->run_step(m->x, actor, alt);
	m2d_arena_changes(arena, mark, m->change, &delta);
	m2d_ex_places_note(m, actor, NULL, 0, &g_array_index(m->change, M2dArenaChange, n),
			   m->change->len - n);
	g_array_set_size(m->change, n);
}

/* Run a step, and enter it at @root. */
static uint32_t run(M2dExMemo *m, unsigned actor, unsigned alt, uint32_t *root)
{
	M2dMark mark = m2d_arena_mark(m->x->model.arena);
	M2dExBrief b = {.actor = (uint8_t)actor};

	get_counters(m, m->before);
	watch(m);
	/* That the step can be taken is part of what is known of it. */
	b.ways = (uint8_t)m->x->ways(m->x, actor);
	m->x->run_step(m->x, actor, alt);
	end_watch(m);
	return m2d_check_n_findings(m->x->check) == 0 ? keep_step(m, root, mark, &b) : 0;
}

/* Run a step of which it is known what it does. */
static void probe(M2dExMemo *m, unsigned actor, unsigned alt, const M2dExBrief *known)
{
	const M2dArena *arena = m->x->model.arena;
	uint64_t expected = arena->hash + known->hash;

	m->x->run_step(m->x, actor, alt);
	/* Give or take the carry from the lower half. */
	g_assert(arena->hash - expected <= 1);
}

/* The effect that the step is to be compared with; 0: it need not be. */
static uint32_t take_due(M2dExMemo *m, unsigned actor, unsigned alt)
{
	uint64_t hash = m->x->model.arena->hash;

	for (guint i = m->due->len; i-- != 0;) {
		M2dExDue due = g_array_index(m->due, M2dExDue, i);

		if (due.hash != hash || due.actor != actor || due.alt != alt)
			continue;
		g_array_remove_index_fast(m->due, i);
		return due.known;
	}
	return 0;
}

void m2d_ex_memo_step(M2dExMemo *m, unsigned actor, unsigned alt)
{
	uint32_t *root, known = take_due(m, actor, alt);
	bool due = known != 0;

	m->last = 0;
	if (alt >= M2D_EX_MEMO_ALTS) {
		run_blindly(m, actor, alt);
		return;
	}
	root = m2d_ex_memo_root(m, actor, alt);
	if (!due) {
		known = m2d_ex_memo_find(m, m->node, *root);
		due = known != 0 && ++m->looks % m->observed->probe_every == 0;
	}
	if (due) {
		probe(m, actor, alt, m2d_ex_memo_brief(m, known));
		m->last = known;
	} else if (known != 0) {
		m2d_ex_memo_again(m, known, true);
	} else if (is_full(m)) {
		run_blindly(m, actor, alt);
	} else {
		m->last = run(m, actor, alt, root);
	}
}
