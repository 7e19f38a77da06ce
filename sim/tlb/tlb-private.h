/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of sim/tlb only. */
#pragma once

#include "sim/tlb/tlb.h"

/* Where the translation of an address can be: an array, and the size that it would have there. */
typedef struct {
	uint8_t array, size;
} M2dTlbPlace;

#define M2D_TLB_PLACES 9u
extern const M2dTlbPlace m2d_tlb_places[M2D_TLB_PLACES];

/* m2d_tlb_set_of: the set of @array that can hold the page of 1 << @shift bytes at @va. */
static inline uint32_t m2d_tlb_set_of(const M2dArray *array, uint64_t va, unsigned shift)
{
	return (uint32_t)(va >> shift) & array->set_mask;
}

/* m2d_tlb_forget_slot: the item goes, and the watcher hears of it; no flush is billed. */
static inline void m2d_tlb_forget_slot(M2dTlb *tlb, unsigned array, uint32_t slot)
{
	if (m2d_unlikely(tlb->watch != NULL))
		tlb->watch->drop(tlb->watch->data, tlb->alias[array], slot);
	m2d_array_drop(&tlb->array[array], tlb->arena, slot);
}
