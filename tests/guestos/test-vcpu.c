/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The models under simulated hardware: a vCPU starts with empty tables, every fault goes to the
 * model that owns the dimension, and each access ends where the models say, with the accessed and
 * dirty bits set that hardware sets.
 */
#include <check.h>
#include <stdlib.h>

#include "sim/base/rng.h"
#include "sim/base/x86pte.h"
#include "sim/cpu/vcpu.h"
#include "sim/replay/guestos.h"

typedef struct {
	const char *machine;
	M2dNestedKind kind;
	const char *settings[6];
} Case;

static const Case cases[] = {
	{"zen3", M2D_NESTED_NONE, {"guest.share-2m=0.4", "guest.share-1g=0.1"}},
	{"haswell", M2D_NESTED_NONE, {"guest.paging=pae", "guest.share-2m=0.4"}},
	{"zen2", M2D_NESTED_NONE, {"guest.paging=32bit", "guest.scatter=1"}},
	{"zen3", M2D_NESTED_NPT, {"guest.share-2m=0.4", "host.share-2m=0.5", "host.share-1g=0.1"}},
	{"zen4", M2D_NESTED_NPT, {"guest.paging=5level", "host.levels=5", "guest.scatter=0.5"}},
	{"zen1", M2D_NESTED_NPT, {"guest.paging=pae", "host.scatter=1"}},
	{"skylake-sp", M2D_NESTED_EPT, {"guest.share-1g=0.2", "host.share-2m=1"}},
	{"icelake-sp", M2D_NESTED_EPT, {"guest.paging=5level", "host.levels=5", "host.ad=no"}},
	{"haswell", M2D_NESTED_EPT, {"guest.paging=pae", "host.share-1g=0.5"}},
	{"haswell", M2D_NESTED_EPT, {"guest.paging=32bit", "host.share-1g=0.5"}},
};

typedef struct {
	M2dVcpu *vcpu;
	M2dHostmap *host;
	M2dGuestos *os;
	M2dNested nested;
} Machine;

/* Give the vCPU the registers of @process. */
static void switch_to(Machine *m, uint64_t process)
{
	M2dRegs regs;

	ck_assert(m2d_guestos_regs(m->os, process, &regs, NULL));
	if (m->host == NULL) {
		m2d_vcpu_load_host(m->vcpu, &regs);
		ck_assert_uint_eq(m2d_vcpu_mov_cr3(m->vcpu, regs.cr3), M2D_INSN_OK);
		return;
	}
	m2d_vcpu_exit(m->vcpu);
	ck_assert_uint_eq(m2d_vcpu_enter(m->vcpu, &regs, &m->nested, 0), M2D_INSN_OK);
	ck_assert_uint_eq(m2d_vcpu_mov_cr3(m->vcpu, regs.cr3), M2D_INSN_OK);
}

/* One access; its faults are resolved until it goes through. */
static void access_resolved(Machine *m, uint64_t process, const M2dAccess *a, M2dOutcome *out)
{
	for (unsigned tries = 0; tries < 64; tries++) {
		switch (m2d_vcpu_access(m->vcpu, a, out)) {
		case M2D_OUT_OK:
			return;
		case M2D_OUT_PF:
			/* Nothing is mapped without every right: only "not present" is seen. */
			ck_assert_uint_eq(out->error_code & (M2D_PFEC_P | M2D_PFEC_RSVD), 0);
			ck_assert_uint_eq(m2d_guestos_fault(m->os, process, out->cr2, a->user),
					  M2D_GUESTOS_MAPPED);
			break;
		case M2D_OUT_NPF:
		case M2D_OUT_EPT_VIOLATION:
			ck_assert_ptr_nonnull(m->host);
			ck_assert(m2d_hostmap_fault(m->host, out->fault_gpa, NULL));
			break;
		default:
			ck_abort_msg("outcome %u", out->kind);
		}
	}
	ck_abort_msg("the access never went through");
}

START_TEST(test_accesses)
{
	const Case *c = &cases[_i];
	M2dMachine *machine = m2d_machine_load(c->machine, NULL);
	g_autoptr(M2dWorld) world = m2d_world_new(machine, UINT64_C(8) << 30, NULL);
	M2dSpace *space = m2d_world_space(world);
	M2dGuestosConfig gc;
	M2dHostmapConfig hc;
	Machine m = {.nested.tag = 1};
	M2dRegs host_regs = {
		.cr0 = M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP,
		.cr4 = M2D_CR4_PAE | M2D_CR4_PGE,
		.efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE,
	};
	uint64_t va_top, process = 0;
	M2dRng rng;

	ck_assert_ptr_nonnull(machine);
	m2d_guestos_config_init(&gc);
	m2d_hostmap_config_init(&hc);
	for (unsigned i = 0; c->settings[i] != NULL; i++)
		ck_assert(m2d_guestos_config_set(&gc, c->settings[i], NULL) ||
			  m2d_hostmap_config_set(&hc, c->settings[i], NULL));
	m.vcpu = m2d_vcpu_new(world);
	if (c->kind != M2D_NESTED_NONE) {
		m.host = m2d_hostmap_new(world, c->kind, &hc, NULL);
		ck_assert_ptr_nonnull(m.host);
		m2d_hostmap_nested(m.host, &m.nested);
		host_regs.cr4 |= m.nested.hcr4;
		m2d_vcpu_load_host(m.vcpu, &host_regs);
	}
	m.os = m2d_guestos_new(world, m.host, &gc, NULL);
	ck_assert_ptr_nonnull(m.os);
	va_top = gc.paging == M2D_GUESTOS_5LEVEL   ? UINT64_C(1) << 56
		 : gc.paging == M2D_GUESTOS_4LEVEL ? UINT64_C(1) << 47
						   : UINT64_C(0xc0000000);
	m2d_rng_seed(&rng, (uint64_t)_i);
	switch_to(&m, 0);
	for (unsigned step = 0; step < 3000; step++) {
		M2dAccess a = {.size = 8, .kind = (M2dAccKind)m2d_rng_below(&rng, 3), .user = true};
		M2dPageSize guest_size, host_size = M2D_SIZE_1G;
		M2dOutcome out;
		M2dGpa gpa;
		M2dHpa hpa;

		if (step % 100 == 99) {
			process = m2d_rng_below(&rng, 3);
			switch_to(&m, process);
		}
		/* A few hot pages, the rest anywhere; now and then the kernel. */
		a.gva.v = m2d_rng_below(&rng, 2) == 0 ? m2d_rng_below(&rng, 1 << 18)
						      : m2d_rng_below(&rng, va_top);
		if (m2d_rng_below(&rng, 8) == 0) {
			a.user = false;
			a.gva.v = (gc.paging >= M2D_GUESTOS_PAE ? UINT64_C(0xc0000000)
								: UINT64_C(0xffffc00000000000)) +
				  m2d_rng_below(&rng, 1 << 24);
		}
		a.gva.v &= ~UINT64_C(7);
		access_resolved(&m, process, &a, &out);
		ck_assert(m2d_guestos_find(m.os, process, a.gva, &gpa, &guest_size));
		if (m.host != NULL)
			ck_assert(m2d_hostmap_find(m.host, gpa, &hpa, &host_size));
		else
			hpa = M2D_HPA(gpa.v);
		ck_assert_uint_eq(out.hpa.v, hpa.v);
		ck_assert_uint_eq(out.size, MIN(guest_size, host_size));
	}
	ck_assert_uint_gt(m2d_space_frames(space), 10);
	m2d_guestos_free(m.os);
	m2d_hostmap_free(m.host);
}
END_TEST

/* What hardware leaves in the leaf after a read and after a write. */
START_TEST(test_accessed_dirty)
{
	g_autoptr(M2dWorld) world = m2d_world_new(m2d_machine_load("zen3", NULL), 0, NULL);
	M2dSpace *space = m2d_world_space(world);
	M2dGuestosConfig gc;
	Machine m = {0};
	M2dRegs regs;
	M2dOutcome out;
	uint64_t table;

	m2d_guestos_config_init(&gc);
	m.vcpu = m2d_vcpu_new(world);
	m.os = m2d_guestos_new(world, NULL, &gc, NULL);
	switch_to(&m, 0);
	ck_assert(m2d_guestos_regs(m.os, 0, &regs, NULL));
	for (M2dAccKind kind = M2D_ACC_READ; kind <= M2D_ACC_WRITE; kind++) {
		M2dAccess a = {
			.gva = M2D_GVA(0x123456789000), .size = 4, .kind = kind, .user = true};

		access_resolved(&m, 0, &a, &out);
		table = regs.cr3 & ~UINT64_C(0xfff);
		for (int shift = 39; shift >= 12; shift -= 9) {
			uint64_t e = m2d_space_read64(
				space, M2D_HPA(table + (a.gva.v >> shift & 511) * 8));

			ck_assert(e & M2D_PTE_A);
			ck_assert((e & M2D_PTE_D) ==
				  (shift == 12 && kind == M2D_ACC_WRITE ? M2D_PTE_D : 0));
			table = e & UINT64_C(0xffffffffff000);
		}
	}
	m2d_guestos_free(m.os);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guestos-vcpu");
	TCase *tc = tcase_create("vcpu");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_accesses, 0, G_N_ELEMENTS(cases));
	tcase_add_test(tc, test_accessed_dirty);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
