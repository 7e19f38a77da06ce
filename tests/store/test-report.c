/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables that end a replay. JSON and figures are tested by test-plot.py. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/report/report.h"
#include "tests/store/synthetic.h"

#define COLUMNS 92

static void contains(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in:\n%s", part, text);
}

START_TEST(numbers)
{
	static const struct {
		uint64_t n;
		const char *text;
	} cases[] = {
		{0, "0"},
		{999, "999"},
		{1000, "1,000"},
		{123456, "123,456"},
		{UINT64_MAX, "18,446,744,073,709,551,615"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = m2d_report_number(cases[i].n);

		ck_assert_str_eq(text, cases[i].text);
	}
}
END_TEST

/* A small run whose tables can be worked out by hand. */
START_TEST(by_hand)
{
	g_autoptr(M2dResult) r = m2d_result_new(1);
	M2dStats *s = &r->total;
	g_autofree char *text = NULL;

	r->trace = g_strdup("a\nb\033[1m.m2t");
	r->machine = g_strdup("generic");
	r->mmu = g_strdup("npt");
	r->timing = g_strdup("blocking");
	r->seconds = 2;
	s->c.refs = 1000000;
	s->c.l1d_hits = 900000;
	s->c.l1d_misses = 100000;
	s->c.walks = 4;
	s->c.walk_refs = 27;
	s->c.guest_entries = 7;
	s->c.nested_entries = 20;
	s->walk_refs_hist[1] = 3;
	s->walk_refs_hist[24] = 1;
	s->c.pte_dram = 27;
	s->cycles[M2D_CAUSE_BASE] = 500000;
	s->cycles[M2D_CAUSE_FETCH_GUEST] = 1500000;
	s->bill[M2D_FLUSH_INVLPG] = (M2dFlushBill){1, 200, 3000, 4, 5, 12345};
	s->c.checked = 1000;
	s->c.wrong = 2;
	m2d_result_violation(r, "stale-gpa", 1234567, 3, "the story");
	text = m2d_report_text(r);
	contains(text, "Trace       a?b?[1m.m2t\n");
	contains(text, "Machine     generic, mmu npt, timing blocking, 1 vCPU, seed 0\n");
	contains(text, "References  1,000,000 in 2.00 s, 0.5 M/s\n");
	contains(text, "  base                           500,000   25.00%    0.5000\n");
	contains(text, "  walk                         1,500,000   75.00%    1.5000\n"
		       "    fetch_guest                1,500,000   75.00%    1.5000\n"
		       "  total                        2,000,000  100.00%    2.0000\n");
	contains(text, "  L1 data                    900,000             100,000"
		       "     10.000%        100.000\n");
	ck_assert_ptr_null(strstr(text, "  L2  "));
	contains(text, "Walks       4, 6.75 entries each (1.75 first dimension, 5.00 second)\n");
	contains(
		text,
		"       1                    3   75.00%  ########################################\n"
		"      24                    1   25.00%  #############\n");
	contains(text, "100.0% memory\n");
	contains(text, "  invlpg                   1            200            3,000        4"
		       "         5        12.3k\n");
	contains(text, "Compared    1,000 translations with those recorded: 2 wrong\n");
	contains(text, "Findings    1\n  stale-gpa at reference 1,234,567, vCPU 3: the story\n");
	/* One vCPU has no table of vCPUs, a run without events no table of events. */
	ck_assert_ptr_null(strstr(text, "vCPU   "));
	ck_assert_ptr_null(strstr(text, "Events"));
}
END_TEST

START_TEST(layout)
{
	g_autoptr(M2dResult) r = synthetic_result(3, 1);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	g_array_set_size(r->violations, 0);
	text = m2d_report_text(r);
	lines = g_strsplit(text, "\n", -1);
	for (char **l = lines; *l != NULL; l++) {
		size_t n = strlen(*l);

		ck_assert_msg(n <= COLUMNS, "%zu columns: %s", n, *l);
		ck_assert_msg(n == 0 || (*l)[n - 1] != ' ', "blank at the end: %s", *l);
	}
	contains(text, "Findings    none\n");
}
END_TEST

/* Nothing was counted: nothing is divided by zero, and the head and the findings remain. */
START_TEST(nothing)
{
	g_autoptr(M2dResult) r = m2d_result_new(1);
	g_autofree char *text = m2d_report_text(r);

	contains(text, "References  0\n");
	contains(text, "Findings    none\n");
	ck_assert_ptr_null(strstr(text, "nan"));
	ck_assert_ptr_null(strstr(text, "inf"));
	ck_assert_ptr_null(strstr(text, "TLB"));
}
END_TEST

START_TEST(many_findings)
{
	g_autoptr(M2dResult) r = m2d_result_new(1);
	g_autofree char *text = NULL;

	for (unsigned i = 0; i < 1000; i++)
		m2d_result_violation(r, "stale-gpa", i, 0, "x");
	text = m2d_report_text(r);
	contains(text, "Findings    1,000\n");
	contains(text, "  ... 980 more; --db and --json keep them all\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report");
	TCase *tc = tcase_create("report");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, numbers);
	tcase_add_test(tc, by_hand);
	tcase_add_test(tc, layout);
	tcase_add_test(tc, nothing);
	tcase_add_test(tc, many_findings);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
