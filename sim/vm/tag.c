/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ASIDs, VPIDs and the vendors' local flushes.
 *
 * AMD: ASIDs are numbered per pCPU; when they run out a new generation starts and the next VMRUN
 * flushes all of them. A vCPU keeps its ASID while generation and pCPU stay. Flushing it is
 * TLB_CONTROL at the next VMRUN, or without FLUSHBYASID a new ASID.
 * Intel: a VPID belongs to a vCPU for life; a vCPU that comes to another pCPU flushes there.
 * Sources: svm.c new_asid(), pre_svm_run(), svm_flush_tlb_asid(); vmx.c vmx_vcpu_load_vmcs(),
 * vmx_flush_tlb_all() and its neighbours.
 */
#include "sim/vm/request.h"
#include "sim/vm/tag.h"

#define TLB_CONTROL_FLUSH_ALL_ASID 1
#define TLB_CONTROL_FLUSH_ASID     3

static void flush_asid(M2dVm *vm, M2dKvmVcpu *v)
{
	m2d_emit(vm->ev, FN_SVM_FLUSH_ASID, 0);
	if (!vm->cfg.flush_by_asid)
		VM_PUT(vm, v->asid_generation, 0);
	else if (v->tlb_ctl == 0)
		VM_PUT(vm, v->tlb_ctl, TLB_CONTROL_FLUSH_ASID);
}

static void new_asid(M2dVm *vm, M2dKvmVcpu *v)
{
	uint32_t *next = &vm->s->next_asid[v->pcpu];
	uint64_t *generation = &vm->s->asid_generation[v->pcpu];

	if (*next >= vm->cfg.n_asids) {
		VM_PUT(vm, *generation, *generation + 1);
		VM_PUT(vm, *next, 1);
		if (M2D_OWES(vm, FLUSH_ASID_WRAP))
			VM_PUT(vm, v->tlb_ctl, TLB_CONTROL_FLUSH_ALL_ASID);
	}
	VM_PUT(vm, v->asid_generation, *generation);
	VM_PUT(vm, v->asid, *next);
	VM_PUT(vm, *next, *next + 1);
	m2d_emit(vm->ev, TAG_ASSIGNED, v->asid, *generation, v->pcpu);
}

void m2d_tag_before_entry(M2dVm *vm, unsigned vcpu)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	if (!m2d_vm_amd(vm))
		return;
	if (v->vmcb_pcpu != v->pcpu + 1) {
		if (M2D_OWES(vm, FLUSH_MIGRATE) || v->asid == 0)
			VM_PUT(vm, v->asid_generation, 0);
		VM_PUT(vm, v->vmcb_pcpu, v->pcpu + 1);
	}
	if (v->asid_generation != vm->s->asid_generation[v->pcpu] &&
	    (M2D_OWES(vm, FLUSH_MIGRATE) || v->asid_generation == 0))
		new_asid(vm, v);
}

void m2d_tag_sched_in(M2dVm *vm, unsigned vcpu)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	if (m2d_vm_amd(vm) || v->vmcb_pcpu == v->pcpu + 1)
		return;
	VM_PUT(vm, v->vmcb_pcpu, v->pcpu + 1);
	if (M2D_OWES(vm, FLUSH_MIGRATE))
		m2d_make_request(vm, vcpu, M2D_REQ_TLB_FLUSH);
}

void m2d_tag_pcpu_offline(M2dVm *vm, unsigned pcpu)
{
	/* svm_cpu_init() of old ran again when the CPU came back. */
	if (!vm->cfg.knobs.asid_generation_kept)
		VM_PUT(vm, vm->s->asid_generation[pcpu], 1);
	else
		VM_PUT(vm, vm->s->asid_generation[pcpu], vm->s->asid_generation[pcpu] + 1);
	VM_PUT(vm, vm->s->next_asid[pcpu], vm->cfg.n_asids);
}

uint64_t m2d_vm_eptp(const M2dVm *vm, const M2dKvmVcpu *v)
{
	return v->mmu.root_hpa | 6 | M2D_EPTP_WALK(v->mmu.root_level) |
	       (vm->cfg.ept_ad ? M2D_EPTP_AD : 0);
}

static void invvpid(M2dVm *vm, M2dKvmVcpu *v)
{
	if (v->vpid != 0)
		m2d_vcpu_invvpid(m2d_vm_hw(vm, v), 1, v->vpid, M2D_GVA(0));
}

void m2d_flush_tlb_all(M2dVm *vm, unsigned vcpu)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	m2d_emit(vm->ev, FLUSH_HW, 0, 0);
	if (m2d_vm_amd(vm))
		flush_asid(vm, v);
	else if (vm->cfg.tdp)
		m2d_vcpu_invept(m2d_vm_hw(vm, v), 2, 0);
	else if (v->vpid != 0)
		m2d_vcpu_invvpid(m2d_vm_hw(vm, v), 2, 0, M2D_GVA(0));
}

void m2d_flush_tlb_current(M2dVm *vm, unsigned vcpu)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	m2d_emit(vm->ev, FLUSH_HW, 1, 0);
	if (m2d_vm_amd(vm))
		flush_asid(vm, v);
	else if (v->mmu.root_hpa == 0)
		return; /* the load of a root flushes */
	else if (vm->cfg.tdp)
		m2d_vcpu_invept(m2d_vm_hw(vm, v), 1, m2d_vm_eptp(vm, v));
	else
		invvpid(vm, v);
}

void m2d_flush_tlb_guest(M2dVm *vm, unsigned vcpu)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	m2d_emit(vm->ev, FLUSH_HW, 2, 0);
	if (m2d_vm_amd(vm))
		flush_asid(vm, v);
	else
		invvpid(vm, v);
}

void m2d_flush_tlb_gva(M2dVm *vm, unsigned vcpu, M2dGva gva)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	m2d_emit(vm->ev, FLUSH_HW, 3, gva.v);
	if (m2d_vm_amd(vm))
		m2d_vcpu_invlpga(m2d_vm_hw(vm, v), gva, v->asid);
	else if (v->vpid != 0)
		m2d_vcpu_invvpid(m2d_vm_hw(vm, v), 0, v->vpid, gva);
}
