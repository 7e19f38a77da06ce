/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Source-DPOR with sleep sets, stateless: no table, every complete run is another trace. When a
 * step is taken, each earlier step of another actor that it races with (dependent, and not ordered
 * before it by what its actor did since) gets a backtrack point before it, unless one of the
 * actors that could begin the reversed order is there already.
 *
 * Races are looked for among all earlier dependent steps, not only the last: with locks and waits
 * the last one is often the step that enabled this one, which cannot be reversed. Where the actor
 * could not move before the earlier step, every actor that could is a backtrack point (Flanagan and
 * Godefroid, POPL 2005). More points cost runs that sleep sets cut off, never a trace.
 */
#include "sim/explore/explore-private.h"

typedef struct {
	M2dMark mark;    /* before the step taken here */
	M2dFootprint fp; /* of the step taken */
	uint32_t enabled, backtrack, explored, sleep;
	uint8_t actor, alt, n_alts;
	uint8_t pad;
	uint32_t clock[M2D_EX_MAX_ACTORS]; /* steps of each actor that happened before, itself
					      included */
} Event;

typedef struct {
	M2dExRun *run;
	GArray *events; /* of Event; the last one has no step yet, or is being explored */
	GArray *path;
} Search;

static Event *event(const Search *s, guint i)
{
	return &g_array_index(s->events, Event, i);
}

/* A model that does not know what its steps touch: they depend on each other. */
static void footprint(const M2dExModel *m, unsigned actor, M2dFootprint *fp)
{
	if (m->footprint != NULL)
		m->footprint(m->data, actor, fp);
	else
		*fp = (M2dFootprint){UINT64_MAX, UINT64_MAX, UINT64_MAX};
}

/* Index of the last step of @actor before @end, or -1. */
static int last_of(const Search *s, unsigned actor, guint end)
{
	for (int i = (int)end - 1; i >= 0; i--)
		if (event(s, (guint)i)->actor == actor)
			return i;
	return -1;
}

/* Whether step @a happens before step @b > @a. */
static bool before(const Search *s, guint a, guint b)
{
	unsigned actor = event(s, a)->actor;

	return event(s, b)->clock[actor] >= event(s, a)->clock[actor];
}

static void set_clock(Search *s, guint i)
{
	Event *e = event(s, i);
	int own = last_of(s, e->actor, i);

	for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
		e->clock[a] = own >= 0 ? event(s, (guint)own)->clock[a] : 0;
	for (guint k = 0; k < i; k++) {
		const Event *f = event(s, k);

		if (f->actor == e->actor || !m2d_fp_dependent(&f->fp, &e->fp))
			continue;
		for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
			e->clock[a] = MAX(e->clock[a], f->clock[a]);
	}
	e->clock[e->actor]++;
}

/*
 * Actors that can begin what comes after step @e without it: those whose first step behind @e that
 * does not depend on it has nothing before it there. @actor's next step, with footprint @fp, is
 * last.
 */
static uint32_t initials(const Search *s, guint e, guint end, unsigned actor,
			 const M2dFootprint *fp)
{
	uint32_t seen = 0, first = 0;

	for (guint k = e + 1; k < end; k++) {
		unsigned a = event(s, k)->actor;
		bool free = true;

		if (before(s, e, k))
			continue;
		for (guint j = e + 1; j < k && free; j++)
			free = before(s, e, j) || !before(s, j, k);
		if (!(seen >> a & 1) && free)
			first |= 1u << a;
		seen |= 1u << a;
	}
	if (!(seen >> actor & 1)) {
		bool free = true;

		for (guint j = e + 1; j < end && free; j++)
			free = before(s, e, j) || !m2d_fp_dependent(&event(s, j)->fp, fp);
		if (free)
			first |= 1u << actor;
	}
	return first;
}

/* Backtrack points for @actor's next step, which would be number @end. */
static void add_races(Search *s, unsigned actor, guint end)
{
	const M2dExModel *m = s->run->m;
	int own = last_of(s, actor, end);
	M2dFootprint fp;

	footprint(m, actor, &fp);
	for (guint e = 0; e < end; e++) {
		Event *ev = event(s, e);
		uint32_t could;

		if (ev->actor == actor || !m2d_fp_dependent(&ev->fp, &fp))
			continue;
		/* Ordered by what the actor did since. */
		if (own > (int)e && before(s, e, (guint)own))
			continue;
		could = initials(s, e, end, actor, &fp);
		if (could & ~ev->enabled)
			ev->backtrack |= ev->enabled;
		else if (!(could & (ev->backtrack | ev->explored)))
			ev->backtrack |= could & -could;
	}
}

static uint32_t still_asleep(const Search *s, uint32_t sleep, const M2dFootprint *mine)
{
	const M2dExModel *m = s->run->m;
	M2dFootprint other;
	uint32_t kept = 0;

	for (uint32_t left = sleep; left != 0; left &= left - 1) {
		unsigned a = (unsigned)__builtin_ctz(left);

		footprint(m, a, &other);
		if (!m2d_fp_dependent(mine, &other))
			kept |= 1u << a;
	}
	return kept;
}

/* A new state: the first choice at it. */
static void arrive(Search *s, uint32_t sleep)
{
	M2dExRun *run = s->run;
	const M2dExModel *m = run->m;
	Event e = {.mark = m2d_arena_mark(m->arena), .sleep = sleep, .actor = M2D_EX_MAX_ACTORS};
	uint32_t open;

	e.enabled = m2d_ex_enabled(m);
	/* Steps that are waited for race, too: they may never be taken on this path, which may end
	 * with nobody awake. */
	for (unsigned a = 0; a < m->n_actors; a++)
		if (!(e.enabled >> a & 1) && !m->done(m->data, a))
			add_races(s, a, s->events->len);
	if (e.enabled == 0) {
		run->r->runs++;
		m2d_ex_terminal(run, (M2dExStep *)(void *)s->path->data, s->path->len);
	}
	open = e.enabled & ~sleep;
	e.backtrack = open & -open;
	g_array_append_val(s->events, e);
	run->r->depth = MAX(run->r->depth, s->path->len);
}

/* The next actor or alternative at the last event; false: none is left. */
static bool choose(Search *s)
{
	const M2dExModel *m = s->run->m;
	Event *e = event(s, s->events->len - 1);
	uint32_t open;

	if (e->actor != M2D_EX_MAX_ACTORS && ++e->alt < e->n_alts)
		return true;
	if (e->actor != M2D_EX_MAX_ACTORS) {
		e->explored |= 1u << e->actor;
		e->sleep |= 1u << e->actor;
	}
	open = e->backtrack & ~e->sleep & ~e->explored;
	if (open == 0)
		return false;
	e->actor = (uint8_t)__builtin_ctz(open);
	e->alt = 0;
	e->n_alts = (uint8_t)m->enabled(m->data, e->actor);
	footprint(m, e->actor, &e->fp);
	add_races(s, e->actor, s->events->len - 1);
	set_clock(s, s->events->len - 1);
	return true;
}

static void take(Search *s)
{
	M2dExRun *run = s->run;
	const M2dExModel *m = run->m;
	Event *e = event(s, s->events->len - 1);
	M2dExStep step = {e->actor, e->alt};
	uint32_t sleep =
		s->run->o->no_sleep ? 0 : still_asleep(s, e->sleep & ~(1u << e->actor), &e->fp);
	unsigned bad;

	m->step(m->data, step.actor, step.alt);
	run->r->transitions++;
	g_array_append_val(s->path, step);
	bad = m->violation != NULL ? m->violation(m->data) : 0;
	/* It goes on behind a violation: the races there lead to other traces. */
	if (bad != 0) {
		m2d_ex_found(run, bad, (M2dExStep *)(void *)s->path->data, s->path->len);
	}
	if (s->path->len >= run->o->max_steps) {
		run->r->end = M2D_EX_BOUND_STEPS;
		run->stop = true;
	}
	if (run->stop || !m2d_ex_tick(run)) {
		m2d_arena_rollback(m->arena, event(s, s->events->len - 1)->mark);
		g_array_set_size(s->path, s->path->len - 1);
		return;
	}
	arrive(s, sleep);
}

void m2d_ex_dpor(M2dExRun *run)
{
	Search s = {.run = run};

	s.events = g_array_new(FALSE, FALSE, sizeof(Event));
	s.path = g_array_new(FALSE, FALSE, sizeof(M2dExStep));
	arrive(&s, 0);
	while (s.events->len != 0) {
		if (!run->stop && choose(&s)) {
			take(&s);
			continue;
		}
		g_array_set_size(s.events, s.events->len - 1);
		if (s.events->len != 0) {
			m2d_arena_rollback(run->m->arena, event(&s, s.events->len - 1)->mark);
			g_array_set_size(s.path, s.path->len - 1);
		}
	}
	g_array_unref(s.events);
	g_array_unref(s.path);
}
