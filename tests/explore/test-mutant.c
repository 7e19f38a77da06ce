/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * T8: an engine that is built without one of its rules is caught by the comparisons that test the
 * real one. Built once for each mutant, with "caught" as its argument, and once as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "toy.h"

#ifndef PROGRAMS
#define PROGRAMS 3000u
#endif
#ifndef MAX_STATES
#define MAX_STATES 1000000
#endif

typedef enum {
	PLAIN,
	SLEEP, /* sets alone: they save steps and no states */
	BOTH,
} Way;

static M2dExResult *explore(Toy *t, Way way)
{
	M2dExOptions o;

	m2d_ex_options_init(&o);
	o.no_sleep = way == PLAIN;
	o.no_persistent = way != BOTH;
	o.all_violations = true;
	o.max_states = MAX_STATES;
	return m2d_explore(toy_model(t), &o);
}

/* Programs on which the reduced search misses an end, a violation or a deadlock. */
static unsigned compare_programs(Way way, bool loops)
{
	/* Those without loops are larger, and what they catch they catch often. */
	unsigned wrong = 0, programs = loops ? PROGRAMS : PROGRAMS / 10;

	for (uint64_t seed = 1; seed <= programs; seed++) {
		ToyProgram p;
		Toy *t;
		Reachable plain;
		g_autoptr(M2dExResult) r = NULL;

		if (loops)
			toy_random_loops(&p, seed);
		else
			toy_random(&p, seed);
		p.bad_var = TOY_VARS;
		t = toy_new(&p);
		m2d_arena_attach_journal(toy_model(t)->arena);
		paths_reachable(toy_model(t), &plain);
		r = explore(t, way);
		wrong += r->terminals != g_hash_table_size(plain.ends) ||
			 r->deadlocks != plain.deadlocks ||
			 (way != BOTH && r->states != plain.states);
		paths_reachable_clear(&plain);
		toy_free(t);
	}
	return wrong;
}

/* One thread goes round in circles on its own; what the other does must be seen all the same. */
static unsigned cycle(void)
{
	ToyProgram p = {2,
			{{{TOY_FLIP, 0, 0}, {TOY_END, 0, 0}},
			 {{TOY_WRITE, 1, 1}, {TOY_WRITE, 2, 1}, {TOY_END, 0, 0}}},
			2,
			1,
			false};
	Toy *t = toy_new(&p);
	g_autoptr(M2dExResult) r = explore(t, BOTH);
	unsigned wrong = (r->violated >> 1 & 1) == 0;

	toy_free(t);
	return wrong;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"no reduction", "sleep sets", "both reductions"};
	unsigned round = cycle();
	bool caught = round != 0;

	for (int way = PLAIN; way <= BOTH; way++) {
		unsigned straight = compare_programs((Way)way, false);
		unsigned loops = compare_programs((Way)way, true);

		printf("wrong with %s: %u programs of %u, %u with loops of %u\n", names[way],
		       straight, PROGRAMS / 10, loops, PROGRAMS);
		caught |= straight + loops != 0;
	}
	printf("wrong with a cycle of one thread: %u\n", round);
	return caught == (argc > 1 && strcmp(argv[1], "caught") == 0) ? EXIT_SUCCESS : EXIT_FAILURE;
}
