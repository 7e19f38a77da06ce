/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cut and merge: what comes out stands for itself and loses nothing it should keep. */
#include <glib/gstdio.h>
#include <string.h>

#include "sim/trace/edit.h"
#include "util.h"

static char *a_path, *b_path, *out_path;

static char *text_of(const char *path)
{
	GError *error = NULL;
	g_autoptr(M2dTraceCursor) c = m2d_trace_cursor_open(path, 0, &error);
	GString *text = g_string_new(NULL);
	M2dTraceRecord r;

	assert_no_error(error);
	while (m2d_trace_cursor_next(c, &r, &error) == 1)
		m2d_trace_print(text, &r);
	assert_no_error(error);
	return g_string_free(text, FALSE);
}

static void put_ref(M2dTraceWriter *w, unsigned vcpu, uint64_t va, bool guest)
{
	M2dRef ref = {.va = va, .w = M2D_REF_READ | (guest ? M2D_REF_GUEST : 0)};
	GError *error = NULL;

	m2d_trace_writer_ref(w, vcpu, ref, 1, &error);
	assert_no_error(error);
}

static void put_event(M2dTraceWriter *w, M2dTraceEvent ev)
{
	GError *error = NULL;

	m2d_trace_writer_event(w, &ev, &error);
	assert_no_error(error);
}

static void reg(M2dTraceWriter *w, unsigned vcpu, unsigned sub, bool guest, uint64_t a)
{
	put_event(w, (M2dTraceEvent){.kind = M2D_EV_REG,
				     .vcpu = (uint8_t)vcpu,
				     .sub = (uint8_t)sub,
				     .guest = guest,
				     .a = a});
}

/* vCPU 0 enters a guest and changes its CR3 there; vCPU 1 stays in the host. */
static void write_story(const char *path)
{
	M2dTraceInfo info = {.flags = M2D_TRACE_HAS_TABLES, .n_vcpus = 2};
	uint8_t page[4096] = {1, 2, 3, [8] = 5};
	GError *error = NULL;
	M2dTraceWriter *w = m2d_trace_writer_new(path, &info, &error);

	assert_no_error(error);
	ck_assert(m2d_trace_writer_page(w, 0x5000, page, &error));
	ck_assert(m2d_trace_writer_page(w, 0x6000, NULL, &error));
	reg(w, 0, M2D_TR_CR3 | M2D_TR_INITIAL, false, 0x5000);
	reg(w, 0, M2D_TR_EFER | M2D_TR_INITIAL, false, 0xd01);
	reg(w, 1, M2D_TR_CR3 | M2D_TR_INITIAL, false, 0x6000);
	put_ref(w, 0, 0x100, false);
	put_event(w, (M2dTraceEvent){.kind = M2D_EV_PTWRITE, .a = 0x6008, .b = 0x1122, .n = 8});
	put_event(w, (M2dTraceEvent){.kind = M2D_EV_PTWRITE, .a = 0x5004, .b = 0x99, .n = 4});
	put_event(w, (M2dTraceEvent){.kind = M2D_EV_VMRUN,
				     .sub = 3,
				     .n = 7,
				     .a = 0x9000,
				     .b = 0xa000,
				     .c = 1,
				     .d = 0x11,
				     .e = 0x20});
	put_ref(w, 0, 0x200, true);
	reg(w, 0, M2D_TR_CR3, true, 0xb000);
	reg(w, 0, M2D_TR_PKRU, true, 0x55);
	put_ref(w, 1, 0x300, false);
	reg(w, 1, M2D_TR_CR3, false, 0x7000);
	put_event(w, (M2dTraceEvent){.kind = M2D_EV_INVLPG, .vcpu = 1, .a = 0x300});
	put_ref(w, 0, 0x400, true);
	put_event(w, (M2dTraceEvent){.kind = M2D_EV_PTWRITE, .a = 0x6010, .b = 0x33, .n = 8});
	put_event(w, (M2dTraceEvent){.kind = M2D_EV_VMEXIT, .n = 0x60});
	put_ref(w, 0, 0x500, false);
	put_ref(w, 0, 0x600, false);
	ck_assert(m2d_trace_writer_close(w, &error));
}

static void cut(const char *in, uint64_t from, uint64_t to)
{
	M2dTraceEdit edit = {0};
	GError *error = NULL;

	m2d_trace_cut(&edit, in, out_path, from, to, &error);
	assert_no_error(error);
}

START_TEST(test_cut_state)
{
	g_autofree char *in_guest = NULL, *after = NULL;
	g_auto(M2dBatch) b = {0};
	g_autoptr(M2dTraceReader) r = NULL;
	GError *error = NULL;

	write_story(a_path);
	cut(a_path, 3, 4);
	in_guest = text_of(out_path);
	ck_assert_str_eq(in_guest,
			 "0 page 0x5000 data\n"
			 "0 page 0x6000 data\n"
			 "0 v0 host reg cr3 initial new=0x5000 old=0x0\n"
			 "0 v0 host reg efer initial new=0xd01 old=0x0\n"
			 "0 v0 guest vmrun tlb_control=0x0 asid=0x7 ncr3=0x9000 cr3=0xb000 "
			 "nested_ctl=0x1 cr0=0x11 cr4=0x20\n"
			 "0 v0 guest reg pkru initial new=0x55 old=0x0\n"
			 "0 v1 host reg cr3 initial new=0x7000 old=0x0\n"
			 "0 v0 guest read 0x400 supervisor\n"
			 "1 v0 host ptwrite use=0x0 bytes=0x8 pa=0x6010 value=0x33\n"
			 "1 v0 host vmexit code=0x60 exitinfo1=0x0 exitinfo2=0x0\n");
	r = m2d_trace_reader_open(out_path, 0, &error);
	ck_assert_int_eq(m2d_trace_reader_next(r, &b, &error), 1);
	ck_assert_uint_eq(b.n_pages, 2);
	ck_assert_uint_eq(b.pages[0].data[0], 1);
	ck_assert_uint_eq(b.pages[0].data[4], 0x99);
	ck_assert_uint_eq(b.pages[0].data[8], 5);
	ck_assert_uint_eq(b.pages[1].data[8], 0x22);
	ck_assert_uint_eq(b.pages[1].data[9], 0x11);
	ck_assert_uint_eq(b.pages[1].data[16], 0);
	/* After the exit: no guest to enter. */
	cut(a_path, 4, UINT64_MAX);
	after = text_of(out_path);
	ck_assert_str_eq(after, "0 page 0x5000 data\n"
				"0 page 0x6000 data\n"
				"0 v0 host reg cr3 initial new=0x5000 old=0x0\n"
				"0 v0 host reg efer initial new=0xd01 old=0x0\n"
				"0 v1 host reg cr3 initial new=0x7000 old=0x0\n"
				"0 v0 host read 0x500 supervisor\n"
				"1 v0 host read 0x600 supervisor\n");
}
END_TEST

/* Cutting everything copies; cutting a cut is the cut of the whole. */
START_TEST(test_cut_composes)
{
	g_autofree char *whole = NULL, *copy = NULL, *once = NULL, *twice = NULL;
	M2dTraceInfo info = {.flags = M2D_TRACE_FILTERED, .n_vcpus = 3};
	GArray *records = test_records(5, 40000, 3, true);

	test_write(a_path, &info, records);
	g_array_unref(records);
	cut(a_path, 0, UINT64_MAX);
	whole = text_of(a_path);
	copy = text_of(out_path);
	ck_assert_str_eq(whole, copy);
	cut(a_path, 12345, 23456);
	once = text_of(out_path);
	cut(a_path, 5000, 30000);
	g_rename(out_path, b_path);
	cut(b_path, 7345, 18456);
	twice = text_of(out_path);
	ck_assert_str_eq(once, twice);
}
END_TEST

START_TEST(test_cut_beyond)
{
	M2dTraceEdit edit = {0};
	GError *error = NULL;

	write_story(a_path);
	g_unlink(out_path);
	ck_assert(!m2d_trace_cut(&edit, a_path, out_path, 6, 7, &error));
	ck_assert_ptr_nonnull(strstr(error->message, "6 references"));
	ck_assert(!g_file_test(out_path, G_FILE_TEST_EXISTS));
	g_clear_error(&error);
	cut(a_path, 5, 100);
}
END_TEST

static void write_refs(const char *path, unsigned n, uint64_t base, bool process)
{
	M2dTraceInfo info = {.n_vcpus = 1};
	GError *error = NULL;
	M2dTraceWriter *w = m2d_trace_writer_new(path, &info, &error);

	for (unsigned i = 0; i < n; i++) {
		if (process && i == 2)
			put_event(w, (M2dTraceEvent){.kind = M2D_EV_ASPACE, .a = 4});
		put_ref(w, 0, base + i, false);
	}
	ck_assert(m2d_trace_writer_close(w, &error));
}

START_TEST(test_merge)
{
	char *const in[] = {a_path, b_path};
	g_autofree char *got = NULL;
	M2dTraceEdit edit = {0};
	GError *error = NULL;

	write_refs(a_path, 5, 0x1000, false);
	write_refs(b_path, 3, 0x2000, true);
	m2d_trace_merge(&edit, in, 2, out_path, 2, &error);
	assert_no_error(error);
	got = text_of(out_path);
	ck_assert_str_eq(got, "0 v0 host aspace process=0x0\n"
			      "0 v1 host aspace process=0x1\n"
			      "0 v0 host read 0x1000 supervisor\n"
			      "1 v0 host read 0x1001 supervisor\n"
			      "2 v1 host read 0x2000 supervisor\n"
			      "3 v1 host read 0x2001 supervisor\n"
			      "4 v1 host aspace process=0x9\n"
			      "4 v0 host read 0x1002 supervisor\n"
			      "5 v0 host read 0x1003 supervisor\n"
			      "6 v1 host read 0x2002 supervisor\n"
			      "7 v0 host read 0x1004 supervisor\n");
	ck_assert_uint_eq(edit.refs, 8);
}
END_TEST

START_TEST(test_merge_tables)
{
	char *const in[] = {a_path, b_path};
	M2dTraceInfo info = {.flags = M2D_TRACE_HAS_TABLES, .n_vcpus = 1};
	uint8_t page[4096] = {1, 2, 4};
	M2dTraceEdit edit = {0};
	GError *error = NULL;
	M2dTraceWriter *w;

	/* The same memory twice is fine. */
	write_story(a_path);
	write_story(b_path);
	m2d_trace_merge(&edit, in, 2, out_path, 1, &error);
	assert_no_error(error);
	ck_assert_uint_eq(edit.refs, 12);
	/* Another memory is not; nor is a trace without tables. */
	g_unlink(out_path);
	w = m2d_trace_writer_new(b_path, &info, &error);
	ck_assert(m2d_trace_writer_page(w, 0x5000, page, &error));
	ck_assert(m2d_trace_writer_close(w, &error));
	ck_assert(!m2d_trace_merge(&edit, in, 2, out_path, 1, &error));
	ck_assert_ptr_nonnull(strstr(error->message, "page 0x5000"));
	g_clear_error(&error);
	write_refs(b_path, 3, 0, false);
	ck_assert(!m2d_trace_merge(&edit, in, 2, out_path, 1, &error));
	ck_assert_ptr_nonnull(strstr(error->message, "without page tables"));
	g_clear_error(&error);
	ck_assert(!g_file_test(out_path, G_FILE_TEST_EXISTS));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace-edit");
	TCase *tc = tcase_create("all");
	int failed;

	a_path = test_temp("a.m2t");
	b_path = test_temp("b.m2t");
	out_path = test_temp("out.m2t");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_cut_state);
	tcase_add_test(tc, test_cut_composes);
	tcase_add_test(tc, test_cut_beyond);
	tcase_add_test(tc, test_merge);
	tcase_add_test(tc, test_merge_tables);
	suite_add_tcase(suite, tc);
	failed = test_main(suite);
	g_unlink(a_path);
	g_unlink(b_path);
	g_unlink(out_path);
	g_free(a_path);
	g_free(b_path);
	g_free(out_path);
	return failed;
}
