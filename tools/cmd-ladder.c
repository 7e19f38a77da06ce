/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d ladder FILE`: the steps of a scenario as a table that a commit message can hold. */
#include "tools/cmd.h"

#include "sim/base/error.h"
#include "sim/base/near.h"
#include "sim/report/ladder.h"

#include <stdio.h>

#define MAX_WIDTH 1000

static char *variant_name;
static gint width = M2D_LADDER_WIDTH;

static const GOptionEntry entries[] = {
	{"variant", 0, 0, G_OPTION_ARG_STRING, &variant_name, "Show the results of this variant",
	 "NAME"},
	{"width", 'w', 0, G_OPTION_ARG_INT, &width, "Columns that a line may have (72)", "N"},
	{NULL}};

/* Index of the variant asked for, -1 for none; false with @error. */
static bool find_variant(const M2dScenario *s, int *variant, GError **error)
{
	const char *near = NULL;

	*variant = -1;
	if (variant_name == NULL)
		return true;
	*variant = m2d_scenario_find_variant(s, variant_name);
	if (*variant >= 0)
		return true;
	for (unsigned i = 0; i < s->n_variants; i++)
		near = m2d_near_better(variant_name, near, s->variants[i].name);
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "%s: no variant '%s', expected a [variant NAME]%s%s%s", s->path, variant_name,
		    near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		    near != NULL ? "'?" : "");
	return false;
}

static int print_ladder(const char *path)
{
	GError *error = NULL;
	g_autoptr(M2dScenario) scenario = m2d_scenario_load(path, NULL, &error);
	g_autoptr(M2dLadder) ladder = NULL;
	g_autofree char *text = NULL;
	int variant;

	if (scenario == NULL || !find_variant(scenario, &variant, &error))
		return m2d_cmd_fail(&m2d_cmd_ladder, error);
	ladder = m2d_ladder_steps(scenario, variant);
	text = m2d_ladder_text(ladder, (unsigned)width);
	if (scenario->title != NULL)
		printf("  %s%s%s%s\n\n", scenario->title, variant >= 0 ? " (" : "",
		       variant >= 0 ? variant_name : "", variant >= 0 ? ")" : "");
	fputs(text, stdout);
	return 0;
}

static int run(int argc, char **argv)
{
	int status, finish;

	if (!m2d_cmd_parse(
		    &m2d_cmd_ladder, "FILE [OPTION...]",
		    "Prints the steps of a scenario, one column an actor, ruled so that mail\n"
		    "archives leave it readable; - is standard input.",
		    &argc, &argv, &status))
		return status;
	if (argc != 2)
		return m2d_cmd_usage(&m2d_cmd_ladder, "one scenario expected, got %d", argc - 1);
	if (width < (gint)M2D_LADDER_MIN_WIDTH || width > MAX_WIDTH)
		return m2d_cmd_usage(&m2d_cmd_ladder, "--width=%d: expected %u to %d", width,
				     M2D_LADDER_MIN_WIDTH, MAX_WIDTH);
	status = print_ladder(argv[1]);
	finish = m2d_cmd_finish_stdout(&m2d_cmd_ladder);
	return status != 0 ? status : finish;
}

const M2dCommand m2d_cmd_ladder = {"ladder", run, "print the steps of a scenario as a table",
				   entries};
