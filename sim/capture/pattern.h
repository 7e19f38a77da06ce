/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload patterns of event.def, compiled, and their matching against the text of one event.
 * Private to sim/capture.
 */
#pragma once

#include "sim/capture/event.h"
#include "sim/capture/exit.h"

typedef struct _M2dCapPatterns M2dCapPatterns;

M2dCapPatterns *m2d_cap_patterns_new(M2dCapExits *exits);
void m2d_cap_patterns_free(M2dCapPatterns *patterns);
/**
 * m2d_cap_match: read the payload @p to @end of an event of kind e->kind into its fields.
 * @bad: where it went wrong, in the alternative that got furthest
 * Returns false if no alternative fits.
 */
bool m2d_cap_match(const M2dCapPatterns *patterns, M2dCapEvent *e, const char *p, const char *end,
		   const char **bad);
