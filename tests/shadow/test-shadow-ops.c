/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single behaviours of the MMU: unsync and sync, flooding, cached roots, the lockless path; and the
 * bugs that old kernels have, each shown on the old setting of its knob and gone on the new.
 */
#include "tests/shadow/fixture.h"

#define DIRECT_MAP UINT64_C(0x10000000)
#define GVA        UINT64_C(0x40000000)

typedef struct {
	Fx fx;
	M2dGuestSpace space[2];
	M2dGuestInfo info;
} Guest;

/* Tables are mapped at DIRECT_MAP; space 1 is space 0 under another root. */
static void guest_init(Guest *g, const Setup *s)
{
	Fx *fx = &g->fx;

	memset(g, 0, sizeof(*g));
	fx_init(fx, s);
	for (uint64_t gfn = FIRST_TABLE; gfn < FIRST_TABLE + 0x40; gfn++)
		map(fx, DIRECT_MAP + (gfn << 12), gfn << 12, RWU);
	map(fx, GVA, (FIRST_DATA) << 12, RWU);
	g->space[0].root_gpa = fx->root;
	g->space[1].root_gpa = new_table(fx);
	for (unsigned i = 0; i < 512; i++)
		gwrite(fx, g->space[1].root_gpa + 8 * i, 8, gread(fx, fx->root + 8 * i, 8));
	g->info = (M2dGuestInfo){.space = g->space, .n_spaces = 2, .direct_map = DIRECT_MAP};
	m2d_kvm_set_guest(fx->vm, &g->info);
	for (unsigned i = 0; i < fx->vm->n_vcpus; i++)
		set_regs(fx, i, s);
}

static const Setup plain = {.mode = MODE_4LEVEL, .cr0 = M2D_CR0_WP, .n_vcpus = 1};

static const M2dOpOutcome *store(Guest *g, uint64_t gpa, uint64_t value, unsigned size)
{
	M2dOp op;

	m2d_op_preset(&op, M2D_OP_WRITE);
	op.arg[0] = DIRECT_MAP + gpa;
	op.arg[1] = value;
	op.arg[2] = size;
	return run_op(&g->fx, 0, &op);
}

static const M2dOpOutcome *load(Guest *g, uint64_t gva)
{
	return guest_op(&g->fx, 0, M2D_OP_READ, gva, 0, false);
}

static void mov_cr3(Guest *g, unsigned space)
{
	M2dOp op;

	m2d_op_preset(&op, M2D_OP_MOV_CR3);
	op.arg[0] = space;
	run_op(&g->fx, 0, &op);
}

static void invlpg(Guest *g, uint64_t gva)
{
	guest_op(&g->fx, 0, M2D_OP_INVLPG, gva, 0, false);
}

static const M2dSp *shadow_of(const Guest *g, uint64_t gfn)
{
	for (M2dSpIndex i = 1; i < m2d_shadow_max_sp(g->fx.vm); i++) {
		const M2dSp *sp = m2d_sp(g->fx.vm, i);

		if (sp->pfn != 0 && sp->gfn == gfn && !(sp->role & M2D_ROLE_DIRECT) &&
		    !(sp->role & M2D_ROLE_INVALID))
			return sp;
	}
	return NULL;
}

static uint64_t count(const Guest *g, M2dEventType type)
{
	return g->fx.vm->ev->count[type];
}

static unsigned findings(const Guest *g)
{
	return m2d_shadow_audit(g->fx.vm, NULL, NULL);
}

START_TEST(unsync)
{
	Guest g;
	uint64_t pte, data = FIRST_DATA + 1;

	guest_init(&g, &plain);
	pte = gpte_gpa(&g.fx, g.fx.root, GVA, 1, false);
	ck_assert_int_eq(load(&g, GVA)->result, M2D_OPR_OK);
	gwrite(&g.fx, data << 12, 8, 0x77);
	ck_assert(!shadow_of(&g, pte >> 12)->unsync);
	/* The first store to the table makes its page unsync, further ones don't leave the guest.
	 */
	ck_assert_int_eq(store(&g, pte, data << 12 | RWU, 8)->result, M2D_OPR_OK);
	ck_assert(shadow_of(&g, pte >> 12)->unsync);
	ck_assert_uint_eq(store(&g, pte, data << 12 | RWU | M2D_PTE_A, 8)->faults, 0);
	ck_assert_uint_eq(load(&g, GVA)->value, 0);
	/* INVLPG syncs the entry, not the page. */
	invlpg(&g, GVA);
	ck_assert(shadow_of(&g, pte >> 12)->unsync);
	ck_assert_uint_eq(load(&g, GVA)->value, 0x77);
	/* A load of CR3 syncs the page, and the next store faults. */
	mov_cr3(&g, 0);
	ck_assert(!shadow_of(&g, pte >> 12)->unsync);
	ck_assert_uint_ge(store(&g, pte, data << 12 | RWU | M2D_PTE_A, 8)->faults, 1);
	ck_assert_uint_eq(findings(&g), 0);
	fx_free(&g.fx);
}
END_TEST

START_TEST(upper_tables)
{
	Guest g;
	uint64_t pde, value, zaps;

	guest_init(&g, &plain);
	pde = gpte_gpa(&g.fx, g.fx.root, GVA, 2, false);
	value = gread(&g.fx, pde, 8) | M2D_PTE_A;
	load(&g, GVA);
	ck_assert_ptr_nonnull(shadow_of(&g, pde >> 12));
	/* Each store is emulated; the third without a use in between means no table any more. */
	zaps = count(&g, M2D_E_KVM_MMU_PREPARE_ZAP_PAGE);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(store(&g, pde, value, 8)->result, M2D_OPR_EMULATED);
	ck_assert_uint_eq(count(&g, M2D_E_KVM_MMU_PREPARE_ZAP_PAGE), zaps);
	store(&g, pde, value, 8);
	ck_assert_ptr_null(shadow_of(&g, pde >> 12));
	/* So does one store that is not of an entry; one byte is fine. */
	load(&g, GVA);
	store(&g, pde, value & 0xff, 1);
	ck_assert_ptr_nonnull(shadow_of(&g, pde >> 12));
	store(&g, pde, value & 0xffff, 2);
	ck_assert_ptr_null(shadow_of(&g, pde >> 12));
	ck_assert_int_eq(load(&g, GVA)->result, M2D_OPR_OK);
	ck_assert_uint_eq(findings(&g), 0);
	fx_free(&g.fx);
}
END_TEST

START_TEST(cached_roots)
{
	Guest g;
	uint64_t made;

	guest_init(&g, &plain);
	load(&g, GVA);
	mov_cr3(&g, 1);
	made = count(&g, M2D_E_SP_ALLOC);
	ck_assert_uint_ne(g.fx.vm->vcpu[0]->mmu.prev[0].sp, 0);
	for (unsigned i = 0; i < 4; i++)
		mov_cr3(&g, i & 1);
	ck_assert_uint_eq(count(&g, M2D_E_SP_ALLOC), made);
	ck_assert_uint_eq(g.fx.vm->vcpu[0]->mmu.prev[1].sp, 0);
	ck_assert_uint_eq(findings(&g), 0);
	fx_free(&g.fx);
}
END_TEST

static void change_slots(Guest *g)
{
	M2dOp op;

	m2d_op_preset(&op, M2D_OP_SLOT_CREATE);
	op.arg[0] = 1;
	op.arg[1] = (uint64_t)MEM_PAGES << 12;
	op.arg[2] = op.arg[1] + 0xffff;
	op.arg[3] = 0;
	run_op(&g->fx, g->fx.vm->host_actor, &op);
	m2d_op_preset(&op, M2D_OP_SLOT_DELETE);
	op.arg[0] = 1;
	run_op(&g->fx, g->fx.vm->host_actor, &op);
}

START_TEST(obsolete_roots)
{
	Guest g;
	uint64_t alive;

	guest_init(&g, &plain);
	load(&g, GVA);
	mov_cr3(&g, 1);
	load(&g, GVA);
	change_slots(&g);
	ck_assert_uint_eq(count(&g, M2D_E_KVM_MMU_ZAP_ALL_FAST), 1);
	ck_assert_int_eq(load(&g, GVA)->result, M2D_OPR_OK);
	ck_assert_uint_eq(g.fx.vm->vcpu[0]->mmu.prev[0].sp, 0);
	ck_assert_uint_eq(findings(&g), 0);
	/* Nothing of the old generation is left. */
	alive = count(&g, M2D_E_SP_ALLOC) - count(&g, M2D_E_SP_FREE);
	ck_assert_uint_eq(alive, m2d_shadow_used_pages(g.fx.vm));
	fx_free(&g.fx);
}
END_TEST

static void age(Guest *g, uint64_t gpa)
{
	M2dOp op;

	m2d_op_preset(&op, M2D_OP_AGE);
	op.arg[0] = gpa;
	op.arg[1] = gpa + 4095;
	run_op(&g->fx, g->fx.vm->host_actor, &op);
}

START_TEST(fast_faults)
{
	Setup s = {.machine = "skylake-sp", .tdp = true, .no_ad = true, .mode = MODE_4LEVEL};
	uint64_t gpa = (uint64_t)FIRST_DATA << 12, fast;
	Guest g;
	M2dOp op;

	guest_init(&g, &s);
	guest_op(&g.fx, 0, M2D_OP_WRITE, GVA, 1, false);
	/* Without A/D bits a page that was aged has no rights; they come back without mmu_lock. */
	age(&g, gpa);
	fast = count(&g, M2D_E_FAST_PAGE_FAULT);
	m2d_flush_tlb_all(g.fx.vm, 0);
	ck_assert_uint_eq(load(&g, GVA)->value, 1);
	/* So does the right to write that dirty logging took; the page is dirty then. */
	m2d_op_preset(&op, M2D_OP_SLOT_FLAGS);
	op.arg[3] = 1;
	run_op(&g.fx, g.fx.vm->host_actor, &op);
	ck_assert(!m2d_slot_dirty(g.fx.vm, m2d_slot(g.fx.vm, 0, 0), FIRST_DATA));
	guest_op(&g.fx, 0, M2D_OP_WRITE, GVA, 2, false);
	ck_assert(m2d_slot_dirty(g.fx.vm, m2d_slot(g.fx.vm, 0, 0), FIRST_DATA));
	ck_assert_uint_ge(count(&g, M2D_E_FAST_PAGE_FAULT), fast + 1);
	ck_assert_uint_eq(findings(&g), 0);
	fx_free(&g.fx);
}
END_TEST

/* --- bugs: loop index 0 is the old behaviour ---------------------------------------------------
 */

static Setup with_knob(const char *kernel, const char *knob, int fixed)
{
	Setup s = plain;

	s.kernel = kernel;
	s.knob = knob;
	s.value = fixed ? "yes" : "no";
	return s;
}

/* A guest's 2 MiB page split into a direct page; then something other than the guest changes the
 * guest's entry. */
static void poke_huge(Guest *g, uint64_t entry)
{
	uint64_t gva = GVA + 0x200000, pde;

	map_at(&g->fx, g->fx.root, gva, 0x800000, RWU | M2D_PTE_A | M2D_PTE_D, 2);
	ck_assert_int_eq(load(g, gva)->result, M2D_OPR_OK);
	ck_assert_uint_eq(findings(g), 0);
	pde = gpte_gpa(&g->fx, g->fx.root, gva, 2, false);
	gwrite(&g->fx, pde, 8, entry);
	load(g, gva + 0x100000);
}

START_TEST(bug_child_gfn)
{
	Setup s = with_knob("6.12", "child-gfn-check", _i);
	Guest g;

	guest_init(&g, &s);
	poke_huge(&g, 0xa00000 | RWU | M2D_PTE_A | M2D_PTE_D | M2D_PTE_PS);
	ck_assert_int_eq(findings(&g) == 0, _i);
	fx_free(&g.fx);
}
END_TEST

START_TEST(bug_child_role)
{
	Setup s = with_knob("7.1", "child-role-check", _i);
	Guest g;

	guest_init(&g, &s);
	/* The page becomes a table at the same gfn. */
	for (unsigned i = 0; i < 512; i++)
		gwrite(&g.fx, 0x800000 + 8 * i, 8, (FIRST_DATA + 8) << 12 | RWU);
	poke_huge(&g, 0x800000 | RWU | M2D_PTE_A);
	ck_assert_int_eq(findings(&g) == 0, _i);
	fx_free(&g.fx);
}
END_TEST

START_TEST(bug_mmio_over_leaf)
{
	Setup s = with_knob("6.12", "mmio-drops-present", _i);
	Guest g;
	uint64_t pte;

	guest_init(&g, &s);
	load(&g, GVA); /* read-only, as the guest's entry is clean */
	pte = gpte_gpa(&g.fx, g.fx.root, GVA, 1, false);
	gwrite(&g.fx, pte, 8, UINT64_C(0x2000) << 12 | RWU | M2D_PTE_A | M2D_PTE_D);
	ck_assert_int_eq(guest_op(&g.fx, 0, M2D_OP_WRITE, GVA, 1, false)->result, M2D_OPR_MMIO);
	ck_assert_int_eq(findings(&g) == 0, _i);
	fx_free(&g.fx);
}
END_TEST

/* Two upper entries lead to the same tables, one of them without the right to write. */
START_TEST(bug_accumulated_access)
{
	Setup s = with_knob("5.10", "accumulated-access", _i);
	uint64_t ro = UINT64_C(0x40000000); /* the second GiB behind the first, read-only */
	uint64_t pdpte, pde;
	Guest g;

	guest_init(&g, &s);
	map(&g.fx, GVA + 0x200000, (FIRST_DATA + 1) << 12, RWU | M2D_PTE_A | M2D_PTE_D);
	pde = gpte_gpa(&g.fx, g.fx.root, GVA, 2, false);
	gwrite(&g.fx, pde, 8, gread(&g.fx, pde, 8) & ~M2D_PTE_RW);
	pdpte = gpte_gpa(&g.fx, g.fx.root, GVA, 3, false);
	gwrite(&g.fx, pdpte + 8, 8, gread(&g.fx, pdpte, 8) & ~M2D_PTE_RW);
	mov_cr3(&g, 0);
	load(&g, GVA);
	ck_assert_int_eq(guest_op(&g.fx, 0, M2D_OP_WRITE, GVA + 0x200000, 1, false)->result,
			 M2D_OPR_OK);
	load(&g, GVA + ro);
	ck_assert_int_eq(guest_op(&g.fx, 0, M2D_OP_WRITE, GVA + ro + 0x200000, 2, false)->result,
			 _i ? M2D_OPR_PF : M2D_OPR_OK);
	fx_free(&g.fx);
}
END_TEST

START_TEST(bug_invpcid_nonpaging)
{
	Setup s = {.mode = MODE_NONE,
		   .kernel = "6.12",
		   .knob = "invpcid-nonpaging",
		   .value = _i ? "yes" : "no"};
	Fx fx;
	M2dOp op;

	fx_init(&fx, &s);
	guest_op(&fx, 0, M2D_OP_READ, 0x500000, 0, false);
	m2d_op_preset(&op, M2D_OP_INVPCID);
	op.arg[0] = 0;
	op.arg[2] = 0x500000;
	run_op(&fx, 0, &op);
	ck_assert_uint_eq(fx.vm->ev->count[M2D_E_KVM_BUG], _i ? 0 : 1);
	fx_free(&fx);
}
END_TEST

/* The current root is gone and not loaded again when its obsolete predecessor is looked for. */
START_TEST(bug_prev_roots)
{
	Setup s = with_knob("5.18", "prev-roots-checked", _i);
	Guest g;
	GError *error = NULL;
	M2dOp op;
	M2dSpIndex prev;
	m2d_mmu_zap_all_fast_frame zap = {.h = {0}};

	guest_init(&g, &s);
	load(&g, GVA);
	m2d_op_preset(&op, M2D_OP_MOV_CR3);
	op.arg[0] = 1;
	g.fx.vm->rt->stepping = true;
	ck_assert(m2d_kvm_start(g.fx.vm, 0, &op, &error));
	while (g.fx.vm->vcpu[0]->mmu.root.sp != 0 || g.fx.vm->s->lock[M2D_LOCK_MMU].owner != 0)
		ck_assert(!m2d_kvm_step(g.fx.vm, 0));
	prev = g.fx.vm->vcpu[0]->mmu.prev[0].sp;
	ck_assert_uint_ne(prev, 0);
	m2d_rt_start(g.fx.vm->rt, g.fx.vm->host_actor, M2D_R_m2d_mmu_zap_all_fast, &zap,
		     sizeof(zap));
	while (!m2d_rt_step(g.fx.vm->rt, g.fx.vm->host_actor))
		;
	while (!m2d_kvm_step(g.fx.vm, 0))
		;
	ck_assert_uint_eq(g.fx.vm->vcpu[0]->mmu.prev[0].sp, _i ? 0 : prev);
	fx_free(&g.fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shadow-ops");
	TCase *tc = tcase_create("ops"), *bugs = tcase_create("bugs");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, unsync);
	tcase_add_test(tc, upper_tables);
	tcase_add_test(tc, cached_roots);
	tcase_add_test(tc, obsolete_roots);
	tcase_add_test(tc, fast_faults);
	suite_add_tcase(suite, tc);
	tcase_set_timeout(bugs, 60);
	tcase_add_loop_test(bugs, bug_child_gfn, 0, 2);
	tcase_add_loop_test(bugs, bug_child_role, 0, 2);
	tcase_add_loop_test(bugs, bug_mmio_over_leaf, 0, 2);
	tcase_add_loop_test(bugs, bug_accumulated_access, 0, 2);
	tcase_add_loop_test(bugs, bug_invpcid_nonpaging, 0, 2);
	tcase_add_loop_test(bugs, bug_prev_roots, 0, 2);
	suite_add_tcase(suite, bugs);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
