/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/mmu/walker.h"

#include "sim/mmu/mmu-private.h"

/* A violation drops whatever would translate @gpa under this EP4TA, or it might never end. No
 * linear address is involved, so combined mappings stay. */
static void drop_gpa(M2dMmu *mmu, uint64_t gpa)
{
	M2dKill kill = {
		.kinds = M2D_KINDS_PHYSICAL,
		.match_root = true,
		.root = m2d_ept_ep4ta(mmu->s->nested.eptp),
		.match_va = true,
		.va = gpa,
		.upper = M2D_UPPER_PATH,
	};

	m2d_mmu_kill(mmu, &kill, M2D_FLUSH_NESTED_FAULT, 0);
}

bool m2d_walker_read_pdpte(M2dMmu *mmu, uint64_t gpa, uint64_t *value, M2dOutcome *out)
{
	M2dNestedAccess access = {.kind = M2D_ACC_READ, .table = true, .guest_level = 3};
	M2dNestedHit hit;

	m2d_walklog_reset(&mmu->log);
	m2d_tlb_walk_begins(&mmu->tlb);
	if (!m2d_mmu_nested(mmu, gpa, &access, &hit, out)) {
		if (out->kind == M2D_OUT_EPT_VIOLATION)
			drop_gpa(mmu, gpa);
		if (out->kind == M2D_OUT_PML_FULL)
			mmu->stats.c.pml_full++;
		else
			mmu->stats.c.nested_faults++;
		/* Not caused by a linear address, and never a write. */
		out->qualification &= ~(M2D_EPTQ_GLA | M2D_EPTQ_FINAL | M2D_EPTQ_WRITE);
		return false;
	}
	m2d_tlb_walk_begins(&mmu->tlb); /* no linear address: nothing is made of this one */
	*value = m2d_mmu_read_entry(mmu, hit.hpa, 3);
	return true;
}
