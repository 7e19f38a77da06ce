/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of shadow pages. Preparing takes a page out of everything that leads to it; committing
 * flushes once and gives the memory back.
 * Sources: arch/x86/kvm/mmu/mmu.c __kvm_mmu_prepare_zap_page(), kvm_mmu_commit_zap_page(),
 * kvm_mmu_zap_oldest_mmu_pages(), make_mmu_pages_available().
 */
#include "sim/shadow/routines.h"

#define MIN_FREE_PAGES 5u
#define REFILL_PAGES   25u

unsigned m2d_page_zap_pte(M2dVm *vm, M2dSptep sptep, unsigned list)
{
	uint64_t v = m2d_spte_read(vm, sptep);
	unsigned level = m2d_role_level(m2d_sp(vm, m2d_sptep_sp(sptep))->role), nr = 0;
	M2dSpIndex child;
	const M2dSp *sp;

	if (!m2d_spte_is_present(&vm->fmt, v)) {
		if (m2d_spte_is_mmio(&vm->fmt, v))
			m2d_mmu_spte_clear_no_track(vm, sptep);
		return 0;
	}
	if (m2d_spte_is_last(v, level)) {
		m2d_drop_spte(vm, sptep);
		return 0;
	}
	child = m2d_spte_child(vm, v);
	m2d_drop_parent_pte(vm, child, sptep);
	if (child == 0 || list == M2D_ON_NONE)
		return 0;
	/* A nested guest's table without parents is not likely to be used again. */
	sp = m2d_sp(vm, child);
	if (!vm->cfg.tdp || !(sp->role & M2D_ROLE_GUEST_MODE) || sp->parents)
		return 0;
	if (vm->cfg.knobs.zap_spares_roots && sp->root_count)
		return 0;
	m2d_prepare_zap_page(vm, child, list, &nr);
	return nr;
}

static unsigned zap_unsync_children(M2dVm *vm, M2dSpIndex parent, unsigned list)
{
	unsigned zapped = 0;
	M2dSpPages pages;

	if (m2d_role_level(m2d_sp(vm, parent)->role) == 1)
		return 0;
	while (m2d_unsync_walk(vm, parent, &pages)) {
		for (unsigned i = m2d_pages_first(vm, &pages); i < pages.nr;
		     i = m2d_pages_next(vm, &pages, i)) {
			m2d_prepare_zap_page(vm, pages.sp[i], list, NULL);
			m2d_pages_clear_parents(vm, &pages);
			zapped++;
		}
	}
	return zapped;
}

static void unaccount_shadowed(M2dVm *vm, const M2dSp *sp)
{
	M2dShadowState *s = m2d_shadow(vm)->s;
	M2dMemslot *slot = m2d_sp_slot(vm, sp, sp->gfn);

	VM_PUT(vm, s->indirect_pages, s->indirect_pages - 1);
	if (slot == NULL)
		return;
	m2d_mmu_gfn_allow_lpage(vm, slot, sp->gfn);
	if (m2d_role_level(sp->role) > 1) {
		uint16_t *track = m2d_slot_track(vm, slot, sp->gfn);

		VM_PUT(vm, *track, *track - 1);
	}
}

static void unlink_parents(M2dVm *vm, M2dSpIndex i)
{
	M2dSp *sp = m2d_sp(vm, i);
	M2dListIter it;

	if (!M2D_OWES(vm, ZAP_CHILDREN))
		return;
	for (M2dSptep p; (p = m2d_list_first(vm, sp->parents, &it)) != 0;)
		m2d_drop_parent_pte(vm, i, p);
}

/* What becomes of the page itself: freed by the commit, or by the last of its users. True: a root
 * in use is gone. */
static bool zap_self(M2dVm *vm, M2dSpIndex i, unsigned list, unsigned *nr)
{
	M2dShadowState *s = m2d_shadow(vm)->s;
	M2dSp *sp = m2d_sp(vm, i);

	m2d_sp_list_del(vm, i);
	if (sp->root_count)
		return !m2d_sp_obsolete(vm, sp);
	++*nr;
	m2d_sp_list_add(vm, i, list);
	VM_PUT(vm, s->used_pages, s->used_pages - 1);
	return false;
}

bool m2d_prepare_zap_page(M2dVm *vm, M2dSpIndex i, unsigned list, unsigned *nr)
{
	M2dShadowState *s = m2d_shadow(vm)->s;
	M2dSp *sp = m2d_sp(vm, i);
	unsigned zapped;
	bool unstable, zapped_root;

	if (sp->on_list == M2D_ON_ZAPPED || sp->on_list == M2D_ON_OBSOLETE) {
		m2d_emit(vm->ev, KVM_BUG, M2D_BUG_DOUBLE_ZAP, sp->pfn << 12);
		if (nr != NULL)
			*nr = 0;
		return false;
	}
	m2d_sp_event(vm, M2D_E_KVM_MMU_PREPARE_ZAP_PAGE, i, false);
	zapped = zap_unsync_children(vm, i, list);
	for (unsigned n = 0; n < 512 && sp->nonzero != 0; n++)
		zapped += m2d_page_zap_pte(vm, m2d_sptep(i, n), list);
	unlink_parents(vm, i);
	unstable = zapped != 0;
	if (!(sp->role & M2D_ROLE_INVALID) && m2d_sp_has_gptes(sp))
		unaccount_shadowed(vm, sp);
	if (sp->unsync)
		m2d_unlink_unsync(vm, i);
	zapped_root = zap_self(vm, i, list, &zapped);
	VM_PUT(vm, sp->role, sp->role | M2D_ROLE_INVALID);
	/* After the page is marked, or a vCPU might look and find it good. */
	if (zapped_root && M2D_OWES(vm, RELOAD_OBSOLETE)) {
		m2d_make_all_request(vm, M2D_REQ_MMU_FREE_OBSOLETE_ROOTS);
		VM_PUT(vm, s->reload_pending, 1);
	}
	if (nr != NULL)
		*nr = zapped;
	return unstable;
}

M2D_ROUTINE(m2d_mmu_commit_zap)
{
	m2d_mmu_commit_zap_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dShadowState *s = m2d_shadow(vm)->s;
	unsigned list = f->obsolete ? M2D_ON_OBSOLETE : M2D_ON_ZAPPED;

	M2D_BEGIN(rt, f);
	if (s->reload_pending) {
		VM_PUT(vm, s->reload_pending, 0);
		M2D_CALL(rt, f, m2d_make_all_cpus_request,
			 .request = M2D_REQ_MMU_FREE_OBSOLETE_ROOTS);
	}
	if (s->head[list] == 0)
		M2D_RETURN(rt, f, 0);
	m2d_emit(vm->ev, FN_COMMIT_ZAP, 0);
	M2D_POINT(rt, f, ZAPPED);
	/* The flush also waits for those who walk the tables without a lock. */
	if (M2D_OWES(vm, FLUSH_COMMIT_ZAP))
		M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = 0);
	while (s->head[list] != 0)
		m2d_sp_free(vm, s->head[list]);
	M2D_POINT(rt, f, FREED);
	M2D_RETURN(rt, f, 1);
	M2D_END(rt, f);
}

/* kvm_mmu_remote_flush_or_zap(): the flush of the commit serves both. */
M2D_ROUTINE(m2d_mmu_flush_or_zap)
{
	m2d_mmu_flush_or_zap_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	if (m2d_zapped_any(vm)) {
		M2D_CALL(rt, f, m2d_mmu_commit_zap);
		if (m2d_rt_ret(rt))
			M2D_RETURN(rt, f, 1);
	}
	if (f->flush)
		M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = 0);
	M2D_RETURN(rt, f, f->flush);
	M2D_END(rt, f);
}

unsigned m2d_zap_oldest_pages(M2dVm *vm, unsigned n)
{
	M2dShadowState *s = m2d_shadow(vm)->s;
	unsigned total = 0, nr;
	M2dSpIndex i, newer;

restart:
	for (i = s->tail[M2D_ON_ACTIVE]; i != 0; i = newer) {
		bool unstable;

		newer = m2d_sp(vm, i)->lru_prev;
		/* A root in use cannot be freed, and would only be made again. */
		if (m2d_sp(vm, i)->root_count)
			continue;
		unstable = m2d_prepare_zap_page(vm, i, M2D_ON_ZAPPED, &nr);
		total += nr;
		if (total >= n)
			break;
		if (unstable)
			goto restart;
	}
	return total;
}

static uint32_t available(const M2dVm *vm)
{
	uint32_t limit = m2d_shadow(vm)->s->page_limit, used = m2d_shadow_used_pages(vm);

	if (limit == 0)
		return UINT32_MAX;
	return limit > used ? limit - used : 0;
}

M2D_ROUTINE(m2d_mmu_make_available)
{
	m2d_mmu_make_available_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	if (available(vm) < MIN_FREE_PAGES) {
		m2d_zap_oldest_pages(vm, REFILL_PAGES - available(vm));
		M2D_CALL(rt, f, m2d_mmu_commit_zap);
	}
	M2D_RETURN(rt, f, available(vm) != 0);
	M2D_END(rt, f);
}

bool m2d_mmu_prepare_shrink(M2dVm *vm, uint32_t goal)
{
	uint32_t used = m2d_shadow_used_pages(vm);

	if (used > goal)
		m2d_zap_oldest_pages(vm, used - goal);
	/* Roots in use stay, so that the goal may be out of reach. */
	VM_PUT(vm, m2d_shadow(vm)->s->page_limit, MAX(goal, m2d_shadow_used_pages(vm)));
	return m2d_zapped_any(vm);
}
