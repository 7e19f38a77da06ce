/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exit information that kvm-unit-tests expects of real processors (x86/svm_npt.c, the
 * ept_access_test_* family of x86/vmx_tests.c), one vector a line.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "tests/ref/layout.h"

#define RD           1u
#define WR           2u
#define FETCH        4u
#define PERM_RD      8u
#define PERM_WR      16u
#define PERM_EX      32u
#define PERM_USER_EX 64u
#define GLA          0x80u
#define FINAL        0x100u

/* --- nested page tables ---------------------------------------------------------------------- */

typedef struct {
	const char *name;
	uint64_t page; /* whose nested leaf is changed */
	uint64_t clear, set;
	bool upper;    /* change the nested PDPTE instead */
	uint64_t hcr4; /* beside PAE */
	bool nxe;
	M2dAccKind kind;
	uint64_t exitinfo1;
	uint64_t gpa;
} NptVector;

#define PDPTE_OF_NESTED (LAYOUT_HPA_NESTED + 0x1000)
#define OFFSET          (LAYOUT_GVA & 0xfff)
#define DATA            (LAYOUT_GPA_DATA + OFFSET)
#define PTE_GPA         LAYOUT_ENTRY(LAYOUT_GPA_PT)

static const NptVector npt_vector[] = {
	{"not present, read", LAYOUT_GPA_DATA, 1, 0, false, 0, true, M2D_ACC_READ, 0x100000004,
	 DATA},
	{"not present, write", LAYOUT_GPA_DATA, 1, 0, false, 0, true, M2D_ACC_WRITE, 0x100000006,
	 DATA},
	{"not present, fetch", LAYOUT_GPA_DATA, 1, 0, false, 0, true, M2D_ACC_FETCH, 0x100000014,
	 DATA},
	{"NX, fetch", LAYOUT_GPA_DATA, 0, M2D_BIT(63), false, 0, true, M2D_ACC_FETCH, 0x100000015,
	 DATA},
	{"supervisor, read", LAYOUT_GPA_DATA, 4, 0, false, 0, true, M2D_ACC_READ, 0x100000005,
	 DATA},
	{"read-only, write", LAYOUT_GPA_DATA, 2, 0, false, 0, true, M2D_ACC_WRITE, 0x100000007,
	 DATA},
	{"read-only PML4 of the guest", LAYOUT_GPA_PML4, 2, 0, false, 0, true, M2D_ACC_READ,
	 0x200000007, LAYOUT_ENTRY(LAYOUT_GPA_PML4)},
	{"read-only page table of the guest", LAYOUT_GPA_PT, 2, 0, false, 0, true, M2D_ACC_FETCH,
	 0x200000007, PTE_GPA},
	{"absent page table of the guest", LAYOUT_GPA_PT, 1, 0, false, 0, true, M2D_ACC_READ,
	 0x200000006, PTE_GPA},
	{"reserved in the nested PDPTE", LAYOUT_GPA_PML4, 0, M2D_BIT(51), true, 0, true,
	 M2D_ACC_READ, 0x20000000f, LAYOUT_ENTRY(LAYOUT_GPA_PML4)},
	{"reserved, fetch, no NXE", LAYOUT_GPA_DATA, 0, M2D_BIT(51), false, 0, false, M2D_ACC_FETCH,
	 0x10000000d, DATA},
	{"reserved, fetch, NXE", LAYOUT_GPA_DATA, 0, M2D_BIT(51), false, 0, true, M2D_ACC_FETCH,
	 0x10000001d, DATA},
	{"reserved, fetch, SMEP", LAYOUT_GPA_DATA, 0, M2D_BIT(51), false, M2D_CR4_SMEP, false,
	 M2D_ACC_FETCH, 0x10000001d, DATA},
	{"NX bit without NXE, read", LAYOUT_GPA_DATA, 0, M2D_BIT(63), false, 0, false, M2D_ACC_READ,
	 0x10000000d, DATA},
};

START_TEST(npt)
{
	const NptVector *v = &npt_vector[_i];
	Layout l;
	M2dOutcome out;
	uint64_t at, before;

	layout_init(&l, "generic", M2D_VENDOR_AMD, M2D_NESTED_NPT, true);
	l.nested.hcr4 |= v->hcr4;
	if (!v->nxe)
		l.nested.hefer &= ~M2D_EFER_NXE;
	at = v->upper ? PDPTE_OF_NESTED : layout_nested_leaf(v->page);
	before = (layout_get(&l, at) & ~v->clear) | v->set;
	layout_set(&l, at, before);
	ck_assert(layout_load(&l, 48, M2D_FEAT_ALL));
	layout_access(&l, v->kind, false, &out);
	ck_assert_msg(out.kind == M2D_OUT_NPF, "%s: kind %d", v->name, (int)out.kind);
	ck_assert_msg(out.exitinfo1 == v->exitinfo1,
		      "%s: exitinfo1 %#" PRIx64 ", expected %#" PRIx64, v->name, out.exitinfo1,
		      v->exitinfo1);
	ck_assert_msg(out.fault_gpa.v == v->gpa, "%s: gpa %#" PRIx64, v->name, out.fault_gpa.v);
	ck_assert_msg(layout_get(&l, at) == before, "%s: entry changed", v->name);
	layout_clear(&l);
}
END_TEST

/* --- extended page tables -------------------------------------------------------------------- */

typedef struct {
	const char *name;
	uint64_t page;
	uint64_t clear, set; /* in the nested leaf of @page */
	bool ad;
	uint32_t controls;  /* beside 2M and 1G */
	uint64_t pte_clear; /* in the guest's PTE */
	M2dAccKind kind;
	M2dOutcomeKind expected;
	uint64_t qualification;
	uint64_t gpa;
} EptVector;

#define VIOLATION M2D_OUT_EPT_VIOLATION
#define MISCONFIG M2D_OUT_EPT_MISCONFIG

static const EptVector ept_vector[] = {
	/* The page itself. */
	{"absent, read", LAYOUT_GPA_DATA, 7, 0, false, 0, 0, M2D_ACC_READ, VIOLATION,
	 RD | GLA | FINAL, DATA},
	{"absent, write", LAYOUT_GPA_DATA, 7, 0, false, 0, 0, M2D_ACC_WRITE, VIOLATION,
	 WR | GLA | FINAL, DATA},
	{"absent, fetch", LAYOUT_GPA_DATA, 7, 0, false, 0, 0, M2D_ACC_FETCH, VIOLATION,
	 FETCH | GLA | FINAL, DATA},
	{"read-only, read", LAYOUT_GPA_DATA, 6, 0, false, 0, 0, M2D_ACC_READ, M2D_OUT_OK, 0, 0},
	{"read-only, write", LAYOUT_GPA_DATA, 6, 0, false, 0, 0, M2D_ACC_WRITE, VIOLATION,
	 WR | PERM_RD | GLA | FINAL, DATA},
	{"read-only, fetch", LAYOUT_GPA_DATA, 6, 0, false, 0, 0, M2D_ACC_FETCH, VIOLATION,
	 FETCH | PERM_RD | GLA | FINAL, DATA},
	{"write-only", LAYOUT_GPA_DATA, 5, 0, false, 0, 0, M2D_ACC_READ, MISCONFIG, 0, DATA},
	{"read-write, fetch", LAYOUT_GPA_DATA, 4, 0, false, 0, 0, M2D_ACC_FETCH, VIOLATION,
	 FETCH | PERM_RD | PERM_WR | GLA | FINAL, DATA},
	{"execute-only unsupported", LAYOUT_GPA_DATA, 3, 0, false, 0, 0, M2D_ACC_FETCH, MISCONFIG,
	 0, DATA},
	{"execute-only, fetch", LAYOUT_GPA_DATA, 3, 0, false, M2D_EPT_EXEC_ONLY, 0, M2D_ACC_FETCH,
	 M2D_OUT_OK, 0, 0},
	{"execute-only, read", LAYOUT_GPA_DATA, 3, 0, false, M2D_EPT_EXEC_ONLY, 0, M2D_ACC_READ,
	 VIOLATION, RD | PERM_EX | GLA | FINAL, DATA},
	{"execute-only, write", LAYOUT_GPA_DATA, 3, 0, false, M2D_EPT_EXEC_ONLY, 0, M2D_ACC_WRITE,
	 VIOLATION, WR | PERM_EX | GLA | FINAL, DATA},
	{"read-execute, write", LAYOUT_GPA_DATA, 2, 0, false, 0, 0, M2D_ACC_WRITE, VIOLATION,
	 WR | PERM_RD | PERM_EX | GLA | FINAL, DATA},
	{"write-execute", LAYOUT_GPA_DATA, 1, 0, false, 0, 0, M2D_ACC_READ, MISCONFIG, 0, DATA},
	{"memory type 2", LAYOUT_GPA_DATA, 0x38, 0x10, false, 0, 0, M2D_ACC_READ, MISCONFIG, 0,
	 DATA},
	{"memory type 3", LAYOUT_GPA_DATA, 0x38, 0x18, false, 0, 0, M2D_ACC_READ, MISCONFIG, 0,
	 DATA},
	{"memory type 7", LAYOUT_GPA_DATA, 0, 0x38, false, 0, 0, M2D_ACC_READ, MISCONFIG, 0, DATA},
	{"address bit 51", LAYOUT_GPA_DATA, 0, M2D_BIT(51), false, 0, 0, M2D_ACC_READ, MISCONFIG, 0,
	 DATA},
	{"address bit 48", LAYOUT_GPA_DATA, 0, M2D_BIT(48), false, 0, 0, M2D_ACC_READ, MISCONFIG, 0,
	 DATA},
	{"bits 8 to 11 ignored", LAYOUT_GPA_DATA, 0, 0xf00, false, 0, 0, M2D_ACC_WRITE, M2D_OUT_OK,
	 0, 0},
	{"bits 52 to 63 ignored", LAYOUT_GPA_DATA, 0, M2D_BITS(63, 52), false, 0, 0, M2D_ACC_WRITE,
	 M2D_OUT_OK, 0, 0},
	{"advanced information", LAYOUT_GPA_DATA, 2, 0, false, M2D_EPT_ADV_INFO, 0, M2D_ACC_WRITE,
	 VIOLATION, WR | PERM_RD | PERM_EX | GLA | FINAL | 0x600, DATA},
	{"mode-based, user page, user X clear", LAYOUT_GPA_DATA, 0x400, 0, false, M2D_EPT_MBEC, 0,
	 M2D_ACC_FETCH, VIOLATION, FETCH | PERM_RD | PERM_WR | PERM_EX | GLA | FINAL, DATA},
	{"mode-based, user page, supervisor X clear", LAYOUT_GPA_DATA, 4, 0, false, M2D_EPT_MBEC, 0,
	 M2D_ACC_FETCH, M2D_OUT_OK, 0, 0},
	{"mode-based, supervisor page, supervisor X clear", LAYOUT_GPA_DATA, 4, 0, false,
	 M2D_EPT_MBEC, 4, M2D_ACC_FETCH, VIOLATION,
	 FETCH | PERM_RD | PERM_WR | PERM_USER_EX | GLA | FINAL, DATA},
	/* The page of a guest table. */
	{"absent table, A/D off", LAYOUT_GPA_PT, 7, 0, false, 0, 0, M2D_ACC_READ, VIOLATION,
	 RD | GLA, PTE_GPA},
	{"absent table, A/D on", LAYOUT_GPA_PT, 7, 0, true, 0, 0, M2D_ACC_READ, VIOLATION,
	 RD | WR | GLA, PTE_GPA},
	{"read-only table, A/D off, A set, read", LAYOUT_GPA_PT, 6, 0, false, 0, 0, M2D_ACC_READ,
	 M2D_OUT_OK, 0, 0},
	{"read-only table, A/D off, A clear, read", LAYOUT_GPA_PT, 6, 0, false, 0, 0x20,
	 M2D_ACC_READ, VIOLATION, RD | WR | PERM_RD | GLA, PTE_GPA},
	{"read-only table, A/D off, A clear, write", LAYOUT_GPA_PT, 6, 0, false, 0, 0x20,
	 M2D_ACC_WRITE, VIOLATION, RD | WR | PERM_RD | GLA, PTE_GPA},
	{"read-only table, A/D off, D clear, read", LAYOUT_GPA_PT, 6, 0, false, 0, 0x40,
	 M2D_ACC_READ, M2D_OUT_OK, 0, 0},
	{"read-only table, A/D off, D clear, write", LAYOUT_GPA_PT, 6, 0, false, 0, 0x40,
	 M2D_ACC_WRITE, VIOLATION, RD | WR | PERM_RD | GLA, PTE_GPA},
	{"read-only table, A/D off, A and D set, write", LAYOUT_GPA_PT, 6, 0, false, 0, 0,
	 M2D_ACC_WRITE, M2D_OUT_OK, 0, 0},
	{"read-only table, A/D on, A and D set, read", LAYOUT_GPA_PT, 6, 0, true, 0, 0,
	 M2D_ACC_READ, VIOLATION, RD | WR | PERM_RD | GLA, PTE_GPA},
	{"read-only table, A/D on, A clear, fetch", LAYOUT_GPA_PT, 6, 0, true, 0, 0x20,
	 M2D_ACC_FETCH, VIOLATION, RD | WR | PERM_RD | GLA, PTE_GPA},
	{"execute-only table", LAYOUT_GPA_PT, 3, 0, false, M2D_EPT_EXEC_ONLY, 0, M2D_ACC_FETCH,
	 VIOLATION, RD | PERM_EX | GLA, PTE_GPA},
	{"no information about the page on a table access", LAYOUT_GPA_PT, 7, 0, false,
	 M2D_EPT_ADV_INFO, 0, M2D_ACC_READ, VIOLATION, RD | GLA, PTE_GPA},
};

START_TEST(ept)
{
	const EptVector *v = &ept_vector[_i];
	Layout l;
	M2dOutcome out;
	uint64_t leaf, pte, before, pte_before;

	layout_init(&l, "generic", M2D_VENDOR_INTEL, M2D_NESTED_EPT, true);
	if (v->ad)
		l.nested.eptp |= M2D_EPTP_AD;
	l.nested.ept_controls |= v->controls;
	leaf = layout_nested_leaf(v->page);
	pte = layout_hpa(&l, PTE_GPA);
	before = (layout_get(&l, leaf) & ~v->clear) | v->set;
	layout_set(&l, leaf, before);
	pte_before = layout_get(&l, pte) & ~v->pte_clear;
	layout_set(&l, pte, pte_before);
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	layout_access(&l, v->kind, false, &out);
	ck_assert_msg(out.kind == v->expected, "%s: kind %d", v->name, (int)out.kind);
	if (v->expected == VIOLATION) {
		ck_assert_msg(out.qualification == v->qualification,
			      "%s: qualification %#" PRIx64 ", expected %#" PRIx64, v->name,
			      out.qualification, v->qualification);
		ck_assert_msg(out.gla.v == LAYOUT_GVA, "%s: gla %#" PRIx64, v->name, out.gla.v);
	}
	if (v->expected != M2D_OUT_OK) {
		ck_assert_msg(out.fault_gpa.v == v->gpa, "%s: gpa %#" PRIx64, v->name,
			      out.fault_gpa.v);
		ck_assert_msg(layout_get(&l, leaf) == before, "%s: leaf changed", v->name);
		if (v->page == LAYOUT_GPA_PT)
			ck_assert_msg(layout_get(&l, pte) == pte_before, "%s: PTE changed",
				      v->name);
	}
	layout_clear(&l);
}
END_TEST

/* A misconfigured entry below one without W is the one that is reported. */
START_TEST(misconfig_before_rights)
{
	Layout l;
	M2dOutcome out;
	uint64_t leaf = layout_nested_leaf(LAYOUT_GPA_DATA);

	layout_init(&l, "generic", M2D_VENDOR_INTEL, M2D_NESTED_EPT, true);
	/* Guest tables keep being readable: only R is needed with A/D off and A, D set. */
	layout_set(&l, PDPTE_OF_NESTED, layout_get(&l, PDPTE_OF_NESTED) & ~UINT64_C(2));
	layout_set(&l, leaf, layout_get(&l, leaf) | 0x38);
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	ck_assert_int_eq(layout_access(&l, M2D_ACC_WRITE, false, &out), MISCONFIG);
	ck_assert_uint_eq(out.fault_gpa.v, DATA);
	layout_clear(&l);
}
END_TEST

/* The log gets one entry for each D that goes from 0 to 1, downwards; when it is full the next
 * access that has to set a flag exits and sets none. */
START_TEST(pml)
{
	Layout l;
	M2dOutcome out;
	uint64_t pt_leaf = layout_nested_leaf(LAYOUT_GPA_PT);
	uint64_t data_leaf = layout_nested_leaf(LAYOUT_GPA_DATA), data_before;

	layout_init(&l, "generic", M2D_VENDOR_INTEL, M2D_NESTED_EPT, true);
	l.nested.eptp |= M2D_EPTP_AD;
	l.nested.ept_controls |= M2D_EPT_PML;
	l.nested.pml_index = 1;
	layout_set(&l, pt_leaf, layout_get(&l, pt_leaf) & ~M2D_BIT(9));
	data_before = layout_get(&l, data_leaf) & ~M2D_BIT(9);
	layout_set(&l, data_leaf, data_before);
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	/* A read logs the page table only: reads of guest tables count as writes. */
	ck_assert_int_eq(layout_access(&l, M2D_ACC_READ, false, &out), M2D_OUT_OK);
	ck_assert_uint_eq(m2d_vcpu_nested(l.vcpu)->pml_index, 0);
	ck_assert_uint_eq(layout_get(&l, LAYOUT_HPA_PML + 8), LAYOUT_GPA_PT);
	ck_assert_uint_eq(layout_get(&l, data_leaf), data_before);
	/* A write logs the page, without the offset. */
	ck_assert_int_eq(layout_access(&l, M2D_ACC_WRITE, false, &out), M2D_OUT_OK);
	ck_assert_uint_eq(m2d_vcpu_nested(l.vcpu)->pml_index, 0xffff);
	ck_assert_uint_eq(layout_get(&l, LAYOUT_HPA_PML), LAYOUT_GPA_DATA);
	ck_assert_uint_eq(layout_get(&l, data_leaf), data_before | M2D_BIT(9));
	/* D is set: nothing to log, nothing to exit for. */
	ck_assert_int_eq(layout_access(&l, M2D_ACC_WRITE, false, &out), M2D_OUT_OK);
	/* Only A is needed: the full log exits all the same. */
	layout_set(&l, data_leaf, data_before & ~M2D_BIT(8));
	m2d_vcpu_exit(l.vcpu);
	ck_assert_int_eq(m2d_vcpu_invept(l.vcpu, 2, 0), M2D_INSN_OK);
	l.nested.pml_index = 0xffff;
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	ck_assert_int_eq(layout_access(&l, M2D_ACC_READ, false, &out), M2D_OUT_PML_FULL);
	ck_assert_uint_eq(layout_get(&l, data_leaf), data_before & ~M2D_BIT(8));
	ck_assert_uint_eq(m2d_vcpu_nested(l.vcpu)->pml_index, 0xffff);
	layout_clear(&l);
}
END_TEST

/* 24 entries for four levels over four when nothing is cached, not even within the walk. */
START_TEST(cold_walk)
{
	static const M2dNestedKind kinds[] = {M2D_NESTED_NONE, M2D_NESTED_NPT, M2D_NESTED_EPT};
	M2dNestedKind kind = kinds[_i];
	Layout l;
	M2dOutcome out;

	layout_init(&l, "generic", kind == M2D_NESTED_NPT ? M2D_VENDOR_AMD : M2D_VENDOR_INTEL, kind,
		    false);
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	ck_assert_int_eq(layout_access(&l, M2D_ACC_WRITE, true, &out), M2D_OUT_OK);
	ck_assert_uint_eq(out.refs, kind == M2D_NESTED_NONE ? 4 : 24);
	ck_assert_uint_eq(out.hpa.v, layout_hpa(&l, DATA));
	ck_assert_int_eq(out.size, M2D_SIZE_4K);
	layout_clear(&l);
}
END_TEST

/* --- loading the PDPTE registers ------------------------------------------------------------- */

#define PDPTES LAYOUT_GPA_PML4 /* the page is free in this mode */

/* A PAE guest over EPT with A/D bits, its CR3 elsewhere, before MOV CR3 to PDPTES. */
static void pdpte_layout(Layout *l, M2dVendor vendor, M2dNestedKind kind)
{
	layout_init(l, "generic", vendor, kind, true);
	l->regs.efer = 0;
	l->regs.cr3 = LAYOUT_GPA_DATA;
	l->nested.eptp |= M2D_EPTP_AD;
	for (uint64_t i = 0; i < 4; i++)
		layout_set(l, layout_hpa(l, PDPTES + 8 * i),
			   0x10000 * i + LAYOUT_GPA_PD + (i != 3));
}

START_TEST(pdpte_load)
{
	Layout l;
	uint64_t leaf = layout_nested_leaf(PDPTES), before;

	pdpte_layout(&l, M2D_VENDOR_INTEL, M2D_NESTED_EPT);
	/* Loads are reads: no W is needed and D is not set, A/D bits or not. */
	before = layout_get(&l, leaf) & ~UINT64_C(0x302);
	layout_set(&l, leaf, before);
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	ck_assert_int_eq(m2d_vcpu_mov_cr3(l.vcpu, PDPTES), M2D_INSN_OK);
	ck_assert_uint_eq(layout_get(&l, leaf), before | M2D_BIT(8));
	for (uint64_t i = 0; i < 4; i++)
		ck_assert_uint_eq(m2d_vcpu_regs(l.vcpu)->pdpte[i],
				  0x10000 * i + LAYOUT_GPA_PD + (i != 3));
	/* Later stores do not change the registers, MOV CR0 that flips CD loads them again. */
	layout_set(&l, layout_hpa(&l, PDPTES), 0x77001);
	ck_assert_uint_eq(m2d_vcpu_regs(l.vcpu)->pdpte[0], LAYOUT_GPA_PD + 1);
	ck_assert_int_eq(m2d_vcpu_mov_cr0(l.vcpu, l.regs.cr0 | M2D_CR0_CD), M2D_INSN_OK);
	ck_assert_uint_eq(m2d_vcpu_regs(l.vcpu)->pdpte[0], 0x77001);
	layout_clear(&l);
}
END_TEST

START_TEST(pdpte_load_faults)
{
	Layout l;
	const M2dOutcome *out;
	uint64_t leaf = layout_nested_leaf(PDPTES), before;

	pdpte_layout(&l, M2D_VENDOR_INTEL, M2D_NESTED_EPT);
	before = layout_get(&l, leaf);
	layout_set(&l, leaf, before & ~UINT64_C(7));
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	ck_assert_int_eq(m2d_vcpu_mov_cr3(l.vcpu, PDPTES), M2D_INSN_PF);
	out = m2d_vcpu_last(l.vcpu);
	ck_assert_int_eq(out->kind, VIOLATION);
	ck_assert_uint_eq(out->qualification, RD); /* the one case without a linear address */
	ck_assert_uint_eq(out->fault_gpa.v, PDPTES);
	ck_assert_uint_eq(m2d_vcpu_regs(l.vcpu)->cr3, LAYOUT_GPA_DATA);
	layout_set(&l, leaf, before);
	/* Reserved bits count in present entries only. */
	layout_set(&l, layout_hpa(&l, PDPTES + 24), M2D_BIT(1));
	ck_assert_int_eq(m2d_vcpu_mov_cr3(l.vcpu, PDPTES), M2D_INSN_OK);
	layout_set(&l, layout_hpa(&l, PDPTES + 8), LAYOUT_GPA_PD | 3);
	ck_assert_int_eq(m2d_vcpu_mov_cr3(l.vcpu, PDPTES), M2D_INSN_GP);
	layout_clear(&l);
}
END_TEST

/* AMD loads nothing: a reserved bit is a #PF when the entry is used. */
START_TEST(pdpte_in_memory)
{
	M2dAccess a = {.gva = M2D_GVA(0x40000000), .size = 1};
	Layout l;
	M2dOutcome out;

	pdpte_layout(&l, M2D_VENDOR_AMD, M2D_NESTED_NPT);
	layout_set(&l, layout_hpa(&l, PDPTES + 8), LAYOUT_GPA_PD | 3);
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	ck_assert_int_eq(m2d_vcpu_mov_cr3(l.vcpu, PDPTES), M2D_INSN_OK);
	ck_assert_int_eq(m2d_vcpu_access(l.vcpu, &a, &out), M2D_OUT_PF);
	ck_assert_uint_eq(out.error_code, M2D_PFEC_P | M2D_PFEC_RSVD);
	layout_clear(&l);
}
END_TEST

/* --- rights given without an invalidation ---------------------------------------------------- */

/* Intel may fault once through the cached entry, which drops it; AMD walks again first. */
START_TEST(upgrade)
{
	bool amd = _i;
	uint64_t pte = LAYOUT_ENTRY(LAYOUT_GPA_PT), value;
	Layout l;
	M2dOutcome out;

	layout_init(&l, amd ? "zen3" : "haswell", amd ? M2D_VENDOR_AMD : M2D_VENDOR_INTEL,
		    M2D_NESTED_NONE, true);
	value = layout_get(&l, pte) & ~UINT64_C(0x42);
	layout_set(&l, pte, value);
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	ck_assert_int_eq(layout_access(&l, M2D_ACC_READ, true, &out), M2D_OUT_OK);
	layout_set(&l, pte, value | 2);
	if (layout_access(&l, M2D_ACC_WRITE, true, &out) != M2D_OUT_OK) {
		ck_assert(!amd);
		ck_assert_int_eq(out.kind, M2D_OUT_PF);
		ck_assert_uint_eq(out.error_code, M2D_PFEC_P | M2D_PFEC_W | M2D_PFEC_U);
		ck_assert_uint_eq(layout_get(&l, pte), value | 2);
		ck_assert_int_eq(layout_access(&l, M2D_ACC_WRITE, true, &out), M2D_OUT_OK);
	}
	ck_assert_uint_eq(layout_get(&l, pte), value | 0x42);
	layout_clear(&l);
}
END_TEST

/* The same in the second dimension: at most one exit, which drops what it came from. */
START_TEST(nested_upgrade)
{
	bool amd = _i;
	uint64_t leaf = layout_nested_leaf(LAYOUT_GPA_DATA), value;
	Layout l;
	M2dOutcome out;

	layout_init(&l, amd ? "zen3" : "haswell", amd ? M2D_VENDOR_AMD : M2D_VENDOR_INTEL,
		    amd ? M2D_NESTED_NPT : M2D_NESTED_EPT, true);
	value = layout_get(&l, leaf) & ~UINT64_C(2);
	layout_set(&l, leaf, value);
	ck_assert(layout_load(&l, 46, M2D_FEAT_ALL));
	ck_assert_int_eq(layout_access(&l, M2D_ACC_READ, true, &out), M2D_OUT_OK);
	ck_assert_int_eq(layout_access(&l, M2D_ACC_WRITE, true, &out),
			 amd ? M2D_OUT_NPF : VIOLATION);
	layout_set(&l, leaf, value | 2);
	if (layout_access(&l, M2D_ACC_WRITE, true, &out) != M2D_OUT_OK)
		ck_assert_int_eq(layout_access(&l, M2D_ACC_WRITE, true, &out), M2D_OUT_OK);
	layout_clear(&l);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vectors");
	TCase *tc = tcase_create("vectors");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, npt, 0, M2D_N_ELEMENTS(npt_vector));
	tcase_add_loop_test(tc, ept, 0, M2D_N_ELEMENTS(ept_vector));
	tcase_add_test(tc, misconfig_before_rights);
	tcase_add_test(tc, pml);
	tcase_add_loop_test(tc, cold_walk, 0, 3);
	tcase_add_test(tc, pdpte_load);
	tcase_add_test(tc, pdpte_load_faults);
	tcase_add_test(tc, pdpte_in_memory);
	tcase_add_loop_test(tc, upgrade, 0, 2);
	tcase_add_loop_test(tc, nested_upgrade, 0, 2);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
