/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the measurements. */
#pragma once

#include <glib.h>

#define BENCH_MAX_RUNS 51

G_GNUC_NORETURN void bench_die(GError *error);
/* bench_now: time of this thread, for loops that never wait: other load does not count. Seconds */
double bench_now(void);
double bench_median(const double *values, int n);
