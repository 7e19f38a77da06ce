/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lost-flush-flag: from the guest's store to the preempted byte to the target's entry. Nor may KVM
 * complete an instruction in between: the guest saw the vCPU between two.
 */
#include "sim/check/check-private.h"
#include "sim/kvm/kvm.h"

static void completed(M2dCheck *c, const M2dEvent *e)
{
	if (e->a[1] != M2D_OPR_EMULATED && e->a[1] != M2D_OPR_MMIO)
		return;
	m2d_find(c, M2D_INV_LOST_FLUSH_FLAG,
		 &(M2dAbout){.vcpu = e->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = M2D_NO_ADDRESS,
			     .hpa = M2D_NO_ADDRESS},
		 "KVM completes an instruction of vcpu%u that began before the flush flag was set",
		 e->vcpu);
}

void m2d_inv_lost_flush_flag(M2dCheck *c, const M2dEvent *e)
{
	uint8_t bit;

	if (e->type == M2D_E_PV_FLUSH_FLAG) {
		m2d_premise(c, M2D_INV_LOST_FLUSH_FLAG);
		CHECK_PUT(c, c->s->pv_flag, c->s->pv_flag | 1u << e->a[0]);
		return;
	}
	bit = (uint8_t)(1u << (e->vcpu & 7));
	if (!(c->s->pv_flag & bit))
		return;
	if (e->type == M2D_E_OP_DONE) {
		completed(c, e);
		return;
	}
	if (e->type != M2D_E_KVM_ENTRY) {
		/* Any flush for the guest, or a new root, will do. */
		if (e->type != M2D_E_FLUSH_HW || e->a[0] != 3)
			CHECK_PUT(c, c->s->pv_flag, c->s->pv_flag & ~bit);
		return;
	}
	CHECK_PUT(c, c->s->pv_flag, c->s->pv_flag & ~bit);
	m2d_find(c, M2D_INV_LOST_FLUSH_FLAG,
		 &(M2dAbout){.vcpu = e->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = M2D_NO_ADDRESS,
			     .hpa = M2D_NO_ADDRESS},
		 "vcpu%u enters and nobody has serviced the flush flag in its steal-time page",
		 e->vcpu);
}
