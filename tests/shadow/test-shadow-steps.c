/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two vCPUs and the host take single steps in random order: the books must balance between any two
 * of them, and every change of an SPTE must be one that KVM makes.
 */
#include "sim/spte/spte-state.h"
#include "tests/shadow/fixture.h"

#define DIRECT_MAP UINT64_C(0x10000000)
#define GVA        UINT64_C(0x40000000)
#define N_PAGES    24u

typedef struct {
	Fx fx;
	M2dRng rng;
	M2dGuestSpace space[2];
	M2dGuestInfo info;
	uint64_t audits, changes;
} Guest;

static uint64_t below(Guest *g, uint64_t n)
{
	return m2d_rng_below(&g->rng, n);
}

static void complain(const M2dShadowFinding *f, void *data)
{
	fprintf(stderr, "%s: %s (page %u entry %u gfn %lx)\n", f->invariant, f->what, f->sp,
		f->index, (unsigned long)f->gfn);
}

static void judge_change(const M2dEvent *e, void *data)
{
	Guest *g = data;
	const char *why = "";

	if (e->type != M2D_E_SPTE_CHANGED)
		return;
	g->changes++;
	ck_assert_msg(m2d_spte_transition(&g->fx.vm->fmt, e->a[2], e->a[3], (unsigned)e->a[1],
					  &why) != M2D_SPTE_T_ILLEGAL,
		      "%lx to %lx at level %lu: %s", (unsigned long)e->a[2], (unsigned long)e->a[3],
		      (unsigned long)e->a[1], why);
}

static void guest_init(Guest *g, const Setup *s)
{
	Fx *fx = &g->fx;

	fx_init(fx, s);
	for (uint64_t gfn = FIRST_TABLE; gfn < FIRST_TABLE + 0x40; gfn++)
		map(fx, DIRECT_MAP + (gfn << 12), gfn << 12, RWU);
	for (unsigned i = 0; i < N_PAGES; i++)
		map(fx, GVA + i * 0x1000 + (i & 1) * 0x200000, (FIRST_DATA + i) << 12, RWU);
	map_at(fx, fx->root, GVA + 0x400000, 0x800000, RWU, 2);
	g->space[0].root_gpa = fx->root;
	g->space[1].root_gpa = new_table(fx);
	for (unsigned i = 0; i < 512; i++)
		gwrite(fx, g->space[1].root_gpa + 8 * i, 8, gread(fx, fx->root + 8 * i, 8));
	g->info = (M2dGuestInfo){.space = g->space, .n_spaces = 2, .direct_map = DIRECT_MAP};
	m2d_kvm_set_guest(fx->vm, &g->info);
	for (unsigned i = 0; i < fx->vm->n_vcpus; i++)
		set_regs(fx, i, s);
	m2d_events_listen(fx->vm->ev, judge_change, g);
}

static uint64_t some_gva(Guest *g)
{
	uint64_t i = below(g, N_PAGES + 4);

	if (i >= N_PAGES)
		return GVA + 0x400000 + below(g, 512) * 0x1000;
	return GVA + i * 0x1000 + (i & 1) * 0x200000;
}

static void vcpu_op(Guest *g, M2dOp *op)
{
	unsigned level = 1 + !below(g, 8);
	uint64_t gva = some_gva(g), at;

	switch (below(g, 8)) {
	case 0:
		m2d_op_preset(op, M2D_OP_INVLPG);
		op->arg[0] = gva;
		break;
	case 1:
		m2d_op_preset(op, M2D_OP_MOV_CR3);
		op->arg[0] = below(g, 2);
		break;
	case 2: /* a store to a table */
		if (gva >= GVA + 0x400000)
			level = 2;
		at = gpte_gpa(&g->fx, g->fx.root, gva, level, false);
		m2d_op_preset(op, M2D_OP_WRITE);
		op->arg[0] = DIRECT_MAP + at;
		op->arg[1] = gread(&g->fx, at, 8);
		if (level == 1)
			op->arg[1] = (FIRST_DATA + below(g, N_PAGES)) << 12 | RWU |
				     (below(g, 2) ? M2D_PTE_A | M2D_PTE_D : 0);
		break;
	case 3:
		m2d_op_preset(op, M2D_OP_READ);
		op->arg[0] = gva;
		break;
	default:
		m2d_op_preset(op, M2D_OP_WRITE);
		op->arg[0] = gva + 8 * below(g, 512);
		op->arg[1] = below(g, 1000);
		break;
	}
}

static void host_op(Guest *g, M2dOp *op)
{
	static const M2dOpKind kinds[] = {
		M2D_OP_UNMAP,         M2D_OP_MIGRATE,    M2D_OP_AGE,         M2D_OP_SLOT_FLAGS,
		M2D_OP_GET_DIRTY_LOG, M2D_OP_PAGE_LIMIT, M2D_OP_SLOT_CREATE, M2D_OP_SLOT_DELETE};
	M2dOpKind kind = kinds[below(g, G_N_ELEMENTS(kinds))];
	uint64_t gpa = (FIRST_DATA + below(g, N_PAGES)) << 12;

	m2d_op_preset(op, kind);
	if (kind == M2D_OP_SLOT_FLAGS)
		op->arg[3] = below(g, 2);
	else if (kind == M2D_OP_PAGE_LIMIT)
		op->arg[0] = 16 + below(g, 16);
	else if (kind == M2D_OP_SLOT_CREATE || kind == M2D_OP_SLOT_DELETE)
		op->arg[0] = 1;
	else if (kind != M2D_OP_GET_DIRTY_LOG)
		op->arg[0] = gpa;
	if (kind == M2D_OP_UNMAP || kind == M2D_OP_AGE)
		op->arg[1] = gpa + 0x3fff;
	if (kind == M2D_OP_SLOT_CREATE) {
		op->arg[1] = (uint64_t)MEM_PAGES << 12;
		op->arg[2] = op->arg[1] + 0xffff;
	}
}

static void run_guest(const Setup *s, uint64_t seed, unsigned ops)
{
	Guest g = {.audits = 0};
	unsigned started = 0, steps = 0;
	M2dVm *vm;

	m2d_rng_seed(&g.rng, seed);
	guest_init(&g, s);
	vm = g.fx.vm;
	vm->rt->stepping = true;
	while (started < ops) {
		unsigned actor = (unsigned)below(&g, vm->n_vcpus + 1);
		M2dOp op;

		if (actor == vm->n_vcpus)
			actor = vm->host_actor;
		if (!m2d_kvm_idle(vm, actor) || m2d_kvm_wants_step(vm, actor)) {
			if (m2d_kvm_wants_step(vm, actor))
				m2d_kvm_step(vm, actor);
		} else {
			if (actor == vm->host_actor)
				host_op(&g, &op);
			else
				vcpu_op(&g, &op);
			if (m2d_kvm_start(vm, actor, &op, NULL))
				started++;
		}
		if (++steps % 5 == 0) {
			g.audits++;
			ck_assert_uint_eq(m2d_shadow_audit(vm, complain, NULL), 0);
		}
	}
	ck_assert_uint_gt(g.audits, 100);
	ck_assert_uint_gt(g.changes, 100);
	fx_free(&g.fx);
}

static const struct {
	const char *machine, *kernel;
	bool tdp, no_ad, huge;
} kinds[] = {
	{"zen3", "6.12", false, false, false},     {"skylake-sp", "7.3", false, false, true},
	{"zen3", "5.15", false, false, true},      {"zen3", "6.14", true, false, true},
	{"skylake-sp", "6.12", true, true, false}, {"skylake-sp", "6.14", true, false, true},
};

START_TEST(schedules)
{
	unsigned kind = (unsigned)_i % G_N_ELEMENTS(kinds);
	/* What old kernels overwrite is not what is looked for here. */
	Setup s = {.machine = kinds[kind].machine,
		   .kernel = kinds[kind].kernel,
		   .knob = "mmio-drops-present",
		   .value = "yes",
		   .tdp = kinds[kind].tdp,
		   .no_ad = kinds[kind].no_ad,
		   .huge = kinds[kind].huge,
		   .mode = MODE_4LEVEL,
		   .cr0 = M2D_CR0_WP,
		   .n_vcpus = 2};

	run_guest(&s, (uint64_t)_i, 600);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shadow-steps");
	TCase *tc = tcase_create("schedules");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, schedules, 0, 4 * (int)G_N_ELEMENTS(kinds));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
