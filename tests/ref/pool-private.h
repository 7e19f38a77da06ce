/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the pool share. */
#pragma once

#include "tests/ref/pool.h"

#define INTEL M2D_VENDOR_INTEL
#define AMD   M2D_VENDOR_AMD

/* pool_frame_of: index of the frame that holds @pa, or -1. */
int pool_frame_of(const Pool *pool, uint64_t pa);
/* pool_frame_level: level of frame @f; guest frames come first, six (nested: five) to a level. */
unsigned pool_frame_level(unsigned f, bool *nested);
/* pool_bits: random bits @hi..@lo, the others 0. */
uint64_t pool_bits(Pool *pool, unsigned hi, unsigned lo);
/* pool_pick_frame: a frame of that dimension and level whose address fits @width bits. */
unsigned pool_pick_frame(Pool *pool, bool nested, unsigned level, unsigned width);
/* pool_guest_pfn: a guest-physical frame number that mostly leads to pool frame @f. */
uint64_t pool_guest_pfn(Pool *pool, unsigned f, unsigned width);
/* pool_guest_table_pfn: the same for a random frame of @level. */
uint64_t pool_guest_table_pfn(Pool *pool, unsigned level, unsigned width);
