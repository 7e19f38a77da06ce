/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is a legal SPTE: the set of legal values, made from descriptions, against all combinations
 * of flag bits; and the predicates on each.
 */
#include "tests/spte/spte-test.h"

#include <glib.h>

static void add(GHashTable *set, uint64_t v)
{
	g_hash_table_add(set, g_memdup2(&v, sizeof(v)));
}

/* All legal present values of one format and level, with frame 0. */
static GHashTable *legal_set(const M2dSpteFormat *f, unsigned level)
{
	GHashTable *set = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

	for (unsigned i = 0; i < N_MODELS; i++) {
		Model m = model_nth(i);

		if (model_legal(f, &m))
			add(set, model_encode(f, &m, level));
	}
	if (level > 1) {
		add(set, m2d_spte_make_nonleaf(f, 0, false));
		add(set, m2d_spte_make_nonleaf(f, 0, false) & ~f->accessed);
		if (f->ad_disabled)
			add(set, m2d_spte_make_nonleaf(f, 0, true));
	}
	return set;
}

/* Every combination of the bits that mean something in some layout. */
START_TEST(test_exhaustive)
{
	static const unsigned char bits[] = {0, 1, 2, 8, 9, 10, 11, 52, 53, 54, 56, 57, 58, 62, 63};
	static const unsigned char pt_bits[] = {0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 52, 54, 57, 58, 63};
	M2dSpteFormat f = format_nth(_i);
	const unsigned char *bit = f.kind == M2D_SPTE_EPT ? bits : pt_bits;
	unsigned n = 0;

	for (unsigned level = 1; level <= 2; level++) {
		g_autoptr(GHashTable) set = legal_set(&f, level);
		unsigned found = 0;

		for (unsigned i = 0; i < 1U << M2D_N_ELEMENTS(bits); i++) {
			uint64_t v = f.kind == M2D_SPTE_EPT ? 0x70 : 0;
			M2dSpteState state;

			for (unsigned b = 0; b < M2D_N_ELEMENTS(bits); b++)
				v |= i >> b & 1 ? M2D_BIT(bit[b]) : 0;
			for (unsigned form = 0; form < level; form++) {
				/* At level 2: with PS, then without, and without memory type. */
				uint64_t w = form == 1 ? v & ~UINT64_C(0x70) : v;
				bool legal;

				if (form == 1 && f.kind == M2D_SPTE_PT)
					w = v;
				if (level == 2 && form == 0)
					w |= M2D_SPTE_PS;
				state = m2d_spte_state(&f, w, level);
				legal = state >= M2D_SPTE_STATE_NONLEAF &&
					!m2d_spte_illegal(&f, w, level);
				/* Not ck_assert(): that costs a system call each. */
				if (legal != g_hash_table_contains(set, &w))
					ck_abort_msg("format %d level %u value 0x%" PRIx64 ": %s",
						     _i, level, w, m2d_spte_illegal(&f, w, level));
				found += legal;
				n++;
			}
		}
		/* Nothing legal is out of reach of the loop. */
		ck_assert_uint_eq(found, g_hash_table_size(set));
	}
	ck_assert_uint_eq(n, 3U << M2D_N_ELEMENTS(bits));
}
END_TEST

/* Predicates say what the description says. */
START_TEST(test_predicates)
{
	M2dSpteFormat f = format_nth(_i);

	for (unsigned i = 0; i < N_MODELS * 2; i++) {
		Model m = model_nth(i / 2);
		unsigned level = 1 + i % 2;
		bool off = m.type == M2D_SPTE_AD_DISABLED;
		uint64_t v;

		if (!model_legal(&f, &m))
			continue;
		v = model_encode(&f, &m, level) | V(0x40000000);
		ck_assert_int_eq(m2d_spte_state(&f, v, level), M2D_SPTE_STATE_LEAF);
		ck_assert(m2d_spte_is_present(&f, v) && !m2d_spte_is_mmio(&f, v));
		ck_assert(m2d_spte_is_last(v, level));
		ck_assert_int_eq(m2d_spte_is_large(v), level == 2);
		ck_assert_uint_eq(m2d_spte_pfn(&f, v), 0x40000);
		ck_assert_int_eq(m2d_spte_write_state(&f, v), m.write);
		ck_assert_int_eq(m2d_spte_is_writable(v), m.write == M2D_SPTE_WRITE_RW);
		ck_assert_int_eq(m2d_spte_is_executable(&f, v), m.x && !m.tracked);
		ck_assert_int_eq(m2d_spte_is_user(&f, v),
				 f.kind == M2D_SPTE_EPT ? m.r && !m.tracked : m.u);
		ck_assert_int_eq(m2d_spte_is_access_track(&f, v), m.tracked);
		ck_assert_int_eq(m2d_spte_ad_type(&f, v), m.type);
		ck_assert_int_eq(m2d_spte_ad_enabled(&f, v), !off);
		ck_assert_int_eq(m2d_spte_ad_need_write_protect(&f, v),
				 m.type != M2D_SPTE_AD_ENABLED);
		if (f.layout >= M2D_SPTE_6_13 || (!off && f.ad)) {
			ck_assert_int_eq(m2d_spte_is_accessed(&f, v), m.a);
			ck_assert_int_eq(m2d_spte_is_dirty(&f, v), m.d);
		} else {
			ck_assert_int_eq(m2d_spte_is_accessed(&f, v), !m.tracked);
			ck_assert_int_eq(m2d_spte_is_dirty(&f, v), m.write == M2D_SPTE_WRITE_RW);
		}
	}
}
END_TEST

START_TEST(test_places)
{
	M2dSpteFormat f = format_of(M2D_SPTE_EPT, M2D_SPTE_5_14, true);
	uint64_t leaf = V(0x0600000000000b77);

	ck_assert_ptr_null(m2d_spte_illegal(&f, leaf, 1));
	ck_assert_str_eq(m2d_spte_illegal(&f, leaf | 0x80, 1), "unknown bits");
	ck_assert_ptr_null(m2d_spte_illegal(&f, leaf | 0x80 | V(0x40000000), 3));
	ck_assert_str_eq(m2d_spte_illegal(&f, leaf | 0x80 | 0x200000, 3),
			 "frame not aligned to its size");
	ck_assert_str_eq(m2d_spte_illegal(&f, leaf | 0x80, 4), "leaf above level 3");
	ck_assert_str_eq(m2d_spte_illegal(&f, leaf | M2D_BIT(46), 1), "frame above MAXPHYADDR");
	ck_assert_ptr_null(m2d_spte_illegal(&f, leaf | M2D_BIT(45), 1));
	ck_assert_str_eq(m2d_spte_illegal(&f, 0x907 | M2D_BIT(46), 2), "table above MAXPHYADDR");
	ck_assert_str_eq(m2d_spte_illegal(&f, leaf | 8, 1), "reserved memory type");
}
END_TEST

/* The values that are nothing, and what a blind clear of A makes of a frozen SPTE. */
START_TEST(test_absent)
{
	M2dSpteFormat f = format_nth(_i);
	uint64_t mmio = m2d_spte_make_mmio(&f, 0x1234, M2D_SPTE_ACC_ALL, 5);

	for (unsigned level = 1; level <= 5; level++) {
		ck_assert_int_eq(m2d_spte_state(&f, f.nonpresent, level),
				 M2D_SPTE_STATE_NONPRESENT);
		ck_assert_int_eq(m2d_spte_state(&f, mmio, level), M2D_SPTE_STATE_MMIO);
		ck_assert_ptr_null(m2d_spte_illegal(&f, f.nonpresent, level));
		ck_assert_ptr_null(m2d_spte_illegal(&f, mmio, level));
		ck_assert(!m2d_spte_is_frozen(&f, f.nonpresent));
		if (!f.frozen)
			continue;
		ck_assert_int_eq(m2d_spte_state(&f, f.frozen, level), M2D_SPTE_STATE_FROZEN);
		if (f.layout >= M2D_SPTE_5_14 && f.accessed)
			ck_assert_int_eq(m2d_spte_state(&f, f.frozen & ~f.accessed, level),
					 M2D_SPTE_STATE_BAD);
	}
	if (f.layout >= M2D_SPTE_6_12)
		ck_assert_int_eq(m2d_spte_state(&f, 0, 1), M2D_SPTE_STATE_BAD);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spte-legal");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, test_exhaustive, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_predicates, 0, N_FORMATS);
	tcase_add_test(tc, test_places);
	tcase_add_loop_test(tc, test_absent, 0, N_FORMATS);
	suite_add_tcase(s, tc);
	return run(s);
}
