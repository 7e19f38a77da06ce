/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of KVM's and their entries, as far as events tell. */
#include "sim/evidence/evidence-private.h"

#include <string.h>

#define MAX_FREED (1u << 20) /* pages of tables that are remembered */

static uint64_t key_of(unsigned level, uint64_t gfn)
{
	return gfn | (uint64_t)level << 56;
}

void m2d_ev_tables_init(M2dEvidence *ev)
{
	ev->buckets = g_new0(M2dEvTable *, M2D_EV_BUCKETS);
}

void m2d_ev_tables_fini(M2dEvidence *ev)
{
	g_free(ev->buckets);
}

static M2dEvTable **bucket(const M2dEvidence *ev, unsigned level, uint64_t gfn)
{
	uint64_t h = key_of(level, gfn) * UINT64_C(0x9e3779b97f4a7c15);

	return &ev->buckets[h >> 48 & (M2D_EV_BUCKETS - 1)];
}

M2dEvTable *m2d_ev_table_new(M2dEvidence *ev, uint8_t as, unsigned level, uint64_t gfn)
{
	M2dEvTable *t = g_new0(M2dEvTable, 1), **first = bucket(ev, level, gfn);

	t->gfn = gfn;
	t->level = (uint8_t)level;
	t->role = level;
	t->as = as;
	t->made = m2d_ev_ref(ev);
	t->complete = true;
	t->next = *first;
	*first = t;
	ev->bytes += sizeof(*t);
	ev->unbound[level]++;
	ev->summary.tables_made++;
	if (level <= 2)
		ev->end_gfn = MAX(ev->end_gfn, gfn + 512 * m2d_ev_span(level));
	return t;
}

M2dEvTable *m2d_ev_next_table(M2dEvTable *t, unsigned level, uint64_t gfn)
{
	while (t != NULL && (t->level != level || t->gfn != gfn))
		t = t->next;
	return t;
}

M2dEvTable *m2d_ev_tables(M2dEvidence *ev, unsigned level, uint64_t gfn)
{
	return m2d_ev_next_table(*bucket(ev, level, gfn), level, gfn);
}

void m2d_ev_table_bind(M2dEvidence *ev, M2dEvTable *t, uint64_t pfn)
{
	if (t->pfn == 0)
		ev->unbound[t->level]--;
	t->pfn = pfn;
	g_hash_table_insert(ev->by_pfn, GSIZE_TO_POINTER(pfn), t);
}

M2dEvTable *m2d_ev_table_of_page(M2dEvidence *ev, uint64_t pfn)
{
	if (ev->last_pfn != pfn || ev->last_table == NULL) {
		ev->last_table = g_hash_table_lookup(ev->by_pfn, GSIZE_TO_POINTER(pfn));
		ev->last_pfn = pfn;
	}
	return ev->last_table;
}

static void free_table(M2dEvidence *ev, M2dEvTable *t)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(t->chunks); i++)
		if (t->chunks[i] != NULL) {
			g_free(t->chunks[i]);
			ev->bytes -= sizeof(M2dEvChunk);
		}
	ev->bytes -= sizeof(*t);
	if (t->pfn == 0)
		ev->unbound[t->level]--;
	g_free(t);
}

/* Nobody may point to @t any more. */
static void forget_pointers(M2dEvidence *ev, const M2dEvTable *t)
{
	for (guint i = 0; i < ev->tasks->len; i++) {
		M2dEvTask *task = ev->tasks->pdata[i];

		if (task->removing == t)
			task->removing = NULL;
		if (task->zap_due == t)
			task->zap_due = NULL;
		if (task->foretold == t)
			task->foretold = NULL;
		if (task->changed_table == t)
			task->changed = false;
		for (unsigned k = 0; k < G_N_ELEMENTS(task->got); k++)
			if (task->got[k] == t)
				task->got[k] = NULL;
	}
	if (ev->last_table == t)
		ev->last_table = NULL;
}

void m2d_ev_table_adopt(M2dEvTable *t, M2dEvTable *parent)
{
	if (t->back != NULL) {
		*t->back = t->sibling;
		if (t->sibling != NULL)
			t->sibling->back = t->back;
	}
	t->parent = parent;
	t->back = NULL;
	t->sibling = NULL;
	if (parent == NULL)
		return;
	t->sibling = parent->child;
	if (t->sibling != NULL)
		t->sibling->back = &t->sibling;
	t->back = &parent->child;
	parent->child = t;
}

static void take_out(M2dEvidence *ev, M2dEvTable *t)
{
	M2dEvTable **at = bucket(ev, t->level, t->gfn);

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	/* What hangs below it can be reached by nobody. */
	while (t->child != NULL) {
		t->child->state = M2D_EV_INVALID;
		m2d_ev_table_adopt(t->child, NULL);
	}
	m2d_ev_table_adopt(t, NULL);
}

void m2d_ev_table_drop(M2dEvidence *ev, M2dEvTable *t)
{
	take_out(ev, t);
	forget_pointers(ev, t);
	free_table(ev, t);
}

void m2d_ev_table_gone(M2dEvidence *ev, M2dEvTable *t)
{
	take_out(ev, t);
	if (t->pfn != 0) {
		M2dEvFreed *freed = g_new(M2dEvFreed, 1);

		*freed = (M2dEvFreed){.seq = t->unlinked_seq, .ref = t->unlinked};
		if (m2d_ev_table_of_page(ev, t->pfn) == t)
			g_hash_table_remove(ev->by_pfn, GSIZE_TO_POINTER(t->pfn));
		if (g_hash_table_size(ev->freed) > MAX_FREED)
			g_hash_table_remove_all(ev->freed);
		g_hash_table_insert(ev->freed, GSIZE_TO_POINTER(t->pfn), freed);
	}
	ev->summary.tables_zapped++;
	forget_pointers(ev, t);
	free_table(ev, t);
}

void m2d_ev_forget_tables(M2dEvidence *ev)
{
	for (unsigned i = 0; i < M2D_EV_BUCKETS; i++)
		while (ev->buckets[i] != NULL) {
			M2dEvTable *t = ev->buckets[i];

			ev->buckets[i] = t->next;
			free_table(ev, t);
		}
	ev->last_table = NULL;
	g_hash_table_remove_all(ev->by_pfn);
	g_hash_table_remove_all(ev->freed);
	for (guint i = 0; i < ev->tasks->len; i++) {
		M2dEvTask *task = ev->tasks->pdata[i];

		task->removing = task->zap_due = task->changed_table = task->foretold = NULL;
		task->changed = false;
		memset(task->got, 0, sizeof(task->got));
	}
}

uint64_t m2d_ev_entry(const M2dEvidence *ev, const M2dEvTable *t, unsigned index, M2dEvRef *ref)
{
	const M2dEvChunk *c = t->chunks[index / M2D_EV_CHUNK];
	unsigned i = index % M2D_EV_CHUNK;

	if (c == NULL || c->place[i] == 0) {
		if (ref != NULL)
			*ref = t->made;
		if (!t->complete)
			return M2D_EV_UNKNOWN;
		return ev->nonpresent63 ? M2D_BIT(63) : 0;
	}
	if (ref != NULL)
		*ref = (M2dEvRef){c->time[i], c->place[i], c->pid[i], c->cpu[i], c->kind[i]};
	return c->value[i];
}

void m2d_ev_set_entry(M2dEvidence *ev, M2dEvTable *t, unsigned index, uint64_t value)
{
	M2dEvChunk **c = &t->chunks[index / M2D_EV_CHUNK];
	const M2dCapEvent *e = ev->now;
	unsigned i = index % M2D_EV_CHUNK;

	if (*c == NULL) {
		*c = g_new0(M2dEvChunk, 1);
		ev->bytes += sizeof(M2dEvChunk);
	}
	(*c)->value[i] = value;
	(*c)->time[i] = e->time;
	(*c)->place[i] = e->place;
	(*c)->pid[i] = e->pid;
	(*c)->cpu[i] = e->cpu;
	(*c)->kind[i] = e->kind;
}

void m2d_ev_silent(M2dEvidence *ev, uint64_t start, uint64_t end)
{
	ev->silent[ev->n_silent++ % M2D_EV_SILENT] =
		(M2dEvSilent){.place = ev->now->place, .start = start, .end = end};
}

bool m2d_ev_may_be_gone(const M2dEvidence *ev, uint64_t gfn, uint64_t place)
{
	for (uint64_t i = ev->n_silent; i-- > 0;) {
		const M2dEvSilent *s = &ev->silent[i % M2D_EV_SILENT];

		if (s->place < place)
			return false;
		if (gfn >= s->start && gfn < s->end)
			return true;
		/* What was before has been overwritten: anything may have happened. */
		if (i + M2D_EV_SILENT == ev->n_silent)
			return true;
	}
	return false;
}
