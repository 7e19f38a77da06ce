/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flush bill: which invalidation dropped a translation that a later walk had to re-create,
 * and whether it came back unchanged (dropped without need). A direct-mapped table remembers the
 * translations dropped last; a newer one takes an older one's place, which undercounts when more
 * than its size are outstanding. Statistics, not state.
 */
#include "sim/mmu/mmu-private.h"

#define GHOST_BITS 14

typedef struct {
	uint64_t tag; /* of the item, at its own size; 0: free */
	uint64_t data;
	uint8_t cause;
} M2dGhost;

struct _M2dGhosts {
	M2dGhost slot[1u << GHOST_BITS];
};

static M2dGhost *ghost_slot(M2dGhosts *g, uint64_t tag)
{
	return &g->slot[m2d_mix64(tag) >> (64 - GHOST_BITS)];
}

void m2d_ghosts_record(M2dMmu *mmu, uint64_t tag, uint64_t data, M2dFlushCause cause)
{
	M2dGhost *g;

	if (mmu->ghosts == NULL)
		mmu->ghosts = g_new0(M2dGhosts, 1);
	g = ghost_slot(mmu->ghosts, tag);
	*g = (M2dGhost){tag, data, (uint8_t)cause};
}

void m2d_ghosts_refill(M2dMmu *mmu, uint64_t va, uint64_t item, uint64_t cycles)
{
	/* D and rights may differ: what counts is whether the old item would still have served. */
	const uint64_t same = M2D_ITEM_FRAME | M2D_ITEM_U | M2D_ITEM_X | M2D_ITEM_NX;
	M2dPageSize size = m2d_item_esize(item);
	uint32_t ctx = item & M2D_ITEM_G ? mmu->s->gctx : mmu->s->ctx;
	uint64_t tag = m2d_tag(va, m2d_size_shift(size), size, ctx);
	M2dGhost *g = ghost_slot(mmu->ghosts, tag);
	M2dFlushBill *bill;

	if (g->tag != tag)
		return;
	bill = &mmu->stats.bill[g->cause];
	bill->refilled++;
	bill->indirect_cycles += cycles;
	mmu->stats.c.refilled++;
	if (((g->data ^ item) & same) == 0) {
		bill->over_flushed++;
		mmu->stats.c.over_flushed++;
	}
	g->tag = 0;
}
