/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aa8d1f48d353 (6.12): zapping everything is a quirk, KVM_X86_QUIRK_SLOT_ZAP_ALL, that default VMs
 * have until their userspace gives it up.
 */
#include "sim/kvm/zap-policy.h"

M2D_ROUTINE(m2d_zap_policy_quirk)
{
	m2d_zap_policy_frame *f = frame;
	const M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	if (vm->cfg.slot_zap_quirk_off)
		M2D_CALL(rt, f, m2d_zap_policy_leafs, .as = f->as, .id = f->id);
	else
		M2D_CALL(rt, f, m2d_zap_policy_all_fast, .as = f->as, .id = f->id);
	M2D_END(rt, f);
}
