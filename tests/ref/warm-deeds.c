/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Comparison with caches: invalidations, and which of them the manuals call sufficient.
 * Sources: SDM "Operations that Invalidate TLBs and Paging-Structure Caches", "Invalidation of
 * EPT and VPID mappings"; APM "TLB Management", "TLB Control".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/ref/warm.h"

const char *const warm_deed_name[N_DO] = {
	"nothing",
	"INVLPG",
	"INVPCID address",
	"INVPCID context",
	"INVPCID all global",
	"INVPCID all",
	"MOV CR3",
	"CR4.PGE twice",
	"INVVPID address",
	"INVVPID context",
	"INVVPID all",
	"INVVPID retain globals",
	"INVEPT context",
	"INVEPT all",
	"TLB_CONTROL 1",
	"TLB_CONTROL 3",
	"TLB_CONTROL 7",
	"INVLPGA",
	"INVLPGB",
	"INVLPGB nested",
};

static void die(const Run *run, const char *what)
{
	fprintf(stderr, "%s on %s: %s; seed %" PRIu64 " epoch %" PRIu64 " case %u\n",
		run->mode->name, run->variant->machine, what, run->seed, run->epoch, run->i);
	ref_dump(&run->cpu, &(M2dAccess){0}, &(RefResult){0});
	exit(1);
}

void warm_must(const Run *run, M2dInsn insn, const char *what)
{
	if (insn != M2D_INSN_OK)
		die(run, what);
}

/* --- entering -------------------------------------------------------------------------------- */

void warm_enter(Run *run, unsigned tlb_control)
{
	warm_must(run, m2d_vcpu_enter(run->vcpu, &run->cpu.regs, &run->cpu.nested, tlb_control),
		  "entry refused");
}

void warm_load_host(Run *run)
{
	const M2dNested *n = &run->cpu.nested;
	M2dRegs host = {
		.cr0 = M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP,
		.cr4 = M2D_CR4_PAE,
		.efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE,
	};

	m2d_vcpu_exit(run->vcpu);
	if (n->kind == M2D_NESTED_NPT) {
		host.cr4 = n->hcr4;
		host.efer = n->hefer;
	}
	m2d_vcpu_load_host(run->vcpu, &host);
}

/* --- invalidations --------------------------------------------------------------------------- */

bool warm_intel_pae(const Run *run)
{
	return run->mode->vendor == M2D_VENDOR_INTEL && run->mode->guest == FORMAT_PAE;
}

/* May @deed follow a change of a guest entry? */
bool warm_enough_for_guest(const Run *run, Deed deed, const Touched *t)
{
	bool intel = run->mode->vendor == M2D_VENDOR_INTEL, guest = run->in_guest;

	switch (deed) {
	case DO_INVLPG:
		return !t->other;
	case DO_INVPCID_ALL_GLOBAL:
		return true;
	case DO_INVPCID_ADDRESS: /* for each PCID concerned */
	case DO_INVPCID_CONTEXT:
	case DO_INVPCID_ALL:
		return !t->global;
	case DO_MOV_CR3: /* loads the PDPTEs again on Intel: another test */
		return !t->global && !t->other && !warm_intel_pae(run);
	case DO_TOGGLE_PGE:
		return !warm_intel_pae(run);
	case DO_INVVPID_ADDRESS:
	case DO_INVVPID_CONTEXT:
	case DO_INVVPID_ALL:
		return intel && guest;
	case DO_INVVPID_RETAIN:
		return intel && guest && !t->global;
	case DO_INVEPT_CONTEXT:
	case DO_INVEPT_ALL:
		return intel && run->cpu.nested.kind == M2D_NESTED_EPT;
	case DO_TLB_CONTROL_1:
	case DO_TLB_CONTROL_3:
		return !intel && guest;
	case DO_TLB_CONTROL_7:
		return !intel && guest && !t->global;
	case DO_INVLPGA: /* what it does to upper levels is left open */
		return !intel && guest && !t->upper && !t->other;
	case DO_INVLPGB:
		return !intel && guest;
	default:
		return false;
	}
}

/* May @deed follow a change of a nested entry? */
bool warm_enough_for_nested(const Run *run, Deed deed)
{
	switch (deed) {
	case DO_INVEPT_CONTEXT:
	case DO_INVEPT_ALL:
		return run->cpu.nested.kind == M2D_NESTED_EPT;
	case DO_TLB_CONTROL_1:
	case DO_TLB_CONTROL_3:
	case DO_INVLPGB_NESTED:
		return run->cpu.nested.kind == M2D_NESTED_NPT;
	default:
		return false;
	}
}

/* One of the instructions that @deed takes, for the page at @va where it names one. */
static M2dInsn execute(Run *run, Deed deed, const Touched *t, M2dGva va)
{
	M2dVcpu *v = run->vcpu;
	const M2dRegs *r = &run->cpu.regs;
	uint32_t tag = run->cpu.nested.tag;
	uint64_t pcid = (r->cr4 & M2D_CR4_PCIDE) ? r->cr3 & M2D_CR3_PCID : 0;
	uint64_t other = run->other_cr3 & M2D_CR3_PCID;
	M2dInsn insn = M2D_INSN_OK;

	switch (deed) {
	case DO_INVLPG:
		return m2d_vcpu_invlpg(v, va);
	case DO_INVPCID_ADDRESS:
	case DO_INVPCID_CONTEXT:
		if (t->here)
			insn = m2d_vcpu_invpcid(v, deed == DO_INVPCID_CONTEXT, pcid, va);
		if (t->other && insn == M2D_INSN_OK)
			insn = m2d_vcpu_invpcid(v, deed == DO_INVPCID_CONTEXT, other, va);
		return insn;
	case DO_INVPCID_ALL_GLOBAL:
		return m2d_vcpu_invpcid(v, 2, 0, M2D_GVA(0));
	case DO_INVPCID_ALL:
		return m2d_vcpu_invpcid(v, 3, 0, M2D_GVA(0));
	case DO_MOV_CR3:
		return m2d_vcpu_mov_cr3(v, r->cr3);
	case DO_TOGGLE_PGE:
		insn = m2d_vcpu_mov_cr4(v, r->cr4 ^ M2D_CR4_PGE);
		return insn == M2D_INSN_OK ? m2d_vcpu_mov_cr4(v, r->cr4) : insn;
	case DO_INVVPID_ADDRESS:
		return m2d_vcpu_invvpid(v, 0, tag, va);
	case DO_INVVPID_CONTEXT:
		return m2d_vcpu_invvpid(v, 1, tag, M2D_GVA(0));
	case DO_INVVPID_ALL:
		return m2d_vcpu_invvpid(v, 2, 0, M2D_GVA(0));
	case DO_INVVPID_RETAIN:
		return m2d_vcpu_invvpid(v, 3, tag, M2D_GVA(0));
	case DO_INVEPT_CONTEXT:
		return m2d_vcpu_invept(v, 1, run->cpu.nested.eptp);
	case DO_INVEPT_ALL:
		return m2d_vcpu_invept(v, 2, 0);
	case DO_INVLPGA:
		return m2d_vcpu_invlpga(v, va, tag);
	case DO_INVLPGB: /* address, ASID and global valid: any PCID */
		return m2d_vcpu_invlpgb(v, (va.v & ~UINT64_C(4095)) | 0xd, 0, tag);
	case DO_INVLPGB_NESTED: /* ASID and global valid, nested too */
		return m2d_vcpu_invlpgb(v, 0x2c, 0, tag);
	case DO_NOTHING:
	case DO_TLB_CONTROL_1: /* at the entry after */
	case DO_TLB_CONTROL_3:
	case DO_TLB_CONTROL_7:
	case N_DO:
		break;
	}
	return insn;
}

void warm_perform(Run *run, Deed deed, const Touched *t)
{
	bool from_host = deed >= DO_INVVPID_ADDRESS;
	bool by_page = deed == DO_INVLPG || deed == DO_INVPCID_ADDRESS ||
		       deed == DO_INVVPID_ADDRESS || deed == DO_INVLPGA || deed == DO_INVLPGB;

	if (from_host)
		warm_load_host(run);
	for (unsigned p = 0; p < (by_page ? PAGES : 1); p++) {
		uint64_t va = run->page[p] | 0x800;
		bool again = false;

		if (by_page && !(t->pages >> p & 1))
			continue;
		if (deed == DO_INVLPG && t->shift > 12) {
			/* One address anywhere in a large page does for all of it, in however
			 * many pieces it is cached. */
			for (unsigned q = 0; q < p; q++)
				again |=
					(t->pages >> q & 1) && (run->page[q] ^ va) >> t->shift == 0;
			va = (va & ~m2d_low_mask(t->shift)) |
			     (m2d_rng_next(&run->pool->rng) & m2d_low_mask(t->shift));
		}
		if (!again)
			warm_must(run, execute(run, deed, t, M2D_GVA(va)), warm_deed_name[deed]);
	}
	if (deed == DO_INVLPGB || deed == DO_INVLPGB_NESTED)
		warm_must(run, m2d_vcpu_tlbsync(run->vcpu), "TLBSYNC refused");
	if (from_host)
		warm_enter(run, deed == DO_TLB_CONTROL_1   ? 1
				: deed == DO_TLB_CONTROL_3 ? 3
				: deed == DO_TLB_CONTROL_7 ? 7
							   : 0);
	run->n_deed[deed]++;
	run->last_deed = deed;
}
