/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mmu2d program: picks the subcommand and sets up what all of them need. */
#include "tools/cmd.h"
#include "tools/frame.h"

#include "sim/base/near.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

bool m2d_interrupted(void)
{
	return interrupted != 0;
}

static void on_signal(int signum)
{
	interrupted = signum;
}

/* The first signal asks for an orderly end, the second kills. System calls are not restarted,
 * so that a read from a silent pipe ends too. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* A limit on file sizes shall fail the write, which is reported and cleaned up after. */
	signal(SIGXFSZ, SIG_IGN);
}

/* Started with a closed standard descriptor, the next file opened would become stdout. Fill the
 * gaps with descriptors whose use fails as the closed one's would. */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF &&
		    open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) == -1)
			_exit(3);
	}
}

static int list_commands(void)
{
	for (const M2dCommand *const *c = m2d_commands; *c != NULL; c++)
		printf("%s\n", (*c)->name);
	return m2d_cmd_finish_stdout(NULL);
}

static int unknown_command(const char *name)
{
	const char *near = NULL;
	g_autofree char *shown = m2d_one_line(name);

	for (const M2dCommand *const *c = m2d_commands; *c != NULL; c++)
		near = m2d_near_better(name, near, (*c)->name);
	if (near != NULL)
		fprintf(stderr, "mmu2d: '%s' is not a command; did you mean '%s'?\n", shown, near);
	else
		fprintf(stderr, "mmu2d: '%s' is not a command; see 'mmu2d help'\n", shown);
	return 2;
}

const M2dCommand *m2d_command_find(const char *name)
{
	for (const M2dCommand *const *c = m2d_commands; *c != NULL; c++) {
		if (strcmp((*c)->name, name) == 0)
			return *c;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const M2dCommand *command;
	const char *arg = argc > 1 ? argv[1] : NULL;

	fill_standard_descriptors();
	/* Characters only: numbers read and print the same everywhere. */
	setlocale(LC_CTYPE, "");
	catch_signals();

	if (arg == NULL) {
		fprintf(stderr, "mmu2d: no command given; see 'mmu2d help'\n");
		return 2;
	}
	if (strcmp(arg, "--version") == 0 || strcmp(arg, "-V") == 0) {
		printf("mmu2d %s\n", M2D_VERSION);
		return m2d_cmd_finish_stdout(NULL);
	}
	if (strcmp(arg, "--list-cmds") == 0)
		return list_commands();
	if (strcmp(arg, "--list-opts") == 0) {
		printf("--help\n--list-cmds\n--list-opts\n--version\n");
		return m2d_cmd_finish_stdout(NULL);
	}
	if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
		char *help[] = {(char *)"help", NULL};

		return m2d_cmd_help.run(1, help);
	}
	if (arg[0] == '-') {
		g_autofree char *shown = m2d_one_line(arg);

		fprintf(stderr, "mmu2d: unknown option '%s' before the command; see 'mmu2d help'\n",
			shown);
		return 2;
	}
	command = m2d_command_find(arg);
	if (command == NULL)
		return unknown_command(arg);
	return command->run(argc - 1, argv + 1);
}
