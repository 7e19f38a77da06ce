/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Roots: found or made for a guest's pgd, kept for its return, dropped. Guests with two or three
 * levels, and those without paging, have four of them behind the PDPTEs of one frame.
 * Sources: arch/x86/kvm/mmu/mmu.c kvm_mmu_load(), mmu_alloc_shadow_roots(), kvm_mmu_free_roots(),
 * fast_pgd_switch(), kvm_mmu_free_obsolete_roots().
 */
#include "sim/guest/guest.h"
#include "sim/shadow/routines.h"

#define ROOT_CURRENT 1u
#define ROOTS_ALL    (M2D_BITS(M2D_N_PREV_ROOTS, 0))

static uint64_t pgd_of(const M2dKvmVcpu *v)
{
	return v->mmu.root_role & M2D_ROLE_DIRECT ? 0 : v->regs.cr3 & ~M2D_CR3_NOFLUSH;
}

static bool visible(const M2dVm *vm, const M2dKvmVcpu *v, uint64_t gfn)
{
	return m2d_slot_visible(m2d_gfn_to_slot(vm, m2d_role_as(v->mmu.root_role), gfn));
}

/* Gfn of the table behind root @i of the vCPU; false: there is none. */
static bool root_gfn(const M2dVm *vm, const M2dKvmVcpu *v, unsigned i, uint64_t *gfn)
{
	if (v->mmu.root_role & M2D_ROLE_DIRECT) {
		*gfn = (uint64_t)i << 18;
		return true;
	}
	if (m2d_role_level(v->mmu.cpu_role) == 3) {
		*gfn = (v->mmu.pdptrs[i] & v->mmu.gfmt.frame_mask) >> 12;
		return (v->mmu.pdptrs[i] & M2D_PTE_P) && visible(vm, v, *gfn);
	}
	*gfn = m2d_guest_root(&v->mmu.gfmt, &v->regs, vm->cfg.guest_maxphyaddr) >> 12;
	return true;
}

static uint32_t root_role(const M2dKvmVcpu *v, unsigned i)
{
	uint32_t role = v->mmu.root_role;

	if (m2d_role_level(role) > 3)
		return role;
	role = (role & ~(uint32_t)M2D_ROLE_LEVEL) | 2;
	if (role & M2D_ROLE_HAS_4_BYTE_GPTE)
		role |= i << M2D_ROLE_QUADRANT_SHIFT;
	return role;
}

static void put_pdpte(M2dVm *vm, M2dKvmVcpu *v, unsigned i, M2dSpIndex sp)
{
	uint64_t v64 = sp ? m2d_sp(vm, sp)->pfn << 12 | M2D_PTE_P | vm->fmt.me : 0;

	VM_PUT(vm, v->mmu.pae_root[i], sp);
	m2d_space_write64(vm->space, (M2dHpa){v->mmu.pae_pfn << 12 | i * 8}, v64);
}

static void hold_root(M2dVm *vm, M2dKvmVcpu *v, unsigned i, M2dSpIndex index)
{
	M2dSp *sp = m2d_sp(vm, index);

	VM_PUT(vm, sp->root_count, sp->root_count + 1);
	if (m2d_role_level(v->mmu.root_role) > 3) {
		VM_PUT(vm, v->mmu.root.sp, index);
		VM_PUT(vm, v->mmu.root_hpa, sp->pfn << 12);
	} else {
		put_pdpte(vm, v, i, index);
	}
}

/* False: host memory is full. */
static bool need_frame(M2dVm *vm, uint64_t *where)
{
	uint64_t pfn;

	if (*where != 0)
		return true;
	if (!m2d_frame_alloc(vm, M2D_FRAME_TABLE, &pfn))
		return false;
	VM_PUT(vm, *where, pfn);
	return true;
}

static bool load_dummy(M2dVm *vm, M2dKvmVcpu *v)
{
	M2dShadowState *s = m2d_shadow(vm)->s;

	if (!need_frame(vm, &s->dummy_pfn))
		return false;
	VM_PUT(vm, v->mmu.root.sp, M2D_ROOT_DUMMY);
	VM_PUT(vm, v->mmu.root_hpa, s->dummy_pfn << 12);
	return true;
}

/* Before the lock. 1: go on, 2: a dummy root is loaded, 0: host memory is full. */
static int prepare_load(M2dVm *vm, M2dKvmVcpu *v)
{
	bool direct = v->mmu.root_role & M2D_ROLE_DIRECT;
	uint64_t gfn = m2d_guest_root(&v->mmu.gfmt, &v->regs, vm->cfg.guest_maxphyaddr) >> 12;

	VM_PUT(vm, v->mmu.root.pgd, pgd_of(v));
	if (!direct && !visible(vm, v, gfn))
		return load_dummy(vm, v) ? 2 : 0;
	if (m2d_role_level(v->mmu.root_role) > 3)
		return 1;
	return need_frame(vm, &v->mmu.pae_pfn);
}

static void finish_load(M2dVm *vm, M2dKvmVcpu *v)
{
	if (m2d_role_level(v->mmu.root_role) <= 3 && v->mmu.root.sp == 0) {
		VM_PUT(vm, v->mmu.root.sp, M2D_ROOT_PAE);
		VM_PUT(vm, v->mmu.root_hpa, v->mmu.pae_pfn << 12);
	}
}

M2D_ROUTINE(m2d_mmu_alloc_roots)
{
	m2d_mmu_alloc_roots_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	uint64_t gfn;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	M2D_CALL(rt, f, m2d_mmu_make_available);
	f->n = m2d_role_level(v->mmu.root_role) > 3 ? 1 : 4;
	f->ok = 1;
	for (f->i = 0; f->i < f->n && f->ok; f->i++) {
		/* With 64-bit guests the root stands for the table itself. */
		if (!root_gfn(vm, v, f->i, &gfn))
			continue;
		M2D_CALL(rt, f, m2d_mmu_get_page, .vcpu = f->vcpu, .gfn = gfn,
			 .role = root_role(v, f->i));
		f->ok = m2d_rt_ret(rt) != 0;
		if (f->ok)
			hold_root(vm, v, f->i, (uint32_t)m2d_rt_ret(rt));
	}
	finish_load(vm, v);
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, f->ok);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_load)
{
	m2d_mmu_load_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	int ret;

	M2D_BEGIN(rt, f);
	if (v->mmu.root.sp != 0)
		M2D_RETURN(rt, f, 1);
	m2d_emit(vm->ev, FN_MMU_LOAD, 0);
	ret = prepare_load(vm, v);
	if (ret == 0)
		M2D_RETURN(rt, f, 0);
	if (ret == 1) {
		M2D_CALL(rt, f, m2d_mmu_alloc_roots, .vcpu = f->vcpu);
		if (!m2d_rt_ret(rt))
			M2D_RETURN(rt, f, 0);
	}
	if (M2D_OWES(vm, SYNC_LOAD))
		M2D_CALL(rt, f, m2d_mmu_sync_roots, .vcpu = f->vcpu);
	m2d_emit(vm->ev, ROOT_LOAD, v->mmu.root_hpa, v->mmu.root.pgd);
	m2d_shadow_charge(vm, M2D_CAUSE_KVM_ROOT, vm->machine->kvm.root_load);
	/* Nobody knows what the hardware keeps from an earlier life of the frame. */
	if (M2D_OWES(vm, FLUSH_LOAD))
		m2d_flush_tlb_current(vm, f->vcpu);
	M2D_RETURN(rt, f, 1);
	M2D_END(rt, f);
}

static void put_root(M2dVm *vm, M2dSpIndex index)
{
	M2dSp *sp;

	if (index == 0 || index == M2D_ROOT_DUMMY)
		return;
	sp = m2d_sp(vm, index);
	VM_PUT(vm, sp->root_count, sp->root_count - 1);
	if (sp->root_count == 0 && (sp->role & M2D_ROLE_INVALID))
		m2d_prepare_zap_page(vm, index, M2D_ON_ZAPPED, NULL);
}

static void put_current(M2dVm *vm, M2dKvmVcpu *v)
{
	if (v->mmu.root.sp == M2D_ROOT_PAE) {
		for (unsigned i = 0; i < 4; i++) {
			put_root(vm, v->mmu.pae_root[i]);
			if (v->mmu.pae_root[i])
				put_pdpte(vm, v, i, 0);
		}
	} else {
		put_root(vm, v->mmu.root.sp);
	}
	VM_PUT(vm, v->mmu.root.sp, 0);
	VM_PUT(vm, v->mmu.root.pgd, 0);
	VM_PUT(vm, v->mmu.root_hpa, 0);
}

static uint32_t existing(const M2dKvmVcpu *v, uint32_t mask)
{
	if (v->mmu.root.sp == 0)
		mask &= ~ROOT_CURRENT;
	for (unsigned i = 0; i < M2D_N_PREV_ROOTS; i++) {
		if (v->mmu.prev[i].sp == 0)
			mask &= ~(2u << i);
	}
	return mask;
}

M2D_ROUTINE(m2d_mmu_free_roots)
{
	m2d_mmu_free_roots_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	f->mask = existing(v, f->mask);
	if (f->mask == 0)
		M2D_RETURN(rt, f, 0);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	for (unsigned i = 0; i < M2D_N_PREV_ROOTS; i++) {
		if (f->mask >> (i + 1) & 1) {
			put_root(vm, v->mmu.prev[i].sp);
			VM_PUT(vm, v->mmu.prev[i].sp, 0);
			VM_PUT(vm, v->mmu.prev[i].pgd, 0);
		}
	}
	if (f->mask & ROOT_CURRENT)
		put_current(vm, v);
	M2D_CALL(rt, f, m2d_mmu_commit_zap);
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, 1);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_unload)
{
	m2d_mmu_unload_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	if (!f->within)
		m2d_emit(vm->ev, FN_MMU_UNLOAD, 0);
	M2D_CALL(rt, f, m2d_mmu_free_roots, .vcpu = f->vcpu, .mask = ROOTS_ALL);
	m2d_clear_mmio_cache(vm, vm->vcpu[f->vcpu], ~UINT64_C(0));
	m2d_emit(vm->ev, ROOT_UNLOAD, 0);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

static bool obsolete_root(const M2dVm *vm, M2dSpIndex root)
{
	if (root == 0)
		return false;
	/* Nothing tells the age of what is no shadow page. */
	if (root == M2D_ROOT_PAE || root == M2D_ROOT_DUMMY)
		return true;
	return m2d_sp_obsolete(vm, m2d_sp(vm, root));
}

static uint32_t obsolete_roots(const M2dVm *vm, const M2dKvmVcpu *v)
{
	uint32_t mask = obsolete_root(vm, v->mmu.root.sp) ? ROOT_CURRENT : 0;

	if (vm->cfg.knobs.reload_request == M2D_RELOAD_REQUEST_ALL)
		return ROOTS_ALL;
	for (unsigned i = 0; i < M2D_N_PREV_ROOTS; i++) {
		M2dSpIndex root =
			vm->cfg.knobs.prev_roots_checked ? v->mmu.prev[i].sp : v->mmu.root.sp;

		if (obsolete_root(vm, root))
			mask |= 2u << i;
	}
	return mask;
}

M2D_ROUTINE(m2d_mmu_free_obsolete_roots)
{
	m2d_mmu_free_obsolete_roots_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	if (vm->cfg.knobs.reload_request == M2D_RELOAD_REQUEST_ALL)
		M2D_CALL(rt, f, m2d_mmu_unload, .vcpu = f->vcpu);
	else
		M2D_CALL(rt, f, m2d_mmu_free_roots, .vcpu = f->vcpu, .mask = obsolete_roots(vm, v));
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_reset_context)
{
	m2d_mmu_reset_context_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_mmu_unload, .vcpu = f->vcpu, .within = 1);
	m2d_mmu_init_context(vm, vm->vcpu[f->vcpu]);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

static bool usable_root(const M2dVm *vm, const M2dKvmVcpu *v, const M2dRootInfo *root, uint64_t pgd)
{
	if (root->sp == 0 || root->sp == M2D_ROOT_PAE || root->sp == M2D_ROOT_DUMMY)
		return false;
	if (!(v->mmu.root_role & M2D_ROLE_DIRECT) && root->pgd != pgd)
		return false;
	return m2d_sp(vm, root->sp)->role == v->mmu.root_role;
}

static void put_info(M2dVm *vm, M2dRootInfo *to, M2dRootInfo from)
{
	VM_PUT(vm, to->pgd, from.pgd);
	VM_PUT(vm, to->sp, from.sp);
}

static void swap_with(M2dVm *vm, M2dKvmVcpu *v, unsigned i)
{
	M2dRootInfo info = v->mmu.root;

	put_info(vm, &v->mmu.root, v->mmu.prev[i]);
	put_info(vm, &v->mmu.prev[i], info);
}

/* The current root goes to the front of the cache, the one looked for becomes current; without
 * success the oldest is current and must be freed. */
static bool find_keeping_current(M2dVm *vm, M2dKvmVcpu *v, uint64_t pgd)
{
	if (usable_root(vm, v, &v->mmu.root, pgd))
		return true;
	for (unsigned i = 0; i < M2D_N_PREV_ROOTS; i++) {
		swap_with(vm, v, i);
		if (usable_root(vm, v, &v->mmu.root, pgd))
			return true;
	}
	return false;
}

static bool find_without_current(M2dVm *vm, M2dKvmVcpu *v, uint64_t pgd)
{
	unsigned i;

	for (i = 0; i < M2D_N_PREV_ROOTS; i++) {
		if (usable_root(vm, v, &v->mmu.prev[i], pgd))
			break;
	}
	if (i == M2D_N_PREV_ROOTS)
		return false;
	swap_with(vm, v, i);
	for (; i < M2D_N_PREV_ROOTS - 1; i++)
		put_info(vm, &v->mmu.prev[i], v->mmu.prev[i + 1]);
	put_info(vm, &v->mmu.prev[i], (M2dRootInfo){0});
	return true;
}

M2D_ROUTINE(m2d_mmu_new_pgd)
{
	m2d_mmu_new_pgd_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	m2d_emit(vm->ev, FN_NEW_PGD, f->pgd);
	/* PAE roots are not cached. */
	if (v->mmu.root.sp == M2D_ROOT_PAE || v->mmu.root.sp == M2D_ROOT_DUMMY)
		M2D_CALL(rt, f, m2d_mmu_free_roots, .vcpu = f->vcpu, .mask = ROOT_CURRENT);
	if (v->mmu.root.sp != 0) {
		f->i = find_keeping_current(vm, v, f->pgd);
		if (!f->i)
			M2D_CALL(rt, f, m2d_mmu_free_roots, .vcpu = f->vcpu, .mask = ROOT_CURRENT);
	} else {
		f->i = find_without_current(vm, v, f->pgd);
	}
	m2d_emit(vm->ev, NEW_PGD, f->pgd, f->i);
	if (!f->i) {
		VM_PUT(vm, v->mmu.root_hpa, 0);
		M2D_RETURN(rt, f, 0);
	}
	VM_PUT(vm, v->mmu.root_hpa, m2d_sp(vm, v->mmu.root.sp)->pfn << 12);
	m2d_make_request(vm, f->vcpu, M2D_REQ_LOAD_MMU_PGD);
	m2d_clear_mmio_cache(vm, v, ~UINT64_C(0));
	m2d_sp_clear_flooding(vm, v->mmu.root.sp);
	M2D_RETURN(rt, f, 1);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_free_pcid_roots)
{
	m2d_mmu_free_pcid_roots_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	const M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	uint32_t mask = 0;

	M2D_BEGIN(rt, f);
	/* Without PCIDs every load of CR3 flushes and syncs: that they all are of PCID 0 says
	 * nothing. */
	if (!(v->regs.cr4 & M2D_CR4_PCIDE))
		M2D_RETURN(rt, f, 0);
	for (unsigned i = 0; i < M2D_N_PREV_ROOTS; i++) {
		if ((v->mmu.prev[i].pgd & M2D_CR3_PCID) == f->pcid)
			mask |= 2u << i;
	}
	M2D_CALL(rt, f, m2d_mmu_free_roots, .vcpu = f->vcpu, .mask = mask);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}
