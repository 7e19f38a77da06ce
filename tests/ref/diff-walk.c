/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator against the reference walker, with no translation cached: random page tables,
 * registers and accesses. Compared are the kind of outcome, every address and code, the number of
 * entries read, and all of memory afterwards: accessed and dirty bits and the page-modification
 * log. The machine has no caching structures at all; test-warm-walk does the same with all of them.
 *
 * Cases come in epochs of EPOCH cases; each epoch has its own seed, so that one can be repeated.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ref/pool.h"

#define EPOCH      2000
#define FULL_CHECK 500 /* cases between comparisons of all frames */

typedef struct {
	uint64_t n[M2D_OUT_PML_FULL + 1]; /* outcomes by kind */
	uint64_t refs;
	unsigned max_refs;
	uint64_t rsvd, pk, log_entries, cross;
} Tally;

typedef struct {
	const Mode *mode;
	uint64_t seed;
	bool paranoid; /* compare all frames after each case */
	M2dWorld *world;
	M2dVcpu *vcpu;
	Pool *pool;
	RefCpu cpu;
	RefResult res;
	bool nested_none; /* run native modes inside a guest on one dimension */
	Tally tally;
} Run;

/* A machine without TLB, paging-structure caches and nested TLB. */
static M2dMachine *machine_without_caches(M2dVendor vendor)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load("generic", &error);

	if (m == NULL) {
		fprintf(stderr, "diff-walk: %s\n", error->message);
		exit(2);
	}
	m->vendor = vendor;
	m->maxphyaddr = 52;
	memset(&m->tlb, 0, sizeof(m->tlb));
	memset(&m->psc, 0, sizeof(m->psc));
	memset(&m->npsc, 0, sizeof(m->npsc));
	memset(&m->ntlb, 0, sizeof(m->ntlb));
	return m;
}

static void load_registers(Run *run)
{
	Pool *pool = run->pool;
	RefCpu *c = &run->cpu;
	M2dRegs host = {0};
	M2dInsn insn;

	pool_regs(pool, &c->regs);
	pool_nested(pool, &c->nested);
	m2d_vcpu_exit(run->vcpu);
	if (c->nested.kind == M2D_NESTED_NONE && !run->nested_none) {
		m2d_vcpu_load_host(run->vcpu, &c->regs);
		return;
	}
	host.cr0 = M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP;
	host.cr4 = M2D_CR4_PAE;
	host.efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE;
	if (c->nested.kind == M2D_NESTED_NPT) {
		host.cr4 = c->nested.hcr4;
		host.efer = c->nested.hefer;
	}
	m2d_vcpu_load_host(run->vcpu, &host);
	insn = m2d_vcpu_enter(run->vcpu, &c->regs, &c->nested, 0);
	if (insn != M2D_INSN_OK) {
		fprintf(stderr, "%s: entry refused (%d)\n", run->mode->name, (int)insn);
		ref_dump(c, &(M2dAccess){0}, &(RefResult){0});
		exit(1);
	}
}

static void start_epoch(Run *run, uint64_t epoch)
{
	Pool *pool = run->pool;
	RefCpu *c = &run->cpu;
	unsigned host_bits, guest_bits;

	m2d_rng_seed(&pool->rng,
		     m2d_mix64(run->seed * 1000003 + epoch) + (uint64_t)(run->mode - pool_mode));
	host_bits = 36 + (unsigned)m2d_rng_below(&pool->rng, 17);
	if (pool_chance(pool, 100))
		host_bits = 32 + (unsigned)m2d_rng_below(&pool->rng, 5);
	guest_bits = host_bits;
	if (run->mode->nested != FORMAT_NONE && pool_chance(pool, 512))
		guest_bits = 32 + (unsigned)m2d_rng_below(&pool->rng, host_bits - 31);
	pool_fill(pool, guest_bits, host_bits);
	c->vendor = run->mode->vendor;
	c->host_maxphyaddr = host_bits;
	c->maxphyaddr = guest_bits;
	c->host_features = pool_chance(pool, 900) ? M2D_FEAT_ALL : M2D_FEAT_PSE36;
	if (pool_chance(pool, 200))
		c->host_features &= ~M2D_FEAT_PSE36;
	c->features = c->host_features;
	if (run->mode->nested != FORMAT_NONE && pool_chance(pool, 100))
		c->features ^= M2D_FEAT_1G;
	if (run->mode->nested != FORMAT_NONE && pool_chance(pool, 100))
		c->features ^= M2D_FEAT_PSE36;
	m2d_vcpu_exit(run->vcpu);
	m2d_vcpu_set_features(run->vcpu, false, host_bits, c->host_features);
	m2d_vcpu_set_features(run->vcpu, true, guest_bits, c->features);
	run->nested_none = pool_chance(pool, 300);
	load_registers(run);
}

static void explain(Run *run, const M2dAccess *access, const M2dOutcome *out, const char *what,
		    uint64_t epoch, unsigned i)
{
	fprintf(stderr, "%s: %s differs; seed %" PRIu64 " epoch %" PRIu64 " case %u\n",
		run->mode->name, what, run->seed, epoch, i);
	ref_dump(&run->cpu, access, &run->res);
	ref_dump_outcome("simulated", out);
	for (unsigned s = 0; s < run->res.n_steps; s++)
		if (!pool_same_word(run->pool, run->res.step[s].pa))
			pool_dump_word(run->pool, run->res.step[s].pa);
	for (unsigned s = 0; s < run->res.n_pml; s++)
		pool_dump_word(run->pool, run->res.pml_slot[s]);
	fprintf(stderr, "repeat: --mode %s --seed %" PRIu64 " --epoch %" PRIu64 " --paranoid\n",
		run->mode->name, run->seed, epoch);
}

static bool memory_same(const Run *run, bool all)
{
	const RefResult *r = &run->res;

	if (all)
		return pool_difference(run->pool) == ~UINT64_C(0);
	for (unsigned i = 0; i < r->n_steps; i++)
		if (!pool_same_word(run->pool, r->step[i].pa))
			return false;
	for (unsigned i = 0; i < r->n_pml; i++)
		if (!pool_same_word(run->pool, r->pml_slot[i]))
			return false;
	return true;
}

static void count(Tally *t, const M2dAccess *access, const RefResult *r)
{
	t->n[r->out.kind]++;
	t->refs += r->out.refs;
	t->max_refs = MAX(t->max_refs, r->out.refs);
	t->log_entries += r->n_pml;
	if (r->out.kind == M2D_OUT_PF && (r->out.error_code & M2D_PFEC_RSVD))
		t->rsvd++;
	if (r->out.kind == M2D_OUT_PF && (r->out.error_code & M2D_PFEC_PK))
		t->pk++;
	if ((access->gva.v & 4095) + access->size > 4096)
		t->cross++;
}

static bool run_case(Run *run, const M2dAccess *access, uint64_t epoch, unsigned i)
{
	M2dOutcome out;
	const char *what;

	ref_access(&run->cpu, &run->pool->memory, access, &run->res);
	memset(&out, 0x5a, sizeof(out));
	m2d_vcpu_access(run->vcpu, access, &out);
	what = pool_compare(&run->cpu, access, &run->res.out, &out, true);
	if (what == NULL && run->cpu.nested.kind == M2D_NESTED_EPT &&
	    m2d_vcpu_nested(run->vcpu)->pml_index != run->cpu.nested.pml_index)
		what = "pml_index";
	if (what == NULL && !memory_same(run, run->paranoid || i % FULL_CHECK == FULL_CHECK - 1))
		what = "memory";
	if (what != NULL) {
		explain(run, access, &out, what, epoch, i);
		if (strcmp(what, "memory") == 0)
			pool_dump_word(run->pool, pool_difference(run->pool));
		return false;
	}
	count(&run->tally, access, &run->res);
	return true;
}

/* A change that spoilt the walk is mostly taken back, or soon no walk would get far. */
typedef struct {
	bool armed;
	uint64_t pa, value;
	unsigned size;
} Undo;

static void mutate(Run *run, Undo *undo)
{
	const RefResult *r = &run->res;
	const RefStep *s = &r->step[m2d_rng_below(&run->pool->rng, r->n_steps)];

	*undo = (Undo){true, s->pa, s->value, s->size};
	pool_mutate(run->pool, s);
}

static bool run_epoch(Run *run, uint64_t epoch, unsigned cases)
{
	Pool *pool = run->pool;
	const RefResult *r = &run->res;
	M2dAccess access;
	Undo undo = {0};

	start_epoch(run, epoch);
	pool_access(pool, &run->cpu.regs, &access);
	for (unsigned i = 0; i < cases; i++) {
		unsigned choice = (unsigned)m2d_rng_below(&pool->rng, 32);

		if (!run_case(run, &access, epoch, i))
			return false;
		if (undo.armed && r->out.kind != M2D_OUT_OK && pool_chance(pool, 960))
			pool_write(pool, undo.pa, undo.size, undo.value);
		undo.armed = false;
		if (choice < 3) {
			load_registers(run);
			if (choice == 0)
				pool_access(pool, &run->cpu.regs, &access);
		} else if (choice < 16 && r->n_steps > 0) {
			/* The same path, changed in one place. */
			mutate(run, &undo);
			if (choice < 8)
				access.kind = (M2dAccKind)m2d_rng_below(&pool->rng, 3);
		} else if (choice < 26 && r->n_steps > 0 && r->out.kind != M2D_OUT_OK) {
			pool_repair(pool, pool_culprit(pool, r));
		} else if (choice < 28) {
			access.user = !access.user;
		} else {
			pool_access(pool, &run->cpu.regs, &access);
		}
	}
	return true;
}

static bool run_mode(Run *run, uint64_t first, uint64_t cases, bool verbose)
{
	g_autoptr(GError) error = NULL;
	int64_t start = g_get_monotonic_time();
	uint64_t done = 0;
	bool ok = true;
	double seconds;

	run->world = m2d_world_new(machine_without_caches(run->mode->vendor), 0, &error);
	if (run->world == NULL) {
		fprintf(stderr, "diff-walk: %s\n", error->message);
		exit(2);
	}
	run->vcpu = m2d_vcpu_new(run->world);
	run->pool = g_new(Pool, 1);
	pool_init(run->pool, run->mode, m2d_world_space(run->world));
	memset(&run->tally, 0, sizeof(run->tally));
	for (uint64_t epoch = first; ok && done < cases; epoch++) {
		unsigned n = (unsigned)MIN(EPOCH, cases - done);

		ok = run_epoch(run, epoch, n);
		done += n;
	}
	if (ok && run->pool->stray_writes != 0) {
		fprintf(stderr, "%s: the reference wrote outside the tables\n", run->mode->name);
		ok = false;
	}
	seconds = (double)(g_get_monotonic_time() - start) / 1e6;
	if (verbose || !ok) {
		const Tally *t = &run->tally;

		printf("%-10s %10" PRIu64 " cases %6.2f s", run->mode->name, done, seconds);
		for (unsigned k = 0; k < M2D_N_ELEMENTS(t->n); k++)
			if (t->n[k] != 0)
				printf("  %s %" PRIu64, ref_outcome_name((M2dOutcomeKind)k),
				       t->n[k]);
		printf("  rsvd %" PRIu64 "  pk %" PRIu64 "  cross %" PRIu64 "  logged %" PRIu64
		       "  refs/case %.1f max %u\n",
		       t->rsvd, t->pk, t->cross, t->log_entries, (double)t->refs / (double)done,
		       t->max_refs);
		fflush(stdout);
	}
	g_free(run->pool);
	m2d_world_free(run->world);
	return ok;
}

static bool wanted(char **patterns, const char *name)
{
	for (char **p = patterns; p != NULL && *p != NULL; p++)
		if (g_pattern_match_simple(*p, name))
			return true;
	return patterns == NULL;
}

int main(int argc, char **argv)
{
	gint64 cases = 100000, seed = 1, epoch = 0;
	g_auto(GStrv) modes = NULL;
	gboolean paranoid = FALSE, list = FALSE;
	const GOptionEntry entries[] = {
		{"cases", 'n', 0, G_OPTION_ARG_INT64, &cases, "Cases for each mode (100000)", "N"},
		{"seed", 's', 0, G_OPTION_ARG_INT64, &seed, "Seed of all cases (1)", "N"},
		{"mode", 'm', 0, G_OPTION_ARG_STRING_ARRAY, &modes,
		 "Only modes whose name matches; may be given several times", "PATTERN"},
		{"epoch", 'e', 0, G_OPTION_ARG_INT64, &epoch, "Begin with this epoch (0)", "N"},
		{"paranoid", 0, 0, G_OPTION_ARG_NONE, &paranoid,
		 "Compare all of memory after each case", NULL},
		{"list", 'l', 0, G_OPTION_ARG_NONE, &list, "List the modes", NULL},
		{NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new(
		"- compare the simulator with the reference walker, nothing cached");
	g_autoptr(GError) error = NULL;
	bool ok = true, found = false;

	g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_set_description(context,
					 "The full run takes ten million cases for each mode:\n"
					 "  test-diff-walk --cases 10000000\n");
	if (!g_option_context_parse(context, &argc, &argv, &error) || cases <= 0) {
		fprintf(stderr, "test-diff-walk: %s\n",
			error != NULL ? error->message : "--cases must be above 0");
		return 2;
	}
	for (unsigned i = 0; i < pool_n_modes && ok; i++) {
		Run run = {.mode = &pool_mode[i], .seed = (uint64_t)seed, .paranoid = paranoid};

		if (list) {
			puts(pool_mode[i].name);
			found = true;
			continue;
		}
		if (!wanted(modes, pool_mode[i].name))
			continue;
		found = true;
		ok = run_mode(&run, (uint64_t)epoch, (uint64_t)cases, true);
	}
	if (!found) {
		fprintf(stderr, "test-diff-walk: no such mode; see --list\n");
		return 2;
	}
	return ok ? 0 : 1;
}
