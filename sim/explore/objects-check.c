/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checker's part of the objects. */
#include "sim/check/check-private.h"
#include "sim/check/store-private.h"
#include "sim/explore/objects-private.h"

void m2d_objects_check(M2dObjects *o)
{
	M2dCheckState *s = o->check->s;
	M2dItems *items = o->check->items;
	M2dItemsState *it = items->s;

	m2d_objects_add(o, o->fixed, s, sizeof(*s), M2D_OBJ_BOOKS, 0);
	m2d_objects_add(o, o->fixed, o->check->maps, o->vm->cfg.n_pfns * 2, M2D_OBJ_BOOKS, 0);
	m2d_objects_add(o, o->fixed, o->check->wrote, o->vm->cfg.n_pfns, M2D_OBJ_BOOKS, 0);
	M2D_ADD(o, it->bucket, NODES, 0);
	M2D_ADD(o, it->frames, NODES, 0);
	M2D_ADD(o, it->n_due, DUE, 0);
	M2D_ADD(o, it->n_marked, DUE, 0);
	for (unsigned i = 0; i < items->n_cpus; i++) {
		const M2dTlb *tlb = &items->cpu[i].mmu->tlb;

		M2D_ADD(o, it->items[i], ITEMS, i);
		M2D_ADD(o, it->nodes[i], ITEMS, i);
		M2D_ADD(o, it->first[i], ITEMS, i);
		for (unsigned a = 0; a < M2D_N_ARRAYS; a++) {
			uint64_t n = tlb->array[a].ways != 0 ? m2d_array_slots(&tlb->array[a]) : 0;

			if (tlb->alias[a] == a)
				m2d_objects_add(o, o->fixed, items->cpu[i].slot[a], n * 4,
						M2D_OBJ_ITEMS, i);
		}
	}
}

static void add_pool(M2dObjects *o, const M2dItemPool *pool, unsigned cpu)
{
	uint64_t bytes = M2D_POOL_CHUNK / 8 + (uint64_t)M2D_POOL_CHUNK * pool->size;

	for (unsigned c = 0; c < M2D_POOL_CHUNKS && pool->chunk[c] != 0; c++)
		m2d_objects_add(o, o->all, m2d_arena_at(o->vm->arena, pool->chunk[c]), bytes,
				M2D_OBJ_ITEMS, cpu);
}

void m2d_objects_check_grown(M2dObjects *o)
{
	const M2dItems *items = o->check->items;

	for (unsigned i = 0; i < items->n_cpus; i++) {
		add_pool(o, &items->s->items[i], i);
		add_pool(o, &items->s->nodes[i], i);
	}
	for (unsigned c = 0; c < M2D_CHECK_CHUNKS; c++)
		if (o->check->s->chunk[c] != 0)
			m2d_objects_add(o, o->all,
					m2d_arena_at(o->vm->arena, o->check->s->chunk[c]),
					sizeof(M2dVtChunk), M2D_OBJ_FOLLOW, 0);
}
