/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each duty of KVM's MMU left out in turn, under legal work: the checker says so. Prints a table of
 * what caught which. Duties that straight execution cannot show, because nothing comes between
 * two steps, are scenarios' business.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/vm/duty.h"
#include "tests/check/legal.h"

static const struct {
	const char *machine;
	bool tdp;
	Mode mode;
	const char *kernel;
	bool huge;
	uint32_t page_limit;
} setups[] = {
	{"zen3", false, MODE_4LEVEL, NULL, false, 0},
	{"icelake-sp", false, MODE_4LEVEL, "5.15", false, 0},
	{"zen3", false, MODE_32, "6.1", false, 0},
	{"zen3", true, MODE_4LEVEL, NULL, false, 0},
	{"icelake-sp", true, MODE_4LEVEL, "5.10", true, 0},
	{"icelake-sp", false, MODE_PAE, NULL, true, 12},
};

static unsigned env(const char *name, unsigned preset)
{
	const char *v = g_getenv(name);

	return v != NULL ? (unsigned)atoi(v) : preset;
}

/* In a process of its own: what a left-out duty does to the model may end it. Status: the
 * invariant + 1, 0 for nothing, 255 for the end. */
static int child(M2dDuty duty, unsigned i, unsigned seed, unsigned steps)
{
	M2dDutySet without = {0};
	Setup s = {.machine = setups[i].machine,
		   .tdp = setups[i].tdp,
		   .mode = setups[i].mode,
		   .kernel = setups[i].kernel,
		   .huge = setups[i].huge,
		   .page_limit = setups[i].page_limit,
		   .n_vcpus = 3,
		   .cr0 = M2D_CR0_WP,
		   .cr4 = M2D_CR4_PGE,
		   .without = &without};
	int status = 0;
	Legal l;

	/* Older kernels have bugs that take a race. */
	if (seed % 2 == 0)
		s.kernel = "7.3";
	if (s.mode != MODE_32)
		s.efer = M2D_EFER_NXE;
	if (duty != M2D_N_DUTIES)
		m2d_duty_add(&without, duty);
	legal_init(&l, &s, seed, seed % 2 == 0);
	if (legal_steps(&l, steps) != 0) {
		status = (int)m2d_check_finding(l.check, 0)->id + 1;
		if (g_getenv("DUTY") != NULL)
			legal_print(&l);
	}
	fflush(stdout);
	legal_free(&l);
	return status;
}

static int run(M2dDuty duty, unsigned setup, unsigned seed, unsigned steps)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (g_getenv("DUTY") == NULL)
			ck_assert(freopen("/dev/null", "w", stderr) != NULL);
		_exit(child(duty, setup, seed, steps));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* What caught the duty: names of invariants, in the order of set-ups. */
static unsigned try_all(M2dDuty duty, GString *what)
{
	unsigned caught = 0;

	for (unsigned i = 0; i < G_N_ELEMENTS(setups); i++) {
		for (unsigned seed = 1; seed <= env("SEEDS", 2); seed++) {
			int r = run(duty, i, seed, env("LEGAL_STEPS", 2500));
			const char *name = r == 255 ? "(ends the model)"
					   : r != 0 ? m2d_invariant((M2dInvariantId)(r - 1))->name
						    : NULL;

			if (name == NULL)
				continue;
			caught++;
			if (strstr(what->str, name) == NULL)
				g_string_append_printf(what, " %s", name);
		}
	}
	return caught;
}

START_TEST(each_left_out)
{
	const char *only = g_getenv("DUTY");
	g_autoptr(GString) none = g_string_new(NULL);
	unsigned n = 0, caught = 0;

	ck_assert_msg(try_all(M2D_N_DUTIES, none) == 0, "with nothing left out:%s", none->str);
	for (unsigned d = 0; d < M2D_N_DUTIES; d++) {
		g_autoptr(GString) what = g_string_new(NULL);
		unsigned times;

		if (only != NULL && strcmp(only, m2d_duty_name((M2dDuty)d)) != 0)
			continue;
		times = try_all((M2dDuty)d, what);
		n++;
		caught += times != 0;
		printf("%-24s %2u %s\n", m2d_duty_name((M2dDuty)d), times,
		       times != 0 ? what->str : " nothing");
	}
	printf("%u of %u duties caught by legal work\n", caught, n);
	fflush(stdout);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("check-duties");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 900);
	tcase_add_test(t, each_left_out);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
