/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that somebody else executes: replay runs its accesses on the processor itself, in long
 * stretches, and comes here for what leaves the guest. Each call runs straight to its end on the
 * vCPU's actor, which must be idle; the vCPU is then in the guest again, unless it says otherwise.
 */
#pragma once

#include "sim/kvm/kvm.h"

/* m2d_kvm_enter: be in the guest; false: hardware refuses. */
bool m2d_kvm_enter(M2dVm *vm, unsigned vcpu);
/* m2d_kvm_leave: an exit that has nothing to do with paging, and no entry yet. @info: for the
 * event */
void m2d_kvm_leave(M2dVm *vm, unsigned vcpu, uint64_t info);

/* m2d_kvm_mov_cr: MOV to CR0, CR3 or CR4; @cr 8: WRMSR to EFER. @noflush: bit 63 of CR3. */
M2dOpResult m2d_kvm_mov_cr(M2dVm *vm, unsigned vcpu, unsigned cr, uint64_t value, bool noflush);
M2dOpResult m2d_kvm_invlpg(M2dVm *vm, unsigned vcpu, uint64_t gva);
M2dOpResult m2d_kvm_invpcid(M2dVm *vm, unsigned vcpu, unsigned type, uint32_t pcid, uint64_t gva);

/* The access that faulted, should it have to be emulated. */
typedef struct {
	M2dAccKind kind;
	unsigned size; /* 1, 2, 4 or 8 */
	bool user;
	uint64_t gva, value;
} M2dKvmInsn;

/**
 * m2d_kvm_fault: the access ended in @out, which is not OK: exit and let KVM handle it.
 * %M2D_OPR_OK: try again. %M2D_OPR_PF: the fault is the guest's. %M2D_OPR_EMULATED,
 * %M2D_OPR_MMIO: done. The rest is in the actor's outcome.
 */
M2dOpResult m2d_kvm_fault(M2dVm *vm, unsigned vcpu, const M2dOutcome *out, const M2dKvmInsn *insn);

/* m2d_kvm_unmap_pages: the host takes pages [start, start + n) away from the process, by way of
 * the notifiers. vCPUs that were in the guest may be outside afterwards. */
void m2d_kvm_unmap_pages(M2dVm *vm, uint64_t start, uint64_t n);
