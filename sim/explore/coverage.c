/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/coverage.h"

#include <string.h>

#include "sim/vm/request.h"

/* Some actor has an operation of this kind. */
static bool has_op(const M2dScenario *s, unsigned kind)
{
	for (unsigned i = 0; i < s->n_steps; i++)
		if (!s->steps[i].is_continue && s->steps[i].op.kind == (M2dOpKind)kind)
			return true;
	return false;
}

/* The segment belongs to an operation of @s, or to a routine that one of them calls. */
static bool is_reached(const M2dScenario *s, const M2dFootRow *row, const bool *called)
{
	M2dSegment at = row->at;

	/* Routines that carry out operations start with one; the rest of theirs is of others, too.
	 */
	if (at.kind == M2D_SEG_START && at.what != 0)
		return has_op(s, at.what - 1u);
	return called[at.routine] && (at.kind != M2D_SEG_AFTER || called[at.what]);
}

void m2d_ex_reachable_points(const M2dScenario *s, bool *points)
{
	bool called[M2D_N_ROUTINES] = {false}, more = true;
	const M2dFootRow *row;

	memset(points, 0, M2D_N_POINTS * sizeof(*points));
	while (more) {
		more = false;
		for (unsigned i = 0; (row = m2d_footprints_row(i)) != NULL; i++) {
			if (!is_reached(s, row, called))
				continue;
			if (row->at.kind == M2D_SEG_POINT)
				points[row->at.what] = true;
			for (const uint8_t *r = row->called; *r != 0; r++) {
				more |= !called[*r];
				called[*r] = true;
			}
		}
	}
}
