/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing native captures; see mmu2d-capture(5). */
#pragma once

#include "sim/capture/capture.h"

typedef struct _M2dCapWriter M2dCapWriter;

/**
 * m2d_cap_writer_new: start @path, of what @capture gives. "-" is stdout; a file is there under its
 * name when m2d_cap_writer_finish() has been called. End with that or m2d_cap_writer_abort().
 */
M2dCapWriter *m2d_cap_writer_new(const char *path, const M2dCapture *capture, GError **error);
/* m2d_cap_writer_add: the next event; after a failure, which finish tells, it does nothing. */
void m2d_cap_writer_add(M2dCapWriter *writer, const M2dCapEvent *event);
/* m2d_cap_writer_finish: after the last event; frees @writer. @bytes: of the file */
bool m2d_cap_writer_finish(M2dCapWriter *writer, uint64_t *bytes, GError **error);
/* m2d_cap_writer_abort: drop everything; NULL is allowed. */
void m2d_cap_writer_abort(M2dCapWriter *writer);
