/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU: two register files (the host's and the current guest's), its TLBs and paging-structure
 * caches, entry and exit, and every instruction that invalidates cached translations. Execution
 * starts in host mode with paging off.
 *
 * Instructions check their operands as the manuals say and drop exactly what the manuals oblige
 * them to drop. m2d_vcpu_load_host() and the register loads of entry and exit drop nothing by
 * themselves.
 */
#pragma once

#include "sim/engine/world.h"
#include "sim/engine/access.h"

/* What executing an instruction led to. */
typedef enum {
	M2D_INSN_OK,
	M2D_INSN_GP,      /* #GP(0) */
	M2D_INSN_UD,      /* #UD: no such feature in this mode or on this vendor */
	M2D_INSN_VMFAIL,  /* VMX: VMfail (invalid operand to INVEPT/INVVPID) */
	M2D_INSN_INVALID, /* SVM: VMEXIT_INVALID instead of entering */
	M2D_INSN_PF, /* loading PDPTEs hit a fault of the second dimension; see m2d_vcpu_last() */
} M2dInsn;

/* m2d_vcpu_new: add a vCPU to @world, which owns it. Host and guest have all features and the
 * machine's physical address bits until m2d_vcpu_set_features(). */
M2dVcpu *m2d_vcpu_new(M2dWorld *world);
/* m2d_vcpu_id: its number in its world, from 0 in the order of m2d_vcpu_new(). */
unsigned m2d_vcpu_id(const M2dVcpu *vcpu);

/* m2d_vcpu_mmu: the vCPU's access path, for drivers and checkers within the simulator. */
typedef struct _M2dMmu M2dMmu;
M2dMmu *m2d_vcpu_mmu(M2dVcpu *vcpu);

/* m2d_vcpu_regs: the registers in force: the guest's between entry and exit, else the host's. */
const M2dRegs *m2d_vcpu_regs(const M2dVcpu *vcpu);
/* m2d_vcpu_load_host: replace the host's registers without executing anything. */
void m2d_vcpu_load_host(M2dVcpu *vcpu, const M2dRegs *regs);
/* m2d_vcpu_load_regs: the same for the registers in force (a VMM editing guest state). */
void m2d_vcpu_load_regs(M2dVcpu *vcpu, const M2dRegs *regs);
/**
 * m2d_vcpu_set_features: what CPUID shows.
 * @guest: registers of the guest (true) or of the host (false)
 * @maxphyaddr: 32..52; a guest's may be below the host's
 * @features: M2D_FEAT_*
 */
void m2d_vcpu_set_features(M2dVcpu *vcpu, bool guest, unsigned maxphyaddr, uint32_t features);

/**
 * m2d_vcpu_enter: VMRUN (AMD machine) or VM entry (Intel machine).
 * @guest: its registers, copied; @nested: its second dimension and tag, copied
 * @tlb_control: AMD: VMCB TLB_CONTROL, 0, 1, 3 or 7; Intel: 0
 * %M2D_INSN_INVALID: ASID 0, a VPID over 16 bits, reserved TLB_CONTROL, nCR3 or EPTP bits that must
 * be zero. %M2D_INSN_UD: in a guest already, or the other vendor's second dimension.
 * Sources: APM 15.5, 15.16, 15.25; SDM "Checks on VMX controls", "Operations that invalidate
 * cached mappings".
 */
M2dInsn m2d_vcpu_enter(M2dVcpu *vcpu, const M2dRegs *guest, const M2dNested *nested,
		       unsigned tlb_control);
/* m2d_vcpu_exit: #VMEXIT / VM exit: back to the host's registers. No-op in host mode. */
void m2d_vcpu_exit(M2dVcpu *vcpu);
/* m2d_vcpu_in_guest: between an m2d_vcpu_enter() that succeeded and m2d_vcpu_exit(). */
bool m2d_vcpu_in_guest(const M2dVcpu *vcpu);
/* m2d_vcpu_nested: second dimension of the last entry; pml_index is kept up to date in it. */
const M2dNested *m2d_vcpu_nested(const M2dVcpu *vcpu);

/**
 * m2d_vcpu_access: one data access or fetch by the code that runs now.
 * Returns the outcome also in *@out. An access that crosses a page is translated twice; the fault
 * of the lower page wins. A/D bits in memory change exactly as hardware changes them. Faults drop
 * cached entries as the manuals say, but deliver nothing and do not leave guest mode: the caller
 * decides.
 */
M2dOutcomeKind m2d_vcpu_access(M2dVcpu *vcpu, const M2dAccess *access, M2dOutcome *out);
/* m2d_vcpu_last: outcome of the last access or of the PDPTE load that gave %M2D_INSN_PF. */
const M2dOutcome *m2d_vcpu_last(const M2dVcpu *vcpu);

/* Control-register moves, with their checks and invalidations (SDM "Operations that Invalidate
 * TLBs and Paging-Structure Caches"; APM 5.5.3). Each gives %M2D_INSN_GP for a value that the
 * manuals refuse, %M2D_INSN_PF if PDPTEs could not be read, and leaves the registers as they were
 * then. In m2d_vcpu_mov_cr3() bit 63 is M2D_CR3_NOFLUSH if CR4.PCIDE is set, and is not kept. */
M2dInsn m2d_vcpu_mov_cr0(M2dVcpu *vcpu, uint64_t value);
M2dInsn m2d_vcpu_mov_cr3(M2dVcpu *vcpu, uint64_t value);
M2dInsn m2d_vcpu_mov_cr4(M2dVcpu *vcpu, uint64_t value);
M2dInsn m2d_vcpu_wrmsr_efer(M2dVcpu *vcpu, uint64_t value);

/* m2d_vcpu_invlpg: always %M2D_INSN_OK; a @gva that is not canonical drops nothing. */
M2dInsn m2d_vcpu_invlpg(M2dVcpu *vcpu, M2dGva gva);
/* The rest give %M2D_INSN_UD on the other vendor's machines, and in a guest where they say host
 * mode; INVPCID and INVLPGB give %M2D_INSN_GP, INVVPID and INVEPT %M2D_INSN_VMFAIL for a bad
 * operand. */

/* @type 0..3; @pcid: descriptor bits 63:0 (63:12 must be 0); @gva: descriptor bits 127:64. */
M2dInsn m2d_vcpu_invpcid(M2dVcpu *vcpu, uint64_t type, uint64_t pcid, M2dGva gva);
/* Intel only, host mode. @vpid: descriptor bits 63:0. Types 0..3. */
M2dInsn m2d_vcpu_invvpid(M2dVcpu *vcpu, uint64_t type, uint64_t vpid, M2dGva gva);
/* Intel only, host mode. Types 1 (single context) and 2 (all). */
M2dInsn m2d_vcpu_invept(M2dVcpu *vcpu, uint64_t type, uint64_t eptp);
/* AMD only, host mode. */
M2dInsn m2d_vcpu_invlpga(M2dVcpu *vcpu, M2dGva gva, uint32_t asid);
/**
 * AMD only. Posts a broadcast; every other vCPU performs it at the latest when this vCPU executes
 * m2d_vcpu_tlbsync(). Registers as the instruction takes them; in a guest the ASID is the guest's.
 */
M2dInsn m2d_vcpu_invlpgb(M2dVcpu *vcpu, uint64_t rax, uint32_t ecx, uint32_t edx);
/* AMD only. */
M2dInsn m2d_vcpu_tlbsync(M2dVcpu *vcpu);
