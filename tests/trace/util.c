/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *temp_dir;

static void remove_temp_dir(void)
{
	g_rmdir(temp_dir);
	g_free(temp_dir);
}

char *test_temp(const char *name)
{
	if (temp_dir == NULL) {
		temp_dir = g_dir_make_tmp("m2d-trace-XXXXXX", NULL);
		g_assert(temp_dir != NULL);
		atexit(remove_temp_dir);
	}
	return g_build_filename(temp_dir, name, NULL);
}

void test_put_file(const char *path, const void *bytes, size_t len)
{
	int fd;

	/* Truncating or replacing a file makes some file systems wait for the disk. */
	g_unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void free_record(gpointer p)
{
	g_free(((TestRecord *)p)->data);
}

static M2dRef random_ref(M2dRng *rng, bool wild, uint64_t *walk)
{
	M2dRef ref = {0};
	uint64_t size;

	if (wild) {
		ref.va = m2d_rng_next(rng) >> m2d_rng_below(rng, 64);
		size = m2d_rng_below(rng, 256);
		ref.w = m2d_rng_next(rng) & (M2D_REF_USER | M2D_REF_GUEST | M2D_REF_HAS_PA |
					     M2D_REF_IO | M2D_REF_DIRECT);
	} else {
		*walk += m2d_rng_below(rng, 100) == 0 ? m2d_rng_below(rng, 1 << 30)
						      : m2d_rng_below(rng, 64);
		ref.va = UINT64_C(0x7f0000000000) + *walk % (1u << 22);
		size = UINT64_C(1) << m2d_rng_below(rng, 4);
		ref.w = M2D_REF_USER | M2D_REF_HAS_PA;
	}
	ref.w |= m2d_rng_below(rng, 3) | size << M2D_REF_SIZE_SHIFT;
	if (ref.w & M2D_REF_HAS_PA)
		ref.w |= wild ? m2d_rng_next(rng) & M2D_REF_FRAME
			      : ((ref.va >> 12) * 7919 << 12) & M2D_REF_FRAME;
	return ref;
}

static M2dTraceEvent random_event(M2dRng *rng, unsigned vcpu)
{
	static const uint8_t kinds[] = {1,  2,  3,  4,  5,  6,  7,  8,  16,  16, 16,
					24, 25, 26, 27, 32, 33, 40, 64, 100, 127};
	M2dTraceEvent ev = {.vcpu = (uint8_t)vcpu};

	ev.kind = kinds[m2d_rng_below(rng, G_N_ELEMENTS(kinds))];
	ev.guest = m2d_rng_below(rng, 2);
	ev.sub = (uint8_t)m2d_rng_next(rng);
	ev.n = (uint32_t)(m2d_rng_next(rng) >> (32 + m2d_rng_below(rng, 32)));
	ev.a = m2d_rng_next(rng) >> m2d_rng_below(rng, 64);
	ev.b = m2d_rng_next(rng) >> m2d_rng_below(rng, 64);
	ev.c = m2d_rng_below(rng, 2) ? m2d_rng_next(rng) : 0;
	ev.d = m2d_rng_below(rng, 2) ? m2d_rng_next(rng) : 0;
	ev.e = m2d_rng_below(rng, 2) ? m2d_rng_next(rng) : 0;
	return ev;
}

GArray *test_records(uint64_t seed, unsigned n, unsigned n_vcpus, bool wild)
{
	GArray *records = g_array_new(FALSE, TRUE, sizeof(TestRecord));
	unsigned pages = n / 500, vcpu = 0;
	uint64_t walk = 0;
	M2dRng rng;

	m2d_rng_seed(&rng, seed);
	g_array_set_clear_func(records, free_record);
	for (unsigned i = 0; i < n; i++) {
		TestRecord t = {0};

		if (m2d_rng_below(&rng, 20) == 0)
			vcpu = (unsigned)m2d_rng_below(&rng, n_vcpus);
		t.r.vcpu = vcpu;
		if (i < pages) {
			t.r.type = M2D_RECORD_PAGE;
			t.r.page.pa = m2d_rng_next(&rng) & M2D_REF_FRAME;
			if (m2d_rng_below(&rng, 3) != 0) {
				t.data = g_malloc0(4096);
				for (unsigned j = 0; j < 64; j++)
					t.data[m2d_rng_below(&rng, 4096)] = (uint8_t)j;
			}
		} else if (m2d_rng_below(&rng, 50) == 0) {
			t.r.type = M2D_RECORD_EVENT;
			t.r.event = random_event(&rng, vcpu);
		} else {
			t.r.type = M2D_RECORD_REF;
			t.r.ref = random_ref(&rng, wild, &walk);
			t.r.n = 1;
			if (wild)
				t.r.n = (uint32_t)(m2d_rng_next(&rng) >> m2d_rng_below(&rng, 64));
			else if ((t.r.ref.w & M2D_REF_KIND) == M2D_REF_FETCH)
				t.r.n = 1 + (uint32_t)m2d_rng_below(&rng, 30);
		}
		g_array_append_val(records, t);
	}
	return records;
}

void test_write(const char *path, const M2dTraceInfo *info, GArray *records)
{
	GError *error = NULL;
	M2dTraceWriter *w;

	g_unlink(path);
	w = m2d_trace_writer_new(path, info, &error);
	assert_no_error(error);
	m2d_trace_writer_meta(w, "source", "test", &error);
	assert_no_error(error);
	for (unsigned i = 0; i < records->len; i++) {
		const TestRecord *t = &g_array_index(records, TestRecord, i);

		if (t->r.type == M2D_RECORD_PAGE)
			m2d_trace_writer_page(w, t->r.page.pa, t->data, &error);
		else if (t->r.type == M2D_RECORD_EVENT)
			m2d_trace_writer_event(w, &t->r.event, &error);
		else
			m2d_trace_writer_ref(w, t->r.vcpu, t->r.ref, t->r.n, &error);
		assert_no_error(error);
	}
	m2d_trace_writer_meta(w, "late", "value", &error);
	assert_no_error(error);
	m2d_trace_writer_close(w, &error);
	assert_no_error(error);
}

void test_same(const TestRecord *want, const M2dTraceRecord *got, uint64_t ordinal)
{
	expect(got->type == want->r.type);
	expect(got->ordinal == ordinal);
	if (want->r.type == M2D_RECORD_PAGE) {
		expect(got->page.pa == want->r.page.pa);
		expect(!got->page.data == !want->data);
		if (want->data != NULL)
			expect(memcmp(got->page.data, want->data, 4096) == 0);
	} else if (want->r.type == M2D_RECORD_EVENT) {
		expect(got->vcpu == want->r.vcpu);
		expect(memcmp(&got->event, &want->r.event, sizeof(M2dTraceEvent)) == 0);
	} else {
		uint64_t size = want->r.ref.w >> M2D_REF_SIZE_SHIFT & 0xff;
		uint64_t w = want->r.ref.w & ~M2D_REF_CROSS;

		if ((want->r.ref.va & 0xfff) + (size != 0 ? size : 1) > 4096)
			w |= M2D_REF_CROSS;
		expect(got->vcpu == want->r.vcpu);
		expect(got->ref.va == want->r.ref.va);
		expect(got->ref.w == w);
		expect(got->n == want->r.n);
	}
}

int test_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
