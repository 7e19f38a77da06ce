/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shorter counterexample from a longer one. Candidates are run leniently: a choice of an actor
 * that cannot move is skipped, and when choices run out the lowest actor that can move goes on. One
 * is accepted if it ends in the same violation with fewer (preemptions, steps), until none is.
 */
#include "sim/explore/explore-private.h"

typedef struct {
	const M2dExModel *m;
	unsigned violation;
	M2dMark start;
	GArray *best;
	unsigned best_preemptions;
} Shrink;

static unsigned check(const M2dExModel *m)
{
	return m->violation != NULL ? m->violation(m->data) : 0;
}

/* Run @choices; the steps taken, or NULL if it does not end in the violation within @limit steps.
 */
static GArray *attempt(const Shrink *s, const GArray *choices, guint limit)
{
	const M2dExModel *m = s->m;
	GArray *taken = g_array_new(FALSE, FALSE, sizeof(M2dExStep));
	guint next = 0;
	unsigned bad = 0;

	m2d_arena_rollback(m->arena, s->start);
	for (;;) {
		M2dExStep step = {M2D_EX_MAX_ACTORS, 0};

		while (next < choices->len && step.actor == M2D_EX_MAX_ACTORS) {
			M2dExStep c = g_array_index(choices, M2dExStep, next++);

			if (c.alt < m->enabled(m->data, c.actor))
				step = c;
		}
		for (unsigned a = 0; a < m->n_actors && step.actor == M2D_EX_MAX_ACTORS; a++)
			if (m->enabled(m->data, a) != 0)
				step.actor = (uint8_t)a;
		if (step.actor == M2D_EX_MAX_ACTORS) {
			/* Nobody can move. */
			bool done = m2d_ex_all_done(m);

			bad = done && m->end_violation != NULL ? m->end_violation(m->data) : 0;
			if (done ? bad != 0 && bad == s->violation : s->violation == 0)
				return taken;
			break;
		}
		if (taken->len == limit)
			break;
		m->step(m->data, step.actor, step.alt);
		g_array_append_val(taken, step);
		bad = check(m);
		if (bad != 0 && bad == s->violation)
			return taken;
		if (bad != 0)
			break;
	}
	g_array_unref(taken);
	return NULL;
}

/* Keep @choices if they are better; takes them over. */
static bool keep(Shrink *s, GArray *choices)
{
	GArray *taken = attempt(s, choices, s->best->len);
	unsigned preemptions;

	g_array_unref(choices);
	if (taken == NULL)
		return false;
	m2d_arena_rollback(s->m->arena, s->start);
	preemptions = m2d_ex_preemptions(s->m, taken);
	if (preemptions > s->best_preemptions ||
	    (preemptions == s->best_preemptions && taken->len >= s->best->len)) {
		g_array_unref(taken);
		return false;
	}
	g_array_unref(s->best);
	s->best = taken;
	s->best_preemptions = preemptions;
	return true;
}

static GArray *without(const GArray *from, guint first, guint n)
{
	GArray *a = g_array_new(FALSE, FALSE, sizeof(M2dExStep));

	g_array_append_vals(a, from->data, first);
	if (first + n < from->len)
		g_array_append_vals(a, &g_array_index(from, M2dExStep, first + n),
				    from->len - first - n);
	return a;
}

/* Length of the run of one actor that begins at @i. */
static guint block(const GArray *a, guint i)
{
	guint n = 1;

	while (i + n < a->len &&
	       g_array_index(a, M2dExStep, i + n).actor == g_array_index(a, M2dExStep, i).actor)
		n++;
	return n;
}

/* Move the block at @i to directly behind its actor's previous block. */
static GArray *merged(const GArray *a, guint i)
{
	guint n = block(a, i), to;
	uint8_t actor = g_array_index(a, M2dExStep, i).actor;
	GArray *out;

	for (to = i; to > 0 && g_array_index(a, M2dExStep, to - 1).actor != actor; to--)
		;
	if (to == 0)
		return NULL;
	out = without(a, i, n);
	g_array_insert_vals(out, to, &g_array_index(a, M2dExStep, i), n);
	return out;
}

static bool merge_blocks(Shrink *s)
{
	for (guint i = block(s->best, 0); i < s->best->len; i += block(s->best, i)) {
		GArray *candidate = merged(s->best, i);

		if (candidate != NULL && keep(s, candidate))
			return true;
	}
	return false;
}

/* What hardware did of itself, first all of it. */
static bool drop_hardware(Shrink *s)
{
	GArray *less = g_array_new(FALSE, FALSE, sizeof(M2dExStep));

	for (guint i = 0; i < s->best->len; i++)
		if (g_array_index(s->best, M2dExStep, i).actor < s->m->first_hw)
			g_array_append_val(less, g_array_index(s->best, M2dExStep, i));
	if (less->len == s->best->len) {
		g_array_unref(less);
		return false;
	}
	if (keep(s, less))
		return true;
	for (guint i = 0; i < s->best->len; i++)
		if (g_array_index(s->best, M2dExStep, i).actor >= s->m->first_hw &&
		    keep(s, without(s->best, i, 1)))
			return true;
	return false;
}

static bool drop_pieces(Shrink *s)
{
	for (guint n = s->best->len / 2; n > 0; n /= 2)
		for (guint i = 0; i + n <= s->best->len; i += n)
			if (keep(s, without(s->best, i, n)))
				return true;
	return false;
}

GArray *m2d_ex_shrink(const M2dExModel *m, const GArray *schedule, unsigned violation)
{
	bool attached = m->arena->journal != NULL;
	Shrink s = {.m = m, .violation = violation};

	if (!attached)
		m2d_arena_attach_journal(m->arena);
	s.start = m2d_arena_mark(m->arena);
	s.best = g_array_new(FALSE, FALSE, sizeof(M2dExStep));
	g_array_append_vals(s.best, schedule->data, schedule->len);
	s.best_preemptions = m2d_ex_preemptions(m, s.best);
	while (s.best->len != 0 &&
	       ((m->first_hw != 0 && drop_hardware(&s)) || merge_blocks(&s) || drop_pieces(&s)))
		;
	m2d_arena_rollback(m->arena, s.start);
	if (!attached)
		m2d_arena_detach_journal(m->arena);
	return s.best;
}
