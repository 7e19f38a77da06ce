/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of tracefs' trace and trace_pipe, and of trace-cmd report. Private to sim/capture.
 *
 *	TASK-PID [(TGID)] [CPU] [FLAGS] TIMESTAMP: EVENT: PAYLOAD
 *	CPU:N [LOST n EVENTS]            tracefs; trace-cmd says CPU:N [n EVENTS DROPPED]
 *	# comment
 */
#pragma once

#include "sim/capture/event.h"
#include "sim/capture/names.h"
#include "sim/capture/pattern.h"
#include "sim/trace/input.h"

typedef enum {
	M2D_CAP_LINE_EVENT,
	M2D_CAP_LINE_NOTHING, /* a comment, an empty line */
	M2D_CAP_LINE_LOST,    /* @e says of which CPU and how many */
	M2D_CAP_LINE_BAD,
} M2dCapLine;

typedef struct {
	M2dCapNames *names;
	const M2dCapPatterns *patterns;
	unsigned print_kind; /* what trace-cmd calls marks */
	/* Of the last line. */
	const char *comm; /* the task's name; not terminated */
	size_t comm_len;
	const char *bad;  /* where a bad line went wrong */
	const char *what; /* what was expected there */
	/* From the comment on top: events in the buffer, and written to it; 0: not said. */
	uint64_t in_buffer, written;
} M2dCapText;

/* m2d_cap_text_line: read one line into @e, all but its place. */
M2dCapLine m2d_cap_text_line(M2dCapText *text, const M2dLine *line, M2dCapEvent *e);
