/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of events and their numbers: those of event.def come first, others follow as they are met.
 * Private to sim/capture.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct _M2dCapNames M2dCapNames;

/* m2d_cap_names_new: a table with room for @max names, the first of which are @fixed. */
M2dCapNames *m2d_cap_names_new(const char *const *fixed, unsigned n_fixed, unsigned max);
void m2d_cap_names_free(M2dCapNames *names);
/* m2d_cap_names_get: the number of a name, new or not; the last one if there is no more room. */
unsigned m2d_cap_names_get(M2dCapNames *names, const char *p, size_t len);
unsigned m2d_cap_names_count(const M2dCapNames *names);
const char *m2d_cap_names_text(const M2dCapNames *names, unsigned i);
