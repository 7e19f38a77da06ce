/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Synchronisation: shadow entries made to agree with guest entries that changed unnoticed.
 * Sources: arch/x86/kvm/mmu/paging_tmpl.h FNAME(sync_spte); mmu.c mmu_sync_children(),
 * kvm_mmu_sync_roots(), kvm_mmu_sync_prev_roots().
 */
#include "sim/shadow/routines.h"

static bool mmio_is_stale(const M2dVm *vm, M2dSptep sptep, uint64_t v)
{
	unsigned as = m2d_role_as(m2d_sp(vm, m2d_sptep_sp(sptep))->role);
	uint64_t generation = vm->slots->generation[as];

	return generation & M2D_GEN_UPDATE_IN_PROGRESS ||
	       m2d_spte_mmio_gen_mask(&vm->fmt, generation) !=
		       m2d_spte_mmio_generation(&vm->fmt, v);
}

/* KVM gives the entry the generation of now whatever it had, so that one made before a memslot came
 * to its gfn is believed again (knob mmio-sync). */
static int sync_mmio(M2dVm *vm, M2dSptep sptep, uint64_t v, uint64_t gfn, unsigned access)
{
	bool stale = mmio_is_stale(vm, sptep, v);

	if (gfn != m2d_spte_mmio_gfn(&vm->fmt, v) ||
	    (stale && vm->cfg.knobs.mmio_sync == M2D_MMIO_SYNC_CHECK))
		m2d_mmu_spte_clear_no_track(vm, sptep);
	else
		m2d_mark_mmio_spte(vm, sptep, gfn, access);
	return 0;
}

static int drop(M2dVm *vm, M2dSptep sptep)
{
	if (!M2D_OWES(vm, ZAP_DROP_SPTE))
		return 0;
	m2d_drop_spte(vm, sptep);
	return 1;
}

static int sync_one(M2dVm *vm, const M2dKvmVcpu *v, M2dSptep sptep)
{
	M2dSpIndex i = m2d_sptep_sp(sptep);
	const M2dSp *sp = m2d_sp(vm, i);
	unsigned index = m2d_sptep_index(sptep);
	uint64_t old = m2d_spte_read(vm, sptep), gpte, gfn;
	M2dMapping map = {.sptep = sptep, .prefetch = true};
	const M2dMemslot *slot;
	bool wrprot, marked;

	if (old == vm->fmt.nonpresent)
		return 0;
	m2d_shadow_charge(vm, M2D_CAUSE_KVM_SYNC, vm->machine->kvm.sync_spte);
	if (!m2d_read_gpte(vm, &v->mmu, m2d_level1_gpte_gpa(sp, index), &gpte))
		return -1;
	if (m2d_prefetch_invalid_gpte(&v->mmu, gpte))
		return drop(vm, sptep);
	gfn = m2d_pte_leaf_base(&v->mmu.gfmt, 1, gpte) >> 12;
	map.access = m2d_role_access(sp->role) & m2d_gpte_access(&v->mmu, gpte);
	map.access = m2d_protect_clean_gpte(vm, map.access, gpte);
	if (m2d_spte_is_mmio(&vm->fmt, old))
		return sync_mmio(vm, sptep, old, gfn, map.access);
	slot = m2d_sp_slot(vm, sp, gfn);
	if (gfn != m2d_sp_entry_gfn(vm, i, index) || slot == NULL)
		return drop(vm, sptep);
	if (vm->cfg.knobs.sync_intact == M2D_SYNC_INTACT_KEEP &&
	    map.access == m2d_sp_entry_access(vm, i, index))
		return 0;
	m2d_sp_set_access(vm, sptep, map.access);
	map.gfn = gfn;
	map.pfn = m2d_spte_pfn(&vm->fmt, old);
	map.slot = m2d_slot_word(slot);
	map.map_writable = m2d_spte_is_host_writable(&vm->fmt, old);
	return m2d_mmu_spte_update(vm, sptep, m2d_make_spte(vm, &map, old, true, &wrprot, &marked));
}

int m2d_sync_spte(M2dVm *vm, const M2dKvmVcpu *v, M2dSptep sptep)
{
	uint64_t old = m2d_spte_read(vm, sptep);
	int ret = sync_one(vm, v, sptep);

	if (old != vm->fmt.nonpresent)
		m2d_emit(vm->ev, SYNC_SPTE, m2d_spte_hpa(vm, sptep).v,
			 ret != 0 || m2d_spte_read(vm, sptep) != old);
	return ret;
}

/* A page of another kind of paging cannot be judged by this vCPU's. */
static bool sync_check(const M2dKvmVcpu *v, const M2dSp *sp)
{
	uint32_t ignore =
		M2D_ROLE_LEVEL | M2D_ROLE_ACCESS | M2D_ROLE_QUADRANT | M2D_ROLE_PASSTHROUGH;

	return !(sp->role & M2D_ROLE_DIRECT) && !((sp->role ^ v->mmu.root_role) & ~ignore);
}

int m2d_sync_page(M2dVm *vm, const M2dKvmVcpu *v, M2dSpIndex i)
{
	int flush = 0;

	if (!sync_check(v, m2d_sp(vm, i)))
		return -1;
	for (unsigned n = 0; n < 512; n++) {
		int ret = m2d_sync_spte(vm, v, m2d_sptep(i, n));

		if (ret < 0)
			return -1;
		flush |= ret;
	}
	return flush;
}

static bool protect_pages(M2dVm *vm, M2dSpPages *pages)
{
	bool protected = false;

	if (!M2D_OWES(vm, WRPROT_SYNC))
		return false;
	for (unsigned i = m2d_pages_first(vm, pages); i < pages->nr;
	     i = m2d_pages_next(vm, pages, i)) {
		const M2dSp *sp = m2d_sp(vm, pages->sp[i]);
		M2dMemslot *slot = m2d_sp_slot(vm, sp, sp->gfn);

		if (slot != NULL)
		protected |= m2d_mmu_slot_gfn_write_protect(vm, slot, sp->gfn, 1);
	}
	return protected;
}

static bool sync_listed(M2dVm *vm, const M2dKvmVcpu *v, M2dSpPages *pages, unsigned i)
{
	M2dSpIndex sp = pages->sp[i];
	int ret;

	/* A page that an earlier one of the list took along is unsync no more. */
	if (m2d_sp(vm, sp)->unsync)
		m2d_unlink_unsync(vm, sp);
	ret = m2d_sync_page(vm, v, sp);
	if (ret < 0 && m2d_sp(vm, sp)->on_list == M2D_ON_ACTIVE)
		m2d_prepare_zap_page(vm, sp, M2D_ON_ZAPPED, NULL);
	m2d_pages_clear_parents(vm, pages);
	return ret > 0;
}

M2D_ROUTINE(m2d_mmu_sync_children)
{
	m2d_mmu_sync_children_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	while (m2d_unsync_walk(vm, f->parent, &f->pages)) {
		/* First all are protected, with one flush: what is read then cannot change. */
		f->i = protect_pages(vm, &f->pages);
		M2D_POINT(rt, f, SYNC_PROTECTED);
		if (f->i && M2D_OWES(vm, FLUSH_SYNC_PROTECT)) {
			M2D_CALL(rt, f, m2d_mmu_flush_or_zap, .flush = 1);
			f->flush = 0;
		}
		f->i = m2d_pages_first(vm, &f->pages);
		while (f->i < f->pages.nr) {
			f->flush |= sync_listed(vm, v, &f->pages, f->i);
			M2D_POINT(rt, f, SYNCED_PAGE);
			f->i = m2d_pages_next(vm, &f->pages, f->i);
		}
		if (vm->lock_break == NULL || !vm->lock_break(vm->lock_break_data, rt->current))
			continue;
		M2D_CALL(rt, f, m2d_mmu_flush_or_zap,
			 .flush = f->flush && M2D_OWES(vm, FLUSH_SYNC_PAGE));
		f->flush = 0;
		if (!f->can_yield) {
			m2d_make_request(vm, f->vcpu, M2D_REQ_MMU_SYNC);
			M2D_RETURN(rt, f, 1);
		}
		m2d_unlock(vm, M2D_LOCK_MMU);
		M2D_POINT(rt, f, UNLOCKED);
		M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	}
	M2D_CALL(rt, f, m2d_mmu_flush_or_zap, .flush = f->flush && M2D_OWES(vm, FLUSH_SYNC_PAGE));
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_sync_roots)
{
	m2d_mmu_sync_roots_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];

	M2D_BEGIN(rt, f);
	m2d_emit(vm->ev, FN_SYNC_ROOTS, 0);
	if ((v->mmu.root_role & M2D_ROLE_DIRECT) || v->mmu.root.sp == 0 ||
	    v->mmu.root.sp == M2D_ROOT_DUMMY)
		M2D_RETURN(rt, f, 0);
	m2d_clear_mmio_cache(vm, v, ~UINT64_C(0));
	if (v->mmu.root.sp != M2D_ROOT_PAE) {
		/* Without the lock: the marks are set before the guest can use what they are for.
		 */
		if (!m2d_root_is_unsync(vm, v->mmu.root.sp))
			M2D_RETURN(rt, f, 0);
		M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
		M2D_CALL(rt, f, m2d_mmu_sync_children, .vcpu = f->vcpu, .parent = v->mmu.root.sp,
			 .can_yield = 1);
	} else {
		M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
		for (f->i = 0; f->i < 4; f->i++) {
			if (v->mmu.pae_root[f->i] == 0)
				continue;
			M2D_CALL(rt, f, m2d_mmu_sync_children, .vcpu = f->vcpu,
				 .parent = v->mmu.pae_root[f->i], .can_yield = 1);
		}
	}
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_POINT(rt, f, SYNCED);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_sync_prev_roots)
{
	m2d_mmu_sync_prev_roots_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	uint32_t mask = 0;

	M2D_BEGIN(rt, f);
	m2d_emit(vm->ev, FN_SYNC_PREV_ROOTS, 0);
	for (unsigned i = 0; i < M2D_N_PREV_ROOTS; i++) {
		if (m2d_root_is_unsync(vm, v->mmu.prev[i].sp))
			mask |= 2u << i;
	}
	if (mask == 0 || !M2D_OWES(vm, SYNC_PREV_ROOTS))
		M2D_RETURN(rt, f, 0);
	M2D_CALL(rt, f, m2d_mmu_free_roots, .vcpu = f->vcpu, .mask = mask);
	M2D_RETURN(rt, f, 1);
	M2D_END(rt, f);
}
