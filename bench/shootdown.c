/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One processor changes a page's entry twice, and each time interrupts the others and waits until
 * they have flushed; the others access the page, from the TLB or by a walk that fills it. A step
 * touches what a processor could. The state is a few words of an arena; fingerprints are its hash.
 */
#include "bench/shootdown.h"

#include <glib.h>
#include <string.h>

#include "bench/measure.h"
#include "sim/mem/put.h"

#define N_OTHERS 2u
#define ACCESSES 60u
#define CHANGES  12u

typedef struct {
	uint64_t pte;
	uint64_t tlb[1 + N_OTHERS]; /* what is cached; 0: nothing */
	uint64_t read[N_OTHERS];    /* what a walk under way has read; 0: none is */
	uint8_t ipi[N_OTHERS], ack[N_OTHERS];
	uint8_t pc[1 + N_OTHERS];
	uint8_t stale; /* an access after its flush went by the old entry */
} State;

typedef struct {
	M2dArena *arena;
	State *s;
	uint64_t *seen; /* fingerprints; 0: free */
	uint64_t mask, max;
	Shootdown r;
} Search;

#define PUT(x, lvalue, value) M2D_PUT((x)->arena, (x)->s->lvalue, value)

/* The initiator, a change: store, flush its own, an interrupt each, a wait for each. */
#define OWN_STEPS (2u + 2 * N_OTHERS)

static bool own_enabled(const State *s)
{
	unsigned at = s->pc[0] % OWN_STEPS;

	if (s->pc[0] >= CHANGES * OWN_STEPS)
		return false;
	return at < 2 + N_OTHERS || s->ack[at - 2 - N_OTHERS] != 0;
}

static void own_step(Search *x)
{
	unsigned at = x->s->pc[0] % OWN_STEPS;

	if (at == 0) {
		PUT(x, pte, x->s->pte + 0x1000);
	} else if (at == 1) {
		PUT(x, tlb[0], 0);
	} else if (at < 2 + N_OTHERS) {
		PUT(x, ack[at - 2], 0);
		PUT(x, ipi[at - 2], 1);
	} else {
		PUT(x, ack[at - 2 - N_OTHERS], 0);
	}
	PUT(x, pc[0], x->s->pc[0] + 1);
}

static bool other_enabled(const State *s, unsigned i)
{
	return s->pc[1 + i] < ACCESSES || s->ipi[i] != 0;
}

static void other_step(Search *x, unsigned i)
{
	const State *s = x->s;

	/* Interrupts are taken between instructions. */
	if (s->ipi[i] != 0 && s->read[i] == 0) {
		PUT(x, tlb[1 + i], 0);
		PUT(x, ipi[i], 0);
		PUT(x, ack[i], 1);
	} else if (s->read[i] != 0) {
		PUT(x, tlb[1 + i], s->read[i]);
		PUT(x, read[i], 0);
		PUT(x, pc[1 + i], s->pc[1 + i] + 1);
	} else if (s->tlb[1 + i] == 0) {
		PUT(x, read[i], s->pte);
	} else {
		if (s->tlb[1 + i] != s->pte && s->pc[0] >= CHANGES * OWN_STEPS)
			PUT(x, stale, 1);
		PUT(x, pc[1 + i], s->pc[1 + i] + 1);
	}
}

static bool visit(Search *x)
{
	uint64_t key = x->arena->hash | (x->arena->hash == 0), i = m2d_mix64(key) & x->mask;

	for (; x->seen[i] != 0; i = (i + 1) & x->mask)
		if (x->seen[i] == key)
			return false;
	x->seen[i] = key;
	x->r.states++;
	return true;
}

static void search(Search *x)
{
	bool any = false;

	for (unsigned a = 0; a <= N_OTHERS && x->r.states < x->max; a++) {
		M2dMark mark;

		if (a == 0 ? !own_enabled(x->s) : !other_enabled(x->s, a - 1))
			continue;
		any = true;
		mark = m2d_arena_mark(x->arena);
		if (a == 0)
			own_step(x);
		else
			other_step(x, a - 1);
		x->r.transitions++;
		if (x->s->stale != 0)
			g_error("the shootdown of the reference loop left a stale entry");
		if (visit(x))
			search(x);
		m2d_arena_rollback(x->arena, mark);
	}
	x->r.terminals += !any;
}

Shootdown shootdown_search(uint64_t max_states)
{
	Search x = {.arena = m2d_arena_new(1 << 20, NULL), .max = max_states};
	uint64_t room = 1024;
	double start;

	while (room < 2 * max_states)
		room *= 2;
	x.s = m2d_arena_alloc(x.arena, sizeof(State), 64);
	x.seen = g_new0(uint64_t, room);
	x.mask = room - 1;
	x.s->pte = 0x1000;
	m2d_arena_attach_journal(x.arena);
	start = bench_now();
	visit(&x);
	search(&x);
	x.r.seconds = bench_now() - start;
	g_free(x.seen);
	m2d_arena_free(x.arena);
	return x.r;
}
