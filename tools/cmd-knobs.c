/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d knobs [NAME]`: KVM's behaviours that changed at a commit, all or one in full. */
#include "tools/cmd.h"

#include "sim/base/json.h"
#include "sim/vm/knobs.h"

#include <stdio.h>
#include <string.h>

static gboolean json_output;

static const GOptionEntry entries[] = {
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "One JSON document", NULL}, {NULL}};

static void json_commits(M2dJson *json, const char *key, const char *commits)
{
	g_auto(GStrv) words = g_strsplit(commits, " ", -1);

	m2d_json_array_begin(json, key);
	for (char **w = words; *w != NULL; w++) {
		if (**w != '\0')
			m2d_json_string(json, NULL, *w);
	}
	m2d_json_array_end(json);
}

static void json_release(M2dJson *json, const char *key, const M2dKnobStep *step)
{
	g_autofree char *release = g_strdup_printf("%u.%u", step->major, step->minor);

	m2d_json_string(json, key, step->major != 0 ? release : NULL);
}

static void json_knob(M2dJson *json, const M2dKnob *k)
{
	const M2dKnobStep *last = &k->steps[k->n_steps - 1];

	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "name", k->name);
	m2d_json_string(json, "what", k->what);
	m2d_json_string(json, "where", k->where);
	m2d_json_string(json, "source", k->source);
	m2d_json_array_begin(json, "values");
	for (unsigned v = 0; v < k->n_values; v++) {
		m2d_json_object_begin(json, NULL);
		m2d_json_string(json, "name", k->values[v].name);
		m2d_json_string(json, "text", k->values[v].text);
		m2d_json_object_end(json);
	}
	m2d_json_array_end(json);
	m2d_json_string(json, "before", k->values[k->steps[0].value].name);
	m2d_json_string(json, "after", k->values[last->value].name);
	json_release(json, "first", last);
	json_commits(json, "commit", last->commits);
	m2d_json_array_begin(json, "steps");
	for (unsigned s = 0; s < k->n_steps; s++) {
		m2d_json_object_begin(json, NULL);
		m2d_json_string(json, "value", k->values[k->steps[s].value].name);
		json_release(json, "first", &k->steps[s]);
		json_commits(json, "commit", k->steps[s].commits);
		m2d_json_object_end(json);
	}
	m2d_json_array_end(json);
	m2d_json_object_end(json);
}

/* One line for each change. */
static void list_text(void)
{
	printf("%-20s %-12s %-12s %-6s %-10s %-16s %s\n", "NAME", "BEFORE", "AFTER", "FIRST",
	       "WHERE", "SOURCE", "COMMITS");
	for (unsigned i = 0; i < M2D_N_KNOBS; i++) {
		const M2dKnob *k = m2d_knob((M2dKnobId)i);

		for (unsigned s = 1; s < k->n_steps; s++) {
			const M2dKnobStep *step = &k->steps[s];
			g_autofree char *first = g_strdup_printf("%u.%u", step->major, step->minor);

			printf("%-20s %-12s %-12s %-6s %-10s %-16s %s\n", k->name,
			       k->values[k->steps[s - 1].value].name, k->values[step->value].name,
			       first, k->where, k->source, step->commits);
		}
	}
}

static void show_text(const M2dKnob *k)
{
	printf("%s: %s\n", k->name, k->what);
	printf("matters to %s; source %s\n\n", k->where, k->source);
	for (unsigned v = 0; v < k->n_values; v++)
		printf("  %-14s %s\n", k->values[v].name, k->values[v].text);
	printf("\n");
	for (unsigned s = 0; s < k->n_steps; s++) {
		const M2dKnobStep *step = &k->steps[s];
		g_autofree char *since =
			step->major != 0 ? g_strdup_printf("since %u.%u", step->major, step->minor)
					 : g_strdup("at first");

		printf("  %-14s %-14s %s\n", since, k->values[step->value].name, step->commits);
	}
}

static void list(void)
{
	M2dJson *json;

	if (!json_output) {
		list_text();
		return;
	}
	json = m2d_json_new();
	m2d_json_array_begin(json, NULL);
	for (unsigned i = 0; i < M2D_N_KNOBS; i++)
		json_knob(json, m2d_knob((M2dKnobId)i));
	m2d_json_array_end(json);
	m2d_cmd_print_json(json);
}

static int show(const char *name)
{
	GError *error = NULL;
	int id = m2d_knob_find(name, &error);
	M2dJson *json;

	if (id < 0)
		return m2d_cmd_fail(&m2d_cmd_knobs, error);
	if (!json_output) {
		show_text(m2d_knob((M2dKnobId)id));
		return 0;
	}
	json = m2d_json_new();
	json_knob(json, m2d_knob((M2dKnobId)id));
	m2d_cmd_print_json(json);
	return 0;
}

static int run(int argc, char **argv)
{
	int status = 0;
	int finish;

	if (!m2d_cmd_parse(&m2d_cmd_knobs, "[NAME] [OPTION...]",
			   "Lists KVM's behaviours that changed at a known commit, one line a\n"
			   "change, or tells all of one.",
			   &argc, &argv, &status))
		return status;
	if (argc > 2)
		return m2d_cmd_usage(&m2d_cmd_knobs, "one knob expected, got '%s' too", argv[2]);
	if (argc == 2)
		status = show(argv[1]);
	else
		list();
	finish = m2d_cmd_finish_stdout(&m2d_cmd_knobs);
	return status != 0 ? status : finish;
}

const M2dCommand m2d_cmd_knobs = {"knobs", run, "list the behaviours of KVM that can be chosen",
				  entries};
