/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmio-stale: MMIO where there is memory. A vCPU that left the guest before the memslot appeared
 * may still finish that one access.
 */
#include "sim/check/check-private.h"
#include "sim/guest/guest.h"

void m2d_inv_mmio_stale(M2dCheck *c, const M2dEvent *e)
{
	uint8_t me = (uint8_t)(1u << (e->vcpu & 7));
	const M2dMemslot *slot;
	bool writable = false;
	unsigned as;
	uint64_t pfn;

	if (e->type == M2D_E_SLOT_CHANGED) {
		CHECK_PUT(c, c->s->slots_changed, 0xff);
		return;
	}
	if (e->type == M2D_E_KVM_EXIT) {
		if (c->s->slots_changed & me)
			CHECK_PUT(c, c->s->slots_changed, c->s->slots_changed & ~me);
		return;
	}
	m2d_premise(c, M2D_INV_MMIO_STALE);
	as = c->vm->vcpu[e->vcpu]->smm;
	slot = m2d_gfn_to_slot(c->vm, as, e->a[2] >> M2D_PAGE_SHIFT);
	if (!m2d_slot_visible(slot) || (c->s->slots_changed & me))
		return;
	/* A write that slot or host do not let through goes to userspace. */
	if (e->a[0] == 2 &&
	    (!m2d_peek_gfn(c->vm, as, e->a[2] >> M2D_PAGE_SHIFT, &pfn, &writable) || !writable))
		return;
	m2d_find(c, M2D_INV_MMIO_STALE,
		 &(M2dAbout){.vcpu = e->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = e->a[2],
			     .hpa = M2D_NO_ADDRESS},
		 "vcpu%u has an access to gpa 0x%" G_GINT64_MODIFIER
		 "x emulated as MMIO, where memslot %u is",
		 e->vcpu, e->a[2], slot->id);
}

/* Where the guest's tables lead now; false: nowhere. */
static bool guest_gfn(const M2dCheck *c, const M2dKvmVcpu *v, uint64_t gva, uint64_t *gfn)
{
	const M2dPteFormat *fmt = &v->mmu.gfmt;
	uint64_t table = m2d_guest_root(fmt, &v->regs, c->vm->cfg.guest_maxphyaddr), at, entry, pfn;
	unsigned as = m2d_role_as(v->mmu.root_role);

	for (unsigned level = fmt->levels; level != 0; level--) {
		M2dPteClass kind;

		at = table + m2d_pte_index_offset(fmt, level, gva);
		if (!m2d_peek_gfn(c->vm, as, at >> M2D_PAGE_SHIFT, &pfn, NULL))
			return false;
		entry = m2d_space_read64(c->vm->space,
					 M2D_HPA((pfn << M2D_PAGE_SHIFT) + (at & 4088)));
		if (fmt->entry_shift == 2)
			entry = entry >> (at & 4) * 8 & UINT32_MAX;
		kind = m2d_pte_classify(fmt, level, entry);
		if (kind == M2D_PTE_LEAF) {
			at = m2d_pte_leaf_base(fmt, level, entry) |
			     (gva & m2d_low_mask(m2d_pte_shift(fmt, level)));
			*gfn = at >> M2D_PAGE_SHIFT;
			return true;
		}
		if (kind != M2D_PTE_TABLE)
			return false;
		table = entry & fmt->frame_mask;
	}
	return false;
}

/* The access that KVM remembers for a vCPU is a translation as well. */
void m2d_inv_mmio_flushed(M2dCheck *c, const M2dEvent *e)
{
	const M2dKvmVcpu *v = c->vm->vcpu[e->vcpu];
	uint32_t pcid = v->regs.cr4 & M2D_CR4_PCIDE ? v->regs.cr3 & M2D_CR3_PCID : 0;
	bool page = e->a[0] == M2D_GF_PAGE || e->a[0] == M2D_GF_PCID_PAGE;
	uint64_t gfn;

	if (c->vm->cfg.tdp || v->mmio_gva == 0 || v->mmu.gfmt.levels == 0)
		return;
	if (page && (v->mmio_gva ^ e->a[1]) >> M2D_PAGE_SHIFT != 0)
		return;
	if ((e->a[0] == M2D_GF_PCID || e->a[0] == M2D_GF_PCID_PAGE) && e->a[2] != pcid)
		return;
	m2d_premise(c, M2D_INV_MMIO_STALE);
	if (guest_gfn(c, v, v->mmio_gva, &gfn) && gfn == v->mmio_gfn)
		return;
	m2d_find(c, M2D_INV_MMIO_STALE,
		 &(M2dAbout){.vcpu = e->vcpu,
			     .gva = v->mmio_gva,
			     .gpa = v->mmio_gfn << M2D_PAGE_SHIFT,
			     .hpa = M2D_NO_ADDRESS,
			     .promise = &c->guest_flush[e->vcpu]},
		 "vcpu%u has flushed, and KVM still takes its gva 0x%" G_GINT64_MODIFIER
		 "x for MMIO",
		 e->vcpu, v->mmio_gva);
}
