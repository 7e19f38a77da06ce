/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From table entries to items: what a store makes stale, and what an item stems from. */
#include "sim/check/store-private.h"

#include <string.h>

/* The aligned words around a store, before and after it. */
static void store_words(const M2dWrite *w, uint64_t *old, uint64_t *new)
{
	unsigned shift = (unsigned)(w->pa.v & 7) * 8;
	uint64_t mask = w->size == 8 ? UINT64_MAX : m2d_low_mask(8 * w->size) << shift;

	*new = m2d_space_read64(w->space, M2D_HPA(w->pa.v & ~UINT64_C(7)));
	*old = (*new & ~mask) | (w->old_value << shift & mask);
}

/* Note the loss; the first one is the one to tell of. */
static void mark(M2dItems *items, M2dItemId id, unsigned guest, unsigned host, const M2dMoment *why)
{
	M2dItem *it = m2d_item_at(items, id);

	if (it->guest == 0 && it->host == 0)
		M2D_PUT(items->arena, items->s->n_marked, items->s->n_marked + 1);
	if (guest != 0 && it->guest == 0)
		m2d_item_story(items, id)->guest = *why;
	if (host & ~it->host & (it->host == 0 ? M2D_STALE_ALL : M2D_STALE_GONE))
		m2d_item_story(items, id)->host = *why;
	M2D_PUT(items->arena, it->guest, it->guest | guest);
	M2D_PUT(items->arena, it->host, it->host | host);
	if (host == 0 || items->events == NULL || items->events->actor >= 16)
		return;
	if ((host & M2D_STALE_GONE) && ((why->a[1] ^ why->a[2]) & M2D_PTE_PS) && why->a[2] != 0)
		M2D_PUT(items->arena, it->resized, 1);
	if (host & M2D_STALE_GONE)
		M2D_PUT(items->arena, it->gone_by, it->gone_by | 1u << items->events->actor);
	if (host & ~M2D_STALE_ACC)
		M2D_PUT(items->arena, it->lost_by, it->lost_by | 1u << items->events->actor);
}

void m2d_items_wrote(M2dItems *items, const M2dWrite *w)
{
	uint64_t base = w->pa.v & ~UINT64_C(7), old, new;
	uint32_t node;

	if (*m2d_items_frame(items, base) == 0)
		return;
	node = items->s->bucket[m2d_items_bucket(base)];
	if (node == 0)
		return;
	store_words(w, &old, &new);
	for (const M2dNode *n; node != 0; node = n->hash_next) {
		unsigned entry, shift = 0, stale;
		uint64_t hpa, o = old, v = new;
		M2dMoment why;

		n = m2d_node(items, node);
		hpa = n->key & M2D_NODE_HPA;
		if ((hpa ^ base) >> 3 != 0)
			continue;
		entry = (unsigned)(n->key >> M2D_NODE_SHIFT);
		if (entry & M2D_ENTRY_4BYTE) {
			shift = (unsigned)(hpa & 4) * 8;
			o = (uint32_t)(old >> shift);
			v = (uint32_t)(new >> shift);
		}
		stale = m2d_danger(o, v, entry);
		if (stale == 0)
			continue;
		why = m2d_items_moment(items);
		why.a[0] = hpa;
		why.a[1] = o;
		why.a[2] = v;
		if (entry & M2D_ENTRY_HOST)
			mark(items, n->item, 0, stale, &why);
		else
			mark(items, n->item, stale, 0, &why);
	}
}

void m2d_items_mark_guest(M2dItems *items, uint64_t hpa, unsigned stale, const M2dMoment *why)
{
	uint32_t node = items->s->bucket[m2d_items_bucket(hpa)];

	for (const M2dNode *n; node != 0; node = n->hash_next) {
		n = m2d_node(items, node);
		if ((n->key & M2D_NODE_HPA) == hpa)
			mark(items, n->item, stale, 0, why);
	}
}

typedef enum {
	STALE_GUEST,
	STALE_HOST,
	GONE_BY,
	LOST_BY
} Bits;

/* OR over an item and all it derives from. */
static unsigned bits_of(const M2dItems *items, M2dItemId id, Bits which)
{
	const M2dItem *it = m2d_item_at(items, id);
	const unsigned own[] = {it->guest, it->host, it->gone_by, it->lost_by};
	unsigned bits = own[which];

	for (uint32_t node = it->nodes; node != 0;) {
		const M2dNode *n = m2d_node(items, node);

		if (n->key & M2D_NODE_PARENT)
			bits |= bits_of(items, (M2dItemId)n->key, which);
		node = n->next;
	}
	return bits;
}

unsigned m2d_item_stale_guest(const M2dItems *items, M2dItemId id)
{
	return bits_of(items, id, STALE_GUEST);
}

unsigned m2d_item_stale_host(const M2dItems *items, M2dItemId id)
{
	return bits_of(items, id, STALE_HOST);
}

unsigned m2d_item_gone_by(const M2dItems *items, M2dItemId id)
{
	return bits_of(items, id, GONE_BY);
}

unsigned m2d_item_lost_by(const M2dItems *items, M2dItemId id)
{
	return bits_of(items, id, LOST_BY);
}

bool m2d_item_resized(const M2dItems *items, M2dItemId id)
{
	const M2dItem *it = m2d_item_at(items, id);
	bool resized = it->resized;

	for (uint32_t node = it->nodes; node != 0 && !resized;) {
		const M2dNode *n = m2d_node(items, node);

		resized = (n->key & M2D_NODE_PARENT) && m2d_item_resized(items, (M2dItemId)n->key);
		node = n->next;
	}
	return resized;
}

const M2dMoment *m2d_item_change(M2dItems *items, M2dItemId id, bool host, unsigned stale)
{
	const M2dItem *it = m2d_item_at(items, id);

	if ((host ? it->host : it->guest) & stale)
		return host ? &m2d_item_story(items, id)->host : &m2d_item_story(items, id)->guest;
	for (uint32_t node = it->nodes; node != 0;) {
		const M2dNode *n = m2d_node(items, node);

		if (n->key & M2D_NODE_PARENT) {
			const M2dMoment *m = m2d_item_change(items, (M2dItemId)n->key, host, stale);

			if (m != NULL)
				return m;
		}
		node = n->next;
	}
	return NULL;
}

/* An upper-level item that leads to a table in @pfn. */
static bool leads_to(const M2dItems *items, M2dItemId id, uint64_t pfn)
{
	return (m2d_item_at(items, id)->data & M2D_ITEM_FRAME) >> M2D_PAGE_SHIFT == pfn &&
	       m2d_item_is_upper(items, id);
}

bool m2d_item_stems_from(const M2dItems *items, M2dItemId id, uint64_t pfn)
{
	if (leads_to(items, id, pfn))
		return true;
	for (uint32_t node = m2d_item_at(items, id)->nodes; node != 0;) {
		const M2dNode *n = m2d_node(items, node);

		if (n->key & M2D_NODE_PARENT) {
			if (m2d_item_stems_from(items, (M2dItemId)n->key, pfn))
				return true;
		} else if ((n->key & M2D_NODE_HPA) >> M2D_PAGE_SHIFT == pfn) {
			return true;
		}
		node = n->next;
	}
	return false;
}

bool m2d_items_use_frame(const M2dItems *items, uint64_t pfn)
{
	bool any = *m2d_items_frame(items, pfn << M2D_PAGE_SHIFT) != 0;

	for (uint64_t i = 0; i < 512 && any; i++) {
		uint64_t hpa = (pfn << M2D_PAGE_SHIFT) + 8 * i;
		uint32_t node = items->s->bucket[m2d_items_bucket(hpa)];

		for (const M2dNode *n; node != 0; node = n->hash_next) {
			n = m2d_node(items, node);
			if ((n->key & M2D_NODE_HPA & ~UINT64_C(7)) == hpa)
				return true;
		}
	}
	/* What derives from an item that leads to the table has read an entry of it. */
	for (unsigned cpu = 0; cpu < items->n_cpus; cpu++)
		for (M2dItemId id = items->s->first[cpu]; id != 0;
		     id = m2d_item_at(items, id)->next)
			if (leads_to(items, id, pfn))
				return true;
	return false;
}

uint64_t m2d_item_leaf_entry(const M2dItems *items, M2dItemId id)
{
	for (uint32_t node = m2d_item_at(items, id)->nodes; node != 0;) {
		const M2dNode *n = m2d_node(items, node);
		uint64_t want = (uint64_t)(M2D_ENTRY_HOST | M2D_ENTRY_LEAF) << M2D_NODE_SHIFT;

		if (!(n->key & M2D_NODE_PARENT) && (n->key & want) == want)
			return n->key & M2D_NODE_HPA;
		node = n->next;
	}
	return 0;
}
