/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hardware may do at any time and nobody asked for: walk for an address that no instruction
 * accesses, and forget what it has cached. Sources: SDM "Details of TLB Use", "Paging-Structure
 * Caches"; APM "TLB Management".
 *
 * Not modelled: speculative fetches, walks that set dirty bits, loss of nested-TLB entries.
 */
#include "sim/mmu/mmu-private.h"

#include <string.h>

bool m2d_mmu_cached(const M2dMmu *mmu, uint64_t va)
{
	return m2d_tlb_cached(&mmu->tlb, va, mmu->s->ctx, mmu->s->gctx);
}

bool m2d_mmu_cached_upper(M2dMmu *mmu, uint64_t va)
{
	return m2d_psc_drop(&mmu->tlb, va, mmu->s->ctx, mmu->s->psc_shift, true);
}

bool m2d_mmu_speculate(M2dMmu *mmu, uint64_t va, bool user)
{
	M2dOutcome out;
	uint64_t hpa;

	/* A speculative access that would fault leaves no trace. */
	if (m2d_mmu_cached(mmu, va) || !m2d_mmu_probe(mmu, va, M2D_ACC_READ, user, &hpa))
		return false;
	memset(&out, 0, sizeof(out));
	return m2d_mmu_translate(mmu, va, M2D_ACC_READ, user, false, &out) == M2D_OUT_OK;
}

void m2d_mmu_evict(M2dMmu *mmu, uint64_t va)
{
	m2d_tlb_drop_va(&mmu->tlb, va, mmu->s->ctx, mmu->s->gctx);
}

void m2d_mmu_evict_upper(M2dMmu *mmu, uint64_t va)
{
	m2d_psc_drop(&mmu->tlb, va, mmu->s->ctx, mmu->s->psc_shift, false);
}
