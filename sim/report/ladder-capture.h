/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A window of a capture as a ladder: a column a vCPU and one a task of the host, each event with
 * its time. Long rows of equal events of one task are folded.
 */
#pragma once

#include "sim/capture/capture.h"
#include "sim/report/ladder.h"

#define M2D_LADDER_MAX_EVENTS 20000u /* what nobody reads */

typedef struct {
	uint64_t from, to;    /* ns; both 0: any time */
	uint64_t first, last; /* places: lines or records; both 0: any */
	bool all;             /* fold nothing */
} M2dLadderWindow;

typedef struct _M2dLadderCapture M2dLadderCapture;

M2dLadderCapture *m2d_ladder_capture_new(const M2dLadderWindow *window);
void m2d_ladder_capture_free(M2dLadderCapture *lc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dLadderCapture, m2d_ladder_capture_free)
/* m2d_ladder_capture_add: every event of @capture, since those before the window tell which task
 * is which vCPU. */
void m2d_ladder_capture_add(M2dLadderCapture *lc, const M2dCapture *capture,
			    const M2dCapEvent *event);
/* m2d_ladder_capture_finish: NULL with @error if the window is empty or holds too much. */
M2dLadder *m2d_ladder_capture_finish(M2dLadderCapture *lc, const M2dCapture *capture,
				     GError **error);
