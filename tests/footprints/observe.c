/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe.h"

#include <string.h>

#include "sim/engine/routine.h"

static struct {
	const M2dArena *arena;
	ObserveFn fn;
	void *data;
	void (*resumed)(void *);
	void (*pushed)(unsigned, void *);
	void (*popped)(unsigned, void *);
	unsigned off; /* inside the arena's own functions */
	bool moved;
} now;

void observe(const M2dArena *arena, ObserveFn fn, void *data)
{
	now.arena = arena;
	now.fn = fn;
	now.data = data;
}

void observe_frames(void (*resumed)(void *), void (*pushed)(unsigned, void *),
		    void (*popped)(unsigned, void *))
{
	now.resumed = resumed;
	now.pushed = pushed;
	now.popped = popped;
}

bool observe_moved(void)
{
	bool moved = now.moved;

	now.moved = false;
	return moved;
}

static void access_at(const void *p, uint64_t len, bool write)
{
	uint64_t off;

	if (now.arena == NULL || now.off != 0 || len == 0)
		return;
	off = (uint64_t)((const uint8_t *)p - now.arena->base);
	if ((const uint8_t *)p < now.arena->base || off >= now.arena->reserved)
		return;
	now.fn(off, len, write, now.data);
}

#define M2D_HOOK(p, len, write) access_at(p, len, write)
#include "tools/hooks.h"

/* --- functions that the compiler does not instrument ------------------------------------------ */

void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
void *__wrap_memset(void *to, int c, size_t n);
int __wrap_memcmp(const void *a, const void *b, size_t n);
void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__real_memset(void *to, int c, size_t n);
int __real_memcmp(const void *a, const void *b, size_t n);

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
	access_at(from, n, false);
	access_at(to, n, true);
	return __real_memcpy(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
	access_at(from, n, false);
	access_at(to, n, true);
	return __real_memmove(to, from, n);
}

void *__wrap_memset(void *to, int c, size_t n)
{
	access_at(to, n, true);
	return __real_memset(to, c, n);
}

int __wrap_memcmp(const void *a, const void *b, size_t n)
{
	access_at(a, n, false);
	access_at(b, n, false);
	return __real_memcmp(a, b, n);
}

/* --- the arena: writes, whatever they were before --------------------------------------------- */

void __real_m2d_arena_log_word(M2dArena *arena, uint64_t *word, uint64_t value);
void __real_m2d_arena_note(M2dArena *arena, uint64_t *word, const uint64_t *old, uint64_t n);
void __real_m2d_arena_log_bytes(M2dArena *arena, void *dst, const void *src, uint64_t len);
void *__real_m2d_arena_alloc(M2dArena *arena, uint64_t bytes, uint64_t align);
void __real_m2d_arena_rollback_to(M2dArena *arena, const M2dMark *mark);
void __wrap_m2d_arena_log_word(M2dArena *arena, uint64_t *word, uint64_t value);
void __wrap_m2d_arena_note(M2dArena *arena, uint64_t *word, const uint64_t *old, uint64_t n);
void __wrap_m2d_arena_log_bytes(M2dArena *arena, void *dst, const void *src, uint64_t len);
void *__wrap_m2d_arena_alloc(M2dArena *arena, uint64_t bytes, uint64_t align);
void __wrap_m2d_arena_rollback_to(M2dArena *arena, const M2dMark *mark);

void __wrap_m2d_arena_log_word(M2dArena *arena, uint64_t *word, uint64_t value)
{
	access_at(word, 8, true);
	now.off++;
	__real_m2d_arena_log_word(arena, word, value);
	now.off--;
}

#define LOG_PART(name, type)                                                                       \
	void __real_##name(M2dArena *arena, type *p, type value);                                  \
	void __wrap_##name(M2dArena *arena, type *p, type value);                                  \
	void __wrap_##name(M2dArena *arena, type *p, type value)                                   \
	{                                                                                          \
		access_at(p, sizeof(type), true);                                                  \
		now.off++;                                                                         \
		__real_##name(arena, p, value);                                                    \
		now.off--;                                                                         \
	}
LOG_PART(m2d_arena_log32, uint32_t)
LOG_PART(m2d_arena_log16, uint16_t)
LOG_PART(m2d_arena_log8, uint8_t)

void __wrap_m2d_arena_note(M2dArena *arena, uint64_t *word, const uint64_t *old, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (word[i] != old[i])
			access_at(&word[i], 8, true);
	now.off++;
	__real_m2d_arena_note(arena, word, old, n);
	now.off--;
}

void __wrap_m2d_arena_log_bytes(M2dArena *arena, void *dst, const void *src, uint64_t len)
{
	access_at(src, len, false);
	access_at(dst, len, true);
	now.off++;
	__real_m2d_arena_log_bytes(arena, dst, src, len);
	now.off--;
}

/* Where the next object lies depends on what was laid out before: a write beyond the end. */
void *__wrap_m2d_arena_alloc(M2dArena *arena, uint64_t bytes, uint64_t align)
{
	if (arena == now.arena && now.off == 0)
		now.fn(arena->reserved - 8, 8, true, now.data);
	now.moved = true;
	return __real_m2d_arena_alloc(arena, bytes, align);
}

void __wrap_m2d_arena_rollback_to(M2dArena *arena, const M2dMark *mark)
{
	now.moved = true;
	now.off++;
	__real_m2d_arena_rollback_to(arena, mark);
	now.off--;
}

/* --- routines --------------------------------------------------------------------------------- */

void *__real_m2d_rt_push(M2dRuntime *rt, unsigned routine, const void *frame, uint32_t size);
void __real_m2d_rt_pop(M2dRuntime *rt, const M2dFrame *frame, int64_t result);
void *__wrap_m2d_rt_push(M2dRuntime *rt, unsigned routine, const void *frame, uint32_t size);
void __wrap_m2d_rt_pop(M2dRuntime *rt, const M2dFrame *frame, int64_t result);

void *__wrap_m2d_rt_push(M2dRuntime *rt, unsigned routine, const void *frame, uint32_t size)
{
	void *f;

	now.off++;
	f = __real_m2d_rt_push(rt, routine, frame, size);
	now.off--;
	if (now.arena != NULL && now.pushed != NULL)
		now.pushed(routine, now.data);
	return f;
}

void __wrap_m2d_rt_pop(M2dRuntime *rt, const M2dFrame *frame, int64_t result)
{
	unsigned routine = frame->routine;

	now.off++;
	__real_m2d_rt_pop(rt, frame, result);
	now.off--;
	if (now.arena != NULL && now.popped != NULL)
		now.popped(routine, now.data);
}

bool __real_m2d_rt_step(M2dRuntime *rt, unsigned actor);
bool __wrap_m2d_rt_step(M2dRuntime *rt, unsigned actor);

bool __wrap_m2d_rt_step(M2dRuntime *rt, unsigned actor)
{
	if (now.arena != NULL && now.resumed != NULL)
		now.resumed(now.data);
	return __real_m2d_rt_step(rt, actor);
}
