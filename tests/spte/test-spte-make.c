/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What constructors promise: what goes in comes out, and one SPTE made from another differs as
 * told. */
#include "tests/spte/spte-test.h"

/* Every combination of inputs; @i counts them. */
#define N_INPUTS (8 * 2 * 2 * 2 * 2 * 2 * 3 * 3)

static bool input_nth(const M2dSpteFormat *f, unsigned i, M2dSpteLeaf *in)
{
	*in = (M2dSpteLeaf){
		.access = i & 7,
		.host_writable = i >> 3 & 1,
		.mmu_writable = i >> 4 & 1,
		.can_dirty = i >> 5 & 1,
		.prefetch = i >> 6 & 1,
		.nx_huge = i >> 7 & 1,
		.level = 1 + (i >> 8) % 3,
		.ad = (i >> 8) / 3,
		.pfn = 0x40000,
		.memtype = 6,
	};
	if (f->kind == M2D_SPTE_PT)
		return in->ad == M2D_SPTE_AD_ENABLED;
	if (in->ad == M2D_SPTE_AD_WRPROT_ONLY && !f->ad_wrprot)
		return false;
	/* KVM asks for nothing that cannot be read, except exec-only. */
	return in->access & M2D_SPTE_ACC_READ ||
	       (!(f->present & 1) && in->access == M2D_SPTE_ACC_EXEC &&
		!(in->level > 1 && in->nx_huge));
}

START_TEST(test_leaf)
{
	M2dSpteFormat f = format_nth(_i);
	bool soft = f.layout >= M2D_SPTE_6_13;
	M2dSpteLeaf in;

	for (unsigned i = 0; i < N_INPUTS; i++) {
		bool w, x, tracked, off;
		uint64_t v;
		const char *why;

		if (!input_nth(&f, i, &in))
			continue;
		v = m2d_spte_make_leaf(&f, &in);
		why = m2d_spte_illegal(&f, v, in.level);
		ck_assert_msg(!why, "inputs %u: 0x%" PRIx64 " %s", i, v, why);
		off = in.ad == M2D_SPTE_AD_DISABLED;
		tracked = in.prefetch && off;
		w = in.access & M2D_SPTE_ACC_WRITE && in.host_writable && in.mmu_writable;
		x = in.access & M2D_SPTE_ACC_EXEC && !(in.level > 1 && in.nx_huge);
		ck_assert_int_eq(m2d_spte_is_access_track(&f, v), tracked);
		ck_assert_int_eq(m2d_spte_ad_type(&f, v), in.ad);
		ck_assert_int_eq(m2d_spte_is_writable(v), w && !tracked);
		ck_assert_int_eq(m2d_spte_is_mmu_writable(&f, v), w);
		ck_assert_int_eq(m2d_spte_is_host_writable(&f, v), in.host_writable);
		ck_assert_int_eq(m2d_spte_is_last(v, in.level), true);
		ck_assert_uint_eq(m2d_spte_pfn(&f, v), in.pfn);
		ck_assert_int_eq(v & f.accessed && 1, f.accessed && (soft || !off) && !in.prefetch);
		ck_assert_int_eq(v & f.dirty && 1, f.dirty && (soft || !off) && w && in.can_dirty);
		v = tracked ? m2d_spte_restore_acc_track(&f, v) : v;
		ck_assert_uint_eq(m2d_spte_access(&f, v),
				  (x ? M2D_SPTE_ACC_EXEC : 0) | (in.access & M2D_SPTE_ACC_USER) |
					  (w && !tracked ? M2D_SPTE_ACC_WRITE : 0));
	}
}
END_TEST

START_TEST(test_nonleaf)
{
	M2dSpteFormat f = format_nth(_i);

	for (unsigned off = 0; off <= (f.ad_disabled ? 1 : 0); off++) {
		uint64_t v = m2d_spte_make_nonleaf(&f, 0x12345, off);

		for (unsigned level = 2; level <= 5; level++) {
			ck_assert_int_eq(m2d_spte_state(&f, v, level), M2D_SPTE_STATE_NONLEAF);
			ck_assert_ptr_null(m2d_spte_illegal(&f, v, level));
		}
		ck_assert_uint_eq(m2d_spte_pfn(&f, v), 0x12345);
		ck_assert_uint_eq(m2d_spte_access(&f, v), M2D_SPTE_ACC_ALL);
		ck_assert_int_eq(m2d_spte_ad_enabled(&f, v), !off);
		ck_assert_uint_eq(v & f.accessed, off ? 0 : f.accessed);
		ck_assert_uint_eq(v & (f.dirty | f.host_writable), 0);
	}
}
END_TEST

/* INV-TRK-1: restore(mark(v)) has exactly the rights of v but W, and so has a second round. */
START_TEST(test_access_track)
{
	M2dSpteFormat f = format_nth(_i);
	unsigned tracked = 0;

	for (unsigned i = 0; i < N_MODELS; i++) {
		Model m = model_nth(i);
		uint64_t v, marked, restored;

		if (!model_legal(&f, &m) || m.tracked)
			continue;
		v = model_encode(&f, &m, 1);
		marked = m2d_spte_mark_for_access_track(&f, v);
		ck_assert_uint_eq(m2d_spte_mark_for_access_track(&f, marked), marked);
		ck_assert(m2d_spte_is_present(&f, marked));
		ck_assert_ptr_null(m2d_spte_illegal(&f, marked, 1));
		if (m.type != M2D_SPTE_AD_DISABLED) {
			ck_assert_uint_eq(marked, v & ~f.accessed);
			continue;
		}
		tracked++;
		ck_assert(m2d_spte_is_access_track(&f, marked));
		ck_assert(!m2d_spte_is_accessed(&f, marked));
		ck_assert_uint_eq(marked & 7, 0);
		ck_assert_int_eq(m2d_spte_is_mmu_writable(&f, marked),
				 m2d_spte_is_mmu_writable(&f, v));
		restored = m2d_spte_restore_acc_track(&f, marked);
		ck_assert_uint_eq(restored,
				  v & ~(M2D_SPTE_W | (f.layout >= M2D_SPTE_6_13 ? f.accessed : 0)));
		ck_assert_uint_eq(m2d_spte_access(&f, restored),
				  m2d_spte_access(&f, v) & ~(unsigned)M2D_SPTE_ACC_WRITE);
	}
	ck_assert_int_eq(tracked > 0, f.kind == M2D_SPTE_EPT);
}
END_TEST

START_TEST(test_write_protect)
{
	M2dSpteFormat f = format_nth(_i);

	for (unsigned i = 0; i < N_MODELS; i++) {
		Model m = model_nth(i), want = m;
		uint64_t v = model_encode(&f, &m, 1);

		if (!model_legal(&f, &m))
			continue;
		if (m.write == M2D_SPTE_WRITE_RW)
			want.write = M2D_SPTE_WRITE_DL;
		ck_assert_uint_eq(m2d_spte_wrprot(&f, v, false), model_encode(&f, &want, 1));
		if (m.type != M2D_SPTE_AD_ENABLED) {
			ck_assert_uint_eq(m2d_spte_clear_dirty(&f, v), model_encode(&f, &want, 1));
		} else {
			Model clean = m;

			clean.d = false;
			ck_assert_uint_eq(m2d_spte_clear_dirty(&f, v), model_encode(&f, &clean, 1));
			clean.d = true;
			ck_assert_uint_eq(m2d_spte_set_dirty(&f, v), model_encode(&f, &clean, 1));
		}
		if (m.write != M2D_SPTE_WRITE_RO)
			want.write = M2D_SPTE_WRITE_PT;
		ck_assert_uint_eq(m2d_spte_wrprot(&f, v, true), model_encode(&f, &want, 1));
		want = m;
		want.a = true;
		ck_assert_uint_eq(m2d_spte_set_accessed(&f, v), model_encode(&f, &want, 1));
	}
}
END_TEST

/* Children map the parts of the huge leaf with its rights, and any of them makes it again. */
START_TEST(test_split)
{
	static const unsigned indexes[] = {0, 1, 255, 511};
	M2dSpteFormat f = format_nth(_i);

	for (unsigned i = 0; i < N_MODELS * 16; i++) {
		Model m = model_nth(i / 16);
		unsigned index = indexes[i % 4], level = i & 4 ? 2 : 1;
		bool nx_huge = i & 8;
		uint64_t huge, child, want;

		if (!model_legal(&f, &m) || (nx_huge && m.x))
			continue;
		huge = model_encode(&f, &m, 2) | UINT64_C(0x100000) << 12;
		child = m2d_spte_split(&f, huge, level, index, nx_huge,
				       m.r || m.u ? M2D_SPTE_ACC_ALL : M2D_SPTE_ACC_EXEC);
		ck_assert_uint_eq(m2d_spte_pfn(&f, child),
				  0x100000 + (level == 1 ? index : index * 512));
		ck_assert_ptr_null(m2d_spte_illegal(&f, child, level));
		/* The mitigation ends at 4 KiB, also for saved rights. */
		m.x = m.x || (nx_huge && level == 1);
		want = model_encode(&f, &m, level);
		ck_assert_uint_eq(child & ~f.addr, want & ~f.addr);
		ck_assert_uint_eq(m2d_spte_huge(&f, child, level + 1, nx_huge), huge);
		child = m2d_spte_split(&f, huge, level, index, nx_huge, M2D_SPTE_ACC_READ);
		if (nx_huge)
			ck_assert_uint_eq(child & ~(f.addr | M2D_SPTE_PS),
					  huge & ~(f.addr | M2D_SPTE_PS));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spte-make");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_leaf, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_nonleaf, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_access_track, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_write_protect, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_split, 0, N_FORMATS);
	suite_add_tcase(s, tc);
	return run(s);
}
