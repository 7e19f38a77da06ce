/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memslots that are being changed. When a change can be seen by vCPUs is not recorded, only when
 * the ioctl began and when its generation was told. What becomes of a fault on the memslot tells:
 * mapped, retried, emulated as MMIO. The ioctl goes as far as that wants, and no further.
 */
#include "sim/conform/conform-private.h"

/* A memslot ioctl under way that is about @gfn. */
static M2dConfOp *region_of(M2dConform *c, uint64_t gfn)
{
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);
		M2dConfOp *op = m2d_conf_top(task);

		if (op != NULL && op->kind == M2D_CONF_OP_REGION &&
		    (gfn - op->start < op->end - op->start ||
		     (!op->creates && gfn - op->from < op->end - op->start)) &&
		    m2d_conf_runs(c, op->actor))
			return op;
	}
	return NULL;
}

bool m2d_conf_slot_changes(M2dConform *c, uint64_t gfn)
{
	return region_of(c, gfn) != NULL;
}

/* The kernel has not shown the memslot that @op changes as it will be, at event @i: a fault behind
 * it still finds it as it was. */
static bool not_yet_seen(const M2dConform *c, const M2dConfOp *op, uint32_t i)
{
	uint64_t start = op->creates ? op->start : op->from, n = op->end - op->start;
	bool there = m2d_slot_visible(m2d_gfn_to_slot(c->vm, 0, start));

	/* Only its flags change: a fault finds it in any case. */
	if (!op->creates && !op->removes && op->from == op->start)
		return false;
	for (; i < c->events->len; i++) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		M2dConfOutcome outcome;
		uint64_t gfn;

		if (e->kind == M2D_CAP_INVAL_MMIO)
			return false;
		if (e->kind != M2D_CAP_PAGE_FAULT || !m2d_conf_fault_gfn(c, i, &gfn) ||
		    gfn - start >= n)
			continue;
		outcome = m2d_conf_outcome(c, i);
		return there ? outcome == M2D_CONF_OUT_MAPPED : outcome == M2D_CONF_OUT_EMULATED;
	}
	return false;
}

/* The same of a memslot that is invalid, and will be gone or elsewhere: a fault behind event @i is
 * still retried, or one where it will be finds none. */
static bool still_invalid(const M2dConform *c, const M2dConfOp *op, uint32_t i)
{
	uint64_t n = op->end - op->start;

	for (; i < c->events->len; i++) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		uint64_t gfn;

		if (e->kind == M2D_CAP_INVAL_MMIO)
			return false;
		if (e->kind != M2D_CAP_PAGE_FAULT || !m2d_conf_fault_gfn(c, i, &gfn))
			continue;
		if (gfn - op->from < n)
			return m2d_conf_outcome(c, i) == M2D_CONF_OUT_NONE;
		if (!op->removes && gfn - op->start < n)
			return m2d_conf_outcome(c, i) == M2D_CONF_OUT_EMULATED;
	}
	return false;
}

/* What it had to zap is zapped: only its generation is still to be told. */
static bool zapped(const M2dConform *c, const M2dConfTask *task)
{
	uint32_t n = task->at != M2D_CONF_NONE ? m2d_conf_next(c, task->at) : M2D_CONF_NONE;

	return n != M2D_CONF_NONE && m2d_conf_event(c, n)->kind == M2D_CAP_INVAL_MMIO &&
	       m2d_conf_event(c, task->at)->kind != M2D_CAP_SET_REGION;
}

/* Changed memslots can be seen at once, unless an invalidation has to end first: so one that begins
 * later has not been waited for. */
void m2d_conf_publish_slots(M2dConform *c)
{
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfTask *task = m2d_conf_task(c, t);
		M2dConfOp *op = m2d_conf_top(task);

		if (op == NULL || op->kind != M2D_CONF_OP_REGION || c->notifiers->len != 0)
			continue;
		if (!op->published && !not_yet_seen(c, op, c->now))
			while (!op->published && m2d_conf_runs(c, op->actor))
				m2d_conf_step_op(c, op);
		if (op->published && !op->applied && zapped(c, task) &&
		    !still_invalid(c, op, c->now))
			while (!op->applied && m2d_conf_runs(c, op->actor))
				m2d_conf_step_op(c, op);
	}
}

/* An MMIO SPTE whose generation KVM does not even compare: memslots are being changed. */
void m2d_conf_settle_generation(M2dConform *c, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);

	if (!(e->u.page_fault.error & M2D_PFEC_RSVD) || c->seen[M2D_CAP_CHECK_MMIO] == 0 ||
	    m2d_conf_find(c, i, M2D_CAP_CHECK_MMIO) != M2D_CONF_NONE ||
	    (m2d_conf_find(c, i, M2D_CAP_SPTE_REQUESTED) == M2D_CONF_NONE &&
	     m2d_conf_outcome(c, i) != M2D_CONF_OUT_NONE))
		return;
	for (guint t = 0; t < c->tasks->len; t++) {
		M2dConfOp *op = m2d_conf_top(m2d_conf_task(c, t));

		if (op == NULL || op->kind != M2D_CONF_OP_REGION)
			continue;
		while (!(c->vm->slots->generation[0] & M2D_GEN_UPDATE_IN_PROGRESS) &&
		       m2d_conf_runs(c, op->actor))
			m2d_conf_step_op(c, op);
	}
}

/* When memslots that are being changed can be seen is not recorded. What becomes of a fault on them
 * tells whether they could. */
void m2d_conf_settle_slots(M2dConform *c, uint32_t i, M2dConfOutcome outcome)
{
	unsigned vcpu = (unsigned)m2d_conf_task_of(c, i)->vcpu;
	M2dConfOp *op;
	uint64_t gfn;

	if (m2d_conf_task_of(c, i)->vcpu < 0 || !m2d_conf_fault_gfn(c, i, &gfn))
		return;
	while ((op = region_of(c, gfn)) != NULL) {
		const M2dMemslot *slot = m2d_gfn_to_slot(c->vm, 0, gfn);

		if (outcome == M2D_CONF_OUT_MAPPED || outcome == M2D_CONF_OUT_FAST) {
			if (m2d_slot_visible(slot) || op->removes ||
			    gfn - op->start >= op->end - op->start)
				return;
		} else if (outcome == M2D_CONF_OUT_NONE) {
			if (slot == NULL && !op->creates)
				return;
			if (slot != NULL &&
			    (op->creates || m2d_mmu_must_retry(c->vm, vcpu, gfn) ||
			     m2d_conf_find(c, i, M2D_CAP_UNMAP_HVA) != M2D_CONF_NONE))
				return;
		} else if (slot == NULL) {
			return;
		}
		m2d_conf_step_op(c, op);
	}
}

/* A prefetch, or a huge page, in a memslot that is logged no more. */
void m2d_conf_settle_log(M2dConform *c, uint32_t i)
{
	uint64_t gfn = m2d_conf_event(c, i)->u.requested.gfn;
	const M2dMemslot *slot = m2d_gfn_to_slot(c->vm, 0, gfn);
	M2dConfOp *op;

	if (slot == NULL ||
	    (m2d_conf_event(c, i)->u.requested.level == 1 && !m2d_conf_prefetches(c, i)))
		return;
	while (slot->flags & M2D_SLOT_LOG_DIRTY && (op = region_of(c, gfn)) != NULL)
		m2d_conf_step_op(c, op);
}

/* The memslots are as the outcome of the fault at event @i wants them. */
bool m2d_conf_slot_fits(const M2dConform *c, uint32_t i, M2dConfOutcome outcome)
{
	const M2dMemslot *slot;
	uint64_t gfn;

	if (!m2d_conf_fault_gfn(c, i, &gfn))
		return false;
	slot = m2d_gfn_to_slot(c->vm, 0, gfn);
	if (outcome == M2D_CONF_OUT_MAPPED || outcome == M2D_CONF_OUT_FAST)
		return m2d_slot_visible(slot);
	return slot == NULL;
}

void m2d_conf_region(M2dConform *c, uint32_t t, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint32_t id = (uint32_t)e->u.region.slot & 0xffff, as = (uint32_t)e->u.region.slot >> 16;
	uint64_t size = e->u.region.size;
	const M2dMemslot *old;
	M2dConfOp *op;
	int slot;

	m2d_conf_finish_ops(c, m2d_conf_task(c, t));
	if (m2d_conf_task(c, t)->vcpu < 0)
		m2d_conf_close(c, t);
	slot = as < M2D_N_AS ? m2d_conf_slot(c, as, id, size != 0) : -1;
	if (slot < 0)
		return;
	op = M2D_CONF_START(c, t, M2D_CONF_OP_REGION, m2d_set_memory_region, .as = as,
			    .id = (uint32_t)slot, .gfn = e->u.region.gpa >> 12,
			    .npages = size >> 12,
			    .hva = size != 0 ? m2d_conf_page(c, e->u.region.hva) : 0,
			    .flags = (uint32_t)e->u.region.flags & 3);
	old = m2d_slot(c->vm, as, (unsigned)slot);
	op->creates = old->npages == 0;
	op->from = old->base_gfn;
	op->removes = size == 0;
	op->start = op->removes ? old->base_gfn : e->u.region.gpa >> 12;
	op->end = op->start + (op->removes ? old->npages : size >> 12);
	if (op->removes)
		m2d_conf_slot_gone(c, as, id);
}
