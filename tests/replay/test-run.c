/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The batch loop against one access at a time: three equal worlds execute the same references and
 * the same events, one with m2d_mmu_run() in batches of random length, one with m2d_mmu_access(),
 * one with m2d_mmu_run() under a journal. Counters, histogram and flush bill must be equal, and so
 * must every byte of the arena: tables with their A/D bits, caches with their recency, registers.
 */
#include <check.h>
#include <string.h>

#include "sim/base/rng.h"
#include "sim/cpu/vcpu.h"
#include "sim/mmu/run.h"
#include "sim/replay/gen.h"
#include "sim/replay/guestos.h"
#include "sim/replay/replay.h"

typedef enum {
	BATCH,
	SINGLE,
	JOURNAL,
	N_WAYS
} Way;

typedef struct {
	M2dWorld *world;
	M2dHostmap *host;
	M2dGuestos *os;
	M2dVcpu *vcpu;
	M2dMmu *mmu;
	uint64_t process;
	M2dRegs outer; /* the host's */
	M2dNested nested;
	uint64_t faults[8]; /* by outcome */
} World;

static void check_error(GError *error)
{
	ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
}

static void world_init(World *w, Way way, const char *machine, M2dNestedKind kind,
		       M2dTimingModel timing)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load(machine, &error);
	M2dHostmapConfig host;
	M2dGuestosConfig guest;
	M2dRegs regs;

	check_error(error);
	memset(w, 0, sizeof(*w));
	w->world = m2d_world_new(m, UINT64_C(4) << 30, &error);
	check_error(error);
	m2d_hostmap_config_init(&host);
	host.share_2m = 0.5;
	if (kind != M2D_NESTED_NONE)
		w->host = m2d_hostmap_new(w->world, kind, &host, &error);
	check_error(error);
	m2d_guestos_config_init(&guest);
	guest.share_2m = 0.3;
	guest.share_1g = 0.1;
	w->os = m2d_guestos_new(w->world, w->host, &guest, &error);
	check_error(error);
	w->vcpu = m2d_vcpu_new(w->world);
	w->mmu = m2d_vcpu_mmu(w->vcpu);
	m2d_timing_init(&w->mmu->timing, m2d_world_machine(w->world), timing, NULL);
	ck_assert(m2d_guestos_regs(w->os, 0, &regs, &error));
	if (kind == M2D_NESTED_NONE) {
		m2d_vcpu_load_host(w->vcpu, &regs);
	} else {
		w->outer = (M2dRegs){.cr0 = M2D_CR0_PE | M2D_CR0_PG,
				     .cr4 = M2D_CR4_PAE,
				     .efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE};
		w->nested.tag = 1;
		m2d_hostmap_nested(w->host, &w->nested);
		m2d_vcpu_load_host(w->vcpu, &w->outer);
		ck_assert_int_eq(m2d_vcpu_enter(w->vcpu, &regs, &w->nested, 0), M2D_INSN_OK);
	}
	if (way == JOURNAL)
		m2d_arena_attach_journal(m2d_world_arena(w->world));
}

static void world_clear(World *w)
{
	m2d_guestos_free(w->os);
	m2d_hostmap_free(w->host);
	m2d_world_free(w->world);
}

/* Mend a fault; false: the reference cannot be executed. */
static bool mend(World *w, const M2dRef *ref, const M2dOutcome *out)
{
	w->faults[out->kind]++;
	switch (out->kind) {
	case M2D_OUT_PF:
		return m2d_guestos_fault(w->os, w->process, out->cr2, ref->w & M2D_REF_USER) ==
		       M2D_GUESTOS_MAPPED;
	case M2D_OUT_NPF:
	case M2D_OUT_EPT_VIOLATION:
		return m2d_hostmap_fault(w->host, out->fault_gpa, NULL);
	default:
		return false;
	}
}

static void run_batches(World *w, const M2dRef *refs, uint32_t n)
{
	static const M2dRunOptions opt;

	while (n > 0) {
		M2dOutcome out;
		uint32_t done = m2d_mmu_run(w->mmu, refs, n, &opt, &out);

		refs += done;
		n -= done;
		if (n > 0 && !mend(w, refs, &out)) {
			refs++;
			n--;
		}
	}
}

/* What the loop counts beside the accesses themselves. */
static void count_single(M2dCounters *c, const M2dRef *ref)
{
	M2dAccKind kind = (M2dAccKind)(ref->w & M2D_REF_KIND);

	c->refs++;
	c->reads += kind == M2D_ACC_READ;
	c->writes += kind == M2D_ACC_WRITE;
	c->fetches += kind == M2D_ACC_FETCH;
	c->user_refs += !!(ref->w & M2D_REF_USER);
}

static void run_singly(World *w, const M2dRef *refs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t size = (refs[i].w & M2D_REF_SIZE) >> M2D_REF_SIZE_SHIFT;
		M2dAccess a = {
			.gva = M2D_GVA(refs[i].va),
			.size = (uint32_t)size,
			.kind = (M2dAccKind)(refs[i].w & M2D_REF_KIND),
			.user = refs[i].w & M2D_REF_USER,
		};
		M2dOutcome out;

		for (;;) {
			w->mmu->stats.c.cross_refs += !!(refs[i].w & M2D_REF_CROSS);
			if (m2d_mmu_access(w->mmu, &a, &out) == M2D_OUT_OK) {
				count_single(&w->mmu->stats.c, &refs[i]);
				break;
			}
			if (!mend(w, &refs[i], &out))
				break;
		}
	}
}

static void switch_process(World *w, uint64_t process, bool keep)
{
	GError *error = NULL;
	M2dRegs r;

	ck_assert(m2d_guestos_regs(w->os, process, &r, &error));
	ck_assert_int_eq(m2d_vcpu_mov_cr3(w->vcpu, r.cr3 | (keep ? M2D_CR3_NOFLUSH : 0)),
			 M2D_INSN_OK);
	w->process = process;
}

/* One event, the same in all worlds: @what and @arg are drawn by the caller. */
static void event(World *w, unsigned what, uint64_t arg, M2dGva va)
{
	M2dRegs r = *m2d_vcpu_regs(w->vcpu);

	switch (what) {
	case 0:
		switch_process(w, arg % 3, true);
		break;
	case 1:
		switch_process(w, arg % 3, false);
		break;
	case 2:
		m2d_vcpu_invlpg(w->vcpu, va);
		break;
	case 3:
		m2d_vcpu_invpcid(w->vcpu, arg % 4, arg % 4 < 2 ? 1 + arg % 3 : 0, va);
		break;
	case 4:
		m2d_vcpu_mov_cr4(w->vcpu, r.cr4 ^ M2D_CR4_PGE);
		m2d_vcpu_mov_cr4(w->vcpu, r.cr4);
		break;
	case 5: /* rights change without a flush */
		m2d_vcpu_mov_cr0(w->vcpu, r.cr0 ^ M2D_CR0_WP);
		break;
	case 6:
		if (!m2d_vcpu_in_guest(w->vcpu))
			break;
		m2d_vcpu_exit(w->vcpu);
		if (w->nested.kind == M2D_NESTED_NPT)
			m2d_vcpu_invlpga(w->vcpu, va, 1);
		else
			m2d_vcpu_invvpid(w->vcpu, 1, 1, va);
		ck_assert_int_eq(
			m2d_vcpu_enter(w->vcpu, &r, &w->nested,
				       w->nested.kind == M2D_NESTED_NPT && arg % 2 ? 3 : 0),
			M2D_INSN_OK);
		break;
	case 7: /* rights change by registers that no operation flushes for */
		r.cr4 &= ~(M2D_CR4_SMEP | M2D_CR4_SMAP | M2D_CR4_PKE | M2D_CR4_PKS);
		r.cr4 |= (arg & 1 ? M2D_CR4_SMEP : 0) | (arg & 2 ? M2D_CR4_SMAP : 0) |
			 (arg & 4 ? M2D_CR4_PKE : 0) | (arg & 8 ? M2D_CR4_PKS : 0);
		r.ac = arg & 16;
		r.pkru = arg & 96 ? 0 : 2;
		r.pkrs = arg & 384 ? 0 : 1;
		m2d_vcpu_load_regs(w->vcpu, &r);
		break;
	default:
		break;
	}
}

static void compare(World *w, Way a, Way b, const char *when)
{
	const uint64_t *x = (const uint64_t *)&w[a].mmu->stats.c;
	const uint64_t *y = (const uint64_t *)&w[b].mmu->stats.c;
	const M2dArena *p = m2d_world_arena(w[a].world), *q = m2d_world_arena(w[b].world);

	for (unsigned i = 0; i < M2D_N_COUNTERS; i++)
		ck_assert_msg(x[i] == y[i], "%s: %s is %lu in world %d, %lu in world %d", when,
			      m2d_counter_name(i), (unsigned long)x[i], a, (unsigned long)y[i], b);
	ck_assert_mem_eq(w[a].mmu->stats.walk_refs_hist, w[b].mmu->stats.walk_refs_hist,
			 sizeof(w[a].mmu->stats.walk_refs_hist));
	ck_assert_mem_eq(w[a].mmu->stats.bill, w[b].mmu->stats.bill, sizeof(w[a].mmu->stats.bill));
	ck_assert_uint_eq(p->used, q->used);
	ck_assert_msg(memcmp(p->base, q->base, p->used) == 0, "%s: states %d and %d differ", when,
		      a, b);
	ck_assert_mem_eq(w[a].faults, w[b].faults, sizeof(w[a].faults));
}

static const struct {
	const char *machine;
	M2dNestedKind kind;
} places[] = {
	{"generic", M2D_NESTED_NONE},
	{"generic", M2D_NESTED_NPT},
	{"zen2", M2D_NESTED_NPT},
	{"zen4", M2D_NESTED_NONE},
	{"haswell", M2D_NESTED_EPT},
	{"skylake-sp", M2D_NESTED_NONE},
	{"sapphire-rapids", M2D_NESTED_EPT},
};

#define CHUNK  4096u
#define ROUNDS 40

/* A workload with neighbours that cross pages, and now and then addresses that are no good. */
static uint32_t next_refs(M2dGen *gen, M2dRng *rng, M2dRef *refs, uint32_t want)
{
	uint32_t n = 0;

	while (n < want && m2d_gen_next(gen, &refs[n])) {
		M2dRef *r = &refs[n++];
		uint64_t size = 1 + m2d_rng_below(rng, 32);

		r->w &= ~M2D_REF_SIZE;
		r->w |= size << M2D_REF_SIZE_SHIFT;
		if (m2d_rng_below(rng, 300) == 0)
			r->va = r->va | 0xff8; /* near the end of its page */
		if (m2d_rng_below(rng, 8) == 0)
			r->w ^= M2D_REF_USER; /* the kernel in user pages, or a user where denied */
		if (m2d_rng_below(rng, 5000) == 0)
			r->va ^= UINT64_C(1) << 50; /* not canonical */
		if ((r->va & 4095) + size > 4096)
			r->w |= M2D_REF_CROSS;
		else
			r->w &= ~M2D_REF_CROSS;
	}
	return n;
}

static void random_world(int place, M2dGenKind kind, M2dTimingModel timing, Way ways)
{
	g_autofree M2dRef *refs = g_new(M2dRef, CHUNK);
	GError *error = NULL;
	M2dGenConfig config;
	World w[N_WAYS];
	M2dGen *gen;
	M2dRng rng;

	m2d_gen_config_init(&config, kind);
	config.bytes = 48 << 20;
	config.refs = (uint64_t)CHUNK * ROUNDS;
	config.fetch_share = 0.3;
	config.kernel_share = 0.2;
	gen = m2d_gen_new(&config, &error);
	check_error(error);
	m2d_rng_seed(&rng, (uint64_t)place);
	for (Way i = 0; i < N_WAYS; i++)
		world_init(&w[i], i, places[place].machine, places[place].kind, timing);
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t n = next_refs(gen, &rng, refs, (uint32_t)m2d_rng_below(&rng, CHUNK) + 1);
		unsigned what = (unsigned)m2d_rng_below(&rng, 10);
		uint64_t arg = m2d_rng_next(&rng);
		M2dGva va = M2D_GVA(refs[m2d_rng_below(&rng, n)].va);

		for (Way i = 0; i < N_WAYS; i++) {
			if (i == SINGLE && ways != SINGLE)
				continue;
			if (i == SINGLE)
				run_singly(&w[i], refs, n);
			else
				run_batches(&w[i], refs, n);
			event(&w[i], what, arg, va);
		}
		if (round % 10 == 9 || round < 3) {
			compare(w, BATCH, JOURNAL, "under a journal");
			if (ways == SINGLE)
				compare(w, BATCH, SINGLE, "one by one");
			ck_assert_mem_eq(w[BATCH].mmu->stats.cycles, w[JOURNAL].mmu->stats.cycles,
					 sizeof(w[BATCH].mmu->stats.cycles));
		}
	}
	ck_assert_uint_gt(w[BATCH].mmu->stats.c.cross_refs, 0);
	ck_assert_uint_gt(w[BATCH].faults[M2D_OUT_PF], 0);
	ck_assert_uint_gt(w[BATCH].mmu->stats.c.dropped, 0);
	ck_assert_uint_eq(m2d_world_arena(w[JOURNAL].world)->hash,
			  m2d_arena_rehash(m2d_world_arena(w[JOURNAL].world)));
	m2d_gen_free(gen);
	for (Way i = 0; i < N_WAYS; i++)
		world_clear(&w[i]);
}

START_TEST(batch_equals_single)
{
	random_world(_i, _i % 2 ? M2D_GEN_ZIPF : M2D_GEN_MIX, M2D_TIMING_FUNCTIONAL, SINGLE);
}
END_TEST

START_TEST(journal_equals_plain_in_time)
{
	random_world(_i / 2, M2D_GEN_ZIPF, _i % 2 ? M2D_TIMING_OVERLAPPED : M2D_TIMING_BLOCKING,
		     BATCH);
}
END_TEST

/* Changing the paging mode under the same tags: what the loop remembers must not outlive it. */
START_TEST(modes_under_one_tag)
{
	World w[2];

	for (int i = 0; i < 2; i++) {
		/* A long-mode and then a 32-bit system under ASID 1, without a flush between. */
		M2dRegs legacy = {.cr0 = M2D_CR0_PE | M2D_CR0_PG, .cr4 = M2D_CR4_PSE};
		M2dRegs lng;
		M2dRef refs[3] = {{.va = UINT64_C(0x100005000)}, {.va = UINT64_C(0x7000)}};
		M2dSpace *space;

		world_init(&w[i], i == 0 ? BATCH : SINGLE, "generic", M2D_NESTED_NONE,
			   M2D_TIMING_FUNCTIONAL);
		space = m2d_world_space(w[i].world);
		/* 4 MiB page at 0 to 64 MiB in the tables at 32 MiB. */
		m2d_space_write32(space, M2D_HPA(32 << 20), (64 << 20) | 0xe7);
		legacy.cr3 = 32 << 20;
		lng = *m2d_vcpu_regs(w[i].vcpu);
		for (int k = 0; k < 2; k++)
			refs[k].w = UINT64_C(1) << M2D_REF_SIZE_SHIFT;
		for (int round = 0; round < 3; round++) {
			M2dRegs now = round == 1 ? lng : legacy;

			/* The same PCID in both, and no global pages. */
			now.cr4 &= ~(M2D_CR4_PCIDE | M2D_CR4_PGE);
			m2d_vcpu_load_regs(w[i].vcpu, &now);
			if (i == 0)
				run_batches(&w[i], refs, 2);
			else
				run_singly(&w[i], refs, 2);
		}
	}
	compare(w, (Way)0, (Way)1, "after changing modes");
	for (int i = 0; i < 2; i++)
		world_clear(&w[i]);
}
END_TEST

/* Recorded system traces: with and without a journal, and twice. */
START_TEST(recorded_traces)
{
	static const char *const traces[] = {"s-linux-tdp-u.m2t", "s-linux-tdp-f.m2t"};
	static const char *const machines[] = {"generic", "zen2", "haswell"};
	g_autofree char *file = g_build_filename(M2D_SOURCE_DIR, "traces", traces[_i % 2], NULL);
	M2dReplay *replay[3];
	M2dResult *result[3];

	for (int k = 0; k < 3; k++) {
		GError *error = NULL;
		M2dTraceReader *reader = m2d_trace_reader_open(file, 0, &error);
		M2dReplayOptions opt;

		check_error(error);
		m2d_replay_options_init(&opt);
		opt.timing = _i / 6 ? M2D_TIMING_OVERLAPPED : M2D_TIMING_FUNCTIONAL;
		replay[k] = m2d_replay_new(m2d_machine_load(machines[_i / 2 % 3], &error),
					   m2d_trace_reader_info(reader), &opt, &error);
		check_error(error);
		if (k == 2)
			m2d_arena_attach_journal(m2d_world_arena(m2d_replay_world(replay[k])));
		result[k] = m2d_replay_run(replay[k], reader, &error);
		check_error(error);
		m2d_trace_reader_close(reader);
	}
	ck_assert_uint_eq(result[0]->total.c.wrong, 0);
	ck_assert_uint_eq(result[0]->total.c.outside, 0);
	for (int k = 1; k < 3; k++) {
		const M2dArena *a = m2d_world_arena(m2d_replay_world(replay[0]));
		const M2dArena *b = m2d_world_arena(m2d_replay_world(replay[k]));

		ck_assert_mem_eq(&result[0]->total, &result[k]->total, sizeof(M2dStats));
		ck_assert_uint_eq(a->used, b->used);
		ck_assert_uint_eq(m2d_arena_rehash(a), m2d_arena_rehash(b));
	}
	for (int k = 0; k < 3; k++) {
		m2d_result_free(result[k]);
		m2d_replay_free(replay[k]);
	}
}
END_TEST

int main(void)
{
	int n = (int)G_N_ELEMENTS(places);
	Suite *s = suite_create("replay-run");
	TCase *t = tcase_create("replay-run");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, batch_equals_single, 0, n);
	tcase_add_loop_test(t, journal_equals_plain_in_time, 0, 2 * n);
	tcase_add_test(t, modes_under_one_tag);
	tcase_add_loop_test(t, recorded_traces, 0, 12);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
