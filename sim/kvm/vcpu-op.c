/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One operation of a vCPU actor: the guest's instruction or what its thread does. */
#include "sim/kvm/kvm-private.h"

#include "sim/guest/guest.h"
#include "sim/vm/srcu.h"

/* Arguments of set-pte, in the order of op.def. */
enum {
	PTE_GVA,
	PTE_GPT,
	PTE_LEVEL,
	PTE_GPA,
	PTE_RIGHTS,
	PTE_VALUE,
	PTE_CLEAR
};

/* The one that CR3 points at. */
#define CURRENT_SPACE UINT64_MAX

/* Guest-physical address of the entry for @gva at @level in address space @gpt; false if the tables
 * do not reach down to there. What the guest's kernel knows by walking its own tables. */
static bool find_entry(M2dVm *vm, const M2dKvmVcpu *v, uint64_t gpt, uint64_t gva, unsigned level,
		       uint64_t *gpa)
{
	const M2dGuestInfo *g = m2d_kvm(vm)->guest;
	const M2dPteFormat *fmt = &v->mmu.gfmt;
	uint64_t table, entry = 0;

	if (g == NULL || fmt->levels == 0)
		return false;
	if (gpt == CURRENT_SPACE)
		table = m2d_guest_root(fmt, &v->regs, vm->cfg.guest_maxphyaddr);
	else if (gpt < g->n_spaces)
		table = g->space[gpt].root_gpa;
	else
		return false;
	for (unsigned l = fmt->levels;; l--) {
		*gpa = table + m2d_pte_index_offset(fmt, l, gva);
		if (l == level)
			return true;
		if (!m2d_vm_read_guest(vm, M2D_GPA(*gpa), 1u << fmt->entry_shift, &entry) ||
		    m2d_pte_classify(fmt, l, entry) != M2D_PTE_TABLE)
			return false;
		table = entry & fmt->frame_mask;
	}
}

/* The entry that set-pte stores: what it names is replaced, the rest stays (pte_modify()). */
static uint64_t new_entry(const M2dKvmVcpu *v, const M2dOp *op, uint64_t old)
{
	const M2dPteFormat *fmt = &v->mmu.gfmt;
	uint64_t e = old, r = op->arg[PTE_RIGHTS];

	if (op->given >> PTE_VALUE & 1)
		return op->arg[PTE_VALUE];
	if (op->arg[PTE_CLEAR])
		return 0;
	if (op->given >> PTE_GPA & 1)
		e = (e & ~fmt->frame_mask) | (op->arg[PTE_GPA] & fmt->frame_mask) | M2D_PTE_P;
	if (op->given >> PTE_RIGHTS & 1) {
		e &= ~(M2D_PTE_RW | M2D_PTE_US | M2D_PTE_G | M2D_PTE_NX | M2D_PTE_P);
		e |= (r & M2D_OP_RIGHT_R ? M2D_PTE_P : 0) | (r & M2D_OP_RIGHT_W ? M2D_PTE_RW : 0) |
		     (r & M2D_OP_RIGHT_U ? M2D_PTE_US : 0) | (r & M2D_OP_RIGHT_G ? M2D_PTE_G : 0);
		if (!(r & M2D_OP_RIGHT_X) && (v->regs.efer & M2D_EFER_NXE) && fmt->entry_shift == 3)
			e |= M2D_PTE_NX;
	}
	return e;
}

static uint64_t register_bits(uint64_t old, const M2dOp *op)
{
	return (old | op->arg[0]) & ~op->arg[1];
}

/* Arguments of an access into the frame of its routine are in the order gva, then the rest. */
M2D_ROUTINE(m2d_vcpu_op)
{
	m2d_vcpu_op_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	const uint64_t *a = f->op.arg;
	const M2dGuestInfo *g = m2d_kvm(vm)->guest;
	uint64_t old = 0, cr3;

	M2D_BEGIN(rt, f);
	f->result = M2D_OPR_OK;
	/* Interrupts are taken between instructions. */
	if ((v->in_guest && v->kicks != 0) || (v->ipis != 0 && v->loaded))
		M2D_CALL(rt, f, m2d_vcpu_take_interrupts, .vcpu = f->vcpu);
	if (f->op.kind == M2D_OP_READ) {
		M2D_CALL(rt, f, m2d_guest_access, .vcpu = f->vcpu, .kind = M2D_ACC_READ,
			 .gva = a[0], .size = (uint8_t)a[1], .user = (uint8_t)a[2]);
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_WRITE) {
		M2D_CALL(rt, f, m2d_guest_access, .vcpu = f->vcpu, .kind = M2D_ACC_WRITE,
			 .gva = a[0], .value = a[1], .size = (uint8_t)a[2], .user = (uint8_t)a[3]);
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_FETCH) {
		M2D_CALL(rt, f, m2d_guest_access, .vcpu = f->vcpu, .kind = M2D_ACC_FETCH,
			 .gva = a[0], .size = 1, .user = (uint8_t)a[1]);
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_CMPXCHG) {
		M2D_CALL(rt, f, m2d_guest_access, .vcpu = f->vcpu, .kind = M2D_ACC_WRITE,
			 .cmpxchg = 1, .gva = a[0], .expect = a[1], .value = a[2],
			 .size = (uint8_t)a[3]);
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_SET_PTE) {
		if (!find_entry(vm, v, f->op.given >> PTE_GPT & 1 ? a[PTE_GPT] : CURRENT_SPACE,
				a[PTE_GVA], (unsigned)a[PTE_LEVEL], &f->entry)) {
			f->result = M2D_OPR_FAILED;
		} else {
			m2d_vm_read_guest(vm, M2D_GPA(f->entry), 1u << v->mmu.gfmt.entry_shift,
					  &old);
			M2D_CALL(rt, f, m2d_guest_access, .vcpu = f->vcpu, .kind = M2D_ACC_WRITE,
				 .gva = g->direct_map + f->entry,
				 .value = new_entry(v, &f->op, old),
				 .size = (uint8_t)(1u << v->mmu.gfmt.entry_shift));
			f->result = (uint32_t)m2d_rt_ret(rt);
		}
	} else if (f->op.kind == M2D_OP_INVLPG) {
		M2D_CALL(rt, f, m2d_guest_invalidate, .vcpu = f->vcpu, .gva = a[0]);
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_INVPCID) {
		M2D_CALL(rt, f, m2d_guest_invalidate, .vcpu = f->vcpu, .kind = 1,
			 .type = (uint32_t)a[0], .pcid = (uint32_t)a[1], .gva = a[2]);
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_MOV_CR3) {
		cr3 = g != NULL && a[0] < g->n_spaces
			      ? g->space[a[0]].root_gpa | g->space[a[0]].root_bits
			      : v->regs.cr3;
		if (v->regs.cr4 & M2D_CR4_PCIDE)
			cr3 = (cr3 & ~M2D_CR3_PCID) | (a[1] & M2D_CR3_PCID);
		M2D_CALL(rt, f, m2d_guest_mov_cr, .vcpu = f->vcpu, .cr = 3, .value = cr3,
			 .noflush = a[2] != 0 && (v->regs.cr4 & M2D_CR4_PCIDE));
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_MOV_CR0) {
		M2D_CALL(rt, f, m2d_guest_mov_cr, .vcpu = f->vcpu, .cr = 0,
			 .value = register_bits(v->regs.cr0, &f->op));
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_MOV_CR4) {
		M2D_CALL(rt, f, m2d_guest_mov_cr, .vcpu = f->vcpu, .cr = 4,
			 .value = register_bits(v->regs.cr4, &f->op));
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_WRMSR_EFER) {
		M2D_CALL(rt, f, m2d_guest_mov_cr, .vcpu = f->vcpu, .cr = 8,
			 .value = register_bits(v->regs.efer, &f->op));
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_IPI) {
		M2D_CALL(rt, f, m2d_guest_send_ipi, .vcpu = f->vcpu, .targets = a[0],
			 .action = (uint32_t)a[1], .gva = a[2]);
	} else if (f->op.kind == M2D_OP_AWAIT_ACKS) {
		M2D_CALL(rt, f, m2d_guest_await_acks, .vcpu = f->vcpu);
	} else if (f->op.kind == M2D_OP_PV_FLUSH) {
		M2D_CALL(rt, f, m2d_guest_pv_flush, .vcpu = f->vcpu, .targets = a[0], .gva = a[1]);
	} else if (f->op.kind == M2D_OP_AWAIT) {
		M2D_CALL(rt, f, m2d_guest_await, .vcpu = f->vcpu, .gva = a[0], .value = a[1],
			 .size = (uint32_t)a[2]);
		f->result = (uint32_t)m2d_rt_ret(rt);
	} else if (f->op.kind == M2D_OP_ENTER) {
		VM_PUT(vm, v->bad_state, a[0] != 0);
		if (!v->in_guest)
			M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
		VM_PUT(vm, v->bad_state, 0);
		f->result = v->in_guest ? M2D_OPR_OK : M2D_OPR_FAILED;
	} else if (f->op.kind == M2D_OP_EXIT) {
		m2d_vcpu_leave_guest(vm, f->vcpu, M2D_EXIT_USERSPACE, 0, 0);
		m2d_emit(vm->ev, KVM_USERSPACE_EXIT, 0);
		M2D_POINT(rt, f, EXITED);
	} else if (f->op.kind == M2D_OP_SMM) {
		/* kvm_smm_changed() */
		m2d_vcpu_leave_guest(vm, f->vcpu, M2D_EXIT_OTHER, 0, 0);
		VM_PUT(vm, v->smm, a[0] == 0);
		M2D_CALL(rt, f, m2d_mmu_reset_context, .vcpu = f->vcpu);
	} else if (f->op.kind == M2D_OP_PREEMPT) {
		m2d_vcpu_sched_out(vm, f->vcpu, true);
		M2D_POINT(rt, f, PREEMPTED);
	} else if (f->op.kind == M2D_OP_RESUME) {
		m2d_vcpu_sched_in(vm, f->vcpu, f->op.given & 1 ? (unsigned)a[0] : v->pcpu);
		M2D_POINT(rt, f, RESUMED);
		M2D_CALL(rt, f, m2d_vcpu_enter_guest, .vcpu = f->vcpu);
		f->result = v->in_guest ? M2D_OPR_OK : M2D_OPR_FAILED;
	}
	if (!v->in_guest)
		m2d_srcu_unlock(vm, f->vcpu);
	m2d_kvm(vm)->outcome[rt->current].result = (M2dOpResult)f->result;
	m2d_emit(vm->ev, OP_DONE, f->op.kind, f->result, m2d_kvm(vm)->outcome[rt->current].value);
	M2D_END(rt, f);
}
