/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of record kinds, as dumps, counts and messages print them. */
#include "sim/trace/trace.h"

const char *m2d_trace_ref_name(unsigned kind)
{
	static const char *const names[] = {"read", "write", "fetch"};

	return kind < M2D_N_ELEMENTS(names) ? names[kind] : "reference";
}

const char *m2d_trace_event_name(unsigned kind)
{
	static const char *const names[] = {
		[M2D_EV_REG] = "reg",           [M2D_EV_INVLPG] = "invlpg",
		[M2D_EV_INVPCID] = "invpcid",   [M2D_EV_INVLPGA] = "invlpga",
		[M2D_EV_INVVPID] = "invvpid",   [M2D_EV_INVEPT] = "invept",
		[M2D_EV_INVLPGB] = "invlpgb",   [M2D_EV_TLBSYNC] = "tlbsync",
		[M2D_EV_PTWRITE] = "ptwrite",   [M2D_EV_VMRUN] = "vmrun",
		[M2D_EV_VMEXIT] = "vmexit",     [M2D_EV_VMENTRY] = "vmentry",
		[M2D_EV_VMX_EXIT] = "vmx-exit", [M2D_EV_PF] = "page-fault",
		[M2D_EV_ASPACE] = "aspace",     [M2D_EV_MARK] = "mark",
	};

	return kind < M2D_N_ELEMENTS(names) && names[kind] != NULL ? names[kind] : "event";
}

const char *m2d_trace_reg_name(unsigned reg)
{
	static const char *const names[] = {
		[M2D_TR_CR0] = "cr0",   [M2D_TR_CR3] = "cr3",   [M2D_TR_CR4] = "cr4",
		[M2D_TR_EFER] = "efer", [M2D_TR_PKRU] = "pkru", [M2D_TR_PKRS] = "pkrs",
		[M2D_TR_AC] = "ac",
	};

	return reg < M2D_N_ELEMENTS(names) ? names[reg] : "reg";
}
