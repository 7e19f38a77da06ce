/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Masks of each layout against a table typed from the kernel's headers, known values of SPTEs, and
 * MMIO SPTEs there and back.
 */
#include "tests/spte/spte-test.h"

#include "sim/base/rng.h"

/* --- Masks. --- */

typedef struct {
	M2dSpteLayout layout;
	M2dSpteKind kind;
	uint64_t mmu_present, host_w, mmu_w, ad_mask, ad_off, wrprot, saved;
	uint64_t frozen, nonpresent, present;
	uint64_t mmio_value, mmio_mask, gen_low, gen_high, gen_mask;
} Masks;

#define PT  M2D_SPTE_PT
#define EPT M2D_SPTE_EPT

/* clang-format off */
static const Masks masks[] = {
	{M2D_SPTE_4_19, PT, 0, 0x400, 0x800, 0, 0, 0, 0, 0, 0, 1,
	 V(0x4008000000000001), V(0x4008000000000001), 0xff8, V(0x3ff0000000000000), 0xfffff},
	{M2D_SPTE_4_19, EPT, 0, 0x400, 0x800, V(0x4000000000000000), V(0x4000000000000000), 0,
	 V(0x0050000000000000), 0, 0, 1,
	 V(0x4000000000000006), V(0x4000000000000007), 0xff8, V(0x3ff0000000000000), 0xfffff},
	{M2D_SPTE_5_4, PT, 0, 0x400, 0x800, 0, 0, 0, 0, 0, 0, 1,
	 V(0x0038000000000001), V(0x0038000000000001), 0xff8, V(0x3ff0000000000000), 0x7ffff},
	{M2D_SPTE_5_4, EPT, 0, 0x400, 0x800, V(0x0030000000000000), V(0x0010000000000000),
	 V(0x0020000000000000), V(0x0140000000000000), 0, 0, 1,
	 V(0x0030000000000006), V(0x0030000000000007), 0xff8, V(0x3ff0000000000000), 0x7ffff},
	{M2D_SPTE_5_10, PT, 0, 0x400, 0x800, 0, 0, 0, 0, V(0x0800000000000000), 0, 1,
	 V(0x0038000000000001), V(0x0030000000000000), 0xff8, V(0x7fc0000000000000), 0x3ffff},
	{M2D_SPTE_5_10, EPT, 0, 0x400, 0x800, V(0x0030000000000000), V(0x0010000000000000),
	 V(0x0020000000000000), V(0x0140000000000000), V(0x0800000000000000), 0, 1,
	 V(0x0030000000000006), V(0x0030000000000000), 0xff8, V(0x7fc0000000000000), 0x3ffff},
	{M2D_SPTE_5_14, PT, 0x800, 0x200, 0x400, 0, 0, 0, 0, 0x5a0, 0, 1,
	 V(0x0008000000000001), V(0x0008000000000001), 0x7f8, V(0x7ff0000000000000), 0x7ffff},
	{M2D_SPTE_5_14, EPT, 0x800, V(0x0200000000000000), V(0x0400000000000000),
	 V(0x0030000000000000), V(0x0010000000000000), V(0x0020000000000000),
	 V(0x0140000000000000), 0x5a0, 0, 1,
	 6, 7, 0x7f8, V(0x7ff0000000000000), 0x7ffff},
	{M2D_SPTE_6_12, PT, 0x800, 0x200, 0x400, 0, 0, 0, 0, V(0x80000000000005a0),
	 V(0x8000000000000000), 1,
	 V(0x0008000000000001), V(0x0008000000000001), 0x7f8, V(0x7ff0000000000000), 0x7ffff},
	{M2D_SPTE_6_12, EPT, 0x800, V(0x0200000000000000), V(0x0400000000000000),
	 V(0x0030000000000000), V(0x0010000000000000), V(0x0020000000000000),
	 V(0x0140000000000000), V(0x80000000000005a0), V(0x8000000000000000),
	 V(0x8000000000000001),
	 6, V(0x8000000000000007), 0x7f8, V(0x7ff0000000000000), 0x7ffff},
	{M2D_SPTE_6_13, PT, 0x800, 0x200, 0x400, 0, 0, 0, 0, V(0x80000000000005a0),
	 V(0x8000000000000000), 1,
	 V(0x0008000000000001), V(0x0008000000000001), 0x7f8, V(0x7ff0000000000000), 0x7ffff},
	{M2D_SPTE_6_13, EPT, 0x800, V(0x0200000000000000), V(0x0400000000000000),
	 V(0x0030000000000000), V(0x0010000000000000), V(0x0020000000000000),
	 V(0x0140000000000000), V(0x80000000000005a0), V(0x8000000000000000),
	 V(0x8000000000000001),
	 6, V(0x8000000000000007), 0x7f8, V(0x7ff0000000000000), 0x7ffff},
};
/* clang-format on */

START_TEST(test_masks)
{
	const Masks *m = &masks[_i];
	M2dSpteFormat f = format_of(m->kind, m->layout, true);

	ck_assert_uint_eq(f.mmu_present, m->mmu_present);
	ck_assert_uint_eq(f.host_writable, m->host_w);
	ck_assert_uint_eq(f.mmu_writable, m->mmu_w);
	ck_assert_uint_eq(f.ad_mask, m->ad_mask);
	ck_assert_uint_eq(f.ad_disabled, m->ad_off);
	ck_assert_uint_eq(f.ad_wrprot, m->wrprot);
	ck_assert_uint_eq(f.saved, m->saved);
	ck_assert_uint_eq(f.frozen, m->frozen);
	ck_assert_uint_eq(f.nonpresent, m->nonpresent);
	ck_assert_uint_eq(f.present, m->present);
	ck_assert_uint_eq(f.mmio_value, m->mmio_value);
	ck_assert_uint_eq(f.mmio_mask, m->mmio_mask);
	ck_assert_uint_eq(f.gen_low, m->gen_low);
	ck_assert_uint_eq(f.gen_high, m->gen_high);
	ck_assert_uint_eq(f.gen_mask, m->gen_mask);
	ck_assert_uint_eq(f.user, m->kind == EPT ? 1 : 4);
	ck_assert_uint_eq(f.x, m->kind == EPT ? 4 : 0);
	ck_assert_uint_eq(f.nx, m->kind == EPT ? 0 : V(0x8000000000000000));
	ck_assert_uint_eq(f.accessed, m->kind == EPT ? 0x100 : 0x20);
	ck_assert_uint_eq(f.dirty, m->kind == EPT ? 0x200 : 0x40);
	ck_assert_uint_eq(f.acc_track, m->kind == EPT ? 7 : 0);
	ck_assert_uint_eq(f.mmio_access, m->kind == EPT ? 0 : 6);
	ck_assert_uint_eq(f.addr, V(0x000ffffffffff000));
	ck_assert_uint_eq(f.l1tf, 0);
	ck_assert_uint_eq(f.l1tf_low_gfn, V(0x00003ffffffff000));
}
END_TEST

/* What depends on the machine. */
START_TEST(test_config)
{
	M2dSpteFormat f;

	f = format_of(EPT, M2D_SPTE_6_12, false);
	ck_assert_uint_eq(f.accessed | f.dirty, 0);
	f = format_of(EPT, M2D_SPTE_6_13, false);
	ck_assert_uint_eq(f.accessed | f.dirty, 0x300);
	ck_assert(!f.ad);
	m2d_spte_format(&f, &(M2dSpteConfig){.kind = EPT,
					     .layout = M2D_SPTE_6_13,
					     .ad = true,
					     .maxphyaddr = 39,
					     .exec_only = true});
	ck_assert_uint_eq(f.present, V(0x8000000000000000));
	m2d_spte_format(&f,
			&(M2dSpteConfig){
				.kind = PT, .layout = M2D_SPTE_5_14, .ad = true, .maxphyaddr = 52});
	ck_assert(!m2d_spte_can_mmio(&f));
	ck_assert(!m2d_spte_is_mmio(&f, 0));
	m2d_spte_format(&f, &(M2dSpteConfig){.kind = PT,
					     .layout = M2D_SPTE_5_14,
					     .ad = true,
					     .maxphyaddr = 51,
					     .l1tf_bits = 46,
					     .me_mask = M2D_BIT(47)});
	ck_assert_uint_eq(f.l1tf, V(0x00003e0000000000));
	ck_assert_uint_eq(f.l1tf_low_gfn, V(0x000001fffffff000));
	ck_assert_uint_eq(f.addr, V(0x000f7ffffffff000));
	ck_assert_str_eq(m2d_spte_layout_name(M2D_SPTE_5_10), "5.10");
}
END_TEST

/* --- Known values. --- */

typedef struct {
	M2dSpteLayout layout;
	M2dSpteKind kind;
	bool ad;
	uint64_t value;
	M2dSpteLeaf in;
	bool wrprot, pt_protect;
} Vector;

#define LEAF(lvl, acc, host, mmu, d)                                                               \
	.level = (lvl), .access = (acc), .host_writable = (host), .mmu_writable = (mmu),           \
	.can_dirty = (d)
#define RWX LEAF(1, M2D_SPTE_ACC_ALL, true, true, true)
#define WB  .memtype = 6, .ipat = true

static const Vector vectors[] = {
	{M2D_SPTE_5_10, EPT, true, V(0x0000000000000f77), {RWX, WB}},
	{M2D_SPTE_5_14, EPT, true, V(0x0600000000000b77), {RWX, WB}},
	{M2D_SPTE_6_12, EPT, true, V(0x8600000000000b77), {RWX, WB}},
	{M2D_SPTE_6_13, EPT, true, V(0x8600000000000b77), {RWX, WB}},
	{M2D_SPTE_5_14,
	 EPT,
	 true,
	 V(0x0600000000000bf7),
	 {LEAF(2, M2D_SPTE_ACC_ALL, true, true, true), WB}},
	{M2D_SPTE_5_14, EPT, true, V(0x0600000000000b75), {RWX, WB}, .wrprot = true},
	{M2D_SPTE_5_14, EPT, true, V(0x0200000000000b75), {RWX, WB}, true, .pt_protect = true},
	{M2D_SPTE_5_14,
	 EPT,
	 false,
	 V(0x0750000000000870),
	 {RWX, WB, .ad = M2D_SPTE_AD_DISABLED, .prefetch = true}},
	{M2D_SPTE_5_10, PT, true, 0xc67, {RWX}},
	{M2D_SPTE_5_14, PT, true, 0xe67, {RWX}},
	{M2D_SPTE_6_13, PT, true, 0xe67, {RWX}},
	{M2D_SPTE_5_14,
	 PT,
	 true,
	 V(0x8000000000000e67),
	 {LEAF(1, M2D_SPTE_ACC_WRITE | M2D_SPTE_ACC_USER, true, true, true)}},
	/* Worked out by hand from the masks for what the list above leaves out. */
	{M2D_SPTE_4_19, EPT, true, V(0x0000000000000f77), {RWX, WB}},
	{M2D_SPTE_4_19, EPT, false, V(0x4000000000000c77), {RWX, WB, .ad = M2D_SPTE_AD_DISABLED}},
	{M2D_SPTE_4_19,
	 EPT,
	 false,
	 V(0x4050000000000c70),
	 {RWX, WB, .ad = M2D_SPTE_AD_DISABLED, .prefetch = true}},
	{M2D_SPTE_5_4, EPT, true, V(0x0020000000000f77), {RWX, WB, .ad = M2D_SPTE_AD_WRPROT_ONLY}},
	{M2D_SPTE_5_10,
	 EPT,
	 false,
	 V(0x0150000000000c70),
	 {RWX, WB, .ad = M2D_SPTE_AD_DISABLED, .prefetch = true}},
	{M2D_SPTE_6_13, EPT, false, V(0x8610000000000b77), {RWX, WB, .ad = M2D_SPTE_AD_DISABLED}},
	{M2D_SPTE_6_13,
	 EPT,
	 false,
	 V(0x8750000000000a70),
	 {RWX, WB, .ad = M2D_SPTE_AD_DISABLED, .prefetch = true}},
	{M2D_SPTE_5_14, PT, true, 0xe47, {RWX, .prefetch = true}},
	{M2D_SPTE_5_14, PT, true, 0xe27, {LEAF(1, M2D_SPTE_ACC_ALL, true, true, false)}},
	{M2D_SPTE_5_14, PT, true, 0xa25, {LEAF(1, M2D_SPTE_ACC_ALL, true, false, true)}},
	{M2D_SPTE_5_14, PT, true, 0x825, {LEAF(1, M2D_SPTE_ACC_ALL, false, true, true)}},
	{M2D_SPTE_5_14,
	 PT,
	 true,
	 0xa25,
	 {LEAF(1, M2D_SPTE_ACC_EXEC | M2D_SPTE_ACC_USER, true, true, true)}},
	{M2D_SPTE_5_14,
	 PT,
	 true,
	 0xe63,
	 {LEAF(1, M2D_SPTE_ACC_EXEC | M2D_SPTE_ACC_WRITE, true, true, true)}},
	{M2D_SPTE_5_14,
	 PT,
	 true,
	 V(0x8000000000200ee7),
	 {LEAF(2, M2D_SPTE_ACC_ALL, true, true, true), .pfn = 0x200, .nx_huge = true}},
	{M2D_SPTE_5_14, PT, true, V(0x0000000000001e67), {RWX, .pfn = 1, .nx_huge = true}},
};

START_TEST(test_vectors)
{
	const Vector *t = &vectors[_i];
	M2dSpteFormat f = format_of(t->kind, t->layout, t->ad);
	uint64_t v = m2d_spte_make_leaf(&f, &t->in);

	if (t->wrprot)
		v = m2d_spte_wrprot(&f, v, t->pt_protect);
	ck_assert_msg(v == t->value, "vector %d: 0x%" PRIx64 " instead of 0x%" PRIx64, _i, v,
		      t->value);
	ck_assert(m2d_spte_is_present(&f, v));
	ck_assert(!m2d_spte_is_mmio(&f, v) && !m2d_spte_is_frozen(&f, v));
}
END_TEST

START_TEST(test_tables)
{
	M2dSpteFormat f = format_of(EPT, M2D_SPTE_5_14, true);

	ck_assert_uint_eq(m2d_spte_make_nonleaf(&f, 0, false), 0x907);
	ck_assert_uint_eq(m2d_spte_make_nonleaf(&f, 5, true), V(0x0010000000005807));
	f = format_of(EPT, M2D_SPTE_6_12, true);
	ck_assert_uint_eq(m2d_spte_make_nonleaf(&f, 0, false), V(0x8000000000000907));
	f = format_of(EPT, M2D_SPTE_6_13, true);
	ck_assert_uint_eq(m2d_spte_make_nonleaf(&f, 0, false), V(0x8000000000000907));
	f = format_of(EPT, M2D_SPTE_4_19, true);
	ck_assert_uint_eq(m2d_spte_make_nonleaf(&f, 0, true), V(0x4000000000000007));
	f = format_of(PT, M2D_SPTE_5_14, true);
	ck_assert_uint_eq(m2d_spte_make_nonleaf(&f, 0, false), 0x827);
	f = format_of(PT, M2D_SPTE_5_10, true);
	ck_assert_uint_eq(m2d_spte_make_nonleaf(&f, 7, false), 0x7027);
	m2d_spte_format(&f, &(M2dSpteConfig){.kind = PT,
					     .layout = M2D_SPTE_5_14,
					     .ad = true,
					     .maxphyaddr = 48,
					     .me_mask = M2D_BIT(47)});
	ck_assert_uint_eq(m2d_spte_make_nonleaf(&f, 7, false), V(0x0000800000007827));
	ck_assert_uint_eq(m2d_spte_pfn(&f, V(0x0000800000007827)), 7);
	ck_assert_uint_eq(m2d_spte_make_leaf(&f, &(M2dSpteLeaf){RWX, .pfn = 3}),
			  V(0x0000800000003e67));
	ck_assert_uint_eq(m2d_spte_make_leaf(&f, &(M2dSpteLeaf){RWX, .pfn = 3, .device = true}),
			  V(0x0000000000003e67));
}
END_TEST

/* --- MMIO. --- */

START_TEST(test_mmio_vectors)
{
	static const struct {
		M2dSpteLayout layout;
		M2dSpteKind kind;
		uint64_t gen, value;
	} t[] = {
		{M2D_SPTE_5_14, EPT, 0x12345, V(0x12300000fee0022e)},
		{M2D_SPTE_5_14, PT, 0x12345, V(0x12380000fee0022f)},
		{M2D_SPTE_6_13, EPT, 0x12345, V(0x12300000fee0022e)},
		/* 9 low bits 0x145 at 3, 9 high bits 0x91 at 54, type 3. */
		{M2D_SPTE_5_10, EPT, 0x12345, V(0x24700000fee00a2e)},
		/* The low ten bits again at 52, 0x345 | 3. */
		{M2D_SPTE_5_4, EPT, 0x12345, V(0x34700000fee00a2e)},
		/* Bits 9:1 (0x1a2) at 3, bits 19:10 (0x48) at 52, special. */
		{M2D_SPTE_4_19, EPT, 0x12344, V(0x44800000fee00d16)},
	};

	for (unsigned i = 0; i < M2D_N_ELEMENTS(t); i++) {
		M2dSpteFormat f = format_of(t[i].kind, t[i].layout, true);
		uint64_t v = m2d_spte_make_mmio(&f, 0xfee00, M2D_SPTE_ACC_ALL, t[i].gen);

		ck_assert_msg(v == t[i].value, "%u: 0x%" PRIx64, i, v);
	}
}
END_TEST

START_TEST(test_mmio_round_trip)
{
	M2dRng rng;
	unsigned l1tf[] = {0, 36, 39, 46};

	m2d_rng_seed(&rng, 1);
	for (unsigned i = 0; i < N_FORMATS * M2D_N_ELEMENTS(l1tf); i++) {
		M2dSpteFormat f = format_nth(i / M2D_N_ELEMENTS(l1tf));
		M2dSpteConfig cfg = {.kind = f.kind,
				     .layout = f.layout,
				     .maxphyaddr = 46,
				     .ad = f.ad,
				     .l1tf_bits = l1tf[i % M2D_N_ELEMENTS(l1tf)]};
		unsigned gfn_bits = (cfg.l1tf_bits ? cfg.l1tf_bits : 46) - 12;

		m2d_spte_format(&f, &cfg);
		for (unsigned n = 0; n < 200; n++) {
			uint64_t gfn = m2d_rng_next(&rng) >> (64 - gfn_bits);
			uint64_t gen = m2d_rng_next(&rng);
			unsigned access = m2d_rng_next(&rng) & M2D_SPTE_ACC_ALL;
			uint64_t v = m2d_spte_make_mmio(&f, gfn, access, gen), want;

			ck_assert(m2d_spte_is_mmio(&f, v));
			ck_assert(!m2d_spte_is_present(&f, v));
			ck_assert_uint_eq(v & f.l1tf, f.l1tf);
			ck_assert_uint_eq(m2d_spte_mmio_gfn(&f, v), gfn);
			ck_assert_uint_eq(m2d_spte_mmio_access(&f, v),
					  f.kind == EPT ? 0 : access & 6);
			want = m2d_spte_mmio_gen_mask(&f, gen);
			if (f.layout == M2D_SPTE_4_19)
				want &= ~UINT64_C(1);
			if (f.layout == M2D_SPTE_5_4)
				want &= 0x3ff;
			ck_assert_uint_eq(m2d_spte_mmio_generation(&f, v), want);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spte-format");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, test_masks, 0, M2D_N_ELEMENTS(masks));
	tcase_add_test(tc, test_config);
	tcase_add_loop_test(tc, test_vectors, 0, M2D_N_ELEMENTS(vectors));
	tcase_add_test(tc, test_tables);
	tcase_add_test(tc, test_mmio_vectors);
	tcase_add_test(tc, test_mmio_round_trip);
	suite_add_tcase(s, tc);
	return run(s);
}
