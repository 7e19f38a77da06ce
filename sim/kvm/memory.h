/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host does to guest memory, as KVM takes part in it: memslot ioctls, notifiers of the
 * host's memory management, dirty logging, write tracking. All are routines of the host's actor;
 * an ioctl's result is 0 or more, or a negative errno.
 *
 * Sources: virt/kvm/kvm_main.c kvm_set_memslot(), kvm_swap_active_memslots(),
 * kvm_mmu_notifier_*(), kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect();
 * arch/x86/kvm/x86.c kvm_mmu_slot_apply_flags(); arch/x86/kvm/mmu/page_track.c.
 *
 * Not modelled: the dirty ring, PML, guest_memfd, memory attributes, "initially all set".
 */
#pragma once

#include "sim/shadow/shadow.h"

/* --- memslots (slots.c, zap-*.c) ----------------------------------------------------------------
 */

/* KVM_SET_USER_MEMORY_REGION: create, delete (@npages 0), move or change the flags of a slot.
 * @must_exist: userspace means a slot that is there; it is not created */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
	uint64_t gfn, npages;
	uint64_t hva; /* page */
	uint32_t flags, must_exist;
	int64_t change; /* local */
} m2d_set_memory_region_frame;
M2D_ROUTINE(m2d_set_memory_region);

/* Userspace deletes a slot and, with @unmap, then takes the memory out of its address space. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
	uint64_t unmap;
	uint64_t start, n; /* locals: pages of the process */
} m2d_slot_delete_frame;
M2D_ROUTINE(m2d_slot_delete);

/* kvm_set_memslot(), with slots_lock held and everything checked. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
	uint64_t gfn, npages, hva;
	uint32_t flags, change;
	uint64_t old_gfn, old_npages; /* locals */
	uint32_t old_flags, pad;
} m2d_set_memslot_frame;
M2D_ROUTINE(m2d_set_memslot);

/* The second half of kvm_swap_active_memslots(): wait for readers, step the generation. */
typedef struct {
	M2dFrame h;
	uint64_t as;
	uint64_t generation; /* local */
} m2d_memslots_sync_frame;
M2D_ROUTINE(m2d_memslots_sync);

/* kvm_arch_flush_shadow_memslot(): the zap policy of the profile. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
} m2d_flush_shadow_memslot_frame;
M2D_ROUTINE(m2d_flush_shadow_memslot);

/* kvm_mmu_slot_apply_flags(): dirty logging starts or ends. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
	uint32_t old_flags, pad;
} m2d_slot_apply_flags_frame;
M2D_ROUTINE(m2d_slot_apply_flags);

/* --- dirty log (dirty.c) ------------------------------------------------------------------------
 */

/* KVM_GET_DIRTY_LOG: pages written since the last time, to m2d_slot_log_word(). Result: how many.
 * Clears and protects unless the VM has manual protection. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
	uint64_t word, mask; /* locals */
	uint32_t flush, pages;
} m2d_get_dirty_log_frame;
M2D_ROUTINE(m2d_get_dirty_log);

/* KVM_CLEAR_DIRTY_LOG: clear and protect those pages of [gfn, end) that the last
 * KVM_GET_DIRTY_LOG returned: userspace hands back what it was told. Result: how many. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
	uint64_t gfn, end;
	uint64_t word, mask; /* locals */
	uint32_t flush, pages;
} m2d_clear_dirty_log_frame;
M2D_ROUTINE(m2d_clear_dirty_log);

/* --- notifiers (notifier.c) ---------------------------------------------------------------------
 */

/* kvm_mmu_notifier_invalidate_range_start() and _end() for pages [start, end) of the process. */
typedef struct {
	M2dFrame h;
	uint64_t start, end;
	uint64_t cursor; /* local */
	uint32_t flush, pad;
} m2d_mmu_notifier_start_frame;
M2D_ROUTINE(m2d_mmu_notifier_start);

typedef struct {
	M2dFrame h;
	uint64_t start, end;
} m2d_mmu_notifier_end_frame;
M2D_ROUTINE(m2d_mmu_notifier_end);

/* kvm_mmu_notifier_clear_flush_young() or, with @keep, _clear_young(), which never flushes, or,
 * with @test, _test_young(). Result: young. */
typedef struct {
	M2dFrame h;
	uint64_t start, end;
	uint32_t test, young;
	uint32_t keep, pad;
} m2d_mmu_notifier_age_frame;
M2D_ROUTINE(m2d_mmu_notifier_age);

/* --- the host's memory management (hostmem.c) ---------------------------------------------------
 */

typedef enum {
	M2D_HOST_UNMAP,     /* drop pages: madvise(MADV_DONTNEED) */
	M2D_HOST_MIGRATE,   /* move them to other frames */
	M2D_HOST_PROTECT,   /* read-only: mprotect(), fork() */
	M2D_HOST_UNPROTECT, /* and back */
} M2dHostChange;

/* Change pages behind gfns [gfn, end), each slot's part by one call of the notifiers. Result: 0, or
 * -EFAULT if no slot is there, -ENOMEM. */
typedef struct {
	M2dFrame h;
	uint32_t as, change;
	uint64_t gfn, end;
	uint64_t start, n; /* locals: pages of the process */
	uint64_t told_start, told_end;
	int64_t ret;
} m2d_host_change_pages_frame;
M2D_ROUTINE(m2d_host_change_pages);

/* The host looks for accesses to gfns [gfn, end). Result: 1 young, 0 not, -EFAULT. */
typedef struct {
	M2dFrame h;
	uint32_t as, test;
	uint64_t gfn, end;
	uint64_t start, n; /* locals */
	int64_t ret;
} m2d_host_age_pages_frame;
M2D_ROUTINE(m2d_host_age_pages);

/* munmap() of pages [start, start + n) of the process, whether or not a slot is over them. */
typedef struct {
	M2dFrame h;
	uint64_t start, n;
	uint64_t told_start, told_end; /* locals */
} m2d_host_munmap_frame;
M2D_ROUTINE(m2d_host_munmap);

/* Userspace or a device stores to guest memory through the process's mapping. */
typedef struct {
	M2dFrame h;
	uint64_t gpa, value;
	uint32_t as, size;
} m2d_host_poke_frame;
M2D_ROUTINE(m2d_host_poke);

/* The process exits: kvm_mmu_notifier_release(), then its memory goes. */
typedef struct {
	M2dFrame h;
	uint64_t pad;
} m2d_host_release_frame;
M2D_ROUTINE(m2d_host_release);

/* --- write tracking, limits (track.c) -----------------------------------------------------------
 */

/* kvm_write_track_add_gfn() or, without @add, _remove_gfn(). Result: 0 or -EINVAL. */
typedef struct {
	M2dFrame h;
	uint64_t gfn;
	uint32_t add, ret;
} m2d_write_track_frame;
M2D_ROUTINE(m2d_write_track);

/* KVM_SET_NR_MMU_PAGES. KVM's minimum of 64 is not enforced: scenarios are small. */
typedef struct {
	M2dFrame h;
	uint32_t n, pad;
} m2d_set_nr_mmu_pages_frame;
M2D_ROUTINE(m2d_set_nr_mmu_pages);

/* A pCPU goes off line and comes back: -EBUSY while a vCPU is on it. */
typedef struct {
	M2dFrame h;
	uint64_t pcpu;
} m2d_pcpu_offline_frame;
M2D_ROUTINE(m2d_pcpu_offline);
