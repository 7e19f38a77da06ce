/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of every kernel and of trace-cmd report, field by field; and what is no line. */
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "sim/capture/text.h"

static M2dCapText text;
static M2dCapExits *exits;

static M2dCapLine line(const char *s, M2dCapEvent *e)
{
	const M2dLine l = {.p = s, .len = strlen(s), .number = 1};

	memset(e, 0, sizeof(*e));
	return m2d_cap_text_line(&text, &l, e);
}

/* Read @payload of event @name with everything before it; compare the first fields. */
static M2dCapEvent payload(unsigned kind, const char *s)
{
	g_autofree char *l = g_strdup_printf("             vmm-115     [001] d..1.     9.5: %s: %s",
					     m2d_cap_kind_name(kind), s);
	M2dCapEvent e;

	ck_assert_msg(line(l, &e) == M2D_CAP_LINE_EVENT, "%s", l);
	ck_assert_int_eq(e.kind, kind);
	return e;
}

static void fields(unsigned kind, const char *s, unsigned has, const uint64_t *want, unsigned n)
{
	M2dCapEvent e = payload(kind, s);

	ck_assert_msg(e.has == has, "%s: has 0x%x, expected 0x%x", s, e.has, has);
	for (unsigned i = 0; i < n; i++)
		if (has & 1u << i)
			ck_assert_msg(e.u.f[i] == want[i],
				      "%s: field %u is 0x%" G_GINT64_MODIFIER "x", s, i, e.u.f[i]);
}

#define FIELDS(kind, s, has, ...)                                                                  \
	fields(M2D_CAP_##kind, s, has, (const uint64_t[]){__VA_ARGS__},                            \
	       sizeof((const uint64_t[]){__VA_ARGS__}) / 8)

START_TEST(test_prefix)
{
	M2dCapEvent e;

	ck_assert_int_eq(
		line("           <...>-99999   [013] dNs2.  1234.567890: kvm_entry: vcpu 3, "
		     "rip 0xffff",
		     &e),
		M2D_CAP_LINE_EVENT);
	ck_assert_uint_eq(e.pid, 99999);
	ck_assert_uint_eq(e.cpu, 13);
	ck_assert_uint_eq(e.time, UINT64_C(1234567890000));
	/* With a thread group, without flags, a name with blanks, dashes and brackets, moved left.
	 */
	ck_assert_int_eq(line("CPU 0/KVM-77 (     76) [000] 5.000000001: kvm_entry: vcpu 0", &e),
			 M2D_CAP_LINE_EVENT);
	ck_assert_uint_eq(e.pid, 77);
	ck_assert_uint_eq(e.time, UINT64_C(5000000001));
	ck_assert_int_eq(line("a-1 [x]-5 [002] ..... 12: kvm:kvm_entry: vcpu 0", &e),
			 M2D_CAP_LINE_EVENT);
	ck_assert_uint_eq(e.pid, 5);
	ck_assert_uint_eq(e.time, 12);
	ck_assert_int_eq(text.comm_len, 7);
	ck_assert_int_eq(
		line("          <idle>-0       [000] d..1.     9.5: kvm_wait_lapic <-vcpu_run", &e),
		M2D_CAP_LINE_EVENT);
	ck_assert_uint_ge(e.kind, M2D_CAP_N_KINDS);
}
END_TEST

START_TEST(test_kernels)
{
	/* 5.4, 5.10, 6.1, 6.14, trace-cmd report. */
	FIELDS(ENTRY, "vcpu 1", 1, 1);
	FIELDS(ENTRY, "vcpu 1, rip 0x100040", 3, 1, 0x100040);
	FIELDS(ENTRY, "vcpu 1, rip 0x1f intr_info 0x00000000 error_code 0x00000000", 3, 1, 0x1f);
	FIELDS(ENTRY, "vcpu 1 rip 0x10158e", 3, 1, 0x10158e);
	FIELDS(EXIT,
	       "vcpu 0 reason npf rip 0x100040 info1 0x0000000200000006 info2 0x0000000000200000 "
	       "intr_info 0x00000000 error_code 0x00000000",
	       0x7f, 0, M2D_CAP_EXIT_SVM | 0x400, 0x100040, 0x200000006, 0x200000, 0, 0);
	FIELDS(EXIT,
	       "vcpu 0 reason PF excp rip 0x1 info1 0x2 info2 0x3 intr_info 0x4 error_code 0x5",
	       0x7f, 0, M2D_CAP_EXIT_SVM | 0x4e, 1, 2, 3, 4, 5);
	FIELDS(EXIT, "vcpu 0 reason EPT_VIOLATION FAILED_VMENTRY rip 0x1 info 2 3", 0x1f, 0,
	       M2D_CAP_EXIT_VMX | 48, 1, 2, 3);
	FIELDS(EXIT, "reason EXIT_IOIO rip 0x101621 info 100040 101623", 0x1e, 0,
	       M2D_CAP_EXIT_SVM | 0x7b, 0x101621, 0x100040, 0x101623);
	FIELDS(PAGE_FAULT, "vcpu 0 rip 0x1 address 0x0000000000200000 error_code 0x200000006", 0xf,
	       0, 1, 0x200000, 0x200000006);
	FIELDS(PAGE_FAULT, "address 200000 error_code 6", 0xc, 0, 0, 0x200000, 6);
	FIELDS(NESTED_ENTER, "rip: 0x1 vmcb: 0x2", 0, 0);
	FIELDS(FAST_FAULT,
	       "vcpu 1 gva 406b9048 error_code P|W|U|0x100000000 sptep 00000000d0da3e94 "
	       "old 0x3735825 new 3735827 spurious 0 fixed 1",
	       0xff, 1, 0x406b9048, 0x100000007, 0xd0da3e94, 0x3735825, 0x3735827, 0, 1);
	FIELDS(FAST_FAULT, "vcpu 1 gva 4 error_code  sptep 1 old 0 new 0 spurious 1 fixed 0", 0xff,
	       1, 4, 0, 1, 0, 0, 1, 0);
}
END_TEST

START_TEST(test_tables)
{
	FIELDS(TDP_SPTE, "as id 1 gfn 40000 level 2 old_spte 8000000000000000 new_spte 102e7d827",
	       31, 1, 0x40000, 2, UINT64_C(1) << 63, 0x102e7d827);
	FIELDS(SET_SPTE, "gfn 100 spte 10276ba25 (r-xu) level 1 at 11bdf2800", 31, 0x100,
	       0x10276ba25, M2D_CAP_ACC_R | M2D_CAP_ACC_X | M2D_CAP_ACC_U, 1, 0x11bdf2800);
	FIELDS(SET_SPTE, "gfn 100 spte 6 (rwx) level 3 at 8", 31, 0x100, 6,
	       M2D_CAP_ACC_R | M2D_CAP_ACC_W | M2D_CAP_ACC_X, 3, 8);
	FIELDS(GET_PAGE,
	       "sp gen 1 gfn 60b l1 4-byte q3 direct w-x invalid !nxe !ad root 2 unsync new", 63, 1,
	       0x60b,
	       1 | M2D_CAP_ROLE_4BYTE | M2D_CAP_ROLE_QUADRANT | M2D_CAP_ROLE_DIRECT | 3 << 8 |
		       M2D_CAP_ROLE_INVALID,
	       2, 1, 1);
	FIELDS(GET_PAGE, "sp gen 0 gfn 0 l4 8-byte q0 wux nxe ad root 0 sync existing", 63, 0, 0,
	       4 | 7 << 8 | M2D_CAP_ROLE_NX | M2D_CAP_ROLE_AD, 0, 0, 0);
	FIELDS(GET_PAGE, "new sp gfn 200 4 q0 wux !pae nxe wp root 0 sync", 0x22, 0, 0x200, 0, 0, 0,
	       1);
	FIELDS(ZAP_PAGE, "sp gen 0 gfn 0 l2 8-byte q0 direct wux nxe ad root 0 sync", 31, 0, 0,
	       2 | M2D_CAP_ROLE_DIRECT | 7 << 8 | M2D_CAP_ROLE_NX | M2D_CAP_ROLE_AD, 0, 0);
	FIELDS(UNSYNC_PAGE, "1 q0 wux !pae nxe wp root 0 sync", 0, 0);
	FIELDS(CHECK_MMIO, "spte 8000040714087 kvm_gen 12 spte-gen 10 valid 0", 15, 0x8000040714087,
	       0x12, 0x10, 0);
}
END_TEST

START_TEST(test_kprobes)
{
	FIELDS(SET_REGION,
	       "(__kvm_set_memory_region+0x0/0x4e0 [kvm]) slot=98301 flags=1 gpa=0x40000000 "
	       "size=0x200000 hva=0x7f1d7c000000",
	       31, 98301, 1, 0x40000000, 0x200000, 0x7f1d7c000000);
	FIELDS(SET_REGION, "(ffffffffc02f1d20) slot=0 flags=0 gpa=0x0 size=0x1000 hva=0x1000", 31,
	       0, 0, 0, 0x1000, 0x1000);
	FIELDS(FLUSH_REMOTE,
	       "(kvm_flush_remote_tlbs+0x4/0x50 [kvm]) caller=kvm_zap_gfn_range+0xd3/0x100 [kvm]",
	       1, m2d_cap_symbol("kvm_zap_gfn_range", 17));
	FIELDS(FLUSH_REMOTE, "(ffffffffc02f2710) caller=kvm_mmu_commit_zap_page.part.0+0x1", 1,
	       m2d_cap_symbol("kvm_mmu_commit_zap_page", 23));
	FIELDS(COMMIT_ZAP, "(kvm_mmu_commit_zap_page.part.0+0x0/0xe0 [kvm])", 0, 0);
	FIELDS(UNMAP_HVA, "mmu notifier unmap range: 0x007f14ea5e6000 -- 0x007f14ea5e7000", 3,
	       0x7f14ea5e6000, 0x7f14ea5e7000);
	FIELDS(APICV_INHIBIT, "cleared reason=2, inhibits=0x1 DISABLED", 7, 0, 2, 1);
}
END_TEST

START_TEST(test_marks)
{
	M2dCapEvent e = payload(M2D_CAP_MARK, "mmu2d: start");

	ck_assert_str_eq(e.u.text, "mmu2d: start");
	ck_assert_int_eq(line("             vmm-115   [001]     9.8: print:                "
			      "tracing_mark_write: mmu2d: end",
			      &e),
			 M2D_CAP_LINE_EVENT);
	ck_assert_int_eq(e.kind, M2D_CAP_MARK);
	ck_assert_str_eq(e.u.text, "mmu2d: end");
}
END_TEST

START_TEST(test_lost)
{
	M2dCapEvent e;

	ck_assert_int_eq(line("CPU:1 [LOST 3129 EVENTS]", &e), M2D_CAP_LINE_LOST);
	ck_assert_uint_eq(e.cpu, 1);
	ck_assert_uint_eq(e.u.f[0], 3129);
	ck_assert_int_eq(line("CPU:12 [77 EVENTS DROPPED]", &e), M2D_CAP_LINE_LOST);
	ck_assert_uint_eq(e.cpu, 12);
	ck_assert_uint_eq(e.u.f[0], 77);
	ck_assert_int_eq(line("CPU:0 [EVENTS DROPPED]", &e), M2D_CAP_LINE_LOST);
	ck_assert_uint_eq(e.has, 0);
}
END_TEST

START_TEST(test_bad)
{
	static const struct {
		const char *text;
		long column;
	} bad[] = {
		{"   hello", 3},
		{"             vmm-115     [0x1] d..1.     9.5: kvm_entry: vcpu 1", 0},
		{"             vmm-115     [001] d..1.     9,5: kvm_entry: vcpu 1", 41},
		{"             vmm-115     [001] d..1.     9.5: kvm_entry", 0},
		{"             vmm-115     [001] d..1.     9.5: kvm_entry: vcpu x", 0},
		{"             vmm-115     [001] d..1.     9.5: mmu_load: nothing", 0},
		{"             vmm-115     [001] d..1.     9.5: kvm_mmu_paging_element: pte 12 "
		 "level",
		 0},
		{"             vmm-115     [001] d..1.     9.5: kvm_mmu_paging_element: pte 12z "
		 "level 1",
		 0},
		{"CPU:x [LOST 3 EVENTS]", 0},
	};
	M2dCapEvent e;

	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		ck_assert_msg(line(bad[i].text, &e) == M2D_CAP_LINE_BAD, "%s", bad[i].text);
		ck_assert_ptr_nonnull(text.what);
		if (bad[i].column != 0)
			ck_assert_int_eq(text.bad - bad[i].text, bad[i].column);
	}
	ck_assert_int_eq(line("", &e), M2D_CAP_LINE_NOTHING);
	ck_assert_int_eq(line("# tracer: nop", &e), M2D_CAP_LINE_NOTHING);
	ck_assert_int_eq(line("cpus=2", &e), M2D_CAP_LINE_NOTHING);
	ck_assert_int_eq(line("CPU 1 is empty", &e), M2D_CAP_LINE_NOTHING);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("capture-text");
	TCase *tc = tcase_create("text");
	const char *fixed[M2D_CAP_N_KINDS];
	SRunner *runner;
	int failed;

	for (unsigned k = 0; k < M2D_CAP_N_KINDS; k++)
		fixed[k] = m2d_cap_kind_name(k);
	exits = m2d_cap_exits_new();
	text.names = m2d_cap_names_new(fixed, M2D_CAP_N_KINDS, M2D_CAP_MAX_NAMES);
	text.patterns = m2d_cap_patterns_new(exits);
	text.print_kind = m2d_cap_names_get(text.names, "print", 5);
	tcase_add_test(tc, test_prefix);
	tcase_add_test(tc, test_kernels);
	tcase_add_test(tc, test_tables);
	tcase_add_test(tc, test_kprobes);
	tcase_add_test(tc, test_marks);
	tcase_add_test(tc, test_lost);
	tcase_add_test(tc, test_bad);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
