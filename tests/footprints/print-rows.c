/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints the rows of sim/explore/footprints-mmu.def and, from m2d_vcpu_enter_guest on, of
 * footprints-kvm.def: what the segments of the routines were seen to touch.
 * footprint-rows RUNS SEEDS SCENARIO...: RUNS random schedules of each variant of the scenarios,
 * and SEEDS random workloads of each kind of VM.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "files.h"
#include "sim/base/rng.h"
#include "sim/vm/request.h"
#include "workloads.h"

static void run(Collect *c, M2dExWorld *w, uint64_t seed)
{
	const M2dExModel *m = m2d_ex_world_model(w);
	M2dRng rng;
	unsigned last = 0;

	m2d_rng_seed(&rng, seed);
	for (unsigned n = 0; n < 5000; n++) {
		unsigned can[M2D_EX_MAX_ACTORS], n_can = 0, a;

		for (a = 0; a < m->n_actors; a++)
			if (m->enabled(m->data, a) != 0)
				can[n_can++] = a;
		if (n_can == 0)
			break;
		a = can[m2d_rng_below(&rng, n_can)];
		/* Long stretches of one actor as well as quick changes. */
		if (seed % 2 != 0 && m2d_rng_below(&rng, 4) != 0 && m->enabled(m->data, last) != 0)
			a = last;
		collect_step(c, a);
		last = a;
	}
}

static bool gather(Collect *c, const char *path, unsigned runs)
{
	GError *error = NULL;
	g_autoptr(M2dScenario) s = m2d_scenario_load(path, &m2d_scenario_models, &error);

	if (s == NULL) {
		fprintf(stderr, "%s\n", error->message);
		return false;
	}
	for (int v = s->n_variants != 0 ? 0 : -1; v < (int)s->n_variants; v++) {
		M2dScnOptions options = {0};
		g_autoptr(M2dExWorld) w = m2d_ex_world_new(s, v, &options, &error);
		M2dArena *arena;
		M2dMark mark;

		if (w == NULL) {
			fprintf(stderr, "%s\n", error->message);
			return false;
		}
		arena = m2d_ex_world_model(w)->arena;
		m2d_arena_attach_journal(arena);
		mark = m2d_arena_mark(arena);
		collect_begin(c, w);
		for (unsigned i = 0; i < runs; i++) {
			run(c, w, i + 1);
			m2d_arena_rollback(arena, mark);
		}
		collect_end(c);
	}
	return true;
}

/*
 * What was seen is what happened to happen. Classes that are touched together as a rule are taken
 * together, so that a branch that was not seen is covered if its neighbours were.
 */
static void widen(M2dTouch *read, M2dTouch *write)
{
#define C(name) (UINT64_C(1) << M2D_OBJ_##name)
	const M2dTouch memory = C(LAYOUT) | C(GUEST) | C(SPTE) | C(HOST),
		       mmu = C(SHADOW) | C(RMAP) | C(TRACK) | C(DIRTY),
		       books = C(NODES) | C(DUE) | C(FOLLOW) | C(BOOKS),
		       rest = C(SLOTS) | C(LOCK_MMU) | C(LOCK_SLOTS) | C(LOCK_UNSYNC) | C(SEQ) |
			      C(GEN);
	const M2dTouch cpus = C(MODE) | C(HW) | C(ITEMS), others = cpus << M2D_TOUCH_OTHER,
		       items = C(ITEMS) | C(ITEMS) << M2D_TOUCH_OTHER;
#undef C
	if (*read & (memory | mmu | books))
		*read |= memory | mmu | books | rest;
	if (*read & (books | others))
		*read |= cpus | others | UINT64_C(1) << M2D_OBJ_BUSY;
	if (*write & (mmu | UINT64_C(1) << M2D_OBJ_SPTE))
		*write |= memory | mmu | books | items;
	if (*write & (books | items))
		*write |= books | items;
}

static void print_touch(M2dTouch touch)
{
	bool any = false;

	for (unsigned i = 0; i < 64; i++) {
		if (!(touch >> i & 1))
			continue;
		printf(i >= M2D_TOUCH_OTHER ? "%sOTHER(%s)" : "%s%s", any ? " | " : "",
		       m2d_object_name((M2dObjClass)(i % M2D_TOUCH_OTHER)));
		any = true;
	}
	if (!any)
		printf("NOTHING");
}

static const char *const routine_names[M2D_N_ROUTINES] = {
	"none",
#define ROUTINE(name) #name,
#include "sim/vm/routines.def"
#undef ROUTINE
};

int main(int argc, char **argv)
{
	g_autoptr(GPtrArray) files = scenario_files(argc, argv, 3);
	Collect *c = collect_new();
	unsigned runs = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	GArray *rows;

	for (guint i = 0; i < files->len; i++)
		if (!gather(c, files->pdata[i], runs))
			return 1;
	workloads(c, argc > 2 ? (unsigned)atoi(argv[2]) : 0);
	rows = collect_rows(c);
	for (guint i = 0; i < rows->len; i++) {
		const Seen *s = &g_array_index(rows, Seen, i);
		g_autofree char *name = m2d_segment_name(s->at);
		M2dTouch read = s->read, write = s->write;

		printf("SEGMENT(%s,\n\t", name);
		widen(&read, &write);
		print_touch(read);
		printf(",\n\t");
		print_touch(write);
		printf(",\n\t%s, CALLS(", s->returns ? "RETURNS" : "STOPS");
		for (unsigned r = 0; r < M2D_N_ROUTINES; r++)
			if (s->called[r])
				printf("R(%s) ", routine_names[r]);
		printf("))\n");
	}
	g_array_unref(rows);
	collect_free(c);
	return 0;
}
