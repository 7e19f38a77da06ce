/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an actor can do, and what its step does, follows from the arena alone: only-arena RUNS
 * SCENARIO...: each variant on RUNS random schedules. Each step is taken as the first thing in its
 * state, and once more when the search has been elsewhere and has rolled back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/base/rng.h"
#include "sim/explore/worlds.h"
#include "tests/footprints/files.h"

#define MAX_STEPS 2000u
/* Who has not come to an end by then spins. */
#define MAX_ELSEWHERE 400u
/* Of the steps of a schedule, that many are looked at twice: 1 in so many. */
#define STRIDE 3u

typedef struct {
	const M2dExModel *m;
	M2dExWorld *w;
	M2dRng rng;
	unsigned runs;
	uint64_t steps, twice, wrong;
} Test;

/* What one step came to. */
typedef struct {
	uint64_t hash, can;
	unsigned violation, end_violation;
} Did;

static bool all_done(const Test *t)
{
	for (unsigned a = 0; a < t->m->n_actors; a++)
		if (!t->m->done(t->m->data, a))
			return false;
	return true;
}

/* Alternatives of all actors, four bits each. */
static uint64_t who_can(const Test *t)
{
	uint64_t can = 0;

	for (unsigned a = 0; a < t->m->n_actors; a++)
		can |= (uint64_t)MIN(t->m->enabled(t->m->data, a), 15) << 4 * a;
	return can;
}

static bool choose(Test *t, M2dExStep *step)
{
	uint64_t can = who_can(t);
	unsigned n = 0, at;

	for (unsigned a = 0; a < t->m->n_actors; a++)
		n += (can >> 4 * a & 15) != 0;
	if (n == 0)
		return false;
	at = (unsigned)m2d_rng_below(&t->rng, n);
	for (step->actor = 0;; step->actor++)
		if ((can >> 4 * step->actor & 15) != 0 && at-- == 0)
			break;
	step->alt = (uint8_t)m2d_rng_below(&t->rng, can >> 4 * step->actor & 15);
	return true;
}

static Did take(const Test *t, M2dExStep step)
{
	Did d = {0};

	t->m->step(t->m->data, step.actor, step.alt);
	d.hash = t->m->arena->hash;
	d.violation = t->m->violation(t->m->data);
	if (d.violation == 0 && all_done(t))
		d.end_violation = t->m->end_violation(t->m->data);
	d.can = who_can(t);
	return d;
}

/* As a search does between two visits of a state. */
static void go_elsewhere(Test *t, M2dMark back)
{
	M2dExStep step;

	for (unsigned n = 0; n < MAX_ELSEWHERE && choose(t, &step); n++)
		if (take(t, step).violation != 0)
			break;
	m2d_arena_rollback(t->m->arena, back);
}

static bool same(const Did *a, const Did *b)
{
	return a->hash == b->hash && a->can == b->can && a->violation == b->violation &&
	       a->end_violation == b->end_violation;
}

static void run(Test *t, const char *where)
{
	M2dExStep step;

	for (unsigned n = 0; n < MAX_STEPS && choose(t, &step); n++) {
		M2dMark here = m2d_arena_mark(t->m->arena);
		bool twice = m2d_rng_below(&t->rng, STRIDE) == 0;
		Did first = take(t, step), again;

		t->steps++;
		if (twice) {
			go_elsewhere(t, here);
			again = take(t, step);
			t->twice++;
			if (!same(&first, &again) && t->wrong++ < 20)
				printf("%s: step %u, of actor %u, went another way when the search "
				       "came back\n",
				       where, n + 1, step.actor);
		}
		if (first.violation != 0)
			break;
	}
}

static void test_variant(const M2dScenario *s, int variant, void *data)
{
	Test *t = data;
	g_autofree char *where =
		g_strdup_printf("%s %s", s->path, variant >= 0 ? s->variants[variant].name : "");

	for (unsigned i = 0; i < t->runs; i++) {
		M2dScnOptions options = {.claims = i % 2 != 0, .hw = i % 4 == 2 ? 1 : 0};
		GError *error = NULL;
		M2dMark start;

		t->w = m2d_ex_world_new(s, variant, &options, &error);
		if (t->w == NULL)
			g_error("%s", error->message);
		t->m = m2d_ex_world_model(t->w);
		m2d_arena_attach_journal(t->m->arena);
		start = m2d_arena_mark(t->m->arena);
		m2d_rng_seed(&t->rng, i + 1);
		run(t, where);
		m2d_arena_rollback(t->m->arena, start);
		m2d_ex_world_free(t->w);
	}
}

int main(int argc, char **argv)
{
	Test t = {.runs = argc > 1 ? (unsigned)atoi(argv[1]) : 1};

	each_variant(argc, argv, 2, test_variant, &t);
	printf("%" PRIu64 " steps, %" PRIu64 " of them twice, %" PRIu64 " went another way\n",
	       t.steps, t.twice, t.wrong);
	return t.wrong != 0 || t.twice == 0;
}
