/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/mmu/run.h"

#include <string.h>

#include "sim/mmu/mmu-private.h"

/* What a reference of each kind and privilege adds to M2dTally.kinds. */
#define TALLY(w) (((uint64_t)(w)&1) | ((uint64_t)(w)&2) << 20 | ((uint64_t)(w)&4) << 40)
static const uint64_t tally_of[8] = {TALLY(0), TALLY(1), TALLY(2), TALLY(3),
				     TALLY(4), TALLY(5), TALLY(6), TALLY(7)};

#define SPECIAL (M2D_REF_IO | M2D_REF_DIRECT | M2D_REF_CROSS)

/* Counted in registers while the loop runs. */
typedef struct {
	uint64_t kinds;                 /* 21-bit fields: writes, fetches, user */
	uint64_t checked;               /* compared outside the general path */
	uint64_t slow_data, slow_fetch; /* executed by the general path */
} M2dTally;

static inline uint32_t front_index(uint64_t va)
{
	uint64_t page = va >> M2D_PAGE_SHIFT;

	return (uint32_t)(page ^ page >> M2D_FRONT_BITS) & ((1u << M2D_FRONT_BITS) - 1);
}

/* Remember where the TLB holds the page of @va. */
static void front_fill(M2dMmu *mmu, uint64_t va, bool fetch)
{
	M2dTlbSlot s = mmu->last_slot;
	M2dFront *f = &mmu->front[fetch][front_index(va)];

	if (s.array < 0)
		return;
	f->key = (va & ~UINT64_C(4095)) | mmu->s->ctx;
	f->tag = m2d_tlb_tag(&mmu->tlb, s);
	f->slot = s.slot;
	f->set = (uint16_t)s.set;
	f->array = (uint8_t)s.array;
	f->way = (uint8_t)(s.slot - s.set * mmu->tlb.array[s.array].ways);
}

/* One reference by the general path; true if it was executed. */
static __attribute__((noinline)) bool run_slow(M2dMmu *mmu, const M2dRef *ref, uint32_t index,
					       const M2dRunOptions *opt, M2dOutcome *fault)
{
	uint64_t w = ref->w, size = (w & M2D_REF_SIZE) >> M2D_REF_SIZE_SHIFT;
	M2dAccKind kind = (M2dAccKind)(w & M2D_REF_KIND);
	M2dOutcomeKind r;

	if (w & M2D_REF_DIRECT) {
		mmu->stats.c.direct_refs++;
		return true;
	}
	if (w & M2D_REF_IO) {
		mmu->stats.c.io_refs++;
		if (opt->skip_io)
			return true;
	}
	if (w & M2D_REF_CROSS) {
		M2dAccess a = {
			.gva = M2D_GVA(ref->va),
			.size = (uint32_t)MAX(size, 1),
			.kind = kind,
			.user = w & M2D_REF_USER,
		};

		mmu->stats.c.cross_refs++;
		r = m2d_mmu_access(mmu, &a, fault);
	} else {
		fault->refs = 0;
		r = m2d_mmu_translate(mmu, ref->va, kind, w & M2D_REF_USER, false, fault);
		if (r == M2D_OUT_OK)
			front_fill(mmu, ref->va, kind == M2D_ACC_FETCH);
	}
	if (r != M2D_OUT_OK)
		return false;
	if (opt->compare && (w & (M2D_REF_HAS_PA | M2D_REF_IO)) == M2D_REF_HAS_PA) {
		mmu->stats.c.checked++;
		if ((fault->hpa.v ^ w) & M2D_REF_FRAME)
			opt->mismatch(mmu, ref, index, fault->hpa.v, opt->data);
	}
	return true;
}

/* A first-level hit found through the front: true if @ref needs nothing else. */
M2D_ALWAYS_INLINE bool front_hit(M2dMmu *mmu, const uint64_t *need, uint32_t ctx, uint64_t va,
				 uint64_t w, uint64_t *data)
{
	const M2dFront *f = &mmu->front[(w >> 1) & 1][front_index(va)];
	const M2dArray *a;
	uint64_t d, n;

	if (m2d_unlikely(f->key != ((va & ~UINT64_C(4095)) | ctx)))
		return false;
	a = &mmu->tlb.array[f->array];
	if (m2d_unlikely(a->tag[f->slot] != f->tag))
		return false;
	d = a->data[f->slot];
	n = need[w & 7];
	if (m2d_unlikely((d & n) != n))
		return false;
	*data = d;
	if (m2d_likely(a->recency == M2D_RECENCY_MATRIX))
		a->order[f->set] = m2d_matrix_touch(a->order[f->set], f->way);
	else if (a->recency == M2D_RECENCY_LIST)
		m2d_array_touch_list_plain(a, f->set, f->way);
	else
		m2d_array_touch(a, mmu->arena, f->set, f->slot);
	return true;
}

M2D_ALWAYS_INLINE uint32_t run_loop(M2dMmu *mmu, const M2dRef *refs, uint32_t n,
				    const M2dRunOptions *opt, M2dOutcome *fault, bool overlapped,
				    bool compare, M2dTally *tally)
{
	static const uint64_t inside[4] = {0, 0x1ff000, 0x3ffff000, 0};
	const uint64_t *need = mmu->s->need;
	uint32_t ctx = mmu->s->ctx, i;
	uint64_t refs0 = mmu->timing.refs, kinds = 0, checked = 0;

	for (i = 0; i < n; i++) {
		uint64_t va = refs[i].va, w = refs[i].w, data;

		if (m2d_unlikely(w & M2D_REF_DIRECT)) {
			mmu->stats.c.direct_refs++;
			*(w & 2 ? &tally->slow_fetch : &tally->slow_data) += 1;
		} else if (m2d_unlikely(w & SPECIAL) ||
			   m2d_unlikely(!front_hit(mmu, need, ctx, va, w, &data))) {
			mmu->timing.refs = refs0 + i;
			if (!run_slow(mmu, &refs[i], i, opt, fault))
				break;
			*(w & 2 ? &tally->slow_fetch : &tally->slow_data) += 1;
		} else if (compare && (w & M2D_REF_HAS_PA)) {
			uint64_t frame =
				(data & M2D_REF_FRAME) |
				(va & inside[(data & M2D_ITEM_ESIZE) >> M2D_ITEM_ESIZE_SHIFT]);

			checked++;
			if (m2d_unlikely((frame ^ w) & M2D_REF_FRAME))
				opt->mismatch(mmu, &refs[i], i, frame | (va & 4095), opt->data);
		}
		kinds += tally_of[w & 7];
		if (overlapped && m2d_unlikely(mmu->timing.n_pending != 0)) {
			mmu->timing.refs = refs0 + i + 1;
			m2d_timing_advance(&mmu->timing, &mmu->stats, va >> M2D_PAGE_SHIFT);
		}
	}
	mmu->timing.refs = refs0 + i;
	tally->kinds = kinds;
	tally->checked = checked;
	return i;
}

/* With a journal every write must be logged: no short cuts. */
static uint32_t run_journaled(M2dMmu *mmu, const M2dRef *refs, uint32_t n, const M2dRunOptions *opt,
			      M2dOutcome *fault, M2dTally *tally)
{
	uint32_t i;

	mmu->front_stale = true;
	for (i = 0; i < n; i++) {
		uint64_t w = refs[i].w;

		if (!run_slow(mmu, &refs[i], i, opt, fault))
			break;
		mmu->timing.refs++;
		if (mmu->timing.n_pending != 0)
			m2d_timing_advance(&mmu->timing, &mmu->stats, refs[i].va >> M2D_PAGE_SHIFT);
		*(w & 2 ? &tally->slow_fetch : &tally->slow_data) += 1;
		tally->kinds += tally_of[w & 7];
	}
	return i;
}

#define MAX_RUN (1u << 20) /* keeps the 21-bit tallies from overflowing */

/* Add what the loop kept in registers to counters and clock. */
static void add_tally(M2dMmu *mmu, const M2dTally *t, uint32_t done, bool guest, uint64_t refs0,
		      uint64_t hits0)
{
	M2dCounters *c = &mmu->stats.c;
	uint64_t base = mmu->machine->cost.base_millicycles;
	uint64_t writes = t->kinds & 0x1fffff, fetches = t->kinds >> 21 & 0x1fffff;

	c->refs += done;
	c->writes += writes;
	c->fetches += fetches;
	c->reads += done - writes - fetches;
	c->user_refs += t->kinds >> 42;
	c->guest_refs += guest ? done : 0;
	c->checked += t->checked;
	c->l1i_hits += fetches - t->slow_fetch;
	c->l1d_hits += done - fetches - t->slow_data;
	if (mmu->timing.model == M2D_TIMING_FUNCTIONAL)
		return;
	mmu->stats.cycles[M2D_CAUSE_BASE] += mmu->timing.refs * base / 1000 - refs0 * base / 1000;
	if (mmu->timing.model == M2D_TIMING_BLOCKING)
		m2d_timing_charge(&mmu->timing, &mmu->stats, M2D_CAUSE_L1_HIT,
				  (c->l1d_hits + c->l1i_hits - hits0) * mmu->machine->tlb.l1_hit);
}

uint32_t m2d_mmu_run(M2dMmu *mmu, const M2dRef *refs, uint32_t n, const M2dRunOptions *opt,
		     M2dOutcome *fault)
{
	uint64_t refs0 = mmu->timing.refs, hits0 = mmu->stats.c.l1d_hits + mmu->stats.c.l1i_hits;
	M2dTally t = {0};
	uint32_t done;

	if (n == 0)
		return 0;
	n = MIN(n, MAX_RUN);
	if (mmu->front_stale && mmu->arena->journal == NULL) {
		memset(mmu->front, 0, sizeof(mmu->front));
		mmu->front_stale = false;
	}
	if (mmu->arena->journal != NULL)
		done = run_journaled(mmu, refs, n, opt, fault, &t);
	else if (mmu->timing.model == M2D_TIMING_OVERLAPPED)
		done = run_loop(mmu, refs, n, opt, fault, true, opt->compare, &t);
	else if (opt->compare)
		done = run_loop(mmu, refs, n, opt, fault, false, true, &t);
	else
		done = run_loop(mmu, refs, n, opt, fault, false, false, &t);
	add_tally(mmu, &t, done, refs[0].w & M2D_REF_GUEST, refs0, hits0);
	return done;
}
