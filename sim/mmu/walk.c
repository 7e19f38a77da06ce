/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two-dimensional walk: one first-dimension table after the other, each reached through the
 * second dimension, then the final address.
 * Sources: SDM "Hierarchical Paging Structures", "EPT Translation Mechanism" and the order of
 * events there; APM "Nested Table Walk", "Accessed and Dirty Bits".
 */
#include "sim/mmu/mmu-private.h"

/* State of one walk on its way down. */
typedef struct {
	uint64_t va;
	M2dAccKind kind;
	bool user;
	unsigned level;
	uint64_t table_gpa;   /* of the table to read next */
	uint64_t table_hpa;   /* the same, if a cache supplied it */
	bool from_cache;      /* table_hpa is valid, table_gpa is not */
	bool table_writable;  /* the second dimension lets hardware set A and D in the table */
	uint64_t table_flags; /* rights of the table's page in the second dimension */
	M2dGuestRights rights;
	/* Table entry read last, to be cached once the table it points at has been located. */
	unsigned parent_level; /* 0: none */
	uint64_t entry_gpa, entry_hpa;
	bool entry_from_cache; /* its table was: entry_gpa is not known */
} M2dWalk;

static M2dWalkStatus guest_fault(const M2dMmu *mmu, const M2dWalk *w, uint32_t bits,
				 M2dOutcome *out)
{
	out->kind = M2D_OUT_PF;
	out->error_code = m2d_guest_error_code(&mmu->s->policy, w->kind, w->user) | bits;
	out->cr2 = M2D_GVA(w->va);
	return M2D_WALK_FAULT;
}

/* Where the walk starts: at the root, in the PDPTE registers, or below a cached upper level. */
static M2dWalkStatus walk_start(M2dMmu *mmu, M2dWalk *w, bool use_psc, M2dOutcome *out)
{
	const M2dMmuState *s = mmu->s;
	M2dPscHit psc = {0};

	w->rights = (M2dGuestRights){true, true, true, 0};
	if (use_psc)
		psc = m2d_psc_find(&mmu->tlb, false, w->va, s->ctx, s->psc_shift);
	if (psc.hit) {
		mmu->stats.c.psc_hits++;
		m2d_walklog_skip(&mmu->log, M2D_SKIP_PSC, psc.level + 2, psc.level + 2);
		w->level = psc.level + 1;
		w->table_hpa = psc.data & M2D_ITEM_FRAME;
		w->from_cache = true;
		w->table_writable = psc.data & M2D_ITEM_NW;
		w->rights.w = psc.data & M2D_ITEM_W;
		w->rights.u = psc.data & M2D_ITEM_U;
		w->rights.x = psc.data & M2D_ITEM_X;
		return M2D_WALK_OK;
	}
	w->level = s->fmt.levels;
	w->table_gpa = s->root;
	if (s->fmt.mode == M2D_PAGING_PAE && mmu->machine->vendor == M2D_VENDOR_INTEL) {
		uint64_t pdpte = s->regs.pdpte[w->va >> 30 & 3];

		if (!(pdpte & M2D_PTE_P))
			return guest_fault(mmu, w, 0, out);
		w->level = 2;
		w->table_gpa = pdpte & s->fmt.frame_mask;
	}
	return M2D_WALK_OK;
}

/* Find the entry of the present level: its table may need a walk of the second dimension. */
static bool locate_entry(M2dMmu *mmu, M2dWalk *w, M2dOutcome *out)
{
	const M2dMmuState *s = mmu->s;
	uint64_t off = m2d_pte_index_offset(&s->fmt, w->level, w->va);
	bool as_write =
		s->nested.kind == M2D_NESTED_NPT || (s->nested.kind == M2D_NESTED_EPT && s->ept.ad);
	M2dNestedAccess access = {
		.kind = as_write ? M2D_ACC_WRITE : M2D_ACC_READ,
		.table = true,
		.guest_level = w->level,
		.gla = w->va,
	};
	M2dNestedHit hit;

	w->entry_from_cache = w->from_cache;
	if (w->from_cache) {
		w->entry_gpa = 0;
		w->entry_hpa = w->table_hpa + off;
		w->from_cache = false;
		return true;
	}
	w->entry_gpa = w->table_gpa + off;
	if (!m2d_mmu_nested(mmu, w->entry_gpa, &access, &hit, out))
		return false;
	w->entry_hpa = hit.hpa;
	w->table_flags = hit.flags;
	w->table_writable = hit.flags & M2D_ITEM_NW;
	return true;
}

/* Cache the entry above, now that the host address of the table it points at is known. */
static void fill_parent(M2dMmu *mmu, const M2dWalk *w)
{
	M2dPscLevel p;

	if (w->parent_level == 0 || mmu->probe)
		return;
	p = (M2dPscLevel)(w->parent_level - 2);
	if (mmu->s->psc_shift[p] == 0)
		return;
	m2d_psc_fill(&mmu->tlb, false, p, mmu->s->psc_shift[p], w->va, mmu->s->ctx,
		     (w->entry_hpa & M2D_ITEM_FRAME) | (w->rights.w ? M2D_ITEM_W : 0) |
			     (w->rights.u ? M2D_ITEM_U : 0) | (w->rights.x ? M2D_ITEM_X : 0) |
			     (w->table_writable ? M2D_ITEM_NW : 0));
}

/*
 * Set bits in the entry read last. A guest's A/D update is a write to the second dimension: with
 * EPT A/D off the table may have been reached with read permission only.
 */
static M2dWalkStatus update_entry(M2dMmu *mmu, M2dWalk *w, M2dFetch *fetch, uint64_t bits,
				  M2dOutcome *out)
{
	uint64_t missing = bits & ~fetch->value;

	if (missing == 0)
		return M2D_WALK_OK;
	if (!w->table_writable) {
		M2dNestedAccess access = {.kind = M2D_ACC_WRITE, .table = true, .gla = w->va};

		if (w->entry_from_cache)
			return M2D_WALK_RESTART;
		out->kind = M2D_OUT_EPT_VIOLATION;
		out->qualification = m2d_mmu_ept_qualification(mmu, &access, w->table_flags, true);
		out->fault_gpa = M2D_GPA(w->entry_gpa);
		out->gla = M2D_GVA(w->va);
		return M2D_WALK_FAULT;
	}
	if (mmu->probe)
		return M2D_WALK_OK;
	mmu->log.ad_updates++;
	if (missing & M2D_PTE_A) {
		mmu->stats.c.a_updates++;
		fetch->updates |= 1;
	}
	if (missing & M2D_PTE_D) {
		mmu->stats.c.d_updates++;
		fetch->updates |= 2;
	}
	m2d_mmu_write_entry(mmu, w->entry_hpa, fetch->value | bits, mmu->s->fmt.entry_shift);
	return M2D_WALK_OK;
}

static void add_rights(M2dGuestRights *r, uint64_t entry)
{
	r->w &= (entry & M2D_PTE_RW) != 0;
	r->u &= (entry & M2D_PTE_US) != 0;
	r->x &= (entry & M2D_PTE_NX) == 0;
}

/* Read entries down to the leaf; *@leaf is its value, its bits are not updated yet. */
static M2dWalkStatus walk_guest(M2dMmu *mmu, M2dWalk *w, M2dFetch **leaf, M2dOutcome *out)
{
	const M2dMmuState *s = mmu->s;
	const M2dPteFormat *fmt = &s->fmt;

	for (;; w->level--) {
		M2dWalkStatus st;
		M2dFetch *f;
		uint64_t entry;

		if (!locate_entry(mmu, w, out))
			return M2D_WALK_FAULT;
		fill_parent(mmu, w);
		w->parent_level = 0;
		entry = m2d_mmu_read_entry(mmu, w->entry_hpa, fmt->entry_shift);
		f = m2d_walklog_fetch(&mmu->log, M2D_DIM_GUEST, w->level, w->level, w->entry_gpa,
				      w->entry_hpa, entry);
		mmu->stats.c.guest_entries++;
		switch (m2d_pte_classify(fmt, w->level, entry)) {
		case M2D_PTE_NOT_PRESENT:
			return guest_fault(mmu, w, 0, out);
		case M2D_PTE_RESERVED:
			return guest_fault(mmu, w, M2D_PFEC_P | M2D_PFEC_RSVD, out);
		case M2D_PTE_LEAF:
			add_rights(&w->rights, entry);
			w->rights.key = entry >> M2D_PTE_KEY_SHIFT & 15;
			*leaf = f;
			return M2D_WALK_OK;
		case M2D_PTE_TABLE:
			break;
		}
		if (w->level != fmt->pdpte_level) {
			add_rights(&w->rights, entry);
			st = update_entry(mmu, w, f, M2D_PTE_A, out);
			if (st != M2D_WALK_OK)
				return st;
		}
		w->table_gpa = entry & fmt->frame_mask;
		w->parent_level = w->level;
	}
}

/* The item for a translation: rights of both dimensions side by side. */
static uint64_t make_item(const M2dMmu *mmu, const M2dWalk *w, uint64_t leaf, bool guest_dirty,
			  unsigned gshift, const M2dNestedHit *hit)
{
	const M2dMmuState *s = mmu->s;
	bool nxu = s->nested.kind == M2D_NESTED_EPT && s->ept.mbec && w->rights.u;
	bool nested_x = hit->flags & (nxu ? M2D_ITEM_NXU : M2D_ITEM_NX);
	bool global = (leaf & M2D_PTE_G) && (s->regs.cr4 & M2D_CR4_PGE);
	unsigned guest_size = gshift == 22 ? M2D_GSIZE_4M : (gshift - 12) / 9;
	M2dPageSize esize = (M2dPageSize)(guest_size == M2D_GSIZE_4M ? M2D_SIZE_2M : guest_size);
	uint64_t item;

	if (hit->size < esize)
		esize = hit->size;
	if (s->fmt.mode == M2D_PAGING_NONE)
		guest_size = esize;
	item = (w->rights.w ? M2D_ITEM_W : 0) | (w->rights.u ? M2D_ITEM_U : M2D_ITEM_S) |
	       (w->rights.x ? M2D_ITEM_X : 0) | (w->rights.key == 0 ? M2D_ITEM_KEY0 : 0) |
	       (global ? M2D_ITEM_G : 0) | (hit->flags & (M2D_ITEM_NR | M2D_ITEM_NW)) |
	       (nested_x ? M2D_ITEM_NX : 0) |
	       (guest_dirty && (hit->flags & M2D_ITEM_D) ? M2D_ITEM_D : 0);
	item |= (uint64_t)w->rights.key << M2D_ITEM_KEY_SHIFT |
		(uint64_t)guest_size << M2D_ITEM_GSIZE_SHIFT |
		(uint64_t)esize << M2D_ITEM_ESIZE_SHIFT;
	return item | (hit->hpa & M2D_ITEM_FRAME & ~m2d_low_mask(m2d_size_shift(esize)));
}

M2dWalkStatus m2d_mmu_walk(M2dMmu *mmu, uint64_t va, M2dAccKind kind, bool user, bool implicit,
			   bool use_psc, uint64_t *item, M2dOutcome *out)
{
	const M2dMmuState *s = mmu->s;
	M2dWalk w = {.va = va, .kind = kind, .user = user};
	M2dNestedAccess final = {.kind = kind, .gla = va, .rights = &w.rights};
	M2dNestedHit hit;
	uint64_t gpa = va, leaf = M2D_PTE_D;
	unsigned gshift = 30;
	M2dFetch *f;

	if (!mmu->probe)
		m2d_tlb_walk_begins(&mmu->tlb);
	if (s->fmt.mode == M2D_PAGING_NONE) {
		w.rights = (M2dGuestRights){true, true, true, 0};
	} else {
		M2dWalkStatus st = walk_start(mmu, &w, use_psc, out);
		uint32_t code;

		if (st == M2D_WALK_OK)
			st = walk_guest(mmu, &w, &f, out);
		if (st != M2D_WALK_OK)
			return st;
		leaf = f->value;
		code = m2d_guest_permission(&s->policy, &w.rights, kind, user, implicit);
		if (code != 0)
			return guest_fault(mmu, &w, code, out);
		st = update_entry(mmu, &w, f, M2D_PTE_A | (kind == M2D_ACC_WRITE ? M2D_PTE_D : 0),
				  out);
		if (st != M2D_WALK_OK)
			return st;
		gshift = m2d_pte_shift(&s->fmt, w.level);
		gpa = m2d_pte_leaf_base(&s->fmt, w.level, leaf) | (va & m2d_low_mask(gshift));
	}
	final.user_page = w.rights.u;
	if (!m2d_mmu_nested(mmu, gpa, &final, &hit, out))
		return M2D_WALK_FAULT;
	*item = make_item(mmu, &w, leaf, kind == M2D_ACC_WRITE || (leaf & M2D_PTE_D), gshift, &hit);
	return M2D_WALK_OK;
}
