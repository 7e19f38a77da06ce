/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routines of the shadow MMU that only the shadow MMU calls. */
#pragma once

#include "sim/shadow/shadow-private.h"

/* --- routines within the MMU, with mmu_lock held unless they say otherwise ---------------------
 */

/* kvm_mmu_remote_flush_or_zap(). */
typedef struct {
	M2dFrame h;
	uint32_t flush, pad;
} m2d_mmu_flush_or_zap_frame;
M2D_ROUTINE(m2d_mmu_flush_or_zap);

/* make_mmu_pages_available(): 0: there is no page left. */
typedef struct {
	M2dFrame h;
	uint64_t unused;
} m2d_mmu_make_available_frame;
M2D_ROUTINE(m2d_mmu_make_available);

/* __kvm_mmu_get_shadow_page(): find or make; the page's number, 0: host memory is full. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t role;
	uint64_t gfn;
	M2dSpIndex sp;
	uint32_t flush;
	uint32_t created, pad;
} m2d_mmu_get_page_frame;
M2D_ROUTINE(m2d_mmu_get_page);

/* kvm_mmu_get_child_sp(): minus the number of the child if the entry leads to it already. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	M2dSptep parent;
	uint64_t gfn;
	uint32_t direct;
	uint32_t access;
} m2d_mmu_get_child_frame;
M2D_ROUTINE(m2d_mmu_get_child);

/* link_shadow_page(). */
typedef struct {
	M2dFrame h;
	M2dSptep parent;
	M2dSpIndex child;
} m2d_mmu_link_page_frame;
M2D_ROUTINE(m2d_mmu_link_page);

/* Flush what entry @sptep covers, if it is owed (kvm_flush_remote_tlbs_sptep()). */
typedef struct {
	M2dFrame h;
	uint64_t gfn;
	uint32_t level, pad;
} m2d_mmu_flush_gfn_frame;
M2D_ROUTINE(m2d_mmu_flush_gfn);

/* mmu_sync_children(). Result: 1: given up, for somebody waits for the lock. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	M2dSpIndex parent;
	uint32_t i;
	uint32_t flush;
	uint32_t can_yield, pad;
	M2dSpPages pages;
} m2d_mmu_sync_children_frame;
M2D_ROUTINE(m2d_mmu_sync_children);

/* kvm_mmu_free_roots(), takes mmu_lock. @mask: bit 0 the current root, bit 1 + i previous root i.
 */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t mask;
} m2d_mmu_free_roots_frame;
M2D_ROUTINE(m2d_mmu_free_roots);

/* FNAME(fetch) and direct_map(): map what the vCPU's M2dPageFault says. Result: M2dRetPf. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	M2dSpIndex sp;
	M2dSptep sptep;
	int32_t child;
	uint32_t level;
	uint32_t changed;
} m2d_mmu_fetch_frame;
M2D_ROUTINE(m2d_mmu_fetch);

/* @sp: where to begin, at @level, 0: at the root. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	M2dSpIndex sp;
	uint32_t level;
	uint32_t access;
	M2dSptep sptep;
	int32_t child;
	int64_t ret;
} m2d_mmu_direct_map_frame;
M2D_ROUTINE(m2d_mmu_direct_map);

/* mmu_set_spte() for a fault. Result: M2dRetPf. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	M2dSptep sptep;
	uint64_t gfn, spte;
	uint32_t access;
	uint32_t flush;
	int32_t ret;
	uint32_t rmapped;
} m2d_mmu_set_spte_frame;
M2D_ROUTINE(m2d_mmu_set_spte);

/* kvm_faultin_pfn(), without mmu_lock. Result: M2dRetPf. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t access;
	int32_t ret;
	uint32_t pad;
} m2d_mmu_faultin_pfn_frame;
M2D_ROUTINE(m2d_mmu_faultin_pfn);

/* handle_mmio_page_fault(), fast_page_fault(): without mmu_lock. Result: M2dRetPf. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu, pad;
	uint64_t spte;
} m2d_mmu_mmio_fault_frame;
M2D_ROUTINE(m2d_mmu_mmio_fault);

typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	M2dSptep sptep;
	uint64_t at, spte, to;
	int32_t ret;
	uint32_t tries;
} m2d_mmu_fast_fault_frame;
M2D_ROUTINE(m2d_mmu_fast_fault);

/* The locked part of a fault that both kinds of MMU have in common. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	int32_t ret;
	uint32_t go_on, pad;
} m2d_mmu_map_fault_frame;
M2D_ROUTINE(m2d_mmu_map_fault);

/* FNAME(page_fault) and direct_page_fault(). */
typedef struct {
	M2dFrame h;
	uint32_t vcpu, pad;
} m2d_mmu_paging_fault_frame;
M2D_ROUTINE(m2d_mmu_paging_fault);

typedef struct {
	M2dFrame h;
	uint32_t vcpu, pad;
} m2d_mmu_direct_fault_frame;
M2D_ROUTINE(m2d_mmu_direct_fault);

/* mmu_alloc_direct_roots(), mmu_alloc_shadow_roots(); takes mmu_lock. 0: host memory is full. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t i, n, ok;
} m2d_mmu_alloc_roots_frame;
M2D_ROUTINE(m2d_mmu_alloc_roots);

/* __kvm_mmu_invalidate_addr(), takes mmu_lock. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	M2dSpIndex root;
	uint64_t gva, gfn;
	uint32_t level, pad;
} m2d_mmu_invalidate_addr_frame;
M2D_ROUTINE(m2d_mmu_invalidate_addr);

/* FNAME(invlpg) before 6.4, with mmu_lock held. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	M2dSpIndex root;
	uint64_t gva, gfn;
	uint32_t level;
	M2dSptep sptep;
} m2d_mmu_invlpg_zap_frame;
M2D_ROUTINE(m2d_mmu_invlpg_zap);
