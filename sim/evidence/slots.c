/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memslots, from kprobes on the functions that change them; their generation; MMIO SPTEs; and write
 * protection for the dirty log.
 */
#include "sim/evidence/evidence-private.h"

static M2dEvSlot *find_slot(M2dEvidence *ev, uint32_t id)
{
	for (guint i = 0; i < ev->slots->len; i++) {
		M2dEvSlot *s = &g_array_index(ev->slots, M2dEvSlot, i);

		if (s->id == id)
			return s;
	}
	return NULL;
}

const M2dEvSlot *m2d_ev_slot_of(const M2dEvidence *ev, uint64_t gfn)
{
	for (guint i = 0; i < ev->slots->len; i++) {
		const M2dEvSlot *s = &g_array_index(ev->slots, M2dEvSlot, i);

		if (gfn - s->base < s->pages)
			return s;
	}
	return NULL;
}

void m2d_ev_check_slot(M2dEvidence *ev, uint64_t gfn)
{
	if (!ev->slots_known || ev->lossy)
		return;
	m2d_ev_premise(ev, M2D_RULE_OUTSIDE_SLOT);
	if (m2d_ev_slot_of(ev, gfn) == NULL)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_OUTSIDE_SLOT,
					     .needs = M2D_CAP_SET_REGION,
					     .refs = {&ev->zap_all},
					     .labels = {"last zap-all"}},
			      "gfn 0x%" G_GINT64_MODIFIER "x is mapped, and no memslot has it",
			      gfn);
}

static void begin_delete(M2dEvidence *ev, M2dEvTask *task, M2dEvSlot *s)
{
	s->state = M2D_EV_SLOT_GOING;
	s->ref = m2d_ev_ref(ev);
	task->slot_due = true;
	task->slot_ref = s->ref;
	m2d_ev_premise(ev, M2D_RULE_SLOT_ZAPPED);
}

static void set_region(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	uint64_t gpa = e->u.region.gpa, size = e->u.region.size;
	uint32_t id = (uint32_t)e->u.region.slot, flags = (uint32_t)e->u.region.flags;
	M2dEvSlot *s = find_slot(ev, id);

	if (size == 0) {
		if (s != NULL && s->state != M2D_EV_SLOT_GOING)
			begin_delete(ev, task, s);
		return;
	}
	if (s != NULL && s->state != M2D_EV_SLOT_GOING && s->base == gpa >> 12) {
		s->flags = flags;
		return;
	}
	/* Deleted, and made anew; nothing told of the zap between. */
	if (s != NULL && s->state == M2D_EV_SLOT_GOING) {
		g_array_remove_index(ev->slots, (guint)(s - (M2dEvSlot *)(void *)ev->slots->data));
		s = NULL;
	}
	/* A move: the old place goes as in a deletion, the new one is there at once for us. */
	if (s != NULL && s->state != M2D_EV_SLOT_GOING) {
		begin_delete(ev, task, s);
		s->id = UINT32_MAX;
	}
	task->region_due = true;
	task->region = m2d_ev_ref(ev);
	g_array_append_val(ev->slots, ((M2dEvSlot){.id = id,
						   .hva = e->u.region.hva,
						   .base = gpa >> 12,
						   .pages = size >> 12,
						   .flags = flags,
						   .ref = m2d_ev_ref(ev)}));
}

void m2d_ev_slots_zapped(M2dEvidence *ev, M2dEvTask *task)
{
	for (guint i = ev->slots->len; i-- > 0;) {
		const M2dEvSlot *s = &g_array_index(ev->slots, M2dEvSlot, i);

		if (s->state == M2D_EV_SLOT_GOING && s->ref.pid == task->pid)
			g_array_remove_index(ev->slots, i);
	}
}

void m2d_ev_slot_unzapped(M2dEvidence *ev, M2dEvTask *task)
{
	unsigned kind = ev->now->kind;

	/* Between the call and its zap other functions of the call are recorded. */
	if (kind == M2D_CAP_FLUSH_SHADOW || kind == M2D_CAP_ZAP_ALL_FAST)
		return;
	task->slot_due = false;
	m2d_ev_report(ev,
		      &(M2dEvReport){.rule = M2D_RULE_SLOT_ZAPPED,
				     .needs = M2D_CAP_ZAP_ALL_FAST,
				     .doubt = ev->tdp && ev->nonpresent63
						      ? "KVM_X86_QUIRK_SLOT_ZAP_ALL may be off"
						      : NULL,
				     .refs = {&task->slot_ref},
				     .labels = {"deletes the slot"}},
		      "a memslot was deleted or moved, and nothing was zapped");
}

/* Each change of the memslots of an address space makes its generation go up by 2. */
static void inval_mmio(M2dEvidence *ev)
{
	uint64_t gen = ev->now->u.inval_mmio.gen;
	unsigned as = gen & 1;

	for (guint i = 0; i < ev->slots->len; i++) {
		M2dEvSlot *s = &g_array_index(ev->slots, M2dEvSlot, i);

		if (s->state == M2D_EV_SLOT_COMING && s->ref.pid == ev->now->pid)
			s->state = M2D_EV_SLOT_LIVE;
	}
	m2d_ev_premise(ev, M2D_RULE_MMIO_GENERATION);
	if (ev->mmio_gen_known[as] && gen != ev->mmio_gen[as] + 2)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_MMIO_GENERATION,
					     .refs = {&ev->mmio_gen_ref[as]},
					     .labels = {"before"}},
			      "the memslots' generation is 0x%" G_GINT64_MODIFIER
			      "x after 0x%" G_GINT64_MODIFIER "x, expected 2 more",
			      gen, ev->mmio_gen[as]);
	ev->mmio_gen[as] = gen;
	ev->mmio_gen_known[as] = true;
	ev->mmio_gen_ref[as] = m2d_ev_ref(ev);
}

/* The generation is set before the kprobe, so that during a change the next one is in use. */
static bool is_current(const M2dEvidence *ev, uint64_t gen)
{
	for (unsigned as = 0; as < 2; as++)
		if (!ev->mmio_gen_known[as] || ((gen ^ ev->mmio_gen[as]) & 0x3ffff) == 0 ||
		    ((gen ^ (ev->mmio_gen[as] + 2)) & 0x3ffff) == 0)
			return true;
	return false;
}

static void mark_mmio(M2dEvidence *ev)
{
	const M2dCapEvent *e = ev->now;
	const M2dEvSlot *s;

	m2d_ev_premise(ev, M2D_RULE_MMIO_GENERATION);
	if (ev->mmio_gen_known[0] && !is_current(ev, e->u.mark_mmio.gen))
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_MMIO_GENERATION,
					     .refs = {&ev->mmio_gen_ref[0]},
					     .labels = {"current"}},
			      "an MMIO SPTE of generation 0x%" G_GINT64_MODIFIER
			      "x is made while the memslots' is 0x%" G_GINT64_MODIFIER "x",
			      e->u.mark_mmio.gen, ev->mmio_gen[0]);
	s = m2d_ev_slot_of(ev, e->u.mark_mmio.gfn);
	if (ev->slots_known && !ev->lossy && s != NULL && s->state == M2D_EV_SLOT_LIVE)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_MMIO_GENERATION,
					     .doubt = "it may have been a fault before the memslot "
						      "was there",
					     .refs = {&s->ref},
					     .labels = {"memslot"}},
			      "an MMIO SPTE is made for gfn 0x%" G_GINT64_MODIFIER
			      "x, which has a memslot",
			      e->u.mark_mmio.gfn);
}

static void check_mmio(M2dEvidence *ev)
{
	const M2dCapEvent *e = ev->now;
	uint64_t v = e->u.check_mmio.spte, gen = e->u.check_mmio.spte_gen;
	bool valid = e->u.check_mmio.valid;

	m2d_ev_premise(ev, M2D_RULE_MMIO_GENERATION);
	if (valid != (gen == e->u.check_mmio.kvm_gen))
		m2d_ev_report(ev, &(M2dEvReport){.rule = M2D_RULE_MMIO_GENERATION},
			      "an MMIO SPTE of generation 0x%" G_GINT64_MODIFIER
			      "x is taken for %s while the memslots' is 0x%" G_GINT64_MODIFIER "x",
			      gen, valid ? "valid" : "stale", e->u.check_mmio.kvm_gen);
	if (ev->format_known && m2d_spte_can_mmio(&ev->format) &&
	    (!m2d_spte_is_mmio(&ev->format, v) || m2d_spte_mmio_generation(&ev->format, v) != gen))
		m2d_ev_report(ev, &(M2dEvReport){.rule = M2D_RULE_MMIO_GENERATION},
			      "0x%" G_GINT64_MODIFIER
			      "x is no MMIO SPTE of generation 0x%" G_GINT64_MODIFIER "x",
			      v, gen);
	if (ev->mmio_gen_known[0] && !is_current(ev, e->u.check_mmio.kvm_gen))
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_MMIO_GENERATION,
					     .refs = {&ev->mmio_gen_ref[0]},
					     .labels = {"current"}},
			      "an MMIO SPTE is compared with generation 0x%" G_GINT64_MODIFIER
			      "x while the memslots' is 0x%" G_GINT64_MODIFIER "x",
			      e->u.check_mmio.kvm_gen, ev->mmio_gen[0]);
}

void m2d_ev_slot_event(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;

	switch (e->kind) {
	case M2D_CAP_SET_REGION:
		set_region(ev, task);
		break;
	case M2D_CAP_PRIVATE_REGION:
		/* It sets the region of each address space through the other function. */
		break;
	case M2D_CAP_INVAL_MMIO:
		task->region_due = false;
		inval_mmio(ev);
		break;
	case M2D_CAP_MARK_MMIO:
		mark_mmio(ev);
		break;
	case M2D_CAP_CHECK_MMIO:
		check_mmio(ev);
		break;
	}
}

/* --- Notifiers. --- */

void m2d_ev_notified(M2dEvidence *ev, M2dEvTask *task, uint64_t start, uint64_t end)
{
	task->hva_due = 0;
	task->hva_start = start;
	task->hva_end = end;
	task->hva = m2d_ev_ref(ev);
	/* The kernel does not go to slots for a page that others are unmapping. */
	if (ev->now->kind != M2D_CAP_UNMAP_HVA)
		return;
	m2d_ev_premise(ev, M2D_RULE_MISSING_EVENT);
	for (guint i = 0; i < ev->slots->len; i++) {
		const M2dEvSlot *s = &g_array_index(ev->slots, M2dEvSlot, i);

		if (ev->seen[M2D_CAP_INVAL_MMIO] && s->state == M2D_EV_SLOT_LIVE &&
		    start < s->hva + (s->pages << 12) && end > s->hva)
			task->hva_due++;
	}
}

void m2d_ev_notified_slot(M2dEvidence *ev, M2dEvTask *task, uint64_t start, uint64_t end)
{
	bool known = false;

	if (task->hva.place == 0 || task->hva_end == 0) {
		if (ev->birth)
			m2d_ev_missing(ev, &(M2dEvRef){0}, M2D_CAP_UNMAP_HVA,
				       "guest_memfd has notifiers of its own",
				       "gfns are unmapped that no notifier told of");
		return;
	}
	for (guint i = 0; i < ev->slots->len; i++) {
		const M2dEvSlot *s = &g_array_index(ev->slots, M2dEvSlot, i);
		uint64_t from = MAX(s->hva, task->hva_start), to = s->hva + (s->pages << 12);

		to = MIN(to, task->hva_end);
		if (from >= to)
			continue;
		known |= start == s->base + ((from - s->hva) >> 12) &&
			 end == s->base + ((to - s->hva + 4095) >> 12);
	}
	if (task->hva_due > 0)
		task->hva_due--;
	if (!known && ev->slots_known && ev->birth)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_SPTE_MISMATCH,
					     .refs = {&task->hva},
					     .labels = {"notifier"}},
			      "gfns 0x%" G_GINT64_MODIFIER "x to 0x%" G_GINT64_MODIFIER
			      "x are not those of the notifier's host addresses",
			      start, end);
}

/* --- Write protection for the dirty log. --- */

void m2d_ev_protect(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	const M2dEvSlot *only = NULL;

	task->protecting = false;
	if (!ev->tdp || !ev->format_known || !ev->birth)
		return;
	/* The kprobe does not say which slot; if just one is logged, that. */
	for (guint i = 0; i < ev->slots->len; i++) {
		const M2dEvSlot *s = &g_array_index(ev->slots, M2dEvSlot, i);

		if (!(s->flags & 1) || s->state == M2D_EV_SLOT_GOING)
			continue;
		if (only != NULL)
			return;
		only = s;
	}
	if (only == NULL)
		return;
	task->protecting = true;
	task->protect = m2d_ev_ref(ev);
	if (e->kind == M2D_CAP_REMOVE_WRITE) {
		task->protect_start = only->base;
		task->protect_end = only->base + only->pages;
	} else {
		task->protect_start = only->base + e->u.dirty_masked.offset;
		task->protect_end = task->protect_start;
		task->protect_mask = e->u.dirty_masked.mask;
	}
}

static void check_leaf(M2dEvidence *ev, M2dEvTask *task, uint64_t gfn)
{
	M2dEvRef ref;

	for (M2dEvTable *t = m2d_ev_tables(ev, 1, gfn & ~UINT64_C(511)); t != NULL;
	     t = m2d_ev_next_table(t->next, 1, gfn & ~UINT64_C(511))) {
		uint64_t v = m2d_ev_entry(ev, t, gfn & 511, &ref);

		if (t->state != M2D_EV_LIVE || v == M2D_EV_UNKNOWN ||
		    !m2d_spte_is_present(&ev->format, v) || !(v & M2D_SPTE_W) ||
		    ref.place > task->protect.place)
			continue;
		m2d_ev_premise(ev, M2D_RULE_DIRTY_LOG_WRITABLE);
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_DIRTY_LOG_WRITABLE,
					     .doubt = "with PML the dirty bit is cleared instead",
					     .refs = {&ref, &task->protect},
					     .labels = {"set", "protects"}},
			      "gfn 0x%" G_GINT64_MODIFIER
			      "x stays writable though the dirty log write-protects it",
			      gfn);
		return;
	}
}

void m2d_ev_protected(M2dEvidence *ev, M2dEvTask *task)
{
	task->protecting = false;
	m2d_ev_premise(ev, M2D_RULE_DIRTY_LOG_WRITABLE);
	for (uint64_t gfn = task->protect_start; gfn < task->protect_end; gfn++)
		check_leaf(ev, task, gfn);
	if (task->protect_start == task->protect_end)
		for (uint64_t mask = task->protect_mask; mask != 0; mask &= mask - 1)
			check_leaf(ev, task, task->protect_start + (unsigned)__builtin_ctzll(mask));
}
