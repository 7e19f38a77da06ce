/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload generators: each pattern is what its name says, by counting; streams repeat for equal
 * seeds; turns, processes and shares are those asked for.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/replay/gen.h"
#include "sim/replay/genrand.h"

#define PAGE 4096u

static M2dGen *gen_make(M2dGenKind kind, const char *const *settings)
{
	M2dGenConfig c;
	M2dGen *gen;

	m2d_gen_config_init(&c, kind);
	for (unsigned i = 0; settings != NULL && settings[i] != NULL; i++)
		ck_assert_msg(m2d_gen_config_set(&c, settings[i], NULL), "%s", settings[i]);
	gen = m2d_gen_new(&c, NULL);
	ck_assert_ptr_nonnull(gen);
	return gen;
}

#define GEN(kind, ...) gen_make(kind, (const char *const[]){__VA_ARGS__, NULL})

static M2dRefKind kind_of(M2dRef ref)
{
	return (M2dRefKind)(ref.w & M2D_REF_KIND);
}

START_TEST(test_permutation)
{
	static const uint64_t sizes[] = {1, 2, 3, 7, 64, 1000, 4096, 99991};
	uint64_t n = sizes[_i], fixed = 0;
	g_autofree uint8_t *hit = g_malloc0(n);
	M2dPermutation p, q;
	uint64_t same = 0, neighbours = 0;

	m2d_permutation_init(&p, n, 1);
	m2d_permutation_init(&q, n, 2);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = m2d_permutation_at(&p, i);

		ck_assert_uint_lt(at, n);
		ck_assert_uint_eq(hit[at]++, 0);
		fixed += at == i;
		same += at == m2d_permutation_at(&q, i);
		neighbours += i + 1 < n && m2d_permutation_at(&p, i + 1) == at + 1;
	}
	/* A random order has one fixed point on average, and one pair of neighbours. */
	if (n >= 1000) {
		ck_assert_uint_lt(fixed, 12);
		ck_assert_uint_lt(same, 12);
		ck_assert_uint_lt(neighbours, 12);
	}
	m2d_permutation_init(&p, UINT64_C(1) << 62, 5);
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert_uint_lt(m2d_permutation_at(&p, i << 50), UINT64_C(1) << 62);
}
END_TEST

/* Frequencies of single ranks and of the tail against the exact probabilities. */
START_TEST(test_zipf_ranks)
{
	static const double thetas[] = {0, 0.5, 0.99, 1, 1.3, 3};
	double theta = thetas[_i], norm = 0, tail = 0;
	uint64_t n = 1000, trials = 400000, count[1001] = {0}, tail_count = 0;
	M2dZipf z;
	M2dRng rng;

	m2d_rng_seed(&rng, 11);
	m2d_zipf_init(&z, n, theta);
	for (uint64_t k = 1; k <= n; k++)
		norm += pow((double)k, -theta);
	for (uint64_t i = 0; i < trials; i++) {
		uint64_t k = m2d_zipf_next(&z, &rng);

		count[k >= 1 && k <= n ? k : 0]++;
	}
	ck_assert_uint_eq(count[0], 0); /* out of range */
	for (uint64_t k = 1; k <= n; k++) {
		double p = pow((double)k, -theta) / norm;
		double sigma = sqrt((double)trials * p * (1 - p));

		ck_assert(fabs((double)count[k] - (double)trials * p) < 6 * sigma + 3);
		if (k > 100) {
			tail += p;
			tail_count += count[k];
		}
	}
	ck_assert(fabs((double)tail_count - (double)trials * tail) <
		  6 * sqrt((double)trials * tail * (1 - tail)) + 3);
}
END_TEST

START_TEST(test_zipf_extremes)
{
	M2dZipf z;
	M2dRng rng;

	m2d_rng_seed(&rng, 12);
	m2d_zipf_init(&z, 1, 0.99);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_uint_eq(m2d_zipf_next(&z, &rng), 1);
	/* 2^40 pages need no table. */
	m2d_zipf_init(&z, UINT64_C(1) << 40, 0.8);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t k = m2d_zipf_next(&z, &rng);

		ck_assert(k >= 1 && k <= UINT64_C(1) << 40);
	}
	m2d_zipf_init(&z, UINT64_C(1) << 40, 20);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_uint_le(m2d_zipf_next(&z, &rng), 3);
}
END_TEST

START_TEST(test_stride)
{
	g_autoptr(M2dGen) gen = GEN(M2D_GEN_STRIDE, "gen.bytes=64k", "gen.stride=24",
				    "gen.refs=100000", "gen.base=0x40000000");
	uint64_t at = 0, n = 0, wrong = 0;
	M2dRef r;

	for (; m2d_gen_next(gen, &r); n++) {
		wrong += r.va != UINT64_C(0x40000000) + at || !(r.w & M2D_REF_USER) ||
			 (r.w & M2D_REF_SIZE) >> M2D_REF_SIZE_SHIFT != 8;
		at = (at + 24) % 65536;
	}
	ck_assert_uint_eq(n, 100000);
	ck_assert_uint_eq(wrong, 0);
	ck_assert(!m2d_gen_next(gen, &r));
}
END_TEST

/* References per page of 64, with the chi-square statistic: mean 63, deviation 11. */
START_TEST(test_uniform)
{
	M2dGenKind kind = _i == 0 ? M2D_GEN_UNIFORM : M2D_GEN_GUPS;
	g_autoptr(M2dGen) gen = GEN(kind, "gen.bytes=256k", "gen.refs=256000");
	uint64_t count[64] = {0}, last = 0, n = 0, wrong = 0;
	double chi = 0, expect = _i == 0 ? 4000 : 2000;
	M2dRef r;

	for (; m2d_gen_next(gen, &r); n++) {
		if (kind == M2D_GEN_GUPS) {
			/* Read, then write the same word. */
			wrong += kind_of(r) != (n % 2 == 0 ? M2D_REF_READ : M2D_REF_WRITE);
			wrong += n % 2 != 0 && r.va != last;
			last = r.va;
		}
		if (r.va - 0x10000000 >= 64 * PAGE)
			ck_abort_msg("outside the data");
		wrong += r.va % 8 != 0;
		if (kind == M2D_GEN_UNIFORM || n % 2 == 0)
			count[(r.va - 0x10000000) / PAGE]++;
	}
	for (unsigned i = 0; i < 64; i++)
		chi += pow((double)count[i] - expect, 2) / expect;
	ck_assert_uint_eq(wrong, 0);
	ck_assert(chi > 63 - 45 && chi < 63 + 56);
}
END_TEST

static int cmp_down(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

/* Pages by frequency follow the law; the hottest are not the lowest addresses. */
START_TEST(test_zipf_pages)
{
	g_autoptr(M2dGen) gen =
		GEN(M2D_GEN_ZIPF, "gen.bytes=4M", "gen.refs=500000", "gen.theta=1.1");
	uint64_t count[1024] = {0}, low = 0;
	double norm = 0;
	M2dRef r;

	while (m2d_gen_next(gen, &r))
		count[(r.va - 0x10000000) / PAGE]++;
	for (unsigned i = 0; i < 16; i++)
		low += count[i];
	for (unsigned k = 1; k <= 1024; k++)
		norm += pow(k, -1.1);
	qsort(count, 1024, sizeof(count[0]), cmp_down);
	for (unsigned k = 1; k <= 8; k++) {
		double p = pow(k, -1.1) / norm;

		ck_assert(fabs((double)count[k - 1] - 500000 * p) < 6 * sqrt(500000 * p * (1 - p)));
	}
	ck_assert_uint_lt(low, 500000 / 4);
}
END_TEST

/* Every page once a cycle, each cycle in the same order, and that order is no sequence. */
START_TEST(test_chase)
{
	static const char *const bytes[] = {"gen.bytes=4k", "gen.bytes=8k", "gen.bytes=4000k",
					    "gen.bytes=4104"};
	static const uint64_t pages[] = {1, 2, 1000, 2};
	g_autoptr(M2dGen) gen = GEN(M2D_GEN_CHASE, bytes[_i], "gen.refs=10000");
	uint64_t n = pages[_i], in_a_row = 0;
	g_autofree uint64_t *order = g_new0(uint64_t, n);
	g_autofree uint8_t *seen = g_malloc0(n);
	M2dRef r;

	for (uint64_t i = 0; m2d_gen_next(gen, &r); i++) {
		uint64_t page = (r.va - 0x10000000) / PAGE;

		ck_assert_uint_lt(page, n);
		ck_assert(_i != 3 || r.va <= 0x10000000 + 4096);
		if (i < n) {
			ck_assert_uint_eq(seen[page]++, 0);
			order[i] = r.va;
			in_a_row += i > 0 && order[i] / PAGE == order[i - 1] / PAGE + 1;
		} else {
			ck_assert_uint_eq(r.va, order[i % n]);
		}
	}
	if (n > 100)
		ck_assert_uint_lt(in_a_row, 12);
}
END_TEST

/* A set-associative LRU array of page numbers; true on a hit. */
typedef struct {
	unsigned sets, ways;
	uint64_t *key; /* 0: empty; most recent first */
} Lru;

static bool lru_touch(Lru *l, uint64_t page)
{
	uint64_t *set = &l->key[page % l->sets * l->ways];
	unsigned i = 0;

	while (i < l->ways - 1 && set[i] != page)
		i++;
	if (set[i] == page) {
		memmove(set + 1, set, i * sizeof(*set));
		set[0] = page;
		return true;
	}
	memmove(set + 1, set, (l->ways - 1) * sizeof(*set));
	set[0] = page;
	return false;
}

/* The mix misses a 64-entry first level like a compressor, and hardly a 1536-entry second. */
START_TEST(test_mix)
{
	g_autoptr(M2dGen) gen = GEN(M2D_GEN_MIX, "gen.refs=3000000");
	Lru l1 = {16, 4, g_new0(uint64_t, 64)}, l2 = {128, 12, g_new0(uint64_t, 1536)};
	uint64_t n = 0, miss1 = 0, miss2 = 0, writes = 0;
	M2dRef r;

	while (m2d_gen_next(gen, &r)) {
		/* Without the first pass over hot tables and window. */
		bool count = ++n > 500000;

		if (!lru_touch(&l1, r.va / PAGE)) {
			miss1 += count;
			if (!lru_touch(&l2, r.va / PAGE))
				miss2 += count;
		}
		writes += kind_of(r) == M2D_REF_WRITE;
	}
	n -= 500000;
	ck_assert_msg(miss1 > n * 36 / 1000 && miss1 < n * 50 / 1000, "L1 misses %.3f %%",
		      100.0 * (double)miss1 / (double)n);
	ck_assert_msg(miss2 > n / 2000 && miss2 < n / 200, "L2 misses %.3f %%",
		      100.0 * (double)miss2 / (double)n);
	ck_assert(writes > 3000000 * 0.29 && writes < 3000000 * 0.31);
	g_free(l1.key);
	g_free(l2.key);
}
END_TEST

/* Kinds and privilege in the shares asked for. */
START_TEST(test_kind_shares)
{
	g_autoptr(M2dGen) gen = GEN(M2D_GEN_UNIFORM, "gen.refs=200000", "gen.write-share=0.2",
				    "gen.fetch-share=0.4", "gen.kernel-share=0.1");
	uint64_t n[3] = {0}, kernel = 0, sequential = 0, last = 0, wrong = 0;
	M2dRef r;

	while (m2d_gen_next(gen, &r)) {
		n[kind_of(r)]++;
		if (kind_of(r) == M2D_REF_FETCH) {
			wrong += r.va - 0x400000 >= 0x10000 || !(r.w & M2D_REF_USER);
			sequential += r.va == last + 4;
			last = r.va;
		} else if ((r.w & M2D_REF_USER) == 0) {
			wrong += r.va - UINT64_C(0xffff888000000000) >= 0x100000;
			kernel++;
		} else {
			wrong += r.va < 0x10000000;
		}
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert(fabs((double)n[M2D_REF_FETCH] - 80000) < 6 * 220);
	ck_assert(fabs((double)n[M2D_REF_WRITE] - 24000) < 6 * 146);
	ck_assert(fabs((double)kernel - 12000) < 6 * 106);
	ck_assert(fabs((double)sequential - 75000) < 6 * 220 + 100);
}
END_TEST

/* Equal seeds, equal streams, whatever the calls; another seed, another stream. */
START_TEST(test_deterministic)
{
	M2dGenKind kind = (M2dGenKind)_i;
	g_autoptr(M2dGen) a = GEN(kind, "gen.refs=20000", "gen.vcpus=3", "gen.processes=2",
				  "gen.slice=777", "gen.burst=100", "gen.fetch-share=0.1");
	g_autoptr(M2dGen) b = GEN(kind, "gen.refs=20000", "gen.vcpus=3", "gen.processes=2",
				  "gen.slice=777", "gen.burst=100", "gen.fetch-share=0.1");
	g_autoptr(M2dGen) c =
		GEN(kind, "gen.refs=20000", "gen.vcpus=3", "gen.processes=2", "gen.slice=777",
		    "gen.burst=100", "gen.fetch-share=0.1", "gen.seed=2");
	M2dRef batch[64], r, other;
	uint64_t equal = 0, total = 0, wrong = 0;
	size_t n;

	while ((n = m2d_gen_fill(a, batch, G_N_ELEMENTS(batch))) > 0) {
		for (size_t i = 0; i < n; i++) {
			ck_assert(m2d_gen_next(b, &r) && m2d_gen_next(c, &other));
			wrong += memcmp(&r, &batch[i], sizeof(r)) != 0 ||
				 m2d_gen_vcpu(a) != m2d_gen_vcpu(b) ||
				 m2d_gen_process(a) != m2d_gen_process(b);
			equal += r.va == other.va;
		}
		total += n;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(total, 20000);
	ck_assert(!m2d_gen_next(b, &r));
	/* A stride has no randomness but that of the fetches. */
	if (kind != M2D_GEN_STRIDE)
		ck_assert_uint_lt(equal, 4000);
}
END_TEST

/* Turns of vCPUs and processes. */
START_TEST(test_turns)
{
	g_autoptr(M2dGen) gen = GEN(M2D_GEN_CHASE, "gen.refs=60000", "gen.vcpus=3",
				    "gen.processes=2", "gen.slice=500", "gen.burst=200");
	uint64_t done[3] = {0}, first[3] = {0}, wrong = 0;
	M2dRef r;

	for (uint64_t i = 0; m2d_gen_next(gen, &r); i++) {
		unsigned v = m2d_gen_vcpu(gen);

		wrong += v != i / 200 % 3 || m2d_gen_process(gen) != (v + done[v] / 500) % 2;
		if (done[v]++ == 0)
			first[v] = r.va;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert(first[0] != first[1] && first[1] != first[2] && first[0] != first[2]);
	ck_assert_uint_eq(done[2], 20000);
}
END_TEST

/* Settings refused, one by one and together. */
START_TEST(test_refused)
{
	static const char *const bad[] = {
		"gen.kind=random", "gen.bytes=0",     "gen.bytes=1k",    "gen.vcpus=0",
		"gen.vcpus=257",   "gen.processes=0", "gen.theta=-1",    "gen.theta=inf",
		"gen.stride=0",    "gen.slice=0",     "gen.burst=0",     "gen.write-share=2",
		"gen.refs=-5",     "gen.nothing=1",   "gen.theta=1e999",
	};
	static const char *const together[][3] = {
		{"gen.base=0x800000000000"},
		{"gen.base=0xffffffffffffffff"},
		{"gen.base=0x10000001"},
		{"gen.base=0x7ffffffff000"},
		{"gen.bytes=4097"},
		{"gen.bytes=4k", "gen.stride=8k"},
		{"gen.window-share=0.6", "gen.hot-share=0.6"},
		{"gen.base=0", "gen.fetch-share=0.1"},
	};
	M2dGenConfig c;

	m2d_gen_config_init(&c, M2D_GEN_STRIDE);
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;

		ck_assert_msg(!m2d_gen_config_set(&c, bad[i], &error), "%s", bad[i]);
		ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
	}
	for (unsigned i = 0; i < G_N_ELEMENTS(together); i++) {
		g_autoptr(GError) error = NULL;

		m2d_gen_config_init(&c, M2D_GEN_STRIDE);
		for (unsigned k = 0; together[i][k] != NULL; k++)
			ck_assert(m2d_gen_config_set(&c, together[i][k], NULL));
		ck_assert_msg(m2d_gen_new(&c, &error) == NULL, "%s", together[i][0]);
		ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gen");
	TCase *tc = tcase_create("gen");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_permutation, 0, 8);
	tcase_add_loop_test(tc, test_zipf_ranks, 0, 6);
	tcase_add_test(tc, test_zipf_extremes);
	tcase_add_test(tc, test_stride);
	tcase_add_loop_test(tc, test_uniform, 0, 2);
	tcase_add_test(tc, test_zipf_pages);
	tcase_add_loop_test(tc, test_chase, 0, 4);
	tcase_add_test(tc, test_mix);
	tcase_add_test(tc, test_kind_shares);
	tcase_add_loop_test(tc, test_deterministic, 0, M2D_GEN_KINDS);
	tcase_add_test(tc, test_turns);
	tcase_add_test(tc, test_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
