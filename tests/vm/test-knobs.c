/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Knobs: kernels have the behaviours they should; backports, reverts and single settings. */
#include "sim/base/error.h"
#include "sim/vm/knobs.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static M2dKnobs profile(const char *version)
{
	GError *error = NULL;
	M2dKnobs knobs;

	ck_assert_msg(m2d_knobs_profile(&knobs, version, &error), "%s: %s", version,
		      error != NULL ? error->message : "");
	ck_assert_ptr_null(error);
	return knobs;
}

static const char *value(const M2dKnobs *knobs, const char *name)
{
	int id = m2d_knob_find(name, NULL);

	ck_assert_msg(id >= 0, "no knob %s", name);
	return m2d_knobs_value_name(knobs, (M2dKnobId)id);
}

/* --- the matrix ----------------------------------------------------------------------------- */

/*
 * Written down by hand, knob by knob, from the catalogue of behaviours and of the bugs that each
 * release has; "." is what stands to the left.
 */
static const char *const releases[] = {"5.4", "5.10", "5.15", "5.17", "5.18", "6.1",
				       "6.3", "6.6",  "6.12", "6.14", "6.19", "7.2"};
#define N_RELEASES G_N_ELEMENTS(releases)

static const struct {
	const char *knob;
	const char *values;
} matrix[] = {
	{"spte-layout", "5.4 5.10 5.14 . . . . . 6.12 6.13 . ."},
	{"pv-flush", "hw . unload sync . . . . . . . ."},
	{"preempted-atomic", "no yes . . . . . . . . . ."},
	{"preempted-boundary", "no . . . . yes . . . . . ."},
	{"reload-request", "all . . . obsolete . . . . . . ."},
	{"prev-roots-checked", "no . . . . yes . . . . . ."},
	{"prev-roots-no-pcid", "no . . yes . . . . . . . ."},
	{"control-flush", "reset . . . explicit . . . . . . ."},
	{"pcid-hw-flush", "no . . yes . . . . . . . ."},
	{"tlb-ctl-kept", "no . . . . . . . . . . ."},
	{"asid-generation-kept", "no . . . . . . . . . . yes"},
	{"slot-delete", "zap-all-fast . . . . . . . quirk . . ."},
	{"invalid-slot-retry", "no . yes . . . . . . . . ."},
	{"mmio-cache-per-space", "no . . . . . . . . . . ."},
	{"mmio-drops-present", "yes . no . . . . . . . . yes"},
	{"cmpxchg-dirty", "yes . . . . no . . yes . . ."},
	{"retry-scope", "all . hva . . . . . gfn+pre . . ."},
	{"young-flush", "yes . . . . . . . . no . ."},
	{"aging-lock", "mmu-lock . . . . . . . . . rmap ."},
	{"change-pte", "yes . . . . . . . no . . ."},
	{"child-gfn-check", "no . . . . . . . . . . yes"},
	{"child-role-check", "no . . . . . . . . . . yes"},
	{"accumulated-access", "no . yes . . . . . . . . ."},
	{"role-smap-pke", "yes . . . . . . . . . . ."},
	{"invpcid-nonpaging", "yes no . . yes . . . . . . ."},
	{"reclaim-first", "no . . . . . . . . . . yes"},
	{"reclaim-write-lock", "no . . . . yes . . . . . ."},
	{"zap-spares-roots", "no . . . . . . . . . . yes"},
	{"ad-flush", "both . . . . . . . . none . ."},
	{"wrprot-flush", "writable . . . . . . . . mmu-writable . ."},
	{"mmio-sync", "renew . . . . . . . . . . ."},
	{"invlpg", "zap . . . . . . sync . . . ."},
	{"inject-sync", "no yes . . . . . . . . . ."},
	{"sync-intact", "remake . . . . . . keep . . . ."},
	{"shrinker", "yes . . . . . . . . no . ."},
};

START_TEST(test_matrix)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(matrix); i++) {
		g_auto(GStrv) words = g_strsplit(matrix[i].values, " ", -1);
		const char *expected = NULL;

		ck_assert_uint_eq(g_strv_length(words), N_RELEASES);
		for (unsigned r = 0; r < N_RELEASES; r++) {
			M2dKnobs knobs = profile(releases[r]);

			if (strcmp(words[r], ".") != 0)
				expected = words[r];
			ck_assert_msg(strcmp(value(&knobs, matrix[i].knob), expected) == 0,
				      "%s in %s: %s, expected %s", matrix[i].knob, releases[r],
				      value(&knobs, matrix[i].knob), expected);
		}
	}
}
END_TEST

/* No knob without a row above, no profile without a column. */
START_TEST(test_matrix_is_whole)
{
	for (unsigned i = 0; i < M2D_N_KNOBS; i++) {
		bool found = false;

		for (unsigned j = 0; j < G_N_ELEMENTS(matrix); j++)
			found |= strcmp(matrix[j].knob, m2d_knob((M2dKnobId)i)->name) == 0;
		ck_assert_msg(found, "%s", m2d_knob((M2dKnobId)i)->name);
	}
	ck_assert_uint_eq(G_N_ELEMENTS(matrix), M2D_N_KNOBS);
	for (unsigned r = 0; r < N_RELEASES; r++)
		ck_assert_str_eq(m2d_profile_name(r), releases[r]);
	ck_assert_ptr_null(m2d_profile_name(N_RELEASES));
}
END_TEST

/* Releases that no column names: the last without a change, the first with it. */
START_TEST(test_between)
{
	static const struct {
		const char *knob;
		const char *last;
		const char *before;
		const char *first;
		const char *after;
	} changes[] = {
		{"spte-layout", "5.5", "5.4", "5.6", "5.10"},
		{"spte-layout", "5.12", "5.10", "5.13", "5.14"},
		{"spte-layout", "6.9", "5.14", "6.10", "6.12"},
		{"spte-layout", "6.12", "6.12", "6.13", "6.13"},
		{"pv-flush", "5.12", "hw", "5.13", "unload"},
		{"pv-flush", "5.15", "unload", "5.16", "sync"},
		{"retry-scope", "5.11", "all", "5.12", "hva"},
		{"retry-scope", "6.7", "hva", "6.8", "gfn+pre"},
		{"slot-delete", "6.11", "zap-all-fast", "6.12", "quirk"},
		{"aging-lock", "6.14", "mmu-lock", "6.15", "rmap"},
		{"preempted-boundary", "5.18", "no", "5.19", "yes"},
		{"reclaim-write-lock", "6.0", "no", "6.1", "yes"},
		{"mmio-drops-present", "6.19", "no", "7.0", "yes"},
		{"child-gfn-check", "7.0", "no", "7.1", "yes"},
		{"child-role-check", "7.1", "no", "7.2", "yes"},
		{"tlb-ctl-kept", "7.2", "no", "7.3", "yes"},
		{"mmio-cache-per-space", "7.2", "no", "7.3", "yes"},
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(changes); i++) {
		M2dKnobs last = profile(changes[i].last);
		M2dKnobs first = profile(changes[i].first);

		ck_assert_str_eq(value(&last, changes[i].knob), changes[i].before);
		ck_assert_str_eq(value(&first, changes[i].knob), changes[i].after);
	}
}
END_TEST

/* --- the table ------------------------------------------------------------------------------ */

static bool is_commit(const char *text)
{
	return strlen(text) == 12 && strspn(text, "0123456789abcdef") == 12;
}

static void check_steps(const M2dKnob *k)
{
	/* What this program found is in all releases so far. */
	ck_assert_uint_ge(k->n_steps, k->source[0] == 'N' ? 1 : 2);
	ck_assert_uint_eq(k->steps[0].major, 0);
	ck_assert_str_eq(k->steps[0].commits, "");
	for (unsigned s = 1; s < k->n_steps; s++) {
		const M2dKnobStep *a = &k->steps[s - 1];
		const M2dKnobStep *b = &k->steps[s];
		g_auto(GStrv) commits = g_strsplit(b->commits, " ", -1);

		ck_assert_msg(b->major * 100 + b->minor >= a->major * 100 + a->minor, "%s",
			      k->name);
		ck_assert_msg(a->value != b->value, "%s: a step to the same", k->name);
		ck_assert_uint_ge(g_strv_length(commits), 1);
		for (char **c = commits; *c != NULL; c++)
			ck_assert_msg(is_commit(*c), "%s: '%s'", k->name, *c);
	}
}

START_TEST(test_table)
{
	for (unsigned i = 0; i < M2D_N_KNOBS; i++) {
		const M2dKnob *k = m2d_knob((M2dKnobId)i);

		ck_assert_int_eq(m2d_knob_find(k->name, NULL), (int)i);
		ck_assert_uint_eq(strspn(k->name, "abcdefghijklmnopqrstuvwxyz-"), strlen(k->name));
		ck_assert_uint_ge(strlen(k->what), 10);
		ck_assert_uint_ge(strlen(k->where), 3);
		/* Catalogued changes and bugs, what this program found (N), or none of these. */
		ck_assert(k->source[0] == '\0' || strchr("KBN", k->source[0]) != NULL);
		ck_assert_uint_ge(k->n_values, 2);
		for (unsigned v = 0; v < k->n_values; v++) {
			for (unsigned w = 0; w < v; w++)
				ck_assert_str_ne(k->values[v].name, k->values[w].name);
			/* So that code may ask `if (knobs->name)`. */
			if (strcmp(k->values[v].name, "no") == 0)
				ck_assert_uint_eq(v, 0);
			if (strcmp(k->values[v].name, "yes") == 0)
				ck_assert_uint_eq(v, 1);
		}
		check_steps(k);
	}
	/* Fields, ids and values are of one order. */
	M2dKnobs knobs = profile("5.17");
	ck_assert_uint_eq(knobs.pv_flush, M2D_PV_FLUSH_SYNC);
	ck_assert_uint_eq(m2d_knobs_get(&knobs, M2D_KNOB_PV_FLUSH), M2D_PV_FLUSH_SYNC);
	ck_assert_uint_eq(knobs.shrinker, 1);
	ck_assert_uint_eq(knobs.zap_spares_roots, 0);
}
END_TEST

/* --- kernels -------------------------------------------------------------------------------- */

/* Backporting every commit of the later of two kernels turns the earlier into it, and reverting
 * them in the opposite order turns it back. */
START_TEST(test_backport_all)
{
	M2dKnobs from = profile("5.4");
	M2dKnobs to = profile("7.3");
	GString *forward = g_string_new("5.4");
	GString *back = g_string_new("7.3");
	M2dKnobs knobs;

	for (unsigned i = 0; i < M2D_N_KNOBS; i++) {
		const M2dKnob *k = m2d_knob((M2dKnobId)i);

		for (unsigned s = 1; s < k->n_steps; s++) {
			if (k->steps[s].major * 100 + k->steps[s].minor > 504)
				g_string_append_printf(forward, "+%.12s", k->steps[s].commits);
		}
		for (unsigned s = k->n_steps; s-- > 1;) {
			if (k->steps[s].major * 100 + k->steps[s].minor > 504)
				g_string_append_printf(back, "-%.12s", k->steps[s].commits);
		}
	}
	knobs = profile(forward->str);
	ck_assert(m2d_knobs_equal(&knobs, &to));
	ck_assert(!m2d_knobs_equal(&knobs, &from));
	knobs = profile(back->str);
	ck_assert(m2d_knobs_equal(&knobs, &from));
	g_string_free(forward, TRUE);
	g_string_free(back, TRUE);
}
END_TEST

START_TEST(test_backport_one)
{
	M2dKnobs base = profile("5.10");
	M2dKnobs knobs = profile("5.10+b53e84eed08b");

	ck_assert_uint_eq(knobs.pv_flush, M2D_PV_FLUSH_UNLOAD);
	m2d_knobs_put(&knobs, M2D_KNOB_PV_FLUSH, M2D_PV_FLUSH_HW);
	ck_assert(m2d_knobs_equal(&knobs, &base));
	/* Short, long, capital. */
	knobs = profile("5.10+b53e84e");
	ck_assert_uint_eq(knobs.pv_flush, M2D_PV_FLUSH_UNLOAD);
	knobs = profile("5.10+B53E84EED08B0123456789abcdef0123456789ab");
	ck_assert_uint_eq(knobs.pv_flush, M2D_PV_FLUSH_UNLOAD);
	/* The later change without the earlier. */
	knobs = profile("5.10+61b05a9fd4ae");
	ck_assert_uint_eq(knobs.pv_flush, M2D_PV_FLUSH_SYNC);
	/* Any of the commits of one change. */
	knobs = profile("6.12+85649117511d");
	ck_assert_uint_eq(knobs.spte_layout, M2D_SPTE_LAYOUT_6_13);
	/* Half of two changes of one release. */
	knobs = profile("6.14-856cf4a60cff");
	ck_assert_uint_eq(knobs.ad_flush, M2D_AD_FLUSH_DIRTY);
	knobs = profile("6.12-aa8d1f48d353-910c57d+910c57d");
	ck_assert_uint_eq(knobs.slot_delete, M2D_SLOT_DELETE_ZAP_ALL_FAST);
	ck_assert_uint_eq(knobs.cmpxchg_dirty, 1);
}
END_TEST

START_TEST(test_bad_kernel)
{
	static const struct {
		const char *version;
		const char *word;
	} bad[] = {
		{"", "MAJOR.MINOR"},
		{"6", "MAJOR.MINOR"},
		{"6.", "MAJOR.MINOR"},
		{".6", "MAJOR.MINOR"},
		{"v6.12", "MAJOR.MINOR"},
		{" 6.12", "MAJOR.MINOR"},
		{"-6.12", "MAJOR.MINOR"},
		{"6.0012", "MAJOR.MINOR"},
		{"4294967302.12", "MAJOR.MINOR"},
		{"5.3", "from 5.4 to 7.3"},
		{"5.20", "from 5.4 to 7.3"},
		{"6.20", "from 5.4 to 7.3"},
		{"7.4", "from 5.4 to 7.3"},
		{"0.0", "from 5.4 to 7.3"},
		{"5.10.44", "5.10+b53e84eed08b"},
		{"6.12 ", "+COMMIT or -COMMIT"},
		{"6.12rc1", "+COMMIT or -COMMIT"},
		{"6.12-rc1", "7 to 40 hexadecimal digits"},
		{"6.12+", "7 to 40 hexadecimal digits"},
		{"6.12++aa8d1f48d353", "7 to 40 hexadecimal digits"},
		{"6.12-aa8d1f", "7 to 40 hexadecimal digits"},
		{"6.12-aa8d1f48d353 ", "7 to 40 hexadecimal digits"},
		{"6.12-aa8d1f48d35300000000000000000000000000000", "7 to 40 hexadecimal digits"},
		{"6.12+123456789abc", "no knob changes with this commit"},
		{"6.12+aa8d1f48d354", "no knob changes with this commit"},
		{"6.12+aa8d1f48d353", "has it already (slot-delete = quirk)"},
		{"6.11-aa8d1f48d353", "does not have it (slot-delete = zap-all-fast)"},
		{"6.12-b53e84eed08b", "-61b05a9fd4ae before it"},
		{"6.12-aa8d1f48d353-aa8d1f48d353", "does not have it"},
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		GError *error = NULL;
		M2dKnobs knobs;

		memset(&knobs, 0x5a, sizeof(knobs));
		ck_assert_msg(!m2d_knobs_profile(&knobs, bad[i].version, &error), "%s",
			      bad[i].version);
		ck_assert_int_eq(m2d_error_exit_status(error), 2);
		ck_assert_msg(strstr(error->message, bad[i].word) != NULL, "%s: %s", bad[i].version,
			      error->message);
		ck_assert_ptr_null(strchr(error->message, '\n'));
		/* Nothing was changed. */
		for (unsigned k = 0; k < M2D_N_KNOBS; k++)
			ck_assert_uint_eq(m2d_knobs_get(&knobs, (M2dKnobId)k), 0x5a);
		g_clear_error(&error);
	}
}
END_TEST

/* --- single knobs --------------------------------------------------------------------------- */

START_TEST(test_set)
{
	M2dKnobs knobs = profile(M2D_KNOBS_DEFAULT);
	M2dKnobs before = knobs;
	GError *error = NULL;
	char *text;

	for (unsigned i = 0; i < M2D_N_KNOBS; i++) {
		const M2dKnob *k = m2d_knob((M2dKnobId)i);

		for (unsigned v = 0; v < k->n_values; v++) {
			ck_assert(m2d_knobs_set(&knobs, k->name, k->values[v].name, NULL));
			ck_assert_uint_eq(m2d_knobs_get(&knobs, (M2dKnobId)i), v);
		}
		knobs = before;
	}
	ck_assert(m2d_knobs_set(&knobs, "pv_flush", "hw", NULL));
	ck_assert_uint_eq(knobs.pv_flush, M2D_PV_FLUSH_HW);
	text = m2d_knobs_describe(&knobs, M2D_KNOBS_DEFAULT);
	ck_assert_str_eq(text, "6.12 pv-flush=hw");
	g_free(text);
	text = m2d_knobs_describe(&before, M2D_KNOBS_DEFAULT);
	ck_assert_str_eq(text, "6.12");
	g_free(text);

	before = knobs;
	ck_assert(!m2d_knobs_set(&knobs, "pv-fulsh", "hw", &error));
	ck_assert_str_eq(error->message, "no knob 'pv-fulsh'; did you mean 'pv-flush'?");
	g_clear_error(&error);
	ck_assert(!m2d_knobs_set(&knobs, "pv-flush", "HW", &error));
	ck_assert_str_eq(error->message, "pv-flush: expected hw, unload or sync, got 'HW'");
	ck_assert_int_eq(m2d_error_exit_status(error), 2);
	g_clear_error(&error);
	ck_assert(!m2d_knobs_set(&knobs, "change-pte", "", &error));
	ck_assert_str_eq(error->message, "change-pte: expected no or yes, got ''");
	g_clear_error(&error);
	ck_assert(!m2d_knobs_set(&knobs, "", "hw", NULL));
	ck_assert(!m2d_knobs_set(&knobs, "quux", "hw", NULL));
	ck_assert(m2d_knobs_equal(&knobs, &before));
}
END_TEST

static void collect(const M2dKnob *knob, const M2dKnobValue *v, void *data)
{
	g_string_append_printf(data, "%s=%s ", knob->name, v->name);
}

START_TEST(test_foreach)
{
	M2dKnobs knobs = profile("5.18");
	GString *all = g_string_new(NULL);
	GString *expected = g_string_new(NULL);

	m2d_knobs_foreach(&knobs, collect, all);
	for (unsigned i = 0; i < M2D_N_KNOBS; i++)
		g_string_append_printf(expected, "%s=%s ", m2d_knob((M2dKnobId)i)->name,
				       m2d_knobs_value_name(&knobs, (M2dKnobId)i));
	ck_assert_str_eq(all->str, expected->str);
	g_string_free(all, TRUE);
	g_string_free(expected, TRUE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("knobs");
	TCase *tc = tcase_create("knobs");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_matrix);
	tcase_add_test(tc, test_matrix_is_whole);
	tcase_add_test(tc, test_between);
	tcase_add_test(tc, test_table);
	tcase_add_test(tc, test_backport_all);
	tcase_add_test(tc, test_backport_one);
	tcase_add_test(tc, test_bad_kernel);
	tcase_add_test(tc, test_set);
	tcase_add_test(tc, test_foreach);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
