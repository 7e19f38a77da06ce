/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the guest's walk to shadow entries: tables on the way down, direct pages below a guest huge
 * page, the leaf, its neighbours.
 * Sources: arch/x86/kvm/mmu/paging_tmpl.h FNAME(fetch), FNAME(pte_prefetch); mmu.c direct_map(),
 * kvm_mmu_hugepage_adjust(), validate_direct_spte().
 */
#include "sim/shadow/routines.h"

#define PREFETCH 8u

static M2dSpIndex root_of(const M2dKvmVcpu *v, uint64_t addr, const M2dVm *vm, unsigned *level)
{
	M2dShadowWalk it;

	m2d_shadow_walk_init(vm, v, v->mmu.root.sp, addr, &it);
	*level = it.level;
	return it.sp;
}

static M2dSptep entry(M2dSpIndex sp, unsigned level, uint64_t addr)
{
	return m2d_sptep(sp, addr >> (12 + 9 * (level - 1)) & 511);
}

/* Has the guest changed the entry of @level since the walk? */
static bool gpte_changed(M2dVm *vm, const M2dKvmVcpu *v, unsigned vcpu, unsigned level)
{
	const M2dGuestWalk *w = m2d_mmu_last_fault(vm, vcpu);
	uint64_t now;

	if (!M2D_OWES(vm, RETRY_GPTE))
		return false;
	return !m2d_read_gpte(vm, &v->mmu, w->pte_gpa[level - 1], &now) || now != w->pte[level - 1];
}

/* Rights of the page for the guest table that an entry of @level leads to. */
static unsigned table_access(const M2dVm *vm, const M2dGuestWalk *w, unsigned level)
{
	if (!vm->cfg.knobs.accumulated_access)
		return w->pt_access[w->level - 1];
	return w->pt_access[level - 2];
}

static void hugepage_adjust(M2dVm *vm, M2dPageFault *fault)
{
	const M2dMemslot *slot = m2d_slot_of_word(vm, fault->slot);
	unsigned level;

	if (slot == NULL || fault->max_level == 1 || (slot->flags & M2D_SLOT_LOG_DIRTY))
		return;
	level = m2d_max_mapping_level(vm, slot, fault->gfn, fault->max_level);
	VM_PUT(vm, fault->goal_level, level);
	VM_PUT(vm, fault->pfn, fault->pfn & ~m2d_low_mask(9 * (level - 1)));
}

/* KVM's pfn for a gfn that no memslot has. */
#define PFN_NOSLOT (UINT64_C(1) << 63)

static void tell_requested(M2dVm *vm, const M2dPageFault *fault)
{
	uint64_t within = fault->gfn & m2d_low_mask(9 * (fault->goal_level - 1));

	m2d_emit(vm->ev, SPTE_REQUESTED, fault->gfn,
		 fault->slot != 0 ? fault->pfn | within : PFN_NOSLOT, fault->goal_level);
}

static uint64_t base_gfn(const M2dPageFault *fault, unsigned level)
{
	return fault->gfn & ~m2d_low_mask(9 * (level - 1));
}

/* A direct page for other rights than the guest's huge entry gives now must go. True: it did. */
static bool validate_direct(M2dVm *vm, M2dSptep sptep, unsigned level, unsigned access)
{
	uint64_t v = m2d_spte_read(vm, sptep);
	M2dSpIndex child;

	if (!m2d_spte_is_table(vm, v, level))
		return false;
	child = m2d_spte_child(vm, v);
	if (child != 0 && m2d_role_access(m2d_sp(vm, child)->role) == access)
		return false;
	m2d_drop_parent_pte(vm, child, sptep);
	return true;
}

static const M2dMemslot *prefetch_slot(const M2dVm *vm, const M2dSp *sp, uint64_t gfn,
				       bool no_dirty_log)
{
	const M2dMemslot *slot = m2d_sp_slot(vm, sp, gfn);

	if (!m2d_slot_visible(slot))
		return NULL;
	if (no_dirty_log && (slot->flags & M2D_SLOT_LOG_DIRTY))
		return NULL;
	return slot;
}

bool m2d_prefetch_one(M2dVm *vm, const M2dKvmVcpu *v, M2dSptep sptep, bool no_dirty_log,
		      bool *flush)
{
	M2dSpIndex i = m2d_sptep_sp(sptep);
	const M2dSp *sp = m2d_sp(vm, i);
	M2dMapping map = {.sptep = sptep, .prefetch = true, .map_writable = true};
	const M2dMemslot *slot;
	uint64_t gpte;
	bool writable;

	if (!m2d_read_gpte(vm, &v->mmu, m2d_level1_gpte_gpa(sp, m2d_sptep_index(sptep)), &gpte))
		return false;
	if (m2d_prefetch_invalid_gpte(&v->mmu, gpte)) {
		m2d_drop_spte(vm, sptep);
		return false;
	}
	map.gfn = m2d_pte_leaf_base(&v->mmu.gfmt, 1, gpte) >> 12;
	map.access = m2d_role_access(sp->role) & m2d_gpte_access(&v->mmu, gpte);
	map.access = m2d_protect_clean_gpte(vm, map.access, gpte);
	slot = prefetch_slot(vm, sp, map.gfn, no_dirty_log && (map.access & M2D_SPTE_ACC_WRITE));
	if (slot == NULL || (slot->flags & M2D_SLOT_READONLY) ||
	    !m2d_hostmm_peek(vm, m2d_slot_hva(slot, map.gfn), &map.pfn, &writable) || !writable)
		return false;
	map.slot = m2d_slot_word(slot);
	*flush |= m2d_set_prefetched(vm, &map);
	return true;
}

/* Entries [start, end) of a direct page, none of them present: as many as the host has pages for,
 * from the first on (direct_pte_prefetch_many()). False: there is none, or the memslot ends. */
static bool prefetch_run(M2dVm *vm, M2dSptep start, M2dSptep end, bool *flush)
{
	M2dSpIndex i = m2d_sptep_sp(start);
	const M2dSp *sp = m2d_sp(vm, i);
	M2dMapping map = {.prefetch = true, .map_writable = true};
	uint64_t gfn = m2d_sp_entry_gfn(vm, i, m2d_sptep_index(start));
	const M2dMemslot *slot;
	bool writable;
	M2dSptep p;

	map.access = m2d_role_access(sp->role);
	slot = prefetch_slot(vm, sp, gfn, map.access & M2D_SPTE_ACC_WRITE);
	if (slot == NULL || (slot->flags & M2D_SLOT_READONLY) ||
	    !m2d_slot_has(slot, gfn + (end - start) - 1))
		return false;
	map.slot = m2d_slot_word(slot);
	for (p = start; p < end; p++) {
		map.sptep = p;
		map.gfn = gfn + (p - start);
		if (!m2d_hostmm_peek(vm, m2d_slot_hva(slot, map.gfn), &map.pfn, &writable) ||
		    !writable)
			break;
		*flush |= m2d_set_prefetched(vm, &map);
	}
	return p != start;
}

/* __direct_pte_prefetch(): one run after the other, until one brings nothing. */
static bool prefetch_direct(M2dVm *vm, M2dSptep sptep)
{
	M2dSptep first = sptep & ~(PREFETCH - 1), start = 0;
	bool flush = false;

	for (M2dSptep p = first; p < first + PREFETCH; p++) {
		if (p != sptep && !m2d_spte_is_present(&vm->fmt, m2d_spte_read(vm, p))) {
			start = start != 0 ? start : p;
			continue;
		}
		if (start != 0 && !prefetch_run(vm, start, p, &flush))
			return flush;
		start = 0;
	}
	if (start != 0)
		prefetch_run(vm, start, first + PREFETCH, &flush);
	return flush;
}

/* Map the neighbours that need no work. True: flush. */
static bool prefetch(M2dVm *vm, const M2dKvmVcpu *v, M2dSptep sptep)
{
	const M2dSp *sp = m2d_sp(vm, m2d_sptep_sp(sptep));
	M2dSptep first = sptep & ~(PREFETCH - 1);
	bool flush = false;

	if (m2d_role_level(sp->role) > 1 || vm->s->mmu_invalidate_in_progress)
		return false;
	if ((sp->role & M2D_ROLE_DIRECT) && (sp->role & M2D_ROLE_AD_DISABLED))
		return false;
	if (sp->role & M2D_ROLE_DIRECT)
		return prefetch_direct(vm, sptep);
	for (M2dSptep p = first; p < first + PREFETCH; p++) {
		if (p == sptep || m2d_spte_is_present(&vm->fmt, m2d_spte_read(vm, p)))
			continue;
		if (!m2d_prefetch_one(vm, v, p, true, &flush))
			break;
	}
	return flush;
}

M2D_ROUTINE(m2d_mmu_fetch)
{
	m2d_mmu_fetch_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dPageFault *fault = &m2d_shadow(vm)->fault[f->vcpu];
	const M2dGuestWalk *w = m2d_mmu_last_fault(vm, f->vcpu);

	M2D_BEGIN(rt, f);
	f->sp = root_of(v, fault->addr, vm, &f->level);
	f->changed =
		f->sp == 0 ||
		gpte_changed(vm, v, f->vcpu, v->mmu.gfmt.levels - (v->mmu.gfmt.pdpte_level != 0));
	M2D_POINT(rt, f, GPTE_READ);
	if (f->changed)
		M2D_RETURN(rt, f, M2D_RET_PF_RETRY);
	while (f->level > w->level) {
		m2d_sp_clear_flooding(vm, f->sp);
		f->sptep = entry(f->sp, f->level, fault->addr);
		M2D_CALL(rt, f, m2d_mmu_get_child, .vcpu = f->vcpu, .parent = f->sptep,
			 .gfn = w->pte_gpa[f->level - 2] >> 12,
			 .access = table_access(vm, w, f->level));
		f->child = (int32_t)m2d_rt_ret(rt);
		if (f->child == 0)
			M2D_RETURN(rt, f, M2D_RET_PF_RETRY);
		/* A table that is linked must be right: the guest need not flush for what was not
		 * there before. */
		if (f->child > 0 && m2d_sp(vm, (uint32_t)f->child)->unsync_children &&
		    M2D_OWES(vm, SYNC_CHILD)) {
			M2D_CALL(rt, f, m2d_mmu_sync_children, .vcpu = f->vcpu,
				 .parent = (uint32_t)f->child);
			if (m2d_rt_ret(rt))
				M2D_RETURN(rt, f, M2D_RET_PF_RETRY);
		}
		/* Only now is the table that the entry was read from protected. */
		f->changed = gpte_changed(vm, v, f->vcpu, f->level - 1);
		M2D_POINT(rt, f, GPTE_READ);
		if (f->changed)
			M2D_RETURN(rt, f, M2D_RET_PF_RETRY);
		if (f->child > 0)
			M2D_CALL(rt, f, m2d_mmu_link_page, .parent = f->sptep,
				 .child = (uint32_t)f->child);
		f->sp = (uint32_t)ABS(f->child);
		f->level--;
	}
	hugepage_adjust(vm, fault);
	tell_requested(vm, fault);
	M2D_CALL(rt, f, m2d_mmu_direct_map, .vcpu = f->vcpu, .sp = f->sp, .level = f->level,
		 .access = w->access);
	M2D_RETURN(rt, f, m2d_rt_ret(rt));
	M2D_END(rt, f);
}

M2D_ROUTINE(m2d_mmu_direct_map)
{
	m2d_mmu_direct_map_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dPageFault *fault = &m2d_shadow(vm)->fault[f->vcpu];

	M2D_BEGIN(rt, f);
	if (f->sp == 0) {
		hugepage_adjust(vm, fault);
		tell_requested(vm, fault);
		f->sp = root_of(v, fault->addr, vm, &f->level);
		if (f->sp == 0)
			M2D_RETURN(rt, f, M2D_RET_PF_RETRY);
	}
	while (f->level > fault->goal_level) {
		m2d_sp_clear_flooding(vm, f->sp);
		f->sptep = entry(f->sp, f->level, fault->addr);
		if (validate_direct(vm, f->sptep, f->level, f->access)) {
			M2D_POINT(rt, f, ZAPPED);
			if (M2D_OWES(vm, FLUSH_UNLINK))
				M2D_CALL(rt, f, m2d_mmu_flush_gfn, .gfn = base_gfn(fault, f->level),
					 .level = f->level);
		}
		M2D_CALL(rt, f, m2d_mmu_get_child, .vcpu = f->vcpu, .parent = f->sptep,
			 .gfn = base_gfn(fault, f->level), .direct = 1, .access = f->access);
		f->child = (int32_t)m2d_rt_ret(rt);
		if (f->child == 0)
			M2D_RETURN(rt, f, M2D_RET_PF_RETRY);
		if (f->child > 0)
			M2D_CALL(rt, f, m2d_mmu_link_page, .parent = f->sptep,
				 .child = (uint32_t)f->child);
		f->sp = (uint32_t)ABS(f->child);
		f->level--;
	}
	m2d_sp_clear_flooding(vm, f->sp);
	f->sptep = entry(f->sp, f->level, fault->addr);
	M2D_CALL(rt, f, m2d_mmu_set_spte, .vcpu = f->vcpu, .sptep = f->sptep,
		 .gfn = base_gfn(fault, f->level), .access = f->access);
	f->ret = m2d_rt_ret(rt);
	if (f->ret != M2D_RET_PF_SPURIOUS && prefetch(vm, v, f->sptep))
		M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = 0);
	M2D_RETURN(rt, f, f->ret);
	M2D_END(rt, f);
}
