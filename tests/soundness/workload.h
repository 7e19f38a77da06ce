/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random programs that obey the manuals: a guest that edits its tables and then flushes before it
 * relies on the change, and a host that does what userspace may do. A program is made of groups:
 * operations of one actor that only together are legal, such as break-before-make.
 */
#pragma once

#include "sim/base/rng.h"
#include "tests/soundness/oracle.h"

#define SND_MAX_GROUP 64u

typedef struct {
	M2dOp op[SND_MAX_GROUP];
	unsigned n;
	uint64_t freed; /* table page that is free once the group has ended */
} SndGroup;

typedef struct {
	const SndConfig *c;
	M2dVm *vm;
	SndModel *model;
	M2dRng rng;
	uint64_t pool[SND_POOL]; /* free table pages */
	unsigned n_pool;
	int structural;                     /* actor that changes tables above level 1; -1: none */
	uint64_t big_table[SND_MAX_SPACES]; /* level-1 table of the region that can be large */
	uint64_t serial;                    /* values stored are all different */
	bool coming;                        /* the slot that comes and goes is there */
	bool moved;
} SndWorkload;

/* snd_pcpu_is_free: no vCPU is scheduled in on it. */
bool snd_pcpu_is_free(const M2dVm *vm, unsigned pcpu);

void snd_workload_init(SndWorkload *g, const SndConfig *c, SndModel *model);
/* snd_workload_group: what @actor does next. */
void snd_workload_group(SndWorkload *g, unsigned actor, SndGroup *group);
/* snd_workload_ended: all of @group has been done. */
void snd_workload_ended(SndWorkload *g, unsigned actor, const SndGroup *group);
