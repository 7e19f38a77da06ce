/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The digest of a run: SHA-256 over every column of its rows, table by table in key order. It
 * turns a flipped bit or an edited value, which SQLite itself cannot see, into an error.
 *
 * Ids are left out, so that a run keeps its digest when it is copied to another database. Each
 * value goes in as type, length and bytes; each table is preceded by its name.
 */
#include "sim/store/store-private.h"

#include <string.h>

#include "sim/base/bits.h"

static const struct {
	const char *table, *sql;
} parts[] = {
	{"runs", "SELECT program_version, command_line, trace, trace_sha256, machine, mmu, timing, "
		 "seed, n_vcpus, refs, cycles, interrupted FROM runs WHERE id = ?1"},
	{"configs", "SELECT key, value FROM configs WHERE run_id = ?1 ORDER BY id"},
	{"vcpus", "SELECT vcpu, clock FROM vcpus WHERE run_id = ?1 ORDER BY vcpu"},
	{"counters",
	 "SELECT vcpu, name, value FROM counters WHERE run_id = ?1 ORDER BY vcpu, name"},
	{"cycles",
	 "SELECT vcpu, cause, class, cycles FROM cycles WHERE run_id = ?1 ORDER BY vcpu, cause"},
	{"walk_refs",
	 "SELECT vcpu, refs, walks FROM walk_refs WHERE run_id = ?1 ORDER BY vcpu, refs"},
	{"samples", "SELECT ref, cycles FROM samples WHERE run_id = ?1 ORDER BY id"},
	{"sample_counters",
	 "SELECT s.ref, c.name, c.value FROM samples AS s JOIN sample_counters AS c "
	 "ON c.sample_id = s.id WHERE s.run_id = ?1 ORDER BY s.id, c.name"},
	{"flush_bill",
	 "SELECT vcpu, cause, count, direct_cycles, indirect_cycles, dropped, refilled, "
	 "over_flushed FROM flush_bill WHERE run_id = ?1 ORDER BY vcpu, cause"},
	{"violations",
	 "SELECT invariant, ref, vcpu, story FROM violations WHERE run_id = ?1 ORDER BY id"},
};

static void add_u64(GChecksum *sum, uint64_t v)
{
	uint64_t le = GUINT64_TO_LE(v);

	g_checksum_update(sum, (const guchar *)&le, sizeof(le));
}

static void add_value(GChecksum *sum, sqlite3_stmt *stmt, int column)
{
	int type = sqlite3_column_type(stmt, column);

	add_u64(sum, (uint64_t)type);
	if (type == SQLITE_INTEGER) {
		add_u64(sum, (uint64_t)sqlite3_column_int64(stmt, column));
	} else if (type != SQLITE_NULL) {
		const guchar *bytes = sqlite3_column_blob(stmt, column);
		int n = sqlite3_column_bytes(stmt, column);

		add_u64(sum, (uint64_t)n);
		if (n > 0)
			g_checksum_update(sum, bytes, n);
	}
}

char *m2d_store_digest(M2dStore *store, int64_t run_id, GError **error)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

	for (size_t i = 0; i < M2D_N_ELEMENTS(parts); i++) {
		g_autoptr(GError) local = NULL;
		g_autoptr(sqlite3_stmt) stmt = m2d_store_prepare(store, parts[i].sql, error);

		if (stmt == NULL)
			return NULL;
		g_checksum_update(sum, (const guchar *)parts[i].table,
				  (gssize)strlen(parts[i].table) + 1);
		sqlite3_bind_int64(stmt, 1, run_id);
		while (m2d_store_next(store, stmt, &local)) {
			int n = sqlite3_column_count(stmt);

			for (int c = 0; c < n; c++)
				add_value(sum, stmt, c);
		}
		if (local != NULL) {
			g_propagate_error(error, g_steal_pointer(&local));
			return NULL;
		}
	}
	return g_strdup(g_checksum_get_string(sum));
}
