/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator with all its caches against the reference walker, which has none. A few pages are
 * accessed again and again; now and then one table entry changes, and whatever the manuals oblige
 * software to execute is executed, and no more: INVLPG for the pages it maps, one of the INVPCID
 * and INVVPID types, MOV CR3 where nothing global is concerned, INVEPT, TLB_CONTROL, INVLPGA, or
 * nothing at all for an entry that was not present. After that every outcome must again be what a
 * walk of the tables gives.
 *
 * Accessed and dirty bits and the page-modification log must be equal too, not just similar: a
 * translation is cached only when its accessed bits are set in memory, no bit is cleared without
 * an invalidation here, and a write through an entry cached while D was clear has to set D.
 * Tables of one level and dimension are never reached as another, or a bit set on one path could
 * change another path's meaning without an invalidation.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ref/warm.h"

#define EPOCH      400 /* accesses between rebuilds */
#define FULL_CHECK 100

static const Variant intel_variant[] = {
	{"generic", false, false},   {"haswell", false, false}, {"sapphire-rapids", false, false},
	{"skylake-sp", true, false}, {"generic", false, true},
};

static const Variant amd_variant[] = {
	{"generic", false, false}, {"zen1", false, false}, {"zen4", false, false},
	{"zen2", true, false},     {"zen3", false, true},
};

/* Drop everything and put new registers in force. */
static void start_afresh(Run *run)
{
	M2dRegs plain = {
		.cr0 = M2D_CR0_PE | M2D_CR0_PG,
		.cr4 = M2D_CR4_PAE,
		.efer = M2D_EFER_LME | M2D_EFER_LMA,
	};

	warm_load_host(run);
	if (!run->in_guest) {
		m2d_vcpu_load_host(run->vcpu, &plain);
		warm_must(run, m2d_vcpu_mov_cr4(run->vcpu, plain.cr4 | M2D_CR4_PGE),
			  "MOV CR4 refused");
		warm_must(run, m2d_vcpu_mov_cr4(run->vcpu, plain.cr4), "MOV CR4 refused");
		m2d_vcpu_load_host(run->vcpu, &run->cpu.regs);
	} else if (run->mode->vendor == M2D_VENDOR_INTEL) {
		warm_must(run, m2d_vcpu_invept(run->vcpu, 2, 0), "INVEPT refused");
		warm_must(run, m2d_vcpu_invvpid(run->vcpu, 2, 0, M2D_GVA(0)), "INVVPID refused");
		warm_enter(run, 0);
	} else {
		warm_enter(run, 1);
	}
}

/* --- what a change concerns ------------------------------------------------------------------ */

static void ignore_write(void *data, uint64_t pa, unsigned size, uint64_t value)
{
}

/* Walk without leaving traces. */
static void dry_walk(const Run *run, bool other, uint64_t va, M2dAccKind kind, bool user,
		     RefResult *res)
{
	RefMemory mem = run->pool->memory;
	RefCpu cpu = run->cpu;
	M2dAccess access = {.gva = M2D_GVA(va), .size = 1, .kind = kind, .user = user};

	mem.write = ignore_write;
	if (other)
		cpu.regs.cr3 = run->other_cr3;
	cpu.nested.ept_controls &= ~M2D_EPT_PML;
	ref_access(&cpu, &mem, &access, res);
}

static bool is_leaf(const Run *run, const RefStep *s)
{
	if (s->level == 1)
		return true;
	if (run->mode->guest == FORMAT_32 && !(run->cpu.regs.cr4 & M2D_CR4_PSE))
		return false;
	return (s->value >> 7) & 1;
}

static void touch_page(const Run *run, bool other, unsigned p, uint64_t pa, Touched *t)
{
	for (unsigned how = 0; how < 6; how++) {
		RefResult res;
		bool hit = false, upper = false, global = false;

		dry_walk(run, other, run->page[p], (M2dAccKind)(how / 2), how % 2, &res);
		for (unsigned i = 0; i < res.n_steps; i++) {
			const RefStep *s = &res.step[i];

			if (s->nested)
				continue;
			if (s->pa == pa) {
				hit = true;
				upper |= !is_leaf(run, s);
			}
			if (is_leaf(run, s) && ((s->value >> 8) & 1))
				global = true;
		}
		if (!hit)
			continue;
		t->pages |= 1u << p;
		t->upper |= upper;
		t->global |= global && (run->cpu.regs.cr4 & M2D_CR4_PGE);
		*(other ? &t->other : &t->here) = true;
	}
}

/* Which pages does the guest entry that @step read take part in mapping? */
static Touched find_touched(const Run *run, const RefStep *step)
{
	Touched t = {.shift = 12};

	for (unsigned p = 0; p < PAGES; p++) {
		touch_page(run, false, p, step->pa, &t);
		if (run->two)
			touch_page(run, true, p, step->pa, &t);
	}
	if (!t.upper && step->level > 1)
		t.shift = step->level == 3 ? 30 : run->mode->guest == FORMAT_32 ? 22 : 21;
	return t;
}

static bool was_present(const Run *run, const RefStep *s)
{
	if (s->nested && run->cpu.nested.kind == M2D_NESTED_EPT)
		return (s->value & 7) != 0 || (s->value >> 10 & 1);
	return s->value & 1;
}

/* Change an entry on the path to one of the pages and make that known. */
static void edit(Run *run)
{
	Pool *pool = run->pool;
	RefResult res;
	Touched t = {0};
	RefStep s;
	Deed deed;

	dry_walk(run, run->two && pool_chance(pool, 400),
		 run->page[m2d_rng_below(&pool->rng, PAGES)],
		 (M2dAccKind)m2d_rng_below(&pool->rng, 3), pool_chance(pool, 512), &res);
	if (res.n_steps == 0)
		return;
	if (res.out.kind != M2D_OUT_OK && pool_chance(pool, 980)) {
		s = *pool_culprit(pool, &res);
		if (!s.nested)
			t = find_touched(run, &s);
		pool_repair(pool, &s);
	} else {
		/* Rather a guest entry, of which there are few, and rather a low one. */
		for (unsigned n = 0; n < 4; n++) {
			s = res.step[m2d_rng_below(&pool->rng, res.n_steps)];
			if (!s.nested && s.level <= 1 + n)
				break;
		}
		if (!s.nested)
			t = find_touched(run, &s);
		pool_mutate(pool, &s);
	}
	if (!was_present(run, &s)) {
		run->n_deed[DO_NOTHING]++;
		run->last_deed = DO_NOTHING;
		return;
	}
	do
		deed = (Deed)m2d_rng_below(&pool->rng, N_DO);
	while (s.nested ? !warm_enough_for_nested(run, deed)
			: !warm_enough_for_guest(run, deed, &t));
	warm_perform(run, deed, &t);
}

/* --- registers that take effect without any invalidation ------------------------------------- */

static void change_rights(Run *run)
{
	Pool *pool = run->pool;
	M2dRegs *r = &run->cpu.regs;
	uint64_t cr4 = r->cr4 ^ (m2d_rng_next(&pool->rng) & (M2D_CR4_SMAP | M2D_CR4_PKE));

	if (!warm_intel_pae(run) && pool_chance(pool, 300))
		cr4 ^= M2D_CR4_SMEP;
	switch (m2d_rng_below(&pool->rng, 3)) {
	case 0:
		r->cr0 ^= M2D_CR0_WP;
		warm_must(run, m2d_vcpu_mov_cr0(run->vcpu, r->cr0), "MOV CR0 refused");
		break;
	case 1:
		r->cr4 = cr4;
		warm_must(run, m2d_vcpu_mov_cr4(run->vcpu, r->cr4), "MOV CR4 refused");
		break;
	default:
		r->ac = !r->ac;
		r->pkru = (uint32_t)(m2d_rng_next(&pool->rng) & m2d_rng_next(&pool->rng));
		r->pkrs = (uint32_t)(m2d_rng_next(&pool->rng) & m2d_rng_next(&pool->rng));
		m2d_vcpu_load_regs(run->vcpu, r);
		break;
	}
}

/* The other address space, without dropping anything of either. */
static void switch_space(Run *run)
{
	uint64_t cr3 = run->other_cr3;

	if (!run->two)
		return;
	warm_must(run, m2d_vcpu_mov_cr3(run->vcpu, cr3 | M2D_CR3_NOFLUSH), "MOV CR3 refused");
	run->other_cr3 = run->cpu.regs.cr3;
	run->cpu.regs.cr3 = cr3;
}

/* Leave and come back, with a drained log: neither drops anything under an own tag. */
static void exit_and_enter(Run *run)
{
	if (!run->in_guest)
		return;
	warm_load_host(run);
	run->cpu.nested.pml_index = 511;
	warm_enter(run, 0);
}

/* --- running --------------------------------------------------------------------------------- */

static bool access_once(Run *run)
{
	Pool *pool = run->pool;
	unsigned p = (unsigned)m2d_rng_below(&pool->rng, PAGES);
	M2dAccess a = {.gva = M2D_GVA(run->page[p] | (m2d_rng_next(&pool->rng) & 0xff8)),
		       .size = 8};
	const char *what;
	M2dOutcome out;
	uint64_t kind = m2d_rng_below(&pool->rng, 8);

	a.kind = kind < 4 ? M2D_ACC_READ : kind < 7 ? M2D_ACC_WRITE : M2D_ACC_FETCH;
	a.user = pool_chance(pool, 512);
	a.implicit = a.kind != M2D_ACC_FETCH && pool_chance(pool, 60);
	if (p % 2 == 0 && pool_chance(pool, 60))
		a.gva.v |= 0xffc; /* the other half lies on the page after */
	ref_access(&run->cpu, &pool->memory, &a, &run->res);
	memset(&out, 0x5a, sizeof(out));
	m2d_vcpu_access(run->vcpu, &a, &out);
	what = pool_compare(&run->cpu, &a, &run->res.out, &out, false);
	if (what == NULL && out.kind == M2D_OUT_OK && out.refs > run->res.out.refs)
		what = "refs (more than a cold walk)";
	if (what == NULL && run->cpu.nested.kind == M2D_NESTED_EPT &&
	    m2d_vcpu_nested(run->vcpu)->pml_index != run->cpu.nested.pml_index)
		what = "pml_index";
	for (unsigned i = 0; i < run->res.n_steps && what == NULL; i++)
		if (!pool_same_word(pool, run->res.step[i].pa))
			what = "memory";
	if (what == NULL && run->i % FULL_CHECK == FULL_CHECK - 1 &&
	    pool_difference(pool) != ~UINT64_C(0))
		what = "memory";
	run->n_kind[run->res.out.kind]++;
	if (what == NULL) {
		if (out.kind == M2D_OUT_OK)
			run->n_served[out.served_by]++;
		return true;
	}
	fprintf(stderr, "%s on %s%s%s: %s differs; seed %" PRIu64 " epoch %" PRIu64 " case %u\n",
		run->mode->name, run->variant->machine, run->variant->tiny ? " (tiny)" : "",
		run->variant->ideal ? " (ideal)" : "", what, run->seed, run->epoch, run->i);
	ref_dump(&run->cpu, &a, &run->res);
	ref_dump_outcome("simulated", &out);
	for (unsigned s = 0; s < run->res.n_steps; s++)
		if (!pool_same_word(pool, run->res.step[s].pa))
			pool_dump_word(pool, run->res.step[s].pa);
	pool_dump_word(pool, pool_difference(pool));
	fprintf(stderr, "in %s mode; last change was followed by: %s\n",
		run->in_guest ? "guest" : "host", warm_deed_name[run->last_deed]);
	return false;
}

static void pick_pages(Run *run)
{
	Pool *pool = run->pool;
	const M2dRegs *r = &run->cpu.regs;
	M2dAccess a;

	do
		pool_access(pool, r, &a);
	while ((r->efer & M2D_EFER_LMA) && (a.gva.v >> 46) != 0 && (a.gva.v >> 46) != 0x3ffff);
	for (unsigned p = 0; p < PAGES; p += 2) {
		/* The lowest two bits of each index, and bit 20: the other half of 2 MiB. */
		static const uint64_t vary =
			0x1803 << 10 | UINT64_C(0x300600000) << 1 | UINT64_C(0x60000) << 21;
		uint64_t va = a.gva.v;

		if (pool_chance(pool, 700))
			va ^= m2d_rng_next(&pool->rng) & m2d_rng_next(&pool->rng) & vary;
		if (pool_chance(pool, 300))
			va ^= UINT64_C(0x6000) & m2d_rng_next(&pool->rng);
		if (!(r->efer & M2D_EFER_LMA))
			va = (uint32_t)va;
		run->page[p] = va & ~UINT64_C(0x1fff);
		run->page[p + 1] = run->page[p] | 0x1000;
	}
	/* Mending one path may break another that shares the entry: several times over. */
	for (unsigned p = 0; p < 4 * PAGES; p++) {
		for (unsigned n = 0; n < 24; n++) {
			RefResult res;

			dry_walk(run, run->two && p / PAGES == 1, run->page[p % PAGES],
				 M2D_ACC_WRITE, n % 4 != 0, &res);
			if (res.out.kind == M2D_OUT_OK || res.n_steps == 0)
				break;
			pool_repair(pool, pool_culprit(pool, &res));
		}
	}
}

static bool run_epoch(Run *run)
{
	Pool *pool = run->pool;
	RefCpu *c = &run->cpu;
	unsigned host_bits;

	m2d_rng_seed(&pool->rng, m2d_mix64(run->seed * 1000003 + run->epoch) +
					 (uint64_t)(run->mode - pool_mode) +
					 ((uint64_t)run->number << 32));
	host_bits = 36 + (unsigned)m2d_rng_below(&pool->rng, 17);
	if (run->epoch % 8 == 0)
		pool_fill(pool, host_bits, host_bits);
	host_bits = pool->host_bits;
	c->vendor = run->mode->vendor;
	c->host_maxphyaddr = c->maxphyaddr = host_bits;
	c->host_features = c->features = M2D_FEAT_ALL;
	m2d_vcpu_exit(run->vcpu);
	m2d_vcpu_set_features(run->vcpu, false, host_bits, M2D_FEAT_ALL);
	m2d_vcpu_set_features(run->vcpu, true, host_bits, M2D_FEAT_ALL);
	pool_regs(pool, &c->regs);
	run->other_cr3 = c->regs.cr3;
	do
		pool_regs(pool, &c->regs);
	while (!(run->epoch & 2) != !(c->regs.cr4 & M2D_CR4_PCIDE) && c->regs.efer & M2D_EFER_LMA);
	/* Two spaces share what is global, which different tables make pointless. */
	run->two = (c->regs.cr4 & M2D_CR4_PCIDE) &&
		   ((run->other_cr3 ^ c->regs.cr3) & M2D_CR3_PCID) != 0;
	if (run->two)
		c->regs.cr4 &= ~M2D_CR4_PGE;
	pool_nested(pool, &c->nested);
	run->in_guest = c->nested.kind != M2D_NESTED_NONE || pool_chance(pool, 400);
	pick_pages(run);
	start_afresh(run);
	for (run->i = 0; run->i < EPOCH; run->i++) {
		if (!access_once(run))
			return false;
		if (pool_chance(pool, 80))
			edit(run);
		else if (pool_chance(pool, 30))
			change_rights(run);
		else if (pool_chance(pool, 20))
			exit_and_enter(run);
		else if (pool_chance(pool, 150))
			switch_space(run);
	}
	return true;
}

static void shrink(M2dGeometry *g)
{
	if (g->entries != 0)
		*g = (M2dGeometry){4, 2};
}

static M2dMachine *load_machine(const Run *run)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load(run->variant->machine, &error);

	if (m == NULL) {
		fprintf(stderr, "warm-walk: %s\n", error->message);
		exit(2);
	}
	m->vendor = run->mode->vendor;
	m->maxphyaddr = 52;
	m->tlb.ideal = run->variant->ideal;
	if (!run->variant->tiny)
		return m;
	for (unsigned s = 0; s < M2D_N_SIZES; s++) {
		shrink(&m->tlb.l1d[s]);
		shrink(&m->tlb.l1i[s]);
	}
	shrink(&m->tlb.l1d_unified);
	shrink(&m->tlb.l1i_unified);
	shrink(&m->tlb.l2);
	shrink(&m->tlb.l2_1g);
	for (unsigned l = 0; l < M2D_PSC_LEVELS; l++) {
		shrink(&m->psc.level[l]);
		shrink(&m->npsc.level[l]);
	}
	shrink(&m->psc.shared);
	shrink(&m->npsc.shared);
	shrink(&m->ntlb);
	return m;
}

static bool run_variant(Run *run, uint64_t first, uint64_t cases)
{
	g_autoptr(GError) error = NULL;
	int64_t start = g_get_monotonic_time();
	uint64_t done = 0, hits, all;
	bool ok = true;

	run->world = m2d_world_new(load_machine(run), 0, &error);
	if (run->world == NULL) {
		fprintf(stderr, "warm-walk: %s\n", error->message);
		exit(2);
	}
	run->vcpu = m2d_vcpu_new(run->world);
	run->pool = g_new(Pool, 1);
	pool_init(run->pool, run->mode, m2d_world_space(run->world));
	run->pool->strict = true;
	/* Contents are made anew at every eighth epoch only. */
	for (run->epoch = first & ~UINT64_C(7); ok && done < cases; run->epoch++) {
		ok = run_epoch(run);
		done += EPOCH;
	}
	if (ok && run->pool->stray_writes != 0) {
		fprintf(stderr, "%s: the reference wrote outside the tables\n", run->mode->name);
		ok = false;
	}
	hits = run->n_served[M2D_FROM_L1] + run->n_served[M2D_FROM_L2];
	all = hits + run->n_served[M2D_FROM_WALK];
	if (run->verbose) {
		printf("%-10s %-16s%s%s %8" PRIu64
		       " accesses %6.2f s, %.0f %% ok, of these %.0f %% "
		       "hits;",
		       run->mode->name, run->variant->machine, run->variant->tiny ? " tiny" : "",
		       run->variant->ideal ? " ideal" : "", done,
		       (double)(g_get_monotonic_time() - start) / 1e6,
		       100.0 * (double)run->n_kind[M2D_OUT_OK] / (double)done,
		       100.0 * (double)hits / (double)MAX(all, 1));
		for (unsigned d = 0; d < N_DO; d++)
			if (run->n_deed[d] != 0)
				printf(" %s %" PRIu64, warm_deed_name[d], run->n_deed[d]);
		putchar('\n');
		fflush(stdout);
	}
	if (ok && all > 1000 && !run->variant->tiny && hits < all / 10) {
		fprintf(stderr, "%s: too few hits to mean anything\n", run->mode->name);
		ok = false;
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
	gint64 cases = 10000, seed = 1, epoch = 0;
	g_auto(GStrv) modes = NULL;
	gboolean verbose = FALSE;
	const GOptionEntry entries[] = {
		{"cases", 'n', 0, G_OPTION_ARG_INT64, &cases,
		 "Accesses for each mode and machine (10000)", "N"},
		{"seed", 's', 0, G_OPTION_ARG_INT64, &seed, "Seed of all cases (1)", "N"},
		{"mode", 'm', 0, G_OPTION_ARG_STRING_ARRAY, &modes,
		 "Only modes whose name matches; may be given several times", "PATTERN"},
		{"epoch", 'e', 0, G_OPTION_ARG_INT64, &epoch, "Begin near this epoch (0)", "N"},
		{"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "A line for each mode and machine",
		 NULL},
		{NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new(
		"- compare the simulator with all caches with the reference walker");
	g_autoptr(GError) error = NULL;
	bool found = false;

	g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_set_description(context,
					 "The full run makes ten million accesses for each mode:\n"
					 "  test-warm-walk --verbose --cases 2000000\n");
	if (!g_option_context_parse(context, &argc, &argv, &error) || cases <= 0 || epoch < 0) {
		fprintf(stderr, "test-warm-walk: %s\n",
			error != NULL ? error->message : "--cases must be above 0");
		return 2;
	}
	for (unsigned i = 0; i < pool_n_modes; i++) {
		const Mode *m = &pool_mode[i];

		if (!wanted(modes, m->name) ||
		    (m->guest == FORMAT_NONE && m->nested == FORMAT_NONE))
			continue;
		found = true;
		for (unsigned k = 0; k < M2D_N_ELEMENTS(intel_variant); k++) {
			Run run = {
				.mode = m,
				.variant = m->vendor == M2D_VENDOR_INTEL ? &intel_variant[k]
									 : &amd_variant[k],
				.number = k,
				.seed = (uint64_t)seed,
				.verbose = verbose,
			};

			/* Invalidations search all of an ideal cache, which is large. */
			if (!run_variant(&run, (uint64_t)epoch,
					 run.variant->ideal ? (uint64_t)cases / 50 + 1
							    : (uint64_t)cases))
				return 1;
		}
	}
	if (!found) {
		fprintf(stderr, "test-warm-walk: no such mode\n");
		return 2;
	}
	return 0;
}
