/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Searches that repeat steps find what those find that run them all, and count the same: repeat
 * STATES SCENARIO...: the first STATES states of each variant. One repetition of three is run, and
 * compared by the search itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/explore/claims.h"
#include "tests/footprints/files.h"
#include "tools/observe.h"

typedef struct {
	M2dExResult *r;
	M2dExWorld *w;
} Search;

typedef struct {
	M2dExEngine engine;
	bool reduce, wide;
	int preemptions;
} How;

static const How hows[] = {
	{M2D_EX_EXHAUST, false, false, -1}, {M2D_EX_EXHAUST, true, true, -1},
	{M2D_EX_EXHAUST, false, false, 1},  {M2D_EX_SHORTEST, false, false, -1},
	{M2D_EX_DPOR, true, false, -1},
};

static bool on_progress(uint64_t states, uint64_t transitions, void *data)
{
	return transitions < 4096;
}

static Search search(const M2dExObserved *observed, const M2dScenario *s, int variant,
		     const How *how, uint64_t max_states)
{
	M2dScnOptions options = {.reduce = how->reduce, .claims = true};
	GError *error = NULL;
	Search x = {.w = m2d_ex_world_new_observed(observed, NULL, s, variant, &options, &error)};
	M2dExOptions o;

	if (x.w == NULL)
		g_error("%s", error->message);
	m2d_ex_options_init(&o);
	o.engine = how->engine;
	o.wide = how->wide;
	o.preemptions = how->preemptions;
	o.all_violations = true;
	o.max_states = max_states;
	o.progress = how->engine == M2D_EX_DPOR ? on_progress : NULL;
	x.r = m2d_explore(m2d_ex_world_model(x.w), &o);
	return x;
}

static void free_search(Search *x)
{
	m2d_ex_result_free(x->r);
	m2d_ex_world_free(x->w);
}

static bool same_schedule(const M2dExResult *a, const M2dExResult *b)
{
	if (a->schedule == NULL || b->schedule == NULL)
		return a->schedule == b->schedule;
	return a->schedule->len == b->schedule->len &&
	       memcmp(a->schedule->data, b->schedule->data, a->schedule->len * sizeof(M2dExStep)) ==
		       0;
}

static bool same_claims(const M2dExClaims *a, const M2dExClaims *b, unsigned n)
{
	bool yes = (a == NULL) == (b == NULL);

	for (unsigned i = 0; i < n && a != NULL && b != NULL; i++) {
		M2dExClaimCount x = m2d_ex_claims_count(a, i), y = m2d_ex_claims_count(b, i);

		yes &= x.yes == y.yes && x.no == y.no;
	}
	return yes;
}

static bool same(const Search *a, const Search *b, const M2dScenario *s)
{
	const M2dExResult *x = a->r, *y = b->r;
	bool yes = x->end == y->end && x->states == y->states && x->transitions == y->transitions &&
		   x->runs == y->runs && x->terminals == y->terminals &&
		   x->deadlocks == y->deadlocks && x->depth == y->depth &&
		   x->violations == y->violations && x->violated == y->violated &&
		   same_schedule(x, y);

	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++)
		yes &= m2d_ex_world_premises(a->w, (M2dInvariantId)i) ==
		       m2d_ex_world_premises(b->w, (M2dInvariantId)i);
	yes &= memcmp(m2d_ex_world_point_count(a->w), m2d_ex_world_point_count(b->w),
		      M2D_N_POINTS * sizeof(uint64_t)) == 0;
	yes &= memcmp(m2d_ex_world_ended(a->w), m2d_ex_world_ended(b->w),
		      s->n_steps * sizeof(uint64_t)) == 0;
	return yes &&
	       same_claims(m2d_ex_world_claims(a->w), m2d_ex_world_claims(b->w), s->n_claims);
}

typedef struct {
	M2dExObserved observed;
	uint64_t max_states, taken, repeated;
	unsigned n_scenarios;
	bool differ;
} Test;

static void compare(const M2dScenario *s, int variant, void *data)
{
	Test *t = data;
	const How *how;
	Search a, b;

	/* Other ways for the variants of a scenario, and for those of the next. */
	t->n_scenarios += variant <= 0;
	how = &hows[(t->n_scenarios + (unsigned)variant) % G_N_ELEMENTS(hows)];
	a = search(NULL, s, variant, how, t->max_states);
	b = search(&t->observed, s, variant, how, t->max_states);
	t->taken += b.r->transitions;
	t->repeated += m2d_ex_world_repeated(b.w);
	if (!same(&a, &b, s)) {
		printf("%s, variant %d, way %d: %lu states, %lu steps; with repeated ones %lu, "
		       "%lu\n",
		       s->path, variant, (int)(how - hows), (unsigned long)a.r->states,
		       (unsigned long)a.r->transitions, (unsigned long)b.r->states,
		       (unsigned long)b.r->transitions);
		t->differ = true;
	}
	free_search(&a);
	free_search(&b);
}

int main(int argc, char **argv)
{
	Test t = {.max_states = argc > 2 ? strtoull(argv[1], NULL, 10) : 0};

	if (m2d_observed() == NULL) {
		printf("built without the copy that tells what it reads\n");
		return 77;
	}
	t.observed = *m2d_observed();
	t.observed.probe_every = 3;
	each_variant(argc, argv, 2, compare, &t);
	printf("%lu steps, %lu of them repeated\n", (unsigned long)t.taken,
	       (unsigned long)t.repeated);
	return t.differ || t.repeated <= t.taken / 4;
}
