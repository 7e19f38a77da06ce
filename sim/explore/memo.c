/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/memo.h"

#include <string.h>

#include "sim/explore/worlds-private.h"

/* Bounds of memory: 16 bytes a node, 24 a change. */
#define MAX_NODES   (UINT32_C(4) << 20)
#define MAX_CHANGES (UINT32_C(1) << 20)

#define MAX_ALTS 2u
#define N_ROOTS  256u

/* If the word has the value, the next node is the one behind; else it is @other, 0: unknown. The
 * end of a path asks for a value that its word, the first of the arena, never has. */
typedef struct {
	uint32_t word, other;
	uint64_t value;
} Node;

#define END M2D_BIT(31)

/* What a step did. */
typedef struct {
	M2dArenaDelta delta;
	uint32_t first, n;             /* changes */
	uint32_t first_count, n_count; /* statistics */
	uint64_t hits;                 /* not counted yet */
	/* It depends on where the arena ended, since it laid something out there; 0: it does not.
	 * @next: what was read led elsewhere with another end; 0: none. */
	uint64_t end;
	uint32_t next;
} Effect;

/* One counter and what the step added to it. */
typedef struct {
	uint32_t which, by;
} Count;

struct _M2dExMemo {
	M2dExWorld *x;
	const M2dExObserved *observed;
	M2dExReads reads;
	uint64_t room; /* words that @reads has room for */
	GArray *node, *effect, *change, *count;
	uint64_t *before, *after; /* counters */
	unsigned n_counters;
	uint64_t premises[M2D_N_INVARIANTS]; /* of repeated steps */
	uint64_t hits;
	bool due; /* a probe */
	uint32_t root[M2D_EX_MAX_ACTORS][MAX_ALTS][N_ROOTS];
};

M2dExMemo *m2d_ex_memo_new(M2dExWorld *x, const M2dExObserved *observed)
{
	M2dExMemo *m = g_new0(M2dExMemo, 1);
	Node no_node = {0};
	Effect no_effect = {0};

	m->x = x;
	m->observed = observed;
	m->node = g_array_new(FALSE, FALSE, sizeof(Node));
	m->effect = g_array_new(FALSE, FALSE, sizeof(Effect));
	m->change = g_array_new(FALSE, FALSE, sizeof(M2dArenaChange));
	m->count = g_array_new(FALSE, FALSE, sizeof(Count));
	g_array_append_val(m->node, no_node);
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
	g_array_unref(m->node);
	g_array_unref(m->effect);
	g_array_unref(m->change);
	g_array_unref(m->count);
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

static void add_count(M2dExMemo *m, Count c, uint64_t times)
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
		Effect *e = &g_array_index(m->effect, Effect, i);

		for (uint32_t k = 0; k < e->n_count && e->hits != 0; k++)
			add_count(m, g_array_index(m->count, Count, e->first_count + k), e->hits);
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

/* --- the tree --------------------------------------------------------------------------------- */

/* Any function of the state will do to choose one of the actor's trees; this one tells most steps
 * apart. */
static uint32_t *root_of(M2dExMemo *m, unsigned actor, unsigned alt)
{
	const M2dTask *t = m->x->w->vm->rt->task[actor];
	uint64_t head, frame;

	memcpy(&head, &t->sp, 8);
	memcpy(&frame, t->stack + t->top, 8);
	head = (head ^ frame << 21 ^ m->x->st->next[actor]) * UINT64_C(0x9e3779b97f4a7c15);
	return &m->root[actor][alt][head >> 56];
}

/* The effect that the present state leads to; NULL: none is known. */
static Effect *find(const M2dExMemo *m, uint32_t root)
{
	const M2dArena *arena = m->x->model.arena;
	const uint64_t *word = (const uint64_t *)(const void *)arena->base;
	const Node *node = (const Node *)(const void *)m->node->data, *n = &node[root];
	Effect *e = (Effect *)(void *)m->effect->data;

	if (root == 0)
		return NULL;
	for (;;) {
		if (m2d_likely(word[n->word] == n->value)) {
			n++;
			continue;
		}
		if (n->other & END)
			break;
		if (n->other == 0)
			return NULL;
		n = &node[n->other];
	}
	for (uint32_t i = n->other & ~END; i != 0; i = e[i].next)
		if (e[i].end == 0 || e[i].end == arena->used)
			return &e[i];
	return NULL;
}

/* Enter what was read, from the state before the step, as a way to @effect. False: the step before
 * that led here read other words. */
static bool enter(M2dExMemo *m, uint32_t *root, Effect *effect)
{
	const uint64_t *word = (const uint64_t *)(const void *)m->x->model.arena->base;
	Node end = {0, END | m->effect->len, 1};
	uint32_t i = *root, k = 0, at = 0;

	/* The way that is known. */
	while (i != 0) {
		Node *n = &g_array_index(m->node, Node, i);

		if (n->other & END) {
			/* All of it: the arena ended elsewhere. */
			if (k != m->reads.n || effect->end == 0)
				return false;
			effect->next = n->other & ~END;
			n->other = end.other;
			return true;
		}
		if (k >= m->reads.n || n->word != m->reads.word[k])
			return false;
		if (word[n->word] == n->value) {
			i++;
			k++;
		} else {
			at = i;
			i = n->other;
		}
	}
	if (at == 0)
		*root = m->node->len;
	else
		g_array_index(m->node, Node, at).other = m->node->len;
	for (; k < m->reads.n; k++) {
		Node n = {m->reads.word[k], 0, word[m->reads.word[k]]};

		g_array_append_val(m->node, n);
	}
	g_array_append_val(m->node, end);
	return true;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void watch(M2dExMemo *m)
{
	const M2dArena *arena = m->x->model.arena;
	M2dExReads *r = &m->reads;

	r->n_words = arena->used / 8;
	if (r->n_words > m->room) {
		m->room = 2 * r->n_words;
		g_free(r->touched);
		g_free(r->word);
		r->touched = g_new0(uint8_t, m->room);
		r->word = g_new(uint32_t, m->room);
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

static void keep(M2dExMemo *m, uint32_t *root, M2dMark mark)
{
	M2dArena *arena = m->x->model.arena;
	Effect e = {.first = m->change->len,
		    .first_count = m->count->len,
		    .end = arena->used != mark.used ? mark.used : 0};
	bool kept;

	m2d_arena_changes(arena, mark, m->change, &e.delta);
	e.n = m->change->len - e.first;
	get_counters(m, m->after);
	for (uint32_t i = 0; i < m->n_counters; i++) {
		Count c = {i, (uint32_t)(m->after[i] - m->before[i])};

		if (c.by != 0)
			g_array_append_val(m->count, c);
	}
	e.n_count = m->count->len - e.first_count;
	/* What the words read were before. */
	m2d_arena_rollback(arena, mark);
	kept = enter(m, root, &e);
	m2d_arena_apply(arena, &g_array_index(m->change, M2dArenaChange, e.first), e.n, &e.delta);
	if (kept)
		g_array_append_val(m->effect, e);
}

/* Run the step. @root: where to enter it; NULL: nowhere. */
static void run(M2dExMemo *m, unsigned actor, unsigned alt, uint32_t *root)
{
	M2dArena *arena = m->x->model.arena;
	M2dMark mark = m2d_arena_mark(arena);

	if (root == NULL || m->node->len >= MAX_NODES || m->change->len >= MAX_CHANGES) {
		m->x->run_step(m->x, actor, alt);
		return;
	}
	get_counters(m, m->before);
	watch(m);
	m->x->run_step(m->x, actor, alt);
	end_watch(m);
	if (m2d_check_n_findings(m->x->check) == 0)
		keep(m, root, mark);
}

/* Run a step of which @e is known. */
static void probe(M2dExMemo *m, unsigned actor, unsigned alt, const Effect *e)
{
	const M2dArena *arena = m->x->model.arena;
	uint64_t expected = arena->hash + e->delta.hash;

	m->due = false;
	run(m, actor, alt, NULL);
	/* Give or take the carry from the lower half. */
	g_assert(arena->hash - expected <= 1);
}

void m2d_ex_memo_step(M2dExMemo *m, unsigned actor, unsigned alt)
{
	uint32_t *root;
	Effect *e;

	if (alt >= MAX_ALTS) {
		run(m, actor, alt, NULL);
		return;
	}
	root = root_of(m, actor, alt);
	e = find(m, *root);
	if (e == NULL)
		run(m, actor, alt, root);
	else if (m2d_unlikely(m->due || ++m->hits % m->observed->probe_every == 0))
		probe(m, actor, alt, e);
	else
		m2d_ex_memo_again(m, (uint32_t)(e - (Effect *)(void *)m->effect->data), true);
}

uint32_t m2d_ex_memo_peek(M2dExMemo *m, unsigned actor, unsigned alt, uint64_t *hash,
			  uint64_t *hash2)
{
	const M2dArena *arena = m->x->model.arena;
	const Effect *e;
	uint64_t low;

	if (alt >= MAX_ALTS)
		return 0;
	e = find(m, *root_of(m, actor, alt));
	if (e == NULL)
		return 0;
	if (m2d_unlikely(++m->hits % m->observed->probe_every == 0)) {
		m->due = true;
		return 0;
	}
	*hash = arena->hash + e->delta.hash +
		__builtin_add_overflow(arena->hash_low, e->delta.hash_low, &low);
	*hash2 = arena->hash2 ^ e->delta.hash2;
	return (uint32_t)(e - (const Effect *)(const void *)m->effect->data);
}

void m2d_ex_memo_again(M2dExMemo *m, uint32_t known, bool make)
{
	Effect *e = &g_array_index(m->effect, Effect, known);

	e->hits++;
	if (make)
		m2d_arena_apply(m->x->model.arena,
				&g_array_index(m->change, M2dArenaChange, e->first), e->n,
				&e->delta);
}
