/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Synchronising a shadow page makes all its SPTEs anew, and is worth a flush if one of them loses
 * something. Before SPTEs with intact rights were left alone (knob sync-intact) that is also the
 * accessed bit, which hardware sets without a word: where KVM flushes and nothing that is known of
 * the guest's entries says why, it was that. The flush is input then, and not counted.
 */
#include "sim/conform/conform-private.h"

static uint64_t entry_of(M2dConform *c, const M2dSp *sp, unsigned index)
{
	return m2d_conf_guest_read(c, m2d_level1_gpte_gpa(sp, index),
				   sp->role & M2D_ROLE_HAS_4_BYTE_GPTE ? 4 : 8);
}

/* KVM flushes at event @flush for what it finds in page @sp. */
static void accessed(M2dConform *c, M2dSpIndex sp, uint32_t flush)
{
	const M2dVm *vm = c->vm;
	int vcpu = m2d_conf_task_of(c, flush)->vcpu;
	M2dSptep used = 0;

	if (vm->cfg.knobs.sync_intact == M2D_SYNC_INTACT_KEEP || vcpu < 0)
		return;
	for (unsigned n = 0; n < 512; n++) {
		M2dSptep sptep = m2d_sptep(sp, n);
		uint64_t spte = m2d_spte_read(vm, sptep);

		if (!m2d_spte_is_present(&vm->fmt, spte))
			continue;
		if (spte & vm->fmt.accessed ||
		    m2d_conf_takes_away(c, &vm->vcpu[vcpu]->mmu.gfmt, sptep,
					entry_of(c, m2d_sp(vm, sp), n)))
			return;
		if (used == 0)
			used = sptep;
	}
	if (used == 0)
		return;
	m2d_conf_used(c, used, vm->fmt.accessed);
	g_hash_table_add(c->inputs, GUINT_TO_POINTER(flush));
}

void m2d_conf_guest_sync(M2dConform *c, M2dSpIndex sp)
{
	uint32_t flush = m2d_conf_next(c, c->now), next;

	if (m2d_conf_event(c, c->now)->kind != M2D_CAP_SYNC_PAGE || flush == M2D_CONF_NONE ||
	    m2d_conf_event(c, flush)->kind != M2D_CAP_FLUSH_REMOTE)
		return;
	/* Before another page it is for the protection of that. */
	next = m2d_conf_next(c, flush);
	if (next == M2D_CONF_NONE || m2d_conf_event(c, next)->kind != M2D_CAP_SYNC_PAGE)
		accessed(c, sp, flush);
}

void m2d_conf_guest_found(M2dConform *c, M2dSpIndex sp)
{
	uint32_t get = m2d_conf_next(c, c->now);

	if (m2d_conf_event(c, c->now)->kind == M2D_CAP_FLUSH_REMOTE && get != M2D_CONF_NONE &&
	    m2d_conf_event(c, get)->kind == M2D_CAP_GET_PAGE)
		accessed(c, sp, c->now);
}

/* --- mmu_lock while children are synchronised ------------------------------------------------- */

/* Events that are made with mmu_lock held. */
static bool under_lock(unsigned kind)
{
	switch (kind) {
	case M2D_CAP_SPTE_REQUESTED:
	case M2D_CAP_SET_SPTE:
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_SYNC_PAGE:
	case M2D_CAP_UNSYNC_PAGE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_COMMIT_ZAP:
	case M2D_CAP_MARK_MMIO:
	case M2D_CAP_UNMAP_GFN:
	case M2D_CAP_ZAP_ALL_FAST:
	case M2D_CAP_DIRTY_MASKED:
		return true;
	default:
		return false;
	}
}

bool m2d_conf_lock_break(void *data, unsigned actor)
{
	M2dConform *c = data;
	uint32_t t = c->actor_task[actor], n = M2D_CONF_NONE;

	for (uint32_t i = c->now; i < c->events->len; i++) {
		unsigned kind = m2d_conf_event(c, i)->kind;

		if (g_array_index(c->task_of, uint32_t, i) != t) {
			if (n == M2D_CONF_NONE && under_lock(kind))
				n = i;
			continue;
		}
		if (i == c->now)
			continue;
		if (kind == M2D_CAP_SYNC_PAGE || kind == M2D_CAP_FLUSH_REMOTE)
			return n != M2D_CONF_NONE;
		if (kind == M2D_CAP_ENTRY || kind == M2D_CAP_EXIT)
			return false;
	}
	return false;
}
