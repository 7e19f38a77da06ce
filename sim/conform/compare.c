/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A window's events of both sides, side by side: the alignment with the most equal events, and
 * then the most of equal kind, in order. Counts by kind.
 */
#include <string.h>

#include "sim/conform/conform-private.h"

#define MAX_CELLS (4u << 20)

#define SAME_SCORE 4u
#define KIND_SCORE 1u

static const M2dCapEvent *kernel_at(const M2dConform *c, const M2dConfTask *t, guint i)
{
	return m2d_conf_event(c, g_array_index(t->kernel, uint32_t, i));
}

static const M2dConfItem *model_at(const M2dConfTask *t, guint i)
{
	return &g_array_index(t->model, M2dConfItem, i);
}

static void row(M2dConform *c, const M2dConfRow *r)
{
	M2dConfCount *n = &c->count[r->kind];

	if (r->verdict == M2D_CONF_INPUT)
		n->input++;
	else if (r->kernel != NULL)
		n->kernel++;
	if (r->verdict == M2D_CONF_SAME)
		n->same++;
	else if (r->verdict == M2D_CONF_DIFFERENT)
		n->different++;
	else if (r->verdict == M2D_CONF_MISSING)
		n->missing++;
	else if (r->verdict == M2D_CONF_ADDITIONAL)
		n->additional++;
	if (c->opt.row != NULL)
		c->opt.row(r, c->opt.row_data);
}

/* The model had it from the event itself. */
static bool was_input(const M2dConform *c, const M2dCapEvent *k)
{
	guint i = (guint)(k - (const M2dCapEvent *)(const void *)c->events->data);

	return g_hash_table_contains(c->inputs, GUINT_TO_POINTER(i));
}

static void both(M2dConform *c, const M2dCapEvent *k, const M2dConfItem *m)
{
	uint32_t fields = m2d_conf_differ(c, k, m, true);
	M2dConfVerdict same = was_input(c, k) ? M2D_CONF_INPUT : M2D_CONF_SAME;

	row(c, &(M2dConfRow){.verdict = fields == 0 ? same : M2D_CONF_DIFFERENT,
			     .kind = k->kind,
			     .kernel = k,
			     .at = k,
			     .model = m,
			     .fields = fields});
}

static void missing(M2dConform *c, const M2dCapEvent *k)
{
	row(c, &(M2dConfRow){.verdict = M2D_CONF_MISSING, .kind = k->kind, .kernel = k, .at = k});
}

static void additional(M2dConform *c, const M2dCapEvent *at, const M2dConfItem *m)
{
	row(c,
	    &(M2dConfRow){.verdict = M2D_CONF_ADDITIONAL, .kind = m->kind, .at = at, .model = m});
}

static unsigned score(M2dConform *c, const M2dCapEvent *k, const M2dConfItem *m)
{
	if (k->kind != m->kind)
		return 0;
	return m2d_conf_differ(c, k, m, false) == 0 ? SAME_SCORE : KIND_SCORE;
}

/* Longest common subsequence by score, from (k, m) to the ends. */
static void align(M2dConform *c, M2dConfTask *t, guint k, guint m)
{
	guint nk = t->kernel->len - k, nm = t->model->len - m;
	const M2dCapEvent *at = t->kernel->len != 0 ? kernel_at(c, t, MIN(k, t->kernel->len - 1))
						    : m2d_conf_event(c, c->now);
	g_autofree uint32_t *best = NULL;
	guint w = nm + 1, i = 0, j = 0;

	if ((uint64_t)(nk + 1) * (nm + 1) <= MAX_CELLS) {
		best = g_new0(uint32_t, (gsize)(nk + 1) * w);
		for (guint a = nk; a-- > 0;) {
			for (guint b = nm; b-- > 0;) {
				unsigned s = score(c, kernel_at(c, t, k + a), model_at(t, m + b));
				uint32_t v = MAX(best[(a + 1) * w + b], best[a * w + b + 1]);

				if (s != 0)
					v = MAX(v, s + best[(a + 1) * w + b + 1]);
				best[a * w + b] = v;
			}
		}
	}
	while (i < nk && j < nm) {
		const M2dCapEvent *e = kernel_at(c, t, k + i);
		const M2dConfItem *item = model_at(t, m + j);
		unsigned s = score(c, e, item);

		at = e;
		if (best != NULL ? s != 0 && best[i * w + j] == s + best[(i + 1) * w + j + 1]
				 : s != 0) {
			both(c, e, item);
			i++, j++;
		} else if (best != NULL && best[i * w + j] == best[i * w + j + 1]) {
			additional(c, at, item);
			j++;
		} else {
			missing(c, e);
			i++;
		}
	}
	for (; i < nk; i++)
		missing(c, kernel_at(c, t, k + i));
	for (; j < nm; j++)
		additional(c, at, model_at(t, m + j));
}

void m2d_conf_compare(M2dConform *c, M2dConfTask *t)
{
	guint i = 0;

	while (i < t->kernel->len && i < t->model->len &&
	       score(c, kernel_at(c, t, i), model_at(t, i)) == SAME_SCORE) {
		both(c, kernel_at(c, t, i), model_at(t, i));
		i++;
	}
	align(c, t, i, i);
}

void m2d_conf_count_outcome(M2dConform *c, uint32_t fault, M2dConfOutcome kernel,
			    M2dConfOutcome model)
{
	const M2dCapEvent *e = m2d_conf_event(c, fault);
	M2dConfItem m = {.kind = M2D_CONF_FAULT_OUTCOME, .has = 3, .f = {kernel, model}};

	row(c, &(M2dConfRow){.verdict = kernel == model ? M2D_CONF_SAME : M2D_CONF_DIFFERENT,
			     .kind = M2D_CONF_FAULT_OUTCOME,
			     .kernel = e,
			     .at = e,
			     .model = &m});
}

const M2dConfCount *m2d_conform_count(const M2dConform *c, unsigned kind)
{
	return &c->count[kind];
}

bool m2d_conform_counted(const M2dConform *c, unsigned kind)
{
	switch (kind) {
	case M2D_CONF_FAULT_OUTCOME:
	case M2D_CAP_SET_SPTE:
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_SYNC_PAGE:
	case M2D_CAP_UNSYNC_PAGE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_ZAP_ALL_FAST:
	case M2D_CAP_SPLIT:
	case M2D_CAP_MARK_MMIO:
	case M2D_CAP_CHECK_MMIO:
	case M2D_CAP_MMIO_FAULT:
	case M2D_CAP_FAST_FAULT:
	case M2D_CAP_COMMIT_ZAP:
	case M2D_CAP_FLUSH_REMOTE:
	case M2D_CAP_FLUSH_REMOTE_RANGE:
	case M2D_CAP_FLUSH_REMOTE_MEMSLOT:
	case M2D_CAP_SVM_FLUSH_CURRENT:
	case M2D_CAP_SVM_FLUSH_ASID:
	case M2D_CAP_SVM_FLUSH_ALL:
	case M2D_CAP_SVM_FLUSH_GVA:
		return true;
	default:
		return false;
	}
}

static void add(M2dConfCount *sum, const M2dConfCount *n)
{
	sum->kernel += n->kernel;
	sum->same += n->same;
	sum->different += n->different;
	sum->missing += n->missing;
	sum->additional += n->additional;
	sum->input += n->input;
}

M2dConfCount m2d_conform_total(const M2dConform *c, bool all)
{
	M2dConfCount sum = {0};

	for (unsigned k = 0; k < M2D_CONF_KINDS; k++)
		if (all || m2d_conform_counted(c, k))
			add(&sum, &c->count[k]);
	return sum;
}

const char *m2d_conform_kind_name(unsigned kind)
{
	return kind == M2D_CONF_FAULT_OUTCOME ? "page fault outcome" : m2d_cap_kind_name(kind);
}

const char *m2d_conform_profile(const M2dConform *c, const char **why)
{
	if (why != NULL)
		*why = c->why;
	return c->profile;
}

const char *m2d_conform_mmu(const M2dConform *c)
{
	return c->tdp ? "direct" : "shadow";
}

uint64_t m2d_conform_resyncs(const M2dConform *c)
{
	return c->resyncs;
}
