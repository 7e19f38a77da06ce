/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host memory: pages come on demand and zeroed, frames have owners and come back last in first
 * out, protection and hugepages fall with the pages they are about, a rollback takes all back.
 */
#include "tests/vm/fixture.h"

static Fixture fx;

static void setup(void)
{
	fixture_init(&fx);
}

static void teardown(void)
{
	fixture_free(&fx);
}

START_TEST(test_demand)
{
	M2dVm *vm = &fx.vm;
	uint64_t pfn, again;
	bool writable = false;

	ck_assert(!m2d_hostmm_peek(vm, 5, &pfn, NULL));
	ck_assert(m2d_hostmm_get(vm, 5, true, &pfn, &writable) && writable);
	ck_assert_uint_eq(fx.last.type, M2D_E_FRAME_OWNED);
	ck_assert_uint_eq(fx.last.a[0], pfn);
	ck_assert_uint_eq(fx.last.a[1], M2D_FRAME_GUEST);
	ck_assert(m2d_frame_owner(vm, pfn) == M2D_FRAME_GUEST);
	ck_assert(m2d_hostmm_get(vm, 5, false, &again, NULL) && again == pfn);
	ck_assert(m2d_hostmm_peek(vm, 5, &again, &writable) && again == pfn && writable);
	ck_assert(!m2d_hostmm_get(vm, HOST_PAGES, false, &pfn, NULL));
	ck_assert(!m2d_hostmm_peek(vm, HOST_PAGES, &pfn, NULL));
}
END_TEST

START_TEST(test_reuse)
{
	M2dVm *vm = &fx.vm;
	uint64_t a, b, c, hash;

	ck_assert(m2d_hostmm_get(vm, 1, true, &a, NULL));
	ck_assert(m2d_hostmm_get(vm, 2, true, &b, NULL));
	m2d_space_write64(vm->space, (M2dHpa){(b << 12) + 16}, 77);
	m2d_frame_set_accessed(vm, b);
	m2d_frame_set_dirty(vm, b);
	ck_assert(m2d_frame_accessed(vm, b) && m2d_frame_dirty(vm, b));
	ck_assert_uint_eq(m2d_hostmm_detach(vm, 2), b);
	ck_assert_uint_eq(m2d_hostmm_detach(vm, 2), 0);
	/* Out of the address space, but nobody else's yet. */
	ck_assert(m2d_frame_owner(vm, b) == M2D_FRAME_GUEST);
	m2d_frame_free(vm, b);
	ck_assert_uint_eq(fx.last.type, M2D_E_FRAME_FREED);
	ck_assert_uint_eq(fx.last.a[1], M2D_FRAME_GUEST);
	ck_assert(m2d_frame_owner(vm, b) == M2D_FRAME_FREE);
	/* Contents survive until somebody gets the frame. */
	ck_assert_uint_eq(m2d_space_read64(vm->space, (M2dHpa){(b << 12) + 16}), 77);
	hash = fixture_hash(&fx);
	ck_assert(m2d_frame_alloc(vm, M2D_FRAME_TABLE, &c) && c == b);
	ck_assert(m2d_frame_owner(vm, c) == M2D_FRAME_TABLE);
	ck_assert(!m2d_frame_accessed(vm, c) && !m2d_frame_dirty(vm, c));
	ck_assert_uint_eq(m2d_space_read64(vm->space, (M2dHpa){(b << 12) + 16}), 0);
	m2d_frame_free(vm, c);
	m2d_space_write64(vm->space, (M2dHpa){(b << 12) + 16}, 77);
	ck_assert_uint_eq(fixture_hash(&fx), hash);
}
END_TEST

START_TEST(test_full)
{
	M2dVm *vm = &fx.vm;
	uint64_t pfn, n = 0;

	while (m2d_hostmm_get(vm, n, true, &pfn, NULL))
		n++;
	ck_assert_uint_eq(n, N_PFNS);
	ck_assert(!m2d_frame_alloc(vm, M2D_FRAME_OTHER, &pfn));
	m2d_frame_free(vm, m2d_hostmm_detach(vm, 100));
	ck_assert(m2d_frame_alloc(vm, M2D_FRAME_OTHER, &pfn));
	ck_assert(m2d_frame_owner(vm, pfn) == M2D_FRAME_OTHER);
}
END_TEST

START_TEST(test_protect)
{
	M2dVm *vm = &fx.vm;
	uint64_t pfn, again;
	bool writable = true;

	/* Also of a page that nobody touched yet. */
	m2d_hostmm_protect(vm, 9, false);
	ck_assert(m2d_hostmm_get(vm, 9, false, &pfn, &writable) && !writable);
	ck_assert(!m2d_hostmm_get(vm, 9, true, &again, &writable) && !writable);
	m2d_hostmm_protect(vm, 9, true);
	ck_assert(m2d_hostmm_get(vm, 9, true, &again, &writable) && writable && again == pfn);
	m2d_hostmm_protect(vm, HOST_PAGES, false);
}
END_TEST

START_TEST(test_hugepage)
{
	M2dVm *vm = &fx.vm;
	uint64_t pfn, lone;

	ck_assert(m2d_hostmm_get(vm, 1024, true, &lone, NULL));
	ck_assert(m2d_hostmm_populate(vm, 512, 1024, M2D_SIZE_2M));
	ck_assert_uint_eq(m2d_hostmm_level(vm, 512), 2);
	ck_assert_uint_eq(m2d_hostmm_level(vm, 1023), 2);
	/* A page was there: that block stays as it is. */
	ck_assert_uint_eq(m2d_hostmm_level(vm, 1024), 1);
	ck_assert(!m2d_hostmm_peek(vm, 1025, &pfn, NULL));
	ck_assert(m2d_hostmm_peek(vm, 700, &pfn, NULL));
	ck_assert_uint_eq(pfn % 512, 700 % 512);
	ck_assert(m2d_frame_owner(vm, pfn) == M2D_FRAME_GUEST);
	/* Taking one page of it out leaves 511 small ones; its frame can be had again. */
	ck_assert_uint_eq(m2d_hostmm_detach(vm, 700), pfn);
	ck_assert_uint_eq(m2d_hostmm_level(vm, 512), 1);
	ck_assert_uint_eq(m2d_hostmm_level(vm, 1023), 1);
	m2d_frame_free(vm, pfn);
	ck_assert(m2d_hostmm_get(vm, 3, true, &lone, NULL) && lone == pfn);
	ck_assert(m2d_hostmm_populate(vm, 2048, 512, M2D_SIZE_2M));
	m2d_hostmm_protect(vm, 2048, false);
	ck_assert_uint_eq(m2d_hostmm_level(vm, 2049), 1);
	ck_assert(!m2d_hostmm_populate(vm, HOST_PAGES, 512, M2D_SIZE_2M));
}
END_TEST

START_TEST(test_recorded)
{
	M2dVm *vm = &fx.vm;
	uint64_t pfn, taken = m2d_falloc_taken(vm->frames);

	m2d_hostmm_place(vm, 7, 100000);
	ck_assert(m2d_hostmm_get(vm, 7, true, &pfn, NULL) && pfn == 100000);
	ck_assert(m2d_frame_owner(vm, pfn) == M2D_FRAME_GUEST);
	m2d_frame_set_dirty(vm, pfn);
	ck_assert(!m2d_frame_dirty(vm, pfn));
	ck_assert_uint_eq(m2d_hostmm_detach(vm, 7), 100000);
	m2d_frame_free(vm, pfn);
	ck_assert_uint_eq(m2d_falloc_taken(vm->frames), taken);
}
END_TEST

START_TEST(test_rollback)
{
	M2dVm *vm = &fx.vm;
	uint64_t pfn, again;
	M2dMark mark;

	ck_assert(m2d_hostmm_get(vm, 4, true, &pfn, NULL));
	m2d_arena_attach_journal(vm->arena);
	mark = m2d_arena_mark(vm->arena);
	m2d_space_write64(vm->space, (M2dHpa){pfn << 12}, 5);
	m2d_frame_free(vm, m2d_hostmm_detach(vm, 4));
	ck_assert(m2d_frame_alloc(vm, M2D_FRAME_TABLE, &again) && again == pfn);
	ck_assert(m2d_hostmm_populate(vm, 512, 512, M2D_SIZE_2M));
	m2d_hostmm_protect(vm, 600, false);
	ck_assert_uint_eq(vm->arena->hash, fixture_hash(&fx));
	m2d_arena_rollback(vm->arena, mark);
	ck_assert_uint_eq(vm->arena->hash, fixture_hash(&fx));
	ck_assert(m2d_hostmm_peek(vm, 4, &again, NULL) && again == pfn);
	ck_assert(!m2d_hostmm_peek(vm, 600, &again, NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostmm");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_demand);
	tcase_add_test(tc, test_reuse);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_protect);
	tcase_add_test(tc, test_hugepage);
	tcase_add_test(tc, test_recorded);
	tcase_add_test(tc, test_rollback);
	suite_add_tcase(suite, tc);
	return run_tests(suite);
}
