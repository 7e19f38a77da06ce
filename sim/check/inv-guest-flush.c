/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stale-gva, stale-psc, unsynced-shadow: what a flush of the guest covers. */
#include "sim/check/check-private.h"

static bool pcid_covered(const M2dCtx *ctx, M2dGuestFlush scope, uint32_t pcid)
{
	bool global = ctx->pcid == M2D_CTX_GLOBAL;

	switch (scope) {
	case M2D_GF_PAGE:
		return global || ctx->pcid == pcid;
	case M2D_GF_PCID_PAGE:
	case M2D_GF_PCID:
		return ctx->pcid == pcid;
	case M2D_GF_NONGLOBAL:
		return !global;
	default:
		return true;
	}
}

/* INVLPG drops upper levels of any address, except with AMD's translation cache extension. */
static bool address_covered(const M2dCheck *c, unsigned vcpu, M2dItemId id, M2dGuestFlush scope,
			    uint64_t gva)
{
	const M2dItem *it = m2d_item(c->items, id);
	unsigned shift = m2d_item_shift(c->items, id);

	if (scope != M2D_GF_PAGE && scope != M2D_GF_PCID_PAGE)
		return true;
	if (m2d_item_is_upper(c->items, id)) {
		if (scope == M2D_GF_PAGE && !(c->vm->vcpu[vcpu]->regs.efer & M2D_EFER_TCE))
			return true;
	} else {
		shift = MAX(shift, m2d_item_gshift(it->data));
	}
	return ((m2d_tag_va(it->tag) ^ gva) & m2d_low_mask(57)) >> shift == 0;
}

bool m2d_flush_covers(const M2dCheck *c, const M2dEvent *e, M2dItemId id)
{
	const M2dCtx *ctx = m2d_item_ctx(c->items, id);
	M2dGuestFlush scope = (M2dGuestFlush)e->a[0];

	return m2d_item(c->items, id)->owner == e->vcpu && ctx->kind != M2D_CTX_PHYSICAL &&
	       pcid_covered(ctx, scope, (uint32_t)e->a[2]) &&
	       address_covered(c, e->vcpu, id, scope, e->a[1]);
}

static void flush_begins(M2dCheck *c, const M2dEvent *e)
{
	M2dMoment now = m2d_event_moment(c);

	for (unsigned cpu = 0; cpu < m2d_items_n_cpus(c->items); cpu++) {
		for (M2dItemId id = m2d_items_first(c->items, cpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			if (!m2d_flush_covers(c, e, id) || m2d_item_stale_guest(c->items, id) == 0)
				continue;
			m2d_premise(c, m2d_item_is_upper(c->items, id) ? M2D_INV_STALE_PSC
								       : M2D_INV_STALE_GVA);
			m2d_item_set_due(c->items, id, M2D_DUE_GUEST, &now);
		}
	}
}

void m2d_inv_guest_flush(M2dCheck *c, const M2dEvent *e)
{
	if (e->vcpu >= c->vm->n_vcpus)
		return;
	if (e->type == M2D_E_GUEST_FLUSH) {
		c->guest_flush[e->vcpu] = m2d_event_moment(c);
		if (m2d_items_marked(c->items) != 0)
			flush_begins(c, e);
		if (!c->vm->cfg.tdp)
			m2d_vt_flush(c, e->vcpu, (M2dGuestFlush)e->a[0], e->a[1],
				     (uint32_t)e->a[2]);
		CHECK_PUT(c, c->s->cr3[e->vcpu], 0);
		return;
	}
	m2d_inv_other_root_flushed(c, e);
	m2d_inv_mmio_flushed(c, e);
	m2d_judge(c, e->vcpu);
	if (c->vm->vcpu[e->vcpu]->in_guest)
		m2d_vt_judge(c, e->vcpu);
}
