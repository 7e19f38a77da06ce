/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Roles: what the guest's registers mean for shadow tables, as the words by which pages are told
 * apart.
 * Sources: arch/x86/kvm/mmu/mmu.c kvm_calc_cpu_role(), kvm_calc_tdp_mmu_root_page_role(),
 * kvm_init_shadow_mmu().
 */
#include "sim/guest/guest.h"
#include "sim/shadow/shadow-private.h"

static uint32_t cpu_role(const M2dRegs *r)
{
	uint32_t role = M2D_ROLE_ACCESS;
	bool wp = r->cr0 & M2D_CR0_WP;

	if (!(r->cr0 & M2D_CR0_PG))
		return role | M2D_ROLE_DIRECT;
	if (r->efer & M2D_EFER_NXE)
		role |= M2D_ROLE_EFER_NX;
	if (wp)
		role |= M2D_ROLE_CR0_WP;
	if ((r->cr4 & M2D_CR4_SMEP) && !wp)
		role |= M2D_ROLE_SMEP_ANDNOT_WP;
	if ((r->cr4 & M2D_CR4_SMAP) && !wp)
		role |= M2D_ROLE_SMAP_ANDNOT_WP;
	if (!(r->cr4 & M2D_CR4_PAE))
		return role | M2D_ROLE_HAS_4_BYTE_GPTE | 2;
	if (!(r->efer & M2D_EFER_LMA))
		return role | 3;
	return role | (r->cr4 & M2D_CR4_LA57 ? 5 : 4);
}

static uint32_t ext_role(const M2dRegs *r)
{
	uint32_t ext = M2D_EXT_VALID;

	if (!(r->cr0 & M2D_CR0_PG))
		return ext;
	if (r->cr4 & M2D_CR4_SMEP)
		ext |= M2D_EXT_CR4_SMEP;
	if (r->cr4 & M2D_CR4_SMAP)
		ext |= M2D_EXT_CR4_SMAP;
	if (r->cr4 & M2D_CR4_PSE)
		ext |= M2D_EXT_CR4_PSE;
	if (!(r->efer & M2D_EFER_LMA))
		return ext;
	if (r->cr4 & M2D_CR4_PKE)
		ext |= M2D_EXT_CR4_PKE;
	if (r->cr4 & M2D_CR4_LA57)
		ext |= M2D_EXT_CR4_LA57;
	return ext | M2D_EXT_EFER_LMA;
}

void m2d_mmu_init_context(M2dVm *vm, M2dKvmVcpu *v)
{
	uint32_t cpu = cpu_role(&v->regs), root;
	M2dPteFormat fmt;

	if (vm->cfg.tdp) {
		root = M2D_ROLE_ACCESS | M2D_ROLE_CR0_WP | M2D_ROLE_EFER_NX | M2D_ROLE_DIRECT | 4;
		if (!vm->fmt.ad)
			root |= M2D_ROLE_AD_DISABLED;
	} else {
		/* PAE is the least that the shadow tables use; and KVM turns NX on for itself. */
		root = (cpu & ~(uint32_t)M2D_ROLE_LEVEL) | MAX(m2d_role_level(cpu), 3u) |
		       M2D_ROLE_EFER_NX;
	}
	root |= (uint32_t)v->smm << M2D_ROLE_SMM_SHIFT;
	m2d_guest_format(&fmt, &v->regs, vm->machine->vendor, vm->cfg.guest_maxphyaddr,
			 M2D_FEAT_ALL);
	VM_PUT(vm, v->mmu.cpu_role, cpu);
	VM_PUT(vm, v->mmu.ext_role, ext_role(&v->regs));
	VM_PUT(vm, v->mmu.root_role, root);
	VM_PUT(vm, v->mmu.root_level, m2d_role_level(root));
	m2d_arena_write(vm->arena, &v->mmu.gfmt, &fmt, sizeof(fmt));
}
