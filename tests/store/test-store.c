/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Result databases: round trip, equal bytes, and every kind of file that must be refused. */
#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/store/store.h"
#include "tests/store/synthetic.h"

static char *dir;

static void setup(void)
{
	dir = g_dir_make_tmp("m2d-store-XXXXXX", NULL);
	ck_assert_ptr_nonnull(dir);
	ck_assert_int_eq(g_chdir(dir), 0);
}

static void teardown(void)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(d)) != NULL) {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		g_chmod(path, 0700);
		if (g_unlink(path) != 0)
			g_rmdir(path);
	}
	g_dir_close(d);
	g_rmdir(dir);
	g_free(dir);
}

/* Entries of the test's folder. */
static unsigned n_files(void)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	unsigned n = 0;

	while (g_dir_read_name(d) != NULL)
		n++;
	g_dir_close(d);
	return n;
}

static int64_t write_ok(const char *path, unsigned n_vcpus, uint64_t seed)
{
	g_autoptr(M2dResult) r = synthetic_result(n_vcpus, seed);
	g_autoptr(GError) error = NULL;
	int64_t id = m2d_store_write(path, r, &error);

	ck_assert_msg(id > 0, "%s", error != NULL ? error->message : "no error");
	ck_assert_ptr_null(error);
	return id;
}

/* A message is one line that names the file. */
static void check_error(const GError *error, int status, const char *part)
{
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(m2d_error_exit_status(error) == status, "status %d, not %d: %s",
		      m2d_error_exit_status(error), status, error->message);
	ck_assert_msg(strstr(error->message, part) != NULL, "no \"%s\" in: %s", part,
		      error->message);
	ck_assert_msg(strchr(error->message, '\n') == NULL, "%s", error->message);
}

static void open_fails(const char *path, int status, const char *part)
{
	g_autoptr(GError) error = NULL;

	ck_assert_ptr_null(m2d_store_open(path, &error));
	check_error(error, status, part);
}

static void write_fails(const char *path, int status, const char *part)
{
	g_autoptr(M2dResult) r = synthetic_result(1, 1);
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(m2d_store_write(path, r, &error), -1);
	check_error(error, status, part);
}

/* Run @sql on @path with SQLite itself. */
static void sql(const char *path, const char *text)
{
	sqlite3 *db;
	char *message = NULL;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
	sqlite3_exec(db, text, NULL, NULL, &message);
	ck_assert_msg(message == NULL, "%s: %s", text, message);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void put_file(const char *path, const char *data, size_t n)
{
	FILE *out = fopen(path, "we");

	/* Not g_file_set_contents(), which waits for the disk. */
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(data, 1, n, out), n);
	ck_assert_int_eq(fclose(out), 0);
}

static void equal_results(const M2dResult *a, const M2dResult *b)
{
	ck_assert_str_eq(a->trace, b->trace);
	ck_assert_pstr_eq(a->trace_sha256, b->trace_sha256);
	ck_assert_str_eq(a->command_line, b->command_line);
	ck_assert_str_eq(a->machine, b->machine);
	ck_assert_str_eq(a->mmu, b->mmu);
	ck_assert_str_eq(a->timing, b->timing);
	ck_assert_uint_eq(a->seed, b->seed);
	ck_assert_int_eq(a->interrupted, b->interrupted);
	ck_assert_uint_eq(a->n_vcpus, b->n_vcpus);
	ck_assert_mem_eq(a->vcpu, b->vcpu, a->n_vcpus * sizeof(M2dStats));
	ck_assert_mem_eq(a->vcpu_cycles, b->vcpu_cycles, a->n_vcpus * sizeof(uint64_t));
	ck_assert_mem_eq(&a->total, &b->total, sizeof(M2dStats));
	ck_assert_uint_eq(a->samples->len, b->samples->len);
	ck_assert_mem_eq(a->samples->data, b->samples->data, a->samples->len * sizeof(M2dSample));
	ck_assert_uint_eq(a->config->len, b->config->len);
	for (guint i = 0; i < a->config->len; i++) {
		ck_assert_str_eq(g_array_index(a->config, M2dConfigItem, i).key,
				 g_array_index(b->config, M2dConfigItem, i).key);
		ck_assert_str_eq(g_array_index(a->config, M2dConfigItem, i).value,
				 g_array_index(b->config, M2dConfigItem, i).value);
	}
	ck_assert_uint_eq(a->violations->len, b->violations->len);
	for (guint i = 0; i < a->violations->len; i++) {
		const M2dViolation *x = &g_array_index(a->violations, M2dViolation, i);
		const M2dViolation *y = &g_array_index(b->violations, M2dViolation, i);

		ck_assert_str_eq(x->invariant, y->invariant);
		ck_assert_uint_eq(x->ref, y->ref);
		ck_assert_uint_eq(x->vcpu, y->vcpu);
		ck_assert_str_eq(x->story, y->story);
	}
}

START_TEST(round_trip)
{
	g_autoptr(M2dStore) store = NULL;
	g_autoptr(GArray) ids = NULL;
	GError *error = NULL;

	ck_assert_int_eq(write_ok("r.db", 2, 1), 1);
	ck_assert_int_eq(write_ok("r.db", 1, 2), 2);
	ck_assert_int_eq(write_ok("r.db", 7, 3), 3);
	ck_assert_uint_eq(n_files(), 1);
	store = m2d_store_open("r.db", &error);
	ck_assert_ptr_nonnull(store);
	ids = m2d_store_runs(store, &error);
	ck_assert_uint_eq(ids->len, 3);
	for (guint i = 0; i < 3; i++) {
		static const unsigned n_vcpus[] = {2, 1, 7};
		g_autoptr(M2dResult) want = synthetic_result(n_vcpus[i], i + 1);
		g_autoptr(M2dResult) have =
			m2d_store_load(store, g_array_index(ids, int64_t, i), &error);

		ck_assert_ptr_nonnull(have);
		equal_results(want, have);
	}
	ck_assert_ptr_null(m2d_store_load(store, 4, &error));
	check_error(error, 2, "no run 4");
	g_clear_error(&error);
}
END_TEST

/* A result with nothing in it, as of an empty trace. */
START_TEST(empty_result)
{
	g_autoptr(M2dResult) r = m2d_result_new(1);
	g_autoptr(M2dStore) store = NULL;
	g_autoptr(M2dResult) have = NULL;
	GError *error = NULL;

	r->interrupted = true;
	ck_assert_int_eq(m2d_store_write("r.db", r, &error), 1);
	store = m2d_store_open("r.db", &error);
	have = m2d_store_load(store, 1, &error);
	ck_assert_ptr_nonnull(have);
	ck_assert(have->interrupted);
	ck_assert_ptr_null(have->trace_sha256);
	ck_assert_str_eq(have->trace, "");
	ck_assert_uint_eq(have->samples->len, 0);
}
END_TEST

/* Keys and samples that come twice: the later one holds, nothing is refused. */
START_TEST(repeated_items)
{
	g_autoptr(M2dResult) r = synthetic_result(1, 1);
	g_autoptr(M2dStore) store = NULL;
	g_autoptr(M2dResult) have = NULL;
	M2dSample last = g_array_index(r->samples, M2dSample, r->samples->len - 1);
	guint n = r->samples->len;

	m2d_result_config(r, "tlb.l2.entries", "512");
	last.cycles++;
	g_array_append_val(r->samples, last);
	ck_assert_int_eq(m2d_store_write("r.db", r, NULL), 1);
	store = m2d_store_open("r.db", NULL);
	have = m2d_store_load(store, 1, NULL);
	ck_assert_uint_eq(have->samples->len, n);
	ck_assert_uint_eq(g_array_index(have->samples, M2dSample, n - 1).cycles, last.cycles);
	ck_assert_uint_eq(have->config->len, 3);
	ck_assert_str_eq(g_array_index(have->config, M2dConfigItem, 0).value, "512");
}
END_TEST

START_TEST(equal_bytes)
{
	g_autofree char *a = NULL;
	g_autofree char *b = NULL;
	gsize n, m;

	for (uint64_t i = 1; i <= 3; i++) {
		write_ok("a.db", 2, i);
		write_ok("b.db", 2, i);
	}
	ck_assert(g_file_get_contents("a.db", &a, &n, NULL));
	ck_assert(g_file_get_contents("b.db", &b, &m, NULL));
	ck_assert_uint_eq(n, m);
	ck_assert_mem_eq(a, b, n);
}
END_TEST

/* The name is one that SQLite, or a careless program, would take for something else. */
START_TEST(odd_names)
{
	static const char *const names[] = {":memory:", "file:x?mode=memory", "a b'c\"d.db", "-r",
					    "\xff\xfe.db"};

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(M2dStore) store = NULL;

		ck_assert_int_eq(write_ok(names[i], 1, i), 1);
		ck_assert_int_eq(write_ok(names[i], 1, i), 2);
		ck_assert(g_file_test(names[i], G_FILE_TEST_IS_REGULAR));
		store = m2d_store_open(names[i], NULL);
		ck_assert_ptr_nonnull(store);
	}
	ck_assert_uint_eq(n_files(), G_N_ELEMENTS(names));
}
END_TEST

START_TEST(not_ours)
{
	char header[100] = "SQLite format 3";

	open_fails("missing.db", 2, "missing.db: cannot open");
	open_fails(dir, 2, "a directory");
	open_fails("/dev/null", 2, "not a regular file");
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	open_fails("fifo", 2, "not a regular file");
	put_file("empty", "", 0);
	open_fails("empty", 2, "empty file");
	put_file("text", "hello, world\n", 13);
	open_fails("text", 2, "offset 0: not a SQLite database");
	put_file("short", header, 40);
	open_fails("short", 2, "offset 40: truncated");
	put_file("header", header, sizeof(header));
	open_fails("header", 2, "offset 68");
	sql("foreign", "CREATE TABLE t (x)");
	open_fails("foreign", 2, "another program");
	write_ok("newer", 1, 1);
	sql("newer", "PRAGMA user_version = 2");
	open_fails("newer", 2, "offset 60: schema version 2");
	sql("claims", "PRAGMA application_id = 1296904772; PRAGMA user_version = 1");
	open_fails("claims", 2, "is missing or differs");
	write_ok("altered", 1, 1);
	sql("altered", "ALTER TABLE runs ADD COLUMN extra TEXT");
	open_fails("altered", 2, "table runs is missing or differs");
	/* What is not ours is not written to either. */
	write_fails(dir, 2, "a directory");
	write_fails("/dev/full", 2, "not a regular file");
	write_fails("/dev/stdout", 2, "/dev/stdout");
	write_fails("fifo", 2, "not a regular file");
	write_fails("empty", 2, "empty file");
	write_fails("text", 2, "not a SQLite database");
	write_fails("short", 2, "truncated");
	write_fails("foreign", 2, "another program");
	write_fails("newer", 2, "schema version 2");
	write_fails("altered", 2, "is missing or differs");
	write_fails("", 2, "empty name");
	write_fails("no/such/folder.db", 2, "no/such/folder.db: cannot create");
	write_fails("text/x.db", 2, "text/x.db");
}
END_TEST

/* Things of the reader's own are welcome. */
START_TEST(additions)
{
	g_autoptr(M2dStore) store = NULL;

	write_ok("r.db", 1, 1);
	sql("r.db", "CREATE TABLE notes (x); CREATE VIEW v AS SELECT * FROM runs;"
		    "CREATE INDEX i ON counters (name)");
	ck_assert_int_eq(write_ok("r.db", 1, 2), 2);
	store = m2d_store_open("r.db", NULL);
	ck_assert_ptr_nonnull(store);
}
END_TEST

/* Every column of every table is under the digest. */
START_TEST(edited_values)
{
	static const char *const edits[] = {
		"UPDATE runs SET trace = 'x'",
		"UPDATE runs SET program_version = 'x'",
		"UPDATE runs SET command_line = 'x'",
		"UPDATE runs SET trace_sha256 = NULL",
		"UPDATE runs SET machine = 'x'",
		"UPDATE runs SET mmu = 'x'",
		"UPDATE runs SET timing = 'x'",
		"UPDATE runs SET seed = seed + 1",
		"UPDATE runs SET n_vcpus = 3",
		"UPDATE runs SET refs = refs + 1",
		"UPDATE runs SET cycles = cycles + 1",
		"UPDATE runs SET interrupted = 1",
		"UPDATE runs SET digest = 'x'",
		"UPDATE configs SET key = 'x' WHERE id = 1",
		"UPDATE configs SET value = 'x' WHERE id = 1",
		"DELETE FROM configs WHERE id = 2",
		"UPDATE vcpus SET clock = clock + 1 WHERE vcpu = 1",
		"UPDATE counters SET value = value + 1 WHERE vcpu = 1 AND name = 'walks'",
		"UPDATE counters SET name = 'refz' WHERE vcpu = 1 AND name = 'refs'",
		"UPDATE cycles SET cycles = 1 WHERE vcpu = 0 AND cause = 'ipi'",
		"UPDATE cycles SET class = 'base' WHERE vcpu = 0 AND cause = 'ipi'",
		"DELETE FROM cycles WHERE vcpu = 0 AND cause = 'ipi'",
		"UPDATE walk_refs SET walks = 1 WHERE vcpu = 0 AND refs = 24",
		"UPDATE walk_refs SET refs = 25 WHERE vcpu = 0 AND refs = 24",
		"UPDATE samples SET cycles = 1 WHERE id = 3",
		"UPDATE samples SET ref = 1 WHERE id = 3",
		"DELETE FROM sample_counters WHERE sample_id = 3 AND name = 'l2_hits'",
		"UPDATE sample_counters SET value = 0 WHERE sample_id = 3 AND name = 'l2_hits'",
		"UPDATE flush_bill SET count = 0 WHERE vcpu = 0 AND cause = 'invlpg'",
		"UPDATE flush_bill SET direct_cycles = 0 WHERE vcpu = 0 AND cause = 'invlpg'",
		"UPDATE flush_bill SET indirect_cycles = 0 WHERE vcpu = 0 AND cause = 'invlpg'",
		"UPDATE flush_bill SET dropped = 0 WHERE vcpu = 0 AND cause = 'invlpg'",
		"UPDATE flush_bill SET refilled = 0 WHERE vcpu = 0 AND cause = 'invlpg'",
		"UPDATE flush_bill SET over_flushed = 0 WHERE vcpu = 0 AND cause = 'invlpg'",
		"UPDATE violations SET story = 'x' WHERE id = 1",
		"UPDATE violations SET invariant = 'x' WHERE id = 1",
		"UPDATE violations SET ref = 1 WHERE id = 1",
		"UPDATE violations SET vcpu = 0 WHERE id = 1",
	};

	g_autofree char *data = NULL;
	gsize n;

	write_ok("good.db", 2, 1);
	ck_assert(g_file_get_contents("good.db", &data, &n, NULL));
	for (size_t i = 0; i < G_N_ELEMENTS(edits); i++) {
		g_autoptr(M2dStore) store = NULL;
		g_autoptr(M2dResult) r = NULL;
		g_autoptr(GError) error = NULL;

		put_file("r.db", data, n);
		sql("r.db", edits[i]);
		store = m2d_store_open("r.db", &error);
		ck_assert_ptr_nonnull(store);
		r = m2d_store_load(store, 1, &error);
		ck_assert_msg(r == NULL, "not noticed: %s", edits[i]);
		check_error(error, 2, "run 1: rows are corrupted or altered");
	}
}
END_TEST

/* Everything that a reader of @path would do; must not crash, and errors are clear. */
static bool read_all(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(M2dStore) store = m2d_store_open(path, &error);
	g_autoptr(GArray) ids = store != NULL ? m2d_store_runs(store, &error) : NULL;
	bool good = ids != NULL;

	for (guint i = 0; good && i < ids->len; i++) {
		g_autoptr(M2dResult) r =
			m2d_store_load(store, g_array_index(ids, int64_t, i), &error);

		good = r != NULL;
	}
	if (!good)
		check_error(error, 2, path);
	return good;
}

/* Truncated at any page and within it, and with bit flips anywhere. */
START_TEST(damaged)
{
	g_autofree char *data = NULL;
	g_autoptr(M2dResult) want = synthetic_result(2, 1);
	gsize n;
	unsigned refused = 0;

	write_ok("good.db", 2, 1);
	ck_assert(g_file_get_contents("good.db", &data, &n, NULL));
	for (gsize cut = 0; cut < n; cut += 4096 - (cut % 8192 ? 0 : 96)) {
		put_file("cut.db", data, cut);
		open_fails("cut.db", 2, "cut.db");
	}
	for (unsigned i = 0; i < 200; i++) {
		gsize bit = (gsize)i * 2654435761u % (n * 8);
		g_autoptr(M2dStore) store = NULL;
		g_autoptr(M2dResult) r = NULL;

		data[bit / 8] ^= (char)(1 << bit % 8);
		put_file("flip.db", data, n);
		data[bit / 8] ^= (char)(1 << bit % 8);
		if (!read_all("flip.db")) {
			refused++;
			continue;
		}
		/* Not noticed: then it must be where no figure is. */
		store = m2d_store_open("flip.db", NULL);
		r = m2d_store_load(store, 1, NULL);
		equal_results(want, r);
	}
	ck_assert_uint_gt(refused, 50);
}
END_TEST

START_TEST(locked)
{
	sqlite3 *db;

	write_ok("r.db", 1, 1);
	ck_assert_int_eq(sqlite3_open("r.db", &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	open_fails("r.db", 75, "locked by another process");
	write_fails("r.db", 75, "locked by another process");
	sqlite3_close(db);
	ck_assert_int_eq(write_ok("r.db", 1, 2), 2);
}
END_TEST

/* Writing stops in the middle: the old database is as it was, a new one does not appear. */
START_TEST(interrupted_write)
{
	struct rlimit limit, old;
	g_autofree char *before = NULL;
	g_autofree char *after = NULL;
	gsize n, m;

	write_ok("r.db", 2, 1);
	ck_assert(g_file_get_contents("r.db", &before, &n, NULL));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = n + 20000;
	setrlimit(RLIMIT_FSIZE, &limit);
	write_fails("r.db", 2, "r.db: cannot write");
	limit.rlim_cur = 20000;
	setrlimit(RLIMIT_FSIZE, &limit);
	write_fails("new.db", 2, "new.db: cannot write");
	setrlimit(RLIMIT_FSIZE, &old);
	ck_assert_uint_eq(n_files(), 1);
	ck_assert(g_file_get_contents("r.db", &after, &m, NULL));
	ck_assert_uint_eq(n, m);
	ck_assert_mem_eq(before, after, n);
	ck_assert_int_eq(write_ok("r.db", 2, 2), 2);
}
END_TEST

/* Permissions don't hold for root, so as somebody else; each test has a process of its own. */
START_TEST(permissions)
{
	write_ok("closed.db", 1, 1);
	write_ok("read.db", 1, 1);
	g_chmod("closed.db", 0);
	g_chmod("read.db", 0444);
	g_chmod(dir, 0755);
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	else
		g_chmod(dir, 0555);
	open_fails("closed.db", 2, "closed.db: cannot open: Permission denied");
	write_fails("closed.db", 2, "closed.db: cannot open: Permission denied");
	write_fails("read.db", 2, "read.db: cannot write");
	write_fails("new.db", 2, "new.db: cannot create");
	ck_assert(read_all("read.db"));
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	else
		g_chmod(dir, 0755);
	ck_assert_uint_eq(n_files(), 2);
}
END_TEST

/* Several processes at once, the database not there yet: no run is lost. */
START_TEST(concurrent)
{
	enum {
		N = 6
	};
	pid_t pids[N];
	g_autoptr(M2dStore) store = NULL;
	g_autoptr(GArray) ids = NULL;

	for (unsigned i = 0; i < N; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			g_autoptr(M2dResult) r = synthetic_result(1, i);

			_exit(m2d_store_write("r.db", r, NULL) > 0 ? 0 : 1);
		}
	}
	for (unsigned i = 0; i < N; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	store = m2d_store_open("r.db", NULL);
	ids = m2d_store_runs(store, NULL);
	ck_assert_uint_eq(ids->len, N);
	ck_assert_uint_eq(n_files(), 1);
	ck_assert(read_all("r.db"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *tc = tcase_create("store");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, empty_result);
	tcase_add_test(tc, repeated_items);
	tcase_add_test(tc, equal_bytes);
	tcase_add_test(tc, odd_names);
	tcase_add_test(tc, not_ours);
	tcase_add_test(tc, additions);
	tcase_add_test(tc, edited_values);
	tcase_add_test(tc, damaged);
	tcase_add_test(tc, locked);
	tcase_add_test(tc, interrupted_write);
	tcase_add_test(tc, permissions);
	tcase_add_test(tc, concurrent);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
