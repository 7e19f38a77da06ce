/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d import` of captures of a real KVM. */
#pragma once

#include "sim/capture/tally.h"
#include "tools/cmd.h"

/* How captures are read by import and check. */
typedef struct {
	M2dCapFormat format;
	bool quiet;
	const char *what;   /* the command, for progress */
	const char *output; /* import: native capture to write; or NULL */
} M2dCaptureRead;

typedef void (*M2dCaptureFn)(const M2dCapture *capture, const M2dCapEvent *event, void *data);
/**
 * m2d_tool_read_capture: all events of @capture to @fn, with progress, interruptible.
 * Returns FALSE with @error; M2D_ERROR_TRANSIENT if interrupted.
 */
gboolean m2d_tool_read_capture(const M2dCaptureRead *read, M2dCapture *capture, M2dCaptureFn fn,
			       void *data, GError **error);
/* m2d_tool_window: "A,B" in seconds to ns of a recording's clock; both 0 for NULL: all. */
bool m2d_tool_window(const char *text, uint64_t *from, uint64_t *to);
/* m2d_tool_capture_status: 0, or 2 after one line on stderr if part of @capture could not be read.
 */
int m2d_tool_capture_status(const M2dCommand *cmd, const M2dCapture *capture);
/* m2d_tool_emit_tally: events, exits and derived figures as members of the open object. */
void m2d_tool_emit_tally(M2dJson *json, const M2dTally *tally, const M2dCapture *capture);

/* m2d_import_capture: count what is in capture @path, print that; returns the exit status. */
int m2d_import_capture(const M2dCommand *cmd, const char *path, const M2dCaptureRead *read,
		       bool json);
