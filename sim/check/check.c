/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Life of a checker, and which invariant hears of which event. */
#include "sim/check/check-private.h"

static void on_write(const M2dWrite *w, void *data)
{
	M2dCheck *c = data;

	m2d_items_wrote(c->items, w);
	m2d_vt_wrote(c, w);
}

/* --- new items -------------------------------------------------------------------------------- */

/* The gfn behind the last second-dimension step of the walk that has just filled @it. */
static uint64_t nested_gfn(const M2dItem *it, const M2dMmu *mmu)
{
	uint64_t low = m2d_low_mask(m2d_size_shift(m2d_item_esize(it->data)));
	const M2dWalkLog *log = &mmu->log;
	const M2dFetch *f = log->n != 0 ? &log->fetch[log->n - 1] : NULL;

	if (it->array == M2D_ARR_NTLB)
		return m2d_tag_va(it->tag) >> M2D_PAGE_SHIFT;
	if (f != NULL && f->dimension == M2D_DIM_NESTED && f->guest_level == 0)
		return (f->gpa & ~low) >> M2D_PAGE_SHIFT;
	return M2D_NO_GFN;
}

/* Served by the nested TLB: the guest's leaf says which page. */
static uint64_t leaf_gfn(const M2dMmu *mmu, uint64_t tag_va)
{
	const M2dMmuState *s = mmu->s;
	const M2dWalkLog *log = &mmu->log;

	for (uint32_t i = log->n; i-- > 0;) {
		const M2dFetch *f = &log->fetch[i];

		if (f->dimension != M2D_DIM_GUEST)
			continue;
		return (m2d_pte_leaf_base(&s->fmt, f->level, f->value) |
			(tag_va & m2d_low_mask(m2d_pte_shift(&s->fmt, f->level)))) >>
		       M2D_PAGE_SHIFT;
	}
	return M2D_NO_GFN;
}

/* Under shadow paging: what the leaf SPTE stands for. An SPTE that is stale makes a stale item. */
static uint64_t shadow_gfn(M2dCheck *c, M2dItemId id)
{
	uint64_t hpa = m2d_item_leaf_entry(c->items, id), first, n;
	const M2dItem *it = m2d_item(c->items, id);
	M2dVtPage *page;
	M2dMoment why;
	unsigned index;
	M2dSpIndex sp;

	if (hpa == 0)
		return M2D_NO_GFN;
	sp = m2d_spte_at(c, hpa, &index);
	if (sp == 0)
		return M2D_NO_GFN;
	page = m2d_vt_page(c, sp, false);
	if (page != NULL && (m2d_vt_flags(page, index) & M2D_VT_CHANGED) &&
	    m2d_spte_differs(c, sp, index) != M2D_AGREES) {
		why = m2d_items_moment(c->items);
		m2d_brief_get(c->changes, sp, index, &why);
		m2d_items_mark_guest(c->items, hpa, M2D_STALE_GONE, &why);
	}
	m2d_leaf_gfns(c, sp, index, &first, &n);
	/* The item may be a smaller piece of the page. */
	return first + ((m2d_tag_va(it->tag) >> M2D_PAGE_SHIFT) & (n - 1));
}

/* tlb-conformance: what the walk read was present and, where hardware sets A, accessed. */
static void check_walk(M2dCheck *c, unsigned cpu, const M2dMmu *mmu)
{
	const M2dWalkLog *log = &mmu->log;

	m2d_premise(c, M2D_INV_TLB_CONFORMANCE);
	for (uint32_t i = m2d_items_walk_start(c->items, cpu); i < log->n; i++) {
		const M2dFetch *f = &log->fetch[i];
		bool ept = f->dimension == M2D_DIM_NESTED && mmu->s->nested.kind == M2D_NESTED_EPT;

		if (f->value & (ept ? UINT64_C(7) | M2D_EPT_XU : M2D_PTE_P))
			continue;
		m2d_find(c, M2D_INV_TLB_CONFORMANCE,
			 &(M2dAbout){.vcpu = M2D_NO_ACTOR,
				     .gva = M2D_NO_ADDRESS,
				     .gpa = M2D_NO_ADDRESS,
				     .hpa = f->hpa},
			 "a walk that cached something read an entry that is not present");
		return;
	}
}

static void on_born(M2dItemId id, void *data)
{
	M2dCheck *c = data;
	M2dItem *it = m2d_item(c->items, id);
	const M2dMmu *mmu = m2d_items_mmu(c->items, it->cpu);
	uint64_t gfn = M2D_NO_GFN;

	CHECK_PUT(c, it->owner, m2d_vcpu_on(c, it->cpu));
	if (it->owner == M2D_NO_ACTOR) {
		/* The entry of a vCPU loads before it is said to be in the guest. */
		return;
	}
	m2d_root_born(c, it->owner, it);
	if (c->opt.audit_every != 0 && it->array <= M2D_ARR_L2_1G)
		check_walk(c, it->cpu, mmu);
	if (m2d_item_is_upper(c->items, id))
		return;
	if (!c->vm->cfg.tdp) {
		gfn = shadow_gfn(c, id);
	} else {
		gfn = nested_gfn(it, mmu);
		if (gfn == M2D_NO_GFN)
			gfn = leaf_gfn(mmu, m2d_tag_va(it->tag));
	}
	CHECK_PUT(c, it->gfn, gfn);
}

/* --- SPTEs ------------------------------------------------------------------------------------ */

static uint16_t *writable_count(const M2dCheck *c, uint64_t pfn, unsigned level)
{
	uint64_t page = pfn >> (9 * (level - 1));

	return &c->s->writable[(page * 4 + level) * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}

bool m2d_maybe_writable(const M2dCheck *c, uint64_t pfn)
{
	for (unsigned level = 1; level <= 3; level++)
		if (*writable_count(c, pfn, level) != 0)
			return true;
	return false;
}

/* @by more leafs are like @spte. */
static void count_map(M2dCheck *c, uint64_t spte, unsigned level, int by)
{
	uint16_t *writable;
	uint64_t i, n = UINT64_C(1) << (9 * (level - 1)), end;

	if (!m2d_spte_is_present(&c->vm->fmt, spte) || !m2d_spte_is_last(spte, level))
		return;
	if (m2d_spte_is_writable(spte)) {
		writable = writable_count(c, m2d_spte_pfn(&c->vm->fmt, spte), level);
		CHECK_PUT(c, *writable, *writable + by);
	}
	i = m2d_spte_pfn(&c->vm->fmt, spte) - c->vm->cfg.first_pfn;
	end = MIN(i + n, c->vm->cfg.n_pfns);
	if (c->vm->arena->journal == NULL)
		for (uint64_t k = i; k < end; k++)
			c->maps[k] = (uint16_t)(c->maps[k] + by);
	else
		for (uint64_t k = i; k < end; k++)
			CHECK_PUT(c, c->maps[k], c->maps[k] + by);
}

static bool installs(const M2dCheck *c, uint64_t old, uint64_t new, unsigned level)
{
	const M2dSpteFormat *fmt = &c->vm->fmt;

	return m2d_spte_is_present(fmt, new) && m2d_spte_is_last(new, level) &&
	       (!m2d_spte_is_present(fmt, old) || !m2d_spte_is_last(old, level) ||
		m2d_spte_pfn(fmt, old) != m2d_spte_pfn(fmt, new) ||
		(m2d_spte_is_writable(new) && !m2d_spte_is_writable(old)));
}

static void spte_is(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t old, uint64_t spte,
		    unsigned level)
{
	const M2dSp *s = m2d_sp(c->vm, sp);
	M2dLeaf leaf;

	if (!(s->role & M2D_ROLE_DIRECT))
		m2d_vt_changed(c, sp, index, spte);
	if (!installs(c, old, spte, level))
		return;
	leaf = (M2dLeaf){.sp = sp,
			 .index = index,
			 .level = level,
			 .as = m2d_role_as(s->role),
			 .spte = spte,
			 .pfn = m2d_spte_pfn(&c->vm->fmt, spte)};
	m2d_leaf_gfns(c, sp, index, &leaf.gfn, &leaf.n);
	leaf.slot = m2d_gfn_to_slot(c->vm, leaf.as, leaf.gfn);
	leaf.backed = leaf.slot != NULL && m2d_hostmm_peek(c->vm, m2d_slot_hva(leaf.slot, leaf.gfn),
							   &leaf.host_pfn, &leaf.writable);
	leaf.writable &= leaf.backed && !(leaf.slot->flags & M2D_SLOT_READONLY);
	m2d_inv_writable_combo(c, &leaf);
	m2d_inv_rights_host(c, &leaf);
	m2d_inv_huge_mixed(c, &leaf);
	m2d_inv_writable_install(c, &leaf);
	m2d_inv_stale_host_map_install(c, &leaf);
	m2d_inv_slot_install(c, &leaf);
}

/* What an operation takes away must be flushed by the time it ends. */
static void count_taken(M2dCheck *c, uint64_t old, uint64_t new, unsigned level)
{
	const M2dSpteFormat *fmt = &c->vm->fmt;

	if (!m2d_spte_is_present(fmt, old))
		return;
	if (!m2d_spte_is_present(fmt, new))
		m2d_premise(c, M2D_INV_DEFERRED_FLUSH);
	if (!m2d_spte_is_present(fmt, new) && level > 1 && m2d_spte_is_last(old, level))
		m2d_premise(c, M2D_INV_LEVEL_MIXED);
	else if (m2d_spte_is_last(old, level) != m2d_spte_is_last(new, level))
		m2d_premise(c, M2D_INV_LEVEL_MIXED);
}

static void spte_changed(M2dCheck *c, const M2dEvent *e)
{
	unsigned index, level = (unsigned)e->a[1];
	M2dSpIndex sp = m2d_spte_at(c, e->a[0], &index);

	if (sp == 0)
		return;
	m2d_birth_put(c->births, sp, index, e);
	m2d_reach_changed(c, sp, e->a[2], e->a[3], level);
	count_map(c, e->a[2], level, -1);
	count_map(c, e->a[3], level, 1);
	count_taken(c, e->a[2], e->a[3], level);
	/* KVM notes which gfn a new leaf is for only after it has written the leaf. */
	if (!m2d_spte_is_present(&c->vm->fmt, e->a[2]) &&
	    m2d_spte_is_present(&c->vm->fmt, e->a[3]) && m2d_spte_is_last(e->a[3], level))
		return;
	spte_is(c, sp, index, e->a[2], e->a[3], level);
}

static void leaf_set(M2dCheck *c, const M2dEvent *e)
{
	unsigned index;
	M2dSpIndex sp = m2d_spte_at(c, e->a[3], &index);

	if (sp == 0)
		return;
	m2d_inv_invalid_page(c, sp, e);
	c->setting = m2d_sptep(sp, index);
	c->setting_gfn = e->a[0];
	spte_is(c, sp, index, c->vm->fmt.nonpresent, e->a[1], (unsigned)e->a[2]);
	c->setting = 0;
}

static void sp_event(M2dCheck *c, const M2dEvent *e)
{
	M2dSpIndex sp = (M2dSpIndex)e->a[0];

	if (e->type != M2D_E_SP_FREE) {
		m2d_vt_follow(c, sp);
		return;
	}
	m2d_inv_pt_use_after_free(c, e);
	m2d_vt_forget(c, sp);
	if (m2d_sp(c->vm, sp)->nonzero != 0)
		for (unsigned i = 0; i < 512; i++)
			count_map(c,
				  m2d_space_read64(c->vm->space,
						   M2D_HPA((e->a[3] << M2D_PAGE_SHIFT) + 8 * i)),
				  m2d_role_level((uint32_t)e->a[2]), -1);
}

static void spte_synced(M2dCheck *c, const M2dEvent *e)
{
	unsigned index;
	M2dSpIndex sp = m2d_spte_at(c, e->a[0], &index);

	if (sp != 0)
		m2d_vt_synced(c, sp, index);
}

/* The host has put other frames behind guest memory, tables perhaps. */
static void follow_all(M2dCheck *c)
{
	for (M2dSpIndex sp = 1; sp < m2d_shadow_max_sp(c->vm); sp++)
		m2d_vt_follow(c, sp);
}

/* --- events ----------------------------------------------------------------------------------- */

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
	if (e->vcpu < c->vm->n_vcpus && c->s->stored >> e->vcpu & 1)
		CHECK_PUT(c, c->s->stored, c->s->stored & ~(1u << e->vcpu));
}

static void new_root(M2dCheck *c, const M2dEvent *e)
{
	if (e->vcpu < c->vm->n_vcpus)
		c->new_root[e->vcpu] = m2d_event_moment(c);
}

static void cr_loads(M2dCheck *c, const M2dEvent *e)
{
	if (e->a[1] == 3 && e->vcpu < c->vm->n_vcpus)
		CHECK_PUT(c, c->s->cr3[e->vcpu], e->a[2]);
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
		CHECK_PUT(c, c->s->stored, c->s->stored | 1u << e->vcpu);
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
	[M2D_E_SPTE_CHANGED] = spte_changed,
	[M2D_E_KVM_MMU_SET_SPTE] = leaf_set,
	[M2D_E_SP_ALLOC] = sp_event,
	[M2D_E_SP_FREE] = sp_event,
	[M2D_E_KVM_MMU_SYNC_PAGE] = page_in_sync,
	[M2D_E_SYNC_SPTE] = spte_synced,
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
	m2d_items_on_born(c->items, on_born, c);
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
