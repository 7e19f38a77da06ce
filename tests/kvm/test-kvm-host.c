/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's operations as scenarios ask for them, with KVM's MMU and a guest without paging: what
 * the guest's accesses meet before and after, and how operations that make no sense are refused.
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/kvm/kvm.h"
#include "sim/vm/hostmm.h"
#include "sim/vm/memslot.h"

static M2dWorld *world;
static M2dVm *vm;

static void make(const char *knobs, bool tdp)
{
	M2dVmConfig cfg;
	GError *error = NULL;

	world = m2d_world_new(m2d_machine_load("zen3", NULL), UINT64_C(1) << 30, NULL);
	m2d_vm_config_init(&cfg);
	cfg.tdp = tdp;
	if (knobs != NULL)
		ck_assert(m2d_knobs_profile(&cfg.knobs, knobs, NULL));
	vm = m2d_kvm_new(world, &cfg, &error);
	ck_assert_msg(vm != NULL, "%s", error != NULL ? error->message : "");
}

static void drop(void)
{
	m2d_vm_free(vm);
	m2d_world_free(world);
}

/* @n arguments, all given. */
static M2dOp op_make(M2dOpKind kind, unsigned n, va_list ap)
{
	M2dOp op;

	m2d_op_preset(&op, kind);
	for (unsigned i = 0; i < n; i++) {
		op.arg[i] = va_arg(ap, uint64_t);
		op.given |= (uint16_t)(1u << i);
	}
	return op;
}

static const M2dOpOutcome *run(unsigned actor, M2dOpKind kind, unsigned n, ...)
{
	GError *error = NULL;
	va_list ap;
	M2dOp op;

	va_start(ap, n);
	op = op_make(kind, n, ap);
	va_end(ap);
	ck_assert_msg(m2d_kvm_start(vm, actor, &op, &error), "%s",
		      error != NULL ? error->message : "");
	m2d_kvm_run(vm, actor);
	return m2d_kvm_outcome(vm, actor);
}

#define A(x)            ((uint64_t)(x))
#define HOST(kind, ...) run(vm->host_actor, kind, __VA_ARGS__)

static void host_ok(const M2dOpOutcome *out)
{
	ck_assert_int_eq(out->result, M2D_OPR_OK);
}

static M2dOpResult guest_write(uint64_t gva, uint64_t value)
{
	return run(0, M2D_OP_WRITE, 2, gva, value)->result;
}

static M2dOpResult guest_read(uint64_t gva, uint64_t *value, uint64_t *hpa)
{
	const M2dOpOutcome *out = run(0, M2D_OP_READ, 1, gva);

	*value = out->value;
	*hpa = out->hpa;
	return out->result;
}

static void create(uint64_t flags)
{
	host_ok(HOST(M2D_OP_SLOT_CREATE, 7, A(0), A(0), A(0xffff), A(0x100000), A(0),
		     A(flags & M2D_SLOT_READONLY), A(flags & M2D_SLOT_LOG_DIRTY)));
}

START_TEST(test_pages)
{
	uint64_t value, hpa, pfn, old;

	make(NULL, _i);
	create(0);
	ck_assert_int_eq(guest_write(0x1008, 77), M2D_OPR_OK);
	ck_assert_int_eq(guest_read(0x1008, &value, &old), M2D_OPR_OK);
	ck_assert_uint_eq(value, 77);
	ck_assert(m2d_hostmm_peek(vm, 0x101, &pfn, NULL) && old == (pfn << 12) + 8);
	/* Moved: same contents, another frame. */
	host_ok(HOST(M2D_OP_MIGRATE, 1, A(0x1000)));
	ck_assert(m2d_frame_owner(vm, pfn) == M2D_FRAME_FREE);
	ck_assert_int_eq(guest_read(0x1008, &value, &hpa), M2D_OPR_OK);
	ck_assert_uint_eq(value, 77);
	ck_assert_uint_ne(hpa, old);
	/* Dropped: it comes back empty. */
	host_ok(HOST(M2D_OP_UNMAP, 2, A(0), A(0xffff)));
	ck_assert_int_eq(guest_read(0x1008, &value, &hpa), M2D_OPR_OK);
	ck_assert_uint_eq(value, 0);
	/* Read-only for the guest, and back. */
	ck_assert_int_eq(guest_write(0x1008, 5), M2D_OPR_OK);
	host_ok(HOST(M2D_OP_PROTECT, 2, A(0x1000), A(0x1fff)));
	ck_assert_int_eq(guest_read(0x1008, &value, &hpa), M2D_OPR_OK);
	ck_assert_uint_eq(value, 5);
	ck_assert_int_ne(guest_write(0x1008, 6), M2D_OPR_OK);
	host_ok(HOST(M2D_OP_UNPROTECT, 2, A(0x1000), A(0x1fff)));
	ck_assert_int_eq(guest_write(0x1008, 6), M2D_OPR_OK);
	host_ok(HOST(M2D_OP_POKE, 3, A(0x1008), A(9), A(4)));
	ck_assert_int_eq(guest_read(0x1008, &value, &hpa), M2D_OPR_OK);
	ck_assert_uint_eq(value, 9);
	ck_assert_int_eq(HOST(M2D_OP_UNMAP, 2, A(0x10000), A(0x10fff))->result, M2D_OPR_FAILED);
	ck_assert_uint_eq(m2d_kvm_outcome(vm, vm->host_actor)->value, EFAULT);
	drop();
}
END_TEST

START_TEST(test_slots)
{
	uint64_t value, hpa;

	make(NULL, _i);
	ck_assert_int_eq(guest_read(0x1008, &value, &hpa), M2D_OPR_MMIO);
	create(0);
	/* The MMIO SPTE is of an old generation. */
	ck_assert_int_eq(guest_read(0x1008, &value, &hpa), M2D_OPR_OK);
	ck_assert_int_eq(guest_write(0x2000, 3), M2D_OPR_OK);
	host_ok(HOST(M2D_OP_SLOT_MOVE, 3, A(0), A(0x20000), A(0x2ffff)));
	ck_assert_int_eq(guest_read(0x2000, &value, &hpa), M2D_OPR_MMIO);
	ck_assert_int_eq(guest_read(0x22000, &value, &hpa), M2D_OPR_OK);
	ck_assert_uint_eq(value, 3);
	host_ok(HOST(M2D_OP_SLOT_DELETE, 3, A(0), A(0), A(1)));
	ck_assert_int_eq(guest_read(0x22000, &value, &hpa), M2D_OPR_MMIO);
	ck_assert_int_eq(HOST(M2D_OP_SLOT_DELETE, 1, A(0))->result, M2D_OPR_FAILED);
	create(M2D_SLOT_READONLY);
	/* Its memory was given back. */
	ck_assert_int_eq(guest_read(0x2000, &value, &hpa), M2D_OPR_OK);
	ck_assert_uint_eq(value, 0);
	ck_assert_int_eq(guest_write(0x2000, 3), M2D_OPR_MMIO);
	ck_assert_int_eq(HOST(M2D_OP_SLOT_FLAGS, 4, A(0), A(0), A(0), A(0))->result,
			 M2D_OPR_FAILED);
	ck_assert_uint_eq(m2d_kvm_outcome(vm, vm->host_actor)->value, EINVAL);
	drop();
}
END_TEST

static uint64_t told(uint64_t word)
{
	return *m2d_slot_log_word(vm, m2d_slot(vm, 0, 0), word);
}

START_TEST(test_dirty_log)
{
	uint64_t value, hpa;

	make(NULL, _i);
	create(0);
	ck_assert_int_eq(guest_write(0x3000, 1), M2D_OPR_OK);
	ck_assert_int_eq(guest_read(0x4000, &value, &hpa), M2D_OPR_OK);
	host_ok(HOST(M2D_OP_SLOT_FLAGS, 4, A(0), A(0), A(0), A(1)));
	ck_assert_uint_eq(HOST(M2D_OP_GET_DIRTY_LOG, 1, A(0))->value, 0);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(guest_read(0x4000, &value, &hpa), M2D_OPR_OK);
		ck_assert_int_eq(guest_write(0x3000, 1), M2D_OPR_OK);
		ck_assert_int_eq(guest_write(0x3008, 1), M2D_OPR_OK);
		ck_assert_int_eq(guest_write(0x5000, 1), M2D_OPR_OK);
		ck_assert_uint_eq(HOST(M2D_OP_GET_DIRTY_LOG, 1, A(0))->value, 2);
		ck_assert_uint_eq(told(0), 0x28);
	}
	/* A page that is new to KVM is mapped writable even for a read, and counts as dirty. */
	ck_assert_int_eq(guest_read(0x6000, &value, &hpa), M2D_OPR_OK);
	ck_assert_uint_eq(HOST(M2D_OP_GET_DIRTY_LOG, 1, A(0))->value, 1);
	host_ok(HOST(M2D_OP_SLOT_FLAGS, 4, A(0), A(0), A(0), A(0)));
	ck_assert_int_eq(guest_write(0x3000, 2), M2D_OPR_OK);
	ck_assert_int_eq(HOST(M2D_OP_GET_DIRTY_LOG, 1, A(0))->result, M2D_OPR_FAILED);
	drop();
}
END_TEST

START_TEST(test_age)
{
	static const char *const kernels[] = {"5.4", "6.12", "6.14", "6.19"};
	uint64_t value, hpa;

	make(kernels[_i / 2], _i % 2);
	create(0);
	ck_assert_int_eq(HOST(M2D_OP_TEST_AGE, 1, A(0x1000))->result, M2D_OPR_NO);
	ck_assert_int_eq(guest_read(0x1008, &value, &hpa), M2D_OPR_OK);
	ck_assert_int_eq(HOST(M2D_OP_TEST_AGE, 1, A(0x1000))->result, M2D_OPR_YES);
	ck_assert_int_eq(HOST(M2D_OP_AGE, 2, A(0), A(0xffff))->result, M2D_OPR_YES);
	ck_assert_int_eq(HOST(M2D_OP_AGE, 2, A(0), A(0xffff))->result, M2D_OPR_NO);
	ck_assert_int_eq(guest_read(0x1008, &value, &hpa), M2D_OPR_OK);
	/* Without a flush the TLB keeps the accessed bit from being set again. */
	ck_assert_int_eq(HOST(M2D_OP_TEST_AGE, 1, A(0x1000))->result,
			 vm->cfg.knobs.young_flush ? M2D_OPR_YES : M2D_OPR_NO);
	drop();
}
END_TEST

START_TEST(test_others)
{
	uint64_t value, hpa;

	make(NULL, _i);
	create(0);
	ck_assert_int_eq(guest_write(0x1008, 1), M2D_OPR_OK);
	host_ok(HOST(M2D_OP_TRACK, 1, A(0x1000)));
	ck_assert_int_eq(guest_write(0x1008, 2), M2D_OPR_EMULATED);
	ck_assert_int_eq(guest_read(0x1008, &value, &hpa), M2D_OPR_OK);
	ck_assert_uint_eq(value, 2);
	host_ok(HOST(M2D_OP_UNTRACK, 1, A(0x1000)));
	ck_assert_int_eq(guest_write(0x1008, 3), M2D_OPR_OK);
	host_ok(HOST(M2D_OP_PAGE_LIMIT, 1, A(8)));
	for (uint64_t gva = 0; gva < 0x10000; gva += 0x1000)
		ck_assert_int_eq(guest_write(gva, gva), M2D_OPR_OK);
	ck_assert_int_eq(HOST(M2D_OP_PCPU_OFFLINE, 1, A(0))->result, M2D_OPR_FAILED);
	run(0, M2D_OP_PREEMPT, 0);
	host_ok(HOST(M2D_OP_PCPU_OFFLINE, 1, A(0)));
	host_ok(HOST(M2D_OP_RELEASE, 0));
	ck_assert(!m2d_hostmm_peek(vm, 0x101, &value, NULL));
	drop();
}
END_TEST

START_TEST(test_senseless)
{
	static const struct {
		M2dOpKind kind;
		uint64_t arg[4];
		const char *what;
	} bad[] = {
		{M2D_OP_UNMAP, {1, 0xfff}, "begins a page"},
		{M2D_OP_UNMAP, {0, 0xffe}, "ends a page"},
		{M2D_OP_UNMAP, {0x1000, 0xfff}, "not empty"},
		{M2D_OP_UNMAP, {0, (UINT64_C(1) << 52) + 0xfff}, "2^52"},
		{M2D_OP_UNMAP, {0, 0xfff, 2}, "address space"},
		{M2D_OP_SLOT_DELETE, {32}, "below 32"},
		{M2D_OP_SLOT_CREATE, {0, 0, 0xfff, 8}, "address of a page"},
		{M2D_OP_POKE, {0, 0, 3}, "1, 2, 4 or 8"},
		{M2D_OP_POKE, {4, 0, 8}, "aligned"},
		{M2D_OP_READ, {0}, "not an operation of the host"},
	};

	make(NULL, false);
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		M2dOp op;

		m2d_op_preset(&op, bad[i].kind);
		memcpy(op.arg, bad[i].arg, sizeof(bad[i].arg));
		ck_assert(!m2d_kvm_start(vm, vm->host_actor, &op, &error));
		ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
		ck_assert_msg(strstr(error->message, bad[i].what) != NULL, "%s", error->message);
		ck_assert(m2d_kvm_idle(vm, vm->host_actor));
	}
	drop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kvm-host");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, test_pages, 0, 2);
	tcase_add_loop_test(tc, test_slots, 0, 2);
	tcase_add_loop_test(tc, test_dirty_log, 0, 2);
	tcase_add_loop_test(tc, test_age, 0, 8);
	tcase_add_loop_test(tc, test_others, 0, 2);
	tcase_add_test(tc, test_senseless);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
