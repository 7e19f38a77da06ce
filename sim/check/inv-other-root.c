/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stale-gva, stale-gpa: what was cached under another root than hardware is given now.
 * No entry was written, and yet such an item is not what the tables say. It may stay on if its tag
 * is not in use, or if the guest itself loaded CR3 without a flush; a flush of the guest, or a root
 * that KVM puts in place of another for the same CR3, must drop it.
 */
#include "sim/check/check-private.h"

/* The guest's top table; without paging its CR3 means nothing. */
static uint64_t guest_root(const M2dKvmVcpu *v)
{
	bool pae = (v->regs.cr4 & M2D_CR4_PAE) && !(v->regs.efer & M2D_EFER_LMA);

	if (!(v->regs.cr0 & M2D_CR0_PG))
		return M2D_NO_ADDRESS;
	return v->regs.cr3 & (pae ? M2D_BITS(31, 5) : M2D_BITS(51, 12));
}

/* What a walk of @va starts from; 0: EPT, where it is part of the tag. */
static uint64_t root_of(const M2dCheck *c, unsigned vcpu, uint64_t va)
{
	M2dSpIndex sp;

	if (c->vm->cfg.tdp)
		return m2d_vm_amd(c->vm) ? c->vm->vcpu[vcpu]->mmu.root_hpa : 0;
	if (c->vm->vcpu[vcpu]->mmu.root.sp != M2D_ROOT_PAE)
		return c->vm->vcpu[vcpu]->mmu.root_hpa;
	sp = m2d_root_for(c, vcpu, va);
	return sp != 0 ? m2d_sp(c->vm, sp)->pfn << M2D_PAGE_SHIFT : 0;
}

void m2d_root_born(M2dCheck *c, unsigned vcpu, M2dItem *it)
{
	uint64_t root = root_of(c, vcpu, m2d_tag_va(it->tag));

	if (root == 0)
		return;
	CHECK_PUT(c, it->root, root);
	CHECK_PUT(c, it->guest_root, guest_root(c->vm->vcpu[vcpu]));
}

/* Changes with anything that makes another root of some address. */
static uint64_t all_roots(const M2dCheck *c, unsigned vcpu)
{
	const M2dKvmVcpu *v = c->vm->vcpu[vcpu];
	uint64_t hash = v->pcpu + 1;

	for (uint64_t i = 0; i < 4; i++)
		hash = (hash ^ root_of(c, vcpu, i << 30)) * UINT64_C(0x9e3779b97f4a7c15);
	return (hash ^ v->regs.cr3) * UINT64_C(0x9e3779b97f4a7c15) ^ guest_root(v);
}

/* @vcpu can use an item that began from another root. */
static bool other(const M2dCheck *c, unsigned vcpu, M2dItemId id)
{
	const M2dItem *it = m2d_item(c->items, id);

	return it->root != 0 && !it->reported && it->owner == vcpu && m2d_usable(c, vcpu, id) &&
	       it->root != root_of(c, vcpu, m2d_tag_va(it->tag));
}

/* One finding tells of all items that one root left behind. */
typedef struct {
	M2dItemId id; /* the one to show */
	const char *when;
	const M2dMoment *promise;
} M2dLeft;

static void left(M2dCheck *c, M2dLeft *l, M2dItemId id)
{
	CHECK_PUT(c, m2d_item(c->items, id)->reported, 1);
	if (l->id == 0 || (m2d_item_is_upper(c->items, l->id) && !m2d_item_is_upper(c->items, id)))
		l->id = id;
}

static void report(M2dCheck *c, unsigned vcpu, const M2dLeft *l)
{
	M2dItem *it;

	if (l->id == 0)
		return;
	it = m2d_item(c->items, l->id);
	CHECK_PUT(c, it->reported, 0);
	m2d_find(c, c->vm->cfg.tdp ? M2D_INV_STALE_GPA : M2D_INV_STALE_GVA,
		 &(M2dAbout){.vcpu = vcpu,
			     .gva = m2d_tag_va(it->tag),
			     .gpa = it->gfn != M2D_NO_GFN ? it->gfn << M2D_PAGE_SHIFT
							  : M2D_NO_ADDRESS,
			     .hpa = it->data & M2D_ITEM_FRAME,
			     .item = l->id,
			     .write = c->new_root[vcpu].time != 0 ? &c->new_root[vcpu] : NULL,
			     .promise = l->promise},
		 "vcpu%u can use a translation that was cached under another root, "
		 "0x%" G_GINT64_MODIFIER "x, %s",
		 vcpu, it->root, l->when);
}

void m2d_inv_other_root(M2dCheck *c, const M2dEvent *e)
{
	uint8_t bit = (uint8_t)(1u << e->vcpu);
	uint64_t roots = all_roots(c, e->vcpu), now = guest_root(c->vm->vcpu[e->vcpu]);
	M2dLeft l = {.when = "though KVM has loaded a new one"};
	bool mixed = false;

	if (c->s->vcpu[e->vcpu].roots == roots)
		return;
	CHECK_PUT(c, c->s->vcpu[e->vcpu].roots, roots);
	m2d_premise(c, c->vm->cfg.tdp ? M2D_INV_STALE_GPA : M2D_INV_STALE_GVA);
	for (M2dItemId id = m2d_items_first(c->items, c->vm->vcpu[e->vcpu]->pcpu); id != 0;
	     id = m2d_items_next(c->items, id)) {
		if (!other(c, e->vcpu, id))
			continue;
		mixed = true;
		if (c->vm->cfg.tdp || m2d_item(c->items, id)->guest_root == now)
			left(c, &l, id);
	}
	report(c, e->vcpu, &l);
	if (mixed != !!(c->s->mixed & bit))
		CHECK_PUT(c, c->s->mixed, c->s->mixed ^ bit);
}

/* A flush of @vcpu's guest is complete. */
void m2d_inv_other_root_flushed(M2dCheck *c, const M2dEvent *e)
{
	M2dLeft l = {.when = "after its guest's flush", .promise = &c->guest_flush[e->vcpu]};
	const M2dKvmVcpu *v = c->vm->vcpu[e->vcpu];

	if (!(c->s->mixed >> e->vcpu & 1) || !v->in_guest || c->vm->cfg.tdp)
		return;
	for (M2dItemId id = m2d_items_first(c->items, v->pcpu); id != 0;
	     id = m2d_items_next(c->items, id))
		if (other(c, e->vcpu, id) && m2d_flush_covers(c, e, id))
			left(c, &l, id);
	report(c, e->vcpu, &l);
}
