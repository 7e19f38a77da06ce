/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's side of guest memory: the address space of the process that runs the VM (hva to
 * frame, on demand), and who owns each host frame, so that use after free and reuse show. One hva
 * page is one 4 KiB frame; a hugepage is 512 (2 MiB) or 512 * 512 (1 GiB) aligned ones in a row
 * that the host maps by one entry. It falls into smaller ones when the host changes a part of it.
 *
 * Not modelled: swap contents (a page that was dropped reads as zero when it comes back), KSM,
 * file-backed memory.
 */
#pragma once

#include "sim/vm/vm.h"

/* Owners of frames. */
typedef enum {
	M2D_FRAME_FREE,
	M2D_FRAME_GUEST, /* backs guest memory */
	M2D_FRAME_TABLE, /* a table of the hypervisor */
	M2D_FRAME_OTHER, /* given to another process after the VM had it */
} M2dFrameOwner;

typedef struct _M2dHostMm M2dHostMm;

M2dHostMm *m2d_hostmm_new(M2dVm *vm);
void m2d_hostmm_free(M2dHostMm *mm);

/**
 * m2d_hostmm_get: the frame behind hva page @page, allocated and zeroed on demand (get_user_pages).
 * @write: the caller wants to write; a page that the host made read-only then fails
 * @writable: out: the host lets the guest write, may be NULL
 * False: no such page, read-only, or host memory is full.
 */
bool m2d_hostmm_get(M2dVm *vm, uint64_t page, bool write, uint64_t *pfn, bool *writable);
/* m2d_hostmm_peek: the frame behind @page now, without allocating; false if there is none. */
bool m2d_hostmm_peek(const M2dVm *vm, uint64_t page, uint64_t *pfn, bool *writable);
/* m2d_hostmm_in_row: each of @n pages from @page on that is there has the frame as far behind @pfn
 * as the page is behind @page. */
bool m2d_hostmm_in_row(const M2dVm *vm, uint64_t page, uint64_t n, uint64_t pfn);
/* m2d_hostmm_place: back @page by frame @pfn, which exists already (recorded memory). */
void m2d_hostmm_place(M2dVm *vm, uint64_t page, uint64_t pfn);
/* m2d_hostmm_place_block: the same for the page of @size that begins at @page; its frames follow
 * one another from @pfn. Pages of it that are backed already stay as they are, and all of it is
 * then mapped by small pages. */
void m2d_hostmm_place_block(M2dVm *vm, uint64_t page, uint64_t pfn, M2dPageSize size);
/* m2d_hostmm_on_demand: a page that has no frame when it is needed: let @fn place it, and what
 * else it likes, before one is allocated. */
void m2d_hostmm_on_demand(M2dVm *vm, void (*fn)(M2dVm *vm, uint64_t page, void *data), void *data);
/**
 * m2d_hostmm_populate: back @n pages from @page by pages of @size, of which both are multiples.
 * Blocks of which a part is backed already stay as they are.
 * False: out of the address space, or no block of host memory left.
 */
bool m2d_hostmm_populate(M2dVm *vm, uint64_t page, uint64_t n, M2dPageSize size);
/* m2d_hostmm_level: level of the host's mapping of @page, 1..3; 1 if there is none. */
unsigned m2d_hostmm_level(const M2dVm *vm, uint64_t page);
/* m2d_hostmm_protect: let the guest write @page, or not. */
void m2d_hostmm_protect(M2dVm *vm, uint64_t page, bool writable);
/* m2d_hostmm_detach: take the frame of @page out of the address space without freeing it; 0 if
 * none was there. Free it with m2d_frame_free() once nobody may use it. */
uint64_t m2d_hostmm_detach(M2dVm *vm, uint64_t page);

/* m2d_hostmm_arrays: where its state lies in the arena: the process's page table, and what is known
 * of each frame. */
void m2d_hostmm_arrays(const M2dVm *vm, const void **ptes, uint64_t *pte_bytes, const void **frames,
		       uint64_t *frame_bytes);

/* m2d_frame_alloc: a zeroed frame for @owner; false: host memory is full. */
bool m2d_frame_alloc(M2dVm *vm, M2dFrameOwner owner, uint64_t *pfn);
/* m2d_frame_free: give @pfn back; the next m2d_frame_alloc() returns it first. */
void m2d_frame_free(M2dVm *vm, uint64_t pfn);
M2dFrameOwner m2d_frame_owner(const M2dVm *vm, uint64_t pfn);

/* Accessed and dirty state that KVM passed to the host for a frame (struct page flags). */
void m2d_frame_set_accessed(M2dVm *vm, uint64_t pfn);
void m2d_frame_set_dirty(M2dVm *vm, uint64_t pfn);
bool m2d_frame_accessed(const M2dVm *vm, uint64_t pfn);
bool m2d_frame_dirty(const M2dVm *vm, uint64_t pfn);
