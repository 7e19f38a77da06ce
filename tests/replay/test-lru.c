/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native-mode TLB hits and misses, access by access, against an independent model of lists: the
 * bundled traces and generated ones, on machines with separate and unified first levels, pages of
 * three sizes, several processes, global kernel pages and INVLPG.
 *
 * A second vCPU runs first and writes to every page, so that the measured one meets mapped pages
 * with accessed and dirty bits set: its misses are the TLB's alone.
 */
#include <check.h>
#include <stdlib.h>

#include "sim/cpu/vcpu.h"
#include "sim/mmu/mmu.h"
#include "sim/replay/gen.h"
#include "sim/replay/guestos.h"
#include "sim/trace/trace.h"
#include "tests/replay/lru.h"

static const char *const machines[] = {"generic", "skylake-sp", "zen2", "zen4"};
static const char *const traces[] = {"traces/s-linux-tdp-u.m2t", "traces/s-linux-tdp-f.m2t"};

typedef struct {
	M2dWorld *world;
	M2dGuestos *os;
	M2dVcpu *vcpu[2]; /* 0 is measured, 1 prepares */
	uint64_t process; /* that runs on both */
	LruTlb model;
	uint64_t n, hits[3];
	GHashTable *seen; /* pages prepared */
} Run;

static void check_error(GError *error)
{
	ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
}

static void run_process(Run *r, uint64_t process)
{
	GError *error = NULL;
	M2dRegs regs;

	if (r->process == process)
		return;
	ck_assert(m2d_guestos_regs(r->os, process, &regs, &error));
	check_error(error);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(m2d_vcpu_mov_cr3(r->vcpu[i], regs.cr3 | M2D_CR3_NOFLUSH),
				 M2D_INSN_OK);
	r->process = process;
}

static void run_init(Run *r, const char *machine, double share_2m, double share_1g)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load(machine, &error);
	M2dGuestosConfig config;
	M2dRegs regs;

	check_error(error);
	*r = (Run){.process = 0};
	r->world = m2d_world_new(m, 0, &error);
	check_error(error);
	m2d_guestos_config_init(&config);
	config.share_2m = share_2m;
	config.share_1g = share_1g;
	r->os = m2d_guestos_new(r->world, NULL, &config, &error);
	check_error(error);
	ck_assert(m2d_guestos_regs(r->os, 0, &regs, &error));
	for (int i = 0; i < 2; i++) {
		r->vcpu[i] = m2d_vcpu_new(r->world);
		m2d_vcpu_load_host(r->vcpu[i], &regs);
	}
	lru_init(&r->model, m2d_world_machine(r->world));
	r->seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

static void run_clear(Run *r)
{
	g_hash_table_unref(r->seen);
	lru_clear(&r->model);
	m2d_guestos_free(r->os);
	m2d_world_free(r->world);
}

/* Kernel pages are global: they belong to no process. */
static uint64_t owner_of(const Run *r, uint64_t va)
{
	return va >> 63 ? 0 : r->process + 1;
}

/* Map the page of @va and set A and D; false if the system refuses it. */
static bool prepare(Run *r, uint64_t va, bool user)
{
	/* Each process meets a kernel page for itself: its top-level entry may be missing. */
	uint64_t key = (va >> 12) << 12 | r->process;
	M2dAccess a = {.gva = M2D_GVA(va), .size = 1, .kind = M2D_ACC_WRITE, .user = user};
	M2dOutcome out;

	if (g_hash_table_contains(r->seen, &key))
		return true;
	/* Before the access: a global entry of another process could hide what is missing. */
	if (m2d_guestos_fault(r->os, r->process, a.gva, user) > M2D_GUESTOS_PRESENT ||
	    m2d_vcpu_access(r->vcpu[1], &a, &out) != M2D_OUT_OK)
		return false;
	g_hash_table_add(r->seen, g_memdup2(&key, sizeof(key)));
	return true;
}

static void access_one(Run *r, uint64_t va, M2dAccKind kind, bool user)
{
	static const LruHit hit_of[] = {
		[M2D_FROM_L1] = LRU_L1, [M2D_FROM_L2] = LRU_L2, [M2D_FROM_WALK] = LRU_WALK};
	M2dAccess a = {.gva = M2D_GVA(va), .size = 1, .kind = kind, .user = user};
	uint64_t owner = owner_of(r, va);
	M2dPageSize size;
	M2dOutcome out;
	M2dGpa pa;
	LruHit want;

	if (!prepare(r, va, user))
		return;
	/* Checks in the loop cost nothing when they hold: Check writes a file for each of its own.
	 */
	if (!m2d_guestos_find(r->os, r->process, M2D_GVA(va), &pa, &size))
		ck_abort_msg("%lx is not mapped", (unsigned long)va);
	want = lru_access(&r->model, va, kind == M2D_ACC_FETCH, size, owner, r->process + 1);
	if (m2d_vcpu_access(r->vcpu[0], &a, &out) != M2D_OUT_OK)
		ck_abort_msg("access %lu to %lx by process %lu (user %d): outcome %d, #PF %x",
			     (unsigned long)r->n, (unsigned long)va, (unsigned long)r->process,
			     user, out.kind, out.error_code);
	if (out.hpa.v != pa.v || hit_of[out.served_by] != want)
		ck_abort_msg("access %lu to %lx (page size %d, %s): %lx served by %d, the model "
			     "says %lx by %d",
			     (unsigned long)r->n, (unsigned long)va, size,
			     kind == M2D_ACC_FETCH ? "fetch" : "data", (unsigned long)out.hpa.v,
			     hit_of[out.served_by], (unsigned long)pa.v, want);
	r->n++;
	r->hits[want]++;
}

static void invlpg(Run *r, uint64_t va)
{
	M2dPageSize size;
	M2dGpa pa;

	m2d_vcpu_invlpg(r->vcpu[0], M2D_GVA(va));
	if (!m2d_guestos_find(r->os, r->process, M2D_GVA(va), &pa, &size))
		size = M2D_SIZE_4K;
	lru_invlpg(&r->model, va, size, owner_of(r, va));
}

/* The counters tell the same story as the outcomes did. */
static void check_counters(const Run *r)
{
	const M2dCounters *c = &m2d_vcpu_mmu(r->vcpu[0])->stats.c;

	ck_assert_uint_eq(c->l1d_hits + c->l1i_hits, r->hits[LRU_L1]);
	ck_assert_uint_eq(c->l1d_misses + c->l1i_misses, r->hits[LRU_L2] + r->hits[LRU_WALK]);
	ck_assert_uint_eq(c->l2_hits, r->hits[LRU_L2]);
	ck_assert_uint_eq(c->l2_misses, r->hits[LRU_WALK]);
	ck_assert_uint_eq(c->walks, r->hits[LRU_WALK]);
	ck_assert(r->hits[LRU_L1] > 0 && r->hits[LRU_WALK] > 0);
}

static void trace_event(Run *r, GHashTable *processes, uint64_t current[2], const M2dTraceEvent *ev)
{
	uint64_t cr3 = ev->kind == M2D_EV_VMRUN ? ev->b : ev->a;
	bool guest = ev->guest || ev->kind == M2D_EV_VMRUN;
	int64_t key = (int64_t)((cr3 & ~UINT64_C(0xfff)) | guest);

	if (ev->kind == M2D_EV_INVLPG) {
		run_process(r, current[ev->guest]);
		invlpg(r, ev->a);
	}
	if (ev->kind != M2D_EV_VMRUN &&
	    !(ev->kind == M2D_EV_REG && (ev->sub & ~M2D_TR_INITIAL) == M2D_TR_CR3))
		return;
	if (!g_hash_table_contains(processes, &key))
		g_hash_table_insert(processes, g_memdup2(&key, sizeof(key)),
				    GUINT_TO_POINTER(g_hash_table_size(processes)));
	current[guest] = GPOINTER_TO_UINT(g_hash_table_lookup(processes, &key));
}

START_TEST(bundled_traces)
{
	const char *machine = machines[_i % (int)G_N_ELEMENTS(machines)];
	const char *path = traces[_i / (int)G_N_ELEMENTS(machines)];
	g_autofree char *file = g_build_filename(M2D_SOURCE_DIR, path, NULL);
	GHashTable *processes = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	uint64_t current[2] = {0};
	GError *error = NULL;
	M2dTraceCursor *cursor = m2d_trace_cursor_open(file, 0, &error);
	M2dTraceRecord rec;
	Run r;

	check_error(error);
	run_init(&r, machine, 0.3, 0.1);
	while (m2d_trace_cursor_next(cursor, &rec, &error) == 1) {
		if (rec.type == M2D_RECORD_EVENT) {
			trace_event(&r, processes, current, &rec.event);
		} else if (rec.type == M2D_RECORD_REF &&
			   !(rec.ref.w & (M2D_REF_DIRECT | M2D_REF_IO))) {
			run_process(&r, current[!!(rec.ref.w & M2D_REF_GUEST)]);
			access_one(&r, rec.ref.va, (M2dAccKind)(rec.ref.w & M2D_REF_KIND),
				   rec.ref.w & M2D_REF_USER);
		}
	}
	check_error(error);
	ck_assert_uint_gt(r.n, 500000);
	check_counters(&r);
	run_clear(&r);
	m2d_trace_cursor_close(cursor);
	g_hash_table_unref(processes);
}
END_TEST

static const struct {
	M2dGenKind kind;
	double share_2m, share_1g;
	unsigned processes;
	uint64_t mib;
} generated[] = {
	{M2D_GEN_ZIPF, 0, 0, 3, 64},        {M2D_GEN_ZIPF, 0.5, 0.2, 2, 4096},
	{M2D_GEN_UNIFORM, 0.9, 0, 1, 2048}, {M2D_GEN_CHASE, 0, 0, 1, 6},
	{M2D_GEN_MIX, 0.2, 0, 2, 256},      {M2D_GEN_STRIDE, 0.3, 0.3, 1, 1024},
	{M2D_GEN_GUPS, 0, 1, 1, 65536},
};

START_TEST(generated_traces)
{
	const char *machine = machines[_i % (int)G_N_ELEMENTS(machines)];
	int k = _i / (int)G_N_ELEMENTS(machines);
	GError *error = NULL;
	M2dGenConfig config;
	M2dGen *gen;
	M2dRef ref;
	Run r;

	m2d_gen_config_init(&config, generated[k].kind);
	config.refs = 30000;
	config.bytes = generated[k].mib << 20;
	config.processes = generated[k].processes;
	config.slice = 1500;
	config.fetch_share = 0.2;
	config.kernel_share = 0.2;
	config.seed = (uint64_t)_i;
	if (config.kind == M2D_GEN_STRIDE)
		config.stride = 4096 + 64;
	gen = m2d_gen_new(&config, &error);
	check_error(error);
	run_init(&r, machine, generated[k].share_2m, generated[k].share_1g);
	while (m2d_gen_next(gen, &ref)) {
		run_process(&r, m2d_gen_process(gen));
		access_one(&r, ref.va, (M2dAccKind)(ref.w & M2D_REF_KIND), ref.w & M2D_REF_USER);
		if (r.n % 97 == 0)
			invlpg(&r, ref.va);
	}
	ck_assert_uint_gt(r.n, config.refs / 2);
	check_counters(&r);
	run_clear(&r);
	m2d_gen_free(gen);
}
END_TEST

int main(void)
{
	int n = (int)G_N_ELEMENTS(machines);
	Suite *s = suite_create("replay-lru");
	TCase *t = tcase_create("replay-lru");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, bundled_traces, 0, n * (int)G_N_ELEMENTS(traces));
	tcase_add_loop_test(t, generated_traces, 0, n * (int)G_N_ELEMENTS(generated));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
