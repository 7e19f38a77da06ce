/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM with 16 MiB of memory whose guest's tables are made by hand, in every paging mode, and an
 * oracle: a plain walk of these tables.
 */
#pragma once

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/rng.h"
#include "sim/kvm/kvm.h"
#include "sim/shadow/shadow.h"
#include "sim/vm/hostmm.h"

#define MEM_PAGES   4096u
#define FIRST_TABLE 0x100u /* gfns of guest tables begin here */
#define FIRST_DATA  0x400u /* and those of data here */

typedef enum {
	MODE_NONE,
	MODE_32,
	MODE_PAE,
	MODE_4LEVEL,
	MODE_5LEVEL,
	N_MODES,
} Mode;

typedef struct {
	const char *machine;
	bool tdp;
	bool no_ad;
	Mode mode;
	const char *kernel;
	const char *knob, *value;
	unsigned n_vcpus;
	uint32_t page_limit;
	uint64_t cr0, cr4, efer; /* beside what the mode wants */
	bool huge;               /* the host backs memory by hugepages */
	const M2dDutySet *without;
} Setup;

typedef struct {
	M2dWorld *world;
	M2dVm *vm;
	Mode mode;
	uint64_t next_table; /* gfn */
	uint64_t root;       /* gpa */
	unsigned complaints; /* of the audit */
} Fx;

static inline unsigned entry_size(const Fx *fx)
{
	return fx->mode == MODE_32 ? 4 : 8;
}

static inline uint64_t gread(Fx *fx, uint64_t gpa, unsigned size)
{
	uint64_t v = 0;

	ck_assert(m2d_vm_read_guest(fx->vm, M2D_GPA(gpa), size, &v));
	return v;
}

static inline void gwrite(Fx *fx, uint64_t gpa, unsigned size, uint64_t v)
{
	ck_assert(m2d_vm_write_guest(fx->vm, M2D_GPA(gpa), size, v, false));
}

static inline unsigned top_level(Mode mode)
{
	return mode == MODE_NONE     ? 0
	       : mode == MODE_32     ? 2
	       : mode == MODE_PAE    ? 3
	       : mode == MODE_4LEVEL ? 4
				     : 5;
}

static inline unsigned shift_of(const Fx *fx, unsigned level)
{
	return 12 + (fx->mode == MODE_32 ? 10 : 9) * (level - 1);
}

static inline uint64_t new_table(Fx *fx)
{
	ck_assert_uint_lt(fx->next_table, FIRST_DATA);
	return fx->next_table++ << 12;
}

/* Where the entry of @level for @gva is, given that the tables above exist; they are made with
 * all rights if @make. */
static inline uint64_t gpte_gpa(Fx *fx, uint64_t root, uint64_t gva, unsigned level, bool make)
{
	unsigned bits = fx->mode == MODE_32 ? 10 : 9, size = entry_size(fx);
	uint64_t table = root;

	for (unsigned l = top_level(fx->mode);; l--) {
		unsigned n = fx->mode == MODE_PAE && l == 3 ? 2 : bits;
		uint64_t at = table + (gva >> shift_of(fx, l) & ((1u << n) - 1)) * size;
		uint64_t e;

		if (l == level)
			return at;
		e = gread(fx, at, size);
		if (!(e & M2D_PTE_P)) {
			ck_assert(make);
			e = new_table(fx) | M2D_PTE_P;
			if (!(fx->mode == MODE_PAE && l == 3))
				e |= M2D_PTE_RW | M2D_PTE_US | M2D_PTE_A;
			gwrite(fx, at, size, e);
		}
		ck_assert(!(e & M2D_PTE_PS));
		table = e & UINT64_C(0xffffffffff000);
	}
}

static inline void map_at(Fx *fx, uint64_t root, uint64_t gva, uint64_t gpa, uint64_t flags,
			  unsigned level)
{
	gwrite(fx, gpte_gpa(fx, root, gva, level, true), entry_size(fx),
	       gpa | flags | (level > 1 ? M2D_PTE_PS : 0));
}

static inline void map(Fx *fx, uint64_t gva, uint64_t gpa, uint64_t flags)
{
	map_at(fx, fx->root, gva, gpa, flags, 1);
}

#define RWU (M2D_PTE_P | M2D_PTE_RW | M2D_PTE_US)

static inline void set_regs(Fx *fx, unsigned vcpu, const Setup *s)
{
	M2dVm *vm = fx->vm;
	M2dKvmVcpu *v = vm->vcpu[vcpu];
	M2dRegs r = {.cr0 = M2D_CR0_PE | s->cr0, .cr4 = s->cr4, .efer = s->efer};

	if (s->mode != MODE_NONE)
		r.cr0 |= M2D_CR0_PG;
	if (s->mode == MODE_32)
		r.cr4 |= M2D_CR4_PSE;
	if (s->mode >= MODE_PAE)
		r.cr4 |= M2D_CR4_PAE;
	if (s->mode >= MODE_4LEVEL)
		r.efer |= M2D_EFER_LMA | M2D_EFER_LME;
	if (s->mode == MODE_5LEVEL)
		r.cr4 |= M2D_CR4_LA57;
	r.cr3 = fx->root;
	if (s->mode == MODE_PAE) {
		for (unsigned i = 0; i < 4; i++)
			r.pdpte[i] = gread(fx, fx->root + 8 * i, 8);
	}
	m2d_arena_write(vm->arena, &v->regs, &r, sizeof(r));
	m2d_arena_write(vm->arena, v->mmu.pdptrs, r.pdpte, sizeof(r.pdpte));
	m2d_mmu_init_context(vm, v);
}

static inline void fx_init(Fx *fx, const Setup *s)
{
	GError *error = NULL;
	M2dMachine *machine = m2d_machine_load(s->machine ? s->machine : "zen3", &error);
	M2dVmConfig cfg;

	ck_assert_msg(machine != NULL, "%s", error ? error->message : "");
	memset(fx, 0, sizeof(*fx));
	fx->mode = s->mode;
	fx->world = m2d_world_new(machine, UINT64_C(1) << 30, &error);
	ck_assert_ptr_nonnull(fx->world);
	m2d_vm_config_init(&cfg);
	cfg.tdp = s->tdp;
	if (s->no_ad)
		cfg.ept_ad = false;
	cfg.n_vcpus = cfg.n_pcpus = s->n_vcpus ? s->n_vcpus : 1;
	cfg.page_limit = s->page_limit;
	if (s->kernel != NULL)
		ck_assert(m2d_knobs_profile(&cfg.knobs, s->kernel, NULL));
	if (s->knob != NULL)
		ck_assert(m2d_knobs_set(&cfg.knobs, s->knob, s->value, NULL));
	if (s->without != NULL)
		cfg.without = *s->without;
	fx->vm = m2d_kvm_new(fx->world, &cfg, &error);
	ck_assert_msg(fx->vm != NULL, "%s", error ? error->message : "");
	ck_assert(m2d_slot_install(fx->vm, 0, 0, 0, MEM_PAGES, 0, 0, NULL));
	if (s->huge)
		ck_assert(m2d_hostmm_populate(fx->vm, 0, MEM_PAGES, M2D_SIZE_2M));
	fx->next_table = FIRST_TABLE;
	fx->root = new_table(fx);
	for (unsigned i = 0; s->mode == MODE_PAE && i < 4; i++)
		gwrite(fx, fx->root + 8 * i, 8, new_table(fx) | M2D_PTE_P);
	for (unsigned i = 0; i < fx->vm->n_vcpus; i++)
		set_regs(fx, i, s);
}

static inline void fx_free(Fx *fx)
{
	m2d_vm_free(fx->vm);
	m2d_world_free(fx->world);
}

static inline const M2dOpOutcome *run_op(Fx *fx, unsigned actor, const M2dOp *op)
{
	GError *error = NULL;

	ck_assert_msg(m2d_kvm_start(fx->vm, actor, op, &error), "%s", error ? error->message : "");
	m2d_kvm_run(fx->vm, actor);
	return m2d_kvm_outcome(fx->vm, actor);
}

static inline const M2dOpOutcome *guest_op(Fx *fx, unsigned vcpu, M2dOpKind kind, uint64_t gva,
					   uint64_t value, bool user)
{
	M2dOp op;

	m2d_op_preset(&op, kind);
	op.arg[0] = gva;
	if (kind == M2D_OP_WRITE) {
		op.arg[1] = value;
		op.arg[3] = user;
	} else if (kind == M2D_OP_READ) {
		op.arg[2] = user;
	} else if (kind == M2D_OP_FETCH) {
		op.arg[1] = user;
	}
	return run_op(fx, vcpu, &op);
}
