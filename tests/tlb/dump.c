/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tlb/dump.h"

#include <stdio.h>

static Item describe(const M2dTlb *tlb, M2dArrayId id, uint64_t tag, uint64_t data)
{
	const M2dCtx *c = &tlb->ctx.ctx[m2d_tag_ctx(tag)];
	unsigned class = m2d_tag_class(tag);
	Item i = {
		.array = id,
		.upper = (id >= M2D_ARR_PSC_PDE && id <= M2D_ARR_NPSC_PML5) ||
			 (id == M2D_ARR_L2 && class == M2D_CLASS_PDE),
		.kind = (M2dCtxKind)c->kind,
		.global = c->pcid == M2D_CTX_GLOBAL,
		.pcid = c->pcid,
		.tag = c->tag,
		.root = c->root,
		.va = m2d_tag_va(tag),
		.tag_word = tag,
		.data = data,
	};

	if (!i.upper)
		i.shift = 12 + 9 * class;
	else if (id == M2D_ARR_L2)
		i.shift = 21;
	else
		i.shift = 21 + 9 * class;
	return i;
}

GArray *dump_items(const M2dTlb *tlb)
{
	GArray *items = g_array_new(FALSE, FALSE, sizeof(Item));

	for (int id = 0; id < M2D_N_ARRAYS; id++) {
		const M2dArray *a = &tlb->array[id];
		uint32_t slots = tlb->alias[id] == id ? m2d_array_slots(a) : 0;
		uint64_t left = a->ways != 0 ? *a->n_valid : 0;

		for (uint32_t s = 0; s < slots && left > 0; s++) {
			if (a->tag[s] != 0) {
				Item i = describe(tlb, (M2dArrayId)id, a->tag[s], a->data[s]);

				left--;
				g_array_append_val(items, i);
			}
		}
	}
	return items;
}

void dump_print(const Item *i, const char *prefix)
{
	static const char *const kind[] = {"none", "linear", "combined", "physical"};

	printf("%s array %d %s %s tag %u pcid %u%s root %#lx va %#lx shift %u data %#lx\n", prefix,
	       i->array, i->upper ? "upper" : "leaf", kind[i->kind], i->tag, i->pcid,
	       i->global ? " global" : "", (unsigned long)i->root, (unsigned long)i->va, i->shift,
	       (unsigned long)i->data);
}
