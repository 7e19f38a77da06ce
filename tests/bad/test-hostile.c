/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Senseless traces through every kind of replay. Expected of each: an end in reasonable time, and
 * either results that come out the same twice, or one line of error that is not our own fault.
 *
 *   test-hostile [ROUNDS [FIRST-SEED]]
 */
#include "hostile.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/base/rng.h"
#include "sim/replay/replay.h"

#define RECORDS 1500u
/* Far above what any of these takes, even with sanitizers. */
#define MAX_SECONDS 30

typedef struct {
	uint64_t done, refs, errors[M2D_ERROR_INTERNAL + 1];
	uint64_t by_mode[5], walks, page_faults, nested_faults, wrong;
	double slowest;
	uint64_t slowest_seed;
} Tally;

static const char *const machines[] = {"generic", "zen1", "zen4", "haswell", "sapphire-rapids"};
static const char *const paging[] = {"4level", "5level", "pae", "32bit"};

/* What is done with a trace depends on the seed as the trace does. */
static void choose(M2dRng *rng, bool tables, const char **machine, M2dReplayOptions *opt)
{
	const char *mode = paging[m2d_rng_below(rng, 4)];
	g_autofree char *guest = g_strconcat("guest.paging=", mode, NULL);
	GError *error = NULL;

	m2d_replay_options_init(opt);
	*machine = machines[m2d_rng_below(rng, G_N_ELEMENTS(machines))];
	opt->timing = (M2dTimingModel)m2d_rng_below(rng, 3);
	opt->vcpus = (unsigned)m2d_rng_below(rng, 3);
	opt->compare = m2d_rng_below(rng, 4) != 0;
	opt->samples = m2d_rng_below(rng, 2) * 16;
	/* Without tables the mode follows from the vendor, or is native. */
	if (!tables || m2d_rng_below(rng, 4) == 0)
		opt->mode = m2d_rng_below(rng, 3) == 0 ? M2D_REPLAY_NATIVE : M2D_REPLAY_AUTO;
	opt->host.levels = 4 + m2d_rng_below(rng, 2);
	opt->guest.share_2m = strcmp(mode, "32bit") != 0 ? m2d_rng_unit(rng) / 2 : 0;
	opt->guest.share_1g = strstr(mode, "level") != NULL ? m2d_rng_unit(rng) / 2 : 0;
	opt->host.share_2m = m2d_rng_unit(rng) / 2;
	opt->guest.scatter = m2d_rng_unit(rng);
	if (m2d_rng_below(rng, 4) == 0)
		opt->guest.memory = UINT64_C(16) << 20; /* soon full */
	opt->guest.seed = opt->host.seed = m2d_rng_next(rng);
	if (!m2d_guestos_config_set(&opt->guest, guest, &error))
		g_error("%s: %s", guest, error->message);
}

static M2dResult *replay(const char *path, const char *name, const M2dReplayOptions *opt,
			 GError **error)
{
	M2dMachine *machine = m2d_machine_load(name, error);
	g_autoptr(M2dTraceReader) reader = NULL;
	g_autoptr(M2dReplay) r = NULL;

	if (machine == NULL)
		g_error("machine %s: %s", name, (*error)->message);
	reader = m2d_trace_reader_open(path, 0, error);
	if (reader == NULL)
		g_error("the trace is not even well-formed: %s", (*error)->message);
	r = m2d_replay_new(machine, m2d_trace_reader_info(reader), opt, error);
	return r != NULL ? m2d_replay_run(r, reader, error) : NULL;
}

static bool same(const M2dResult *a, const M2dResult *b)
{
	return memcmp(&a->total, &b->total, sizeof(a->total)) == 0 &&
	       a->samples->len == b->samples->len && a->violations->len == b->violations->len &&
	       memcmp(a->vcpu_cycles, b->vcpu_cycles, a->n_vcpus * sizeof(uint64_t)) == 0;
}

static void count(Tally *t, const M2dResult *r)
{
	t->refs += r->total.c.refs;
	t->walks += r->total.c.walks;
	t->page_faults += r->total.c.page_faults;
	t->nested_faults += r->total.c.nested_faults;
	t->wrong += r->total.c.wrong;
}

static bool judge_error(uint64_t seed, const GError *error, Tally *t)
{
	if (error == NULL || error->domain != M2D_ERROR || error->code == M2D_ERROR_INTERNAL ||
	    error->code == M2D_ERROR_IO || strchr(error->message, '\n') != NULL) {
		fprintf(stderr, "seed %" G_GUINT64_FORMAT ": %s\n", seed,
			error != NULL ? error->message : "neither result nor error");
		return false;
	}
	t->errors[error->code]++;
	return true;
}

static bool one_round(uint64_t seed, const char *path, Tally *t)
{
	gint64 start = g_get_monotonic_time();
	g_autoptr(M2dResult) first = NULL;
	g_autoptr(M2dResult) second = NULL;
	g_autoptr(GError) error = NULL;
	M2dReplayOptions opt;
	const char *machine;
	bool tables, ok = true;
	double seconds;
	M2dRng rng;

	if (!hostile_write(seed, RECORDS, path, &error))
		g_error("seed %" G_GUINT64_FORMAT ": %s", seed, error->message);
	m2d_rng_seed(&rng, ~seed);
	{
		g_autoptr(M2dTraceReader) reader = m2d_trace_reader_open(path, 0, &error);

		if (reader == NULL)
			g_error("seed %" G_GUINT64_FORMAT ": %s", seed, error->message);
		tables = m2d_trace_reader_info(reader)->flags & M2D_TRACE_HAS_TABLES;
	}
	choose(&rng, tables, &machine, &opt);
	first = replay(path, machine, &opt, &error);
	if (first == NULL) {
		ok = judge_error(seed, error, t);
	} else {
		count(t, first);
		second = replay(path, machine, &opt, &error);
		ok = second != NULL && same(first, second);
		if (!ok)
			fprintf(stderr, "seed %" G_GUINT64_FORMAT ": two replays differ\n", seed);
	}
	t->by_mode[first == NULL                         ? 0
		   : strcmp(first->mmu, "recorded") == 0 ? 1
		   : strcmp(first->mmu, "native") == 0   ? 2
		   : strcmp(first->mmu, "npt") == 0      ? 3
							 : 4]++;
	t->done++;
	seconds = (double)(g_get_monotonic_time() - start) / 1e6;
	if (seconds > t->slowest) {
		t->slowest = seconds;
		t->slowest_seed = seed;
	}
	return ok;
}

static void report(const Tally *t)
{
	printf("%" G_GUINT64_FORMAT " traces: %" G_GUINT64_FORMAT " recorded, %" G_GUINT64_FORMAT
	       " native, %" G_GUINT64_FORMAT " npt, %" G_GUINT64_FORMAT
	       " ept; ended by input %" G_GUINT64_FORMAT ", by a bound %" G_GUINT64_FORMAT "\n",
	       t->done, t->by_mode[1], t->by_mode[2], t->by_mode[3], t->by_mode[4],
	       t->errors[M2D_ERROR_INPUT], t->errors[M2D_ERROR_BOUND]);
	printf("refs %" G_GUINT64_FORMAT ", walks %" G_GUINT64_FORMAT ", #PF %" G_GUINT64_FORMAT
	       ", nested faults %" G_GUINT64_FORMAT ", wrong %" G_GUINT64_FORMAT
	       "; slowest %.2f s (seed %" G_GUINT64_FORMAT ")\n",
	       t->refs, t->walks, t->page_faults, t->nested_faults, t->wrong, t->slowest,
	       t->slowest_seed);
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 150;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("hostile-XXXXXX.m2t", &path, NULL);
	bool ok = true;
	Tally t = {0};

	if (fd < 0)
		return 99;
	close(fd);
	for (uint64_t i = 0; i < rounds && ok; i++)
		ok = one_round(first + i, path, &t);
	g_unlink(path);
	report(&t);
	if (t.slowest > MAX_SECONDS) {
		fprintf(stderr, "a trace of %u records took too long\n", RECORDS);
		ok = false;
	}
	/* Traces that never get anywhere would test nothing. */
	if (ok && rounds >= 100 && (t.walks == 0 || t.page_faults == 0 || t.nested_faults == 0)) {
		fprintf(stderr, "no walk or no fault was reached\n");
		ok = false;
	}
	return ok ? 0 : 1;
}
