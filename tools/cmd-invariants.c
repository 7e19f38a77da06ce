/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d invariants [NAME]`: what the checker knows of, all or one in full. */
#include "tools/cmd.h"

#include "sim/base/json.h"
#include "sim/check/invariant.h"

#include <stdio.h>

static gboolean json_output;

static const GOptionEntry entries[] = {
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "One JSON document", NULL}, {NULL}};

static void json_words(M2dJson *json, const char *key, const char *words)
{
	g_auto(GStrv) list = g_strsplit(words, " ", -1);

	m2d_json_array_begin(json, key);
	for (char **w = list; *w != NULL; w++)
		if (**w != '\0')
			m2d_json_string(json, NULL, *w);
	m2d_json_array_end(json);
}

static void json_one(M2dJson *json, const M2dInvariant *i)
{
	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "name", i->name);
	json_words(json, "ids", i->ids);
	m2d_json_string(json, "statement", i->statement);
	m2d_json_string(json, "source", i->source);
	json_words(json, "breakers", i->breakers);
	m2d_json_object_end(json);
}

static void list(void)
{
	M2dJson *json;

	if (!json_output) {
		for (unsigned i = 0; i < M2D_N_INVARIANTS; i++)
			printf("%-21s %s\n", m2d_invariant((M2dInvariantId)i)->name,
			       m2d_invariant((M2dInvariantId)i)->statement);
		return;
	}
	json = m2d_json_new();
	m2d_json_array_begin(json, NULL);
	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++)
		json_one(json, m2d_invariant((M2dInvariantId)i));
	m2d_json_array_end(json);
	m2d_cmd_print_json(json);
}

static int show(const char *name)
{
	M2dInvariantId id = m2d_invariant_find(name);
	const M2dInvariant *i;
	M2dJson *json;

	if (id == M2D_N_INVARIANTS) {
		const char *near = m2d_invariant_near(name);

		return m2d_cmd_usage(&m2d_cmd_invariants,
				     near != NULL ? "no invariant '%s'; did you mean '%s'?"
						  : "no invariant '%s'; see mmu2d invariants",
				     name, near);
	}
	i = m2d_invariant(id);
	if (json_output) {
		json = m2d_json_new();
		json_one(json, i);
		m2d_cmd_print_json(json);
		return 0;
	}
	printf("%s: %s\n\ncatalogue: %s\nsource:    %s\n", i->name, i->statement, i->ids,
	       i->source);
	if (*i->breakers != '\0')
		printf("broken by: %s\n", i->breakers);
	return 0;
}

static int run(int argc, char **argv)
{
	int status = 0;
	int finish;

	if (!m2d_cmd_parse(
		    &m2d_cmd_invariants, "[NAME] [OPTION...]",
		    "Lists what the checker watches over, one line an invariant, or tells all "
		    "of one.",
		    &argc, &argv, &status))
		return status;
	if (argc > 2)
		return m2d_cmd_usage(&m2d_cmd_invariants, "one invariant expected, got '%s' too",
				     argv[2]);
	if (argc == 2)
		status = show(argv[1]);
	else
		list();
	finish = m2d_cmd_finish_stdout(&m2d_cmd_invariants);
	return status != 0 ? status : finish;
}

const M2dCommand m2d_cmd_invariants = {"invariants", run, "list what the checker watches over",
				       entries};
