/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Legal work gives no finding, in all paging modes, with shadow paging and the direct MMU. */
#include <stdio.h>

#include "tests/check/legal.h"

static unsigned steps(void)
{
	const char *n = g_getenv("LEGAL_STEPS");

	return n != NULL ? (unsigned)atoi(n) : 1500;
}

static unsigned seed0(void)
{
	const char *n = g_getenv("LEGAL_SEED");

	return n != NULL ? 1000 * (unsigned)atoi(n) : 0;
}

static const struct {
	const char *machine;
	bool tdp;
} kinds[] = {{"zen3", false}, {"icelake-sp", false}, {"zen3", true}, {"icelake-sp", true}};

START_TEST(silent)
{
	unsigned k = (unsigned)_i % 4, mode = (unsigned)_i / 4 % N_MODES;
	bool stepping = _i >= 4 * N_MODES;
	Setup s = {.machine = kinds[k].machine,
		   .tdp = kinds[k].tdp,
		   .mode = (Mode)mode,
		   .n_vcpus = 3,
		   .cr0 = M2D_CR0_WP,
		   .cr4 = M2D_CR4_PGE};
	char *what = NULL;
	Legal l;

	/* Older kernels have bugs that take a race. */
	if (stepping)
		s.kernel = "7.3";

	if (mode != MODE_32)
		s.efer = M2D_EFER_NXE;
	/* A load of PDPTE registers that meets an EPT violation is not modelled. */
	if (s.tdp && mode == MODE_PAE && k == 3)
		return;
	legal_init(&l, &s, (uint64_t)_i + 1 + seed0(), stepping);
	if (legal_steps(&l, steps()) != 0) {
		legal_print(&l);
		fflush(stdout);
		ck_abort_msg("%s, %s, mode %u: a finding after %lu operations%s", s.machine,
			     s.tdp ? "direct" : "shadow", mode, (unsigned long)l.done,
			     stepping ? ", stepping" : "");
	}
	for (unsigned v = 0; v < 3 && !s.tdp && !stepping && mode != MODE_NONE; v++)
		ck_assert_msg(m2d_check_shadow_equal(l.check, v, &what) == 0, "%s", what);
	m2d_check_end(l.check);
	ck_assert_uint_eq(m2d_check_n_findings(l.check), 0);
	legal_free(&l);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("check-legal");
	TCase *t = tcase_create("all");
	SRunner *r;
	const char *only = g_getenv("LEGAL_CASE");
	int failed;

	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, silent, only != NULL ? atoi(only) : 0,
			    only != NULL ? atoi(only) + 1 : 8 * N_MODES);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
