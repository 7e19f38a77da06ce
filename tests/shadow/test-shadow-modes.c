/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests of every paging mode run on shadow tables, and on direct ones: the shortest way. */
#include "tests/shadow/fixture.h"

static uint64_t gva_of(Mode mode)
{
	return mode == MODE_NONE  ? UINT64_C(0x500000)
	       : mode <= MODE_PAE ? UINT64_C(0xc0123000)
				  : UINT64_C(0x7f0012345000);
}

static void run_mode(const Setup *s)
{
	Fx fx;
	uint64_t gva = gva_of(s->mode);
	const M2dOpOutcome *o;

	fx_init(&fx, s);
	if (s->mode != MODE_NONE)
		map(&fx, gva, 0x500000, RWU);
	if (s->mode == MODE_PAE)
		set_regs(&fx, 0, s);
	o = guest_op(&fx, 0, M2D_OP_WRITE, gva + 8, 0x1234567, true);
	ck_assert_int_eq(o->result, M2D_OPR_OK);
	ck_assert_uint_eq(gread(&fx, 0x500008, 8), 0x1234567);
	o = guest_op(&fx, 0, M2D_OP_READ, gva + 8, 0, true);
	ck_assert_int_eq(o->result, M2D_OPR_OK);
	ck_assert_uint_eq(o->value, 0x1234567);
	ck_assert_uint_eq(o->faults, 0);
	if (s->mode != MODE_NONE) {
		uint64_t e = gread(&fx, gpte_gpa(&fx, fx.root, gva, 1, false), entry_size(&fx));

		ck_assert_uint_eq(e & (M2D_PTE_A | M2D_PTE_D), M2D_PTE_A | M2D_PTE_D);
		o = guest_op(&fx, 0, M2D_OP_READ, gva + 0x1000, 0, true);
		ck_assert_int_eq(o->result, M2D_OPR_PF);
		ck_assert_uint_eq(o->value, M2D_PFEC_U);
	}
	o = guest_op(&fx, 0, M2D_OP_EXIT, 0, 0, false);
	fx_free(&fx);
}

static const struct {
	const char *machine;
	bool tdp;
} kinds[] = {{"zen3", false}, {"skylake-sp", false}, {"zen3", true}, {"skylake-sp", true}};

START_TEST(modes)
{
	Setup s = {.machine = kinds[_i / N_MODES].machine,
		   .tdp = kinds[_i / N_MODES].tdp,
		   .mode = (Mode)(_i % N_MODES)};

	run_mode(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shadow-modes");
	TCase *tc = tcase_create("modes");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, modes, 0, 4 * N_MODES);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
