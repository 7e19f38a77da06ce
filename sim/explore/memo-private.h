/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of memo*.c only. */
#pragma once

#include "sim/explore/memo.h"
#include "sim/explore/worlds-private.h"

#define M2D_EX_MEMO_ALTS  2u
#define M2D_EX_MEMO_ROOTS 256u

/* If the word has the value, the next node is the one behind; else it is @other, 0: unknown. The
 * end of a path asks for a value that its word, the first of the arena, never has. */
typedef struct {
	uint32_t word, other;
	uint64_t value;
} M2dExNode;

/* Behind the end of a path of shared words: */
#define M2D_EX_NODE_PLACE(node) ((node)[1].word)  /* where the actor is then; 0: not known */
#define M2D_EX_NODE_ROOT(node)  ((node)[1].other) /* its first tree there; 0: not known */
#define M2D_EX_NODES_OF_END     2u

#define M2D_EX_NODE_END  M2D_BIT(31) /* of @other, which is an effect */
#define M2D_EX_MAX_NODES (UINT32_C(32) << 20)
#define M2D_EX_MAX_PATH  (UINT32_C(1) << 20)

typedef struct {
	M2dExNode *node; /* the first is none */
	uint32_t n;
	uint32_t most; /* when it was emptied */
} M2dExTrees;

/* What a step did, or that it cannot be taken. */
typedef struct {
	uint64_t used;                 /* it laid out so much of the arena */
	uint32_t first_count, n_count; /* statistics */
	uint32_t first_read, n_read;   /* words, in order of first sight */
	uint32_t next; /* what was read led elsewhere with another end of the arena; 0: none */
} M2dExEffect;

/* Sets of shared words, by their numbers modulo the bits. */
#define M2D_EX_SET_WORDS 4u

/* What is needed each time of an effect: two lines of the cache. */
typedef struct {
	uint64_t hash, hash_low, hash2; /* what it adds to those of the arena */
	M2dHash128 own;                 /* and to the actor's place */
	uint64_t read[M2D_EX_SET_WORDS], changed[M2D_EX_SET_WORDS]; /* shared words */
	uint32_t era;      /* of what it tells of words: see memo-place.c */
	uint32_t first, n; /* changes */
	uint32_t hits;     /* not counted yet */
	/* It depends on where the arena ended, since it laid something out there: the first word
	 * behind; 0: it does not. */
	uint32_t end;
	uint16_t n_shared; /* so many changes are of shared words, and come first */
	uint8_t actor;
	uint8_t ways; /* that the actor could move in; this is none of them if they are too few */
} M2dExBrief;

_Static_assert(sizeof(M2dExBrief) == 128, "a brief effect is two lines of the cache");

#define M2D_EX_MAX_EFFECTS (UINT32_C(1) << 20)
#define M2D_EX_MAX_CHANGES (UINT32_C(16) << 20)

/* One counter and what the step added to it. */
typedef struct {
	uint32_t which, by;
} M2dExCount;

/* A word in steps so far. */
typedef struct {
	uint64_t base;   /* what it was before the first change */
	uint16_t number; /* of the shared word */
	uint8_t toucher; /* 1 + the actor that has read or changed it, 0: none; M2D_EX_SHARED */
	bool changed;
} M2dExWord;

#define M2D_EX_SHARED UINT8_MAX

/* A step that is known in the state with @hash, and to be run all the same. */
typedef struct {
	uint64_t hash;
	uint32_t known;
	uint8_t actor, alt;
} M2dExDue;

/* Where an actor can be, and the trees of what it does there. */
typedef struct {
	M2dHash128 sum;
	uint32_t actor;
	uint32_t root[M2D_EX_MEMO_ALTS];
	uint32_t pad;
} M2dExPlace;

struct _M2dExMemo {
	M2dExWorld *x;
	const M2dExObserved *observed;
	M2dExPages *pages; /* or NULL */
	unsigned n_movers; /* the first actors; the others have nothing to do, ever */
	M2dExReads reads;
	uint64_t reads_room; /* words that @reads has room for */
	GArray *effect, *count, *read;
	GArray *change;        /* of M2dArenaChange, of the step that was run last */
	M2dArenaChange *store; /* of all steps */
	uint32_t n_stores;
	M2dExBrief *brief;
	uint64_t *before, *after; /* counters */
	unsigned n_counters;
	uint64_t premises[M2D_N_INVARIANTS]; /* of repeated steps */
	uint64_t hits;
	uint64_t counted; /* hits that the statistics have */
	int until_probe;  /* so many looks at known steps */
	unsigned n_probes;
	GArray *due;        /* of M2dExDue */
	uint32_t last;      /* the effect of the step taken last; 0: not known */
	uint32_t last_leaf; /* the end that it was found at; 0: not at one of shared words only */
	/* All that the actor's next step reads. */
	M2dExTrees whole;
	uint32_t root[M2D_EX_MAX_ACTORS][M2D_EX_MEMO_ALTS][M2D_EX_MEMO_ROOTS];
	/* What is shared of it, by the actor's place. */
	M2dExTrees shared;
	GArray *place;        /* of M2dExPlace */
	uint32_t *place_slot; /* numbers of places, by their sums; 0: free */
	uint64_t place_mask;
	uint32_t first_place; /* number of the first of this era */
	uint32_t era;
	M2dExWord *word;
	uint64_t word_room;
	uint16_t n_numbers;
	GArray *changed;                /* all words that are */
	GArray *own[M2D_EX_MAX_ACTORS]; /* those that only the actor touches */
};

static inline M2dExEffect *m2d_ex_memo_effect(const M2dExMemo *m, uint32_t i)
{
	return &g_array_index(m->effect, M2dExEffect, i);
}

static inline M2dExPlace *m2d_ex_memo_place(const M2dExMemo *m, uint32_t number)
{
	return &g_array_index(m->place, M2dExPlace, number - m->first_place);
}

/* The number is one of the present era. */
static inline bool m2d_ex_memo_is_place(const M2dExMemo *m, uint32_t number)
{
	return number >= m->first_place;
}

/* --- memo-tree.c ------------------------------------------------------------------------------ */

/* m2d_ex_memo_find: the effect that the present state leads to from the @root of one of @trees;
 * 0: none is known. @leaf: the end there, if it leads to no other effects; else 0. */
uint32_t m2d_ex_memo_find(const M2dExMemo *memo, const M2dExTrees *trees, uint32_t root,
			  uint32_t *leaf);
/* m2d_ex_trees_empty: nothing is known. m2d_ex_trees_init, m2d_ex_trees_clear: there is room for
 * M2D_EX_MAX_NODES and what was read by one more step. */
void m2d_ex_trees_init(M2dExTrees *trees, M2dExPages *pages);
void m2d_ex_trees_empty(M2dExTrees *trees);
void m2d_ex_trees_clear(M2dExTrees *trees, M2dExPages *pages);
/* m2d_ex_memo_enter: words with these values lead to @effect; *@was is the one that they led to so
 * far, with another end of the arena. False: something else was read on a step that led here
 * before.
 */
bool m2d_ex_memo_enter(M2dExMemo *memo, M2dExTrees *trees, uint32_t *root, const M2dExReads *reads,
		       uint32_t effect, uint32_t *was);

/* --- memo-place.c ----------------------------------------------------------------------------- */

void m2d_ex_places_init(M2dExMemo *memo);
void m2d_ex_places_clear(M2dExMemo *memo);
/* m2d_ex_places_begin_era: forget all places, and what words that no step has changed are. */
void m2d_ex_places_begin_era(M2dExMemo *memo);
/* m2d_ex_places_note: a step of @actor has read the words, and made the changes. */
void m2d_ex_places_note(M2dExMemo *memo, unsigned actor, const uint32_t *read, uint32_t n_read,
			const M2dArenaChange *change, uint32_t n);
/* m2d_ex_place_now: number of the actor's place in the present state. */
uint32_t m2d_ex_place_now(M2dExMemo *memo, unsigned actor);
/* m2d_ex_place_after: the same behind the step taken last, which was of an actor at @place. @root,
 * if not NULL: of the first tree there, if it is at hand. */
uint32_t m2d_ex_place_after(M2dExMemo *memo, uint32_t place, uint32_t *root);
/* m2d_ex_place_learn: what is read at @place leads to @effect; returns the end of the path, 0: it
 * has none of its own. */
uint32_t m2d_ex_place_learn(M2dExMemo *memo, uint32_t place, unsigned alt, uint32_t effect);
/* m2d_ex_places_refresh: make what the brief effect @i tells of words that of the present era. */
void m2d_ex_places_refresh(M2dExMemo *memo, uint32_t i);

/* A step with that effect was not run. */
static inline void m2d_ex_memo_hit(M2dExMemo *m, uint32_t known)
{
	m->hits++;
	if (m2d_unlikely(++m->brief[known].hits == UINT32_MAX))
		m2d_ex_memo_count(m);
}

/* --- memo.c ----------------------------------------------------------------------------------- */

/* m2d_ex_memo_root: the tree of all that the actor's next step reads. */
uint32_t *m2d_ex_memo_root(M2dExMemo *memo, unsigned actor, unsigned alt);
/* m2d_ex_memo_make: take a step again whose effect is known, but for late stores. */
void m2d_ex_memo_make(M2dExMemo *memo, uint32_t known, bool late);
/* m2d_ex_memo_learn_ways: @alt is none of the ways in which the actor can move now; the effect of
 * that, 0: it cannot be kept. */
uint32_t m2d_ex_memo_learn_ways(M2dExMemo *memo, unsigned actor, unsigned alt);
