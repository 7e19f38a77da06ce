/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memslots: look-up in both address spaces, what is refused, huge-page counts at ends and for
 * different alignment in guest and host, the dirty bitmap, guest memory access, and that a slot
 * that went leaves no trace.
 */
#include "tests/vm/fixture.h"

#include "sim/base/error.h"

static Fixture fx;

static void setup(void)
{
	fixture_init(&fx);
}

static void teardown(void)
{
	fixture_free(&fx);
}

static bool install(unsigned as, unsigned id, uint64_t gfn, uint64_t n, uint64_t hva,
		    uint32_t flags)
{
	return m2d_slot_install(&fx.vm, as, id, gfn, n, hva, flags, NULL);
}

START_TEST(test_lookup)
{
	M2dVm *vm = &fx.vm;

	ck_assert(m2d_gfn_to_slot(vm, 0, 0) == NULL);
	ck_assert(install(0, 3, 0x100, 0x80, 0x200, 0));
	ck_assert(install(0, 1, 0x180, 1, 0, 0));
	ck_assert(install(1, 0, 0x100, 0x100, 0x300, 0));
	ck_assert(m2d_gfn_to_slot(vm, 0, 0xff) == NULL);
	ck_assert(m2d_gfn_to_slot(vm, 0, 0x100) == m2d_slot(vm, 0, 3));
	ck_assert(m2d_gfn_to_slot(vm, 0, 0x17f) == m2d_slot(vm, 0, 3));
	ck_assert(m2d_gfn_to_slot(vm, 0, 0x180) == m2d_slot(vm, 0, 1));
	ck_assert(m2d_gfn_to_slot(vm, 0, 0x181) == NULL);
	ck_assert(m2d_gfn_to_slot(vm, 1, 0x181) == m2d_slot(vm, 1, 0));
	ck_assert_uint_eq(m2d_slot_hva(m2d_slot(vm, 0, 3), 0x111), 0x211);
	ck_assert_uint_eq(m2d_slot_number(m2d_slot(vm, 1, 0)), 0x10000);
	/* Visible until it is marked, found even then. */
	ck_assert(m2d_slot_visible(m2d_gfn_to_slot(vm, 0, 0x180)));
	VM_PUT(vm, m2d_slot(vm, 0, 1)->flags, M2D_SLOT_INVALID);
	ck_assert(!m2d_slot_visible(m2d_gfn_to_slot(vm, 0, 0x180)));
	ck_assert(!m2d_slot_visible(NULL));
	ck_assert_uint_eq(vm->slots->generation[0], 0);
	ck_assert_uint_eq(vm->slots->generation[1], 1);
}
END_TEST

START_TEST(test_refused)
{
	static const struct {
		unsigned as, id;
		uint64_t gfn, n, hva;
		const char *what;
	} bad[] = {
		{2, 0, 0, 1, 0, "address space 2"},
		{0, M2D_MAX_SLOTS, 0, 1, 0, "memslot 32"},
		{0, 0, 0, 0, 0, "at least one"},
		{0, 0, UINT64_C(1) << 40, 1, 0, "2^40"},
		{0, 0, 1, UINT64_MAX, 0, "2^40"},
		{0, 0, 0, 1, HOST_PAGES, "host page"},
		{0, 0, 0, 2, HOST_PAGES - 1, "host page"},
		{0, 0, 0, 1, UINT64_MAX, "host page"},
		{0, 0, 0x10, 0x11, 0, "overlaps memslot 5"},
		{0, 0, 0x2f, 1, 0, "overlaps memslot 5"},
		{0, 0, 0, 0x40, 0, "overlaps memslot 5"},
	};

	ck_assert(install(0, 5, 0x20, 0x10, 0, 0));
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;

		ck_assert(!m2d_slot_install(&fx.vm, bad[i].as, bad[i].id, bad[i].gfn, bad[i].n,
					    bad[i].hva, 0, &error));
		ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
		ck_assert_msg(strstr(error->message, bad[i].what) != NULL, "%s", error->message);
	}
	ck_assert(install(0, 0, 0x10, 0x10, 0, 0));
	ck_assert(install(0, 1, 0x30, 1, 0, 0));
	/* A slot may be compared with its own successor. */
	ck_assert(m2d_slot_check(&fx.vm, 0, 5, 0x21, 0x10 - 1, 0, NULL));
}
END_TEST

START_TEST(test_lpage)
{
	M2dVm *vm = &fx.vm;
	M2dMemslot *s;

	/* From the middle of one 2 MiB page to the middle of the fourth, aligned alike. */
	ck_assert(install(0, 0, 0x300, 0x600, 0x100, 0));
	s = m2d_slot(vm, 0, 0);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x300, 2), 1);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x400, 2), 0);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x7ff, 2), 0);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x800, 2), 1);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x800, 3), 1);
	/* Whole pages, but elsewhere in the host. */
	ck_assert(install(0, 1, 0x1000, 0x400, 0x801, 0));
	s = m2d_slot(vm, 0, 1);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x1000, 2), 1);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x1200, 2), 1);
	ck_assert(install(0, 2, 0x2000, 0x400, 0xa00, 0));
	s = m2d_slot(vm, 0, 2);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x2000, 2), 0);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x2200, 2), 0);
	ck_assert_uint_eq(*m2d_slot_lpage(vm, s, 0x2000, 3), 1);
}
END_TEST

START_TEST(test_dirty)
{
	M2dVm *vm = &fx.vm;
	M2dMemslot *s;

	ck_assert(install(0, 0, 0x10, 200, 0, M2D_SLOT_LOG_DIRTY));
	s = m2d_slot(vm, 0, 0);
	m2d_slot_mark_dirty(vm, s, 0x10);
	m2d_slot_mark_dirty(vm, s, 0x10 + 130);
	ck_assert_uint_eq(fx.last.type, M2D_E_DIRTY_MARKED);
	ck_assert_uint_eq(fx.last.a[1], 0x10 + 130);
	ck_assert(m2d_slot_dirty(vm, s, 0x10) && !m2d_slot_dirty(vm, s, 0x11));
	ck_assert_uint_eq(m2d_slot_dirty_word(vm, s, 2, false), 4);
	ck_assert_uint_eq(m2d_slot_dirty_word(vm, s, 2, true), 4);
	ck_assert_uint_eq(m2d_slot_dirty_word(vm, s, 2, true), 0);
	m2d_slot_clear_dirty(vm, s);
	ck_assert_uint_eq(m2d_slot_dirty_word(vm, s, 0, false), 0);
	VM_PUT(vm, s->flags, 0);
	m2d_slot_mark_dirty(vm, s, 0x10);
	ck_assert(!m2d_slot_dirty(vm, s, 0x10));
}
END_TEST

START_TEST(test_guest_memory)
{
	M2dVm *vm = &fx.vm;
	uint64_t v;
	M2dHpa hpa;

	ck_assert(install(0, 0, 0, 16, 32, M2D_SLOT_LOG_DIRTY));
	ck_assert(install(0, 1, 16, 16, 64, M2D_SLOT_READONLY));
	ck_assert(m2d_vm_write_guest(vm, (M2dGpa){0x1008}, 8, UINT64_C(0x1122334455667788), true));
	ck_assert(m2d_slot_dirty(vm, m2d_slot(vm, 0, 0), 1));
	ck_assert(m2d_vm_read_guest(vm, (M2dGpa){0x100c}, 4, &v) && v == 0x11223344);
	ck_assert(m2d_vm_read_guest(vm, (M2dGpa){0x100a}, 2, &v) && v == 0x5566);
	ck_assert(m2d_vm_read_guest(vm, (M2dGpa){0x100f}, 1, &v) && v == 0x11);
	ck_assert(m2d_vm_write_guest(vm, (M2dGpa){0x2002}, 2, 0xabcd, false));
	ck_assert(!m2d_slot_dirty(vm, m2d_slot(vm, 0, 0), 2));
	ck_assert(m2d_vm_read_guest(vm, (M2dGpa){0x2000}, 8, &v) && v == 0xabcd0000);
	ck_assert(m2d_vm_gpa_to_hpa(vm, (M2dGpa){0x1abc}, true, &hpa));
	ck_assert_uint_eq(hpa.v & 4095, 0xabc);
	ck_assert_uint_eq(m2d_space_read64(vm->space, (M2dHpa){(hpa.v & ~4095ull) + 8}),
			  UINT64_C(0x1122334455667788));
	ck_assert(m2d_vm_read_guest(vm, (M2dGpa){0x10000}, 8, &v) && v == 0);
	ck_assert(!m2d_vm_write_guest(vm, (M2dGpa){0x10000}, 8, 1, true));
	ck_assert(!m2d_vm_read_guest(vm, (M2dGpa){0x20000}, 8, &v));
	m2d_hostmm_protect(vm, 33, false);
	ck_assert(!m2d_vm_write_guest(vm, (M2dGpa){0x1000}, 8, 1, true));
	ck_assert(m2d_vm_read_guest(vm, (M2dGpa){0x1000}, 8, &v));
	VM_PUT(vm, m2d_slot(vm, 0, 0)->flags, M2D_SLOT_INVALID);
	ck_assert(!m2d_vm_read_guest(vm, (M2dGpa){0x1000}, 8, &v));
}
END_TEST

START_TEST(test_gone)
{
	M2dVm *vm = &fx.vm;
	M2dMemslot *s = m2d_slot(vm, 0, 4);
	uint64_t used, hash;

	ck_assert(install(0, 4, 0x300, 0x600, 0x101, 0));
	m2d_slot_remove(vm, s);
	used = vm->arena->used;
	hash = fixture_hash(&fx);
	for (unsigned i = 1; i <= 8; i++) {
		ck_assert(install(0, 4, 0x111 * i, 0x600 / i, 0x100, M2D_SLOT_LOG_DIRTY));
		for (unsigned level = 1; level <= 3; level++) {
			*m2d_slot_rmap(vm, s, s->base_gfn, level) = 1;
			*m2d_slot_rmap(vm, s, s->base_gfn + s->npages - 1, level) = 2;
		}
		*m2d_slot_track(vm, s, s->base_gfn + s->npages - 1) = 3;
		m2d_slot_mark_dirty(vm, s, s->base_gfn + s->npages - 1);
		m2d_slot_remove(vm, s);
		ck_assert(m2d_gfn_to_slot(vm, 0, 0x111 * i) == NULL);
		ck_assert_uint_eq(fixture_hash(&fx), hash);
	}
	ck_assert_uint_eq(vm->arena->used, used);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memslot");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_lookup);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_lpage);
	tcase_add_test(tc, test_dirty);
	tcase_add_test(tc, test_guest_memory);
	tcase_add_test(tc, test_gone);
	suite_add_tcase(suite, tc);
	return run_tests(suite);
}
