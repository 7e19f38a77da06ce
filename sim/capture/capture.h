/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Captures: what a real KVM's tracepoints and kprobes recorded, read event by event in bounded
 * memory. A capture is text, of tracefs' trace or trace_pipe or of trace-cmd report, a trace.dat of
 * version 6 or 7, or a native one (native.h) made of either; plain or gzip; a file or "-" for
 * standard input.
 *
 * Events that this program knows nothing of are counted by name. A line that cannot be read becomes
 * an event of its own, M2D_CAP_BAD, so that whoever rebuilds state from events knows that it may
 * have missed something; so do events that the recorder lost, M2D_CAP_LOST.
 */
#pragma once

#include <glib.h>

#include "sim/capture/event.h"

typedef enum {
	M2D_CAP_AUTO,
	M2D_CAP_FTRACE,    /* text */
	M2D_CAP_TRACE_CMD, /* trace.dat, or the text that trace-cmd report makes of it */
} M2dCapFormat;

typedef struct _M2dCapture M2dCapture;

/* m2d_capture_probe: whether file @path begins like a capture. "-": standard input, a file or a
 * pipe, from which nothing is taken; waits until it has something or a signal comes. */
bool m2d_capture_probe(const char *path);

/* m2d_capture_open: NULL with @error if the file cannot be read or is no capture of @format. */
M2dCapture *m2d_capture_open(const char *path, M2dCapFormat format, GError **error);
void m2d_capture_close(M2dCapture *capture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dCapture, m2d_capture_close)

/**
 * m2d_capture_next: 1 with the next event; 0 at the end; -1 with @error if the rest cannot be read,
 * or nothing in the file was an event.
 */
int m2d_capture_next(M2dCapture *capture, M2dCapEvent *event, GError **error);

/* m2d_capture_name: of an event's kind. */
const char *m2d_capture_name(const M2dCapture *capture, unsigned kind);
/* m2d_capture_kinds: all kinds met so far are below this. */
unsigned m2d_capture_kinds(const M2dCapture *capture);
/* m2d_capture_exit_name: of an exit reason; @buf is for codes without a name. */
const char *m2d_capture_exit_name(const M2dCapture *capture, uint32_t reason, char buf[32]);
/* m2d_capture_task: the name of a task that was met, or "?". */
const char *m2d_capture_task(const M2dCapture *capture, uint32_t pid);
unsigned m2d_capture_tasks(const M2dCapture *capture);
/* m2d_capture_source: "ftrace text", "trace.dat version 7". */
const char *m2d_capture_source(const M2dCapture *capture);
/* m2d_capture_is_text: whether places are line numbers. */
bool m2d_capture_is_text(const M2dCapture *capture);

/* m2d_capture_bad: lines or records that could not be read, and a message about the first. */
uint64_t m2d_capture_bad(const M2dCapture *capture, const char **first);
/**
 * m2d_capture_cut: at the end of a text, what says that it is not all of it (a last line without an
 * end that cannot be read, fewer events than its first lines promise), or NULL.
 */
const char *m2d_capture_cut(const M2dCapture *capture);
/* m2d_capture_overwritten: events that the ring buffer had dropped before the first one. */
uint64_t m2d_capture_overwritten(const M2dCapture *capture);
/* m2d_capture_progress: bytes of the file read so far and in all (0: unknown). */
uint64_t m2d_capture_progress(const M2dCapture *capture, uint64_t *total);
