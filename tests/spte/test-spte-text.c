/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPTEs on one line, and the names of states and changes. */
#include <string.h>

#include "tests/spte/spte-test.h"

START_TEST(test_lines)
{
	static const struct {
		M2dSpteLayout layout;
		M2dSpteKind kind;
		unsigned level;
		uint64_t value;
		const char *text;
	} t[] = {
		{M2D_SPTE_5_14, M2D_SPTE_PT, 1, 0x1234e67, "pfn 0x1234 4k rwxu hw mw a d"},
		{M2D_SPTE_5_14, M2D_SPTE_PT, 1, V(0x8000000000000a21), "pfn 0x0 4k r--- hw a"},
		{M2D_SPTE_5_14, M2D_SPTE_PT, 2, 0x200ee5, "pfn 0x200 2m r-xu hw mw a d"},
		{M2D_SPTE_5_14, M2D_SPTE_PT, 2, 0x7827, "table pfn 0x7 a"},
		{M2D_SPTE_5_14, M2D_SPTE_PT, 1, 0xa27,
		 "pfn 0x0 4k rwxu hw a !W without MMU-writable"},
		{M2D_SPTE_5_14, M2D_SPTE_PT, 3, V(0x12380000fee0022f),
		 "mmio gfn 0xfee00 gen 0x12345 wu"},
		{M2D_SPTE_5_14, M2D_SPTE_EPT, 1, V(0x12300000fee0022e),
		 "mmio gfn 0xfee00 gen 0x12345"},
		{M2D_SPTE_5_14, M2D_SPTE_EPT, 1, V(0x0750000000005870),
		 "pfn 0x5 4k --- hw mw track r-x ad-off"},
		{M2D_SPTE_5_4, M2D_SPTE_EPT, 3, V(0x0020000040000ff7),
		 "pfn 0x40000 1g rwx hw mw a d wp-only"},
		{M2D_SPTE_5_14, M2D_SPTE_EPT, 1, V(0x0600000000000b07),
		 "pfn 0x0 4k rwx hw mw a d mt 0"},
		{M2D_SPTE_5_14, M2D_SPTE_EPT, 2, V(0x0010000000005807), "table pfn 0x5 ad-off"},
		{M2D_SPTE_5_14, M2D_SPTE_EPT, 1, 0x5a0, "frozen"},
		{M2D_SPTE_5_14, M2D_SPTE_EPT, 1, 0x4a0,
		 "0x4a0 !neither present nor MMIO nor empty"},
		{M2D_SPTE_6_13, M2D_SPTE_EPT, 1, V(0x8000000000000000), "none"},
		{M2D_SPTE_4_19, M2D_SPTE_EPT, 1, 0, "none"},
	};
	char buf[M2D_SPTE_TEXT];

	for (unsigned i = 0; i < M2D_N_ELEMENTS(t); i++) {
		M2dSpteFormat f = format_of(t[i].kind, t[i].layout, true);

		ck_assert_str_eq(m2d_spte_to_string(&f, t[i].value, t[i].level, buf), t[i].text);
	}
}
END_TEST

/* Any 64 bits at any level fit. */
START_TEST(test_any_value)
{
	char buf[M2D_SPTE_TEXT];

	for (unsigned i = 0; i < N_FORMATS * 64 * 6; i++) {
		M2dSpteFormat f = format_nth(i / 6 / 64);
		uint64_t v = ~UINT64_C(0) << (i / 6 % 64);

		memset(buf, 'Z', sizeof(buf));
		m2d_spte_to_string(&f, v, i % 6, buf);
		ck_assert(memchr(buf, 0, sizeof(buf)));
		m2d_spte_to_string(&f, ~v, i % 6, buf);
		ck_assert(memchr(buf, 0, sizeof(buf)));
	}
}
END_TEST

START_TEST(test_names)
{
	ck_assert_str_eq(m2d_spte_transition_name(M2D_SPTE_T1), "T1");
	ck_assert_str_eq(m2d_spte_transition_name(M2D_SPTE_T14), "T14");
	ck_assert_str_eq(m2d_spte_transition_name(M2D_SPTE_T_REWRITE), "rewrite");
	ck_assert_str_eq(m2d_spte_transition_text(M2D_SPTE_T9), "age");
	ck_assert_str_eq(m2d_spte_state_name(M2D_SPTE_STATE_LEAF), "leaf");
	ck_assert_str_eq(m2d_spte_write_name(M2D_SPTE_WRITE_RO), "read-only");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spte-text");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_lines);
	tcase_add_test(tc, test_any_value);
	tcase_add_test(tc, test_names);
	suite_add_tcase(s, tc);
	return run(s);
}
