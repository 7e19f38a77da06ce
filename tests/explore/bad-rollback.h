/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Put before the source of an engine: a rollback that does not restore the hash. */
#pragma once

#include "sim/mem/arena.h"

static inline void bad_rollback(M2dArena *arena, M2dMark mark)
{
	uint64_t hash = arena->hash;

	m2d_arena_rollback(arena, mark);
	arena->hash = hash;
}

#define m2d_arena_rollback bad_rollback
