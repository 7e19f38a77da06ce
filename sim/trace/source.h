/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A buffered input with look-ahead, on files and pipes. Private to sim/trace. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct _M2dSource M2dSource;

/* m2d_source_open: @path or "-" for stdin. */
M2dSource *m2d_source_open(const char *path, GError **error);
void m2d_source_close(M2dSource *source);
/**
 * m2d_source_peek: the next bytes without consuming them.
 * @want: how many; fewer come at the end only
 * @got: how many came
 * The bytes, and M2D_SECTION_SLACK readable ones behind them, are valid until the next call.
 * Returns NULL with @error if reading fails.
 */
const uint8_t *m2d_source_peek(M2dSource *source, size_t want, size_t *got, GError **error);
/* m2d_source_consume: @len bytes, at most as many as the last peek gave. */
void m2d_source_consume(M2dSource *source, size_t len);
/* m2d_source_seek: go to byte @offset; only if m2d_source_size() is not 0. */
gboolean m2d_source_seek(M2dSource *source, uint64_t offset, GError **error);
uint64_t m2d_source_offset(const M2dSource *source);
/* m2d_source_size: bytes of a regular file when it was opened; 0 for pipes. */
uint64_t m2d_source_size(const M2dSource *source);
const char *m2d_source_name(const M2dSource *source);
