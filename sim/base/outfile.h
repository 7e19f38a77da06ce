/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file being made: written under a temporary name in the target's folder, put in its place when
 * complete. A target that is no regular file (device, pipe) or "-" (stdout) is written directly.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct _M2dOutFile M2dOutFile;

/* m2d_out_file_new: NULL with @error if the file cannot be made. End with commit or abort. */
M2dOutFile *m2d_out_file_new(const char *path, GError **error);
/* m2d_out_file_write: append @len bytes. After a failure only abort makes sense. */
gboolean m2d_out_file_write(M2dOutFile *file, const void *data, size_t len, GError **error);
/* m2d_out_file_offset: bytes written so far. */
uint64_t m2d_out_file_offset(const M2dOutFile *file);
/* m2d_out_file_commit: flush and rename; frees @file; leaves nothing behind on failure. */
gboolean m2d_out_file_commit(M2dOutFile *file, GError **error);
/* m2d_out_file_abort: remove what was written; NULL is allowed. */
void m2d_out_file_abort(M2dOutFile *file);
