/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * M2D_PUT(arena, lvalue, value): store to a field of any integer type in the arena, seen by
 * journal and hash: what WRITE_ONCE() is to shared kernel data, this is to simulated state.
 */
#pragma once

#include "sim/mem/arena.h"

M2D_ALWAYS_INLINE void m2d_put(M2dArena *arena, void *p, unsigned size, uint64_t v)
{
	switch (size) {
	case 1:
		m2d_set8(arena, p, (uint8_t)v);
		break;
	case 2:
		m2d_set16(arena, p, (uint16_t)v);
		break;
	case 4:
		m2d_set32(arena, p, (uint32_t)v);
		break;
	default:
		m2d_set64(arena, p, v);
		break;
	}
}

#define M2D_PUT(arena, lvalue, value) m2d_put((arena), &(lvalue), sizeof(lvalue), (uint64_t)(value))
