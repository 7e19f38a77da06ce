/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One random run: world, program, schedule, checker and oracle; and how to make a find small. */
#pragma once

#include "tests/soundness/workload.h"

/* What was done, to be done again: groups in the order of their beginning. */
typedef struct {
	uint8_t actor;
	SndGroup group;
} SndRecord;

typedef struct {
	char *kind, *what; /* what was found, or NULL */
	char *story;       /* the checker's */
	uint64_t ops;      /* begun until then */
	uint64_t accesses, faults, mmio, loose, promises;
	GArray *log; /* of SndRecord */
} SndResult;

void snd_result_clear(SndResult *r);

/**
 * snd_run: run @c.
 * @script: groups to do instead of random ones, or NULL
 * False with @error if the world can't be built.
 */
bool snd_run(const SndConfig *c, const GArray *script, SndResult *result, GError **error);

/* snd_shrink: a shorter script of which a run finds the same kind of thing; g_array_unref(). */
GArray *snd_shrink(const SndConfig *c, const SndResult *found);

/* snd_print: @script as a scenario file; g_free(). */
char *snd_print(const SndConfig *c, const GArray *script);
