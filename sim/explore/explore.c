/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/explore.h"

#include "sim/explore/explore-private.h"

void m2d_ex_options_init(M2dExOptions *o)
{
	*o = (M2dExOptions){
		.preemptions = -1, .max_steps = 100000, .runs = 1000, .depth = 3, .seed = 1};
}

const char *m2d_ex_end_text(M2dExEnd end)
{
	static const char *const texts[] = {
		[M2D_EX_COMPLETE] = "complete",
		[M2D_EX_STOPPED] = "stopped at the first violation",
		[M2D_EX_SAMPLED] = "sampled",
		[M2D_EX_BOUND_STATES] = "bound of states reached",
		[M2D_EX_BOUND_MEMORY] = "bound of memory reached",
		[M2D_EX_BOUND_TIME] = "bound of time reached",
		[M2D_EX_BOUND_STEPS] = "a schedule passed the bound of steps",
		[M2D_EX_INTERRUPTED] = "interrupted",
	};

	return texts[end];
}

bool m2d_ex_look_up(M2dExRun *run)
{
	const M2dExOptions *o = run->o;

	if (o->max_seconds > 0 &&
	    (double)(g_get_monotonic_time() - run->start) > o->max_seconds * 1e6) {
		run->r->end = M2D_EX_BOUND_TIME;
		run->stop = true;
	} else if (o->progress != NULL &&
		   !o->progress(run->r->states, run->r->transitions, o->progress_data)) {
		run->r->end = M2D_EX_INTERRUPTED;
		run->stop = true;
	}
	return !run->stop;
}

void m2d_ex_found(M2dExRun *run, unsigned violation, const M2dExStep *path, uint64_t n)
{
	M2dExResult *r = run->r;

	r->violations++;
	r->violated |= UINT64_C(1) << violation;
	if (r->schedule == NULL) {
		r->violation = violation;
		r->deadlock = violation == 0;
		r->schedule = g_array_new(FALSE, FALSE, sizeof(M2dExStep));
		g_array_append_vals(r->schedule, path, (guint)n);
	}
	if (!run->o->all_violations) {
		r->end = M2D_EX_STOPPED;
		run->stop = true;
	}
}

bool m2d_ex_end_breaks(M2dExRun *run, unsigned *violation)
{
	const M2dExModel *m = run->m;
	bool done = m2d_ex_all_done(m);

	run->r->terminals++;
	if (run->o->terminal != NULL)
		run->o->terminal(m->data, !done, run->o->terminal_data);
	run->r->deadlocks += !done;
	*violation = done && m->end_violation != NULL ? m->end_violation(m->data) : 0;
	return !done || *violation != 0;
}

void m2d_ex_terminal(M2dExRun *run, const M2dExStep *path, uint64_t n)
{
	unsigned violation;

	if (m2d_ex_end_breaks(run, &violation))
		m2d_ex_found(run, violation, path, n);
}

M2dExResult *m2d_explore(const M2dExModel *model, const M2dExOptions *options)
{
	M2dExResult *r = g_new0(M2dExResult, 1);
	M2dExRun run = {.m = model, .o = options, .r = r, .start = g_get_monotonic_time()};
	bool attached = model->arena->journal != NULL;
	M2dMark start;

	g_assert(model->n_actors <= M2D_EX_MAX_ACTORS);
	if (!attached)
		m2d_arena_attach_journal(model->arena);
	start = m2d_arena_mark(model->arena);
	switch (options->engine) {
	case M2D_EX_EXHAUST:
		m2d_ex_exhaust(&run);
		break;
	case M2D_EX_SHORTEST:
		m2d_ex_shortest(&run);
		break;
	case M2D_EX_DPOR:
		m2d_ex_dpor(&run);
		break;
	case M2D_EX_RANDOM:
		m2d_ex_random(&run);
		break;
	}
	m2d_arena_rollback(model->arena, start);
	if (r->schedule != NULL)
		r->preemptions = m2d_ex_preemptions(model, r->schedule);
	if (!attached)
		m2d_arena_detach_journal(model->arena);
	r->seconds = (double)(g_get_monotonic_time() - run.start) / 1e6;
	return r;
}

void m2d_ex_result_free(M2dExResult *r)
{
	if (r == NULL)
		return;
	g_clear_pointer(&r->schedule, g_array_unref);
	g_free(r);
}

static unsigned violation_now(const M2dExModel *m)
{
	unsigned bad = m->violation != NULL ? m->violation(m->data) : 0;

	if (bad == 0 && m->end_violation != NULL && m2d_ex_enabled(m) == 0 && m2d_ex_all_done(m))
		bad = m->end_violation(m->data);
	return bad;
}

unsigned m2d_ex_replay(const M2dExModel *m, const GArray *schedule, GArray *taken)
{
	for (guint i = 0; i < schedule->len; i++) {
		M2dExStep s = g_array_index(schedule, M2dExStep, i);
		unsigned bad;

		if (s.actor >= m->n_actors || s.alt >= m->enabled(m->data, s.actor))
			continue;
		m->step(m->data, s.actor, s.alt);
		if (taken != NULL)
			g_array_append_val(taken, s);
		bad = violation_now(m);
		if (bad != 0)
			return bad;
	}
	return 0;
}

unsigned m2d_ex_preemptions(const M2dExModel *m, const GArray *schedule)
{
	bool attached = m->arena->journal != NULL;
	unsigned n = 0, last = M2D_EX_MAX_ACTORS;
	M2dMark start;

	if (!attached)
		m2d_arena_attach_journal(m->arena);
	start = m2d_arena_mark(m->arena);
	for (guint i = 0; i < schedule->len; i++) {
		M2dExStep s = g_array_index(schedule, M2dExStep, i);

		unsigned ran = m2d_ex_ran(m, last, s.actor);

		if (last < M2D_EX_MAX_ACTORS && last != ran && m->enabled(m->data, last) != 0)
			n++;
		m->step(m->data, s.actor, s.alt);
		last = ran;
	}
	/* What the end violates is not news for whoever steps on from the start. */
	if (m->violation != NULL)
		m->violation(m->data);
	m2d_arena_rollback(m->arena, start);
	if (!attached)
		m2d_arena_detach_journal(m->arena);
	return n;
}
