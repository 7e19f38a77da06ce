/* SPDX-License-Identifier: GPL-2.0-or-later */
/* id-reuse: what a processor has cached under the tag of a vCPU that enters. */
#include "sim/check/check-private.h"

/* Items under the tag of @vcpu on its processor: all of another vCPU, or of itself under an
 * earlier assignment of the number. */
static void look(M2dCheck *c, unsigned vcpu, bool fresh)
{
	const M2dKvmVcpu *v = c->vm->vcpu[vcpu];
	uint32_t tag = m2d_vm_amd(c->vm) ? v->asid : v->vpid;

	if (tag == 0)
		return;
	m2d_premise(c, M2D_INV_ID_REUSE);
	for (M2dItemId id = m2d_items_first(c->items, v->pcpu); id != 0;
	     id = m2d_items_next(c->items, id)) {
		const M2dItem *it = m2d_item(c->items, id);
		const M2dCtx *ctx = m2d_item_ctx(c->items, id);

		if (ctx->tag != tag || it->owner == M2D_NO_ACTOR ||
		    (ctx->kind == M2D_CTX_PHYSICAL && !m2d_vm_amd(c->vm)) ||
		    (it->owner == vcpu && !fresh))
			continue;
		m2d_find(
			c, M2D_INV_ID_REUSE,
			&(M2dAbout){.vcpu = vcpu,
				    .gva = m2d_tag_va(it->tag),
				    .gpa = M2D_NO_ADDRESS,
				    .hpa = it->data & M2D_ITEM_FRAME,
				    .item = id},
			"vcpu%u enters with %s %u, under which pCPU %u still has entries of vcpu%u",
			vcpu, m2d_vm_amd(c->vm) ? "ASID" : "VPID", tag, v->pcpu, it->owner);
		return;
	}
}

void m2d_inv_id_reuse(M2dCheck *c, const M2dEvent *e)
{
	const M2dKvmVcpu *v;
	bool fresh;

	if (e->vcpu >= c->vm->n_vcpus)
		return;
	if (e->type == M2D_E_TAG_ASSIGNED) {
		CHECK_PUT(c, c->s->vcpu[e->vcpu].new_tag, true);
		return;
	}
	v = c->vm->vcpu[e->vcpu];
	fresh = c->s->vcpu[e->vcpu].new_tag;
	if (!fresh && c->s->vcpu[e->vcpu].last_pcpu == v->pcpu + 1 &&
	    c->s->pcpu[v->pcpu].last_vcpu == e->vcpu + 1)
		return;
	CHECK_PUT(c, c->s->vcpu[e->vcpu].last_pcpu, v->pcpu + 1);
	CHECK_PUT(c, c->s->pcpu[v->pcpu].last_vcpu, e->vcpu + 1);
	CHECK_PUT(c, c->s->vcpu[e->vcpu].new_tag, false);
	look(c, e->vcpu, fresh);
}
