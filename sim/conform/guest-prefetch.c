/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prefetching under shadow paging: beside the entry of the fault KVM maps up to seven more of the
 * same eight, as long as the guest's entries are present and accessed. No walk reads them. Where
 * what is known of an entry explains what KVM set, that is a prediction; where not, the SPTE is
 * taken for what the entry holds, and not counted.
 */
#include "sim/conform/conform-private.h"
#include "sim/vm/hostmm.h"

#define PREFETCH 8u

typedef struct {
	const M2dPteFormat *fmt;
	uint64_t gpa;    /* of the guest's entry for the fault */
	unsigned index;  /* of it in the shadow page */
	unsigned access; /* rights of its table */
	M2dSptep sptep;  /* 0: the table is not there yet */
} Around;

static uint64_t entry_gpa(const Around *a, unsigned index)
{
	return a->gpa + ((uint64_t)index - a->index) * (1u << a->fmt->entry_shift);
}

static void shown(M2dConform *c, const Around *a, unsigned index, uint32_t set)
{
	uint64_t gpa = entry_gpa(a, index);
	unsigned size = 1u << a->fmt->entry_shift;
	uint64_t entry = m2d_conf_guest_read(c, gpa, size);
	M2dSptep own = a->sptep != 0 ? a->sptep + index - a->index : 0;

	m2d_conf_host_shown(c, set);
	/* KVM has dropped what the model still has: the guest changed the entry meanwhile, and
	 * back.
	 */
	if (own != 0 && m2d_spte_read(c->vm, own) != c->vm->fmt.nonpresent) {
		m2d_drop_spte(c->vm, own);
		c->resyncs++;
	}
	if (m2d_conf_entry_explains(c, a->fmt, entry, a->access, set))
		return;
	m2d_conf_guest_write(c, gpa, size, m2d_conf_entry_shown(c, a->fmt, entry, set));
	g_hash_table_add(c->inputs, GUINT_TO_POINTER(set));
}

/* KVM would map an entry like this: the host has the page, and dirty logging allows it. */
static bool host_has(const M2dConform *c, const M2dPteFormat *fmt, uint64_t entry, bool write)
{
	uint64_t gfn = m2d_pte_leaf_base(fmt, 1, entry) >> M2D_PAGE_SHIFT, pfn;
	const M2dMemslot *slot = m2d_gfn_to_slot(c->vm, 0, gfn);
	bool writable;

	return c->vm->s->mmu_invalidate_in_progress == 0 &&
	       !(write && slot->flags & M2D_SLOT_LOG_DIRTY) &&
	       m2d_hostmm_peek(c->vm, m2d_slot_hva(slot, gfn), &pfn, &writable) && writable;
}

/* KVM went no further than entry @last: the next one that it had to look at is not accessed, if
 * that is how it will be seen. */
static void stopped(M2dConform *c, const Around *a, unsigned last)
{
	unsigned size = 1u << a->fmt->entry_shift, end = (a->index & ~(PREFETCH - 1)) + PREFETCH;

	for (unsigned i = last; i < end; i++) {
		uint64_t gpa = entry_gpa(a, i), entry = m2d_conf_guest_read(c, gpa, size), later;
		bool writable;

		if (i == a->index ||
		    (a->sptep != 0 &&
		     m2d_spte_is_present(&c->vm->fmt,
					 m2d_spte_read(c->vm, a->sptep + i - a->index))))
			continue;
		if (m2d_conf_would_map(c, a->fmt, entry, &writable) &&
		    host_has(c, a->fmt, entry, writable) &&
		    m2d_conf_seen_later(c, gpa, c->now, &later) && !(later & M2D_PTE_A))
			m2d_conf_guest_write(c, gpa, size, entry & ~(uint64_t)M2D_PTE_A);
		return;
	}
}

void m2d_conf_guest_prefetch(M2dConform *c, const M2dConfTask *task, uint32_t i, M2dSptep sptep)
{
	uint32_t walk = m2d_conf_find(c, task->fault_event, M2D_CAP_WALK);
	uint32_t set = m2d_conf_find(c, i, M2D_CAP_SET_SPTE);
	Around a = {.fmt = &c->vm->vcpu[task->vcpu]->mmu.gfmt, .sptep = sptep};
	unsigned last;
	uint64_t at;

	a.gpa = walk != M2D_CONF_NONE ? m2d_conf_leaf_gpa(c, walk) : 0;
	if (a.gpa == 0 || set == M2D_CONF_NONE || m2d_conf_event(c, i)->u.requested.level != 1)
		return;
	at = m2d_conf_event(c, set)->u.set_spte.at;
	a.index = at / 8 & 511;
	a.access = sptep != 0 ? m2d_role_access(m2d_sp(c->vm, sptep >> 9)->role) : M2D_SPTE_ACC_ALL;
	last = a.index & ~(PREFETCH - 1);
	for (i = m2d_conf_next(c, set); i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);

		if (e->kind == M2D_CAP_ENTRY || e->kind == M2D_CAP_EXIT)
			break;
		if (e->kind != M2D_CAP_SET_SPTE || (e->u.set_spte.at ^ at) >> M2D_PAGE_SHIFT != 0 ||
		    (e->u.set_spte.at / 8 & 511) / PREFETCH != a.index / PREFETCH)
			continue;
		last = (unsigned)(e->u.set_spte.at / 8 & 511);
		shown(c, &a, last, i);
		last++;
	}
	stopped(c, &a, last);
}
