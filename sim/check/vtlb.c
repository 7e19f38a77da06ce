/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SPTEs as cached items: those of an indirect page derive from the guest's entry at the same place
 * of the table that the page shadows. A store that takes something away from the guest's entry
 * makes the SPTE stale, which is legal until a flush of the guest covers it (the virtual TLB).
 */
#include "sim/check/check-private.h"

#include <string.h>

M2dVtPage *m2d_vt_page(const M2dCheck *c, M2dSpIndex sp, bool make)
{
	uint64_t *chunk = &c->s->chunk[sp / M2D_CHECK_CHUNK];
	M2dVtChunk *pages;

	g_assert(sp / M2D_CHECK_CHUNK < M2D_CHECK_CHUNKS);
	if (*chunk == 0) {
		if (!make)
			return NULL;
		pages = m2d_arena_alloc(c->vm->arena, sizeof(M2dVtChunk), 64);
		for (unsigned i = 0; i < M2D_CHECK_CHUNK; i++)
			CHECK_PUT(c, pages->page[i].place, i);
		CHECK_PUT(c, *chunk, m2d_arena_offset(c->vm->arena, pages));
	}
	pages = m2d_arena_at(c->vm->arena, *chunk);
	return &pages->page[sp % M2D_CHECK_CHUNK];
}

static uint32_t *bucket_of(const M2dCheck *c, uint64_t table)
{
	return &c->s->bucket[table * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

static void unfollow(M2dCheck *c, M2dSpIndex sp, M2dVtPage *page)
{
	uint32_t *link = bucket_of(c, page->table);

	if (page->table == 0)
		return;
	while (*link != sp)
		link = &m2d_vt_page(c, *link, false)->next;
	CHECK_PUT(c, *link, page->next);
	CHECK_PUT(c, page->next, 0);
	CHECK_PUT(c, page->table, 0);
}

void m2d_vt_follow(M2dCheck *c, M2dSpIndex sp)
{
	const M2dSp *s = m2d_sp(c->vm, sp);
	M2dVtPage *page;
	uint64_t pfn;
	uint32_t *head;

	if (s->pfn == 0 || (s->role & M2D_ROLE_DIRECT))
		return;
	page = m2d_vt_page(c, sp, true);
	if (!m2d_peek_gfn(c->vm, m2d_role_as(s->role), s->gfn, &pfn, NULL)) {
		unfollow(c, sp, page);
		return;
	}
	if (page->table == pfn + 1)
		return;
	unfollow(c, sp, page);
	head = bucket_of(c, pfn + 1);
	CHECK_PUT(c, page->table, pfn + 1);
	CHECK_PUT(c, page->next, *head);
	CHECK_PUT(c, *head, sp);
}

void m2d_vt_frame_freed(M2dCheck *c, uint64_t pfn)
{
	uint32_t sp = *bucket_of(c, pfn + 1), next;

	for (; sp != 0; sp = next) {
		const M2dVtPage *page = m2d_vt_page(c, sp, false);

		next = page->next;
		if (page->table == pfn + 1)
			m2d_vt_follow(c, sp);
	}
}

static void set_flags(M2dCheck *c, M2dVtPage *page, unsigned index, unsigned flags)
{
	unsigned old = m2d_vt_flags(page, index);
	int d = ((flags & M2D_VT_CHANGED) != 0) - ((old & M2D_VT_CHANGED) != 0);

	if (flags == old)
		return;
	CHECK_PUT(c, page->changed, page->changed + d);
	d = ((flags & M2D_VT_EMULATED) != 0) - ((old & M2D_VT_EMULATED) != 0);
	CHECK_PUT(c, c->s->n_emulated, c->s->n_emulated + (uint32_t)d);
	d = ((flags & M2D_VT_DUE) != 0) - ((old & M2D_VT_DUE) != 0);
	CHECK_PUT(c, c->s->n_due, c->s->n_due + (uint32_t)d);
	CHECK_PUT(c, page->marked, page->marked + (flags != 0) - (old != 0));
	CHECK_PUT(c, m2d_vt_marks(page)->flags[index], flags);
}

/* Before its last flag goes. */
static void set_flushed(M2dCheck *c, M2dVtPage *page, unsigned index, unsigned vcpus)
{
	if (m2d_vt_flushed(page, index) != vcpus)
		CHECK_PUT(c, m2d_vt_marks(page)->flushed[index], vcpus);
}

void m2d_vt_forget(M2dCheck *c, M2dSpIndex sp)
{
	M2dVtPage *page = m2d_vt_page(c, sp, false);

	if (page == NULL)
		return;
	unfollow(c, sp, page);
	for (unsigned i = 0; i < 512 && page->marked != 0; i++) {
		set_flushed(c, page, i, 0);
		set_flags(c, page, i, 0);
	}
}

/* --- stores of the guest ---------------------------------------------------------------------- */

/* The bits that KVM turns into something. */
static uint64_t shadowed_bits(uint64_t gpte, unsigned level, bool four)
{
	uint64_t mask = M2D_PTE_P | M2D_PTE_RW | M2D_PTE_US | M2D_PTE_A;

	if (level == 1 || (gpte & M2D_PTE_PS))
		mask |= M2D_PTE_D;
	if (level > 1)
		mask |= M2D_PTE_PS;
	return gpte & (mask | (four ? M2D_BITS(31, 12) : M2D_BITS(51, 12) | M2D_PTE_NX));
}

static void entry_lost(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t hpa, uint64_t old,
		       uint64_t new)
{
	const M2dSp *s = m2d_sp(c->vm, sp);
	M2dVtPage *page = m2d_vt_page(c, sp, true);
	unsigned level = m2d_role_level(s->role), stale, flags = m2d_vt_flags(page, index);
	bool four = s->role & M2D_ROLE_HAS_4_BYTE_GPTE;
	bool leaf = level == 1 || (old & M2D_PTE_PS);
	M2dSptep sptep = m2d_sptep(sp, index);
	M2dMoment why;
	unsigned by;
	bool there;

	stale = m2d_danger(shadowed_bits(old, level, four), shadowed_bits(new, level, four),
			   leaf ? M2D_ENTRY_LEAF : 0);
	if (stale == 0)
		return;
	why = m2d_items_moment(c->items);
	why.a[0] = hpa;
	why.a[1] = old;
	why.a[2] = new;
	there = m2d_spte_is_present(&c->vm->fmt, m2d_spte_read(c->vm, sptep));
	/* What an SPTE will be made of is the last value or the one before: flushes of earlier
	 * changes say nothing of that. */
	if (!(flags & M2D_VT_CHANGED) || !there) {
		flags &= ~(M2D_VT_GLOBAL | M2D_VT_EMULATED);
		flags |= M2D_VT_CHANGED | (leaf && (old & M2D_PTE_G) ? M2D_VT_GLOBAL : 0);
		m2d_brief_put(c->changes, sp, index, &why);
		by = c->vm->ev->vcpu;
		if (by < c->vm->n_vcpus && !c->vm->vcpu[by]->in_guest)
			flags |= M2D_VT_EMULATED;
		set_flags(c, page, index, flags);
		set_flushed(c, page, index, flags & M2D_VT_EMULATED ? by : 0);
	}
	if (!m2d_lock_free(c->vm, M2D_LOCK_MMU, false))
		set_flags(c, page, index, m2d_vt_flags(page, index) | M2D_VT_RACED);
	if (there)
		m2d_items_mark_guest(c->items, m2d_spte_hpa(c->vm, sptep).v, stale, &why);
}

/* A 4-byte entry: which SPTEs of @sp stand for the one at @offset (get_written_sptes()). */
static void four_byte(M2dCheck *c, M2dSpIndex sp, uint64_t hpa, uint32_t old, uint32_t new)
{
	uint32_t role = m2d_sp(c->vm, sp)->role;
	unsigned offset = (unsigned)(hpa & 4095) << 1, n = 1;

	if (old == new)
		return;
	if (m2d_role_level(role) == 2) {
		offset = (offset & ~7u) << 1;
		n = 2;
	}
	if (offset >> 12 != m2d_role_quadrant(role))
		return;
	for (unsigned i = 0; i < n; i++)
		entry_lost(c, sp, (offset & 4095) / 8 + i, hpa, old, new);
}

void m2d_vt_wrote(M2dCheck *c, const M2dWrite *w)
{
	uint64_t table = (w->pa.v >> M2D_PAGE_SHIFT) + 1, base = w->pa.v & ~UINT64_C(7);
	uint64_t old = w->old_value, new, mask;
	unsigned shift = (unsigned)(w->pa.v & 7) * 8;
	uint32_t sp;

	/* Neither an entry of 8 bytes nor one of 4 was present: nothing can be lost. */
	if (w->size == 8 && (old & (M2D_PTE_P | M2D_PTE_P << 32)) == 0)
		return;
	sp = *bucket_of(c, table);
	if (sp == 0)
		return;
	mask = w->size == 8 ? UINT64_MAX : m2d_low_mask(8 * w->size) << shift;
	new = m2d_space_read64(w->space, M2D_HPA(base));
	old = (new & ~mask) | (w->old_value << shift & mask);
	for (const M2dVtPage *page; sp != 0; sp = page->next) {
		page = m2d_vt_page(c, sp, false);
		if (page->table != table || m2d_sp(c->vm, sp)->pfn == 0)
			continue;
		if (m2d_sp(c->vm, sp)->role & M2D_ROLE_HAS_4_BYTE_GPTE) {
			four_byte(c, sp, base, (uint32_t)old, (uint32_t) new);
			four_byte(c, sp, base + 4, (uint32_t)(old >> 32), (uint32_t)(new >> 32));
		} else if (old != new) {
			entry_lost(c, sp, (unsigned)(base & 4095) / 8, base, old, new);
		}
	}
}

/* --- SPTEs ------------------------------------------------------------------------------------ */

static bool present(const M2dCheck *c, M2dSpIndex sp, unsigned index)
{
	return m2d_spte_is_present(&c->vm->fmt, m2d_spte_read(c->vm, m2d_sptep(sp, index)));
}

/* The flush that covered the change: that of @vcpu, or of another of @vcpus; NULL: none. */
static const M2dMoment *flush_of(const M2dCheck *c, unsigned vcpus, unsigned vcpu)
{
	if (vcpus == 0)
		return NULL;
	return &c->flush[vcpus >> vcpu & 1 ? vcpu : (unsigned)g_bit_nth_lsf(vcpus, -1)];
}

static void report(M2dCheck *c, unsigned vcpu, M2dSpIndex sp, unsigned index)
{
	M2dVtPage *page = m2d_vt_page(c, sp, false);
	M2dMoment birth, write;
	uint64_t spte = m2d_spte_read(c->vm, m2d_sptep(sp, index));
	M2dAbout about = {.vcpu = vcpu,
			  .gva = M2D_NO_ADDRESS,
			  .gpa = m2d_entry_gfn(c, sp, index) << M2D_PAGE_SHIFT,
			  .hpa = m2d_spte_hpa(c->vm, m2d_sptep(sp, index)).v,
			  .birth = m2d_birth_get(c->births, sp, index, &birth),
			  .write = m2d_brief_get(c->changes, sp, index, &write),
			  .promise = flush_of(c, m2d_vt_flushed(page, index), vcpu)};

	if (m2d_vt_flags(page, index) & M2D_VT_REPORTED)
		return;
	set_flags(c, page, index, m2d_vt_flags(page, index) | M2D_VT_REPORTED);
	m2d_find(c, M2D_INV_UNSYNCED_SHADOW, &about,
		 "vcpu%u can use SPTE 0x%" G_GINT64_MODIFIER
		 "x of %s page gfn 0x%" G_GINT64_MODIFIER
		 "x level %u, older than the guest entry that its flush covers",
		 vcpu, spte, m2d_sp(c->vm, sp)->unsync ? "unsync" : "synchronous",
		 m2d_sp(c->vm, sp)->gfn, m2d_role_level(m2d_sp(c->vm, sp)->role));
}

/* The SPTE stands where a flush of @vcpus has covered a change: it must have followed. */
static void check_entry(M2dCheck *c, M2dSpIndex sp, unsigned index)
{
	M2dVtPage *page = m2d_vt_page(c, sp, false);
	unsigned flags = m2d_vt_flags(page, index);
	bool due = m2d_vt_flushed(page, index) != 0 &&
		   (flags & (M2D_VT_CHANGED | M2D_VT_EMULATED)) == M2D_VT_CHANGED &&
		   present(c, sp, index) && m2d_spte_differs(c, sp, index) != M2D_AGREES;

	set_flags(c, page, index, due ? flags | M2D_VT_DUE : flags & ~M2D_VT_DUE);
}

/* The host has another frame behind the gfn: stale-host-map's affair, not the guest tables'. */
static bool other_frame(const M2dCheck *c, M2dSpIndex sp, unsigned index)
{
	const M2dSp *s = m2d_sp(c->vm, sp);
	uint64_t spte = m2d_spte_read(c->vm, m2d_sptep(sp, index)), pfn;

	return m2d_spte_is_last(spte, m2d_role_level(s->role)) &&
	       m2d_peek_gfn(c->vm, m2d_role_as(s->role), m2d_entry_gfn(c, sp, index), &pfn, NULL) &&
	       pfn != m2d_spte_pfn(&c->vm->fmt, spte);
}

void m2d_vt_changed(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte)
{
	M2dVtPage *page = m2d_vt_page(c, sp, true);
	M2dDiffers d;

	if (!m2d_spte_is_present(&c->vm->fmt, spte)) {
		if (m2d_vt_flags(page, index) & M2D_VT_RACED) {
			set_flags(c, page, index,
				  m2d_vt_flags(page, index) &
					  ~(M2D_VT_RACED | M2D_VT_DUE | M2D_VT_REPORTED));
			return;
		}
		set_flushed(c, page, index, 0);
		set_flags(c, page, index, 0);
		return;
	}
	d = m2d_value_differs(c, sp, index, spte);
	if (d == M2D_AGREES) {
		set_flushed(c, page, index, 0);
		set_flags(c, page, index, 0);
		return;
	}
	if (m2d_vt_flags(page, index) & M2D_VT_CHANGED) {
		check_entry(c, sp, index);
		return;
	}
	if (d == M2D_DIFFERS_AD || (d == M2D_DIFFERS_GONE && other_frame(c, sp, index)))
		return;
	m2d_find(c, d == M2D_DIFFERS_RIGHTS ? M2D_INV_RIGHTS_BEYOND : M2D_INV_ROLE_MISMATCH,
		 &(M2dAbout){.vcpu = c->event->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = m2d_entry_gfn(c, sp, index) << M2D_PAGE_SHIFT,
			     .hpa = m2d_spte_hpa(c->vm, m2d_sptep(sp, index)).v},
		 "SPTE 0x%" G_GINT64_MODIFIER "x of page gfn 0x%" G_GINT64_MODIFIER "x level %u %s",
		 spte, m2d_sp(c->vm, sp)->gfn, m2d_role_level(m2d_sp(c->vm, sp)->role),
		 d == M2D_DIFFERS_RIGHTS ? "grants more than the guest's entry and role"
					 : "is not what the guest's entry calls for");
	set_flags(c, page, index, m2d_vt_flags(page, index) | M2D_VT_REPORTED);
}

void m2d_vt_synced(M2dCheck *c, M2dSpIndex sp, unsigned index)
{
	M2dVtPage *page = m2d_vt_page(c, sp, false);

	if (page != NULL && m2d_vt_flags(page, index) != 0)
		m2d_vt_changed(c, sp, index, m2d_spte_read(c->vm, m2d_sptep(sp, index)));
}

/* --- due and used ----------------------------------------------------------------------------- */

void m2d_vt_cover(M2dCheck *c, unsigned vcpu, M2dSpIndex sp, M2dVtPage *page, unsigned i)
{
	if (!(m2d_vt_flags(page, i) & M2D_VT_CHANGED) || (m2d_vt_flags(page, i) & M2D_VT_EMULATED))
		return;
	m2d_premise(c, M2D_INV_UNSYNCED_SHADOW);
	if (c->flush[vcpu].time != c->event->time)
		c->flush[vcpu] = m2d_event_moment(c);
	set_flushed(c, page, i, m2d_vt_flushed(page, i) | 1u << vcpu);
	check_entry(c, sp, i);
}

unsigned m2d_vt_next_flagged(const M2dVtPage *page, unsigned i)
{
	const M2dVtMarks *marks = m2d_vt_marks(page);
	uint64_t eight;

	while (i < 512 && page->marked != 0) {
		memcpy(&eight, &marks->flags[i & ~7u], sizeof(eight));
		eight = GUINT64_FROM_LE(eight) >> 8 * (i & 7);
		if (eight != 0)
			return i + (unsigned)__builtin_ctzll(eight) / 8;
		i = (i & ~7u) + 8;
	}
	return 512;
}

M2dSpIndex m2d_vt_next_changed(const M2dCheck *c, M2dSpIndex sp, M2dSpIndex end)
{
	for (; sp < end; sp = (sp / M2D_CHECK_CHUNK + 1) * M2D_CHECK_CHUNK) {
		uint64_t chunk = c->s->chunk[sp / M2D_CHECK_CHUNK];
		const M2dVtChunk *pages;

		if (chunk == 0)
			continue;
		pages = m2d_arena_at(c->vm->arena, chunk);
		for (unsigned i = sp % M2D_CHECK_CHUNK; i < M2D_CHECK_CHUNK; i++)
			if (pages->page[i].changed != 0)
				return MIN(sp - sp % M2D_CHECK_CHUNK + i, end);
	}
	return end;
}

void m2d_vt_emulated(M2dCheck *c, unsigned vcpu)
{
	if (c->s->n_emulated == 0)
		return;
	for (M2dSpIndex sp = 1; sp < m2d_shadow_max_sp(c->vm); sp++) {
		M2dVtPage *page = m2d_vt_page(c, sp, false);

		if (page == NULL || page->changed == 0)
			continue;
		for (unsigned i = 0; i < 512; i++) {
			if (!(m2d_vt_flags(page, i) & M2D_VT_EMULATED) ||
			    m2d_vt_flushed(page, i) != vcpu)
				continue;
			set_flags(c, page, i, m2d_vt_flags(page, i) & ~M2D_VT_EMULATED);
			set_flushed(c, page, i, 0);
		}
	}
}

void m2d_vt_judge(M2dCheck *c, unsigned vcpu)
{
	const uint64_t *reach;
	M2dSpIndex n;

	if (c->s->n_due == 0)
		return;
	n = m2d_shadow_max_sp(c->vm);
	reach = m2d_vcpu_reach(c, vcpu);
	for (M2dSpIndex sp = m2d_vt_next_changed(c, 1, n); sp < n;
	     sp = m2d_vt_next_changed(c, sp + 1, n)) {
		M2dVtPage *page = m2d_vt_page(c, sp, false);

		if (m2d_sp(c->vm, sp)->pfn == 0 || !(reach[sp / 64] >> sp % 64 & 1))
			continue;
		for (unsigned i = m2d_vt_next_flagged(page, 0); i < 512;
		     i = m2d_vt_next_flagged(page, i + 1)) {
			if (!(m2d_vt_flags(page, i) & M2D_VT_DUE) ||
			    !(m2d_vt_flushed(page, i) >> vcpu & 1))
				continue;
			check_entry(c, sp, i);
			if (m2d_vt_flags(page, i) & M2D_VT_DUE)
				report(c, vcpu, sp, i);
		}
	}
}
