/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of sim/check that know VMs. */
#pragma once

#include "sim/check/check.h"
#include "sim/check/store.h"
#include "sim/shadow/shadow.h"
#include "sim/vm/hostmm.h"
#include "sim/vm/memslot.h"

#define M2D_CHECK_BUCKETS 1024u
#define M2D_CHECK_CHUNK   64u
#define M2D_CHECK_CHUNKS  2048u

/* An SPTE of an indirect page and the guest's entry that it stands for. */
#define M2D_VT_CHANGED  1u /* the guest's entry lost something since it was compared */
#define M2D_VT_GLOBAL   2u /* it was a global leaf before */
#define M2D_VT_DUE      4u /* the SPTE differs and a flush covers that: it must not be used */
#define M2D_VT_REPORTED 8u
/* KVM is at the store for the guest and has yet to see to its SPTEs: it is not performed for others
 * before. flushed[] names the vCPU meanwhile. */
#define M2D_VT_EMULATED 16u
/* mmu_lock was held at the change: its holder may have read the guest's entry before, and make an
 * SPTE of that, which is as stale, and as legal, as one that was there. */
#define M2D_VT_RACED 32u

typedef struct {
	uint64_t table;   /* frame of the guest's table + 1; 0: not followed */
	uint32_t next;    /* page followed in the same bucket */
	uint16_t changed; /* entries with CHANGED */
	uint16_t marked;  /* entries with any flag */
	uint16_t place;   /* in its chunk */
	uint16_t pad[3];
} M2dVtPage;

/* Of a page's entries. Most pages never have any: they lie behind all pages of a chunk. */
typedef struct {
	uint8_t flags[512];
	uint8_t flushed[512]; /* vCPUs that have flushed since it changed */
} M2dVtMarks;

typedef struct {
	M2dVtPage page[M2D_CHECK_CHUNK];
	M2dVtMarks marks[M2D_CHECK_CHUNK];
} M2dVtChunk;

static inline M2dVtMarks *m2d_vt_marks(const M2dVtPage *page)
{
	M2dVtChunk *chunk = (M2dVtChunk *)(void *)(page - page->place);

	return &chunk->marks[page->place];
}

static inline unsigned m2d_vt_flags(const M2dVtPage *page, unsigned index)
{
	return page->marked != 0 ? m2d_vt_marks(page)->flags[index] : 0;
}

static inline unsigned m2d_vt_flushed(const M2dVtPage *page, unsigned index)
{
	return page->marked != 0 ? m2d_vt_marks(page)->flushed[index] : 0;
}

/* What decides verdicts: in the arena. */
typedef struct {
	uint64_t cr3;       /* that the MOV under way loads */
	uint64_t roots;     /* hash of those that it last entered with */
	bool stored;        /* KVM has stored for it and not told its tables yet */
	bool new_tag;       /* it got one since it last entered */
	uint8_t last_pcpu;  /* + 1 */
	uint8_t path_wrong; /* levels that differed when the fault began */
	uint32_t bad_root;  /* obsolete root that was reported */
} M2dCheckVcpu;

typedef struct {
	M2D_OWN_WORD uint8_t last_vcpu; /* + 1, that entered there */
} M2dCheckPcpu;

typedef struct {
	M2dCheckVcpu vcpu[M2D_MAX_KVM_VCPUS];
	M2dCheckPcpu pcpu[M2D_MAX_KVM_VCPUS];
	uint64_t chunk[M2D_CHECK_CHUNKS];
	uint32_t bucket[M2D_CHECK_BUCKETS];
	/* Writable leafs, by a hash of the page that they map. */
	uint16_t writable[4096];
	M2D_OWN_WORD uint32_t n_due;             /* SPTEs with DUE */
	M2D_OWN_WORD uint32_t n_emulated;        /* SPTEs with EMULATED */
	M2D_OWN_WORD uint32_t logging[M2D_N_AS]; /* slots whose log has begun */
	M2D_OWN_WORD uint32_t harvest[M2D_N_AS]; /* slots that are being harvested */
	M2D_OWN_WORD uint16_t remote;            /* actors with a remote flush under way */
	M2D_OWN_WORD uint8_t pv_flag;            /* vCPUs whose flush flag is not serviced */
	M2D_OWN_WORD uint8_t slots_changed; /* vCPUs that have not exited since memslots changed */
	M2D_OWN_WORD uint8_t mixed; /* vCPUs that can use what was cached under another root */
} M2dCheckState;

/* Pages below the root of a vCPU. */
typedef struct {
	uint64_t *pages;
	M2dSpIndex words, root[4];
	bool known; /* no link has gone since */
} M2dReach;

struct _M2dCheck {
	M2dVm *vm;
	M2dItems *items;
	M2dCheckState *s;
	M2dCheckOptions opt;
	GArray *findings; /* of M2dFinding */
	/* For stories: the guest's write to the entry of each SPTE and its own last change; the
	 * last flush of each vCPU that covered a change. */
	struct _M2dBriefs *changes;
	struct _M2dBirths *births;
	M2dMoment flush[M2D_MAX_KVM_VCPUS];
	/* For stories: the last flush of each vCPU's guest, and the last change of its root. */
	M2dMoment guest_flush[M2D_MAX_KVM_VCPUS], new_root[M2D_MAX_KVM_VCPUS];
	uint64_t premises[M2D_N_INVARIANTS];
	uint16_t *maps; /* by pfn - first_pfn, in the arena: leaf SPTEs of live pages */
	uint8_t *wrote; /* the same: the guest wrote to the frame since it has it */
	unsigned ops;   /* ended since the last audit */
	M2dReach reach[M2D_MAX_KVM_VCPUS];
	M2dSptep setting; /* leaf that is being set: KVM has not noted its gfn yet */
	uint64_t setting_gfn;
	const M2dEvent *event; /* under way */
};

#define CHECK_PUT(check, lvalue, value) M2D_PUT((check)->vm->arena, lvalue, value)

/* --- findings (findings.c) -------------------------------------------------------------------- */

static inline void m2d_premise(M2dCheck *c, M2dInvariantId id)
{
	c->premises[id]++;
}

typedef struct {
	unsigned vcpu; /* M2D_NO_ACTOR: none */
	uint64_t gva, gpa, hpa;
	M2dItemId item;           /* 0: none */
	bool host;                /* the promise about the item is the host's */
	const M2dMoment *birth;   /* of an SPTE; NULL: not known */
	const M2dMoment *write;   /* NULL: that of the item */
	const M2dMoment *promise; /* NULL: that of the item */
} M2dAbout;

/* m2d_find: a finding; @format: its one line. */
void m2d_find(M2dCheck *c, M2dInvariantId id, const M2dAbout *about, const char *format, ...)
	G_GNUC_PRINTF(4, 5);
/* m2d_event_moment: the event under way. */
M2dMoment m2d_event_moment(const M2dCheck *c);

/* --- stories of SPTEs (stories.c) ------------------------------------------------------------- */

typedef struct _M2dBriefs M2dBriefs;

M2dBriefs *m2d_briefs_new(void);
void m2d_briefs_free(M2dBriefs *briefs);
/* m2d_brief_put: note the time and a[0..2] of @m for SPTE @index of @sp. */
void m2d_brief_put(M2dBriefs *briefs, M2dSpIndex sp, unsigned index, const M2dMoment *m);
/* m2d_brief_get: fills and returns @m; NULL if nothing was noted. */
const M2dMoment *m2d_brief_get(const M2dBriefs *briefs, M2dSpIndex sp, unsigned index,
			       M2dMoment *m);

typedef struct _M2dBirths M2dBirths;

M2dBirths *m2d_births_new(void);
void m2d_births_free(M2dBirths *births);
/* m2d_birth_put: SPTE @index of @sp became what @e, its SPTE_CHANGED, says. */
void m2d_birth_put(M2dBirths *births, M2dSpIndex sp, unsigned index, const M2dEvent *e);
/* m2d_birth_get: the latest one, as m2d_brief_get(); takes longer. */
const M2dMoment *m2d_birth_get(const M2dBirths *births, M2dSpIndex sp, unsigned index,
			       M2dMoment *m);

/* --- items of vCPUs (judge.c) ----------------------------------------------------------------- */

/* m2d_usable: @vcpu, which is in the guest, would hit the item if it accessed its address. */
bool m2d_usable(const M2dCheck *c, unsigned vcpu, M2dItemId id);
/* m2d_judge: report items that are due and usable by a vCPU in the guest; @vcpu: only by that one,
 * M2D_NO_ACTOR: by any. */
void m2d_judge(M2dCheck *c, unsigned vcpu);
/* m2d_vcpu_on: the vCPU in the guest on @pcpu, or M2D_NO_ACTOR. */
unsigned m2d_vcpu_on(const M2dCheck *c, unsigned pcpu);
/* m2d_item_gfns: the guest frames it translates to; false: not known or none. */
bool m2d_item_gfns(const M2dCheck *c, M2dItemId id, uint64_t *first, uint64_t *n);
/* m2d_item_frames: the host frames it translates to; false: it is an upper level. */
bool m2d_item_frames(const M2dCheck *c, M2dItemId id, uint64_t *first, uint64_t *n);
bool m2d_item_writable(const M2dCheck *c, M2dItemId id);
/* m2d_flush_covers: the flush that @e tells of is to drop the item if it is stale. */
bool m2d_flush_covers(const M2dCheck *c, const M2dEvent *e, M2dItemId id);
/* m2d_promise_gfns: items of [first, first + n) that lost @stale on the host's side must not be
 * used any more. */
void m2d_promise_gfns(M2dCheck *c, uint64_t first, uint64_t n, unsigned stale, bool writable_only);

/* --- SPTEs (vtlb.c, vtlb-flush.c, spte-rules.c) ----------------------------------------------- */

/* m2d_sp_words: the table of a page that is there, for loops over all entries. */
static inline const uint64_t *m2d_sp_words(const M2dCheck *c, const M2dSp *s)
{
	return m2d_space_frame(c->vm->space, s->pfn);
}
M2dVtPage *m2d_vt_page(const M2dCheck *c, M2dSpIndex sp, bool make);
void m2d_vt_wrote(M2dCheck *c, const M2dWrite *w);
void m2d_vt_follow(M2dCheck *c, M2dSpIndex sp);
void m2d_vt_forget(M2dCheck *c, M2dSpIndex sp);
/* m2d_vt_frame_freed: guest tables that were in @pfn are elsewhere now, or nowhere. */
void m2d_vt_frame_freed(M2dCheck *c, uint64_t pfn);
/* m2d_vt_changed: SPTE @index of @sp was written and is @spte. */
void m2d_vt_changed(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte);
void m2d_vt_synced(M2dCheck *c, M2dSpIndex sp, unsigned index);
/* m2d_vt_cover: a flush of @vcpu covers SPTE @index of @sp; nothing if the guest's entry is as it
 * was. */
void m2d_vt_cover(M2dCheck *c, unsigned vcpu, M2dSpIndex sp, M2dVtPage *page, unsigned index);
/* m2d_vt_next_flagged: the first entry from @i on that has flags; 512: none. */
unsigned m2d_vt_next_flagged(const M2dVtPage *page, unsigned i);
/* m2d_vt_next_changed: the first page from @sp on, below @end, that has changed entries; @end:
 * none.
 */
M2dSpIndex m2d_vt_next_changed(const M2dCheck *c, M2dSpIndex sp, M2dSpIndex end);
/* m2d_vt_flush: the guest on @vcpu has flushed @scope; @gva and @pcid where that names them. */
void m2d_vt_flush(M2dCheck *c, unsigned vcpu, M2dGuestFlush scope, uint64_t gva, uint32_t pcid);
void m2d_vt_judge(M2dCheck *c, unsigned vcpu);
/* m2d_vt_emulated: the stores that KVM made for @vcpu are performed. */
void m2d_vt_emulated(M2dCheck *c, unsigned vcpu);

/* In what an SPTE differs from the guest's entry. */
typedef enum {
	M2D_AGREES,
	M2D_DIFFERS_GONE, /* the guest's is not present, or maps or links something else */
	M2D_DIFFERS_ROLE, /* the linked page is of another kind than the guest's entry calls for */
	M2D_DIFFERS_RIGHTS, /* the SPTE grants more */
	M2D_DIFFERS_AD,     /* the guest's accessed or dirty bit is clear */
} M2dDiffers;

/* m2d_spte_differs: compare SPTE @index of @sp, an indirect page, with the guest's entry now.
 * m2d_value_differs: the same, which is @spte. */
M2dDiffers m2d_spte_differs(const M2dCheck *c, M2dSpIndex sp, unsigned index);
M2dDiffers m2d_value_differs(const M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte);
/* m2d_gpte: the guest's entry behind it and where it is; false: no memory there. */
bool m2d_gpte(const M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t *gpte, uint64_t *hpa);
/* m2d_peek_gfn: the frame behind @gfn now. */
bool m2d_peek_gfn(const M2dVm *vm, unsigned as, uint64_t gfn, uint64_t *pfn, bool *writable);
/* m2d_reaches: @to can be walked to from @from through present SPTEs. */
bool m2d_reaches(const M2dCheck *c, M2dSpIndex from, M2dSpIndex to);
/* m2d_root_page: root page number @i of @vcpu, 0 if there is none: 0..3 for tables of PAE, else
 * only 0. m2d_root_for: the one that translates @gva. */
M2dSpIndex m2d_root_page(const M2dCheck *c, unsigned vcpu, unsigned i);
M2dSpIndex m2d_root_for(const M2dCheck *c, unsigned vcpu, uint64_t gva);
/* m2d_vcpu_reach: a bit for each page that can be walked to so from the root of @vcpu that hardware
 * has; valid until the next call. */
const uint64_t *m2d_vcpu_reach(M2dCheck *c, unsigned vcpu);
/* m2d_reach_changed: an SPTE of @sp, of @level, was @old and is @new. */
void m2d_reach_changed(M2dCheck *c, M2dSpIndex sp, uint64_t old, uint64_t new, unsigned level);
/* m2d_spte_at: page and index of the SPTE at @hpa; 0: it is none. */
M2dSpIndex m2d_spte_at(const M2dCheck *c, uint64_t hpa, unsigned *index);
/* m2d_entry_gfn: what the entry shadows, as KVM has it or is about to. */
uint64_t m2d_entry_gfn(const M2dCheck *c, M2dSpIndex sp, unsigned index);
/* m2d_leaf_gfns: the gfns of the leaf SPTE. */
void m2d_leaf_gfns(const M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t *first, uint64_t *n);
/* m2d_each_leaf: call @fn for the present leafs of live pages that map gfns of [first, first + n)
 * in address space @as and have all of @bits set. */
typedef void (*M2dLeafFn)(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte, void *data);
void m2d_each_leaf(M2dCheck *c, unsigned as, uint64_t first, uint64_t n, uint64_t bits,
		   M2dLeafFn fn, void *data);
/* m2d_shadowed: a page in sync shadows a table in @gfn, @by, or it is tracked: @by is 0 then. */
bool m2d_shadowed(const M2dCheck *c, unsigned as, uint64_t gfn, M2dSpIndex *by);

/* A leaf that was installed just now, and what the host has for its first gfn. */
typedef struct {
	M2dSpIndex sp;
	unsigned index, level, as;
	uint64_t spte, pfn, gfn, n; /* it maps n pages from gfn on */
	const M2dMemslot *slot;     /* NULL: none */
	bool backed, writable;      /* the host has a frame there, and lets the guest write */
	uint64_t host_pfn;
} M2dLeaf;

/* --- leaf SPTEs (leafs.c) --------------------------------------------------------------------- */

/* m2d_count_leaf: @by more of the present leafs of @level are like @spte; nothing if it is none. */
void m2d_count_leaf(M2dCheck *c, uint64_t spte, unsigned level, int by);
/* m2d_maybe_writable: there may be a writable leaf for frame @pfn; false: there is none. */
bool m2d_maybe_writable(const M2dCheck *c, uint64_t pfn);

/* --- what happens (born.c, sptes.c) ----------------------------------------------------------- */

/* m2d_on_born: item @id has been cached; @data: the checker. */
void m2d_on_born(M2dItemId id, void *data);
/* m2d_on_spte_changed, m2d_on_leaf_set, m2d_on_sp_event, m2d_on_spte_synced: SPTE_CHANGED,
 * KVM_MMU_SET_SPTE, SP_ALLOC and SP_FREE, SYNC_SPTE. */
void m2d_on_spte_changed(M2dCheck *c, const M2dEvent *e);
void m2d_on_leaf_set(M2dCheck *c, const M2dEvent *e);
void m2d_on_sp_event(M2dCheck *c, const M2dEvent *e);
void m2d_on_spte_synced(M2dCheck *c, const M2dEvent *e);

/* --- invariants (inv-*.c): called for each event of interest ---------------------------------- */

void m2d_inv_spte_changed(M2dCheck *c, const M2dEvent *e);
void m2d_inv_guest_flush(M2dCheck *c, const M2dEvent *e);
void m2d_inv_remote_flush(M2dCheck *c, const M2dEvent *e);
void m2d_inv_stale_host_map(M2dCheck *c, const M2dEvent *e);
void m2d_inv_stale_host_map_install(M2dCheck *c, const M2dLeaf *leaf);
void m2d_inv_frame_use_after_free(M2dCheck *c, const M2dEvent *e);
void m2d_inv_pt_use_after_free(M2dCheck *c, const M2dEvent *e);
void m2d_inv_id_reuse(M2dCheck *c, const M2dEvent *e);
/* m2d_root_born: note under which roots an item of @vcpu was cached. */
void m2d_root_born(M2dCheck *c, unsigned vcpu, M2dItem *it);
void m2d_inv_other_root(M2dCheck *c, const M2dEvent *e);
/* m2d_inv_other_root_flushed: a flush of the guest is complete. */
void m2d_inv_other_root_flushed(M2dCheck *c, const M2dEvent *e);
void m2d_inv_slot_still_mapped(M2dCheck *c, const M2dEvent *e);
void m2d_inv_slot_install(M2dCheck *c, const M2dLeaf *leaf);
void m2d_inv_mmio_stale(M2dCheck *c, const M2dEvent *e);
void m2d_inv_mmio_flushed(M2dCheck *c, const M2dEvent *e);
void m2d_inv_lost_dirty(M2dCheck *c, const M2dEvent *e);
void m2d_inv_lost_accessed(M2dCheck *c, const M2dEvent *e);
void m2d_inv_writable_combo(M2dCheck *c, const M2dLeaf *leaf);
void m2d_inv_huge_mixed(M2dCheck *c, const M2dLeaf *leaf);
void m2d_inv_rights_host(M2dCheck *c, const M2dLeaf *leaf);
void m2d_inv_writable_install(M2dCheck *c, const M2dLeaf *leaf);
void m2d_inv_writable_shadowed(M2dCheck *c, const M2dEvent *e);
void m2d_inv_bookkeeping(M2dCheck *c);
void m2d_inv_invalid_root(M2dCheck *c, const M2dEvent *e);
void m2d_inv_invalid_page(M2dCheck *c, M2dSpIndex sp, const M2dEvent *e);
void m2d_inv_role_mismatch_begin(M2dCheck *c, const M2dEvent *e);
void m2d_inv_role_mismatch(M2dCheck *c, const M2dEvent *e);
void m2d_inv_missed_request(M2dCheck *c, const M2dEvent *e);
void m2d_inv_deferred_flush(M2dCheck *c, const M2dEvent *e);
void m2d_inv_lost_flush_flag(M2dCheck *c, const M2dEvent *e);
