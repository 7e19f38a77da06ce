/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end-to-end oracle: every access of the guest must reach what one of its legal translations
 * names, every load must find what was stored last, every #PF must be one that a legal walk gives,
 * MMIO happens only where no memory is, and a page that was written is in the next dirty log.
 * It listens to what the guest and userspace can see; KVM's state it never looks at.
 */
#pragma once

#include "sim/vm/memslot.h"
#include "tests/soundness/model.h"

#define SND_WORDS 4u /* of a page that programs use */

typedef struct {
	SndModel model;
	M2dVm *vm;
	M2dOp op[M2D_MAX_ACTORS]; /* under way */
	uint64_t begun[M2D_MAX_ACTORS];
	uint64_t flushes[M2D_MAX_ACTORS]; /* completed by the vCPU when its operation began */
	bool stepped;
	uint64_t value[SND_HOST_PAGES][SND_WORDS];
	uint64_t written[SND_HOST_PAGES];  /* since the last harvest; time, 0: not */
	uint64_t reported[SND_HOST_PAGES]; /* time */
	bool logging[M2D_MAX_SLOTS];       /* by slot: userspace may rely on the log */
	uint64_t accesses, faults, mmio;
	char *what; /* what was found first, or NULL */
	char *kind; /* one word for it */
} SndOracle;

void snd_oracle_init(SndOracle *o, M2dScnWorld *w);
void snd_oracle_clear(SndOracle *o);

/* snd_oracle_word: offset in its page of word @i. */
uint64_t snd_oracle_offset(unsigned i);

/* snd_oracle_begins: @actor is about to begin @op. */
void snd_oracle_begins(SndOracle *o, unsigned actor, const M2dOp *op);
