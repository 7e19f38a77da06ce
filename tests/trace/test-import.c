/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Importers: what comes out of good input, and where the message points for bad input. */
#include <glib/gstdio.h>
#include <string.h>
#include <zlib.h>

#include "sim/base/error.h"
#include "sim/trace/edit.h"
#include "sim/trace/format.h"
#include "sim/trace/import.h"
#include "util.h"

static char *in_path, *out_path;

static void put_input(const void *bytes, size_t len, bool gzip)
{
	g_unlink(in_path);
	if (gzip) {
		gzFile z = gzopen(in_path, "wb");

		ck_assert_int_eq(gzwrite(z, bytes, (unsigned)len), (int)len);
		ck_assert_int_eq(gzclose(z), Z_OK);
		return;
	}
	test_put_file(in_path, bytes, len);
}

/* All records of the trace as text. */
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

static void expect_text(M2dImportFormat format, const void *bytes, size_t len, const char *want)
{
	for (unsigned i = 0; i < 4; i++) {
		/* Plain and gzip, named and found out. */
		M2dImport im = {.format = i & 1 ? format : M2D_IMPORT_AUTO};
		g_autofree char *got = NULL;
		GError *error = NULL;

		put_input(bytes, len, i & 2);
		m2d_import(&im, in_path, out_path, &error);
		assert_no_error(error);
		ck_assert_int_eq(im.format, format);
		got = text_of(out_path);
		ck_assert_str_eq(got, want);
	}
}

static void expect_error(M2dImportFormat format, const void *bytes, size_t len, bool gzip,
			 const char *part)
{
	M2dImport im = {.format = format};
	GError *error = NULL;

	g_unlink(out_path);
	put_input(bytes, len, gzip);
	if (m2d_import(&im, in_path, out_path, &error))
		ck_abort_msg("no error, expected '%s'", part);
	ck_assert_int_eq(m2d_error_exit_status(error), 2);
	if (strstr(error->message, part) == NULL || strchr(error->message, '\n') != NULL)
		ck_abort_msg("'%s' lacks '%s'", error->message, part);
	g_clear_error(&error);
	ck_assert(!g_file_test(out_path, G_FILE_TEST_EXISTS));
}

static void expect_line_error(M2dImportFormat format, const char *text, const char *part)
{
	expect_error(format, text, strlen(text), false, part);
	expect_error(format, text, strlen(text), true, part);
}

START_TEST(test_lackey)
{
	static const char text[] = "==12== Lackey\n"
				   "I  0401ab70,3\n"
				   " L 1fff000608,8\r\n"
				   "\n"
				   " S ffffffffffffffff,1\n"
				   " M 1000,16\n"
				   "I  ffe,5\n"
				   " S 2000,300";

	expect_text(M2D_IMPORT_LACKEY, text, strlen(text),
		    "0 v0 host fetch 0x401ab70 size=3 user\n"
		    "1 v0 host read 0x1fff000608 size=8 user\n"
		    "2 v0 host write 0xffffffffffffffff size=1 user\n"
		    "3 v0 host read 0x1000 size=16 user\n"
		    "4 v0 host write 0x1000 size=16 user\n"
		    "5 v0 host fetch 0xffe size=5 user cross\n"
		    "6 v0 host write 0x2000 size=128 user\n"
		    "7 v0 host write 0x2080 size=172 user\n");
	expect_line_error(M2D_IMPORT_LACKEY, "I  0401ab70,3\n X 1,1\n", ":2:1: expected \"I");
	expect_line_error(M2D_IMPORT_LACKEY, "I 0401ab70,3\n", ":1:1:");
	expect_line_error(M2D_IMPORT_LACKEY, " L xyz,3\n", ":1:4: expected a hexadecimal");
	expect_line_error(M2D_IMPORT_LACKEY, " L 12345678901234567,3\n", ":1:20:");
	expect_line_error(M2D_IMPORT_LACKEY, " L 1000 3\n", ":1:8: expected a comma");
	expect_line_error(M2D_IMPORT_LACKEY, " L 1000,\n", ":1:9: expected a size");
	expect_line_error(M2D_IMPORT_LACKEY, " L 1000,0\n", "expected a size");
	expect_line_error(M2D_IMPORT_LACKEY, " L 1000,4097\n", "expected a size");
	expect_line_error(M2D_IMPORT_LACKEY, " L 1000,8 \n", ":1:10: expected the end");
	expect_line_error(M2D_IMPORT_LACKEY, "ls: no such file\n", ":1:1:");
}
END_TEST

START_TEST(test_din)
{
	static const char text[] = "# comment\n\n"
				   "2 408ed4\n"
				   "0 0x10019d94 4\n"
				   " 1\t10019d88  0x10 \n"
				   "4 0\n"
				   "2 408ed8";

	expect_text(M2D_IMPORT_DIN, text, strlen(text),
		    "0 v0 host fetch 0x408ed4 user\n"
		    "1 v0 host read 0x10019d94 size=4 user\n"
		    "2 v0 host write 0x10019d88 size=16 user\n"
		    "3 v0 host fetch 0x408ed8 user\n");
	expect_line_error(M2D_IMPORT_DIN, "5 1000\n", ":1:1: expected a label");
	expect_line_error(M2D_IMPORT_DIN, "0 10\n22 1000\n", ":2:1: expected a label");
	expect_line_error(M2D_IMPORT_DIN, "0\n", ":1:2: expected a hexadecimal");
	expect_line_error(M2D_IMPORT_DIN, "0 10g\n", ":1:5:");
	expect_line_error(M2D_IMPORT_DIN, "0 10 9999\n", "expected a size");
	expect_line_error(M2D_IMPORT_DIN, "0 10 4 x\n", ":1:8: expected the end");
}
END_TEST

START_TEST(test_lines)
{
	g_autofree char *big = g_strnfill(300000, 'a');
	static const char binary[] = " L 1000,4\n\0\1\2\3\n";

	big[250000] = '\n';
	expect_error(M2D_IMPORT_LACKEY, big, 300000, false, ":1:4096: the line is longer");
	expect_error(M2D_IMPORT_DIN, big, 300000, true, ":1:4096: the line is longer");
	expect_error(M2D_IMPORT_LACKEY, binary, sizeof(binary) - 1, false, ":2:1:");
	expect_error(M2D_IMPORT_AUTO, "", 0, false, "empty");
	expect_error(M2D_IMPORT_AUTO, "hello\n", 6, false, "--from");
	expect_error(M2D_IMPORT_AUTO, "\1\2\3", 3, false, "--from");
	expect_error(M2D_IMPORT_MMTRACE, "", 0, false, "offset 0");
}
END_TEST

static void put_champsim(uint8_t *p, uint64_t ip, unsigned branch)
{
	memset(p, 0, 64);
	m2d_put64(p, ip);
	p[8] = p[9] = (uint8_t)branch;
}

START_TEST(test_champsim)
{
	uint8_t r[3 * 64];

	put_champsim(r, 0x400100, 0);
	m2d_put64(r + 16, 0x7000);
	m2d_put64(r + 24, 0x8000);
	m2d_put64(r + 32, 0x1000);
	m2d_put64(r + 56, 0x4000);
	put_champsim(r + 64, 0x400104, 1);
	put_champsim(r + 128, 0x400200, 0);
	m2d_put64(r + 128 + 40, 0x2000);
	expect_text(M2D_IMPORT_CHAMPSIM, r, sizeof(r),
		    "0 v0 host fetch 0x400100 user\n"
		    "1 v0 host read 0x1000 user\n"
		    "2 v0 host read 0x4000 user\n"
		    "3 v0 host write 0x7000 user\n"
		    "4 v0 host write 0x8000 user\n"
		    "5 v0 host fetch 0x400104 user\n"
		    "6 v0 host fetch 0x400200 user\n"
		    "7 v0 host read 0x2000 user\n");
	expect_error(M2D_IMPORT_CHAMPSIM, r, sizeof(r) - 1, false, "offset 191: ");
	r[64 + 8] = 7;
	expect_error(M2D_IMPORT_CHAMPSIM, r, sizeof(r), false, "offset 72: branch flag 7");
	expect_error(M2D_IMPORT_CHAMPSIM, r, sizeof(r), true, "offset 72 of the decompressed data");
}
END_TEST

/* --- MMTRACE1 -------------------------------------------------------------------------------- */

static void mmt_header(GByteArray *f, unsigned vcpus, uint64_t pages, uint64_t records,
		       bool filtered)
{
	uint8_t h[64] = "MMTRACE1";

	m2d_put32(h + 8, vcpus);
	m2d_put32(h + 12, 24);
	m2d_put64(h + 16, 1u << 30);
	m2d_put64(h + 24, pages);
	m2d_put64(h + 32, records);
	m2d_put64(h + 40, filtered);
	g_byte_array_set_size(f, 0);
	g_byte_array_append(f, h, 64);
}

static void mmt_record(GByteArray *f, unsigned type, unsigned vcpu, unsigned flags, unsigned shift,
		       uint32_t n, uint64_t a, uint64_t b)
{
	uint8_t r[24] = {(uint8_t)type, (uint8_t)vcpu, (uint8_t)flags, (uint8_t)shift};

	m2d_put32(r + 4, n);
	m2d_put64(r + 8, a);
	m2d_put64(r + 16, b);
	g_byte_array_append(f, r, 24);
}

static void mmt_page(GByteArray *f, uint64_t pa, int fill)
{
	uint8_t p[8 + 4096];

	m2d_put64(p, pa | (fill < 0));
	memset(p + 8, fill, 4096);
	g_byte_array_append(f, p, fill < 0 ? 8 : sizeof(p));
}

static void mmt_sample(GByteArray *f)
{
	mmt_header(f, 2, 2, 25, false);
	mmt_page(f, 0x5000, 7);
	mmt_page(f, 0x6000, -1);
	mmt_record(f, 25, 0, 0, 0, 0, 0x5000, 0);
	mmt_record(f, 28, 0, 0, 0, 0, 0x80050033, 0x3506f0);
	mmt_record(f, 29, 0, 0, 0, 0, 0x1d01, 0);
	mmt_record(f, 18, 0, 0, 1, 5, 0x9000, 0xa000); /* already inside */
	mmt_record(f, 27, 0, 0, 0, 0, 1, 0);
	mmt_record(f, 19, 0, 0, 0, 0, 0x80000011, 0x20);
	mmt_record(f, 25, 1, 0, 0, 0, 0x6000, 0);
	mmt_record(f, 3, 1, 4, 0, 12, 0x401000, 0x77000);
	mmt_record(f, 1, 0, 1, 3, 1, 0xffff800000001ff8, 0x88ff8);
	mmt_record(f, 2, 1, 2, 2, 1, 0xfee00300, 0xfee00300);
	mmt_record(f, 2, 0, 1, 6, 1, 0xfff, 0x3fff);
	mmt_record(f, 4, 0, 1, 5, 0, 0x5ff8, 0x8000000000000067);
	mmt_record(f, 18, 1, 0, 0, 6, 0x9000, 0xb000);
	mmt_record(f, 1, 0, 8, 3, 1, 0x12340, 0x12340);
	mmt_record(f, 27, 1, 0, 0, 0, 0, 0);
	mmt_record(f, 19, 1, 0, 0, 0, 0x80000011, 0x20);
	mmt_record(f, 16, 0, 1, 0, 0, 0xc000, 0xa000);
	mmt_record(f, 17, 0, 0, 0, 0, 0x7000, 0);
	mmt_record(f, 20, 0, 0, 0, 0x400, 0x100000006, 0x9abc);
	mmt_record(f, 21, 0, 0, 0, 5, 0x7000, 0);
	mmt_record(f, 22, 0, 0, 0, 0, 0x80010033, 0x80050033);
	mmt_record(f, 23, 0, 0, 0, 0, 0x3506e0, 0x3506f0);
	mmt_record(f, 24, 1, 1, 0, 0, 0xdead, 0xc000);
	mmt_record(f, 26, 0, 0, 0, 10, 3, 0x100000);
	mmt_record(f, 3, 0, 0, 0, 1, 0x402000, 0x77000);
}

START_TEST(test_mmtrace)
{
	GByteArray *f = g_byte_array_new();

	mmt_sample(f);
	expect_text(M2D_IMPORT_MMTRACE, f->data, f->len,
		    "0 page 0x5000 data\n"
		    "0 page 0x6000 zero\n"
		    "0 v0 host reg cr3 initial new=0x5000 old=0x0\n"
		    "0 v0 host reg cr0 initial new=0x80050033 old=0x0\n"
		    "0 v0 host reg cr4 initial new=0x3506f0 old=0x0\n"
		    "0 v0 host reg efer initial new=0x1d01 old=0x0\n"
		    "0 v0 guest vmrun tlb_control=0x1 asid=0x5 ncr3=0x9000 cr3=0xa000 "
		    "nested_ctl=0x1 cr0=0x80000011 cr4=0x20\n"
		    "0 v1 host reg cr3 initial new=0x6000 old=0x0\n"
		    "0 v1 host fetch 0x401000 pa=0x77000 n=12 user\n"
		    "1 v0 guest read 0xffff800000001ff8 pa=0x88ff8 size=8 supervisor\n"
		    "2 v1 host write 0xfee00300 pa=0xfee00300 size=4 supervisor io\n"
		    "3 v0 guest write 0xfff pa=0x3fff size=64 supervisor cross\n"
		    "4 v0 guest ptwrite use=0x5 bytes=0x8 pa=0x5ff8 value=0x8000000000000067\n"
		    "4 v0 host read 0x12340 pa=0x12340 size=8 supervisor direct\n"
		    "5 v1 host vmrun tlb_control=0x0 asid=0x6 ncr3=0x9000 cr3=0xb000 "
		    "nested_ctl=0x0 cr0=0x80000011 cr4=0x20\n"
		    "5 v0 guest reg cr3 new=0xc000 old=0xa000\n"
		    "5 v0 host invlpg va=0x7000\n"
		    "5 v0 host vmexit code=0x400 exitinfo1=0x100000006 exitinfo2=0x9abc\n"
		    "5 v0 host invlpga asid=0x5 va=0x7000\n"
		    "5 v0 host reg cr0 new=0x80010033 old=0x80050033\n"
		    "5 v0 host reg cr4 new=0x3506e0 old=0x3506f0\n"
		    "5 v1 guest page-fault cr2=0xdead cr3=0xc000\n"
		    "5 v0 host mark code=0xa a=0x3 b=0x100000\n"
		    "5 v0 host fetch 0x402000 pa=0x77000 supervisor\n");
	/* Cut off anywhere: an error that names the place. */
	for (unsigned len = 0; len<f->len; len += len> 70 && len < 4000 ? 97 : 1)
		expect_error(M2D_IMPORT_MMTRACE, f->data, len, false, "offset ");
	/* One byte too many. */
	g_byte_array_append(f, (const guint8 *)"", 1);
	expect_error(M2D_IMPORT_MMTRACE, f->data, f->len, false, "more data than the 25");
	g_byte_array_unref(f);
}
END_TEST

START_TEST(test_mmtrace_bad)
{
	const struct {
		unsigned type, vcpu, flags, shift;
		uint64_t a, b;
		const char *part;
	} bad[] = {
		{0, 0, 0, 0, 0, 0, "offset 64: record type 0"},
		{30, 0, 0, 0, 0, 0, "offset 64: record type 30"},
		{1, 1, 0, 3, 0, 0, "offset 65: vCPU 1"},
		{1, 0, 16, 3, 0, 0, "offset 66: flags 0x10"},
		{1, 0, 0, 8, 0, 0, "offset 67: an access of 2^8"},
		{1, 0, 0, 3, 0x1000, 0x2008, "offset 80: physical address"},
		{1, 0, 0, 3, 0, UINT64_C(1) << 52, "offset 80: physical address"},
		{1, 0, 8, 3, 0x1000, 0x2000, "offset 80: a direct access"},
		{27, 0, 0, 0, 0, 0, "offset 64: record type 27 without"},
		{18, 0, 0, 0, 0, 0, "offset 88: the data end inside a VMRUN"},
	};
	GByteArray *f = g_byte_array_new();

	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		mmt_header(f, 1, 0, 1, false);
		mmt_record(f, bad[i].type, bad[i].vcpu, bad[i].flags, bad[i].shift, 1, bad[i].a,
			   bad[i].b);
		expect_error(M2D_IMPORT_AUTO, f->data, f->len, i & 1, bad[i].part + 9);
		expect_error(M2D_IMPORT_MMTRACE, f->data, f->len, false, bad[i].part);
	}
	mmt_header(f, 1, 0, 2, false);
	mmt_record(f, 18, 0, 0, 0, 1, 0, 0);
	mmt_record(f, 1, 0, 0, 0, 1, 0, 0);
	expect_error(M2D_IMPORT_MMTRACE, f->data, f->len, false,
		     "offset 88: record type 1, expected 27");
	mmt_header(f, 300, 0, 0, false);
	expect_error(M2D_IMPORT_MMTRACE, f->data, f->len, false, "offset 8: 300 vCPUs");
	mmt_header(f, 1, UINT64_MAX, UINT64_MAX, false);
	expect_error(M2D_IMPORT_MMTRACE, f->data, f->len, false, "inside page 1 of");
	mmt_header(f, 1, 1, 0, false);
	mmt_page(f, 0x5004, 1);
	expect_error(M2D_IMPORT_MMTRACE, f->data, f->len, false, "offset 64: page address 0x5004");
	f->data[7] = '2';
	expect_error(M2D_IMPORT_AUTO, f->data, f->len, false, "another version of MMTRACE");
	g_byte_array_unref(f);
}
END_TEST

/* n of a filtered file is what was left out; of an unfiltered one, instructions. */
START_TEST(test_mmtrace_n)
{
	GByteArray *f = g_byte_array_new();

	for (unsigned filtered = 0; filtered < 2; filtered++) {
		M2dImport im = {.format = M2D_IMPORT_MMTRACE};
		GError *error = NULL;

		mmt_header(f, 1, 0, 2, filtered);
		mmt_record(f, 3, 0, 0, 0, 30, 0, 0);
		mmt_record(f, 1, 0, 0, 0, 5, 0, 0);
		put_input(f->data, f->len, false);
		m2d_import(&im, in_path, out_path, &error);
		assert_no_error(error);
		ck_assert_uint_eq(im.instructions, filtered ? 0 : 30);
		ck_assert_uint_eq(im.elided, filtered ? 35 : 0);
		ck_assert_uint_eq(im.flags, M2D_TRACE_HAS_PA | M2D_TRACE_HAS_TABLES |
						    (filtered ? M2D_TRACE_FILTERED : 0));
	}
	g_byte_array_unref(f);
}
END_TEST

/* --- gzip, samples, random damage ---------------------------------------------------------------
 */

START_TEST(test_gzip)
{
	g_autofree char *bytes = NULL, *twice = NULL;
	M2dImport im = {0};
	GError *error = NULL;
	size_t len;

	put_input("2 1000\n", 7, true);
	ck_assert(g_file_get_contents(in_path, &bytes, &len, NULL));
	/* Members in a row are one text. */
	twice = g_malloc(2 * len);
	memcpy(twice, bytes, len);
	memcpy(twice + len, bytes, len);
	put_input(twice, 2 * len, false);
	m2d_import(&im, in_path, out_path, &error);
	assert_no_error(error);
	ck_assert_uint_eq(im.refs[M2D_REF_FETCH], 2);
	for (size_t cut = 3; cut < len; cut++)
		expect_error(M2D_IMPORT_DIN, bytes, cut, false, "of the gzip file");
	bytes[len - 6] ^= 1;
	expect_error(M2D_IMPORT_DIN, bytes, len, false, "of the gzip file");
}
END_TEST

static void import_sample(const char *name, M2dImport *im)
{
	g_autofree char *path = g_build_filename(TEST_DATA, name, NULL);
	GError *error = NULL;

	*im = (M2dImport){0};
	m2d_import(im, path, out_path, &error);
	assert_no_error(error);
}

START_TEST(test_samples)
{
	M2dImport im;

	import_sample("sample.lackey", &im);
	ck_assert_int_eq(im.format, M2D_IMPORT_LACKEY);
	ck_assert_uint_eq(im.refs[M2D_REF_FETCH], 260);
	ck_assert_uint_eq(im.refs[M2D_REF_READ], 41 + 14);
	ck_assert_uint_eq(im.refs[M2D_REF_WRITE], 25 + 14);
	ck_assert_uint_eq(im.skipped, 5);
	import_sample("sample.din", &im);
	ck_assert_int_eq(im.format, M2D_IMPORT_DIN);
	ck_assert_uint_eq(im.refs[M2D_REF_FETCH], 260);
	ck_assert_uint_eq(im.refs[M2D_REF_READ], 55);
	ck_assert_uint_eq(im.refs[M2D_REF_WRITE], 39);
	ck_assert_uint_eq(im.skipped, 3);
}
END_TEST

/* Damaged input of any kind: an error and no output, or a trace that reads well. */
START_TEST(test_random_damage)
{
	GByteArray *f = g_byte_array_new();
	g_autofree char *lackey = NULL, *din = NULL;
	size_t lackey_len, din_len;
	M2dRng rng;

	mmt_sample(f);
	ck_assert(g_file_get_contents(TEST_DATA "/sample.lackey", &lackey, &lackey_len, NULL));
	ck_assert(g_file_get_contents(TEST_DATA "/sample.din", &din, &din_len, NULL));
	m2d_rng_seed(&rng, 3);
	for (unsigned i = 0; i < 3000; i++) {
		const struct {
			M2dImportFormat format;
			const void *bytes;
			size_t len;
		} of[] = {{M2D_IMPORT_LACKEY, lackey, lackey_len},
			  {M2D_IMPORT_DIN, din, din_len},
			  {M2D_IMPORT_MMTRACE, f->data, f->len},
			  {M2D_IMPORT_CHAMPSIM, f->data + 4200, 256},
			  {M2D_IMPORT_AUTO, lackey, 100}},
		  *s = &of[i % G_N_ELEMENTS(of)];
		g_autofree uint8_t *copy = g_memdup2(s->bytes, s->len);
		M2dImport im = {.format = s->format};
		GError *error = NULL;

		for (unsigned j = 1 + (unsigned)m2d_rng_below(&rng, 4); j > 0; j--)
			copy[m2d_rng_below(&rng, s->len)] ^=
				(uint8_t)(1u << m2d_rng_below(&rng, 8));
		put_input(copy, s->len, i & 1);
		g_unlink(out_path);
		if (m2d_import(&im, in_path, out_path, &error)) {
			g_autofree char *text = text_of(out_path);
		} else {
			ck_assert_ptr_null(strchr(error->message, '\n'));
			ck_assert(!g_file_test(out_path, G_FILE_TEST_EXISTS));
			g_clear_error(&error);
		}
	}
	g_byte_array_unref(f);
}
END_TEST

static bool give_up(uint64_t bytes, uint64_t total, void *data)
{
	return false;
}

START_TEST(test_interrupt)
{
	M2dImport im = {.progress = give_up};
	GError *error = NULL;

	put_input("2 1000\n", 7, false);
	g_unlink(out_path);
	ck_assert(!m2d_import(&im, in_path, out_path, &error));
	ck_assert_int_eq(m2d_error_exit_status(error), 75);
	ck_assert(!g_file_test(out_path, G_FILE_TEST_EXISTS));
	g_clear_error(&error);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace-import");
	TCase *tc = tcase_create("all");
	int failed;

	in_path = test_temp("in");
	out_path = test_temp("out.m2t");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_lackey);
	tcase_add_test(tc, test_din);
	tcase_add_test(tc, test_lines);
	tcase_add_test(tc, test_champsim);
	tcase_add_test(tc, test_mmtrace);
	tcase_add_test(tc, test_mmtrace_bad);
	tcase_add_test(tc, test_mmtrace_n);
	tcase_add_test(tc, test_gzip);
	tcase_add_test(tc, test_samples);
	tcase_add_test(tc, test_random_damage);
	tcase_add_test(tc, test_interrupt);
	suite_add_tcase(suite, tc);
	failed = test_main(suite);
	g_unlink(in_path);
	g_unlink(out_path);
	g_free(in_path);
	g_free(out_path);
	return failed;
}
