/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Items and what they stem from: every entry of a two-dimensional walk counts, whether the walk
 * read it or a cache supplied it; what takes something away marks, nothing else does; slots and
 * items agree whatever is filled, dropped and evicted.
 */
#include <check.h>

#include "sim/check/store.h"
#include "tests/mmu/pages.h"

#define VA   UINT64_C(0x7f12345000)
#define DATA UINT64_C(0x2000000)

typedef struct {
	Pages p;
	M2dItems *items;
	uint64_t root;
} One;

static void on_write(const M2dWrite *w, void *items)
{
	m2d_items_wrote(items, w);
}

static void one_init(One *o, M2dVendor vendor, PagesNested nested, bool caches)
{
	M2dMachine *m;
	M2dRegs regs;

	if (caches) {
		m = m2d_machine_load(M2D_SOURCE_DIR "/machines/generic.ini", NULL);
		ck_assert_ptr_nonnull(m);
		m->vendor = vendor;
	} else {
		m = pages_machine(vendor);
		pages_set(m, "tlb.l1d.4k=16/4");
	}
	pages_init(&o->p, m, nested);
	o->root = pages_new_table(&o->p);
	for (unsigned i = 0; i < 4; i++) {
		pages_nested_map(&o->p, DATA + 0x1000 * i, M2D_SIZE_4K);
		pages_map(&o->p, GUEST_4, o->root, VA + 0x1000 * i, DATA + 0x1000 * i, M2D_SIZE_4K,
			  0);
	}
	o->items = m2d_items_new(m2d_world_arena(o->p.world), NULL);
	m2d_items_watch(o->items, o->p.vcpu);
	m2d_space_observe(o->p.space, on_write, o->items);
	regs = pages_regs(&o->p, GUEST_4, o->root);
	pages_load(&o->p, &regs);
}

static void one_clear(One *o)
{
	m2d_items_free(o->items);
	pages_clear(&o->p);
}

static uint64_t get(const One *o, uint64_t hpa)
{
	return m2d_space_read64(o->p.space, M2D_HPA(hpa));
}

static void set(One *o, uint64_t hpa, uint64_t v)
{
	m2d_space_write64(o->p.space, M2D_HPA(hpa), v);
}

/* The item that served the last access. */
static M2dItemId served(const One *o)
{
	M2dTlbSlot s = o->p.mmu->last_slot;

	ck_assert_int_ge(s.array, 0);
	return m2d_items_at(o->items, 0, (unsigned)s.array, s.slot);
}

typedef struct {
	uint64_t clear, set; /* bits of the entry */
	bool leaf;           /* of leafs only */
	unsigned stale;
} Change;

static const Change x86_changes[] = {
	{1, 0, false, M2D_STALE_GONE},
	{2, 0, false, M2D_STALE_RIGHT | M2D_STALE_WRITE},
	{4, 0, false, M2D_STALE_RIGHT},
	{0x20, 0, false, M2D_STALE_ACC},
	{0x40, 0, true, M2D_STALE_DIRTY},
	{0, UINT64_C(1) << 63, false, M2D_STALE_RIGHT},
	{0, UINT64_C(1) << 40, false, M2D_STALE_GONE},
	{0, 0x100, true, M2D_STALE_RIGHT},
	{0, 0xe00, false, 0},
	{0, UINT64_C(1) << 52, false, 0},
};

static const Change ept_changes[] = {
	{7, 0, false, M2D_STALE_GONE | M2D_STALE_RIGHT | M2D_STALE_WRITE},
	{2, 0, false, M2D_STALE_RIGHT | M2D_STALE_WRITE},
	{4, 0, false, M2D_STALE_RIGHT},
	{0x100, 0, false, M2D_STALE_ACC},
	{0x200, 0, true, M2D_STALE_DIRTY},
	{0, UINT64_C(1) << 40, false, M2D_STALE_GONE},
	{0x30, 0, true, M2D_STALE_RIGHT},
	{0, 0xc00, false, 0},
	{0, UINT64_C(1) << 52, false, 0},
};

/* Make @change of @fetch; the item of the last access must say so, and not after a rollback. */
static void one_change(One *o, const M2dFetch *fetch, const Change *change)
{
	M2dArena *arena = m2d_world_arena(o->p.world);
	M2dMark mark = m2d_arena_mark(arena);
	bool host = fetch->dimension == M2D_DIM_NESTED;
	M2dItemId id = served(o);
	uint64_t old = get(o, fetch->hpa), new = (old & ~change->clear) | change->set;
	unsigned expect = change->leaf && fetch->level != 1 ? 0 : change->stale;

	if (change->clear & ~old)
		expect &= ~(M2D_STALE_DIRTY | M2D_STALE_ACC);
	ck_assert_uint_eq(m2d_item_stale_host(o->items, id), 0);
	ck_assert_uint_eq(m2d_item_stale_guest(o->items, id), 0);
	set(o, fetch->hpa, new);
	if (m2d_item_stale_host(o->items, id) != (host ? expect : 0) ||
	    m2d_item_stale_guest(o->items, id) != (host ? 0 : expect))
		ck_abort_msg("dimension %u level %u/%u: -%lx +%lx gives %x/%x", fetch->dimension,
			     fetch->level, fetch->guest_level, (unsigned long)change->clear,
			     (unsigned long)change->set, m2d_item_stale_guest(o->items, id),
			     m2d_item_stale_host(o->items, id));
	if (expect != 0)
		ck_assert_uint_eq(m2d_item_change(o->items, id, host, expect)->a[0], fetch->hpa);
	m2d_arena_rollback(arena, mark);
}

static void all_changes(One *o, const M2dWalkLog *walk)
{
	bool ept = o->p.nested.kind == M2D_NESTED_EPT;

	for (unsigned i = 0; i < walk->n; i++) {
		const M2dFetch *f = &walk->fetch[i];
		bool e = ept && f->dimension == M2D_DIM_NESTED;

		for (unsigned k = 0;
		     k < (e ? G_N_ELEMENTS(ept_changes) : G_N_ELEMENTS(x86_changes)); k++)
			one_change(o, f, e ? &ept_changes[k] : &x86_changes[k]);
	}
}

static const struct {
	M2dVendor vendor;
	PagesNested nested;
} modes[] = {{M2D_VENDOR_AMD, NESTED_OFF},
	     {M2D_VENDOR_INTEL, NESTED_OFF},
	     {M2D_VENDOR_AMD, NPT_4},
	     {M2D_VENDOR_INTEL, EPT_4},
	     {M2D_VENDOR_INTEL, EPT_5}};

/* Nothing cached but the translation: all entries are its own. Then everything cached: a
 * neighbour's walk reads little, and yet stems from all entries of a full walk. */
START_TEST(every_entry_counts)
{
	bool caches = _i % 2;
	M2dWalkLog cold;
	M2dOutcome out;
	One o;

	one_init(&o, modes[_i / 2].vendor, modes[_i / 2].nested, false);
	out = pages_access(&o.p, VA + 0x1000, M2D_ACC_WRITE, false);
	ck_assert_int_eq(out.kind, M2D_OUT_OK);
	cold = o.p.mmu->log;
	ck_assert_uint_eq(cold.n, modes[_i / 2].nested == NESTED_OFF ? 4
				  : modes[_i / 2].nested == EPT_5    ? 29
								     : 24);
	if (caches) {
		one_clear(&o);
		one_init(&o, modes[_i / 2].vendor, modes[_i / 2].nested, true);
		pages_access(&o.p, VA, M2D_ACC_WRITE, false);
		pages_access(&o.p, VA + 0x1000, M2D_ACC_WRITE, false);
		ck_assert_uint_lt(o.p.mmu->log.n, cold.n / 2 + 1);
		ck_assert_uint_gt(o.p.mmu->log.n_skips, 0);
	}
	m2d_arena_attach_journal(m2d_world_arena(o.p.world));
	all_changes(&o, &cold);
	one_clear(&o);
}
END_TEST

/* What it derives from is known even when the caches have dropped that. */
START_TEST(parents_outlive_their_slots)
{
	M2dKill uppers = {.kinds = M2D_KINDS_ALL, .upper = M2D_UPPER_ALL, .keep_leaves = true};
	M2dWalkLog cold;
	One o;

	one_init(&o, M2D_VENDOR_AMD, NPT_4, true);
	pages_access(&o.p, VA, M2D_ACC_READ, false);
	cold = o.p.mmu->log;
	pages_access(&o.p, VA + 0x1000, M2D_ACC_READ, false);
	m2d_tlb_kill(&o.p.mmu->tlb, &uppers);
	set(&o, cold.fetch[4].hpa, 0); /* the root's entry, read after 4 nested ones */
	ck_assert_uint_eq(m2d_item_stale_guest(o.items, served(&o)),
			  M2D_STALE_GONE | M2D_STALE_RIGHT | M2D_STALE_WRITE | M2D_STALE_ACC);
	one_clear(&o);
}
END_TEST

/* An item made from an upper level that was stale already is stale too; a new walk is not. */
START_TEST(staleness_is_inherited)
{
	uint64_t pml4e, v;
	One o;

	one_init(&o, M2D_VENDOR_INTEL, NESTED_OFF, true);
	pages_access(&o.p, VA, M2D_ACC_READ, false);
	pml4e = o.p.mmu->log.fetch[0].hpa;
	v = get(&o, pml4e);
	set(&o, pml4e, v & ~UINT64_C(2));
	pages_access(&o.p, VA + 0x1000, M2D_ACC_READ, false);
	ck_assert_uint_eq(o.p.mmu->log.n_skips, 1);
	ck_assert_uint_eq(m2d_item_stale_guest(o.items, served(&o)),
			  M2D_STALE_RIGHT | M2D_STALE_WRITE);
	m2d_vcpu_mov_cr3(o.p.vcpu, m2d_vcpu_regs(o.p.vcpu)->cr3);
	pages_access(&o.p, VA + 0x1000, M2D_ACC_READ, false);
	ck_assert_uint_eq(m2d_item_stale_guest(o.items, served(&o)), 0);
	one_clear(&o);
}
END_TEST

/* Every slot in use has the item of its tag, lists and references add up. */
static void check_slots(const One *o)
{
	const M2dTlb *tlb = &o->p.mmu->tlb;
	unsigned slots = 0, listed = 0;

	for (unsigned a = 0; a < M2D_N_ARRAYS; a++) {
		if (tlb->alias[a] != a || tlb->array[a].ways == 0)
			continue;
		for (uint32_t s = 0; s < m2d_array_slots(&tlb->array[a]); s++) {
			M2dItemId id = m2d_items_at(o->items, 0, a, s);
			uint64_t tag = tlb->array[a].tag[s];

			ck_assert_int_eq(id != 0, tag != 0);
			if (id == 0)
				continue;
			ck_assert_uint_eq(m2d_tag_ctx(m2d_item(o->items, id)->tag),
					  m2d_tag_ctx(tag));
			slots++;
		}
	}
	for (M2dItemId id = m2d_items_first(o->items, 0); id != 0;
	     id = m2d_items_next(o->items, id)) {
		ck_assert_uint_ge(m2d_item(o->items, id)->slots, 1);
		listed += m2d_item(o->items, id)->slots;
	}
	ck_assert_uint_eq(slots, listed);
}

START_TEST(slots_and_items_agree)
{
	uint64_t seed = 1;
	One o;

	one_init(&o, modes[_i].vendor, modes[_i].nested, true);
	for (unsigned n = 0; n < 4000; n++) {
		unsigned page;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		page = seed >> 40 & 4095;
		if (n < 2000 && page >= 4) {
			uint64_t va = VA + 0x1000 * (uint64_t)page * (page % 7 == 0 ? 513 : 1);

			pages_nested_map(&o.p, DATA + 0x1000 * (uint64_t)page, M2D_SIZE_4K);
			pages_map(&o.p, GUEST_4, o.root, va, DATA + 0x1000 * (uint64_t)page,
				  M2D_SIZE_4K, 0);
			pages_access(&o.p, va, (M2dAccKind)(seed >> 60 & 1), false);
		} else if (seed >> 58 == 0) {
			m2d_vcpu_mov_cr3(o.p.vcpu, m2d_vcpu_regs(o.p.vcpu)->cr3);
		} else if (seed >> 58 < 8) {
			m2d_vcpu_invlpg(o.p.vcpu, M2D_GVA(VA + 0x1000 * (uint64_t)page));
		} else {
			pages_access(&o.p, VA + 0x1000 * (uint64_t)page,
				     seed >> 59 & 1 ? M2D_ACC_FETCH : M2D_ACC_READ, false);
		}
		if (n % 500 == 499)
			check_slots(&o);
	}
	check_slots(&o);
	one_clear(&o);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("check-store");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, every_entry_counts, 0, 2 * G_N_ELEMENTS(modes));
	tcase_add_test(t, parents_outlive_their_slots);
	tcase_add_test(t, staleness_is_inherited);
	tcase_add_loop_test(t, slots_and_items_agree, 0, G_N_ELEMENTS(modes));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
