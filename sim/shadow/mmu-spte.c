/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes of single SPTEs, with the state that must not be lost on the way: what hardware
 * set in an entry goes to the host when the entry goes.
 * Sources: arch/x86/kvm/mmu/mmu.c mmu_spte_set(), mmu_spte_update(), mmu_spte_clear_track_bits(),
 * mmu_spte_age().
 */
#include "sim/shadow/routines.h"

M2dHpa m2d_spte_hpa(const M2dVm *vm, M2dSptep sptep)
{
	return (M2dHpa){m2d_sp(vm, m2d_sptep_sp(sptep))->pfn << 12 | m2d_sptep_index(sptep) * 8u};
}

uint64_t m2d_spte_read(const M2dVm *vm, M2dSptep sptep)
{
	const M2dSp *sp = m2d_sp(vm, m2d_sptep_sp(sptep));

	/* Stale numbers occur only where a duty is left out or a bug is modelled. */
	if (sp->pfn == 0)
		return vm->fmt.nonpresent;
	return m2d_space_read64(vm->space, m2d_spte_hpa(vm, sptep));
}

/* The one place where SPTEs are written. Without a lock the swap is atomic anyway: nothing comes
 * between two points. */
static void write_spte(M2dVm *vm, M2dSptep sptep, uint64_t old, uint64_t v)
{
	M2dSpIndex i = m2d_sptep_sp(sptep);
	M2dSp *sp = m2d_sp(vm, i);
	bool was = old != vm->fmt.nonpresent, is = v != vm->fmt.nonpresent;

	if (sp->pfn == 0 || old == v)
		return;
	m2d_space_write64(vm->space, m2d_spte_hpa(vm, sptep), v);
	if (was != is)
		VM_PUT(vm, sp->nonzero, sp->nonzero + (is ? 1 : -1));
	m2d_emit(vm->ev, SPTE_CHANGED, m2d_spte_hpa(vm, sptep).v, m2d_role_level(sp->role), old, v);
}

void m2d_mmu_spte_set(M2dVm *vm, M2dSptep sptep, uint64_t v)
{
	write_spte(vm, sptep, m2d_spte_read(vm, sptep), v);
}

/* A hugepage is accessed or dirty as a whole. */
static void to_host(M2dVm *vm, M2dSptep sptep, uint64_t old, bool accessed, bool dirty)
{
	unsigned level = m2d_role_level(m2d_sp(vm, m2d_sptep_sp(sptep))->role);
	uint64_t pfn = m2d_spte_pfn(&vm->fmt, old), n = UINT64_C(1) << 9 * (level - 1);

	for (uint64_t i = 0; i < n; i++) {
		if (accessed && M2D_OWES(vm, ACCESSED_TO_HOST))
			m2d_frame_set_accessed(vm, pfn + i);
		if (dirty && M2D_OWES(vm, DIRTY_TO_HOST))
			m2d_frame_set_dirty(vm, pfn + i);
	}
}

bool m2d_mmu_spte_update(M2dVm *vm, M2dSptep sptep, uint64_t v)
{
	const M2dSpteFormat *fmt = &vm->fmt;
	const M2dKnobs *knobs = &vm->cfg.knobs;
	uint64_t old = m2d_spte_read(vm, sptep);
	bool a, d;

	write_spte(vm, sptep, old, v);
	if (!m2d_spte_is_present(fmt, old))
		return false;
	a = m2d_spte_is_accessed(fmt, old) && !m2d_spte_is_accessed(fmt, v);
	d = m2d_spte_is_dirty(fmt, old) && !m2d_spte_is_dirty(fmt, v);
	to_host(vm, sptep, old, a, d);
	if (m2d_spte_is_mmu_writable(fmt, old) &&
	    (knobs->wrprot_flush == M2D_WRPROT_FLUSH_WRITABLE ? !m2d_spte_is_writable(v)
							      : !m2d_spte_is_mmu_writable(fmt, v)))
		return true;
	return (a && knobs->ad_flush == M2D_AD_FLUSH_BOTH) ||
	       (d && knobs->ad_flush != M2D_AD_FLUSH_NONE);
}

uint64_t m2d_mmu_spte_clear_track_bits(M2dVm *vm, M2dSptep sptep)
{
	const M2dSpteFormat *fmt = &vm->fmt;
	uint64_t old = m2d_spte_read(vm, sptep);

	write_spte(vm, sptep, old, fmt->nonpresent);
	if (m2d_spte_is_present(fmt, old))
		to_host(vm, sptep, old, m2d_spte_is_accessed(fmt, old),
			m2d_spte_is_dirty(fmt, old));
	return old;
}

void m2d_mmu_spte_clear_no_track(M2dVm *vm, M2dSptep sptep)
{
	m2d_mmu_spte_set(vm, sptep, vm->fmt.nonpresent);
}

bool m2d_mmu_spte_age(M2dVm *vm, M2dSptep sptep)
{
	const M2dSpteFormat *fmt = &vm->fmt;
	uint64_t old = m2d_spte_read(vm, sptep);

	if (!m2d_spte_is_present(fmt, old) || !m2d_spte_is_accessed(fmt, old))
		return false;
	/* Without A/D bits the write right goes with the others, and it is the dirty state. */
	if (!m2d_spte_ad_enabled(fmt, old))
		to_host(vm, sptep, old, false, m2d_spte_is_writable(old));
	write_spte(vm, sptep, old, m2d_spte_mark_for_access_track(fmt, old));
	return true;
}

bool m2d_mmu_spte_cmpxchg(M2dVm *vm, M2dSptep sptep, M2dHpa at, uint64_t from, uint64_t to)
{
	if (m2d_space_read64(vm->space, at) != from)
		return false;
	if (m2d_sp(vm, m2d_sptep_sp(sptep))->pfn != 0 && m2d_spte_hpa(vm, sptep).v == at.v)
		write_spte(vm, sptep, from, to);
	else /* the table is somebody else's memory by now */
		m2d_space_write64(vm->space, at, to);
	return true;
}

void m2d_mark_mmio_spte(M2dVm *vm, M2dSptep sptep, uint64_t gfn, unsigned access)
{
	const M2dSp *sp = m2d_sp(vm, m2d_sptep_sp(sptep));
	uint64_t generation = vm->slots->generation[m2d_role_as(sp->role)];
	uint64_t v = m2d_spte_make_mmio(&vm->fmt, gfn, access, generation);

	m2d_mmu_spte_set(vm, sptep, v);
	/* The tracepoint has the value's low bits, of which the first is the present bit. */
	m2d_emit(vm->ev, MARK_MMIO_SPTE, m2d_spte_hpa(vm, sptep).v, gfn, v & M2D_SPTE_ACC_ALL,
		 m2d_spte_mmio_gen_mask(&vm->fmt, generation));
}
