/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page faults, up to where the tables are changed: whose fault it is, which frame is behind the
 * gfn, whether all of that still holds once mmu_lock is taken.
 * Sources: arch/x86/kvm/mmu/mmu.c kvm_faultin_pfn(), is_page_fault_stale(), direct_page_fault();
 * paging_tmpl.h FNAME(page_fault).
 */
#include "sim/guest/guest.h"
#include "sim/shadow/routines.h"

static M2dPageFault *fault_of(const M2dVm *vm, unsigned vcpu)
{
	return &m2d_shadow(vm)->fault[vcpu];
}

static void begin_fault(M2dVm *vm, const m2d_mmu_page_fault_frame *f)
{
	uint32_t code = f->error_code;
	M2dPageFault fault = {
		.addr = f->address,
		.gfn = f->address >> 12,
		.error_code = code,
		.write = (code & M2D_PFEC_W) != 0,
		.exec = (code & M2D_PFEC_ID) != 0,
		.user = (code & M2D_PFEC_U) != 0,
		.present = code & M2D_PFEC_P,
		.rsvd = (code & M2D_PFEC_RSVD) != 0,
		.max_level = (uint8_t)m2d_largest_level(vm),
		.goal_level = 1,
	};

	m2d_arena_write(vm->arena, fault_of(vm, f->vcpu), &fault, sizeof(fault));
	m2d_mmu_forget_fault(vm, f->vcpu);
}

static void end_fault(M2dVm *vm, const m2d_mmu_page_fault_frame *f)
{
	static const M2dPageFault none;

	m2d_arena_write(vm->arena, fault_of(vm, f->vcpu), &none, sizeof(none));
}

/* mmu_invalidate_retry() in the scope that the kernel uses. */
static bool invalidate_retry(const M2dVm *vm, const M2dPageFault *fault)
{
	const M2dVmState *s = vm->s;
	uint64_t where;

	if (!M2D_OWES(vm, RETRY_NOTIFIER))
		return false;
	if (s->mmu_invalidate_seq != fault->seq)
		return true;
	if (!s->mmu_invalidate_in_progress)
		return false;
	if (vm->cfg.knobs.retry_scope == M2D_RETRY_SCOPE_ALL)
		return true;
	where = vm->cfg.knobs.retry_scope == M2D_RETRY_SCOPE_HVA ? fault->hva : fault->gfn;
	return where >= s->mmu_invalidate_start && where < s->mmu_invalidate_end;
}

bool m2d_mmu_must_retry(const M2dVm *vm, unsigned vcpu, uint64_t gfn)
{
	unsigned as = m2d_role_as(vm->vcpu[vcpu]->mmu.root_role);
	const M2dMemslot *slot = m2d_gfn_to_slot(vm, as, gfn);
	M2dPageFault fault = {.gfn = gfn, .seq = vm->s->mmu_invalidate_seq};

	if (slot == NULL)
		return false;
	fault.hva = m2d_slot_hva(slot, gfn);
	if (slot->flags & M2D_SLOT_INVALID)
		return vm->cfg.knobs.invalid_slot_retry && M2D_OWES(vm, RETRY_INVALID_SLOT);
	return invalidate_retry(vm, &fault);
}

static bool is_stale(const M2dVm *vm, const M2dKvmVcpu *v, const M2dPageFault *fault)
{
	M2dSpIndex root = v->mmu.root.sp;

	if (root == 0)
		return true;
	if (root == M2D_ROOT_PAE || root == M2D_ROOT_DUMMY) {
		/* Nothing tells whether such a root is obsolete; the request says it may be. */
		if (M2D_OWES(vm, RETRY_STALE) && v->requests >> M2D_REQ_MMU_FREE_OBSOLETE_ROOTS & 1)
			return true;
	} else if (M2D_OWES(vm, RETRY_STALE) && m2d_sp_obsolete(vm, m2d_sp(vm, root))) {
		return true;
	}
	return fault->slot != 0 && invalidate_retry(vm, fault);
}

/* No memory: the access is emulated, and an SPTE will say so. */
static int noslot(M2dVm *vm, unsigned vcpu, unsigned access)
{
	M2dPageFault *fault = fault_of(vm, vcpu);
	M2dKvmVcpu *v = vm->vcpu[vcpu];

	m2d_cache_mmio(vm, v, vm->cfg.tdp ? 0 : fault->addr, fault->gfn,
		       access & (unsigned)vm->fmt.mmio_access);
	VM_PUT(vm, fault->slot, 0);
	VM_PUT(vm, fault->pfn, 0);
	VM_PUT(vm, fault->map_writable, 0);
	return m2d_spte_can_mmio(&vm->fmt) ? M2D_RET_PF_CONTINUE : M2D_RET_PF_EMULATE;
}

/* What can be said before the host is asked. */
static int check_slot(M2dVm *vm, unsigned vcpu, unsigned access)
{
	M2dPageFault *fault = fault_of(vm, vcpu);

	VM_PUT(vm, fault->seq, vm->s->mmu_invalidate_seq);
	if (fault->slot == 0)
		return noslot(vm, vcpu, access);
	if (fault->slot_flags & M2D_SLOT_INVALID) {
		/* Its SPTEs must be gone before one says that there is nothing. */
		if (vm->cfg.knobs.invalid_slot_retry && M2D_OWES(vm, RETRY_INVALID_SLOT))
			return M2D_RET_PF_RETRY;
		return noslot(vm, vcpu, access);
	}
	if (vm->cfg.knobs.retry_scope == M2D_RETRY_SCOPE_GFN_PRE && invalidate_retry(vm, fault))
		return M2D_RET_PF_RETRY;
	return M2D_RET_PF_CONTINUE;
}

static int get_pfn(M2dVm *vm, unsigned vcpu)
{
	M2dPageFault *fault = fault_of(vm, vcpu);
	uint64_t pfn;
	bool writable;

	if (fault->write && (fault->slot_flags & M2D_SLOT_READONLY))
		return M2D_RET_PF_EMULATE;
	if (!m2d_hostmm_get(vm, fault->hva, fault->write, &pfn, &writable))
		return M2D_RET_PF_EMULATE;
	VM_PUT(vm, fault->pfn, pfn);
	VM_PUT(vm, fault->map_writable, writable && !(fault->slot_flags & M2D_SLOT_READONLY));
	return M2D_RET_PF_CONTINUE;
}

M2D_ROUTINE(m2d_mmu_faultin_pfn)
{
	m2d_mmu_faultin_pfn_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dPageFault *fault = fault_of(vm, f->vcpu);
	int ret;

	M2D_BEGIN(rt, f);
	M2D_FINE(rt, f, SLOT_FOUND);
	f->ret = check_slot(vm, f->vcpu, f->access);
	M2D_POINT(rt, f, SEQ_READ);
	if (f->ret != M2D_RET_PF_CONTINUE || fault->slot == 0)
		M2D_RETURN(rt, f, f->ret);
	ret = get_pfn(vm, f->vcpu);
	if (ret != M2D_RET_PF_CONTINUE)
		M2D_RETURN(rt, f, ret);
	M2D_POINT(rt, f, PFN_READ);
	if (vm->cfg.knobs.retry_scope == M2D_RETRY_SCOPE_GFN_PRE && invalidate_retry(vm, fault))
		M2D_RETURN(rt, f, M2D_RET_PF_RETRY);
	M2D_RETURN(rt, f, M2D_RET_PF_CONTINUE);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_map_fault)
{
	m2d_mmu_map_fault_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	f->ret = M2D_RET_PF_RETRY;
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	M2D_POINT(rt, f, FAULT_LOCKED);
	f->go_on = 1;
	/* Making room may zap what the check has found good. */
	if (vm->cfg.knobs.reclaim_first) {
		M2D_CALL(rt, f, m2d_mmu_make_available);
		f->go_on = m2d_rt_ret(rt) != 0;
	}
	if (f->go_on)
		f->go_on = !is_stale(vm, v, fault_of(vm, f->vcpu));
	if (f->go_on && !vm->cfg.knobs.reclaim_first) {
		M2D_CALL(rt, f, m2d_mmu_make_available);
		f->go_on = m2d_rt_ret(rt) != 0;
	}
	if (f->go_on) {
		M2D_POINT(rt, f, FAULT_CHECKED);
		if (v->mmu.root_role & M2D_ROLE_DIRECT)
			M2D_CALL(rt, f, m2d_mmu_direct_map, .vcpu = f->vcpu,
				 .access = M2D_SPTE_ACC_ALL);
		else
			M2D_CALL(rt, f, m2d_mmu_fetch, .vcpu = f->vcpu);
		f->ret = (int32_t)m2d_rt_ret(rt);
	}
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_POINT(rt, f, MAPPED);
	M2D_RETURN(rt, f, f->ret);
	M2D_END(rt, f);
}

/* A write to a page that must not become writable: no need to look further. */
static bool handle_page_track(const M2dVm *vm, const M2dPageFault *fault)
{
	if (fault->rsvd || !fault->present || !fault->write)
		return false;
	return m2d_gfn_write_tracked(vm, m2d_slot_of_word(vm, fault->slot), fault->gfn) &&
	       M2D_OWES(vm, WRPROT_UPPER) && M2D_OWES(vm, WRPROT_TRACKED);
}

static void clear_flood(M2dVm *vm, const M2dKvmVcpu *v, uint64_t addr)
{
	M2dShadowWalk it;

	m2d_shadow_walk_init(vm, v, v->mmu.root.sp, addr, &it);
	for (; it.level != 0; m2d_shadow_walk_next(vm, &it, m2d_spte_read(vm, it.sptep)))
		m2d_sp_clear_flooding(vm, it.sp);
}

static void find_slot(M2dVm *vm, const M2dKvmVcpu *v, M2dPageFault *fault, uint64_t gfn)
{
	unsigned as = m2d_role_as(v->mmu.root_role);

	const M2dMemslot *slot = m2d_gfn_to_slot(vm, as, gfn);

	VM_PUT(vm, fault->gfn, gfn);
	VM_PUT(vm, fault->slot, m2d_slot_word(slot));
	VM_PUT(vm, fault->slot_flags, slot != NULL ? slot->flags : 0);
	VM_PUT(vm, fault->hva, slot != NULL ? m2d_slot_hva(slot, gfn) : 0);
}

/* The guest's walk is done: what follows from it for the mapping. */
static void use_walk(M2dVm *vm, unsigned vcpu)
{
	M2dPageFault *fault = fault_of(vm, vcpu);
	M2dGuestWalk *w = m2d_mmu_last_fault(vm, vcpu);

	VM_PUT(vm, fault->max_level, MIN(w->level, m2d_largest_level(vm)));
	for (unsigned level = w->level; level <= M2D_MAX_LEVELS; level++) {
		if ((w->pte[level - 1] & M2D_PTE_P) && w->pte_gpa[level - 1] >> 12 == fault->gfn)
			VM_PUT(vm, w->write_to_spt, 1);
	}
}

/* With CR0.WP clear the supervisor writes to read-only pages: such a page is mapped writable for
 * the supervisor alone until a user access faults. */
static void emulate_wp0(M2dVm *vm, const M2dKvmVcpu *v, unsigned vcpu)
{
	const M2dPageFault *fault = fault_of(vm, vcpu);
	M2dGuestWalk *w = m2d_mmu_last_fault(vm, vcpu);
	unsigned access = w->access;

	if (!fault->write || fault->user || fault->slot == 0 || (access & M2D_SPTE_ACC_WRITE) ||
	    (v->mmu.cpu_role & M2D_ROLE_CR0_WP))
		return;
	access |= M2D_SPTE_ACC_WRITE;
	access &= ~(unsigned)M2D_SPTE_ACC_USER;
	if (v->mmu.ext_role & M2D_EXT_CR4_SMEP)
		access &= ~(unsigned)M2D_SPTE_ACC_EXEC;
	VM_PUT(vm, w->access, access);
}

/* kvm_inject_emulated_page_fault(): a fault makes hardware drop what it has cached of the address,
 * and the guest may rely on that. */
static bool invalidates(const M2dVm *vm, const M2dKvmVcpu *v, const M2dPageFault *fault,
			const M2dGuestWalk *w)
{
	return vm->cfg.knobs.inject_sync && (w->error_code & M2D_PFEC_P) &&
	       !(w->error_code & M2D_PFEC_RSVD) && m2d_guest_canonical(&v->mmu.gfmt, fault->addr);
}

M2D_ROUTINE(m2d_mmu_paging_fault)
{
	m2d_mmu_paging_fault_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dPageFault *fault = fault_of(vm, f->vcpu);
	M2dGuestWalk *w = m2d_mmu_last_fault(vm, f->vcpu);

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_mmu_walk_addr, .vcpu = f->vcpu, .gva = fault->addr,
		 .access = fault->error_code & ~M2D_PFEC_RSVD);
	if (!m2d_rt_ret(rt)) {
		if (invalidates(vm, v, fault, w)) {
			if (M2D_OWES(vm, FLUSH_INVLPG_HW))
				m2d_flush_tlb_gva(vm, f->vcpu, (M2dGva){fault->addr});
			if (M2D_OWES(vm, SYNC_INVLPG))
				M2D_CALL(rt, f, m2d_mmu_invalidate_addr, .vcpu = f->vcpu,
					 .gva = fault->addr, .root = v->mmu.root.sp);
		}
		M2D_RETURN(rt, f, M2D_RET_PF_INJECT);
	}
	find_slot(vm, v, fault, w->gpa >> 12);
	M2D_POINT(rt, f, GUEST_WALKED);
	use_walk(vm, f->vcpu);
	if (handle_page_track(vm, fault)) {
		clear_flood(vm, v, fault->addr);
		M2D_RETURN(rt, f, M2D_RET_PF_WRITE_PROTECTED);
	}
	M2D_CALL(rt, f, m2d_mmu_faultin_pfn, .vcpu = f->vcpu, .access = w->access);
	if (m2d_rt_ret(rt) != M2D_RET_PF_CONTINUE)
		M2D_RETURN(rt, f, m2d_rt_ret(rt));
	emulate_wp0(vm, v, f->vcpu);
	M2D_CALL(rt, f, m2d_mmu_map_fault, .vcpu = f->vcpu);
	M2D_RETURN(rt, f, m2d_rt_ret(rt));
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_direct_fault)
{
	m2d_mmu_direct_fault_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dPageFault *fault = fault_of(vm, f->vcpu);
	M2dGuestWalk *w = m2d_mmu_last_fault(vm, f->vcpu);

	M2D_BEGIN(rt, f);
	VM_PUT(vm, w->gpa, fault->addr);
	find_slot(vm, v, fault, fault->gfn);
	if (v->mmu.root.sp == M2D_ROOT_PAE)
		VM_PUT(vm, fault->max_level, MIN(fault->max_level, 2));
	if (handle_page_track(vm, fault))
		M2D_RETURN(rt, f, M2D_RET_PF_WRITE_PROTECTED);
	M2D_CALL(rt, f, m2d_mmu_fast_fault, .vcpu = f->vcpu);
	if (m2d_rt_ret(rt) != M2D_RET_PF_INVALID)
		M2D_RETURN(rt, f, m2d_rt_ret(rt));
	M2D_CALL(rt, f, m2d_mmu_faultin_pfn, .vcpu = f->vcpu, .access = M2D_SPTE_ACC_ALL);
	if (m2d_rt_ret(rt) != M2D_RET_PF_CONTINUE)
		M2D_RETURN(rt, f, m2d_rt_ret(rt));
	M2D_CALL(rt, f, m2d_mmu_map_fault, .vcpu = f->vcpu);
	M2D_RETURN(rt, f, m2d_rt_ret(rt));
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_page_fault)
{
	m2d_mmu_page_fault_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	begin_fault(vm, f);
	f->ret = M2D_RET_PF_INVALID;
	if (f->error_code & M2D_PFEC_RSVD) {
		M2D_CALL(rt, f, m2d_mmu_mmio_fault, .vcpu = f->vcpu);
		f->ret = (int32_t)m2d_rt_ret(rt);
	}
	if (f->ret == M2D_RET_PF_INVALID) {
		if (v->mmu.root_role & M2D_ROLE_DIRECT)
			M2D_CALL(rt, f, m2d_mmu_direct_fault, .vcpu = f->vcpu);
		else
			M2D_CALL(rt, f, m2d_mmu_paging_fault, .vcpu = f->vcpu);
		f->ret = (int32_t)m2d_rt_ret(rt);
	}
	end_fault(vm, f);
	M2D_RETURN(rt, f, f->ret);
	M2D_END(rt, f);
}
