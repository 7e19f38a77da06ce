/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/kvm/zap-policy.h"

static const M2dZapPolicy policies[M2D_SLOT_DELETE_VALUES] = {
	[M2D_SLOT_DELETE_ZAP_ALL_SLOW] = {"zap-all-slow",
					  "every shadow page of the VM, one after the other",
					  M2D_R_m2d_zap_policy_all_slow},
	[M2D_SLOT_DELETE_ZAP_ALL_FAST] =
		{"zap-all-fast", "every shadow page, by making all of them obsolete at once",
		 M2D_R_m2d_zap_policy_all_fast},
	[M2D_SLOT_DELETE_LEAFS] = {"leafs",
				   "the slot's SPTEs and the shadow pages of its gfns only",
				   M2D_R_m2d_zap_policy_leafs},
	[M2D_SLOT_DELETE_QUIRK] = {"quirk", "zap-all-fast unless userspace turned the quirk off",
				   M2D_R_m2d_zap_policy_quirk},
};

const M2dZapPolicy *m2d_zap_policy(unsigned i)
{
	return &policies[i];
}

M2D_ROUTINE(m2d_flush_shadow_memslot)
{
	m2d_flush_shadow_memslot_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	m2d_zap_policy_frame args = {.as = f->as, .id = f->id};

	M2D_BEGIN(rt, f);
	m2d_emit(vm->ev, FN_FLUSH_SHADOW, f->as << 16 | f->id);
	if (M2D_OWES(vm, ZAP_SLOT))
		M2D_CALL_ANY(rt, f, policies[vm->cfg.knobs.slot_delete].routine, &args,
			     sizeof(args));
	M2D_END(rt, f);
}
