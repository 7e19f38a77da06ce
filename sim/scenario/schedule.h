/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Schedule files: one exact order of micro-steps of one variant, as text; see mmu2d-schedule(5).
 *
 *	mmu2d-schedule 1
 *	scenario PATH
 *	sha256 DIGEST		of the scenario file
 *	variant NAME		absent: the scenario has none
 *	kvm PROFILE
 *	without DUTY		one line each
 *	choices v0*7 h*3 v1 v1!	actor, and how many micro-steps if more than one; !: the actor
 *				begins its next step; z0+0x400000: see m2d_hw_text()
 *	state HASH		of the world at the end; absent: not checked
 */
#pragma once

#include "sim/scenario/runner.h"

typedef struct {
	char *path; /* of the scenario */
	char *sha256;
	char *variant;      /* NULL: none */
	char *kvm;          /* NULL: that of the variant */
	GPtrArray *without; /* of char *, NULL at the end */
	GArray *choices;    /* of M2dScnChoice */
	uint64_t state;
	bool has_state;
	/* For messages: the file, the line of the digest, and the highest vCPU with its line. */
	char *file;
	unsigned sha256_line, vcpu, vcpu_line;
} M2dSchedule;

void m2d_schedule_free(M2dSchedule *schedule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dSchedule, m2d_schedule_free)

/* m2d_schedule_load: errors name file, line and what was expected. */
M2dSchedule *m2d_schedule_load(const char *path, GError **error);

/**
 * m2d_schedule_is_of: whether @schedule was made of the scenario at @path with the bytes @text;
 * else false with an error that names the line.
 */
bool m2d_schedule_is_of(const M2dSchedule *schedule, const char *path, const char *text, gsize len,
			GError **error);
/* m2d_schedule_actors_fit: no vCPU beyond @n_vcpus is named; else false with an error alike. */
bool m2d_schedule_actors_fit(const M2dSchedule *schedule, unsigned n_vcpus, GError **error);

/**
 * m2d_schedule_text: the file for @run, whose scenario file has the bytes @text; g_free().
 * @without: names of the duties that it left out, NULL-terminated, or NULL
 */
char *m2d_schedule_text(const M2dScnRun *run, const char *const *without, unsigned n_vcpus,
			const char *text, gsize len);

/* m2d_schedule_save: the same into a file, which is complete or not there. */
bool m2d_schedule_save(const char *path, const M2dScnRun *run, const char *const *without,
		       unsigned n_vcpus, const char *text, gsize len, GError **error);
