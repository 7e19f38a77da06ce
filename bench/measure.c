/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void bench_die(GError *error)
{
	fprintf(stderr, "bench: %s\n", error->message);
	exit(2);
}

double bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(const double *v, int n)
{
	g_autofree double *sorted = g_memdup2(v, (gsize)n * sizeof(double));

	qsort(sorted, (size_t)n, sizeof(double), compare_double);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}
