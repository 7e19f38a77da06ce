/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of traces share. */
#pragma once

#include <check.h>
#include <glib.h>

#include "sim/base/rng.h"
#include "sim/trace/trace.h"

/* A record of any kind with its own copy of a page. */
typedef struct {
	M2dTraceRecord r;
	uint8_t *data; /* of a page; NULL: zeros */
} TestRecord;

/* test_temp: a path in a fresh temporary folder, to g_free(). */
char *test_temp(const char *name);

/* test_put_file: write @len bytes to a new file at @path. */
void test_put_file(const char *path, const void *bytes, size_t len);

/* test_records: @n random records of every kind; equal seeds, equal records. Array of TestRecord.
 * @wild: addresses, sizes and attributes without any pattern. */
GArray *test_records(uint64_t seed, unsigned n, unsigned n_vcpus, bool wild);
/* test_write: write @records to @path with @info. */
void test_write(const char *path, const M2dTraceInfo *info, GArray *records);
/* test_same: fail unless @got is @want as a reader gives it. */
void test_same(const TestRecord *want, const M2dTraceRecord *got, uint64_t ordinal);

/* test_main: run @suite without forking, so that sanitizers see one process. */
int test_main(Suite *suite);

/* ck_assert() talks to its runner each time: too slow for what is checked millions of times. */
#define expect(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("expected: %s", #condition);                                  \
	} while (0)

#define assert_no_error(error)                                                                     \
	do {                                                                                       \
		if ((error) != NULL)                                                               \
			ck_abort_msg("unexpected error: %s", (error)->message);                    \
	} while (0)
