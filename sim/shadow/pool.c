/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbered objects in the arena, in chunks that are made when numbers run out. */
#include "sim/shadow/shadow-private.h"

/* A chunk starts with one bit for each of its objects: set, the number is taken. */
#define MASK_WORDS M2D_POOL_MASK_WORDS

void m2d_pool_init(M2dPool *pool, M2dArena *arena, uint32_t size)
{
	g_assert(size % 8 == 0);
	*pool = (M2dPool){
		.arena = arena,
		.s = m2d_arena_alloc(arena, sizeof(M2dPoolState), 8),
		.size = size,
	};
}

static void add_chunk(M2dPool *pool, unsigned c)
{
	uint64_t bytes = MASK_WORDS * 8 + (uint64_t)M2D_POOL_CHUNK * pool->size;
	uint64_t *mask = m2d_arena_alloc(pool->arena, bytes, 64);

	m2d_set64(pool->arena, &pool->s->chunk[c], m2d_arena_offset(pool->arena, mask));
	if (c == 0) /* 0 stands for none everywhere */
		m2d_set64(pool->arena, &mask[0], 1);
}

uint32_t m2d_pool_take(M2dPool *pool)
{
	unsigned c, w, bit;
	uint64_t *mask;

	for (w = 0; ~pool->s->full[w] == 0; w++)
		g_assert(w + 1 < M2D_POOL_CHUNKS / 64);
	c = w * 64 + (unsigned)__builtin_ctzll(~pool->s->full[w]);
	if (pool->s->chunk[c] == 0)
		add_chunk(pool, c);
	mask = m2d_pool_chunk(pool, c);
	for (w = 0; ~mask[w] == 0; w++)
		;
	bit = (unsigned)__builtin_ctzll(~mask[w]);
	m2d_set64(pool->arena, &mask[w], mask[w] | UINT64_C(1) << bit);
	for (unsigned i = 0;; i++) {
		if (i == MASK_WORDS) {
			m2d_set64(pool->arena, &pool->s->full[c / 64],
				  pool->s->full[c / 64] | UINT64_C(1) << c % 64);
			break;
		}
		if (~mask[i] != 0)
			break;
	}
	return c * M2D_POOL_CHUNK + w * 64 + bit;
}

void m2d_pool_give(M2dPool *pool, uint32_t n)
{
	unsigned c = n / M2D_POOL_CHUNK, bit = n % M2D_POOL_CHUNK;
	uint64_t *object = m2d_pool_at(pool, n), *mask = m2d_pool_chunk(pool, c);

	for (unsigned i = 0; i < pool->size / 8; i++) {
		if (object[i] != 0)
			m2d_set64(pool->arena, &object[i], 0);
	}
	m2d_set64(pool->arena, &mask[bit / 64], mask[bit / 64] & ~(UINT64_C(1) << bit % 64));
	m2d_set64(pool->arena, &pool->s->full[c / 64],
		  pool->s->full[c / 64] & ~(UINT64_C(1) << c % 64));
}

uint32_t m2d_pool_end(const M2dPool *pool)
{
	unsigned c = 0;

	while (c < M2D_POOL_CHUNKS && pool->s->chunk[c] != 0)
		c++;
	return c * M2D_POOL_CHUNK;
}
