/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/tlb/ctx.h"

#include <string.h>

void m2d_ctx_init(M2dCtxTable *table, M2dArena *arena)
{
	table->ctx = m2d_arena_alloc(arena, M2D_MAX_CTX * sizeof(M2dCtx), 64);
	table->n = m2d_arena_alloc(arena, sizeof(uint64_t), 8);
	m2d_set64(arena, table->n, 1);
}

uint32_t m2d_ctx_find(const M2dCtxTable *table, const M2dCtx *ctx)
{
	for (uint32_t i = 1; i < *table->n; i++)
		if (memcmp(&table->ctx[i], ctx, sizeof(*ctx)) == 0)
			return i;
	return 0;
}

uint32_t m2d_ctx_add(M2dCtxTable *table, M2dArena *arena, const M2dCtx *ctx)
{
	uint32_t id;

	for (id = 1; id < *table->n; id++)
		if (table->ctx[id].kind == M2D_CTX_NONE)
			break;
	if (id == M2D_MAX_CTX)
		return 0;
	if (id == *table->n)
		m2d_set64(arena, table->n, id + 1);
	m2d_arena_write(arena, &table->ctx[id], ctx, sizeof(*ctx));
	return id;
}

void m2d_ctx_remove(M2dCtxTable *table, M2dArena *arena, uint32_t id)
{
	static const M2dCtx none;

	m2d_arena_write(arena, &table->ctx[id], &none, sizeof(none));
}
