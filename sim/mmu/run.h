/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many references in a row: replay's hot loop. Results are those of m2d_mmu_access() one by one;
 * hits in a first-level TLB are recognised without a search.
 */
#pragma once

#include "sim/mmu/mmu.h"
#include "sim/trace/record.h"

/* Called when the translation of @ref (number @index of the run) is not the recorded one. */
typedef void (*M2dMismatchFn)(M2dMmu *mmu, const M2dRef *ref, uint32_t index, uint64_t hpa,
			      void *data);

typedef struct {
	bool compare; /* with the frame in references that have one */
	bool skip_io; /* count references to devices, but do not translate them */
	M2dMismatchFn mismatch;
	void *data;
} M2dRunOptions;

/**
 * m2d_mmu_run: execute @refs[0..n-1], at most 2^20 of them, on the mode and registers in force.
 * Returns the number executed. If that is less than MIN(@n, 2^20), the reference at the returned
 * index faulted and *@fault tells why; its lookups and walk are counted, the reference is not.
 */
uint32_t m2d_mmu_run(M2dMmu *mmu, const M2dRef *refs, uint32_t n, const M2dRunOptions *options,
		     M2dOutcome *fault);
