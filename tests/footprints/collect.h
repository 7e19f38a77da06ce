/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Footprints as steps really are: accesses gathered by segment. */
#pragma once

#include "sim/explore/footprint.h"
#include "sim/explore/worlds.h"

typedef struct {
	M2dSegment at;
	uint64_t read, write; /* M2dTouch */
	uint8_t called[256];  /* by routine: it was called */
	bool returns;
	M2dTouch began; /* written by steps that began with it, by its own code */
	uint64_t count;
} Seen;

typedef struct _Collect Collect;

Collect *collect_new(void);
void collect_free(Collect *c);

/* collect_begin: watch @world from now on, until collect_end(). */
void collect_begin(Collect *c, M2dExWorld *world);
/* collect_begin_vm: the same without a search's world: see collect_before(). */
void collect_begin_vm(Collect *c, M2dVm *vm, M2dCheck *check);
void collect_end(Collect *c);
/* collect_step: one step of the model. */
void collect_step(Collect *c, unsigned actor);
/* collect_before, collect_after: around one step of @actor; @next: what it begins if it is idle. */
void collect_before(Collect *c, unsigned actor, const M2dOp *next);
void collect_after(Collect *c);
/* collect_enabled: the same of its guard. */
unsigned collect_enabled(Collect *c, unsigned actor);
/* collect_touched: objects, as bits of an M2dFootprint, that the last step or guard touched. */
void collect_touched(const Collect *c, uint64_t *read, uint64_t *written);

/* collect_rows: all segments seen, in order; of Seen. */
GArray *collect_rows(const Collect *c);
