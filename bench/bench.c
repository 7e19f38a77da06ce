/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Speed of replay as ratios against reference loops timed in the same run: the plain TLB loop of
 * plain.c for simulation, the bare decode of the same file for replay from a file. Every figure is
 * the median of some runs; runs of the two sides of a ratio alternate, and the median is taken of
 * the ratios of neighbours, so that a drifting clock does not favour either.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/capture.h"
#include "bench/plain.h"
#include "bench/search.h"
#include "sim/base/json.h"
#include "sim/replay/replay.h"
#include "sim/trace/trace.h"

static int runs = 5;
static gboolean json_output;
static char **captures;
static char *machine_name, *only, *scenario;
static gint64 search_states = 3000000;

static const GOptionEntry entries[] = {
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "One JSON document", NULL},
	{"runs", 0, 0, G_OPTION_ARG_INT, &runs, "Runs of each measurement (5)", "N"},
	{"machine", 0, 0, G_OPTION_ARG_STRING, &machine_name, "Machine (generic)", "NAME"},
	{"capture", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &captures,
	 "Also the speed of check on this text of tracefs", "FILE"},
	{"search", 0, 0, G_OPTION_ARG_FILENAME, &scenario,
	 "Measure the search of this scenario, too (\"search\" for --only)", "FILE"},
	{"search-states", 0, 0, G_OPTION_ARG_INT64, &search_states,
	 "States of a search (3 million)", "N"},
	{"only", 0, 0, G_OPTION_ARG_STRING, &only, "Only measurements whose name has TEXT", "TEXT"},
	{NULL}};

/* Wall clock, for the pair that uses two threads. */
static double wall(void)
{
	return (double)g_get_monotonic_time() / 1e6;
}

/* A trace held as decoded batches. */
typedef struct {
	const char *path;
	GArray *batches; /* of M2dBatch */
	uint64_t refs;
	const M2dTraceInfo *info;
	M2dTraceReader *reader;
} Trace;

static Trace trace_load(const char *path)
{
	Trace t = {.path = path, .batches = g_array_new(FALSE, TRUE, sizeof(M2dBatch))};
	GError *error = NULL;

	t.reader = m2d_trace_reader_open(path, 0, &error);
	if (t.reader == NULL)
		bench_die(error);
	t.info = m2d_trace_reader_info(t.reader);
	for (;;) {
		M2dBatch b = {0};
		int r = m2d_trace_reader_next(t.reader, &b, &error);

		if (r < 0)
			bench_die(error);
		if (r == 0) {
			m2d_batch_clear(&b);
			break;
		}
		t.refs += b.n_refs;
		g_array_append_val(t.batches, b);
	}
	return t;
}

static void trace_free(Trace *t)
{
	for (guint i = 0; i < t->batches->len; i++)
		m2d_batch_clear(&g_array_index(t->batches, M2dBatch, i));
	g_array_unref(t->batches);
	m2d_trace_reader_close(t->reader);
}

/* What to replay with; the rest is as replay has it. */
typedef struct {
	M2dTimingModel timing;
	M2dReplayMode mode;
	bool check;
} Setup;

static M2dReplay *new_replay(const M2dTraceInfo *info, const Setup *setup)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load(machine_name != NULL ? machine_name : "generic", &error);
	M2dReplayOptions opt;
	M2dReplay *r;

	if (m == NULL)
		bench_die(error);
	m2d_replay_options_init(&opt);
	opt.timing = setup->timing;
	opt.mode = setup->mode;
	opt.check = setup->check;
	r = m2d_replay_new(m, info, &opt, &error);
	if (r == NULL)
		bench_die(error);
	return r;
}

/* How often a short trace is repeated, so that one measurement takes long enough. */
static unsigned repeats(uint64_t refs)
{
	return (unsigned)CLAMP(UINT64_C(30000000) / MAX(refs, 1), 1, 64);
}

static double time_plain(const Trace *t)
{
	double spent = 0;

	for (unsigned k = 0; k < repeats(t->refs); k++) {
		Plain *p = plain_new();
		double start = bench_now();

		for (guint i = 0; i < t->batches->len; i++) {
			const M2dBatch *b = &g_array_index(t->batches, M2dBatch, i);

			for (uint32_t s = 0; s < b->n_segments; s++)
				plain_run(p, b->refs + b->segments[s].first_ref,
					  b->segments[s].n_refs, b->segments[s].guest);
		}
		spent += bench_now() - start;
		plain_free(p);
	}
	return spent / repeats(t->refs);
}

/* One replay. */
static double time_once(const Trace *t, const Setup *setup)
{
	g_autoptr(M2dReplay) r = new_replay(t->info, setup);
	g_autoptr(M2dResult) result = NULL;
	GError *error = NULL;
	double start = bench_now(), spent;

	for (guint i = 0; i < t->batches->len; i++)
		if (!m2d_replay_batch(r, &g_array_index(t->batches, M2dBatch, i), &error))
			bench_die(error);
	spent = bench_now() - start;
	result = m2d_replay_finish(r);
	if (result->violations->len != 0) {
		fprintf(stderr, "bench: %s replayed with findings\n", t->path);
		exit(1);
	}
	return spent;
}

static double time_memory(const Trace *t, const Setup *setup)
{
	double spent = 0;

	for (unsigned k = 0; k < repeats(t->refs); k++)
		spent += time_once(t, setup);
	return spent / repeats(t->refs);
}

static double time_decode(const Trace *t)
{
	double spent = 0;

	for (unsigned k = 0; k < repeats(t->refs); k++) {
		M2dBatch b = {0};
		GError *error = NULL;
		double start = wall();
		M2dTraceReader *r = m2d_trace_reader_open(t->path, 0, &error);
		int status;

		if (r == NULL)
			bench_die(error);
		while ((status = m2d_trace_reader_next(r, &b, &error)) > 0)
			;
		if (status < 0)
			bench_die(error);
		m2d_trace_reader_close(r);
		m2d_batch_clear(&b);
		spent += wall() - start;
	}
	return spent / repeats(t->refs);
}

static double time_file(const Trace *t)
{
	double spent = 0;

	for (unsigned k = 0; k < repeats(t->refs); k++) {
		g_autoptr(M2dReplay) r = new_replay(t->info, &(Setup){0});
		g_autoptr(M2dResult) result = NULL;
		M2dTraceReader *reader;
		GError *error = NULL;
		double start = wall();

		reader = m2d_trace_reader_open(t->path, 0, &error);
		if (reader == NULL)
			bench_die(error);
		result = m2d_replay_run(r, reader, &error);
		if (result == NULL)
			bench_die(error);
		m2d_trace_reader_close(reader);
		spent += wall() - start;
	}
	return spent / repeats(t->refs);
}

/* Peak memory in MiB of a process that replays the file, less the simulated frames. */
static double peak_memory(const char *path, M2dTimingModel timing)
{
	int fd[2];
	double mb = 0;
	pid_t pid;

	if (pipe(fd) != 0)
		exit(3);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		GError *error = NULL;
		M2dTraceReader *reader = m2d_trace_reader_open(path, 0, &error);
		M2dReplay *r = reader != NULL ? new_replay(m2d_trace_reader_info(reader),
							   &(Setup){.timing = timing})
					      : NULL;
		struct rusage usage;

		if (r == NULL || m2d_replay_run(r, reader, &error) == NULL)
			_exit(3);
		getrusage(RUSAGE_SELF, &usage);
		mb = (double)usage.ru_maxrss / 1024 -
		     (double)m2d_space_frames(m2d_world_space(m2d_replay_world(r))) / 256;
		_exit(write(fd[1], &mb, sizeof(mb)) == (ssize_t)sizeof(mb) ? 0 : 3);
	}
	close(fd[1]);
	if (read(fd[0], &mb, sizeof(mb)) != (ssize_t)sizeof(mb))
		mb = -1;
	close(fd[0]);
	waitpid(pid, NULL, 0);
	return mb;
}

typedef struct {
	double plain, decode; /* reference loops, refs/s */
	double memory, file, blocking, overlapped;
	double shadow, shadow_ratio; /* without the checker; 0: the trace has no tables */
	double checker_overhead;     /* share of @shadow that the checker takes */
	bool filtered;
	double memory_ratio, file_ratio, blocking_ratio, overlapped_ratio;
	double peak_mb;
	double l1_miss, l2_miss; /* of all references */
	uint64_t refs;
	double bytes_per_ref;
} Figures;

static void miss_ratios(const Trace *t, Figures *f)
{
	g_autoptr(M2dReplay) r = new_replay(t->info, &(Setup){0});
	g_autoptr(M2dResult) result = NULL;
	GError *error = NULL;
	const M2dCounters *c;

	for (guint i = 0; i < t->batches->len; i++)
		if (!m2d_replay_batch(r, &g_array_index(t->batches, M2dBatch, i), &error))
			bench_die(error);
	result = m2d_replay_finish(r);
	c = &result->total.c;
	f->l1_miss = (double)(c->l1d_misses + c->l1i_misses) / (double)c->refs;
	f->l2_miss = (double)c->l2_misses / (double)c->refs;
}

/* The trace's guest on shadow paging, without and with the checker by turns: replay by replay,
 * since the speed of a shared machine changes within a run of many. */
static void measure_shadow(const Trace *t, Figures *f)
{
	static const Setup bare = {.mode = M2D_REPLAY_SHADOW},
			   checked = {.mode = M2D_REPLAY_SHADOW, .check = true};
	double x[BENCH_MAX_RUNS] = {0}, ratio[BENCH_MAX_RUNS] = {0};
	g_autofree double *lost = g_new(double, (gsize)runs *repeats(t->refs));
	int n = 0;

	if (!(t->info->flags & M2D_TRACE_HAS_TABLES))
		return;
	for (int i = 0; i < runs; i++) {
		double plain = time_plain(t), without = 0;

		for (unsigned k = 0; k < repeats(t->refs); k++) {
			double one = time_once(t, &bare);

			without += one / repeats(t->refs);
			lost[n++] = 1 - one / time_once(t, &checked);
		}
		x[i] = (double)t->refs / without;
		ratio[i] = plain / without;
	}
	f->filtered = t->info->flags & M2D_TRACE_FILTERED;
	f->shadow = bench_median(x, runs);
	f->shadow_ratio = bench_median(ratio, runs);
	f->checker_overhead = bench_median(lost, n);
}

static Figures measure(const char *path)
{
	double plain[BENCH_MAX_RUNS] = {0}, decode[BENCH_MAX_RUNS] = {0};
	double x[4][BENCH_MAX_RUNS] = {{0}}, ratio[4][BENCH_MAX_RUNS] = {{0}};
	/* First, while this process is small: the child starts with its memory. */
	Figures f = {.peak_mb = MAX(peak_memory(path, M2D_TIMING_FUNCTIONAL),
				    peak_memory(path, M2D_TIMING_OVERLAPPED))};
	Trace t = trace_load(path);
	double n = (double)t.refs;
	uint64_t total;

	f.refs = t.refs;
	m2d_trace_reader_bytes(t.reader, &total);
	f.bytes_per_ref = (double)total / n;
	miss_ratios(&t, &f);
	for (int i = 0; i < runs; i++) {
		plain[i] = n / time_plain(&t);
		x[0][i] = n / time_memory(&t, &(Setup){.timing = M2D_TIMING_FUNCTIONAL});
		x[2][i] = n / time_memory(&t, &(Setup){.timing = M2D_TIMING_BLOCKING});
		x[3][i] = n / time_memory(&t, &(Setup){.timing = M2D_TIMING_OVERLAPPED});
		decode[i] = n / time_decode(&t);
		x[1][i] = n / time_file(&t);
		for (int k = 0; k < 4; k++)
			ratio[k][i] = x[k][i] / (k == 1 ? decode[i] : plain[i]);
	}
	f.plain = bench_median(plain, runs);
	f.decode = bench_median(decode, runs);
	f.memory = bench_median(x[0], runs);
	f.file = bench_median(x[1], runs);
	f.blocking = bench_median(x[2], runs);
	f.overlapped = bench_median(x[3], runs);
	f.memory_ratio = bench_median(ratio[0], runs);
	f.file_ratio = bench_median(ratio[1], runs);
	f.blocking_ratio = bench_median(ratio[2], runs);
	f.overlapped_ratio = bench_median(ratio[3], runs);
	measure_shadow(&t, &f);
	trace_free(&t);
	return f;
}

static void emit_json(M2dJson *j, const char *name, const Figures *f)
{
	m2d_json_object_begin(j, name);
	m2d_json_uint(j, "refs", f->refs);
	m2d_json_double(j, "bytes_per_ref", f->bytes_per_ref);
	m2d_json_double(j, "l1_miss_ratio", f->l1_miss);
	m2d_json_double(j, "l2_miss_ratio", f->l2_miss);
	m2d_json_double(j, "plain_refs_per_second", f->plain);
	m2d_json_double(j, "decode_refs_per_second", f->decode);
	m2d_json_double(j, "replay_memory_refs_per_second", f->memory);
	m2d_json_double(j, "replay_file_refs_per_second", f->file);
	m2d_json_double(j, "timing_blocking_refs_per_second", f->blocking);
	m2d_json_double(j, "timing_overlapped_refs_per_second", f->overlapped);
	m2d_json_double(j, "replay_memory_ratio", f->memory_ratio);
	m2d_json_double(j, "replay_file_ratio", f->file_ratio);
	m2d_json_double(j, "timing_blocking_ratio", f->blocking_ratio);
	m2d_json_double(j, "timing_overlapped_ratio", f->overlapped_ratio);
	if (f->shadow != 0) {
		m2d_json_double(j, "shadow_memory_refs_per_second", f->shadow);
		m2d_json_double(j, "shadow_memory_ratio", f->shadow_ratio);
		m2d_json_double(j, "checker_overhead", f->checker_overhead);
	}
	m2d_json_double(j, "peak_memory_mb", f->peak_mb);
	m2d_json_object_end(j);
}

static void emit_text(const char *name, const Figures *f)
{
	printf("%-18s %9.1f M refs, %.2f bytes/ref, L1 miss %.2f %%, L2 miss %.3f %%\n", name,
	       (double)f->refs / 1e6, f->bytes_per_ref, 100 * f->l1_miss, 100 * f->l2_miss);
	printf("  plain loop        %8.1f M refs/s\n", f->plain / 1e6);
	printf("  replay_memory     %8.1f M refs/s  ratio %.2f\n", f->memory / 1e6,
	       f->memory_ratio);
	printf("  timing_blocking   %8.1f M refs/s  ratio %.2f\n", f->blocking / 1e6,
	       f->blocking_ratio);
	printf("  timing_overlapped %8.1f M refs/s  ratio %.2f\n", f->overlapped / 1e6,
	       f->overlapped_ratio);
	if (f->shadow != 0)
		printf("  shadow_memory     %8.1f M refs/s  ratio %.2f, checker_overhead %.3f\n",
		       f->shadow / 1e6, f->shadow_ratio, f->checker_overhead);
	printf("  bare decode       %8.1f M refs/s\n", f->decode / 1e6);
	printf("  replay_file       %8.1f M refs/s  ratio %.2f\n", f->file / 1e6, f->file_ratio);
	printf("  peak_memory_mb    %8.1f\n", f->peak_mb);
}

/* The worst of all traces, under the names that checks rely on. */
static void emit_worst(M2dJson *j, const Figures *f, int n)
{
	double overhead[2] = {-1, -1}; /* of unfiltered and of filtered traces */
	Figures w = f[0];

	for (int i = 0; i < n; i++) {
		double *o = &overhead[f[i].filtered];

		if (f[i].shadow != 0)
			*o = MAX(*o, f[i].checker_overhead);
		if (f[i].shadow != 0 && (w.shadow == 0 || f[i].shadow_ratio < w.shadow_ratio)) {
			w.shadow = f[i].shadow;
			w.shadow_ratio = f[i].shadow_ratio;
		}
		w.memory_ratio = MIN(w.memory_ratio, f[i].memory_ratio);
		w.file_ratio = MIN(w.file_ratio, f[i].file_ratio);
		w.blocking_ratio = MIN(w.blocking_ratio, f[i].blocking_ratio);
		w.overlapped_ratio = MIN(w.overlapped_ratio, f[i].overlapped_ratio);
		w.peak_mb = MAX(w.peak_mb, f[i].peak_mb);
	}
	m2d_json_double(j, "replay_memory_ratio", w.memory_ratio);
	m2d_json_double(j, "replay_file_ratio", w.file_ratio);
	m2d_json_double(j, "timing_blocking_ratio", w.blocking_ratio);
	m2d_json_double(j, "timing_overlapped_ratio", w.overlapped_ratio);
	if (w.shadow != 0)
		m2d_json_double(j, "shadow_memory_ratio", w.shadow_ratio);
	if (overhead[0] >= 0)
		m2d_json_double(j, "checker_overhead", overhead[0]);
	if (overhead[1] >= 0)
		m2d_json_double(j, "checker_overhead_filtered", overhead[1]);
	m2d_json_double(j, "peak_memory_mb", w.peak_mb);
}

int main(int argc, char **argv)
{
	g_autoptr(GOptionContext) context = g_option_context_new("NAME=TRACE...");
	g_autofree char *text = NULL;
	Figures figures[16];
	GError *error = NULL;
	M2dJson *j;
	int n = 0;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		bench_die(error);
	if ((argc < 2 && scenario == NULL) || argc > 17 || runs < 1 || runs > BENCH_MAX_RUNS) {
		fprintf(stderr, "bench: expected 1 to 16 traces as NAME=FILE, and 1 to %d runs\n",
			BENCH_MAX_RUNS);
		return 2;
	}
	j = json_output ? m2d_json_new() : NULL;
	if (j != NULL) {
		m2d_json_object_begin(j, NULL);
		m2d_json_int(j, "runs", runs);
		m2d_json_object_begin(j, "traces");
	}
	for (int i = 1; i < argc; i++) {
		char *eq = strchr(argv[i], '=');

		if (eq == NULL) {
			fprintf(stderr, "bench: %s: expected NAME=FILE\n", argv[i]);
			return 2;
		}
		*eq = '\0';
		if (only != NULL && strstr(argv[i], only) == NULL)
			continue;
		figures[n] = measure(eq + 1);
		if (j != NULL)
			emit_json(j, argv[i], &figures[n]);
		else
			emit_text(argv[i], &figures[n]);
		n++;
	}
	if (j != NULL) {
		m2d_json_object_end(j);
		if (n > 0)
			emit_worst(j, figures, n);
	}
	if (captures != NULL)
		captures_measure(captures, only, runs, j);
	if (scenario != NULL && (only == NULL || strstr("search", only) != NULL)) {
		SearchFigures f = search_measure(scenario, runs, (guint64)search_states);

		search_emit(j, &f);
	}
	if (j != NULL) {
		m2d_json_object_end(j);
		text = m2d_json_finish(j);
		fputs(text, stdout);
	}
	return 0;
}
