/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INVLPG before 6.4: KVM drops the SPTE of an unsync page and maps it anew from the guest's entry,
 * if that was accessed. The guest may have stored to it any number of times since it was seen, and
 * what KVM maps is all that tells of it. Where the entry as it is known explains what KVM did, that
 * is a prediction; where not, the SPTE is taken for what the entry holds, and not counted.
 *
 * Later kernels synchronise the entry, and all that tells of it is whether they flush.
 */
#include "sim/conform/conform-private.h"
#include "sim/vm/hostmm.h"

/* The entry of a shadow page of level 1, and the guest's behind it. */
typedef struct {
	M2dSptep sptep;
	const M2dSp *sp;
	unsigned index, size;
	uint64_t gpa;
} Entry;

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
		page = m2d_conf_frame_of(c, at);
		if ((at & (M2D_PAGE_SIZE - 1)) / 8 == index && (page == 0 || page == sp->pfn))
			return i;
	}
	return M2D_CONF_NONE;
}

bool m2d_conf_would_map(const M2dConform *c, const M2dPteFormat *fmt, uint64_t entry,
			bool *writable)
{
	const M2dMemslot *slot =
		m2d_gfn_to_slot(c->vm, 0, m2d_pte_leaf_base(fmt, 1, entry) >> M2D_PAGE_SHIFT);

	*writable = entry & M2D_PTE_RW && entry & M2D_PTE_D;
	return m2d_pte_classify(fmt, 1, entry) == M2D_PTE_LEAF && entry & M2D_PTE_A &&
	       m2d_slot_visible(slot);
}

uint64_t m2d_conf_entry_shown(const M2dConform *c, const M2dPteFormat *fmt, uint64_t entry,
			      uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint64_t spte = e->u.set_spte.spte;

	entry = (entry & ~fmt->frame_mask) | e->u.set_spte.gfn << M2D_PAGE_SHIFT;
	entry = (entry & ~(uint64_t)M2D_PTE_US) | M2D_PTE_P | M2D_PTE_A | (spte & M2D_PTE_US);
	if (fmt->entry_shift == 3)
		entry = (entry & ~M2D_BIT(63)) | (spte & c->vm->fmt.nx);
	if (spte & M2D_PTE_RW)
		return entry | M2D_PTE_RW | M2D_PTE_D;
	if (entry & M2D_PTE_RW && entry & M2D_PTE_D)
		entry &= ~(uint64_t)M2D_PTE_RW;
	return entry;
}

bool m2d_conf_entry_explains(const M2dConform *c, const M2dPteFormat *fmt, uint64_t entry,
			     unsigned access, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint64_t spte = e->u.set_spte.spte;
	bool user = entry & M2D_PTE_US && access & M2D_SPTE_ACC_USER, writable;
	bool exec = (fmt->entry_shift == 2 || !(entry >> 63)) && access & M2D_SPTE_ACC_EXEC;

	return m2d_conf_would_map(c, fmt, entry, &writable) &&
	       m2d_pte_leaf_base(fmt, 1, entry) >> M2D_PAGE_SHIFT == e->u.set_spte.gfn &&
	       writable == ((spte & M2D_PTE_RW) != 0) && user == ((spte & c->vm->fmt.user) != 0) &&
	       exec == !(spte & c->vm->fmt.nx);
}

/* Before 6.4. */
static void mapped_anew(M2dConform *c, const M2dPteFormat *fmt, const Entry *e, uint32_t i)
{
	uint64_t entry = m2d_conf_guest_read(c, e->gpa, e->size);
	uint32_t set = next_set(c, i, e->sp, e->index);
	bool writable, maps = m2d_conf_would_map(c, fmt, entry, &writable);

	if (set == M2D_CONF_NONE) {
		/* It is not present now, or not accessed. */
		if (maps)
			m2d_conf_guest_write(c, e->gpa, e->size, entry & ~(uint64_t)M2D_PTE_A);
		return;
	}
	m2d_conf_host_shown(c, set);
	if (m2d_conf_entry_explains(c, fmt, entry, m2d_role_access(e->sp->role), set))
		return;
	m2d_conf_guest_write(c, e->gpa, e->size, m2d_conf_entry_shown(c, fmt, entry, set));
	for (; set != M2D_CONF_NONE; set = next_set(c, set, e->sp, e->index))
		g_hash_table_add(c->inputs, GUINT_TO_POINTER(set));
}

bool m2d_conf_takes_away(const M2dConform *c, const M2dPteFormat *fmt, M2dSptep sptep,
			 uint64_t entry)
{
	uint64_t spte = m2d_spte_read(c->vm, sptep);
	bool writable, maps = m2d_conf_would_map(c, fmt, entry, &writable);

	return !maps ||
	       m2d_pte_leaf_base(fmt, 1, entry) >> M2D_PAGE_SHIFT !=
		       m2d_sp_entry_gfn(c->vm, sptep >> 9, sptep & 511) ||
	       (m2d_spte_is_writable(spte) && !writable);
}

/* An entry that was taken for read-only since an INVLPG of the same vCPU's: now it is as it was. If
 * KVM flushes for that, hardware had set the SPTE's accessed bit, which goes. True: so it is. */
static bool given_back(M2dConform *c, const Entry *e, uint64_t before, uint32_t i, uint32_t flush)
{
	gpointer since = g_hash_table_lookup(c->read_only, GSIZE_TO_POINTER(e->gpa));
	uint64_t spte = m2d_spte_read(c->vm, e->sptep);

	if (since == NULL || g_array_index(c->task_of, uint32_t, GPOINTER_TO_UINT(since)) !=
				     g_array_index(c->task_of, uint32_t, i))
		return false;
	g_hash_table_remove(c->read_only, GSIZE_TO_POINTER(e->gpa));
	if (m2d_spte_is_writable(spte))
		return false;
	m2d_conf_guest_write(c, e->gpa, e->size, before | M2D_PTE_RW);
	if (flush == M2D_CONF_NONE)
		return true;
	m2d_conf_used(c, e->sptep, c->vm->fmt.accessed);
	g_hash_table_add(c->inputs, GUINT_TO_POINTER(flush));
	return true;
}

/* The flush of the INVLPG at event @i was for an SPTE that went: before KVM flushes for it again,
 * hardware finds nothing there. */
static bool dropped(const M2dConform *c, uint64_t gpa, uint64_t cr3, uint32_t i)
{
	uint32_t seen = m2d_conf_seen_next(c, gpa, i);

	do
		i = m2d_conf_invalidates_next(c, cr3, i);
	while (i < seen && m2d_conf_find(c, i, M2D_CAP_FLUSH_REMOTE) == M2D_CONF_NONE);
	return seen < i && g_hash_table_contains(c->absent, GUINT_TO_POINTER(seen));
}

/* Since 6.4 the SPTE is synchronised without a word. It is known of the guest's entry what is seen
 * of it up to the next INVLPG; the flush tells whether it had changed by now. */
static void synchronised(M2dConform *c, const M2dPteFormat *fmt, const Entry *e, uint64_t cr3,
			 uint32_t i)
{
	uint64_t spte = m2d_spte_read(c->vm, e->sptep);
	uint64_t before = m2d_conf_guest_read(c, e->gpa, e->size), entry;
	uint32_t flush = m2d_conf_find(c, i, M2D_CAP_FLUSH_REMOTE);
	bool walked = m2d_conf_invalidated(c, fmt, e->gpa, cr3, i);

	if (!m2d_spte_is_present(&c->vm->fmt, spte))
		return;
	entry = m2d_conf_guest_read(c, e->gpa, e->size);
	if (given_back(c, e, before, i, flush))
		return;
	if (m2d_conf_takes_away(c, fmt, e->sptep, entry) == (flush != M2D_CONF_NONE))
		return;
	if (flush == M2D_CONF_NONE) {
		/* Not changed yet. */
		m2d_conf_guest_write(c, e->gpa, e->size, before);
		return;
	}
	/* It could only be read, as far as is known: its right to write is back. What KVM flushes
	 * for is the accessed bit, as above. */
	if (!walked && !(entry & M2D_PTE_RW) && !m2d_spte_is_writable(spte)) {
		m2d_conf_guest_write(c, e->gpa, e->size, entry | M2D_PTE_RW | M2D_PTE_D);
		m2d_conf_used(c, e->sptep, c->vm->fmt.accessed);
		g_hash_table_add(c->inputs, GUINT_TO_POINTER(flush));
		return;
	}
	/* The guest faults on what was dropped, but not on what may only be read now. */
	if (!walked && dropped(c, e->gpa, cr3, i))
		walked = true;
	if (!walked && entry & M2D_PTE_RW)
		g_hash_table_insert(c->read_only, GSIZE_TO_POINTER(e->gpa), GUINT_TO_POINTER(i));
	entry &= walked ? ~(uint64_t)M2D_PTE_A : ~(uint64_t)M2D_PTE_RW;
	m2d_conf_guest_write(c, e->gpa, e->size, entry);
	g_hash_table_add(c->inputs, GUINT_TO_POINTER(flush));
}

void m2d_conf_guest_invlpg(M2dConform *c, const M2dConfTask *task, uint32_t i)
{
	const M2dVm *vm = c->vm;
	const M2dKvmVcpu *v = vm->vcpu[task->vcpu];
	M2dSpIndex done = 0;

	for (unsigned n = 0; n <= M2D_N_PREV_ROOTS; n++) {
		M2dSpIndex root = n == 0 ? v->mmu.root.sp : v->mmu.prev[n - 1].sp;
		M2dShadowWalk it;
		Entry e;

		m2d_shadow_walk_init(vm, v, root, m2d_conf_event(c, i)->u.invlpg.gva, &it);
		while (it.level > 1)
			m2d_shadow_walk_next(vm, &it, m2d_spte_read(vm, it.sptep));
		/* Roots that share the table come to nothing, the second time. */
		if (it.level == 0 || !m2d_sp(vm, it.sp)->unsync || it.sp == done)
			continue;
		done = it.sp;
		e = (Entry){.sptep = it.sptep, .sp = m2d_sp(vm, it.sp), .index = it.index};
		e.size = e.sp->role & M2D_ROLE_HAS_4_BYTE_GPTE ? 4 : 8;
		e.gpa = m2d_level1_gpte_gpa(e.sp, it.index);
		if (vm->cfg.knobs.invlpg == M2D_INVLPG_SYNC)
			synchronised(c, &v->mmu.gfmt, &e, v->regs.cr3, i);
		else
			mapped_anew(c, &v->mmu.gfmt, &e, i);
	}
}
