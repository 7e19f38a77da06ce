/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host memory: one word for each page of the process (its page table, as flat as can be) and one
 * byte for each frame of the VM. Frames outside the VM's range are recorded memory: they belong to
 * the guest for good, and nothing is noted about them.
 */
#include "sim/vm/hostmm.h"

#include <string.h>

/* Entries of the process's page table. */
#define HPTE_PRESENT     M2D_BIT(0)
#define HPTE_WRITABLE    M2D_BIT(1)
#define HPTE_LEVEL       M2D_BITS(3, 2) /* of the host's mapping, minus 1 */
#define HPTE_LEVEL_SHIFT 2
#define HPTE_PFN_SHIFT   12

/* What is known of a frame. */
#define FRAME_OWNER    3u /* M2dFrameOwner */
#define FRAME_ACCESSED 4u
#define FRAME_DIRTY    8u

struct _M2dHostMm {
	uint64_t *pte;  /* by page of the process, in the arena */
	uint8_t *frame; /* by pfn - first_pfn, in the arena */
	uint64_t n_pages;
	uint64_t first_pfn, n_pfns;
	/* Who places pages on demand; NULL: they are allocated. */
	void (*demand)(M2dVm *vm, uint64_t page, void *data);
	void *demand_data;
};

M2dHostMm *m2d_hostmm_new(M2dVm *vm)
{
	M2dHostMm *mm = g_new0(M2dHostMm, 1);

	mm->n_pages = vm->cfg.host_pages;
	mm->first_pfn = vm->cfg.first_pfn;
	mm->n_pfns = vm->cfg.n_pfns;
	mm->pte = m2d_arena_alloc(vm->arena, MAX(mm->n_pages, 1) * sizeof(uint64_t), 64);
	mm->frame = m2d_arena_alloc(vm->arena, MAX(mm->n_pfns, 1), 64);
	return mm;
}

void m2d_hostmm_free(M2dHostMm *mm)
{
	g_free(mm);
}

void m2d_hostmm_arrays(const M2dVm *vm, const void **ptes, uint64_t *pte_bytes, const void **frames,
		       uint64_t *frame_bytes)
{
	const M2dHostMm *mm = vm->mm;

	*ptes = mm->pte;
	*pte_bytes = MAX(mm->n_pages, 1) * sizeof(uint64_t);
	*frames = mm->frame;
	*frame_bytes = MAX(mm->n_pfns, 1);
}

/* --- frames ----------------------------------------------------------------------------------- */

/* The byte of @pfn; NULL: recorded memory. */
static uint8_t *frame_byte(const M2dVm *vm, uint64_t pfn)
{
	const M2dHostMm *mm = vm->mm;

	return pfn - mm->first_pfn < mm->n_pfns ? &mm->frame[pfn - mm->first_pfn] : NULL;
}

/* Only words that differ are written: most frames are handed out for the first time. */
static void frame_clear(M2dVm *vm, uint64_t pfn)
{
	const uint64_t *word = m2d_space_frame(vm->space, pfn);

	if (word == NULL)
		return;
	for (unsigned i = 0; i < 512; i++)
		if (word[i] != 0)
			m2d_space_write64(vm->space,
					  (M2dHpa){(pfn << M2D_PAGE_SHIFT) + 8 * (uint64_t)i}, 0);
}

static void frame_own(M2dVm *vm, uint64_t pfn, M2dFrameOwner owner)
{
	uint8_t *byte = frame_byte(vm, pfn);

	if (byte != NULL)
		VM_PUT(vm, *byte, owner);
	m2d_emit(vm->ev, FRAME_OWNED, pfn, owner);
}

bool m2d_frame_alloc(M2dVm *vm, M2dFrameOwner owner, uint64_t *pfn)
{
	if (!m2d_falloc_take(vm->frames, M2D_SIZE_4K, pfn))
		return false;
	frame_own(vm, *pfn, owner);
	frame_clear(vm, *pfn);
	if (owner == M2D_FRAME_TABLE)
		m2d_space_frame_make(vm->space, *pfn);
	return true;
}

void m2d_frame_free(M2dVm *vm, uint64_t pfn)
{
	uint8_t *byte = frame_byte(vm, pfn);

	m2d_emit(vm->ev, FRAME_FREED, pfn, m2d_frame_owner(vm, pfn));
	if (byte == NULL)
		return;
	g_assert((*byte & FRAME_OWNER) != M2D_FRAME_FREE);
	VM_PUT(vm, *byte, 0);
	m2d_falloc_give(vm->frames, M2D_SIZE_4K, pfn);
}

M2dFrameOwner m2d_frame_owner(const M2dVm *vm, uint64_t pfn)
{
	const uint8_t *byte = frame_byte(vm, pfn);

	return byte != NULL ? (M2dFrameOwner)(*byte & FRAME_OWNER) : M2D_FRAME_GUEST;
}

void m2d_frame_set_accessed(M2dVm *vm, uint64_t pfn)
{
	uint8_t *byte = frame_byte(vm, pfn);

	m2d_emit(vm->ev, ACCESSED_HOST, pfn);
	if (byte != NULL)
		VM_PUT(vm, *byte, *byte | FRAME_ACCESSED);
}

void m2d_frame_set_dirty(M2dVm *vm, uint64_t pfn)
{
	uint8_t *byte = frame_byte(vm, pfn);

	m2d_emit(vm->ev, DIRTY_HOST, pfn);
	if (byte != NULL)
		VM_PUT(vm, *byte, *byte | FRAME_DIRTY);
}

bool m2d_frame_accessed(const M2dVm *vm, uint64_t pfn)
{
	const uint8_t *byte = frame_byte(vm, pfn);

	return byte != NULL && (*byte & FRAME_ACCESSED) != 0;
}

bool m2d_frame_dirty(const M2dVm *vm, uint64_t pfn)
{
	const uint8_t *byte = frame_byte(vm, pfn);

	return byte != NULL && (*byte & FRAME_DIRTY) != 0;
}

/* --- the process's address space -------------------------------------------------------------- */

bool m2d_hostmm_peek(const M2dVm *vm, uint64_t page, uint64_t *pfn, bool *writable)
{
	const M2dHostMm *mm = vm->mm;
	uint64_t pte;

	if (page >= mm->n_pages)
		return false;
	pte = mm->pte[page];
	if ((pte & HPTE_PRESENT) == 0)
		return false;
	*pfn = pte >> HPTE_PFN_SHIFT;
	if (writable != NULL)
		*writable = (pte & HPTE_WRITABLE) != 0;
	return true;
}

bool m2d_hostmm_in_row(const M2dVm *vm, uint64_t page, uint64_t n, uint64_t pfn)
{
	const M2dHostMm *mm = vm->mm;
	uint64_t wrong = 0;

	if (page >= mm->n_pages)
		return true;
	n = MIN(n, mm->n_pages - page);
	/* Without branches: several at once. */
	for (uint64_t i = 0; i < n; i++) {
		uint64_t pte = mm->pte[page + i];
		uint64_t there = -(uint64_t)((pte & HPTE_PRESENT) != 0);

		wrong |= there & (pte >> HPTE_PFN_SHIFT ^ (pfn + i));
	}
	return wrong == 0;
}

static void hpte_set(M2dVm *vm, uint64_t page, uint64_t pfn, M2dPageSize size)
{
	VM_PUT(vm, vm->mm->pte[page],
	       pfn << HPTE_PFN_SHIFT | (uint64_t)size << HPTE_LEVEL_SHIFT | HPTE_WRITABLE |
		       HPTE_PRESENT);
}

bool m2d_hostmm_get(M2dVm *vm, uint64_t page, bool write, uint64_t *pfn, bool *writable)
{
	bool may_write;

	if (page >= vm->mm->n_pages)
		return false;
	if (!m2d_hostmm_peek(vm, page, pfn, &may_write) && vm->mm->demand != NULL)
		vm->mm->demand(vm, page, vm->mm->demand_data);
	if (!m2d_hostmm_peek(vm, page, pfn, &may_write)) {
		if (!m2d_frame_alloc(vm, M2D_FRAME_GUEST, pfn))
			return false;
		hpte_set(vm, page, *pfn, M2D_SIZE_4K);
		may_write = true;
	}
	if (writable != NULL)
		*writable = may_write;
	return may_write || !write;
}

void m2d_hostmm_place(M2dVm *vm, uint64_t page, uint64_t pfn)
{
	g_assert(page < vm->mm->n_pages && (vm->mm->pte[page] & HPTE_PRESENT) == 0);
	frame_own(vm, pfn, M2D_FRAME_GUEST);
	hpte_set(vm, page, pfn, M2D_SIZE_4K);
}

void m2d_hostmm_place_block(M2dVm *vm, uint64_t page, uint64_t pfn, M2dPageSize size)
{
	M2dHostMm *mm = vm->mm;
	uint64_t span = UINT64_C(1) << (9 * size);

	g_assert(page % span == 0 && page + span <= mm->n_pages);
	for (uint64_t p = page; p < page + span; p++)
		if (mm->pte[p] & HPTE_PRESENT)
			size = M2D_SIZE_4K;
	for (uint64_t i = 0; i < span; i++) {
		if (mm->pte[page + i] & HPTE_PRESENT)
			continue;
		frame_own(vm, pfn + i, M2D_FRAME_GUEST);
		hpte_set(vm, page + i, pfn + i, size);
	}
}

void m2d_hostmm_on_demand(M2dVm *vm, void (*fn)(M2dVm *vm, uint64_t page, void *data), void *data)
{
	vm->mm->demand = fn;
	vm->mm->demand_data = data;
}

bool m2d_hostmm_populate(M2dVm *vm, uint64_t page, uint64_t n, M2dPageSize size)
{
	uint64_t span = UINT64_C(1) << (9 * size), pfn;

	g_assert(page % span == 0 && n % span == 0);
	if (page > vm->mm->n_pages || n > vm->mm->n_pages - page)
		return false;
	for (uint64_t p = page; p < page + n; p += span) {
		bool used = false;

		for (uint64_t i = 0; i < span && !used; i++)
			used = (vm->mm->pte[p + i] & HPTE_PRESENT) != 0;
		if (used)
			continue;
		if (!m2d_falloc_take(vm->frames, size, &pfn))
			return false;
		for (uint64_t i = 0; i < span; i++) {
			frame_own(vm, pfn + i, M2D_FRAME_GUEST);
			frame_clear(vm, pfn + i);
			hpte_set(vm, p + i, pfn + i, size);
		}
	}
	return true;
}

static unsigned hpte_level(uint64_t pte)
{
	return 1 + (unsigned)((pte & HPTE_LEVEL) >> HPTE_LEVEL_SHIFT);
}

unsigned m2d_hostmm_level(const M2dVm *vm, uint64_t page)
{
	const M2dHostMm *mm = vm->mm;

	return page < mm->n_pages && mm->pte[page] & HPTE_PRESENT ? hpte_level(mm->pte[page]) : 1;
}

/* The hugepage around @page becomes pages one level lower; the one around @page again, down to 4
 * KiB: the host changes page tables in units of mappings. */
static void hpte_split(M2dVm *vm, uint64_t page)
{
	M2dHostMm *mm = vm->mm;

	for (unsigned level = hpte_level(mm->pte[page]); level > 1; level--) {
		uint64_t span = UINT64_C(1) << (9 * (level - 1)), first = page & ~(span - 1);

		for (uint64_t p = first; p < first + span; p++)
			VM_PUT(vm, mm->pte[p],
			       (mm->pte[p] & ~HPTE_LEVEL) | (uint64_t)(level - 2)
								    << HPTE_LEVEL_SHIFT);
	}
}

void m2d_hostmm_protect(M2dVm *vm, uint64_t page, bool writable)
{
	M2dHostMm *mm = vm->mm;
	uint64_t pfn;
	bool now;

	/* A page that is not there yet gets its frame, so that the right is kept with it. */
	if (!m2d_hostmm_get(vm, page, false, &pfn, &now) || now == writable)
		return;
	hpte_split(vm, page);
	VM_PUT(vm, mm->pte[page],
	       writable ? mm->pte[page] | HPTE_WRITABLE : mm->pte[page] & ~HPTE_WRITABLE);
}

uint64_t m2d_hostmm_detach(M2dVm *vm, uint64_t page)
{
	uint64_t pfn;

	if (!m2d_hostmm_peek(vm, page, &pfn, NULL))
		return 0;
	hpte_split(vm, page);
	VM_PUT(vm, vm->mm->pte[page], 0);
	return pfn;
}
