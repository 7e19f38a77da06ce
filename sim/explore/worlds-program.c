/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The programs of a world's actors: which steps of the scenario are whose, how far each has come,
 * and which may begin beside another.
 */
#include "sim/explore/worlds-private.h"

const M2dScnStep *m2d_ex_world_step(const M2dExWorld *x, unsigned actor, unsigned *index)
{
	const GArray *p = x->program[actor];

	if (x->st->at[actor].next >= p->len)
		return NULL;
	*index = g_array_index(p, unsigned, x->st->at[actor].next);
	return &x->s->steps[*index];
}

const M2dOp *m2d_ex_world_next(const M2dExWorld *x, unsigned actor)
{
	unsigned index;
	const M2dScnStep *s = m2d_ex_world_step(x, actor, &index);

	return s != NULL ? &s->op : NULL;
}

/*
 * Steps preempt that are written while another step of their actor is held at an `until`, and the
 * resume behind them, may come at any time; all others begin when the step before has ended.
 */
static void make_beside(M2dExWorld *x)
{
	bool held[M2D_EX_MAX_ACTORS] = {false}, any = false;

	x->beside = g_new0(bool, x->s->n_steps + 1);
	for (unsigned i = 0; i < x->s->n_steps; i++) {
		const M2dScnStep *s = &x->s->steps[i];
		int actor = m2d_scn_world_actor(x->w, s->actor);

		if (actor < 0)
			continue;
		x->beside[i] = !s->is_continue && held[actor] &&
			       (s->op.kind == M2D_OP_PREEMPT || s->op.kind == M2D_OP_RESUME);
		any |= x->beside[i];
		if (!x->beside[i])
			held[actor] = s->until != NULL;
	}
	if (!any)
		g_clear_pointer(&x->beside, g_free);
}

void m2d_ex_world_programs(M2dExWorld *x, uint64_t drop)
{
	for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
		x->program[a] = g_array_new(FALSE, FALSE, sizeof(unsigned));
	for (unsigned i = 0; i < x->s->n_steps; i++) {
		int actor = m2d_scn_world_actor(x->w, x->s->steps[i].actor);

		if (!x->s->steps[i].is_continue && actor >= 0 && (i >= 64 || !(drop >> i & 1)))
			g_array_append_val(x->program[actor], i);
	}
	make_beside(x);
}
