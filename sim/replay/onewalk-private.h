/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files that make a M2dWalkView only. */
#pragma once

#include "sim/mmu/mmu.h"
#include "sim/replay/onewalk.h"

/**
 * m2d_onewalk_scout: what an access would read without any cache, leaving no trace: bits, caches,
 * clocks and counters are afterwards what they were before.
 */
M2dOutcomeKind m2d_onewalk_scout(M2dMmu *mmu, const M2dAccess *access, M2dOutcome *out,
				 M2dWalkLog *log);

/* m2d_onewalk_edits: apply @edits to the entries that @access reads. */
bool m2d_onewalk_edits(M2dMmu *mmu, const M2dAccess *access, char **edits, GError **error);

/**
 * m2d_onewalk_perform: prepare the caches as @options say, access once, keep it all.
 * @keep_data: the data caches are a replay's; with M2dOneWalkOptions.caches they stay as they are
 */
M2dWalkView *m2d_onewalk_perform(M2dMmu *mmu, const M2dAccess *access,
				 const M2dOneWalkOptions *options, bool keep_data, GError **error);
