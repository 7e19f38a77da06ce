/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings of a replay, kept with their text up to a bound; counters count all of them. */
#include "sim/replay/replay-private.h"

#define MAX_STORIES 64

void m2d_replay_story(M2dReplay *r, const char *invariant, uint64_t ref, unsigned vcpu,
		      const char *format, ...)
{
	M2dViolation v = {g_strdup(invariant), ref, vcpu, NULL};
	va_list args;

	if (r->stories->len >= MAX_STORIES) {
		g_free(v.invariant);
		return;
	}
	va_start(args, format);
	v.story = g_strdup_vprintf(format, args);
	va_end(args);
	g_array_append_val(r->stories, v);
}
