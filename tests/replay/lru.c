/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/replay/lru.h"

#include <string.h>

#define PDE 3u

static void list_init(Lru *l, M2dGeometry g)
{
	l->ways = g.ways;
	l->sets = g.entries != 0 ? g.entries / g.ways : 0;
	l->key = g_new0(uint64_t, g.entries + 1);
}

static uint64_t make_key(uint64_t va, unsigned class, uint64_t owner)
{
	unsigned shift = class == PDE ? 21 : 12 + 9 * class;

	return ((va >> shift & ((UINT64_C(1) << 45) - 1)) << 16 | owner << 2 | class) + 1;
}

static uint64_t *set_of(const Lru *l, uint64_t va, unsigned class)
{
	unsigned shift = class == PDE ? 21 : 12 + 9 * class;

	return l->key + (va >> shift) % l->sets * l->ways;
}

/* Move the item to the front of its list; false if it is not there. */
static bool use(Lru *l, uint64_t va, unsigned class, uint64_t owner)
{
	uint64_t key = make_key(va, class, owner), *set;

	if (l->sets == 0)
		return false;
	set = set_of(l, va, class);
	for (uint32_t w = 0; w < l->ways; w++) {
		if (set[w] == key) {
			memmove(set + 1, set, w * sizeof(*set));
			set[0] = key;
			return true;
		}
	}
	return false;
}

static void insert(Lru *l, uint64_t va, unsigned class, uint64_t owner)
{
	uint64_t *set;

	if (l->sets == 0 || use(l, va, class, owner))
		return;
	set = set_of(l, va, class);
	memmove(set + 1, set, (l->ways - 1) * sizeof(*set));
	set[0] = make_key(va, class, owner);
}

void lru_init(LruTlb *t, const M2dMachine *m)
{
	memset(t, 0, sizeof(*t));
	t->m = m;
	t->unified[0] = m->tlb.l1d_unified.entries != 0;
	t->unified[1] = m->tlb.l1i_unified.entries != 0;
	for (int s = 0; s < M2D_N_SIZES; s++) {
		list_init(&t->l1[0][s], t->unified[0] ? m->tlb.l1d_unified : m->tlb.l1d[s]);
		list_init(&t->l1[1][s], t->unified[1] ? m->tlb.l1i_unified : m->tlb.l1i[s]);
	}
	list_init(&t->l2, m->tlb.l2);
	list_init(&t->l2_1g,
		  m->tlb.l2_1g_mode == M2D_L2_1G_OWN ? m->tlb.l2_1g : (M2dGeometry){0, 0});
}

void lru_clear(LruTlb *t)
{
	for (int f = 0; f < 2; f++)
		for (int s = 0; s < M2D_N_SIZES; s++)
			g_free(t->l1[f][s].key);
	g_free(t->l2.key);
	g_free(t->l2_1g.key);
}

static Lru *first_level(LruTlb *t, bool fetch, unsigned size)
{
	return &t->l1[fetch][t->unified[fetch] ? 0 : size];
}

/* A first level without the page's size holds the largest piece it has room for. */
static void insert_l1(LruTlb *t, uint64_t va, bool fetch, unsigned size, uint64_t owner)
{
	while (size > 0 && first_level(t, fetch, size)->sets == 0)
		size--;
	insert(first_level(t, fetch, size), va, size, owner);
}

LruHit lru_access(LruTlb *t, uint64_t va, bool fetch, M2dPageSize size, uint64_t owner,
		  uint64_t process)
{
	const M2dMachine *m = t->m;
	bool smash = size == M2D_SIZE_1G && m->tlb.l2_1g_mode == M2D_L2_1G_SMASH;
	unsigned l2_class = smash ? M2D_SIZE_2M : (unsigned)size;
	bool in_l2 = size != M2D_SIZE_1G || smash;

	for (unsigned s = 0; s <= (unsigned)size; s++)
		if (use(first_level(t, fetch, s), va, s, owner))
			return LRU_L1;
	if (use(in_l2 ? &t->l2 : &t->l2_1g, va, l2_class, owner)) {
		insert_l1(t, va, fetch, size, owner);
		return LRU_L2;
	}
	/* A walk looks for the page-directory entry first and leaves it behind. */
	if (m->tlb.l2_holds_pde && size == M2D_SIZE_4K)
		insert(&t->l2, va, PDE, process);
	insert(in_l2 ? &t->l2 : &t->l2_1g, va, l2_class, owner);
	insert_l1(t, va, fetch, size, owner);
	return LRU_WALK;
}

/* Forget what @va's page of @size bytes has in @l, in pieces of any size. */
static void forget(Lru *l, uint64_t va, M2dPageSize size, uint64_t owner, bool pdes)
{
	for (uint32_t i = 0; i < l->sets * l->ways; i++) {
		uint64_t key = l->key[i] - 1, class = key & 3;
		uint64_t page = key >> 16 << (class == PDE ? 21 : 12 + 9 * class);
		bool same = class != PDE && (key >> 2 & 0x3fff) == owner &&
			    ((page ^ va) & ((UINT64_C(1) << 57) - 1)) >> (12 + 9 * size) == 0;

		if (l->key[i] == 0 || !(same || (pdes && class == PDE)))
			continue;
		/* Keep free places at the end of the list. */
		memmove(l->key + i, l->key + i + 1, (l->ways - 1 - i % l->ways) * sizeof(*l->key));
		l->key[i / l->ways * l->ways + l->ways - 1] = 0;
		i--;
	}
}

void lru_invlpg(LruTlb *t, uint64_t va, M2dPageSize size, uint64_t owner)
{
	for (int f = 0; f < 2; f++)
		for (unsigned s = 0; s < M2D_N_SIZES; s++)
			forget(&t->l1[f][s], va, size, owner, false);
	/* AMD without translation cache extension: all upper levels with it. */
	forget(&t->l2, va, size, owner, t->m->tlb.l2_holds_pde);
	forget(&t->l2_1g, va, size, owner, false);
}
