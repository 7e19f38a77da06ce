/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seeded random numbers: published vectors of both algorithms, and ranges derived from them. */
#include <check.h>
#include <stdlib.h>

#include "sim/base/bits.h"
#include "sim/base/rng.h"

/* xoshiro256** from state {1, 2, 3, 4}: the vector that other implementations test with. */
START_TEST(test_xoshiro_vector)
{
	static const uint64_t expected[] = {
		UINT64_C(11520),
		UINT64_C(0),
		UINT64_C(1509978240),
		UINT64_C(1215971899390074240),
		UINT64_C(1216172134540287360),
		UINT64_C(607988272756665600),
		UINT64_C(16172922978634559625),
		UINT64_C(8476171486693032832),
		UINT64_C(10595114339597558777),
		UINT64_C(2904607092377533576),
	};
	M2dRng rng = {{1, 2, 3, 4}};

	for (unsigned i = 0; i < M2D_N_ELEMENTS(expected); i++)
		ck_assert_uint_eq(m2d_rng_next(&rng), expected[i]);
}
END_TEST

/* Seeding takes the first four outputs of splitmix64, here for seed 0. */
START_TEST(test_seed_vector)
{
	M2dRng rng;

	m2d_rng_seed(&rng, 0);
	ck_assert_uint_eq(rng.s[0], UINT64_C(0xe220a8397b1dcdaf));
	ck_assert_uint_eq(rng.s[1], UINT64_C(0x6e789e6aa1b965f4));
	ck_assert_uint_eq(rng.s[2], UINT64_C(0x06c45d188009454f));
	ck_assert_uint_eq(rng.s[3], UINT64_C(0xf88bb8a8724c81ec));
}
END_TEST

START_TEST(test_streams)
{
	M2dRng a, b, c;
	unsigned equal = 0;

	m2d_rng_seed(&a, 7);
	m2d_rng_seed(&b, 7);
	m2d_rng_seed(&c, 8);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t x = m2d_rng_next(&a);

		ck_assert_uint_eq(x, m2d_rng_next(&b));
		equal += x == m2d_rng_next(&c);
	}
	ck_assert_uint_eq(equal, 0);
}
END_TEST

START_TEST(test_ranges)
{
	M2dRng rng;
	unsigned seen[7] = {0};
	double sum = 0;

	m2d_rng_seed(&rng, 1);
	for (unsigned i = 0; i < 70000; i++) {
		double u = m2d_rng_unit(&rng);
		uint64_t n = m2d_rng_below(&rng, 7);

		ck_assert(u >= 0 && u < 1);
		sum += u;
		ck_assert_uint_lt(n, 7);
		seen[n]++;
	}
	/* Five standard deviations of each: 0.29 / sqrt(70000) and sqrt(70000 * 6 / 49). */
	ck_assert(sum / 70000 > 0.5 - 0.0055 && sum / 70000 < 0.5 + 0.0055);
	for (unsigned i = 0; i < 7; i++)
		ck_assert(seen[i] > 10000 - 463 && seen[i] < 10000 + 463);
	ck_assert_uint_eq(m2d_rng_below(&rng, 1), 0);
}
END_TEST

START_TEST(test_bits)
{
	ck_assert_uint_eq(M2D_BITS(63, 0), UINT64_MAX);
	ck_assert_uint_eq(M2D_BITS(51, 12), UINT64_C(0x000ffffffffff000));
	ck_assert_uint_eq(M2D_BITS(0, 0), 1);
	ck_assert_uint_eq(m2d_low_mask(0), 0);
	ck_assert_uint_eq(m2d_low_mask(12), 0xfff);
	ck_assert_uint_eq(m2d_low_mask(64), UINT64_MAX);
	ck_assert(m2d_is_pow2(UINT64_C(1) << 63) && !m2d_is_pow2(0) && !m2d_is_pow2(6));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rng");
	TCase *tc = tcase_create("rng");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_xoshiro_vector);
	tcase_add_test(tc, test_seed_vector);
	tcase_add_test(tc, test_streams);
	tcase_add_test(tc, test_ranges);
	tcase_add_test(tc, test_bits);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
