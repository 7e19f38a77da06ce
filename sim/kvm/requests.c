/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Service of requests on the way into the guest, and the steal-time page with its paravirtual
 * flush. Sources: x86.c vcpu_enter_guest(), kvm_service_local_tlb_flush_requests(),
 * kvm_vcpu_flush_tlb_guest(), record_steal_time(); b53e84eed08b.
 */
#include "sim/kvm/kvm-private.h"

M2D_ROUTINE(m2d_vcpu_service_request)
{
	m2d_vcpu_service_request_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	if (f->request == M2D_REQ_MMU_FREE_OBSOLETE_ROOTS) {
		M2D_CALL(rt, f, m2d_mmu_free_obsolete_roots, .vcpu = f->vcpu);
	} else if (f->request == M2D_REQ_MMU_SYNC) {
		M2D_CALL(rt, f, m2d_mmu_sync_roots, .vcpu = f->vcpu);
	} else if (f->request == M2D_REQ_LOAD_MMU_PGD) {
		/* The root is taken over at entry. */
	} else if (f->request == M2D_REQ_TLB_FLUSH) {
		m2d_flush_tlb_all(vm, f->vcpu);
		/* All includes the current context. */
		m2d_check_request(vm, f->vcpu, M2D_REQ_TLB_FLUSH_CURRENT);
	} else if (f->request == M2D_REQ_TLB_FLUSH_CURRENT) {
		m2d_flush_tlb_current(vm, f->vcpu);
	} else if (f->request == M2D_REQ_TLB_FLUSH_GUEST) {
		M2D_CALL(rt, f, m2d_vcpu_flush_tlb_guest, .vcpu = f->vcpu);
	} else if (f->request == M2D_REQ_STEAL_UPDATE && v->steal_gpa != 0) {
		M2D_CALL(rt, f, m2d_record_steal_time, .vcpu = f->vcpu);
	}
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_vcpu_flush_tlb_guest)
{
	m2d_vcpu_flush_tlb_guest_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	if (!vm->cfg.tdp && vm->cfg.knobs.pv_flush == M2D_PV_FLUSH_UNLOAD &&
	    M2D_OWES(vm, SYNC_PV)) {
		/* The load that follows syncs the root and flushes the hardware. */
		M2D_CALL(rt, f, m2d_mmu_unload, .vcpu = f->vcpu);
		M2D_RETURN(rt, f, 0);
	}
	if (!vm->cfg.tdp && vm->cfg.knobs.pv_flush == M2D_PV_FLUSH_SYNC && M2D_OWES(vm, SYNC_PV)) {
		M2D_CALL(rt, f, m2d_mmu_sync_roots, .vcpu = f->vcpu);
		M2D_CALL(rt, f, m2d_mmu_sync_prev_roots, .vcpu = f->vcpu);
	}
	if (M2D_OWES(vm, FLUSH_GUEST_HW))
		m2d_flush_tlb_guest(vm, f->vcpu);
	M2D_POINT(rt, f, FLUSHED_HW);
	M2D_END(rt, f);
}

static M2dGpa preempted_byte(const M2dKvmVcpu *v)
{
	return M2D_GPA(v->steal_gpa + M2D_STEAL_PREEMPTED_BYTE);
}

M2D_ROUTINE(m2d_record_steal_time)
{
	m2d_record_steal_time_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	uint64_t byte = 0;

	M2D_BEGIN(rt, f);
	m2d_vm_read_guest(vm, preempted_byte(v), 1, &byte);
	f->preempted = (uint32_t)byte;
	if (vm->cfg.knobs.preempted_atomic)
		m2d_vm_write_guest(vm, preempted_byte(v), 1, 0, true);
	M2D_POINT(rt, f, PREEMPTED_READ);
	m2d_emit(vm->ev, KVM_PV_TLB_FLUSH, (f->preempted & M2D_STEAL_FLUSH_TLB) != 0);
	if (f->preempted & M2D_STEAL_FLUSH_TLB && M2D_OWES(vm, FLUSH_PV))
		M2D_CALL(rt, f, m2d_vcpu_flush_tlb_guest, .vcpu = f->vcpu);
	if (!vm->cfg.knobs.preempted_atomic)
		m2d_vm_write_guest(vm, preempted_byte(v), 1, 0, true);
	M2D_END(rt, f);
}
