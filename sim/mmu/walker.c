/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/mmu/walker.h"

#include "sim/mmu/mmu-private.h"

bool m2d_walker_read_pdpte(M2dMmu *mmu, uint64_t gpa, uint64_t *value, M2dOutcome *out)
{
	M2dNestedAccess access = {.kind = M2D_ACC_READ, .table = true, .guest_level = 3};
	M2dNestedHit hit;

	m2d_walklog_reset(&mmu->log);
	if (!m2d_mmu_nested(mmu, gpa, &access, &hit, out)) {
		/* Not caused by a linear address, and never a write. */
		out->qualification &= ~(M2D_EPTQ_GLA | M2D_EPTQ_FINAL | M2D_EPTQ_WRITE);
		return false;
	}
	*value = m2d_mmu_read_entry(mmu, hit.hpa, 3);
	return true;
}
