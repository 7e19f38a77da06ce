/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be cached and how a cached entry is used: never from entries that are not present,
 * reserved or not accessed; a clean entry serves no store; rights are those of the registers of
 * now; stale contents are used until something drops them. And INVLPGB among several vCPUs.
 */
#include <check.h>
#include <stdio.h>

#include "sim/base/rng.h"
#include "tests/tlb/bench.h"

#define VA   UINT64_C(0x8040201000)
#define DATA (2 * GIB + 0x5000)

typedef struct {
	Pages p;
	uint64_t root, leaf;
	M2dRegs regs;
} One;

/* One 4 KiB page on machine "generic" as @vendor, nested or not. */
static void one_init(One *o, M2dVendor vendor, bool nested, bool spurious)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load("generic", &error);

	ck_assert(m != NULL);
	m->vendor = vendor;
	m->maxphyaddr = 46;
	m->tlb.spurious_fault = spurious;
	pages_init(&o->p, m, !nested ? NESTED_OFF : vendor == M2D_VENDOR_AMD ? NPT_4 : EPT_4);
	o->root = pages_new_table(&o->p);
	pages_nested_map(&o->p, DATA, M2D_SIZE_4K);
	o->leaf = pages_map(&o->p, GUEST_4, o->root, VA, DATA, M2D_SIZE_4K, 0);
	o->regs = pages_regs(&o->p, GUEST_4, o->root);
	pages_load(&o->p, &o->regs);
}

static uint64_t get(One *o, uint64_t hpa)
{
	return m2d_space_read64(o->p.space, M2D_HPA(hpa));
}

static void set(One *o, uint64_t hpa, uint64_t v)
{
	m2d_space_write64(o->p.space, M2D_HPA(hpa), v);
}

static M2dOutcome rd(One *o)
{
	return pages_access(&o->p, VA, M2D_ACC_READ, false);
}

static M2dOutcome wr(One *o)
{
	return pages_access(&o->p, VA, M2D_ACC_WRITE, false);
}

/* Loop index: bit 0 vendor, bit 1 nested, bit 2 faults on a missing right without a walk. */
#define VARIANTS    8
#define ONE_INIT(o) one_init(o, (M2dVendor)(_i & 1), _i >> 1 & 1, _i >> 2 & 1)

/* Host addresses of the entries that a walk for VA uses, guest's first; returns how many. */
static unsigned entries_of_walk(One *o, uint64_t hpa[M2D_MAX_WALK_REFS])
{
	M2dKill all = {.kinds = M2D_KINDS_ALL, .upper = M2D_UPPER_ALL};
	unsigned n = 0;

	m2d_tlb_kill(&o->p.mmu->tlb, &all);
	ck_assert_int_eq(rd(o).kind, M2D_OUT_OK);
	for (int d = 0; d < 2; d++)
		for (unsigned i = 0; i < o->p.mmu->log.n; i++)
			if (o->p.mmu->log.fetch[i].dimension == d)
				hpa[n++] = o->p.mmu->log.fetch[i].hpa;
	return n;
}

/* Entry by entry: not present or reserved faults, repaired it works at once; hardware sets A. */
START_TEST(nothing_from_bad_entries)
{
	M2dKill all = {.kinds = M2D_KINDS_ALL, .upper = M2D_UPPER_ALL};
	uint64_t hpa[M2D_MAX_WALK_REFS];
	unsigned n;
	One o;

	ONE_INIT(&o);
	n = entries_of_walk(&o, hpa);
	for (unsigned e = 0; e < n; e++) {
		uint64_t good = get(&o, hpa[e]);
		bool ept = e >= 4 && o.p.nested_mode == EPT_4;
		/* Not present; a reserved bit (EPT: write without read). */
		uint64_t bad[2] = {good & ~(ept ? UINT64_C(7) : 1),
				   ept ? good & ~UINT64_C(1) : good | UINT64_C(1) << 51};
		uint64_t a = ept ? 0x100 : 0x20;

		for (int k = 0; k < 2; k++) {
			GArray *items;

			m2d_tlb_kill(&o.p.mmu->tlb, &all);
			set(&o, hpa[e], bad[k]);
			for (int again = 0; again < 2; again++)
				ck_assert_int_ne(rd(&o).kind, M2D_OUT_OK);
			ck_assert_uint_eq(get(&o, hpa[e]), bad[k]); /* A and D are not touched */
			items = dump_items(&o.p.mmu->tlb);
			for (unsigned i = 0; i < items->len; i++) {
				const Item *it = &g_array_index(items, Item, i);

				/* No translation of the page, and nothing that leads below the
				 * bad entry. */
				ck_assert_msg(it->upper || it->kind == M2D_CTX_PHYSICAL,
					      "entry %u: a translation is cached", e);
			}
			g_array_unref(items);
			set(&o, hpa[e], good & ~a);
			ck_assert_msg(rd(&o).kind == M2D_OUT_OK, "entry %u repaired", e);
			ck_assert_msg(get(&o, hpa[e]) & a, "entry %u: not accessed", e);
		}
	}
	pages_clear(&o.p);
}
END_TEST

/* Random accesses to tables with random A bits: what is cached came through entries with A set. */
START_TEST(accessed_before_cached)
{
	M2dKill all = {.kinds = M2D_KINDS_ALL, .upper = M2D_UPPER_ALL};
	uint64_t hpa[M2D_MAX_WALK_REFS];
	unsigned n;
	M2dRng rng;
	One o;

	ONE_INIT(&o);
	m2d_rng_seed(&rng, 3);
	n = entries_of_walk(&o, hpa);
	for (int round = 0; round < 500; round++) {
		for (unsigned e = 0; e < n; e++) {
			bool ept = e >= 4 && o.p.nested_mode == EPT_4;

			if (m2d_rng_below(&rng, 2))
				set(&o, hpa[e], get(&o, hpa[e]) & ~(ept ? UINT64_C(0x300) : 0x60));
		}
		m2d_tlb_kill(&o.p.mmu->tlb, &all);
		ck_assert_int_eq(
			pages_access(&o.p, VA, (M2dAccKind)m2d_rng_below(&rng, 3), false).kind,
			M2D_OUT_OK);
		for (unsigned e = 0; e < n; e++) {
			bool ept = e >= 4 && o.p.nested_mode == EPT_4;

			ck_assert(get(&o, hpa[e]) & (ept ? 0x100 : 0x20));
		}
	}
	pages_clear(&o.p);
}
END_TEST

START_TEST(clean_entry_serves_no_store)
{
	One o;

	ONE_INIT(&o);
	ck_assert_int_eq(rd(&o).served_by, M2D_FROM_WALK);
	ck_assert_int_eq(rd(&o).served_by, M2D_FROM_L1);
	ck_assert_uint_eq(get(&o, o.leaf) & 0x60, 0x20);
	ck_assert_int_eq(wr(&o).served_by, M2D_FROM_WALK);
	ck_assert_uint_eq(get(&o, o.leaf) & 0x60, 0x60);
	ck_assert_int_eq(wr(&o).served_by, M2D_FROM_L1);
	/* Cleared without a flush: the cached state is what counts. */
	set(&o, o.leaf, get(&o, o.leaf) & ~UINT64_C(0x60));
	ck_assert_int_eq(wr(&o).served_by, M2D_FROM_L1);
	ck_assert_uint_eq(get(&o, o.leaf) & 0x60, 0);
	m2d_vcpu_invlpg(o.p.vcpu, M2D_GVA(VA));
	ck_assert_int_eq(wr(&o).served_by, M2D_FROM_WALK);
	ck_assert_uint_eq(get(&o, o.leaf) & 0x60, 0x60);
	pages_clear(&o.p);
}
END_TEST

/* A changed frame: the old one until INVLPG, the new one after. Also of an upper level. */
START_TEST(stale_until_dropped)
{
	uint64_t pt, hpa[M2D_MAX_WALK_REFS], old;
	One o;

	ONE_INIT(&o);
	pages_nested_map(&o.p, DATA + 0x1000, M2D_SIZE_4K);
	pages_map(&o.p, GUEST_4, o.root, VA + 0x2000, DATA, M2D_SIZE_4K, 0);
	entries_of_walk(&o, hpa);
	old = get(&o, o.leaf);
	set(&o, o.leaf, old + 0x1000);
	ck_assert_uint_eq(rd(&o).hpa.v, pages_hpa(&o.p, DATA));
	set(&o, o.leaf, 0);
	ck_assert_uint_eq(rd(&o).hpa.v, pages_hpa(&o.p, DATA));
	set(&o, o.leaf, old + 0x1000);
	m2d_vcpu_invlpg(o.p.vcpu, M2D_GVA(VA));
	ck_assert_uint_eq(rd(&o).hpa.v, pages_hpa(&o.p, DATA + 0x1000));
	/* Another table under the same directory entry: the cached PDE leads to the old one. */
	pt = pages_new_table(&o.p);
	set(&o, hpa[2], (get(&o, hpa[2]) & 0xfff) | pt);
	ck_assert_int_eq(pages_access(&o.p, VA + 0x2000, M2D_ACC_READ, false).kind, M2D_OUT_OK);
	m2d_vcpu_invlpg(o.p.vcpu, M2D_GVA(VA));
	ck_assert_int_eq(rd(&o).kind, M2D_OUT_PF); /* the new table is empty */
	pages_clear(&o.p);
}
END_TEST

/* An access under all registers, on an entry cached under permissive ones, against an empty TLB. */
static void rights_case(One *o, uint64_t leaf, const M2dRegs *loose, const M2dRegs *regs,
			M2dAccKind kind, bool user, bool implicit)
{
	M2dKill all = {.kinds = M2D_KINDS_ALL, .upper = M2D_UPPER_ALL};
	M2dAccess fill = {.gva = M2D_GVA(VA), .size = 1, .kind = kind};
	M2dAccess a = {
		.gva = M2D_GVA(VA), .size = 1, .kind = kind, .user = user, .implicit = implicit};
	M2dOutcome cold, warm;

	set(o, o->leaf, leaf);
	m2d_tlb_kill(&o->p.mmu->tlb, &all);
	m2d_vcpu_load_regs(o->p.vcpu, regs);
	m2d_vcpu_access(o->p.vcpu, &a, &cold);
	set(o, o->leaf, leaf);
	m2d_tlb_kill(&o->p.mmu->tlb, &all);
	m2d_vcpu_load_regs(o->p.vcpu, loose);
	ck_assert_int_eq(m2d_vcpu_access(o->p.vcpu, &fill, &warm), M2D_OUT_OK);
	m2d_vcpu_load_regs(o->p.vcpu, regs);
	m2d_vcpu_access(o->p.vcpu, &a, &warm);
	ck_assert_msg(
		warm.kind == cold.kind && warm.error_code == cold.error_code,
		"leaf %lx cr0 %lx cr4 %lx pkru %x pkrs %x ac %d kind %d user %d: cached %d/%x, "
		"walked %d/%x",
		(unsigned long)leaf, (unsigned long)regs->cr0, (unsigned long)regs->cr4, regs->pkru,
		regs->pkrs, regs->ac, kind, user, warm.kind, warm.error_code, cold.kind,
		cold.error_code);
	if (warm.kind == M2D_OUT_OK) {
		ck_assert_int_eq(warm.served_by, M2D_FROM_L1);
		ck_assert_uint_eq(warm.hpa.v, cold.hpa.v);
	}
}

/* Faults of this combination with bits 0 to 12: U, W, WP, SMEP, SMAP, AC, PKE, AD/WD of two keys,
 * PKS, user, implicit. NX stays clear so that the fill succeeds. */
START_TEST(rights_of_now)
{
	static const uint32_t pkru[] = {0, 0x4, 0x8, 0x1, 0x2};
	uint64_t hpa[M2D_MAX_WALK_REFS], entry[3];
	M2dRegs loose;
	One o;

	ONE_INIT(&o);
	entries_of_walk(&o, hpa);
	for (int l = 0; l < 3; l++)
		entry[l] = get(&o, hpa[l]);
	loose = o.regs;
	loose.cr0 &= ~M2D_CR0_WP;
	for (unsigned k = 0; k < 3; k++)
		for (unsigned bits = 0; bits < 1u << 10; bits++)
			for (unsigned key = 0; key < G_N_ELEMENTS(pkru); key++) {
				uint64_t leaf = (DATA & ~UINT64_C(0xfff)) | 0x61 |
						(bits & 1 ? 2 : 0) | (bits & 2 ? 4 : 0) |
						(key < 3 ? UINT64_C(1) << 59 : 0);
				M2dRegs r = o.regs;

				if (bits & 4)
					r.cr0 &= ~M2D_CR0_WP;
				r.cr4 |= (bits & 8 ? M2D_CR4_SMEP : 0) |
					 (bits & 16 ? M2D_CR4_SMAP : 0) |
					 (bits & 32 ? M2D_CR4_PKE : 0) |
					 (bits & 64 ? M2D_CR4_PKS : 0);
				r.ac = bits & 128;
				r.pkru = r.pkrs = pkru[key];
				rights_case(&o, leaf, &loose, &r, (M2dAccKind)k, bits & 256,
					    bits & 512);
			}
	for (int l = 0; l < 3; l++)
		ck_assert_uint_eq(get(&o, hpa[l]), entry[l]);
	pages_clear(&o.p);
}
END_TEST

/* A right granted in memory without a flush: works on the first try, or faults once. */
START_TEST(upgrade_faults_at_most_once)
{
	bool spurious = _i >> 2 & 1;
	One o;

	ONE_INIT(&o);
	set(&o, o.leaf, get(&o, o.leaf) & ~UINT64_C(2));
	ck_assert_int_eq(rd(&o).kind, M2D_OUT_OK);
	set(&o, o.leaf, get(&o, o.leaf) | 2);
	ck_assert_int_eq(wr(&o).kind, spurious ? M2D_OUT_PF : M2D_OUT_OK);
	ck_assert_uint_eq(o.p.mmu->stats.c.spurious_faults, spurious);
	ck_assert_int_eq(wr(&o).kind, M2D_OUT_OK);
	if (o.p.nested_mode != NESTED_OFF) {
		uint64_t e = pages_nested_entry(&o.p, DATA, 1);

		set(&o, e, get(&o, e) & ~UINT64_C(2));
		m2d_vcpu_invlpg(o.p.vcpu, M2D_GVA(VA));
		if (o.p.nested_mode == NPT_4) {
			M2dKill all = {.kinds = M2D_KINDS_ALL, .upper = M2D_UPPER_ALL};

			m2d_tlb_kill(&o.p.mmu->tlb, &all);
		} else {
			m2d_vcpu_exit(o.p.vcpu);
			ck_assert_int_eq(m2d_vcpu_invept(o.p.vcpu, 1, o.p.nested.eptp),
					 M2D_INSN_OK);
			pages_load(&o.p, &o.regs);
		}
		ck_assert_int_eq(rd(&o).kind, M2D_OUT_OK);
		ck_assert_int_ne(wr(&o).kind, M2D_OUT_OK);
		ck_assert_int_eq(rd(&o).kind, M2D_OUT_OK);
		set(&o, e, get(&o, e) | 2);
		if (wr(&o).kind != M2D_OUT_OK) {
			ck_assert(spurious);
			ck_assert_int_eq(wr(&o).kind, M2D_OUT_OK);
		}
	}
	pages_clear(&o.p);
}
END_TEST

/* Loading the PDPTE registers through a stale paging-structure item of the second dimension: the
 * violation drops what led to it, so that it does not come back for ever. */
START_TEST(pdpte_load_recovers)
{
	uint64_t root, e2, table;
	M2dRegs r;
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load("generic", &error);
	M2dNested nested;
	Pages p;

	m->vendor = M2D_VENDOR_INTEL;
	m->maxphyaddr = 46;
	m->tlb.spurious_fault = _i;
	pages_init(&p, m, EPT_4);
	root = pages_new_table(&p);
	pages_nested_map(&p, DATA, M2D_SIZE_4K);
	pages_map(&p, GUEST_PAE, root, 0x5000, DATA, M2D_SIZE_4K, 0);
	r = pages_regs(&p, GUEST_PAE, root);
	pages_load(&p, &r);
	ck_assert_int_eq(pages_access(&p, 0x5000, M2D_ACC_READ, false).kind, M2D_OUT_OK);
	/* The PDPT's page moves to another EPT page table; the old table is cleared. */
	nested = p.nested;
	e2 = pages_nested_entry(&p, root, 2);
	table = m2d_space_read64(p.space, M2D_HPA(e2)) & ~UINT64_C(0xfff);
	for (uint64_t i = 0; i < 4096; i += 8) {
		m2d_space_write64(p.space, M2D_HPA(p.next_hpa + i),
				  m2d_space_read64(p.space, M2D_HPA(table + i)));
		m2d_space_write64(p.space, M2D_HPA(table + i), 0);
	}
	m2d_space_write64(p.space, M2D_HPA(e2), p.next_hpa | 7);
	ck_assert_int_eq(m2d_vcpu_mov_cr3(p.vcpu, root + 0x8000), M2D_INSN_PF);
	ck_assert_int_eq(m2d_vcpu_last(p.vcpu)->kind, M2D_OUT_EPT_VIOLATION);
	m2d_space_write64(p.space, M2D_HPA(pages_nested_entry(&p, root + 0x8000, 1)),
			  (root + 0x8000 + PAGES_OFFSET) | 0x37);
	ck_assert_int_eq(m2d_vcpu_mov_cr3(p.vcpu, root + 0x8000), M2D_INSN_OK);
	ck_assert_int_eq(nested.kind, M2D_NESTED_EPT);
	pages_clear(&p);
}
END_TEST

/* --- INVLPGB ---------------------------------------------------------------------------------- */

#define VCPUS 3

static bool cached(M2dVcpu *v, uint64_t va)
{
	M2dAccess a = {.gva = M2D_GVA(va), .size = 1, .kind = M2D_ACC_READ};
	M2dOutcome out;

	ck_assert_int_eq(m2d_vcpu_access(v, &a, &out), M2D_OUT_OK);
	return out.served_by != M2D_FROM_WALK;
}

START_TEST(broadcast)
{
	M2dVcpu *v[VCPUS];
	M2dMark mark;
	M2dArena *arena;
	One o;

	one_init(&o, M2D_VENDOR_AMD, false, false);
	pages_map(&o.p, GUEST_4, o.root, VA + 0x1000, DATA, M2D_SIZE_4K, 0);
	v[0] = o.p.vcpu;
	for (int i = 1; i < VCPUS; i++) {
		v[i] = m2d_vcpu_new(o.p.world);
		m2d_vcpu_load_host(v[i], &o.regs);
	}
	for (int i = 0; i < VCPUS; i++)
		for (uint64_t n = 0; n < 2; n++)
			cached(v[i], VA + n * 0x1000);
	arena = m2d_world_arena(o.p.world);
	m2d_arena_attach_journal(arena);
	mark = m2d_arena_mark(arena);

	/* Only TLBSYNC of the same CPU completes it. */
	ck_assert_int_eq(m2d_vcpu_invlpgb(v[0], VA | 1, 0, 0), M2D_INSN_OK);
	ck_assert(cached(v[1], VA) && cached(v[2], VA));
	ck_assert_int_eq(m2d_vcpu_tlbsync(v[1]), M2D_INSN_OK);
	ck_assert(cached(v[1], VA) && cached(v[2], VA));
	ck_assert_int_eq(m2d_vcpu_tlbsync(v[0]), M2D_INSN_OK);
	for (int i = 1; i < VCPUS; i++)
		ck_assert(!cached(v[i], VA) && cached(v[i], VA + 0x1000));
	ck_assert_int_eq(m2d_vcpu_tlbsync(v[0]), M2D_INSN_OK);
	ck_assert(cached(v[1], VA)); /* performed once, not again */
	m2d_arena_rollback(arena, mark);

	/* Several in flight from different CPUs. */
	ck_assert(cached(v[0], VA));
	m2d_vcpu_invlpgb(v[0], VA | 1, 0, 0);
	m2d_vcpu_invlpgb(v[1], (VA + 0x1000) | 1, 0, 0);
	m2d_vcpu_tlbsync(v[1]);
	ck_assert(cached(v[2], VA) && !cached(v[2], VA + 0x1000));
	m2d_vcpu_tlbsync(v[0]);
	ck_assert(!cached(v[2], VA));
	m2d_arena_rollback(arena, mark);

	/* More than any queue holds: nothing is lost. */
	for (uint64_t n = 0; n < 100; n++)
		m2d_vcpu_invlpgb(v[0], (UINT64_C(0x5000000) + n * 4096) | 1, 0, 0);
	m2d_vcpu_invlpgb(v[0], VA | 1, 1, 0); /* and the next page */
	m2d_vcpu_tlbsync(v[0]);
	for (int i = 0; i < VCPUS; i++)
		ck_assert(!cached(v[i], VA) && !cached(v[i], VA + 0x1000));
	pages_clear(&o.p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tlb-cached");
	TCase *t = tcase_create("tlb-cached");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, nothing_from_bad_entries, 0, VARIANTS);
	tcase_add_loop_test(t, accessed_before_cached, 0, VARIANTS);
	tcase_add_loop_test(t, clean_entry_serves_no_store, 0, VARIANTS);
	tcase_add_loop_test(t, stale_until_dropped, 0, VARIANTS);
	tcase_add_loop_test(t, rights_of_now, 0, VARIANTS);
	tcase_add_loop_test(t, upgrade_faults_at_most_once, 0, VARIANTS);
	tcase_add_loop_test(t, pdpte_load_recovers, 0, 2);
	tcase_add_test(t, broadcast);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
