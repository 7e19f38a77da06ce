/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See bitset.h. */
#include "sim/capture/bitset.h"

#include <glib.h>
#include <string.h>

/* 40 MiB when full: 512 Mi pages if they are clustered well. */
#define MAX_BLOCKS (1u << 19)

typedef struct {
	uint64_t key; /* number / 512 + 1; 0: free */
	uint64_t bits[8];
} Block;

struct _M2dCapBitset {
	Block *blocks;
	uint64_t n_blocks, mask, count;
	uint64_t last; /* index of the block used last */
};

M2dCapBitset *m2d_cap_bitset_new(void)
{
	M2dCapBitset *set = g_new0(M2dCapBitset, 1);

	set->mask = 255;
	set->blocks = g_new0(Block, set->mask + 1);
	return set;
}

void m2d_cap_bitset_free(M2dCapBitset *set)
{
	if (set == NULL)
		return;
	g_free(set->blocks);
	g_free(set);
}

static Block *find(Block *blocks, uint64_t mask, uint64_t key)
{
	uint64_t i = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & mask;

	while (blocks[i].key != 0 && blocks[i].key != key)
		i = (i + 1) & mask;
	return &blocks[i];
}

static void grow(M2dCapBitset *set)
{
	uint64_t mask = 2 * set->mask + 1;
	Block *blocks = g_new0(Block, mask + 1);

	for (uint64_t i = 0; i <= set->mask; i++)
		if (set->blocks[i].key != 0)
			*find(blocks, mask, set->blocks[i].key) = set->blocks[i];
	g_free(set->blocks);
	set->blocks = blocks;
	set->mask = mask;
}

void m2d_cap_bitset_add(M2dCapBitset *set, uint64_t number)
{
	uint64_t key = number / 512 + 1, bit = UINT64_C(1) << (number & 63);
	Block *block = &set->blocks[set->last];
	uint64_t *word;

	if (block->key != key) {
		block = find(set->blocks, set->mask, key);
		if (block->key == 0) {
			if (set->n_blocks == MAX_BLOCKS)
				return;
			if (2 * ++set->n_blocks > set->mask) {
				grow(set);
				block = find(set->blocks, set->mask, key);
			}
			block->key = key;
		}
		set->last = (uint64_t)(block - set->blocks);
	}
	word = &block->bits[number / 64 % 8];
	set->count += !(*word & bit);
	*word |= bit;
}

uint64_t m2d_cap_bitset_count(const M2dCapBitset *set)
{
	return set->count;
}
