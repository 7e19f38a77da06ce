/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps of a run as actors take them: a step is begun, and goes on micro-step by micro-step until
 * it ends, stops at its `until` point, or waits for another actor.
 */
#include "sim/base/error.h"
#include "sim/scenario/results.h"
#include "sim/scenario/runner-private.h"

/* Micro-steps of one run after which it is given up. */
#define MAX_MICRO 200000u

bool m2d_scn_run_fail(M2dScnRunner *r, const char *format, ...)
{
	va_list args;

	if (r->run->why != NULL)
		return false;
	va_start(args, format);
	r->run->why = g_strdup_vprintf(format, args);
	va_end(args);
	return false;
}

char *m2d_scn_step_name(const M2dScnRunner *r, int step)
{
	const M2dScnStep *s = &r->s->steps[step];

	if (s->label != NULL)
		return g_strdup_printf("@%s (line %u)", s->label, s->place.line);
	return g_strdup_printf("the step in line %u", s->place.line);
}

static void end_step(M2dScnRunner *r, unsigned actor)
{
	M2dVm *vm = r->w->vm;
	int step = r->doing[actor];
	M2dScnStepEnd *end;

	r->doing[actor] = -1;
	r->held[actor] = false;
	if (step < 0)
		return;
	/* A step that began with `continue` ends the operation that was begun before it. */
	end = &r->run->steps[step];
	end->ended = true;
	end->outcome = *m2d_kvm_outcome(vm, actor);
	end->dirty = m2d_scn_dirty_of(vm, &r->s->steps[r->begun[actor]]);
}

/* Take a micro-step and undo it: all that it did must be in the journal. @after: hash behind it. */
static bool step_and_undo(M2dScnRunner *r, unsigned actor, uint64_t *after)
{
	M2dVm *vm = r->w->vm;
	M2dArena *arena = vm->arena;
	M2dMark mark = m2d_arena_mark(arena);
	uint64_t before = arena->hash;
	guint n_events = r->run->events->len;
	uint32_t number = vm->rt->steps[actor];

	m2d_kvm_step(vm, actor);
	*after = arena->hash;
	if (m2d_arena_rehash(arena) != *after)
		return m2d_scn_run_fail(r, "micro-step %u: a store bypassed the journal",
					r->run->micro->len);
	m2d_arena_rollback(arena, mark);
	if (arena->hash != before || m2d_arena_rehash(arena) != before)
		return m2d_scn_run_fail(r, "micro-step %u was not undone", r->run->micro->len);
	vm->rt->steps[actor] = number;
	g_array_set_size(r->run->events, n_events);
	return true;
}

bool m2d_scn_micro_step(M2dScnRunner *r, unsigned actor)
{
	M2dVm *vm = r->w->vm;
	M2dScnMicro m = {.actor = (uint8_t)actor,
			 .step = r->doing[actor],
			 .first_event = r->run->events->len};
	uint64_t after = 0;

	if (r->run->micro->len >= MAX_MICRO)
		return m2d_scn_run_fail(r, "no end after %u micro-steps: a livelock", MAX_MICRO);
	m.number = vm->rt->steps[actor] + 1;
	r->now = m;
	if (r->undo && !step_and_undo(r, actor, &after))
		return false;
	m.done = m2d_kvm_step(vm, actor);
	if (r->undo && vm->arena->hash != after)
		return m2d_scn_run_fail(r, "micro-step %u went another way the second time",
					r->run->micro->len);
	m.point = vm->rt->task[actor]->point;
	m.n_events = r->run->events->len - m.first_event;
	g_array_append_val(r->run->micro, m);
	if (m.done)
		end_step(r, actor);
	else if (r->until[actor] != M2D_PT_NONE && m.point == r->until[actor])
		r->held[actor] = true;
	return true;
}

/* An actor that somebody waits for can move: a vCPU with an interrupt to take, or one whose own
 * wait is over. Returns it, or -1. */
static int helper_of_waiters(const M2dScnRunner *r, unsigned except)
{
	M2dVm *vm = r->w->vm;

	for (unsigned a = 0; a < vm->rt->n_tasks; a++)
		if (a != except && !r->held[a] && (r->doing[a] >= 0 || m2d_kvm_idle(vm, a)) &&
		    m2d_kvm_wants_step(vm, a))
			return (int)a;
	return -1;
}

bool m2d_scn_run_actor(M2dScnRunner *r, unsigned actor)
{
	M2dVm *vm = r->w->vm;

	while (!m2d_kvm_idle(vm, actor) && !r->held[actor]) {
		int who = (int)actor;

		if (!m2d_kvm_wants_step(vm, actor))
			who = helper_of_waiters(r, actor);
		if (who < 0)
			return true;
		if (!m2d_scn_micro_step(r, (unsigned)who))
			return false;
	}
	return true;
}

/* Actors that were blocked go on as soon as they can; so do interrupts that were begun. */
static bool run_unblocked(M2dScnRunner *r)
{
	M2dVm *vm = r->w->vm;

	for (unsigned a = 0; a < vm->rt->n_tasks; a++) {
		if (m2d_kvm_idle(vm, a) || r->held[a] || !m2d_kvm_wants_step(vm, a))
			continue;
		if (!m2d_scn_run_actor(r, a))
			return false;
		a = (unsigned)-1;
	}
	return true;
}

static const char *wait_text(const M2dTask *t)
{
	static const char *const texts[M2D_N_WAITS] = {
		[M2D_WAIT_NONE] = "nothing",
		[M2D_WAIT_LOCK] = "a lock",
		[M2D_WAIT_ACKS] = "vCPUs to leave the guest",
		[M2D_WAIT_READERS] = "readers of the old memslots",
		[M2D_WAIT_GUEST] = "acknowledgements of an interrupt",
		[M2D_WAIT_VALUE] = "a value in memory",
		[M2D_WAIT_NOTIFIER] = "an invalidation to end",
		[M2D_WAIT_RETRY] = "an invalidation or a change of memslots",
	};

	return texts[t->wait];
}

/* Step @i was begun where a schedule could not know it from the micro-steps. */
static void note_begun(M2dScnRunner *r, unsigned i, unsigned actor, bool done, guint first_event)
{
	M2dScnMicro m = {.actor = (uint8_t)actor,
			 .done = done,
			 .begins = true,
			 .point = M2D_PT_NONE,
			 .step = (int)i,
			 .first_event = first_event,
			 .n_events = r->run->events->len - first_event};

	g_array_append_val(r->run->micro, m);
}

/* Step @i is `continue`: @actor goes on with what it has under way. */
static bool continue_step(M2dScnRunner *r, unsigned i, unsigned actor)
{
	if (m2d_kvm_idle(r->w->vm, actor)) {
		g_autofree char *name = m2d_scn_step_name(r, (int)i);

		return m2d_scn_run_fail(r, "%s continues an actor that has nothing under way",
					name);
	}
	r->held[actor] = false;
	r->doing[actor] = (int)i;
	return true;
}

bool m2d_scn_begin_step(M2dScnRunner *r, unsigned i, GError **error)
{
	const M2dScnStep *s = &r->s->steps[i];
	M2dVm *vm = r->w->vm;
	int number = m2d_scn_world_actor(r->w, s->actor);
	unsigned actor = (unsigned)number;
	bool beside, pending, at_once;
	guint first_event;
	GError *local = NULL;

	if (number < 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s:%u:%u: the worker has nothing to do yet, expected vcpuN or host",
			    r->s->path, s->actor_place.line, s->actor_place.column);
		return false;
	}
	r->run->steps[i].started = true;
	r->until[actor] = s->until != NULL && !r->no_until ? m2d_point_find(s->until) : M2D_PT_NONE;
	if (s->is_continue)
		return continue_step(r, i, actor);
	if (!m2d_kvm_idle(vm, actor) && s->op.kind != M2D_OP_PREEMPT &&
	    s->op.kind != M2D_OP_RESUME) {
		g_autofree char *name = m2d_scn_step_name(r, (int)i);
		g_autofree char *other = r->doing[actor] >= 0
						 ? m2d_scn_step_name(r, r->doing[actor])
						 : g_strdup("an interrupt");

		return m2d_scn_run_fail(
			r, "%s cannot begin: %s is not over, it waits for %s", name, other,
			r->held[actor] ? "its `continue`" : wait_text(vm->rt->task[actor]));
	}
	beside = !m2d_kvm_idle(vm, actor);
	pending = !beside && m2d_kvm_wants_step(vm, actor);
	first_event = r->run->events->len;
	if (!m2d_kvm_start(vm, actor, &s->op, &local)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%u:%u: %s", r->s->path,
			    s->verb_place.line, s->verb_place.column, local->message);
		g_error_free(local);
		return false;
	}
	at_once = beside || m2d_kvm_idle(vm, actor);
	if (at_once || pending)
		note_begun(r, i, actor, at_once, first_event);
	if (at_once) {
		r->run->steps[i].ended = true;
		return true;
	}
	r->doing[actor] = r->begun[actor] = (int)i;
	r->held[actor] = false;
	return true;
}

bool m2d_scn_run_step(M2dScnRunner *r, unsigned i, GError **error)
{
	const M2dScnStep *s = &r->s->steps[i];
	unsigned actor;

	if (!m2d_scn_begin_step(r, i, error))
		return false;
	actor = (unsigned)m2d_scn_world_actor(r->w, s->actor);
	if (!m2d_scn_run_actor(r, actor))
		return false;
	if (s->until != NULL && !r->no_until && !r->held[actor] && m2d_kvm_idle(r->w->vm, actor)) {
		g_autofree char *name = m2d_scn_step_name(r, (int)i);

		return m2d_scn_run_fail(r, "%s ended without passing `%s`", name, s->until);
	}
	r->run->steps[i].reached = r->held[actor];
	r->run->steps[i].blocked = !r->held[actor] && !m2d_kvm_idle(r->w->vm, actor);
	return run_unblocked(r);
}

bool m2d_scn_finish_steps(M2dScnRunner *r)
{
	M2dVm *vm = r->w->vm;

	for (unsigned a = 0; a < vm->rt->n_tasks; a++) {
		r->held[a] = false;
		r->until[a] = M2D_PT_NONE;
	}
	for (unsigned a = 0; a < vm->rt->n_tasks; a++)
		if (!m2d_scn_run_actor(r, a))
			return false;
	if (!run_unblocked(r))
		return false;
	for (unsigned a = 0; a < vm->rt->n_tasks; a++) {
		if (r->doing[a] >= 0) {
			g_autofree char *name = m2d_scn_step_name(r, r->doing[a]);

			return m2d_scn_run_fail(r, "%s never ends: it waits for %s", name,
						wait_text(vm->rt->task[a]));
		}
	}
	return true;
}
