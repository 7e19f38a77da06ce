/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SPTEs from decided inputs, and one SPTE from another. Nothing here decides about memslots, unsync
 * or flushes; callers do, and pass what came out.
 */
#include "sim/spte/spte.h"

#include <glib.h>

uint64_t m2d_spte_make_leaf(const M2dSpteFormat *f, const M2dSpteLeaf *in)
{
	uint64_t v = f->mmu_present | f->present | in->pfn << 12;
	unsigned access = in->access;
	bool ad_bits;

	g_assert(in->level >= 1 && in->level <= 3);
	g_assert(!(in->pfn & m2d_low_mask(9 * (in->level - 1))));
	g_assert(in->ad == M2D_SPTE_AD_ENABLED || f->kind == M2D_SPTE_EPT);
	if (in->ad == M2D_SPTE_AD_DISABLED)
		v |= f->ad_disabled;
	else if (in->ad == M2D_SPTE_AD_WRPROT_ONLY)
		v |= f->ad_wrprot;
	ad_bits = in->ad != M2D_SPTE_AD_DISABLED || f->layout >= M2D_SPTE_6_13;
	if (ad_bits)
		v |= f->accessed; /* a prefetch loses it again below */
	if (in->level > 1) {
		v |= M2D_SPTE_PS;
		if (in->nx_huge)
			access &= ~M2D_SPTE_ACC_EXEC;
	}
	v |= access & M2D_SPTE_ACC_EXEC ? f->x : f->nx;
	if (access & M2D_SPTE_ACC_USER)
		v |= f->user;
	if (f->kind == M2D_SPTE_EPT)
		v |= (uint64_t)in->memtype << 3 | (in->ipat ? M2D_SPTE_IPAT : 0);
	if (!in->device)
		v |= f->me;
	if (in->host_writable)
		v |= f->host_writable;
	if (in->host_writable && in->mmu_writable && (access & M2D_SPTE_ACC_WRITE)) {
		v |= M2D_SPTE_W | f->mmu_writable;
		if (in->can_dirty && ad_bits)
			v |= f->dirty;
	}
	return in->prefetch ? m2d_spte_mark_for_access_track(f, v) : v;
}

uint64_t m2d_spte_make_nonleaf(const M2dSpteFormat *f, uint64_t child_pfn, bool ad_disabled)
{
	return f->mmu_present | f->present | M2D_SPTE_W | f->user | f->x | f->me | child_pfn << 12 |
	       (ad_disabled ? f->ad_disabled : f->accessed);
}

uint64_t m2d_spte_make_mmio(const M2dSpteFormat *f, uint64_t gfn, unsigned access,
			    uint64_t generation)
{
	uint64_t gen = m2d_spte_mmio_gen_mask(f, generation);
	uint64_t gpa = gfn << 12;

	g_assert(m2d_spte_can_mmio(f));
	return f->mmio_value | (access & f->mmio_access) | gpa | f->l1tf |
	       (gpa & f->l1tf) << M2D_SPTE_L1TF_LEN | ((gen << f->gen_low_shift) & f->gen_low) |
	       ((gen << f->gen_high_shift) & f->gen_high);
}

uint64_t m2d_spte_mmio_gfn(const M2dSpteFormat *f, uint64_t v)
{
	return ((v & f->l1tf_low_gfn) | ((v >> M2D_SPTE_L1TF_LEN) & f->l1tf)) >> 12;
}

unsigned m2d_spte_mmio_access(const M2dSpteFormat *f, uint64_t v)
{
	return v & f->mmio_access;
}

uint64_t m2d_spte_mmio_generation(const M2dSpteFormat *f, uint64_t v)
{
	v &= ~f->mmio_mask; /* 5.4: the type lies over the high part */
	return (v & f->gen_low) >> f->gen_low_shift | (v & f->gen_high) >> f->gen_high_shift;
}

uint64_t m2d_spte_mark_for_access_track(const M2dSpteFormat *f, uint64_t v)
{
	if (m2d_spte_ad_enabled(f, v))
		return v & ~f->accessed;
	v |= (v << f->saved_shift) & f->saved;
	return v & ~(f->acc_track | f->accessed);
}

uint64_t m2d_spte_restore_acc_track(const M2dSpteFormat *f, uint64_t v)
{
	uint64_t rights = (v & f->saved) >> f->saved_shift;

	return (v & ~(f->acc_track | f->saved)) | rights;
}

uint64_t m2d_spte_wrprot(const M2dSpteFormat *f, uint64_t v, bool pt_protect)
{
	return v & ~(M2D_SPTE_W | (pt_protect ? f->mmu_writable : 0));
}

uint64_t m2d_spte_clear_dirty(const M2dSpteFormat *f, uint64_t v)
{
	return v & ~(m2d_spte_ad_need_write_protect(f, v) ? M2D_SPTE_W : f->dirty);
}

/* X given or taken; where rights are kept aside, there. */
static uint64_t set_exec(const M2dSpteFormat *f, uint64_t v, bool exec)
{
	bool tracked = m2d_spte_is_access_track(f, v);

	if (tracked)
		v = m2d_spte_restore_acc_track(f, v);
	v = (v & ~(f->x | f->nx)) | (exec ? f->x : f->nx);
	return tracked ? m2d_spte_mark_for_access_track(f, v) : v;
}

uint64_t m2d_spte_split(const M2dSpteFormat *f, uint64_t huge, unsigned level, unsigned index,
			bool nx_huge, unsigned access)
{
	uint64_t v = huge | (uint64_t)index << (12 + 9 * (level - 1));

	g_assert(m2d_spte_is_present(f, huge) && m2d_spte_is_large(huge) && index < 512);
	if (level > 1)
		return v;
	v &= ~M2D_SPTE_PS;
	return nx_huge ? set_exec(f, v, access & M2D_SPTE_ACC_EXEC) : v;
}

uint64_t m2d_spte_huge(const M2dSpteFormat *f, uint64_t small, unsigned level, bool nx_huge)
{
	uint64_t v = small | M2D_SPTE_PS;

	g_assert(m2d_spte_is_present(f, small) && level >= 2 && level <= 3);
	v &= ~(m2d_low_mask(12 + 9 * (level - 1)) & f->addr);
	return nx_huge ? set_exec(f, v, false) : v;
}
