/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Speed of `mmu2d check` on text, against a loop that only splits the same file into words. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "sim/base/json.h"

typedef struct {
	uint64_t events, bytes;
	double check, split; /* events per second: read and judged; lines only split */
	double ratio;        /* median of @check / @split, neighbours in time */
} CaptureFigures;

/* capture_measure: medians of @runs on the plain text @path. */
gboolean capture_measure(const char *path, int runs, CaptureFigures *figures, GError **error);
/* captures_measure: all of @captures whose names have @only, and the worst of them under the names
 * that checks rely on. @json: NULL: as text */
void captures_measure(char **captures, const char *only, int runs, M2dJson *json);
