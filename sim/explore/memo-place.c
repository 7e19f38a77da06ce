/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an actor is: the sum, by the hash of the arena, of the words that only its own steps have
 * ever touched. Its steps move it by what they add, and steps of others leave it.
 *
 * At one place an actor's step depends on nothing but the words that others touch, too: its own
 * have one value each, but for a probability below that of two states with one fingerprint, and
 * words that no step has changed have one always. So each place has a tree of shared words only. It
 * is the tree of all that the step reads, less words whose values are known: two paths part at a
 * word of which both have read all before, hence at the same.
 *
 * What is whose is known from the steps that were observed, and of the others from what they
 * changed. Where a step shows that a word is shared which was not, all places and trees are void:
 * an era ends. A word that changes for the first time and was only ever touched by the actor
 * becomes its own in the same era: the sum is of differences to what words were at first, hence as
 * it was. Each search begins an era, since others may have written between two.
 */
#include "sim/explore/memo-private.h"

#include <string.h>

#define FIRST_PLACES 4096u
/* Bounds of memory. */
#define MAX_PLACES (1u << 21)

void m2d_ex_places_begin_era(M2dExMemo *m)
{
	/* What was left for later is told by what an era holds for shared. */
	m2d_arena_catch_up(m->x->model.arena);
	m->era++;
	memset(m->place_slot, 0, (m->place_mask + 1) * sizeof(uint32_t));
	m->first_place += m->place->len;
	g_array_set_size(m->place, 0);
	m2d_ex_trees_empty(&m->shared);
	m->last_leaf = 0;
	for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
		g_array_set_size(m->own[a], 0);
	for (guint i = 0; i < m->changed->len; i++) {
		uint32_t w = g_array_index(m->changed, uint32_t, i);

		if (m->word[w].toucher != M2D_EX_SHARED)
			g_array_append_val(m->own[m->word[w].toucher - 1u], w);
	}
}

void m2d_ex_places_init(M2dExMemo *m)
{
	m->changed = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	m2d_ex_trees_init(&m->shared, m->pages);
	for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
		m->own[a] = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	m->place = g_array_new(FALSE, FALSE, sizeof(M2dExPlace));
	m->place_mask = FIRST_PLACES - 1;
	m->place_slot = g_new0(uint32_t, FIRST_PLACES);
	m->first_place = 1;
	m->era = 1;
}

void m2d_ex_places_clear(M2dExMemo *m)
{
	g_array_unref(m->changed);
	m2d_ex_trees_clear(&m->shared, m->pages);
	for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
		g_array_unref(m->own[a]);
	g_array_unref(m->place);
	g_free(m->place_slot);
	g_free(m->word);
}

/* --- whose words ------------------------------------------------------------------------------ */

static M2dExWord *word_at(M2dExMemo *m, uint64_t w)
{
	uint64_t room = m->word_room;

	if (w >= room) {
		m->word_room = MAX(2 * w, m->x->model.arena->used / 8 + 1);
		m->word = g_renew(M2dExWord, m->word, m->word_room);
		memset(m->word + room, 0, (m->word_room - room) * sizeof(M2dExWord));
	}
	return &m->word[w];
}

static void share(M2dExMemo *m, M2dExWord *word)
{
	m->n_numbers += m->n_numbers < UINT16_MAX;
	word->number = m->n_numbers;
}

/* True: the actor shares a word that changes and was not shared. */
static bool touch(M2dExMemo *m, unsigned actor, uint64_t w)
{
	M2dExWord *word = word_at(m, w);

	if (word->toucher == actor + 1 || word->toucher == M2D_EX_SHARED)
		return false;
	if (word->toucher == 0) {
		word->toucher = (uint8_t)(actor + 1);
		return false;
	}
	word->toucher = M2D_EX_SHARED;
	if (word->changed)
		share(m, word);
	return word->changed;
}

static bool change(M2dExMemo *m, unsigned actor, const M2dArenaChange *c)
{
	uint32_t w = (uint32_t)(c->off / 8);
	bool shares = touch(m, actor, w);
	M2dExWord *word = &m->word[w];

	if (word->changed)
		return shares;
	word->changed = true;
	word->base = c->old;
	g_array_append_val(m->changed, w);
	if (word->toucher == M2D_EX_SHARED)
		share(m, word);
	else
		g_array_append_val(m->own[actor], w);
	return word->toucher == M2D_EX_SHARED;
}

void m2d_ex_places_note(M2dExMemo *m, unsigned actor, const uint32_t *read, uint32_t n_read,
			const M2dArenaChange *c, uint32_t n)
{
	bool shares = false;

	for (uint32_t i = 0; i < n_read; i++)
		shares |= touch(m, actor, read[i]);
	for (uint32_t i = 0; i < n; i++)
		shares |= change(m, actor, &c[i]);
	if (shares)
		m2d_ex_places_begin_era(m);
}

static void add_number(uint64_t set[M2D_EX_SET_WORDS], uint16_t number)
{
	if (number != 0)
		set[number / 64 % M2D_EX_SET_WORDS] |= M2D_BIT(number % 64);
}

void m2d_ex_places_refresh(M2dExMemo *m, uint32_t i)
{
	const M2dExEffect *e = m2d_ex_memo_effect(m, i);
	M2dExBrief *b = &m->brief[i];
	M2dArenaChange *change = &m->store[b->first];
	uint32_t n_shared;

	memset(b->read, 0, sizeof(b->read));
	memset(b->changed, 0, sizeof(b->changed));
	b->own = (M2dHash128){0};
	b->era = m->era;
	n_shared = 0;
	for (uint32_t k = 0; k < e->n_read; k++)
		add_number(b->read,
			   m->word[g_array_index(m->read, uint32_t, e->first_read + k)].number);
	for (uint32_t k = 0; k < b->n; k++) {
		M2dArenaChange c = change[k];
		const M2dExWord *word = &m->word[c.off / 8];

		if (word->toucher != M2D_EX_SHARED) {
			b->own = m2d_arena_weigh(b->own, m2d_arena_key(c.off), c.old, c.now);
			continue;
		}
		add_number(b->changed, word->number);
		change[k] = change[n_shared];
		change[n_shared++] = c;
	}
	/* There is no room for the number; all are made at once then. */
	b->n_shared = (uint16_t)MIN(n_shared, UINT16_MAX);
}

/* --- places ----------------------------------------------------------------------------------- */

static uint32_t *slot_of(const M2dExMemo *m, unsigned actor, M2dHash128 sum)
{
	uint64_t i = (sum.high ^ m2d_mix64(actor + 1)) >> 20 & m->place_mask;

	for (;; i = (i + 1) & m->place_mask) {
		uint32_t *slot = &m->place_slot[i];
		const M2dExPlace *p;

		if (*slot == 0)
			return slot;
		p = m2d_ex_memo_place(m, *slot);
		if (p->sum.high == sum.high && p->actor == actor)
			return slot;
	}
}

static void more_slots(M2dExMemo *m)
{
	m->place_mask = 2 * m->place_mask + 1;
	g_free(m->place_slot);
	m->place_slot = g_new0(uint32_t, m->place_mask + 1);
	for (guint i = 0; i < m->place->len; i++) {
		const M2dExPlace *p = &g_array_index(m->place, M2dExPlace, i);

		*slot_of(m, p->actor, p->sum) = m->first_place + i;
	}
}

static uint32_t number_of(M2dExMemo *m, unsigned actor, M2dHash128 sum)
{
	M2dExPlace p = {.sum = sum, .actor = actor};
	uint32_t *slot = slot_of(m, actor, sum);

	if (m2d_likely(*slot != 0))
		return *slot;
	if (m->place->len >= MAX_PLACES) {
		m2d_ex_places_begin_era(m);
		return number_of(m, actor, sum);
	}
	if (2 * ((uint64_t)m->place->len + 1) > m->place_mask) {
		more_slots(m);
		slot = slot_of(m, actor, sum);
	}
	*slot = m->first_place + m->place->len;
	g_array_append_val(m->place, p);
	return *slot;
}

uint32_t m2d_ex_place_now(M2dExMemo *m, unsigned actor)
{
	const uint64_t *word = (const uint64_t *)(const void *)m->x->model.arena->base;
	M2dHash128 sum = {0};

	m2d_arena_catch_up(m->x->model.arena);
	for (guint i = 0; i < m->own[actor]->len; i++) {
		uint32_t w = g_array_index(m->own[actor], uint32_t, i);

		if (word[w] != m->word[w].base)
			sum = m2d_arena_weigh(sum, m2d_arena_key(8 * (uint64_t)w), m->word[w].base,
					      word[w]);
	}
	return number_of(m, actor, sum);
}

uint32_t m2d_ex_place_after(M2dExMemo *m, uint32_t place, uint32_t *root)
{
	const M2dExBrief *took = &m->brief[m->last];
	M2dExNode *end = &m->shared.node[m->last_leaf];
	const M2dExPlace *p;
	M2dHash128 sum;
	uint32_t number;

	if (m2d_likely(m->last_leaf != 0 && M2D_EX_NODE_PLACE(end) != 0)) {
		if (M2D_EX_NODE_ROOT(end) == 0)
			M2D_EX_NODE_ROOT(end) =
				m2d_ex_memo_place(m, M2D_EX_NODE_PLACE(end))->root[0];
		if (root != NULL)
			*root = M2D_EX_NODE_ROOT(end);
		return M2D_EX_NODE_PLACE(end);
	}
	p = m2d_ex_memo_place(m, place);
	sum.high = p->sum.high + took->own.high +
		   __builtin_add_overflow(p->sum.low, took->own.low, &sum.low);
	number = number_of(m, p->actor, sum);
	if (m->last_leaf != 0)
		M2D_EX_NODE_PLACE(end) = number;
	return number;
}

uint32_t m2d_ex_place_learn(M2dExMemo *m, uint32_t place, unsigned alt, uint32_t effect)
{
	const M2dExEffect *e = m2d_ex_memo_effect(m, effect);
	const uint64_t *word = (const uint64_t *)(const void *)m->x->model.arena->base;
	M2dExReads *shared = &m->reads;
	uint32_t was;

	if (m->shared.n >= M2D_EX_MAX_NODES)
		return 0;
	shared->n = 0;
	for (uint32_t i = 0; i < e->n_read; i++) {
		uint32_t w = g_array_index(m->read, uint32_t, e->first_read + i);

		if (m->word[w].number != 0) {
			shared->word[shared->n] = w;
			shared->value[shared->n++] = word[w];
		}
	}
	if (!m2d_ex_memo_enter(m, &m->shared, &m2d_ex_memo_place(m, place)->root[alt], shared,
			       effect, &was) ||
	    m->brief[effect].end != 0)
		return 0;
	return m->shared.n - M2D_EX_NODES_OF_END;
}
