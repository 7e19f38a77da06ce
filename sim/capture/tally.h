/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a capture holds, in numbers: events by name, exits by reason, and figures derived from
 * fields. SPTEs are judged by their MMU-present bit, which exists from Linux 5.13 on.
 */
#pragma once

#include "sim/capture/capture.h"

typedef struct _M2dTally M2dTally;

M2dTally *m2d_tally_new(void);
void m2d_tally_free(M2dTally *tally);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dTally, m2d_tally_free)
void m2d_tally_add(M2dTally *tally, const M2dCapEvent *event);

typedef void (*M2dTallyFn)(const char *name, uint64_t n, void *data);
/* m2d_tally_events: each name that occurred, sorted; m2d_tally_unknown counts what is not known. */
void m2d_tally_events(const M2dTally *tally, const M2dCapture *capture, M2dTallyFn fn, void *data);
/* m2d_tally_exits: each exit reason that occurred, sorted by name. */
void m2d_tally_exits(const M2dTally *tally, const M2dCapture *capture, M2dTallyFn fn, void *data);
/* m2d_tally_derived: the derived figures that are not 0, sorted by name. */
void m2d_tally_derived(const M2dTally *tally, const M2dCapture *capture, M2dTallyFn fn, void *data);
uint64_t m2d_tally_total(const M2dTally *tally);
/* m2d_tally_unknown: events of names that event.def has not. */
uint64_t m2d_tally_unknown(const M2dTally *tally);
/* m2d_tally_kind: events of one kind. */
uint64_t m2d_tally_kind(const M2dTally *tally, unsigned kind);
