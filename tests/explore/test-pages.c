/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory of searches: zeroes always, also where it was used before; what was given back is used
 * again, large blocks or small. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/explore/pages.h"

#define MANY 12u

static const uint64_t sizes[] = {5000, UINT64_C(3) << 20, UINT64_C(64) << 20};

static void is_zero(const uint8_t *p, uint64_t bytes)
{
	uint64_t i = 0;

	while (i < bytes && p[i] == 0)
		i++;
	ck_assert_uint_eq(i, bytes);
}

START_TEST(test_zero_again)
{
	g_autoptr(M2dExPages) pages = m2d_ex_pages_new();
	uint64_t bytes = sizes[_i], touched = bytes / 2 + 3;
	uint8_t *p = m2d_ex_pages_take(pages, bytes), *again;

	for (unsigned i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(p);
		is_zero(p, touched + 4096 < bytes ? touched + 4096 : bytes);
		memset(p, 0xa5, touched);
		m2d_ex_pages_give(pages, p, bytes, touched);
		again = m2d_ex_pages_take(pages, bytes);
		ck_assert_ptr_eq(again, p);
		p = again;
	}
	m2d_ex_pages_give(pages, p, bytes, touched);
	m2d_ex_pages_give(pages, NULL, bytes, 0);
}
END_TEST

/* More at once than are kept; no two are one. */
START_TEST(test_many)
{
	g_autoptr(M2dExPages) pages = m2d_ex_pages_new();
	uint8_t *p[MANY];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < MANY; i++) {
			p[i] = m2d_ex_pages_take(pages, sizes[i % 3]);
			ck_assert_ptr_nonnull(p[i]);
			is_zero(p[i], 5000);
			memset(p[i], (int)i + 1, 5000);
		}
		for (unsigned i = 0; i < MANY; i++) {
			ck_assert_uint_eq(p[i][0], i + 1);
			ck_assert_uint_eq(p[i][4999], i + 1);
			m2d_ex_pages_give(pages, p[i], sizes[i % 3], 5000);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pages");
	TCase *tc = tcase_create("pages");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, test_zero_again, 0, 3);
	tcase_add_test(tc, test_many);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
