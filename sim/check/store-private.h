/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by store.c, index.c and watch.c only. */
#pragma once

#include "sim/check/store.h"
#include "sim/mem/put.h"

#define M2D_NODE_HPA    M2D_BITS(51, 0)
#define M2D_NODE_SHIFT  52
#define M2D_NODE_PARENT M2D_BIT(63) /* key is the number of an item */

#define M2D_POOL_CHUNK  1024u
#define M2D_POOL_CHUNKS 1024u

/* Numbers of equal objects, in the arena. The lowest free one is taken, and each processor has its
 * own, so that states which differ in the order of what came before are equal. */
typedef struct {
	uint64_t chunk[M2D_POOL_CHUNKS];    /* offsets: a map of free numbers, then objects */
	uint64_t any[M2D_POOL_CHUNKS / 64]; /* chunks with a free number */
	uint32_t size, pad;
} M2dItemPool;

#define M2D_ITEM_BUCKETS (1u << 12)

/* Most stores are to frames that nothing cached stems from: known without a look at buckets. */
#define M2D_ITEM_FRAMES 512u

typedef struct {
	M2dItemPool items[M2D_MAX_WATCHED], nodes[M2D_MAX_WATCHED];
	uint32_t frames[M2D_ITEM_FRAMES];  /* nodes for entries in frames of that hash */
	uint32_t bucket[M2D_ITEM_BUCKETS]; /* first node */
	uint32_t first[M2D_MAX_WATCHED];   /* item cached by the processor */
	M2D_OWN_WORD uint32_t n_due;
	M2D_OWN_WORD uint32_t n_marked; /* items with marks of their own */
} M2dItemsState;

/* What a walk has read and not yet put in an item. */
#define M2D_MAX_HELD 72

typedef struct {
	uint64_t key[M2D_MAX_HELD];
	uint8_t level[M2D_MAX_HELD];
	M2dItemId parent[M2D_MAX_HELD]; /* references held */
	unsigned n, n_parents;
} M2dHeld;

typedef struct {
	M2dItems *items;
	M2dVcpu *vcpu;
	M2dMmu *mmu;
	unsigned id;
	M2dTlbWatch watch;
	uint32_t *slot[M2D_N_ARRAYS]; /* item by slot; in the arena */
	/* The walk under way. */
	uint32_t start;  /* its first fetch in the log */
	uint32_t cursor; /* first fetch not looked at */
	bool off;        /* it is not looked at */
	bool hosts;      /* first-dimension entries are the hypervisor's */
	M2dHeld guest, nested;
} M2dItemCpu;

struct _M2dItems {
	M2dArena *arena;
	const M2dEvents *events;
	M2dItemsState *s;
	bool host_tables;
	bool guests_only;
	unsigned n_cpus;
	M2dItemCpu cpu[M2D_MAX_WATCHED];
	struct M2dItemPast {
		uint64_t time;
		M2dItemStory *story; /* NULL: none */
		uint32_t step;
		uint8_t actor, vcpu;
	} * past[M2D_MAX_WATCHED]; /* by item */
	uint32_t n_past[M2D_MAX_WATCHED];
	void (*born)(M2dItemId, void *);
	void *born_data;
};

/* Objects lie behind the map of their chunk. */
#define M2D_POOL_MAP_BYTES (M2D_POOL_CHUNK / 8)

/* Items and nodes are named by where they lie in the arena, in words: this is where the store
 * spends its time. */
static inline M2dItem *m2d_item_at(const M2dItems *items, M2dItemId id)
{
	return m2d_arena_at(items->arena, (uint64_t)id * 8);
}

static inline M2dNode *m2d_node(const M2dItems *items, uint32_t id)
{
	return m2d_arena_at(items->arena, (uint64_t)id * 8);
}

/* m2d_items_make: an item of @held for @slot of @array: of its first @n_keys entries and its
 * parents, whose references become the item's. */
M2dItemId m2d_items_make(M2dItemCpu *c, unsigned array, uint32_t slot, M2dHeld *held,
			 unsigned n_keys);
void m2d_items_hold(M2dItems *items, M2dItemId id);
void m2d_items_release(M2dItems *items, M2dItemId id);
/* m2d_items_place: @slot holds @id now, or nothing (0). */
void m2d_items_place(M2dItemCpu *c, unsigned array, uint32_t slot, M2dItemId id);
/* m2d_items_add_cpu: room for what @vcpu will have cached; nobody tells of it yet. */
M2dItemCpu *m2d_items_add_cpu(M2dItems *items, M2dVcpu *vcpu);

static inline uint32_t *m2d_items_frame(const M2dItems *items, uint64_t hpa)
{
	return &items->s->frames[(hpa >> M2D_PAGE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15) >> 55];
}

static inline uint32_t m2d_items_bucket(uint64_t hpa)
{
	return (uint32_t)((hpa >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}
