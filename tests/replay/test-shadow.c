/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A real guest on shadow paging, watched: nothing is found while KVM does what it owes, and what
 * it leaves out is found, by the checker or because a reference goes elsewhere than recorded.
 */
#include <check.h>
#include <stdlib.h>

#include "sim/replay/replay.h"
#include "sim/trace/trace.h"

typedef struct {
	unsigned findings; /* of the checker */
	uint64_t wrong;
	M2dCounters c;
} Outcome;

static Outcome run(const char *trace, M2dDuty without, bool check)
{
	g_autofree char *path = g_build_filename(M2D_SOURCE_DIR, "traces", trace, NULL);
	g_autoptr(M2dReplay) replay = NULL;
	g_autoptr(M2dResult) result = NULL;
	M2dReplayOptions opt;
	GError *error = NULL;
	M2dTraceReader *reader = m2d_trace_reader_open(path, 0, &error);
	Outcome o = {0};

	ck_assert_msg(reader != NULL, "%s", error != NULL ? error->message : "");
	m2d_replay_options_init(&opt);
	opt.mode = M2D_REPLAY_SHADOW;
	opt.check = check;
	opt.samples = 0;
	if (without != M2D_N_DUTIES)
		m2d_duty_add(&opt.without, without);
	replay = m2d_replay_new(m2d_machine_load("generic", NULL), m2d_trace_reader_info(reader),
				&opt, &error);
	ck_assert_msg(replay != NULL, "%s", error != NULL ? error->message : "");
	result = m2d_replay_run(replay, reader, &error);
	ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
	m2d_trace_reader_close(reader);
	o.c = result->total.c;
	o.wrong = o.c.wrong;
	for (guint i = 0; i < result->violations->len; i++) {
		const M2dViolation *v = &g_array_index(result->violations, M2dViolation, i);

		o.findings += g_strcmp0(v->invariant, "wrong-translation") != 0;
	}
	return o;
}

START_TEST(test_clean)
{
	static const char *const traces[] = {"s-linux-tdp-u.m2t", "s-linux-tdp-f.m2t"};

	for (unsigned i = 0; i < 2; i++) {
		Outcome watched = run(traces[i], M2D_N_DUTIES, true);
		Outcome alone = run(traces[i], M2D_N_DUTIES, false);

		ck_assert_uint_eq(watched.findings, 0);
		ck_assert_uint_eq(watched.wrong, 0);
		/* Who watches changes nothing. */
		ck_assert_mem_eq(&watched.c, &alone.c, sizeof(M2dCounters));
	}
}
END_TEST

START_TEST(test_left_out)
{
	static const M2dDuty duties[] = {
		M2D_DUTY_SYNC_CR3,        M2D_DUTY_SYNC_INVLPG,         M2D_DUTY_SYNC_LOAD,
		M2D_DUTY_WRPROT_SHADOWED, M2D_DUTY_WRPROT_UNSYNC,       M2D_DUTY_WRPROT_UPPER,
		M2D_DUTY_FLUSH_WRPROT,    M2D_DUTY_MARK_UNSYNC_PARENTS, M2D_DUTY_ZAP_DROP_SPTE,
		M2D_DUTY_RMAP_REMOVE,     M2D_DUTY_FLUSH_SYNC_HW,
	};
	Outcome o = run("s-linux-tdp-f.m2t", duties[_i], true);

	ck_assert_msg(o.findings + o.wrong != 0, "%s was left out and not found",
		      m2d_duty_name(duties[_i]));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shadow");
	TCase *tc = tcase_create("replay");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 200);
	tcase_add_test(tc, test_clean);
	tcase_add_loop_test(tc, test_left_out, 0, 11);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
