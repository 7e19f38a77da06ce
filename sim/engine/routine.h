/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routines: operations of a hypervisor that can stop at named points and go on later. They are
 * plain C functions without a stack of their own: what must survive a stop lies in a frame on the
 * actor's stack in the arena. docs/routines.md is the one-page manual.
 *
 *	typedef struct {
 *		M2dFrame h;
 *		uint64_t gfn;	(arguments and locals; integers only, never pointers)
 *		bool flush;
 *	} m2d_zap_gfn_frame;
 *
 *	M2D_ROUTINE(m2d_zap_gfn)
 *	{
 *		m2d_zap_gfn_frame *f = frame;
 *		M2dVm *vm = m2d_rt_vm(rt);	(runs again at each resume: derive, don't decide)
 *
 *		M2D_BEGIN(rt, f);
 *		M2D_CALL(rt, f, m2d_lock, .lock = M2D_MMU_LOCK);
 *		f->flush = zap(vm, f->gfn);
 *		M2D_POINT(rt, f, ZAPPED);
 *		if (f->flush)
 *			M2D_CALL(rt, f, m2d_flush_remote_tlbs, .gfn = 0);
 *		M2D_RETURN(rt, f, f->flush);
 *		M2D_END(rt, f);
 *	}
 *
 * Stepping (scenarios, exploration) returns to the driver at each point; straight (replay) never
 * stops. Frames are plain memory within a step; with a journal attached the driver's step logs what
 * changed in them, so models assign locals like any C code. Everything else goes through M2D_PUT().
 *
 * Rules: one M2D_ macro a line; no C local declared inside M2D_BEGIN lives across a point or call;
 * no switch statement around a point.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/engine/event.h"
#include "sim/engine/world.h"
#include "sim/mem/arena.h"

typedef enum {
#define POINT(name, text, what) M2D_PT_##name,
#include "sim/engine/points.def"
#undef POINT
	M2D_N_POINTS
} M2dPoint;

const char *m2d_point_name(M2dPoint point);
const char *m2d_point_text(M2dPoint point);
/* m2d_point_find: M2D_N_POINTS if there is no point of that name. */
M2dPoint m2d_point_find(const char *name);

/* First member of every frame. */
typedef struct {
	uint16_t routine; /* index into the runtime's table */
	uint16_t pc;      /* line to go on at; 0: start */
	uint16_t size;    /* of the frame, bytes, a multiple of 8 */
	uint16_t below;   /* of the frame below, which called it; 0: none did */
} M2dFrame;

typedef enum {
	M2D_DONE, /* returned; its result is in the task */
	M2D_STOP, /* stopped at a point or blocked: resume with m2d_rt_step() */
} M2dStep;

typedef struct _M2dRuntime M2dRuntime;
typedef M2dStep (*M2dRoutineFn)(M2dRuntime *rt, void *frame);

#define M2D_TASK_STACK 4096u

/* What an actor waits for; the runtime's owner says when each is over. */
typedef enum {
	M2D_WAIT_NONE,
	M2D_WAIT_LOCK,     /* argument: lock number, bit 8: shared */
	M2D_WAIT_ACKS,     /* mask of vCPUs that must have been outside the guest */
	M2D_WAIT_READERS,  /* no fault handler of an older memslot generation is left */
	M2D_WAIT_GUEST,    /* interrupts sent by the guest have been acknowledged; vCPU */
	M2D_WAIT_VALUE,    /* the guest spins until memory changes; always ready */
	M2D_WAIT_NOTIFIER, /* no invalidation is in progress */
	M2D_WAIT_RETRY,    /* the fault of a vCPU on this gfn would be retried for nothing */
	M2D_N_WAITS
} M2dWait;

/* The state of one actor's execution: in the arena. */
typedef struct {
	int64_t ret; /* result of the routine that returned last */
	uint64_t wait_arg;
	uint16_t sp;    /* bytes of @stack in use; 0: idle */
	uint16_t top;   /* where the innermost frame begins */
	uint16_t point; /* M2dPoint where it stands */
	uint8_t wait;   /* M2dWait; not NONE: blocked until that is over */
	uint8_t pad;
	uint8_t stack[M2D_TASK_STACK];
} M2dTask;

#define M2D_MAX_ACTORS 16

struct _M2dRuntime {
	M2dArena *arena;
	M2dEvents *events;
	M2dTask *task[M2D_MAX_ACTORS]; /* in the arena */
	unsigned n_tasks;
	unsigned n_vcpus;          /* actors below this are vCPUs: events of theirs are theirs */
	unsigned current;          /* actor whose routine runs now */
	bool stepping;             /* return at each point */
	bool fine;                 /* and at the fine ones */
	const M2dRoutineFn *table; /* by M2dFrame.routine */
	unsigned n_table;
	/* Is the wait of @kind over for @actor? */
	bool (*ready)(M2dRuntime *rt, unsigned actor, M2dWait kind, uint64_t arg);
	/* Straight execution only: bring the wait to an end by running whoever it is for. */
	void (*pump)(M2dRuntime *rt, unsigned actor, M2dWait kind, uint64_t arg);
	void *owner;
	uint32_t steps[M2D_MAX_ACTORS];     /* taken so far; statistics */
	uint64_t point_count[M2D_N_POINTS]; /* visits, for coverage; statistics */
	/* The running actor's task at the start of the step, its stack as far down as it was run.
	 */
	M2dTask before;
};

/* m2d_rt_init: a runtime without actors on @arena. @table: routines by number, starting at 1. */
void m2d_rt_init(M2dRuntime *rt, M2dArena *arena, M2dEvents *events, const M2dRoutineFn *table,
		 unsigned n_table);
/* m2d_rt_add_actor: the next actor's number; its task is laid out in the arena. */
unsigned m2d_rt_add_actor(M2dRuntime *rt);

/* m2d_rt_idle: the actor has no operation under way. */
static inline bool m2d_rt_idle(const M2dRuntime *rt, unsigned actor)
{
	return rt->task[actor]->sp == 0;
}

/* m2d_rt_enabled: the actor has an operation under way that can take a step now. */
bool m2d_rt_enabled(M2dRuntime *rt, unsigned actor);

/**
 * m2d_rt_start: begin an operation on an idle @actor: push the first frame. It runs with
 * m2d_rt_step() or m2d_rt_run().
 * @frame: arguments; its header is filled in here. @size: of the frame
 */
void m2d_rt_start(M2dRuntime *rt, unsigned actor, unsigned routine, const void *frame,
		  uint32_t size);
/* m2d_rt_step: one micro-step of @actor, to the next point. True: the operation has ended. */
bool m2d_rt_step(M2dRuntime *rt, unsigned actor);
/* m2d_rt_run: straight to the end of the operation; returns its result. */
int64_t m2d_rt_run(M2dRuntime *rt, unsigned actor);

/* m2d_world_events: what happens in @world; listeners are told in order.
 * m2d_world_runtime: its actors; without any until a hypervisor is added. */
M2dEvents *m2d_world_events(M2dWorld *world);
M2dRuntime *m2d_world_runtime(M2dWorld *world);

/* m2d_rt_top: the innermost frame of @actor, which must not be idle. */
const void *m2d_rt_top(const M2dRuntime *rt, unsigned actor);
/* m2d_rt_below: the frame that called @frame; NULL: none, it was started. */
static inline const M2dFrame *m2d_rt_below(const M2dFrame *frame)
{
	const uint8_t *at = (const uint8_t *)frame;

	return frame->below != 0 ? (const M2dFrame *)(const void *)(at - frame->below) : NULL;
}

/* --- for the macros --------------------------------------------------------------------------- */

void *m2d_rt_push(M2dRuntime *rt, unsigned routine, const void *frame, uint32_t size);
void m2d_rt_pop(M2dRuntime *rt, const M2dFrame *frame, int64_t result);
/* True: stop here. */
static inline bool m2d_rt_point(M2dRuntime *rt, M2dPoint point)
{
	rt->point_count[point]++;
	if (!rt->stepping)
		return false;
	rt->task[rt->current]->point = (uint16_t)point;
	return true;
}
/* True: the wait is over. False: stop; only when stepping. */
bool m2d_rt_wait(M2dRuntime *rt, M2dWait kind, uint64_t arg);

static inline int64_t m2d_rt_ret(const M2dRuntime *rt)
{
	return rt->task[rt->current]->ret;
}

/* Padding of a frame must not tell two equal states apart. */
#if defined(__GNUC__) && !defined(__clang__)
#define m2d_clear_padding(p) __builtin_clear_padding(p)
#else
#define m2d_clear_padding(p) ((void)(p))
#endif

#define M2D_ROUTINE(name) M2dStep name(M2dRuntime *rt, void *frame)

#define M2D_BEGIN(rt, f)                                                                           \
	switch ((f)->h.pc) {                                                                       \
	case 0:

#define M2D_END(rt, f)                                                                             \
	}                                                                                          \
	m2d_rt_pop((rt), &(f)->h, 0);                                                              \
	return M2D_DONE

#define M2D_RETURN(rt, f, value)                                                                   \
	do {                                                                                       \
		m2d_rt_pop((rt), &(f)->h, (int64_t)(value));                                       \
		return M2D_DONE;                                                                   \
	} while (0)

#define M2D_POINT(rt, f, NAME)                                                                     \
	do {                                                                                       \
		if (m2d_rt_point((rt), M2D_PT_##NAME)) {                                           \
			(f)->h.pc = __LINE__;                                                      \
			return M2D_STOP;                                                           \
		}                                                                                  \
		__attribute__((fallthrough));                                                      \
	case __LINE__:;                                                                            \
	} while (0)

/* M2D_FINE(rt, f, NAME): a point only for a driver that follows a recorded order of events closer
 * than a schedule has to; elsewhere nothing happens between its two sides. */
#define M2D_FINE(rt, f, NAME)                                                                      \
	do {                                                                                       \
		if ((rt)->fine && m2d_rt_point((rt), M2D_PT_##NAME)) {                             \
			(f)->h.pc = __LINE__;                                                      \
			return M2D_STOP;                                                           \
		}                                                                                  \
		__attribute__((fallthrough));                                                      \
	case __LINE__:;                                                                            \
	} while (0)

#define M2D_WAIT(rt, f, KIND, arg)                                                                 \
	do {                                                                                       \
		__attribute__((fallthrough));                                                      \
	case __LINE__:                                                                             \
		if (!m2d_rt_wait((rt), M2D_WAIT_##KIND, (arg))) {                                  \
			(f)->h.pc = __LINE__;                                                      \
			return M2D_STOP;                                                           \
		}                                                                                  \
	} while (0)

/* M2D_CALL(rt, f, routine, .argument = value...): run another routine to its end; its result is
 * then m2d_rt_ret(rt). Needs name##_frame and M2D_R_##name. */
#define M2D_CALL(rt, f, name, ...)                                                                 \
	do {                                                                                       \
		name##_frame m2d_args_ = {.h = {0}, ##__VA_ARGS__};                                \
		m2d_clear_padding(&m2d_args_);                                                     \
		void *m2d_callee_ =                                                                \
			m2d_rt_push((rt), M2D_R_##name, &m2d_args_, sizeof(m2d_args_));            \
		if (name((rt), m2d_callee_) == M2D_STOP) {                                         \
			(f)->h.pc = __LINE__;                                                      \
			return M2D_STOP;                                                           \
		}                                                                                  \
		__attribute__((fallthrough));                                                      \
	case __LINE__:;                                                                            \
	} while (0)

/* M2D_CALL_ANY(rt, f, number, args, size): the same for a routine that is known only at run time.
 * @args: a frame without its header, padding cleared */
#define M2D_CALL_ANY(rt, f, number, args, size)                                                    \
	do {                                                                                       \
		unsigned m2d_number_ = (number);                                                   \
		void *m2d_callee_ = m2d_rt_push((rt), m2d_number_, (args), (size));                \
		if ((rt)->table[m2d_number_]((rt), m2d_callee_) == M2D_STOP) {                     \
			(f)->h.pc = __LINE__;                                                      \
			return M2D_STOP;                                                           \
		}                                                                                  \
		__attribute__((fallthrough));                                                      \
	case __LINE__:;                                                                            \
	} while (0)
