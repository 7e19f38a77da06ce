/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests, kicks, remote flushes and the vendors' local flushes, locks: what MMU and run loop ask
 * of each other across vCPUs. Sources: virt/kvm/kvm_main.c kvm_make_vcpus_request_mask(),
 * kvm_flush_remote_tlbs(); arch/x86/kvm/svm/svm.c svm_flush_tlb_*(), vmx/vmx.c vmx_flush_tlb_*().
 */
#pragma once

#include "sim/vm/vm.h"

/* Routine numbers of all layers of the hypervisor model. */
typedef enum {
	M2D_R_NONE,
#define ROUTINE(name) M2D_R_##name,
#include "sim/vm/routines.def"
#undef ROUTINE
	M2D_N_ROUTINES
} M2dRoutineId;

/* m2d_make_request: set a request bit of vCPU @target (kvm_make_request()). */
void m2d_make_request(M2dVm *vm, unsigned target, M2dRequest request);
/* m2d_make_all_request: of all vCPUs, without kicking anyone. */
void m2d_make_all_request(M2dVm *vm, M2dRequest request);
/* m2d_check_request: whether @vcpu has it pending; takes it (kvm_check_request()). */
bool m2d_check_request(M2dVm *vm, unsigned vcpu, M2dRequest request);

/**
 * kvm_make_all_cpus_request() with KVM_REQUEST_WAIT: set @request in every vCPU, interrupt those
 * that are in the guest (or read shadow tables without a lock) and wait until each has left.
 */
typedef struct {
	M2dFrame h;
	uint32_t request;
	uint32_t targets; /* local: those interrupted */
} m2d_make_all_cpus_request_frame;
M2D_ROUTINE(m2d_make_all_cpus_request);

/* kvm_flush_remote_tlbs() (@pages 0) or _range(): without a vendor hook both flush everything. */
typedef struct {
	M2dFrame h;
	uint64_t gfn, pages;
} m2d_flush_remote_tlbs_frame;
M2D_ROUTINE(m2d_flush_remote_tlbs);

/* Locks. Taking one is a routine (it may wait); releasing is not. */
typedef struct {
	M2dFrame h;
	uint32_t lock;   /* M2dLockId */
	uint32_t shared; /* mmu_lock for reading */
} m2d_lock_frame;
M2D_ROUTINE(m2d_lock);
void m2d_unlock(M2dVm *vm, M2dLockId lock);
/* m2d_lock_held: by the current actor, exclusively; for assertions. */
bool m2d_lock_held(const M2dVm *vm, M2dLockId lock);
/* m2d_lock_free: it could be taken now. */
bool m2d_lock_free(const M2dVm *vm, M2dLockId lock, bool shared);

/* m2d_set_mode: vcpu->mode; leaving the guest's modes acknowledges kicks. */
void m2d_set_mode(M2dVm *vm, unsigned vcpu, M2dVcpuMode mode);
/* m2d_acked: none of the vCPUs in mask @targets still owes @actor an acknowledgement. */
bool m2d_acked(const M2dVm *vm, unsigned actor, uint32_t targets);

/* Local flushes on the processor that @vcpu runs on; it must be outside the guest. */
void m2d_flush_tlb_all(M2dVm *vm, unsigned vcpu);
void m2d_flush_tlb_current(M2dVm *vm, unsigned vcpu);
void m2d_flush_tlb_guest(M2dVm *vm, unsigned vcpu);
void m2d_flush_tlb_gva(M2dVm *vm, unsigned vcpu, M2dGva gva);
