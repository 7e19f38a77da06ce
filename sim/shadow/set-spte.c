/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leaves: what goes into one, and installing it over what is there.
 * Sources: arch/x86/kvm/mmu/mmu.c mmu_set_spte(), kvm_mmu_max_mapping_level(); spte.c make_spte().
 */
#include "sim/shadow/routines.h"

#define MEMTYPE_WB 6

uint64_t m2d_make_spte(M2dVm *vm, const M2dMapping *map, uint64_t old, bool synchronizing,
		       bool *wrprot, bool *marked)
{
	const M2dSp *sp = m2d_sp(vm, m2d_sptep_sp(map->sptep));
	M2dMemslot *slot = (M2dMemslot *)m2d_slot_of_word(vm, map->slot);
	unsigned level = m2d_role_level(sp->role);
	bool clean_prefetch = map->prefetch && !(synchronizing && vm->fmt.layout >= M2D_SPTE_6_13);
	M2dSpteLeaf leaf = {
		.pfn = map->pfn,
		.level = (uint8_t)level,
		.access = (uint8_t)map->access,
		.memtype = MEMTYPE_WB,
		.ipat = true,
		.ad = sp->role & M2D_ROLE_AD_DISABLED ? M2D_SPTE_AD_DISABLED : M2D_SPTE_AD_ENABLED,
		.host_writable = map->map_writable || !M2D_OWES(vm, WRPROT_HOST_RO),
		.mmu_writable = true,
		.can_dirty = true,
		.prefetch = clean_prefetch,
	};
	uint64_t v;

	*wrprot = *marked = false;
	if (leaf.host_writable && (map->access & M2D_SPTE_ACC_WRITE)) {
		/* What was writable needs no look: its pages are unsync already. KVM asks no more
		 * than the bit, which a stale MMIO SPTE has, too: it is not made dirty then. That
		 * KVM does not look for shadowed pages either is a bug that is not modelled. */
		bool known = m2d_spte_is_present(&vm->fmt, old) && m2d_spte_is_last(old, level);
		int ret = M2D_UNSYNC_OK;

		if (m2d_spte_is_writable(old))
			leaf.can_dirty = vm->fmt.layout >= M2D_SPTE_6_13;
		if (!known || !m2d_spte_is_writable(old))
			ret = m2d_try_to_unsync(vm, slot, map->gfn, synchronizing, map->prefetch);
		*marked = ret == M2D_UNSYNC_MARKED;
		*wrprot = ret == M2D_UNSYNC_REFUSED;
		leaf.mmu_writable = !*wrprot;
	}
	v = m2d_spte_make_leaf(&vm->fmt, &leaf);
	if (m2d_spte_is_writable(v) && M2D_OWES(vm, DIRTY_ON_MAP))
		m2d_slot_mark_dirty(vm, slot, map->gfn);
	return v;
}

bool m2d_set_prefetched(M2dVm *vm, const M2dMapping *map)
{
	bool wrprot, marked;
	uint64_t old = m2d_spte_read(vm, map->sptep);
	uint64_t v = m2d_make_spte(vm, map, old, false, &wrprot, &marked);
	const M2dSp *sp = m2d_sp(vm, m2d_sptep_sp(map->sptep));

	m2d_mmu_spte_set(vm, map->sptep, v);
	m2d_emit(vm->ev, KVM_MMU_SET_SPTE, map->gfn, v, m2d_role_level(sp->role),
		 m2d_spte_hpa(vm, map->sptep).v);
	return m2d_rmap_add(vm, m2d_slot_of_word(vm, map->slot), map->sptep, map->gfn, map->access);
}

/* Make room for a leaf of frame @pfn. Returns what must be flushed for it: 0: nothing, 1: a table,
 * 2: another leaf; @rmapped: out: the same frame is mapped already. */
static unsigned unlink_old(M2dVm *vm, M2dSptep sptep, uint64_t pfn, bool *rmapped)
{
	uint64_t old = m2d_spte_read(vm, sptep);
	unsigned level = m2d_role_level(m2d_sp(vm, m2d_sptep_sp(sptep))->role);

	*rmapped = false;
	if (!m2d_spte_is_present(&vm->fmt, old))
		return 0;
	if (!m2d_spte_is_last(old, level)) {
		m2d_drop_parent_pte(vm, m2d_spte_child(vm, old), sptep);
		return 1;
	}
	if (pfn != m2d_spte_pfn(&vm->fmt, old)) {
		m2d_drop_spte(vm, sptep);
		return 2;
	}
	*rmapped = true;
	return 0;
}

static bool owes_flush(const M2dVm *vm, unsigned what)
{
	if (what == 1)
		return M2D_OWES(vm, FLUSH_UNLINK);
	return what != 0 && M2D_OWES(vm, FLUSH_OVERWRITE);
}

static M2dMapping mapping_of(const M2dVm *vm, const m2d_mmu_set_spte_frame *f)
{
	const M2dPageFault *fault = &m2d_shadow(vm)->fault[f->vcpu];

	return (M2dMapping){
		.sptep = f->sptep,
		.access = f->access,
		.gfn = f->gfn,
		.pfn = fault->pfn,
		.slot = fault->slot,
		.map_writable = fault->map_writable,
	};
}

/* Decide on the value. True: pages went unsync for it. */
static bool decide(M2dVm *vm, m2d_mmu_set_spte_frame *f)
{
	const M2dPageFault *fault = &m2d_shadow(vm)->fault[f->vcpu];
	M2dMapping map = mapping_of(vm, f);
	bool rmapped, wrprot, marked;

	f->flush = unlink_old(vm, f->sptep, map.pfn, &rmapped);
	f->rmapped = rmapped;
	f->spte = m2d_make_spte(vm, &map, m2d_spte_read(vm, f->sptep), false, &wrprot, &marked);
	f->ret = wrprot && fault->write ? M2D_RET_PF_WRITE_PROTECTED : M2D_RET_PF_FIXED;
	return marked;
}

static void install(M2dVm *vm, m2d_mmu_set_spte_frame *f)
{
	M2dMapping map = mapping_of(vm, f);
	unsigned level = m2d_role_level(m2d_sp(vm, m2d_sptep_sp(f->sptep))->role);

	if (m2d_spte_read(vm, f->sptep) == f->spte) {
		if (f->ret == M2D_RET_PF_FIXED)
			f->ret = M2D_RET_PF_SPURIOUS;
	} else {
		if (m2d_mmu_spte_update(vm, f->sptep, f->spte) && f->flush == 0)
			f->flush = 2;
		m2d_emit(vm->ev, KVM_MMU_SET_SPTE, f->gfn, f->spte, level,
			 m2d_spte_hpa(vm, f->sptep).v);
	}
	if (f->rmapped)
		m2d_sp_set_access(vm, f->sptep, f->access);
	else if (m2d_rmap_add(vm, m2d_slot_of_word(vm, map.slot), f->sptep, f->gfn, f->access) &&
		 f->flush == 0)
		f->flush = 2;
}

M2D_ROUTINE(m2d_mmu_set_spte)
{
	m2d_mmu_set_spte_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	const M2dPageFault *fault = &m2d_shadow(vm)->fault[f->vcpu];
	unsigned level = m2d_role_level(m2d_sp(vm, m2d_sptep_sp(f->sptep))->role);
	bool rmapped;

	M2D_BEGIN(rt, f);
	if (fault->slot == 0) {
		if (vm->cfg.knobs.mmio_drops_present) {
			f->flush = unlink_old(vm, f->sptep, ~UINT64_C(0), &rmapped);
			if (owes_flush(vm, f->flush))
				M2D_CALL(rt, f, m2d_mmu_flush_gfn, .gfn = f->gfn, .level = level);
		}
		m2d_mark_mmio_spte(vm, f->sptep, f->gfn, f->access);
		M2D_POINT(rt, f, PUBLISHED);
		M2D_RETURN(rt, f, M2D_RET_PF_EMULATE);
	}
	/* The marks come before the right to write, or a flush of the guest's might miss them. */
	if (decide(vm, f))
		M2D_POINT(rt, f, UNSYNC);
	install(vm, f);
	M2D_POINT(rt, f, PUBLISHED);
	if (owes_flush(vm, f->flush))
		M2D_CALL(rt, f, m2d_mmu_flush_gfn, .gfn = f->gfn, .level = level);
	M2D_RETURN(rt, f, f->ret);
	M2D_END(rt, f);
}

/* The limits that have nothing to do with who is shadowed or tracked inside. */
static bool fits_slot(const M2dMemslot *slot, uint64_t gfn, unsigned level)
{
	uint64_t mask = m2d_low_mask(9 * (level - 1)), first = gfn & ~mask;

	return first >= slot->base_gfn && first + mask < slot->base_gfn + slot->npages &&
	       !((slot->base_gfn ^ slot->hva) & mask);
}

unsigned m2d_largest_level(const M2dVm *vm)
{
	return vm->cfg.max_level != 0 ? vm->cfg.max_level : 3;
}

unsigned m2d_max_mapping_level(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn, unsigned max)
{
	unsigned level;

	for (level = max; level > 1; level--) {
		if (!fits_slot(slot, gfn, level))
			continue;
		if (*m2d_slot_lpage(vm, slot, gfn, level) && M2D_OWES(vm, WRPROT_HUGE))
			continue;
		break;
	}
	return level > 1 ? MIN(level, m2d_hostmm_level(vm, m2d_slot_hva(slot, gfn))) : 1;
}
