/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d help [COMMAND]`: the list of commands, or a command's manual page. */
#include "tools/cmd.h"
#include "tools/frame.h"

#include "sim/base/near.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const GOptionEntry entries[] = {{NULL}};

static int list(void)
{
	printf("Usage: mmu2d COMMAND [ARGUMENT...]\n\n"
	       "A cycle-level simulator of a two-dimensional MMU: guest page tables x nested page\n"
	       "tables, with TLBs, paging-structure caches and costs, and KVM's MMU on top.\n\n"
	       "Commands:\n");
	for (const M2dCommand *const *c = m2d_commands; *c != NULL; c++)
		printf("  %-10s  %s\n", (*c)->name, (*c)->summary);
	printf("\n'mmu2d help COMMAND' shows its manual page, 'mmu2d COMMAND --help' one "
	       "screen.\n");
	return m2d_cmd_finish_stdout(&m2d_cmd_help);
}

/* Path of @page (such as "mmu2d-replay.1") in the source tree or as installed; NULL if absent. */
static char *find_page(const char *page)
{
	char section[] = {'m', 'a', 'n', page[strlen(page) - 1], '\0'};
	char *paths[] = {g_build_filename(M2D_SOURCE_DIR, "docs", "man", page, NULL),
			 g_build_filename(M2D_MAN_DIR, section, page, NULL)};
	char *found = NULL;

	for (unsigned i = 0; i < G_N_ELEMENTS(paths); i++) {
		if (found == NULL && g_file_test(paths[i], G_FILE_TEST_IS_REGULAR))
			found = paths[i];
		else
			g_free(paths[i]);
	}
	return found;
}

/* True if @formatter took over and showed the page. */
static bool show(const char *formatter, const char *option, const char *path)
{
	g_autofree char *program = g_find_program_in_path(formatter);
	const char *argv[] = {program, option != NULL ? option : path, path, NULL};
	int status = 0;

	if (program == NULL)
		return false;
	if (option == NULL)
		argv[2] = NULL;
	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL,
			  NULL, &status, NULL))
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The page on "replay", "mmu2d-replay", "scenario", "trace(5)" or "mmu2d-invariants.7": where no
 * section is named, the first that has it. NULL if there is none. */
static char *find_topic(const char *topic)
{
	const char *bare = g_str_has_prefix(topic, "mmu2d-") ? topic + strlen("mmu2d-") : topic;
	size_t len = strcspn(bare, "(.");
	const char *sections = "157";
	char *path = NULL;

	if (strcmp(topic, "mmu2d") == 0)
		return find_page("mmu2d.1");
	for (unsigned i = 0; sections[i] != '\0' && path == NULL; i++) {
		g_autofree char *page =
			g_strdup_printf("mmu2d-%.*s.%c", (int)len, bare, sections[i]);

		if (bare[len] == '\0' || bare[len + 1] == sections[i])
			path = find_page(page);
	}
	return path;
}

static bool topic_is_clean(const char *topic)
{
	return topic[0] != '\0' &&
	       strspn(topic, "abcdefghijklmnopqrstuvwxyz0123456789-.()") == strlen(topic);
}

static int help_on(const char *topic)
{
	g_autofree char *path = topic_is_clean(topic) ? find_topic(topic) : NULL;
	const M2dCommand *command = m2d_command_find(topic);
	const char *near = NULL;

	if (path != NULL && (show("man", "-l", path) || show("mandoc", NULL, path)))
		return 0;
	if (command != NULL && command != &m2d_cmd_help) {
		char *argv[] = {(char *)command->name, (char *)"--help", NULL};

		return command->run(2, argv);
	}
	if (command == &m2d_cmd_help || strcmp(topic, "mmu2d") == 0)
		return list();
	if (path != NULL)
		return m2d_cmd_usage(&m2d_cmd_help, "neither man nor mandoc can show %s", path);
	for (const M2dCommand *const *c = m2d_commands; *c != NULL; c++)
		near = m2d_near_better(topic, near, (*c)->name);
	if (near != NULL)
		return m2d_cmd_usage(&m2d_cmd_help, "no help on '%s'; did you mean '%s'?", topic,
				     near);
	return m2d_cmd_usage(&m2d_cmd_help, "no help on '%s'; 'mmu2d help' lists the commands",
			     topic);
}

static int run(int argc, char **argv)
{
	int status;

	if (!m2d_cmd_parse(
		    &m2d_cmd_help, "[COMMAND | PAGE]",
		    "Lists the commands, or shows the manual page of one, or of a file format, as\n"
		    "in 'mmu2d help scenario'. Where both have a page, trace.5 means the latter.",
		    &argc, &argv, &status))
		return status;
	if (argc == 1)
		return list();
	if (argc > 2)
		return m2d_cmd_usage(&m2d_cmd_help, "one topic expected, got '%s' too", argv[2]);
	return help_on(argv[1]);
}

const M2dCommand m2d_cmd_help = {"help", run, "list the commands or show a manual page", entries};
