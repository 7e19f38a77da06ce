/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's shadow MMU, also called the legacy MMU: shadow paging (tables that collapse both
 * dimensions) and, on the same code, the direct MMU over NPT or EPT. This header is all that the
 * run loop, memslots, notifiers and the checker see of it.
 *
 * Routines (M2D_ROUTINE) stop at points; plain functions are atomic and want mmu_lock held where
 * they say so. Routine numbers M2D_R_* are declared in sim/vm/routines.def.
 */
#pragma once

#include "sim/vm/memslot.h"
#include "sim/vm/request.h"

/* --- role words, bit for bit as KVM's ----------------------------------------------------------
 */

#define M2D_ROLE_LEVEL           M2D_BITS(3, 0)
#define M2D_ROLE_HAS_4_BYTE_GPTE M2D_BIT(4)
#define M2D_ROLE_QUADRANT_SHIFT  5
#define M2D_ROLE_QUADRANT        M2D_BITS(6, 5)
#define M2D_ROLE_DIRECT          M2D_BIT(7)
#define M2D_ROLE_ACCESS_SHIFT    8 /* ACC_EXEC, ACC_WRITE, ACC_USER */
#define M2D_ROLE_ACCESS          M2D_BITS(10, 8)
#define M2D_ROLE_INVALID         M2D_BIT(11)
#define M2D_ROLE_EFER_NX         M2D_BIT(12)
#define M2D_ROLE_CR0_WP          M2D_BIT(13)
#define M2D_ROLE_SMEP_ANDNOT_WP  M2D_BIT(14)
#define M2D_ROLE_SMAP_ANDNOT_WP  M2D_BIT(15)
#define M2D_ROLE_AD_DISABLED     M2D_BIT(16)
#define M2D_ROLE_GUEST_MODE      M2D_BIT(17)
#define M2D_ROLE_PASSTHROUGH     M2D_BIT(18)
#define M2D_ROLE_SMM_SHIFT       24
#define M2D_ROLE_SMM             M2D_BITS(31, 24)

static inline unsigned m2d_role_level(uint32_t role)
{
	return role & 15;
}

static inline unsigned m2d_role_access(uint32_t role)
{
	return role >> M2D_ROLE_ACCESS_SHIFT & 7;
}

static inline unsigned m2d_role_quadrant(uint32_t role)
{
	return role >> M2D_ROLE_QUADRANT_SHIFT & 3;
}

/* Address space (memslots) that a page's gfns belong to. */
static inline unsigned m2d_role_as(uint32_t role)
{
	return role >> M2D_ROLE_SMM_SHIFT != 0;
}

/* Bits of ext_role. */
#define M2D_EXT_VALID    M2D_BIT(0)
#define M2D_EXT_CR4_PSE  M2D_BIT(2)
#define M2D_EXT_CR4_PKE  M2D_BIT(3)
#define M2D_EXT_CR4_SMAP M2D_BIT(4)
#define M2D_EXT_CR4_SMEP M2D_BIT(5)
#define M2D_EXT_CR4_LA57 M2D_BIT(6)
#define M2D_EXT_EFER_LMA M2D_BIT(7)

/* M2dRootInfo.sp of a guest whose pgd is not in memory: an empty table, every access faults. */
#define M2D_ROOT_DUMMY 0xfffffffeu

/* --- shadow pages, for those who look ----------------------------------------------------------
 */

/* One struct kvm_mmu_page: in the arena; number 0 is never used. */
typedef struct {
	uint64_t gfn;
	uint64_t pfn;  /* frame of the table of SPTEs; 0: this number is free */
	uint32_t role; /* word */
	uint32_t hash_next;
	uint32_t root_count;
	uint32_t parents; /* head of the list of parent SPTEs; see m2d_shadow_parents() */
	uint32_t lru_next, lru_prev; /* active list, newest first */
	uint16_t unsync_children;    /* bits set in @unsync_child */
	uint8_t unsync;
	uint8_t valid_gen; /* mmu_valid_gen at creation */
	uint8_t on_list;   /* 0: on none, 1: active, 2, 3: zapped, memory not freed yet */
	/* Apart from what everybody looks at. */
	M2D_OWN_WORD uint16_t nonzero; /* SPTEs that differ from the non-present value */
	uint8_t write_flooding;
	uint64_t unsync_child[8];
	/* Indirect pages: what each SPTE shadows, gfn << 12 | access; arena offset of 512 words, 0:
	 * none. */
	uint64_t shadowed;
} M2dSp;

/* An SPTE as a number: index of its page * 512 + index of the entry. */
typedef uint32_t M2dSptep;

static inline M2dSptep m2d_sptep(M2dSpIndex sp, unsigned index)
{
	return sp << 9 | index;
}

/* m2d_sp: page @index, which must exist. */
M2dSp *m2d_sp(const M2dVm *vm, M2dSpIndex index);

/* m2d_sp_obsolete: the page is zapped, or of an old generation (is_obsolete_sp()). */
static inline bool m2d_sp_obsolete(const M2dVm *vm, const M2dSp *sp)
{
	return (sp->role & M2D_ROLE_INVALID) || sp->valid_gen != (uint8_t)vm->s->mmu_valid_gen;
}

/* m2d_shadow_max_sp: page numbers ever used are below this. */
M2dSpIndex m2d_shadow_max_sp(const M2dVm *vm);
/* m2d_drop_spte: drop_spte(); of use outside to who follows a real KVM. */
void m2d_drop_spte(M2dVm *vm, M2dSptep sptep);
/* m2d_shadow_used_pages: pages alive (used_mmu_pages). */
uint32_t m2d_shadow_used_pages(const M2dVm *vm);
/* m2d_shadow_sp_of_frame: the page whose table is frame @pfn, or 0. */
M2dSpIndex m2d_shadow_sp_of_frame(const M2dVm *vm, uint64_t pfn);
/* m2d_spte_read: value of @sptep; m2d_spte_hpa: where it is. */
uint64_t m2d_spte_read(const M2dVm *vm, M2dSptep sptep);
M2dHpa m2d_spte_hpa(const M2dVm *vm, M2dSptep sptep);
/* m2d_sp_entry_gfn, m2d_sp_entry_access: what entry @index of the page shadows
 * (kvm_mmu_page_get_gfn()). */
uint64_t m2d_sp_entry_gfn(const M2dVm *vm, M2dSpIndex sp, unsigned index);
unsigned m2d_sp_entry_access(const M2dVm *vm, M2dSpIndex sp, unsigned index);
/* m2d_level1_gpte_gpa: where the guest entry is that entry @index of a level-1 page shadows. */
uint64_t m2d_level1_gpte_gpa(const M2dSp *sp, unsigned index);
/* m2d_list_foreach: items (SPTE numbers) of a parent or reverse-map list, in KVM's order. */
void m2d_list_foreach(const M2dVm *vm, uint32_t head, void (*fn)(M2dSptep sptep, void *data),
		      void *data);

/* Down the tables of a root, an entry of each (for_each_shadow_entry()). */
typedef struct {
	uint64_t addr;
	M2dSpIndex sp;
	unsigned level; /* 0: the walk is over */
	unsigned index;
	M2dSptep sptep;
} M2dShadowWalk;

/* m2d_shadow_walk_init: @root: page number or M2D_ROOT_PAE (the current one). */
void m2d_shadow_walk_init(const M2dVm *vm, const M2dKvmVcpu *v, M2dSpIndex root, uint64_t addr,
			  M2dShadowWalk *it);
/* m2d_shadow_walk_next: down through @spte, the value of the entry at hand. */
void m2d_shadow_walk_next(const M2dVm *vm, M2dShadowWalk *it, uint64_t spte);

/* --- set-up ------------------------------------------------------------------------------------
 */

/* m2d_shadow_init: give @vm its MMU; m2d_vm_free() frees it. */
void m2d_shadow_init(M2dVm *vm);

/* m2d_mmu_init_context: derive roles and formats of a vCPU's MMU from its registers
 * (kvm_init_mmu()); drops nothing. */
void m2d_mmu_init_context(M2dVm *vm, M2dKvmVcpu *v);

/* --- routines ----------------------------------------------------------------------------------
 */

/* Operations of one vCPU, run by its actor with the vCPU outside the guest. */
/* kvm_mmu_load(): find or make the root(s) of the current pgd, sync them, hand them to hardware and
 * flush the current context. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t i;
	M2dSpIndex sp;
	uint32_t pad;
} m2d_mmu_load_frame;
M2D_ROUTINE(m2d_mmu_load);

/* kvm_mmu_unload(): drop all roots, previous ones too. @within: called by a function that the
 * compiler put it into: no probe sees it. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t within;
} m2d_mmu_unload_frame;
M2D_ROUTINE(m2d_mmu_unload);

/* kvm_mmu_free_obsolete_roots(), or before 5.18 (knob reload-request) the unload of all. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t i;
	uint32_t mask, pad;
} m2d_mmu_free_obsolete_roots_frame;
M2D_ROUTINE(m2d_mmu_free_obsolete_roots);

/* kvm_mmu_sync_roots(): make unsync pages below the current root(s) agree with the guest's tables.
 */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t i;
	M2dSpIndex root;
	uint32_t pad;
} m2d_mmu_sync_roots_frame;
M2D_ROUTINE(m2d_mmu_sync_roots);

/* kvm_mmu_sync_prev_roots(): drop previous roots that are unsync. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t i;
} m2d_mmu_sync_prev_roots_frame;
M2D_ROUTINE(m2d_mmu_sync_prev_roots);

/* kvm_mmu_invlpg(): hardware flush of @gva, then sync the entries for it in current and previous
 * roots. @pcid_only: INVPCID type 0: only roots of @pcid (kvm_mmu_invpcid_gva()). */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t i;
	uint64_t gva;
	uint32_t pcid;
	uint32_t pcid_only;
} m2d_mmu_invlpg_frame;
M2D_ROUTINE(m2d_mmu_invlpg);

/* kvm_mmu_new_pgd(): switch to the root of @pgd, cached or not. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t i;
	uint64_t pgd;
} m2d_mmu_new_pgd_frame;
M2D_ROUTINE(m2d_mmu_new_pgd);

/* The part of kvm_invalidate_pcid() that frees previous roots of @pcid: they are synced when they
 * are loaded again. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t pcid;
	uint32_t i, pad;
} m2d_mmu_free_pcid_roots_frame;
M2D_ROUTINE(m2d_mmu_free_pcid_roots);

/* kvm_mmu_reset_context(): unload and derive the context anew. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t pad;
} m2d_mmu_reset_context_frame;
M2D_ROUTINE(m2d_mmu_reset_context);

/**
 * kvm_mmu_do_page_fault(): map @address (guest-virtual under shadow paging, guest-physical with a
 * direct MMU) for an access with #PF error code @error_code. Result: M2dRetPf. For
 * M2D_RET_PF_EMULATE and _WRITE_PROTECTED the gpa is m2d_mmu_last_fault()->gpa; for
 * M2D_RET_PF_INJECT its error code is the guest's.
 */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t error_code;
	uint64_t address;
	int32_t ret;
	uint32_t pad;
} m2d_mmu_page_fault_frame;
M2D_ROUTINE(m2d_mmu_page_fault);

/* What the last fault or software walk of a vCPU found. In the arena; stays until the next one or
 * m2d_mmu_forget_fault(). */
typedef struct {
	uint64_t gpa;
	uint64_t pte[5], pte_gpa[5]; /* by level - 1, as walked */
	uint32_t error_code;         /* of the guest's own fault */
	uint8_t level;               /* of the guest's leaf; 0: none */
	uint8_t access, pt_access[5];
	uint8_t write_to_spt; /* the gpa is in one of the tables that led to it */
	uint8_t pad[4];
} M2dGuestWalk;
M2dGuestWalk *m2d_mmu_last_fault(const M2dVm *vm, unsigned vcpu);
/* m2d_mmio_cached: the vCPU's last MMIO access was at gva @addr (@direct: at gpa @addr), and the
 * memslots are still of that generation (vcpu_match_mmio_gva(), _gpa()). */
bool m2d_mmio_cached(const M2dVm *vm, const M2dKvmVcpu *v, uint64_t addr, bool direct);
/* m2d_mmio_cached_gva: whether an emulated access (M2D_PFEC_W, _U) to @gva needs no walk: it is in
 * the cache with the rights for it (vcpu_mmio_gva_to_gpa()). Fetches always walk. */
bool m2d_mmio_cached_gva(const M2dVm *vm, const M2dKvmVcpu *v, uint64_t gva, uint32_t pfec);
/* m2d_mmu_forget_fault: once nobody asks any more, so that equal states are equal bytes. */
void m2d_mmu_forget_fault(M2dVm *vm, unsigned vcpu);

/**
 * walk_addr(): KVM's software walk of the guest's tables for @gva, one point (walk-read) an entry,
 * accessed and dirty bits set in guest memory by compare-and-exchange. @access: M2D_PFEC_W, _U,
 * _ID. Result: 1 and m2d_mmu_last_fault() filled in, or 0 and its error code.
 */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t access;
	uint64_t gva;
	uint64_t table_gpa, pte, pte_gpa;
	uint32_t level, pt_access;
} m2d_mmu_walk_addr_frame;
M2D_ROUTINE(m2d_mmu_walk_addr);

/* kvm_mmu_track_write(): after a store of @bytes to guest memory at @gpa that KVM performed. */
typedef struct {
	M2dFrame h;
	uint64_t gpa;
	uint32_t bytes, flush;
	M2dSpIndex sp, next;
	uint64_t value;
} m2d_mmu_track_write_frame;
M2D_ROUTINE(m2d_mmu_track_write);

/* m2d_mmu_must_retry: a fault of @vcpu on @gfn would only be retried, as long as nobody goes on
 * with the invalidation or the change of memslots that is in progress. */
bool m2d_mmu_must_retry(const M2dVm *vm, unsigned vcpu, uint64_t gfn);

/* kvm_mmu_unprotect_gfn_and_retry(): zap the pages that shadow @gfn. Result: whether there were. */
typedef struct {
	M2dFrame h;
	uint64_t gfn;
	uint64_t any;
} m2d_mmu_unprotect_gfn_frame;
M2D_ROUTINE(m2d_mmu_unprotect_gfn);

/* kvm_mmu_zap_all_fast(): a new generation; roots are reloaded; obsolete pages zapped in batches.
 */
typedef struct {
	M2dFrame h;
	uint32_t batch, pad;
	uint64_t cursor;
} m2d_mmu_zap_all_fast_frame;
M2D_ROUTINE(m2d_mmu_zap_all_fast);

/* kvm_mmu_zap_all(): every page, at once, then a flush: release of the process's memory. */
typedef struct {
	M2dFrame h;
	uint32_t flush, pad;
} m2d_mmu_zap_all_frame;
M2D_ROUTINE(m2d_mmu_zap_all);

/* kvm_mmu_zap_memslot(): the slot's leaf SPTEs and the pages that shadow its gfns, then a flush. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
	uint64_t gfn;
	uint32_t flush, pad;
} m2d_mmu_zap_slot_leafs_frame;
M2D_ROUTINE(m2d_mmu_zap_slot_leafs);

/* kvm_mmu_slot_remove_write_access(): when dirty logging starts; result: flush needed. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
	uint32_t flush, pad;
} m2d_mmu_slot_remove_write_access_frame;
M2D_ROUTINE(m2d_mmu_slot_remove_write_access);

/* kvm_mmu_slot_zap_collapsible(): when it ends: 4 KiB leaves that could be huge are zapped. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
	uint32_t flush, pad;
} m2d_mmu_zap_collapsible_frame;
M2D_ROUTINE(m2d_mmu_zap_collapsible);

/* --- atomic operations, with mmu_lock held exclusively -----------------------------------------
 */

/* kvm_unmap_gfn_range(): zap all SPTEs of [start, end) of the slot; true: a flush is owed. */
bool m2d_mmu_unmap_gfn_range(M2dVm *vm, M2dMemslot *slot, uint64_t start, uint64_t end);
/* kvm_age_gfn(), kvm_test_age_gfn(): accessed state of the range, cleared or only read. */
bool m2d_mmu_age_gfn_range(M2dVm *vm, M2dMemslot *slot, uint64_t start, uint64_t end);
bool m2d_mmu_test_age_gfn(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn);
/* kvm_arch_mmu_enable_log_dirty_pt_masked(): write-protect (or clear D of) the gfns base + offset
 * + i for each bit i of @mask. True: some SPTE changed. */
bool m2d_mmu_enable_log_dirty_pt_masked(M2dVm *vm, M2dMemslot *slot, uint64_t gfn_offset,
					uint64_t mask);
/* kvm_mmu_slot_gfn_write_protect(): for write tracking; true: a flush is owed. */
bool m2d_mmu_slot_gfn_write_protect(M2dVm *vm, M2dMemslot *slot, uint64_t gfn, unsigned min_level);
/* Count one more, or one less, reason not to map @gfn with pages above 4 KiB. */
void m2d_mmu_gfn_disallow_lpage(M2dVm *vm, M2dMemslot *slot, uint64_t gfn);
void m2d_mmu_gfn_allow_lpage(M2dVm *vm, M2dMemslot *slot, uint64_t gfn);
/* m2d_mmu_gfn_shadowed: some page shadows a guest table in @gfn. */
bool m2d_mmu_gfn_shadowed(const M2dVm *vm, unsigned as, uint64_t gfn);
/* Make room when the page limit shrinks: zap the oldest pages until @goal are left
 * (kvm_mmu_change_mmu_pages()). The caller flushes and frees with m2d_mmu_commit_zap. */
bool m2d_mmu_prepare_shrink(M2dVm *vm, uint32_t goal);

/* kvm_mmu_commit_zap_page(): one remote flush, then free everything that was zapped. A routine;
 * called with mmu_lock held. */
typedef struct {
	M2dFrame h;
	uint32_t obsolete; /* those of kvm_zap_obsolete_pages(), not of the caller */
	uint32_t pad;
} m2d_mmu_commit_zap_frame;
M2D_ROUTINE(m2d_mmu_commit_zap);

/* --- audit -------------------------------------------------------------------------------------
 */

/* One thing that does not add up. */
typedef struct {
	const char *invariant; /* "INV-KVM-1" ... */
	const char *what;      /* a short text */
	M2dSpIndex sp;         /* the page it is about; 0: none */
	unsigned index;        /* and its entry */
	uint64_t gfn;
} M2dShadowFinding;

typedef void (*M2dShadowReport)(const M2dShadowFinding *finding, void *data);

/**
 * m2d_shadow_audit: check all bookkeeping of the MMU against its tables: reverse maps (INV-KVM-1),
 * unsync marks (INV-KVM-2), parents, the hash, lists and counts, invalid pages (INV-KVM-3), write
 * protection of shadowed gfns (INV-WP-1), the software bits of leaves (INV-WP-3). Holds between any
 * two steps. Slow: looks at everything. @report: told of each finding, in the order of page
 * numbers; may be NULL. Returns the number of findings.
 */
unsigned m2d_shadow_audit(const M2dVm *vm, M2dShadowReport report, void *data);
