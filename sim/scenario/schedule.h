/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Schedule files: one exact order of micro-steps of one variant, as text:
 *
 *	mmu2d-schedule 1
 *	scenario PATH
 *	sha256 DIGEST		of the scenario file
 *	variant NAME		absent: the scenario has none
 *	kvm PROFILE
 *	choices v0*7 h*3 v1	actor, and how many micro-steps if more than one
 *	state HASH		of the world at the end; absent: not checked
 */
#pragma once

#include "sim/scenario/runner.h"

typedef struct {
	char *path;
	char *sha256;
	char *variant; /* NULL: none */
	char *kvm;
	GArray *choices; /* of M2dScnChoice */
	uint64_t state;
	bool has_state;
} M2dSchedule;

void m2d_schedule_free(M2dSchedule *schedule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dSchedule, m2d_schedule_free)

/* m2d_schedule_load: errors name file, line and what was expected. */
M2dSchedule *m2d_schedule_load(const char *path, GError **error);

/* m2d_schedule_text: the file for @run, whose scenario file has the bytes @text; g_free(). */
char *m2d_schedule_text(const M2dScnRun *run, unsigned n_vcpus, const char *text, gsize len);
