/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INVLPG before 6.4: KVM drops the SPTE of an unsync page and maps it anew from the guest's entry,
 * if that was accessed. The guest may have stored to it any number of times since it was seen, and
 * what KVM maps is all that tells of it. Where the entry as it is known explains what KVM did, that
 * is a prediction; where not, the SPTE is taken for what the entry holds, and not counted.
 */
#include "sim/conform/conform-private.h"
#include "sim/vm/hostmm.h"

/* The shadow page of level 1 that @addr leads to below @root, and its entry; 0: none. */
static M2dSpIndex leaf_page(const M2dVm *vm, M2dSpIndex root, uint64_t addr, unsigned *index)
{
	M2dSpIndex i = root;

	if (i == 0 || i == M2D_ROOT_PAE || i == M2D_ROOT_DUMMY)
		return 0;
	for (unsigned level = m2d_role_level(m2d_sp(vm, i)->role); i != 0; level--) {
		uint64_t spte;

		*index = addr >> (12 + 9 * (level - 1)) & 511;
		if (level == 1)
			return i;
		spte = m2d_spte_read(vm, m2d_sptep(i, *index));
		if (!m2d_spte_is_present(&vm->fmt, spte) || m2d_spte_is_last(spte, level))
			return 0;
		i = m2d_shadow_sp_of_frame(vm, m2d_spte_pfn(&vm->fmt, spte));
	}
	return 0;
}

/* The next SPTE from event @i on, in its window, that is set in entry @index of @sp. */
static uint32_t next_set(const M2dConform *c, uint32_t i, const M2dSp *sp, unsigned index)
{
	for (i = m2d_conf_next(c, i); i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		uint64_t at, page;

		if (e->kind == M2D_CAP_ENTRY || e->kind == M2D_CAP_EXIT)
			break;
		if (e->kind != M2D_CAP_SET_SPTE)
			continue;
		at = e->u.set_spte.at;
		page = (uint64_t)g_hash_table_lookup(c->k2m, (gpointer)(at >> M2D_PAGE_SHIFT));
		if ((at & (M2D_PAGE_SIZE - 1)) / 8 == index && (page == 0 || page == sp->pfn))
			return i;
	}
	return M2D_CONF_NONE;
}

/* Whether KVM would map the entry at once, with what right to write. */
static bool would_map(const M2dConform *c, const M2dPteFormat *fmt, uint64_t entry, bool *writable)
{
	const M2dMemslot *slot =
		m2d_gfn_to_slot(c->vm, 0, m2d_pte_leaf_base(fmt, 1, entry) >> M2D_PAGE_SHIFT);

	*writable = entry & M2D_PTE_RW && entry & M2D_PTE_D;
	return m2d_pte_classify(fmt, 1, entry) == M2D_PTE_LEAF && entry & M2D_PTE_A &&
	       m2d_slot_visible(slot);
}

/* @entry, changed as little as makes KVM map it like the SPTE set at event @i. */
static uint64_t entry_shown(const M2dConform *c, const M2dPteFormat *fmt, uint64_t entry,
			    uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint64_t spte = e->u.set_spte.spte;

	entry = (entry & ~fmt->frame_mask) | e->u.set_spte.gfn << M2D_PAGE_SHIFT;
	entry = (entry & ~(uint64_t)M2D_PTE_US) | M2D_PTE_P | M2D_PTE_A | (spte & M2D_PTE_US);
	if (spte & M2D_PTE_RW)
		return entry | M2D_PTE_RW | M2D_PTE_D;
	if (entry & M2D_PTE_RW && entry & M2D_PTE_D)
		entry &= ~(uint64_t)M2D_PTE_RW;
	return entry;
}

static void look_at_page(M2dConform *c, const M2dPteFormat *fmt, uint32_t i, const M2dSp *sp,
			 unsigned index)
{
	bool wide = sp->role & M2D_ROLE_HAS_4_BYTE_GPTE, writable;
	unsigned size = wide ? 4 : 8, quadrant = wide ? m2d_role_quadrant(sp->role) : 0;
	uint64_t gpa = (sp->gfn << M2D_PAGE_SHIFT) + (quadrant << 9 | index) * size;
	uint64_t entry = m2d_conf_guest_read(c, gpa, size);
	uint32_t set = next_set(c, i, sp, index);
	bool maps = would_map(c, fmt, entry, &writable);

	if (set == M2D_CONF_NONE) {
		/* It is not present now, or not accessed. */
		if (maps)
			m2d_conf_guest_write(c, gpa, size, entry & ~(uint64_t)M2D_PTE_A);
		return;
	}
	m2d_conf_host_shown(c, set);
	if (maps &&
	    m2d_pte_leaf_base(fmt, 1, entry) >> M2D_PAGE_SHIFT ==
		    m2d_conf_event(c, set)->u.set_spte.gfn &&
	    writable == ((m2d_conf_event(c, set)->u.set_spte.spte & M2D_PTE_RW) != 0))
		return;
	m2d_conf_guest_write(c, gpa, size, entry_shown(c, fmt, entry, set));
	for (; set != M2D_CONF_NONE; set = next_set(c, set, sp, index))
		g_hash_table_add(c->inputs, GUINT_TO_POINTER(set));
}

void m2d_conf_guest_invlpg(M2dConform *c, const M2dConfTask *task, uint32_t i)
{
	const M2dVm *vm = c->vm;
	const M2dMmuCtx *mmu = &vm->vcpu[task->vcpu]->mmu;

	if (vm->cfg.knobs.invlpg != M2D_INVLPG_ZAP)
		return;
	for (unsigned n = 0; n <= M2D_N_PREV_ROOTS; n++) {
		M2dSpIndex root = n == 0 ? mmu->root.sp : mmu->prev[n - 1].sp, sp;
		unsigned index;

		sp = leaf_page(vm, root, m2d_conf_event(c, i)->u.invlpg.gva, &index);
		if (sp != 0 && m2d_sp(vm, sp)->unsync)
			look_at_page(c, &mmu->gfmt, i, m2d_sp(vm, sp), index);
	}
}
