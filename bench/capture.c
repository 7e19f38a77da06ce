/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See capture.h. */
#include "bench/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"
#include "sim/base/error.h"
#include "sim/capture/tally.h"
#include "sim/evidence/evidence.h"

#define BUFFER (256u << 10)
#define WORDS  64u
#define ENOUGH 0.3 /* seconds that one measurement takes at least */

/* What check does with a capture, but for printing. */
static gboolean check_once(const char *path, uint64_t *events, GError **error)
{
	g_autoptr(M2dTally) tally = m2d_tally_new();
	g_autoptr(M2dEvidence) ev = m2d_evidence_new(&(M2dEvidenceOptions){.layout = -1});
	g_autoptr(M2dCapture) capture = m2d_capture_open(path, M2D_CAP_AUTO, error);
	M2dCapEvent e;
	int r;

	if (capture == NULL)
		return FALSE;
	while ((r = m2d_capture_next(capture, &e, error)) > 0) {
		m2d_tally_add(tally, &e);
		m2d_evidence_add(ev, &e);
	}
	m2d_evidence_finish(ev);
	*events = m2d_tally_total(tally);
	return r == 0;
}

/* Words of a line, by their beginnings and lengths; what they are does not matter. */
static unsigned split_line(const char *p, const char *end, const char *word[WORDS],
			   unsigned len[WORDS])
{
	unsigned n = 0;

	while (p < end && n < WORDS) {
		const char *start;

		while (p < end && *p == ' ')
			p++;
		start = p;
		while (p < end && *p != ' ')
			p++;
		if (p > start) {
			word[n] = start;
			len[n++] = (unsigned)(p - start);
		}
	}
	return n;
}

static gboolean split_once(const char *path, uint64_t *words, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	g_autofree char *buf = g_malloc(BUFFER);
	const char *word[WORDS];
	unsigned len[WORDS];
	size_t have = 0;
	ssize_t n;

	if (fd < 0) {
		m2d_error_from_errno(error, errno, "open", path);
		return FALSE;
	}
	while ((n = read(fd, buf + have, BUFFER - have)) > 0) {
		const char *p = buf, *end = buf + have + n, *stop;

		while ((stop = memchr(p, '\n', (size_t)(end - p))) != NULL) {
			unsigned k = split_line(p, stop, word, len);

			*words += k + (k > 0 ? len[k - 1] : 0);
			p = stop + 1;
		}
		have = (size_t)(end - p);
		memmove(buf, p, have);
	}
	close(fd);
	return TRUE;
}

gboolean capture_measure(const char *path, int runs, CaptureFigures *f, GError **error)
{
	double check[BENCH_MAX_RUNS] = {0}, split[BENCH_MAX_RUNS] = {0},
	       ratio[BENCH_MAX_RUNS] = {0};
	volatile uint64_t sink = 0;
	uint64_t words = 0;

	for (int i = 0; i < runs; i++) {
		unsigned k = 0, m = 0;
		double start = bench_now(), checked, end;

		do {
			if (!check_once(path, &f->events, error))
				return FALSE;
			k++;
			checked = bench_now();
		} while (checked - start < ENOUGH);
		do {
			if (!split_once(path, &words, error))
				return FALSE;
			m++;
			end = bench_now();
		} while (end - checked < ENOUGH / 2);
		check[i] = (double)f->events * k / (checked - start);
		split[i] = (double)f->events * m / (end - checked);
		ratio[i] = check[i] / split[i];
	}
	sink += words;
	f->check = bench_median(check, runs);
	f->split = bench_median(split, runs);
	f->ratio = bench_median(ratio, runs);
	return TRUE;
}

void captures_measure(char **captures, const char *only, int runs, M2dJson *j)
{
	double events = 0, ratio = 0;

	if (j != NULL)
		m2d_json_object_begin(j, "captures");
	for (int i = 0; captures[i] != NULL; i++) {
		g_autofree char *name = g_path_get_basename(captures[i]);
		CaptureFigures f = {0};
		GError *error = NULL;

		if (only != NULL && strstr(name, only) == NULL)
			continue;
		if (!capture_measure(captures[i], runs, &f, &error))
			bench_die(error);
		events = events == 0 ? f.check : MIN(events, f.check);
		ratio = ratio == 0 ? f.ratio : MIN(ratio, f.ratio);
		if (j == NULL) {
			printf("%-24s %8.0f events\n  check %.2f M events/s, split into words "
			       "%.2f, "
			       "ratio %.2f\n",
			       name, (double)f.events, f.check / 1e6, f.split / 1e6, f.ratio);
			continue;
		}
		m2d_json_object_begin(j, name);
		m2d_json_uint(j, "events", f.events);
		m2d_json_double(j, "check_events_per_second", f.check);
		m2d_json_double(j, "split_events_per_second", f.split);
		m2d_json_double(j, "check_split_ratio", f.ratio);
		m2d_json_object_end(j);
	}
	if (j == NULL)
		return;
	m2d_json_object_end(j);
	if (events != 0) {
		m2d_json_double(j, "check_events_per_second", events);
		m2d_json_double(j, "check_split_ratio", ratio);
	}
}
