/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A capture as Chrome Trace Event JSON, which ui.perfetto.dev and chrome://tracing show: a track a
 * vCPU with spans in the guest, out of it by exit reason, and in page faults; a track a task for
 * notifiers, memslot changes, zaps and remote flushes; arrows from a remote flush to the flush of
 * each vCPU that it asked for. Written as events come, in bounded memory.
 */
#pragma once

#include <glib.h>

#include "sim/base/outfile.h"
#include "sim/capture/capture.h"

typedef struct _M2dTimeline M2dTimeline;

/* m2d_timeline_new: write to @out; events from @from to @to in ns, both 0: all. */
M2dTimeline *m2d_timeline_new(M2dOutFile *out, uint64_t from, uint64_t to);
void m2d_timeline_free(M2dTimeline *timeline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dTimeline, m2d_timeline_free)
/* m2d_timeline_add: after a failure it does nothing; m2d_timeline_finish tells. */
void m2d_timeline_add(M2dTimeline *timeline, const M2dCapture *capture, const M2dCapEvent *event);
/* m2d_timeline_finish: the names of tracks and the end. @spans, @arrows: how many were written. */
gboolean m2d_timeline_finish(M2dTimeline *timeline, const M2dCapture *capture, uint64_t *spans,
			     uint64_t *arrows, GError **error);
