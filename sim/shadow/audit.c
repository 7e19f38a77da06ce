/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything the MMU keeps beside its tables, checked against them. */
#include "sim/shadow/shadow-private.h"
#include "sim/spte/spte-state.h"

typedef struct {
	const M2dVm *vm;
	M2dShadowReport report;
	void *data;
	unsigned findings;
	uint64_t leaves, rmap_items;
} Audit;

static void find(Audit *a, const char *invariant, const char *what, M2dSpIndex sp, unsigned index,
		 uint64_t gfn)
{
	const M2dShadowFinding finding = {invariant, what, sp, index, gfn};

	a->findings++;
	if (a->report != NULL)
		a->report(&finding, a->data);
}

static unsigned times_in_list(const M2dVm *vm, uint32_t head, M2dSptep sptep)
{
	unsigned n = 0;
	M2dListIter it;

	for (M2dSptep p = m2d_list_first(vm, head, &it); p != 0; p = m2d_list_next(vm, &it))
		n += p == sptep;
	return n;
}

static void check_leaf(Audit *a, M2dSpIndex i, unsigned index)
{
	const M2dSp *sp = m2d_sp(a->vm, i);
	uint64_t gfn = m2d_sp_entry_gfn(a->vm, i, index);
	const M2dMemslot *slot = m2d_sp_slot(a->vm, sp, gfn);
	unsigned level = m2d_role_level(sp->role);

	a->leaves++;
	if (slot == NULL)
		find(a, "INV-KVM-1", "a leaf maps a gfn of no memslot", i, index, gfn);
	else if (times_in_list(a->vm, *m2d_slot_rmap(a->vm, slot, gfn, level),
			       m2d_sptep(i, index)) != 1)
		find(a, "INV-KVM-1", "a leaf is not once on the rmap of its gfn", i, index, gfn);
}

static void check_table(Audit *a, M2dSpIndex i, unsigned index, uint64_t v)
{
	const M2dSp *sp = m2d_sp(a->vm, i), *child;
	M2dSpIndex c = m2d_spte_child(a->vm, v);

	if (c == 0) {
		find(a, "INV-KVM-1", "an entry leads to a table that is gone", i, index, sp->gfn);
		return;
	}
	child = m2d_sp(a->vm, c);
	if (m2d_role_level(child->role) + 1 != m2d_role_level(sp->role))
		find(a, "INV-KVM-1", "a child is not one level below", i, index, child->gfn);
	if (times_in_list(a->vm, child->parents, m2d_sptep(i, index)) != 1)
		find(a, "INV-KVM-1", "a child does not list its parent once", i, index, child->gfn);
	if (child->role & M2D_ROLE_INVALID)
		find(a, "INV-KVM-3", "an entry leads to an invalid page", i, index, child->gfn);
	if ((child->unsync || child->unsync_children) &&
	    !(sp->unsync_child[index / 64] >> index % 64 & 1))
		find(a, "INV-KVM-2", "an ancestor of an unsync page is not marked", i, index,
		     child->gfn);
}

static void check_entries(Audit *a, M2dSpIndex i)
{
	const M2dVm *vm = a->vm;
	const M2dSp *sp = m2d_sp(vm, i);
	unsigned level = m2d_role_level(sp->role), nonzero = 0;

	for (unsigned n = 0; n < 512; n++) {
		uint64_t v = m2d_spte_read(vm, m2d_sptep(i, n));

		nonzero += v != vm->fmt.nonpresent;
		if (!m2d_spte_is_present(&vm->fmt, v))
			continue;
		if (sp->role & M2D_ROLE_INVALID)
			find(a, "INV-KVM-3", "an invalid page maps something", i, n, sp->gfn);
		if (m2d_spte_illegal(&vm->fmt, v, level) != NULL)
			find(a, "INV-WP-3", m2d_spte_illegal(&vm->fmt, v, level), i, n, sp->gfn);
		if (m2d_spte_is_last(v, level))
			check_leaf(a, i, n);
		else
			check_table(a, i, n, v);
	}
	if (nonzero != sp->nonzero)
		find(a, "INV-KVM-1", "the count of entries is wrong", i, 0, sp->gfn);
}

static void check_parents(Audit *a, M2dSpIndex i)
{
	const M2dVm *vm = a->vm;
	const M2dSp *sp = m2d_sp(vm, i);
	M2dListIter it;

	for (M2dSptep p = m2d_list_first(vm, sp->parents, &it); p != 0;
	     p = m2d_list_next(vm, &it)) {
		const M2dSp *parent = m2d_sp(vm, m2d_sptep_sp(p));
		uint64_t v = m2d_spte_read(vm, p);

		if (!m2d_spte_is_table(vm, v, m2d_role_level(parent->role)) ||
		    m2d_spte_child(vm, v) != i)
			find(a, "INV-KVM-1", "a listed parent does not lead to the page", i, 0,
			     sp->gfn);
	}
}

static void check_unsync(Audit *a, M2dSpIndex i)
{
	const M2dSp *sp = m2d_sp(a->vm, i);
	unsigned bits = 0;

	for (unsigned n = 0; n < 8; n++)
		bits += (unsigned)__builtin_popcountll(sp->unsync_child[n]);
	if (bits != sp->unsync_children)
		find(a, "INV-KVM-2", "the count of unsync children is wrong", i, 0, sp->gfn);
	if (sp->unsync && (m2d_role_level(sp->role) > 1 || !m2d_sp_has_gptes(sp)))
		find(a, "INV-WP-2", "a page is unsync that must not be", i, 0, sp->gfn);
}

/* A gfn with a page that is in sync may not be writable through any SPTE. */
static void check_protected(Audit *a, M2dSpIndex i)
{
	const M2dVm *vm = a->vm;
	const M2dSp *sp = m2d_sp(vm, i);
	const M2dMemslot *slot = m2d_sp_slot(vm, sp, sp->gfn);
	M2dListIter it;

	if (m2d_sp_obsolete(vm, sp) || !m2d_sp_has_gptes(sp) || sp->unsync || slot == NULL)
		return;
	for (unsigned level = 1; level <= 3; level++) {
		uint32_t head = *m2d_slot_rmap(vm, slot, sp->gfn, level);

		for (M2dSptep p = m2d_list_first(vm, head, &it); p != 0;
		     p = m2d_list_next(vm, &it)) {
			if (m2d_spte_is_writable(m2d_spte_read(vm, p)))
				find(a, "INV-WP-1", "a shadowed gfn is writable", m2d_sptep_sp(p),
				     m2d_sptep_index(p), sp->gfn);
		}
	}
}

static unsigned users(const M2dVm *vm, M2dSpIndex i)
{
	unsigned n = 0;

	for (unsigned c = 0; c < vm->n_vcpus; c++) {
		const M2dMmuCtx *mmu = &vm->vcpu[c]->mmu;

		n += mmu->root.sp == i;
		for (unsigned p = 0; p < M2D_N_PREV_ROOTS; p++)
			n += mmu->prev[p].sp == i;
		for (unsigned p = 0; p < 4; p++)
			n += mmu->pae_root[p] == i;
	}
	return n;
}

static unsigned times_in_hash(const M2dVm *vm, M2dSpIndex i)
{
	unsigned n = 0;

	for (M2dSpIndex p = m2d_shadow(vm)->s->hash[m2d_sp_hash(m2d_sp(vm, i)->gfn)]; p != 0;
	     p = m2d_sp(vm, p)->hash_next)
		n += p == i;
	return n;
}

static void check_lists(Audit *a, M2dSpIndex i)
{
	const M2dSp *sp = m2d_sp(a->vm, i);
	bool invalid = sp->role & M2D_ROLE_INVALID;
	unsigned list = !invalid ? M2D_ON_ACTIVE : M2D_ON_NONE;

	if (sp->on_list != list && (!invalid || sp->root_count))
		find(a, "INV-KVM-3", "a page is on the wrong list", i, 0, sp->gfn);
	if (invalid && !sp->root_count && sp->on_list <= M2D_ON_ACTIVE)
		find(a, "INV-KVM-3", "an invalid page is not to be freed", i, 0, sp->gfn);
	if (times_in_hash(a->vm, i) != 1)
		find(a, "INV-KVM-1", "a page is not once in the hash", i, 0, sp->gfn);
	if (users(a->vm, i) != sp->root_count)
		find(a, "INV-KVM-3", "the count of users of a root is wrong", i, 0, sp->gfn);
	if (m2d_shadow_sp_of_frame(a->vm, sp->pfn) != i)
		find(a, "INV-KVM-1", "the frame does not lead back to the page", i, 0, sp->gfn);
}

/* What lists lead to that is no leaf of that gfn: a host would use memory after it was freed. */
static bool leads_to_leaf(const M2dVm *vm, M2dSptep p, const M2dMemslot *slot, uint64_t gfn,
			  unsigned level)
{
	const M2dSp *sp = m2d_sp(vm, m2d_sptep_sp(p));
	uint64_t v = m2d_spte_read(vm, p);

	return sp->pfn != 0 && m2d_role_level(sp->role) == level &&
	       m2d_role_as(sp->role) == slot->as && m2d_spte_is_present(&vm->fmt, v) &&
	       m2d_spte_is_last(v, level) &&
	       m2d_sp_entry_gfn(vm, m2d_sptep_sp(p), m2d_sptep_index(p)) >> 9 * (level - 1) ==
		       gfn >> 9 * (level - 1);
}

static void check_rmap(Audit *a, const M2dMemslot *slot, uint64_t gfn, unsigned level,
		       uint32_t head)
{
	const M2dVm *vm = a->vm;
	M2dListIter it;

	for (M2dSptep p = m2d_list_first(vm, head, &it); p != 0; p = m2d_list_next(vm, &it)) {
		a->rmap_items++;
		if (!leads_to_leaf(vm, p, slot, gfn, level))
			find(a, "INV-KVM-1", "an rmap leads to no leaf of its gfn", m2d_sptep_sp(p),
			     m2d_sptep_index(p), gfn);
	}
}

/* Heads lie in a row, and nearly all are empty: a slot may have millions. */
static void check_rmaps(Audit *a, const M2dMemslot *slot)
{
	uint64_t base = slot->base_gfn, last = base + slot->npages - 1;

	for (unsigned level = 1; level <= 3 && slot->npages != 0; level++) {
		unsigned shift = 9 * (level - 1);
		const uint32_t *head = m2d_slot_rmap(a->vm, slot, base, level);
		uint64_t n = m2d_slot_index(slot, last, level) + 1;

		for (uint64_t i = 0; i < n; i++)
			if (head[i] != 0)
				check_rmap(a, slot, MAX(((base >> shift) + i) << shift, base),
					   level, head[i]);
	}
}

unsigned m2d_shadow_audit(const M2dVm *vm, M2dShadowReport report, void *data)
{
	const M2dShadowState *s = m2d_shadow(vm)->s;
	Audit a = {.vm = vm, .report = report, .data = data};
	uint32_t used = 0, indirect = 0;

	for (M2dSpIndex i = 1; i < m2d_shadow_max_sp(vm); i++) {
		const M2dSp *sp = m2d_sp(vm, i);

		if (sp->pfn == 0)
			continue;
		used += sp->on_list <= M2D_ON_ACTIVE;
		indirect += m2d_sp_has_gptes(sp) && !(sp->role & M2D_ROLE_INVALID);
		check_entries(&a, i);
		check_parents(&a, i);
		check_unsync(&a, i);
		check_protected(&a, i);
		check_lists(&a, i);
	}
	for (unsigned n = 0; n < M2D_N_AS * M2D_MAX_SLOTS; n++)
		check_rmaps(&a, m2d_slot(vm, n / M2D_MAX_SLOTS, n % M2D_MAX_SLOTS));
	if (a.rmap_items != a.leaves)
		find(&a, "INV-KVM-1", "there are not as many rmap items as leaves", 0, 0, 0);
	if (used != s->used_pages || indirect != s->indirect_pages)
		find(&a, "INV-KVM-1", "the counts of pages are wrong", 0, 0, 0);
	return a.findings;
}
