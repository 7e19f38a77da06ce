/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOV to CR0, CR3 and CR4 and WRMSR to EFER of a guest: on hardware with a direct MMU, emulated
 * under shadow paging.
 * Sources: x86.c kvm_set_cr0(), kvm_post_set_cr0(), kvm_set_cr3(), kvm_set_cr4(),
 * kvm_post_set_cr4(), set_efer(); before 5.18 every change of role bits reset the MMU and thereby
 * flushed (b5f61c035d49).
 */
#include "sim/kvm/kvm-private.h"

#define CR0_ROLE_BITS (M2D_CR0_PG | M2D_CR0_WP)
#define CR4_ROLE_BITS                                                                              \
	(M2D_CR4_PSE | M2D_CR4_PAE | M2D_CR4_LA57 | M2D_CR4_SMEP | M2D_CR4_SMAP | M2D_CR4_PKE)

/* What the flush of a control-register load covers; M2D_N_GF: it flushes nothing. */
static uint32_t flush_scope(const M2dVm *vm, const m2d_guest_mov_cr_frame *f)
{
	uint64_t changed = f->old ^ f->value;

	switch (f->cr) {
	case 0:
		return changed & M2D_CR0_PG ? M2D_GF_ALL : M2D_N_GF;
	case 3:
		return f->noflush ? M2D_N_GF : M2D_GF_PCID;
	case 4:
		if (changed & (M2D_CR4_PGE | M2D_CR4_PAE | M2D_CR4_PSE) ||
		    (changed & ~f->value & M2D_CR4_PCIDE))
			return M2D_GF_ALL;
		/* Only Intel's manual has SMEP among what flushes. */
		return changed & f->value & M2D_CR4_SMEP && !m2d_vm_amd(vm) ? M2D_GF_PCID
									    : M2D_N_GF;
	default:
		return M2D_N_GF;
	}
}

static uint64_t *reg(M2dRegs *r, uint32_t cr)
{
	return cr == 0 ? &r->cr0 : cr == 3 ? &r->cr3 : cr == 4 ? &r->cr4 : &r->efer;
}

static void load_pdptrs(M2dVm *vm, M2dKvmVcpu *v)
{
	bool pae = (v->regs.cr0 & M2D_CR0_PG) && (v->regs.cr4 & M2D_CR4_PAE) &&
		   !(v->regs.efer & M2D_EFER_LMA);

	for (unsigned i = 0; i < 4 && pae; i++) {
		uint64_t gpa = (v->regs.cr3 & 0xffffffe0) + 8 * (uint64_t)i, value = 0;

		m2d_vm_read_guest(vm, M2D_GPA(gpa), 8, &value);
		VM_PUT(vm, v->mmu.pdptrs[i], value);
		VM_PUT(vm, v->regs.pdpte[i], value);
	}
}

void m2d_kvm_set_regs(M2dVm *vm, unsigned vcpu, const M2dRegs *regs)
{
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	m2d_arena_write(vm->arena, &v->regs, regs, sizeof(*regs));
	load_pdptrs(vm, v);
	m2d_mmu_init_context(vm, v);
}

/* The instruction itself. M2D_INSN_PF: it loads PDPTEs and the second dimension has no page for
 * them: nothing changed. */
static M2dInsn on_hardware(M2dVm *vm, m2d_guest_mov_cr_frame *f)
{
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dVcpu *hw = m2d_vm_hw(vm, v);
	uint64_t value = f->value | (f->noflush ? M2D_CR3_NOFLUSH : 0);
	M2dInsn r;

	r = f->cr == 0   ? m2d_vcpu_mov_cr0(hw, value)
	    : f->cr == 3 ? m2d_vcpu_mov_cr3(hw, value)
	    : f->cr == 4 ? m2d_vcpu_mov_cr4(hw, value)
			 : m2d_vcpu_wrmsr_efer(hw, value);
	if (r != M2D_INSN_OK)
		return r;
	m2d_arena_write(vm->arena, &v->regs, m2d_vcpu_regs(hw), sizeof(M2dRegs));
	/* KVM reads registers that the guest owns when it walks the guest's tables. */
	load_pdptrs(vm, v);
	m2d_mmu_init_context(vm, v);
	return r;
}

/* With a direct MMU: exits only for the page of PDPTEs. */
M2D_ROUTINE(m2d_guest_mov_cr_direct)
{
	m2d_guest_mov_cr_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dInsn r;

	M2D_BEGIN(rt, f);
	f->scope = flush_scope(vm, f);
	while ((r = on_hardware(vm, f)) == M2D_INSN_PF) {
		f->gpa = m2d_vcpu_last(m2d_vm_hw(vm, v))->fault_gpa.v;
		m2d_vcpu_leave_guest(vm, f->vcpu, M2D_EXIT_NPF, f->gpa, 0);
		M2D_POINT(rt, f, EXITED);
		M2D_CALL(rt, f, m2d_handle_page_fault, .vcpu = f->vcpu, .address = f->gpa,
			 .kind = M2D_ACC_READ, .size = 8, .gva = f->gpa);
		if (m2d_rt_ret(rt) != M2D_FAULT_AGAIN && m2d_rt_ret(rt) != M2D_FAULT_RETRY)
			M2D_RETURN(rt, f, M2D_OPR_GP);
		M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
		if (!v->in_guest)
			M2D_RETURN(rt, f, M2D_OPR_FAILED);
	}
	if (r != M2D_INSN_OK)
		M2D_RETURN(rt, f, M2D_OPR_GP);
	/* Begun and done in one step, and only by the attempt that did not fault. */
	if (f->scope != M2D_N_GF) {
		m2d_emit(vm->ev, GUEST_FLUSH, f->scope, 0, v->regs.cr3 & M2D_CR3_PCID);
		m2d_emit(vm->ev, GUEST_FLUSH_DONE, f->scope, 0, v->regs.cr3 & M2D_CR3_PCID);
	}
	M2D_RETURN(rt, f, M2D_OPR_OK);
	M2D_END(rt, f);
}

static bool role_changes(const M2dVm *vm, const m2d_guest_mov_cr_frame *f)
{
	uint64_t changed = f->old ^ f->value, role = CR4_ROLE_BITS;

	if (f->cr == 0)
		return changed & CR0_ROLE_BITS;
	if (f->cr == 4) {
		if (!vm->cfg.knobs.role_smap_pke)
			role &= ~(M2D_CR4_SMAP | M2D_CR4_PKE);
		/* Until flushes were told apart from resets, a flush was a reset. */
		if (vm->cfg.knobs.control_flush == M2D_CONTROL_FLUSH_RESET)
			role |= M2D_CR4_PGE | (f->old & M2D_CR4_PCIDE);
		return changed & role;
	}
	return f->cr == 8 && (changed & (M2D_EFER_NXE | M2D_EFER_LMA));
}

/* The flush requests of kvm_post_set_cr0() and kvm_post_set_cr4(). */
static void request_flushes(M2dVm *vm, const m2d_guest_mov_cr_frame *f)
{
	uint64_t changed = f->old ^ f->value;

	if (vm->cfg.knobs.control_flush == M2D_CONTROL_FLUSH_RESET || !M2D_OWES(vm, SYNC_CR4))
		return;
	if (f->cr == 0 && (changed & M2D_CR0_PG) && !(f->value & M2D_CR0_PG))
		m2d_make_request(vm, f->vcpu, M2D_REQ_TLB_FLUSH_GUEST);
	if (f->cr != 4)
		return;
	if ((changed & M2D_CR4_PGE) || (changed & ~f->value & M2D_CR4_PCIDE))
		m2d_make_request(vm, f->vcpu, M2D_REQ_TLB_FLUSH_GUEST);
	else if ((changed & M2D_CR4_PAE) || (changed & f->value & M2D_CR4_SMEP))
		m2d_make_request(vm, f->vcpu, M2D_REQ_TLB_FLUSH_CURRENT);
}

static uint32_t pcid_of(const M2dKvmVcpu *v, uint64_t cr3)
{
	return v->regs.cr4 & M2D_CR4_PCIDE ? (uint32_t)(cr3 & M2D_CR3_PCID) : 0;
}

M2D_ROUTINE(m2d_guest_mov_cr)
{
	m2d_guest_mov_cr_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	if (!v->in_guest)
		M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
	if (!v->in_guest)
		M2D_RETURN(rt, f, M2D_OPR_FAILED);
	f->old = *reg(&v->regs, f->cr);
	if (vm->cfg.tdp && !vm->cfg.intercept) {
		M2D_CALL(rt, f, m2d_guest_mov_cr_direct, .vcpu = f->vcpu, .cr = f->cr,
			 .value = f->value, .noflush = f->noflush, .old = f->old);
		M2D_RETURN(rt, f, m2d_rt_ret(rt));
	}
	f->scope = flush_scope(vm, f);
	m2d_vcpu_leave_guest(vm, f->vcpu, f->cr == 8 ? M2D_EXIT_MSR : M2D_EXIT_CR, f->cr, f->value);
	m2d_emit(vm->ev, KVM_CR, 1, f->cr, f->value);
	if (f->scope != M2D_N_GF)
		m2d_emit(vm->ev, GUEST_FLUSH, f->scope, 0,
			 pcid_of(v, f->cr == 3 ? f->value : v->regs.cr3));
	M2D_POINT(rt, f, EXITED);
	if (f->cr == 3) {
		/* PAE tables are found through registers that every load reloads. */
		if (f->value != f->old ||
		    (v->regs.cr4 & M2D_CR4_PAE && !(v->regs.efer & M2D_EFER_LMA))) {
			VM_PUT(vm, v->regs.cr3, f->value);
			load_pdptrs(vm, v);
			M2D_CALL(rt, f, m2d_mmu_new_pgd, .vcpu = f->vcpu, .pgd = f->value);
		}
		if (!f->noflush)
			M2D_CALL(rt, f, m2d_invalidate_pcid, .vcpu = f->vcpu,
				 .pcid = pcid_of(v, f->value));
	} else {
		VM_PUT(vm, *reg(&v->regs, f->cr), f->value);
		load_pdptrs(vm, v);
		if (role_changes(vm, f))
			M2D_CALL(rt, f, m2d_mmu_reset_context, .vcpu = f->vcpu);
		/* A guest that begins to use PCIDs: roots were keyed without. */
		if (f->cr == 4 && (f->value & ~f->old & M2D_CR4_PCIDE))
			M2D_CALL(rt, f, m2d_mmu_unload, .vcpu = f->vcpu);
		request_flushes(vm, f);
	}
	M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
	if (f->scope != M2D_N_GF)
		m2d_emit(vm->ev, GUEST_FLUSH_DONE, f->scope, 0, pcid_of(v, v->regs.cr3));
	M2D_RETURN(rt, f, M2D_OPR_OK);
	M2D_END(rt, f);
}
