/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lost-dirty: a write to a page of a logging memslot has its bit set when it retires, except
 * while its slot is being harvested; a frame that the guest wrote to is dirty for the host when it
 * goes.
 */
#include "sim/check/check-private.h"

static void lost(M2dCheck *c, const M2dEvent *e, uint64_t gfn, M2dItemId item, const char *what)
{
	m2d_find(c, M2D_INV_LOST_DIRTY,
		 &(M2dAbout){.vcpu = e->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = gfn << M2D_PAGE_SHIFT,
			     .hpa = M2D_NO_ADDRESS,
			     .item = item},
		 "%s gfn 0x%" G_GINT64_MODIFIER "x is not in the dirty log", what, gfn);
}

static void written(M2dCheck *c, const M2dEvent *e, unsigned as, uint64_t gfn, M2dItemId item,
		    const char *what)
{
	const M2dMemslot *slot = m2d_gfn_to_slot(c->vm, as, gfn);

	if (slot == NULL || !(slot->flags & M2D_SLOT_LOG_DIRTY) ||
	    !(c->s->logging[as] >> slot->id & 1) || (c->s->harvest[as] >> slot->id & 1))
		return;
	m2d_premise(c, M2D_INV_LOST_DIRTY);
	if (!m2d_slot_dirty(c->vm, slot, gfn))
		lost(c, e, gfn, item, what);
}

static void access_retired(M2dCheck *c, const M2dEvent *e)
{
	const M2dVm *vm = c->vm;
	uint64_t pfn = e->a[2] >> M2D_PAGE_SHIFT, i = pfn - vm->cfg.first_pfn, first, n;
	M2dTlbSlot slot;
	M2dItemId id;

	if (e->a[0] != M2D_ACC_WRITE || e->vcpu >= vm->n_vcpus)
		return;
	if (i < vm->cfg.n_pfns && !c->wrote[i])
		CHECK_PUT(c, c->wrote[i], 1);
	if (c->s->logging[0] == 0 && c->s->logging[1] == 0)
		return;
	slot = m2d_vcpu_mmu(m2d_vm_hw(vm, vm->vcpu[e->vcpu]))->last_slot;
	if (slot.array < 0)
		return;
	id = m2d_items_at(c->items, vm->vcpu[e->vcpu]->pcpu, (unsigned)slot.array, slot.slot);
	if (id == 0 || !m2d_item_gfns(c, id, &first, &n))
		return;
	m2d_item_frames(c, id, &i, &n);
	written(c, e, 0, first + (pfn - i), id, "a write of the guest to");
}

static void still_writable(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte, void *data)
{
	unsigned as = m2d_role_as(m2d_sp(c->vm, sp)->role);
	const M2dEvent *e = data;
	uint64_t gfn, n;
	const M2dMemslot *slot;

	if (!m2d_spte_is_writable(spte))
		return;
	m2d_leaf_gfns(c, sp, index, &gfn, &n);
	for (uint64_t g = MAX(gfn, e->a[1]); g < MIN(gfn + n, e->a[1] + e->a[2]); g++) {
		slot = m2d_gfn_to_slot(c->vm, as, g);
		if (slot == NULL || m2d_slot_dirty(c->vm, slot, g))
			continue;
		lost(c, e, g, 0, "an SPTE stays writable, so that a write to");
		return;
	}
}

/* Harvesting, or the start of the log, has returned. */
static void log_done(M2dCheck *c, const M2dEvent *e)
{
	unsigned as = (unsigned)(e->a[0] >> 16) & 1;
	uint32_t bit = 1u << (e->a[0] & 31);
	const M2dMemslot *slot = m2d_slot(c->vm, as, (unsigned)e->a[0] & 31);

	CHECK_PUT(c, c->s->harvest[as], c->s->harvest[as] & ~bit);
	CHECK_PUT(c, c->s->logging[as], c->s->logging[as] | bit);
	m2d_premise(c, M2D_INV_LOST_DIRTY);
	if (slot->npages != 0 && (slot->flags & M2D_SLOT_LOG_DIRTY))
		m2d_each_leaf(c, as, e->a[1], e->a[2], 0, still_writable, (void *)e);
	m2d_promise_gfns(c, e->a[1], e->a[2], M2D_STALE_WRITE | M2D_STALE_DIRTY, true);
	m2d_judge(c, M2D_NO_ACTOR);
}

static void slot_changed(M2dCheck *c, const M2dEvent *e)
{
	unsigned as = (unsigned)(e->a[0] >> 16) & 1;
	uint32_t bit = 1u << (e->a[0] & 31);

	if (!(e->a[3] & M2D_SLOT_LOG_DIRTY) || e->a[2] == 0) {
		CHECK_PUT(c, c->s->logging[as], c->s->logging[as] & ~bit);
		CHECK_PUT(c, c->s->harvest[as], c->s->harvest[as] & ~bit);
	}
}

/* KVM tells of the first frame of what an SPTE maps; to the host that is the whole folio. */
static bool host_dirty(const M2dVm *vm, uint64_t pfn)
{
	return m2d_frame_dirty(vm, pfn) || m2d_frame_dirty(vm, pfn & ~UINT64_C(0x1ff)) ||
	       m2d_frame_dirty(vm, pfn & ~UINT64_C(0x3ffff));
}

static void frame_freed(M2dCheck *c, const M2dEvent *e)
{
	uint64_t i = e->a[0] - c->vm->cfg.first_pfn;

	if (i >= c->vm->cfg.n_pfns || !c->wrote[i])
		return;
	CHECK_PUT(c, c->wrote[i], 0);
	if (e->a[1] != M2D_FRAME_GUEST)
		return;
	m2d_premise(c, M2D_INV_LOST_DIRTY);
	if (!host_dirty(c->vm, e->a[0]))
		m2d_find(c, M2D_INV_LOST_DIRTY,
			 &(M2dAbout){.vcpu = M2D_NO_ACTOR,
				     .gva = M2D_NO_ADDRESS,
				     .gpa = M2D_NO_ADDRESS,
				     .hpa = e->a[0] << M2D_PAGE_SHIFT},
			 "frame 0x%" G_GINT64_MODIFIER
			 "x goes, which the guest wrote to, and the host takes it for clean",
			 e->a[0]);
}

void m2d_inv_lost_dirty(M2dCheck *c, const M2dEvent *e)
{
	unsigned as;

	switch (e->type) {
	case M2D_E_GUEST_ACCESS:
		access_retired(c, e);
		break;
	case M2D_E_EMULATED_WRITE:
		written(c, e, 0, e->a[0] >> M2D_PAGE_SHIFT, 0, "a store that KVM made to");
		break;
	case M2D_E_DIRTY_HARVEST:
		as = (unsigned)(e->a[0] >> 16) & 1;
		CHECK_PUT(c, c->s->harvest[as], c->s->harvest[as] | 1u << (e->a[0] & 31));
		break;
	case M2D_E_DIRTY_LOG_DONE:
		log_done(c, e);
		break;
	case M2D_E_SLOT_CHANGED:
		slot_changed(c, e);
		break;
	case M2D_E_FRAME_FREED:
		frame_freed(c, e);
		break;
	default:
		break;
	}
}
