/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every schedule of a model: which actor takes the next micro-step is the only choice. A model is
 * anything whose state lies in an arena: toy programs in tests, scenarios in sim/explore/worlds.h.
 *
 * Engines: exhaust visits every reachable state once (depth first, undo log, 64-bit fingerprints,
 * sleep sets that are stored with the states, persistent sets from static footprints); shortest
 * returns a violation with the fewest preemptions, then the fewest steps; dpor visits at least one
 * execution of every Mazurkiewicz trace without a table; random samples (PCT).
 *
 * Sources: Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems" (LNCS
 * 1032); Abdulla, Aronis, Jonsson, Sagonas, "Source Sets" (J.ACM 64(4)); Musuvathi, Qadeer,
 * "Iterative Context Bounding" (PLDI 2007); Burckhardt et al., "A Randomized Scheduler with
 * Probabilistic Guarantees" (ASPLOS 2010).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/mem/arena.h"

#define M2D_EX_MAX_ACTORS 16u
#define M2D_EX_MAX_ALTS   64u

/*
 * What a step may touch, as sets of objects: bit n stands for every object numbered n modulo 64, so
 * that too many objects only make steps dependent that are not.
 */
typedef struct {
	uint64_t read, write;
	uint64_t enable; /* looked at by the guard that decides whether the step can be taken */
} M2dFootprint;

/* m2d_fp_dependent: the order of two steps of different actors can matter. */
static inline bool m2d_fp_dependent(const M2dFootprint *a, const M2dFootprint *b)
{
	return (a->write & (b->read | b->write | b->enable)) != 0 ||
	       (b->write & (a->read | a->enable)) != 0;
}

/* Where a step leads, if that is known without taking it, and that it breaks nothing. */
typedef struct {
	uint64_t hash, hash2; /* of the state there */
	uint32_t known;       /* 0: it is not known */
	uint32_t place, leaf; /* the model's: where the actor is, and what was found there */
} M2dExAhead;

/* What again() does. */
typedef enum {
	M2D_EX_COUNT, /* it counts as taken */
	M2D_EX_TAKE,
	M2D_EX_TAKE_LATE, /* the same, as far as look() and again() can tell; all others have to
			   * call m2d_arena_catch_up() before */
} M2dExAgain;

typedef struct {
	M2dArena *arena; /* all state; a journal is attached by the engine */
	unsigned n_actors;
	void *data;
	/* Actors from here on are the freedom of hardware, which a report can best do without;
	 * 0: there are none. */
	unsigned first_hw;
	/* Number of alternatives of the actor's next step, 0: it can't move or has finished. */
	unsigned (*enabled)(void *data, unsigned actor);
	/* Take it. Only through m2d_set*(). */
	void (*step)(void *data, unsigned actor, unsigned alt);
	/* Mask of actors that can move; for each in how many ways, as enabled(), and for each of
	 * the first @look_alts of them where it leads: @ahead[actor * look_alts + alt]. @before:
	 * what this gave in the state before the step that was just taken; NULL: a search begins.
	 * Itself NULL, as again(): nothing is ever known. */
	uint32_t (*look)(void *data, const M2dExAhead *before, M2dExAhead *ahead, uint8_t *ways);
	unsigned look_alts;
	/* A known one is taken after all, or counts as taken. */
	void (*again)(void *data, const M2dExAhead *known, M2dExAgain how);
	/* Footprint of the actor's next step (of all alternatives), enabled or not. NULL:
	 * everything depends on everything. */
	void (*footprint)(void *data, unsigned actor, M2dFootprint *fp);
	/* Union over this and all its later steps. NULL: everything depends on everything. */
	void (*future)(void *data, unsigned actor, M2dFootprint *fp);
	/* Objects that decide whether an invariant holds: a step that writes one is not explored
	 * alone where others can move. */
	uint64_t visible;
	/* Nothing is left to do for the actor. */
	bool (*done)(void *data, unsigned actor);
	/* Number of the invariant that the step just taken broke, from 1; 0: none. May be NULL. */
	unsigned (*violation)(void *data);
	/* The same where all actors are done: what must hold at the end. May be NULL. */
	unsigned (*end_violation)(void *data);
} M2dExModel;

/* What searches leave to those behind them: memory that was touched already. Not for two threads at
 * once. */
typedef struct _M2dExPages M2dExPages;

/* m2d_ex_pages_new: none yet. m2d_ex_pages_free: after all searches that were given it, and after
 * their worlds; takes NULL, too. */
M2dExPages *m2d_ex_pages_new(void);
void m2d_ex_pages_free(M2dExPages *pages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dExPages, m2d_ex_pages_free)

typedef enum {
	M2D_EX_EXHAUST,
	M2D_EX_SHORTEST,
	M2D_EX_DPOR,
	M2D_EX_RANDOM,
} M2dExEngine;

typedef enum {
	M2D_EX_COMPLETE, /* all schedules were covered; violations may have been found */
	M2D_EX_STOPPED,  /* at the first violation */
	M2D_EX_SAMPLED,  /* as many schedules as asked for; proves nothing */
	M2D_EX_BOUND_STATES,
	M2D_EX_BOUND_MEMORY,
	M2D_EX_BOUND_TIME,
	M2D_EX_BOUND_STEPS, /* a schedule was longer than max_steps */
	M2D_EX_INTERRUPTED,
} M2dExEnd;

typedef struct {
	M2dExEngine engine;
	bool no_sleep, no_persistent; /* exhaust, dpor: switch a reduction off */
	bool all_violations;          /* go on after the first violation */
	int preemptions;              /* bound; -1: none (exhaust and shortest) */
	bool wide;                    /* 128-bit fingerprints */
	M2dExPages *pages;            /* or NULL */
	uint64_t max_states;          /* 0: none */
	uint64_t max_bytes;
	double max_seconds;
	uint32_t max_steps; /* of one schedule; 0: 100000 */
	uint64_t runs;      /* random */
	unsigned depth;     /* random: PCT bug depth */
	uint64_t seed;
	/* Told now and then; false interrupts. */
	bool (*progress)(uint64_t states, uint64_t transitions, void *data);
	void *progress_data;
	/* exhaust without reductions: called at each terminal state (all done or deadlock). */
	void (*terminal)(void *model_data, bool deadlock, void *data);
	void *terminal_data;
} M2dExOptions;

/* One choice of a schedule. */
typedef struct {
	uint8_t actor, alt;
} M2dExStep;

typedef struct {
	M2dExEnd end;
	unsigned violation;   /* of the schedule; 0: none was found */
	bool deadlock;        /* the schedule ends where nobody can move and somebody is not done */
	uint64_t states;      /* distinct ones visited, the first included */
	uint64_t transitions; /* steps taken, those to known states included */
	uint64_t runs;        /* dpor, random: complete schedules */
	uint64_t terminals;   /* distinct terminal states */
	uint64_t deadlocks;
	uint64_t depth; /* longest schedule */
	uint64_t bytes; /* of tables */
	double seconds;
	double collision;     /* bound on the probability that a state was taken for another */
	unsigned preemptions; /* of the schedule */
	GArray *schedule;     /* of M2dExStep; NULL: no violation */
	uint64_t violations;  /* found in all, with all_violations */
	uint64_t violated;    /* mask of the invariants violated; bit 0: deadlock */
} M2dExResult;

void m2d_ex_options_init(M2dExOptions *options);
/* m2d_explore: run an engine. The arena ends as it began. */
M2dExResult *m2d_explore(const M2dExModel *model, const M2dExOptions *options);
void m2d_ex_result_free(M2dExResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dExResult, m2d_ex_result_free)

/* m2d_ex_end_text: "complete", "bound of states" and so on. */
const char *m2d_ex_end_text(M2dExEnd end);

/**
 * m2d_ex_replay: take the steps of @schedule from the present state; choices of actors that cannot
 * move are skipped. Returns the violation met, 0: none. The arena stays where the schedule ends.
 * @taken: if not NULL, the steps that were taken are appended
 */
unsigned m2d_ex_replay(const M2dExModel *model, const GArray *schedule, GArray *taken);

/* m2d_ex_ran: who ran last when @actor has run behind @last: acts of hardware stop nobody. */
static inline unsigned m2d_ex_ran(const M2dExModel *model, unsigned last, unsigned actor)
{
	return model->first_hw != 0 && actor >= model->first_hw ? last : actor;
}

/* m2d_ex_preemptions: context switches of @schedule away from an actor that could have gone on. */
unsigned m2d_ex_preemptions(const M2dExModel *model, const GArray *schedule);

/**
 * m2d_ex_shrink: a shorter schedule that still ends in @violation: blocks are moved together, steps
 * dropped (the rest runs on with the lowest actor that can move). Never longer than the input.
 */
GArray *m2d_ex_shrink(const M2dExModel *model, const GArray *schedule, unsigned violation);

typedef struct {
	uint64_t max_states; /* 0: no bound */
	uint64_t max_bytes;
	double max_seconds;
} M2dExRepairOptions;

/* How long the violation that a schedule ends in could have been avoided. */
typedef struct {
	bool known; /* false: a bound was reached first */
	/* Before this step of the schedule, an index, some continuation was clean, behind it none;
	 * -1: no schedule of the model is clean. */
	int step;
	uint8_t instead; /* the actor that a clean continuation goes on with */
	uint64_t states; /* looked at */
} M2dExRepair;

/* m2d_ex_repair: the last step of @schedule, from the present state, that could be repaired. */
void m2d_ex_repair(const M2dExModel *model, const GArray *schedule,
		   const M2dExRepairOptions *options, M2dExRepair *repair);
