/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Appending a run to a result database, and making the database if there is none. */
#include "sim/store/store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sim/base/bits.h"
#include "sim/base/error.h"

/* Bind the arguments, one a letter of @types (i: int64_t, t: text or NULL), and run @stmt once. */
static bool insert(M2dStore *store, sqlite3_stmt *stmt, GError **error, const char *types, ...)
{
	bool ok = true;
	va_list args;

	va_start(args, types);
	for (int i = 0; types[i] != '\0' && ok; i++) {
		int rc = types[i] == 'i'
				 ? sqlite3_bind_int64(stmt, i + 1, va_arg(args, int64_t))
				 : sqlite3_bind_text(stmt, i + 1, va_arg(args, const char *), -1,
						     SQLITE_STATIC);
		ok = rc == SQLITE_OK;
	}
	va_end(args);
	if (!ok || sqlite3_step(stmt) != SQLITE_DONE)
		return m2d_store_fail(store, "write", error);
	sqlite3_reset(stmt);
	return true;
}

/* NULL is only kept where it means something. */
static const char *text(const char *s)
{
	return s != NULL ? s : "";
}

static bool write_counter_kinds(M2dStore *store, GError **error)
{
	g_autoptr(sqlite3_stmt) stmt = m2d_store_prepare(
		store, "INSERT OR IGNORE INTO counter_kinds VALUES (?1, ?2)", error);
	bool ok = stmt != NULL;

	for (unsigned i = 0; i < M2D_N_COUNTERS && ok; i++)
		ok = insert(store, stmt, error, "tt", m2d_counter_name(i), m2d_counter_text(i));
	return ok;
}

static int64_t write_run(M2dStore *store, const M2dResult *r, GError **error)
{
	g_autoptr(sqlite3_stmt) stmt = m2d_store_prepare(
		store,
		"INSERT INTO runs (program_version, command_line, trace, trace_sha256, machine, "
		"mmu, timing, seed, n_vcpus, refs, cycles, interrupted, digest) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, '')",
		error);

	if (stmt == NULL || !insert(store, stmt, error, "tttttttiiiii", M2D_VERSION,
				    text(r->command_line), text(r->trace), r->trace_sha256,
				    text(r->machine), text(r->mmu), text(r->timing),
				    (int64_t)r->seed, (int64_t)r->n_vcpus, (int64_t)r->total.c.refs,
				    (int64_t)m2d_stats_cycles(&r->total), (int64_t)r->interrupted))
		return -1;
	return sqlite3_last_insert_rowid(store->db);
}

static bool write_config(M2dStore *store, int64_t run, const M2dResult *r, GError **error)
{
	/* A key given twice: the last one held. */
	g_autoptr(sqlite3_stmt) stmt =
		m2d_store_prepare(store,
				  "INSERT INTO configs (run_id, key, value) VALUES (?1, ?2, ?3) "
				  "ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value",
				  error);
	bool ok = stmt != NULL;

	for (guint i = 0; i < r->config->len && ok; i++) {
		const M2dConfigItem *item = &g_array_index(r->config, M2dConfigItem, i);

		ok = insert(store, stmt, error, "itt", run, text(item->key), text(item->value));
	}
	return ok;
}

static bool write_counters(M2dStore *store, int64_t run, int64_t vcpu, const M2dStats *stats,
			   GError **error)
{
	const uint64_t *values = (const uint64_t *)&stats->c;
	g_autoptr(sqlite3_stmt) stmt =
		m2d_store_prepare(store, "INSERT INTO counters VALUES (?1, ?2, ?3, ?4)", error);
	bool ok = stmt != NULL;

	for (unsigned i = 0; i < M2D_N_COUNTERS && ok; i++)
		ok = insert(store, stmt, error, "iiti", run, vcpu, m2d_counter_name(i),
			    (int64_t)values[i]);
	return ok;
}

static bool write_cycles(M2dStore *store, int64_t run, int64_t vcpu, const M2dStats *stats,
			 GError **error)
{
	g_autoptr(sqlite3_stmt) stmt =
		m2d_store_prepare(store, "INSERT INTO cycles VALUES (?1, ?2, ?3, ?4, ?5)", error);
	bool ok = stmt != NULL;

	for (unsigned i = 0; i < M2D_N_CAUSES && ok; i++)
		ok = insert(store, stmt, error, "iitti", run, vcpu, m2d_cause_name(i),
			    m2d_class_name(m2d_cause_class(i)), (int64_t)stats->cycles[i]);
	return ok;
}

static bool write_walk_refs(M2dStore *store, int64_t run, int64_t vcpu, const M2dStats *stats,
			    GError **error)
{
	g_autoptr(sqlite3_stmt) stmt =
		m2d_store_prepare(store, "INSERT INTO walk_refs VALUES (?1, ?2, ?3, ?4)", error);
	bool ok = stmt != NULL;

	for (unsigned i = 0; i < M2D_MAX_WALK_REFS && ok; i++)
		if (stats->walk_refs_hist[i] != 0)
			ok = insert(store, stmt, error, "iiii", run, vcpu, (int64_t)i,
				    (int64_t)stats->walk_refs_hist[i]);
	return ok;
}

static bool write_bill(M2dStore *store, int64_t run, int64_t vcpu, const M2dStats *stats,
		       GError **error)
{
	static const M2dFlushBill zero;
	g_autoptr(sqlite3_stmt) stmt = m2d_store_prepare(
		store, "INSERT INTO flush_bill VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", error);
	bool ok = stmt != NULL;

	for (unsigned i = 0; i < M2D_N_FLUSHES && ok; i++) {
		const M2dFlushBill *b = &stats->bill[i];

		if (memcmp(b, &zero, sizeof(zero)) != 0)
			ok = insert(store, stmt, error, "iitiiiiii", run, vcpu, m2d_flush_name(i),
				    (int64_t)b->count, (int64_t)b->direct_cycles,
				    (int64_t)b->indirect_cycles, (int64_t)b->dropped,
				    (int64_t)b->refilled, (int64_t)b->over_flushed);
	}
	return ok;
}

static bool write_vcpus(M2dStore *store, int64_t run, const M2dResult *r, GError **error)
{
	g_autoptr(sqlite3_stmt) stmt =
		m2d_store_prepare(store, "INSERT INTO vcpus VALUES (?1, ?2, ?3)", error);
	bool ok = stmt != NULL;

	for (unsigned i = 0; i < r->n_vcpus && ok; i++)
		ok = insert(store, stmt, error, "iii", run, (int64_t)i,
			    (int64_t)r->vcpu_cycles[i]) &&
		     write_counters(store, run, i, &r->vcpu[i], error) &&
		     write_cycles(store, run, i, &r->vcpu[i], error) &&
		     write_walk_refs(store, run, i, &r->vcpu[i], error) &&
		     write_bill(store, run, i, &r->vcpu[i], error);
	return ok;
}

static bool write_samples(M2dStore *store, int64_t run, const M2dResult *r, GError **error)
{
	g_autoptr(sqlite3_stmt) sample = m2d_store_prepare(
		store, "INSERT INTO samples (run_id, ref, cycles) VALUES (?1, ?2, ?3)", error);
	g_autoptr(sqlite3_stmt) counter =
		sample == NULL
			? NULL
			: m2d_store_prepare(
				  store, "INSERT INTO sample_counters VALUES (?1, ?2, ?3)", error);
	bool ok = counter != NULL;

	for (guint i = 0; i < r->samples->len && ok; i++) {
		const M2dSample *s = &g_array_index(r->samples, M2dSample, i);
		const uint64_t *values = (const uint64_t *)&s->c;
		int64_t id;

		/* Two samples at one reference: the later one is the state after it. */
		if (i + 1 < r->samples->len && s[1].ref == s->ref)
			continue;
		ok = insert(store, sample, error, "iii", run, (int64_t)s->ref, (int64_t)s->cycles);
		id = sqlite3_last_insert_rowid(store->db);
		for (unsigned k = 0; k < M2D_N_COUNTERS && ok; k++)
			if (values[k] != 0)
				ok = insert(store, counter, error, "iti", id, m2d_counter_name(k),
					    (int64_t)values[k]);
	}
	return ok;
}

static bool write_violations(M2dStore *store, int64_t run, const M2dResult *r, GError **error)
{
	g_autoptr(sqlite3_stmt) stmt =
		m2d_store_prepare(store,
				  "INSERT INTO violations (run_id, invariant, ref, vcpu, story) "
				  "VALUES (?1, ?2, ?3, ?4, ?5)",
				  error);
	bool ok = stmt != NULL;

	for (guint i = 0; i < r->violations->len && ok; i++) {
		const M2dViolation *v = &g_array_index(r->violations, M2dViolation, i);

		ok = insert(store, stmt, error, "itiit", run, text(v->invariant), (int64_t)v->ref,
			    (int64_t)v->vcpu, text(v->story));
	}
	return ok;
}

static bool write_digest(M2dStore *store, int64_t run, GError **error)
{
	g_autofree char *digest = m2d_store_digest(store, run, error);
	g_autoptr(sqlite3_stmt) stmt = NULL;

	if (digest == NULL)
		return false;
	stmt = m2d_store_prepare(store, "UPDATE runs SET digest = ?1 WHERE id = ?2", error);
	return stmt != NULL && insert(store, stmt, error, "ti", digest, run);
}

/* Inside a transaction: all rows of one run. Returns its id, or -1 with @error. */
static int64_t write_all(M2dStore *store, const M2dResult *r, GError **error)
{
	int64_t run;

	if (!write_counter_kinds(store, error))
		return -1;
	run = write_run(store, r, error);
	if (run < 0 || !write_config(store, run, r, error) || !write_vcpus(store, run, r, error) ||
	    !write_samples(store, run, r, error) || !write_violations(store, run, r, error) ||
	    !write_digest(store, run, error))
		return -1;
	return run;
}

static int64_t append(const char *path, const M2dResult *r, GError **error)
{
	g_autoptr(M2dStore) store = NULL;
	int64_t run;

	if (!m2d_store_check_file(path, error))
		return -1;
	store = m2d_store_connect(path, path, SQLITE_OPEN_READWRITE, error);
	if (store == NULL || !m2d_store_exec(store, "BEGIN IMMEDIATE", error))
		return -1;
	run = m2d_store_check_schema(store, error) ? write_all(store, r, error) : -1;
	if (run > 0 && m2d_store_exec(store, "COMMIT", error))
		return run;
	sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

/*
 * Give @temporary its final name, unless another process made @path meanwhile: then *@lost is
 * set, for its run must not be overwritten.
 */
static bool publish(const char *temporary, const char *path, bool *lost, GError **error)
{
	int rc = renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE);

	if (rc != 0 && (errno == EINVAL || errno == ENOSYS)) {
		/* A file system that cannot refuse to replace can still refuse a second link. */
		rc = link(temporary, path);
		if (rc == 0)
			unlink(temporary);
	}
	if (rc != 0 && (errno == EPERM || errno == EOPNOTSUPP))
		rc = rename(temporary, path);
	*lost = rc != 0 && errno == EEXIST;
	if (rc != 0 && !*lost)
		m2d_error_from_errno(error, errno, "create", path);
	return rc == 0;
}

static int64_t fill_new(const char *temporary, const char *path, const M2dResult *r, GError **error)
{
	/* Thrown away if anything fails, so no journal; page size fixed for equal bytes. */
	static const char setup[] = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
				    "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'";
	g_autoptr(M2dStore) store =
		m2d_store_connect(temporary, path, SQLITE_OPEN_READWRITE, error);
	int64_t run;

	if (store == NULL || !m2d_store_exec(store, setup, error) ||
	    !m2d_store_exec(store, "BEGIN EXCLUSIVE", error) ||
	    !m2d_store_exec(store, m2d_store_schema, error))
		return -1;
	run = write_all(store, r, error);
	if (run < 0 || !m2d_store_exec(store, "COMMIT", error))
		return -1;
	return run;
}

static int64_t create(const char *path, const M2dResult *r, bool *lost, GError **error)
{
	g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
	int fd = g_mkstemp_full(temporary, O_RDWR | O_CLOEXEC, 0666);
	int64_t run;

	*lost = false;
	if (fd < 0) {
		m2d_error_from_errno(error, errno, "create", path);
		return -1;
	}
	close(fd);
	run = fill_new(temporary, path, r, error);
	if (run > 0 && publish(temporary, path, lost, error))
		return run;
	g_unlink(temporary);
	return -1;
}

static bool is_missing(const char *path)
{
	return access(path, F_OK) != 0 && errno == ENOENT;
}

static bool check_name(const char *path, GError **error)
{
	if (path[0] != '\0')
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "empty name, expected that of a database");
	return false;
}

bool m2d_store_check(const char *path, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);

	if (!check_name(path, error))
		return false;
	if (!is_missing(path))
		return m2d_store_check_file(path, error);
	if (g_file_test(folder, G_FILE_TEST_IS_DIR))
		return true;
	m2d_error_from_errno(error, ENOENT, "create", path);
	return false;
}

int64_t m2d_store_write(const char *path, const M2dResult *result, GError **error)
{
	bool lost = false;
	int64_t run;

	g_return_val_if_fail(path != NULL && result != NULL, -1);
	if (!check_name(path, error))
		return -1;
	if (is_missing(path)) {
		run = create(path, result, &lost, error);
		if (!lost)
			return run;
	}
	return append(path, result, error);
}
