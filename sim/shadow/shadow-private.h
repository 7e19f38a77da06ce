/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the shadow MMU share, and nobody else sees. */
#pragma once

#include "sim/shadow/shadow.h"
#include "sim/vm/hostmm.h"

/* --- pools: numbered objects in the arena ------------------------------------------------------
 */

#define M2D_POOL_CHUNK  256u  /* objects */
#define M2D_POOL_CHUNKS 4096u /* at most */

typedef struct {
	uint64_t full[M2D_POOL_CHUNKS / 64]; /* bit c: no free number in chunk c */
	uint64_t chunk[M2D_POOL_CHUNKS];     /* arena offsets; 0: not made yet */
} M2dPoolState;

/* The lowest free number is taken first, so that equal histories of use give equal states. */
typedef struct {
	M2dArena *arena;
	M2dPoolState *s;
	uint32_t size; /* of an object, a multiple of 8 */
} M2dPool;

void m2d_pool_init(M2dPool *pool, M2dArena *arena, uint32_t size);
/* m2d_pool_take: a number from 1 on; its object is all zeros. */
uint32_t m2d_pool_take(M2dPool *pool);
/* m2d_pool_give: zeroes the object and frees its number. */
void m2d_pool_give(M2dPool *pool, uint32_t n);

/* A chunk is a mask of the numbers taken, then the objects. */
#define M2D_POOL_MASK_WORDS (M2D_POOL_CHUNK / 64u)

static inline uint64_t *m2d_pool_chunk(const M2dPool *pool, unsigned chunk)
{
	return m2d_arena_at(pool->arena, pool->s->chunk[chunk]);
}

static inline void *m2d_pool_at(const M2dPool *pool, uint32_t n)
{
	uint8_t *objects =
		(uint8_t *)(m2d_pool_chunk(pool, n / M2D_POOL_CHUNK) + M2D_POOL_MASK_WORDS);

	return objects + (uint64_t)(n % M2D_POOL_CHUNK) * pool->size;
}

/* m2d_pool_end: all numbers ever used are below. */
uint32_t m2d_pool_end(const M2dPool *pool);

/* --- state -------------------------------------------------------------------------------------
 */

#define M2D_SHADOW_HASH 1024u

/* M2dSp.on_list. */
enum {
	M2D_ON_NONE,
	M2D_ON_ACTIVE,
	M2D_ON_ZAPPED,   /* to be freed after the flush of the commit */
	M2D_ON_OBSOLETE, /* the same, of kvm_zap_obsolete_pages() */
	M2D_ON_LISTS
};

typedef struct {
	uint32_t head[M2D_ON_LISTS], tail[M2D_ON_LISTS];
	uint32_t used_pages;
	uint32_t indirect_pages; /* that shadow a guest table */
	uint32_t reload_pending; /* a root in use was zapped: kick the vCPUs */
	uint32_t page_limit;     /* 0: none */
	uint64_t dummy_pfn;      /* an empty table; 0: not needed so far */
	uint32_t hash[M2D_SHADOW_HASH];
} M2dShadowState;

/* struct kvm_page_fault of a vCPU: all zeros between faults. */
typedef struct {
	uint64_t addr, gfn, pfn, seq, hva;
	uint32_t error_code;
	uint32_t slot; /* m2d_slot_word() */
	/* The slot as it was when it was found: it may be removed before the fault is through. */
	uint32_t slot_flags, pad;
	uint8_t write, exec, user, present, rsvd;
	uint8_t map_writable, max_level, goal_level;
} M2dPageFault;

typedef struct _M2dShadow {
	M2dShadowState *s;
	M2dPool sp, desc;
	uint32_t *sp_of_frame; /* by pfn - cfg.first_pfn */
	uint64_t *translation; /* by page number: arena offset of its 512 words */
	M2dGuestWalk *walk;    /* by vCPU */
	M2dPageFault *fault;   /* by vCPU */
} M2dShadow;

static inline M2dShadow *m2d_shadow(const M2dVm *vm)
{
	return vm->shadow;
}

/* Bugs of KVM's own that would stop the host: argument of KVM_BUG events. */
enum {
	M2D_BUG_LIST_REMOVE = 1,  /* an SPTE is not on the list that it must be on */
	M2D_BUG_RMAP_NOT_PRESENT, /* an rmap leads to an SPTE that maps nothing */
	M2D_BUG_NULL_CALL,        /* a callback that the MMU does not have */
	M2D_BUG_DOUBLE_ZAP,       /* a page that is on a list of zapped pages is zapped again */
	M2D_BUG_SLOT_GONE,        /* a memslot is used that is not there any more */
};

/* Cycles of KVM's software, to whoever runs. */
void m2d_shadow_charge(M2dVm *vm, M2dCause cause, uint64_t cycles);

static inline const M2dMemslot *m2d_slot_of_word(const M2dVm *vm, uint32_t slot)
{
	return slot == 0 ? NULL
			 : m2d_slot(vm, (slot - 1) / M2D_MAX_SLOTS, (slot - 1) % M2D_MAX_SLOTS);
}

static inline uint32_t m2d_slot_word(const M2dMemslot *slot)
{
	return slot == NULL ? 0 : 1 + slot->as * M2D_MAX_SLOTS + slot->id;
}

static inline M2dMemslot *m2d_sp_slot(const M2dVm *vm, const M2dSp *sp, uint64_t gfn)
{
	return m2d_gfn_to_slot(vm, m2d_role_as(sp->role), gfn);
}

/* --- lists (list.c) ----------------------------------------------------------------------------
 */

#define M2D_LIST_EXT 14u

/* One struct pte_list_desc. */
typedef struct {
	uint32_t more;
	uint32_t spte_count; /* here */
	uint32_t tail_count; /* in all descriptors behind */
	M2dSptep spte[M2D_LIST_EXT];
	uint32_t pad;
} M2dListDesc;

/* m2d_list_add: returns how many items there were. */
uint32_t m2d_list_add(M2dVm *vm, uint32_t *head, M2dSptep sptep);
void m2d_list_remove(M2dVm *vm, uint32_t *head, M2dSptep sptep);
/* m2d_list_clear: forget all items. */
void m2d_list_clear(M2dVm *vm, uint32_t *head);
uint32_t m2d_list_count(const M2dVm *vm, uint32_t head);

typedef struct {
	uint32_t desc; /* 0: the head held the only item */
	uint32_t pos;
} M2dListIter;

/* 0: no (more) item. */
M2dSptep m2d_list_first(const M2dVm *vm, uint32_t head, M2dListIter *it);
M2dSptep m2d_list_next(const M2dVm *vm, M2dListIter *it);

/* --- single SPTEs (mmu-spte.c) -----------------------------------------------------------------
 */

static inline M2dSpIndex m2d_sptep_sp(M2dSptep sptep)
{
	return sptep >> 9;
}

static inline unsigned m2d_sptep_index(M2dSptep sptep)
{
	return sptep & 511;
}

/* m2d_mmu_spte_set: from a value that maps nothing. */
void m2d_mmu_spte_set(M2dVm *vm, M2dSptep sptep, uint64_t v);
/* m2d_mmu_spte_update: another state of the same mapping; true: TLBs must be flushed. */
bool m2d_mmu_spte_update(M2dVm *vm, M2dSptep sptep, uint64_t v);
/* m2d_mmu_spte_clear_track_bits: leaf to nothing; its state goes to the host. The old value. */
uint64_t m2d_mmu_spte_clear_track_bits(M2dVm *vm, M2dSptep sptep);
/* m2d_mmu_spte_clear_no_track: table or MMIO to nothing. */
void m2d_mmu_spte_clear_no_track(M2dVm *vm, M2dSptep sptep);
/* m2d_mmu_spte_age: was it accessed? From now on it was not. */
bool m2d_mmu_spte_age(M2dVm *vm, M2dSptep sptep);
/* m2d_mmu_spte_cmpxchg: by the lockless path, at @at, wherever that is now. */
bool m2d_mmu_spte_cmpxchg(M2dVm *vm, M2dSptep sptep, M2dHpa at, uint64_t from, uint64_t to);
void m2d_mark_mmio_spte(M2dVm *vm, M2dSptep sptep, uint64_t gfn, unsigned access);

static inline bool m2d_spte_is_table(const M2dVm *vm, uint64_t v, unsigned level)
{
	return m2d_spte_is_present(&vm->fmt, v) && !m2d_spte_is_last(v, level);
}

/* m2d_spte_child: the page that @v, the entry of a table, leads to; 0: it is gone. */
static inline M2dSpIndex m2d_spte_child(const M2dVm *vm, uint64_t v)
{
	return m2d_shadow_sp_of_frame(vm, m2d_spte_pfn(&vm->fmt, v));
}

/* --- reverse maps (rmap.c) ---------------------------------------------------------------------
 */

/* m2d_rmap_add: true: the list was too long, everything on it is zapped and must be flushed. */
bool m2d_rmap_add(M2dVm *vm, const M2dMemslot *slot, M2dSptep sptep, uint64_t gfn, unsigned access);
bool m2d_rmap_write_protect(M2dVm *vm, uint32_t head, bool pt_protect);
bool m2d_rmap_zap(M2dVm *vm, uint32_t *head);
void m2d_sp_set_translation(M2dVm *vm, M2dSptep sptep, uint64_t gfn, unsigned access);
void m2d_sp_set_access(M2dVm *vm, M2dSptep sptep, unsigned access);

/* m2d_rmap_foreach: call @fn for the rmap of each page of levels @min..@max that overlaps
 * [start, end). True: some call said so. */
typedef bool (*M2dRmapFn)(M2dVm *vm, M2dMemslot *slot, uint32_t *head, uint64_t gfn,
			  unsigned level);
bool m2d_rmap_foreach(M2dVm *vm, M2dMemslot *slot, unsigned min, unsigned max, uint64_t start,
		      uint64_t end, M2dRmapFn fn);

/* --- pages (page.c, get-page.c, zap.c) ---------------------------------------------------------
 */

void m2d_sp_list_add(M2dVm *vm, M2dSpIndex i, unsigned list);
void m2d_sp_list_del(M2dVm *vm, M2dSpIndex i);
unsigned m2d_sp_hash(uint64_t gfn);

static inline bool m2d_sp_has_gptes(const M2dSp *sp)
{
	return !(sp->role & (M2D_ROLE_DIRECT | M2D_ROLE_PASSTHROUGH));
}

/* m2d_sp_first, m2d_sp_next: pages in use that shadow a guest table in @gfn; 0: no more. Zapping
 * the one at hand does not disturb the walk. */
M2dSpIndex m2d_sp_first(const M2dVm *vm, uint64_t gfn);
M2dSpIndex m2d_sp_next(const M2dVm *vm, M2dSpIndex i);

/* m2d_sp_alloc: a fresh page on the active list; 0: host memory is full. */
M2dSpIndex m2d_sp_alloc(M2dVm *vm, uint64_t gfn, uint32_t role);
/* m2d_sp_free: off all lists, table to the host. */
void m2d_sp_free(M2dVm *vm, M2dSpIndex i);
/* m2d_account_shadowed: forbid what a shadowed gfn must not have; true: flush its TLB entries. */
bool m2d_account_shadowed(M2dVm *vm, M2dSp *sp);
void m2d_sp_event(M2dVm *vm, M2dEventType type, M2dSpIndex i, bool created);
void m2d_sp_clear_flooding(M2dVm *vm, M2dSpIndex i);
/* m2d_link_spte: the entry leads to the page; it must map nothing. */
void m2d_link_spte(M2dVm *vm, M2dSptep sptep, M2dSpIndex child);
void m2d_drop_parent_pte(M2dVm *vm, M2dSpIndex child, M2dSptep parent);
/* m2d_page_zap_pte: @list: where parentless nested children go, M2D_ON_NONE: nowhere. Returns
 * pages zapped. */
unsigned m2d_page_zap_pte(M2dVm *vm, M2dSptep sptep, unsigned list);
/* m2d_prepare_zap_page: @nr: pages zapped, may be NULL. True: the active list is not what it was.
 */
bool m2d_prepare_zap_page(M2dVm *vm, M2dSpIndex i, unsigned list, unsigned *nr);
/* m2d_zap_oldest_pages: kvm_mmu_zap_oldest_mmu_pages() without the commit. */
unsigned m2d_zap_oldest_pages(M2dVm *vm, unsigned n);
uint32_t m2d_child_role(const M2dVm *vm, M2dSptep parent, bool direct, unsigned access);

static inline bool m2d_zapped_any(const M2dVm *vm)
{
	return m2d_shadow(vm)->s->head[M2D_ON_ZAPPED] || m2d_shadow(vm)->s->reload_pending;
}

/* --- unsync (unsync.c, sync.c) -----------------------------------------------------------------
 */

#define M2D_SP_PAGES 16

/* struct kvm_mmu_pages and mmu_page_path: part of frames. */
typedef struct {
	M2dSpIndex sp[M2D_SP_PAGES];
	uint16_t idx[M2D_SP_PAGES];
	uint32_t nr;
	M2dSpIndex parent[6];
	uint16_t parent_idx[6];
} M2dSpPages;

enum {
	M2D_UNSYNC_OK,
	M2D_UNSYNC_MARKED, /* some page went unsync just now */
	M2D_UNSYNC_REFUSED,
};

int m2d_try_to_unsync(M2dVm *vm, const M2dMemslot *slot, uint64_t gfn, bool synchronizing,
		      bool prefetch);
void m2d_mark_unsync(M2dVm *vm, M2dSptep parent);
void m2d_mark_parents_unsync(M2dVm *vm, M2dSpIndex i);
void m2d_unlink_unsync(M2dVm *vm, M2dSpIndex i);
unsigned m2d_unsync_walk(M2dVm *vm, M2dSpIndex parent, M2dSpPages *pages);
unsigned m2d_pages_first(const M2dVm *vm, M2dSpPages *pages);
unsigned m2d_pages_next(const M2dVm *vm, M2dSpPages *pages, unsigned i);
void m2d_pages_clear_parents(M2dVm *vm, M2dSpPages *pages);
/* m2d_sync_spte: -1: cannot, zap it; 1: flush. */
int m2d_sync_spte(M2dVm *vm, const M2dKvmVcpu *v, M2dSptep sptep);
int m2d_sync_page(M2dVm *vm, const M2dKvmVcpu *v, M2dSpIndex i);
bool m2d_root_is_unsync(const M2dVm *vm, M2dSpIndex root);

/* --- guest entries (walk.c) --------------------------------------------------------------------
 */

/* m2d_gpte_access: rights that one guest entry gives. */
unsigned m2d_gpte_access(const M2dMmuCtx *mmu, uint64_t gpte);
/* m2d_protect_clean_gpte: no right to write through a leaf whose dirty bit is clear. */
unsigned m2d_protect_clean_gpte(const M2dVm *vm, unsigned access, uint64_t gpte);
bool m2d_read_gpte(M2dVm *vm, const M2dMmuCtx *mmu, uint64_t gpa, uint64_t *gpte);
bool m2d_prefetch_invalid_gpte(const M2dMmuCtx *mmu, uint64_t gpte);

static inline M2dPteFormat *m2d_gfmt(M2dKvmVcpu *v)
{
	return &v->mmu.gfmt;
}

/* --- leaves (set-spte.c) -----------------------------------------------------------------------
 */

typedef struct {
	M2dSptep sptep;
	uint32_t access;
	uint64_t gfn, pfn;
	uint32_t slot; /* word; 0: none, MMIO */
	bool write, map_writable, prefetch;
} M2dMapping;

enum {
	M2D_SET_FLUSH = 1,  /* flush the gfn's range */
	M2D_SET_WRPROT = 2, /* mapped, but not for the write that faulted */
	M2D_SET_SAME = 4,
};

/* m2d_make_spte: the value of a leaf; marks pages unsync. @wrprot: out: it had to stay read-only;
 * @marked: out: some page went unsync, the value must not be seen before that. */
uint64_t m2d_make_spte(M2dVm *vm, const M2dMapping *map, uint64_t old, bool synchronizing,
		       bool *wrprot, bool *marked);
/* m2d_set_prefetched: map a neighbour; it maps nothing yet. True: flush. */
bool m2d_set_prefetched(M2dVm *vm, const M2dMapping *map);
/* m2d_prefetch_one: map what entry @sptep of an indirect page shadows (FNAME(prefetch_gpte)), if
 * that needs no work. @no_dirty_log: nothing writable of a slot that is logged. False: it was not
 * mapped; @flush: out: true: flush. */
bool m2d_prefetch_one(M2dVm *vm, const M2dKvmVcpu *v, M2dSptep sptep, bool no_dirty_log,
		      bool *flush);
unsigned m2d_largest_level(const M2dVm *vm);
unsigned m2d_max_mapping_level(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn, unsigned max);
bool m2d_gfn_write_tracked(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn);

/* --- MMIO cache (page.c) -----------------------------------------------------------------------
 */

void m2d_cache_mmio(M2dVm *vm, M2dKvmVcpu *v, uint64_t gva, uint64_t gfn, unsigned access);
/* m2d_clear_mmio_cache: @gva: of that page only; ~0: any. */
void m2d_clear_mmio_cache(M2dVm *vm, M2dKvmVcpu *v, uint64_t gva);
