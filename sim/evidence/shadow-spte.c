/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SPTEs that faults set, told of by the address of the entry. Which shadow page an address lies in
 * follows from the page that the fault got just before. Links of tables and SPTEs that go are not
 * told of.
 */
#include "sim/evidence/evidence-private.h"

static const M2dEvRef nowhere;

static void set_finding(M2dEvidence *ev, M2dRule rule, const M2dEvRef *ref, const char *label,
			const char *what)
{
	const M2dCapEvent *e = ev->now;
	char text[M2D_SPTE_TEXT] = "";

	if (ev->format_known)
		m2d_spte_to_string(&ev->format, e->u.set_spte.spte, (unsigned)e->u.set_spte.level,
				   text);
	m2d_ev_report(
		ev,
		&(M2dEvReport){.rule = rule,
			       .needs = rule == M2D_RULE_TABLE_UNKNOWN     ? M2D_CAP_GET_PAGE
					: rule == M2D_RULE_SPTE_TRANSITION ? M2D_CAP_UNMAP_GFN
									   : 0,
			       .refs = {ref},
			       .labels = {label}},
		"gfn 0x%" G_GINT64_MODIFIER "x level %u spte 0x%" G_GINT64_MODIFIER "x (%s): %s",
		e->u.set_spte.gfn, (unsigned)e->u.set_spte.level, e->u.set_spte.spte, text, what);
}

/* The rights printed are those of the value. */
static bool rights_agree(const M2dEvidence *ev)
{
	const M2dCapEvent *e = ev->now;
	const M2dSpteFormat *f = &ev->format;
	uint64_t v = e->u.set_spte.spte, acc = e->u.set_spte.access;

	if (((v & M2D_SPTE_W) != 0) != ((acc & M2D_CAP_ACC_W) != 0) ||
	    m2d_spte_is_executable(f, v) != ((acc & M2D_CAP_ACC_X) != 0))
		return false;
	return ev->ept || m2d_spte_is_user(f, v) == ((acc & M2D_CAP_ACC_U) != 0);
}

/* What was asked for is what was set, as far as it is the same gfn; neighbours are prefetched. */
static const char *request_disagrees(const M2dEvidence *ev, const M2dEvTask *task, uint64_t pfn)
{
	const M2dCapEvent *e = ev->now;
	unsigned level = (unsigned)e->u.set_spte.level;
	uint64_t mask = ~(m2d_ev_span(level) - 1);

	if (((task->req_gfn ^ e->u.set_spte.gfn) & mask) != 0 || task->req_level != level)
		return NULL;
	return ((task->req_pfn ^ pfn) & mask) == 0 ? NULL : "another frame was asked for";
}

/* In shadow paging: no writable mapping of a guest table that is shadowed in sync. */
static void check_shadowed(M2dEvidence *ev)
{
	const M2dCapEvent *e = ev->now;
	uint64_t gfn = e->u.set_spte.gfn;

	if (e->u.set_spte.level != 1 || !(e->u.set_spte.spte & M2D_SPTE_W) ||
	    ev->indirect_pages == 0)
		return;
	m2d_ev_premise(ev, M2D_RULE_WRITABLE_SHADOWED);
	for (unsigned level = 1; level <= 5; level++)
		for (M2dEvTable *t = m2d_ev_tables(ev, level, gfn); t != NULL;
		     t = m2d_ev_next_table(t->next, level, gfn)) {
			if (m2d_ev_is_direct(t->role) || t->state != M2D_EV_LIVE ||
			    t->gen != ev->gen || (level == 1 && t->unsync))
				continue;
			m2d_ev_report(
				ev,
				&(M2dEvReport){.rule = M2D_RULE_WRITABLE_SHADOWED,
					       .doubt =
						       ev->smm ? "SMM has memory of its own" : NULL,
					       .refs = {&t->made},
					       .labels = {"shadowed"}},
				"gfn 0x%" G_GINT64_MODIFIER
				"x becomes writable while it is shadowed as a table of level %u",
				gfn, level);
		}
}

/* A live page whose table is not known, and which the fault must have gone to. */
static M2dEvTable *unbound_page(M2dEvidence *ev, const M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	unsigned level = (unsigned)e->u.set_spte.level;
	uint64_t base = e->u.set_spte.gfn & ~(512 * m2d_ev_span(level) - 1);
	M2dEvTable *t;

	if (ev->unbound[level] == 0)
		return NULL;
	for (t = m2d_ev_tables(ev, level, base); t != NULL;
	     t = m2d_ev_next_table(t->next, level, base))
		if (t->pfn == 0 && t->state == M2D_EV_LIVE && m2d_ev_is_direct(t->role) &&
		    t->gen == ev->gen)
			return t;
	/* In shadow paging, the guest's entry above says which table it was. */
	base = (task->walk[level + 1] & M2D_SPTE_ADDR) >> 12;
	for (t = m2d_ev_tables(ev, level, base); t != NULL;
	     t = m2d_ev_next_table(t->next, level, base))
		if (t->pfn == 0 && t->state == M2D_EV_LIVE && !m2d_ev_is_direct(t->role) &&
		    t->gen == ev->gen)
			return t;
	return NULL;
}

/*
 * A gfn keeps its frame until a notifier takes it away, or its memslot changes.
 */
static void check_frame(M2dEvidence *ev)
{
	const M2dCapEvent *e = ev->now;
	uint64_t gfn = e->u.set_spte.gfn, pfn = m2d_spte_pfn(&ev->format, e->u.set_spte.spte);
	M2dEvGfn *g = &ev->gfns[gfn % M2D_EV_GFNS];

	if (e->u.set_spte.level != 1)
		return;
	if (g->place != 0 && g->gfn == gfn && ev->seen[M2D_CAP_UNMAP_GFN] && ev->birth &&
	    g->place > ev->zap_all.place) {
		m2d_ev_premise(ev, M2D_RULE_SPTE_MISMATCH);
		if (g->pfn != pfn && !m2d_ev_may_be_gone(ev, gfn, g->place))
			set_finding(ev, M2D_RULE_SPTE_MISMATCH, &g->ref, "mapped before",
				    "another frame than before, and no notifier came between");
	}
	*g = (M2dEvGfn){.gfn = gfn,
			.pfn = pfn,
			.place = e->place,
			.at = e->u.set_spte.at,
			.ref = m2d_ev_ref(ev)};
}

/* The shadow page that the entry lies in; NULL if nothing tells. */
static M2dEvTable *page_of_entry(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	uint64_t pfn = e->u.set_spte.at >> 12;
	unsigned level = (unsigned)e->u.set_spte.level;
	M2dEvTable *t = m2d_ev_table_of_page(ev, pfn), *got = task->got[level];

	if (t != NULL && t->level == level) {
		if (t->state == M2D_EV_INVALID ||
		    (ev->gen_known && ev->gen_moves && t->gen != ev->gen))
			set_finding(ev, M2D_RULE_OBSOLETE_PAGE, &t->unlinked, "zapped",
				    "set in a page that is not valid any more");
		return t;
	}
	if (got == NULL || got->pfn != 0)
		got = unbound_page(ev, task);
	if (got != NULL) {
		const M2dEvFreed *freed = g_hash_table_lookup(ev->freed, GSIZE_TO_POINTER(pfn));

		if (t != NULL)
			set_finding(ev, M2D_RULE_TABLE_REUSED, &t->made, "made",
				    "its page is a table of another level still");
		if (freed != NULL) {
			m2d_ev_page_reused(ev, freed->seq, &freed->ref);
			g_hash_table_remove(ev->freed, GSIZE_TO_POINTER(pfn));
		}
		m2d_ev_table_bind(ev, got, pfn);
		return got;
	}
	if (ev->birth && ev->unbound[level] == 0)
		set_finding(ev, M2D_RULE_TABLE_UNKNOWN, &nowhere, "",
			    "set in a page that no table is known to have");
	return NULL;
}

/* Rights or a dirty bit that a new SPTE lacks: before 6.13 the fault that sets it flushes. */
static void note_lost_rights(M2dEvidence *ev, M2dEvTask *task, uint64_t old, const M2dEvRef *ref)
{
	const M2dCapEvent *e = ev->now;

	if (old == M2D_EV_UNKNOWN || !m2d_spte_is_present(&ev->format, old) ||
	    m2d_ev_may_be_gone(ev, e->u.set_spte.gfn, ref->place) ||
	    !m2d_spte_needs_flush(&ev->format, old, e->u.set_spte.spte, M2D_SPTE_FLUSH_OLD))
		return;
	m2d_ev_owe(ev, task, *ref, "an SPTE was set that lacks what the last one had");
	/* That tracepoint went before the rule did. */
	task->owed_doubt =
		ev->seen[M2D_CAP_SET_SPTE_HVA] ? NULL : "kernels from 6.13 on do not flush then";
	task->owed_also = M2D_CAP_UNMAP_GFN;
	task->op_ref = (M2dEvRef){0};
}

static void set_in_shadow(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	unsigned level = (unsigned)e->u.set_spte.level;
	unsigned index = (unsigned)(e->u.set_spte.at >> 3) & 511;
	uint64_t old, spte = e->u.set_spte.spte, gfn = e->u.set_spte.gfn;
	const char *why;
	M2dEvTable *t;
	M2dEvRef ref;

	m2d_ev_premise(ev, M2D_RULE_TABLE_UNKNOWN);
	check_shadowed(ev);
	t = ev->roles_unknown ? NULL : page_of_entry(ev, task);
	if (t == NULL)
		return;
	if (m2d_ev_is_direct(t->role)) {
		if (t->gfn + index * m2d_ev_span(level) != (gfn & ~(m2d_ev_span(level) - 1)))
			set_finding(ev, M2D_RULE_SPTE_MISMATCH, &t->made, "made",
				    "at an address that is not this gfn's");
		old = m2d_ev_entry(ev, t, index, &ref);
		m2d_ev_premise(ev, M2D_RULE_SPTE_TRANSITION);
		if (old != M2D_EV_UNKNOWN && m2d_spte_is_present(&ev->format, old) &&
		    !m2d_ev_may_be_gone(ev, gfn, ref.place) &&
		    m2d_spte_transition(&ev->format, old, spte, level, &why) == M2D_SPTE_T_ILLEGAL)
			set_finding(ev, M2D_RULE_SPTE_TRANSITION, &ref, "set before", why);
		note_lost_rights(ev, task, old, &ref);
	}
	m2d_ev_set_entry(ev, t, index, spte);
}

static void set_in_tdp(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	unsigned level = (unsigned)e->u.set_spte.level;
	uint64_t spte = e->u.set_spte.spte, gfn = e->u.set_spte.gfn, at = e->u.set_spte.at;
	bool match;
	M2dEvTable *t = m2d_ev_tdp_leaf(ev, level, gfn, spte, &match);
	M2dEvRef ref;

	if (m2d_ev_index(gfn, level) != (at >> 3 & 511))
		set_finding(ev, M2D_RULE_SPTE_MISMATCH, &nowhere, "",
			    "at an address that is not this gfn's");
	if (task->changed && task->changed_gfn == gfn && task->changed_level == level) {
		/* Hardware may have set A and D meanwhile. */
		if ((task->changed_spte ^ spte) & ~(ev->format.accessed | ev->format.dirty))
			set_finding(ev, M2D_RULE_SPTE_MISMATCH, &task->change, "changed",
				    "the entry was changed to another value");
		t = task->changed_table;
	} else if (t == NULL) {
		if (ev->birth)
			set_finding(ev, M2D_RULE_TABLE_UNKNOWN, &nowhere, "",
				    "set in a table that was not made, or is gone");
		return;
	} else if (!match) {
		m2d_ev_entry(ev, t, m2d_ev_index(gfn, level), &ref);
		set_finding(ev, M2D_RULE_SPTE_CHAIN, &ref, "left",
			    "the entry was left as another value, and nothing told of a change");
	}
	task->changed = false;
	if (t->pfn == 0)
		m2d_ev_table_bind(ev, t, at >> 12);
	else if (t->pfn != at >> 12)
		set_finding(ev, M2D_RULE_SPTE_MISMATCH, &t->made, "made",
			    "its table is another page");
}

void m2d_ev_set_spte(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	unsigned level = (unsigned)e->u.set_spte.level;
	const char *why;

	if (level < 1 || level > 3 || (e->has & 31) != 31)
		return;
	ev->summary.leafs_set++;
	m2d_ev_premise(ev, M2D_RULE_SPTE_ILLEGAL);
	m2d_ev_premise(ev, M2D_RULE_SPTE_MISMATCH);
	if (!m2d_ev_format(ev, e->u.set_spte.spte)) {
		set_finding(ev, M2D_RULE_SPTE_ILLEGAL, &nowhere, "", "not present");
		return;
	}
	why = m2d_spte_illegal(&ev->format, e->u.set_spte.spte, level);
	if (why == NULL &&
	    m2d_spte_state(&ev->format, e->u.set_spte.spte, level) != M2D_SPTE_STATE_LEAF)
		why = "no leaf";
	if (why != NULL)
		set_finding(ev, M2D_RULE_SPTE_ILLEGAL, &nowhere, "", why);
	else if (!rights_agree(ev))
		set_finding(ev, M2D_RULE_SPTE_MISMATCH, &nowhere, "",
			    "the rights printed are not those of the value");
	if (task->request_known) {
		why = request_disagrees(ev, task, m2d_spte_pfn(&ev->format, e->u.set_spte.spte));
		if (why != NULL)
			set_finding(ev, M2D_RULE_SPTE_MISMATCH, &task->request, "asked for", why);
	} else if (task->exited && task->faulted && !task->invalidated) {
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_MISSING_EVENT,
					     .needs = M2D_CAP_SPTE_REQUESTED,
					     .refs = {&task->last_exit},
					     .labels = {"exit"}},
			      "an SPTE is set that no kvm_mmu_spte_requested told of");
	}
	/* INVLPG sets, too, and once for each root that leads there. */
	if (task->request_known && task->set_at == e->u.set_spte.at)
		m2d_ev_missing(ev, &task->request, M2D_CAP_SPTE_REQUESTED, NULL,
			       "one fault sets the same SPTE twice");
	task->set_at = e->u.set_spte.at;
	m2d_ev_check_slot(ev, e->u.set_spte.gfn);
	check_frame(ev);
	ev->shadow = !ev->tdp;
	if (ev->tdp)
		set_in_tdp(ev, task);
	else
		set_in_shadow(ev, task);
}

/* The lockless path changes an entry without another word; in direct MMUs the address is a gfn. */
void m2d_ev_fast_fault(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	uint64_t gfn = e->u.fast_fault.gva >> 12, from = e->u.fast_fault.from,
		 to = e->u.fast_fault.to;
	const char *why;
	char text[M2D_SPTE_TEXT];

	if (!e->u.fast_fault.fixed || !m2d_ev_format(ev, to))
		return;
	for (unsigned level = 1; level <= 3; level++) {
		bool match;
		M2dEvTable *t = ev->tdp ? m2d_ev_tdp_leaf(ev, level, gfn, from, &match) : NULL;

		if (!ev->tdp) {
			t = m2d_ev_tables(ev, level, gfn & ~(512 * m2d_ev_span(level) - 1));
			match = t != NULL && m2d_ev_is_direct(t->role);
		}
		if (t == NULL || !match)
			continue;
		m2d_ev_premise(ev, M2D_RULE_SPTE_TRANSITION);
		if (m2d_spte_transition(&ev->format, from, to, level, &why) == M2D_SPTE_T_ILLEGAL)
			m2d_ev_report(ev, &(M2dEvReport){.rule = M2D_RULE_SPTE_TRANSITION},
				      "gfn 0x%" G_GINT64_MODIFIER "x level %u -> %s: %s", gfn,
				      level, m2d_spte_to_string(&ev->format, to, level, text), why);
		m2d_ev_set_entry(ev, t, m2d_ev_index(gfn, level), to);
		return;
	}
	if (ev->tdp && ev->birth)
		m2d_ev_report(ev, &(M2dEvReport){.rule = M2D_RULE_SPTE_CHAIN},
			      "gfn 0x%" G_GINT64_MODIFIER
			      "x: the fast path found 0x%" G_GINT64_MODIFIER
			      "x, which no entry was left as",
			      gfn, from);
}

/* Shadow paging: an SPTE that nothing since can have dropped. */
static void zap_indirect(M2dEvidence *ev, M2dEvTask *task, uint64_t gfn)
{
	const M2dEvGfn *g = &ev->gfns[gfn % M2D_EV_GFNS];
	M2dEvTable *t;
	M2dEvRef ref;

	if (g->place == 0 || g->gfn != gfn || g->place <= ev->disturbed ||
	    g->place <= ev->zap_all.place || ev->now->kind != M2D_CAP_UNMAP_GFN)
		return;
	t = m2d_ev_table_of_page(ev, g->at >> 12);
	if (t == NULL || t->state != M2D_EV_LIVE || m2d_ev_is_direct(t->role))
		return;
	m2d_ev_entry(ev, t, (unsigned)(g->at >> 3) & 511, &ref);
	if (ref.place != g->place || m2d_ev_may_be_gone(ev, gfn, g->place + 1))
		return;
	m2d_ev_owe(ev, task, g->ref, "an SPTE was unmapped by a notifier");
}

/* Entries @first to @last of a direct table go. */
static void zap_direct(M2dEvidence *ev, M2dEvTask *task, M2dEvTable *t, unsigned first,
		       unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		M2dEvRef ref;
		uint64_t v = m2d_ev_entry(ev, t, i, &ref);

		if (v == M2D_EV_UNKNOWN || !m2d_spte_is_present(&ev->format, v))
			continue;
		m2d_ev_owe(ev, task, ref, "an SPTE was unmapped by a notifier");
		task->owes = ev->now->kind == M2D_CAP_UNMAP_GFN;
		m2d_ev_set_entry(ev, t, i, 0);
	}
}

/* A notifier or a range zap takes away what is known to be mapped: a flush is due. */
void m2d_ev_shadow_zap_range(M2dEvidence *ev, M2dEvTask *task, uint64_t start, uint64_t end)
{
	for (uint64_t gfn = start; gfn < end && end - start <= 512 && ev->indirect_pages > 0; gfn++)
		zap_indirect(ev, task, gfn);
	end = MIN(end, ev->end_gfn);
	for (unsigned level = 1; level <= 2 && ev->format_known; level++) {
		uint64_t span = m2d_ev_span(level), table = 512 * span;

		for (uint64_t base = start & ~(table - 1); base < end; base += table) {
			unsigned first = base < start ? m2d_ev_index(start, level) : 0;
			unsigned last = end - base < table ? m2d_ev_index(end - 1, level) : 511;

			for (M2dEvTable *t = m2d_ev_tables(ev, level, base); t != NULL;
			     t = m2d_ev_next_table(t->next, level, base))
				if (m2d_ev_is_direct(t->role) && t->state == M2D_EV_LIVE &&
				    (!ev->gen_known || t->gen == ev->gen))
					zap_direct(ev, task, t, first, last);
		}
	}
}
