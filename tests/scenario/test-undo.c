/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs scenarios with every micro-step taken, undone and taken again: whatever the models do must
 * go through the journal, and nothing outside the arena may decide what they do. Prints TAP.
 */
#include <glib.h>
#include <stdio.h>

#include "sim/scenario/runner.h"

static unsigned tests, failures;

static void run_variant(const M2dScenario *s, int variant)
{
	M2dScnOptions options = {.undo = true};
	GError *error = NULL;
	g_autoptr(M2dScnRun) run = m2d_scn_run(s, variant, &options, NULL, &error);
	/* Whether it passes is another test's business; a bug ends a run early in all ways. */
	bool bad = run == NULL || (run->why != NULL && g_str_has_prefix(run->why, "micro-step"));

	printf("%s %u - %s %s\n", bad ? "not ok" : "ok", ++tests, s->path,
	       variant >= 0 ? s->variants[variant].name : "");
	if (bad) {
		printf("# %s\n", run != NULL ? run->why : error->message);
		failures++;
	}
	g_clear_error(&error);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		GError *error = NULL;
		g_autoptr(M2dScenario) s = m2d_scenario_load(argv[i], &m2d_scenario_models, &error);

		if (s == NULL) {
			printf("Bail out! %s\n", error->message);
			g_error_free(error);
			return 1;
		}
		if (s->n_variants == 0)
			run_variant(s, -1);
		for (unsigned v = 0; v < s->n_variants; v++)
			run_variant(s, (int)v);
	}
	printf("1..%u\n", tests);
	return failures != 0;
}
