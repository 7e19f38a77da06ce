/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engines against exact counts and against plain searches: T1 to T5, and of T10 and T11 that a
 * shortest schedule is one and replays. */
#include <check.h>
#include <stdlib.h>

#include "paths.h"
#include "toy.h"

/* All 10,000 take a minute: MMU2D_EXPLORE_SEEDS=10000 build/tests/explore/test-explore-engines. */
#ifdef __SANITIZE_ADDRESS__
#define SEEDS 200
#else
#define SEEDS 2000
#endif

static M2dExResult *explore(Toy *t, M2dExEngine engine, bool reduce)
{
	M2dExOptions o;

	m2d_ex_options_init(&o);
	o.engine = engine;
	o.no_sleep = o.no_persistent = !reduce;
	o.all_violations = true;
	if (engine == M2D_EX_DPOR)
		o.no_sleep = false;
	return m2d_explore(toy_model(t), &o);
}

/* T1 to T3: interleavings of brute force, states without reduction, traces. */
START_TEST(exact_counts)
{
	const ToyCase *c = toy_case((unsigned)_i);
	Toy *t = toy_new(&c->program);
	g_autoptr(M2dExResult) states = explore(t, M2D_EX_EXHAUST, false);
	g_autoptr(M2dExResult) reduced = explore(t, M2D_EX_EXHAUST, true);
	g_autoptr(M2dExResult) traces = explore(t, M2D_EX_DPOR, true);

	ck_assert_msg(toy_interleavings(t, -1) == c->interleavings, "%s: %lu interleavings",
		      c->name, (unsigned long)toy_interleavings(t, -1));
	ck_assert_msg(states->states == c->states, "%s: %lu states, expected %lu", c->name,
		      (unsigned long)states->states, (unsigned long)c->states);
	ck_assert_msg(states->terminals == c->ends, "%s: %lu ends", c->name,
		      (unsigned long)states->terminals);
	ck_assert_msg(traces->runs == c->traces, "%s: %lu traces, expected %lu", c->name,
		      (unsigned long)traces->runs, (unsigned long)c->traces);
	ck_assert_uint_eq(reduced->terminals, c->ends);
	ck_assert_uint_le(reduced->states, states->states);
	/* T4 */
	for (int b = 0; b < 4; b++)
		ck_assert_msg(toy_interleavings(t, b) == c->bounded[b],
			      "%s: %lu schedules with %d preemptions", c->name,
			      (unsigned long)toy_interleavings(t, b), b);
	toy_free(t);
}
END_TEST

/* T1 to T4 of lastzero: schedules in all and with 0 to 3 preemptions, states, traces, ends. */
START_TEST(lastzero)
{
	static const struct {
		unsigned n;
		uint64_t schedules, states, traces, bounded[4], ends;
	} known[] = {
		{3, 920, 109, 12, {24, 142, 451, 816}, 4},
		{5, 3487880, 1571, 64, {720, 10476, 78872, 371452}, 16},
		{7, UINT64_C(70962676400), 22093, 320, {40320, 1100016, 15319332, 138173848}, 64},
	};

	for (unsigned i = 0; i < M2D_N_ELEMENTS(known); i++) {
		ToyProgram p;
		Toy *t;
		g_autoptr(M2dExResult) states = NULL;
		g_autoptr(M2dExResult) traces = NULL;

		toy_lastzero(&p, known[i].n);
		t = toy_new(&p);
		states = explore(t, M2D_EX_EXHAUST, false);
		traces = explore(t, M2D_EX_DPOR, true);
		ck_assert_uint_eq(states->states, known[i].states);
		ck_assert_uint_eq(states->terminals, known[i].ends);
		ck_assert_uint_eq(traces->runs, known[i].traces);
		m2d_arena_attach_journal(toy_model(t)->arena);
		ck_assert_uint_eq(paths_count(toy_model(t), -1), known[i].schedules);
		for (int b = 0; b < 4; b++)
			ck_assert_uint_eq(paths_count(toy_model(t), b), known[i].bounded[b]);
		toy_free(t);
	}
}
END_TEST

typedef struct {
	Toy *toy;
	GHashTable *ends;
} Ends;

static void on_terminal(void *model_data, bool deadlock, void *data)
{
	Ends *e = data;
	uint64_t *key = g_new(uint64_t, 1);

	*key = paths_state(toy_model(e->toy));
	g_hash_table_add(e->ends, key);
}

static bool same_set(GHashTable *a, GHashTable *b)
{
	GHashTableIter it;
	gpointer key;

	if (g_hash_table_size(a) != g_hash_table_size(b))
		return false;
	g_hash_table_iter_init(&it, a);
	while (g_hash_table_iter_next(&it, &key, NULL))
		if (!g_hash_table_contains(b, key))
			return false;
	return true;
}

/* T5: all engines and reductions give the same end states, violations and deadlocks. */
static void compare(uint64_t seed)
{
	static const struct {
		M2dExEngine engine;
		bool no_sleep, no_persistent;
	} ways[] = {{M2D_EX_EXHAUST, true, true},  {M2D_EX_EXHAUST, false, true},
		    {M2D_EX_EXHAUST, true, false}, {M2D_EX_EXHAUST, false, false},
		    {M2D_EX_DPOR, false, false},   {M2D_EX_SHORTEST, false, false}};
	ToyProgram p;
	Toy *t;
	uint64_t full = 0;
	Reachable plain;

	toy_random(&p, seed);
	/* Every other program without the invariant, so that all its ends are compared. */
	if (seed & 1)
		p.bad_var = TOY_VARS;
	t = toy_new(&p);
	m2d_arena_attach_journal(toy_model(t)->arena);
	paths_reachable(toy_model(t), &plain);
	/* The plain search itself, against all interleavings one by one. */
	if (seed < 100) {
		bool violated;
		uint64_t deadlocks;
		g_autoptr(GHashTable) ends = toy_ends(t, &violated, &deadlocks);

		ck_assert_uint_eq(g_hash_table_size(ends), g_hash_table_size(plain.ends));
		ck_assert(violated == plain.violated && deadlocks == plain.deadlocks);
	}
	for (unsigned w = 0; w < M2D_N_ELEMENTS(ways); w++) {
		Ends e = {t, g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL)};
		M2dExOptions o;
		g_autoptr(M2dExResult) r = NULL;

		m2d_ex_options_init(&o);
		o.engine = ways[w].engine;
		o.no_sleep = ways[w].no_sleep;
		o.no_persistent = ways[w].no_persistent;
		o.all_violations = true;
		o.terminal = on_terminal;
		o.terminal_data = &e;
		r = m2d_explore(toy_model(t), &o);
		ck_assert_msg(r->end == M2D_EX_COMPLETE, "seed %lu way %u", (unsigned long)seed, w);
		ck_assert_msg((r->violated >> 1 & 1) == plain.violated,
			      "seed %lu way %u: violated %d", (unsigned long)seed, w,
			      plain.violated);
		/* What lies behind a violation may be looked at or not. */
		if (seed & 1)
			ck_assert_msg((r->deadlocks != 0) == (plain.deadlocks != 0),
				      "seed %lu way %u: deadlock", (unsigned long)seed, w);
		if (seed & 1)
			ck_assert_msg(same_set(plain.ends, e.ends),
				      "seed %lu way %u: %u ends for %u", (unsigned long)seed, w,
				      g_hash_table_size(e.ends), g_hash_table_size(plain.ends));
		if (w == 0)
			full = r->states;
		else if (ways[w].engine == M2D_EX_EXHAUST)
			ck_assert_uint_le(r->states, full);
		g_hash_table_unref(e.ends);
	}
	paths_reachable_clear(&plain);
	toy_free(t);
}

START_TEST(random_programs)
{
	const char *n = g_getenv("MMU2D_EXPLORE_SEEDS");
	uint64_t seeds = n != NULL ? g_ascii_strtoull(n, NULL, 10) : SEEDS;

	for (uint64_t seed = 1; seed <= seeds; seed++)
		compare(seed);
}
END_TEST

/* Least (preemptions, steps) of a violating schedule by brute force over the bound. */
static bool shortest_by_force(Toy *t, unsigned depth, int last, unsigned preemptions,
			      unsigned *best_p, unsigned *best_n)
{
	const M2dExModel *m = toy_model(t);
	bool could = last >= 0 && m->enabled(m->data, (unsigned)last), found = false;

	for (unsigned a = 0; a < m->n_actors; a++) {
		unsigned p = preemptions + (could && (int)a != last);
		M2dMark mark;

		if (!m->enabled(m->data, a) || p > *best_p)
			continue;
		mark = m2d_arena_mark(m->arena);
		m->step(m->data, a, 0);
		if (m->violation(m->data)) {
			if (p < *best_p || depth + 1 < *best_n) {
				*best_p = p;
				*best_n = depth + 1;
			}
			found = true;
		} else {
			found |= shortest_by_force(t, depth + 1, (int)a, p, best_p, best_n);
		}
		m2d_arena_rollback(m->arena, mark);
	}
	return found;
}

/* T10: no shorter counterexample exists; the shrinker gives none that is longer than its input.
 * T11: it replays. */
START_TEST(shortest)
{
	unsigned seen = 0;

	for (uint64_t seed = 2; seed < 1200; seed += 2) {
		ToyProgram p;
		Toy *t;
		M2dExOptions o;
		unsigned best_p = 1000, best_n = 1000;
		g_autoptr(M2dExResult) r = NULL;
		g_autoptr(M2dExResult) any = NULL;
		g_autoptr(GArray) small = NULL;
		bool found;

		toy_random(&p, seed);
		t = toy_new(&p);
		m2d_arena_attach_journal(toy_model(t)->arena);
		found = shortest_by_force(t, 0, -1, 0, &best_p, &best_n);
		m2d_ex_options_init(&o);
		o.engine = M2D_EX_SHORTEST;
		r = m2d_explore(toy_model(t), &o);
		if (found) {
			M2dMark mark = m2d_arena_mark(toy_model(t)->arena);

			seen++;
			/* Deadlocks are found, too; they may come first. */
			if (!r->deadlock) {
				ck_assert_uint_eq(r->preemptions, best_p);
				ck_assert_uint_eq(r->schedule->len, best_n);
				ck_assert_uint_eq(m2d_ex_replay(toy_model(t), r->schedule, NULL),
						  1);
				m2d_arena_rollback(toy_model(t)->arena, mark);
			}
			o.engine = M2D_EX_EXHAUST;
			any = m2d_explore(toy_model(t), &o);
			if (any->schedule != NULL && !any->deadlock) {
				small = m2d_ex_shrink(toy_model(t), any->schedule, any->violation);
				ck_assert_uint_le(small->len, any->schedule->len);
				ck_assert_uint_eq(m2d_ex_replay(toy_model(t), small, NULL), 1);
			}
		} else {
			ck_assert(r->schedule == NULL || r->deadlock);
		}
		toy_free(t);
	}
	ck_assert_uint_gt(seen, 100);
}
END_TEST

/* T9: planted bugs of depth 2 are found at least as often as promised. */
START_TEST(pct)
{
	/* An increment that is lost shows as x = 1 at the end; steps: read, write. */
	ToyProgram p = {2,
			{{{TOY_READ, 0, 0}, {TOY_STORE, 0, 1}, {TOY_INC, 1, 0}, {TOY_END, 0, 0}},
			 {{TOY_READ, 0, 0},
			  {TOY_STORE, 0, 1},
			  {TOY_AWAIT, 1, 1},
			  {TOY_STORE, 2, 1},
			  {TOY_END, 0, 0}}},
			2,
			1,
			false};
	Toy *t = toy_new(&p);
	M2dExOptions o;
	g_autoptr(M2dExResult) r = NULL;

	m2d_ex_options_init(&o);
	o.engine = M2D_EX_RANDOM;
	o.runs = 20000;
	o.depth = 2;
	o.all_violations = true;
	r = m2d_explore(toy_model(t), &o);
	/* n = 2 threads, k = 7 steps, depth 2: one in 14. */
	ck_assert_uint_eq(r->runs, 20000);
	ck_assert_uint_gt(r->violations, 20000 / 14);
	toy_free(t);
}
END_TEST

/* T8: a store that the footprint does not declare is caught by the comparison with no reduction. */
START_TEST(mutated_footprint)
{
	unsigned caught = 0;

	for (uint64_t seed = 1; seed < 400; seed++) {
		ToyProgram p;
		Toy *t;
		g_autoptr(M2dExResult) full = NULL;
		g_autoptr(M2dExResult) reduced = NULL;

		toy_random(&p, seed);
		p.wrong_footprint = true;
		t = toy_new(&p);
		full = explore(t, M2D_EX_EXHAUST, false);
		reduced = explore(t, M2D_EX_EXHAUST, true);
		caught += full->terminals != reduced->terminals ||
			  full->violated != reduced->violated;
		toy_free(t);
	}
	ck_assert_uint_gt(caught, 10);
}
END_TEST

START_TEST(bounds)
{
	ToyProgram p;
	Toy *t;
	M2dExOptions o;
	M2dExResult *r;

	toy_lastzero(&p, 7);
	t = toy_new(&p);
	m2d_ex_options_init(&o);
	o.no_sleep = o.no_persistent = true;
	o.max_states = 1000;
	r = m2d_explore(toy_model(t), &o);
	ck_assert_int_eq(r->end, M2D_EX_BOUND_STATES);
	m2d_ex_result_free(r);
	o.max_states = 0;
	o.max_steps = 5;
	r = m2d_explore(toy_model(t), &o);
	ck_assert_int_eq(r->end, M2D_EX_BOUND_STEPS);
	m2d_ex_result_free(r);
	toy_free(t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("explore");
	TCase *tc = tcase_create("engines");
	SRunner *runner;
	int failed, n = 0;

	while (toy_case((unsigned)n) != NULL)
		n++;
	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, exact_counts, 0, n);
	tcase_add_test(tc, lastzero);
	tcase_add_test(tc, random_programs);
	tcase_add_test(tc, shortest);
	tcase_add_test(tc, pct);
	tcase_add_test(tc, mutated_footprint);
	tcase_add_test(tc, bounds);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
