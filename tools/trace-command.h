/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d trace`: what its actions share. Each returns an exit status. */
#pragma once

#include "tools/cmd.h"

#include "sim/trace/edit.h"

/* The options of all actions. */
typedef struct {
	gboolean json, quiet, recover;
	char *output;
	char *refs;  /* A..B */
	char *kinds; /* comma-separated */
	gint64 limit, from_ref, every;
} M2dTraceOptions;

extern M2dTraceOptions m2d_trace_options;

int m2d_trace_info(const char *path);
int m2d_trace_dump(const char *path);
int m2d_trace_verify(const char *path);
int m2d_trace_do_cut(const char *path);
int m2d_trace_do_merge(char **paths, unsigned n);

/* m2d_trace_read_flags: flags for a reader as the options ask. */
unsigned m2d_trace_read_flags(void);
/* m2d_trace_warn: one line on stderr about a damaged part that was passed over. */
void m2d_trace_warn(const char *path, const M2dTraceDamage *damage);
/* m2d_trace_warn_all: the same for all that @reader met. */
void m2d_trace_warn_all(const char *path, const M2dTraceReader *reader);
/* m2d_trace_lost: "N references are lost", "what is lost cannot be told", ...; to g_free(). */
char *m2d_trace_lost(const M2dTraceDamage *damage);
