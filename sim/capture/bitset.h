/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting distinct numbers that come in clusters, such as page frames: bitmaps of 512 neighbours
 * by hash. Of bounded size; beyond it the count is a lower bound. Private to sim/capture.
 */
#pragma once

#include <stdint.h>

typedef struct _M2dCapBitset M2dCapBitset;

M2dCapBitset *m2d_cap_bitset_new(void);
void m2d_cap_bitset_free(M2dCapBitset *set);
void m2d_cap_bitset_add(M2dCapBitset *set, uint64_t number);
uint64_t m2d_cap_bitset_count(const M2dCapBitset *set);
