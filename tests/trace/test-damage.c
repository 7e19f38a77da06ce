/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Damaged files: any flipped bit, any truncation, any bytes with correct checksums. A reader gives
 * a clean error or the right records, and with RECOVER every chunk that is intact.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <zlib.h>

#include "sim/trace/codec.h"
#include "util.h"

/* A trace of a few chunks, and what it holds. */
typedef struct {
	char *path;
	uint8_t *bytes;
	size_t len;
	GArray *refs;       /* of M2dRef, in order */
	uint64_t chunk[64]; /* offsets, then the end of the last one */
	unsigned n_chunks;
} Sample;

static void sample_load(Sample *s)
{
	g_autoptr(M2dTraceReader) r = NULL;
	g_auto(M2dBatch) b = {0};
	GError *error = NULL;
	M2dChunkHeader h;
	size_t need;

	ck_assert(g_file_get_contents(s->path, (char **)&s->bytes, &s->len, NULL));
	s->refs = g_array_new(FALSE, FALSE, sizeof(M2dRef));
	r = m2d_trace_reader_open(s->path, 0, &error);
	while (m2d_trace_reader_next(r, &b, &error) == 1)
		g_array_append_vals(s->refs, b.refs, b.n_refs);
	assert_no_error(error);
	s->n_chunks = 0;
	for (size_t at = M2D_FMT_FILE_HEADER; at < s->len - M2D_FMT_TRAILER;) {
		ck_assert_ptr_null(m2d_chunk_header_get(s->bytes + at, s->len - at, &h, &need));
		s->chunk[s->n_chunks++] = at;
		at += h.header_size + h.body_size;
		s->chunk[s->n_chunks] = at;
	}
}

static void sample_init(Sample *s, unsigned n, bool wild)
{
	M2dTraceInfo info = {.flags = M2D_TRACE_HAS_PA, .n_vcpus = 3};
	GArray *records = test_records(n, n, 3, wild);

	s->path = test_temp("sample.m2t");
	test_write(s->path, &info, records);
	g_array_unref(records);
	sample_load(s);
}

static void sample_clear(Sample *s)
{
	g_unlink(s->path);
	g_free(s->path);
	g_free(s->bytes);
	g_array_unref(s->refs);
}

typedef struct {
	bool opened;
	int last; /* of m2d_trace_reader_next() */
	uint64_t refs, lost;
	unsigned damage;
	bool lost_known;
} Result;

/* Read the file at @path; what comes must equal the sample's references with that ordinal, unless
 * @any. */
static Result read_mutant(const char *path, unsigned flags, const Sample *s, bool any)
{
	GError *error = NULL;
	g_autoptr(M2dTraceReader) r = m2d_trace_reader_open(path, flags, &error);
	g_auto(M2dBatch) b = {0};
	const M2dTraceDamage *d;
	Result result = {.opened = r != NULL, .lost_known = true};

	if (r == NULL) {
		expect(error != NULL && strchr(error->message, '\n') == NULL);
		g_clear_error(&error);
		return result;
	}
	while ((result.last = m2d_trace_reader_next(r, &b, &error)) == 1) {
		result.refs += b.n_refs;
		if (any || b.n_refs == 0)
			continue;
		expect(b.first_ref + b.n_refs <= s->refs->len);
		expect(memcmp(b.refs, &g_array_index(s->refs, M2dRef, b.first_ref),
			      b.n_refs * sizeof(M2dRef)) == 0);
	}
	expect((result.last < 0) == (error != NULL));
	if (error != NULL) {
		expect(strchr(error->message, '\n') == NULL);
		expect(strstr(error->message, "offset") != NULL);
		g_clear_error(&error);
	}
	d = m2d_trace_reader_damage(r, &result.damage);
	for (unsigned i = 0; i < result.damage; i++) {
		if (d[i].refs_lost == UINT64_MAX)
			result.lost_known = false;
		else
			result.lost += d[i].refs_lost;
	}
	return result;
}

START_TEST(test_bit_flips)
{
	g_autofree char *path = test_temp("flip.m2t");
	Sample s;
	M2dRng rng;

	sample_init(&s, 2500, true);
	m2d_rng_seed(&rng, 1);
	for (unsigned i = 0; i < 4000; i++) {
		size_t at = (size_t)m2d_rng_below(&rng, s.len);
		/* The first rounds go over the headers byte by byte. */
		if (i < 64)
			at = i;
		else if (i < 128)
			at = s.len - 1 - (i - 64);
		uint8_t bit = (uint8_t)(1u << m2d_rng_below(&rng, 8));
		Result strict, recovered;

		s.bytes[at] ^= bit;
		test_put_file(path, s.bytes, s.len);
		strict = read_mutant(path, M2D_TRACE_COUNTS, &s, false);
		/* Every byte is under some checksum: nothing may pass unnoticed. */
		ck_assert(!strict.opened || strict.last < 0);
		recovered = read_mutant(path, M2D_TRACE_RECOVER | M2D_TRACE_COUNTS, &s, false);
		ck_assert(!recovered.opened || recovered.last == 0);
		if (recovered.opened) {
			ck_assert_uint_ge(recovered.damage, 1);
			ck_assert(recovered.lost_known);
			ck_assert_uint_eq(recovered.refs + recovered.lost, s.refs->len);
		}
		s.bytes[at] ^= bit;
	}
	sample_clear(&s);
	g_unlink(path);
}
END_TEST

START_TEST(test_truncation)
{
	g_autofree char *path = test_temp("cut.m2t");
	Sample s;

	sample_init(&s, 600, true);
	for (size_t len = 0; len < s.len; len++) {
		Result strict, recovered;

		test_put_file(path, s.bytes, len);
		strict = read_mutant(path, 0, &s, false);
		ck_assert(!strict.opened || strict.last < 0);
		recovered = read_mutant(path, M2D_TRACE_RECOVER, &s, false);
		if (len >= M2D_FMT_FILE_HEADER) {
			ck_assert(recovered.opened && recovered.last == 0);
			ck_assert_uint_ge(recovered.damage, 1);
		}
	}
	sample_clear(&s);
	g_unlink(path);
}
END_TEST

/* Damage in one chunk of many loses that chunk and no other, and says so. */
START_TEST(test_recover_keeps_good_chunks)
{
	g_autofree char *path = test_temp("many.m2t");
	Sample s;

	sample_init(&s, 400000, false);
	ck_assert_uint_ge(s.n_chunks, 6);
	for (unsigned i = 0; i + 1 < s.n_chunks; i++) {
		const size_t places[] = {s.chunk[i] + 3, s.chunk[i] + 40, s.chunk[i + 1] - 1};
		uint32_t n_refs = m2d_get32(s.bytes + s.chunk[i] + 40);

		for (unsigned j = 0; j < G_N_ELEMENTS(places); j++) {
			Result r;

			s.bytes[places[j]] ^= 0x10;
			test_put_file(path, s.bytes, s.len);
			r = read_mutant(path, M2D_TRACE_RECOVER | M2D_TRACE_COUNTS, &s, false);
			ck_assert(r.opened && r.last == 0);
			ck_assert_uint_eq(r.damage, 1);
			ck_assert_uint_eq(r.refs, s.refs->len - n_refs);
			ck_assert_uint_eq(r.lost, n_refs);
			s.bytes[places[j]] ^= 0x10;
		}
	}
	/* A hole in the middle: bytes missing, so that all that follows has moved. */
	memmove(s.bytes + s.chunk[3] + 1000, s.bytes + s.chunk[4] + 500, s.len - s.chunk[4] - 500);
	test_put_file(path, s.bytes, s.len - (s.chunk[4] - s.chunk[3]) + 500);
	{
		Result r = read_mutant(path, M2D_TRACE_RECOVER, &s, false);

		ck_assert(r.opened && r.last == 0);
		ck_assert(r.lost_known);
		ck_assert_uint_eq(r.refs + r.lost, s.refs->len);
		ck_assert_uint_gt(r.refs, 0);
	}
	sample_clear(&s);
	g_unlink(path);
}
END_TEST

/* Give the chunk at @at correct checksums again. */
static void seal(uint8_t *chunk, size_t room)
{
	unsigned n = m2d_get16(chunk + 10);
	uint32_t header = m2d_get32(chunk + 12);
	size_t body = header;

	if (n > M2D_FMT_MAX_SECTIONS ||
	    header != M2D_FMT_CHUNK_FIXED + n * M2D_FMT_SECTION_ENTRY + 4)
		return;
	for (unsigned i = 0; i < n; i++) {
		uint8_t *e = chunk + M2D_FMT_CHUNK_FIXED + i * M2D_FMT_SECTION_ENTRY;
		uint32_t size = m2d_get32(e + 8);

		if (size > room - body)
			break;
		m2d_put32(e + 12, (uint32_t)crc32(0, chunk + body, size));
		body += size;
	}
	m2d_put32(chunk + header - 4, (uint32_t)crc32(0, chunk, header - 4));
}

/* Wrong bytes under right checksums reach the innermost loops: they must stay in bounds. */
START_TEST(test_sealed_garbage)
{
	g_autofree char *path = test_temp("sealed.m2t");
	M2dRng rng;

	m2d_rng_seed(&rng, 2);
	for (unsigned round = 0; round < 3; round++) {
		Sample s;

		sample_init(&s, round == 0 ? 150 : 1200, round != 2);
		for (unsigned i = 0; i < 2500; i++) {
			unsigned c = (unsigned)m2d_rng_below(&rng, s.n_chunks);
			size_t len = s.chunk[c + 1] - s.chunk[c];
			g_autofree uint8_t *copy = g_memdup2(s.bytes, s.len);
			unsigned hits = 1 + (unsigned)m2d_rng_below(&rng, 4);

			while (hits-- > 0) {
				size_t at = 8 + (size_t)m2d_rng_below(&rng, len - 8);

				copy[s.chunk[c] + at] = (uint8_t)m2d_rng_next(&rng);
			}
			seal(copy + s.chunk[c], len);
			test_put_file(path, copy, s.len);
			read_mutant(path, M2D_TRACE_COUNTS, &s, true);
			read_mutant(path, M2D_TRACE_RECOVER, &s, true);
		}
		sample_clear(&s);
	}
	g_unlink(path);
}
END_TEST

static void expect_error(const char *path, unsigned flags, const char *part)
{
	GError *error = NULL;
	M2dTraceReader *r = m2d_trace_reader_open(path, flags, &error);

	ck_assert_ptr_null(r);
	if (strstr(error->message, part) == NULL)
		ck_abort_msg("'%s' lacks '%s'", error->message, part);
	g_clear_error(&error);
}

static void seal_file(uint8_t *head)
{
	m2d_put32(head + 60, (uint32_t)crc32(0, head, 60));
}

START_TEST(test_bad_starts)
{
	g_autofree char *path = test_temp("bad.m2t");
	Sample s;

	sample_init(&s, 100, false);
	expect_error("/nonexistent/x.m2t", 0, "/nonexistent/x.m2t");
	expect_error("/", 0, "/");
	test_put_file(path, s.bytes, 0);
	expect_error(path, 0, "empty");
	test_put_file(path, (const uint8_t *)"MMTRACE1 is another format", 26);
	expect_error(path, 0, "MMTRACE1");
	test_put_file(path, (const uint8_t *)"\037\213 and so on, and so on", 22);
	expect_error(path, 0, "gzip");
	test_put_file(path, (const uint8_t *)"plain text", 10);
	expect_error(path, M2D_TRACE_RECOVER, "magic");

	m2d_put16(s.bytes + 8, 2);
	seal_file(s.bytes);
	test_put_file(path, s.bytes, s.len);
	expect_error(path, 0, "format version 2.0");
	expect_error(path, M2D_TRACE_RECOVER, "format version 2.0");
	m2d_put16(s.bytes + 8, 1);
	/* A newer minor version is read. */
	m2d_put16(s.bytes + 10, 9);
	seal_file(s.bytes);
	test_put_file(path, s.bytes, s.len);
	ck_assert_int_eq(read_mutant(path, 0, &s, false).last, 0);
	m2d_put32(s.bytes + 20, 100000);
	seal_file(s.bytes);
	test_put_file(path, s.bytes, s.len);
	expect_error(path, 0, "100000 vCPUs");
	sample_clear(&s);
	g_unlink(path);
}
END_TEST

/* Sizes that would take much memory are refused before any is taken. */
START_TEST(test_absurd_sizes)
{
	const struct {
		size_t at; /* in a chunk header */
		unsigned size;
	} fields[] = {{16, 4},
		      {24, 8},
		      {32, 8},
		      {40, 4},
		      {44, 4},
		      {48, 4},
		      {52, 4},
		      {56, 8},
		      {M2D_FMT_CHUNK_FIXED + 4, 4},
		      {M2D_FMT_CHUNK_FIXED + 8, 4}};
	const uint64_t values[] = {UINT64_MAX, UINT32_MAX, UINT64_C(1) << 31, UINT64_C(1) << 22};
	g_autofree char *path = test_temp("absurd.m2t");
	Sample s;

	sample_init(&s, 1000, false);
	for (unsigned c = 0; c < s.n_chunks; c++) {
		for (unsigned f = 0; f < G_N_ELEMENTS(fields); f++) {
			for (unsigned v = 0; v < G_N_ELEMENTS(values); v++) {
				g_autofree uint8_t *copy = g_memdup2(s.bytes, s.len);
				uint8_t *p = copy + s.chunk[c] + fields[f].at;
				Result r;

				if (fields[f].size == 8)
					m2d_put64(p, values[v]);
				else
					m2d_put32(p, (uint32_t)values[v]);
				m2d_put32(copy + s.chunk[c] + m2d_get32(copy + s.chunk[c] + 12) - 4,
					  (uint32_t)crc32(0, copy + s.chunk[c],
							  m2d_get32(copy + s.chunk[c] + 12) - 4));
				test_put_file(path, copy, s.len);
				r = read_mutant(path, M2D_TRACE_COUNTS, &s, true);
				/* n_pages, n_events ... of chunks that have none are not used;
				 * but whatever is accepted has the right references. */
				if (r.opened && r.last == 0)
					ck_assert_uint_eq(r.refs, s.refs->len);
				read_mutant(path, M2D_TRACE_RECOVER, &s, true);
			}
		}
	}
	sample_clear(&s);
	g_unlink(path);
}
END_TEST

/* A full chunk whose references want two MiB of distances, with eight bytes of them. */
START_TEST(test_short_deltas)
{
	const uint32_t n = M2D_TRACE_MAX_BATCH_REFS;
	M2dChunkHeader h = {.kind = M2D_CHUNK_RECORDS, .n_refs = n, .n_segments = 1};
	M2dTraceInfo info = {.n_vcpus = 1};
	M2dDeflater *deflater = m2d_deflater_new();
	GByteArray *file = g_byte_array_new(), *body = g_byte_array_new();
	GByteArray *segments = g_byte_array_new();
	g_autofree char *path = test_temp("short.m2t"), *bytes = NULL;
	g_autofree uint8_t *ops = g_malloc0(n);
	const uint8_t op[M2D_FMT_OP_ENTRY] = {[3] = 8}, delta[8] = {1};
	g_autoptr(M2dTraceReader) r = NULL;
	g_auto(M2dBatch) b = {0};
	GError *error = NULL;
	size_t len;

	m2d_put_varint(segments, 0);
	m2d_put_varint(segments, n);
	g_byte_array_append(segments, (const guint8 *)"\0", 2);
	m2d_deflater_section(deflater, &h, body, M2D_SEC_OP_TABLE, op, sizeof(op));
	m2d_deflater_section(deflater, &h, body, M2D_SEC_OPS, ops, n);
	m2d_deflater_section(deflater, &h, body, M2D_SEC_DELTAS, delta, sizeof(delta));
	m2d_deflater_section(deflater, &h, body, M2D_SEC_SEGMENTS, segments->data, segments->len);
	/* The head of an empty trace, then the chunk. */
	ck_assert(m2d_trace_writer_close(m2d_trace_writer_new(path, &info, &error), &error));
	ck_assert(g_file_get_contents(path, &bytes, &len, NULL));
	g_byte_array_append(file, (guint8 *)bytes, M2D_FMT_FILE_HEADER);
	m2d_chunk_header_put(file, &h);
	g_byte_array_append(file, body->data, body->len);
	test_put_file(path, file->data, file->len);
	r = m2d_trace_reader_open(path, M2D_TRACE_RECOVER, &error);
	assert_no_error(error);
	ck_assert_int_eq(m2d_trace_reader_next(r, &b, &error), 0);
	{
		unsigned damaged;
		const M2dTraceDamage *d = m2d_trace_reader_damage(r, &damaged);

		ck_assert_uint_eq(damaged, 1);
		ck_assert_ptr_nonnull(strstr(d->text, "section 'deltas': ends too early"));
	}
	g_byte_array_unref(file);
	g_byte_array_unref(body);
	g_byte_array_unref(segments);
	m2d_deflater_free(deflater);
	g_unlink(path);
}
END_TEST

START_TEST(test_output_errors)
{
	M2dTraceInfo info = {.n_vcpus = 1};
	g_autofree char *dir = test_temp("folder"), *inside = NULL;
	GError *error = NULL;
	M2dTraceWriter *w;
	GDir *list;

	ck_assert_ptr_null(m2d_trace_writer_new("/nonexistent/x.m2t", &info, &error));
	ck_assert_ptr_nonnull(error);
	g_clear_error(&error);
	/* A full disk shows when the data are written, at the latest on close. */
	w = m2d_trace_writer_new("/dev/full", &info, &error);
	assert_no_error(error);
	ck_assert(m2d_trace_writer_ref(w, 0, (M2dRef){0}, 1, &error));
	ck_assert(!m2d_trace_writer_close(w, &error));
	ck_assert_ptr_nonnull(strstr(error->message, "/dev/full"));
	g_clear_error(&error);
	/* Nothing but the finished file is ever left. */
	g_mkdir(dir, 0700);
	inside = g_build_filename(dir, "x.m2t", NULL);
	w = m2d_trace_writer_new(inside, &info, &error);
	ck_assert(!g_file_test(inside, G_FILE_TEST_EXISTS));
	m2d_trace_writer_abort(w);
	list = g_dir_open(dir, 0, NULL);
	ck_assert_ptr_null(g_dir_read_name(list));
	g_dir_close(list);
	w = m2d_trace_writer_new(inside, &info, &error);
	ck_assert(m2d_trace_writer_close(w, &error));
	list = g_dir_open(dir, 0, NULL);
	ck_assert_str_eq(g_dir_read_name(list), "x.m2t");
	ck_assert_ptr_null(g_dir_read_name(list));
	g_dir_close(list);
	g_unlink(inside);
	g_rmdir(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace-damage");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, test_bit_flips);
	tcase_add_test(tc, test_truncation);
	tcase_add_test(tc, test_recover_keeps_good_chunks);
	tcase_add_test(tc, test_sealed_garbage);
	tcase_add_test(tc, test_bad_starts);
	tcase_add_test(tc, test_absurd_sizes);
	tcase_add_test(tc, test_short_deltas);
	tcase_add_test(tc, test_output_errors);
	suite_add_tcase(suite, tc);
	return test_main(suite);
}
