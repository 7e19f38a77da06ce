/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's operations with an MMU that only says what it is asked for: one line of text holds the
 * points, events and calls of an operation in their order.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kvm/memory.h"
#include "sim/kvm/zap-policy.h"
#include "sim/vm/hostmm.h"

typedef struct {
	M2dWorld *world;
	M2dVm *vm;
	GString *trace;
	/* What the MMU answers. */
	bool flush, young, zapped;
} Fake;

extern Fake fake;

/* fake_new: a VM with @knobs (NULL: the default profile) and without @duty (M2D_N_DUTIES: none). */
void fake_new(const char *knobs, M2dDuty duty);
void fake_free(void);
/* fake_run: step @routine on the host's actor to its end, with @fn, unless NULL, at each point. */
int64_t fake_run(M2dRoutineId routine, const void *frame, uint32_t size, void (*fn)(M2dPoint));
/* FAKE_RUN(name, members...): the result; fake.trace tells what happened. */
#define FAKE_RUN(name, ...)                                                                        \
	fake_run(M2D_R_##name, &(name##_frame){__VA_ARGS__}, sizeof(name##_frame), NULL)
/* expect: the trace is @text; then it is emptied. */
void expect(const char *text);
/* slot_put: a slot without protocol. */
M2dMemslot *slot_put(unsigned as, unsigned id, uint64_t gfn, uint64_t n, uint64_t hva,
		     uint32_t flags);
