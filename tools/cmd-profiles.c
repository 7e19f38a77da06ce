/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d profiles [KERNEL [KERNEL]]`: kernels as settings of all knobs, and their differences. */
#include "tools/cmd.h"

#include "sim/base/json.h"
#include "sim/vm/knobs.h"

#include <stdio.h>
#include <string.h>

static gboolean json_output;

static const GOptionEntry entries[] = {
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "One JSON document", NULL}, {NULL}};

static bool load(const char *kernel, M2dKnobs *knobs, int *status)
{
	GError *error = NULL;

	if (m2d_knobs_profile(knobs, kernel, &error))
		return true;
	*status = m2d_cmd_fail(&m2d_cmd_profiles, error);
	return false;
}

static void json_setting(const M2dKnob *knob, const M2dKnobValue *value, void *data)
{
	m2d_json_string(data, knob->name, value->name);
}

/* In the syntax of scenario files. */
static void text_setting(const M2dKnob *knob, const M2dKnobValue *value, void *data)
{
	g_autofree char *left = g_strconcat("kvm.", knob->name, " = ", value->name, NULL);

	printf("%-40s # %s: %s\n", left, knob->what, value->text);
}

static void json_profile(M2dJson *json, const char *kernel, const M2dKnobs *knobs)
{
	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "kvm", kernel);
	m2d_json_object_begin(json, "knobs");
	m2d_knobs_foreach(knobs, json_setting, json);
	m2d_json_object_end(json);
	m2d_json_object_end(json);
}

/* One line a profile: what it does otherwise than the one before. */
static void list_text(void)
{
	M2dKnobs before;
	const char *name;

	for (unsigned p = 0; (name = m2d_profile_name(p)) != NULL; p++) {
		M2dKnobs now;

		m2d_knobs_profile(&now, name, NULL);
		printf("%-5s%s", name, strcmp(name, M2D_KNOBS_DEFAULT) == 0 ? "*" : " ");
		for (unsigned i = 0; p > 0 && i < M2D_N_KNOBS; i++) {
			if (m2d_knobs_get(&now, (M2dKnobId)i) !=
			    m2d_knobs_get(&before, (M2dKnobId)i))
				printf(" %s=%s", m2d_knob((M2dKnobId)i)->name,
				       m2d_knobs_value_name(&now, (M2dKnobId)i));
		}
		printf("\n");
		before = now;
	}
}

static void list(void)
{
	const char *name;
	M2dJson *json;

	if (!json_output) {
		list_text();
		return;
	}
	json = m2d_json_new();
	m2d_json_array_begin(json, NULL);
	for (unsigned p = 0; (name = m2d_profile_name(p)) != NULL; p++) {
		M2dKnobs knobs;

		m2d_knobs_profile(&knobs, name, NULL);
		json_profile(json, name, &knobs);
	}
	m2d_json_array_end(json);
	m2d_cmd_print_json(json);
}

static int show(const char *kernel)
{
	M2dKnobs knobs;
	M2dJson *json;
	int status;

	if (!load(kernel, &knobs, &status))
		return status;
	if (!json_output) {
		m2d_knobs_foreach(&knobs, text_setting, NULL);
		return 0;
	}
	json = m2d_json_new();
	json_profile(json, kernel, &knobs);
	m2d_cmd_print_json(json);
	return 0;
}

/* Where in the history of a knob it last got a value. */
static unsigned last_step(const M2dKnob *knob, unsigned value)
{
	unsigned s = knob->n_steps;

	while (s > 0 && knob->steps[s - 1].value != value)
		s--;
	return s;
}

/* The commits between two values of a knob; g_strfreev(). */
static char **commits_between(const M2dKnob *knob, unsigned from, unsigned to)
{
	unsigned a = last_step(knob, from);
	unsigned b = last_step(knob, to);
	g_autoptr(GString) all = g_string_new(NULL);

	for (unsigned s = MIN(a, b); s < MAX(a, b); s++)
		g_string_append_printf(all, "%s%s", all->len > 0 ? " " : "",
				       knob->steps[s].commits);
	return g_strsplit(all->str, " ", -1);
}

static void show_difference(M2dJson *json, const M2dKnob *knob, unsigned from, unsigned to)
{
	g_auto(GStrv) commits = commits_between(knob, from, to);
	g_autofree char *text = g_strjoinv(" ", commits);

	if (json == NULL) {
		printf("%-20s %-12s %-12s %s\n", knob->name, knob->values[from].name,
		       knob->values[to].name, text);
		return;
	}
	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "name", knob->name);
	m2d_json_string(json, "from", knob->values[from].name);
	m2d_json_string(json, "to", knob->values[to].name);
	m2d_json_array_begin(json, "commit");
	for (char **c = commits; *c != NULL; c++)
		m2d_json_string(json, NULL, *c);
	m2d_json_array_end(json);
	m2d_json_object_end(json);
}

static int compare(const char *a, const char *b)
{
	M2dJson *json = NULL;
	M2dKnobs from;
	M2dKnobs to;
	int status;

	if (!load(a, &from, &status) || !load(b, &to, &status))
		return status;
	if (json_output) {
		json = m2d_json_new();
		m2d_json_object_begin(json, NULL);
		m2d_json_string(json, "from", a);
		m2d_json_string(json, "to", b);
		m2d_json_array_begin(json, "differences");
	}
	for (unsigned i = 0; i < M2D_N_KNOBS; i++) {
		unsigned x = m2d_knobs_get(&from, (M2dKnobId)i);
		unsigned y = m2d_knobs_get(&to, (M2dKnobId)i);

		if (x != y)
			show_difference(json, m2d_knob((M2dKnobId)i), x, y);
	}
	if (json != NULL) {
		m2d_json_array_end(json);
		m2d_json_object_end(json);
		m2d_cmd_print_json(json);
	}
	return 0;
}

static int run(int argc, char **argv)
{
	int status = 0;
	int finish;

	if (!m2d_cmd_parse(&m2d_cmd_profiles, "[KERNEL [KERNEL]] [OPTION...]",
			   "Lists the kernels that --kvm takes, prints all knobs of one, or the\n"
			   "differences of two. A KERNEL is a release, then any number of +COMMIT\n"
			   "(backported) and -COMMIT (reverted), such as 5.18+cf4a8693d97a.",
			   &argc, &argv, &status))
		return status;
	if (argc > 3)
		return m2d_cmd_usage(&m2d_cmd_profiles, "two kernels expected, got '%s' too",
				     argv[3]);
	if (argc == 3)
		status = compare(argv[1], argv[2]);
	else if (argc == 2)
		status = show(argv[1]);
	else
		list();
	finish = m2d_cmd_finish_stdout(&m2d_cmd_profiles);
	return status != 0 ? status : finish;
}

const M2dCommand m2d_cmd_profiles = {"profiles", run,
				     "list the kernels, or the behaviours of one or two", entries};
