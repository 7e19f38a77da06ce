/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow pages, of shadow paging and of the direct MMU on the same code: told of by gfn and role
 * when they are got, go unsync, are synced and zapped; and zap-alls, which make them obsolete.
 */
#include "sim/evidence/evidence-private.h"

#define ROLE_KEY                                                                                   \
	(M2D_CAP_ROLE_LEVEL | M2D_CAP_ROLE_4BYTE | M2D_CAP_ROLE_QUADRANT | M2D_CAP_ROLE_DIRECT |   \
	 M2D_CAP_ROLE_ACCESS | M2D_CAP_ROLE_NX | M2D_CAP_ROLE_AD)

static M2dEvTable *find_page(M2dEvidence *ev, uint64_t gfn, uint32_t role, int gen, bool invalid)
{
	unsigned level = role & M2D_CAP_ROLE_LEVEL;

	for (M2dEvTable *t = m2d_ev_tables(ev, level, gfn); t != NULL;
	     t = m2d_ev_next_table(t->next, level, gfn))
		if (((t->role ^ role) & ROLE_KEY) == 0 && (gen < 0 || t->gen == gen) &&
		    (t->state == M2D_EV_INVALID) == invalid)
			return t;
	return NULL;
}

static void page_finding(M2dEvidence *ev, M2dRule rule, const M2dEvRef *ref, const char *label,
			 const char *what)
{
	const M2dCapEvent *e = ev->now;

	m2d_ev_report(ev,
		      &(M2dEvReport){.rule = rule,
				     .needs = rule == M2D_RULE_UNSYNC_STATE ? M2D_CAP_SYNC_PAGE
									    : M2D_CAP_GET_PAGE,
				     .also = rule == M2D_RULE_UNSYNC_STATE ? M2D_CAP_UNSYNC_PAGE
					     : ev->tdp                     ? M2D_CAP_TDP_SPTE
									   : 0,
				     .refs = {ref},
				     .labels = {label}},
		      "page of gfn 0x%" G_GINT64_MODIFIER "x level %u: %s", e->u.page.gfn,
		      (unsigned)(e->u.page.role & M2D_CAP_ROLE_LEVEL), what);
}

static const M2dEvRef nowhere;

static void check_generation(M2dEvidence *ev)
{
	const M2dCapEvent *e = ev->now;

	m2d_ev_premise(ev, M2D_RULE_OBSOLETE_PAGE);
	ev->gen_moves |= e->u.page.gen != 0;
	if (!ev->gen_known) {
		ev->gen_known = true;
		ev->gen = (uint8_t)e->u.page.gen;
	} else if (ev->gen != e->u.page.gen && ev->gen_moves) {
		page_finding(ev, M2D_RULE_OBSOLETE_PAGE, &ev->zap_all, "zap-all",
			     "got with a generation that is not the current one");
	}
}

/* A root of the TDP MMU; while there is a valid one, only for another role. */
static void new_root(M2dEvidence *ev, unsigned level)
{
	const M2dCapEvent *e = ev->now;

	for (M2dEvTable *t = m2d_ev_tables(ev, level, e->u.page.gfn); t != NULL && !ev->smm;
	     t = m2d_ev_next_table(t->next, level, e->u.page.gfn)) {
		if (t->state != M2D_EV_LIVE || !ev->birth)
			continue;
		m2d_ev_report(
			ev,
			&(M2dEvReport){.rule = M2D_RULE_OBSOLETE_PAGE,
				       .needs = M2D_CAP_ZAP_ALL_FAST,
				       .doubt = "its role may differ in bits that are not printed",
				       .refs = {&t->made},
				       .labels = {"made"}},
			"a root is made while there is a valid one");
		/* Which of them later changes are of is not sure any more. */
		ev->birth = false;
	}
	m2d_ev_table_new(ev, 0xff, level, e->u.page.gfn);
	ev->summary.roots++;
}

static void get_page(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	uint32_t role = (uint32_t)e->u.page.role;
	unsigned level = role & M2D_CAP_ROLE_LEVEL;
	M2dEvTable *t;
	bool is_root;

	if (level < 1 || level > 5)
		return;
	ev->root_level = MAX(ev->root_level, level);
	is_root = level >= 4 && level == ev->root_level;
	if (e->u.page.created) {
		/* After a lost race the fault ends, and tries again behind another exit. */
		if (task->get_page && task->get_level == level && task->get_gfn == e->u.page.gfn &&
		    task->get_role == role && task->get_exit == task->last_exit.place &&
		    task->exited)
			m2d_ev_missing(ev, &task->last_exit, M2D_CAP_EXIT, NULL,
				       "one fault makes the same page twice");
		task->get_exit = task->last_exit.place;
		if (!is_root) {
			task->get_page = true;
			task->get_level = (uint8_t)level;
			task->get_gfn = e->u.page.gfn;
			task->get_role = role; /* 32-bit guests: four quadrants of one table */
		}
		if (ev->tdp && !is_root)
			return;
	}
	if (ev->tdp) {
		new_root(ev, level);
		return;
	}
	if (ev->shadow || !m2d_ev_is_direct(role))
		check_generation(ev);
	m2d_ev_premise(ev, M2D_RULE_TABLE_UNKNOWN);
	t = find_page(ev, e->u.page.gfn, role, (int)e->u.page.gen, false);
	if (e->u.page.created) {
		if (t != NULL && task->got[level] == t && ev->shadow)
			m2d_ev_missing(ev, &t->made, M2D_CAP_EXIT, NULL,
				       "one fault makes the same page twice");
		else if (t != NULL && ev->shadow && !ev->smm)
			m2d_ev_report(
				ev,
				&(M2dEvReport){.rule = M2D_RULE_TABLE_UNKNOWN,
					       .doubt = "the role has bits that are not printed",
					       .refs = {&t->made},
					       .labels = {"made"}},
				"a page of gfn 0x%" G_GINT64_MODIFIER
				"x level %u is made while there is one",
				e->u.page.gfn, level);
		t = m2d_ev_table_new(ev, 0, level, e->u.page.gfn);
		t->role = role & ROLE_KEY;
		t->gen = (uint8_t)e->u.page.gen;
		t->unsync = e->u.page.unsync;
		if (m2d_ev_is_direct(role))
			ev->direct_pages++;
		else
			ev->indirect_pages++;
	} else if (t == NULL) {
		if (ev->birth)
			page_finding(ev, M2D_RULE_TABLE_UNKNOWN, &nowhere, "",
				     "found, but it was not made, or has been zapped");
	} else if (t->unsync != (e->u.page.unsync != 0)) {
		page_finding(ev, M2D_RULE_UNSYNC_STATE, &t->made, "made",
			     t->unsync ? "in sync, but it went unsync"
				       : "unsync, but it was in sync");
	}
	task->got[level] = t;
}

static void zap_page(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	uint32_t role = (uint32_t)e->u.page.role;
	bool invalid = role & M2D_CAP_ROLE_INVALID;
	M2dEvTable *t;

	m2d_ev_premise(ev, M2D_RULE_TABLE_UNKNOWN);
	/* A root in use is not put on the list of what is committed. */
	if (e->has & 8 && e->u.page.roots == 0)
		task->uncommitted = true;
	ev->disturbed = e->place;
	task->prepared = m2d_ev_ref(ev);
	t = find_page(ev, e->u.page.gfn, role, (int)e->u.page.gen, invalid);
	if (t == NULL) {
		if (ev->birth)
			page_finding(ev, M2D_RULE_TABLE_UNKNOWN, &nowhere, "",
				     "zapped, but it was not made, or has been zapped before");
		return;
	}
	task->zapped_unsync = t->unsync;
	task->zapped_gfn = t->gfn;
	t->unlinked = m2d_ev_ref(ev);
	t->unlinked_seq = ev->seq;
	/* What a root in use holds is gone; its page stays until the last vCPU drops it. */
	if (e->u.page.roots > 0)
		t->state = M2D_EV_INVALID;
	else
		m2d_ev_table_gone(ev, t);
}

/* Its entries may be dropped when a page is synced. */
static void change_sync(M2dEvidence *ev, M2dEvTask *task, bool unsync)
{
	const M2dCapEvent *e = ev->now;
	M2dEvTable *t =
		find_page(ev, e->u.page.gfn, (uint32_t)e->u.page.role, (int)e->u.page.gen, false);

	m2d_ev_premise(ev, M2D_RULE_UNSYNC_STATE);
	/* A page that is zapped is taken off the list of unsync ones right behind. */
	if (!unsync && task->zapped_unsync && task->zapped_gfn == e->u.page.gfn) {
		task->zapped_unsync = false;
		return;
	}
	if (t == NULL) {
		if (ev->birth)
			page_finding(ev, M2D_RULE_TABLE_UNKNOWN, &nowhere, "",
				     "changes its sync state, but it was not made, or is gone");
		return;
	}
	if (t->unsync == unsync)
		page_finding(ev, M2D_RULE_UNSYNC_STATE,
			     t->synced.place != 0 ? &t->synced : &t->made, "before",
			     unsync ? "goes unsync, but it was so"
				    : "is synced, but it was in sync");
	if (!unsync)
		ev->disturbed = e->place;
	t->unsync = unsync;
	t->synced = m2d_ev_ref(ev);
}

/* The TDP MMU tells of a page it unlinks right behind the change of the link. */
static void zap_tdp_page(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	unsigned level = (unsigned)e->u.zap_page.role & M2D_CAP_ROLE_LEVEL;
	M2dEvTable *t = task->zap_due;

	if (t == NULL || t->level != level || t->gfn != e->u.zap_page.gfn) {
		if (ev->birth)
			page_finding(ev, M2D_RULE_TABLE_UNKNOWN, &nowhere, "",
				     "zapped, but it was not unlinked just before");
		return;
	}
	t->zap_told = true;
	task->zap_due = NULL;
}

void m2d_ev_page_event(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;

	/* trace-cmd report does not print all of the role. */
	if ((e->has & 7) != 7) {
		ev->roles_unknown = true;
		ev->birth = false;
	}
	if (ev->roles_unknown)
		return;
	switch (e->kind) {
	case M2D_CAP_GET_PAGE:
		get_page(ev, task);
		break;
	case M2D_CAP_ZAP_PAGE:
		if (ev->tdp)
			zap_tdp_page(ev, task);
		else
			zap_page(ev, task);
		break;
	default:
		change_sync(ev, task, e->kind == M2D_CAP_UNSYNC_PAGE);
		break;
	}
}

/*
 * The generation is one bit. Pages of the one that comes again were zapped while the other was
 * current, all of them, or they would be taken for good ones.
 */
static void check_leftovers(M2dEvidence *ev, unsigned gen)
{
	for (unsigned i = 0; i < M2D_EV_BUCKETS; i++)
		for (M2dEvTable *t = ev->buckets[i]; t != NULL; t = t->next)
			if (t->gen == gen && t->state == M2D_EV_LIVE) {
				m2d_ev_report(ev,
					      &(M2dEvReport){.rule = M2D_RULE_OBSOLETE_PAGE,
							     .refs = {&t->made, &ev->zap_all},
							     .labels = {"made", "made obsolete"}},
					      "the page of gfn 0x%" G_GINT64_MODIFIER
					      "x level %u was never zapped, and its generation "
					      "becomes current again",
					      t->gfn, t->level);
				t->state = M2D_EV_INVALID;
			}
}

void m2d_ev_zap_all_fast(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;

	m2d_ev_premise(ev, M2D_RULE_OBSOLETE_PAGE);
	/* It prints the generation it ends. */
	if (ev->zap_gen_known && ev->zap_gen == e->u.zap_all_fast.gen)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_OBSOLETE_PAGE,
					     .refs = {&ev->zap_all},
					     .labels = {"the one before"}},
			      "two zap-alls end the same generation");
	if (ev->shadow && ev->gen_moves)
		check_leftovers(ev, !e->u.zap_all_fast.gen);
	ev->zap_gen_known = true;
	ev->zap_gen = (uint8_t)e->u.zap_all_fast.gen;
	ev->gen_known = true;
	ev->gen = !e->u.zap_all_fast.gen;
	ev->zap_all = m2d_ev_ref(ev);
	ev->summary.zap_all++;
	if (ev->tdp)
		for (unsigned i = 0; i < M2D_EV_BUCKETS; i++)
			for (M2dEvTable *t = ev->buckets[i]; t != NULL; t = t->next)
				if (t->parent == NULL && t->state == M2D_EV_LIVE)
					t->state = M2D_EV_INVALID;
	task->slot_due = false;
	m2d_ev_slots_zapped(ev, task);
	m2d_ev_ask(ev, task, M2D_EV_REQ_ROOT, UINT64_MAX);
}
