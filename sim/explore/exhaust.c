/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Depth first over all states. Two reductions, each sound with the table (see the sources in
 * explore.h):
 *
 * Sleep sets: an actor whose step was explored from an ancestor and commutes with everything since
 * need not be explored again. The table keeps the sleep set that a state was explored with; a visit
 * with a smaller one explores the actors that slept then and do not now, and the intersection is
 * stored.
 *
 * Persistent sets: from one enabled actor, closed under "the rest of another's program conflicts
 * with a member's next step or can enable it". A set whose successors all lie on the search stack
 * is refused, since nothing outside of it would ever be taken on that cycle. Steps that violate an
 * invariant are seen whatever set they are in: models make every step that writes what an
 * invariant reads depend on what it observes.
 *
 * With a bound on preemptions the key includes the last actor, and the stored value is the least
 * number of preemptions that a state was reached with; reductions are off.
 */
#include "sim/explore/explore-private.h"

/* Tests of the tests leave out what makes the reductions sound, one at a time. */
#define MUTANT_NO_STORED_SLEEP 1
#define MUTANT_NO_PROVISO      2
#ifndef M2D_EX_MUTANT
#define M2D_EX_MUTANT 0
#endif

#define SLEEP_NONE 0u

typedef struct {
	M2dMark mark;
	uint64_t key;
	uint32_t enabled;
	uint32_t pending;                /* actors still to be explored here */
	uint32_t settled;                /* actors whose choice leads to a known state: settle() */
	uint32_t sleep;                  /* asleep: from above, plus those explored here */
	uint8_t actor, alt;              /* being explored */
	uint8_t alts[M2D_EX_MAX_ACTORS]; /* of each actor */
	uint8_t last;                    /* actor that led here; M2D_EX_MAX_ACTORS: none */
	uint8_t preemptions;
	bool reduced; /* pending is a persistent set smaller than the enabled actors */
	bool back;    /* the actor being explored led back to the stack */
	bool first;   /* it is the first choice here */
} Frame;

/* The slot of a state in the table, or where it would go. */
typedef struct {
	uint64_t slot;
	bool there;
} Place;

typedef struct {
	M2dExRun *run;
	M2dExTable table;
	Frame *frame;      /* the search stack: each frame's choice is a step of the schedule */
	M2dExAhead *ahead; /* n_ahead for each frame */
	uint64_t n, room;
	unsigned n_ahead;
	GHashTable *stack; /* keys of the states on the stack, with reductions by persistent sets */
} Search;

/* What a search does beside going through all states. A constant wherever speed counts: most do
 * nothing else. */
typedef struct {
	bool bounded, sleep, persistent;
} How;

M2D_ALWAYS_INLINE uint64_t key_of(How how, uint64_t hash, unsigned last)
{
	return how.bounded ? hash ^ m2d_mix64(last + 1) : hash;
}

M2D_ALWAYS_INLINE uint64_t state_key(const Search *s, How how, unsigned last)
{
	return key_of(how, s->run->m->arena->hash, last);
}

static void more_room(Search *s)
{
	s->room = s->room != 0 ? 2 * s->room : 256;
	s->frame = g_renew(Frame, s->frame, s->room);
	s->ahead = g_renew(M2dExAhead, s->ahead, s->room * s->n_ahead);
}

/* Where the choices of frame @n lead. */
static M2dExAhead *ahead_of(const Search *s, uint64_t n)
{
	return s->ahead + n * s->n_ahead;
}

/* Find out who can move in the present state, and where that leads as far as it is known, for the
 * next frame; ask for the slots of the states there, which arrive while others are looked at. */
M2D_ALWAYS_INLINE void look(Search *s, How how, unsigned last)
{
	const M2dExModel *m = s->run->m;
	M2dExAhead *ahead;
	Frame *f;

	if (s->n == s->room)
		more_room(s);
	f = &s->frame[s->n];
	ahead = ahead_of(s, s->n);
	if (s->n_ahead == 0) {
		f->enabled = 0;
		for (unsigned a = 0; a < m->n_actors; a++) {
			f->alts[a] = (uint8_t)m->enabled(m->data, a);
			f->enabled |= (uint32_t)(f->alts[a] != 0) << a;
		}
		return;
	}
	f->enabled = m->look(m->data, s->n != 0 ? ahead - s->n_ahead : NULL, ahead, f->alts);
	for (uint32_t left = f->enabled; left != 0; left &= left - 1) {
		unsigned a = (unsigned)__builtin_ctz(left), ran = m2d_ex_ran(m, last, a);
		const M2dExAhead *to = &ahead[a * m->look_alts];

		m2d_ex_table_prefetch(&s->table, key_of(how, to[0].hash, ran));
		for (unsigned alt = 1; alt < MIN(f->alts[a], m->look_alts); alt++)
			m2d_ex_table_prefetch(&s->table, key_of(how, to[alt].hash, ran));
	}
}

M2D_ALWAYS_INLINE uint32_t persistent_set(const Search *s, How how, uint32_t enabled)
{
	return how.persistent ? m2d_ex_persistent_set(s->run->m, enabled) : enabled;
}

M2D_ALWAYS_INLINE bool on_stack(const Search *s, How how, uint64_t key)
{
	return how.persistent && M2D_EX_MUTANT != MUTANT_NO_PROVISO &&
	       g_hash_table_contains(s->stack, &key);
}

/* A violation (0: the end of a schedule, to be looked at) after the first @n frames' steps. */
static void report(const Search *s, unsigned violation, uint64_t n)
{
	M2dExStep *path = g_new(M2dExStep, n + 1);

	m2d_arena_catch_up(s->run->m->arena);
	for (uint64_t i = 0; i < n; i++)
		path[i] = (M2dExStep){s->frame[i].actor, s->frame[i].alt};
	if (violation != 0)
		m2d_ex_found(s->run, violation, path, n);
	else
		m2d_ex_terminal(s->run, path, n);
	g_free(path);
}

static Place find(const Search *s, uint64_t key, uint64_t key2)
{
	Place p;

	p.slot = m2d_ex_table_find(&s->table, key, key2, &p.there);
	return p;
}

/* The same in a table of nothing but fingerprints of 64 bits. */
M2D_ALWAYS_INLINE Place find_plain(const Search *s, uint64_t key)
{
	Place p;

	p.slot = m2d_ex_table_find_plain(&s->table, key, &p.there);
	return p;
}

/* Nothing is to be explored from a state that was stored with @stored. */
M2D_ALWAYS_INLINE bool covered(How how, uint32_t stored, unsigned preemptions, uint32_t sleep)
{
	if (how.bounded)
		return preemptions >= stored;
	/* What slept at the visits before and does not now is. */
	return (stored & ~sleep) == 0 || M2D_EX_MUTANT == MUTANT_NO_STORED_SLEEP;
}

/* Enter the present state, which look() was told of; @place is that in the table. False: nothing
 * (new) is to be explored from it. */
M2D_ALWAYS_INLINE bool enter(Search *s, How how, Place place, unsigned last, unsigned preemptions,
			     uint32_t sleep)
{
	M2dExRun *run = s->run;
	const M2dExModel *m = run->m;
	uint64_t key = state_key(s, how, last), slot = place.slot;
	uint32_t pending, set;
	Frame *f = &s->frame[s->n];

	f->reduced = false;
	if (place.there && how.bounded) {
		m2d_ex_table_set(&s->table, slot, (uint16_t)preemptions);
		pending = f->enabled;
	} else if (place.there) {
		uint32_t stored = m2d_ex_table_value(&s->table, slot);

		pending = stored & ~sleep;
		/* What the visits before explored may not sleep behind this one: they may be under
		 * way still, on a cycle. */
		sleep &= stored;
		m2d_ex_table_set(&s->table, slot, (uint16_t)sleep);
		set = persistent_set(s, how, f->enabled);
		f->reduced = set != f->enabled;
	} else {
		run->r->states++;
		if (run->o->max_states != 0 && run->r->states > run->o->max_states) {
			run->r->end = M2D_EX_BOUND_STATES;
			run->stop = true;
			return false;
		}
		if (f->enabled == 0)
			report(s, 0, s->n);
		pending = persistent_set(s, how, f->enabled);
		f->reduced = pending != f->enabled;
		pending &= ~sleep;
		slot = m2d_ex_table_add(&s->table, slot, key, m->arena->hash2,
					how.bounded ? (uint16_t)preemptions : (uint16_t)sleep);
		if (slot == UINT64_MAX) {
			run->r->end = M2D_EX_BOUND_MEMORY;
			run->stop = true;
			return false;
		}
	}
	if (pending == 0)
		return false;
	f->key = key;
	f->last = (uint8_t)last;
	f->preemptions = (uint8_t)preemptions;
	f->pending = pending;
	f->settled = 0;
	f->sleep = sleep;
	f->actor = M2D_EX_MAX_ACTORS;
	f->back = false;
	f->first = false;
	f->mark = m2d_arena_mark(m->arena);
	s->n++;
	if (how.persistent) {
		uint64_t *k = g_new(uint64_t, 1);

		*k = key;
		g_hash_table_add(s->stack, k);
	}
	run->r->depth = MAX(run->r->depth, s->n - 1);
	return true;
}

/* The actor that ran last goes first: schedules with few switches are found early. */
static unsigned first_of(const Frame *f, uint32_t pending)
{
	return f->last < M2D_EX_MAX_ACTORS && pending >> f->last & 1
		       ? f->last
		       : (unsigned)__builtin_ctz(pending);
}

/* Ask for the slot of the state that the next choice but those of the last frame leads to: it was
 * asked for long ago, and all states behind that frame have passed through the cache since. */
M2D_ALWAYS_INLINE void look_beyond(const Search *s, How how)
{
	const M2dExModel *m = s->run->m;
	const Frame *f;
	unsigned actor;

	if (s->n < 2 || s->n_ahead == 0)
		return;
	f = &s->frame[s->n - 2];
	if (f->pending == 0)
		return;
	actor = first_of(f, f->pending);
	m2d_ex_table_prefetch(&s->table,
			      key_of(how, ahead_of(s, s->n - 2)[actor * m->look_alts].hash,
				     m2d_ex_ran(m, f->last, actor)));
}

/* The next choice at @f; false: all are explored. */
static bool next_choice(How how, Frame *f)
{
	if (f->actor != M2D_EX_MAX_ACTORS && ++f->alt < f->alts[f->actor]) {
		f->first = false;
		return true;
	}
	/* One that led back to the stack may sleep nowhere: what comes behind it is explored from
	 * there only if the set there has it. */
	if (f->actor != M2D_EX_MAX_ACTORS && how.sleep && !f->back)
		f->sleep |= 1u << f->actor;
	if (f->pending == 0)
		return false;
	f->back = false;
	f->first = f->actor == M2D_EX_MAX_ACTORS;
	f->actor = (uint8_t)first_of(f, f->pending);
	f->pending &= ~(1u << f->actor);
	f->alt = 0;
	g_assert(f->alts[f->actor] <= M2D_EX_MAX_ALTS);
	return f->alts[f->actor] != 0 || next_choice(how, f);
}

/* Everything that a reduced set left out, since it led back to the stack. */
static void widen(Frame *f)
{
	if (!f->reduced)
		return;
	f->reduced = false;
	/* Explored ones are asleep or under way. */
	f->pending = f->enabled & ~f->sleep & ~(1u << f->actor);
}

/* What comes of the choice at a frame. */
typedef struct {
	unsigned ran, preemptions;
	uint32_t sleep;
	Place place; /* of the state that it leads to */
} Taken;

M2D_ALWAYS_INLINE bool is_covered(const Search *s, How how, const Taken *t)
{
	return t->place.there &&
	       covered(how, m2d_ex_table_value(&s->table, t->place.slot), t->preemptions, t->sleep);
}

/* Nothing but what was left out of a reduced set is to be explored behind the choice at @f, which
 * leads back to the stack. */
static void go_back(Frame *f)
{
	f->back = true;
	widen(f);
}

/*
 * Nine of ten of the other choices at the last frame lead to states that are known when it is
 * entered. They are looked for in one go while their slots, which look() asked for, are in the
 * cache; nothing is to be explored there.
 */
M2D_ALWAYS_INLINE void settle(const Search *s)
{
	const M2dExModel *m = s->run->m;
	bool wide = s->run->o->wide;
	Frame *f = &s->frame[s->n - 1];

	for (uint32_t left = f->pending; left != 0; left &= left - 1) {
		unsigned a = (unsigned)__builtin_ctz(left);
		const M2dExAhead *to = &ahead_of(s, s->n - 1)[a * m->look_alts];

		if (to->known == 0 || f->alts[a] != 1 ||
		    !(wide ? find(s, to->hash, to->hash2) : find_plain(s, to->hash)).there)
			continue;
		f->settled |= 1u << a;
	}
	f->pending &= ~f->settled;
}

/* Count what was settled at the last frame, which is left; if the search stops, only what would
 * have been taken by now. */
M2D_ALWAYS_INLINE void count_settled(const Search *s)
{
	const M2dExModel *m = s->run->m;
	const Frame *f = &s->frame[s->n - 1];
	uint32_t settled = f->settled;

	if (m2d_unlikely(s->run->stop))
		settled &= f->first ? 0 : (1u << f->actor) - 1;
	for (; settled != 0; settled &= settled - 1) {
		unsigned a = (unsigned)__builtin_ctz(settled);

		s->run->r->transitions++;
		m->again(m->data, &ahead_of(s, s->n - 1)[a * m->look_alts], M2D_EX_COUNT);
	}
}

/* Take the choice at the last frame, which leads to @ahead. False: nothing has to be explored
 * there, and the present state is that of the frame. */
M2D_ALWAYS_INLINE bool take_known(Search *s, How how, const M2dExAhead *ahead, Taken *t)
{
	const M2dExModel *m = s->run->m;
	Frame *f = &s->frame[s->n - 1];
	uint64_t key = key_of(how, ahead->hash, t->ran), key2 = ahead->hash2;
	/* Footprints look at states. */
	M2dExAgain again = how.sleep || how.persistent ? M2D_EX_TAKE : M2D_EX_TAKE_LATE;
	/* Most first choices lead to new states, most others to known ones. */
	bool first = f->first, make = first;

	s->run->r->transitions++;
	if (on_stack(s, how, key)) {
		m->again(m->data, ahead, M2D_EX_COUNT);
		go_back(f);
		return false;
	}
	if (!first) {
		t->place = find(s, key, key2);
		make = !is_covered(s, how, t);
	}
	m->again(m->data, ahead, make ? again : M2D_EX_COUNT);
	if (!make)
		return false;
	/* The slot of the first arrives meanwhile. */
	look(s, how, t->ran);
	if (!first)
		return true;
	/* A state is covered by being known, if nothing else is asked for. */
	if (!how.bounded && !how.sleep && !how.persistent)
		settle(s);
	t->place = find(s, key, key2);
	if (!is_covered(s, how, t))
		return true;
	m2d_arena_rollback_to(m->arena, &s->frame[s->n - 1].mark);
	return false;
}

/* The same where it is not known where it leads. */
static bool take_unknown(Search *s, How how, Taken *t)
{
	M2dExRun *run = s->run;
	const M2dExModel *m = run->m;
	Frame *f = &s->frame[s->n - 1];
	uint64_t key;
	unsigned bad;
	bool back;

	m->step(m->data, f->actor, f->alt);
	run->r->transitions++;
	bad = m->violation != NULL ? m->violation(m->data) : 0;
	key = state_key(s, how, t->ran);
	if (bad != 0)
		report(s, bad, s->n);
	if (s->n >= run->o->max_steps) {
		run->r->end = M2D_EX_BOUND_STEPS;
		run->stop = true;
	}
	back = !run->stop && bad == 0 && on_stack(s, how, key);
	if (!run->stop && bad == 0 && !back) {
		t->place = find(s, key, m->arena->hash2);
		if (!is_covered(s, how, t)) {
			look(s, how, t->ran);
			return true;
		}
	}
	m2d_arena_rollback_to(m->arena, &f->mark);
	if (back)
		go_back(f);
	return false;
}

M2D_ALWAYS_INLINE void take(Search *s, How how, Frame *f)
{
	M2dExRun *run = s->run;
	const M2dExModel *m = run->m;
	unsigned last = f->last;
	Taken t = {.ran = m2d_ex_ran(m, last, f->actor),
		   .preemptions = f->preemptions,
		   .sleep = how.sleep ? m2d_ex_still_asleep(m, f->sleep, f->actor) : SLEEP_NONE};
	const M2dExAhead *ahead = NULL;
	bool open;

	if (how.bounded) {
		t.preemptions += last < M2D_EX_MAX_ACTORS && last != t.ran && f->alts[last] != 0;
		if ((int)t.preemptions > run->o->preemptions)
			return;
	}
	/* The last step of the longest schedule is not to be missed. */
	if (s->n_ahead != 0 && f->alt < m->look_alts && s->n < run->o->max_steps)
		ahead = &ahead_of(s, s->n - 1)[f->actor * m->look_alts + f->alt];
	open = ahead != NULL && ahead->known != 0 ? take_known(s, how, ahead, &t)
						  : take_unknown(s, how, &t);
	if (run->stop || !m2d_ex_tick(run)) {
		if (open)
			m2d_arena_rollback_to(m->arena, &s->frame[s->n - 1].mark);
	} else if (open && !enter(s, how, t.place, t.ran, t.preemptions, t.sleep)) {
		m2d_arena_rollback_to(m->arena, &s->frame[s->n - 1].mark);
	}
}

M2D_ALWAYS_INLINE void go_through(Search *s, How how)
{
	M2dExRun *run = s->run;

	look(s, how, M2D_EX_MAX_ACTORS);
	enter(s, how, find(s, state_key(s, how, M2D_EX_MAX_ACTORS), run->m->arena->hash2),
	      M2D_EX_MAX_ACTORS, 0, SLEEP_NONE);
	while (s->n != 0) {
		Frame *f = &s->frame[s->n - 1];

		if (!run->stop && next_choice(how, f)) {
			if (f->pending == 0)
				look_beyond(s, how);
			take(s, how, f);
			continue;
		}
		if (how.persistent)
			g_hash_table_remove(s->stack, &f->key);
		if (f->settled != 0)
			count_settled(s);
		if (--s->n != 0)
			m2d_arena_rollback_to(run->m->arena, &s->frame[s->n - 1].mark);
	}
}

void m2d_ex_exhaust(M2dExRun *run)
{
	Search s = {.run = run};
	How how = {.bounded = run->o->preemptions >= 0};

	how.sleep = !run->o->no_sleep && !how.bounded && run->m->footprint != NULL;
	how.persistent = !run->o->no_persistent && !how.bounded && run->m->future != NULL;
	m2d_ex_table_init(&s.table, how.sleep || how.bounded, run->o->wide, run->o->max_bytes,
			  run->o->pages);
	m2d_arena_hash_twice(run->m->arena, run->o->wide);
	if (how.persistent)
		s.stack = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	if (run->m->look != NULL)
		s.n_ahead = run->m->n_actors * run->m->look_alts;
	if (how.bounded || how.sleep || how.persistent)
		go_through(&s, how);
	else
		go_through(&s, (How){0});
	run->r->bytes = m2d_ex_table_bytes(&s.table);
	/* n states, each pair equal with probability 2^-64 or less. */
	run->r->collision = (double)run->r->states * (double)run->r->states / 2 / 0x1p64 /
			    (run->o->wide ? 0x1p64 : 1);
	m2d_ex_table_clear(&s.table);
	m2d_arena_hash_twice(run->m->arena, false);
	g_free(s.frame);
	g_free(s.ahead);
	g_clear_pointer(&s.stack, g_hash_table_unref);
}
