/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a run back. Every row is judged: names must be known, numbers in range. */
#include "sim/store/store-private.h"

#include "sim/base/bits.h"
#include "sim/base/error.h"

/* How many vCPUs a run can have; as in schema.sql. */
#define MAX_VCPUS 65536

typedef struct {
	M2dStore *store;
	int64_t run;
	M2dResult *r;
	GHashTable *counters, *causes, *flushes; /* name to index */
} Load;

/* Takes one row; false with @error if it makes no sense. */
typedef bool (*RowFn)(Load *l, sqlite3_stmt *stmt, GError **error);

static char *text(sqlite3_stmt *stmt, int column)
{
	return g_strdup((const char *)sqlite3_column_text(stmt, column));
}

static uint64_t number(sqlite3_stmt *stmt, int column)
{
	return (uint64_t)sqlite3_column_int64(stmt, column);
}

/* The rows of the run that @sql selects (?1 is its id), each to @fn. */
static bool each_row(Load *l, const char *sql, RowFn fn, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(sqlite3_stmt) stmt = m2d_store_prepare(l->store, sql, error);

	if (stmt == NULL)
		return false;
	sqlite3_bind_int64(stmt, 1, l->run);
	while (m2d_store_next(l->store, stmt, &local))
		if (!fn(l, stmt, error))
			return false;
	if (local != NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return false;
	}
	return true;
}

/* The index of the name in @column; false with @error if this program has no such @kind. */
static bool look_up(Load *l, GHashTable *names, const char *kind, sqlite3_stmt *stmt, int column,
		    unsigned *index, GError **error)
{
	const char *name = (const char *)sqlite3_column_text(stmt, column);
	gpointer value = NULL;

	if (name == NULL || !g_hash_table_lookup_extended(names, name, NULL, &value)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: run %" G_GINT64_FORMAT ": %s \"%s\" is not known to this program; "
			    "expected a run of version %s",
			    l->store->path, l->run, kind, name != NULL ? name : "", M2D_VERSION);
		return false;
	}
	*index = GPOINTER_TO_UINT(value);
	return true;
}

/* The statistics of the vCPU in column 0; NULL with @error. */
static M2dStats *row_vcpu(Load *l, sqlite3_stmt *stmt, GError **error)
{
	int64_t vcpu = sqlite3_column_int64(stmt, 0);

	if (vcpu < 0 || vcpu >= l->r->n_vcpus) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: run %" G_GINT64_FORMAT ": vCPU %" G_GINT64_FORMAT
			    ", expected 0 to %u",
			    l->store->path, l->run, vcpu, l->r->n_vcpus - 1);
		return NULL;
	}
	return &l->r->vcpu[vcpu];
}

static bool row_run(Load *l, sqlite3_stmt *stmt, GError **error)
{
	int64_t n_vcpus = sqlite3_column_int64(stmt, 7);
	M2dResult *r;

	if (n_vcpus < 1 || n_vcpus > MAX_VCPUS) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: run %" G_GINT64_FORMAT ": %" G_GINT64_FORMAT
			    " vCPUs, expected 1 to %d",
			    l->store->path, l->run, n_vcpus, MAX_VCPUS);
		return false;
	}
	r = l->r = m2d_result_new((unsigned)n_vcpus);
	r->command_line = text(stmt, 0);
	r->trace = text(stmt, 1);
	r->trace_sha256 = text(stmt, 2);
	r->machine = text(stmt, 3);
	r->mmu = text(stmt, 4);
	r->timing = text(stmt, 5);
	r->seed = number(stmt, 6);
	r->interrupted = sqlite3_column_int(stmt, 8) != 0;
	return true;
}

static bool row_config(Load *l, sqlite3_stmt *stmt, GError **error)
{
	m2d_result_config(l->r, (const char *)sqlite3_column_text(stmt, 0),
			  (const char *)sqlite3_column_text(stmt, 1));
	return true;
}

static bool row_vcpu_clock(Load *l, sqlite3_stmt *stmt, GError **error)
{
	M2dStats *stats = row_vcpu(l, stmt, error);

	if (stats == NULL)
		return false;
	l->r->vcpu_cycles[stats - l->r->vcpu] = number(stmt, 1);
	return true;
}

static bool row_counter(Load *l, sqlite3_stmt *stmt, GError **error)
{
	M2dStats *stats = row_vcpu(l, stmt, error);
	unsigned i;

	if (stats == NULL || !look_up(l, l->counters, "counter", stmt, 1, &i, error))
		return false;
	((uint64_t *)&stats->c)[i] = number(stmt, 2);
	return true;
}

static bool row_cycles(Load *l, sqlite3_stmt *stmt, GError **error)
{
	M2dStats *stats = row_vcpu(l, stmt, error);
	unsigned i;

	if (stats == NULL || !look_up(l, l->causes, "cause of cycles", stmt, 1, &i, error))
		return false;
	stats->cycles[i] = number(stmt, 2);
	return true;
}

static bool row_walk_refs(Load *l, sqlite3_stmt *stmt, GError **error)
{
	M2dStats *stats = row_vcpu(l, stmt, error);
	uint64_t refs = number(stmt, 1);

	if (stats == NULL)
		return false;
	if (refs >= M2D_MAX_WALK_REFS) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: run %" G_GINT64_FORMAT ": walks of %" G_GUINT64_FORMAT
			    " references, expected below %d",
			    l->store->path, l->run, refs, M2D_MAX_WALK_REFS);
		return false;
	}
	stats->walk_refs_hist[refs] = number(stmt, 2);
	return true;
}

static bool row_bill(Load *l, sqlite3_stmt *stmt, GError **error)
{
	M2dStats *stats = row_vcpu(l, stmt, error);
	unsigned i;

	if (stats == NULL || !look_up(l, l->flushes, "cause of flushes", stmt, 1, &i, error))
		return false;
	stats->bill[i] = (M2dFlushBill){
		.count = number(stmt, 2),
		.direct_cycles = number(stmt, 3),
		.indirect_cycles = number(stmt, 4),
		.dropped = number(stmt, 5),
		.refilled = number(stmt, 6),
		.over_flushed = number(stmt, 7),
	};
	return true;
}

/* A sample with one of its counters; the name is NULL if it has none. */
static bool row_sample(Load *l, sqlite3_stmt *stmt, GError **error)
{
	GArray *samples = l->r->samples;
	uint64_t ref = number(stmt, 0);
	M2dSample *s;
	unsigned i;

	if (samples->len == 0 || g_array_index(samples, M2dSample, samples->len - 1).ref != ref) {
		M2dSample fresh = {.ref = ref, .cycles = number(stmt, 1)};

		g_array_append_val(samples, fresh);
	}
	s = &g_array_index(samples, M2dSample, samples->len - 1);
	if (sqlite3_column_type(stmt, 2) == SQLITE_NULL)
		return true;
	if (!look_up(l, l->counters, "counter", stmt, 2, &i, error))
		return false;
	((uint64_t *)&s->c)[i] = number(stmt, 3);
	return true;
}

static bool row_violation(Load *l, sqlite3_stmt *stmt, GError **error)
{
	m2d_result_violation(l->r, (const char *)sqlite3_column_text(stmt, 0), number(stmt, 1),
			     (unsigned)sqlite3_column_int64(stmt, 2),
			     (const char *)sqlite3_column_text(stmt, 3));
	return true;
}

static const struct {
	const char *sql;
	RowFn fn;
} parts[] = {
	{"SELECT key, value FROM configs WHERE run_id = ?1 ORDER BY id", row_config},
	{"SELECT vcpu, clock FROM vcpus WHERE run_id = ?1", row_vcpu_clock},
	{"SELECT vcpu, name, value FROM counters WHERE run_id = ?1", row_counter},
	{"SELECT vcpu, cause, cycles FROM cycles WHERE run_id = ?1", row_cycles},
	{"SELECT vcpu, refs, walks FROM walk_refs WHERE run_id = ?1", row_walk_refs},
	{"SELECT vcpu, cause, count, direct_cycles, indirect_cycles, dropped, refilled, "
	 "over_flushed FROM flush_bill WHERE run_id = ?1",
	 row_bill},
	{"SELECT s.ref, s.cycles, c.name, c.value FROM samples AS s LEFT JOIN sample_counters AS c "
	 "ON c.sample_id = s.id WHERE s.run_id = ?1 ORDER BY s.id",
	 row_sample},
	{"SELECT invariant, ref, vcpu, story FROM violations WHERE run_id = ?1 ORDER BY id",
	 row_violation},
};

static bool row_digest(Load *l, sqlite3_stmt *stmt, GError **error)
{
	g_autofree char *now = m2d_store_digest(l->store, l->run, error);

	if (now == NULL)
		return false;
	if (g_strcmp0(now, (const char *)sqlite3_column_text(stmt, 0)) != 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: run %" G_GINT64_FORMAT
			    ": rows are corrupted or altered: they don't match the stored digest",
			    l->store->path, l->run);
		return false;
	}
	return true;
}

static bool load(Load *l, GError **error)
{
	if (!each_row(l, "SELECT digest FROM runs WHERE id = ?1", row_digest, error) ||
	    !each_row(l,
		      "SELECT command_line, trace, trace_sha256, machine, mmu, timing, seed, "
		      "n_vcpus, interrupted FROM runs WHERE id = ?1",
		      row_run, error))
		return false;
	if (l->r == NULL) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: no run %" G_GINT64_FORMAT "; see table runs for those it holds",
			    l->store->path, l->run);
		return false;
	}
	for (size_t i = 0; i < M2D_N_ELEMENTS(parts); i++)
		if (!each_row(l, parts[i].sql, parts[i].fn, error))
			return false;
	for (unsigned i = 0; i < l->r->n_vcpus; i++)
		m2d_stats_add(&l->r->total, &l->r->vcpu[i]);
	return true;
}

/* Names of this program to their indices. */
static GHashTable *index_names(const char *(*name)(unsigned), unsigned n)
{
	GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);

	for (unsigned i = 0; i < n; i++)
		g_hash_table_insert(table, (gpointer)name(i), GUINT_TO_POINTER(i));
	return table;
}

static const char *cause_name(unsigned i)
{
	return m2d_cause_name((M2dCause)i);
}

static const char *flush_name(unsigned i)
{
	return m2d_flush_name((M2dFlushCause)i);
}

M2dResult *m2d_store_load(M2dStore *store, int64_t run_id, GError **error)
{
	Load l = {
		.store = store,
		.run = run_id,
		.counters = index_names(m2d_counter_name, M2D_N_COUNTERS),
		.causes = index_names(cause_name, M2D_N_CAUSES),
		.flushes = index_names(flush_name, M2D_N_FLUSHES),
	};
	bool ok = load(&l, error);

	g_hash_table_unref(l.counters);
	g_hash_table_unref(l.causes);
	g_hash_table_unref(l.flushes);
	if (!ok) {
		m2d_result_free(l.r);
		return NULL;
	}
	return l.r;
}

GArray *m2d_store_runs(M2dStore *store, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(int64_t));
	g_autoptr(sqlite3_stmt) stmt =
		m2d_store_prepare(store, "SELECT id FROM runs ORDER BY id", error);

	if (stmt == NULL)
		return NULL;
	while (m2d_store_next(store, stmt, &local)) {
		int64_t id = sqlite3_column_int64(stmt, 0);

		g_array_append_val(runs, id);
	}
	if (local != NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	return g_steal_pointer(&runs);
}
