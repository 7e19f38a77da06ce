/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's software walk of the guest's tables. It judges by the role that the context was made with,
 * not by the registers as they are.
 * Sources: arch/x86/kvm/mmu/paging_tmpl.h FNAME(walk_addr_generic),
 * FNAME(update_accessed_dirty_bits).
 */
#include "sim/guest/guest.h"
#include "sim/shadow/routines.h"

enum {
	WALK_ON,    /* there is a table below */
	WALK_LEAF,  /* the leaf is reached */
	WALK_FAULT, /* the guest's own fault */
};

unsigned m2d_gpte_access(const M2dMmuCtx *mmu, uint64_t gpte)
{
	unsigned access = (gpte & M2D_PTE_RW ? M2D_SPTE_ACC_WRITE : 0) |
			  (gpte & M2D_PTE_US ? M2D_SPTE_ACC_USER : 0);

	if (mmu->gfmt.mode == M2D_PAGING_32 || !(gpte & M2D_PTE_NX))
		access |= M2D_SPTE_ACC_EXEC;
	return access;
}

unsigned m2d_protect_clean_gpte(const M2dVm *vm, unsigned access, uint64_t gpte)
{
	if (!(gpte & M2D_PTE_D) && M2D_OWES(vm, GUEST_D_WRITABLE))
		access &= ~(unsigned)M2D_SPTE_ACC_WRITE;
	return access;
}

static unsigned gpte_size(const M2dMmuCtx *mmu)
{
	return 1u << mmu->gfmt.entry_shift;
}

bool m2d_read_gpte(M2dVm *vm, const M2dMmuCtx *mmu, uint64_t gpa, uint64_t *gpte)
{
	return m2d_as_read_guest(vm, m2d_role_as(mmu->root_role), (M2dGpa){gpa}, gpte_size(mmu),
				 gpte);
}

bool m2d_prefetch_invalid_gpte(const M2dMmuCtx *mmu, uint64_t gpte)
{
	return m2d_pte_classify(&mmu->gfmt, 1, gpte) != M2D_PTE_LEAF || !(gpte & M2D_PTE_A);
}

uint64_t m2d_level1_gpte_gpa(const M2dSp *sp, unsigned index)
{
	if (sp->role & M2D_ROLE_HAS_4_BYTE_GPTE)
		return sp->gfn << 12 | ((m2d_role_quadrant(sp->role) << 9 | index) * 4);
	return sp->gfn << 12 | index * 8;
}

static void policy_of_role(const M2dKvmVcpu *v, M2dGuestPolicy *p)
{
	uint32_t cpu = v->mmu.cpu_role, ext = v->mmu.ext_role;

	*p = (M2dGuestPolicy){
		.wp = cpu & M2D_ROLE_CR0_WP,
		.smep = ext & M2D_EXT_CR4_SMEP,
		.smap = ext & M2D_EXT_CR4_SMAP,
		.ac = v->regs.ac,
		.nxe = cpu & M2D_ROLE_EFER_NX,
		.pke = ext & M2D_EXT_CR4_PKE,
		.pkru = v->regs.pkru,
	};
	p->fetch_code = p->nxe || p->smep;
}

static M2dAccKind access_kind(uint32_t pfec)
{
	return pfec & M2D_PFEC_W    ? M2D_ACC_WRITE
	       : pfec & M2D_PFEC_ID ? M2D_ACC_FETCH
				    : M2D_ACC_READ;
}

/* The guest's rights at the leaf, against the access. 0: fine, else the error code. */
static uint32_t permission_fault(const M2dKvmVcpu *v, unsigned access, uint64_t gpte, uint32_t pfec)
{
	M2dGuestRights rights = {
		.w = access & M2D_SPTE_ACC_WRITE,
		.u = access & M2D_SPTE_ACC_USER,
		.x = access & M2D_SPTE_ACC_EXEC,
		.key = gpte >> M2D_PTE_KEY_SHIFT & 15,
	};
	M2dGuestPolicy policy;

	policy_of_role(v, &policy);
	if (m2d_role_level(v->mmu.cpu_role) < 4)
		rights.key = 0;
	return m2d_guest_permission(&policy, &rights, access_kind(pfec), pfec & M2D_PFEC_U, false);
}

bool m2d_mmio_cached_gva(const M2dVm *vm, const M2dKvmVcpu *v, uint64_t gva, uint32_t pfec)
{
	if ((pfec & M2D_PFEC_ID) || !m2d_mmio_cached(vm, v, gva, false))
		return false;
	return m2d_role_level(v->mmu.cpu_role) == 0 ||
	       permission_fault(v, v->mmio_access, 0, pfec) == 0;
}

static void forget(M2dVm *vm, M2dGuestWalk *w)
{
	static const M2dGuestWalk none;

	m2d_arena_write(vm->arena, w, &none, sizeof(none));
}

void m2d_mmu_forget_fault(M2dVm *vm, unsigned vcpu)
{
	forget(vm, m2d_mmu_last_fault(vm, vcpu));
}

/* False: the PDPTE is not there. */
static bool begin_walk(M2dVm *vm, const M2dKvmVcpu *v, m2d_mmu_walk_addr_frame *f)
{
	const M2dMmuCtx *mmu = &v->mmu;

	forget(vm, m2d_mmu_last_fault(vm, f->vcpu));
	f->level = m2d_role_level(mmu->cpu_role);
	f->pt_access = M2D_SPTE_ACC_ALL;
	f->table_gpa = m2d_guest_root(&mmu->gfmt, &v->regs, vm->cfg.guest_maxphyaddr);
	if (f->level == 3) {
		uint64_t pdpte = mmu->pdptrs[f->gva >> 30 & 3];

		m2d_emit(vm->ev, PAGING_ELEMENT, pdpte, 3);
		f->level = 2;
		f->table_gpa = pdpte & mmu->gfmt.frame_mask;
		return pdpte & M2D_PTE_P;
	}
	return true;
}

static int look_at_entry(M2dVm *vm, const M2dKvmVcpu *v, m2d_mmu_walk_addr_frame *f)
{
	M2dGuestWalk *w = m2d_mmu_last_fault(vm, f->vcpu);
	const M2dMmuCtx *mmu = &v->mmu;
	unsigned access;

	switch (m2d_pte_classify(&mmu->gfmt, f->level, f->pte)) {
	case M2D_PTE_NOT_PRESENT:
		return WALK_FAULT;
	case M2D_PTE_RESERVED:
		VM_PUT(vm, w->error_code, M2D_PFEC_RSVD | M2D_PFEC_P);
		return WALK_FAULT;
	case M2D_PTE_TABLE:
		access = m2d_gpte_access(mmu, f->pte);
		if (M2D_OWES(vm, ACCESS_AND))
			f->pt_access &= access;
		f->table_gpa = f->pte & mmu->gfmt.frame_mask;
		f->level--;
		return WALK_ON;
	default:
		return WALK_LEAF;
	}
}

static void keep_entry(M2dVm *vm, m2d_mmu_walk_addr_frame *f)
{
	M2dGuestWalk *w = m2d_mmu_last_fault(vm, f->vcpu);

	m2d_emit(vm->ev, PAGING_ELEMENT, f->pte, f->level);
	VM_PUT(vm, w->pte[f->level - 1], f->pte);
	VM_PUT(vm, w->pte_gpa[f->level - 1], f->pte_gpa);
	VM_PUT(vm, w->pt_access[f->level - 1], f->pt_access);
}

/* One compare-and-exchange for each entry that lacks a bit. False: somebody changed the entry. */
static bool update_accessed_dirty(M2dVm *vm, const M2dKvmVcpu *v, unsigned leaf, bool write,
				  M2dGuestWalk *w)
{
	unsigned size = gpte_size(&v->mmu);

	for (unsigned level = M2D_MAX_LEVELS; level >= leaf; level--) {
		uint64_t old = w->pte[level - 1], new = old | M2D_PTE_A, now;
		M2dGpa gpa = {w->pte_gpa[level - 1]};

		if (!(old & M2D_PTE_P)) /* above the top */
			continue;
		if (level == leaf && write)
			new |= M2D_PTE_D;
		if (new == old || !M2D_OWES(vm, GUEST_AD))
			continue;
		if (!(old & M2D_PTE_A))
			m2d_emit(vm->ev, SET_ACCESSED_BIT, gpa.v);
		if (new & ~old & M2D_PTE_D)
			m2d_emit(vm->ev, SET_DIRTY_BIT, gpa.v);
		if (!m2d_as_read_guest(vm, v->smm, gpa, size, &now) || now != old)
			return false;
		/* A read-only table keeps its bits as they are. */
		if (!m2d_as_write_guest(vm, v->smm, gpa, size, new,
					M2D_OWES(vm, DIRTY_ON_GUEST_AD)))
			continue;
		m2d_emit(vm->ev, EMULATED_WRITE, gpa.v, new, size);
		VM_PUT(vm, w->pte[level - 1], new);
	}
	return true;
}

/* The leaf is read. True: the walk is over, well or with the guest's fault; false: again. */
static bool finish_walk(M2dVm *vm, const M2dKvmVcpu *v, m2d_mmu_walk_addr_frame *f)
{
	M2dGuestWalk *w = m2d_mmu_last_fault(vm, f->vcpu);
	unsigned all = M2D_SPTE_ACC_ALL, access;
	uint32_t error;
	uint64_t mask = m2d_low_mask(m2d_pte_shift(&v->mmu.gfmt, f->level));

	access = f->pt_access & m2d_gpte_access(&v->mmu, f->pte);
	/* Every level grants or denies for the guest, also where a bug of KVM's forgets it. */
	for (unsigned level = f->level; level <= M2D_MAX_LEVELS; level++) {
		if (w->pte[level - 1] & M2D_PTE_P)
			all &= m2d_gpte_access(&v->mmu, w->pte[level - 1]);
	}
	error = permission_fault(v, all, f->pte, f->access);
	if (error != 0) {
		VM_PUT(vm, w->error_code, error);
		return true;
	}
	if (!update_accessed_dirty(vm, v, f->level, f->access & M2D_PFEC_W, w))
		return false;
	if (!(f->access & M2D_PFEC_W))
		access = m2d_protect_clean_gpte(vm, access, f->pte);
	VM_PUT(vm, w->access, access);
	VM_PUT(vm, w->level, f->level);
	VM_PUT(vm, w->gpa, m2d_pte_leaf_base(&v->mmu.gfmt, f->level, f->pte) | (f->gva & mask));
	return true;
}

static void finish_fault(M2dVm *vm, const M2dKvmVcpu *v, const m2d_mmu_walk_addr_frame *f)
{
	M2dGuestWalk *w = m2d_mmu_last_fault(vm, f->vcpu);
	uint32_t error = w->error_code | (f->access & (M2D_PFEC_W | M2D_PFEC_U));

	if ((f->access & M2D_PFEC_ID) &&
	    ((v->mmu.cpu_role & M2D_ROLE_EFER_NX) || (v->mmu.ext_role & M2D_EXT_CR4_SMEP)))
		error |= M2D_PFEC_ID;
	VM_PUT(vm, w->error_code, error);
	m2d_emit(vm->ev, WALKER_ERROR, error);
}

M2D_ROUTINE(m2d_mmu_walk_addr)
{
	m2d_mmu_walk_addr_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dKvmVcpu *v = vm->vcpu[f->vcpu];
	M2dGuestWalk *w = m2d_mmu_last_fault(vm, f->vcpu);
	int what = WALK_ON;

	M2D_BEGIN(rt, f);
	if (m2d_role_level(v->mmu.cpu_role) == 0) {
		forget(vm, w);
		VM_PUT(vm, w->gpa, f->gva);
		VM_PUT(vm, w->access, M2D_SPTE_ACC_ALL);
		M2D_RETURN(rt, f, 1);
	}
	m2d_emit(vm->ev, PAGETABLE_WALK, f->gva, f->access);
	do {
		if (!begin_walk(vm, v, f))
			break;
		do {
			f->pte_gpa =
				f->table_gpa + m2d_pte_index_offset(&v->mmu.gfmt, f->level, f->gva);
			what = WALK_FAULT;
			if (!m2d_read_gpte(vm, &v->mmu, f->pte_gpa, &f->pte))
				break;
			keep_entry(vm, f);
			M2D_POINT(rt, f, WALK_READ);
			what = look_at_entry(vm, v, f);
		} while (what == WALK_ON);
	} while (what == WALK_LEAF && !finish_walk(vm, v, f));
	if (w->level == 0) {
		finish_fault(vm, v, f);
		M2D_RETURN(rt, f, 0);
	}
	M2D_RETURN(rt, f, 1);
	M2D_END(rt, f);
}
