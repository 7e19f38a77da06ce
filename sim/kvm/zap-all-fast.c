/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 002c5f73c508 (5.3), and before 5.1 in an older form: a new generation makes every shadow page
 * obsolete under one short hold of mmu_lock, vCPUs are told to load new roots, and obsolete pages
 * are zapped in batches. Deletion costs little; what follows is a refault of all memory.
 */
#include "sim/kvm/zap-policy.h"

M2D_ROUTINE(m2d_zap_policy_all_fast)
{
	m2d_zap_policy_frame *f = frame;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_mmu_zap_all_fast);
	M2D_END(rt, f);
}
