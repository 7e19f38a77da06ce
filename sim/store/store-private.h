/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of sim/store; not for others. */
#pragma once

#include <sqlite3.h>

#include "sim/store/store.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3_stmt, sqlite3_finalize)

struct _M2dStore {
	sqlite3 *db;
	char *path; /* for messages */
};

/* The text of schema.sql, from the build. */
extern const char m2d_store_schema[];

/**
 * m2d_store_fail: set @error for the last failure of SQLite on @store.
 * @what: what was being done, as in "cannot read"
 * Always returns false.
 */
bool m2d_store_fail(M2dStore *store, const char *what, GError **error);

/* m2d_store_connect: open @filename with SQLite's @flags; messages name @path. */
M2dStore *m2d_store_connect(const char *filename, const char *path, int flags, GError **error);

/**
 * m2d_store_check_file: is @path a regular file that starts like a database of ours?
 * Looks at the header alone, before SQLite does, so that the message can say what it is instead.
 */
bool m2d_store_check_file(const char *path, GError **error);

/* m2d_store_check_schema: every table and view of schema.sql is there, word for word. */
bool m2d_store_check_schema(M2dStore *store, GError **error);

/* m2d_store_exec: run @sql, which returns no rows. */
bool m2d_store_exec(M2dStore *store, const char *sql, GError **error);

/* m2d_store_prepare: compile one statement; NULL with @error. */
sqlite3_stmt *m2d_store_prepare(M2dStore *store, const char *sql, GError **error);

/**
 * m2d_store_next: step @stmt.
 * Returns true if a row is there. At the end, or with @error set after a failure, false.
 */
bool m2d_store_next(M2dStore *store, sqlite3_stmt *stmt, GError **error);

/* m2d_store_digest: SHA-256 over all rows of a run, in hexadecimal; NULL with @error. */
char *m2d_store_digest(M2dStore *store, int64_t run_id, GError **error);
