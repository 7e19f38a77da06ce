/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of SPTEs: reverse maps and parents. A head is 0, or twice the only item, or twice the
 * number of a descriptor plus one. Only the first descriptor may be less than full.
 * Sources: arch/x86/kvm/mmu/mmu.c pte_list_add(), pte_list_remove().
 */
#include "sim/shadow/shadow-private.h"

static M2dListDesc *desc_at(const M2dVm *vm, uint32_t n)
{
	return m2d_pool_at(&m2d_shadow(vm)->desc, n);
}

uint32_t m2d_list_add(M2dVm *vm, uint32_t *head, M2dSptep sptep)
{
	M2dPool *pool = &m2d_shadow(vm)->desc;
	uint32_t n, count;
	M2dListDesc *desc;

	if (*head == 0) {
		VM_PUT(vm, *head, sptep << 1);
		return 0;
	}
	if (!(*head & 1)) {
		n = m2d_pool_take(pool);
		desc = desc_at(vm, n);
		VM_PUT(vm, desc->spte[0], *head >> 1);
		VM_PUT(vm, desc->spte[1], sptep);
		VM_PUT(vm, desc->spte_count, 2);
		VM_PUT(vm, *head, n << 1 | 1);
		return 1;
	}
	desc = desc_at(vm, *head >> 1);
	count = desc->spte_count + desc->tail_count;
	if (desc->spte_count == M2D_LIST_EXT) {
		n = m2d_pool_take(pool);
		desc = desc_at(vm, n);
		VM_PUT(vm, desc->more, *head >> 1);
		VM_PUT(vm, desc->tail_count, count);
		VM_PUT(vm, *head, n << 1 | 1);
	}
	VM_PUT(vm, desc->spte[desc->spte_count], sptep);
	VM_PUT(vm, desc->spte_count, desc->spte_count + 1);
	return count;
}

/* The last item of the first descriptor takes the place of the one that goes. */
static void remove_entry(M2dVm *vm, uint32_t *head, M2dListDesc *desc, unsigned i)
{
	uint32_t first = *head >> 1;
	M2dListDesc *h = desc_at(vm, first);
	unsigned last = h->spte_count - 1;

	VM_PUT(vm, desc->spte[i], h->spte[last]);
	VM_PUT(vm, h->spte[last], 0);
	VM_PUT(vm, h->spte_count, last);
	if (last != 0)
		return;
	VM_PUT(vm, *head, h->more ? h->more << 1 | 1 : 0);
	m2d_pool_give(&m2d_shadow(vm)->desc, first);
}

void m2d_list_remove(M2dVm *vm, uint32_t *head, M2dSptep sptep)
{
	if (*head & 1) {
		for (uint32_t n = *head >> 1; n != 0; n = desc_at(vm, n)->more) {
			M2dListDesc *desc = desc_at(vm, n);

			for (unsigned i = 0; i < desc->spte_count; i++) {
				if (desc->spte[i] == sptep) {
					remove_entry(vm, head, desc, i);
					return;
				}
			}
		}
	} else if (*head == sptep << 1) {
		VM_PUT(vm, *head, 0);
		return;
	}
	m2d_emit(vm->ev, KVM_BUG, M2D_BUG_LIST_REMOVE, m2d_spte_hpa(vm, sptep).v);
}

void m2d_list_clear(M2dVm *vm, uint32_t *head)
{
	uint32_t n = *head & 1 ? *head >> 1 : 0;

	VM_PUT(vm, *head, 0);
	while (n != 0) {
		uint32_t more = desc_at(vm, n)->more;

		m2d_pool_give(&m2d_shadow(vm)->desc, n);
		n = more;
	}
}

uint32_t m2d_list_count(const M2dVm *vm, uint32_t head)
{
	const M2dListDesc *desc;

	if (!(head & 1))
		return head != 0;
	desc = desc_at(vm, head >> 1);
	return desc->spte_count + desc->tail_count;
}

M2dSptep m2d_list_first(const M2dVm *vm, uint32_t head, M2dListIter *it)
{
	*it = (M2dListIter){0};
	if (!(head & 1))
		return head >> 1;
	it->desc = head >> 1;
	return desc_at(vm, it->desc)->spte[0];
}

M2dSptep m2d_list_next(const M2dVm *vm, M2dListIter *it)
{
	const M2dListDesc *desc;

	if (it->desc == 0)
		return 0;
	desc = desc_at(vm, it->desc);
	if (it->pos + 1 < desc->spte_count)
		return desc->spte[++it->pos];
	it->desc = desc->more;
	it->pos = 0;
	return it->desc == 0 ? 0 : desc_at(vm, it->desc)->spte[0];
}

void m2d_list_foreach(const M2dVm *vm, uint32_t head, void (*fn)(M2dSptep sptep, void *data),
		      void *data)
{
	M2dListIter it;

	for (M2dSptep p = m2d_list_first(vm, head, &it); p != 0; p = m2d_list_next(vm, &it))
		fn(p, data);
}
