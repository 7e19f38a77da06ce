/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machine files: what ships loads and says what it should, keys parse and print, rules hold. */
#include "sim/base/error.h"
#include "sim/base/near.h"
#include "sim/engine/machine-keys.h"
#include "sim/engine/machine.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static M2dMachine *load(const char *name)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load(name, &error);

	ck_assert_msg(m != NULL, "%s", error != NULL ? error->message : "no error");
	ck_assert_ptr_null(error);
	return m;
}

static const char *const shipped[] = {
	"generic",    "haswell", "icelake-sp", "litmus", "sapphire-rapids",
	"skylake-sp", "zen1",    "zen2",       "zen3",   "zen4"};

/* Every figure of a shipped machine names a source; texts and 'none's may go without. */
START_TEST(test_shipped)
{
	M2dMachine *m = load(shipped[_i]);
	unsigned missing = 0;

	ck_assert_str_eq(m->name, shipped[_i]);
	ck_assert(m2d_machine_check(m, NULL));
	for (unsigned i = 0; i < m2d_machine_n_keys; i++) {
		const M2dKey *k = &m2d_machine_keys[i];
		g_autofree char *key = g_strconcat(k->section, ".", k->key, NULL);
		g_autofree char *value = m2d_machine_key_format(m, i);

		if (k->type == M2D_KEY_TEXT || k->type == M2D_KEY_VENDOR ||
		    strcmp(value, "none") == 0)
			continue;
		if ((k->owner == M2D_KEY_OF_INTEL && m->vendor != M2D_VENDOR_INTEL) ||
		    (k->owner == M2D_KEY_OF_AMD && m->vendor != M2D_VENDOR_AMD))
			continue;
		if (m2d_machine_source(m, key) == NULL || m2d_machine_source(m, key)[0] == '\0') {
			fprintf(stderr, "%s: %s has no source\n", m->name, key);
			missing++;
		}
	}
	ck_assert_uint_eq(missing, 0);
	m2d_machine_free(m);
}
END_TEST

START_TEST(test_list)
{
	char **names = m2d_machine_list();

	ck_assert_uint_eq(g_strv_length(names), G_N_ELEMENTS(shipped));
	for (unsigned i = 0; i < G_N_ELEMENTS(shipped); i++)
		ck_assert_str_eq(names[i], shipped[i]);
	g_strfreev(names);
}
END_TEST

/* Figures that anyone can look up, so that a slip in a file shows. */
START_TEST(test_figures)
{
	M2dMachine *m = load("zen4");

	ck_assert_int_eq(m->vendor, M2D_VENDOR_AMD);
	ck_assert_uint_eq(m->tlb.l1d_unified.entries, 72);
	ck_assert_uint_eq(m->tlb.l1d_unified.ways, 72);
	ck_assert_uint_eq(m->tlb.l2.entries, 3072);
	ck_assert_uint_eq(m->tlb.l2.ways, 24);
	ck_assert(m->tlb.l2_holds_pde);
	ck_assert_int_eq(m->tlb.l2_1g_mode, M2D_L2_1G_SMASH);
	ck_assert(!m->tlb.spurious_fault);
	ck_assert_uint_eq(m->walk.walkers, 6);
	ck_assert_uint_eq(m->psc.shared.entries, 64);
	ck_assert_uint_eq(m->psc.shared_levels,
			  1u << M2D_PSC_PDPTE | 1u << M2D_PSC_PML4 | 1u << M2D_PSC_PML5);
	m2d_machine_free(m);

	m = load("skylake-sp");
	ck_assert_int_eq(m->vendor, M2D_VENDOR_INTEL);
	ck_assert_uint_eq(m->tlb.l1d[M2D_SIZE_4K].entries, 64);
	ck_assert_uint_eq(m->tlb.l1d[M2D_SIZE_2M].entries, 32);
	ck_assert_uint_eq(m->tlb.l1d[M2D_SIZE_1G].entries, 4);
	ck_assert_uint_eq(m->tlb.l2.entries, 1536);
	ck_assert_uint_eq(m->tlb.l2.ways, 12);
	ck_assert_uint_eq(m->tlb.l2_1g.entries, 16);
	ck_assert_uint_eq(m->mem.level[1].bytes, 1u << 20);
	ck_assert_uint_eq(m->mem.level[2].ways, 11);
	ck_assert(m->tlb.spurious_fault);
	ck_assert(!m->tlb.l2_holds_pde);
	m2d_machine_free(m);
}
END_TEST

static void feed_back(const char *key, const char *value, void *data)
{
	g_autofree char *assignment = g_strconcat(key, "=", value, NULL);
	GError *error = NULL;

	ck_assert_msg(m2d_machine_set(data, assignment, &error), "%s: %s", assignment,
		      error != NULL ? error->message : "");
}

static void collect(const char *key, const char *value, void *data)
{
	g_string_append_printf(data, "%s=%s\n", key, value);
}

/* What foreach() prints, set() reads: copying a machine key by key gives the same machine. */
START_TEST(test_round_trip)
{
	M2dMachine *from = load(shipped[_i]);
	M2dMachine *to = load(strcmp(shipped[_i], "zen1") == 0 ? "haswell" : "zen1");
	GString *a = g_string_new(NULL);
	GString *b = g_string_new(NULL);

	m2d_machine_foreach(from, feed_back, to);
	m2d_machine_foreach(from, collect, a);
	m2d_machine_foreach(to, collect, b);
	ck_assert_str_eq(a->str, b->str);
	ck_assert(m2d_machine_check(to, NULL));
	g_string_free(a, TRUE);
	g_string_free(b, TRUE);
	m2d_machine_free(from);
	m2d_machine_free(to);
}
END_TEST

/* Each row of the key table moves exactly its own field. */
START_TEST(test_keys_are_apart)
{
	M2dMachine *base = load("generic");

	for (unsigned i = 0; i < m2d_machine_n_keys; i++) {
		static const char *const tries[] = {
			"another text", "amd", "intel", "1.25", "33",   "yes",  "no",
			"16/2",         "own", "smash", "none", "pml4", "64K/2"};
		g_autofree char *before = m2d_machine_key_format(base, i);
		bool changed = false;

		for (unsigned t = 0; t < G_N_ELEMENTS(tries) && !changed; t++) {
			M2dMachine *m = load("generic");

			if (strcmp(tries[t], before) != 0 &&
			    m2d_machine_key_parse(m, i, tries[t], NULL)) {
				changed = true;
				for (unsigned j = 0; j < m2d_machine_n_keys; j++) {
					g_autofree char *x = m2d_machine_key_format(base, j);
					g_autofree char *y = m2d_machine_key_format(m, j);

					if (j == i)
						ck_assert_str_eq(y, tries[t]);
					else
						ck_assert_str_eq(y, x);
				}
			}
			m2d_machine_free(m);
		}
		ck_assert_msg(changed, "%s.%s takes no value", m2d_machine_keys[i].section,
			      m2d_machine_keys[i].key);
	}
	m2d_machine_free(base);
}
END_TEST

/* Every number key takes its bounds and refuses the next integer beyond. */
START_TEST(test_bounds)
{
	M2dMachine *m = load("generic");

	for (unsigned i = 0; i < m2d_machine_n_keys; i++) {
		const M2dKey *k = &m2d_machine_keys[i];
		double tries[] = {k->min, k->max, k->max + 1, k->min - 1};

		if (k->type != M2D_KEY_UINT)
			continue;
		for (unsigned t = 0; t < 4; t++) {
			g_autofree char *text = g_strdup_printf("%.0f", tries[t]);
			GError *error = NULL;
			bool ok = m2d_machine_key_parse(m, i, text, &error);

			ck_assert_msg(ok == (t < 2), "%s.%s = %s", k->section, k->key, text);
			ck_assert_int_eq(ok, error == NULL);
			if (error != NULL)
				ck_assert_int_eq(m2d_error_exit_status(error), 2);
			g_clear_error(&error);
		}
	}
	m2d_machine_free(m);
}
END_TEST

START_TEST(test_geometry_syntax)
{
	static const char *const bad[] = {"",
					  "/",
					  "64",
					  "64/",
					  "/4",
					  "64/0",
					  "0/4",
					  "0/full",
					  "-64/4",
					  "64/4x",
					  "6 4/4",
					  "64/ 4",
					  "64//4",
					  "1e3/4",
					  "4/64",
					  "96/4",
					  "65537/full",
					  "131072/4",
					  "18446744073709551680/4",
					  "full",
					  "64/Full",
					  "8192/full"};
	M2dMachine *m = load("generic");

	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *text = g_strconcat("tlb.l2=", bad[i], NULL);

		ck_assert_msg(!m2d_machine_set(m, text, NULL), "%s", text);
	}
	ck_assert_uint_eq(m->tlb.l2.entries, 1536);
	ck_assert(m2d_machine_set(m, "tlb.l2 = 96/3", NULL));
	ck_assert_uint_eq(m->tlb.l2.ways, 3);
	ck_assert(m2d_machine_set(m, "tlb.l2=4096/full", NULL));
	ck_assert_uint_eq(m->tlb.l2.ways, 4096);
	ck_assert(m2d_machine_set(m, "tlb.l2=none", NULL));
	ck_assert_uint_eq(m->tlb.l2.entries, 0);
	m2d_machine_free(m);
}
END_TEST

static bool accepted(const char *name, const char *first, const char *second)
{
	M2dMachine *m = load(name);
	bool ok;

	ck_assert(m2d_machine_set(m, first, NULL));
	ck_assert(second == NULL || m2d_machine_set(m, second, NULL));
	ok = m2d_machine_check(m, NULL);
	m2d_machine_free(m);
	return ok;
}

START_TEST(test_cross_rules)
{
	ck_assert(!accepted("skylake-sp", "tlb.l2.1g=none", NULL));
	ck_assert(accepted("skylake-sp", "tlb.l2.1g=none", "tlb.l2.1g-mode=none"));
	ck_assert(!accepted("zen2", "tlb.l2=none", NULL));
	ck_assert(!accepted("zen2", "tlb.l2=none", "tlb.l2.holds-pde=no"));
	ck_assert(!accepted("zen2", "psc.shared=none", NULL));
	ck_assert(!accepted("zen2", "psc.shared-levels=none", NULL));
	ck_assert(accepted("zen2", "psc.shared=none", "psc.shared-levels=none"));
	ck_assert(!accepted("haswell", "npsc.shared=8/full", NULL));
	ck_assert(!accepted("haswell", "mem.line=96", NULL));
	ck_assert(!accepted("haswell", "mem.l2=300K/8", NULL));
	ck_assert(!accepted("haswell", "mem.l1=1/1", NULL));
	ck_assert(!accepted("haswell", "mem.l1-latency=13", NULL));
	ck_assert(!accepted("haswell", "mem.dram-latency=59", NULL));
	ck_assert(accepted("haswell", "mem.l2=none", NULL));
}
END_TEST

START_TEST(test_near)
{
	ck_assert_str_eq(m2d_near_better("machnies", NULL, "machines"), "machines");
	ck_assert_str_eq(m2d_near_better("l3", NULL, "l2"), "l2");
	ck_assert_ptr_null(m2d_near_better("xyzzy", NULL, "machines"));
	/* The nearer wins, the first of equals stays. */
	ck_assert_str_eq(m2d_near_better("zen9", "zen4", "zen3"), "zen4");
	ck_assert_str_eq(m2d_near_better("zen3", "zen4", "zen3"), "zen3");
	ck_assert_ptr_null(m2d_near_better("", NULL, "machines"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("machine");
	TCase *tc = tcase_create("machine");
	SRunner *runner;
	int failed;

	/* Only what this tree ships. */
	g_unsetenv("MMU2D_MACHINES");
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, test_shipped, 0, (int)G_N_ELEMENTS(shipped));
	tcase_add_test(tc, test_list);
	tcase_add_test(tc, test_figures);
	tcase_add_loop_test(tc, test_round_trip, 0, (int)G_N_ELEMENTS(shipped));
	tcase_add_test(tc, test_keys_are_apart);
	tcase_add_test(tc, test_bounds);
	tcase_add_test(tc, test_geometry_syntax);
	tcase_add_test(tc, test_cross_rules);
	tcase_add_test(tc, test_near);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
