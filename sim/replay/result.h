/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replay leaves behind: input to tables, JSON, SQLite and plots. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "sim/engine/stats.h"
#include "sim/replay/paid.h"

/* One key of the full, resolved configuration, in canonical order. */
typedef struct {
	char *key;
	char *value;
} M2dConfigItem;

/* Counters of all vCPUs together, accumulated since the start, at reference number @ref. */
typedef struct {
	uint64_t ref;
	uint64_t cycles; /* of all vCPUs together */
	M2dCounters c;
} M2dSample;

/* A finding: a broken expectation with the shortest text that explains it. */
typedef struct {
	char *invariant; /* kebab-case name */
	uint64_t ref;    /* ordinal of the reference in the trace */
	unsigned vcpu;
	char *story;
} M2dViolation;

/* m2d_violation_clear: free what a M2dViolation owns; for arrays of them. */
void m2d_violation_clear(gpointer violation);

typedef struct {
	char *trace;        /* path as given */
	char *trace_sha256; /* of the file's bytes, hexadecimal; NULL if not computed */
	char *command_line;
	char *machine;
	char *mmu;    /* "native", "npt", "ept", "recorded" or "shadow" */
	char *timing; /* "functional", "blocking" or "overlapped" */
	uint64_t seed;
	GArray *config; /* of M2dConfigItem */
	double seconds; /* wall clock of the replay itself; never stored in the database */
	unsigned n_vcpus;
	M2dStats *vcpu;        /* n_vcpus of them */
	uint64_t *vcpu_cycles; /* clock of each vCPU at the end */
	M2dStats total;
	GArray *samples;    /* of M2dSample */
	GArray *violations; /* of M2dViolation */
	/* With --beside: this trace as recorded, and the one to compare with; or both NULL. */
	M2dPaid *recorded, *beside;
	bool interrupted; /* stopped early by a signal: figures cover the part replayed */
} M2dResult;

/* m2d_result_new: empty, for @n_vcpus. m2d_result_free: with all it owns. */
M2dResult *m2d_result_new(unsigned n_vcpus);
void m2d_result_free(M2dResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dResult, m2d_result_free)

/* m2d_result_config: append one item; both strings are copied. */
void m2d_result_config(M2dResult *result, const char *key, const char *value);
/* m2d_result_violation: append a finding; strings are copied. */
void m2d_result_violation(M2dResult *result, const char *invariant, uint64_t ref, unsigned vcpu,
			  const char *story);
