/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which changes of a table entry make what was cached from it stale: those that take something
 * away. A right, a present bit or an accessed bit gained never does. Software's bits do not count.
 * Sources: SDM "Optional Invalidation", "Delayed Invalidation"; APM "TLB Management".
 */
#pragma once

#include <stdint.h>

#include "sim/base/bits.h"

/* What was taken away; a mask. */
#define M2D_STALE_GONE  1u  /* the page or table: not present, another frame, another size */
#define M2D_STALE_RIGHT 2u  /* a right; also a change of memory type, key or G */
#define M2D_STALE_WRITE 4u  /* the right to write, which is also M2D_STALE_RIGHT */
#define M2D_STALE_DIRTY 8u  /* D: the next store must set it again */
#define M2D_STALE_ACC   16u /* A */
#define M2D_STALE_ALL   31u

/* How to read an entry. */
#define M2D_ENTRY_HOST  1u /* of a table of the hypervisor */
#define M2D_ENTRY_EPT   2u
#define M2D_ENTRY_LEAF  4u
#define M2D_ENTRY_4BYTE 8u

/* m2d_danger: what the change from @old to @new takes away from an entry read as @entry says. */
unsigned m2d_danger(uint64_t old, uint64_t new, unsigned entry);
