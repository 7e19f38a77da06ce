/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding the page for a gfn and a role, or making it, and linking it to an entry above.
 * Sources: arch/x86/kvm/mmu/mmu.c kvm_mmu_find_shadow_page(), __kvm_mmu_get_shadow_page(),
 * kvm_mmu_get_child_sp(), link_shadow_page().
 */
#include "sim/shadow/routines.h"

/* True: @flush: entries of the page were dropped. */
static bool sync_found(M2dVm *vm, const M2dKvmVcpu *v, M2dSpIndex i, uint32_t *flush)
{
	int ret;

	if (!M2D_OWES(vm, SYNC_CHILD))
		return true;
	/* The entries are brought up to date, but the page stays unsync and writable: the guest
	 * has not flushed. */
	ret = m2d_sync_page(vm, v, i);
	if (ret < 0) {
		m2d_prepare_zap_page(vm, i, M2D_ON_ZAPPED, NULL);
		return false;
	}
	*flush |= ret > 0;
	return true;
}

/* 0: none. */
static M2dSpIndex find(M2dVm *vm, const M2dKvmVcpu *v, uint64_t gfn, uint32_t role, uint32_t *flush)
{
	M2dSpIndex i;

	for (i = m2d_shadow(vm)->s->hash[m2d_sp_hash(gfn)]; i != 0; i = m2d_sp(vm, i)->hash_next) {
		const M2dSp *sp = m2d_sp(vm, i);

		if (m2d_sp_obsolete(vm, sp) || sp->gfn != gfn)
			continue;
		if (sp->role != role) {
			/* What becomes an upper table is no page table any more, and must not be
			 * writable. */
			if (m2d_role_level(role) > 1 && sp->unsync &&
			    M2D_OWES(vm, ZAP_UNSYNC_OTHER_ROLE))
				m2d_prepare_zap_page(vm, i, M2D_ON_ZAPPED, NULL);
			continue;
		}
		if (sp->role & M2D_ROLE_DIRECT)
			return i;
		if (sp->unsync && !sync_found(vm, v, i, flush))
			return 0;
		m2d_sp_clear_flooding(vm, i);
		return i;
	}
	return 0;
}

M2D_ROUTINE(m2d_mmu_get_page)
{
	m2d_mmu_get_page_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	f->sp = find(vm, v, f->gfn, f->role, &f->flush);
	if (f->flush && M2D_OWES(vm, FLUSH_SYNC_PAGE))
		M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = 0);
	M2D_CALL(rt, f, m2d_mmu_commit_zap);
	if (f->sp == 0) {
		f->created = 1;
		f->sp = m2d_sp_alloc(vm, f->gfn, f->role);
		if (f->sp == 0)
			M2D_RETURN(rt, f, 0);
		if (m2d_sp_has_gptes(m2d_sp(vm, f->sp))) {
			f->flush = m2d_account_shadowed(vm, m2d_sp(vm, f->sp));
			M2D_POINT(rt, f, PROTECTED);
			if (f->flush && M2D_OWES(vm, FLUSH_WRPROT))
				M2D_CALL(rt, f, m2d_mmu_flush_gfn, .gfn = f->gfn, .level = 1);
			m2d_emit(vm->ev, GFN_PROTECTED, f->gfn);
		}
	}
	m2d_sp_event(vm, M2D_E_KVM_MMU_GET_PAGE, f->sp, f->created);
	M2D_RETURN(rt, f, f->sp);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_flush_gfn)
{
	m2d_mmu_flush_gfn_frame *f = frame;
	uint64_t pages = UINT64_C(1) << 9 * (f->level - 1);

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = f->gfn & ~(pages - 1), .pages = pages);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

/* May the page that the entry leads to serve for @gfn and @role? Without these checks KVM relies
 * on the entry having been zapped when its guest entry changed. */
static bool child_fits(const M2dVm *vm, M2dSpIndex child, uint64_t gfn, uint32_t role)
{
	const M2dSp *sp = m2d_sp(vm, child);

	if (vm->cfg.knobs.child_gfn_check && sp->gfn != gfn)
		return false;
	return !vm->cfg.knobs.child_role_check || sp->role == role;
}

M2D_ROUTINE(m2d_mmu_get_child)
{
	m2d_mmu_get_child_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	uint32_t role = m2d_child_role(vm, f->parent, f->direct, f->access);
	uint64_t v = m2d_spte_read(vm, f->parent);
	M2dSpIndex child = 0;

	M2D_BEGIN(rt, f);
	if (m2d_spte_is_table(vm, v, m2d_role_level(role) + 1)) {
		child = m2d_spte_child(vm, v);
		if (child != 0 && child_fits(vm, child, f->gfn, role))
			M2D_RETURN(rt, f, -(int64_t)child);
		/* One that does not fit goes when the right one is linked; one that is freed (KVM
		 * has left out a duty) before its frame serves for another. */
		if (child == 0) {
			m2d_drop_parent_pte(vm, child, f->parent);
			M2D_POINT(rt, f, ZAPPED);
			if (M2D_OWES(vm, FLUSH_UNLINK))
				M2D_CALL(rt, f, m2d_mmu_flush_gfn, .gfn = f->gfn,
					 .level = m2d_role_level(role) + 1);
		}
	}
	M2D_CALL(rt, f, m2d_mmu_get_page, .vcpu = f->vcpu, .gfn = f->gfn, .role = role);
	M2D_RETURN(rt, f, m2d_rt_ret(rt));
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_link_page)
{
	m2d_mmu_link_page_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dSpIndex parent = m2d_sptep_sp(f->parent);
	unsigned index = m2d_sptep_index(f->parent);

	M2D_BEGIN(rt, f);
	/* What is present here is a large leaf, or a table that does not fit (child_fits()). */
	if (m2d_spte_is_present(&vm->fmt, m2d_spte_read(vm, f->parent))) {
		m2d_page_zap_pte(vm, f->parent, M2D_ON_NONE);
		M2D_POINT(rt, f, ZAPPED);
		if (M2D_OWES(vm, FLUSH_UNLINK)) {
			if (vm->cfg.knobs.child_gfn_check)
				M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = 0);
			else
				M2D_CALL(rt, f, m2d_mmu_flush_gfn,
					 .gfn = m2d_sp_entry_gfn(vm, parent, index),
					 .level = m2d_role_level(m2d_sp(vm, parent)->role));
		}
	}
	m2d_link_spte(vm, f->parent, f->child);
	M2D_POINT(rt, f, PUBLISHED);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}
