/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every logical processor has cached, and from which table entries. One item stands for a
 * translation or an upper-level entry and all its copies in the levels of the TLB. It names the
 * entries that its walk read; for those that a cache supplied it names the item in that cache,
 * which stays on record as long as something derives from it. So an item is stale if a write
 * took something away from an entry of its own, or of an item it derives from.
 *
 * Writes to entries that no item stems from cost one probe of a table. All that decides verdicts
 * lies in the arena; stories (who, when) lie outside and are indexed by item.
 *
 * Invariants between calls: a slot in use since the processor was added has an item; items are on
 * their processor's list iff a slot holds them; refs = slots + items that derive from it.
 */
#pragma once

#include "sim/check/danger.h"
#include "sim/cpu/vcpu.h"
#include "sim/engine/event.h"
#include "sim/mmu/mmu.h"

typedef uint32_t M2dItemId; /* 0: none */

#define M2D_MAX_WATCHED 16u /* processors */

#define M2D_NO_GFN UINT64_MAX

/* Why an item must not be used any more. */
#define M2D_DUE_GUEST 1u /* the guest flushed it */
#define M2D_DUE_HOST  2u /* the hypervisor made a promise that covers it */

/* What an item stems from: an entry of a table, its address in key bits 51:0 and M2D_ENTRY_* above,
 * or an item. */
typedef struct {
	uint64_t key;
	uint32_t item;
	uint32_t next; /* of the same item */
	uint32_t hash_next, hash_prev;
} M2dNode;

#define M2D_OWN_NODES 2u /* most items need no more */

typedef struct {
	uint64_t tag, data; /* words of the slot first filled */
	uint64_t gfn;       /* of the first page it translates to, if known; M2D_NO_GFN */
	/* Where its walk began: hardware's table (0: its tag tells) and the guest's. */
	uint64_t root, guest_root;
	uint32_t refs;       /* items and walks that derive from it */
	uint32_t slots;      /* that hold it */
	uint32_t next, prev; /* items cached by the same processor, newest first */
	uint32_t nodes;      /* entries it stems from */
	uint8_t cpu, array;  /* M2dArrayId, the first of arrays that share one structure */
	uint8_t owner;       /* vCPU it was filled for, M2D_NO_ACTOR: the host */
	uint8_t due;         /* M2D_DUE_* */
	uint8_t guest, host; /* M2D_STALE_*: from entries of the guest's and hypervisor's tables */
	uint8_t reported;
	uint8_t resized;  /* an entry of the hypervisor's went over to another page size */
	uint16_t asked;   /* actors whose remote flush, now under way, is to drop it */
	uint16_t gone_by; /* actors that took a page or table away from it on the host's side */
	uint16_t lost_by; /* actors that took anything but A away on the host's side */
	uint16_t promise; /* M2dEventType of the promise that covers it; 0: none, or the guest's */
	uint32_t number;  /* in its processor's pool */
	M2dNode own[M2D_OWN_NODES]; /* the first ones */
} M2dItem;

/* A moment of the run. */
typedef struct {
	uint64_t time;
	uint32_t step;
	uint16_t type; /* M2dEventType of the event that it was, or M2D_N_EVENTS */
	uint8_t actor, vcpu;
	uint64_t a[M2D_EVENT_ARGS]; /* of the event; of a write: address, old, new */
} M2dMoment;

/* What became of an item; most items have nothing to tell. */
typedef struct {
	M2dMoment guest_promise, host_promise;
	M2dMoment guest, host; /* first stores that marked it, on either side */
} M2dItemStory;

typedef struct _M2dItems M2dItems;

/* m2d_items_new: nothing is watched yet. @events: tells the time; may be NULL. */
M2dItems *m2d_items_new(M2dArena *arena, const M2dEvents *events);
void m2d_items_free(M2dItems *items);
/* m2d_items_watch: keep the items of @vcpu, whose caches are best empty; returns its number here.
 */
unsigned m2d_items_watch(M2dItems *items, M2dVcpu *vcpu);
/* m2d_items_host_tables: the first dimension of guest code are tables of the hypervisor. */
void m2d_items_host_tables(M2dItems *items, bool yes);
/* m2d_items_guests_only: walks outside guests leave no items. */
void m2d_items_guests_only(M2dItems *items);
/* m2d_items_on_born: call @fn for each new item; the walk log is still that of its walk. */
void m2d_items_on_born(M2dItems *items, void (*fn)(M2dItemId id, void *data), void *data);

/* m2d_items_wrote: a store was made: mark what it makes stale. */
void m2d_items_wrote(M2dItems *items, const M2dWrite *write);
/* m2d_items_mark_guest: something that entry @hpa stands for has lost @stale on the guest's side.
 */
void m2d_items_mark_guest(M2dItems *items, uint64_t hpa, unsigned stale, const M2dMoment *why);

M2dItem *m2d_item(const M2dItems *items, M2dItemId id);
M2dItemStory *m2d_item_story(M2dItems *items, M2dItemId id);
/* m2d_item_birth: when it was cached. */
M2dMoment m2d_item_birth(const M2dItems *items, M2dItemId id);
/* m2d_item_stale_guest, m2d_item_stale_host: M2D_STALE_* of the item and all it derives from. */
unsigned m2d_item_stale_guest(const M2dItems *items, M2dItemId id);
unsigned m2d_item_stale_host(const M2dItems *items, M2dItemId id);
/* m2d_item_gone_by: actors that made it, or what it derives from, M2D_STALE_GONE on the host's
 * side. */
unsigned m2d_item_gone_by(const M2dItems *items, M2dItemId id);
/* m2d_item_lost_by: the same of all losses but that of A. */
unsigned m2d_item_lost_by(const M2dItems *items, M2dItemId id);
/* m2d_item_resized: it, or what it derives from, lost a page to another size. */
bool m2d_item_resized(const M2dItems *items, M2dItemId id);
/* m2d_item_change: the store that marked it, or what it derives from, with one of @stale; NULL:
 * none. On the host's side, of several, the one that took the page away. */
const M2dMoment *m2d_item_change(M2dItems *items, M2dItemId id, bool host, unsigned stale);
/* m2d_item_stems_from: an entry in frame @pfn shaped it or what it derives from, or one of these
 * leads to a table in that frame. */
bool m2d_item_stems_from(const M2dItems *items, M2dItemId id, uint64_t pfn);
/* m2d_item_leaf_entry: address of the entry of a hypervisor's table that it read itself; 0: none.
 */
uint64_t m2d_item_leaf_entry(const M2dItems *items, M2dItemId id);

/* m2d_item_set_due: @due more holds; 0 takes all back. */
void m2d_item_set_due(M2dItems *items, M2dItemId id, unsigned due, const M2dMoment *promise);
/* m2d_items_due: number of cached items that are due. */
uint32_t m2d_items_due(const M2dItems *items);
/* m2d_items_marked: number of items, cached or derived from, that lost something themselves: if 0,
 * nothing is stale. */
uint32_t m2d_items_marked(const M2dItems *items);
/* m2d_items_use_frame: some item, cached or derived from, stems from an entry in frame @pfn or
 * leads to a table in it. */
bool m2d_items_use_frame(const M2dItems *items, uint64_t pfn);

unsigned m2d_items_n_cpus(const M2dItems *items);
M2dMmu *m2d_items_mmu(const M2dItems *items, unsigned cpu);
/* m2d_items_first, m2d_items_next: the items that @cpu has cached. */
M2dItemId m2d_items_first(const M2dItems *items, unsigned cpu);
static inline M2dItemId m2d_items_next(const M2dItems *items, M2dItemId id)
{
	return m2d_item(items, id)->next;
}
/* m2d_items_at: the item in a slot, 0 if none. */
M2dItemId m2d_items_at(const M2dItems *items, unsigned cpu, unsigned array, uint32_t slot);
/* m2d_item_ctx: architectural tags of a cached item. */
const M2dCtx *m2d_item_ctx(const M2dItems *items, M2dItemId id);
/* m2d_item_is_upper: a paging-structure item. */
bool m2d_item_is_upper(const M2dItems *items, M2dItemId id);
/* m2d_item_shift: log2 of the linear or guest-physical range it covers. */
unsigned m2d_item_shift(const M2dItems *items, M2dItemId id);
/* m2d_items_walk_start: where in the walk log of @cpu the present walk begins. */
uint32_t m2d_items_walk_start(const M2dItems *items, unsigned cpu);
/* m2d_items_moment: now. */
M2dMoment m2d_items_moment(const M2dItems *items);
