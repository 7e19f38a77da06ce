/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps that were taken before. What a step does to the arena follows from the words of it that the
 * step reads, and searches meet the same few thousand of such readings again and again: schedules
 * differ in who comes first, hardly in what each finds. So the first time a step is run by a copy
 * of the models that tells of every word it looks at (tools/observe.c), and what it changed is kept
 * by what it read; where the same words are found again the changes are made, and nothing is run.
 *
 * The words read are a tree: since models are deterministic, the first word that an actor's step
 * looks at is always the same, and each value found there decides which is next. Nothing is assumed
 * about what steps read: it is what that very execution read. Where a state follows on one that was
 * looked at before, less is compared: memo-place.c. Now and then a repetition is run all the same,
 * and must come to the same state.
 *
 * A word that only one actor's steps have touched need not be stored to as long as steps are
 * repeated: it is when a step has to be run, and what is undone before never was.
 *
 * What is kept has bounds (memo-private.h), 2 GiB in all; beyond them steps that are not known are
 * run each time.
 *
 * Steps that break an invariant are never repeated.
 */
#pragma once

#include "sim/explore/worlds.h"

/* What a step looked at, in order of first sight. Filled by the hooks while a step is observed. */
typedef struct {
	const uint8_t *base; /* of the arena */
	uint64_t n_words;    /* of it; behind them everything is 0 when the step begins */
	uint64_t *seen;      /* a bit for each */
	uint32_t *word;
	uint64_t *value; /* of these words, when they were first seen */
	uint32_t n;
} M2dExReads;

/* The other copy of the models. */
struct _M2dExObserved {
	/* m2d_ex_world_new() and m2d_ex_world_free() of the copy. */
	M2dExWorld *(*world_new)(const M2dScenario *scenario, int variant,
				 const M2dScnOptions *options, GError **error);
	void (*world_free)(M2dExWorld *world);
	/* From now on fill @reads; NULL: no longer. */
	void (*observe)(M2dExReads *reads);
	/* One repetition of so many is run and compared. */
	unsigned probe_every;
};

typedef struct _M2dExMemo M2dExMemo;

/* m2d_ex_memo_new: for @world, of the copy that @observed tells of. */
M2dExMemo *m2d_ex_memo_new(M2dExWorld *world, const M2dExObserved *observed, M2dExPages *pages);
void m2d_ex_memo_free(M2dExMemo *memo);
/* m2d_ex_memo_step: as the world's own step; the world's arena has a journal. */
void m2d_ex_memo_step(M2dExMemo *memo, unsigned actor, unsigned alt);
/* m2d_ex_memo_look, m2d_ex_memo_again: see M2dExModel. */
uint32_t m2d_ex_memo_look(M2dExMemo *memo, const M2dExAhead *before, M2dExAhead *ahead,
			  uint8_t *ways);
void m2d_ex_memo_again(M2dExMemo *memo, const M2dExAhead *known, M2dExAgain how);
/* m2d_ex_memo_hits: steps of which it was known what they do. */
uint64_t m2d_ex_memo_hits(const M2dExMemo *memo);
/* m2d_ex_memo_count: add to the world's statistics what repeated steps would have counted. */
void m2d_ex_memo_count(M2dExMemo *memo);
/* m2d_ex_memo_premises: the same for an invariant's premises, which the checker keeps: so many
 * more. */
uint64_t m2d_ex_memo_premises(M2dExMemo *memo, M2dInvariantId id);
