/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Speed of the exhaustive search, against the reference loop of shootdown.c. */
#pragma once

#include <glib.h>

#include "sim/base/json.h"

typedef struct {
	double states, transitions;             /* a second */
	double plain_states, plain_transitions; /* of the reference loop */
	double states_ratio, transitions_ratio; /* medians of the ratios of neighbours */
	double bytes_per_state;                 /* of the table at its end */
	guint64 n_states;                       /* that were visited in a run */
} SearchFigures;

/* search_measure: @scenario is a file; its first variant is searched. @max_states: in a run */
SearchFigures search_measure(const char *scenario, int runs, guint64 max_states);
void search_emit(M2dJson *json, const SearchFigures *figures);
