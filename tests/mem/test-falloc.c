/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frame allocator: blocks are aligned, inside the range and never overlap; all of a range can be
 * had; equal calls give equal frames; freed blocks come back last in first out; fragmentation is
 * the share asked for; a rollback takes allocations back.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/rng.h"
#include "sim/mem/falloc.h"

#define GIB_FRAMES (UINT64_C(1) << 18)

static M2dArena *arena_make(void)
{
	return m2d_arena_new(UINT64_C(1) << 30, NULL);
}

static uint64_t frames_of(M2dPageSize size)
{
	return UINT64_C(1) << (9 * size);
}

typedef struct {
	uint64_t pfn;
	M2dPageSize size;
} Block;

/* Random takes and gives, every block checked against a map with one byte a frame. */
START_TEST(test_random)
{
	static const double scatters[] = {0, 0.3, 1};
	uint64_t first = 512 * 3, n = 4 * GIB_FRAMES;
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dFalloc) f = m2d_falloc_new(arena, first, n, scatters[_i % 3], (uint64_t)_i);
	g_autofree uint8_t *map = g_malloc0(n);
	g_autoptr(GArray) live = g_array_new(FALSE, FALSE, sizeof(Block));
	uint64_t taken = 0;
	uint8_t twice = 0;
	M2dRng rng;

	m2d_rng_seed(&rng, (uint64_t)_i);
	for (unsigned step = 0; step < 30000; step++) {
		uint64_t what = m2d_rng_below(&rng, 1000);
		Block b = {.size = what < 2 ? M2D_SIZE_1G : what < 30 ? M2D_SIZE_2M : M2D_SIZE_4K};

		if (what % 3 != 0) {
			if (!m2d_falloc_take(f, b.size, &b.pfn))
				continue;
			ck_assert_uint_eq(b.pfn % frames_of(b.size), 0);
			ck_assert(b.pfn >= first && b.pfn + frames_of(b.size) <= first + n);
			for (uint64_t i = 0; i < frames_of(b.size); i++)
				twice |= map[b.pfn - first + i]++;
			ck_assert_uint_eq(twice, 0);
			g_array_append_val(live, b);
			taken += frames_of(b.size);
		} else if (live->len > 0) {
			guint k = (guint)m2d_rng_below(&rng, live->len);

			b = g_array_index(live, Block, k);
			g_array_remove_index_fast(live, k);
			m2d_falloc_give(f, b.size, b.pfn);
			memset(map + (b.pfn - first), 0, frames_of(b.size));
			taken -= frames_of(b.size);
		}
		if (m2d_falloc_taken(f) != taken)
			ck_abort_msg("wrong count of taken frames");
	}
	ck_assert_uint_gt(live->len, 1000);
}
END_TEST

/* Every frame of a range can be had, once, whatever the fragmentation; then it is full. */
START_TEST(test_exhaust)
{
	static const double scatters[] = {0, 0.5, 1};
	uint64_t first = 512, n = 512 * 64;
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dFalloc) f = m2d_falloc_new(arena, first, n, scatters[_i], 1);
	g_autofree uint8_t *map = g_malloc0(n);
	uint64_t pfn, whole;

	ck_assert(!m2d_falloc_take(f, M2D_SIZE_1G, &pfn)); /* no aligned GiB inside */
	ck_assert(m2d_falloc_take(f, M2D_SIZE_2M, &whole));
	memset(map + (whole - first), 1, 512);
	for (uint64_t i = 0; i < n - 512; i++) {
		ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &pfn));
		if (pfn < first || pfn >= first + n || map[pfn - first]++ != 0)
			ck_abort_msg("frame outside the range, or twice");
	}
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(!m2d_falloc_take(f, M2D_SIZE_4K, &pfn));
		ck_assert(!m2d_falloc_take(f, M2D_SIZE_2M, &pfn));
	}
	ck_assert_uint_eq(m2d_falloc_taken(f), n);
	/* A large block that was given back is split when frames run out. */
	m2d_falloc_give(f, M2D_SIZE_2M, whole);
	for (unsigned i = 0; i < 512; i++) {
		ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &pfn));
		ck_assert(pfn >= whole && pfn < whole + 512);
	}
	ck_assert(!m2d_falloc_take(f, M2D_SIZE_4K, &pfn));
}
END_TEST

/* 1 GiB blocks: as many as fit, from the top down; given back, one serves smaller sizes too. */
START_TEST(test_gib)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dFalloc) f = m2d_falloc_new(arena, 512, 5 * GIB_FRAMES - 512, 0, 1);
	uint64_t pfn, n_2m = 0;

	for (uint64_t i = 4; i >= 1; i--) {
		ck_assert(m2d_falloc_take(f, M2D_SIZE_1G, &pfn));
		ck_assert_uint_eq(pfn, i * GIB_FRAMES);
	}
	ck_assert(!m2d_falloc_take(f, M2D_SIZE_1G, &pfn));
	m2d_falloc_give(f, M2D_SIZE_1G, 2 * GIB_FRAMES);
	while (m2d_falloc_take(f, M2D_SIZE_2M, &pfn))
		n_2m++;
	ck_assert_uint_eq(n_2m, 511 + 512);
	ck_assert(!m2d_falloc_take(f, M2D_SIZE_4K, &pfn));
	m2d_falloc_give(f, M2D_SIZE_1G, 3 * GIB_FRAMES);
	ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &pfn));
	ck_assert_uint_eq(pfn, 3 * GIB_FRAMES);
	ck_assert(!m2d_falloc_take(f, M2D_SIZE_1G, &pfn));
}
END_TEST

START_TEST(test_order)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dFalloc) f = m2d_falloc_new(arena, 512, GIB_FRAMES, 0, 1);
	uint64_t a, b, c, x;

	/* Without fragmentation neighbours in time are neighbours in space. */
	ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &a));
	ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &b));
	ck_assert(m2d_falloc_take(f, M2D_SIZE_2M, &x));
	ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &c));
	ck_assert_uint_eq(b, a + 1);
	ck_assert_uint_eq(c, a + 2);
	ck_assert_uint_eq(x, a + 512);
	m2d_falloc_give(f, M2D_SIZE_4K, a);
	m2d_falloc_give(f, M2D_SIZE_4K, c);
	m2d_falloc_give(f, M2D_SIZE_4K, b);
	ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &x) && x == b);
	ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &x) && x == c);
	ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &x) && x == a);
	ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &x) && x == a + 3);
}
END_TEST

/* Equal seeds, equal frames; another seed, other places. */
START_TEST(test_deterministic)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dFalloc) a = m2d_falloc_new(arena, 0, 64 * GIB_FRAMES, 0.5, 1);
	g_autoptr(M2dFalloc) b = m2d_falloc_new(arena, 0, 64 * GIB_FRAMES, 0.5, 1);
	g_autoptr(M2dFalloc) c = m2d_falloc_new(arena, 0, 64 * GIB_FRAMES, 0.5, 2);
	unsigned equal = 0;

	for (unsigned i = 0; i < 2000; i++) {
		uint64_t x, y, z;

		ck_assert(m2d_falloc_take(a, M2D_SIZE_4K, &x));
		ck_assert(m2d_falloc_take(b, M2D_SIZE_4K, &y));
		ck_assert(m2d_falloc_take(c, M2D_SIZE_4K, &z));
		ck_assert_uint_eq(x, y);
		equal += x == z;
	}
	ck_assert_uint_lt(equal, 200);
}
END_TEST

/* The share of allocations that do not follow on from a sequential one is the share asked for. */
START_TEST(test_scatter_share)
{
	static const double scatters[] = {0, 0.25, 0.75, 1};
	double scatter = scatters[_i];
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dFalloc) f = m2d_falloc_new(arena, 0, 256 * GIB_FRAMES, scatter, 4);
	g_autoptr(GHashTable) chunks = g_hash_table_new(g_direct_hash, g_direct_equal);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
	uint64_t apart = 0, n = 20000, pfn;

	for (uint64_t i = 0; i < n; i++) {
		ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &pfn));
		ck_assert_uint_lt(pfn, 64 * GIB_FRAMES);
		g_hash_table_add(chunks, GSIZE_TO_POINTER((pfn >> 9) + 1));
		/* Either a run goes on, or a fresh chunk starts one. */
		apart += (pfn & 511) != 0 && !g_hash_table_contains(seen, GSIZE_TO_POINTER(pfn));
		g_hash_table_add(seen, GSIZE_TO_POINTER(pfn + 1));
	}
	/* Five standard deviations of a binomial share, and the frames at the start of a chunk. */
	ck_assert(fabs((double)apart / (double)n - scatter) < 5 * 0.5 / sqrt((double)n) + 0.01);
	/* Places are uniform over 32768 chunks: expect 32768 * (1 - exp(-k/32768)) of them. */
	if (scatter > 0) {
		double k = scatter * (double)n;
		double expect = 32768 * (1 - exp(-k / 32768));

		ck_assert(fabs(g_hash_table_size(chunks) - expect) < 0.03 * expect + 50);
	}
	/* Fragmented or not, aligned GiBs are left. */
	for (unsigned i = 0; i < 100; i++)
		ck_assert(m2d_falloc_take(f, M2D_SIZE_1G, &pfn));
}
END_TEST

/* A range of all 2^40 frames costs no more than a small one. */
START_TEST(test_huge_range)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dFalloc) f = m2d_falloc_new(arena, 0, UINT64_C(1) << 40, 1, 4);
	uint64_t pfn, used = arena->used;

	ck_assert_uint_lt(used, 16384);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &pfn));
	ck_assert(m2d_falloc_take(f, M2D_SIZE_1G, &pfn));
	ck_assert_uint_eq(pfn, (UINT64_C(1) << 40) - GIB_FRAMES);
	ck_assert_uint_lt(arena->used, 1 << 18);
}
END_TEST

START_TEST(test_rollback)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dFalloc) f = m2d_falloc_new(arena, 0, 16 * GIB_FRAMES, 0.5, 4);
	g_autofree uint8_t *copy = NULL;
	uint64_t first[3000], used, pfn;
	M2dMark mark;

	for (unsigned i = 0; i < 50; i++)
		ck_assert(m2d_falloc_take(f, M2D_SIZE_4K, &pfn));
	m2d_falloc_give(f, M2D_SIZE_4K, pfn);
	m2d_arena_attach_journal(arena);
	mark = m2d_arena_mark(arena);
	used = arena->used;
	copy = g_memdup2(arena->base, used);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 3000; i++) {
			ck_assert(m2d_falloc_take(f, (M2dPageSize)(i % 50 == 0), &pfn));
			if (round == 0)
				first[i] = pfn;
			ck_assert_uint_eq(pfn, first[i]);
			if (i % 7 == 0)
				m2d_falloc_give(f, (M2dPageSize)(i % 50 == 0), pfn);
		}
		ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
		m2d_arena_rollback(arena, mark);
		ck_assert_uint_eq(arena->used, used);
		ck_assert_mem_eq(arena->base, copy, used);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("falloc");
	TCase *tc = tcase_create("falloc");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_random, 0, 6);
	tcase_add_loop_test(tc, test_exhaust, 0, 3);
	tcase_add_test(tc, test_gib);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_deterministic);
	tcase_add_loop_test(tc, test_scatter_share, 0, 4);
	tcase_add_test(tc, test_huge_range);
	tcase_add_test(tc, test_rollback);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
