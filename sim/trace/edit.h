/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work on whole traces: cutting a stretch out, merging several, printing records. */
#pragma once

#include "sim/trace/trace.h"

/**
 * M2dTraceEdit: what cut and merge have in common.
 * @read_flags: as of m2d_trace_reader_open()
 * @damage: called for each damaged part that was passed over; may be NULL
 */
typedef struct {
	unsigned read_flags;
	M2dTraceProgress progress; /* counts records read; may be NULL */
	void (*damage)(const char *path, const M2dTraceDamage *damage, void *data);
	void *data;     /* of both */
	uint64_t refs;  /* references written, on return */
	uint64_t ticks; /* records read; private */
} M2dTraceEdit;

/**
 * m2d_trace_cut: write references @from to @to - 1 of @in to @out, so that the result stands for
 * itself: stores to page tables before @from are applied to the pages, and initial events give
 * every vCPU's registers, mode and process as they were. A vCPU in guest mode gets an entry event
 * with guest = 1 ("already inside") that carries the guest's registers of that moment. Accessed
 * and dirty bits that hardware would have set before @from are not in the pages: no recorder sees
 * them, and hardware sets them again.
 * @to: ~0 for all the rest. Memory: the pages of @in.
 */
gboolean m2d_trace_cut(M2dTraceEdit *edit, const char *in, const char *out, uint64_t from,
		       uint64_t to, GError **error);

/**
 * m2d_trace_merge: interleave @n traces, @every references of each in turn. The vCPUs of a trace
 * follow those of the one before it. Process numbers of traces without page tables are made
 * distinct; traces with tables must agree on the pages they share, for it is one memory then.
 */
gboolean m2d_trace_merge(M2dTraceEdit *edit, char *const *in, unsigned n, const char *out,
			 uint64_t every, GError **error);

/* m2d_trace_print: append one line (with its end) that shows @record. */
void m2d_trace_print(GString *text, const M2dTraceRecord *record);
