/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's side: which frame is behind a page of the process, how large the host maps it and
 * whether writable, and when an invalidation ends. KVM learns it from the host; here it is seen
 * when KVM asks for the first time, and known until an invalidation takes it away. What is known
 * and comes out otherwise is a difference.
 */
#include "sim/conform/conform-private.h"
#include "sim/vm/hostmm.h"

#define KNOWN       1u
#define LEVEL_KNOWN 2u

static unsigned page_get(const M2dConform *c, uint64_t page)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(c->pages, GSIZE_TO_POINTER(page + 1)));
}

static void page_put(M2dConform *c, uint64_t page, unsigned bits)
{
	if (bits == 0)
		g_hash_table_remove(c->pages, GSIZE_TO_POINTER(page + 1));
	else
		g_hash_table_insert(c->pages, GSIZE_TO_POINTER(page + 1), GUINT_TO_POINTER(bits));
}

/* A frame for a page nobody told of: the fault that wants it comes to nothing, in the kernel. */
static void demand(M2dVm *vm, uint64_t page, void *data)
{
	M2dConform *c = data;

	m2d_hostmm_place(vm, page, 0);
	g_array_append_val(c->fake, page);
}

void m2d_conf_host_init(M2dConform *c)
{
	m2d_hostmm_on_demand(c->vm, demand, c);
}

void m2d_conf_host_forget(M2dConform *c)
{
	for (guint i = 0; i < c->fake->len; i++) {
		uint64_t page = g_array_index(c->fake, uint64_t, i);

		if (!(page_get(c, page) & KNOWN))
			m2d_hostmm_detach(c->vm, page);
	}
	g_array_set_size(c->fake, 0);
	for (guint i = 0; i < c->lent->len; i++) {
		uint64_t page = g_array_index(c->lent, uint64_t, i);

		if (page_get(c, page) & KNOWN)
			m2d_hostmm_protect(c->vm, page, false);
	}
	g_array_set_size(c->lent, 0);
}

typedef struct {
	M2dConform *c;
	uint64_t start, end;
} Range;

static gboolean unmap_known(gpointer key, gpointer value, gpointer data)
{
	const Range *r = data;
	uint64_t page = GPOINTER_TO_SIZE(key) - 1;

	if (page < r->start || page >= r->end)
		return FALSE;
	m2d_hostmm_detach(r->c->vm, page);
	return TRUE;
}

void m2d_conf_host_unmapped(M2dConform *c, uint64_t start, uint64_t end)
{
	Range r = {c, start, end};

	if (end - start > g_hash_table_size(c->pages)) {
		g_hash_table_foreach_remove(c->pages, unmap_known, &r);
		return;
	}
	for (uint64_t page = start; page < end; page++) {
		if (page_get(c, page) == 0)
			continue;
		page_put(c, page, 0);
		m2d_hostmm_detach(c->vm, page);
	}
}

/* The largest page that KVM's own rules allow for the gfn, whatever the host does. */
static unsigned kvm_level(const M2dConform *c, const M2dMemslot *slot, uint64_t gfn)
{
	unsigned level = c->vm->cfg.max_level != 0 ? c->vm->cfg.max_level : 3;

	if (slot->flags & M2D_SLOT_LOG_DIRTY)
		return 1;
	while (level > 1 && *m2d_slot_lpage(c->vm, slot, gfn, level) != 0)
		level--;
	return level;
}

static void place_huge(M2dConform *c, uint64_t page, uint64_t pfn, unsigned level, bool writable)
{
	uint64_t span = UINT64_C(1) << 9 * (level - 1), first = page & ~(span - 1);

	pfn &= ~(span - 1);
	for (uint64_t i = 0; i < span; i++)
		m2d_hostmm_detach(c->vm, first + i);
	m2d_hostmm_place_block(c->vm, first, pfn, (M2dPageSize)(level - 1));
	for (uint64_t i = 0; i < span; i++) {
		page_put(c, first + i, KNOWN | LEVEL_KNOWN);
		m2d_hostmm_protect(c->vm, first + i, writable);
	}
}

static void place_small(M2dConform *c, uint64_t page, uint64_t pfn, bool writable, bool level_known)
{
	m2d_hostmm_detach(c->vm, page);
	m2d_hostmm_place(c->vm, page, pfn);
	m2d_hostmm_protect(c->vm, page, writable);
	page_put(c, page, KNOWN | (level_known ? LEVEL_KNOWN : 0));
}

static bool host_writable(const M2dConform *c, uint64_t spte)
{
	return m2d_spte_is_host_writable(&c->vm->fmt, spte);
}

static void learn(M2dConform *c, const M2dMemslot *slot, uint64_t gfn, uint64_t pfn, unsigned level,
		  bool writable)
{
	uint64_t page = m2d_slot_hva(slot, gfn);
	unsigned bits = page_get(c, page), most = kvm_level(c, slot, gfn);

	if (level > 1 && !(bits & LEVEL_KNOWN) && level <= most)
		place_huge(c, page, pfn, level, writable);
	else if (!(bits & KNOWN))
		place_small(c, page, pfn, writable, level == 1 && most > 1);
}

/* Address space that the vCPU of event @i is in. */
static unsigned space_of(const M2dConform *c, uint32_t i)
{
	int vcpu = m2d_conf_task_of(c, i)->vcpu;

	return vcpu >= 0 ? c->vm->vcpu[vcpu]->smm : 0;
}

/* The next SPTE that the operation of event @i sets; M2D_CONF_NONE: none. */
static uint32_t next_set(const M2dConform *c, uint32_t i)
{
	for (i = m2d_conf_next(c, i); i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		unsigned kind = m2d_conf_event(c, i)->kind;

		if (kind == M2D_CAP_SET_SPTE)
			return i;
		if (m2d_conf_starts(kind))
			break;
	}
	return M2D_CONF_NONE;
}

bool m2d_conf_prefetches(const M2dConform *c, uint32_t i)
{
	uint64_t gfn = m2d_conf_event(c, i)->u.requested.gfn;

	for (uint32_t n = next_set(c, i); n != M2D_CONF_NONE; n = next_set(c, n))
		if (m2d_conf_event(c, n)->u.set_spte.level == 1 &&
		    m2d_conf_event(c, n)->u.set_spte.gfn != gfn)
			return true;
	return false;
}

void m2d_conf_host_shown(M2dConform *c, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	const M2dMemslot *slot = m2d_gfn_to_slot(c->vm, space_of(c, i), e->u.set_spte.gfn);

	if (slot != NULL && e->u.set_spte.level == 1)
		learn(c, slot, e->u.set_spte.gfn, m2d_spte_pfn(&c->vm->fmt, e->u.set_spte.spte), 1,
		      host_writable(c, e->u.set_spte.spte));
}

void m2d_conf_host_requested(M2dConform *c, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint64_t gfn = e->u.requested.gfn, level = e->u.requested.level;
	const M2dMemslot *slot = m2d_gfn_to_slot(c->vm, space_of(c, i), gfn);
	bool writable = true;
	uint32_t n;

	if (slot == NULL || level < 1 || level > 3)
		return;
	for (n = next_set(c, i); n != M2D_CONF_NONE; n = next_set(c, n)) {
		const M2dCapEvent *s = m2d_conf_event(c, n);

		if (s->u.set_spte.gfn == (gfn & ~m2d_low_mask(9 * (unsigned)(level - 1)))) {
			writable = host_writable(c, s->u.set_spte.spte);
			break;
		}
	}
	learn(c, slot, gfn, e->u.requested.pfn, (unsigned)level, writable);
	/* Neighbours that KVM found in the host's page table: it looks only while no invalidation
	 * is in progress. */
	for (n = next_set(c, i); n != M2D_CONF_NONE; n = next_set(c, n)) {
		const M2dCapEvent *s = m2d_conf_event(c, n);

		if (s->u.set_spte.level == 1 && s->u.set_spte.gfn != gfn)
			m2d_conf_notifiers_end_all(c);
		m2d_conf_host_shown(c, n);
	}
}

/* A page that is asked for to write becomes writable without a word, if it is its only user's: an
 * invalidation tells of every other way. A fault
 * that finds the memslot invalid does not ask. */
void m2d_conf_host_write(M2dConform *c, uint32_t i, bool allowed)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	const M2dMemslot *slot;
	uint64_t page, pfn, gfn;
	bool writable;

	if (!(e->u.page_fault.error & M2D_PFEC_W) || !m2d_conf_fault_gfn(c, i, &gfn))
		return;
	slot = m2d_gfn_to_slot(c->vm, space_of(c, i), gfn);
	if (slot == NULL)
		return;
	page = m2d_slot_hva(slot, gfn);
	if (!allowed && !m2d_hostmm_peek(c->vm, page, &pfn, &writable))
		place_small(c, page, 0, false, false);
	if (!m2d_hostmm_peek(c->vm, page, &pfn, &writable) || writable == allowed)
		return;
	m2d_hostmm_protect(c->vm, page, allowed);
	if (m2d_conf_outcome(c, i) == M2D_CONF_OUT_NONE && m2d_conf_slot_changes(c, gfn))
		g_array_append_val(c->lent, page);
}

/* --- invalidations ---------------------------------------------------------------------------- */

static void end_notifier(M2dConform *c, guint n)
{
	M2dConfNotifier *v = &g_array_index(c->notifiers, M2dConfNotifier, n);
	unsigned actor = m2d_conf_take_actor(c, M2D_CONF_NONE);
	m2d_mmu_notifier_end_frame f = {.start = v->start, .end = v->end};

	m2d_conf_host_unmapped(c, v->start, v->end);
	m2d_rt_start(c->vm->rt, actor, M2D_R_m2d_mmu_notifier_end, &f, sizeof(f));
	m2d_conf_finish(c, actor);
	g_array_remove_index(c->notifiers, n);
}

void m2d_conf_notifier_begun(M2dConform *c, uint32_t t, uint64_t start, uint64_t end)
{
	M2dConfNotifier v = {.start = start, .end = end, .task = t, .event = c->now};

	g_array_append_val(c->notifiers, v);
}

void m2d_conf_notifiers_end(M2dConform *c, uint32_t t)
{
	for (guint n = c->notifiers->len; n-- > 0;)
		if (g_array_index(c->notifiers, M2dConfNotifier, n).task == t)
			end_notifier(c, n);
}

void m2d_conf_notifier_changes(M2dConform *c, uint32_t t)
{
	for (guint n = 0; n < c->notifiers->len; n++) {
		M2dConfNotifier *v = &g_array_index(c->notifiers, M2dConfNotifier, n);

		if (v->task == t)
			v->changed = true;
	}
}

void m2d_conf_notifiers_end_all(M2dConform *c)
{
	while (c->notifiers->len != 0)
		end_notifier(c, c->notifiers->len - 1);
}

/* Add what KVM would keep of an invalidation to its range: pages of the process, or gfns. */
static void widen(const M2dVm *vm, const M2dConfNotifier *v, uint64_t *start, uint64_t *end)
{
	if (vm->cfg.knobs.retry_scope == M2D_RETRY_SCOPE_HVA) {
		*start = MIN(*start, v->start);
		*end = MAX(*end, v->end);
		return;
	}
	for (unsigned n = 0; n < M2D_N_AS * M2D_MAX_SLOTS; n++) {
		const M2dMemslot *s = m2d_slot(vm, n / M2D_MAX_SLOTS, n % M2D_MAX_SLOTS);
		uint64_t from = MAX(v->start, s->hva), to = MIN(v->end, s->hva + s->npages);

		if (from >= to)
			continue;
		*start = MIN(*start, s->base_gfn + (from - s->hva));
		*end = MAX(*end, s->base_gfn + (to - s->hva));
	}
}

/* KVM keeps one range for all invalidations that overlap in time. Those that have ended may have
 * done so before the others began. */
static void narrow_range(M2dConform *c, uint32_t since)
{
	M2dVm *vm = c->vm;
	uint64_t start = UINT64_MAX, end = 0;

	if (vm->cfg.knobs.retry_scope == M2D_RETRY_SCOPE_ALL || c->notifiers->len == 0)
		return;
	for (guint n = 0; n < c->notifiers->len; n++) {
		const M2dConfNotifier *v = &g_array_index(c->notifiers, M2dConfNotifier, n);

		if (v->event >= since)
			widen(vm, v, &start, &end);
	}
	VM_PUT(vm, vm->s->mmu_invalidate_start, start);
	VM_PUT(vm, vm->s->mmu_invalidate_end, end);
}

/* A fault that maps its page began after the end of every invalidation of it. */
void m2d_conf_host_fault(M2dConform *c, uint32_t i)
{
	uint32_t r = m2d_conf_find(c, i, M2D_CAP_SPTE_REQUESTED);
	const M2dMemslot *slot;
	uint64_t page, gfn;

	if (r == M2D_CONF_NONE || m2d_conf_task_of(c, i)->vcpu < 0)
		return;
	gfn = m2d_conf_event(c, r)->u.requested.gfn;
	slot = m2d_gfn_to_slot(c->vm, space_of(c, i), gfn);
	if (slot == NULL)
		return;
	page = m2d_slot_hva(slot, gfn);
	for (guint n = c->notifiers->len; n-- > 0;) {
		const M2dConfNotifier *v = &g_array_index(c->notifiers, M2dConfNotifier, n);

		if (page >= v->start && page < v->end)
			end_notifier(c, n);
	}
	while (c->notifiers->len != 0 && m2d_slot_visible(slot) &&
	       m2d_mmu_must_retry(c->vm, (unsigned)m2d_conf_task_of(c, i)->vcpu, gfn)) {
		narrow_range(c, 0);
		if (m2d_mmu_must_retry(c->vm, (unsigned)m2d_conf_task_of(c, i)->vcpu, gfn))
			end_notifier(c, 0);
	}
}

/* The fault that began at event @fault is past the check for invalidations at event @i. */
void m2d_conf_host_passed(M2dConform *c, uint32_t i, uint32_t fault)
{
	uint64_t gfn = m2d_conf_event(c, i)->u.requested.gfn;
	unsigned vcpu = (unsigned)m2d_conf_task_of(c, i)->vcpu;

	if (!m2d_slot_visible(m2d_gfn_to_slot(c->vm, 0, gfn)))
		return;
	if (m2d_mmu_must_retry(c->vm, vcpu, gfn))
		narrow_range(c, 0);
	if (m2d_mmu_must_retry(c->vm, vcpu, gfn))
		narrow_range(c, fault);
}

static bool root_obsolete(const M2dVm *vm, unsigned vcpu)
{
	M2dSpIndex root = vm->vcpu[vcpu]->mmu.root.sp;

	if (root == 0 || root == M2D_ROOT_PAE || root == M2D_ROOT_DUMMY)
		return root == 0;
	return m2d_sp_obsolete(vm, m2d_sp(vm, root));
}

bool m2d_conf_host_retries(const M2dConform *c, uint32_t i, unsigned vcpu, uint64_t seq)
{
	uint64_t gfn;

	return c->vm->s->mmu_invalidate_seq != seq || root_obsolete(c->vm, vcpu) ||
	       (m2d_conf_fault_gfn(c, i, &gfn) && m2d_mmu_must_retry(c->vm, vcpu, gfn));
}

/* An invalidation of @task's is not over: the host's page is still to be changed. */
static bool goes_on(const M2dConform *c, const M2dConfTask *task)
{
	uint32_t n = task->at != M2D_CONF_NONE ? m2d_conf_next(c, task->at) : M2D_CONF_NONE;

	return n != M2D_CONF_NONE && (m2d_conf_event(c, n)->kind == M2D_CAP_SET_SPTE_HVA ||
				      m2d_conf_event(c, n)->kind == M2D_CAP_SET_SPTE_GFN);
}

/* Invalidations that only wait to ask for their flush return, if none has so far. */
static void finish_begun(M2dConform *c)
{
	for (guint t = 0; t < c->tasks->len && c->notifiers->len == 0; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);
		const M2dConfOp *op = m2d_conf_top(task);

		if (op != NULL && op->kind == M2D_CONF_OP_NOTIFIER && op->due && !goes_on(c, task))
			m2d_conf_finish_top(c, task);
	}
}

void m2d_conf_host_retry(M2dConform *c, uint32_t i)
{
	uint64_t gfn;

	finish_begun(c);
	if (c->notifiers->len != 0 && m2d_conf_fault_gfn(c, i, &gfn))
		end_notifier(c, 0);
}
