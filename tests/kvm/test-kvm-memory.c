/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notifiers, dirty log, aging, write tracking, release: what the MMU is asked for, under which
 * lock, and that flushes come before promises and promises before frames are freed.
 */
#include "tests/kvm/fake-shadow.h"

#define NONE M2D_N_DUTIES

static uint64_t page_of(uint64_t page)
{
	uint64_t pfn = 0;

	m2d_hostmm_peek(fake.vm, page, &pfn, NULL);
	return pfn;
}

static uint64_t touch(uint64_t page)
{
	uint64_t pfn;

	ck_assert(m2d_hostmm_get(fake.vm, page, true, &pfn, NULL));
	return pfn;
}

static int64_t change(M2dHostChange what, uint64_t gfn, uint64_t end)
{
	return FAKE_RUN(m2d_host_change_pages, .change = what, .gfn = gfn, .end = end);
}

START_TEST(test_unmap)
{
	static const struct {
		M2dDuty duty;
		bool flush;
		const char *want;
	} cases[] = {
		{NONE, true,
		 "+0 begin(0:11-13) unmap(0:11-13) flush(0,0) -0 done(0:11-13) freed +0 -0 "
		 "end(0:11-13)"},
		{NONE, false,
		 "+0 begin(0:11-13) unmap(0:11-13) -0 done(0:11-13) freed +0 -0 end(0:11-13)"},
		{M2D_DUTY_FLUSH_NOTIFIER, true,
		 "+0 begin(0:11-13) unmap(0:11-13) -0 done(0:11-13) freed +0 -0 end(0:11-13)"},
		{M2D_DUTY_ZAP_NOTIFIER, true,
		 "+0 begin(0:11-13) -0 done(0:11-13) freed +0 -0 end(0:11-13)"},
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		fake_new(NULL, cases[i].duty);
		fake.flush = cases[i].flush;
		slot_put(0, 0, 0x10, 0x20, 0x100, 0);
		touch(0x100);
		touch(0x102);
		ck_assert_int_eq(change(M2D_HOST_UNMAP, 0x11, 0x13), 0);
		expect(cases[i].want);
		ck_assert_uint_eq(page_of(0x102), 0);
		ck_assert_uint_ne(page_of(0x100), 0);
		ck_assert_uint_eq(fake.vm->s->mmu_invalidate_seq, 1);
		ck_assert_uint_eq(fake.vm->s->mmu_invalidate_in_progress, 0);
		fake_free();
	}
	fake_new(NULL, M2D_DUTY_NOTIFIER_SEQ);
	slot_put(0, 0, 0x10, 0x20, 0x100, 0);
	ck_assert_int_eq(change(M2D_HOST_UNMAP, 0x11, 0x13), 0);
	ck_assert_uint_eq(fake.vm->s->mmu_invalidate_seq, 0);
	ck_assert_int_eq(change(M2D_HOST_UNMAP, 0x30, 0x31), -EFAULT);
	fake_free();
}
END_TEST

static uint64_t want_start, want_end;

static void look_at_range(M2dPoint point)
{
	const M2dVmState *s = fake.vm->s;
	bool inside = point == M2D_PT_NOTIFIER_BEGUN || point == M2D_PT_NOTIFIER_ZAPPED ||
		      point == M2D_PT_NOTIFIER_RETURNED || point == M2D_PT_FRAMES_FREED;

	if (!inside)
		return;
	ck_assert_uint_eq(s->mmu_invalidate_in_progress, 1);
	ck_assert_uint_eq(s->mmu_invalidate_start, want_start);
	ck_assert_uint_eq(s->mmu_invalidate_end, want_end);
	/* Frames go when start has returned, not before. */
	ck_assert((page_of(0x101) == 0) == (point == M2D_PT_FRAMES_FREED));
}

/* One page of the process behind two slots, one of them in the other address space. */
START_TEST(test_aliases)
{
	static const struct {
		const char *kvm;
		uint64_t start, end;
	} cases[] = {{"5.4", 0x11, 0x402}, {"5.15", 0x101, 0x102}, {"6.12", 0x11, 0x402}};
	m2d_host_change_pages_frame f = {.change = M2D_HOST_UNMAP, .gfn = 0x11, .end = 0x12};

	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		fake_new(cases[i].kvm, NONE);
		fake.flush = true;
		slot_put(0, 0, 0x10, 0x20, 0x100, 0);
		slot_put(1, 7, 0x400, 2, 0x100, 0);
		slot_put(1, 8, 0x500, 2, 0x200, 0);
		touch(0x101);
		want_start = cases[i].start;
		want_end = cases[i].end;
		ck_assert_int_eq(
			fake_run(M2D_R_m2d_host_change_pages, &f, sizeof(f), look_at_range), 0);
		expect("+0 begin(0:11-12) begin(1:401-402) unmap(0:11-12) unmap(1:401-402) "
		       "flush(0,0) -0 done(0:11-12) done(1:401-402) freed +0 -0 end(0:11-12) "
		       "end(1:401-402)");
		ck_assert_uint_eq(fake.vm->s->mmu_invalidate_end, 0);
		fake_free();
	}
}
END_TEST

/* A range over two slots and a hole is two invalidations. */
START_TEST(test_stretches)
{
	fake_new(NULL, NONE);
	slot_put(0, 0, 0x10, 2, 0x100, 0);
	slot_put(0, 1, 0x14, 2, 0x200, 0);
	ck_assert_int_eq(change(M2D_HOST_PROTECT, 0x11, 0x15), 0);
	expect("+0 begin(0:11-12) unmap(0:11-12) -0 done(0:11-12) +0 -0 end(0:11-12) "
	       "+0 begin(0:14-15) unmap(0:14-15) -0 done(0:14-15) +0 -0 end(0:14-15)");
	ck_assert_uint_eq(fake.vm->s->mmu_invalidate_seq, 2);
	fake_free();
}
END_TEST

/* The host splits a hugepage: all of it is invalidated, one page is dropped. */
START_TEST(test_hugepage)
{
	fake_new(NULL, NONE);
	slot_put(0, 0, 0x400, 0x3f0, 0x200, 0);
	ck_assert(m2d_hostmm_populate(fake.vm, 0x200, 0x200, M2D_SIZE_2M));
	touch(0x400);
	ck_assert_int_eq(change(M2D_HOST_UNMAP, 0x5ff, 0x601), 0);
	expect("+0 begin(0:400-601) unmap(0:400-601) -0 done(0:400-601) freed freed +0 -0 "
	       "end(0:400-601)");
	ck_assert_uint_eq(m2d_hostmm_level(fake.vm, 0x200), 1);
	ck_assert_uint_ne(page_of(0x3fe), 0);
	/* Now it is small pages. */
	ck_assert_int_eq(change(M2D_HOST_UNMAP, 0x400, 0x401), 0);
	expect("+0 begin(0:400-401) unmap(0:400-401) -0 done(0:400-401) freed +0 -0 "
	       "end(0:400-401)");
	fake_free();
}
END_TEST

START_TEST(test_migrate)
{
	uint64_t old, new, pfn;
	bool writable;

	fake_new(NULL, NONE);
	slot_put(0, 0, 0x10, 2, 0x100, 0);
	old = touch(0x101);
	m2d_space_write64(fake.vm->space, M2D_HPA((old << 12) + 0x18), 99);
	m2d_frame_set_dirty(fake.vm, old);
	m2d_hostmm_protect(fake.vm, 0x101, false);
	ck_assert_int_eq(change(M2D_HOST_MIGRATE, 0x11, 0x12), 0);
	expect("+0 begin(0:11-12) unmap(0:11-12) -0 done(0:11-12) freed +0 -0 end(0:11-12)");
	ck_assert(m2d_hostmm_peek(fake.vm, 0x101, &new, &writable) && !writable);
	ck_assert_uint_ne(new, old);
	ck_assert(m2d_frame_owner(fake.vm, old) == M2D_FRAME_FREE);
	ck_assert(m2d_frame_dirty(fake.vm, new) && !m2d_frame_accessed(fake.vm, new));
	ck_assert_uint_eq(m2d_space_read64(fake.vm->space, M2D_HPA((new << 12) + 0x18)), 99);
	/* The frame that went is the next to be had. */
	ck_assert(m2d_frame_alloc(fake.vm, M2D_FRAME_OTHER, &pfn) && pfn == old);
	ck_assert_int_eq(change(M2D_HOST_UNPROTECT, 0x11, 0x12), 0);
	ck_assert(m2d_hostmm_peek(fake.vm, 0x101, &pfn, &writable) && writable && pfn == new);
	fake_free();
}
END_TEST

START_TEST(test_age)
{
	static const struct {
		const char *kvm;
		M2dDuty duty;
		bool young;
		const char *want;
	} cases[] = {
		{"6.12", NONE, true, "+0 age(11-12) aged(11,1) flush(0,0) -0"},
		{"6.12", NONE, false, "+0 age(11-12) aged(11,0) -0"},
		{"6.12", M2D_DUTY_FLUSH_AGE, true, "+0 age(11-12) aged(11,1) -0"},
		{"6.14", NONE, true, "+0 age(11-12) aged(11,1) -0"},
		{"6.15", NONE, true, "age(11-12)!unlocked aged(11,1)"},
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		fake_new(cases[i].kvm, cases[i].duty);
		fake.young = cases[i].young;
		slot_put(0, 0, 0x10, 2, 0x100, 0);
		ck_assert_int_eq(FAKE_RUN(m2d_host_age_pages, .gfn = 0x11, .end = 0x12),
				 cases[i].young);
		expect(cases[i].want);
		fake_free();
	}
	fake_new(NULL, NONE);
	fake.young = true;
	slot_put(0, 0, 0x10, 2, 0x100, 0);
	ck_assert_int_eq(FAKE_RUN(m2d_host_age_pages, .gfn = 0x11, .end = 0x12, .test = 1), 1);
	expect("+0 test-age(11) -0");
	ck_assert_int_eq(FAKE_RUN(m2d_host_age_pages, .gfn = 0x12, .end = 0x13), -EFAULT);
	fake_free();
}
END_TEST

static int64_t get_log(void)
{
	return FAKE_RUN(m2d_get_dirty_log, .id = 0);
}

START_TEST(test_dirty_log)
{
	M2dMemslot *s;

	fake_new(NULL, NONE);
	s = slot_put(0, 0, 0x10, 130, 0x100, M2D_SLOT_LOG_DIRTY);
	ck_assert_int_eq(get_log(), 0);
	expect("+1 +0 -0 log-done(10+82) -1");
	m2d_slot_mark_dirty(fake.vm, s, 0x11);
	m2d_slot_mark_dirty(fake.vm, s, 0x10 + 129);
	ck_assert_int_eq(get_log(), 2);
	expect("+1 +0 harvest(11) protect(0:2) harvest(91) protect(80:2) -0 flush(10,130) "
	       "log-done(10+82) -1");
	ck_assert_uint_eq(*m2d_slot_log_word(fake.vm, s, 0), 2);
	ck_assert_uint_eq(*m2d_slot_log_word(fake.vm, s, 2), 2);
	ck_assert(!m2d_slot_dirty(fake.vm, s, 0x11));
	ck_assert_int_eq(get_log(), 0);
	ck_assert_uint_eq(*m2d_slot_log_word(fake.vm, s, 0), 0);
	fake_free();
	/* Without the flush, without the protection. */
	fake_new(NULL, M2D_DUTY_FLUSH_DIRTY_LOG);
	s = slot_put(0, 0, 0x10, 1, 0x100, M2D_SLOT_LOG_DIRTY);
	m2d_slot_mark_dirty(fake.vm, s, 0x10);
	ck_assert_int_eq(get_log(), 1);
	expect("+1 +0 harvest(10) protect(0:1) -0 log-done(10+1) -1");
	fake_free();
	fake_new(NULL, M2D_DUTY_WRPROT_DIRTY);
	s = slot_put(0, 0, 0x10, 1, 0x100, M2D_SLOT_LOG_DIRTY);
	m2d_slot_mark_dirty(fake.vm, s, 0x10);
	ck_assert_int_eq(get_log(), 1);
	expect("+1 +0 harvest(10) -0 flush(10,1) log-done(10+1) -1");
	VM_PUT(fake.vm, s->flags, 0);
	ck_assert_int_eq(get_log(), -ENOENT);
	ck_assert(m2d_lock_free(fake.vm, M2D_LOCK_SLOTS, false));
	fake_free();
}
END_TEST

static int64_t clear_log(uint64_t gfn, uint64_t end)
{
	return FAKE_RUN(m2d_clear_dirty_log, .gfn = gfn, .end = end);
}

/* With manual protection GET only tells; CLEAR clears what was told. */
START_TEST(test_manual)
{
	M2dMemslot *s;

	fake_new(NULL, NONE);
	fake.vm->cfg.manual_protect = true;
	s = slot_put(0, 0, 0x10, 130, 0x100, M2D_SLOT_LOG_DIRTY);
	m2d_slot_mark_dirty(fake.vm, s, 0x11);
	m2d_slot_mark_dirty(fake.vm, s, 0x12);
	m2d_slot_mark_dirty(fake.vm, s, 0x60);
	ck_assert_int_eq(get_log(), 3);
	expect("+1 -1");
	ck_assert(m2d_slot_dirty(fake.vm, s, 0x11));
	m2d_slot_mark_dirty(fake.vm, s, 0x13);
	ck_assert_int_eq(clear_log(0x12, 0x61), 2);
	expect("+1 +0 harvest(12) protect(0:4) harvest(60) protect(40:10000) -0 flush(10,130) "
	       "log-done(12+4f) -1");
	ck_assert(m2d_slot_dirty(fake.vm, s, 0x11) && !m2d_slot_dirty(fake.vm, s, 0x12));
	ck_assert(m2d_slot_dirty(fake.vm, s, 0x13) && !m2d_slot_dirty(fake.vm, s, 0x60));
	/* Told once, cleared once. */
	m2d_slot_mark_dirty(fake.vm, s, 0x12);
	ck_assert_int_eq(clear_log(0x10, 0x92), 1);
	ck_assert(m2d_slot_dirty(fake.vm, s, 0x12));
	ck_assert_int_eq(clear_log(0x10, 0x93), -EINVAL);
	ck_assert_int_eq(clear_log(0xf, 0x11), -EINVAL);
	ck_assert_int_eq(clear_log(0x11, 0x11), -EINVAL);
	VM_PUT(fake.vm, s->flags, 0);
	ck_assert_int_eq(clear_log(0x10, 0x11), -ENOENT);
	ck_assert(m2d_lock_free(fake.vm, M2D_LOCK_SLOTS, false));
	fake_free();
}
END_TEST

START_TEST(test_track)
{
	fake_new(NULL, NONE);
	fake.flush = true;
	slot_put(0, 0, 0x10, 2, 0x100, 0);
	ck_assert_int_eq(FAKE_RUN(m2d_write_track, .gfn = 0x11, .add = 1), 0);
	expect("+0 disallow(11) write-protect(11,1) flush(11,1) protected(11) -0");
	ck_assert_uint_eq(*m2d_slot_track(fake.vm, m2d_slot(fake.vm, 0, 0), 0x11), 1);
	ck_assert_int_eq(FAKE_RUN(m2d_write_track, .gfn = 0x11), 0);
	expect("+0 allow(11) -0");
	ck_assert_int_eq(FAKE_RUN(m2d_write_track, .gfn = 0x11), -EINVAL);
	ck_assert_int_eq(FAKE_RUN(m2d_write_track, .gfn = 0x12, .add = 1), -EINVAL);
	ck_assert(m2d_lock_free(fake.vm, M2D_LOCK_MMU, false));
	fake_free();
	fake_new(NULL, M2D_DUTY_FLUSH_TRACK);
	fake.flush = true;
	slot_put(0, 0, 0x10, 2, 0x100, 0);
	ck_assert_int_eq(FAKE_RUN(m2d_write_track, .gfn = 0x11, .add = 1), 0);
	expect("+0 disallow(11) write-protect(11,1) protected(11) -0");
	fake_free();
	fake_new(NULL, M2D_DUTY_WRPROT_TRACKED);
	slot_put(0, 0, 0x10, 2, 0x100, 0);
	ck_assert_int_eq(FAKE_RUN(m2d_write_track, .gfn = 0x11, .add = 1), 0);
	expect("+0 disallow(11) protected(11) -0");
	fake_free();
}
END_TEST

START_TEST(test_others)
{
	uint64_t pfn;

	fake_new(NULL, NONE);
	slot_put(0, 0, 0x10, 2, 0x100, M2D_SLOT_READONLY);
	/* Userspace may store where the guest may not, unless its own mapping forbids it. */
	ck_assert_int_eq(FAKE_RUN(m2d_host_poke, .gpa = 0x11008, .value = 0x55aa, .size = 2), 0);
	pfn = page_of(0x101);
	ck_assert_uint_eq(m2d_space_read64(fake.vm->space, M2D_HPA((pfn << 12) + 8)), 0x55aa);
	m2d_hostmm_protect(fake.vm, 0x101, false);
	ck_assert_int_eq(FAKE_RUN(m2d_host_poke, .gpa = 0x11008, .size = 8), -EFAULT);
	ck_assert_int_eq(FAKE_RUN(m2d_host_poke, .gpa = 0x20000, .size = 8), -EFAULT);
	expect("");
	fake.zapped = true;
	ck_assert_int_eq(FAKE_RUN(m2d_set_nr_mmu_pages, .n = 12), 0);
	expect("+1 +0 shrink(12) commit-zap -0 -1");
	ck_assert_int_eq(FAKE_RUN(m2d_set_nr_mmu_pages, .n = 0), -EINVAL);
	VM_PUT(fake.vm, fake.vm->vcpu[1]->loaded, 1);
	ck_assert_int_eq(FAKE_RUN(m2d_pcpu_offline, .pcpu = 0), -EBUSY);
	VM_PUT(fake.vm, fake.vm->vcpu[1]->loaded, 0);
	ck_assert_int_eq(FAKE_RUN(m2d_pcpu_offline, .pcpu = 0), 0);
	ck_assert_int_eq(FAKE_RUN(m2d_pcpu_offline, .pcpu = 1), -EINVAL);
	expect("");
	touch(0x100);
	ck_assert_int_eq(FAKE_RUN(m2d_host_release, .pad = 0), 0);
	expect("zap-all done(0:10-12) freed freed");
	ck_assert_uint_eq(m2d_falloc_taken(fake.vm->frames), 0);
	fake_free();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kvm-memory");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_unmap);
	tcase_add_test(tc, test_aliases);
	tcase_add_test(tc, test_stretches);
	tcase_add_test(tc, test_hugepage);
	tcase_add_test(tc, test_migrate);
	tcase_add_test(tc, test_age);
	tcase_add_test(tc, test_dirty_log);
	tcase_add_test(tc, test_manual);
	tcase_add_test(tc, test_track);
	tcase_add_test(tc, test_others);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
