/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every byte of the arena that a step reads and writes. The simulator is compiled once more with
 * the compiler's instrumentation for data races (tools/hooks.h): reads come from there, writes from
 * the one way to write to the arena.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/mem/arena.h"

/* Told of each access while it is on: @len bytes at @off. */
typedef void (*ObserveFn)(uint64_t off, uint64_t len, bool write, void *data);

/* observe: accesses to @arena from now on; NULL: none. */
void observe(const M2dArena *arena, ObserveFn fn, void *data);
/* observe_frames: called when routines are resumed, when a routine's frame is pushed, and after one
 * is popped. */
void observe_frames(void (*resumed)(void *data), void (*pushed)(unsigned routine, void *data),
		    void (*popped)(unsigned routine, void *data));
/* observe_moved: the arena has grown or was rolled back since it was last asked. */
bool observe_moved(void);
