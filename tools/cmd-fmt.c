/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d fmt FILE...`: scenarios in canonical form. */
#include "tools/cmd.h"

#include "sim/base/outfile.h"
#include "sim/scenario/format.h"

#include <stdio.h>
#include <string.h>

static gboolean check;
static gboolean write_back;

static const GOptionEntry entries[] = {
	{"check", 0, 0, G_OPTION_ARG_NONE, &check,
	 "Print the names of files that are not in canonical form, and fail if there are", NULL},
	{"write", 'w', 0, G_OPTION_ARG_NONE, &write_back, "Rewrite the files in place", NULL},
	{NULL}};

static bool rewrite(const char *path, const char *text, GError **error)
{
	M2dOutFile *file = m2d_out_file_new(path, error);

	if (file == NULL)
		return false;
	if (!m2d_out_file_write(file, text, strlen(text), error)) {
		m2d_out_file_abort(file);
		return false;
	}
	return m2d_out_file_commit(file, error);
}

static int format_file(const char *path)
{
	GError *error = NULL;
	gsize len = 0;
	g_autofree char *text = m2d_scenario_read(path, &len, &error);
	g_autoptr(M2dScenario) scenario = NULL;
	g_autofree char *canonical = NULL;
	bool differs;

	if (text != NULL)
		scenario = m2d_scenario_parse(path, text, len, NULL, &error);
	if (scenario == NULL)
		return m2d_cmd_fail(&m2d_cmd_fmt, error);
	canonical = m2d_scenario_format(scenario);
	differs = strcmp(text, canonical) != 0;
	if (check) {
		if (differs)
			printf("%s\n", path);
		return differs;
	}
	if (!write_back) {
		fputs(canonical, stdout);
		return 0;
	}
	if (differs && !rewrite(path, canonical, &error))
		return m2d_cmd_fail(&m2d_cmd_fmt, error);
	return 0;
}

static int run(int argc, char **argv)
{
	int status, worst = 0;

	if (!m2d_cmd_parse(
		    &m2d_cmd_fmt, "FILE... [OPTION...]",
		    "Prints scenarios in canonical form; - is standard input. Comments stay.",
		    &argc, &argv, &status))
		return status;
	if (argc < 2)
		return m2d_cmd_usage(&m2d_cmd_fmt, "a scenario expected, or - for standard input");
	if (check && write_back)
		return m2d_cmd_usage(&m2d_cmd_fmt, "--check and --write exclude each other");
	for (int i = 1; i < argc; i++) {
		if (write_back && strcmp(argv[i], "-") == 0)
			return m2d_cmd_usage(&m2d_cmd_fmt, "--write needs files, got '-'");
	}
	for (int i = 1; i < argc; i++) {
		status = format_file(argv[i]);
		worst = MAX(worst, status);
	}
	status = m2d_cmd_finish_stdout(&m2d_cmd_fmt);
	return MAX(worst, status);
}

const M2dCommand m2d_cmd_fmt = {"fmt", run, "print scenarios in canonical form", entries};
