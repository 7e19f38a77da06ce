/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/memo-private.h"

#include <string.h>

#include "sim/explore/pages.h"

/* Bound of memory. */
#define MAX_READS (UINT32_C(64) << 20)

/* One step more may be kept than there is room for. */
#define BRIEF_BYTES ((M2D_EX_MAX_EFFECTS + 1) * sizeof(M2dExBrief))
#define MAX_STEP    (UINT32_C(1) << 20)
#define MAX_STORES  (M2D_EX_MAX_CHANGES + MAX_STEP)

M2dExMemo *m2d_ex_memo_new(M2dExWorld *x, const M2dExObserved *observed, M2dExPages *pages)
{
	M2dExMemo *m = g_new0(M2dExMemo, 1);
	M2dExEffect no_effect = {0};

	m->x = x;
	m->observed = observed;
	m->pages = pages;
	/* A host without steps of its own; a vCPU may be interrupted. */
	m->n_movers = x->model.n_actors;
	while (m->n_movers > x->w->vm->n_vcpus && x->program[m->n_movers - 1]->len == 0)
		m->n_movers--;
	m->effect = g_array_new(FALSE, FALSE, sizeof(M2dExEffect));
	m->change = g_array_new(FALSE, FALSE, sizeof(M2dArenaChange));
	m->count = g_array_new(FALSE, FALSE, sizeof(M2dExCount));
	m->read = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	m->due = g_array_new(FALSE, FALSE, sizeof(M2dExDue));
	m->until_probe = (int)observed->probe_every;
	m->brief = m2d_ex_pages_take(m->pages, BRIEF_BYTES);
	m->store = m2d_ex_pages_take(m->pages, MAX_STORES * sizeof(M2dArenaChange));
	if (m->brief == NULL || m->store == NULL)
		g_error("no memory for what steps do");
	m2d_ex_trees_init(&m->whole, pages);
	m2d_ex_places_init(m);
	g_array_append_val(m->effect, no_effect);
	m->n_counters = M2D_N_INVARIANTS + M2D_N_POINTS + x->s->n_steps;
	m->before = g_new0(uint64_t, m->n_counters);
	m->after = g_new0(uint64_t, m->n_counters);
	return m;
}

void m2d_ex_memo_free(M2dExMemo *m)
{
	if (m == NULL)
		return;
	/* One more may have been begun. */
	m2d_ex_pages_give(m->pages, m->brief, BRIEF_BYTES,
			  (m->effect->len + 1) * sizeof(M2dExBrief));
	g_array_unref(m->effect);
	g_array_unref(m->change);
	g_array_unref(m->count);
	g_array_unref(m->read);
	m2d_ex_pages_give(m->pages, m->store, MAX_STORES * sizeof(M2dArenaChange),
			  m->n_stores * sizeof(M2dArenaChange));
	m2d_ex_trees_clear(&m->whole, m->pages);
	g_array_unref(m->due);
	m2d_ex_places_clear(m);
	g_free(m->reads.seen);
	g_free(m->reads.word);
	g_free(m->reads.value);
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
	if (m->counted == m->hits)
		return;
	m->counted = m->hits;
	for (guint i = 0; i < m->effect->len; i++) {
		const M2dExEffect *e = m2d_ex_memo_effect(m, i);
		uint32_t hits = m->brief[i].hits;

		for (uint32_t k = 0; k < e->n_count && hits != 0; k++)
			add_count(m, g_array_index(m->count, M2dExCount, e->first_count + k), hits);
		m->brief[i].hits = 0;
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
	head = (head ^ frame << 21 ^ m->x->st->at[actor].next) * UINT64_C(0x9e3779b97f4a7c15);
	return &m->root[actor][alt][head >> 56];
}

static void watch(M2dExMemo *m)
{
	const M2dArena *arena = m->x->model.arena;
	M2dExReads *r = &m->reads;

	r->n_words = arena->used / 8;
	if (r->n_words > m->reads_room) {
		m->reads_room = 2 * r->n_words;
		g_free(r->seen);
		g_free(r->word);
		g_free(r->value);
		r->value = g_new(uint64_t, m->reads_room);
		r->seen = g_new0(uint64_t, m->reads_room / 64 + 1);
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
		r->seen[r->word[i] / 64] = 0;
}

/* Enter what was read as a way to @e with what @m->change has. Returns its number, 0: it
 * is not kept. */
static uint32_t keep(M2dExMemo *m, uint32_t *root, const M2dExEffect *e, M2dExBrief *b)
{
	const M2dArenaChange *c = &g_array_index(m->change, M2dArenaChange, 0);
	uint32_t i = m->effect->len;

	b->first = m->n_stores;
	b->n = m->change->len;
	m2d_ex_places_note(m, b->actor, m->reads.word, m->reads.n, c, b->n);
	g_array_append_val(m->effect, *e);
	m->brief[i] = *b;
	if (m->reads.n > M2D_EX_MAX_PATH || b->n > MAX_STEP ||
	    !m2d_ex_memo_enter(m, &m->whole, root, &m->reads, i, &m2d_ex_memo_effect(m, i)->next)) {
		g_array_set_size(m->effect, i);
		return 0;
	}
	memcpy(m->store + m->n_stores, c, b->n * sizeof(*c));
	m->n_stores += b->n;
	m2d_ex_memo_effect(m, i)->first_read = m->read->len;
	m2d_ex_memo_effect(m, i)->n_read = m->reads.n;
	g_array_append_vals(m->read, m->reads.word, m->reads.n);
	return i;
}

static bool is_full(const M2dExMemo *m)
{
	return m->whole.n >= M2D_EX_MAX_NODES || m->n_stores >= M2D_EX_MAX_CHANGES ||
	       m->effect->len >= M2D_EX_MAX_EFFECTS || m->read->len >= MAX_READS;
}

uint32_t m2d_ex_memo_learn_ways(M2dExMemo *m, unsigned actor, unsigned alt)
{
	M2dExEffect e = {.first_count = m->count->len};
	M2dExBrief b = {.actor = (uint8_t)actor};

	if (is_full(m))
		return 0;
	g_array_set_size(m->change, 0);
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
	M2dExEffect e = {.first_count = m->count->len};
	M2dArenaDelta delta;

	g_array_set_size(m->change, 0);
	m2d_arena_changes(arena, mark, m->change, &delta);
	b->hash = delta.hash;
	b->hash_low = delta.hash_low;
	b->hash2 = delta.hash2;
	b->end = delta.used != 0 ? (uint32_t)(mark.used / 8) : 0;
	e.used = delta.used;
	get_counters(m, m->after);
	for (uint32_t i = 0; i < m->n_counters; i++) {
		M2dExCount c = {i, (uint32_t)(m->after[i] - m->before[i])};

		if (c.by != 0)
			g_array_append_val(m->count, c);
	}
	e.n_count = m->count->len - e.first_count;
	return keep(m, root, &e, b);
}

/* Run a step without a look at what it reads. */
static void run_blindly(M2dExMemo *m, unsigned actor, unsigned alt)
{
	M2dArena *arena = m->x->model.arena;
	M2dMark mark = m2d_arena_mark(arena);
	M2dArenaDelta delta;

	m->x->run_step(m->x, actor, alt);
	g_array_set_size(m->change, 0);
	m2d_arena_changes(arena, mark, m->change, &delta);
	m2d_ex_places_note(m, actor, NULL, 0, &g_array_index(m->change, M2dArenaChange, 0),
			   m->change->len);
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
	uint32_t *root, known = take_due(m, actor, alt), leaf;
	bool due = known != 0;

	m2d_arena_catch_up(m->x->model.arena);
	m->last = m->last_leaf = 0;
	if (alt >= M2D_EX_MEMO_ALTS) {
		run_blindly(m, actor, alt);
		return;
	}
	root = m2d_ex_memo_root(m, actor, alt);
	if (!due) {
		known = m2d_ex_memo_find(m, &m->whole, *root, &leaf);
		due = known != 0 && --m->until_probe <= 0;
		if (due)
			m->until_probe = (int)m->observed->probe_every;
	}
	if (due) {
		probe(m, actor, alt, &m->brief[known]);
		m->last = known;
	} else if (known != 0) {
		m2d_ex_memo_hit(m, known);
		m2d_ex_memo_make(m, known, false);
	} else if (is_full(m)) {
		run_blindly(m, actor, alt);
	} else {
		m->last = run(m, actor, alt, root);
	}
}
