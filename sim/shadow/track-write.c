/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stores to guest tables that KVM performed: the shadow entries for what was written go, or the
 * page, if this is no table any more.
 * Sources: arch/x86/kvm/mmu/mmu.c kvm_mmu_track_write(), detect_write_misaligned(),
 * get_written_sptes(), kvm_mmu_unprotect_page().
 */
#include "sim/shadow/routines.h"

#define FLOOD 3u

typedef struct {
	uint64_t gpa;
	unsigned bytes;
} Store;

/* A guest with 8-byte entries writes one in two halves: judge the whole. */
static Store as_entry(const M2dVm *vm, uint64_t gpa, unsigned bytes)
{
	unsigned actor = vm->rt->current;
	const M2dKvmVcpu *v = actor < vm->n_vcpus ? vm->vcpu[actor] : vm->vcpu[0];

	if ((v->regs.cr4 & M2D_CR4_PAE) && bytes == 4)
		return (Store){gpa & ~UINT64_C(7), 8};
	return (Store){gpa, bytes};
}

static bool flooded(M2dVm *vm, M2dSp *sp)
{
	/* Pages of level 1 can go unsync instead. */
	if (m2d_role_level(sp->role) == 1)
		return false;
	if (sp->write_flooding < UINT8_MAX)
		VM_PUT(vm, sp->write_flooding, sp->write_flooding + 1);
	return sp->write_flooding >= FLOOD && M2D_OWES(vm, ZAP_FLOODED);
}

static bool misaligned(const M2dSp *sp, Store st)
{
	unsigned size = sp->role & M2D_ROLE_HAS_4_BYTE_GPTE ? 4 : 8;
	unsigned offset = st.gpa & 4095;

	/* Some systems set status bits by instructions on the lowest byte. */
	if (!(offset & (size - 1)) && st.bytes == 1)
		return false;
	return ((offset ^ (offset + st.bytes - 1)) & ~(size - 1)) || st.bytes < 4;
}

/* Index of the first entry that shadows what was written, and how many; 0: this page has none. */
static unsigned written_sptes(const M2dSp *sp, uint64_t gpa, unsigned *index)
{
	unsigned offset = gpa & 4095, n = 1;

	if (sp->role & M2D_ROLE_HAS_4_BYTE_GPTE) {
		offset <<= 1;
		/* A guest's directory entry covers 4 MiB, one of ours 2 MiB. */
		if (m2d_role_level(sp->role) == 2) {
			offset = (offset & ~7u) << 1;
			n = 2;
		}
		if (offset >> 12 != m2d_role_quadrant(sp->role))
			return 0;
		offset &= 4095;
	}
	*index = offset / 8;
	return n;
}

/* True: an entry that hardware may have cached is gone. */
static bool zap_written(M2dVm *vm, M2dSpIndex i, uint64_t gpa)
{
	unsigned index, n = written_sptes(m2d_sp(vm, i), gpa, &index);
	bool flush = false;

	for (; n != 0 && M2D_OWES(vm, ZAP_TRACK_WRITE); n--, index++) {
		M2dSptep sptep = m2d_sptep(i, index);

		flush |= m2d_spte_is_present(&vm->fmt, m2d_spte_read(vm, sptep));
		m2d_page_zap_pte(vm, sptep, M2D_ON_NONE);
	}
	return flush;
}

static bool zap_for_store(M2dVm *vm, uint64_t gpa, unsigned bytes)
{
	Store st = as_entry(vm, gpa, bytes);
	bool flush = false;

	for (M2dSpIndex i = m2d_sp_first(vm, gpa >> 12); i != 0; i = m2d_sp_next(vm, i)) {
		M2dSp *sp = m2d_sp(vm, i);

		if (misaligned(sp, st) || flooded(vm, sp))
			m2d_prepare_zap_page(vm, i, M2D_ON_ZAPPED, NULL);
		else
			flush |= zap_written(vm, i, st.gpa);
	}
	return flush;
}

M2D_ROUTINE(m2d_mmu_track_write)
{
	m2d_mmu_track_write_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	if (m2d_shadow(vm)->s->indirect_pages == 0)
		M2D_RETURN(rt, f, 0);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	m2d_emit(vm->ev, TRACK_WRITE, f->gpa, f->bytes);
	f->flush = zap_for_store(vm, f->gpa, f->bytes);
	M2D_POINT(rt, f, ZAPPED);
	M2D_CALL(rt, f, m2d_mmu_flush_or_zap, .flush = f->flush && M2D_OWES(vm, FLUSH_TRACK_WRITE));
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, 0);
	M2D_END(rt, f);
}

static bool zap_gfn(M2dVm *vm, uint64_t gfn)
{
	bool any = false;

	for (M2dSpIndex i = m2d_sp_first(vm, gfn); i != 0; i = m2d_sp_next(vm, i)) {
		m2d_prepare_zap_page(vm, i, M2D_ON_ZAPPED, NULL);
		any = true;
	}
	return any;
}

M2D_ROUTINE(m2d_mmu_unprotect_gfn)
{
	m2d_mmu_unprotect_gfn_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, m2d_lock, .lock = M2D_LOCK_MMU);
	f->any = zap_gfn(vm, f->gfn);
	M2D_CALL(rt, f, m2d_mmu_commit_zap);
	m2d_unlock(vm, M2D_LOCK_MMU);
	M2D_RETURN(rt, f, f->any);
	M2D_END(rt, f);
}
