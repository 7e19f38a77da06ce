/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the calls of sim/tlb/watch.h and the walk log to items and what they stem from. */
#include "sim/check/store-private.h"

static void held_clear(M2dItems *items, M2dHeld *h)
{
	for (unsigned i = 0; i < h->n_parents; i++)
		m2d_items_release(items, h->parent[i]);
	h->n = h->n_parents = 0;
}

static void held_key(M2dHeld *h, uint64_t key, unsigned level)
{
	if (h->n == M2D_MAX_HELD)
		return;
	h->level[h->n] = (uint8_t)level;
	h->key[h->n++] = key;
}

static void held_parent(M2dItems *items, M2dHeld *h, M2dItemId id)
{
	if (id == 0 || h->n_parents == M2D_MAX_HELD)
		return;
	m2d_items_hold(items, id);
	h->parent[h->n_parents++] = id;
}

/* A walk of the second dimension has ended: what no cache took belongs to the first. */
static void nested_ends(M2dItemCpu *c)
{
	M2dHeld *n = &c->nested;

	for (unsigned i = 0; i < n->n; i++)
		held_key(&c->guest, n->key[i], n->level[i]);
	for (unsigned i = 0; i < n->n_parents; i++)
		held_parent(c->items, &c->guest, n->parent[i]);
	if (n->n + n->n_parents != 0)
		held_clear(c->items, n);
}

static uint64_t fetch_key(const M2dItemCpu *c, const M2dFetch *f)
{
	const M2dMmuState *s = c->mmu->s;
	unsigned entry = 0;
	bool leaf;

	if (f->dimension == M2D_DIM_NESTED) {
		entry |= M2D_ENTRY_HOST;
		if (s->nested.kind == M2D_NESTED_EPT)
			entry |= M2D_ENTRY_EPT;
		else if (s->npt.fmt.entry_shift == 2)
			entry |= M2D_ENTRY_4BYTE;
	} else {
		entry |= c->hosts ? M2D_ENTRY_HOST : 0;
		entry |= s->fmt.entry_shift == 2 ? M2D_ENTRY_4BYTE : 0;
	}
	leaf = f->level == 1 || (f->value & M2D_PTE_PS);
	entry |= leaf ? M2D_ENTRY_LEAF : 0;
	return (f->hpa & M2D_NODE_HPA) | (uint64_t)entry << M2D_NODE_SHIFT;
}

/* Take over what the walk has read since. */
static void drain(M2dItemCpu *c)
{
	const M2dWalkLog *log = &c->mmu->log;

	for (; c->cursor < log->n; c->cursor++) {
		const M2dFetch *f = &log->fetch[c->cursor];

		if (f->dimension == M2D_DIM_NESTED) {
			held_key(&c->nested, fetch_key(c, f), f->level);
			continue;
		}
		nested_ends(c);
		held_key(&c->guest, fetch_key(c, f), f->level);
	}
}

static void on_begin(void *data)
{
	M2dItemCpu *c = data;

	held_clear(c->items, &c->guest);
	held_clear(c->items, &c->nested);
	c->start = c->cursor = c->mmu->log.n;
	c->off = c->items->guests_only && !m2d_vcpu_in_guest(c->vcpu);
	c->hosts = c->items->host_tables && m2d_vcpu_in_guest(c->vcpu);
}

static bool is_npsc(unsigned array)
{
	return array >= M2D_ARR_NPSC_PDE && array <= M2D_ARR_NPSC_PML5;
}

static bool is_psc(unsigned array, uint64_t tag)
{
	return (array >= M2D_ARR_PSC_PDE && array <= M2D_ARR_PSC_PML5) ||
	       (array == M2D_ARR_L2 && m2d_tag_class(tag) == M2D_CLASS_PDE);
}

static void on_use(void *data, unsigned array, uint32_t slot)
{
	M2dItemCpu *c = data;

	if (c->off)
		return;
	drain(c);
	nested_ends(c);
	held_parent(c->items, is_npsc(array) ? &c->nested : &c->guest, c->slot[array][slot]);
}

/* The chain of upper-level items: what is read next derives from @id. */
static void continue_from(M2dItemCpu *c, M2dHeld *h, M2dItemId id)
{
	h->n = 0;
	held_parent(c->items, h, id);
}

static void on_fill(void *data, unsigned array, uint32_t slot)
{
	M2dItemCpu *c = data;
	uint64_t tag = c->mmu->tlb.array[array].tag[slot];
	M2dHeld *n = &c->nested;
	M2dItemId id;

	if (c->off) {
		m2d_items_place(c, array, slot, 0);
		return;
	}
	drain(c);
	if (is_npsc(array)) {
		unsigned level = m2d_tag_class(tag) + 2, k = 0, left;

		while (k < n->n && n->level[k] >= level)
			k++;
		id = m2d_items_make(c, array, slot, n, k);
		left = n->n - k;
		n->n = 0;
		for (unsigned i = 0; i < left; i++)
			held_key(n, n->key[k + i], n->level[k + i]);
		held_parent(c->items, n, id);
	} else if (array == M2D_ARR_NTLB) {
		id = m2d_items_make(c, array, slot, n, n->n);
		n->n = 0;
		held_parent(c->items, &c->guest, id);
	} else if (is_psc(array, tag)) {
		nested_ends(c);
		id = m2d_items_make(c, array, slot, &c->guest, c->guest.n);
		continue_from(c, &c->guest, id);
	} else {
		nested_ends(c);
		id = m2d_items_make(c, array, slot, &c->guest, c->guest.n);
		c->guest.n = 0;
	}
	if (c->items->born != NULL)
		c->items->born(id, c->items->born_data);
}

static void on_copy(void *data, unsigned from, uint32_t from_slot, unsigned to, uint32_t to_slot)
{
	M2dItemCpu *c = data;

	m2d_items_place(c, to, to_slot, c->slot[from][from_slot]);
}

static void on_drop(void *data, unsigned array, uint32_t slot)
{
	m2d_items_place(data, array, slot, 0);
}

unsigned m2d_items_watch(M2dItems *items, M2dVcpu *vcpu)
{
	M2dItemCpu *c = m2d_items_add_cpu(items, vcpu);
	M2dTlb *tlb = &c->mmu->tlb;

	for (unsigned a = 0; a < M2D_N_ARRAYS; a++) {
		uint32_t n = tlb->array[a].ways != 0 ? m2d_array_slots(&tlb->array[a]) : 0;

		if (tlb->alias[a] == a && n != 0)
			c->slot[a] = m2d_arena_alloc(items->arena, n * sizeof(uint32_t), 64);
	}
	c->watch = (M2dTlbWatch){on_begin, on_use, on_fill, on_copy, on_drop, c};
	tlb->watch = &c->watch;
	return c->id;
}
