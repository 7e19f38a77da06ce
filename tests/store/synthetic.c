/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/store/synthetic.h"

#include <math.h>

#include "sim/base/rng.h"

#define N_SAMPLES 120

/* About @mean, never 0. */
static uint64_t about(M2dRng *rng, double mean)
{
	return (uint64_t)(mean * (0.9 + 0.2 * m2d_rng_unit(rng))) + 1;
}

static void fill_stats(M2dStats *s, M2dRng *rng)
{
	static const double per_ref[M2D_N_CAUSES] = {
		[M2D_CAUSE_BASE] = 0.5,          [M2D_CAUSE_L2_HIT] = 0.21,
		[M2D_CAUSE_WALK_START] = 0.08,   [M2D_CAUSE_PSC] = 0.02,
		[M2D_CAUSE_NTLB] = 0.06,         [M2D_CAUSE_FETCH_GUEST] = 0.39,
		[M2D_CAUSE_FETCH_NESTED] = 0.84, [M2D_CAUSE_AD_UPDATE] = 0.003,
		[M2D_CAUSE_PAGE_FAULT] = 0.12,   [M2D_CAUSE_NESTED_FAULT] = 0.17,
		[M2D_CAUSE_EXIT_ENTRY] = 0.06,   [M2D_CAUSE_FLUSH] = 0.04,
		[M2D_CAUSE_IPI] = 0.05,
	};
	uint64_t *c = (uint64_t *)&s->c;
	double refs = 3e7;

	for (unsigned i = 0; i < M2D_N_COUNTERS; i++)
		c[i] = about(rng, 1000.0 * (i + 1));
	s->c.refs = (uint64_t)refs;
	s->c.l1d_hits = about(rng, 2.6e7);
	s->c.l1d_misses = about(rng, 1.1e6);
	s->c.l1i_hits = about(rng, 3e6);
	s->c.l2_hits = about(rng, 0.8e6);
	s->c.l2_misses = about(rng, 0.3e6);
	s->c.walks = 0;
	s->c.walk_refs = 0;
	for (unsigned i = 0; i < M2D_N_CAUSES; i++)
		s->cycles[i] = per_ref[i] != 0 ? about(rng, per_ref[i] * refs) : 0;
	for (unsigned i = 1; i <= 24; i++) {
		double x = (i - 4.0) / 2.0;
		uint64_t n = (uint64_t)(2e5 * exp(-x * x) + (i == 24 ? 2e4 : 0)) +
			     m2d_rng_below(rng, i % 3 == 0 ? 9000 : 3);

		s->walk_refs_hist[i] = n;
		s->c.walks += n;
		s->c.walk_refs += i * n;
	}
	for (unsigned i = 0; i < M2D_N_FLUSHES; i += 2)
		s->bill[i] = (M2dFlushBill){.count = about(rng, 900),
					    .direct_cycles = about(rng, 4e5),
					    .indirect_cycles = about(rng, 3e6),
					    .dropped = about(rng, 40000),
					    .refilled = about(rng, 30000),
					    .over_flushed = about(rng, 11000)};
}

static void fill_samples(M2dResult *r, M2dRng *rng)
{
	M2dSample s = {0};

	for (unsigned i = 0; i < N_SAMPLES; i++) {
		double phase = i / 40 % 2 ? 3 : 1;

		s.ref += r->total.c.refs / N_SAMPLES;
		s.cycles += about(rng, 5e5 * phase);
		s.c.refs = s.ref;
		s.c.l1d_hits += about(rng, 2e5);
		s.c.l1d_misses += about(rng, 9e3 * phase);
		/* A stretch without instruction fetches: the ratio is not defined there. */
		if (i < 60 || i > 70) {
			s.c.l1i_hits += about(rng, 3e4);
			s.c.l1i_misses += about(rng, 40 * (4 - phase));
		}
		s.c.l2_hits += about(rng, 6e3);
		s.c.l2_misses += about(rng, 2e3 * phase);
		g_array_append_val(r->samples, s);
	}
}

M2dResult *synthetic_result(unsigned n_vcpus, uint64_t seed)
{
	M2dResult *r = m2d_result_new(n_vcpus);
	M2dRng rng;

	m2d_rng_seed(&rng, seed);
	/* All that could end a string or a block of gnuplot. */
	r->trace = g_strdup("traces/it's {a} }\"trace\" #1`x`\\n.m2t");
	r->trace_sha256 =
		g_strdup("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	r->command_line = g_strdup("mmu2d replay \xff 'x'");
	r->machine = g_strdup("zen3");
	r->mmu = g_strdup("npt");
	r->timing = g_strdup("blocking");
	r->seed = UINT64_MAX - seed;
	r->seconds = 1.25;
	m2d_result_config(r, "tlb.l2.entries", "2048");
	m2d_result_config(r, "replay.vcpus", "2");
	m2d_result_config(r, "guest.share_2m", "0.5");
	for (unsigned i = 0; i < n_vcpus; i++) {
		fill_stats(&r->vcpu[i], &rng);
		r->vcpu_cycles[i] = m2d_stats_cycles(&r->vcpu[i]);
		m2d_stats_add(&r->total, &r->vcpu[i]);
	}
	fill_samples(r, &rng);
	m2d_result_violation(r, "stale-gpa", UINT64_C(1) << 63, n_vcpus - 1,
			     "gva 0x7f00 gave hpa 0xa000, the tables say 0xb000");
	m2d_result_violation(r, "missed-flush", 17, 0, "");
	return r;
}
