/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shortest: a violation with the fewest preemptions, and of those one with the fewest steps.
 *
 * Layer p searches all schedules with at most p preemptions depth first, p = 0, 1, 2 and so on. The
 * first layer that holds a violation is searched to its end: a path that is as long as the best one
 * so far is cut. A state is gone through again only if it is reached with fewer preemptions, or as
 * many and fewer steps. That is rare, since how far each actor has come is part of the state and
 * says how many steps were taken; and going depth first costs one step and its undoing for each
 * transition, where a breadth-first search has to move between states that have little in common.
 */
#include <string.h>

#include "sim/explore/explore-private.h"

#define FIRST_CAPACITY (UINT64_C(1) << 12)
#define NO_BOUND       255u

/* A state, with who ran last, and the least cost that it was reached with. */
typedef struct {
	uint64_t key; /* 0: free */
	uint32_t depth;
	uint32_t preemptions;
} Slot;

typedef struct {
	M2dMark mark;
	uint32_t pending;   /* actors still to be tried here */
	uint8_t actor, alt; /* being tried */
	uint8_t n_alts;
	uint8_t last; /* actor that led here; M2D_EX_MAX_ACTORS: none */
	uint8_t preemptions;
	bool could_go_on; /* the last one */
} Frame;

typedef struct {
	M2dExRun *run;
	Slot *slot;
	uint64_t capacity, n;
	GArray *frames, *path; /* of Frame, M2dExStep */
	unsigned bound;        /* preemptions of this layer */
	bool cut;              /* a schedule passed the bound */
	GArray *best;          /* of M2dExStep; NULL: none in this layer yet */
	unsigned best_preemptions, best_violation;
} Search;

static uint64_t table_bytes(const Search *s)
{
	return s->capacity * sizeof(Slot);
}

static Slot *find(const Search *s, uint64_t key)
{
	uint64_t mask = s->capacity - 1, i = m2d_mix64(key) & mask;

	while (s->slot[i].key != 0 && s->slot[i].key != key)
		i = (i + 1) & mask;
	return &s->slot[i];
}

static bool grow(Search *s)
{
	Slot *old = s->slot;
	uint64_t n = s->capacity;

	if (s->run->o->max_bytes != 0 && 3 * table_bytes(s) > s->run->o->max_bytes)
		return false;
	s->capacity *= 2;
	s->slot = g_new0(Slot, s->capacity);
	for (uint64_t i = 0; i < n; i++)
		if (old[i].key != 0)
			*find(s, old[i].key) = old[i];
	g_free(old);
	return true;
}

static void stop(Search *s, M2dExEnd end)
{
	s->run->r->end = end;
	s->run->stop = true;
}

/* Whether the present state is new, or reached at less cost than before; notes the cost. */
static bool note(Search *s, unsigned last, unsigned preemptions, uint32_t depth)
{
	M2dExRun *run = s->run;
	/* Whether the next switch is a preemption depends on who ran last. */
	uint64_t key = run->m->arena->hash ^ m2d_mix64(last + 1);
	Slot *slot;

	key += key == 0;
	slot = find(s, key);
	if (slot->key != 0) {
		if (slot->preemptions < preemptions ||
		    (slot->preemptions == preemptions && slot->depth <= depth))
			return false;
	} else {
		s->n++;
		run->r->states = MAX(run->r->states, s->n);
		if (run->o->max_states != 0 && s->n > run->o->max_states) {
			stop(s, M2D_EX_BOUND_STATES);
			return false;
		}
		if (10 * s->n > 7 * s->capacity) {
			if (!grow(s)) {
				stop(s, M2D_EX_BOUND_MEMORY);
				return false;
			}
			slot = find(s, key);
		}
	}
	*slot = (Slot){key, depth, preemptions};
	return true;
}

/* The path ends in @violation (0: a deadlock). */
static void found(Search *s, unsigned violation, unsigned preemptions)
{
	M2dExRun *run = s->run;

	if (run->o->all_violations) {
		m2d_ex_found(run, violation, (M2dExStep *)(void *)s->path->data, s->path->len);
		return;
	}
	if (s->best != NULL &&
	    (preemptions > s->best_preemptions ||
	     (preemptions == s->best_preemptions && s->path->len >= s->best->len)))
		return;
	if (s->best == NULL)
		s->best = g_array_new(FALSE, FALSE, sizeof(M2dExStep));
	g_array_set_size(s->best, 0);
	g_array_append_vals(s->best, s->path->data, s->path->len);
	s->best_preemptions = preemptions;
	s->best_violation = violation;
}

/* Nobody can move. */
static void terminal(Search *s, unsigned preemptions)
{
	unsigned violation;

	if (m2d_ex_end_breaks(s->run, &violation))
		found(s, violation, preemptions);
}

/* Enter the present state; false: nothing is to be tried from it. */
static bool enter(Search *s, unsigned last, unsigned preemptions)
{
	const M2dExModel *m = s->run->m;
	Frame f = {.actor = M2D_EX_MAX_ACTORS,
		   .last = (uint8_t)last,
		   .preemptions = (uint8_t)preemptions};

	if (!note(s, last, preemptions, s->path->len))
		return false;
	f.pending = m2d_ex_enabled(m);
	if (f.pending == 0) {
		terminal(s, preemptions);
		return false;
	}
	/* Every way on from here is at least as long as the best. */
	if (s->best != NULL && preemptions >= s->best_preemptions &&
	    s->path->len + 1 >= s->best->len)
		return false;
	f.could_go_on = last < M2D_EX_MAX_ACTORS && f.pending >> last & 1;
	f.mark = m2d_arena_mark(m->arena);
	g_array_append_val(s->frames, f);
	s->run->r->depth = MAX(s->run->r->depth, s->path->len);
	return true;
}

static bool next_choice(const Search *s, Frame *f)
{
	const M2dExModel *m = s->run->m;

	if (f->actor != M2D_EX_MAX_ACTORS && ++f->alt < f->n_alts)
		return true;
	if (f->pending == 0)
		return false;
	/* The actor that ran last first: what needs no switch is seen at its least cost. */
	f->actor = (uint8_t)(f->could_go_on && f->pending >> f->last & 1
				     ? f->last
				     : (unsigned)__builtin_ctz(f->pending));
	f->pending &= ~(1u << f->actor);
	f->alt = 0;
	f->n_alts = (uint8_t)m->enabled(m->data, f->actor);
	return true;
}

static void take(Search *s, const Frame *f)
{
	M2dExRun *run = s->run;
	const M2dExModel *m = run->m;
	M2dExStep step = {f->actor, f->alt};
	unsigned ran = m2d_ex_ran(m, f->last, f->actor);
	unsigned preemptions = f->preemptions + (f->could_go_on && ran != f->last), bad;
	M2dMark mark = f->mark;

	if (preemptions > s->bound) {
		s->cut = true;
		return;
	}
	m->step(m->data, step.actor, step.alt);
	run->r->transitions++;
	g_array_append_val(s->path, step);
	bad = m->violation != NULL ? m->violation(m->data) : 0;
	if (bad != 0)
		found(s, bad, preemptions);
	if (s->path->len >= run->o->max_steps)
		stop(s, M2D_EX_BOUND_STEPS);
	if (run->stop || bad != 0 || !m2d_ex_tick(run) || !enter(s, ran, preemptions)) {
		m2d_arena_rollback(m->arena, mark);
		g_array_set_size(s->path, s->path->len - 1);
	}
}

static void search_layer(Search *s)
{
	M2dExRun *run = s->run;

	s->cut = false;
	s->n = 0;
	memset(s->slot, 0, table_bytes(s));
	enter(s, M2D_EX_MAX_ACTORS, 0);
	while (s->frames->len != 0) {
		Frame *f = &g_array_index(s->frames, Frame, s->frames->len - 1);

		if (!run->stop && next_choice(s, f)) {
			take(s, f);
			continue;
		}
		g_array_set_size(s->frames, s->frames->len - 1);
		if (s->frames->len != 0) {
			f = &g_array_index(s->frames, Frame, s->frames->len - 1);
			m2d_arena_rollback(run->m->arena, f->mark);
			g_array_set_size(s->path, s->path->len - 1);
		}
	}
}

void m2d_ex_shortest(M2dExRun *run)
{
	const M2dExOptions *o = run->o;
	Search s = {.run = run, .capacity = FIRST_CAPACITY};
	unsigned most = o->preemptions >= 0 ? MIN((unsigned)o->preemptions, NO_BOUND) : NO_BOUND;

	s.slot = g_new0(Slot, s.capacity);
	s.frames = g_array_new(FALSE, FALSE, sizeof(Frame));
	s.path = g_array_new(FALSE, FALSE, sizeof(M2dExStep));
	/* All violations: no layer is the last that matters. */
	s.bound = o->all_violations ? most : 0;
	for (;;) {
		run->r->terminals = run->r->deadlocks = 0;
		search_layer(&s);
		if (run->stop || s.best != NULL || !s.cut || s.bound == most)
			break;
		s.bound++;
	}
	if (s.best != NULL) {
		M2dExEnd end = run->r->end;

		m2d_ex_found(run, s.best_violation, (M2dExStep *)(void *)s.best->data, s.best->len);
		/* A bound was reached before it was known to be the shortest. */
		if (end != M2D_EX_COMPLETE)
			run->r->end = end;
		g_array_unref(s.best);
	}
	run->r->bytes = table_bytes(&s);
	run->r->collision = (double)s.n * (double)s.n / 2 / 0x1p64;
	g_free(s.slot);
	g_array_unref(s.frames);
	g_array_unref(s.path);
}
