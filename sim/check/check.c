/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Life of a checker, and who hears of which event. */
#include "sim/check/check-private.h"

static void on_write(const M2dWrite *w, void *data)
{
	M2dCheck *c = data;

	m2d_items_wrote(c->items, w);
	m2d_vt_wrote(c, w);
}

/* The host has put other frames behind guest memory, tables perhaps. */
static void follow_all(M2dCheck *c)
{
	for (M2dSpIndex sp = 1; sp < m2d_shadow_max_sp(c->vm); sp++)
		m2d_vt_follow(c, sp);
}

static void entered(M2dCheck *c, const M2dEvent *e)
{
	if (e->vcpu >= c->vm->n_vcpus)
		return;
	m2d_vt_emulated(c, e->vcpu);
	m2d_inv_missed_request(c, e);
	m2d_inv_invalid_root(c, e);
	m2d_inv_lost_flush_flag(c, e);
	m2d_inv_id_reuse(c, e);
	m2d_inv_other_root(c, e);
	m2d_judge(c, e->vcpu);
	m2d_vt_judge(c, e->vcpu);
}

static void ended(M2dCheck *c, const M2dEvent *e)
{
	if (e->actor < c->vm->n_vcpus)
		m2d_vt_emulated(c, e->actor);
	m2d_inv_lost_accessed(c, e);
	m2d_inv_deferred_flush(c, e);
	m2d_judge(c, M2D_NO_ACTOR);
	if (c->opt.audit_every != 0 && ++c->ops >= c->opt.audit_every) {
		c->ops = 0;
		m2d_inv_bookkeeping(c);
	}
}

static void kvm_bug(M2dCheck *c, const M2dEvent *e)
{
	m2d_find(c, M2D_INV_KVM_BUG,
		 &(M2dAbout){.vcpu = e->vcpu,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = M2D_NO_ADDRESS,
			     .hpa = e->a[1]},
		 "KVM found its own data corrupt");
}

static void store_told(M2dCheck *c, const M2dEvent *e)
{
	if (e->vcpu < c->vm->n_vcpus && c->s->vcpu[e->vcpu].stored)
		CHECK_PUT(c, c->s->vcpu[e->vcpu].stored, false);
}

static void new_root(M2dCheck *c, const M2dEvent *e)
{
	if (e->vcpu < c->vm->n_vcpus)
		c->new_root[e->vcpu] = m2d_event_moment(c);
}

static void cr_loads(M2dCheck *c, const M2dEvent *e)
{
	if (e->a[1] == 3 && e->vcpu < c->vm->n_vcpus)
		CHECK_PUT(c, c->s->vcpu[e->vcpu].cr3, e->a[2]);
}

static void remote_flush(M2dCheck *c, const M2dEvent *e)
{
	m2d_inv_missed_request(c, e);
	m2d_inv_remote_flush(c, e);
}

static void page_in_sync(M2dCheck *c, const M2dEvent *e)
{
	m2d_vt_follow(c, (M2dSpIndex)e->a[0]);
	m2d_inv_writable_shadowed(c, e);
}

static void fault_done(M2dCheck *c, const M2dEvent *e)
{
	m2d_inv_role_mismatch(c, e);
	store_told(c, e);
}

static void notifier_begins(M2dCheck *c, const M2dEvent *e)
{
	if (e->a[2] == 0)
		follow_all(c);
}

static void slot_changed(M2dCheck *c, const M2dEvent *e)
{
	m2d_inv_mmio_stale(c, e);
	m2d_inv_lost_dirty(c, e);
}

static void frame_freed(M2dCheck *c, const M2dEvent *e)
{
	m2d_vt_frame_freed(c, e->a[0]);
	m2d_inv_frame_use_after_free(c, e);
	m2d_inv_lost_dirty(c, e);
}

static void guest_access(M2dCheck *c, const M2dEvent *e)
{
	m2d_inv_frame_use_after_free(c, e);
	m2d_inv_lost_dirty(c, e);
}

static void emulated_write(M2dCheck *c, const M2dEvent *e)
{
	if (e->vcpu < c->vm->n_vcpus)
		CHECK_PUT(c, c->s->vcpu[e->vcpu].stored, true);
	m2d_inv_lost_dirty(c, e);
}

static void op_done(M2dCheck *c, const M2dEvent *e)
{
	if (e->vcpu < c->vm->n_vcpus)
		m2d_inv_lost_flush_flag(c, e);
	store_told(c, e);
	ended(c, e);
}

/* Who hears of what. Nobody is told of the rest. */
static void (*const hears[M2D_N_EVENTS])(M2dCheck *, const M2dEvent *) = {
	[M2D_E_KVM_ENTRY] = entered,
	[M2D_E_KVM_EXIT] = m2d_inv_mmio_stale,
	[M2D_E_KVM_MMIO] = m2d_inv_mmio_stale,
	[M2D_E_KVM_CR] = cr_loads,
	[M2D_E_GUEST_FLUSH] = m2d_inv_guest_flush,
	[M2D_E_GUEST_FLUSH_DONE] = m2d_inv_guest_flush,
	[M2D_E_NEW_PGD] = new_root,
	[M2D_E_ROOT_LOAD] = new_root,
	[M2D_E_PV_FLUSH_FLAG] = m2d_inv_lost_flush_flag,
	[M2D_E_FLUSH_HW] = m2d_inv_lost_flush_flag,
	[M2D_E_ROOT_UNLOAD] = m2d_inv_lost_flush_flag,
	[M2D_E_TAG_ASSIGNED] = m2d_inv_id_reuse,
	[M2D_E_FLUSH_REMOTE] = remote_flush,
	[M2D_E_FLUSH_REMOTE_DONE] = remote_flush,
	[M2D_E_SPTE_CHANGED] = m2d_on_spte_changed,
	[M2D_E_KVM_MMU_SET_SPTE] = m2d_on_leaf_set,
	[M2D_E_SP_ALLOC] = m2d_on_sp_event,
	[M2D_E_SP_FREE] = m2d_on_sp_event,
	[M2D_E_KVM_MMU_SYNC_PAGE] = page_in_sync,
	[M2D_E_SYNC_SPTE] = m2d_on_spte_synced,
	[M2D_E_GFN_PROTECTED] = m2d_inv_writable_shadowed,
	[M2D_E_KVM_PAGE_FAULT] = m2d_inv_role_mismatch_begin,
	[M2D_E_KVM_PAGE_FAULT_DONE] = fault_done,
	[M2D_E_TRACK_WRITE] = store_told,
	[M2D_E_KVM_BUG] = kvm_bug,
	[M2D_E_NOTIFIER] = notifier_begins,
	[M2D_E_NOTIFIER_DONE] = m2d_inv_stale_host_map,
	[M2D_E_SLOT_DELETED] = m2d_inv_slot_still_mapped,
	[M2D_E_SLOT_CHANGED] = slot_changed,
	[M2D_E_FRAME_FREED] = frame_freed,
	[M2D_E_GUEST_ACCESS] = guest_access,
	[M2D_E_EMULATED_WRITE] = emulated_write,
	[M2D_E_DIRTY_HARVEST] = m2d_inv_lost_dirty,
	[M2D_E_DIRTY_LOG_DONE] = m2d_inv_lost_dirty,
	[M2D_E_AGED] = m2d_inv_lost_accessed,
	[M2D_E_OP_DONE] = op_done,
};

static void on_event(const M2dEvent *e, void *data)
{
	M2dCheck *c = data;

	if (c->findings->len >= c->opt.max_findings)
		return;
	c->event = e;
	hears[e->type](c, e);
	c->event = NULL;
}

static void listen(M2dCheck *c)
{
	bool types[M2D_N_EVENTS];

	for (unsigned t = 0; t < M2D_N_EVENTS; t++)
		types[t] = hears[t] != NULL;
	m2d_events_listen_to(c->vm->ev, on_event, c, types);
}

/* --- life ------------------------------------------------------------------------------------- */

M2dCheck *m2d_check_new(M2dVm *vm, const M2dCheckOptions *options)
{
	M2dCheck *c = g_new0(M2dCheck, 1);

	c->vm = vm;
	if (options != NULL)
		c->opt = *options;
	if (c->opt.max_findings == 0)
		c->opt.max_findings = 100;
	c->findings = g_array_new(FALSE, FALSE, sizeof(M2dFinding));
	c->changes = m2d_briefs_new();
	c->births = m2d_births_new();
	c->s = m2d_arena_alloc(vm->arena, sizeof(M2dCheckState), 64);
	c->maps = m2d_arena_alloc(vm->arena, vm->cfg.n_pfns * sizeof(uint16_t) + 8, 64);
	c->wrote = m2d_arena_alloc(vm->arena, vm->cfg.n_pfns + 8, 64);
	c->items = m2d_items_new(vm->arena, vm->ev);
	m2d_items_host_tables(c->items, !vm->cfg.tdp);
	m2d_items_guests_only(c->items);
	m2d_items_on_born(c->items, m2d_on_born, c);
	for (unsigned i = 0; i < vm->n_pcpus; i++)
		m2d_items_watch(c->items, vm->pcpu[i]);
	m2d_space_observe(vm->space, on_write, c);
	listen(c);
	return c;
}

void m2d_check_free(M2dCheck *c)
{
	if (c == NULL)
		return;
	m2d_events_unlisten(c->vm->ev, on_event, c);
	m2d_space_unobserve(c->vm->space, on_write, c);
	m2d_items_free(c->items);
	m2d_check_forget(c);
	g_array_unref(c->findings);
	m2d_briefs_free(c->changes);
	m2d_births_free(c->births);
	for (unsigned i = 0; i < M2D_MAX_KVM_VCPUS; i++)
		g_free(c->reach[i].pages);
	g_free(c);
}

void m2d_check_end(M2dCheck *c)
{
	m2d_judge(c, M2D_NO_ACTOR);
	for (unsigned i = 0; i < c->vm->n_vcpus; i++)
		if (c->vm->vcpu[i]->in_guest)
			m2d_vt_judge(c, i);
	m2d_inv_bookkeeping(c);
}
