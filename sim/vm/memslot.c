/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memslots as data: look-up, arrays, access to guest memory by KVM and its userspace. An update is
 * made in place here; that readers in flight still see the old state is sim/kvm's affair.
 *
 * Arrays of a slot stay with its number when it goes, cleared, so that creating and deleting
 * slots over and over takes no more memory and equal states are equal bytes.
 */
#include "sim/vm/memslot.h"

#include <inttypes.h>

#include "sim/base/error.h"
#include "sim/vm/hostmm.h"

#define GFN_BITS (M2D_PHYS_BITS - M2D_PAGE_SHIFT)

void m2d_memslots_init(M2dVm *vm)
{
	vm->slots = m2d_arena_alloc(vm->arena, sizeof(M2dMemslots), 64);
	/* Generations of the address spaces interleave: 0, 2, 4 ... and 1, 3, 5 ... */
	for (unsigned as = 0; as < M2D_N_AS; as++)
		VM_PUT(vm, vm->slots->generation[as], as);
}

M2dMemslot *m2d_gfn_to_slot(const M2dVm *vm, unsigned as, uint64_t gfn)
{
	M2dMemslot *slots = vm->slots->slot[as];

	for (unsigned id = 0; id < M2D_MAX_SLOTS; id++)
		if (m2d_slot_has(&slots[id], gfn))
			return &slots[id];
	return NULL;
}

/* --- arrays ----------------------------------------------------------------------------------- */

/* Pages of @level that the slot has a part in. */
static uint64_t level_pages(const M2dMemslot *slot, unsigned level)
{
	return slot->npages == 0
		       ? 0
		       : m2d_slot_index(slot, slot->base_gfn + slot->npages - 1, level) + 1;
}

/* Room for a slot of @capacity pages wherever it begins. */
static uint64_t level_room(uint64_t capacity, unsigned level)
{
	return (capacity >> (9 * (level - 1))) + 2;
}

static uint64_t array_new(M2dVm *vm, uint64_t n, size_t size)
{
	return m2d_arena_offset(vm->arena, m2d_arena_alloc(vm->arena, n * size, 64));
}

static void slot_reserve(M2dVm *vm, M2dMemslot *slot, uint64_t npages)
{
	if (slot->capacity >= npages)
		return;
	for (unsigned level = 1; level <= 3; level++) {
		uint64_t room = level_room(npages, level);

		VM_PUT(vm, slot->rmap[level - 1], array_new(vm, room, sizeof(uint32_t)));
		if (level > 1)
			VM_PUT(vm, slot->lpage[level - 1], array_new(vm, room, sizeof(uint32_t)));
	}
	VM_PUT(vm, slot->track, array_new(vm, npages, sizeof(uint16_t)));
	VM_PUT(vm, slot->dirty, array_new(vm, (npages + 63) / 64, sizeof(uint64_t)));
	VM_PUT(vm, slot->log, array_new(vm, (npages + 63) / 64, sizeof(uint64_t)));
	VM_PUT(vm, slot->capacity, npages);
}

static void array_clear(M2dVm *vm, uint64_t offset, uint64_t bytes)
{
	uint64_t *word = m2d_arena_at(vm->arena, offset);

	for (uint64_t i = 0; i < (bytes + 7) / 8; i++)
		if (word[i] != 0)
			m2d_set64(vm->arena, &word[i], 0);
}

void m2d_slot_clear_dirty(M2dVm *vm, M2dMemslot *slot)
{
	array_clear(vm, slot->dirty, (slot->npages + 63) / 64 * sizeof(uint64_t));
	array_clear(vm, slot->log, (slot->npages + 63) / 64 * sizeof(uint64_t));
}

uint32_t *m2d_slot_rmap(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn, unsigned level)
{
	uint32_t *rmap = m2d_arena_at(vm->arena, slot->rmap[level - 1]);

	return &rmap[m2d_slot_index(slot, gfn, level)];
}

uint32_t *m2d_slot_lpage(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn, unsigned level)
{
	uint32_t *lpage = m2d_arena_at(vm->arena, slot->lpage[level - 1]);

	g_assert(level > 1);
	return &lpage[m2d_slot_index(slot, gfn, level)];
}

uint16_t *m2d_slot_track(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn)
{
	uint16_t *track = m2d_arena_at(vm->arena, slot->track);

	return &track[gfn - slot->base_gfn];
}

/* --- dirty bitmap ----------------------------------------------------------------------------- */

static uint64_t *dirty_words(const M2dVm *vm, const M2dMemslot *slot)
{
	return m2d_arena_at(vm->arena, slot->dirty);
}

void m2d_slot_mark_dirty(M2dVm *vm, M2dMemslot *slot, uint64_t gfn)
{
	uint64_t i = gfn - slot->base_gfn, *word;

	if ((slot->flags & M2D_SLOT_LOG_DIRTY) == 0 || !m2d_slot_has(slot, gfn))
		return;
	word = &dirty_words(vm, slot)[i / 64];
	VM_PUT(vm, *word, *word | M2D_BIT(i % 64));
	m2d_emit(vm->ev, DIRTY_MARKED, m2d_slot_number(slot), gfn);
}

bool m2d_slot_dirty(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn)
{
	uint64_t i = gfn - slot->base_gfn;

	return dirty_words(vm, slot)[i / 64] >> (i % 64) & 1;
}

uint64_t m2d_slot_dirty_word(M2dVm *vm, M2dMemslot *slot, uint64_t word, bool clear)
{
	return clear ? m2d_slot_dirty_take(vm, slot, word, UINT64_MAX)
		     : dirty_words(vm, slot)[word];
}

uint64_t m2d_slot_dirty_take(M2dVm *vm, M2dMemslot *slot, uint64_t word, uint64_t mask)
{
	uint64_t *p = &dirty_words(vm, slot)[word], bits = *p & mask;

	if (bits != 0)
		VM_PUT(vm, *p, *p & ~bits);
	return bits;
}

uint64_t *m2d_slot_log_word(const M2dVm *vm, const M2dMemslot *slot, uint64_t word)
{
	return (uint64_t *)m2d_arena_at(vm->arena, slot->log) + word;
}

/* --- coming and going ------------------------------------------------------------------------- */

bool m2d_slot_check(const M2dVm *vm, unsigned as, unsigned id, uint64_t gfn, uint64_t npages,
		    uint64_t hva, GError **error)
{
	if (as >= M2D_N_AS || id >= M2D_MAX_SLOTS) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "memslot %u of address space %u, expected below %u and %u", id, as,
			    M2D_MAX_SLOTS, M2D_N_AS);
		return false;
	}
	if (npages == 0 || gfn >> GFN_BITS != 0 || npages > (UINT64_C(1) << GFN_BITS) - gfn) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "memslot %u: %" PRIu64 " pages from gfn 0x%" PRIx64
			    ", expected at least one and none at or above 2^%u",
			    id, npages, gfn, GFN_BITS);
		return false;
	}
	if (hva > vm->cfg.host_pages || npages > vm->cfg.host_pages - hva) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "memslot %u: %" PRIu64 " pages from host page 0x%" PRIx64
			    ", expected to end at or below 0x%" PRIx64,
			    id, npages, hva, vm->cfg.host_pages);
		return false;
	}
	for (unsigned i = 0; i < M2D_MAX_SLOTS; i++) {
		const M2dMemslot *s = m2d_slot(vm, as, i);

		if (i == id || s->npages == 0 || gfn >= s->base_gfn + s->npages ||
		    s->base_gfn >= gfn + npages)
			continue;
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "memslot %u: gfn 0x%" PRIx64 " to 0x%" PRIx64
			    " overlaps memslot %u, expected disjoint ranges",
			    id, gfn, gfn + npages - 1, i);
		return false;
	}
	return true;
}

/* Huge pages must not cross an end of the slot, nor lie differently in guest and host. */
static void lpage_init(M2dVm *vm, M2dMemslot *slot)
{
	for (unsigned level = 2; level <= 3; level++) {
		uint64_t span = UINT64_C(1) << (9 * (level - 1));
		uint64_t n = level_pages(slot, level);
		uint32_t *lpage = m2d_arena_at(vm->arena, slot->lpage[level - 1]);

		if ((slot->base_gfn & (span - 1)) != 0)
			VM_PUT(vm, lpage[0], 1);
		if (((slot->base_gfn + slot->npages) & (span - 1)) != 0)
			VM_PUT(vm, lpage[n - 1], 1);
		if (((slot->base_gfn ^ slot->hva) & (span - 1)) == 0)
			continue;
		for (uint64_t i = 0; i < n; i++)
			VM_PUT(vm, lpage[i], 1);
	}
}

bool m2d_slot_install(M2dVm *vm, unsigned as, unsigned id, uint64_t gfn, uint64_t npages,
		      uint64_t hva, uint32_t flags, GError **error)
{
	M2dMemslot *slot;

	if (!m2d_slot_check(vm, as, id, gfn, npages, hva, error))
		return false;
	slot = m2d_slot(vm, as, id);
	g_assert(slot->npages == 0);
	slot_reserve(vm, slot, npages);
	VM_PUT(vm, slot->base_gfn, gfn);
	VM_PUT(vm, slot->npages, npages);
	VM_PUT(vm, slot->hva, hva);
	VM_PUT(vm, slot->flags, flags);
	VM_PUT(vm, slot->id, id);
	VM_PUT(vm, slot->as, as);
	lpage_init(vm, slot);
	m2d_slot_changed(vm, slot);
	return true;
}

/* What is known of pages, and is worth nothing once the slot is elsewhere. */
static void clear_arch(M2dVm *vm, M2dMemslot *slot)
{
	for (unsigned level = 1; level <= 3; level++) {
		uint64_t bytes = level_pages(slot, level) * sizeof(uint32_t);

		array_clear(vm, slot->rmap[level - 1], bytes);
		if (level > 1)
			array_clear(vm, slot->lpage[level - 1], bytes);
	}
	array_clear(vm, slot->track, slot->npages * sizeof(uint16_t));
}

void m2d_slot_remove(M2dVm *vm, M2dMemslot *slot)
{
	clear_arch(vm, slot);
	m2d_slot_clear_dirty(vm, slot);
	VM_PUT(vm, slot->base_gfn, 0);
	VM_PUT(vm, slot->npages, 0);
	VM_PUT(vm, slot->hva, 0);
	VM_PUT(vm, slot->flags, 0);
	m2d_slot_changed(vm, slot);
}

void m2d_slot_move(M2dVm *vm, M2dMemslot *slot, uint64_t gfn)
{
	clear_arch(vm, slot);
	VM_PUT(vm, slot->base_gfn, gfn);
	lpage_init(vm, slot);
	m2d_slot_changed(vm, slot);
}

void m2d_slot_changed(M2dVm *vm, const M2dMemslot *slot)
{
	m2d_emit(vm->ev, SLOT_CHANGED, m2d_slot_number(slot), slot->base_gfn, slot->npages,
		 slot->flags, vm->slots->generation[slot->as]);
}

/* --- guest memory ----------------------------------------------------------------------------- */

static bool guest_page(M2dVm *vm, unsigned as, M2dGpa gpa, bool write, M2dMemslot **slot,
		       M2dHpa *hpa)
{
	uint64_t gfn = gpa.v >> M2D_PAGE_SHIFT, pfn;

	*slot = m2d_gfn_to_slot(vm, as, gfn);
	if (!m2d_slot_visible(*slot) || (write && ((*slot)->flags & M2D_SLOT_READONLY)))
		return false;
	if (!m2d_hostmm_get(vm, m2d_slot_hva(*slot, gfn), write, &pfn, NULL))
		return false;
	hpa->v = (pfn << M2D_PAGE_SHIFT) + (gpa.v & (M2D_PAGE_SIZE - 1));
	return true;
}

bool m2d_as_gpa_to_hpa(M2dVm *vm, unsigned as, M2dGpa gpa, bool write, M2dHpa *hpa)
{
	M2dMemslot *slot;

	return guest_page(vm, as, gpa, write, &slot, hpa);
}

bool m2d_as_read_guest(M2dVm *vm, unsigned as, M2dGpa gpa, unsigned size, uint64_t *value)
{
	M2dMemslot *slot;
	M2dHpa hpa;
	uint64_t word;

	g_assert(size != 0 && size <= 8 && gpa.v % size == 0);
	if (vm->contents != NULL) {
		if (!m2d_slot_visible(m2d_gfn_to_slot(vm, as, gpa.v >> M2D_PAGE_SHIFT)))
			return false;
		*value = vm->contents->read(vm->contents->data, gpa.v, size);
		return true;
	}
	if (!guest_page(vm, as, gpa, false, &slot, &hpa))
		return false;
	word = m2d_space_read64(vm->space, (M2dHpa){hpa.v & ~UINT64_C(7)}) >> 8 * (hpa.v & 7);
	*value = size == 8 ? word : word & M2D_BITS(8 * size - 1, 0);
	return true;
}

bool m2d_as_write_guest(M2dVm *vm, unsigned as, M2dGpa gpa, unsigned size, uint64_t value,
			bool dirty)
{
	M2dMemslot *slot;
	M2dHpa hpa;

	g_assert(size != 0 && size <= 8 && gpa.v % size == 0);
	if (vm->contents != NULL) {
		slot = m2d_gfn_to_slot(vm, as, gpa.v >> M2D_PAGE_SHIFT);
		if (!m2d_slot_visible(slot) || slot->flags & M2D_SLOT_READONLY)
			return false;
		vm->contents->write(vm->contents->data, gpa.v, size, value);
		if (dirty)
			m2d_slot_mark_dirty(vm, slot, gpa.v >> M2D_PAGE_SHIFT);
		return true;
	}
	if (!guest_page(vm, as, gpa, true, &slot, &hpa))
		return false;
	if (size == 8)
		m2d_space_write64(vm->space, hpa, value);
	else
		m2d_space_write(vm->space, hpa, &value, size);
	if (dirty)
		m2d_slot_mark_dirty(vm, slot, gpa.v >> M2D_PAGE_SHIFT);
	return true;
}

bool m2d_vm_gpa_to_hpa(M2dVm *vm, M2dGpa gpa, bool write, M2dHpa *hpa)
{
	return m2d_as_gpa_to_hpa(vm, 0, gpa, write, hpa);
}

bool m2d_vm_read_guest(M2dVm *vm, M2dGpa gpa, unsigned size, uint64_t *value)
{
	return m2d_as_read_guest(vm, 0, gpa, size, value);
}

bool m2d_vm_write_guest(M2dVm *vm, M2dGpa gpa, unsigned size, uint64_t value, bool dirty)
{
	return m2d_as_write_guest(vm, 0, gpa, size, value, dirty);
}
