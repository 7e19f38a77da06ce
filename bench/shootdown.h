/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TLB shootdown of three processors written by hand, searched by a loop of its own with the
 * arena's journal: what the search of a scenario is measured against. */
#pragma once

#include <stdint.h>

typedef struct {
	uint64_t states, transitions, terminals;
	double seconds; /* CPU time of the thread */
} Shootdown;

/* shootdown_search: depth first, until all states or @max_states are visited. */
Shootdown shootdown_search(uint64_t max_states);
