/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an SPTE may be, given the guest's entry and the host's memory now. */
#include "sim/check/check-private.h"

#include <string.h>

bool m2d_peek_gfn(const M2dVm *vm, unsigned as, uint64_t gfn, uint64_t *pfn, bool *writable)
{
	const M2dMemslot *slot = m2d_gfn_to_slot(vm, as, gfn);
	bool w = false;

	if (slot == NULL || !m2d_hostmm_peek(vm, m2d_slot_hva(slot, gfn), pfn, &w))
		return false;
	if (writable != NULL)
		*writable = w && !(slot->flags & M2D_SLOT_READONLY);
	return true;
}

uint64_t m2d_entry_gfn(const M2dCheck *c, M2dSpIndex sp, unsigned index)
{
	return c->setting == m2d_sptep(sp, index) ? c->setting_gfn
						  : m2d_sp_entry_gfn(c->vm, sp, index);
}

M2dSpIndex m2d_spte_at(const M2dCheck *c, uint64_t hpa, unsigned *index)
{
	*index = (unsigned)(hpa & 4095) / 8;
	return m2d_shadow_sp_of_frame(c->vm, hpa >> M2D_PAGE_SHIFT);
}

bool m2d_gpte(const M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t *gpte, uint64_t *hpa)
{
	const M2dSp *s = m2d_sp(c->vm, sp);
	uint64_t pfn, offset = index * UINT64_C(8);

	if (!m2d_peek_gfn(c->vm, m2d_role_as(s->role), s->gfn, &pfn, NULL))
		return false;
	if (s->role & M2D_ROLE_HAS_4_BYTE_GPTE) {
		/* One SPTE covers half of what an entry of the upper level does. */
		offset = m2d_role_quadrant(s->role) * 512 + index;
		offset = (m2d_role_level(s->role) == 2 ? offset / 2 : offset) * 4;
		*hpa = (pfn << M2D_PAGE_SHIFT) + offset;
		*gpte = m2d_space_read32(c->vm->space, M2D_HPA(*hpa));
		return true;
	}
	*hpa = (pfn << M2D_PAGE_SHIFT) + offset;
	*gpte = m2d_space_read64(c->vm->space, M2D_HPA(*hpa));
	return true;
}

static unsigned gpte_rights(uint32_t role, uint64_t gpte, bool leaf)
{
	unsigned a = 0;

	if ((gpte & M2D_PTE_RW) && (!leaf || (gpte & M2D_PTE_D)))
		a |= M2D_SPTE_ACC_WRITE;
	if (gpte & M2D_PTE_US)
		a |= M2D_SPTE_ACC_USER;
	if (!(gpte & M2D_PTE_NX) || !(role & M2D_ROLE_EFER_NX) || (role & M2D_ROLE_HAS_4_BYTE_GPTE))
		a |= M2D_SPTE_ACC_EXEC;
	return a;
}

/* Without CR0.WP the supervisor writes to read-only pages, which are not the user's then. */
static bool beyond(uint32_t role, unsigned has, unsigned may)
{
	if (!(role & M2D_ROLE_CR0_WP) && !(has & M2D_SPTE_ACC_USER))
		may |= M2D_SPTE_ACC_WRITE;
	return has & ~may;
}

/* First gfn that SPTE @index maps by the guest's leaf @gpte. */
static uint64_t leaf_gfn(const M2dSp *s, unsigned index, uint64_t gpte)
{
	unsigned level = m2d_role_level(s->role);
	uint64_t gfn;

	if (!(s->role & M2D_ROLE_HAS_4_BYTE_GPTE))
		return (gpte & M2D_BITS(51, 12)) >> 12 & ~m2d_low_mask(9 * (level - 1));
	gfn = (gpte & M2D_BITS(31, 12)) >> 12;
	if (level == 1)
		return gfn;
	/* PSE-36: bits 20:13 are address bits 39:32. */
	return (gfn & ~UINT64_C(1023)) | (gpte >> 13 & 0xff) << 20 | (index & 1 ? 512 : 0);
}

/* An SPTE that links @child where the guest has @gpte. */
static M2dDiffers link_differs(const M2dCheck *c, const M2dSp *s, unsigned index, uint64_t gpte,
			       const M2dSp *child)
{
	unsigned level = m2d_role_level(s->role), may = m2d_role_access(s->role);
	bool leaf = level > 1 && (gpte & M2D_PTE_PS) && level <= 3;
	bool four = s->role & M2D_ROLE_HAS_4_BYTE_GPTE;

	may &= gpte_rights(s->role, gpte, leaf);
	if (m2d_role_level(child->role) != level - 1)
		return M2D_DIFFERS_ROLE;
	if (leaf) {
		if (!(child->role & M2D_ROLE_DIRECT))
			return M2D_DIFFERS_ROLE;
		if (child->gfn != leaf_gfn(s, index, gpte))
			return M2D_DIFFERS_GONE;
	} else {
		uint64_t gfn = (gpte & (four ? M2D_BITS(31, 12) : M2D_BITS(51, 12))) >> 12;

		if (child->role & M2D_ROLE_DIRECT)
			return M2D_DIFFERS_ROLE;
		if (child->gfn != gfn)
			return M2D_DIFFERS_GONE;
		if (four && m2d_role_quadrant(child->role) != (index & 1))
			return M2D_DIFFERS_ROLE;
	}
	return beyond(s->role, m2d_role_access(child->role), may) ? M2D_DIFFERS_RIGHTS : M2D_AGREES;
}

M2dDiffers m2d_spte_differs(const M2dCheck *c, M2dSpIndex sp, unsigned index)
{
	return m2d_value_differs(c, sp, index, m2d_spte_read(c->vm, m2d_sptep(sp, index)));
}

M2dDiffers m2d_value_differs(const M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte)
{
	const M2dSpteFormat *fmt = &c->vm->fmt;
	const M2dSp *s = m2d_sp(c->vm, sp), *child;
	uint64_t gpte, hpa, pfn, host;
	unsigned level = m2d_role_level(s->role), may;
	M2dSpIndex i;

	if ((s->role & M2D_ROLE_DIRECT) || !m2d_spte_is_present(fmt, spte))
		return M2D_AGREES;
	if (!m2d_gpte(c, sp, index, &gpte, &hpa) || !(gpte & M2D_PTE_P))
		return M2D_DIFFERS_GONE;
	pfn = m2d_spte_pfn(fmt, spte);
	if (!m2d_spte_is_last(spte, level)) {
		M2dDiffers d;

		i = m2d_shadow_sp_of_frame(c->vm, pfn);
		if (i == 0)
			return M2D_DIFFERS_GONE;
		child = m2d_sp(c->vm, i);
		d = link_differs(c, s, index, gpte, child);
		return d == M2D_AGREES && !(gpte & M2D_PTE_A) ? M2D_DIFFERS_AD : d;
	}
	if (level > 1 && !(gpte & M2D_PTE_PS))
		return M2D_DIFFERS_GONE;
	if (m2d_entry_gfn(c, sp, index) != leaf_gfn(s, index, gpte))
		return M2D_DIFFERS_GONE;
	if (m2d_peek_gfn(c->vm, m2d_role_as(s->role), leaf_gfn(s, index, gpte), &host, NULL) &&
	    m2d_peek_gfn(c->vm, m2d_role_as(s->role), m2d_entry_gfn(c, sp, index), &host, NULL) &&
	    host != pfn && c->vm->s->mmu_invalidate_in_progress == 0)
		return M2D_DIFFERS_GONE;
	may = m2d_role_access(s->role) & gpte_rights(s->role, gpte, true);
	if (beyond(s->role, m2d_spte_access(fmt, spte), may))
		return M2D_DIFFERS_RIGHTS;
	return gpte & M2D_PTE_A ? M2D_AGREES : M2D_DIFFERS_AD;
}

void m2d_leaf_gfns(const M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t *first, uint64_t *n)
{
	unsigned level = m2d_role_level(m2d_sp(c->vm, sp)->role);

	*n = UINT64_C(1) << (9 * (level - 1));
	*first = m2d_entry_gfn(c, sp, index) & ~(*n - 1);
}

void m2d_each_leaf(M2dCheck *c, unsigned as, uint64_t first, uint64_t n, uint64_t bits,
		   M2dLeafFn fn, void *data)
{
	M2dSpIndex max = m2d_shadow_max_sp(c->vm);

	for (M2dSpIndex sp = 1; sp < max; sp++) {
		const M2dSp *s = m2d_sp(c->vm, sp);
		const uint64_t *words;

		if (s->pfn == 0 || s->on_list == 2 || s->nonzero == 0 || m2d_role_as(s->role) != as)
			continue;
		words = m2d_sp_words(c, s);
		for (unsigned i = 0; i < 512; i++) {
			uint64_t spte = words[i], g, k;

			if ((spte & bits) != bits || spte == c->vm->fmt.nonpresent ||
			    !m2d_spte_is_present(&c->vm->fmt, spte) ||
			    !m2d_spte_is_last(spte, m2d_role_level(s->role)))
				continue;
			m2d_leaf_gfns(c, sp, i, &g, &k);
			if (g < first + n && first < g + k)
				fn(c, sp, i, spte, data);
		}
	}
}

bool m2d_shadowed(const M2dCheck *c, unsigned as, uint64_t gfn, M2dSpIndex *by)
{
	M2dMemslot *slot = m2d_gfn_to_slot(c->vm, as, gfn);
	M2dSpIndex max = m2d_shadow_max_sp(c->vm);

	*by = 0;
	if (slot == NULL || *m2d_slot_track(c->vm, slot, gfn) == 0) {
		if (!m2d_mmu_gfn_shadowed(c->vm, as, gfn))
			return false;
	} else {
		return true;
	}
	for (M2dSpIndex sp = 1; sp < max; sp++) {
		const M2dSp *s = m2d_sp(c->vm, sp);

		/* An obsolete page is nobody's any more: unsync rules pass it over. */
		if (s->pfn == 0 || s->gfn != gfn || s->unsync || s->on_list == 2 ||
		    s->valid_gen != c->vm->s->mmu_valid_gen ||
		    (s->role & (M2D_ROLE_DIRECT | M2D_ROLE_INVALID)) || m2d_role_as(s->role) != as)
			continue;
		*by = sp;
		return true;
	}
	return false;
}

bool m2d_reaches(const M2dCheck *c, M2dSpIndex from, M2dSpIndex to)
{
	const uint64_t *words;
	const M2dSp *s;

	if (from == to)
		return true;
	if (from == 0)
		return false;
	s = m2d_sp(c->vm, from);
	if (s->pfn == 0 || s->nonzero == 0 ||
	    m2d_role_level(s->role) <= m2d_role_level(m2d_sp(c->vm, to)->role))
		return false;
	words = m2d_sp_words(c, s);
	for (unsigned i = 0; i < 512; i++) {
		uint64_t spte = words[i];
		M2dSpIndex child;

		if (spte == c->vm->fmt.nonpresent || !m2d_spte_is_present(&c->vm->fmt, spte) ||
		    m2d_spte_is_last(spte, m2d_role_level(s->role)))
			continue;
		child = m2d_shadow_sp_of_frame(c->vm, m2d_spte_pfn(&c->vm->fmt, spte));
		if (child != 0 && m2d_reaches(c, child, to))
			return true;
	}
	return false;
}

M2dSpIndex m2d_root_page(const M2dCheck *c, unsigned vcpu, unsigned i)
{
	const M2dMmuCtx *mmu = &c->vm->vcpu[vcpu]->mmu;

	if (mmu->root.sp == M2D_ROOT_PAE)
		return i < 4 ? mmu->pae_root[i] : 0;
	return i == 0 && mmu->root.sp != M2D_ROOT_DUMMY ? mmu->root.sp : 0;
}

M2dSpIndex m2d_root_for(const M2dCheck *c, unsigned vcpu, uint64_t gva)
{
	bool pae = c->vm->vcpu[vcpu]->mmu.root.sp == M2D_ROOT_PAE;

	return m2d_root_page(c, vcpu, pae ? gva >> 30 & 3 : 0);
}

static void reach_from(const M2dCheck *c, M2dSpIndex sp, uint64_t *pages)
{
	const M2dSp *s = m2d_sp(c->vm, sp);
	unsigned level = m2d_role_level(s->role);
	const uint64_t *spte;
	M2dSpIndex child;

	if (s->pfn == 0 || (pages[sp / 64] >> sp % 64 & 1))
		return;
	pages[sp / 64] |= UINT64_C(1) << sp % 64;
	spte = level > 1 && s->nonzero != 0 ? m2d_space_frame(c->vm->space, s->pfn) : NULL;
	for (unsigned i = 0; i < 512 && spte != NULL; i++) {
		if (spte[i] == c->vm->fmt.nonpresent || m2d_spte_is_last(spte[i], level) ||
		    !m2d_spte_is_present(&c->vm->fmt, spte[i]))
			continue;
		child = m2d_shadow_sp_of_frame(c->vm, m2d_spte_pfn(&c->vm->fmt, spte[i]));
		if (child != 0 && m2d_role_level(m2d_sp(c->vm, child)->role) < level)
			reach_from(c, child, pages);
	}
}

/* Room for all pages there are. */
static void reach_room(const M2dCheck *c, M2dReach *r)
{
	M2dSpIndex max = m2d_shadow_max_sp(c->vm), words = max / 64 + 1;

	if (words <= r->words)
		return;
	words = MAX(words, 2 * r->words);
	r->pages = g_renew(uint64_t, r->pages, words);
	memset(r->pages + r->words, 0, (words - r->words) * sizeof(uint64_t));
	r->words = words;
}

const uint64_t *m2d_vcpu_reach(M2dCheck *c, unsigned vcpu)
{
	M2dReach *r = &c->reach[vcpu];
	M2dSpIndex root[4];

	for (unsigned i = 0; i < 4; i++)
		root[i] = m2d_root_page(c, vcpu, i);
	reach_room(c, r);
	/* A rollback changes links without a word. */
	if (r->known && c->vm->arena->journal == NULL && memcmp(r->root, root, sizeof(root)) == 0)
		return r->pages;
	r->known = c->vm->arena->journal == NULL;
	memset(r->pages, 0, r->words * sizeof(uint64_t));
	memcpy(r->root, root, sizeof(root));
	for (unsigned i = 0; i < 4; i++)
		if (root[i] != 0)
			reach_from(c, root[i], r->pages);
	return r->pages;
}

void m2d_reach_changed(M2dCheck *c, M2dSpIndex sp, uint64_t old, uint64_t new, unsigned level)
{
	const M2dSpteFormat *fmt = &c->vm->fmt;
	M2dSpIndex child = 0;

	if (level == 1)
		return;
	if (m2d_spte_is_present(fmt, new) && !m2d_spte_is_last(new, level))
		child = m2d_shadow_sp_of_frame(c->vm, m2d_spte_pfn(fmt, new));
	for (unsigned i = 0; i < c->vm->n_vcpus; i++) {
		M2dReach *r = &c->reach[i];

		if (!r->known)
			continue;
		if (m2d_spte_is_present(fmt, old) && !m2d_spte_is_last(old, level)) {
			r->known = false;
			continue;
		}
		reach_room(c, r);
		if (child != 0 && (r->pages[sp / 64] >> sp % 64 & 1) &&
		    m2d_role_level(m2d_sp(c->vm, child)->role) < level)
			reach_from(c, child, r->pages);
	}
}
