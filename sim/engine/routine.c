/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A task is a stack of frames, the innermost on top. Stepping resumes the innermost frame; when it
 * returns, its caller's frame is the top and goes on behind the call. A step therefore costs the
 * same at any depth.
 */
#include "sim/engine/routine.h"

#include <string.h>

#include "sim/base/names.h"

static const struct {
	const char *name, *text;
} points[M2D_N_POINTS] = {
#define POINT(id, text, what) {text, what},
#include "sim/engine/points.def"
#undef POINT
};

const char *m2d_point_name(M2dPoint point)
{
	return points[point].name;
}

const char *m2d_point_text(M2dPoint point)
{
	return points[point].text;
}

M2dPoint m2d_point_find(const char *name)
{
	return (M2dPoint)M2D_NAME_INDEX(points, name, name);
}

void m2d_rt_init(M2dRuntime *rt, M2dArena *arena, M2dEvents *events, const M2dRoutineFn *table,
		 unsigned n_table)
{
	memset(rt, 0, sizeof(*rt));
	rt->arena = arena;
	rt->events = events;
	rt->table = table;
	rt->n_table = n_table;
}

unsigned m2d_rt_add_actor(M2dRuntime *rt)
{
	g_assert(rt->n_tasks < M2D_MAX_ACTORS);
	rt->task[rt->n_tasks] = m2d_arena_alloc(rt->arena, sizeof(M2dTask), 64);
	return rt->n_tasks++;
}

bool m2d_rt_enabled(M2dRuntime *rt, unsigned actor)
{
	const M2dTask *t = rt->task[actor];

	if (t->sp == 0)
		return false;
	return t->wait == M2D_WAIT_NONE || rt->ready(rt, actor, (M2dWait)t->wait, t->wait_arg);
}

static M2dFrame *frame_at(M2dTask *t, unsigned at)
{
	return (M2dFrame *)(void *)(t->stack + at);
}

/* Frames lie one behind the other; headers lead back from the top. */
void *m2d_rt_push(M2dRuntime *rt, unsigned routine, const void *frame, uint32_t size)
{
	M2dTask *t = rt->task[rt->current];
	uint32_t room = (size + 7u) & ~7u;
	M2dFrame *h = frame_at(t, t->sp);

	g_assert(t->sp + room <= M2D_TASK_STACK);
	memcpy(h, frame, size);
	h->routine = (uint16_t)routine;
	h->pc = 0;
	h->size = (uint16_t)room;
	h->below = (uint16_t)(t->sp - t->top);
	t->top = t->sp;
	t->sp = (uint16_t)(t->sp + room);
	return h;
}

void m2d_rt_pop(M2dRuntime *rt, const M2dFrame *frame, int64_t result)
{
	M2dTask *t = rt->task[rt->current];
	uint16_t at = t->top, room = frame->size;

	t->sp = at;
	t->top = (uint16_t)(at - frame->below);
	/* A dead frame must not tell two equal states apart. */
	memset(t->stack + at, 0, room);
	t->ret = result;
}

const void *m2d_rt_top(const M2dRuntime *rt, unsigned actor)
{
	M2dTask *t = rt->task[actor];

	return frame_at(t, t->top);
}

/* Who acts from here on, for events. */
static void set_context(M2dRuntime *rt, unsigned actor)
{
	rt->current = actor;
	rt->events->actor = (uint8_t)actor;
	rt->events->vcpu = actor < rt->n_vcpus ? (uint8_t)actor : M2D_NO_ACTOR;
}

bool m2d_rt_wait(M2dRuntime *rt, M2dWait kind, uint64_t arg)
{
	M2dTask *t = rt->task[rt->current];

	if (rt->ready(rt, rt->current, kind, arg)) {
		if (t->wait != M2D_WAIT_NONE) {
			t->wait = M2D_WAIT_NONE;
			t->wait_arg = 0;
		}
		return true;
	}
	if (!rt->stepping) {
		rt->pump(rt, rt->current, kind, arg);
		g_assert(rt->ready(rt, rt->current, kind, arg));
		return true;
	}
	t->wait = (uint8_t)kind;
	t->wait_arg = arg;
	return false;
}

void m2d_rt_start(M2dRuntime *rt, unsigned actor, unsigned routine, const void *frame,
		  uint32_t size)
{
	M2dTask *t = rt->task[actor];
	unsigned current = rt->current;

	g_assert(t->sp == 0);
	rt->current = actor;
	m2d_set16(rt->arena, &t->point, M2D_PT_START);
	m2d_rt_push(rt, routine, frame, size);
	rt->current = current;
	if (rt->arena->journal != NULL) {
		uint16_t sp = t->sp;

		t->sp = 0;
		m2d_set16(rt->arena, &t->sp, sp);
		memset(rt->before.stack, 0, sp);
		m2d_arena_note(rt->arena, (uint64_t *)(void *)t->stack,
			       (const uint64_t *)(const void *)rt->before.stack, sp / 8);
	}
}

/* Fields of the task that routines write plainly within a step. */
#define TASK_HEAD offsetof(M2dTask, stack)

/* Log what has changed of the task: its head, and the stack from @low on, the lowest frame that was
 * run. Above the stack of before all was 0. */
static void log_changes(M2dRuntime *rt, M2dTask *t, unsigned old_sp, unsigned low)
{
	unsigned end = MAX(old_sp, t->sp);

	if (t->sp > old_sp)
		memset(rt->before.stack + old_sp, 0, t->sp - old_sp);
	if (low == 0) {
		m2d_arena_note(rt->arena, (uint64_t *)(void *)t,
			       (const uint64_t *)(const void *)&rt->before, (TASK_HEAD + end) / 8);
		return;
	}
	m2d_arena_note(rt->arena, (uint64_t *)(void *)t,
		       (const uint64_t *)(const void *)&rt->before, TASK_HEAD / 8);
	m2d_arena_note(rt->arena, (uint64_t *)(void *)(t->stack + low),
		       (const uint64_t *)(const void *)(rt->before.stack + low), (end - low) / 8);
}

bool m2d_rt_step(M2dRuntime *rt, unsigned actor)
{
	M2dTask *t = rt->task[actor];
	bool journal = rt->arena->journal != NULL;
	unsigned current = rt->current;
	unsigned old_sp = t->sp, low = old_sp;

	g_assert(t->sp != 0);
	set_context(rt, actor);
	rt->stepping = true;
	rt->events->step = ++rt->steps[actor];
	if (journal)
		memcpy(&rt->before, t, TASK_HEAD);
	while (t->sp != 0) {
		unsigned at = t->top;
		M2dFrame *f = frame_at(t, at);

		if (journal && at < low) {
			memcpy(rt->before.stack + at, t->stack + at, low - at);
			low = at;
		}
		if (rt->table[f->routine](rt, f) == M2D_STOP)
			break;
	}
	if (t->sp == 0) {
		t->point = M2D_PT_NONE;
	}
	if (journal)
		log_changes(rt, t, old_sp, low);
	rt->current = current;
	rt->events->actor = rt->events->vcpu = M2D_NO_ACTOR;
	return t->sp == 0;
}

int64_t m2d_rt_run(M2dRuntime *rt, unsigned actor)
{
	M2dTask *t = rt->task[actor];
	unsigned current = rt->current;
	bool stepping = rt->stepping;
	M2dFrame *f = frame_at(t, t->top);
	M2dStep step;

	set_context(rt, actor);
	rt->stepping = false;
	step = rt->table[f->routine](rt, f);
	g_assert(step == M2D_DONE && t->sp == 0);
	t->point = M2D_PT_NONE;
	rt->stepping = stepping;
	if (current < rt->n_tasks && rt->task[current]->sp != 0)
		set_context(rt, current);
	else
		rt->events->actor = rt->events->vcpu = M2D_NO_ACTOR;
	return t->ret;
}
