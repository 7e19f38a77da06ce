/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run for people (tables of text) and for programs (one JSON document). */
#pragma once

#include <glib.h>

#include "sim/replay/result.h"

/**
 * m2d_report_text: the tables that end a replay, at most 92 columns wide, as one string.
 * Sections without content (no flush, no walk) are left out; findings always have a line.
 * g_free() the string.
 */
char *m2d_report_text(const M2dResult *result);

/**
 * m2d_report_json: all of @result as one JSON document, to g_free().
 * Keys that other programs rely on: refs, seconds, refs_per_second, cycles, counters, flush_bill,
 * violations. Counters and causes have their names of sim/engine/stats.h; rows of flush_bill and
 * walk_refs that are all zero are left out.
 */
char *m2d_report_json(const M2dResult *result);

/* m2d_report_number: @n in decimal with a comma between groups of three; g_free(). */
char *m2d_report_number(uint64_t n);
