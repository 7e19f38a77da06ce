/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Progress of long work: one line on a terminal, rewritten in place. */
#include "tools/cmd.h"

#include <stdio.h>
#include <unistd.h>

#define REDRAW_INTERVAL_US 100000
/* Before this the rate is noise, and most commands have ended. */
#define FIRST_DRAW_US 300000

struct _M2dProgress {
	const char *what;
	const char *unit;
	uint64_t total; /* 0: unknown */
	bool silent;
	bool drawn;
	gint64 start_us;
	gint64 next_us;
};

M2dProgress *m2d_progress_new(const char *what, const char *unit, uint64_t total, bool quiet)
{
	M2dProgress *p = g_new0(M2dProgress, 1);

	p->what = what;
	p->unit = unit;
	p->total = total;
	p->silent = quiet || isatty(STDERR_FILENO) == 0;
	p->start_us = g_get_monotonic_time();
	p->next_us = p->start_us + FIRST_DRAW_US;
	return p;
}

/* @value with a decimal prefix, three digits of it. */
static void format_amount(char *buf, size_t size, double value)
{
	static const char *const prefixes[] = {"", " k", " M", " G", " T"};
	unsigned i = 0;

	while (value >= 999.5 && i + 1 < G_N_ELEMENTS(prefixes)) {
		value /= 1000;
		i++;
	}
	snprintf(buf, size, "%.*f%s", i == 0 || value >= 99.95 ? 0 : 1, value, prefixes[i]);
}

static void draw(M2dProgress *p, uint64_t done, gint64 now)
{
	double seconds = (double)(now - p->start_us) / 1e6;
	double rate = (double)done / seconds;
	char count[32];
	char speed[32];

	format_amount(count, sizeof(count), (double)done);
	format_amount(speed, sizeof(speed), rate);
	fprintf(stderr, "\r%s: ", p->what);
	if (p->total != 0) {
		double share = done < p->total ? (double)done / (double)p->total : 1;
		uint64_t left = rate > 0 && done < p->total
					? (uint64_t)((double)(p->total - done) / rate + 0.5)
					: 0;

		fprintf(stderr, "%3.0f %%, %s %s/s, ", share * 100, speed, p->unit);
		if (left >= 3600)
			fprintf(stderr, "%" G_GUINT64_FORMAT ":%02u:%02u left",
				(guint64)left / 3600, (unsigned)(left / 60 % 60),
				(unsigned)(left % 60));
		else
			fprintf(stderr, "%u:%02u left", (unsigned)(left / 60),
				(unsigned)(left % 60));
	} else {
		fprintf(stderr, "%s %s, %s %s/s", count, p->unit, speed, p->unit);
	}
	fputs("\033[K", stderr);
	fflush(stderr);
	p->drawn = true;
}

void m2d_progress_update(M2dProgress *progress, uint64_t done)
{
	gint64 now;

	if (progress->silent)
		return;
	now = g_get_monotonic_time();
	if (now < progress->next_us)
		return;
	progress->next_us = now + REDRAW_INTERVAL_US;
	draw(progress, done, now);
}

void m2d_progress_free(M2dProgress *progress)
{
	if (progress == NULL)
		return;
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	g_free(progress);
}
