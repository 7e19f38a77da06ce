/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/kvm/drive.h"

#include <string.h>

#include "sim/kvm/kvm-private.h"
#include "sim/kvm/memory.h"
#include "sim/vm/srcu.h"

/* Run routine @name of @actor to its end with these arguments. */
#define RUN(vm, actor, name, ...)                                                                  \
	({                                                                                         \
		name##_frame run_frame_ = {.h = {0}, ##__VA_ARGS__};                               \
		m2d_clear_padding(&run_frame_);                                                    \
		m2d_rt_start((vm)->rt, (actor), M2D_R_##name, &run_frame_, sizeof(run_frame_));    \
		m2d_rt_run((vm)->rt, (actor));                                                     \
	})

bool m2d_kvm_enter(M2dVm *vm, unsigned vcpu)
{
	if (!vm->vcpu[vcpu]->in_guest)
		RUN(vm, vcpu, m2d_vcpu_enter_guest, .vcpu = vcpu);
	return vm->vcpu[vcpu]->in_guest;
}

void m2d_kvm_leave(M2dVm *vm, unsigned vcpu, uint64_t info)
{
	if (!vm->vcpu[vcpu]->in_guest)
		return;
	vm->ev->actor = (uint8_t)vcpu;
	m2d_vcpu_leave_guest(vm, vcpu, M2D_EXIT_OTHER, info, 0);
	m2d_srcu_unlock(vm, vcpu);
	vm->ev->actor = vm->ev->vcpu = M2D_NO_ACTOR;
}

M2dOpResult m2d_kvm_mov_cr(M2dVm *vm, unsigned vcpu, unsigned cr, uint64_t value, bool noflush)
{
	return (M2dOpResult)RUN(vm, vcpu, m2d_guest_mov_cr, .vcpu = vcpu, .cr = cr, .value = value,
				.noflush = noflush);
}

M2dOpResult m2d_kvm_invlpg(M2dVm *vm, unsigned vcpu, uint64_t gva)
{
	return (M2dOpResult)RUN(vm, vcpu, m2d_guest_invalidate, .vcpu = vcpu, .gva = gva);
}

M2dOpResult m2d_kvm_invpcid(M2dVm *vm, unsigned vcpu, unsigned type, uint32_t pcid, uint64_t gva)
{
	return (M2dOpResult)RUN(vm, vcpu, m2d_guest_invalidate, .vcpu = vcpu, .kind = 1,
				.type = type, .pcid = pcid, .gva = gva);
}

M2dOpResult m2d_kvm_fault(M2dVm *vm, unsigned vcpu, const M2dOutcome *out, const M2dKvmInsn *insn)
{
	static const M2dOpResult results[] = {
		[M2D_FAULT_AGAIN] = M2D_OPR_OK,    [M2D_FAULT_RETRY] = M2D_OPR_OK,
		[M2D_FAULT_INJECTED] = M2D_OPR_PF, [M2D_FAULT_DONE] = M2D_OPR_EMULATED,
		[M2D_FAULT_MMIO] = M2D_OPR_MMIO,   [M2D_FAULT_BAD] = M2D_OPR_FAILED,
	};
	M2dOpOutcome *o = &m2d_kvm(vm)->outcome[vcpu];
	uint32_t code = m2d_fault_error_code(out);
	uint64_t address = out->kind == M2D_OUT_PF ? out->cr2.v : out->fault_gpa.v;
	M2dOpResult result;

	memset(o, 0, sizeof(*o));
	if (out->kind == M2D_OUT_GP)
		return M2D_OPR_GP;
	if (out->kind == M2D_OUT_PF && vm->cfg.tdp)
		return M2D_OPR_PF;
	vm->ev->actor = (uint8_t)vcpu;
	m2d_vcpu_leave_guest(vm, vcpu, m2d_fault_exit_reason(out), address, code);
	result = results[RUN(vm, vcpu, m2d_handle_page_fault, .vcpu = vcpu, .error_code = code,
			     .address = address, .kind = insn->kind, .size = (uint8_t)insn->size,
			     .user = insn->user, .gva = insn->gva, .value = insn->value)];
	return m2d_kvm_enter(vm, vcpu) ? result : M2D_OPR_FAILED;
}

void m2d_kvm_unmap_pages(M2dVm *vm, uint64_t start, uint64_t n)
{
	RUN(vm, vm->host_actor, m2d_host_munmap, .start = start, .n = n);
}
