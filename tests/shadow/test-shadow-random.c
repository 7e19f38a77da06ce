/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random guests: two vCPUs load, store, change their tables through their own mapping and flush as
 * an operating system must; the host unmaps, moves, protects, ages and logs meanwhile. Each access
 * must end as a plain walk of the guest's tables says, all bookkeeping must add up after each
 * operation, and after a flush no shadow entry may give more than the guest's tables do.
 */
#include "sim/guest/guest.h"
#include "tests/shadow/fixture.h"

#define DIRECT_MAP UINT64_C(0x10000000)
#define N_GVAS     48u
#define MMIO_GFN   0x1800u /* behind memory */

typedef struct {
	Fx fx;
	Setup s;
	M2dRng rng;
	M2dGuestSpace space[2];
	M2dGuestInfo info;
	uint64_t gva[N_GVAS];
	unsigned root[2]; /* of each vCPU: index of space */
	uint64_t checked; /* leaves compared, so that the comparison is known to happen */
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

static void audit(Guest *g, const char *after)
{
	ck_assert_msg(m2d_shadow_audit(g->fx.vm, complain, NULL) == 0, "after %s", after);
}

/* --- the oracle ------------------------------------------------------------------------------- */

typedef struct {
	bool fault;
	uint32_t error;
	uint64_t gpa;
	bool mmio;
	M2dGuestRights rights;
} Walk;

static bool in_memory(uint64_t gpa)
{
	return gpa >> 12 < MEM_PAGES;
}

static Walk plain_walk(Guest *g, uint64_t root, uint64_t gva, M2dAccKind kind, bool user,
		       bool permissions)
{
	const M2dRegs *r = &g->fx.vm->vcpu[0]->regs;
	M2dGuestPolicy policy;
	M2dPteFormat fmt;
	Walk w = {.fault = true, .rights = {.w = true, .u = true, .x = true}};
	uint64_t table = root, pte = 0;
	uint32_t code;
	unsigned level;

	m2d_guest_format(&fmt, r, g->fx.vm->machine->vendor, g->fx.vm->cfg.guest_maxphyaddr,
			 M2D_FEAT_ALL);
	m2d_guest_policy(&policy, r);
	code = m2d_guest_error_code(&policy, kind, user);
	for (level = fmt.levels;; level--) {
		uint64_t at = table + m2d_pte_index_offset(&fmt, level, gva);
		M2dPteClass class;

		w.error = code;
		if (!in_memory(at))
			return w;
		pte = gread(&g->fx, at, entry_size(&g->fx));
		class = level == fmt.pdpte_level && (pte & M2D_PTE_P)
				? M2D_PTE_TABLE
				: m2d_pte_classify(&fmt, level, pte);
		if (class == M2D_PTE_NOT_PRESENT)
			return w;
		w.error = code | M2D_PFEC_P | M2D_PFEC_RSVD;
		if (class == M2D_PTE_RESERVED)
			return w;
		if (level != fmt.pdpte_level) {
			w.rights.w &= (pte & M2D_PTE_RW) != 0;
			w.rights.u &= (pte & M2D_PTE_US) != 0;
			w.rights.x &= fmt.mode == M2D_PAGING_32 || !(pte & M2D_PTE_NX);
		}
		if (class == M2D_PTE_LEAF)
			break;
		table = pte & fmt.frame_mask;
	}
	w.error = permissions ? m2d_guest_permission(&policy, &w.rights, kind, user, false) : 0;
	w.fault = w.error != 0;
	w.gpa = m2d_pte_leaf_base(&fmt, level, pte) |
		(gva & m2d_low_mask(m2d_pte_shift(&fmt, level)));
	w.mmio = !in_memory(w.gpa);
	return w;
}

/* --- operations of the guest ------------------------------------------------------------------ */

static void flush_all(Guest *g)
{
	for (unsigned i = 0; i < g->fx.vm->n_vcpus; i++) {
		M2dOp op;

		m2d_op_preset(&op, M2D_OP_MOV_CR3);
		op.arg[0] = g->root[i];
		ck_assert_int_eq(run_op(&g->fx, i, &op)->result, M2D_OPR_OK);
	}
}

static void flush_page(Guest *g, uint64_t gva)
{
	for (unsigned i = 0; i < g->fx.vm->n_vcpus; i++) {
		M2dOp op;

		m2d_op_preset(&op, M2D_OP_INVLPG);
		op.arg[0] = gva;
		ck_assert_int_eq(run_op(&g->fx, i, &op)->result, M2D_OPR_OK);
	}
}

static uint64_t memory(Guest *g, uint64_t gpa)
{
	return gread(&g->fx, gpa & ~UINT64_C(7), 8);
}

static void access_one(Guest *g)
{
	unsigned vcpu = (unsigned)below(g, g->fx.vm->n_vcpus);
	uint64_t gva = g->gva[below(g, N_GVAS)] + below(g, 512) * 8, root, value;
	M2dAccKind kind = (M2dAccKind)below(g, 3);
	bool user = below(g, 2);
	const M2dOpOutcome *o;
	Walk w;

	root = g->space[g->root[vcpu]].root_gpa;
	w = plain_walk(g, root, gva, kind, user, true);
	value = kind == M2D_ACC_WRITE ? m2d_rng_next(&g->rng) : 0;
	/* What is stored into a table shall look like an entry now and then. */
	if (kind == M2D_ACC_WRITE && below(g, 2))
		value = (value & 0xfffff067) | M2D_PTE_P;
	o = guest_op(&g->fx, vcpu,
		     kind == M2D_ACC_WRITE  ? M2D_OP_WRITE
		     : kind == M2D_ACC_READ ? M2D_OP_READ
					    : M2D_OP_FETCH,
		     gva, value, user);
	if (w.fault) {
		ck_assert_int_eq(o->result, M2D_OPR_PF);
		ck_assert_uint_eq(o->value, w.error);
		return;
	}
	if (w.mmio) {
		ck_assert_int_eq(o->result, M2D_OPR_MMIO);
		return;
	}
	ck_assert_msg(o->result == M2D_OPR_OK || o->result == M2D_OPR_EMULATED,
		      "result %d value %lx gva %lx gpa %lx kind %u user %u", o->result,
		      (unsigned long)o->value, (unsigned long)gva, (unsigned long)w.gpa, kind,
		      user);
	if (kind == M2D_ACC_WRITE) {
		ck_assert_uint_eq(memory(g, w.gpa), value);
		if (w.gpa >> 12 < FIRST_DATA)
			flush_all(g);
	} else if (kind == M2D_ACC_READ) {
		ck_assert_uint_eq(o->value, memory(g, w.gpa));
	}
}

static uint64_t random_target(Guest *g)
{
	switch (below(g, 8)) {
	case 0:
		return MMIO_GFN + below(g, 4);
	case 1: /* a table of the part that may break */
		return FIRST_TABLE + 0x20 + below(g, 16);
	default:
		return FIRST_DATA + below(g, 64);
	}
}

static uint64_t random_entry(Guest *g, unsigned level)
{
	uint64_t e = M2D_PTE_P, mask = m2d_low_mask(shift_of(&g->fx, level));

	if (!below(g, 6))
		return 0;
	e |= below(g, 4) ? M2D_PTE_RW : 0;
	e |= below(g, 4) ? M2D_PTE_US : 0;
	e |= below(g, 2) ? M2D_PTE_A : 0;
	e |= below(g, 2) ? M2D_PTE_D : 0;
	if (g->fx.mode >= MODE_PAE && (g->s.efer & M2D_EFER_NXE) && !below(g, 4))
		e |= M2D_PTE_NX;
	if (level > 1) {
		if (below(g, 2)) /* a table */
			return (e & ~(uint64_t)M2D_PTE_D) | (FIRST_TABLE + 0x20 + below(g, 16))
								    << 12;
		e |= M2D_PTE_PS;
		return e | (((FIRST_DATA + below(g, 2048)) << 12) & ~mask);
	}
	return e | random_target(g) << 12;
}

/* The guest stores to one of its own entries, through the mapping it has of all tables. */
static void set_pte(Guest *g)
{
	uint64_t gva = g->gva[below(g, N_GVAS)];
	unsigned level = below(g, 4) ? 1 : 2, vcpu = (unsigned)below(g, g->fx.vm->n_vcpus);
	uint64_t at = 0, table = g->space[below(g, 2)].root_gpa;
	M2dOp op;

	for (unsigned l = top_level(g->fx.mode); l >= level; l--) {
		unsigned n = g->fx.mode == MODE_PAE && l == 3 ? 2 : g->fx.mode == MODE_32 ? 10 : 9;
		uint64_t e;

		at = table + (gva >> shift_of(&g->fx, l) & ((1u << n) - 1)) * entry_size(&g->fx);
		if (l == level)
			break;
		if (!in_memory(at))
			return;
		e = gread(&g->fx, at, entry_size(&g->fx));
		if (!(e & M2D_PTE_P) || (e & M2D_PTE_PS))
			return;
		table = e & UINT64_C(0xffffffffff000);
	}
	if (at >> 12 < FIRST_TABLE || at >> 12 >= FIRST_DATA)
		return;
	m2d_op_preset(&op, M2D_OP_WRITE);
	op.arg[0] = DIRECT_MAP + at;
	op.arg[1] = random_entry(g, level);
	op.arg[2] = entry_size(&g->fx);
	ck_assert_int_le(run_op(&g->fx, vcpu, &op)->result, M2D_OPR_EMULATED);
	ck_assert_uint_eq(gread(&g->fx, at, entry_size(&g->fx)), op.arg[1]);
	/* Other addresses may use the same table. */
	if (level > 1 || below(g, 2))
		flush_all(g);
	else
		for (unsigned i = 0; i < N_GVAS; i++)
			flush_page(g, g->gva[i]);
}

static void switch_root(Guest *g)
{
	unsigned vcpu = (unsigned)below(g, g->fx.vm->n_vcpus);
	M2dOp op;

	g->root[vcpu] ^= 1;
	m2d_op_preset(&op, M2D_OP_MOV_CR3);
	op.arg[0] = g->root[vcpu];
	ck_assert_int_eq(run_op(&g->fx, vcpu, &op)->result, M2D_OPR_OK);
}

static void host_op(Guest *g)
{
	static const M2dOpKind kinds[] = {M2D_OP_UNMAP,         M2D_OP_MIGRATE,   M2D_OP_AGE,
					  M2D_OP_TRACK,         M2D_OP_UNTRACK,   M2D_OP_SLOT_FLAGS,
					  M2D_OP_GET_DIRTY_LOG, M2D_OP_PAGE_LIMIT};
	M2dOpKind kind = kinds[below(g, G_N_ELEMENTS(kinds))];
	uint64_t gpa = (FIRST_DATA + below(g, 64)) << 12;
	M2dOp op;

	m2d_op_preset(&op, kind);
	switch (kind) {
	case M2D_OP_UNMAP:
	case M2D_OP_AGE:
		op.arg[0] = gpa;
		op.arg[1] = gpa + below(g, 8) * 4096 + 4095;
		break;
	case M2D_OP_SLOT_FLAGS:
		op.arg[3] = below(g, 2);
		break;
	case M2D_OP_GET_DIRTY_LOG:
		break;
	case M2D_OP_PAGE_LIMIT:
		op.arg[0] = 24 + below(g, 30);
		break;
	case M2D_OP_TRACK:
	case M2D_OP_UNTRACK:
		return; /* pairs are kept by test-shadow-ops */
	default:
		op.arg[0] = gpa;
		break;
	}
	run_op(&g->fx, g->fx.vm->host_actor, &op);
}

/* --- shadow tables against guest tables ------------------------------------------------------- */

static void compare(Guest *g, unsigned vcpu, uint64_t gva)
{
	M2dVm *vm = g->fx.vm;
	M2dKvmVcpu *v = vm->vcpu[vcpu];
	M2dSpIndex sp = v->mmu.root.sp;
	uint64_t spte, pfn, gfn;
	unsigned level;
	bool writable;
	Walk w;

	if (sp == M2D_ROOT_PAE)
		sp = v->mmu.pae_root[gva >> 30 & 3];
	if (sp == 0 || sp == M2D_ROOT_DUMMY)
		return;
	for (;;) {
		level = m2d_role_level(m2d_sp(vm, sp)->role);
		spte = m2d_spte_read(vm, m2d_sptep(sp, gva >> (12 + 9 * (level - 1)) & 511));
		if (!m2d_spte_is_present(&vm->fmt, spte))
			return;
		if (m2d_spte_is_last(spte, level))
			break;
		sp = m2d_shadow_sp_of_frame(vm, m2d_spte_pfn(&vm->fmt, spte));
		ck_assert_uint_ne(sp, 0);
	}
	w = plain_walk(g, g->space[g->root[vcpu]].root_gpa, gva, M2D_ACC_READ, false, false);
	ck_assert(!w.fault);
	ck_assert(!w.mmio);
	gfn = w.gpa >> 12;
	ck_assert(m2d_hostmm_peek(vm, gfn, &pfn, &writable));
	ck_assert_uint_eq(
		m2d_spte_pfn(&vm->fmt, spte) + (gva >> 12 & m2d_low_mask(9 * (level - 1))), pfn);
	if (m2d_spte_is_user(&vm->fmt, spte)) {
		ck_assert(w.rights.u);
		ck_assert(!m2d_spte_is_writable(spte) || w.rights.w);
	}
	ck_assert(!m2d_spte_is_executable(&vm->fmt, spte) || w.rights.x ||
		  !(g->s.efer & M2D_EFER_NXE));
	ck_assert(!m2d_spte_is_writable(spte) || w.rights.w || !(g->s.cr0 & M2D_CR0_WP));
	g->checked++;
}

static void compare_all(Guest *g)
{
	flush_all(g);
	for (unsigned c = 0; c < g->fx.vm->n_vcpus; c++) {
		for (unsigned i = 0; i < N_GVAS; i++)
			compare(g, c, g->gva[i]);
	}
}

/* --- the run ---------------------------------------------------------------------------------- */

static void prepare(Guest *g)
{
	Fx *fx = &g->fx;
	uint64_t base = g->s.mode >= MODE_4LEVEL ? UINT64_C(0x7f0000000000) : 0x40000000;

	fx_init(fx, &g->s);
	for (uint64_t gfn = FIRST_TABLE; gfn < FIRST_DATA; gfn++)
		map(fx, DIRECT_MAP + (gfn << 12), gfn << 12, M2D_PTE_P | M2D_PTE_RW);
	g->space[0].root_gpa = fx->root;
	g->space[1].root_gpa = new_table(fx);
	ck_assert_uint_lt(fx->next_table, FIRST_TABLE + 0x20);
	fx->next_table = FIRST_TABLE + 0x20; /* from here on tables that may break */
	for (unsigned i = 0; i < N_GVAS; i++) {
		g->gva[i] =
			base + below(g, 3) * 0x400000 + below(g, 2) * 0x200000 + below(g, 8) * 4096;
		map(fx, g->gva[i], random_target(g) << 12, RWU);
	}
	/* The second space has the same tables under another root. */
	for (unsigned i = 0; i < 512; i++)
		gwrite(fx, g->space[1].root_gpa + 8 * i, 8, gread(fx, fx->root + 8 * i, 8));
	g->info = (M2dGuestInfo){.space = g->space, .n_spaces = 2, .direct_map = DIRECT_MAP};
	m2d_kvm_set_guest(fx->vm, &g->info);
	for (unsigned i = 0; i < fx->vm->n_vcpus; i++)
		set_regs(fx, i, &g->s);
}

static void run_guest(const Setup *s, uint64_t seed, unsigned steps)
{
	Guest g = {.s = *s};
	uint64_t leaves = 0;

	m2d_rng_seed(&g.rng, seed);
	prepare(&g);
	for (unsigned i = 0; i < steps; i++) {
		switch (below(&g, 20)) {
		case 0:
		case 1:
		case 2:
		case 3:
			set_pte(&g);
			audit(&g, "set-pte");
			break;
		case 4:
			switch_root(&g);
			audit(&g, "mov-cr3");
			break;
		case 5:
			host_op(&g);
			audit(&g, "an operation of the host");
			break;
		case 6:
			compare_all(&g);
			audit(&g, "a flush");
			break;
		default:
			access_one(&g);
			audit(&g, "an access");
			break;
		}
	}
	leaves = g.checked;
	fx_free(&g.fx);
	ck_assert_uint_gt(leaves, 50);
}

static const struct {
	const char *machine, *kernel;
	uint64_t cr0, cr4, efer;
	bool huge;
} kinds[] = {
	{"zen3", "6.12", M2D_CR0_WP, 0, M2D_EFER_NXE, false},
	{"skylake-sp", "5.4", M2D_CR0_WP, M2D_CR4_SMEP | M2D_CR4_SMAP, M2D_EFER_NXE, true},
	{"skylake-sp", "7.3", 0, M2D_CR4_SMEP, 0, true},
	{"zen3", "6.14", 0, M2D_CR4_SMAP, M2D_EFER_NXE, false},
	{"zen3", "5.15", M2D_CR0_WP, 0, 0, true},
};

#define N_SEEDS 2

START_TEST(guests)
{
	unsigned kind = (unsigned)_i / 4 % G_N_ELEMENTS(kinds);
	Setup s = {.machine = kinds[kind].machine,
		   .kernel = kinds[kind].kernel,
		   .mode = (Mode)(MODE_32 + _i % 4),
		   .n_vcpus = 2,
		   .cr0 = kinds[kind].cr0,
		   .cr4 = kinds[kind].cr4,
		   /* KVM reports fetches by EFER.NXE alone, hardware by CR4.PAE too. */
		   .efer = _i % 4 ? kinds[kind].efer : 0,
		   .huge = kinds[kind].huge};

	run_guest(&s, (uint64_t)_i, 600);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shadow-random");
	TCase *tc = tcase_create("guests");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, guests, 0, N_SEEDS * 4 * (int)G_N_ELEMENTS(kinds));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
