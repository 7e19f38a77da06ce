/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random schedules with a guarantee: actors have random priorities, the highest that can move does,
 * and at depth - 1 random steps the one that would move gets a priority below all (PCT). A bug of
 * that depth among n actors and at most k steps shows in a run with probability 1 / (n k^(depth-1))
 * or more. Run i of seed s depends on (s, i) only.
 */
#include "sim/base/rng.h"
#include "sim/explore/explore-private.h"

typedef struct {
	int32_t priority[M2D_EX_MAX_ACTORS];
	uint64_t change[16];
	unsigned n_changes;
} Plan;

static void make_plan(Plan *p, M2dRng *rng, unsigned n_actors, unsigned depth, uint64_t length)
{
	for (unsigned a = 0; a < n_actors; a++)
		p->priority[a] = (int32_t)(a + depth);
	for (unsigned a = n_actors; a-- > 1;) {
		unsigned b = (unsigned)m2d_rng_below(rng, a + 1);
		int32_t t = p->priority[a];

		p->priority[a] = p->priority[b];
		p->priority[b] = t;
	}
	p->n_changes = MIN(depth > 0 ? depth - 1 : 0, 16);
	for (unsigned i = 0; i < p->n_changes; i++)
		p->change[i] = m2d_rng_below(rng, length);
}

static int highest(const M2dExModel *m, const Plan *p)
{
	int best = -1;

	for (unsigned a = 0; a < m->n_actors; a++)
		if (m->enabled(m->data, a) != 0 && (best < 0 || p->priority[a] > p->priority[best]))
			best = (int)a;
	return best;
}

/* One run; returns its length. */
static uint64_t one_run(M2dExRun *run, M2dRng *rng, uint64_t length, GArray *path)
{
	const M2dExModel *m = run->m;
	Plan plan;

	make_plan(&plan, rng, m->n_actors, run->o->depth, length);
	g_array_set_size(path, 0);
	for (uint64_t k = 0; k < run->o->max_steps; k++) {
		int a = highest(m, &plan);
		M2dExStep step;
		unsigned bad;

		if (a < 0) {
			m2d_ex_terminal(run, (M2dExStep *)(void *)path->data, path->len);
			return k;
		}
		for (unsigned i = 0; i < plan.n_changes; i++)
			if (plan.change[i] == k)
				plan.priority[a] = (int32_t)i - (int32_t)plan.n_changes;
		a = highest(m, &plan);
		step.actor = (uint8_t)a;
		step.alt = (uint8_t)m2d_rng_below(rng, m->enabled(m->data, (unsigned)a));
		m->step(m->data, step.actor, step.alt);
		run->r->transitions++;
		g_array_append_val(path, step);
		bad = m->violation != NULL ? m->violation(m->data) : 0;
		if (bad != 0) {
			m2d_ex_found(run, bad, (M2dExStep *)(void *)path->data, path->len);
			return k + 1;
		}
		if (!m2d_ex_tick(run))
			return k + 1;
	}
	run->r->end = M2D_EX_BOUND_STEPS;
	run->stop = true;
	return run->o->max_steps;
}

void m2d_ex_random(M2dExRun *run)
{
	g_autoptr(GArray) path = g_array_new(FALSE, FALSE, sizeof(M2dExStep));
	M2dMark start = m2d_arena_mark(run->m->arena);
	uint64_t length = 32;

	for (uint64_t i = 0; i < run->o->runs && !run->stop; i++) {
		uint64_t seed = m2d_mix64(run->o->seed * UINT64_C(0x9e3779b97f4a7c15) + i), n;
		M2dRng rng;

		m2d_rng_seed(&rng, seed);
		n = one_run(run, &rng, length, path);
		run->r->runs++;
		run->r->depth = MAX(run->r->depth, n);
		length = MAX(run->r->depth, 1);
		m2d_arena_rollback(run->m->arena, start);
	}
	if (run->r->end == M2D_EX_COMPLETE)
		run->r->end = M2D_EX_SAMPLED;
}
