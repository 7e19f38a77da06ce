/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which cached items a vCPU would hit, and which of these it must not: the one rule of staleness.
 * An item that is due is a finding as soon as a vCPU in the guest can use it; for a vCPU outside
 * that is decided when it enters.
 */
#include "sim/check/check-private.h"

#include "sim/vm/tag.h"

unsigned m2d_vcpu_on(const M2dCheck *c, unsigned pcpu)
{
	unsigned n = c->vm->n_vcpus;

	for (unsigned i = 0; i < n; i++) {
		const M2dKvmVcpu *v = c->vm->vcpu[i];

		if (v->in_guest && v->pcpu == pcpu)
			return i;
	}
	return M2D_NO_ACTOR;
}

bool m2d_usable(const M2dCheck *c, unsigned vcpu, M2dItemId id)
{
	const M2dKvmVcpu *v = c->vm->vcpu[vcpu];
	const M2dItem *it = m2d_item(c->items, id);
	const M2dCtx *ctx = m2d_item_ctx(c->items, id);
	const M2dMmuState *s = m2d_items_mmu(c->items, it->cpu)->s;

	if (!v->in_guest || v->pcpu != it->cpu || it->slots == 0)
		return false;
	if (ctx->kind == M2D_CTX_PHYSICAL)
		return m2d_tag_ctx(it->tag) == s->nctx;
	return m2d_tag_ctx(it->tag) == s->ctx || m2d_tag_ctx(it->tag) == s->gctx;
}

bool m2d_item_frames(const M2dCheck *c, M2dItemId id, uint64_t *first, uint64_t *n)
{
	const M2dItem *it = m2d_item(c->items, id);

	if (m2d_item_is_upper(c->items, id))
		return false;
	*first = (it->data & M2D_ITEM_FRAME) >> M2D_PAGE_SHIFT;
	*n = UINT64_C(1) << (m2d_size_shift(m2d_item_esize(it->data)) - M2D_PAGE_SHIFT);
	*first &= ~(*n - 1);
	return true;
}

bool m2d_item_gfns(const M2dCheck *c, M2dItemId id, uint64_t *first, uint64_t *n)
{
	const M2dItem *it = m2d_item(c->items, id);

	if (it->gfn == M2D_NO_GFN || !m2d_item_frames(c, id, first, n))
		return false;
	*first = it->gfn;
	return true;
}

bool m2d_item_writable(const M2dCheck *c, M2dItemId id)
{
	const M2dItem *it = m2d_item(c->items, id);

	if (m2d_item_is_upper(c->items, id))
		return false;
	if (it->array == M2D_ARR_NTLB || c->vm->cfg.tdp)
		return (it->data & (M2D_ITEM_NW | M2D_ITEM_D)) == (M2D_ITEM_NW | M2D_ITEM_D);
	return (it->data & (M2D_ITEM_W | M2D_ITEM_D)) == (M2D_ITEM_W | M2D_ITEM_D);
}

/* The promise of the host's that has a name of its own; else staleness in general. */
static bool named(const M2dItem *it, M2dInvariantId *inv)
{
	if (!(it->due & M2D_DUE_HOST))
		return false;
	switch (it->promise) {
	case M2D_E_DIRTY_LOG_DONE:
		*inv = M2D_INV_LOST_DIRTY;
		return true;
	case M2D_E_GFN_PROTECTED:
	case M2D_E_KVM_MMU_SYNC_PAGE:
		*inv = M2D_INV_WRITABLE_SHADOWED;
		return true;
	case M2D_E_FRAME_FREED:
		*inv = M2D_INV_FRAME_USE_AFTER_FREE;
		return true;
	case M2D_E_SP_FREE:
		*inv = M2D_INV_PT_USE_AFTER_FREE;
		return true;
	default:
		return false;
	}
}

/* *@guest: it is the guest's promise that counts. */
static M2dInvariantId kind_of(const M2dCheck *c, M2dItemId id, bool *guest)
{
	const M2dItem *it = m2d_item(c->items, id);
	unsigned stale = it->due & M2D_DUE_GUEST ? m2d_item_stale_guest(c->items, id)
						 : m2d_item_stale_host(c->items, id);
	bool physical = m2d_item_ctx(c->items, id)->kind == M2D_CTX_PHYSICAL;
	M2dInvariantId inv;

	*guest = it->due & M2D_DUE_GUEST;
	if (stale == M2D_STALE_ACC)
		return M2D_INV_LOST_ACCESSED;
	if (named(it, &inv)) {
		*guest = false;
		return inv;
	}
	if (m2d_item_is_upper(c->items, id))
		return M2D_INV_STALE_PSC;
	return *guest && !physical ? M2D_INV_STALE_GVA : M2D_INV_STALE_GPA;
}

static void report_due(M2dCheck *c, unsigned vcpu, M2dItemId id)
{
	const M2dItem *it = m2d_item(c->items, id);
	bool physical = m2d_item_ctx(c->items, id)->kind == M2D_CTX_PHYSICAL, guest;
	M2dInvariantId inv = kind_of(c, id, &guest);
	M2dAbout about = {
		.vcpu = vcpu,
		.gva = physical ? M2D_NO_ADDRESS : m2d_tag_va(it->tag),
		.gpa = it->gfn != M2D_NO_GFN ? it->gfn << M2D_PAGE_SHIFT
		       : physical            ? m2d_tag_va(it->tag)
					     : M2D_NO_ADDRESS,
		.hpa = it->data & M2D_ITEM_FRAME,
		.item = id,
		.host = !guest,
	};

	m2d_find(c, inv, &about, "vcpu%u can use a stale %s after %s", vcpu,
		 m2d_item_is_upper(c->items, id) ? "paging-structure entry"
		 : physical                      ? "guest-physical translation"
						 : "translation",
		 guest ? "its guest's flush" : "KVM's promise");
}

void m2d_judge(M2dCheck *c, unsigned vcpu)
{
	if (m2d_items_due(c->items) == 0)
		return;
	for (unsigned i = 0; i < c->vm->n_vcpus; i++) {
		const M2dKvmVcpu *v = c->vm->vcpu[i];

		if (!v->in_guest || (vcpu != M2D_NO_ACTOR && vcpu != i))
			continue;
		for (M2dItemId id = m2d_items_first(c->items, v->pcpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			const M2dItem *it = m2d_item(c->items, id);

			if (it->due == 0 || it->reported || !m2d_usable(c, i, id))
				continue;
			/* What the guest flushed on one vCPU another may still use. */
			if (it->due == M2D_DUE_GUEST && it->owner != i)
				continue;
			report_due(c, i, id);
		}
	}
}

/* Only other actors took something away, and one of them is still at work: its flush may be yet to
 * come, and is no concern of this promise. */
static bool others_work(const M2dCheck *c, M2dItemId id)
{
	unsigned by = m2d_item_lost_by(c->items, id);

	if (c->event->actor < 16 && by >> c->event->actor & 1)
		return false;
	for (unsigned a = 0; a < c->vm->rt->n_tasks; a++)
		if (by >> a & 1 && !m2d_rt_idle(c->vm->rt, a))
			return true;
	return false;
}

void m2d_promise_gfns(M2dCheck *c, uint64_t first, uint64_t n, unsigned stale, bool writable_only)
{
	M2dMoment now = m2d_event_moment(c);

	if (m2d_items_marked(c->items) == 0)
		return;
	for (unsigned cpu = 0; cpu < m2d_items_n_cpus(c->items); cpu++) {
		for (M2dItemId id = m2d_items_first(c->items, cpu); id != 0;
		     id = m2d_items_next(c->items, id)) {
			uint64_t g, k;

			if (!m2d_item_gfns(c, id, &g, &k) || g >= first + n || first >= g + k)
				continue;
			if (writable_only && !m2d_item_writable(c, id))
				continue;
			if ((m2d_item_stale_host(c->items, id) & stale) && !others_work(c, id))
				m2d_item_set_due(c->items, id, M2D_DUE_HOST, &now);
		}
	}
}

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
