/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/orders.h"

#include <string.h>

const M2dScnOrder *m2d_ex_explore_order(const M2dScenario *s)
{
	for (unsigned i = 0; i < s->n_orders; i++)
		if (s->orders[i].kind == M2D_SCN_EXPLORE)
			return &s->orders[i];
	return NULL;
}

bool m2d_ex_has_orders(const M2dScenario *s)
{
	for (unsigned i = 0; i < s->n_orders; i++)
		if (s->orders[i].kind != M2D_SCN_AS_WRITTEN)
			return true;
	return false;
}

/* What all orders so far have shown. */
typedef struct {
	const M2dScenario *s;
	const M2dScnVariant *variant; /* or NULL */
	bool *found;                  /* by expected invariant */
	bool *yes;                    /* by claim: it held in some order */
	bool *looked;
	char *why;
} Verdict;

static bool is_expected(Verdict *v, const char *invariant)
{
	for (unsigned i = 0; v->variant != NULL && i < v->variant->n_expect; i++)
		if (strcmp(v->variant->expect[i].text, invariant) == 0) {
			v->found[i] = true;
			return true;
		}
	return false;
}

static void add_why(Verdict *v, const char *order, const char *why)
{
	if (v->why == NULL)
		v->why = order != NULL ? g_strdup_printf("%s: %s", order, why) : g_strdup(why);
}

static void add_run(Verdict *v, const M2dScnRun *run, const char *order)
{
	bool clean = v->variant == NULL || v->variant->n_expect == 0;

	for (guint i = 0; i < run->findings->len; i++) {
		const char *name = g_array_index(run->findings, M2dScnFinding, i).invariant;

		if (!is_expected(v, name)) {
			g_autofree char *why = g_strdup_printf("%s is violated", name);

			add_why(v, order, why);
		}
	}
	for (unsigned i = 0; i < v->s->n_claims; i++) {
		v->yes[i] |= run->held[i] == 1;
		v->looked[i] |= run->held[i] != 0;
	}
	if (run->claims->len != 0)
		add_why(v, order, run->claims->pdata[0]);
	/* Everything else, but that an invariant was not found in this order. */
	if (clean && run->why != NULL)
		add_why(v, order, run->why);
}

static void add_search(Verdict *v, const M2dExVariant *search)
{
	if (search->schedule != NULL && search->violation == M2D_EX_CLAIM)
		add_why(v, "explored", search->why);
	else if (search->schedule != NULL && !is_expected(v, search->invariant))
		add_why(v, "explored", search->why);
	for (unsigned i = 0; search->claims != NULL && i < v->s->n_claims; i++)
		v->yes[i] |= search->claims[i].yes != 0;
}

static void conclude(Verdict *v, bool complete)
{
	for (unsigned i = 0; v->variant != NULL && i < v->variant->n_expect; i++)
		if (!v->found[i]) {
			g_autofree char *why = g_strdup_printf("%s is not violated in any order",
							       v->variant->expect[i].text);

			add_why(v, NULL, why);
		}
	for (unsigned i = 0; i < v->s->n_claims; i++) {
		const M2dScnClaim *c = &v->s->claims[i];
		g_autofree char *text = NULL;

		if (c->quantifier != M2D_SCN_SOMETIMES || !v->looked[i] || v->yes[i])
			continue;
		text = m2d_scn_claim_text(c, complete ? "in no order" : "in no order tried");
		add_why(v, NULL, text);
	}
}

static bool try_orders(Verdict *v, const M2dScnRun *run, const M2dScnOptions *options,
		       const M2dExVariantOptions *how, M2dExOrders *orders, GError **error)
{
	const M2dScnOrder *all = m2d_ex_explore_order(v->s);

	for (unsigned i = 0; i < v->s->n_orders; i++) {
		g_autofree char *name = NULL;
		g_autoptr(M2dScnRun) other = NULL;
		M2dScnOptions o = *options;

		if (v->s->orders[i].kind != M2D_SCN_PERM)
			continue;
		o.order = &v->s->orders[i];
		other = m2d_scn_run(v->s, run->variant, &o, NULL, error);
		if (other == NULL)
			return false;
		name = g_strdup_printf("order of line %u", v->s->orders[i].place.line);
		add_run(v, other, name);
		orders->perms++;
	}
	if (all != NULL) {
		M2dScnOptions o = *options;
		M2dExVariantOptions x = *how;

		o.claims = true;
		o.hw = all->hw;
		x.search.preemptions = all->bounded ? (int)all->preempt : -1;
		x.stated = true;
		orders->search = m2d_ex_variant(v->s, run->variant, &o, &x, error);
		if (orders->search == NULL)
			return false;
		add_search(v, orders->search);
	}
	return true;
}

bool m2d_ex_orders(M2dScnRun *run, const M2dScnOptions *options, const M2dExVariantOptions *how,
		   M2dExOrders *orders, GError **error)
{
	const M2dScenario *s = run->scenario;
	Verdict v = {.s = s, .variant = run->variant >= 0 ? &s->variants[run->variant] : NULL};
	bool ok;

	*orders = (M2dExOrders){0};
	v.found = g_new0(bool, v.variant != NULL ? v.variant->n_expect + 1 : 1);
	v.yes = g_new0(bool, s->n_claims + 1);
	v.looked = g_new0(bool, s->n_claims + 1);
	add_run(&v, run, NULL);
	ok = try_orders(&v, run, options, how, orders, error);
	if (ok) {
		conclude(&v, orders->search != NULL && orders->search->complete);
		g_free(run->why);
		run->why = g_steal_pointer(&v.why);
		run->pass = run->why == NULL;
	}
	g_free(v.found);
	g_free(v.yes);
	g_free(v.looked);
	g_free(v.why);
	return ok;
}

void m2d_ex_orders_clear(M2dExOrders *orders)
{
	m2d_ex_variant_free(orders->search);
	orders->search = NULL;
}
