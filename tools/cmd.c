/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every subcommand shares: option parsing, one-line errors, the end of standard output. */
#include "tools/cmd.h"
#include "tools/frame.h"

#include "sim/base/error.h"
#include "sim/base/near.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND(id) &m2d_cmd_##id,
const M2dCommand *const m2d_commands[] = {
#include "tools/commands.def"
	NULL};
#undef COMMAND

char *m2d_one_line(const char *text)
{
	GString *out = g_string_new(NULL);

	for (const char *p = text; *p != '\0'; p++) {
		if (g_ascii_iscntrl(*p))
			g_string_append_printf(out, "\\x%02x", (unsigned char)*p);
		else
			g_string_append_c(out, *p);
	}
	return g_string_free(out, FALSE);
}

static void print_line(const M2dCommand *cmd, const char *message)
{
	g_autofree char *line = m2d_one_line(message);

	if (cmd != NULL)
		fprintf(stderr, "mmu2d %s: %s\n", cmd->name, line);
	else
		fprintf(stderr, "mmu2d: %s\n", line);
}

int m2d_cmd_fail(const M2dCommand *cmd, GError *error)
{
	int status = m2d_error_exit_status(error);

	if (error == NULL)
		return 0;
	print_line(cmd, error->message);
	g_error_free(error);
	return status;
}

int m2d_cmd_interrupted(const M2dCommand *cmd)
{
	return m2d_cmd_fail(cmd,
			    g_error_new_literal(M2D_ERROR, M2D_ERROR_TRANSIENT, "interrupted"));
}

int m2d_cmd_usage(const M2dCommand *cmd, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list ap;

	va_start(ap, format);
	message = g_strdup_vprintf(format, ap);
	va_end(ap);
	print_line(cmd, message);
	return 2;
}

int m2d_cmd_choice(const char *text, const char *const *names)
{
	for (int i = 0; names[i] != NULL; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return -1;
}

void m2d_cmd_print_json(M2dJson *json)
{
	g_autofree char *text = m2d_json_finish(json);

	fputs(text, stdout);
}

int m2d_cmd_finish_stdout(const M2dCommand *cmd)
{
	int errnum = 0;

	if (fflush(stdout) == EOF) {
		errnum = errno;
	} else if (ferror(stdout)) {
		/* An earlier write failed and its reason is gone: a second one tells. */
		clearerr(stdout);
		errnum = putchar('\n') == EOF || fflush(stdout) == EOF ? errno : EIO;
	}
	if (errnum == 0)
		return 0;
	/* Nothing is left to say on stdout; exit() must not try again. */
	clearerr(stdout);
	GError *error = NULL;

	m2d_error_from_errno(&error, errnum, "write", "standard output");
	return m2d_cmd_fail(cmd, error);
}

/* --- options -------------------------------------------------------------------------------- */

static const GOptionEntry common_entries[] = {
	{"help", 'h', 0, G_OPTION_ARG_NONE, NULL, "Show this text", NULL},
	{"list-opts", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, NULL,
	 "List the options, one a line", NULL},
};

static bool takes_value(const GOptionEntry *e)
{
	if (e->arg == G_OPTION_ARG_NONE)
		return false;
	if (e->arg == G_OPTION_ARG_CALLBACK && (e->flags & G_OPTION_FLAG_NO_ARG) != 0)
		return false;
	return true;
}

static bool is_remaining(const GOptionEntry *e)
{
	return e->long_name[0] == '\0';
}

static void help_entry(const GOptionEntry *e)
{
	g_autofree char *left = NULL;
	const char *value = e->arg_description != NULL ? e->arg_description : "VALUE";

	if (is_remaining(e) || (e->flags & G_OPTION_FLAG_HIDDEN) != 0)
		return;
	left = g_strdup_printf("%s%c%s--%s%s%s", e->short_name != 0 ? "-" : " ",
			       e->short_name != 0 ? e->short_name : ' ',
			       e->short_name != 0 ? ", " : "  ", e->long_name,
			       takes_value(e) ? "=" : "", takes_value(e) ? value : "");
	if (strlen(left) > 28)
		printf("  %s\n  %-28s  %s\n", left, "", e->description);
	else
		printf("  %-28s  %s\n", left, e->description);
}

static void print_help(const M2dCommand *cmd, const char *usage, const char *description)
{
	printf("Usage: mmu2d %s%s%s\n\n%s\n", cmd->name, usage[0] != '\0' ? " " : "", usage,
	       description != NULL ? description : cmd->summary);
	printf("\nOptions:\n");
	for (const GOptionEntry *e = cmd->entries; e != NULL && e->long_name != NULL; e++)
		help_entry(e);
	help_entry(&common_entries[0]);
	printf("\nMore: mmu2d help %s\n", cmd->name);
}

static void print_opts(const M2dCommand *cmd)
{
	for (const GOptionEntry *e = cmd->entries; e != NULL && e->long_name != NULL; e++) {
		if (is_remaining(e) || (e->flags & G_OPTION_FLAG_HIDDEN) != 0)
			continue;
		printf("--%s%s\n", e->long_name, takes_value(e) ? "=" : "");
		if (e->short_name != 0)
			printf("-%c\n", e->short_name);
	}
	printf("--help\n-h\n");
}

/* "Unknown option --jsn" tells little: add what may have been meant. */
static void suggest_option(const M2dCommand *cmd, GError *error)
{
	const char *at = strstr(error->message, "--");
	const char *near = NULL;
	g_autofree char *word = NULL;

	if (!g_error_matches(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION) || at == NULL)
		return;
	word = g_strndup(at + 2, strcspn(at + 2, "= "));
	for (const GOptionEntry *e = cmd->entries; e != NULL && e->long_name != NULL; e++) {
		if (!is_remaining(e) && (e->flags & G_OPTION_FLAG_HIDDEN) == 0)
			near = m2d_near_better(word, near, e->long_name);
	}
	if (near != NULL) {
		char *message = g_strdup_printf("%s; did you mean --%s?", error->message, near);

		g_free(error->message);
		error->message = message;
	}
}

bool m2d_cmd_parse(const M2dCommand *cmd, const char *usage, const char *description, int *argc,
		   char ***argv, int *status)
{
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	gboolean help = FALSE;
	gboolean list = FALSE;
	GOptionEntry common[] = {common_entries[0], common_entries[1], {NULL}};

	common[0].arg_data = &help;
	common[1].arg_data = &list;
	g_option_context_set_help_enabled(context, FALSE);
	if (cmd->entries != NULL)
		g_option_context_add_main_entries(context, cmd->entries, NULL);
	g_option_context_add_main_entries(context, common, NULL);
	if (!g_option_context_parse(context, argc, argv, &error)) {
		suggest_option(cmd, error);
		print_line(cmd, error->message);
		*status = 2;
		return false;
	}
	/* GOption leaves the "--" that ended the options. */
	if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
		memmove(&(*argv)[1], &(*argv)[2], (size_t)(*argc - 1) * sizeof(char *));
		(*argc)--;
	}
	if (help || list) {
		if (help)
			print_help(cmd, usage, description);
		else
			print_opts(cmd);
		*status = m2d_cmd_finish_stdout(cmd);
		return false;
	}
	*status = 0;
	return true;
}
