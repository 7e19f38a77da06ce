/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * d012a06ab1d2 (5.3-rc, 5.2.11): what precise zapping was replaced with when guests with assigned
 * GPUs broke: every shadow page is zapped while mmu_lock is held.
 */
#include "sim/kvm/zap-policy.h"

M2D_ROUTINE(m2d_zap_policy_all_slow)
{
	m2d_zap_policy_frame *f = frame;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_mmu_zap_all);
	M2D_END(rt, f);
}
