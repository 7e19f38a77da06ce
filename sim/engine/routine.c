/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A task is a stack of frames, the innermost on top. Stepping resumes the innermost frame; when it
 * returns, its caller's frame is the top and goes on behind the call. A step therefore costs the
 * same at any depth.
 */
#include "sim/engine/routine.h"

#include <string.h>

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
	for (unsigned i = 0; i < M2D_N_POINTS; i++)
		if (strcmp(points[i].name, name) == 0)
			return (M2dPoint)i;
	return M2D_N_POINTS;
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

/* Frames lie one behind the other; the header's size leads back from the top. */
void *m2d_rt_push(M2dRuntime *rt, unsigned routine, const void *frame, uint32_t size)
{
	M2dTask *t = rt->task[rt->current];
	uint32_t room = (size + 7u) & ~7u;
	M2dFrame *h = (M2dFrame *)(void *)(t->stack + t->sp);

	g_assert(t->sp + room + 8 <= M2D_TASK_STACK);
	memcpy(h, frame, size);
	h->routine = (uint16_t)routine;
	h->pc = 0;
	h->size = room;
	/* Behind the frame stands its size once more, to find it from the top. */
	memcpy(t->stack + t->sp + room, &(uint64_t){room}, 8);
	t->sp += room + 8;
	return h;
}

void m2d_rt_pop(M2dRuntime *rt, const M2dFrame *frame, int64_t result)
{
	M2dTask *t = rt->task[rt->current];
	uint32_t room = frame->size;

	/* A dead frame must not tell two equal states apart. */
	t->sp -= room + 8;
	memset(t->stack + t->sp, 0, room + 8);
	t->ret = result;
}

static M2dFrame *top_frame(M2dTask *t)
{
	uint64_t room;

	memcpy(&room, t->stack + t->sp - 8, 8);
	return (M2dFrame *)(void *)(t->stack + t->sp - 8 - room);
}

const void *m2d_rt_top(const M2dRuntime *rt, unsigned actor)
{
	return top_frame(rt->task[actor]);
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
		/* Log what was pushed: as if it had been written word by word. */
		uint32_t sp = t->sp;
		uint8_t pushed[M2D_TASK_STACK];

		memcpy(pushed, t->stack, sp);
		memset(t->stack, 0, sp);
		t->sp = 0;
		m2d_arena_write(rt->arena, t->stack, pushed, sp);
		m2d_set32(rt->arena, &t->sp, sp);
	}
}

/* Fields of the task that routines write plainly within a step. */
#define TASK_HEAD offsetof(M2dTask, stack)

/* Log what has changed of @n words: put the old value back, then write the new. @old: NULL: all 0
 */
static void log_words(M2dRuntime *rt, uint64_t *now, const uint64_t *old, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t was = old != NULL ? old[i] : 0, is = now[i];

		if (is == was)
			continue;
		now[i] = was;
		m2d_set64(rt->arena, &now[i], is);
	}
}

/* The same for the task: its head, and the stack from @low on, the lowest frame that was run. */
static void log_changes(M2dRuntime *rt, M2dTask *t, const uint64_t *head, uint32_t old_sp,
			uint32_t low)
{
	uint64_t *stack = (uint64_t *)(void *)t->stack;

	log_words(rt, (uint64_t *)(void *)t, head, TASK_HEAD / 8);
	if (low < old_sp)
		log_words(rt, stack + low / 8, rt->before + low / 8, (old_sp - low) / 8);
	if (t->sp > old_sp)
		log_words(rt, stack + old_sp / 8, NULL, (t->sp - old_sp) / 8);
}

bool m2d_rt_step(M2dRuntime *rt, unsigned actor)
{
	M2dTask *t = rt->task[actor];
	bool journal = rt->arena->journal != NULL;
	unsigned current = rt->current;
	uint32_t old_sp = t->sp, low = old_sp;
	uint64_t head[TASK_HEAD / 8];

	g_assert(t->sp != 0);
	set_context(rt, actor);
	rt->stepping = true;
	rt->events->step = ++rt->steps[actor];
	if (journal)
		memcpy(head, t, TASK_HEAD);
	while (t->sp != 0) {
		M2dFrame *f = top_frame(t);
		uint32_t at = (uint32_t)((uint8_t *)f - t->stack);

		if (journal && at < low) {
			memcpy((uint8_t *)rt->before + at, t->stack + at, low - at);
			low = at;
		}
		if (rt->table[f->routine](rt, f) == M2D_STOP)
			break;
	}
	if (t->sp == 0) {
		t->point = M2D_PT_NONE;
	}
	if (journal)
		log_changes(rt, t, head, old_sp, low);
	rt->current = current;
	rt->events->actor = rt->events->vcpu = M2D_NO_ACTOR;
	return t->sp == 0;
}

int64_t m2d_rt_run(M2dRuntime *rt, unsigned actor)
{
	M2dTask *t = rt->task[actor];
	unsigned current = rt->current;
	bool stepping = rt->stepping;
	M2dFrame *f = top_frame(t);
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
