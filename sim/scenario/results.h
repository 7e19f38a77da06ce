/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What steps gave against what the scenario says they should, and the verdict. */
#pragma once

#include "sim/scenario/runner.h"

/* m2d_scn_dirty_of: gfns that the host's last dirty-log operation reported, if @step is one; else
 * NULL. */
GArray *m2d_scn_dirty_of(const M2dVm *vm, const M2dScnStep *step);

/* m2d_scn_outcome_text: an outcome in the words of `->`; g_free(). */
char *m2d_scn_outcome_text(const M2dScnStep *step, const M2dScnStepEnd *end);

/**
 * m2d_scn_judge: fill in mismatches, failed claims and the verdict.
 * @results: compare what steps gave; @claims: look at claims. Findings always count.
 */
void m2d_scn_judge(const M2dScnWorld *w, M2dScnRun *run, bool results, bool claims);
