/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mutated machine files: each loads as a machine that keeps all rules, or gives one line that
 * names the file. Bytes are flipped, cut, doubled and swapped between files.
 */
#include "sim/base/error.h"
#include "sim/base/rng.h"
#include "sim/engine/machine.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CASES 3000

static void count_pair(const char *key, const char *value, void *data)
{
	ck_assert_ptr_nonnull(strchr(key, '.'));
	ck_assert_ptr_nonnull(value);
	++*(unsigned *)data;
}

static void judge(const char *path, unsigned *good, unsigned *bad)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load(path, &error);
	unsigned n = 0;

	if (m != NULL) {
		ck_assert_ptr_null(error);
		ck_assert(m2d_machine_check(m, NULL));
		m2d_machine_foreach(m, count_pair, &n);
		ck_assert_uint_gt(n, 50);
		m2d_machine_free(m);
		++*good;
		return;
	}
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(m2d_error_exit_status(error), 2);
	ck_assert_msg(g_str_has_prefix(error->message, path), "%s", error->message);
	ck_assert_ptr_null(strchr(error->message, '\n'));
	g_error_free(error);
	++*bad;
}

static void mutate(GString *text, const GString *other, M2dRng *rng)
{
	gsize at = (gsize)m2d_rng_below(rng, text->len);
	gsize len = 1 + (gsize)m2d_rng_below(rng, 40);
	static const char interesting[] = "=/[]#.-_ \n\t0913456789999\xff\xc3";

	len = MIN(len, text->len - at);
	switch (m2d_rng_below(rng, 7)) {
	case 0:
		text->str[at] ^= (char)(1 << m2d_rng_below(rng, 8));
		break;
	case 1:
		g_string_truncate(text, at + 1);
		break;
	case 2:
		g_string_erase(text, (gssize)at, (gssize)len);
		break;
	case 3: {
		g_autofree char *copy = g_strndup(text->str + at, len);

		g_string_insert(text, (gssize)m2d_rng_below(rng, text->len), copy);
		break;
	}
	case 4: {
		gsize from = (gsize)m2d_rng_below(rng, other->len);

		g_string_insert_len(text, (gssize)at, other->str + from,
				    (gssize)MIN(len, other->len - from));
		break;
	}
	default:
		text->str[at] = interesting[m2d_rng_below(rng, sizeof(interesting))];
		break;
	}
	if (text->len == 0)
		g_string_append_c(text, '\n');
}

static GString *contents(const char *name)
{
	g_autofree char *file = g_strconcat(name, ".ini", NULL);
	g_autofree char *path = g_build_filename(M2D_SOURCE_DIR, "machines", file, NULL);
	g_autofree char *text = NULL;
	gsize len;

	ck_assert(g_file_get_contents(path, &text, &len, NULL));
	return g_string_new_len(text, (gssize)len);
}

START_TEST(test_mutations)
{
	g_autofree char *dir = g_dir_make_tmp("mmu2d-machine-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "m.ini", NULL);
	GString *files[] = {contents("zen4"), contents("skylake-sp"),
			    g_string_new("[machine]\nbase = zen2\n[tlb]\nl2 = 64/4\n")};
	M2dRng rng;
	unsigned good = 0;
	unsigned bad = 0;

	m2d_rng_seed(&rng, 20);
	for (unsigned i = 0; i < CASES; i++) {
		GString *text = g_string_new_len(files[i % 3]->str, (gssize)files[i % 3]->len);
		unsigned n = 1 + (unsigned)m2d_rng_below(&rng, 3);

		for (unsigned j = 0; j < n; j++)
			mutate(text, files[(i + 1) % 3], &rng);
		/* Without the file gone first, GLib leaves a longer one's tail. */
		g_unlink(path);
		ck_assert(g_file_set_contents_full(path, text->str, (gssize)text->len,
						   G_FILE_SET_CONTENTS_NONE, 0600, NULL));
		judge(path, &good, &bad);
		g_string_free(text, TRUE);
	}
	/* Mutations in remarks are harmless, most others are not; both must have been tried. */
	ck_assert_uint_gt(good, CASES / 20);
	ck_assert_uint_gt(bad, CASES / 20);
	for (unsigned i = 0; i < 3; i++)
		g_string_free(files[i], TRUE);
	g_unlink(path);
	g_rmdir(dir);
}
END_TEST

/* --set takes text from a command line: anything at all. */
START_TEST(test_assignments)
{
	M2dMachine *m = m2d_machine_load("zen2", NULL);
	M2dRng rng;
	static const char letters[] = "tlb.psc=12/full noneKM4-_\t\xff\x01";

	ck_assert_ptr_nonnull(m);
	m2d_rng_seed(&rng, 21);
	for (unsigned i = 0; i < 50000; i++) {
		char text[40];
		unsigned n = (unsigned)m2d_rng_below(&rng, sizeof(text) - 8);
		GError *error = NULL;
		bool known = m2d_rng_below(&rng, 2) != 0;

		strcpy(text, known ? "tlb.l2=" : "");
		for (unsigned j = 0, at = (unsigned)strlen(text); j < n; j++) {
			text[at + j] = letters[m2d_rng_below(&rng, sizeof(letters) - 1)];
			text[at + j + 1] = '\0';
		}
		if (!m2d_machine_set(m, text, &error)) {
			ck_assert_ptr_nonnull(error);
			g_error_free(error);
		} else {
			ck_assert_ptr_null(error);
		}
	}
	m2d_machine_free(m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("machine-fuzz");
	TCase *tc = tcase_create("fuzz");
	SRunner *runner;
	int failed;

	g_unsetenv("MMU2D_MACHINES");
	tcase_set_timeout(tc, 50);
	tcase_add_test(tc, test_mutations);
	tcase_add_test(tc, test_assignments);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
