/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 4e103134b862 (5.1): only what belongs to the slot, its leaf SPTEs and the shadow pages of guest
 * tables in it. Empty tables above stay, and so do all other mappings.
 */
#include "sim/kvm/zap-policy.h"

M2D_ROUTINE(m2d_zap_policy_leafs)
{
	m2d_zap_policy_frame *f = frame;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_mmu_zap_slot_leafs, .as = f->as, .id = f->id);
	M2D_END(rt, f);
}
