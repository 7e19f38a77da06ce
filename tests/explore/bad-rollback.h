/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Put before the source of an engine: a rollback that does not restore the hash. */
#pragma once

#include "sim/mem/arena.h"

static inline void bad_rollback_to(M2dArena *arena, const M2dMark *mark)
{
	uint64_t hash = arena->hash;

	m2d_arena_rollback_to(arena, mark);
	arena->hash = hash;
}

static inline void bad_rollback(M2dArena *arena, M2dMark mark)
{
	bad_rollback_to(arena, &mark);
}

#define m2d_arena_rollback    bad_rollback
#define m2d_arena_rollback_to bad_rollback_to
