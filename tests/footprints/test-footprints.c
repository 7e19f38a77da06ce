/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * T7: a step reads and writes nothing outside of its footprint, nor does its guard; steps that the
 * footprints call independent can be swapped: both orders are enabled alike, end in identical
 * arenas and break the same. T8: that is noticed where the table is wrong.
 *
 * test-footprints SCHEDULES SCENARIO...: random schedules of each variant.
 * test-footprints --mutate N SCENARIO...: a table that lacks something, for every N-th such thing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "files.h"
#include "sim/base/rng.h"
#include "sim/explore/reduce.h"

typedef struct {
	Collect *c;
	M2dExWorld *w;
	const M2dExModel *m;
	const char *where;
	unsigned runs; /* schedules of each variant */
	uint64_t steps, pairs, independent, wrong;
	bool mutant; /* the table is wrong on purpose: what is found is not told */
	char *mine;  /* arena after the first order */
	uint64_t room;
} Test;

static void print_objects(uint64_t mask)
{
	const unsigned per = 4 * M2D_N_OBJ_PER;

	for (unsigned i = 0; i < 64; i++) {
		if (!(mask >> i & 1))
			continue;
		if (i < per)
			printf(" %s(%u)", m2d_object_name((M2dObjClass)(i / 4)), i % 4);
		else
			printf(" %s", m2d_object_name((M2dObjClass)(i - per + M2D_N_OBJ_PER)));
	}
}

static char *step_name(const Test *t, unsigned actor)
{
	M2dVm *vm = m2d_ex_world_vm(t->w);
	M2dSegment seg;

	if (!m2d_segment(vm, actor, 0, &seg))
		seg = m2d_segment_start(vm, actor, m2d_ex_world_next(t->w, actor));
	return m2d_segment_name(seg);
}

static void wrong(Test *t, const char *what, const char *step, uint64_t objects)
{
	if (t->wrong++ < 40 && !t->mutant) {
		printf("%s: %s: %s", t->where, step, what);
		print_objects(objects);
		printf("\n");
	}
}

/* One step, with everything that it touches held against its footprint. */
static void step(Test *t, unsigned actor)
{
	g_autofree char *name = step_name(t, actor);
	uint64_t read, written;
	M2dFootprint fp;

	t->m->footprint(t->m->data, actor, &fp);
	/* Whose processor it is may change within the step. */
	collect_step(t->c, actor);
	collect_touched(t->c, &read, &written);
	t->steps++;
	if (read & ~(fp.read | fp.write))
		wrong(t, "reads beyond its footprint:", name, read & ~(fp.read | fp.write));
	if (written & ~fp.write)
		wrong(t, "writes beyond its footprint:", name, written & ~fp.write);
}

static bool guard(Test *t, unsigned actor)
{
	g_autofree char *name = step_name(t, actor);
	uint64_t read, written;
	M2dFootprint fp;
	bool can;

	t->m->footprint(t->m->data, actor, &fp);
	can = collect_enabled(t->c, actor) != 0;
	collect_touched(t->c, &read, &written);
	/* Where it does not decide whether there is a step, only which, the step reads it. */
	if ((read | written) & ~(fp.enable | fp.read | fp.write))
		wrong(t, "the guard looks beyond the footprint:", name,
		      (read | written) & ~(fp.enable | fp.read | fp.write));
	return can;
}

static bool can_move(const Test *t, unsigned actor)
{
	return t->m->enabled(t->m->data, actor) != 0;
}

/* @a, then @b; false: @b cannot move then. *@bad: what was broken. */
static bool both(const Test *t, unsigned a, unsigned b, uint64_t *bad)
{
	*bad = 0;
	t->m->step(t->m->data, a, 0);
	*bad |= UINT64_C(1) << t->m->violation(t->m->data);
	if (!can_move(t, b))
		return false;
	t->m->step(t->m->data, b, 0);
	*bad |= UINT64_C(1) << t->m->violation(t->m->data);
	return true;
}

static void swap(Test *t, unsigned a, unsigned b)
{
	M2dArena *arena = t->m->arena;
	M2dMark mark = m2d_arena_mark(arena);
	g_autofree char *first = step_name(t, a), *second = step_name(t, b);
	g_autofree char *name = g_strconcat(first, " and ", second, NULL);
	uint64_t used, bad, other_bad;
	bool one, other, same;
	M2dFootprint fa, fb;

	t->m->footprint(t->m->data, a, &fa);
	t->m->footprint(t->m->data, b, &fb);
	t->pairs++;
	if (m2d_fp_dependent(&fa, &fb))
		return;
	t->independent++;
	one = both(t, a, b, &bad);
	used = arena->used;
	if (used > t->room) {
		t->room = used;
		t->mine = g_realloc(t->mine, used);
	}
	memcpy(t->mine, arena->base, used);
	m2d_arena_rollback(arena, mark);
	other = both(t, b, a, &other_bad);
	same = used == arena->used && memcmp(t->mine, arena->base, used) == 0;
	m2d_arena_rollback(arena, mark);
	if (!one || !other)
		wrong(t, "one keeps the other from moving", name, 0);
	else if (!same)
		wrong(t, "their order tells in the arena", name, 0);
	else if (bad != other_bad)
		wrong(t, "their order tells in what is found", name, 0);
}

static void run(Test *t, uint64_t seed)
{
	M2dRng rng;

	m2d_rng_seed(&rng, seed);
	for (unsigned n = 0; n < 5000; n++) {
		unsigned can[M2D_EX_MAX_ACTORS], n_can = 0;

		for (unsigned a = 0; a < t->m->n_actors; a++)
			if (guard(t, a))
				can[n_can++] = a;
		if (n_can == 0)
			break;
		for (unsigned i = 0; i < n_can; i++)
			for (unsigned k = 0; k < i; k++)
				swap(t, can[k], can[i]);
		step(t, can[m2d_rng_below(&rng, n_can)]);
		if (t->m->violation(t->m->data) != 0)
			break;
	}
}

static void run_world(Test *t)
{
	M2dMark mark;

	t->m = m2d_ex_world_model(t->w);
	m2d_arena_attach_journal(t->m->arena);
	mark = m2d_arena_mark(t->m->arena);
	collect_begin(t->c, t->w);
	for (unsigned i = 0; i < t->runs; i++) {
		run(t, i + 1);
		m2d_arena_rollback(t->m->arena, mark);
	}
	collect_end(t->c);
}

static void test_variant(const M2dScenario *s, int variant, void *data)
{
	Test *t = data;
	g_autofree char *where =
		g_strdup_printf("%s %s", s->path, variant >= 0 ? s->variants[variant].name : "");
	M2dScnOptions options = {.reduce = true};
	GError *error = NULL;

	t->w = m2d_ex_world_new(s, variant, &options, &error);
	if (t->w == NULL)
		g_error("%s", error->message);
	t->where = where;
	run_world(t);
	m2d_ex_world_free(t->w);
}

/* --- T8: a table that lacks something --------------------------------------------------------- */

typedef struct {
	unsigned row;
	M2dTouch write; /* one class */
} Mutation;

/* Classes that a step wrote by the code of the segment that it began with. */
static GArray *mutations(const Collect *c)
{
	g_autoptr(GArray) seen = collect_rows(c);
	GArray *all = g_array_new(FALSE, FALSE, sizeof(Mutation));

	for (unsigned row = 0; m2d_footprints_row(row) != NULL; row++) {
		const M2dSegment *at = &m2d_footprints_row(row)->at;

		for (guint i = 0; i < seen->len; i++) {
			const Seen *s = &g_array_index(seen, Seen, i);

			if (memcmp(at, &s->at, sizeof(*at)) != 0)
				continue;
			for (uint64_t left = s->began; left != 0; left &= left - 1) {
				Mutation m = {row, left & -left};

				g_array_append_val(all, m);
			}
		}
	}
	return all;
}

static bool is_caught(const M2dScenario *s, int variant, const Mutation *m)
{
	Test t = {.c = collect_new(), .runs = 2, .mutant = true};
	M2dScnOptions options = {.reduce = true};
	GError *error = NULL;
	M2dVm *vm;

	t.w = m2d_ex_world_new(s, variant, &options, &error);
	g_assert_no_error(error);
	vm = m2d_ex_world_vm(t.w);
	m2d_ex_world_footprints(t.w, m2d_footprints_new_wrong(vm, false, m->row, m->write));
	run_world(&t);
	m2d_ex_world_free(t.w);
	g_free(t.mine);
	collect_free(t.c);
	return t.wrong != 0;
}

typedef struct {
	unsigned every;
	bool missed;
} Mutate;

/*
 * Drop one thing that was really written from one row, for every @every-th such thing of the first
 * variant of @s. Where what the step returns to may write the same, its footprint is still right
 * and there is nothing to notice; that is so for about half.
 */
static void test_mutations(const M2dScenario *s, int variant, void *data)
{
	Mutate *m = data;
	Test t = {.runs = 2};
	g_autoptr(GArray) all = NULL;
	unsigned tried = 0, caught = 0;

	if (variant > 0)
		return;
	t.c = collect_new();
	test_variant(s, variant, &t);
	all = mutations(t.c);
	for (guint i = 0; i < all->len; i += m->every, tried++)
		caught += is_caught(s, variant, &g_array_index(all, Mutation, i));
	printf("%s: %u of %u mutations caught\n", s->path, caught, tried);
	g_free(t.mine);
	collect_free(t.c);
	m->missed |= tried <= 5 || 3 * caught < tried;
}

int main(int argc, char **argv)
{
	bool mutate = argc > 1 && strcmp(argv[1], "--mutate") == 0;
	unsigned n = argc > 1 + mutate ? (unsigned)atoi(argv[1 + mutate]) : 1;
	Mutate m = {.every = n};
	Test t = {.runs = n};

	if (mutate) {
		each_variant(argc, argv, 3, test_mutations, &m);
		return m.missed;
	}
	t.c = collect_new();
	each_variant(argc, argv, 2, test_variant, &t);
	printf("%" PRIu64 " steps, %" PRIu64 " pairs, %" PRIu64 " independent, %" PRIu64 " wrong\n",
	       t.steps, t.pairs, t.independent, t.wrong);
	g_free(t.mine);
	collect_free(t.c);
	return t.wrong != 0;
}
