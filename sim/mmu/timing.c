/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/mmu/timing.h"

#include "sim/base/bits.h"

static const M2dCause part_cause[] = {
	M2D_CAUSE_WALK_START,  M2D_CAUSE_PSC,          M2D_CAUSE_NTLB,
	M2D_CAUSE_FETCH_GUEST, M2D_CAUSE_FETCH_NESTED, M2D_CAUSE_AD_UPDATE,
};
G_STATIC_ASSERT(M2D_N_ELEMENTS(part_cause) == M2D_N_WALK_PARTS);

void m2d_timing_init(M2dTiming *t, const M2dMachine *machine, M2dTimingModel model,
		     M2dTiming *sibling)
{
	*t = (M2dTiming){.model = model, .machine = machine};
	if (model != M2D_TIMING_FUNCTIONAL)
		t->cache = m2d_ptecache_new(machine, sibling != NULL ? sibling->cache : NULL);
}

void m2d_timing_clear(M2dTiming *t)
{
	g_clear_pointer(&t->cache, m2d_ptecache_free);
}

/* Length of the walk in @log by part. */
static uint32_t walk_length(M2dTiming *t, M2dWalkLog *log, M2dStats *stats,
			    uint32_t part[M2D_N_WALK_PARTS])
{
	const M2dMachine *m = t->machine;
	uint64_t *const from[] = {&stats->c.pte_l1_hits, &stats->c.pte_l2_hits,
				  &stats->c.pte_l3_hits, &stats->c.pte_dram};
	uint32_t sum = 0;

	part[0] = m->walk.start;
	part[1] = m->psc_lookup;
	part[2] = m->ntlb_lookup * log->n_ntlb_lookups;
	part[3] = part[4] = 0;
	part[5] = m->walk.ad_update * log->ad_updates;
	for (uint32_t i = 0; i < log->n; i++) {
		M2dFetch *f = &log->fetch[i];
		uint32_t cycles;

		f->served_by = (uint8_t)m2d_ptecache_fetch(t->cache, f->hpa, &cycles);
		(*from[f->served_by - 1])++;
		part[f->dimension == M2D_DIM_GUEST ? 3 : 4] += cycles;
	}
	for (int i = 0; i < M2D_N_WALK_PARTS; i++)
		sum += part[i];
	return sum;
}

static M2dPending *oldest(M2dTiming *t)
{
	return &t->pending[t->first_pending % M2D_MAX_PENDING];
}

/* Wait until the clock shows that @p is done; its causes share the stall. */
static void wait_for(M2dTiming *t, M2dStats *stats, const M2dPending *p)
{
	uint64_t now = m2d_timing_now(t), stall, rest;

	if (p->done <= now)
		return;
	stall = rest = p->done - now;
	for (int i = 0; i < M2D_N_WALK_PARTS && p->length != 0; i++) {
		/* A stall longer than the walk waited for a walker too. */
		uint64_t share = MIN(stall, p->length) * p->part[i] / p->length;

		stats->cycles[part_cause[i]] += share;
		rest -= share;
	}
	stats->cycles[M2D_CAUSE_WALK_WAIT] += rest;
	t->cycles += stall;
}

static void retire_oldest(M2dTiming *t, M2dStats *stats)
{
	wait_for(t, stats, oldest(t));
	t->first_pending++;
	t->n_pending--;
}

void m2d_timing_drain(M2dTiming *t, M2dStats *stats)
{
	while (t->n_pending != 0)
		retire_oldest(t, stats);
}

void m2d_timing_advance(M2dTiming *t, M2dStats *stats, uint64_t vpn)
{
	uint64_t now = m2d_timing_now(t);

	/* In-order retirement: what is done at the head leaves; what is not blocks a full window.
	 */
	while (t->n_pending != 0) {
		M2dPending *p = oldest(t);

		if (p->done > now && p->index + t->machine->walk.window > t->refs)
			break;
		retire_oldest(t, stats);
		now = m2d_timing_now(t);
	}
	for (uint32_t i = 0; i < t->n_pending; i++) {
		const M2dPending *p = &t->pending[(t->first_pending + i) % M2D_MAX_PENDING];

		if (p->vpn == vpn && p->done > now) {
			stats->c.walk_merges++;
			break;
		}
	}
}

static void start_pending(M2dTiming *t, M2dStats *stats, uint64_t vpn, uint32_t length,
			  const uint32_t part[M2D_N_WALK_PARTS])
{
	const M2dMachine *m = t->machine;
	uint32_t walkers = CLAMP(m->walk.walkers, 1, M2D_MAX_WALKERS), best = 0;
	uint32_t limit = CLAMP(m->walk.mshrs, 1, M2D_MAX_PENDING);
	uint64_t start;
	M2dPending *p;

	while (t->n_pending >= limit)
		retire_oldest(t, stats);
	for (uint32_t w = 1; w < walkers; w++)
		if (t->walker_free[w] < t->walker_free[best])
			best = w;
	start = MAX(m2d_timing_now(t), t->walker_free[best]);
	t->walker_free[best] = start + length;
	p = &t->pending[(t->first_pending + t->n_pending++) % M2D_MAX_PENDING];
	p->vpn = vpn;
	p->index = t->refs;
	p->done = start + length;
	p->length = length;
	for (int i = 0; i < M2D_N_WALK_PARTS; i++)
		p->part[i] = part[i];
}

void m2d_timing_walk(M2dTiming *t, M2dWalkLog *log, M2dStats *stats, uint64_t vpn)
{
	uint32_t part[M2D_N_WALK_PARTS], length;

	t->last_cost = 0;
	if (t->model == M2D_TIMING_FUNCTIONAL)
		return;
	length = walk_length(t, log, stats, part);
	t->last_cost = length;
	if (t->model == M2D_TIMING_OVERLAPPED) {
		start_pending(t, stats, vpn, length, part);
		return;
	}
	for (int i = 0; i < M2D_N_WALK_PARTS; i++)
		m2d_timing_charge(t, stats, part_cause[i], part[i]);
}
