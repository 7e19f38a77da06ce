/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Set-up of the shadow MMU, and what concerns no single page of it. */
#include "sim/shadow/routines.h"

static void shadow_free(M2dShadow *shadow)
{
	g_free(shadow);
}

void m2d_shadow_init(M2dVm *vm)
{
	M2dShadow *sh = g_new0(M2dShadow, 1);
	M2dArena *arena = vm->arena;

	sh->s = m2d_arena_alloc(arena, sizeof(M2dShadowState), 8);
	m2d_pool_init(&sh->sp, arena, sizeof(M2dSp));
	m2d_pool_init(&sh->desc, arena, sizeof(M2dListDesc));
	sh->sp_of_frame = m2d_arena_alloc(arena, vm->cfg.n_pfns * sizeof(uint32_t), 8);
	/* There are never more pages than frames. */
	sh->translation = m2d_arena_alloc(
		arena, MIN(vm->cfg.n_pfns + 1, M2D_POOL_CHUNK * M2D_POOL_CHUNKS) * 8, 8);
	sh->walk = m2d_arena_alloc(arena, vm->n_vcpus * sizeof(M2dGuestWalk), 8);
	sh->fault = m2d_arena_alloc(arena, vm->n_vcpus * sizeof(M2dPageFault), 8);
	VM_PUT(vm, sh->s->page_limit, vm->cfg.page_limit);
	vm->shadow = sh;
	vm->shadow_free = shadow_free;
}

void m2d_shadow_charge(M2dVm *vm, M2dCause cause, uint64_t cycles)
{
	unsigned actor = vm->rt->current;

	m2d_vm_charge(vm, actor < vm->n_vcpus ? actor : M2D_NO_ACTOR, cause, cycles);
}

M2dGuestWalk *m2d_mmu_last_fault(const M2dVm *vm, unsigned vcpu)
{
	return &m2d_shadow(vm)->walk[vcpu];
}

/* The generation that the cache goes by. */
static uint64_t cache_generation(const M2dVm *vm, const M2dKvmVcpu *v)
{
	unsigned as = vm->cfg.knobs.mmio_cache_per_space ? m2d_role_as(v->mmu.root_role) : 0;

	return vm->slots->generation[as];
}

void m2d_cache_mmio(M2dVm *vm, M2dKvmVcpu *v, uint64_t gva, uint64_t gfn, unsigned access)
{
	uint64_t generation = cache_generation(vm, v);

	/* What was found while memslots change may be true of neither the old nor the new. */
	if (generation & M2D_GEN_UPDATE_IN_PROGRESS)
		return;
	VM_PUT(vm, v->mmio_gva, gva & ~UINT64_C(0xfff));
	VM_PUT(vm, v->mmio_gfn, gfn);
	VM_PUT(vm, v->mmio_access, access);
	VM_PUT(vm, v->mmio_gen, generation + 1); /* 0: nothing cached */
}

void m2d_clear_mmio_cache(M2dVm *vm, M2dKvmVcpu *v, uint64_t gva)
{
	if (!M2D_OWES(vm, MMIO_CACHE_CLEAR) || v->mmio_gen == 0)
		return;
	if (gva != ~UINT64_C(0) && v->mmio_gva != (gva & ~UINT64_C(0xfff)))
		return;
	VM_PUT(vm, v->mmio_gva, 0);
	VM_PUT(vm, v->mmio_gfn, 0);
	VM_PUT(vm, v->mmio_access, 0);
	VM_PUT(vm, v->mmio_gen, 0);
}

/* An address is found in the cache only while the memslots are of the generation that it was
 * cached under. */
bool m2d_mmio_cached(const M2dVm *vm, const M2dKvmVcpu *v, uint64_t addr, bool direct)
{
	if (v->mmio_gen == 0)
		return false;
	if (M2D_OWES(vm, MMIO_GENERATION) && v->mmio_gen != cache_generation(vm, v) + 1)
		return false;
	return direct ? v->mmio_gfn == addr >> 12
		      : v->mmio_gva != 0 && v->mmio_gva == (addr & ~UINT64_C(0xfff));
}
