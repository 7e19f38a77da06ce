/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tally.h. */
#include "sim/capture/tally.h"

#include <stdlib.h>
#include <string.h>

#include "sim/capture/bitset.h"

#define PRESENT (UINT64_C(1) << 11) /* of an SPTE: KVM's own present bit */
#define LARGE   (UINT64_C(1) << 7)
#define WRITE   (UINT64_C(1) << 1)

typedef enum {
	FAST_FIXED,
	FAST_SPURIOUS,
	FAST_NEITHER,
	PAGE_EXISTING,
	PAGE_NEW,
	LOST,
	SET_LEVEL1, /* and the levels above it */
	SET_LEVEL2,
	SET_LEVEL3,
	TDP_INSTALLED,
	TDP_ZAPPED,
	TDP_NONPRESENT,
	TDP_OTHER,
	TDP_LINKED,
	TDP_UNLINKED,
	TDP_WRPROT,
	N_DERIVED,
} Derived;

static const char *const derived_names[N_DERIVED] = {
	[FAST_FIXED] = "fast_page_fault_fixed",
	[FAST_SPURIOUS] = "fast_page_fault_spurious",
	[FAST_NEITHER] = "fast_page_fault_neither",
	[PAGE_EXISTING] = "get_page_existing",
	[PAGE_NEW] = "get_page_new",
	[LOST] = "lost_markers",
	[SET_LEVEL1] = "set_spte_level1",
	[SET_LEVEL2] = "set_spte_level2",
	[SET_LEVEL3] = "set_spte_level3",
	[TDP_INSTALLED] = "tdp_leaf_installed",
	[TDP_ZAPPED] = "tdp_leaf_zapped",
	[TDP_NONPRESENT] = "tdp_nonpresent_changed",
	[TDP_OTHER] = "tdp_other_bits_changed",
	[TDP_LINKED] = "tdp_table_linked",
	[TDP_UNLINKED] = "tdp_table_unlinked",
	[TDP_WRPROT] = "tdp_write_protected",
};

struct _M2dTally {
	uint64_t kinds[M2D_CAP_MAX_NAMES];
	uint64_t total;
	GHashTable *exits; /* count by reason */
	uint32_t last_reason;
	uint64_t *last_count;
	uint64_t derived[N_DERIVED];
	uint64_t first_ns, last_ns;
	M2dCapBitset *fault_pages, *leafs;
};

M2dTally *m2d_tally_new(void)
{
	M2dTally *t = g_new0(M2dTally, 1);

	t->exits = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	t->fault_pages = m2d_cap_bitset_new();
	t->leafs = m2d_cap_bitset_new();
	return t;
}

void m2d_tally_free(M2dTally *t)
{
	if (t == NULL)
		return;
	g_hash_table_unref(t->exits);
	m2d_cap_bitset_free(t->fault_pages);
	m2d_cap_bitset_free(t->leafs);
	g_free(t);
}

static void add_exit(M2dTally *t, uint32_t reason)
{
	if (t->last_count == NULL || t->last_reason != reason) {
		uint64_t *n = g_hash_table_lookup(t->exits, GUINT_TO_POINTER(reason));

		if (n == NULL) {
			n = g_new0(uint64_t, 1);
			g_hash_table_insert(t->exits, GUINT_TO_POINTER(reason), n);
		}
		t->last_reason = reason;
		t->last_count = n;
	}
	++*t->last_count;
}

static bool is_leaf(uint64_t spte, uint64_t level)
{
	return level == 1 || (spte & LARGE);
}

static Derived tdp_change(const M2dCapEvent *e)
{
	uint64_t from = e->u.tdp_spte.from, to = e->u.tdp_spte.to, level = e->u.tdp_spte.level;

	if (!(from & PRESENT) && !(to & PRESENT))
		return TDP_NONPRESENT;
	if (!(from & PRESENT))
		return is_leaf(to, level) ? TDP_INSTALLED : TDP_LINKED;
	if (!(to & PRESENT))
		return is_leaf(from, level) ? TDP_ZAPPED : TDP_UNLINKED;
	return (from & WRITE) && !(to & WRITE) ? TDP_WRPROT : TDP_OTHER;
}

static void add_derived(M2dTally *t, const M2dCapEvent *e)
{
	switch (e->kind) {
	case M2D_CAP_EXIT:
		add_exit(t, (uint32_t)e->u.exit.reason);
		break;
	case M2D_CAP_PAGE_FAULT:
		m2d_cap_bitset_add(t->fault_pages, e->u.page_fault.addr >> 12);
		break;
	case M2D_CAP_SET_SPTE:
		/* The level goes above all bits of a frame number. */
		m2d_cap_bitset_add(t->leafs, e->u.set_spte.gfn | e->u.set_spte.level << 52);
		if (e->u.set_spte.level - 1 < 3)
			t->derived[SET_LEVEL1 + e->u.set_spte.level - 1]++;
		break;
	case M2D_CAP_TDP_SPTE:
		t->derived[tdp_change(e)]++;
		break;
	case M2D_CAP_FAST_FAULT:
		t->derived[e->u.fast_fault.fixed      ? FAST_FIXED
			   : e->u.fast_fault.spurious ? FAST_SPURIOUS
						      : FAST_NEITHER]++;
		break;
	case M2D_CAP_GET_PAGE:
		if (e->has & 1u << 5)
			t->derived[e->u.page.created ? PAGE_NEW : PAGE_EXISTING]++;
		break;
	}
}

void m2d_tally_add(M2dTally *t, const M2dCapEvent *e)
{
	t->kinds[e->kind]++;
	if (e->kind == M2D_CAP_LOST) {
		t->derived[LOST]++;
		return;
	}
	if (e->kind == M2D_CAP_BAD)
		return;
	t->last_ns = MAX(t->last_ns, e->time);
	if (t->total++ == 0)
		t->first_ns = e->time;
	add_derived(t, e);
}

/* Names and counts, to be sorted. */
typedef struct {
	const char *name;
	uint64_t n;
	char buf[32];
} Row;

static int compare_rows(const void *a, const void *b)
{
	const Row *x = *(const Row *const *)a, *y = *(const Row *const *)b;

	return strcmp(x->name, y->name);
}

static void add_row(GPtrArray *rows, const char *name, uint64_t n)
{
	Row *row = g_new0(Row, 1);

	row->name = name;
	row->n = n;
	g_ptr_array_add(rows, row);
}

static void emit(GPtrArray *rows, M2dTallyFn fn, void *data)
{
	if (rows->len > 1)
		qsort(rows->pdata, rows->len, sizeof(gpointer), compare_rows);
	for (guint i = 0; i < rows->len; i++) {
		const Row *row = rows->pdata[i];

		fn(row->name, row->n, data);
	}
	g_ptr_array_unref(rows);
}

void m2d_tally_events(const M2dTally *t, const M2dCapture *c, M2dTallyFn fn, void *data)
{
	GPtrArray *rows = g_ptr_array_new_with_free_func(g_free);

	for (unsigned k = M2D_CAP_BAD + 1; k < m2d_capture_kinds(c); k++)
		if (t->kinds[k] != 0)
			add_row(rows, m2d_capture_name(c, k), t->kinds[k]);
	emit(rows, fn, data);
}

void m2d_tally_exits(const M2dTally *t, const M2dCapture *c, M2dTallyFn fn, void *data)
{
	GPtrArray *rows = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter iter;
	gpointer key, value;

	g_hash_table_iter_init(&iter, t->exits);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		Row *row = g_new0(Row, 1);

		row->name = m2d_capture_exit_name(c, GPOINTER_TO_UINT(key), row->buf);
		row->n = *(const uint64_t *)value;
		g_ptr_array_add(rows, row);
	}
	emit(rows, fn, data);
}

/*
 * In microseconds as tracefs prints them, and as a script over its text computes them: the
 * difference of two times in seconds, cut. One less than exact now and then, and the same as
 * theirs.
 */
static uint64_t span_us(const M2dTally *t)
{
	double first = (double)((t->first_ns + 500) / 1000) / 1e6;
	double last = (double)((t->last_ns + 500) / 1000) / 1e6;

	return (uint64_t)((last - first) * 1e6);
}

void m2d_tally_derived(const M2dTally *t, const M2dCapture *c, M2dTallyFn fn, void *data)
{
	GPtrArray *rows = g_ptr_array_new_with_free_func(g_free);

	for (unsigned i = 0; i < N_DERIVED; i++)
		if (t->derived[i] != 0 || i == LOST)
			add_row(rows, derived_names[i], t->derived[i]);
	add_row(rows, "distinct_fault_pages", m2d_cap_bitset_count(t->fault_pages));
	add_row(rows, "distinct_leaf_gfn_level", m2d_cap_bitset_count(t->leafs));
	add_row(rows, "events_total", t->total);
	add_row(rows, "span_us", span_us(t));
	add_row(rows, "tasks", m2d_capture_tasks(c));
	emit(rows, fn, data);
}

uint64_t m2d_tally_total(const M2dTally *t)
{
	return t->total;
}

uint64_t m2d_tally_unknown(const M2dTally *t)
{
	uint64_t n = 0;

	for (unsigned k = M2D_CAP_N_KINDS; k < M2D_CAP_MAX_NAMES; k++)
		n += t->kinds[k];
	return n;
}

uint64_t m2d_tally_kind(const M2dTally *t, unsigned kind)
{
	return t->kinds[kind];
}
