/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A run of a scenario as Chrome Trace Event JSON. A scenario has an order and no clock: each
 * micro-step and each event takes one microsecond. Tracks by layer and actor: the scenario's steps;
 * guest mode and exits; what KVM does in faults, notifiers, zaps and flushes; locks; the hardware's
 * flushes, walks and evictions. Arrows lead from a request, kick, interrupt or paravirtual flag to
 * whoever serves it.
 */
#pragma once

#include "sim/base/outfile.h"
#include "sim/scenario/runner.h"

/* m2d_timeline_run: write all of @run to @out. @spans, @arrows: how many were written. */
bool m2d_timeline_run(M2dOutFile *out, const M2dScnRun *run, uint64_t *spans, uint64_t *arrows,
		      GError **error);
