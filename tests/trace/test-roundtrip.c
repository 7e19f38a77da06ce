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

		expect(m2d_trace_cursor_next(c, &got, &error) == 1);
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
		     {30000, 256, true}, {400000, 4, false}, {150000, 2, true}};
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

/* Chunks of records hold 256 KiB to 1 MiB before compression, the last one aside. */
START_TEST(test_chunk_sizes)
{
	const bool kinds[] = {false, true};
	g_autofree char *path = test_temp("sizes.m2t");

	for (unsigned k = 0; k < 2; k++) {
		M2dTraceInfo info = {.n_vcpus = 3};
		GArray *records = test_records(50 + k, kinds[k] ? 200000 : 600000, 3, kinds[k]);
		g_autofree char *bytes = NULL;
		unsigned n = 0;
		size_t len;

		test_write(path, &info, records);
		g_array_unref(records);
		ck_assert(g_file_get_contents(path, &bytes, &len, NULL));
		for (size_t at = M2D_FMT_FILE_HEADER; len - at > M2D_FMT_TRAILER;) {
			M2dChunkHeader h;
			size_t need;
			uint64_t raw = 0;

			ck_assert_ptr_null(
				m2d_chunk_header_get((uint8_t *)bytes + at, len - at, &h, &need));
			at += h.header_size + h.body_size;
			for (unsigned i = 0; i < h.n_sections; i++)
				raw += h.section[i].raw;
			ck_assert_uint_le(raw, M2D_FMT_MAX_PAYLOAD);
			/* A chunk is the last of its kind if the next one has another kind. */
			if (h.kind == M2D_CHUNK_RECORDS &&
			    m2d_get16((uint8_t *)bytes + at + 8) == M2D_CHUNK_RECORDS) {
				ck_assert_uint_ge(raw, M2D_FMT_MIN_PAYLOAD);
				n++;
			}
		}
		ck_assert_uint_ge(n, 2);
	}
	g_unlink(path);
}
END_TEST

START_TEST(test_seek)
{
	M2dTraceInfo info = {.n_vcpus = 2};
	GArray *records = test_records(7, 300000, 2, false);
	g_autofree char *path = test_temp("seek.m2t");
	g_autofree uint32_t *refs = g_new(uint32_t, records->len);
	GError *error = NULL;
	g_autoptr(M2dTraceCursor) c = NULL;
	unsigned n = 0;
	M2dRng rng;

	test_write(path, &info, records);
	for (unsigned i = 0; i < records->len; i++)
		if (g_array_index(records, TestRecord, i).r.type == M2D_RECORD_REF)
			refs[n++] = i;
	c = m2d_trace_cursor_open(path, 0, &error);
	assert_no_error(error);
	ck_assert_uint_eq(m2d_trace_reader_info(m2d_trace_cursor_reader(c))->refs, n);
	m2d_rng_seed(&rng, 1);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t want = i == 0 ? n - 1 : m2d_rng_below(&rng, n);
		M2dTraceRecord got;

		ck_assert(m2d_trace_cursor_seek(c, want, &error));
		do
			expect(m2d_trace_cursor_next(c, &got, &error) == 1);
		while (got.type != M2D_RECORD_REF || got.ordinal < want);
		test_same(&g_array_index(records, TestRecord, refs[want]), &got, want);
	}
	/* Beyond the end is the end; 0 is the very first record again. */
	{
		M2dTraceRecord got;

		ck_assert(m2d_trace_cursor_seek(c, n, &error));
		ck_assert_int_eq(m2d_trace_cursor_next(c, &got, &error), 0);
		ck_assert(m2d_trace_cursor_seek(c, 0, &error));
		ck_assert_int_eq(m2d_trace_cursor_next(c, &got, &error), 1);
		test_same(&g_array_index(records, TestRecord, 0), &got, 0);
	}
	g_array_unref(records);
	g_unlink(path);
}
END_TEST

/* The reader of a pipe sees early metadata at once, late ones and the totals at the end. */
START_TEST(test_pipe)
{
	M2dTraceInfo info = {.n_vcpus = 2};
	GArray *records = test_records(9, 300, 2, true);
	g_autofree char *path = test_temp("pipe.m2t"), *bytes = NULL, *fd = NULL;
	g_autoptr(M2dTraceReader) r = NULL;
	g_auto(M2dBatch) batch = {0};
	GError *error = NULL;
	int ends[2], ret;
	size_t len;

	test_write(path, &info, records);
	ck_assert(g_file_get_contents(path, &bytes, &len, NULL));
	ck_assert_uint_lt(len, 60000);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], bytes, len), (ssize_t)len);
	close(ends[1]);
	fd = g_strdup_printf("/dev/fd/%d", ends[0]);
	r = m2d_trace_reader_open(fd, 0, &error);
	assert_no_error(error);
	ck_assert(!m2d_trace_reader_info(r)->known);
	ck_assert_uint_eq(m2d_trace_reader_info(r)->n_meta, 1);
	ck_assert_str_eq(m2d_trace_reader_info(r)->meta[0].value, "test");
	while ((ret = m2d_trace_reader_next(r, &batch, &error)) == 1)
		;
	ck_assert_int_eq(ret, 0);
	ck_assert(m2d_trace_reader_info(r)->known);
	ck_assert_uint_eq(m2d_trace_reader_info(r)->n_meta, 2);
	ck_assert(!m2d_trace_reader_seek(r, 5, &error));
	ck_assert(error != NULL);
	g_clear_error(&error);
	close(ends[0]);
	g_array_unref(records);
	g_unlink(path);
}
END_TEST

/* Kinds of 128 and up are passed over; what stands around them stays. */
START_TEST(test_unknown_kinds)
{
	M2dTraceInfo info = {.n_vcpus = 1};
	g_autofree char *path = test_temp("unknown.m2t");
	GError *error = NULL;
	M2dTraceWriter *w = m2d_trace_writer_new(path, &info, &error);
	g_autoptr(M2dTraceReader) r = NULL;
	g_auto(M2dBatch) batch = {0};

	for (unsigned i = 0; i < 300; i++) {
		M2dTraceEvent ev = {.kind = (uint16_t)(i % 2 ? 72 : 200), .a = i * 1000, .b = i};

		ck_assert(m2d_trace_writer_event(w, &ev, &error));
		if (i % 3 == 0)
			ck_assert(m2d_trace_writer_ref(w, 0, (M2dRef){.va = i}, 1, &error));
	}
	ck_assert(m2d_trace_writer_close(w, &error));
	r = m2d_trace_reader_open(path, 0, &error);
	assert_no_error(error);
	ck_assert_int_eq(m2d_trace_reader_next(r, &batch, &error), 1);
	ck_assert_uint_eq(batch.n_events, 150);
	ck_assert_uint_eq(batch.n_refs, 100);
	ck_assert_uint_eq(m2d_trace_reader_skipped(r), 150);
	for (unsigned i = 0; i < 150; i++) {
		ck_assert_uint_eq(batch.events[i].kind, 72);
		ck_assert_uint_eq(batch.events[i].a, (2 * i + 1) * 1000);
	}
	g_unlink(path);
}
END_TEST

/* A batch keeps the promises of its header. */
START_TEST(test_segments)
{
	M2dTraceInfo info = {.n_vcpus = 5, .flags = M2D_TRACE_FILTERED};
	GArray *records = test_records(11, 20000, 5, true);
	g_autofree char *path = test_temp("segments.m2t");
	g_autoptr(M2dTraceReader) r = NULL;
	g_auto(M2dBatch) b = {0};
	uint64_t elided = 0, want = 0;
	GError *error = NULL;

	test_write(path, &info, records);
	for (unsigned i = 0; i < records->len; i++)
		want += g_array_index(records, TestRecord, i).r.n;
	r = m2d_trace_reader_open(path, 0, &error);
	while (m2d_trace_reader_next(r, &b, &error) == 1) {
		uint32_t refs = 0, events = 0;

		elided += b.elided;
		ck_assert_uint_eq(b.instructions, 0);
		for (unsigned i = 0; i < b.n_segments; i++) {
			const M2dSegment *s = &b.segments[i];

			ck_assert_uint_eq(s->first_ref, refs);
			ck_assert_uint_eq(s->first_event, events);
			for (unsigned j = 0; j < s->n_events; j++)
				expect(b.events[events + j].vcpu == s->vcpu);
			for (unsigned j = 0; j < s->n_refs; j++)
				expect(((b.refs[refs + j].w & M2D_REF_GUEST) != 0) == s->guest);
			refs += s->n_refs;
			events += s->n_events;
		}
		ck_assert_uint_eq(refs, b.n_refs);
		ck_assert_uint_eq(events, b.n_events);
	}
	assert_no_error(error);
	ck_assert_uint_eq(elided, want);
	g_array_unref(records);
	g_unlink(path);
}
END_TEST

START_TEST(test_refusals)
{
	M2dTraceInfo info = {.n_vcpus = 2}, bad = {.n_vcpus = 257};
	g_autofree char *path = test_temp("refused.m2t");
	g_autofree char *big = g_strnfill(70000, 'x');
	M2dTraceEvent none = {.kind = 0}, far = {.kind = 1, .vcpu = 2};
	GError *error = NULL;
	M2dTraceWriter *w;

#define refused(call)                                                                              \
	do {                                                                                       \
		ck_assert(!(call));                                                                \
		ck_assert_ptr_nonnull(error);                                                      \
		g_clear_error(&error);                                                             \
	} while (0)
	refused(m2d_trace_writer_new(path, &bad, &error));
	w = m2d_trace_writer_new(path, &info, &error);
	refused(m2d_trace_writer_page(w, 123, NULL, &error));
	refused(m2d_trace_writer_page(w, UINT64_C(1) << 52, NULL, &error));
	refused(m2d_trace_writer_ref(w, 2, (M2dRef){0}, 1, &error));
	refused(m2d_trace_writer_ref(w, 0, (M2dRef){.w = 3}, 1, &error));
	refused(m2d_trace_writer_event(w, &none, &error));
	refused(m2d_trace_writer_event(w, &far, &error));
	refused(m2d_trace_writer_meta(w, "key", big, &error));
	ck_assert(m2d_trace_writer_ref(w, 0, (M2dRef){0}, 1, &error));
	refused(m2d_trace_writer_page(w, 4096, NULL, &error));
	m2d_trace_writer_abort(w);
	ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace-roundtrip");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_roundtrip);
	tcase_add_test(tc, test_chunk_sizes);
	tcase_add_test(tc, test_seek);
	tcase_add_test(tc, test_pipe);
	tcase_add_test(tc, test_unknown_kinds);
	tcase_add_test(tc, test_segments);
	tcase_add_test(tc, test_refusals);
	suite_add_tcase(suite, tc);
	return test_main(suite);
}
