/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/measure.h"
#include "bench/shootdown.h"
#include "sim/explore/worlds.h"
#include "tools/observe.h"

/* The first variant, every order, nothing reduced: rates are of steps that are taken. */
static M2dExResult *search_once(const M2dScenario *scenario, M2dExPages *pages, guint64 max_states,
				double *seconds)
{
	GError *error = NULL;
	M2dScnOptions options = {0};
	g_autoptr(M2dExWorld) world =
		m2d_ex_world_new_observed(m2d_observed(), pages, scenario,
					  scenario->n_variants != 0 ? 0 : -1, &options, &error);
	M2dExOptions how;
	M2dExResult *result;
	double start;

	if (world == NULL)
		bench_die(error);
	m2d_ex_options_init(&how);
	how.engine = M2D_EX_EXHAUST;
	how.no_sleep = how.no_persistent = true;
	how.max_states = max_states;
	how.pages = pages;
	m2d_arena_attach_journal(m2d_ex_world_model(world)->arena);
	start = bench_now();
	result = m2d_explore(m2d_ex_world_model(world), &how);
	*seconds = bench_now() - start;
	if (result->violations != 0 || result->violation != 0 || result->deadlocks != 0) {
		fprintf(stderr, "bench: the search found something\n");
		exit(1);
	}
	return result;
}

SearchFigures search_measure(const char *path, int runs, guint64 max_states)
{
	GError *error = NULL;
	g_autoptr(M2dScenario) scenario = m2d_scenario_load(path, &m2d_scenario_models, &error);
	g_autoptr(M2dExPages) pages = m2d_ex_pages_new();
	double states[BENCH_MAX_RUNS], transitions[BENCH_MAX_RUNS], bytes[BENCH_MAX_RUNS];
	double plain[2][BENCH_MAX_RUNS], ratio[2][BENCH_MAX_RUNS];
	SearchFigures f = {0};

	if (scenario == NULL)
		bench_die(error);
	for (int i = 0; i < runs; i++) {
		double seconds;
		Shootdown p = shootdown_search(max_states);
		g_autoptr(M2dExResult) r = search_once(scenario, pages, max_states, &seconds);

		f.n_states = r->states;
		states[i] = (double)r->states / seconds;
		transitions[i] = (double)r->transitions / seconds;
		bytes[i] = (double)r->bytes / (double)r->states;
		plain[0][i] = (double)p.states / p.seconds;
		plain[1][i] = (double)p.transitions / p.seconds;
		ratio[0][i] = states[i] / plain[0][i];
		ratio[1][i] = transitions[i] / plain[1][i];
	}
	f.states = bench_median(states, runs);
	f.transitions = bench_median(transitions, runs);
	f.plain_states = bench_median(plain[0], runs);
	f.plain_transitions = bench_median(plain[1], runs);
	f.states_ratio = bench_median(ratio[0], runs);
	f.transitions_ratio = bench_median(ratio[1], runs);
	f.bytes_per_state = bench_median(bytes, runs);
	return f;
}

void search_emit(M2dJson *j, const SearchFigures *f)
{
	if (j != NULL) {
		m2d_json_double(j, "explore_states_per_second", f->states);
		m2d_json_double(j, "explore_transitions_per_second", f->transitions);
		m2d_json_double(j, "explore_states_ratio", f->states_ratio);
		m2d_json_double(j, "explore_transitions_ratio", f->transitions_ratio);
		m2d_json_double(j, "explore_bytes_per_state", f->bytes_per_state);
		return;
	}
	printf("search of a shootdown by three vCPUs, %" G_GUINT64_FORMAT " states\n"
	       "  states      %8.2f M/s  ratio %.2f to %.2f M/s\n"
	       "  transitions %8.2f M/s  ratio %.2f to %.2f M/s\n"
	       "  bytes_per_state %4.1f\n",
	       f->n_states, f->states / 1e6, f->states_ratio, f->plain_states / 1e6,
	       f->transitions / 1e6, f->transitions_ratio, f->plain_transitions / 1e6,
	       f->bytes_per_state);
}
