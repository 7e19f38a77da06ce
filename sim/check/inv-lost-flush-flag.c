/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lost-flush-flag: from the guest's store to the preempted byte to the target's entry. */
#include "sim/check/check-private.h"

void m2d_inv_lost_flush_flag(M2dCheck *c, const M2dEvent *e)
{
	uint8_t bit;

	if (e->type == M2D_E_PV_FLUSH_FLAG) {
		CHECK_PUT(c, c->s->pv_flag, c->s->pv_flag | 1u << e->a[0]);
		return;
	}
	bit = (uint8_t)(1u << (e->vcpu & 7));
	if (!(c->s->pv_flag & bit))
		return;
	if (e->type != M2D_E_KVM_ENTRY) {
		/* Any flush for the guest, or a new root, will do. */
		if (e->type != M2D_E_FLUSH_HW || e->a[0] != 3)
			CHECK_PUT(c, c->s->pv_flag, c->s->pv_flag & ~bit);
		return;
	}
	m2d_premise(c, M2D_INV_LOST_FLUSH_FLAG);
	CHECK_PUT(c, c->s->pv_flag, c->s->pv_flag & ~bit);
	m2d_find(c, M2D_INV_LOST_FLUSH_FLAG,
		 &(M2dAbout){.vcpu = e->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = M2D_NO_ADDRESS,
			     .hpa = M2D_NO_ADDRESS},
		 "vcpu%u enters and nobody has serviced the flush flag in its steal-time page",
		 e->vcpu);
}
