/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last state of a schedule from which some continuation is clean. States are looked at from the
 * end; from each, depth first for an end at which all actors are done and nothing is violated.
 * What an earlier look has gone through to no avail need not be gone through again.
 */
#include "sim/explore/explore-private.h"

#define MAX_DEPTH 100000u

typedef struct {
	M2dMark mark;
	uint32_t pending;
	uint8_t actor, alt, n_alts;
} Frame;

typedef struct {
	const M2dExModel *m;
	const M2dExRepairOptions *o;
	M2dExTable doomed;
	GArray *frames;
	M2dExRepair *r;
	gint64 start;
	bool bound; /* reached */
} Search;

static bool is_clean_end(const M2dExModel *m)
{
	return m2d_ex_all_done(m) && (m->end_violation == NULL || m->end_violation(m->data) == 0);
}

/* Enter the present state: true if it is a clean end. */
static bool enter(Search *s)
{
	bool there;
	uint64_t key = s->m->arena->hash, slot = m2d_ex_table_find(&s->doomed, key, 0, &there);
	Frame f = {.actor = M2D_EX_MAX_ACTORS, .mark = m2d_arena_mark(s->m->arena)};

	if (there)
		return false;
	f.pending = m2d_ex_enabled(s->m);
	if (f.pending == 0 && is_clean_end(s->m))
		return true;
	s->r->states++;
	s->bound |= m2d_ex_table_add(&s->doomed, slot, key, 0, 0) == UINT64_MAX ||
		    (s->o->max_states != 0 && s->r->states > s->o->max_states) ||
		    s->frames->len >= MAX_DEPTH;
	if (s->r->states % 1024 == 0 && s->o->max_seconds > 0)
		s->bound |= (double)(g_get_monotonic_time() - s->start) > s->o->max_seconds * 1e6;
	if (f.pending != 0 && !s->bound)
		g_array_append_val(s->frames, f);
	return false;
}

static bool next_choice(const Search *s, Frame *f)
{
	if (f->actor != M2D_EX_MAX_ACTORS && ++f->alt < f->n_alts)
		return true;
	if (f->pending == 0)
		return false;
	f->actor = (uint8_t)__builtin_ctz(f->pending);
	f->pending &= f->pending - 1;
	f->alt = 0;
	f->n_alts = (uint8_t)s->m->enabled(s->m->data, f->actor);
	return true;
}

/* Whether some continuation of the present state is clean; the world ends as it was. @first: the
 * actor that such a one begins with. */
static bool can_be_clean(Search *s, uint8_t *first)
{
	const M2dExModel *m = s->m;
	M2dMark start = m2d_arena_mark(m->arena);
	bool clean = enter(s);

	while (!clean && s->frames->len != 0 && !s->bound) {
		Frame *f = &g_array_index(s->frames, Frame, s->frames->len - 1);

		m2d_arena_rollback(m->arena, f->mark);
		if (!next_choice(s, f)) {
			g_array_set_size(s->frames, s->frames->len - 1);
			continue;
		}
		m->step(m->data, f->actor, f->alt);
		if (m->violation == NULL || m->violation(m->data) == 0)
			clean = enter(s);
	}
	if (s->frames->len != 0)
		*first = g_array_index(s->frames, Frame, 0).actor;
	g_array_set_size(s->frames, 0);
	m2d_arena_rollback(m->arena, start);
	return clean;
}

void m2d_ex_repair(const M2dExModel *m, const GArray *schedule, const M2dExRepairOptions *o,
		   M2dExRepair *r)
{
	bool attached = m->arena->journal != NULL;
	Search s = {.m = m, .o = o, .r = r, .start = g_get_monotonic_time()};
	g_autoptr(GArray) marks = g_array_new(FALSE, FALSE, sizeof(M2dMark));

	*r = (M2dExRepair){.step = -1};
	if (!attached)
		m2d_arena_attach_journal(m->arena);
	m2d_ex_table_init(&s.doomed, false, false, o->max_bytes, NULL);
	s.frames = g_array_new(FALSE, FALSE, sizeof(Frame));
	for (guint i = 0; i < schedule->len; i++) {
		M2dExStep step = g_array_index(schedule, M2dExStep, i);
		M2dMark mark = m2d_arena_mark(m->arena);

		g_array_append_val(marks, mark);
		m->step(m->data, step.actor, step.alt);
	}
	if (m->violation != NULL)
		m->violation(m->data);
	for (guint i = schedule->len; i-- > 0 && r->step < 0 && !s.bound;) {
		m2d_arena_rollback(m->arena, g_array_index(marks, M2dMark, i));
		if (can_be_clean(&s, &r->instead))
			r->step = (int)i;
	}
	r->known = !s.bound || r->step >= 0;
	if (marks->len != 0)
		m2d_arena_rollback(m->arena, g_array_index(marks, M2dMark, 0));
	m2d_ex_table_clear(&s.doomed);
	g_array_unref(s.frames);
	if (!attached)
		m2d_arena_detach_journal(m->arena);
}
