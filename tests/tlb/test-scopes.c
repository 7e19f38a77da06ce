/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The exact scope of every operation that invalidates: what must go is gone, everything else is
 * still there. The expectation of each operation is a predicate written from the manuals' tables
 * (SDM "Operations that Invalidate TLBs and Paging-Structure Caches", "Operations that Invalidate
 * Cached Mappings"; APM "TLB Management", "TLB Control", INVLPGB), not from the simulator.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/tlb/bench.h"

typedef struct {
	M2dInsn (*run)(Bench *b);
	bool (*gone)(const Item *i, const Bench *b);
	M2dInsn expect;
	uint64_t va;
	uint64_t arg[3];
} Op;

static Op op; /* the one under test */

/* --- vocabulary of the predicates ------------------------------------------------------------- */

static const Context *cur(const Bench *b)
{
	return &b->context[b->current];
}

static bool linear(const Item *i)
{
	return i->kind != M2D_CTX_PHYSICAL;
}

static bool physical(const Item *i)
{
	return i->kind == M2D_CTX_PHYSICAL;
}

/* For linear addresses under the current VPID or ASID. */
static bool mine(const Item *i, const Bench *b)
{
	return linear(i) && i->tag == cur(b)->tag;
}

static bool of_pcid(const Item *i, uint64_t pcid)
{
	return !i->global && i->pcid == pcid;
}

static bool tce(const Bench *b)
{
	return m2d_vcpu_regs(b->p.vcpu)->efer & M2D_EFER_TCE;
}

static bool none(const Item *i, const Bench *b)
{
	return false;
}

/* --- measuring -------------------------------------------------------------------------------- */

static unsigned n_dropped, n_kept, n_runs;

/* Compare what is left with what @gone says of what was there. */
static void check_left(Bench *b, GArray *before, const char *name,
		       bool (*gone)(const Item *, const Bench *), unsigned ctx)
{
	GArray *after = dump_items(&b->p.mmu->tlb);
	unsigned k = 0, bad = 0;

	for (unsigned n = 0; n < before->len; n++) {
		const Item *i = &g_array_index(before, Item, n);
		bool there = k < after->len &&
			     g_array_index(after, Item, k).tag_word == i->tag_word &&
			     g_array_index(after, Item, k).array == i->array;
		bool expect_gone = gone(i, b);

		if (there) {
			if (g_array_index(after, Item, k).data != i->data)
				dump_print(i, "changed:"), bad++;
			k++;
		}
		if (there == expect_gone) {
			dump_print(i, there ? "still there:" : "dropped without need:");
			bad++;
		}
		if (expect_gone)
			n_dropped++;
		else
			n_kept++;
	}
	ck_assert_msg(bad == 0 && k == after->len,
		      "%s in context %u (va %lx, args %lx %lx %lx): %u wrong, %u new", name, ctx,
		      (unsigned long)op.va, (unsigned long)op.arg[0], (unsigned long)op.arg[1],
		      (unsigned long)op.arg[2], bad, after->len - k);
	g_array_unref(after);
}

/* Execute @op in context @c and check it; its predicate sees the state before. */
static void run(Bench *b, const char *name, unsigned c)
{
	GArray *before = dump_items(&b->p.mmu->tlb);
	M2dInsn r;

	bench_switch(b, c);
	check_left(b, before, "switching", none, c);
	r = op.run(b);
	ck_assert_msg(r == op.expect, "%s in context %u: result %d, expected %d", name, c, r,
		      op.expect);
	check_left(b, before, name, op.gone, c);
	g_array_unref(before);
	bench_rollback(b);
	n_runs++;
}

#define RUN(c, ...)                                                                                \
	do {                                                                                       \
		op = (Op){__VA_ARGS__};                                                            \
		run(b, #__VA_ARGS__, c);                                                           \
	} while (0)

/* --- INVLPG, INVPCID, control registers: both vendors ----------------------------------------- */

static M2dInsn do_invlpg(Bench *b)
{
	return m2d_vcpu_invlpg(b->p.vcpu, M2D_GVA(op.va));
}

static bool gone_invlpg(const Item *i, const Bench *b)
{
	bool same = of_pcid(i, cur(b)->pcid);

	if (!mine(i, b))
		return false;
	if (!i->upper)
		return (same || i->global) && bench_covers(i, op.va);
	if (b->vendor == M2D_VENDOR_INTEL)
		return same; /* at any address */
	return !tce(b) || (same && bench_covers(i, op.va));
}

static M2dInsn do_invlpg_tce(Bench *b)
{
	m2d_vcpu_wrmsr_efer(b->p.vcpu, m2d_vcpu_regs(b->p.vcpu)->efer | M2D_EFER_TCE);
	return do_invlpg(b);
}

static M2dInsn do_invpcid(Bench *b)
{
	return m2d_vcpu_invpcid(b->p.vcpu, op.arg[0], op.arg[1], M2D_GVA(op.va));
}

static M2dInsn do_invpcid_tce(Bench *b)
{
	m2d_vcpu_wrmsr_efer(b->p.vcpu, m2d_vcpu_regs(b->p.vcpu)->efer | M2D_EFER_TCE);
	return do_invpcid(b);
}

static bool gone_invpcid(const Item *i, const Bench *b)
{
	if (!mine(i, b))
		return false;
	switch (op.arg[0]) {
	case 0:
		if (i->upper && b->vendor == M2D_VENDOR_AMD && !tce(b))
			return true;
		return of_pcid(i, op.arg[1]) && bench_covers(i, op.va);
	case 1:
		return of_pcid(i, op.arg[1]);
	case 2:
		return true;
	default:
		return !i->global;
	}
}

static M2dInsn do_cr3(Bench *b)
{
	uint64_t cr3 = m2d_vcpu_regs(b->p.vcpu)->cr3 & ~M2D_CR3_PCID;

	return m2d_vcpu_mov_cr3(b->p.vcpu, cr3 | op.arg[0]);
}

static bool gone_cr3(const Item *i, const Bench *b)
{
	return mine(i, b) && of_pcid(i, op.arg[0] & 0xfff);
}

static M2dInsn do_cr3_without_pcid(Bench *b)
{
	M2dRegs r = *m2d_vcpu_regs(b->p.vcpu);

	r.cr4 &= ~M2D_CR4_PCIDE;
	m2d_vcpu_load_regs(b->p.vcpu, &r);
	return m2d_vcpu_mov_cr3(b->p.vcpu, r.cr3); /* its low bits are not a PCID now */
}

static bool gone_pcid0(const Item *i, const Bench *b)
{
	return mine(i, b) && of_pcid(i, 0);
}

static bool gone_mine(const Item *i, const Bench *b)
{
	return mine(i, b);
}

static bool gone_mine_if_amd(const Item *i, const Bench *b)
{
	return b->vendor == M2D_VENDOR_AMD && mine(i, b);
}

static bool gone_pcid_if_intel(const Item *i, const Bench *b)
{
	return b->vendor == M2D_VENDOR_INTEL && mine(i, b) &&
	       (of_pcid(i, cur(b)->pcid) || i->global);
}

/* Load arg[0] set and arg[2] clear without executing anything, then toggle arg[1] by MOV. */
static M2dInsn do_cr4(Bench *b)
{
	M2dRegs r = *m2d_vcpu_regs(b->p.vcpu);

	r.cr4 = (r.cr4 | op.arg[0]) & ~op.arg[2];
	m2d_vcpu_load_regs(b->p.vcpu, &r);
	return m2d_vcpu_mov_cr4(b->p.vcpu, r.cr4 ^ op.arg[1]);
}

/* arg[0]: CR0 bits toggled by MOV after loading CR0 ^ arg[1] without PCIDs. */
static M2dInsn do_cr0(Bench *b)
{
	M2dRegs r = *m2d_vcpu_regs(b->p.vcpu);

	r.cr4 &= ~M2D_CR4_PCIDE;
	r.cr0 ^= op.arg[1];
	if (!(r.cr0 & M2D_CR0_PG))
		r.efer &= ~M2D_EFER_LMA;
	m2d_vcpu_load_regs(b->p.vcpu, &r);
	return m2d_vcpu_mov_cr0(b->p.vcpu, r.cr0 ^ op.arg[0]);
}

static M2dInsn do_efer(Bench *b)
{
	return m2d_vcpu_wrmsr_efer(b->p.vcpu, m2d_vcpu_regs(b->p.vcpu)->efer ^ op.arg[0]);
}

/* Legacy PAE paging with PCID 0; CR4.PAE 1 to 0. */
static M2dInsn do_leave_pae(Bench *b)
{
	M2dRegs r = *m2d_vcpu_regs(b->p.vcpu);

	r.cr4 &= ~M2D_CR4_PCIDE;
	r.efer = 0;
	m2d_vcpu_load_regs(b->p.vcpu, &r);
	return m2d_vcpu_mov_cr4(b->p.vcpu, r.cr4 & ~M2D_CR4_PAE);
}

static bool gone_leave_pae(const Item *i, const Bench *b)
{
	return mine(i, b) && (b->vendor == M2D_VENDOR_AMD || i->global || of_pcid(i, 0));
}

/* --- faults ----------------------------------------------------------------------------------- */

static M2dInsn do_fault(Bench *b)
{
	M2dOutcome out = pages_access(&b->p, op.va, (M2dAccKind)op.arg[0], false);

	ck_assert_int_eq(out.kind, op.arg[1]);
	return M2D_INSN_OK;
}

/* #PF: the page, under the current PCID or globally, in all its pieces; upper levels of va. */
static bool gone_pf(const Item *i, const Bench *b)
{
	return mine(i, b) && (of_pcid(i, cur(b)->pcid) || i->global) && bench_covers(i, op.va);
}

/* EPT violation: also what translates the guest-physical address under this EP4TA, and only
 * combined mappings of this EP4TA. NPF: the same, told apart by the ASID. */
static bool gone_nested_fault(const Item *i, const Bench *b)
{
	uint64_t ep4ta = bench_nested(b, cur(b)).eptp & ~UINT64_C(0xfff);
	uint64_t gpa = op.va & (GIB - 1);

	if (b->vendor == M2D_VENDOR_INTEL && i->root != ep4ta)
		return false;
	if (physical(i))
		return (b->vendor == M2D_VENDOR_INTEL || i->tag == cur(b)->tag) &&
		       bench_covers(i, gpa);
	return gone_pf(i, b);
}

static void both_vendors(Bench *b, unsigned c)
{
	uint64_t pcid = b->context[c].pcid;

	for (int r = 0; r < N_REGIONS; r++) {
		uint64_t va =
			regions[r].va + regions[r].touch[1] + (regions[r].shift > 12 ? 0x7777 : 7);

		RUN(c, do_invlpg, gone_invlpg, .va = va);
		RUN(c, do_invlpg_tce, gone_invlpg, .va = va);
		for (uint64_t p = 0; p < 3; p++) {
			RUN(c, do_invpcid, gone_invpcid, .va = va, .arg = {0, p});
			RUN(c, do_invpcid_tce, gone_invpcid, .va = va, .arg = {0, p});
		}
	}
	RUN(c, do_invlpg, gone_invlpg, .va = 0x123456789000);  /* nothing there */
	RUN(c, do_invlpg, none, .va = UINT64_C(0x8000) << 32); /* not canonical: no operation */
	RUN(c, do_invlpg, none, .va = (UINT64_C(0x8000) << 32) + regions[R_4K].va);
	RUN(c, do_invpcid, none, M2D_INSN_GP, UINT64_C(0x8000) << 32, {0, pcid});
	RUN(c, do_invpcid, none, M2D_INSN_GP, .arg = {4, 0});
	RUN(c, do_invpcid, none, M2D_INSN_GP, .arg = {1, 0x1000});
	RUN(c, do_invpcid, none, M2D_INSN_GP, .arg = {2, UINT64_C(1) << 63});
	for (uint64_t p = 0; p < 4; p++) {
		RUN(c, do_invpcid, gone_invpcid, .arg = {1, p});
		RUN(c, do_invpcid, gone_invpcid, .arg = {2, p});
		RUN(c, do_invpcid, gone_invpcid, .arg = {3, p});
		RUN(c, do_cr3, gone_cr3, .arg = {p});
		RUN(c, do_cr3, none, .arg = {p | M2D_CR3_NOFLUSH});
	}
	RUN(c, do_cr3, none, M2D_INSN_GP, .arg = {UINT64_C(1) << 51});
	RUN(c, do_cr3_without_pcid, gone_pcid0);
	RUN(c, do_cr4, gone_mine, .arg = {0, M2D_CR4_PGE});
	RUN(c, do_cr4, gone_mine, .arg = {0, M2D_CR4_PGE, M2D_CR4_PGE});
	RUN(c, do_cr4, gone_mine, .arg = {0, M2D_CR4_PCIDE});
	RUN(c, do_cr4, none, pcid == 0 ? M2D_INSN_OK : M2D_INSN_GP,
	    .arg = {0, M2D_CR4_PCIDE, M2D_CR4_PCIDE});
	RUN(c, do_cr4, gone_mine_if_amd, .arg = {0, M2D_CR4_PSE});
	RUN(c, do_cr4, gone_mine_if_amd, .arg = {M2D_CR4_PSE, M2D_CR4_PSE});
	RUN(c, do_cr4, gone_mine_if_amd, .arg = {0, M2D_CR4_PKE});
	RUN(c, do_cr4, none, .arg = {M2D_CR4_PKE, M2D_CR4_PKE});
	RUN(c, do_cr4, gone_pcid_if_intel, .arg = {0, M2D_CR4_SMEP});
	RUN(c, do_cr4, none, .arg = {M2D_CR4_SMEP, M2D_CR4_SMEP});
	RUN(c, do_cr4, none, .arg = {0, M2D_CR4_SMAP});
	RUN(c, do_cr4, none, .arg = {M2D_CR4_SMAP, M2D_CR4_SMAP});
	RUN(c, do_cr4, none, .arg = {0, M2D_CR4_PKS});
	RUN(c, do_cr4, none, M2D_INSN_GP, .arg = {0, M2D_CR4_PAE});
	RUN(c, do_cr4, none, M2D_INSN_GP, .arg = {0, M2D_CR4_LA57});
	RUN(c, do_leave_pae, gone_leave_pae);
	RUN(c, do_cr0, none, .arg = {M2D_CR0_WP, 0});
	RUN(c, do_cr0, none, .arg = {M2D_CR0_WP, M2D_CR0_WP});
	RUN(c, do_cr0, gone_mine, .arg = {M2D_CR0_PG, 0});
	RUN(c, do_cr0, gone_mine_if_amd, .arg = {M2D_CR0_PG, M2D_CR0_PG});
	RUN(c, do_efer, none, .arg = {M2D_EFER_NXE});
	RUN(c, do_efer, none, .arg = {M2D_EFER_TCE});
	RUN(c, do_efer, none, M2D_INSN_GP, .arg = {M2D_EFER_LME});
}

static void faults(Bench *b, unsigned c)
{
	RUN(c, do_fault, gone_pf, .va = regions[R_READ_ONLY].va + 0x9010,
	    .arg = {M2D_ACC_WRITE, M2D_OUT_PF});
	RUN(c, do_fault, gone_pf, .va = regions[R_READ_ONLY_GLOBAL].va + 0x6010,
	    .arg = {M2D_ACC_WRITE, M2D_OUT_PF});
	RUN(c, do_fault, gone_pf, .va = regions[R_NOT_THERE].va, .arg = {M2D_ACC_READ, M2D_OUT_PF});
	RUN(c, do_fault, none, .va = UINT64_C(0x8000) << 32, .arg = {M2D_ACC_READ, M2D_OUT_GP});
	if (!b->context[c].nested)
		return;
	RUN(c, do_fault, gone_nested_fault, .va = regions[R_NESTED_RO].va,
	    .arg = {M2D_ACC_WRITE,
		    b->vendor == M2D_VENDOR_INTEL ? M2D_OUT_EPT_VIOLATION : M2D_OUT_NPF});
	if (b->vendor == M2D_VENDOR_INTEL)
		RUN(c, do_fault, none, .va = regions[R_MISCONFIG].va,
		    .arg = {M2D_ACC_READ, M2D_OUT_EPT_MISCONFIG});
}

/* --- Intel ------------------------------------------------------------------------------------ */

static M2dInsn do_invvpid(Bench *b)
{
	return m2d_vcpu_invvpid(b->p.vcpu, op.arg[0], op.arg[1], M2D_GVA(op.va));
}

static bool gone_invvpid(const Item *i, const Bench *b)
{
	if (!linear(i))
		return false;
	switch (op.arg[0]) {
	case 0:
		return i->tag == op.arg[1] && bench_covers(i, op.va);
	case 1:
		return i->tag == op.arg[1];
	case 2:
		return i->tag != 0;
	default:
		return i->tag == op.arg[1] && !i->global;
	}
}

static M2dInsn do_invept(Bench *b)
{
	return m2d_vcpu_invept(b->p.vcpu, op.arg[0], op.arg[1]);
}

static bool gone_invept(const Item *i, const Bench *b)
{
	if (i->kind == M2D_CTX_LINEAR)
		return false;
	return op.arg[0] == 2 || i->root == (op.arg[1] & ~UINT64_C(0xfff));
}

/* Entry without VPIDs into the context of arg[0]. */
static M2dInsn do_enter_vpid0(Bench *b)
{
	Context c = b->context[op.arg[0]];
	M2dRegs regs = bench_regs(b, &c);
	M2dNested nested;

	c.tag = 0;
	nested = bench_nested(b, &c);
	return m2d_vcpu_enter(b->p.vcpu, &regs, &nested, 0);
}

static bool gone_vpid0(const Item *i, const Bench *b)
{
	return linear(i) && i->tag == 0;
}

static M2dInsn do_enter_bad(Bench *b)
{
	Context c = b->context[4];
	M2dRegs regs = bench_regs(b, &c);
	M2dNested nested = bench_nested(b, &c);

	nested.eptp |= op.arg[0];
	nested.tag |= (uint32_t)op.arg[1];
	if (op.arg[2] != 0)
		nested.kind = M2D_NESTED_NPT;
	return m2d_vcpu_enter(b->p.vcpu, &regs, &nested, 0);
}

static void intel(Bench *b)
{
	uint64_t eptp[2] = {b->nested[0].eptp, b->nested[1].eptp};

	for (uint64_t v = 1; v < 4; v++) {
		for (int r = 0; r < N_REGIONS; r++)
			RUN(0, do_invvpid, gone_invvpid, .va = regions[r].va + 0x40, .arg = {0, v});
		RUN(0, do_invvpid, gone_invvpid, .arg = {1, v});
		RUN(0, do_invvpid, gone_invvpid, .arg = {2, v});
		RUN(0, do_invvpid, gone_invvpid, .arg = {3, v});
		RUN(3, do_invvpid, none, M2D_INSN_UD, .arg = {1, v});
	}
	RUN(1, do_invvpid, gone_invvpid, .arg = {2, 0}); /* VPID 0 is fine for all contexts */
	RUN(0, do_invvpid, none, M2D_INSN_VMFAIL, .arg = {0, 0});
	RUN(0, do_invvpid, none, M2D_INSN_VMFAIL, .arg = {1, 0});
	RUN(0, do_invvpid, none, M2D_INSN_VMFAIL, .arg = {3, 0});
	RUN(0, do_invvpid, none, M2D_INSN_VMFAIL, .arg = {4, 1});
	RUN(0, do_invvpid, none, M2D_INSN_VMFAIL, .arg = {1, 0x10001});
	RUN(0, do_invvpid, none, M2D_INSN_VMFAIL, UINT64_C(0x8000) << 32, {0, 1});
	for (int e = 0; e < 2; e++) {
		RUN(0, do_invept, gone_invept, .arg = {1, eptp[e]});
		/* Only bits 51:12 name the structures. */
		RUN(0, do_invept, gone_invept, .arg = {1, eptp[e] & ~M2D_EPTP_AD});
		RUN(0, do_invept, gone_invept, .arg = {2, eptp[e]});
		RUN(3, do_invept, none, M2D_INSN_UD, .arg = {1, eptp[e]});
	}
	RUN(1, do_invept, gone_invept, .arg = {2, 0});
	RUN(0, do_invept, gone_invept, .arg = {1, 0x7fff000 | M2D_EPTP_WALK(4) | 6});
	RUN(0, do_invept, none, M2D_INSN_VMFAIL, .arg = {0, eptp[0]});
	RUN(0, do_invept, none, M2D_INSN_VMFAIL, .arg = {3, eptp[0]});
	RUN(0, do_invept, none, M2D_INSN_VMFAIL, .arg = {1, eptp[0] | 0x100});
	RUN(0, do_invept, none, M2D_INSN_VMFAIL, .arg = {1, 0});
	for (uint64_t c = 2; c < N_CONTEXTS; c++)
		RUN(0, do_enter_vpid0, gone_vpid0, .arg = {c});
	RUN(0, do_enter_bad, none, M2D_INSN_INVALID, .arg = {0x100, 0, 0});
	RUN(0, do_enter_bad, none, M2D_INSN_INVALID, .arg = {0, 0x10000, 0});
	RUN(0, do_enter_bad, none, M2D_INSN_UD, .arg = {0, 0, 1});
}

/* --- AMD -------------------------------------------------------------------------------------- */

static M2dInsn do_vmrun(Bench *b)
{
	Context c = b->context[op.arg[1]];
	M2dRegs regs = bench_regs(b, &c);
	M2dNested nested = bench_nested(b, &c);

	if (op.arg[2] == 1)
		nested.tag = 0;
	if (op.arg[2] == 2)
		nested.ncr3 |= UINT64_C(1) << 51;
	return m2d_vcpu_enter(b->p.vcpu, &regs, &nested, (unsigned)op.arg[0]);
}

static bool gone_vmrun(const Item *i, const Bench *b)
{
	uint32_t asid = b->context[op.arg[1]].tag;

	switch (op.arg[0]) {
	case 1:
		return true;
	case 3:
		return i->tag == asid;
	case 7:
		return linear(i) && i->tag == asid && !i->global;
	default:
		return false;
	}
}

static M2dInsn do_invlpga(Bench *b)
{
	M2dRegs r = *m2d_vcpu_regs(b->p.vcpu);

	r.efer |= op.arg[1];
	m2d_vcpu_load_regs(b->p.vcpu, &r);
	return m2d_vcpu_invlpga(b->p.vcpu, M2D_GVA(op.va), (uint32_t)op.arg[0]);
}

static bool gone_invlpga(const Item *i, const Bench *b)
{
	if (!linear(i) || i->tag != op.arg[0])
		return false;
	return (i->upper && op.arg[1] == 0) || bench_covers(i, op.va);
}

static M2dInsn do_invlpgb(Bench *b)
{
	return m2d_vcpu_invlpgb(b->p.vcpu, op.va | op.arg[0], (uint32_t)op.arg[1],
				(uint32_t)op.arg[2]);
}

static bool gone_invlpgb(const Item *i, const Bench *b)
{
	uint64_t rax = op.arg[0], edx = op.arg[2];
	uint64_t pages = (op.arg[1] & 0xffff) + 1, step = op.arg[1] >> 31 ? 1u << 21 : 4096;
	uint32_t asid = edx & 0xffff;
	bool any_asid = !(rax & 4), hit = false;

	if (cur(b)->guest) { /* the guest's own ASID takes the place of the named one */
		asid = cur(b)->tag;
		any_asid = false;
	}
	if (!any_asid && i->tag != asid)
		return false;
	if (physical(i))
		return rax & 0x20;
	if (i->global ? !(rax & 8) : (rax & 2) && i->pcid != (edx >> 16 & 0xfff))
		return false;
	if (i->upper && (rax & 0x10))
		return false;
	if (!(rax & 1))
		return true;
	for (uint64_t n = 0; n < pages && !hit; n++)
		hit = bench_covers(i, op.va + n * step);
	return hit;
}

static M2dInsn do_tlbsync(Bench *b)
{
	return m2d_vcpu_tlbsync(b->p.vcpu);
}

static void amd(Bench *b)
{
	bool ideal = m2d_world_machine(b->p.world)->tlb.ideal; /* large: fewer cases */

	for (uint64_t c = 2; c < N_CONTEXTS; c++) {
		static const uint64_t control[] = {0, 1, 3, 7};

		for (int t = 0; t < 4; t++)
			RUN(c % 2, do_vmrun, gone_vmrun, .arg = {control[t], c});
	}
	RUN(0, do_vmrun, none, M2D_INSN_INVALID, .arg = {2, 3});
	RUN(0, do_vmrun, none, M2D_INSN_INVALID, .arg = {4, 3});
	RUN(0, do_vmrun, none, M2D_INSN_INVALID, .arg = {1, 3, 1});
	RUN(0, do_vmrun, none, M2D_INSN_INVALID, .arg = {3, 3, 2});
	for (uint64_t asid = 0; asid < 5; asid++)
		for (int r = 0; r < N_REGIONS; r++)
			for (int t = 0; t < 2; t++)
				RUN(0, do_invlpga, gone_invlpga, .va = regions[r].va,
				    .arg = {asid, t ? M2D_EFER_TCE : 0});
	RUN(3, do_invlpga, none, M2D_INSN_UD, .arg = {1, 0});
	for (unsigned c = 0; c < N_CONTEXTS; c += ideal ? 4 : 3)
		for (uint64_t rax = 0; rax < 64; rax++)
			for (uint64_t id = ideal ? 3 : 0; id < 4; id++) {
				uint64_t edx = (id & 1) + 1 + (id >> 1 << 16);

				RUN(c, do_invlpgb, gone_invlpgb, .va = regions[R_4K].va,
				    .arg = {rax, 2, edx});
				RUN(c, do_invlpgb, gone_invlpgb, .va = regions[R_2M].va,
				    .arg = {rax, 1u << 31 | 2, edx});
				RUN(c, do_invlpgb, gone_invlpgb, .va = regions[R_1G].va + 0x600000,
				    .arg = {rax, 0, edx});
			}
	RUN(0, do_invlpgb, none, M2D_INSN_GP, .arg = {0x40, 0, 0});
	RUN(0, do_invlpgb, none, M2D_INSN_GP, .arg = {0x800, 0, 0});
	RUN(0, do_invlpgb, none, M2D_INSN_GP, .arg = {0, 0, 1u << 28});
	RUN(0, do_tlbsync, none);
}

/* What the other vendor has. */
static void wrong_vendor(Bench *b)
{
	if (b->vendor == M2D_VENDOR_AMD) {
		RUN(0, do_invvpid, none, M2D_INSN_UD, .arg = {2, 1});
		RUN(0, do_invept, none, M2D_INSN_UD, .arg = {2, 0});
		return;
	}
	RUN(0, do_invlpga, none, M2D_INSN_UD, .arg = {1, 0});
	RUN(0, do_invlpgb, none, M2D_INSN_UD, .arg = {0, 0, 0});
	RUN(0, do_tlbsync, none, M2D_INSN_UD);
}

/* --- machines --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	M2dVendor vendor;
	bool ideal;
} machines[] = {
	{"generic", M2D_VENDOR_INTEL, true},
	{"generic", M2D_VENDOR_AMD, true},
	{"zen2", M2D_VENDOR_AMD, true},
	{"zen4", M2D_VENDOR_AMD, false},
	{"skylake-sp", M2D_VENDOR_INTEL, false},
	{"haswell", M2D_VENDOR_INTEL, false},
	{"sapphire-rapids", M2D_VENDOR_INTEL, false},
	{"zen1", M2D_VENDOR_AMD, false},
};

/* Items of every sort must be there, or the test says nothing. */
static void check_premise(const Bench *b)
{
	GArray *items = dump_items(&b->p.mmu->tlb);
	unsigned pieces = 0, globals = 0, kinds[4] = {0}, uppers = 0, nested_uppers = 0, pdes = 0;
	unsigned tags = 0;

	for (unsigned n = 0; n < items->len; n++) {
		const Item *i = &g_array_index(items, Item, n);

		kinds[i->kind]++;
		tags |= 1u << i->tag;
		globals += i->global;
		uppers += i->upper && linear(i);
		nested_uppers += i->upper && physical(i);
		pdes += i->upper && i->array == M2D_ARR_L2;
		pieces += !i->upper && linear(i) && m2d_item_gshift(i->data) > i->shift;
	}
	g_array_unref(items);
	ck_assert_uint_gt(pieces, 0);
	ck_assert_uint_gt(globals, 0);
	ck_assert_uint_gt(uppers, 0);
	ck_assert_uint_gt(nested_uppers, 0);
	ck_assert_uint_gt(kinds[M2D_CTX_LINEAR], 0);
	ck_assert_uint_gt(kinds[M2D_CTX_PHYSICAL], 0);
	if (b->vendor == M2D_VENDOR_INTEL)
		ck_assert_uint_gt(kinds[M2D_CTX_COMBINED], 0);
	ck_assert_uint_eq(tags & 7, 7);
	if (m2d_world_machine(b->p.world)->tlb.l2_holds_pde)
		ck_assert_uint_gt(pdes, 0);
}

START_TEST(scopes)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load(machines[_i].name, &error);
	Bench bench, *b = &bench;

	ck_assert_msg(m != NULL, "%s", error != NULL ? error->message : "");
	m->vendor = machines[_i].vendor;
	m->maxphyaddr = 46;
	m->tlb.ideal = machines[_i].ideal;
	bench_init(b, m);
	check_premise(b);
	n_dropped = n_kept = n_runs = 0;
	for (unsigned c = 0; c < N_CONTEXTS; c++) {
		both_vendors(b, c);
		if (machines[_i].ideal) /* else fills of the faulting walk evict */
			faults(b, c);
	}
	if (b->vendor == M2D_VENDOR_INTEL)
		intel(b);
	else
		amd(b);
	wrong_vendor(b);
	ck_assert_uint_gt(n_dropped, 0);
	ck_assert_uint_gt(n_kept, 0);
	bench_clear(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tlb-scopes");
	TCase *t = tcase_create("tlb-scopes");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, scopes, 0, G_N_ELEMENTS(machines));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
