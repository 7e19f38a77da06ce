/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memslot ioctls: the two swaps of deletion and move with what lies between them, generations,
 * readers that are waited for, zap policies, what is refused, dirty logging that starts and ends.
 */
#include "tests/kvm/fake-shadow.h"

#include "sim/vm/srcu.h"

#define GEN (fake.vm->slots->generation)

static void region(int64_t ret, uint32_t id, uint64_t gfn, uint64_t npages, uint64_t hva,
		   uint32_t flags)
{
	int64_t got = FAKE_RUN(m2d_set_memory_region, .id = id, .gfn = gfn, .npages = npages,
			       .hva = hva, .flags = flags);

	ck_assert_int_eq(got, ret);
}

/* What everybody can see at each point of a deletion. */
static void look_at_delete(M2dPoint point)
{
	const M2dMemslot *s = m2d_gfn_to_slot(fake.vm, 0, 0x10);
	uint64_t gen = GEN[0] & ~M2D_GEN_UPDATE_IN_PROGRESS;
	bool busy = GEN[0] & M2D_GEN_UPDATE_IN_PROGRESS;

	switch (point) {
	case M2D_PT_SLOT_INVALID:
		ck_assert(s != NULL && !m2d_slot_visible(s) && busy && gen == 0);
		break;
	case M2D_PT_SLOT_SYNCED:
	case M2D_PT_SLOT_ZAPPED:
		ck_assert(s != NULL && !m2d_slot_visible(s) && !busy && gen == 2);
		break;
	case M2D_PT_SLOT_PUBLISHED:
		ck_assert(s == NULL && busy && gen == 2);
		break;
	case M2D_PT_SLOT_DONE:
		ck_assert(s == NULL && !busy && gen == 4);
		break;
	default:
		return;
	}
	g_string_append_printf(fake.trace, " <%s>", m2d_point_name(point));
}

START_TEST(test_delete)
{
	m2d_set_memory_region_frame f = {.id = 3};

	fake_new(NULL, M2D_N_DUTIES);
	slot_put(0, 3, 0x10, 0x20, 0x100, 0);
	ck_assert_int_eq(fake_run(M2D_R_m2d_set_memory_region, &f, sizeof(f), look_at_delete), 0);
	expect("+1 <slot-invalid> <slot-synced> zap-all-fast <slot-zapped> <slot-published> "
	       "<slot-done> deleted(3:10+20) -1");
	ck_assert_uint_eq(GEN[1], 1);
	fake_free();
}
END_TEST

/* Who read the slots before a swap is waited for, who comes later is not. */
START_TEST(test_readers)
{
	static const M2dPoint before[] = {M2D_PT_SLOT_INVALID, M2D_PT_SLOT_PUBLISHED};
	m2d_set_memory_region_frame f = {.id = 3};
	M2dRuntime *rt;
	unsigned host;

	fake_new(NULL, M2D_N_DUTIES);
	rt = fake.vm->rt;
	host = fake.vm->host_actor;
	slot_put(0, 3, 0x10, 0x20, 0x100, 0);
	m2d_rt_start(rt, host, M2D_R_m2d_set_memory_region, &f, sizeof(f));
	for (unsigned i = 0; i < G_N_ELEMENTS(before); i++) {
		m2d_srcu_lock(fake.vm, 0);
		m2d_srcu_unlock(fake.vm, 1);
		while (rt->task[host]->point != before[i])
			ck_assert(!m2d_rt_step(rt, host));
		ck_assert(!m2d_rt_step(rt, host));
		m2d_srcu_lock(fake.vm, 1);
		ck_assert(!m2d_rt_enabled(rt, host));
		m2d_srcu_unlock(fake.vm, 0);
		ck_assert(m2d_rt_enabled(rt, host));
	}
	while (!m2d_rt_step(rt, host))
		ck_assert(m2d_rt_enabled(rt, host));
	fake_free();
	/* Left out, nobody is waited for. */
	fake_new(NULL, M2D_DUTY_SRCU_SYNC);
	slot_put(0, 3, 0x10, 0x20, 0x100, 0);
	m2d_srcu_lock(fake.vm, 0);
	region(0, 3, 0, 0, 0, 0);
	ck_assert(m2d_srcu_synced(fake.vm));
	fake_free();
}
END_TEST

START_TEST(test_waits_for_notifier)
{
	m2d_set_memory_region_frame f = {.gfn = 1, .npages = 1};

	fake_new(NULL, M2D_N_DUTIES);
	VM_PUT(fake.vm, fake.vm->s->mmu_invalidate_in_progress, 1);
	m2d_rt_start(fake.vm->rt, fake.vm->host_actor, M2D_R_m2d_set_memory_region, &f, sizeof(f));
	while (m2d_rt_enabled(fake.vm->rt, fake.vm->host_actor))
		ck_assert(!m2d_rt_step(fake.vm->rt, fake.vm->host_actor));
	ck_assert(m2d_gfn_to_slot(fake.vm, 0, 1) == NULL);
	VM_PUT(fake.vm, fake.vm->s->mmu_invalidate_in_progress, 0);
	while (!m2d_rt_step(fake.vm->rt, fake.vm->host_actor))
		;
	ck_assert(m2d_gfn_to_slot(fake.vm, 0, 1) != NULL);
	fake_free();
}
END_TEST

START_TEST(test_policies)
{
	static const struct {
		const char *kvm;
		bool quirk_off;
		const char *zap;
	} cases[] = {
		{"5.4", false, "zap-all-fast"},
		{"5.4-002c5f73c508", false, "zap-all"},
		{"5.4-002c5f73c508-d012a06ab1d2", false, "zap-slot-leafs"},
		{"6.6", true, "zap-all-fast"},
		{"6.12", false, "zap-all-fast"},
		{"6.12", true, "zap-slot-leafs"},
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *want = g_strdup_printf("+1 %s deleted(3:10+20) -1", cases[i].zap);

		fake_new(cases[i].kvm, M2D_N_DUTIES);
		fake.vm->cfg.slot_zap_quirk_off = cases[i].quirk_off;
		slot_put(0, 3, 0x10, 0x20, 0x100, 0);
		region(0, 3, 0, 0, 0, 0);
		expect(want);
		fake_free();
	}
	fake_new(NULL, M2D_DUTY_ZAP_SLOT);
	slot_put(0, 3, 0x10, 0x20, 0x100, 0);
	region(0, 3, 0, 0, 0, 0);
	expect("+1 deleted(3:10+20) -1");
	fake_free();
	for (unsigned i = 0; i < M2D_SLOT_DELETE_VALUES; i++)
		ck_assert_str_eq(m2d_zap_policy(i)->name,
				 m2d_knob(M2D_KNOB_SLOT_DELETE)->values[i].name);
}
END_TEST

START_TEST(test_create_move)
{
	M2dMemslot *s;

	fake_new(NULL, M2D_N_DUTIES);
	region(0, 3, 0x10, 0x80, 0x100, M2D_SLOT_LOG_DIRTY);
	expect("+1 -1");
	ck_assert_uint_eq(GEN[0], 2);
	s = m2d_slot(fake.vm, 0, 3);
	m2d_slot_mark_dirty(fake.vm, s, 0x51);
	*m2d_slot_track(fake.vm, s, 0x11) = 1;
	/* The dirty bitmap goes along, what is known of pages does not. */
	region(0, 3, 0x400, 0x80, 0x100, M2D_SLOT_LOG_DIRTY);
	expect("+1 zap-all-fast deleted(3:10+80) -1");
	ck_assert_uint_eq(GEN[0], 6);
	ck_assert(m2d_gfn_to_slot(fake.vm, 0, 0x10) == NULL);
	ck_assert(m2d_slot_visible(m2d_gfn_to_slot(fake.vm, 0, 0x400)));
	ck_assert(m2d_slot_dirty(fake.vm, s, 0x441));
	ck_assert_uint_eq(*m2d_slot_track(fake.vm, s, 0x401), 0);
	/* Nothing to do is no update. */
	region(0, 3, 0x400, 0x80, 0x100, M2D_SLOT_LOG_DIRTY);
	expect("+1 -1");
	ck_assert_uint_eq(GEN[0], 6);
	fake_free();
}
END_TEST

START_TEST(test_refused)
{
	fake_new(NULL, M2D_N_DUTIES);
	slot_put(0, 3, 0x10, 0x20, 0x100, 0);
	region(-EINVAL, 4, 0, 0, 0, 0);
	region(-EINVAL, 4, 0, 1, 0, M2D_SLOT_INVALID);
	region(-EINVAL, M2D_MAX_SLOTS, 0, 1, 0, 0);
	region(-EINVAL, 3, 0x10, 0x21, 0x100, 0);
	region(-EINVAL, 3, 0x10, 0x20, 0x101, 0);
	region(-EINVAL, 3, 0x10, 0x20, 0x100, M2D_SLOT_READONLY);
	region(-EEXIST, 4, 0, 0x11, 0, 0);
	slot_put(0, 5, 0, 1, 0, 0);
	region(-EEXIST, 3, 0, 0x20, 0x100, 0);
	ck_assert_int_eq(FAKE_RUN(m2d_set_memory_region, .id = 4, .npages = 1, .must_exist = 1),
			 -ENOENT);
	ck_assert_int_eq(FAKE_RUN(m2d_slot_delete, .id = 4), -ENOENT);
	ck_assert_uint_eq(GEN[0], 0);
	ck_assert(m2d_lock_free(fake.vm, M2D_LOCK_SLOTS, false));
	fake_free();
}
END_TEST

START_TEST(test_log_flag)
{
	M2dMemslot *s;

	fake_new(NULL, M2D_N_DUTIES);
	s = slot_put(0, 3, 0x10, 0x20, 0x100, 0);
	region(0, 3, 0x10, 0x20, 0x100, M2D_SLOT_LOG_DIRTY);
	expect("+1 remove-write-access flush(10,32) log-done(10+20) -1");
	m2d_slot_mark_dirty(fake.vm, s, 0x11);
	region(0, 3, 0x10, 0x20, 0x100, 0);
	expect("+1 zap-collapsible -1");
	ck_assert(!m2d_slot_dirty(fake.vm, s, 0x11));
	fake_free();
	fake_new(NULL, M2D_DUTY_WRPROT_LOG);
	slot_put(0, 3, 0x10, 0x20, 0x100, 0);
	region(0, 3, 0x10, 0x20, 0x100, M2D_SLOT_LOG_DIRTY);
	expect("+1 flush(10,32) log-done(10+20) -1");
	fake_free();
	fake_new(NULL, M2D_DUTY_FLUSH_LOG_START);
	slot_put(0, 3, 0x10, 0x20, 0x100, 0);
	region(0, 3, 0x10, 0x20, 0x100, M2D_SLOT_LOG_DIRTY);
	expect("+1 remove-write-access log-done(10+20) -1");
	fake_free();
}
END_TEST

/* A generation that MMIO SPTEs can't tell from the first one makes all of them go. */
START_TEST(test_generation_wrap)
{
	static const M2dDuty duties[] = {M2D_N_DUTIES, M2D_DUTY_ZAP_MMIO_WRAP};

	for (unsigned i = 0; i < 2; i++) {
		uint64_t wrap;

		fake_new(NULL, duties[i]);
		ck_assert(m2d_spte_can_mmio(&fake.vm->fmt));
		wrap = m2d_spte_mmio_gen_mask(&fake.vm->fmt, UINT64_MAX >> 1) + 1;
		VM_PUT(fake.vm, GEN[0], wrap - 4);
		region(0, 1, 1, 1, 1, 0);
		expect("+1 -1");
		region(0, 2, 2, 1, 2, 0);
		expect(i == 0 ? "+1 zap-all-fast -1" : "+1 -1");
		ck_assert_uint_eq(GEN[0], wrap);
		region(0, 3, 3, 1, 3, 0);
		expect("+1 -1");
		fake_free();
	}
}
END_TEST

START_TEST(test_delete_unmap)
{
	uint64_t pfn;

	fake_new(NULL, M2D_N_DUTIES);
	slot_put(0, 3, 0x10, 2, 0x100, 0);
	ck_assert(m2d_hostmm_get(fake.vm, 0x100, true, &pfn, NULL));
	ck_assert_int_eq(FAKE_RUN(m2d_slot_delete, .id = 3, .unmap = 1), 0);
	/* The notifier finds no slot any more. */
	expect("+1 zap-all-fast deleted(3:10+2) -1 +0 -0 freed +0 -0");
	ck_assert(!m2d_hostmm_peek(fake.vm, 0x100, &pfn, NULL));
	fake_free();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kvm-slots");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_delete);
	tcase_add_test(tc, test_readers);
	tcase_add_test(tc, test_waits_for_notifier);
	tcase_add_test(tc, test_policies);
	tcase_add_test(tc, test_create_move);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_log_flag);
	tcase_add_test(tc, test_generation_wrap);
	tcase_add_test(tc, test_delete_unmap);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
