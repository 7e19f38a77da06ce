/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Damaged scenarios: the parser takes one or refuses it with a place, and never crashes. What it
 * takes has a canonical form that is its own, and lint and ladder can look at it.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/base/rng.h"
#include "sim/report/ladder.h"
#include "sim/scenario/format.h"
#include "sim/scenario/lint.h"
#include "tests/scenario/util.h"

#define ROUNDS 8000

static M2dScenario *parse(const char *text, gsize len, const M2dScenarioTables *tables)
{
	g_autoptr(GError) error = NULL;
	/* A copy without a byte behind its end, for the sanitizer. */
	g_autofree char *exact = g_memdup2(text, len);
	M2dScenario *s = m2d_scenario_parse("f", exact != NULL ? exact : "", len, tables, &error);

	if (s != NULL)
		return s;
	ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
	ck_assert_msg(g_regex_match_simple("^f:[0-9]+:[0-9]+: [^\n]+$", error->message, 0, 0), "%s",
		      error->message);
	ck_assert(g_utf8_validate(error->message, -1, NULL));
	return NULL;
}

static void look_at(const M2dScenario *s)
{
	g_autofree char *once = m2d_scenario_format(s);
	g_autoptr(M2dScenario) again = parse(once, strlen(once), NULL);
	g_autofree char *twice = again != NULL ? m2d_scenario_format(again) : NULL;
	g_autoptr(GPtrArray) findings = m2d_scenario_lint(s, &m2d_scenario_models);
	g_autoptr(M2dLadder) ladder = m2d_ladder_steps(s, (int)s->n_variants - 1);
	g_autofree char *rungs = m2d_ladder_text(ladder, M2D_LADDER_MIN_WIDTH);

	ck_assert_ptr_nonnull(again);
	ck_assert_str_eq(once, twice);
	ck_assert_uint_eq(again->n_steps, s->n_steps);
	ck_assert_uint_eq(again->n_claims, s->n_claims);
	for (unsigned i = 0; i < s->n_steps; i++)
		ck_assert_mem_eq(&again->steps[i].op, &s->steps[i].op, sizeof(M2dOp));
	ck_assert(findings != NULL && rungs[0] == ' ');
}

/* One small damage. */
static void damage(GString *text, M2dRng *rng)
{
	static const char alphabet[] = "\n\n  =:#@[]()->,.0x19azvcpu\t\r\xc3\xff";
	static const char *const words[] = {"until ",        "-> ",
					    "vcpu0: ",       "[steps]\n",
					    "gva=0x400000 ", "0xffffffffffffffff",
					    "[variant x]\n", "..",
					    "\xef\xbb\xbf",  "@r1 ",
					    "expect = ",     "in 1, 2",
					    "continue "};
	gsize at = m2d_rng_below(rng, text->len + 1);
	gsize n = 1 + m2d_rng_below(rng, 12);

	switch (m2d_rng_below(rng, 6)) {
	case 0:
		g_string_erase(text, (gssize)at, (gssize)MIN(n, text->len - at));
		break;
	case 1:
		g_string_insert_c(text, (gssize)at, alphabet[m2d_rng_below(rng, sizeof(alphabet))]);
		break;
	case 2:
		g_string_insert(text, (gssize)at, words[m2d_rng_below(rng, G_N_ELEMENTS(words))]);
		break;
	case 3: {
		/* A piece of itself, somewhere else. */
		gsize from = m2d_rng_below(rng, text->len + 1);
		gsize len = m2d_rng_below(rng, 60);
		g_autofree char *piece = g_strndup(text->str + from, text->len - from);

		len = MIN(len, strlen(piece));

		g_string_insert_len(text, (gssize)at, piece, (gssize)len);
		break;
	}
	case 4:
		if (at < text->len)
			text->str[at] = alphabet[m2d_rng_below(rng, sizeof(alphabet) - 1)];
		break;
	default:
		if (m2d_rng_below(rng, 8) == 0)
			g_string_truncate(text, at);
		break;
	}
}

START_TEST(test_damage)
{
	static const char *const seeds[] = {"y_full.scn", "y_spaces.in", "y_minimal.scn"};
	unsigned taken = 0;
	M2dRng rng;
	gsize len;
	g_autofree char *seed = case_read(seeds[_i], &len);

	m2d_rng_seed(&rng, (uint64_t)_i);
	for (unsigned round = 0; round < ROUNDS; round++) {
		g_autoptr(GString) text = g_string_new_len(seed, (gssize)len);
		g_autoptr(M2dScenario) s = NULL;

		for (uint64_t n = 1 + m2d_rng_below(&rng, 4); n > 0; n--)
			damage(text, &rng);
		s = parse(text->str, text->len, round % 2 ? &m2d_scenario_models : NULL);
		if (s != NULL) {
			taken++;
			look_at(s);
		}
	}
	/* Both sides were visited. */
	ck_assert_uint_gt(taken, ROUNDS / 50);
	ck_assert_uint_lt(taken, ROUNDS - ROUNDS / 50);
}
END_TEST

/* Each line cut off at each byte. */
START_TEST(test_cut)
{
	gsize len;
	g_autofree char *text = case_read("y_full.scn", &len);

	for (gsize n = 0; n <= len; n++) {
		g_autoptr(M2dScenario) s = parse(text, n, &m2d_scenario_models);

		if (s != NULL)
			look_at(s);
	}
}
END_TEST

/* Large and odd files end soon. */
START_TEST(test_large)
{
	static const char *const lines[] = {
		"[variant %u]\n", "[machine]\nkvm.%u = 1\n", "# %u\n", "title %u\n", "[steps] %u\n",
		"\n%u",           "[layout]\ngpt A%u\n",     "%u",
	};
	static const char *const steps[] = {"@%u vcpu0: enter\n", "vcpu0: enter # %u\n"};

	for (unsigned i = 0; i < G_N_ELEMENTS(lines) + G_N_ELEMENTS(steps); i++) {
		bool step = i >= G_N_ELEMENTS(lines);
		g_autoptr(GString) text = g_string_new("mmu2d-scenario 1\n");

		if (step)
			g_string_append(text, "[steps]\n");
		for (unsigned n = 0; n < 4000; n++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			g_string_append_printf(text,
					       step ? steps[i - G_N_ELEMENTS(lines)] : lines[i], n);
#pragma GCC diagnostic pop
		}
		g_autoptr(M2dScenario) s = parse(text->str, text->len, &m2d_scenario_models);

		ck_assert(step == (s != NULL));
		if (s != NULL)
			look_at(s);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fuzz");
	TCase *tc = tcase_create("fuzz");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_loop_test(tc, test_damage, 0, 3);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_large);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
