/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TDP MMU. Its one tracepoint tells of every change of an entry by address space, gfn and
 * level, so that all tables can be rebuilt but for what hardware sets. Several roots can hold the
 * same gfn, an old one being zapped while a new one fills; which one a change is of follows from
 * who makes it and from the value it starts with.
 */
#include "sim/evidence/evidence-private.h"

#define NONE M2D_EV_UNKNOWN

typedef struct {
	unsigned level, index;
	uint64_t gfn, from, to;
	bool was, is; /* present */
} Change;

static bool is_present(const M2dEvidence *ev, uint64_t v)
{
	return ev->format_known ? m2d_spte_is_present(&ev->format, v) : v & M2D_BIT(11);
}

static bool is_frozen(uint64_t v)
{
	return (v & ~M2D_BIT(63)) == 0x5a0;
}

/* Whether an entry that was left as @had can now be found as @found. */
static bool agrees(const M2dEvidence *ev, uint64_t had, uint64_t found)
{
	uint64_t ad = ev->format.accessed | ev->format.dirty;

	if (had == NONE || had == found)
		return true;
	/* Who freezes an entry gives it back without a word. */
	if (is_frozen(had) && !is_present(ev, found))
		return true;
	return is_present(ev, had) && is_present(ev, found) && (found & ~ad) == (had & ~ad) &&
	       (found & had) == had;
}

static M2dEvTable *root_of(M2dEvTable *t)
{
	while (t->parent != NULL)
		t = t->parent;
	return t;
}

static bool is_valid(M2dEvTable *t)
{
	for (; t != NULL; t = t->parent)
		if (t->state != M2D_EV_LIVE)
			return false;
	return true;
}

/* The table that the change is of; @match says whether the value fits. NULL: there is none. */
static M2dEvTable *choose(M2dEvidence *ev, const M2dEvTask *task, const Change *c, uint8_t as,
			  bool *match)
{
	uint64_t base = c->gfn & ~(512 * m2d_ev_span(c->level) - 1);
	M2dEvTable *best = NULL;
	int best_rank = -1;

	for (M2dEvTable *t = m2d_ev_tables(ev, c->level, base); t != NULL;
	     t = m2d_ev_next_table(t->next, c->level, base)) {
		uint8_t of = root_of(t)->as;
		bool fits = agrees(ev, m2d_ev_entry(ev, t, c->index, NULL), c->from);
		bool valid = is_valid(t);
		int rank = fits ? 10 : 0;

		if (of != as && of != 0xff)
			continue;
		if (t->state == M2D_EV_DETACHED)
			rank += t->remover == task->pid && !c->is ? 20 : -1;
		else if (!c->was && c->is)
			rank += valid ? 20 : 0; /* only valid roots get new entries */
		else if (!c->is && task->op == 0)
			rank += valid ? 1 : 2; /* an old root goes; notifiers and ranges say so */
		else
			rank += valid ? 2 : 1;
		if (rank > best_rank) {
			best = t;
			best_rank = rank;
			*match = fits;
		}
	}
	return best;
}

static void spte_finding(M2dEvidence *ev, M2dRule rule, const M2dEvRef *ref, const char *label,
			 const Change *c, const char *what)
{
	char from[M2D_SPTE_TEXT], to[M2D_SPTE_TEXT];

	m2d_ev_report(ev,
		      &(M2dEvReport){.rule = rule,
				     .needs = rule == M2D_RULE_TABLE_UNKNOWN ||
							      rule == M2D_RULE_SPTE_CHAIN
						      ? M2D_CAP_GET_PAGE
						      : 0,
				     .refs = {ref},
				     .labels = {label}},
		      "gfn 0x%" G_GINT64_MODIFIER "x level %u: 0x%" G_GINT64_MODIFIER
		      "x (%s) -> 0x%" G_GINT64_MODIFIER "x (%s): %s",
		      c->gfn, c->level, c->from,
		      m2d_spte_to_string(&ev->format, c->from, c->level, from), c->to,
		      m2d_spte_to_string(&ev->format, c->to, c->level, to), what);
}

/* The table is empty, or its remover has gone on before it was. */
static void finish_removal(M2dEvidence *ev, M2dEvTask *task, M2dEvTable *t)
{
	M2dEvRef ref;

	m2d_ev_premise(ev, M2D_RULE_TABLE_LEFT);
	if (!t->zap_told && ev->birth)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_MISSING_EVENT,
					     .needs = M2D_CAP_ZAP_PAGE,
					     .refs = {&t->unlinked},
					     .labels = {"unlinked"}},
			      "a table of level %u was unlinked, and no kvm_mmu_prepare_zap_page "
			      "told of it",
			      t->level);
	for (unsigned i = 0; i < 512 && ev->birth; i++) {
		uint64_t v;

		if (t->chunks[i / M2D_EV_CHUNK] == NULL) {
			i |= M2D_EV_CHUNK - 1;
			continue;
		}
		v = m2d_ev_entry(ev, t, i, &ref);
		if (v == NONE || !is_present(ev, v))
			continue;
		m2d_ev_report(
			ev,
			&(M2dEvReport){.rule = M2D_RULE_TABLE_LEFT,
				       .refs = {&ref, &t->unlinked},
				       .labels = {"set", "unlinked"}},
			"gfn 0x%" G_GINT64_MODIFIER
			"x is still mapped in a table of level %u that was taken out, and the "
			"task goes on",
			t->gfn + i * m2d_ev_span(t->level), t->level);
		break;
	}
	if (t->absent > 0 && t->removed != 512 && ev->birth)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_MISSING_EVENT,
					     .refs = {&t->unlinked},
					     .labels = {"unlinked"}},
			      "%u entries of a table of level %u were removed, expected 512",
			      t->removed, t->level);
	if (task->zap_due == t)
		task->zap_due = NULL;
	task->removing = t->parent != NULL && t->parent->state == M2D_EV_DETACHED &&
					 t->parent->remover == task->pid
				 ? t->parent
				 : NULL;
	m2d_ev_table_gone(ev, t);
}

/* All tables that @task removes above @keep are done. */
static void finish_above(M2dEvidence *ev, M2dEvTask *task, const M2dEvTable *keep)
{
	while (task->removing != NULL && task->removing != keep)
		finish_removal(ev, task, task->removing);
}

void m2d_ev_tdp_done(M2dEvidence *ev, M2dEvTask *task)
{
	finish_above(ev, task, NULL);
	if (task->changed && task->faulted && ev->format_known &&
	    m2d_spte_is_present(&ev->format, task->changed_spte))
		m2d_ev_missing(ev, &task->change, M2D_CAP_SET_SPTE, NULL,
			       "a fault changed an SPTE, and no kvm_mmu_set_spte told of it");
	task->changed = false;
}

/*
 * A vCPU uses a table that another one has linked and not told of yet: its trace event comes after
 * the change itself. NULL if no other task has made such a page.
 */
static M2dEvTable *foretell(M2dEvidence *ev, const Change *c, uint8_t as)
{
	uint64_t base = c->gfn & ~(512 * m2d_ev_span(c->level) - 1);

	for (guint i = 0; i < ev->tasks->len; i++) {
		M2dEvTask *task = ev->tasks->pdata[i];

		if (!task->get_page || task->foretold != NULL || task->get_level != c->level ||
		    task->get_gfn != base || task->pid == ev->now->pid)
			continue;
		task->foretold = m2d_ev_table_new(ev, as, c->level, base);
		return task->foretold;
	}
	return NULL;
}

static void link_table(M2dEvidence *ev, M2dEvTask *task, M2dEvTable *parent, const Change *c)
{
	uint64_t pfn = m2d_spte_pfn(&ev->format, c->to),
		 base = c->gfn & ~(m2d_ev_span(c->level) - 1);
	M2dEvTable *old = m2d_ev_table_of_page(ev, pfn), *t;
	const M2dEvFreed *freed = g_hash_table_lookup(ev->freed, GSIZE_TO_POINTER(pfn));

	m2d_ev_premise(ev, M2D_RULE_TABLE_UNKNOWN);
	if ((!task->get_page || task->get_level != c->level - 1 || task->get_gfn != base) &&
	    (ev->birth || task->exited))
		m2d_ev_report(
			ev,
			&(M2dEvReport){.rule = M2D_RULE_MISSING_EVENT, .needs = M2D_CAP_GET_PAGE},
			"a table of level %u for gfn 0x%" G_GINT64_MODIFIER
			"x is linked that no kvm_mmu_get_page told of",
			c->level - 1, base);
	task->get_page = false;
	if (old != NULL && ev->birth)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_TABLE_REUSED,
					     .refs = {&old->made},
					     .labels = {"made"}},
			      "page 0x%" G_GINT64_MODIFIER
			      "x becomes a table while it still is one, of level %u",
			      pfn, old->level);
	t = task->foretold != NULL && task->foretold->gfn == base &&
			    task->foretold->level == c->level - 1
		    ? task->foretold
		    : m2d_ev_table_new(ev, root_of(parent)->as, c->level - 1, base);
	task->foretold = NULL;
	m2d_ev_table_adopt(t, parent);
	/* A huge page that is split fills its table before it is linked. */
	t->complete = !c->was;
	m2d_ev_table_bind(ev, t, pfn);
	if (freed != NULL) {
		m2d_ev_page_reused(ev, freed->seq, &freed->ref);
		g_hash_table_remove(ev->freed, GSIZE_TO_POINTER(pfn));
	}
}

static void unlink_table(M2dEvidence *ev, M2dEvTask *task, const Change *c)
{
	M2dEvTable *t = m2d_ev_table_of_page(ev, m2d_spte_pfn(&ev->format, c->from));

	if (t == NULL || t->level != c->level - 1)
		return;
	t->state = M2D_EV_DETACHED;
	t->remover = task->pid;
	t->unlinked = m2d_ev_ref(ev);
	t->unlinked_seq = ev->seq;
	task->removing = task->zap_due = t;
}

/* Rights that go from a valid root, and from an operation that answers for it. */
static void note_flush_duty(M2dEvidence *ev, M2dEvTask *task, const M2dEvTable *t, const Change *c,
			    M2dSpteTransition kind)
{
	const char *what = NULL;

	if (t->state == M2D_EV_DETACHED)
		return;
	if (kind == M2D_SPTE_T12 && task->op != 0 && c->gfn < task->op_end &&
	    c->gfn + m2d_ev_span(c->level) > task->op_start)
		what = "an SPTE was zapped";
	else if ((kind == M2D_SPTE_T5 || kind == M2D_SPTE_T6 || kind == M2D_SPTE_T10) &&
		 task->in_protect) /* a fault that makes an SPTE anew may leave D out */
		what = "an SPTE was write-protected or cleaned";
	if (what == NULL)
		return;
	m2d_ev_owe(ev, task, m2d_ev_ref(ev), what);
	if (task->op == 0)
		task->op_ref = (M2dEvRef){0};
}

static void apply(M2dEvidence *ev, M2dEvTask *task, M2dEvTable *t, const Change *c)
{
	const char *why = NULL;
	M2dSpteTransition kind = M2D_SPTE_T_NONE;
	bool table_was = c->was && !m2d_spte_is_last(c->from, c->level),
	     table_is = c->is && !m2d_spte_is_last(c->to, c->level);

	if (ev->format_known) {
		m2d_ev_premise(ev, M2D_RULE_SPTE_TRANSITION);
		kind = m2d_spte_transition(&ev->format, c->from, c->to, c->level, &why);
		if (kind == M2D_SPTE_T_ILLEGAL)
			spte_finding(ev,
				     m2d_spte_illegal(&ev->format, c->to, c->level) != NULL
					     ? M2D_RULE_SPTE_ILLEGAL
					     : M2D_RULE_SPTE_TRANSITION,
				     &(M2dEvRef){0}, "", c, why);
	}
	m2d_ev_set_entry(ev, t, c->index, c->to);
	if (t->state == M2D_EV_DETACHED) {
		t->removed++;
		t->absent += !c->was;
	}
	if (!c->was && c->is) {
		m2d_ev_premise(ev, M2D_RULE_OBSOLETE_PAGE);
		if (!is_valid(t) && ev->birth)
			m2d_ev_report(ev,
				      &(M2dEvReport){.rule = M2D_RULE_OBSOLETE_PAGE,
						     .refs = {&root_of(t)->made, &ev->zap_all},
						     .labels = {"root made", "made obsolete"}},
				      "an SPTE is set under a root that is not valid any more");
	}
	/* Nobody but the remover of a table freezes entries that are not present. */
	if (!c->was && is_frozen(c->to) && t->state != M2D_EV_DETACHED && ev->birth)
		spte_finding(ev, M2D_RULE_SPTE_TRANSITION, &t->made, "table made", c,
			     "frozen in a table that was not taken out");
	note_flush_duty(ev, task, t, c, kind);
	if (table_was) {
		/* A range is zapped leaf by leaf; with tables goes all that is in a root. */
		task->op = 0;
		unlink_table(ev, task, c);
	}
	if (table_is && !(table_was && kind == M2D_SPTE_T11))
		link_table(ev, task, t, c);
	if (c->is && !table_is && !c->was)
		m2d_ev_check_slot(ev, c->gfn);
}

/* From 6.10 on, bit 63 is set where nothing is present; what is present does not tell. */
static void note_layout(M2dEvidence *ev, uint64_t v)
{
	if (ev->nonpresent63 || (v != M2D_BIT(63) && v != (M2D_BIT(63) | 0x5a0)))
		return;
	ev->nonpresent63 = true;
	ev->format_known = false;
}

static M2dEvTable *unknown_table(M2dEvidence *ev, const Change *c, uint8_t as)
{
	M2dEvTable *t =
		m2d_ev_table_new(ev, as, c->level, c->gfn & ~(512 * m2d_ev_span(c->level) - 1));

	t->complete = false;
	return t;
}

void m2d_ev_tdp_event(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	Change c = {.level = (unsigned)e->u.tdp_spte.level,
		    .gfn = e->u.tdp_spte.gfn,
		    .from = e->u.tdp_spte.from,
		    .to = e->u.tdp_spte.to};
	uint8_t as = (uint8_t)e->u.tdp_spte.as;
	bool match = true;
	M2dEvTable *t;
	M2dEvRef ref;

	if (c.level < 1 || c.level > 5)
		return;
	if (!ev->tdp)
		m2d_ev_tdp_begins(ev);
	note_layout(ev, c.from);
	note_layout(ev, c.to);
	if (!m2d_ev_format(ev, c.to))
		m2d_ev_format(ev, c.from);
	c.index = m2d_ev_index(c.gfn, c.level);
	c.was = is_present(ev, c.from);
	c.is = is_present(ev, c.to);
	m2d_ev_premise(ev, M2D_RULE_SPTE_CHAIN);
	t = choose(ev, task, &c, as, &match);
	if (t == NULL)
		t = foretell(ev, &c, as);
	if (t == NULL) {
		m2d_ev_premise(ev, M2D_RULE_TABLE_UNKNOWN);
		if (ev->birth)
			spte_finding(ev, M2D_RULE_TABLE_UNKNOWN, &(M2dEvRef){0}, "", &c,
				     "in a table that was not made, or is gone");
		t = unknown_table(ev, &c, as);
	} else if (!match && !ev->birth) {
		/* There may be a root that was made before the record begins. */
		t = unknown_table(ev, &c, as);
	} else if (!match) {
		uint64_t had = m2d_ev_entry(ev, t, c.index, &ref);
		g_autofree char *what =
			g_strdup_printf("but the entry was left as 0x%" G_GINT64_MODIFIER "x", had);

		spte_finding(ev, M2D_RULE_SPTE_CHAIN, &ref, "left so", &c, what);
	}
	if (root_of(t)->as == 0xff)
		root_of(t)->as = as;
	if (t->state == M2D_EV_DETACHED && t->remover == task->pid)
		finish_above(ev, task, t);
	else
		finish_above(ev, task, NULL);
	apply(ev, task, t, &c);
	if (!c.is || m2d_spte_is_last(c.to, c.level)) {
		task->changed = c.is;
		task->changed_gfn = c.gfn;
		task->changed_spte = c.to;
		task->changed_level = (uint8_t)c.level;
		task->changed_table = t;
		task->change = m2d_ev_ref(ev);
	}
}

/* What was taken for shadow pages so far are roots, or a table that is linked next. */
void m2d_ev_tdp_begins(M2dEvidence *ev)
{
	ev->tdp = true;
	for (unsigned i = 0; i < M2D_EV_BUCKETS; i++)
		for (M2dEvTable *t = ev->buckets[i], *next; t != NULL; t = next) {
			next = t->next;
			if (t->level >= 4 && t->level == ev->root_level)
				t->as = 0xff;
			else
				m2d_ev_table_drop(ev, t);
		}
}

/* The leaf that the TDP MMU has for a gfn in a valid root: its table, or NULL. */
M2dEvTable *m2d_ev_tdp_leaf(M2dEvidence *ev, unsigned level, uint64_t gfn, uint64_t spte,
			    bool *match)
{
	uint64_t base = gfn & ~(512 * m2d_ev_span(level) - 1);
	M2dEvTable *best = NULL;

	*match = false;
	for (M2dEvTable *t = m2d_ev_tables(ev, level, base); t != NULL;
	     t = m2d_ev_next_table(t->next, level, base)) {
		bool fits = agrees(ev, m2d_ev_entry(ev, t, m2d_ev_index(gfn, level), NULL), spte);

		if (!is_valid(t) || (best != NULL && !fits))
			continue;
		best = t;
		*match = fits;
		if (fits)
			break;
	}
	return best;
}
