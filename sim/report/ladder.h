/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ladder: what actors do, one column an actor, time running down. Ruled with '|' so that mail
 * archives, which eat white space, leave it readable.
 */
#pragma once

#include "sim/scenario/scenario.h"

typedef struct _M2dLadder M2dLadder;

#define M2D_LADDER_WIDTH     72u /* of a commit message */
#define M2D_LADDER_MIN_WIDTH 40u

/* m2d_ladder_new: a ladder without rows. */
M2dLadder *m2d_ladder_new(void);
/* m2d_ladder_free: also of NULL. */
void m2d_ladder_free(M2dLadder *ladder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dLadder, m2d_ladder_free)

/* m2d_ladder_column: add a column; returns its index. */
unsigned m2d_ladder_column(M2dLadder *ladder, const char *title);

/**
 * m2d_ladder_row: add a row.
 * @number: what stands in the first column, e.g. "1.2"; NULL: nothing
 * @text: of the cell in @column; lines are broken between words, further lines of a paragraph are
 *        indented, and a new paragraph begins at each line feed
 */
void m2d_ladder_row(M2dLadder *ladder, const char *number, unsigned column, const char *text);

/**
 * m2d_ladder_text: the whole as text; g_free().
 * @width: columns that no line exceeds, unless a single word does
 */
char *m2d_ladder_text(const M2dLadder *ladder, unsigned width);

/* m2d_ladder_steps: the ladder of @scenario as written, with the results of @variant (or -1). */
M2dLadder *m2d_ladder_steps(const M2dScenario *scenario, int variant);
