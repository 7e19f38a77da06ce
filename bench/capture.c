/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See capture.h. */
#include "bench/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/capture/tally.h"
#include "sim/evidence/evidence.h"

#define MAX_RUNS 51
#define BUFFER   (256u << 10)
#define WORDS    64u
#define ENOUGH   0.3 /* seconds that one measurement takes at least */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

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

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

gboolean capture_measure(const char *path, int runs, CaptureFigures *f, GError **error)
{
	double check[MAX_RUNS] = {0}, split[MAX_RUNS] = {0}, ratio[MAX_RUNS] = {0};
	volatile uint64_t sink = 0;
	uint64_t words = 0;

	for (int i = 0; i < runs; i++) {
		unsigned k = 0, m = 0;
		double start = now(), checked, end;

		do {
			if (!check_once(path, &f->events, error))
				return FALSE;
			k++;
			checked = now();
		} while (checked - start < ENOUGH);
		do {
			if (!split_once(path, &words, error))
				return FALSE;
			m++;
			end = now();
		} while (end - checked < ENOUGH / 2);
		check[i] = (double)f->events * k / (checked - start);
		split[i] = (double)f->events * m / (end - checked);
		ratio[i] = check[i] / split[i];
	}
	sink += words;
	f->check = median(check, runs);
	f->split = median(split, runs);
	f->ratio = median(ratio, runs);
	return TRUE;
}
