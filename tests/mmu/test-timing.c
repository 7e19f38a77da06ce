/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What walks cost. Blocking: hand-computed cycles, from the machine's figures and the lines that a
 * walk touches. Overlapped: what must hold whatever the figures are: never slower than blocking,
 * more walkers never slower, no window and one walker the same as blocking but for second-level
 * hits, and always the clock is the sum of its causes.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/rng.h"
#include "sim/mmu/run.h"
#include "tests/mmu/pages.h"

#define VA   UINT64_C(0x8040201000)
#define DATA (2 * GIB)
#define N    512 /* pages, in one page table */

typedef struct {
	Pages p;
	uint64_t root;
} World;

/* Figures that no two sums share. */
static void figures(M2dMachine *m)
{
	m->walk.start = 1000000;
	m->psc_lookup = 100000;
	m->ntlb_lookup = 10000;
	m->walk.ad_update = 1000;
	m->mem.level[0] = (M2dCacheLevel){4096, 64, 3}; /* entries of one index share no set */
	m->mem.level[1].latency = 17;
	m->mem.level[2].latency = 59;
	m->mem.dram = 311;
	m->cost.base_millicycles = 0;
}

static void world_init(World *w, M2dMachine *m, PagesNested nested, M2dTimingModel model, int n)
{
	M2dRegs regs;

	pages_init(&w->p, m, nested);
	m2d_timing_clear(&w->p.mmu->timing);
	m2d_timing_init(&w->p.mmu->timing, m2d_world_machine(w->p.world), model, NULL);
	w->root = pages_new_table(&w->p);
	for (int i = 0; i < n; i++) {
		uint64_t gpa = DATA + (uint64_t)i * 4096;

		pages_nested_map(&w->p, gpa, M2D_SIZE_4K);
		pages_map(&w->p, GUEST_4, w->root, VA + (uint64_t)i * 4096, gpa, M2D_SIZE_4K, 0);
	}
	regs = pages_regs(&w->p, GUEST_4, w->root);
	pages_load(&w->p, &regs);
}

static uint64_t clock_of(const World *w)
{
	uint64_t now = m2d_timing_now(&w->p.mmu->timing);

	ck_assert_uint_eq(now, m2d_stats_cycles(&w->p.mmu->stats));
	return now;
}

static uint64_t cycles_of(World *w, uint64_t va)
{
	uint64_t before = clock_of(w);

	ck_assert_int_eq(pages_access(&w->p, va, M2D_ACC_READ, false).kind, M2D_OUT_OK);
	return clock_of(w) - before;
}

/* Latencies of the last walk's reads, lines once touched being in the first level it asks. */
static uint64_t fetches(const World *w, GHashTable *lines)
{
	const M2dMachine *m = m2d_world_machine(w->p.world);
	unsigned near = m->mem.level[m->walk.fetch_from_l1 ? 0 : 1].latency;
	uint64_t sum = 0;

	for (unsigned i = 0; i < w->p.mmu->log.n; i++) {
		gpointer line = GSIZE_TO_POINTER(w->p.mmu->log.fetch[i].hpa / m->mem.line + 1);

		sum += g_hash_table_contains(lines, line) ? near : m->mem.dram;
		g_hash_table_add(lines, line);
	}
	return sum;
}

START_TEST(one_dimension)
{
	M2dMachine *m = pages_machine(M2D_VENDOR_INTEL);
	World w;

	figures(m);
	world_init(&w, m, NESTED_OFF, M2D_TIMING_BLOCKING, 16);
	/* Four entries from memory, their A bits set. */
	ck_assert_uint_eq(cycles_of(&w, VA), 1100000 + 4 * 1000 + 4 * 311);
	/* The same again: all in the first level, nothing to set. */
	ck_assert_uint_eq(cycles_of(&w, VA), 1100000 + 4 * 3);
	/* Its neighbour: same lines, one A bit. */
	ck_assert_uint_eq(cycles_of(&w, VA + 4096), 1100000 + 1000 + 4 * 3);
	/* Eight further: the leaf lies in the next line. */
	ck_assert_uint_eq(cycles_of(&w, VA + 8 * 4096), 1100000 + 1000 + 3 * 3 + 311);
	ck_assert_uint_eq(w.p.mmu->stats.cycles[M2D_CAUSE_WALK_START], 4 * 1000000);
	ck_assert_uint_eq(w.p.mmu->stats.cycles[M2D_CAUSE_PSC], 4 * 100000);
	ck_assert_uint_eq(w.p.mmu->stats.cycles[M2D_CAUSE_AD_UPDATE], 6 * 1000);
	ck_assert_uint_eq(w.p.mmu->stats.cycles[M2D_CAUSE_FETCH_GUEST], 5 * 311 + 11 * 3);
	ck_assert_uint_eq(w.p.mmu->stats.cycles[M2D_CAUSE_FETCH_NESTED], 0);
	ck_assert_uint_eq(w.p.mmu->stats.c.pte_dram, 5);
	ck_assert_uint_eq(w.p.mmu->stats.c.pte_l1_hits, 11);
	pages_clear(&w.p);
}
END_TEST

/* Walkers that bypass the first level; a small second level whose victims the third has. */
START_TEST(cache_levels)
{
	M2dMachine *m = pages_machine(M2D_VENDOR_INTEL);
	World w;

	figures(m);
	m->walk.fetch_from_l1 = false;
	m->mem.level[1].bytes = 64; /* one line */
	m->mem.level[1].ways = 1;
	world_init(&w, m, NESTED_OFF, M2D_TIMING_BLOCKING, 1);
	ck_assert_uint_eq(cycles_of(&w, VA), 1100000 + 4 * 1000 + 4 * 311);
	/* Each read evicts the one before: all four come from the third level. */
	ck_assert_uint_eq(cycles_of(&w, VA), 1100000 + 4 * 59);
	ck_assert_uint_eq(w.p.mmu->stats.c.pte_l3_hits, 4);
	ck_assert_uint_eq(w.p.mmu->stats.c.pte_l1_hits, 0);
	pages_clear(&w.p);
}
END_TEST

START_TEST(two_dimensions)
{
	PagesNested nested = _i ? EPT_4 : NPT_4;
	M2dMachine *m = pages_machine(_i ? M2D_VENDOR_INTEL : M2D_VENDOR_AMD);
	GHashTable *lines = g_hash_table_new(NULL, NULL);
	uint64_t cycles;
	World w;

	figures(m);
	pages_set(m, "ntlb.size=32/full");
	world_init(&w, m, nested, M2D_TIMING_BLOCKING, 2);
	cycles = cycles_of(&w, VA);
	ck_assert_uint_eq(w.p.mmu->log.n, 24);
	ck_assert_uint_eq(w.p.mmu->log.n_ntlb_lookups, 5);
	ck_assert_uint_eq(cycles, 1100000 + 5 * 10000 + w.p.mmu->log.ad_updates * 1000 +
					  fetches(&w, lines));
	/* Nested: PML4E, PDPTE and PDE of the tables, their four leaves with A and D in one
	 * update; PDPTE, PDE and leaf of the data. Guest: four entries. */
	ck_assert_uint_eq(w.p.mmu->log.ad_updates, 3 + 4 + 3 + 4);
	/* The neighbour: four tables from the nested TLB, the data walked. */
	cycles = cycles_of(&w, VA + 4096);
	ck_assert_uint_eq(w.p.mmu->log.n, 8);
	ck_assert_uint_eq(cycles, 1100000 + 5 * 10000 + 2 * 1000 + fetches(&w, lines));
	g_hash_table_unref(lines);
	pages_clear(&w.p);
}
END_TEST

/* --- models against each other ---------------------------------------------------------------- */

typedef struct {
	uint64_t cycles;
	M2dStats stats;
	uint64_t state; /* hash of the arena */
} Timed;

typedef struct {
	PagesNested nested;
	const char *machine;
	unsigned hot; /* percent of references to few pages */
} Workload;

static const Workload workloads[] = {
	{NESTED_OFF, "skylake-sp", 0}, {NESTED_OFF, "zen2", 80}, {NPT_4, "zen4", 0},
	{NPT_4, "generic", 60},        {EPT_4, "haswell", 30},   {EPT_4, "sapphire-rapids", 90},
};

/* Run a workload of random references over N pages. 0 leaves the machine's figure. */
static Timed timed(const Workload *wl, M2dTimingModel model, unsigned walkers, unsigned window,
		   bool base)
{
	static const M2dRunOptions opt;
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load(wl->machine, &error);
	M2dRef refs[512];
	Timed t = {0};
	M2dRng rng;
	World w;

	ck_assert(m != NULL);
	m->walk.walkers = walkers != 0 ? walkers : m->walk.walkers;
	m->walk.window = window != 0 ? window : m->walk.window;
	m->cost.base_millicycles = base ? 400 : 0;
	/* Small, so that 512 pages miss. */
	m->tlb.l2 = (M2dGeometry){64, 4};
	world_init(&w, m, wl->nested, model, N);
	m2d_rng_seed(&rng, 5);
	for (int batch = 0; batch < 40; batch++) {
		M2dOutcome out;

		for (int i = 0; i < 512; i++) {
			bool hot = m2d_rng_below(&rng, 100) < wl->hot;
			uint64_t page = m2d_rng_below(&rng, hot ? 8 : N);

			refs[i].va = VA + page * 4096 + m2d_rng_below(&rng, 4096);
			refs[i].w = m2d_rng_below(&rng, 3) | UINT64_C(1) << M2D_REF_SIZE_SHIFT;
		}
		ck_assert_uint_eq(m2d_mmu_run(w.p.mmu, refs, 512, &opt, &out), 512);
		if (batch % 8 == 7)
			m2d_vcpu_invlpg(w.p.vcpu, M2D_GVA(refs[0].va));
	}
	m2d_timing_drain(&w.p.mmu->timing, &w.p.mmu->stats);
	t.cycles = clock_of(&w);
	t.stats = w.p.mmu->stats;
	t.state = m2d_arena_rehash(m2d_world_arena(w.p.world));
	pages_clear(&w.p);
	return t;
}

START_TEST(models)
{
	const Workload *wl = &workloads[_i];
	Timed functional = timed(wl, M2D_TIMING_FUNCTIONAL, 0, 0, true);
	Timed blocking = timed(wl, M2D_TIMING_BLOCKING, 0, 0, true);
	Timed overlapped = timed(wl, M2D_TIMING_OVERLAPPED, 0, 0, true);
	Timed again = timed(wl, M2D_TIMING_OVERLAPPED, 0, 0, true);

	/* Time changes nothing in the world. */
	ck_assert_uint_eq(functional.cycles, 0);
	ck_assert_uint_eq(functional.state, blocking.state);
	ck_assert_uint_eq(functional.state, overlapped.state);
	ck_assert_uint_gt(blocking.stats.c.walks, 100);
	ck_assert_uint_le(overlapped.cycles, blocking.cycles);
	ck_assert_uint_lt(blocking.stats.cycles[M2D_CAUSE_BASE], overlapped.cycles);
	ck_assert_mem_eq(&overlapped.stats, &again.stats, sizeof(again.stats));
}
END_TEST

START_TEST(more_walkers)
{
	uint64_t last = UINT64_MAX, first = 0;

	for (unsigned walkers = 1; walkers <= 16; walkers *= 2) {
		Timed t = timed(&workloads[_i], M2D_TIMING_OVERLAPPED, walkers, 0, true);

		ck_assert_msg(t.cycles <= last, "%u walkers take %lu cycles, half of them %lu",
			      walkers, (unsigned long)t.cycles, (unsigned long)last);
		last = t.cycles;
		first = first != 0 ? first : last;
	}
	ck_assert_uint_lt(last, first);
}
END_TEST

START_TEST(wider_window)
{
	uint64_t last = UINT64_MAX, first = 0;

	for (unsigned window = 1; window <= 1024; window *= 4) {
		Timed t = timed(&workloads[_i], M2D_TIMING_OVERLAPPED, 4, window, true);

		ck_assert_uint_le(t.cycles, last);
		last = t.cycles;
		first = first != 0 ? first : last;
	}
	ck_assert_uint_lt(last, first);
}
END_TEST

/* One reference in flight and one walker: every walk stalls for its whole length. */
START_TEST(no_overlap_is_blocking)
{
	const Workload *wl = &workloads[_i];
	Timed o = timed(wl, M2D_TIMING_OVERLAPPED, 1, 1, false);
	Timed b = timed(wl, M2D_TIMING_BLOCKING, 1, 1, false);

	ck_assert_uint_eq(o.cycles + b.stats.cycles[M2D_CAUSE_L2_HIT] +
				  b.stats.cycles[M2D_CAUSE_L1_HIT],
			  b.cycles);
	ck_assert_uint_eq(o.state, b.state);
	/* With base execution it may hide under a walk, one reference's share for each. */
	o = timed(wl, M2D_TIMING_OVERLAPPED, 1, 1, true);
	b = timed(wl, M2D_TIMING_BLOCKING, 1, 1, true);
	ck_assert_uint_le(b.cycles - o.cycles - b.stats.cycles[M2D_CAUSE_L2_HIT] -
				  b.stats.cycles[M2D_CAUSE_L1_HIT],
			  b.stats.c.walks);
}
END_TEST

/* Two independent walks on two walkers take the time of one; on one walker of both. */
START_TEST(two_walks)
{
	static const M2dRunOptions opt;
	uint64_t length = 1100000 + 4 * 3, cycles[2];

	for (int walkers = 1; walkers <= 2; walkers++) {
		M2dMachine *m = pages_machine(M2D_VENDOR_INTEL);
		M2dRef refs[2] = {{VA, 0}, {VA + 4096, 0}};
		M2dOutcome out;
		World w;

		figures(m);
		m->walk.walkers = (uint32_t)walkers;
		m->walk.mshrs = 8;
		m->walk.window = 100;
		world_init(&w, m, NESTED_OFF, M2D_TIMING_OVERLAPPED, 2);
		for (int i = 0; i < 2; i++) /* lines near, A bits set */
			pages_access(&w.p, refs[i].va, M2D_ACC_READ, false);
		m2d_timing_drain(&w.p.mmu->timing, &w.p.mmu->stats);
		cycles[walkers - 1] = clock_of(&w);
		ck_assert_uint_eq(m2d_mmu_run(w.p.mmu, refs, 2, &opt, &out), 2);
		m2d_timing_drain(&w.p.mmu->timing, &w.p.mmu->stats);
		cycles[walkers - 1] = clock_of(&w) - cycles[walkers - 1];
		pages_clear(&w.p);
	}
	ck_assert_uint_eq(cycles[0], 2 * length);
	ck_assert_uint_eq(cycles[1], length);
}
END_TEST

int main(void)
{
	int n = (int)G_N_ELEMENTS(workloads);
	Suite *s = suite_create("timing");
	TCase *t = tcase_create("timing");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, one_dimension);
	tcase_add_test(t, cache_levels);
	tcase_add_loop_test(t, two_dimensions, 0, 2);
	tcase_add_loop_test(t, models, 0, n);
	tcase_add_loop_test(t, more_walkers, 0, n);
	tcase_add_loop_test(t, wider_window, 0, n);
	tcase_add_loop_test(t, no_overlap_is_blocking, 0, n);
	tcase_add_test(t, two_walks);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
