/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Subcommands: one file each, one entry in the table of mmu2d.c. A command parses its own argv
 * (argv[0] is the command's name), prints results to stdout and everything else to stderr, and
 * returns the exit status: 0 fine, 1 a violation or failed expectation, 2 bad usage or input,
 * 3 internal error or a bound reached, 75 transient.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/base/json.h"

typedef int (*M2dCommandFn)(int argc, char **argv);

typedef struct {
	const char *name;
	M2dCommandFn run;
	const char *summary; /* one line for `mmu2d help` */
	/* Options of the command, for --list-opts and completion; NULL-terminated entries. */
	const GOptionEntry *entries;
} M2dCommand;

extern const M2dCommand m2d_cmd_replay, m2d_cmd_import, m2d_cmd_trace, m2d_cmd_gen, m2d_cmd_walk,
	m2d_cmd_machines, m2d_cmd_knobs, m2d_cmd_profiles, m2d_cmd_plot, m2d_cmd_help, m2d_cmd_fmt,
	m2d_cmd_lint, m2d_cmd_ladder, m2d_cmd_run, m2d_cmd_explore, m2d_cmd_duties,
	m2d_cmd_invariants, m2d_cmd_check, m2d_cmd_timeline, m2d_cmd_record;

/**
 * m2d_cmd_parse: GOption with this program's manners.
 * @usage: what follows the command's name, e.g. "TRACE [OPTION...]"
 * Handles -h/--help and --list-opts itself. Returns true to go on; else *@status is the exit
 * status to return (0 after help, 2 after an error, already reported in one line).
 */
bool m2d_cmd_parse(const M2dCommand *cmd, const char *usage, const char *description, int *argc,
		   char ***argv, int *status);

/* m2d_cmd_fail: print "mmu2d COMMAND: message" and return the exit status for @error (freed). */
int m2d_cmd_fail(const M2dCommand *cmd, GError *error);
/* m2d_cmd_usage: print one line of usage error and return 2. */
int m2d_cmd_usage(const M2dCommand *cmd, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* m2d_cmd_choice: the index of @text among @names, which end with NULL; -1 if it is none. */
int m2d_cmd_choice(const char *text, const char *const *names);

/* m2d_cmd_print_json: print the document, which is complete, to stdout; frees @json. */
void m2d_cmd_print_json(M2dJson *json);
/**
 * m2d_cmd_finish_stdout: flush stdout and tell whether all of it could be written.
 * Returns 0, or 75 (ENOSPC) or 2 with one line on stderr. Every command ends with it.
 */
int m2d_cmd_finish_stdout(const M2dCommand *cmd);

/* --- long work ------------------------------------------------------------------------------ */

/* m2d_interrupted: true after SIGINT or SIGTERM (handlers installed by main); poll it. */
bool m2d_interrupted(void);
/* m2d_cmd_interrupted: say that it was, and return the exit status for that. */
int m2d_cmd_interrupted(const M2dCommand *cmd);

typedef struct _M2dProgress M2dProgress;
/**
 * m2d_progress_new: progress of @total units (0: unknown) on stderr if that is a terminal and
 * @quiet is false; otherwise a silent object. @unit names what is counted, e.g. "refs".
 */
M2dProgress *m2d_progress_new(const char *what, const char *unit, uint64_t total, bool quiet);
/* m2d_progress_update: cheap enough to call per batch; redraws at most ten times a second. */
void m2d_progress_update(M2dProgress *progress, uint64_t done);
/* m2d_progress_free: erase the line. */
void m2d_progress_free(M2dProgress *progress);
