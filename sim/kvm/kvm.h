/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM: vCPU threads, the host's operations, and how to drive them. A VM made here has actors: vCPU
 * i is actor i, the host (userspace and the host kernel) is vm->host_actor. An actor does one
 * operation at a time:
 *
 *	m2d_kvm_start(vm, actor, &op)
 *	while (!m2d_kvm_idle(vm, actor)) m2d_kvm_step(vm, actor)	stepping
 *	m2d_kvm_run(vm, actor)					or straight
 *
 * A vCPU without an operation that is in the guest still takes interrupts: see
 * m2d_kvm_wants_step().
 *
 * Not modelled: nested guests, SMM entry, emulation of anything but the access that faulted.
 */
#pragma once

#include "sim/kvm/op.h"
#include "sim/shadow/shadow.h"
#include "sim/vm/vm.h"

/* m2d_kvm_new: a VM with its MMU and run loop in @world, which must outlive it. NULL with @error if
 * @config asks for what cannot be. Free with m2d_vm_free(). */
M2dVm *m2d_kvm_new(M2dWorld *world, const M2dVmConfig *config, GError **error);

/* m2d_kvm_set_regs: the registers that a vCPU starts with (KVM_SET_SREGS), before it has run. */
void m2d_kvm_set_regs(M2dVm *vm, unsigned vcpu, const M2dRegs *regs);

/* Where a guest's address spaces and their tables are: what set-pte and mov-cr3 need to know. */
typedef struct {
	uint64_t root_gpa;  /* of the top table */
	uint64_t root_bits; /* beside it in CR3 */
} M2dGuestSpace;

/* What the program that a guest runs relies on; fixed for a run, not simulated state. */
typedef struct {
	const M2dGuestSpace *space;
	unsigned n_spaces;
	uint64_t direct_map; /* gva at which the guest maps gpa 0 and so on, for its own tables */
	/* When pv-flush also flushes the vCPU that executes it; Linux 5.13 went from first to last
	 * (4ce94eabac16). */
	enum {
		M2D_LOCAL_FLUSH_NONE,
		M2D_LOCAL_FLUSH_FIRST,
		M2D_LOCAL_FLUSH_LAST,
	} local_flush;
} M2dGuestInfo;

/* How an operation ended. */
typedef enum {
	M2D_OPR_OK,
	M2D_OPR_PF,       /* the guest got a #PF; value: its error code */
	M2D_OPR_GP,       /* the guest got a #GP */
	M2D_OPR_MMIO,     /* emulated as MMIO in userspace */
	M2D_OPR_EMULATED, /* a store performed by KVM; value as of OK */
	M2D_OPR_FAILED,   /* the host refused; nothing changed */
	M2D_OPR_YES,      /* test-age, age: young */
	M2D_OPR_NO,
} M2dOpResult;

/* What is known of the operation an actor ended last; statistics, not state. */
typedef struct {
	M2dOpResult result;
	uint64_t value; /* read, or error code */
	uint64_t hpa;   /* accesses: where it went */
	bool has_hpa;
	M2dRetPf faults_ret; /* outcome of the last page fault KVM handled for it */
	unsigned faults;     /* page faults handled for it */
} M2dOpOutcome;

/* m2d_kvm_outcome: of @actor's last operation. */
const M2dOpOutcome *m2d_kvm_outcome(const M2dVm *vm, unsigned actor);
/* m2d_kvm_outcome_of: the same, of the operation under way: who rolls the world back puts it back,
 * too. All of it counts, padding included. */
M2dOpOutcome *m2d_kvm_outcome_of(M2dVm *vm, unsigned actor);

/* m2d_kvm_set_guest: @info must live as long as the VM. */
void m2d_kvm_set_guest(M2dVm *vm, const M2dGuestInfo *info);

/**
 * m2d_kvm_start: begin @op on @actor, which must be idle; except preempt and resume of a vCPU that
 * is in host code, which happen at once (the scheduler does not ask), and then return with nothing
 * begun. False with @error if the actor can't do it.
 */
bool m2d_kvm_start(M2dVm *vm, unsigned actor, const M2dOp *op, GError **error);

/* m2d_kvm_idle: no operation under way. */
static inline bool m2d_kvm_idle(const M2dVm *vm, unsigned actor)
{
	return m2d_rt_idle(vm->rt, actor);
}

/* m2d_kvm_wants_step: the actor's operation can go on, or it is an idle vCPU that has an interrupt
 * to take. */
bool m2d_kvm_wants_step(M2dVm *vm, unsigned actor);
/* m2d_kvm_step: one micro-step; true: the operation (or the interrupt) is through. */
bool m2d_kvm_step(M2dVm *vm, unsigned actor);
/* m2d_kvm_run: straight to the end of the operation. Others move only as far as it waits for them.
 */
void m2d_kvm_run(M2dVm *vm, unsigned actor);

/* m2d_kvm_interrupt: begin taking a pending interrupt on idle vCPU @actor. */
void m2d_kvm_interrupt(M2dVm *vm, unsigned actor);
