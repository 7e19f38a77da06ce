/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow pages: numbers, lists, the hash by gfn, allocation, what a shadowed gfn is barred from,
 * links to parents.
 * Sources: arch/x86/kvm/mmu/mmu.c kvm_mmu_alloc_shadow_page(), account_shadowed(),
 * kvm_mmu_child_role(), __link_shadow_page().
 */
#include "sim/shadow/routines.h"

M2dSp *m2d_sp(const M2dVm *vm, M2dSpIndex index)
{
	return m2d_pool_at(&m2d_shadow(vm)->sp, index);
}

M2dSpIndex m2d_shadow_max_sp(const M2dVm *vm)
{
	return m2d_pool_end(&m2d_shadow(vm)->sp);
}

uint32_t m2d_shadow_used_pages(const M2dVm *vm)
{
	return m2d_shadow(vm)->s->used_pages;
}

M2dSpIndex m2d_shadow_sp_of_frame(const M2dVm *vm, uint64_t pfn)
{
	if (pfn - vm->cfg.first_pfn >= vm->cfg.n_pfns)
		return 0;
	return m2d_shadow(vm)->sp_of_frame[pfn - vm->cfg.first_pfn];
}

void m2d_sp_event(M2dVm *vm, M2dEventType type, M2dSpIndex i, bool created)
{
	const M2dSp *sp = m2d_sp(vm, i);

	vm->ev->count[type]++;
	if (vm->ev->wanted[type] != 0)
		m2d_events_send(vm->ev, type,
				(const uint64_t[M2D_EVENT_ARGS]){
					i, sp->gfn, sp->role, sp->root_count, sp->unsync, created});
}

void m2d_sp_list_add(M2dVm *vm, M2dSpIndex i, unsigned list)
{
	M2dShadowState *s = m2d_shadow(vm)->s;
	M2dSp *sp = m2d_sp(vm, i);

	VM_PUT(vm, sp->lru_next, s->head[list]);
	VM_PUT(vm, sp->lru_prev, 0);
	if (s->head[list])
		VM_PUT(vm, m2d_sp(vm, s->head[list])->lru_prev, i);
	else
		VM_PUT(vm, s->tail[list], i);
	VM_PUT(vm, s->head[list], i);
	VM_PUT(vm, sp->on_list, list);
}

void m2d_sp_list_del(M2dVm *vm, M2dSpIndex i)
{
	M2dShadowState *s = m2d_shadow(vm)->s;
	M2dSp *sp = m2d_sp(vm, i);

	if (sp->on_list == M2D_ON_NONE)
		return;
	if (sp->lru_prev)
		VM_PUT(vm, m2d_sp(vm, sp->lru_prev)->lru_next, sp->lru_next);
	else
		VM_PUT(vm, s->head[sp->on_list], sp->lru_next);
	if (sp->lru_next)
		VM_PUT(vm, m2d_sp(vm, sp->lru_next)->lru_prev, sp->lru_prev);
	else
		VM_PUT(vm, s->tail[sp->on_list], sp->lru_prev);
	VM_PUT(vm, sp->lru_next, 0);
	VM_PUT(vm, sp->lru_prev, 0);
	VM_PUT(vm, sp->on_list, M2D_ON_NONE);
}

unsigned m2d_sp_hash(uint64_t gfn)
{
	return (unsigned)(m2d_mix64(gfn) % M2D_SHADOW_HASH);
}

static void hash_del(M2dVm *vm, M2dSpIndex i)
{
	uint32_t *link = &m2d_shadow(vm)->s->hash[m2d_sp_hash(m2d_sp(vm, i)->gfn)];

	while (*link != i)
		link = &m2d_sp(vm, *link)->hash_next;
	VM_PUT(vm, *link, m2d_sp(vm, i)->hash_next);
}

static M2dSpIndex skip_unwanted(const M2dVm *vm, uint64_t gfn, M2dSpIndex i)
{
	for (; i != 0; i = m2d_sp(vm, i)->hash_next) {
		const M2dSp *sp = m2d_sp(vm, i);

		if (sp->gfn == gfn && !m2d_sp_obsolete(vm, sp) && m2d_sp_has_gptes(sp))
			break;
	}
	return i;
}

M2dSpIndex m2d_sp_first(const M2dVm *vm, uint64_t gfn)
{
	return skip_unwanted(vm, gfn, m2d_shadow(vm)->s->hash[m2d_sp_hash(gfn)]);
}

M2dSpIndex m2d_sp_next(const M2dVm *vm, M2dSpIndex i)
{
	const M2dSp *sp = m2d_sp(vm, i);

	return skip_unwanted(vm, sp->gfn, sp->hash_next);
}

bool m2d_mmu_gfn_shadowed(const M2dVm *vm, unsigned as, uint64_t gfn)
{
	for (M2dSpIndex i = m2d_sp_first(vm, gfn); i != 0; i = m2d_sp_next(vm, i)) {
		if (m2d_role_as(m2d_sp(vm, i)->role) == as)
			return true;
	}
	return false;
}

bool m2d_account_shadowed(M2dVm *vm, M2dSp *sp)
{
	M2dShadowState *s = m2d_shadow(vm)->s;
	M2dMemslot *slot = m2d_sp_slot(vm, sp, sp->gfn);

	VM_PUT(vm, s->indirect_pages, s->indirect_pages + 1);
	if (slot == NULL)
		return false;
	m2d_mmu_gfn_disallow_lpage(vm, slot, sp->gfn);
	/* Tables above level 1 are never writable: they are tracked like device memory. */
	if (m2d_role_level(sp->role) > 1) {
		uint16_t *track = m2d_slot_track(vm, slot, sp->gfn);

		VM_PUT(vm, *track, *track + 1);
	}
	if (!M2D_OWES(vm, WRPROT_SHADOWED))
		return false;
	return m2d_mmu_slot_gfn_write_protect(vm, slot, sp->gfn, 1);
}

static void fill_nonpresent(M2dVm *vm, uint64_t pfn)
{
	if (vm->fmt.nonpresent != 0)
		m2d_space_fill(vm->space, pfn, vm->fmt.nonpresent);
}

M2dSpIndex m2d_sp_alloc(M2dVm *vm, uint64_t gfn, uint32_t role)
{
	M2dShadow *sh = m2d_shadow(vm);
	uint32_t *bucket = &sh->s->hash[m2d_sp_hash(gfn)];
	M2dSpIndex i;
	uint64_t pfn;
	M2dSp *sp;

	if (!m2d_frame_alloc(vm, M2D_FRAME_TABLE, &pfn))
		return 0;
	fill_nonpresent(vm, pfn);
	i = m2d_pool_take(&sh->sp);
	sp = m2d_sp(vm, i);
	VM_PUT(vm, sp->gfn, gfn);
	VM_PUT(vm, sp->pfn, pfn);
	VM_PUT(vm, sp->role, role);
	VM_PUT(vm, sp->valid_gen, vm->s->mmu_valid_gen);
	if (!(role & M2D_ROLE_DIRECT) && m2d_role_level(role) <= 3) {
		if (sh->translation[i] == 0) {
			void *words = m2d_arena_alloc(vm->arena, 4096, 8);

			VM_PUT(vm, sh->translation[i], m2d_arena_offset(vm->arena, words));
		}
		VM_PUT(vm, sp->shadowed, sh->translation[i]);
	}
	VM_PUT(vm, sh->sp_of_frame[pfn - vm->cfg.first_pfn], i);
	m2d_sp_list_add(vm, i, M2D_ON_ACTIVE);
	VM_PUT(vm, sh->s->used_pages, sh->s->used_pages + 1);
	VM_PUT(vm, sp->hash_next, *bucket);
	VM_PUT(vm, *bucket, i);
	m2d_emit(vm->ev, SP_ALLOC, i, gfn, role, pfn);
	m2d_shadow_charge(vm, M2D_CAUSE_KVM_FAULT, vm->machine->kvm.sp_alloc);
	return i;
}

void m2d_sp_free(M2dVm *vm, M2dSpIndex i)
{
	M2dShadow *sh = m2d_shadow(vm);
	M2dSp *sp = m2d_sp(vm, i);
	uint64_t pfn = sp->pfn;

	hash_del(vm, i);
	m2d_sp_list_del(vm, i);
	/* Empty unless a duty is left out. */
	m2d_list_clear(vm, &sp->parents);
	if (sp->shadowed) {
		uint64_t *words = m2d_arena_at(vm->arena, sp->shadowed);

		for (unsigned n = 0; n < 512; n++) {
			if (words[n] != 0)
				VM_PUT(vm, words[n], 0);
		}
	}
	VM_PUT(vm, sh->sp_of_frame[pfn - vm->cfg.first_pfn], 0);
	m2d_emit(vm->ev, SP_FREE, i, sp->gfn, sp->role, pfn);
	m2d_pool_give(&sh->sp, i);
	m2d_frame_free(vm, pfn);
}

void m2d_sp_clear_flooding(M2dVm *vm, M2dSpIndex i)
{
	M2dSp *sp = m2d_sp(vm, i);

	if (sp->write_flooding != 0)
		VM_PUT(vm, sp->write_flooding, 0);
}

uint32_t m2d_child_role(const M2dVm *vm, M2dSptep parent, bool direct, unsigned access)
{
	uint32_t role = m2d_sp(vm, m2d_sptep_sp(parent))->role - 1;

	role &= ~(uint32_t)(M2D_ROLE_ACCESS | M2D_ROLE_DIRECT | M2D_ROLE_PASSTHROUGH);
	role |= access << M2D_ROLE_ACCESS_SHIFT | (direct ? M2D_ROLE_DIRECT : 0);
	/* Two pages of 8-byte entries for one guest table of 1024 entries. */
	if (role & M2D_ROLE_HAS_4_BYTE_GPTE) {
		role &= ~(uint32_t)M2D_ROLE_QUADRANT;
		role |= (m2d_sptep_index(parent) & 1) << M2D_ROLE_QUADRANT_SHIFT;
	}
	return role;
}

void m2d_link_spte(M2dVm *vm, M2dSptep sptep, M2dSpIndex child)
{
	M2dSp *sp = m2d_sp(vm, child);

	m2d_mmu_spte_set(vm, sptep,
			 m2d_spte_make_nonleaf(&vm->fmt, sp->pfn, sp->role & M2D_ROLE_AD_DISABLED));
	m2d_list_add(vm, &sp->parents, sptep);
	if (sp->unsync || sp->unsync_children)
		m2d_mark_unsync(vm, sptep);
}

void m2d_drop_parent_pte(M2dVm *vm, M2dSpIndex child, M2dSptep parent)
{
	if (child != 0)
		m2d_list_remove(vm, &m2d_sp(vm, child)->parents, parent);
	m2d_mmu_spte_clear_no_track(vm, parent);
}

void m2d_shadow_walk_init(const M2dVm *vm, const M2dKvmVcpu *v, M2dSpIndex root, uint64_t addr,
			  M2dShadowWalk *it)
{
	*it = (M2dShadowWalk){.addr = addr};
	if (root == M2D_ROOT_PAE)
		root = v->mmu.pae_root[addr >> 30 & 3];
	if (root == 0 || root == M2D_ROOT_DUMMY)
		return;
	it->sp = root;
	it->level = m2d_role_level(m2d_sp(vm, root)->role);
	it->index = addr >> (12 + 9 * (it->level - 1)) & 511;
	it->sptep = m2d_sptep(root, it->index);
}

void m2d_shadow_walk_next(const M2dVm *vm, M2dShadowWalk *it, uint64_t spte)
{
	it->sp = m2d_spte_is_table(vm, spte, it->level) ? m2d_spte_child(vm, spte) : 0;
	it->level = it->sp ? it->level - 1 : 0;
	if (it->level == 0)
		return;
	it->index = it->addr >> (12 + 9 * (it->level - 1)) & 511;
	it->sptep = m2d_sptep(it->sp, it->index);
}
