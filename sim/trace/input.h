/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input of importers: plain or gzip, file or stdin, as bytes or lines. For sim/trace
 * and sim/capture. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct _M2dInput M2dInput;

/* m2d_input_open: @path or "-"; gzip is told by its magic. */
M2dInput *m2d_input_open(const char *path, GError **error);
void m2d_input_close(M2dInput *input);

/**
 * m2d_input_peek: up to @want (at most 64 KiB) decompressed bytes, fewer at the end only.
 * Valid until the next call. NULL with @error if reading or decompressing fails.
 */
const uint8_t *m2d_input_peek(M2dInput *input, size_t want, size_t *got, GError **error);
void m2d_input_consume(M2dInput *input, size_t len);

/* A line without its end ("\n" or "\r\n"); not terminated by a NUL. */
typedef struct {
	const char *p;
	size_t len;
	uint64_t number; /* from 1 */
	bool unended;    /* the last one, without an end */
} M2dLine;

/* m2d_input_line: 1 with the next line, 0 at the end, -1 with @error (also for lines of more than
 * 4096 bytes). */
int m2d_input_line(M2dInput *input, M2dLine *line, GError **error);

/* m2d_input_line_error: set @error to "NAME:line:column: ..."; column from 1. */
void m2d_input_line_error(const M2dInput *input, GError **error, const M2dLine *line, size_t column,
			  const char *what);
/* m2d_input_error: set @error to "NAME: offset N: ..." for the byte @ahead of the next one. */
void m2d_input_error(const M2dInput *input, GError **error, size_t ahead, const char *format, ...)
	G_GNUC_PRINTF(4, 5);
/* m2d_input_progress: bytes of the file read so far and in all (0: unknown). */
uint64_t m2d_input_progress(const M2dInput *input, uint64_t *total);
