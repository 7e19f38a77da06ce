/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d machines [NAME]`: the machines there are, or all figures of one with their sources. */
#include "tools/cmd.h"

#include "sim/base/json.h"
#include "sim/engine/machine.h"

#include <stdio.h>
#include <string.h>

static gboolean json_output;
static char **settings;

static const GOptionEntry entries[] = {
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "One JSON document", NULL},
	{"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &settings, "Replace one figure (NAME only)",
	 "SECTION.KEY=VALUE"},
	{NULL}};

static const char *vendor_name(const M2dMachine *m)
{
	return m->vendor == M2D_VENDOR_AMD ? "amd" : "intel";
}

static int list(void)
{
	g_auto(GStrv) names = m2d_machine_list();
	M2dJson *json = json_output ? m2d_json_new() : NULL;
	int status = 0;

	if (json != NULL)
		m2d_json_array_begin(json, NULL);
	for (char **n = names; *n != NULL; n++) {
		GError *error = NULL;
		g_autoptr(M2dMachine) m = m2d_machine_load(*n, &error);

		if (m == NULL) {
			status = m2d_cmd_fail(&m2d_cmd_machines, error);
		} else if (json != NULL) {
			m2d_json_object_begin(json, NULL);
			m2d_json_string(json, "name", m->name);
			m2d_json_string(json, "vendor", vendor_name(m));
			m2d_json_string(json, "description", m->description);
			m2d_json_string(json, "path", m->path);
			m2d_json_object_end(json);
		} else {
			printf("%-16s %-6s %s\n", m->name, vendor_name(m), m->description);
		}
	}
	if (json != NULL) {
		m2d_json_array_end(json);
		m2d_cmd_print_json(json);
	}
	return status;
}

typedef struct {
	const M2dMachine *machine;
	M2dJson *json; /* NULL: text */
	char *section; /* that the text is in */
} M2dShow;

static void show_item(const char *key, const char *value, void *data)
{
	M2dShow *show = data;
	const char *source = m2d_machine_source(show->machine, key);
	const char *dot = strchr(key, '.');
	g_autofree char *section = g_strndup(key, (size_t)(dot - key));

	if (show->json != NULL) {
		m2d_json_object_begin(show->json, key);
		m2d_json_string(show->json, "value", value);
		m2d_json_string(show->json, "source", source);
		m2d_json_object_end(show->json);
		return;
	}
	if (g_strcmp0(section, show->section) != 0) {
		printf("%s[%s]\n", show->section != NULL ? "\n" : "", section);
		g_free(show->section);
		show->section = g_steal_pointer(&section);
	}
	if (source != NULL && source[0] != '\0')
		printf("%s = %-*s  # %s\n", dot + 1, (int)MAX(1, 24 - (int)strlen(dot + 1)), value,
		       source);
	else
		printf("%s = %s\n", dot + 1, value);
}

static int show(const char *name)
{
	GError *error = NULL;
	g_autoptr(M2dMachine) m = m2d_machine_load(name, &error);
	M2dShow state = {.machine = m};

	if (m == NULL)
		return m2d_cmd_fail(&m2d_cmd_machines, error);
	for (char **s = settings; s != NULL && *s != NULL; s++) {
		if (!m2d_machine_set(m, *s, &error)) {
			g_prefix_error(&error, "--set: ");
			return m2d_cmd_fail(&m2d_cmd_machines, error);
		}
	}
	if (!m2d_machine_check(m, &error))
		return m2d_cmd_fail(&m2d_cmd_machines, error);
	if (json_output) {
		state.json = m2d_json_new();
		m2d_json_object_begin(state.json, NULL);
		m2d_json_string(state.json, "name", m->name);
		m2d_json_string(state.json, "path", m->path);
		m2d_json_object_begin(state.json, "settings");
		m2d_machine_foreach(m, show_item, &state);
		m2d_json_object_end(state.json);
		m2d_json_object_end(state.json);
		m2d_cmd_print_json(state.json);
	} else {
		m2d_machine_foreach(m, show_item, &state);
		g_free(state.section);
	}
	return 0;
}

static int run(int argc, char **argv)
{
	int status;
	int finish;

	if (!m2d_cmd_parse(
		    &m2d_cmd_machines, "[NAME | FILE] [OPTION...]",
		    "Lists the machines that --machine takes, or prints all figures of one,\n"
		    "each with its source, in the syntax of machine files.",
		    &argc, &argv, &status))
		return status;
	if (argc > 2)
		return m2d_cmd_usage(&m2d_cmd_machines, "one machine expected, got '%s' too",
				     argv[2]);
	if (argc == 1 && settings != NULL)
		return m2d_cmd_usage(&m2d_cmd_machines, "--set needs a machine to change");
	status = argc == 2 ? show(argv[1]) : list();
	finish = m2d_cmd_finish_stdout(&m2d_cmd_machines);
	return status != 0 ? status : finish;
}

const M2dCommand m2d_cmd_machines = {"machines", run, "list the machines, or one with its sources",
				     entries};
