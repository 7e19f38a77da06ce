/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same answer with and without reductions, and without a table of states: cross-check STATES
 * SCENARIO...: each variant that the plain search finishes within STATES states.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "sim/explore/worlds.h"

/* Steps, in thousands, after which the search without a table is given up. */
#define DPOR_TICKS 24u

enum {
	PLAIN,
	SLEEP,
	PERSISTENT,
	BOTH,
	DPOR, /* without a table of states */
	N_WAYS
};

static bool on_progress(uint64_t states, uint64_t transitions, void *data)
{
	return transitions < DPOR_TICKS * 1000;
}

static M2dExResult *search(const M2dScenario *s, int variant, unsigned way, uint64_t max_states)
{
	M2dScnOptions options = {.reduce = way != PLAIN};
	GError *error = NULL;
	g_autoptr(M2dExWorld) w = m2d_ex_world_new(s, variant, &options, &error);
	M2dExOptions x;

	if (w == NULL)
		g_error("%s", error->message);
	m2d_ex_options_init(&x);
	x.no_sleep = way != SLEEP && way != BOTH;
	x.no_persistent = way != PERSISTENT && way != BOTH;
	if (way == DPOR) {
		x.engine = M2D_EX_DPOR;
		x.no_sleep = false;
		x.progress = on_progress;
	}
	x.all_violations = true;
	x.max_states = max_states;
	return m2d_explore(m2d_ex_world_model(w), &x);
}

typedef struct {
	uint64_t max_states;
	unsigned n_compared, n_dpor;
	bool differ;
} Test;

static void compare(const M2dScenario *s, int variant, void *data)
{
	Test *t = data;
	M2dExResult *r[N_WAYS] = {NULL};
	const char *name = variant >= 0 ? s->variants[variant].name : "";
	bool same = true;

	for (unsigned way = 0; way < N_WAYS; way++) {
		r[way] = search(s, variant, way, t->max_states);
		if (r[PLAIN]->end != M2D_EX_COMPLETE)
			break;
	}
	if (r[PLAIN]->end == M2D_EX_COMPLETE) {
		for (unsigned way = 1; way < DPOR; way++)
			same &= r[way]->end == M2D_EX_COMPLETE &&
				r[way]->violated == r[PLAIN]->violated;
		/* It goes on behind a violation, where the others stop. */
		if (r[DPOR]->end == M2D_EX_COMPLETE)
			same &= (r[DPOR]->violated == 0) == (r[PLAIN]->violated == 0) &&
				(r[PLAIN]->violated & ~r[DPOR]->violated) == 0;
		t->n_dpor += r[DPOR]->end == M2D_EX_COMPLETE;
		t->n_compared++;
		printf("%s %s", s->path, name);
		for (unsigned way = 0; way < N_WAYS; way++)
			printf("  %lu/%lu/%.2fs", (unsigned long)r[way]->states,
			       (unsigned long)r[way]->transitions, r[way]->seconds);
		printf("  %lx%s\n", (unsigned long)r[PLAIN]->violated, same ? "" : "  DIFFER");
		for (unsigned way = 1; way < N_WAYS && !same; way++)
			printf("    way %u: %lx, %s\n", way, (unsigned long)r[way]->violated,
			       m2d_ex_end_text(r[way]->end));
	}
	for (unsigned way = 0; way < N_WAYS; way++)
		m2d_ex_result_free(r[way]);
	t->differ |= !same;
}

int main(int argc, char **argv)
{
	Test t = {.max_states = argc > 1 ? strtoull(argv[1], NULL, 10) : 0};

	setvbuf(stdout, NULL, _IOLBF, 0);
	each_variant(argc, argv, 2, compare, &t);
	printf("%u variants, %u of them without a table, too\n", t.n_compared, t.n_dpor);
	return t.differ;
}
