/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening and checking a result database.
 *
 * A file is judged in three steps, each with its own message: the 100-byte header read by hand
 * (is it a database, ours, of a version we know), the schema compared with ours word for word, and
 * SQLite's own check of the structure. Values are judged on loading, by the digest of each run.
 */
#include "sim/store/store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"

/* Milliseconds to wait for another process: a reader waits for a commit, which takes less. */
#define READ_WAIT  1000
#define WRITE_WAIT 3000

/* Offsets in the header, from "Database File Format" of SQLite's documentation. */
#define HEADER_SIZE           100
#define HEADER_PAGE_SIZE      16 /* two bytes; 1 stands for 65536 */
#define HEADER_SCHEMA_FORMAT  44
#define HEADER_USER_VERSION   60
#define HEADER_APPLICATION_ID 68

/* The latest that SQLite reads; 0 is that of a database without tables. */
#define SCHEMA_FORMAT 4u

/* SQLite's message up to the end of its first line: it may quote pieces of a damaged file. */
static char *message(sqlite3 *db)
{
	char *text = g_utf8_make_valid(sqlite3_errmsg(db), -1);

	text[strcspn(text, "\n")] = '\0';
	for (char *p = text; *p != '\0'; p++)
		if (g_ascii_iscntrl(*p))
			*p = ' ';
	return text;
}

bool m2d_store_fail(M2dStore *store, const char *what, GError **error)
{
	sqlite3 *db = store->db;
	g_autofree char *why = message(db);
	int errnum;

	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT,
			    "%s: cannot %s: locked by another process; try again", store->path,
			    what);
		break;
	case SQLITE_FULL:
		m2d_error_from_errno(error, ENOSPC, what, store->path);
		break;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		errnum = sqlite3_system_errno(db);
		if (errnum != 0)
			m2d_error_from_errno(error, errnum, what, store->path);
		else
			g_set_error(error, M2D_ERROR, M2D_ERROR_IO, "%s: cannot %s: %s",
				    store->path, what, why);
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		g_set_error(error, M2D_ERROR, M2D_ERROR_IO, "%s: cannot %s: %s", store->path, what,
			    why);
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: corrupted database: %s (extended code %d)", store->path, why,
			    sqlite3_extended_errcode(db));
		break;
	case SQLITE_NOMEM:
	case SQLITE_TOOBIG:
		g_set_error(error, M2D_ERROR, M2D_ERROR_BOUND, "%s: cannot %s: %s", store->path,
			    what, why);
		break;
	default:
		g_set_error(error, M2D_ERROR, M2D_ERROR_INTERNAL, "%s: cannot %s: %s", store->path,
			    what, why);
	}
	return false;
}

M2dStore *m2d_store_connect(const char *filename, const char *path, int flags, GError **error)
{
	g_autoptr(M2dStore) store = g_new0(M2dStore, 1);
	/* Names that SQLite takes for something else than a file, such as ":memory:". */
	g_autofree char *name = strchr(filename, '/') != NULL || flags & SQLITE_OPEN_MEMORY
					? g_strdup(filename)
					: g_strconcat("./", filename, NULL);

	store->path = g_strdup(path);
	if (sqlite3_open_v2(name, &store->db, flags | SQLITE_OPEN_PRIVATECACHE, NULL) !=
	    SQLITE_OK) {
		if (store->db == NULL)
			g_set_error(error, M2D_ERROR, M2D_ERROR_BOUND, "%s: out of memory", path);
		else
			m2d_store_fail(store, "open", error);
		return NULL;
	}
	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, flags & SQLITE_OPEN_READONLY ? READ_WAIT : WRITE_WAIT);
	/* A foreign schema may hold triggers and views that call anything: don't trust it. */
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return g_steal_pointer(&store);
}

bool m2d_store_exec(M2dStore *store, const char *sql, GError **error)
{
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return m2d_store_fail(store, "write", error);
	return true;
}

sqlite3_stmt *m2d_store_prepare(M2dStore *store, const char *sql, GError **error)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
		m2d_store_fail(store, "read", error);
		return NULL;
	}
	return stmt;
}

bool m2d_store_next(M2dStore *store, sqlite3_stmt *stmt, GError **error)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		m2d_store_fail(store, "read", error);
	return false;
}

static bool pragma_value(M2dStore *store, const char *sql, int64_t *value, GError **error)
{
	g_autoptr(sqlite3_stmt) stmt = m2d_store_prepare(store, sql, error);

	if (stmt == NULL)
		return false;
	*value = m2d_store_next(store, stmt, error) ? sqlite3_column_int64(stmt, 0) : 0;
	return true;
}

/* An empty database in memory made by schema.sql: what a good one looks like. */
static M2dStore *model(GError **error)
{
	g_autoptr(M2dStore) store = m2d_store_connect(
		":memory:", "schema.sql",
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, error);

	if (store == NULL || !m2d_store_exec(store, m2d_store_schema, error))
		return NULL;
	return g_steal_pointer(&store);
}

/* All bytes up to @size of @path, or fewer at its end; -1 with @error. @whole: bytes of the file.
 */
static ssize_t read_start(const char *path, uint8_t *buf, size_t size, uint64_t *whole,
			  GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0) {
		m2d_error_from_errno(error, errno, "open", path);
		return -1;
	}
	if (fstat(fd, &st) != 0) {
		m2d_error_from_errno(error, errno, "stat", path);
		close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: %s, expected a database of mmu2d", path,
			    S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
		close(fd);
		return -1;
	}
	*whole = (uint64_t)st.st_size;
	n = read(fd, buf, size);
	if (n < 0)
		m2d_error_from_errno(error, errno, "read", path);
	close(fd);
	return n;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* SQLite takes what is missing of the last page for zeros. */
static bool whole_pages(const char *path, const uint8_t *header, uint64_t size, GError **error)
{
	uint64_t page = (uint64_t)header[HEADER_PAGE_SIZE] << 8 | header[HEADER_PAGE_SIZE + 1];

	page = page == 1 ? 65536 : page;
	if (page == 0 || size % page != 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: offset %" G_GUINT64_FORMAT ": truncated, expected whole pages of "
			    "%" G_GUINT64_FORMAT " bytes",
			    path, size, page);
		return false;
	}
	return true;
}

bool m2d_store_check_file(const char *path, GError **error)
{
	static const char magic[16] = "SQLite format 3";
	uint8_t header[HEADER_SIZE];
	int64_t application_id, user_version;
	uint64_t whole;
	ssize_t n = read_start(path, header, sizeof(header), &whole, error);
	g_autoptr(M2dStore) good = NULL;

	if (n < 0)
		return false;
	if (n == 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: empty file, expected a database of mmu2d", path);
		return false;
	}
	if (memcmp(header, magic, MIN((size_t)n, sizeof(magic))) != 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: offset 0: not a SQLite database (no magic \"%s\")", path, magic);
		return false;
	}
	if (n < HEADER_SIZE) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: offset %d: truncated, a database header takes %d bytes", path,
			    (int)n, HEADER_SIZE);
		return false;
	}
	good = model(error);
	if (good == NULL || !pragma_value(good, "PRAGMA application_id", &application_id, error) ||
	    !pragma_value(good, "PRAGMA user_version", &user_version, error))
		return false;
	if (be32(header + HEADER_APPLICATION_ID) != (uint32_t)application_id) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: offset %d: a database of another program (application id 0x%08x, "
			    "expected 0x%08x)",
			    path, HEADER_APPLICATION_ID, be32(header + HEADER_APPLICATION_ID),
			    (uint32_t)application_id);
		return false;
	}
	if (be32(header + HEADER_USER_VERSION) != (uint32_t)user_version) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: offset %d: schema version %u, this program knows only %u", path,
			    HEADER_USER_VERSION, be32(header + HEADER_USER_VERSION),
			    (uint32_t)user_version);
		return false;
	}
	if (be32(header + HEADER_SCHEMA_FORMAT) > SCHEMA_FORMAT) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: offset %d: schema format %u, expected at most %u", path,
			    HEADER_SCHEMA_FORMAT, be32(header + HEADER_SCHEMA_FORMAT),
			    SCHEMA_FORMAT);
		return false;
	}
	return whole_pages(path, header, whole, error);
}

bool m2d_store_check_schema(M2dStore *store, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(M2dStore) good = model(error);
	g_autoptr(sqlite3_stmt) want = NULL;
	g_autoptr(sqlite3_stmt) have = NULL;

	if (good == NULL)
		return false;
	want = m2d_store_prepare(good,
				 "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL "
				 "ORDER BY name",
				 error);
	have = want == NULL ? NULL
			    : m2d_store_prepare(store,
						"SELECT 1 FROM sqlite_schema WHERE type = ?1 AND "
						"name = ?2 AND sql = ?3",
						error);
	if (have == NULL)
		return false;
	while (m2d_store_next(good, want, &local)) {
		for (int i = 0; i < 3; i++)
			sqlite3_bind_value(have, i + 1, sqlite3_column_value(want, i));
		if (!m2d_store_next(store, have, &local)) {
			if (local == NULL)
				g_set_error(&local, M2D_ERROR, M2D_ERROR_INPUT,
					    "%s: corrupted or altered: %s %s is missing or differs "
					    "from schema.sql",
					    store->path, sqlite3_column_text(want, 0),
					    sqlite3_column_text(want, 1));
			break;
		}
		sqlite3_reset(have);
	}
	if (local != NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return false;
	}
	return true;
}

static bool check_structure(M2dStore *store, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(sqlite3_stmt) stmt = m2d_store_prepare(store, "PRAGMA quick_check(1)", error);
	const char *text;
	g_autofree char *line = NULL;

	if (stmt == NULL)
		return false;
	if (!m2d_store_next(store, stmt, &local)) {
		if (local == NULL)
			return true;
		g_propagate_error(error, g_steal_pointer(&local));
		return false;
	}
	text = (const char *)sqlite3_column_text(stmt, 0);
	if (g_strcmp0(text, "ok") == 0)
		return true;
	/* SQLite heads its findings with a line of its own. */
	line = g_strdelimit(g_strdup(text != NULL ? text : "unknown"), "\n", ' ');
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: corrupted database: %s", store->path,
		    line);
	return false;
}

M2dStore *m2d_store_open(const char *path, GError **error)
{
	g_autoptr(M2dStore) store = NULL;

	if (!m2d_store_check_file(path, error))
		return NULL;
	store = m2d_store_connect(path, path, SQLITE_OPEN_READONLY, error);
	if (store == NULL || !m2d_store_check_schema(store, error) ||
	    !check_structure(store, error))
		return NULL;
	return g_steal_pointer(&store);
}

void m2d_store_close(M2dStore *store)
{
	if (store == NULL)
		return;
	sqlite3_close_v2(store->db);
	g_free(store->path);
	g_free(store);
}
