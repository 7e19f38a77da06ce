/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d lint FILE...`: what is written well in scenarios but cannot be meant. */
#include "tools/cmd.h"

#include "sim/base/json.h"
#include "sim/scenario/lint.h"

#include <stdio.h>

static gboolean json_output;

static const GOptionEntry entries[] = {
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "One JSON document", NULL}, {NULL}};

static void print_finding(const char *path, const M2dScnFinding *f, M2dJson *json)
{
	if (json == NULL) {
		printf("%s:%u:%u: %s [%s]\n", path, f->place.line, f->place.column, f->text, f->id);
		return;
	}
	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "file", path);
	m2d_json_uint(json, "line", f->place.line);
	m2d_json_uint(json, "column", f->place.column);
	m2d_json_string(json, "rule", f->id);
	m2d_json_string(json, "text", f->text);
	m2d_json_object_end(json);
}

static int lint_file(const char *path, M2dJson *json)
{
	GError *error = NULL;
	g_autoptr(M2dScenario) scenario = m2d_scenario_load(path, &m2d_scenario_models, &error);
	g_autoptr(GPtrArray) findings = NULL;

	if (scenario == NULL)
		return m2d_cmd_fail(&m2d_cmd_lint, error);
	findings = m2d_scenario_lint(scenario, &m2d_scenario_models);
	for (guint i = 0; i < findings->len; i++)
		print_finding(path, findings->pdata[i], json);
	return findings->len > 0;
}

static int run(int argc, char **argv)
{
	M2dJson *json = NULL;
	int status, worst = 0;

	if (!m2d_cmd_parse(&m2d_cmd_lint, "FILE... [OPTION...]",
			   "Finds what scenarios say but cannot mean; - is standard input.", &argc,
			   &argv, &status))
		return status;
	if (argc < 2)
		return m2d_cmd_usage(&m2d_cmd_lint, "a scenario expected, or - for standard input");
	if (json_output) {
		json = m2d_json_new();
		m2d_json_array_begin(json, NULL);
	}
	for (int i = 1; i < argc; i++) {
		status = lint_file(argv[i], json);
		worst = MAX(worst, status);
	}
	if (json != NULL) {
		m2d_json_array_end(json);
		m2d_cmd_print_json(json);
	}
	status = m2d_cmd_finish_stdout(&m2d_cmd_lint);
	return MAX(worst, status);
}

const M2dCommand m2d_cmd_lint = {"lint", run, "find what scenarios say but cannot mean", entries};
