/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Invalidation: the items that one act of hardware's drops, and no others. */
#include <string.h>

#include "sim/tlb/tlb-private.h"

/* True if @k reaches items of context @c. */
static bool in_scope(const M2dCtx *c, const M2dKill *k)
{
	bool global = c->pcid == M2D_CTX_GLOBAL;

	if (!(k->kinds >> c->kind & 1))
		return false;
	if (k->tag_rule == M2D_KILL_TAG_EQUAL && c->tag != k->tag)
		return false;
	if (k->tag_rule == M2D_KILL_TAG_NONZERO && c->tag == 0)
		return false;
	if (k->match_root && c->root != k->root)
		return false;
	if (c->kind == M2D_CTX_PHYSICAL)
		return true;
	switch (k->pcid_rule) {
	case M2D_KILL_PCID_ANY:
		break;
	case M2D_KILL_PCID_EQUAL:
		if (c->pcid != k->pcid)
			return false;
		break;
	case M2D_KILL_PCID_OR_GLOBAL:
		if (c->pcid != k->pcid && !global)
			return false;
		break;
	case M2D_KILL_PCID_NONGLOBAL:
		if (global)
			return false;
		break;
	}
	return true;
}

/* True if the item at @slot must go; contexts are already selected. */
M2D_ALWAYS_INLINE bool kill_item(const M2dArray *a, uint32_t slot, bool upper, const M2dKill *k)
{
	uint64_t tag = a->tag[slot], data = a->data[slot], diff;
	unsigned shift;

	if (upper) {
		if (k->upper == M2D_UPPER_NONE)
			return false;
		if (k->upper == M2D_UPPER_ALL)
			return true;
		shift = (unsigned)((data & M2D_PSC_SHIFT) >> M2D_PSC_SHIFT_SHIFT);
	} else {
		unsigned class = m2d_tag_class(tag);

		if (k->keep_leaves)
			return false;
		if (!k->match_va)
			return true;
		shift = m2d_item_gshift(data);
		/* A 4 KiB guest page cannot be cached larger, but a guest-physical item can. */
		if (class < M2D_N_SIZES && shift < m2d_size_shift((M2dPageSize) class))
			shift = m2d_size_shift((M2dPageSize) class);
	}
	diff = (m2d_tag_va(tag) ^ k->va) & m2d_low_mask(57);
	return diff >> shift == 0;
}

static bool is_psc(M2dArrayId id)
{
	return id >= M2D_ARR_PSC_PDE && id <= M2D_ARR_NPSC_PML5;
}

/* Drop the item at @slot of array @id, which is in scope, if it matches. True if that was a
 * translation. */
M2D_ALWAYS_INLINE bool kill_slot(M2dTlb *tlb, M2dArrayId id, uint32_t slot, const M2dKill *k)
{
	const M2dArray *a = &tlb->array[id];
	uint64_t tag = a->tag[slot];
	bool upper = is_psc(id) || (id == M2D_ARR_L2 && m2d_tag_class(tag) == M2D_CLASS_PDE);

	if (!kill_item(a, slot, upper, k))
		return false;
	if (tlb->on_drop != NULL)
		tlb->on_drop(id, tag, a->data[slot], tlb->on_drop_data);
	m2d_tlb_forget_slot(tlb, id, slot);
	return !upper;
}

/* Drop the matching items of one array; @scope by context. Returns how many translations. */
static uint64_t kill_array(M2dTlb *tlb, M2dArrayId id, const M2dKill *k, const bool *scope)
{
	const uint64_t *tag = tlb->array[id].tag;
	uint32_t n = m2d_array_slots(&tlb->array[id]);
	uint64_t dropped = 0;

	for (uint32_t s = 0; s < n; s++)
		if (tag[s] != 0 && scope[m2d_tag_ctx(tag[s])])
			dropped += kill_slot(tlb, id, s, k);
	return dropped;
}

/*
 * INVLPG and its like while no large page is cached in pieces: only the sets that can hold @va, or
 * the page-directory entry above it (4 MiB apart in 32-bit mode).
 */
static uint64_t kill_va_sets(M2dTlb *tlb, M2dArrayId id, const M2dKill *k, const bool *scope)
{
	static const uint8_t shifts[] = {12, 21, 30, 22};
	const M2dArray *a = &tlb->array[id];
	uint32_t done[M2D_N_ELEMENTS(shifts)] = {0};
	uint64_t dropped = 0;

	for (unsigned i = 0; i < M2D_N_ELEMENTS(shifts); i++) {
		uint32_t set = m2d_tlb_set_of(a, k->va, shifts[i]);
		bool seen = false;

		for (unsigned j = 0; j < i; j++)
			seen |= done[j] == set;
		done[i] = set;
		for (uint32_t w = 0; w < a->ways && !seen; w++) {
			uint32_t s = set * a->ways + w;

			if (a->tag[s] != 0 && scope[m2d_tag_ctx(a->tag[s])])
				dropped += kill_slot(tlb, id, s, k);
		}
	}
	return dropped;
}

/* True if the items that @k names in array @id stand in few sets. */
static bool few_sets(const M2dTlb *tlb, M2dArrayId id, const M2dKill *k)
{
	if (!k->match_va || *tlb->n_splinters != 0)
		return false;
	return id != M2D_ARR_L2 || k->upper != M2D_UPPER_ALL ||
	       tlb->array[id].n_class[M2D_CLASS_PDE] == 0;
}

uint64_t m2d_tlb_kill(M2dTlb *tlb, const M2dKill *kill)
{
	bool scope[M2D_MAX_CTX];
	uint32_t n = (uint32_t)*tlb->ctx.n;
	bool any = false;
	uint64_t dropped = 0;

	memset(scope, 0, n);
	for (uint32_t i = 1; i < n; i++) {
		if (tlb->ctx.ctx[i].kind == M2D_CTX_NONE)
			continue;
		scope[i] = in_scope(&tlb->ctx.ctx[i], kill);
		any |= scope[i];
	}
	if (!any)
		return 0;
	for (int id = 0; id < M2D_N_ARRAYS; id++) {
		const M2dArray *a = &tlb->array[id];
		bool psc = is_psc((M2dArrayId)id);

		if (a->ways == 0 || tlb->alias[id] != id || *a->n_valid == 0)
			continue;
		if (psc && kill->upper == M2D_UPPER_NONE)
			continue;
		if (!psc && kill->keep_leaves &&
		    (id != M2D_ARR_L2 || a->n_class[M2D_CLASS_PDE] == 0))
			continue;
		if (!psc && few_sets(tlb, (M2dArrayId)id, kill))
			dropped += kill_va_sets(tlb, (M2dArrayId)id, kill, scope);
		else
			dropped += kill_array(tlb, (M2dArrayId)id, kill, scope);
	}
	return dropped;
}
