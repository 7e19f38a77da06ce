/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One page through the caches: first level, second level, walk, and what a fault drops.
 * Sources: SDM "Use of TLBs with Large Pages", "Operations that Invalidate TLBs"; APM "TLB
 * Management": a fault is confirmed by a walk of its own before it is delivered.
 */
#include "sim/mmu/mmu-private.h"

/* What a fault drops before it is delivered (or, on AMD, before the walk that confirms it). */
static void drop_for_fault(M2dMmu *mmu, uint64_t va, const M2dOutcome *out)
{
	const M2dMmuState *s = mmu->s;
	bool amd = mmu->machine->vendor == M2D_VENDOR_AMD;
	M2dKill linear = {
		.kinds = M2D_KINDS_LINEAR,
		.tag_rule = M2D_KILL_TAG_EQUAL,
		.tag = s->nested.tag,
		.pcid_rule = M2D_KILL_PCID_OR_GLOBAL,
		.pcid = s->pcid,
		.match_va = true,
		.va = va,
		.upper = M2D_UPPER_PATH,
	};
	M2dKill physical = {
		.kinds = M2D_KINDS_PHYSICAL,
		.tag_rule = amd ? M2D_KILL_TAG_EQUAL : M2D_KILL_TAG_ANY,
		.tag = s->nested.tag,
		.match_root = !amd,
		.root = m2d_ept_ep4ta(s->nested.eptp),
		.match_va = true,
		.va = out->fault_gpa.v,
		.upper = M2D_UPPER_PATH,
	};

	switch (out->kind) {
	case M2D_OUT_PF:
		m2d_mmu_kill(mmu, &linear, M2D_FLUSH_PAGE_FAULT, 0);
		break;
	case M2D_OUT_EPT_VIOLATION:
		linear.kinds = M2D_KINDS_COMBINED;
		linear.match_root = true;
		linear.root = physical.root;
		m2d_mmu_kill(mmu, &physical, M2D_FLUSH_NESTED_FAULT, 0);
		m2d_mmu_kill(mmu, &linear, M2D_FLUSH_NESTED_FAULT, 0);
		break;
	case M2D_OUT_NPF:
		m2d_mmu_kill(mmu, &physical, M2D_FLUSH_NESTED_FAULT, 0);
		m2d_mmu_kill(mmu, &linear, M2D_FLUSH_NESTED_FAULT, 0);
		break;
	case M2D_OUT_OK:
	case M2D_OUT_GP:
	case M2D_OUT_EPT_MISCONFIG:
	case M2D_OUT_PML_FULL:
		break;
	}
}

static void count_fault(M2dMmu *mmu, const M2dOutcome *out)
{
	switch (out->kind) {
	case M2D_OUT_PF:
	case M2D_OUT_GP:
		mmu->stats.c.page_faults++;
		break;
	case M2D_OUT_NPF:
	case M2D_OUT_EPT_VIOLATION:
	case M2D_OUT_EPT_MISCONFIG:
		mmu->stats.c.nested_faults++;
		break;
	case M2D_OUT_PML_FULL:
		mmu->stats.c.pml_full++;
		break;
	case M2D_OUT_OK:
		break;
	}
}

/* A walk from the top that leaves neither bits nor items behind. */
static bool probe(M2dMmu *mmu, uint64_t va, M2dAccKind kind, bool user, bool implicit,
		  uint64_t *item)
{
	M2dStats stats = mmu->stats;
	M2dWalkLog log = mmu->log;
	M2dOutcome out = {0};
	bool ok;

	mmu->probe = true;
	ok = m2d_mmu_walk(mmu, va, kind, user, implicit, false, item, &out) == M2D_WALK_OK;
	mmu->probe = false;
	mmu->stats = stats;
	mmu->log = log;
	return ok;
}

/* Would a walk from the top not give this fault? */
static bool fault_is_spurious(M2dMmu *mmu, uint64_t va, M2dAccKind kind, bool user, bool implicit)
{
	uint64_t item;

	return probe(mmu, va, kind, user, implicit, &item);
}

bool m2d_mmu_probe(M2dMmu *mmu, uint64_t va, M2dAccKind kind, bool user, uint64_t *hpa)
{
	uint64_t item;

	if (!probe(mmu, va, kind, user, false, &item))
		return false;
	*hpa = m2d_item_hpa(item, va);
	return true;
}

static void count_walk(M2dMmu *mmu, uint64_t va)
{
	uint32_t n = mmu->log.n;

	mmu->stats.c.walks++;
	mmu->stats.c.walk_refs += n;
	mmu->stats.walk_refs_hist[n < M2D_MAX_WALK_REFS ? n : M2D_MAX_WALK_REFS - 1]++;
	m2d_timing_walk(&mmu->timing, &mmu->log, &mmu->stats, va >> M2D_PAGE_SHIFT);
}

static M2dOutcomeKind walk_and_fill(M2dMmu *mmu, uint64_t va, M2dAccKind kind, bool user,
				    bool implicit, M2dOutcome *out)
{
	M2dMmuState *s = mmu->s;
	uint64_t item = 0;
	M2dWalkStatus st;

	m2d_walklog_reset(&mmu->log);
	st = m2d_mmu_walk(mmu, va, kind, user, implicit, true, &item, out);
	if (st == M2D_WALK_RESTART)
		st = m2d_mmu_walk(mmu, va, kind, user, implicit, false, &item, out);
	if (st == M2D_WALK_FAULT && mmu->log.n_skips != 0) {
		if (!mmu->machine->tlb.spurious_fault) {
			drop_for_fault(mmu, va, out);
			out->kind = M2D_OUT_OK;
			st = m2d_mmu_walk(mmu, va, kind, user, implicit, false, &item, out);
		} else if (fault_is_spurious(mmu, va, kind, user, implicit)) {
			mmu->stats.c.spurious_faults++;
		}
	}
	count_walk(mmu, va);
	out->refs += mmu->log.n;
	out->served_by = M2D_FROM_WALK;
	if (st == M2D_WALK_FAULT) {
		m2d_tlb_walk_begins(&mmu->tlb); /* and this one is over */
		drop_for_fault(mmu, va, out);
		return out->kind;
	}
	out->kind = M2D_OUT_OK;
	mmu->last_slot.array = -1;
	out->hpa = M2D_HPA(m2d_item_hpa(item, va));
	out->size = m2d_item_esize(item);
	if (s->fmt.mode != M2D_PAGING_NONE || s->nested.kind != M2D_NESTED_NONE) {
		mmu->last_slot =
			m2d_tlb_fill(&mmu->tlb, va, kind == M2D_ACC_FETCH, s->ctx, s->gctx, item);
		if (mmu->ghosts != NULL)
			m2d_ghosts_refill(mmu, va, item, mmu->timing.last_cost);
	}
	return M2D_OUT_OK;
}

/* Check a cached item with the registers of now. */
typedef enum {
	HIT_OK,
	HIT_NO_RIGHT, /* first dimension: *code is the #PF error code */
	HIT_NO_NESTED_RIGHT,
	HIT_NOT_DIRTY,
} HitCheck;

static HitCheck check_item(const M2dMmu *mmu, uint64_t item, M2dAccKind kind, bool user,
			   bool implicit, uint32_t *code)
{
	M2dGuestRights r = {
		.w = item & M2D_ITEM_W,
		.u = item & M2D_ITEM_U,
		.x = item & M2D_ITEM_X,
		.key = (item & M2D_ITEM_KEY) >> M2D_ITEM_KEY_SHIFT,
	};
	uint64_t nested = kind == M2D_ACC_READ    ? M2D_ITEM_NR
			  : kind == M2D_ACC_WRITE ? M2D_ITEM_NW
						  : M2D_ITEM_NX;

	*code = m2d_guest_permission(&mmu->s->policy, &r, kind, user, implicit);
	if (*code != 0)
		return HIT_NO_RIGHT;
	if (!(item & nested))
		return HIT_NO_NESTED_RIGHT;
	return kind == M2D_ACC_WRITE && !(item & M2D_ITEM_D) ? HIT_NOT_DIRTY : HIT_OK;
}

M2dOutcomeKind m2d_mmu_translate(M2dMmu *mmu, uint64_t va, M2dAccKind kind, bool user,
				 bool implicit, M2dOutcome *out)
{
	M2dMmuState *s = mmu->s;
	M2dCounters *c = &mmu->stats.c;
	bool fetch = kind == M2D_ACC_FETCH;
	M2dTlbSlot slot, l1;
	uint64_t item, need;
	uint32_t code;
	HitCheck check;

	out->kind = M2D_OUT_OK;
	if (s->fmt.va_bits == 32)
		va &= UINT32_MAX;
	if (s->fmt.mode == M2D_PAGING_NONE) {
		va &= UINT32_MAX;
	} else if (!m2d_guest_canonical(&s->fmt, va)) {
		out->kind = M2D_OUT_GP;
		count_fault(mmu, out);
		return out->kind;
	}
	slot = m2d_tlb_find_l1(&mmu->tlb, va, fetch, s->ctx, s->gctx);
	out->served_by = M2D_FROM_L1;
	if (slot.array < 0) {
		if (fetch)
			c->l1i_misses++;
		else
			c->l1d_misses++;
		slot = m2d_tlb_find_l2(&mmu->tlb, va, fetch, s->ctx, s->gctx, &l1);
		out->served_by = M2D_FROM_L2;
		if (slot.array < 0) {
			c->l2_misses++;
			goto walk;
		}
		c->l2_hits++;
		m2d_timing_l2_hit(&mmu->timing, &mmu->stats);
	} else if (fetch) {
		c->l1i_hits++;
	} else {
		c->l1d_hits++;
	}
	item = m2d_tlb_data(&mmu->tlb, slot);
	need = s->need[kind | (user ? 4 : 0)];
	check = !implicit && (item & need) == need
			? HIT_OK
			: check_item(mmu, item, kind, user, implicit, &code);
	switch (check) {
	case HIT_OK:
		mmu->last_slot = out->served_by == M2D_FROM_L1 ? slot : l1;
		out->hpa = M2D_HPA(m2d_item_hpa(item, va));
		out->size = m2d_item_esize(item);
		return M2D_OUT_OK;
	case HIT_NOT_DIRTY:
		c->d_assists++;
		break;
	case HIT_NO_RIGHT:
		if (mmu->machine->tlb.spurious_fault) {
			m2d_walklog_reset(&mmu->log);
			if (fault_is_spurious(mmu, va, kind, user, implicit))
				c->spurious_faults++;
			out->kind = M2D_OUT_PF;
			out->error_code = code;
			out->cr2 = M2D_GVA(va);
			drop_for_fault(mmu, va, out);
			count_fault(mmu, out);
			return out->kind;
		}
		m2d_tlb_drop_va(&mmu->tlb, va, s->ctx, s->gctx);
		break;
	case HIT_NO_NESTED_RIGHT:
		m2d_tlb_drop_va(&mmu->tlb, va, s->ctx, s->gctx);
		break;
	}
walk:
	if (walk_and_fill(mmu, va, kind, user, implicit, out) != M2D_OUT_OK)
		count_fault(mmu, out);
	return out->kind;
}

M2dOutcomeKind m2d_mmu_access(M2dMmu *mmu, const M2dAccess *a, M2dOutcome *out)
{
	uint64_t first = a->gva.v, last = first + a->size - 1;
	bool user = a->user && !a->implicit;

	g_assert(a->size >= 1 && a->size <= M2D_PAGE_SIZE);
	*out = (M2dOutcome){0};
	/* The canonical check covers the whole access and comes before any walk. */
	if (m2d_unlikely((first ^ last) >> M2D_PAGE_SHIFT != 0) &&
	    mmu->s->fmt.mode != M2D_PAGING_NONE && !m2d_guest_canonical(&mmu->s->fmt, last)) {
		out->kind = M2D_OUT_GP;
		count_fault(mmu, out);
		return out->kind;
	}
	if (m2d_mmu_translate(mmu, first, a->kind, user, a->implicit, out) != M2D_OUT_OK)
		return out->kind;
	if (m2d_unlikely((first ^ last) >> M2D_PAGE_SHIFT != 0)) {
		M2dHpa low = out->hpa;
		M2dServedBy served = out->served_by;
		M2dPageSize size = out->size;

		m2d_mmu_translate(mmu, last & ~UINT64_C(4095), a->kind, user, a->implicit, out);
		out->hpa2 = out->hpa;
		out->hpa = low;
		if (out->kind == M2D_OUT_OK) {
			out->served_by = served;
			out->size = size;
		}
	}
	return out->kind;
}
