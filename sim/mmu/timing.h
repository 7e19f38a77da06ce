/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What accesses cost, on the clock of one vCPU.
 *
 * functional: nothing is charged, events are counted.
 * blocking: a second-level hit and a walk stall the vCPU for their whole length.
 * overlapped: a walk takes one of several walkers and the vCPU goes on until the window of
 *   instructions in flight is full or no miss register is free. Stalls are charged to the causes
 *   of the walk that is waited for, in proportion; time it spent queueing for a walker is
 *   walk_wait. Second-level hits hide in the window. A reference to a page whose walk is under way
 *   joins it.
 *
 * Clocks are not state of the world: a rollback does not turn them back.
 */
#pragma once

#include "sim/engine/stats.h"
#include "sim/engine/walklog.h"
#include "sim/mmu/ptecache.h"

typedef enum {
	M2D_TIMING_FUNCTIONAL,
	M2D_TIMING_BLOCKING,
	M2D_TIMING_OVERLAPPED,
} M2dTimingModel;

/* Causes that make up the length of one walk. */
#define M2D_N_WALK_PARTS 6

typedef struct {
	uint64_t vpn;
	uint64_t index; /* of the reference that missed */
	uint64_t done;  /* clock */
	uint32_t length;
	uint32_t part[M2D_N_WALK_PARTS];
} M2dPending;

#define M2D_MAX_PENDING 64
#define M2D_MAX_WALKERS 16

typedef struct {
	M2dTimingModel model;
	const M2dMachine *machine;
	M2dPteCache *cache; /* NULL when functional */
	uint64_t cycles;    /* charged so far, base execution excluded */
	uint64_t refs;      /* references executed; base execution is refs * base_millicycles */
	uint64_t walker_free[M2D_MAX_WALKERS];
	M2dPending pending[M2D_MAX_PENDING]; /* ring, oldest first */
	uint32_t first_pending, n_pending;
	uint32_t last_cost; /* cycles of the walk charged last */
} M2dTiming;

/* m2d_timing_init: @sibling shares its third-level cache, may be NULL. */
void m2d_timing_init(M2dTiming *timing, const M2dMachine *machine, M2dTimingModel model,
		     M2dTiming *sibling);
void m2d_timing_clear(M2dTiming *timing);

/* m2d_timing_now: the vCPU's clock in cycles. */
static inline uint64_t m2d_timing_now(const M2dTiming *t)
{
	return t->model == M2D_TIMING_FUNCTIONAL
		       ? 0
		       : t->cycles + t->refs * t->machine->cost.base_millicycles / 1000;
}

/* m2d_timing_charge: @cycles for @cause, which the vCPU waits for. */
static inline void m2d_timing_charge(M2dTiming *t, M2dStats *stats, M2dCause cause, uint64_t cycles)
{
	if (t->model == M2D_TIMING_FUNCTIONAL)
		return;
	t->cycles += cycles;
	stats->cycles[cause] += cycles;
}

/* m2d_timing_l2_hit: second-level TLB hit. */
static inline void m2d_timing_l2_hit(M2dTiming *t, M2dStats *stats)
{
	if (t->model == M2D_TIMING_BLOCKING)
		m2d_timing_charge(t, stats, M2D_CAUSE_L2_HIT, t->machine->tlb.l2_hit);
}

/**
 * m2d_timing_walk: charge the walk in @log, for page @vpn. Fills served_by of its fetches and the
 * pte_* counters.
 */
void m2d_timing_walk(M2dTiming *timing, M2dWalkLog *log, M2dStats *stats, uint64_t vpn);

/* m2d_timing_advance: overlapped: the reference numbered t->refs (page @vpn) enters the window;
 * waits for what must retire first. Call only while n_pending != 0. */
void m2d_timing_advance(M2dTiming *timing, M2dStats *stats, uint64_t vpn);

/* m2d_timing_drain: wait for all outstanding walks (serialising instructions, end of run). */
void m2d_timing_drain(M2dTiming *timing, M2dStats *stats);
