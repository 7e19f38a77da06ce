/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memslots: guest frames to pages of the host process, with what x86 keeps per page: reverse-map
 * heads, counts that forbid huge pages, write-tracking counts, the dirty bitmap. Two address
 * spaces (1: SMM). Reading them is free; changing them is sim/kvm's protocol.
 */
#pragma once

#include "sim/vm/vm.h"

#define M2D_MAX_SLOTS 32u /* ids per address space */
#define M2D_N_AS      2u

#define M2D_SLOT_LOG_DIRTY (1u << 0)
#define M2D_SLOT_READONLY  (1u << 1)
#define M2D_SLOT_INVALID   (1u << 16) /* being deleted or moved */

/* Bit of a generation that says that an update is in progress. */
#define M2D_GEN_UPDATE_IN_PROGRESS M2D_BIT(63)

typedef struct {
	uint64_t base_gfn;
	uint64_t npages; /* 0: no such slot */
	uint64_t hva;    /* first page of the process's address space */
	uint32_t flags;
	uint8_t id, as;
	uint16_t pad;
	/* Arrays in the arena, one element a page of that level; see m2d_slot_rmap(). */
	uint64_t rmap[3], lpage[3], track, dirty;
	uint64_t log;      /* what userspace was told last, see m2d_slot_log_word() */
	uint64_t capacity; /* pages that the arrays have room for */
} M2dMemslot;

typedef struct _M2dMemslots {
	M2dMemslot slot[M2D_N_AS][M2D_MAX_SLOTS];
	uint64_t generation[M2D_N_AS];
} M2dMemslots; /* in the arena */

void m2d_memslots_init(M2dVm *vm);

/* m2d_slot: slot @id of address space @as; its npages is 0 if it does not exist. */
static inline M2dMemslot *m2d_slot(const M2dVm *vm, unsigned as, unsigned id)
{
	return &vm->slots->slot[as][id];
}

/* m2d_gfn_to_slot: the slot that holds @gfn, INVALID ones included; NULL: none (MMIO). */
M2dMemslot *m2d_gfn_to_slot(const M2dVm *vm, unsigned as, uint64_t gfn);

/* m2d_slot_has: whether @gfn lies in the slot as it is now. Who kept a slot over a point, as a
 * fault does, and was not waited for, may find it gone or moved. */
static inline bool m2d_slot_has(const M2dMemslot *slot, uint64_t gfn)
{
	return gfn - slot->base_gfn < slot->npages;
}

static inline bool m2d_slot_visible(const M2dMemslot *slot)
{
	return slot != NULL && !(slot->flags & M2D_SLOT_INVALID);
}

static inline uint64_t m2d_slot_hva(const M2dMemslot *slot, uint64_t gfn)
{
	return slot->hva + (gfn - slot->base_gfn);
}

/* Number of @level pages before @gfn in the slot's arrays (gfn_to_index()). */
static inline uint64_t m2d_slot_index(const M2dMemslot *slot, uint64_t gfn, unsigned level)
{
	unsigned shift = 9 * (level - 1);

	return (gfn >> shift) - (slot->base_gfn >> shift);
}

/* m2d_slot_rmap: head of the reverse map of @gfn at @level 1..3 (a node index, 0: empty). */
uint32_t *m2d_slot_rmap(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn, unsigned level);
/* m2d_slot_lpage: count of reasons against a page of @level 2..3 around @gfn (lpage_info). */
uint32_t *m2d_slot_lpage(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn, unsigned level);
/* m2d_slot_track: write-tracking count of @gfn. */
uint16_t *m2d_slot_track(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn);

/* The slot's number in events, as KVM's tracepoints have it. */
static inline uint32_t m2d_slot_number(const M2dMemslot *slot)
{
	return (uint32_t)slot->as << 16 | slot->id;
}

/* m2d_slot_mark_dirty: set @gfn's bit if the slot logs (mark_page_dirty_in_slot()). */
void m2d_slot_mark_dirty(M2dVm *vm, M2dMemslot *slot, uint64_t gfn);
bool m2d_slot_dirty(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn);
/* m2d_slot_dirty_word: the 64 bits from gfn base + 64 * @word; @clear: and clear them. */
uint64_t m2d_slot_dirty_word(M2dVm *vm, M2dMemslot *slot, uint64_t word, bool clear);
/* m2d_slot_dirty_take: clear the bits @mask of a word; returns those that were set. */
uint64_t m2d_slot_dirty_take(M2dVm *vm, M2dMemslot *slot, uint64_t word, uint64_t mask);
/* m2d_slot_log_word: a word of what the last KVM_GET_DIRTY_LOG returned to userspace. */
uint64_t *m2d_slot_log_word(const M2dVm *vm, const M2dMemslot *slot, uint64_t word);
/* m2d_slot_clear_dirty: forget all of the bitmap, as when logging ends. */
void m2d_slot_clear_dirty(M2dVm *vm, M2dMemslot *slot);

/* m2d_slot_check: whether slot @id, as it is or not there yet, could become this: within the
 * address spaces of guest and host, disjoint from all others. False with @error. */
bool m2d_slot_check(const M2dVm *vm, unsigned as, unsigned id, uint64_t gfn, uint64_t npages,
		    uint64_t hva, GError **error);

/**
 * m2d_slot_install: make slot @id what is given, with fresh arrays (kvm_arch_create_memslot());
 * the huge-page counts forbid pages that would cross its ends or whose hva is not as aligned as
 * the gfn. Replaces nothing: the slot must not exist. No protocol: that is sim/kvm's.
 * False with @error if ranges overlap or are out of bounds.
 */
bool m2d_slot_install(M2dVm *vm, unsigned as, unsigned id, uint64_t gfn, uint64_t npages,
		      uint64_t hva, uint32_t flags, GError **error);
/* m2d_slot_remove: the slot is gone; its arrays are kept for the next one of that number. */
void m2d_slot_remove(M2dVm *vm, M2dMemslot *slot);
/* m2d_slot_move: the slot begins at @gfn from now on, with fresh arrays except the dirty bitmap. */
void m2d_slot_move(M2dVm *vm, M2dMemslot *slot, uint64_t gfn);
/* m2d_slot_changed: say in an event what the slot is now. */
void m2d_slot_changed(M2dVm *vm, const M2dMemslot *slot);

/* m2d_vm_gpa_to_hpa: where guest memory is, allocating it if need be; false: MMIO or no memory. */
bool m2d_vm_gpa_to_hpa(M2dVm *vm, M2dGpa gpa, bool write, M2dHpa *hpa);
/* m2d_vm_read_guest, m2d_vm_write_guest: @size 1, 2, 4 or 8 bytes, aligned. False: no memory there
 * or read-only. Writing marks the page dirty in its slot if @dirty. */
bool m2d_vm_read_guest(M2dVm *vm, M2dGpa gpa, unsigned size, uint64_t *value);
bool m2d_vm_write_guest(M2dVm *vm, M2dGpa gpa, unsigned size, uint64_t value, bool dirty);
/* The same in address space @as; the functions above are for address space 0. */
bool m2d_as_gpa_to_hpa(M2dVm *vm, unsigned as, M2dGpa gpa, bool write, M2dHpa *hpa);
bool m2d_as_read_guest(M2dVm *vm, unsigned as, M2dGpa gpa, unsigned size, uint64_t *value);
bool m2d_as_write_guest(M2dVm *vm, unsigned as, M2dGpa gpa, unsigned size, uint64_t value,
			bool dirty);
