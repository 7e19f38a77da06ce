/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Results in SQLite: one database holds any number of runs. The schema is sim/store/schema.sql,
 * described in mmu2d-db(5).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/replay/result.h"

typedef struct _M2dStore M2dStore;

/**
 * m2d_store_write: append @result as one run to the database at @path.
 * A missing database is made under a temporary name in the same directory and renamed; an
 * existing one is extended in one transaction. After a failure the old database is as it was, and
 * no new file is left. Wall-clock times are not stored: equal runs give equal bytes.
 * Returns the id of the run (1 or more), or -1 with @error: INPUT or IO if @path is not a database
 * of this program and version or cannot be written, TRANSIENT if it is locked by another process
 * for 3 seconds or the disk is full.
 */
int64_t m2d_store_write(const char *path, const M2dResult *result, GError **error);

/**
 * m2d_store_check: could a run be appended to @path? For asking before hours of work, not after.
 * True if the file is missing and its folder is not, or if it starts like a database of this
 * program and version; the rest shows on writing.
 */
bool m2d_store_check(const char *path, GError **error);

/**
 * m2d_store_open: open the database at @path for reading.
 * The file is checked in full: kind, version, schema and structure. Returns NULL with @error (codes
 * as for m2d_store_write()); close with m2d_store_close().
 */
M2dStore *m2d_store_open(const char *path, GError **error);
void m2d_store_close(M2dStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dStore, m2d_store_close)

/* m2d_store_runs: ids of all runs, ascending, as a GArray of int64_t; NULL with @error. */
GArray *m2d_store_runs(M2dStore *store, GError **error);

/**
 * m2d_store_load: read one run back.
 * Rows are verified against the digest that was stored with them. All fields are as they were
 * written, except seconds, which is 0. Returns NULL with @error if there is no such run or its
 * rows were altered; free with m2d_result_free().
 */
M2dResult *m2d_store_load(M2dStore *store, int64_t run_id, GError **error);
