/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves to control registers and EFER: their checks and what they invalidate. Privilege is the
 * caller's business: all of them are taken to run at CPL 0.
 * Sources: SDM vol. 3 "Operations that Invalidate TLBs and Paging-Structure Caches", "PDPTE
 * Registers", "Paging-Mode Enabling"; APM vol. 2 "TLB Management".
 */
#include <string.h>

#include "sim/cpu/vcpu-private.h"
#include "sim/mmu/walker.h"

/* Everything of the tags in force, global items included. */
static void flush_all(M2dVcpu *v, M2dFlushCause cause)
{
	M2dKill kill = {
		.kinds = M2D_KINDS_LINEAR,
		.tag_rule = M2D_KILL_TAG_EQUAL,
		.tag = v->mmu.s->nested.tag,
		.upper = M2D_UPPER_ALL,
	};

	m2d_mmu_kill(&v->mmu, &kill, cause, v->machine->cost.global_flush);
}

static void flush_pcid(M2dVcpu *v, uint32_t pcid, M2dKillPcid rule, M2dFlushCause cause,
		       uint32_t cycles)
{
	M2dKill kill = {
		.kinds = M2D_KINDS_LINEAR,
		.tag_rule = M2D_KILL_TAG_EQUAL,
		.tag = v->mmu.s->nested.tag,
		.pcid_rule = rule,
		.pcid = pcid,
		.upper = M2D_UPPER_ALL,
	};

	m2d_mmu_kill(&v->mmu, &kill, cause, cycles);
}

static bool pae_in_registers(const M2dVcpu *v, const M2dRegs *r)
{
	return !vcpu_amd(v) && (r->cr0 & M2D_CR0_PG) && (r->cr4 & M2D_CR4_PAE) &&
	       !(r->efer & M2D_EFER_LMA);
}

/*
 * Load the four PDPTEs that @r->cr3 points at. Their addresses go through the second dimension as
 * reads that set no dirty bit; a reserved bit in a present one is #GP.
 */
static M2dInsn load_pdptes(M2dVcpu *v, M2dRegs *r)
{
	unsigned maxphyaddr = v->mmu.s->guest_maxphyaddr;
	uint64_t rsvd = M2D_BITS(63, 52) | M2D_BITS(2, 1) | M2D_BITS(8, 5) |
			(M2D_BITS(51, 12) & ~m2d_low_mask(maxphyaddr));
	uint64_t pdpte[4];

	v->last = (M2dOutcome){0};
	for (int i = 0; i < 4; i++) {
		uint64_t gpa = (r->cr3 & M2D_BITS(31, 5)) + 8u * (unsigned)i;

		if (!m2d_walker_read_pdpte(&v->mmu, gpa, &pdpte[i], &v->last))
			return M2D_INSN_PF;
		if ((pdpte[i] & 1) && (pdpte[i] & rsvd))
			return M2D_INSN_GP;
	}
	memcpy(r->pdpte, pdpte, sizeof(pdpte));
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_mov_cr3(M2dVcpu *v, uint64_t value)
{
	M2dRegs r = v->mmu.s->regs;
	bool pcide = r.cr4 & M2D_CR4_PCIDE, keep = pcide && (value & M2D_CR3_NOFLUSH);
	uint64_t cr3 = pcide ? value & ~M2D_CR3_NOFLUSH : value;
	M2dInsn insn;

	if ((r.efer & M2D_EFER_LMA) && (cr3 & ~m2d_low_mask(v->mmu.s->guest_maxphyaddr)))
		return M2D_INSN_GP;
	r.cr3 = cr3;
	if (pae_in_registers(v, &r)) {
		insn = load_pdptes(v, &r);
		if (insn != M2D_INSN_OK)
			return insn;
	}
	m2d_vcpu_load_regs(v, &r);
	if (!keep)
		flush_pcid(v, pcide ? (uint32_t)(cr3 & M2D_CR3_PCID) : 0, M2D_KILL_PCID_EQUAL,
			   M2D_FLUSH_MOV_CR3, v->machine->cost.mov_cr3);
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_mov_cr0(M2dVcpu *v, uint64_t value)
{
	M2dRegs r = v->mmu.s->regs;
	bool was = r.cr0 & M2D_CR0_PG, is = value & M2D_CR0_PG;
	bool reload = (r.cr0 ^ value) & (M2D_CR0_PG | M2D_CR0_CD | M2D_CR0_NW);
	M2dInsn insn;

	if (is && !(value & M2D_CR0_PE))
		return M2D_INSN_GP;
	if (is && !was && (r.efer & M2D_EFER_LME) && !(r.cr4 & M2D_CR4_PAE))
		return M2D_INSN_GP;
	if (!is && was && (r.cr4 & M2D_CR4_PCIDE))
		return M2D_INSN_GP;
	r.cr0 = value;
	if (is != was) {
		r.efer &= ~M2D_EFER_LMA;
		if (is && (r.efer & M2D_EFER_LME))
			r.efer |= M2D_EFER_LMA;
	}
	if (reload && pae_in_registers(v, &r)) {
		insn = load_pdptes(v, &r);
		if (insn != M2D_INSN_OK)
			return insn;
	}
	m2d_vcpu_load_regs(v, &r);
	if ((was && !is) || (vcpu_amd(v) && was != is))
		flush_all(v, M2D_FLUSH_MOV_CR0);
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_mov_cr4(M2dVcpu *v, uint64_t value)
{
	M2dRegs r = v->mmu.s->regs;
	uint64_t changed = r.cr4 ^ value, set = value & ~r.cr4, cleared = r.cr4 & ~value;
	bool all;
	M2dInsn insn;

	if ((r.efer & M2D_EFER_LMA) && (changed & (M2D_CR4_PAE | M2D_CR4_LA57)))
		return M2D_INSN_GP;
	if ((set & M2D_CR4_PCIDE) && (!(r.efer & M2D_EFER_LMA) || (r.cr3 & M2D_CR3_PCID)))
		return M2D_INSN_GP;
	r.cr4 = value;
	if ((changed & (M2D_CR4_PAE | M2D_CR4_PSE | M2D_CR4_PGE | M2D_CR4_SMEP)) &&
	    pae_in_registers(v, &r)) {
		insn = load_pdptes(v, &r);
		if (insn != M2D_INSN_OK)
			return insn;
	}
	all = (changed & M2D_CR4_PGE) || (cleared & M2D_CR4_PCIDE);
	if (vcpu_amd(v))
		all |= (changed & (M2D_CR4_PAE | M2D_CR4_PSE)) || (set & M2D_CR4_PKE);
	m2d_vcpu_load_regs(v, &r);
	if (all)
		flush_all(v, M2D_FLUSH_MOV_CR4);
	else if (!vcpu_amd(v) && ((changed & M2D_CR4_PAE) || (set & M2D_CR4_SMEP)))
		flush_pcid(v, v->mmu.s->pcid, M2D_KILL_PCID_OR_GLOBAL, M2D_FLUSH_MOV_CR4,
			   v->machine->cost.global_flush);
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_wrmsr_efer(M2dVcpu *v, uint64_t value)
{
	M2dRegs r = v->mmu.s->regs;

	if ((r.cr0 & M2D_CR0_PG) && ((r.efer ^ value) & M2D_EFER_LME))
		return M2D_INSN_GP;
	/* LMA is hardware's; nothing is invalidated. */
	r.efer = (value & ~M2D_EFER_LMA) | (r.efer & M2D_EFER_LMA);
	m2d_vcpu_load_regs(v, &r);
	return M2D_INSN_OK;
}
