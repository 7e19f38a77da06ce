/* SPDX-License-Identifier: GPL-2.0-or-later */
/* missed-request: requests that were visible when a vCPU entered, or when their maker returned. */
#include "sim/check/check-private.h"

#define MUST                                                                                       \
	(1u << M2D_REQ_TLB_FLUSH | 1u << M2D_REQ_TLB_FLUSH_CURRENT |                               \
	 1u << M2D_REQ_TLB_FLUSH_GUEST | 1u << M2D_REQ_MMU_SYNC |                                  \
	 1u << M2D_REQ_MMU_FREE_OBSOLETE_ROOTS)

static void report(M2dCheck *c, unsigned vcpu, uint32_t requests, const char *what)
{
	m2d_find(c, M2D_INV_MISSED_REQUEST,
		 &(M2dAbout){.vcpu = vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = M2D_NO_ADDRESS,
			     .hpa = M2D_NO_ADDRESS},
		 "vcpu%u %s requests 0x%x pending", vcpu, what, requests);
}

void m2d_inv_missed_request(M2dCheck *c, const M2dEvent *e)
{
	uint16_t actor = (uint16_t)(1u << (e->actor & 15));

	if (e->type == M2D_E_KVM_ENTRY) {
		m2d_premise(c, M2D_INV_MISSED_REQUEST);
		if (e->a[1] & MUST)
			report(c, e->vcpu, (uint32_t)e->a[1], "enters the guest with");
		return;
	}
	if (e->type == M2D_E_FLUSH_REMOTE) {
		CHECK_PUT(c, c->s->remote, c->s->remote | actor);
		return;
	}
	CHECK_PUT(c, c->s->remote, c->s->remote & ~actor);
	if (c->s->remote != 0)
		return; /* the bits may be another's */
	m2d_premise(c, M2D_INV_MISSED_REQUEST);
	for (unsigned i = 0; i < c->vm->n_vcpus; i++) {
		const M2dKvmVcpu *v = c->vm->vcpu[i];

		if (v->in_guest && (v->requests & 1u << M2D_REQ_TLB_FLUSH))
			report(c, i, v->requests, "is in the guest when the flush returns, with");
	}
}
