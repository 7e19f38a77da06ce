/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/mmu/mmu.h"

#include <string.h>

#include "sim/mmu/mmu-private.h"

void m2d_mmu_init(M2dMmu *mmu, M2dArena *arena, M2dSpace *space, const M2dMachine *machine)
{
	static const M2dRegs off;
	static const M2dNested none;

	memset(mmu, 0, sizeof(*mmu));
	mmu->arena = arena;
	mmu->space = space;
	mmu->machine = machine;
	mmu->s = m2d_arena_alloc(arena, sizeof(M2dMmuState), 64);
	m2d_tlb_init(&mmu->tlb, arena, machine);
	m2d_timing_init(&mmu->timing, machine, M2D_TIMING_FUNCTIONAL, NULL);
	m2d_mmu_set_features(mmu, machine->maxphyaddr, M2D_FEAT_ALL, machine->maxphyaddr,
			     M2D_FEAT_ALL);
	m2d_mmu_configure(mmu, &off, &none);
}

void m2d_mmu_clear(M2dMmu *mmu)
{
	m2d_timing_clear(&mmu->timing);
	g_clear_pointer(&mmu->ghosts, g_free);
}

void m2d_mmu_set_features(M2dMmu *mmu, unsigned guest_maxphyaddr, uint32_t guest_features,
			  unsigned host_maxphyaddr, uint32_t host_features)
{
	M2dMmuState *s = mmu->s;

	m2d_set32(mmu->arena, &s->guest_maxphyaddr, guest_maxphyaddr);
	m2d_set32(mmu->arena, &s->guest_features, guest_features);
	m2d_set32(mmu->arena, &s->host_maxphyaddr, host_maxphyaddr);
	m2d_set32(mmu->arena, &s->host_features, host_features);
}

/* Bits without which a cached item does not serve an access; a key other than 0 or a restricted
 * key 0 sends data accesses through the full check. */
static void derive_need(M2dMmuState *s)
{
	const M2dGuestPolicy *p = &s->policy;
	bool keys = p->pke || p->pks;
	uint32_t key0 = (p->pke ? p->pkru : 0) | (p->pks ? p->pkrs : 0);
	uint64_t sup = p->smap && !p->ac ? M2D_ITEM_S : 0;
	uint64_t x = M2D_ITEM_NX | (p->nxe ? M2D_ITEM_X : 0);
	uint64_t rd = M2D_ITEM_NR, wr = M2D_ITEM_NR | M2D_ITEM_NW | M2D_ITEM_D;

	if (keys) {
		rd |= M2D_ITEM_KEY0 | (key0 & 1 ? M2D_ITEM_NEVER : 0);
		wr |= M2D_ITEM_KEY0 | (key0 & 3 ? M2D_ITEM_NEVER : 0);
	}
	for (int i = 0; i < 8; i++)
		s->need[i] = M2D_ITEM_NEVER;
	s->need[M2D_ACC_READ] = rd | sup;
	s->need[M2D_ACC_WRITE] = wr | sup | (p->wp ? M2D_ITEM_W : 0);
	s->need[M2D_ACC_FETCH] = x | (p->smep ? M2D_ITEM_S : 0);
	s->need[M2D_ACC_READ | 4] = rd | M2D_ITEM_U;
	s->need[M2D_ACC_WRITE | 4] = wr | M2D_ITEM_U | M2D_ITEM_W;
	s->need[M2D_ACC_FETCH | 4] = x | M2D_ITEM_U;
}

/* log2 of what each cacheable level covers; 0 where the mode has none. */
static void derive_shifts(uint8_t shift[M2D_PSC_LEVELS], unsigned levels, unsigned index_bits)
{
	for (unsigned l = 0; l < M2D_PSC_LEVELS; l++)
		shift[l] = (uint8_t)(l + 2 <= levels ? 12 + index_bits * (l + 1) : 0);
}

static void derive_ctx(M2dMmu *mmu, M2dMmuState *s)
{
	bool amd = mmu->machine->vendor == M2D_VENDOR_AMD;
	bool ept = s->nested.kind == M2D_NESTED_EPT;
	uint32_t keep[4] = {0};
	M2dCtx c = {
		.kind = ept ? M2D_CTX_COMBINED : M2D_CTX_LINEAR,
		.pcid = (uint16_t)s->pcid,
		.tag = s->nested.tag,
		.root = ept ? m2d_ept_ep4ta(s->nested.eptp) : 0,
	};

	s->ctx = keep[0] = m2d_tlb_ctx(&mmu->tlb, &c, keep);
	c.pcid = M2D_CTX_GLOBAL;
	s->gctx = keep[1] = m2d_tlb_ctx(&mmu->tlb, &c, keep);
	if (mmu->ctx_epoch != mmu->tlb.ctx_epoch) {
		mmu->front_stale = true;
		mmu->ctx_epoch = mmu->tlb.ctx_epoch;
	}
	s->nctx = 0;
	if (s->nested.kind == M2D_NESTED_NONE)
		return;
	c.kind = M2D_CTX_PHYSICAL;
	c.pcid = 0;
	c.tag = amd ? s->nested.tag : 0;
	s->nctx = m2d_tlb_ctx(&mmu->tlb, &c, keep);
}

void m2d_mmu_configure(M2dMmu *mmu, const M2dRegs *regs, const M2dNested *nested)
{
	M2dMmuState s = *mmu->s;
	bool amd = mmu->machine->vendor == M2D_VENDOR_AMD;

	s.regs = *regs;
	s.nested = *nested;
	m2d_guest_format(&s.fmt, regs, mmu->machine->vendor, s.guest_maxphyaddr, s.guest_features);
	m2d_guest_policy(&s.policy, regs);
	if (s.fmt.mode == M2D_PAGING_NONE)
		s.policy = (M2dGuestPolicy){0};
	/* The front knows addresses as the mode takes them: 32-bit modes drop the upper half. */
	if (s.fmt.mode != mmu->s->fmt.mode)
		mmu->front_stale = true;
	s.root = m2d_guest_root(&s.fmt, regs, s.guest_maxphyaddr);
	s.pcid = regs->cr4 & M2D_CR4_PCIDE ? (uint32_t)(regs->cr3 & M2D_CR3_PCID) : 0;
	derive_shifts(s.psc_shift, s.fmt.levels, s.fmt.index_bits);
	if (s.fmt.mode == M2D_PAGING_PAE && !amd)
		s.psc_shift[M2D_PSC_PDPTE] = 0; /* they are in registers */
	memset(s.npsc_shift, 0, sizeof(s.npsc_shift));
	if (nested->kind == M2D_NESTED_NPT) {
		m2d_npt_config(&s.npt, nested->ncr3, nested->hcr4, nested->hefer, s.host_maxphyaddr,
			       s.host_features);
		derive_shifts(s.npsc_shift, s.npt.fmt.levels, s.npt.fmt.index_bits);
	} else if (nested->kind == M2D_NESTED_EPT) {
		m2d_ept_config(&s.ept, nested->eptp, nested->ept_controls, s.host_maxphyaddr);
		derive_shifts(s.npsc_shift, s.ept.levels, 9);
	}
	derive_need(&s);
	derive_ctx(mmu, &s);
	m2d_arena_write(mmu->arena, mmu->s, &s, sizeof(s));
}

/* Arguments for the drop callback of one invalidation. */
typedef struct {
	M2dMmu *mmu;
	M2dFlushCause cause;
} M2dDropArgs;

static void on_drop(M2dArrayId array, uint64_t tag, uint64_t data, void *arg)
{
	M2dDropArgs *a = arg;
	bool no_l2 = a->mmu->tlb.array[M2D_ARR_L2].ways == 0;

	/* First-level copies come back from the second level or with it. */
	if (array == M2D_ARR_L2 || array == M2D_ARR_L2_1G || (no_l2 && array <= M2D_ARR_L1I_1G))
		if (m2d_tag_class(tag) < M2D_N_SIZES)
			m2d_ghosts_record(a->mmu, tag, data, a->cause);
}

uint64_t m2d_mmu_kill(M2dMmu *mmu, const M2dKill *kill, M2dFlushCause cause, uint32_t cycles)
{
	M2dDropArgs args = {mmu, cause};
	uint64_t n;

	mmu->tlb.on_drop = on_drop;
	mmu->tlb.on_drop_data = &args;
	n = m2d_tlb_kill(&mmu->tlb, kill);
	mmu->tlb.on_drop = NULL;
	mmu->stats.bill[cause].dropped += n;
	if (cause != M2D_FLUSH_PAGE_FAULT && cause != M2D_FLUSH_NESTED_FAULT) {
		mmu->stats.c.flushes++;
		mmu->stats.c.dropped += n;
		mmu->stats.bill[cause].count++;
		mmu->stats.bill[cause].direct_cycles +=
			mmu->timing.model == M2D_TIMING_FUNCTIONAL ? 0 : cycles;
		m2d_timing_drain(&mmu->timing, &mmu->stats);
		m2d_timing_charge(&mmu->timing, &mmu->stats, M2D_CAUSE_FLUSH, cycles);
	} else if (n != 0) {
		mmu->stats.bill[cause].count++;
	}
	return n;
}
