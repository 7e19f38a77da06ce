/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chrome Trace Event JSON, which ui.perfetto.dev and chrome://tracing show: tracks, named by a
 * group (the format's process) and a number (its thread), with spans, instants and arrows between
 * them. Times are ns; the format has microseconds with three digits. Private to sim/report.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/base/outfile.h"

typedef struct {
	M2dOutFile *out;
	GString *text;
	GError *error; /* of the first write that failed; nothing is written after it */
	bool begun;
	uint64_t spans, arrows; /* written so far; an arrow's number is its id */
} M2dChrome;

/* Where something is drawn. */
typedef struct {
	unsigned group;
	uint64_t track;
} M2dChromeTrack;

void m2d_chrome_init(M2dChrome *c, M2dOutFile *out);
void m2d_chrome_clear(M2dChrome *c);
/* m2d_chrome_finish: the end of the document; false with @error if any write failed. */
bool m2d_chrome_finish(M2dChrome *c, GError **error);

/* m2d_chrome_safe: @text as the inside of a JSON string; g_free(). */
char *m2d_chrome_safe(const char *text);

/* Names and categories are insides of JSON strings, @args that of an object. Spans of one track
 * must lie in each other or apart. */
void m2d_chrome_span(M2dChrome *c, M2dChromeTrack at, uint64_t start, uint64_t end, const char *cat,
		     const char *name, const char *args);
void m2d_chrome_instant(M2dChrome *c, M2dChromeTrack at, uint64_t time, const char *cat,
			const char *name, const char *args);
/* m2d_chrome_async: a span that may overlap others of its track. */
void m2d_chrome_async(M2dChrome *c, M2dChromeTrack at, uint64_t start, uint64_t end,
		      const char *cat, const char *name, const char *args);
/* m2d_chrome_arrow: from a span at one place to one at another. */
void m2d_chrome_arrow(M2dChrome *c, M2dChromeTrack from, uint64_t start, M2dChromeTrack to,
		      uint64_t end, const char *cat, const char *name);
/* m2d_chrome_group, m2d_chrome_track: their names, of any text. */
void m2d_chrome_group(M2dChrome *c, unsigned group, const char *name);
void m2d_chrome_track(M2dChrome *c, M2dChromeTrack at, const char *name);
