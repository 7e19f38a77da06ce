/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of sim/kvm only: the routines of the vCPU thread. */
#pragma once

#include "sim/kvm/emulate.h"
#include "sim/kvm/kvm.h"

/* What a VM knows beside M2dVm; hangs off it as statistics and fixed data. */
typedef struct _M2dKvm {
	const M2dGuestInfo *guest;
	M2dOpOutcome outcome[M2D_MAX_ACTORS];
} M2dKvm;

M2dKvm *m2d_kvm(const M2dVm *vm);

/* Reasons of KVM_EXIT events. */
typedef enum {
	M2D_EXIT_INTR,
	M2D_EXIT_PF,        /* #PF under shadow paging */
	M2D_EXIT_NPF,       /* #NPF or EPT violation */
	M2D_EXIT_MISCONFIG, /* EPT misconfiguration */
	M2D_EXIT_CR,
	M2D_EXIT_INVLPG,
	M2D_EXIT_INVPCID,
	M2D_EXIT_MSR,
	M2D_EXIT_PREEMPT,
	M2D_EXIT_USERSPACE,
	M2D_EXIT_OTHER, /* nothing of paging */
} M2dExitReason;

/* --- run loop (run.c, requests.c, steal.c) ------------------------------------------------------
 */

/* vcpu_enter_guest() without the guest: requests, root, last check, VM entry. Ends in the guest. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t request;
} m2d_vcpu_enter_guest_frame;
M2D_ROUTINE(m2d_vcpu_enter_guest);

/* Leave the guest: a plain function up to vcpu->mode, then srcu is held. */
void m2d_vcpu_leave_guest(M2dVm *vm, unsigned vcpu, M2dExitReason reason, uint64_t info1,
			  uint64_t info2);

/* Service of one request. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t request;
} m2d_vcpu_service_request_frame;
M2D_ROUTINE(m2d_vcpu_service_request);

/* kvm_vcpu_flush_tlb_guest(). */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t pad;
} m2d_vcpu_flush_tlb_guest_frame;
M2D_ROUTINE(m2d_vcpu_flush_tlb_guest);

/* record_steal_time(): take the preempted byte, flush if the guest asked for it. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t preempted;
} m2d_record_steal_time_frame;
M2D_ROUTINE(m2d_record_steal_time);

/* An idle vCPU takes what is pending: a kick, guest interrupts. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t from;
} m2d_vcpu_take_interrupts_frame;
M2D_ROUTINE(m2d_vcpu_take_interrupts);

/* vcpu_put() and vcpu_load() of the scheduler; @boundary: between two guest instructions. */
void m2d_vcpu_sched_out(M2dVm *vm, unsigned vcpu, bool boundary);
void m2d_vcpu_sched_in(M2dVm *vm, unsigned vcpu, unsigned pcpu);

/* Bits of kvm_steal_time.preempted, and its offset in the structure (uapi/asm/kvm_para.h). */
#define M2D_STEAL_PREEMPTED      1u
#define M2D_STEAL_FLUSH_TLB      2u
#define M2D_STEAL_PREEMPTED_BYTE 16u

/* --- faults and emulation (fault.c) -------------------------------------------------------------
 */

/* One guest access to its end, with all the exits it takes. Result: M2dOpResult, M2D_OPR_NO: what
 * an awaiting load read is not @expect; the rest is in the actor's outcome. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint8_t kind; /* M2dAccKind */
	uint8_t size, user, cmpxchg;
	uint64_t gva, value, expect;
	uint64_t gpa; /* local */
	uint32_t error_code, tries;
	uint16_t retry; /* the last fault gave up to be retried */
	uint8_t await;  /* a load that wants @expect */
	uint8_t other;  /* local: it has read something else */
	uint32_t pad;
} m2d_guest_access_frame;
M2D_ROUTINE(m2d_guest_access);

/* What vendor code makes of the fault @out of an access: reason of the exit and #PF error code. */
M2dExitReason m2d_fault_exit_reason(const M2dOutcome *out);
uint32_t m2d_fault_error_code(const M2dOutcome *out);

/* kvm_mmu_page_fault() and what follows: result M2dFaultEnd. */
typedef enum {
	M2D_FAULT_AGAIN,    /* enter the guest and try again */
	M2D_FAULT_RETRY,    /* the same, and nothing was mapped: RET_PF_RETRY */
	M2D_FAULT_INJECTED, /* the guest has the fault: error code in the outcome's value */
	M2D_FAULT_DONE,     /* the instruction was emulated */
	M2D_FAULT_MMIO,
	M2D_FAULT_BAD, /* no way on: host memory is full or the access loops */
} M2dFaultEnd;
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t error_code;
	uint64_t address;
	/* The instruction, for the emulator. */
	uint8_t kind, size, user, cmpxchg;
	uint32_t ret; /* local */
	uint64_t gva, value, expect;
	uint64_t gpa; /* local */
} m2d_handle_page_fault_frame;
M2D_ROUTINE(m2d_handle_page_fault);

/* --- flushes of the guest (guest-flush.c, guest-cr.c) -------------------------------------------
 */

typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t type; /* INVPCID */
	uint64_t gva;
	uint32_t pcid;
	uint32_t kind; /* 0 INVLPG, 1 INVPCID */
} m2d_guest_invalidate_frame;
M2D_ROUTINE(m2d_guest_invalidate);

typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t cr; /* 0, 3, 4; 8: EFER */
	uint64_t value;
	uint32_t noflush, scope;
	uint64_t old;
	uint64_t gpa; /* local */
} m2d_guest_mov_cr_frame;
M2D_ROUTINE(m2d_guest_mov_cr);

/* The same with a direct MMU, in the guest. */
typedef m2d_guest_mov_cr_frame m2d_guest_mov_cr_direct_frame;
M2D_ROUTINE(m2d_guest_mov_cr_direct);

/* --- guest programs (vcpu-op.c, guest-ipi.c) ----------------------------------------------------
 */

/* One operation of a vCPU actor. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t result;
	uint64_t entry; /* set-pte: gva of the entry */
	M2dOp op;
} m2d_vcpu_op_frame;
M2D_ROUTINE(m2d_vcpu_op);

typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t action; /* M2dIpiAction */
	uint64_t gva;
	uint64_t targets;
} m2d_guest_send_ipi_frame;
M2D_ROUTINE(m2d_guest_send_ipi);

typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t pad;
} m2d_guest_await_acks_frame;
M2D_ROUTINE(m2d_guest_await_acks);

typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t target;
	uint64_t gva;
	uint64_t targets;
} m2d_guest_pv_flush_frame;
M2D_ROUTINE(m2d_guest_pv_flush);

typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t size;
	uint64_t gva, value;
} m2d_guest_await_frame;
M2D_ROUTINE(m2d_guest_await);

typedef enum {
	M2D_IPI_NOP,
	M2D_IPI_INVLPG,
	M2D_IPI_FLUSH,     /* of the current PCID: CR3 reloaded */
	M2D_IPI_FLUSH_ALL, /* global pages too: CR4.PGE toggled */
} M2dIpiAction;

/* m2d_guest_peek: what the guest would read at @gva now, without any effect; false: a fault. */
bool m2d_guest_peek(M2dVm *vm, unsigned vcpu, uint64_t gva, unsigned size, uint64_t *value);
