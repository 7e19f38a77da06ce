/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Second dimension of the access path: nested TLB, paging-structure caches, NPT and EPT walks.
 * Sources: APM "Nested Table Walk"; SDM "EPT Translation Mechanism", "Accessed and Dirty Flags
 * for EPT", "Page-Modification Logging".
 */
#include "sim/mmu/mmu-private.h"

/* What a walk gathered, by level, until it is known to succeed. */
typedef struct {
	uint32_t first_fetch;                /* in the log */
	uint64_t rights[M2D_MAX_LEVELS + 1]; /* after the entry of that level */
	uint64_t table[M2D_MAX_LEVELS + 1];  /* that the entry points at */
	unsigned top;                        /* first level read */
	unsigned leaf;
} M2dPath;

uint64_t m2d_mmu_ept_qualification(const M2dMmu *mmu, const M2dNestedAccess *access, uint64_t flags,
				   bool rmw)
{
	const M2dEptConfig *cfg = &mmu->s->ept;
	uint64_t q = M2D_EPTQ_GLA;

	if (access->table)
		q |= M2D_EPTQ_READ | (rmw || cfg->ad ? M2D_EPTQ_WRITE : 0);
	else
		q |= M2D_EPTQ_FINAL | (access->kind == M2D_ACC_READ    ? M2D_EPTQ_READ
				       : access->kind == M2D_ACC_WRITE ? M2D_EPTQ_WRITE
								       : M2D_EPTQ_FETCH);
	q |= (flags & M2D_ITEM_NR ? UINT64_C(1) : 0) << M2D_EPTQ_RIGHTS;
	q |= (flags & M2D_ITEM_NW ? UINT64_C(2) : 0) << M2D_EPTQ_RIGHTS;
	q |= (flags & M2D_ITEM_NX ? UINT64_C(4) : 0) << M2D_EPTQ_RIGHTS;
	if (cfg->mbec && (flags & M2D_ITEM_NXU))
		q |= M2D_EPTQ_XU;
	if (cfg->adv_info && !access->table && access->rights != NULL)
		q |= (access->rights->u ? M2D_EPTQ_USER : 0) |
		     (access->rights->w ? M2D_EPTQ_RW : 0) | (access->rights->x ? 0 : M2D_EPTQ_NX);
	return q;
}

static bool ept_violation(const M2dMmu *mmu, uint64_t gpa, const M2dNestedAccess *access,
			  uint64_t flags, M2dOutcome *out)
{
	out->kind = M2D_OUT_EPT_VIOLATION;
	out->qualification = m2d_mmu_ept_qualification(mmu, access, flags, false);
	out->fault_gpa = M2D_GPA(gpa);
	out->gla = M2D_GVA(access->gla);
	return false;
}

static bool npt_fault(const M2dMmu *mmu, uint64_t gpa, const M2dNestedAccess *access, bool present,
		      bool reserved, M2dOutcome *out)
{
	out->kind = M2D_OUT_NPF;
	out->exitinfo1 =
		m2d_npt_exitinfo1(&mmu->s->npt, access->kind, present, reserved, !access->table);
	out->fault_gpa = M2D_GPA(gpa);
	return false;
}

/* Item bits that the access needs from the second dimension. */
static uint64_t need_flags(const M2dMmu *mmu, const M2dNestedAccess *access)
{
	switch (access->kind) {
	case M2D_ACC_READ:
		return M2D_ITEM_NR;
	case M2D_ACC_WRITE:
		return M2D_ITEM_NR | M2D_ITEM_NW | M2D_ITEM_D;
	case M2D_ACC_FETCH:
		break;
	}
	return mmu->s->ept.mbec && mmu->s->nested.kind == M2D_NESTED_EPT && access->user_page
		       ? M2D_ITEM_NXU
		       : M2D_ITEM_NX;
}

/* Look for cached upper levels; returns the level to read next and its table. */
static unsigned start_level(M2dMmu *mmu, uint64_t gpa, unsigned guest_level, unsigned levels,
			    uint64_t root, uint64_t *table, uint64_t *rights)
{
	M2dPscHit psc = {0};

	if (!mmu->probe)
		psc = m2d_psc_find(&mmu->tlb, true, gpa, mmu->s->nctx, mmu->s->npsc_shift);

	if (!psc.hit) {
		*table = root;
		*rights = M2D_ITEM_NESTED_ALL | M2D_ITEM_U;
		return levels;
	}
	mmu->stats.c.npsc_hits++;
	m2d_walklog_skip(&mmu->log, M2D_SKIP_NPSC, psc.level + 2, guest_level);
	*table = psc.data & M2D_ITEM_FRAME;
	*rights = psc.data & (M2D_ITEM_NESTED_ALL | M2D_ITEM_U);
	return psc.level + 1;
}

/* Cache the table entries of a successful walk. */
static void fill_psc(M2dMmu *mmu, uint64_t gpa, const M2dPath *path)
{
	for (unsigned l = path->top; l > path->leaf; l--) {
		M2dPscLevel p = (M2dPscLevel)(l - 2);

		if (mmu->s->npsc_shift[p] != 0)
			m2d_psc_fill(&mmu->tlb, true, p, mmu->s->npsc_shift[p], gpa, mmu->s->nctx,
				     path->table[l] | path->rights[l]);
	}
}

/* Set A in every entry of the walk and D in the leaf; @a, @d: the bits in this format. */
static void set_ad(M2dMmu *mmu, const M2dPath *path, bool write, uint64_t a, uint64_t d,
		   unsigned no_a_level, unsigned shift)
{
	for (uint32_t i = path->first_fetch; i < mmu->log.n; i++) {
		M2dFetch *f = &mmu->log.fetch[i];
		uint64_t set = f->level == no_a_level ? 0 : a;

		if (f->level == path->leaf && write)
			set |= d;
		if ((f->value & set) == set)
			continue;
		mmu->log.ad_updates++;
		if (set & a & ~f->value) {
			mmu->stats.c.a_updates++;
			f->updates |= 1;
		}
		if (set & d & ~f->value) {
			mmu->stats.c.d_updates++;
			f->updates |= 2;
		}
		m2d_mmu_write_entry(mmu, f->hpa, f->value | set, shift);
	}
}

static bool npt_walk(M2dMmu *mmu, uint64_t gpa, const M2dNestedAccess *access, M2dNestedHit *hit,
		     M2dOutcome *out)
{
	const M2dNptConfig *cfg = &mmu->s->npt;
	const M2dPteFormat *fmt = &cfg->fmt;
	M2dPath path = {.first_fetch = mmu->log.n};
	uint64_t table, rights, entry;
	unsigned level;
	bool write = access->kind == M2D_ACC_WRITE;

	if (gpa >> fmt->va_bits != 0)
		return npt_fault(mmu, gpa, access, false, false, out);
	level = start_level(mmu, gpa, access->guest_level, fmt->levels, cfg->root, &table, &rights);
	for (path.top = level;; level--) {
		uint64_t hpa = table + m2d_pte_index_offset(fmt, level, gpa);
		M2dPteClass class;

		entry = m2d_mmu_read_entry(mmu, hpa, fmt->entry_shift);
		m2d_walklog_fetch(&mmu->log, M2D_DIM_NESTED, level, access->guest_level, gpa, hpa,
				  entry);
		mmu->stats.c.nested_entries++;
		class = m2d_pte_classify(fmt, level, entry);
		if (class == M2D_PTE_NOT_PRESENT)
			return npt_fault(mmu, gpa, access, false, false, out);
		if (class == M2D_PTE_RESERVED)
			return npt_fault(mmu, gpa, access, true, true, out);
		if (level != fmt->pdpte_level) {
			if (!(entry & M2D_PTE_RW))
				rights &= ~M2D_ITEM_NW;
			if (!(entry & M2D_PTE_US))
				rights &= ~M2D_ITEM_U;
			if (cfg->nxe && (entry & M2D_PTE_NX))
				rights &= ~(M2D_ITEM_NX | M2D_ITEM_NXU);
		}
		if (class == M2D_PTE_LEAF)
			break;
		table = path.table[level] = entry & fmt->frame_mask;
		path.rights[level] = rights;
	}
	path.leaf = level;
	if (!(rights & M2D_ITEM_U) || (write && !(rights & M2D_ITEM_NW)) ||
	    (access->kind == M2D_ACC_FETCH && !(rights & M2D_ITEM_NX)))
		return npt_fault(mmu, gpa, access, true, false, out);
	hit->flags =
		(rights & M2D_ITEM_NESTED_ALL) | (write || (entry & M2D_PTE_D) ? M2D_ITEM_D : 0);
	/* 4 MiB pages of a 32-bit nested table are cached as 2 MiB pieces. */
	hit->size = (M2dPageSize)(level - 1);
	hit->hpa = m2d_pte_leaf_base(fmt, level, entry) |
		   (gpa & m2d_low_mask(m2d_pte_shift(fmt, level)));
	if (mmu->probe)
		return true;
	set_ad(mmu, &path, write, M2D_PTE_A, M2D_PTE_D, fmt->pdpte_level, fmt->entry_shift);
	fill_psc(mmu, gpa, &path);
	return true;
}

/* Page-modification logging: true if the access may go on. */
static bool pml_log(M2dMmu *mmu, uint64_t gpa, const M2dPath *path, bool write, M2dOutcome *out)
{
	M2dMmuState *s = mmu->s;
	bool need_a = false, need_d = false;

	for (uint32_t i = path->first_fetch; i < mmu->log.n; i++) {
		const M2dFetch *f = &mmu->log.fetch[i];

		need_a |= !(f->value & M2D_EPT_A);
		need_d |= f->level == path->leaf && write && !(f->value & M2D_EPT_D);
	}
	if (!need_a && !need_d)
		return true;
	if (s->nested.pml_index > 511) {
		out->kind = M2D_OUT_PML_FULL;
		return false;
	}
	if (need_d) {
		m2d_space_write64(mmu->space,
				  M2D_HPA(s->nested.pml_address + 8u * s->nested.pml_index),
				  gpa & ~UINT64_C(4095));
		m2d_set16(mmu->arena, &s->nested.pml_index, (uint16_t)(s->nested.pml_index - 1));
	}
	return true;
}

static uint64_t ept_rights(const M2dEptConfig *cfg, uint64_t entry)
{
	return (entry & M2D_EPT_R ? M2D_ITEM_NR : 0) | (entry & M2D_EPT_W ? M2D_ITEM_NW : 0) |
	       (entry & M2D_EPT_X ? M2D_ITEM_NX : 0) |
	       (entry & (cfg->mbec ? M2D_EPT_XU : M2D_EPT_X) ? M2D_ITEM_NXU : 0) | M2D_ITEM_U;
}

static bool ept_walk(M2dMmu *mmu, uint64_t gpa, const M2dNestedAccess *access, M2dNestedHit *hit,
		     M2dOutcome *out)
{
	const M2dEptConfig *cfg = &mmu->s->ept;
	M2dPath path = {.first_fetch = mmu->log.n};
	uint64_t table, rights, entry, need, low;
	unsigned level;
	bool write = access->kind == M2D_ACC_WRITE;

	if (gpa >> (12 + 9 * cfg->levels) != 0)
		return ept_violation(mmu, gpa, access, 0, out);
	level = start_level(mmu, gpa, access->guest_level, cfg->levels, cfg->root, &table, &rights);
	for (path.top = level;; level--) {
		uint64_t hpa = table + (gpa >> (12 + 9 * (level - 1)) & 511) * 8;
		M2dEptClass class;

		entry = m2d_mmu_read_entry(mmu, hpa, 3);
		m2d_walklog_fetch(&mmu->log, M2D_DIM_NESTED, level, access->guest_level, gpa, hpa,
				  entry);
		mmu->stats.c.nested_entries++;
		class = m2d_ept_classify(cfg, level, entry);
		if (class == M2D_EPT_ENTRY_NOT_PRESENT)
			return ept_violation(mmu, gpa, access, 0, out);
		if (class == M2D_EPT_ENTRY_MISCONFIG) {
			out->kind = M2D_OUT_EPT_MISCONFIG;
			out->fault_gpa = M2D_GPA(gpa);
			return false;
		}
		rights &= ept_rights(cfg, entry);
		if (class == M2D_EPT_ENTRY_LEAF)
			break;
		table = path.table[level] = entry & M2D_BITS(51, 12);
		path.rights[level] = rights;
	}
	path.leaf = level;
	need = need_flags(mmu, access) & ~M2D_ITEM_D;
	if ((rights & need) != need)
		return ept_violation(mmu, gpa, access, rights, out);
	low = m2d_low_mask(12 + 9 * (level - 1));
	hit->flags = (rights & M2D_ITEM_NESTED_ALL) |
		     (write || !cfg->ad || (entry & M2D_EPT_D) ? M2D_ITEM_D : 0);
	hit->size = (M2dPageSize)(level - 1);
	hit->hpa = (entry & M2D_BITS(51, 12) & ~low) | (gpa & low);
	if (mmu->probe)
		return true;
	if (cfg->ad) {
		if (cfg->pml && !pml_log(mmu, gpa, &path, write, out))
			return false;
		set_ad(mmu, &path, write, M2D_EPT_A, M2D_EPT_D, 0, 3);
	}
	fill_psc(mmu, gpa, &path);
	return true;
}

/* The nested TLB; true if it decides the matter, *@ok then says how. */
static bool ntlb_serves(M2dMmu *mmu, uint64_t gpa, const M2dNestedAccess *access, M2dNestedHit *hit,
			M2dOutcome *out, bool *ok)
{
	uint32_t slot = 0;
	uint64_t data = m2d_ntlb_find(&mmu->tlb, gpa, mmu->s->nctx, &slot), need, low;

	mmu->log.n_ntlb_lookups++;
	if (data == 0) {
		mmu->stats.c.ntlb_misses++;
		return false;
	}
	need = need_flags(mmu, access);
	if ((data & need) == need) {
		low = m2d_low_mask(m2d_size_shift(m2d_item_esize(data)));
		hit->flags = data & (M2D_ITEM_NESTED_ALL | M2D_ITEM_D);
		hit->size = m2d_item_esize(data);
		hit->hpa = (data & M2D_ITEM_FRAME & ~low) | (gpa & low);
		mmu->stats.c.ntlb_hits++;
		m2d_tlb_used(&mmu->tlb, M2D_ARR_NTLB, slot);
		m2d_walklog_skip(&mmu->log, M2D_SKIP_NTLB, 1, access->guest_level);
		*ok = true;
		return true;
	}
	mmu->stats.c.ntlb_misses++;
	if ((data & need & ~M2D_ITEM_D) == (need & ~M2D_ITEM_D) ||
	    !mmu->machine->tlb.spurious_fault)
		return false; /* the dirty bit must be set, or the right may be there by now */
	*ok = mmu->s->nested.kind == M2D_NESTED_EPT ? ept_violation(mmu, gpa, access, data, out)
						    : npt_fault(mmu, gpa, access, true, false, out);
	m2d_walklog_skip(&mmu->log, M2D_SKIP_NTLB, 1, access->guest_level);
	return true;
}

bool m2d_mmu_nested(M2dMmu *mmu, uint64_t gpa, const M2dNestedAccess *access, M2dNestedHit *hit,
		    M2dOutcome *out)
{
	bool ok;

	if (mmu->s->nested.kind == M2D_NESTED_NONE) {
		*hit = (M2dNestedHit){gpa, M2D_ITEM_NESTED_ALL | M2D_ITEM_D, M2D_SIZE_1G};
		return true;
	}
	if (!mmu->probe && mmu->tlb.array[M2D_ARR_NTLB].ways != 0 &&
	    ntlb_serves(mmu, gpa, access, hit, out, &ok))
		return ok;
	ok = mmu->s->nested.kind == M2D_NESTED_NPT ? npt_walk(mmu, gpa, access, hit, out)
						   : ept_walk(mmu, gpa, access, hit, out);
	if (ok && !mmu->probe) {
		uint64_t low = m2d_low_mask(m2d_size_shift(hit->size));

		m2d_ntlb_fill(&mmu->tlb, gpa, mmu->s->nctx,
			      (hit->hpa & ~low) | hit->flags |
				      (uint64_t)hit->size << M2D_ITEM_ESIZE_SHIFT);
	}
	return ok;
}
