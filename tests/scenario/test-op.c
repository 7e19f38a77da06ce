/* SPDX-License-Identifier: GPL-2.0-or-later */
/* op.def is sound: names differ, keys parse, fit and have presets of their type. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kvm/op.h"

START_TEST(test_table)
{
	for (unsigned k = 0; k < M2D_N_OPS; k++) {
		M2dOpKeyIter iter = {0};
		M2dOpKey key, other;
		uint64_t bit;

		ck_assert_int_eq(m2d_op_find(m2d_op_info[k].verb), (int)k);
		ck_assert_uint_ne(m2d_op_info[k].actors, 0);
		while (m2d_op_key_next((M2dOpKind)k, &iter, &key)) {
			M2dOpKeyIter rest = iter;

			while (m2d_op_key_next((M2dOpKind)k, &rest, &other))
				ck_assert_str_ne(key.name, other.name);
			if (key.type == M2D_OP_ARG_BITS)
				ck_assert_ptr_nonnull(m2d_op_bit((M2dOpKind)k, 0, &bit));
		}
		ck_assert_uint_le(iter.arg, M2D_OP_MAX_ARGS);
		ck_assert_uint_eq(iter.offset, strlen(m2d_op_info[k].keys));
	}
	ck_assert_int_eq(m2d_op_find("rea"), -1);
}
END_TEST

START_TEST(test_keys)
{
	M2dOpKeyIter iter = {0};
	M2dOpKey key;
	M2dOp op;
	size_t len;
	uint64_t bit;

	ck_assert(m2d_op_key_next(M2D_OP_SLOT_CREATE, &iter, &key));
	ck_assert_str_eq(key.name, "id");
	ck_assert(key.must && key.type == M2D_OP_ARG_UINT && key.arg == 0);
	ck_assert(m2d_op_key_next(M2D_OP_SLOT_CREATE, &iter, &key));
	ck_assert(key.type == M2D_OP_ARG_RANGE && key.arg == 1 && key.n_args == 2);
	ck_assert(m2d_op_key_next(M2D_OP_SLOT_CREATE, &iter, &key));
	ck_assert(!key.must && key.type == M2D_OP_ARG_HVA && key.arg == 3);

	m2d_op_preset(&op, M2D_OP_SET_PTE);
	ck_assert_uint_eq(op.given, 0);
	ck_assert_uint_eq(op.arg[2], 1);
	m2d_op_preset(&op, M2D_OP_READ);
	ck_assert_uint_eq(op.arg[1], 8);

	iter = (M2dOpKeyIter){0};
	while (m2d_op_key_next(M2D_OP_IPI, &iter, &key) && key.type != M2D_OP_ARG_ENUM)
		;
	ck_assert_str_eq(key.name, "do");
	ck_assert(strncmp(m2d_op_word(&key, 2, &len), "flush|", 6) == 0 && len == 5);
	ck_assert(strncmp(m2d_op_word(&key, 3, &len), "flush-all", 9) == 0 && len == 9);
	ck_assert_ptr_null(m2d_op_word(&key, 4, &len));
	ck_assert_str_eq(m2d_op_bit(M2D_OP_MOV_CR4, 1, &bit), "smep");
	ck_assert_uint_eq(bit, 1u << 20);
	ck_assert_ptr_null(m2d_op_bit(M2D_OP_WRMSR_EFER, 1, &bit));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("op");
	TCase *tc = tcase_create("op");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_table);
	tcase_add_test(tc, test_keys);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
