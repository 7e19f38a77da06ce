/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/check/store-private.h"

#include <string.h>

#define PUT(items, lvalue, value) M2D_PUT((items)->arena, lvalue, value)

/* --- numbers ---------------------------------------------------------------------------------- */

#define MAP_WORDS (M2D_POOL_CHUNK / 64)

/* Make the next chunk. */
static void pool_grow(M2dArena *arena, M2dItemPool *pool, unsigned chunk)
{
	uint64_t *map =
		m2d_arena_alloc(arena, MAP_WORDS * 8 + (uint64_t)M2D_POOL_CHUNK * pool->size, 64);

	for (unsigned i = 0; i < MAP_WORDS; i++)
		m2d_set64(arena, &map[i], UINT64_MAX);
	if (chunk == 0)
		m2d_set64(arena, &map[0], UINT64_MAX - 1); /* 0 is no number */
	m2d_set64(arena, &pool->chunk[chunk], m2d_arena_offset(arena, map));
	m2d_set64(arena, &pool->any[chunk / 64], pool->any[chunk / 64] | M2D_BIT(chunk % 64));
}

/* The lowest chunk with a free number. */
static unsigned free_chunk(M2dArena *arena, M2dItemPool *pool)
{
	unsigned chunk = 0;

	for (unsigned i = 0; i < M2D_POOL_CHUNKS / 64; i++)
		if (pool->any[i] != 0)
			return i * 64 + (unsigned)__builtin_ctzll(pool->any[i]);
	while (chunk < M2D_POOL_CHUNKS && pool->chunk[chunk] != 0)
		chunk++;
	g_assert(chunk < M2D_POOL_CHUNKS);
	pool_grow(arena, pool, chunk);
	return chunk;
}

static uint32_t pool_take(M2dArena *arena, M2dItemPool *pool)
{
	unsigned chunk = free_chunk(arena, pool), word = 0, bit;
	uint64_t *map = m2d_arena_at(arena, pool->chunk[chunk]);
	bool more = false;

	while (map[word] == 0)
		word++;
	bit = (unsigned)__builtin_ctzll(map[word]);
	m2d_set64(arena, &map[word], map[word] & (map[word] - 1));
	for (unsigned i = word; i < MAP_WORDS && !more; i++)
		more = map[i] != 0;
	if (!more)
		m2d_set64(arena, &pool->any[chunk / 64],
			  pool->any[chunk / 64] & ~M2D_BIT(chunk % 64));
	return chunk * M2D_POOL_CHUNK + word * 64 + bit;
}

/* @size: that of the pool's objects, known at compile time. */
M2D_ALWAYS_INLINE void pool_give(M2dArena *arena, M2dItemPool *pool, uint32_t id, uint32_t size)
{
	static const uint8_t none[MAX(sizeof(M2dItem), sizeof(M2dNode))];
	unsigned chunk = id / M2D_POOL_CHUNK, i = id % M2D_POOL_CHUNK;
	uint64_t *map = m2d_arena_at(arena, pool->chunk[chunk]);

	m2d_arena_write(arena, (uint8_t *)(map + MAP_WORDS) + (size_t)i * size, none, size);
	m2d_set64(arena, &map[i / 64], map[i / 64] | M2D_BIT(i % 64));
	if (!(pool->any[chunk / 64] >> chunk % 64 & 1))
		m2d_set64(arena, &pool->any[chunk / 64],
			  pool->any[chunk / 64] | M2D_BIT(chunk % 64));
}

/* Where object @number is, in words. */
M2D_ALWAYS_INLINE uint32_t place_of(const M2dItemPool *pool, uint32_t number, uint32_t size)
{
	uint64_t off = pool->chunk[number / M2D_POOL_CHUNK] + M2D_POOL_MAP_BYTES +
		       (uint64_t)(number % M2D_POOL_CHUNK) * size;

	return (uint32_t)(off / 8);
}

/* The number of the node that is there. */
static uint32_t number_of(const M2dItemPool *pool, uint32_t node)
{
	uint64_t off = (uint64_t)node * 8, first = 0;
	unsigned chunk = 0;

	for (;; chunk++) {
		first = pool->chunk[chunk] + M2D_POOL_MAP_BYTES;
		if (off - first < (uint64_t)M2D_POOL_CHUNK * sizeof(M2dNode))
			break;
	}
	return chunk * M2D_POOL_CHUNK + (uint32_t)((off - first) / sizeof(M2dNode));
}

/* --- life of the store ------------------------------------------------------------------------ */

M2dItems *m2d_items_new(M2dArena *arena, const M2dEvents *events)
{
	M2dItems *items = g_new0(M2dItems, 1);

	items->arena = arena;
	items->events = events;
	items->s = m2d_arena_alloc(arena, sizeof(M2dItemsState), 64);
	return items;
}

void m2d_items_free(M2dItems *items)
{
	if (items == NULL)
		return;
	for (unsigned i = 0; i < items->n_cpus; i++)
		items->cpu[i].mmu->tlb.watch = NULL;
	for (unsigned i = 0; i < M2D_MAX_WATCHED; i++) {
		for (uint32_t k = 0; k < items->n_past[i]; k++)
			g_free(items->past[i][k].story);
		g_free(items->past[i]);
	}
	g_free(items);
}

M2dItemCpu *m2d_items_add_cpu(M2dItems *items, M2dVcpu *vcpu)
{
	M2dItemCpu *c = &items->cpu[items->n_cpus];

	g_assert(items->n_cpus < M2D_MAX_WATCHED);
	c->items = items;
	c->vcpu = vcpu;
	c->mmu = m2d_vcpu_mmu(vcpu);
	c->id = items->n_cpus++;
	PUT(items, items->s->items[c->id].size, sizeof(M2dItem));
	PUT(items, items->s->nodes[c->id].size, sizeof(M2dNode));
	pool_grow(items->arena, &items->s->items[c->id], 0);
	pool_grow(items->arena, &items->s->nodes[c->id], 0);
	return c;
}

void m2d_items_host_tables(M2dItems *items, bool yes)
{
	items->host_tables = yes;
}

void m2d_items_guests_only(M2dItems *items)
{
	items->guests_only = true;
}

void m2d_items_on_born(M2dItems *items, void (*fn)(M2dItemId, void *), void *data)
{
	items->born = fn;
	items->born_data = data;
}

M2dMoment m2d_items_moment(const M2dItems *items)
{
	const M2dEvents *ev = items->events;
	M2dMoment m = {.type = M2D_N_EVENTS, .actor = M2D_NO_ACTOR, .vcpu = M2D_NO_ACTOR};

	if (ev != NULL) {
		m.time = ev->time;
		m.step = ev->step;
		m.actor = ev->actor;
		m.vcpu = ev->vcpu;
	}
	return m;
}

/* --- items ------------------------------------------------------------------------------------ */

M2dItem *m2d_item(const M2dItems *items, M2dItemId id)
{
	return m2d_item_at(items, id);
}

static struct M2dItemPast *past_of(M2dItems *items, M2dItemId id)
{
	const M2dItem *it = m2d_item_at(items, id);
	unsigned cpu = it->cpu;
	uint32_t i = it->number, *n = &items->n_past[cpu], more;

	if (i >= *n) {
		more = MAX(i + 1, MAX(2 * *n, 256));
		items->past[cpu] = g_renew(struct M2dItemPast, items->past[cpu], more);
		memset(items->past[cpu] + *n, 0, (more - *n) * sizeof(struct M2dItemPast));
		*n = more;
	}
	return &items->past[cpu][i];
}

M2dItemStory *m2d_item_story(M2dItems *items, M2dItemId id)
{
	struct M2dItemPast *past = past_of(items, id);

	if (past->story == NULL)
		past->story = g_new0(M2dItemStory, 1);
	return past->story;
}

M2dMoment m2d_item_birth(const M2dItems *items, M2dItemId id)
{
	const M2dItem *it = m2d_item_at(items, id);
	const struct M2dItemPast *past = &items->past[it->cpu][it->number];

	return (M2dMoment){.time = past->time,
			   .step = past->step,
			   .type = M2D_N_EVENTS,
			   .actor = past->actor,
			   .vcpu = past->vcpu};
}

/* The moments in its story are set before what says that they are. */
static void born_now(M2dItems *items, M2dItemId id)
{
	struct M2dItemPast *past = past_of(items, id);
	M2dMoment now = m2d_items_moment(items);

	past->time = now.time;
	past->step = now.step;
	past->actor = now.actor;
	past->vcpu = now.vcpu;
}

static bool is_upper(const M2dItem *it)
{
	return (it->array >= M2D_ARR_PSC_PDE && it->array <= M2D_ARR_NPSC_PML5) ||
	       (it->array == M2D_ARR_L2 && m2d_tag_class(it->tag) == M2D_CLASS_PDE);
}

static void link_item(M2dItems *items, M2dItemId id)
{
	M2dItem *it = m2d_item_at(items, id);
	uint32_t *first = &items->s->first[it->cpu];

	if (*first != 0)
		PUT(items, m2d_item_at(items, *first)->prev, id);
	PUT(items, it->next, *first);
	PUT(items, *first, id);
}

static void unlink_item(M2dItems *items, M2dItemId id, M2dItem *it)
{
	if (it->prev != 0)
		PUT(items, m2d_item_at(items, it->prev)->next, it->next);
	else
		PUT(items, items->s->first[it->cpu], it->next);
	if (it->next != 0)
		PUT(items, m2d_item_at(items, it->next)->prev, it->prev);
	PUT(items, it->next, 0);
	PUT(items, it->prev, 0);
	if (it->due != 0)
		m2d_item_set_due(items, id, 0, NULL);
}

static void count_frame(M2dItems *items, uint64_t hpa, int by)
{
	uint32_t *n = m2d_items_frame(items, hpa);

	PUT(items, *n, *n + (uint32_t)by);
}

static void unlink_node(M2dItems *items, const M2dNode *n)
{
	count_frame(items, n->key & M2D_NODE_HPA, -1);
	if (n->hash_prev != 0)
		PUT(items, m2d_node(items, n->hash_prev)->hash_next, n->hash_next);
	else
		PUT(items, items->s->bucket[m2d_items_bucket(n->key & M2D_NODE_HPA)], n->hash_next);
	if (n->hash_next != 0)
		PUT(items, m2d_node(items, n->hash_next)->hash_prev, n->hash_prev);
}

/* Nothing caches it or derives from it any more. */
static void free_item(M2dItems *items, M2dItemId id)
{
	const M2dItem *it = m2d_item_at(items, id);
	M2dItemPool *nodes = &items->s->nodes[it->cpu];
	uint32_t node = it->nodes;

	if (it->guest != 0 || it->host != 0)
		PUT(items, items->s->n_marked, items->s->n_marked - 1);
	while (node != 0) {
		M2dNode n = *m2d_node(items, node);

		if (!(n.key & M2D_NODE_PARENT))
			unlink_node(items, &n);
		/* The others go with their item. */
		if (node - id >= sizeof(M2dItem) / 8)
			pool_give(items->arena, nodes, number_of(nodes, node), sizeof(M2dNode));
		if (n.key & M2D_NODE_PARENT)
			m2d_items_release(items, (M2dItemId)n.key);
		node = n.next;
	}
	pool_give(items->arena, &items->s->items[it->cpu], it->number, sizeof(M2dItem));
}

void m2d_items_hold(M2dItems *items, M2dItemId id)
{
	M2dItem *it = m2d_item_at(items, id);

	PUT(items, it->refs, it->refs + 1);
}

void m2d_items_release(M2dItems *items, M2dItemId id)
{
	M2dItem *it = m2d_item_at(items, id);

	g_assert(it->refs > 0);
	PUT(items, it->refs, it->refs - 1);
	if (it->refs == 0 && it->slots == 0)
		free_item(items, id);
}

/* A slot less holds the item. */
static void displace(M2dItems *items, M2dItemId id)
{
	M2dItem *it = m2d_item_at(items, id);

	PUT(items, it->slots, it->slots - 1);
	if (it->slots != 0)
		return;
	unlink_item(items, id, it);
	if (it->refs == 0)
		free_item(items, id);
}

void m2d_items_place(M2dItemCpu *c, unsigned array, uint32_t slot, M2dItemId id)
{
	M2dItems *items = c->items;
	uint32_t *at = &c->slot[array][slot];
	M2dItemId old = *at;

	if (id != 0) {
		M2dItem *it = m2d_item_at(items, id);

		PUT(items, it->slots, it->slots + 1);
		if (it->slots == 1)
			link_item(items, id);
	}
	PUT(items, *at, id);
	if (old != 0)
		displace(items, old);
}

/* Where node @node of @hpa goes: behind *@prev. Nodes of one bucket are in the order of their
 * numbers, whatever came first, where states are compared; where they are not, the newest is first.
 */
static uint32_t *place_in_bucket(const M2dItems *items, uint64_t hpa, uint32_t node, uint32_t *prev)
{
	uint32_t *link = &items->s->bucket[m2d_items_bucket(hpa)];

	*prev = 0;
	while (items->arena->journal != NULL && *link != 0 && *link < node) {
		*prev = *link;
		link = &m2d_node(items, *link)->hash_next;
	}
	return link;
}

/* Node for @key of the item, in front of node @next. */
static uint32_t add_node(M2dItems *items, M2dItemPool *nodes, M2dItemId id, unsigned nth,
			 uint64_t key, uint32_t next)
{
	uint32_t node, *link = NULL;
	M2dNode n = {.key = key, .item = id, .next = next};

	if (nth < M2D_OWN_NODES)
		node = id + (uint32_t)(offsetof(M2dItem, own) + nth * sizeof(M2dNode)) / 8;
	else
		node = place_of(nodes, pool_take(items->arena, nodes), sizeof(M2dNode));
	if (!(key & M2D_NODE_PARENT)) {
		count_frame(items, key & M2D_NODE_HPA, 1);
		link = place_in_bucket(items, key & M2D_NODE_HPA, node, &n.hash_prev);
		n.hash_next = *link;
		if (*link != 0)
			PUT(items, m2d_node(items, *link)->hash_prev, node);
		PUT(items, *link, node);
	}
	m2d_arena_write(items->arena, m2d_node(items, node), &n, sizeof(n));
	return node;
}

M2dItemId m2d_items_make(M2dItemCpu *c, unsigned array, uint32_t slot, M2dHeld *held,
			 unsigned n_keys)
{
	M2dItems *items = c->items;
	const M2dArray *a = &c->mmu->tlb.array[array];
	M2dItemPool *pool = &items->s->items[c->id], *nodes = &items->s->nodes[c->id];
	uint32_t number = pool_take(items->arena, pool);
	M2dItemId id = place_of(pool, number, sizeof(M2dItem));
	M2dItem it = {.tag = a->tag[slot],
		      .data = a->data[slot],
		      .gfn = M2D_NO_GFN,
		      .cpu = (uint8_t)c->id,
		      .array = (uint8_t)array,
		      .owner = M2D_NO_ACTOR,
		      .number = number};
	unsigned n = 0;

	for (unsigned i = 0; i < held->n_parents; i++)
		it.nodes = add_node(items, nodes, id, n++, M2D_NODE_PARENT | held->parent[i],
				    it.nodes);
	held->n_parents = 0;
	for (unsigned i = 0; i < n_keys; i++)
		it.nodes = add_node(items, nodes, id, n++, held->key[i], it.nodes);
	m2d_arena_write(items->arena, m2d_item_at(items, id), &it, offsetof(M2dItem, own));
	m2d_items_place(c, array, slot, id);
	born_now(items, id);
	/* The next one is most likely the next: it is cold by then. */
	__builtin_prefetch(m2d_item_at(items, id) + 1, 1);
	__builtin_prefetch((const uint8_t *)(m2d_item_at(items, id) + 1) + 64, 1);
	return id;
}

void m2d_item_set_due(M2dItems *items, M2dItemId id, unsigned due, const M2dMoment *promise)
{
	M2dItem *it = m2d_item_at(items, id);
	uint8_t new = due != 0 ? (uint8_t)(it->due | due) : 0;

	if (new == it->due)
		return;
	if ((new != 0) != (it->due != 0))
		PUT(items, items->s->n_due, items->s->n_due + (new != 0 ? 1 : UINT32_MAX));
	PUT(items, it->due, new);
	if (due == 0 || (due & M2D_DUE_HOST))
		PUT(items, it->promise, due != 0 && promise != NULL ? promise->type : 0);
	if (promise == NULL)
		return;
	if (due & M2D_DUE_HOST)
		m2d_item_story(items, id)->host_promise = *promise;
	else
		m2d_item_story(items, id)->guest_promise = *promise;
}

/* --- looking ---------------------------------------------------------------------------------- */

uint32_t m2d_items_marked(const M2dItems *items)
{
	return items->s->n_marked;
}

uint32_t m2d_items_due(const M2dItems *items)
{
	return items->s->n_due;
}

unsigned m2d_items_n_cpus(const M2dItems *items)
{
	return items->n_cpus;
}

M2dMmu *m2d_items_mmu(const M2dItems *items, unsigned cpu)
{
	return items->cpu[cpu].mmu;
}

uint32_t m2d_items_walk_start(const M2dItems *items, unsigned cpu)
{
	return items->cpu[cpu].start;
}

M2dItemId m2d_items_first(const M2dItems *items, unsigned cpu)
{
	return items->s->first[cpu];
}

M2dItemId m2d_items_at(const M2dItems *items, unsigned cpu, unsigned array, uint32_t slot)
{
	unsigned a = items->cpu[cpu].mmu->tlb.alias[array];

	return items->cpu[cpu].slot[a][slot];
}

const M2dCtx *m2d_item_ctx(const M2dItems *items, M2dItemId id)
{
	const M2dItem *it = m2d_item_at(items, id);

	return &items->cpu[it->cpu].mmu->tlb.ctx.ctx[m2d_tag_ctx(it->tag)];
}

bool m2d_item_is_upper(const M2dItems *items, M2dItemId id)
{
	return is_upper(m2d_item_at(items, id));
}

unsigned m2d_item_shift(const M2dItems *items, M2dItemId id)
{
	const M2dItem *it = m2d_item_at(items, id);

	if (m2d_item_is_upper(items, id))
		return (unsigned)((it->data & M2D_PSC_SHIFT) >> M2D_PSC_SHIFT_SHIFT);
	return m2d_size_shift(m2d_item_esize(it->data));
}
