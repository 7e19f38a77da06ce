/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a TLB holds for an address, without using it, and the loss of it for no reason. */
#include "sim/tlb/tlb-private.h"

/* Slot of array @id that holds @tag, or -1. */
static int32_t holds(const M2dTlb *tlb, unsigned id, uint64_t va, unsigned shift, uint64_t tag)
{
	const M2dArray *a = &tlb->array[id];

	if (a->ways == 0)
		return -1;
	return m2d_array_find(a, (uint32_t)(va >> shift) & a->set_mask, tag, tag);
}

bool m2d_tlb_cached(const M2dTlb *tlb, uint64_t va, uint32_t ctx, uint32_t gctx)
{
	for (size_t i = 0; i < M2D_TLB_PLACES; i++) {
		unsigned array = m2d_tlb_places[i].array;
		M2dPageSize size = (M2dPageSize)m2d_tlb_places[i].size;
		unsigned shift = m2d_size_shift(size);

		if (holds(tlb, array, va, shift, m2d_tag(va, shift, size, ctx)) >= 0 ||
		    holds(tlb, array, va, shift, m2d_tag(va, shift, size, gctx)) >= 0)
			return true;
	}
	return false;
}

bool m2d_psc_drop(M2dTlb *tlb, uint64_t va, uint32_t ctx, const uint8_t shifts[], bool look_only)
{
	bool any = false;

	for (unsigned l = 0; l < M2D_PSC_LEVELS; l++) {
		bool in_l2 = l == M2D_PSC_PDE && tlb->machine->tlb.l2_holds_pde;
		unsigned id = in_l2 ? M2D_ARR_L2 : M2D_ARR_PSC_PDE + l;
		unsigned class = in_l2 ? M2D_CLASS_PDE : l;
		int32_t slot;

		if (shifts[l] == 0)
			continue;
		slot = holds(tlb, id, va, shifts[l], m2d_tag(va, shifts[l], class, ctx));
		any |= slot >= 0;
		if (slot < 0 || look_only)
			continue;
		m2d_tlb_forget_slot(tlb, id, (uint32_t)slot);
	}
	return any;
}
