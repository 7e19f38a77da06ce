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

#include "tests/ref/pool.h"

#define EPOCH      400 /* accesses between rebuilds */
#define PAGES      12
#define FULL_CHECK 100

typedef struct {
	const char *machine;
	bool tiny;  /* a few entries everywhere, so that most are evicted soon */
	bool ideal; /* nothing is ever evicted */
} Variant;

static const Variant intel_variant[] = {
	{"generic", false, false},   {"haswell", false, false}, {"sapphire-rapids", false, false},
	{"skylake-sp", true, false}, {"generic", false, true},
};

static const Variant amd_variant[] = {
	{"generic", false, false}, {"zen1", false, false}, {"zen4", false, false},
	{"zen2", true, false},     {"zen3", false, true},
};

/* What was done after a change, for the tally and for messages. */
typedef enum {
	DO_NOTHING,
	DO_INVLPG,
	DO_INVPCID_ADDRESS,
	DO_INVPCID_CONTEXT,
	DO_INVPCID_ALL_GLOBAL,
	DO_INVPCID_ALL,
	DO_MOV_CR3,
	DO_TOGGLE_PGE,
	DO_INVVPID_ADDRESS,
	DO_INVVPID_CONTEXT,
	DO_INVVPID_ALL,
	DO_INVVPID_RETAIN,
	DO_INVEPT_CONTEXT,
	DO_INVEPT_ALL,
	DO_TLB_CONTROL_1,
	DO_TLB_CONTROL_3,
	DO_TLB_CONTROL_7,
	DO_INVLPGA,
	DO_INVLPGB,
	DO_INVLPGB_NESTED,
	N_DO
} Deed;

static const char *const deed_name[N_DO] = {
	"nothing",
	"INVLPG",
	"INVPCID address",
	"INVPCID context",
	"INVPCID all global",
	"INVPCID all",
	"MOV CR3",
	"CR4.PGE twice",
	"INVVPID address",
	"INVVPID context",
	"INVVPID all",
	"INVVPID retain globals",
	"INVEPT context",
	"INVEPT all",
	"TLB_CONTROL 1",
	"TLB_CONTROL 3",
	"TLB_CONTROL 7",
	"INVLPGA",
	"INVLPGB",
	"INVLPGB nested",
};

typedef struct {
	const Mode *mode;
	const Variant *variant;
	unsigned number; /* of the variant: other cases for each */
	uint64_t seed, epoch;
	unsigned i; /* case in the epoch */
	M2dWorld *world;
	M2dVcpu *vcpu;
	Pool *pool;
	RefCpu cpu;
	RefResult res;
	bool in_guest;
	bool two; /* two address spaces with PCIDs take turns */
	uint64_t other_cr3;
	uint64_t page[PAGES];
	Deed last_deed;
	uint64_t n_deed[N_DO], n_served[3], n_kind[M2D_OUT_PML_FULL + 1];
	bool verbose;
} Run;

/* Pages and rights that a change concerns. */
typedef struct {
	unsigned pages; /* bit for each of run->page */
	bool here;      /* in the address space in force */
	bool other;     /* in the other one */
	bool upper;     /* the entry points at a table for one of them */
	bool global;
	unsigned shift; /* the entry maps pages of 1 << shift bytes; 12 if it points at a table */
} Touched;

static void die(const Run *run, const char *what)
{
	fprintf(stderr, "%s on %s: %s; seed %" PRIu64 " epoch %" PRIu64 " case %u\n",
		run->mode->name, run->variant->machine, what, run->seed, run->epoch, run->i);
	ref_dump(&run->cpu, &(M2dAccess){0}, &(RefResult){0});
	exit(1);
}

static void must(const Run *run, M2dInsn insn, const char *what)
{
	if (insn != M2D_INSN_OK)
		die(run, what);
}

/* --- entering ----------------------------------------------------------------------------------
 */

static void enter(Run *run, unsigned tlb_control)
{
	must(run, m2d_vcpu_enter(run->vcpu, &run->cpu.regs, &run->cpu.nested, tlb_control),
	     "entry refused");
}

static void load_host(Run *run)
{
	const M2dNested *n = &run->cpu.nested;
	M2dRegs host = {
		.cr0 = M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP,
		.cr4 = M2D_CR4_PAE,
		.efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE,
	};

	m2d_vcpu_exit(run->vcpu);
	if (n->kind == M2D_NESTED_NPT) {
		host.cr4 = n->hcr4;
		host.efer = n->hefer;
	}
	m2d_vcpu_load_host(run->vcpu, &host);
}

/* Drop everything and put new registers in force. */
static void start_afresh(Run *run)
{
	M2dRegs plain = {
		.cr0 = M2D_CR0_PE | M2D_CR0_PG,
		.cr4 = M2D_CR4_PAE,
		.efer = M2D_EFER_LME | M2D_EFER_LMA,
	};

	load_host(run);
	if (!run->in_guest) {
		m2d_vcpu_load_host(run->vcpu, &plain);
		must(run, m2d_vcpu_mov_cr4(run->vcpu, plain.cr4 | M2D_CR4_PGE), "MOV CR4 refused");
		must(run, m2d_vcpu_mov_cr4(run->vcpu, plain.cr4), "MOV CR4 refused");
		m2d_vcpu_load_host(run->vcpu, &run->cpu.regs);
	} else if (run->mode->vendor == M2D_VENDOR_INTEL) {
		must(run, m2d_vcpu_invept(run->vcpu, 2, 0), "INVEPT refused");
		must(run, m2d_vcpu_invvpid(run->vcpu, 2, 0, M2D_GVA(0)), "INVVPID refused");
		enter(run, 0);
	} else {
		enter(run, 1);
	}
}

/* --- what a change concerns ---------------------------------------------------------------------
 */

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

/* --- invalidations ------------------------------------------------------------------------------
 */

static bool intel_pae(const Run *run)
{
	return run->mode->vendor == M2D_VENDOR_INTEL && run->mode->guest == FORMAT_PAE;
}

/* May @deed follow a change of a guest entry? */
static bool enough_for_guest(const Run *run, Deed deed, const Touched *t)
{
	bool intel = run->mode->vendor == M2D_VENDOR_INTEL, guest = run->in_guest;

	switch (deed) {
	case DO_INVLPG:
		return !t->other;
	case DO_INVPCID_ALL_GLOBAL:
		return true;
	case DO_INVPCID_ADDRESS: /* for each PCID concerned */
	case DO_INVPCID_CONTEXT:
	case DO_INVPCID_ALL:
		return !t->global;
	case DO_MOV_CR3: /* loads the PDPTEs again on Intel: another test */
		return !t->global && !t->other && !intel_pae(run);
	case DO_TOGGLE_PGE:
		return !intel_pae(run);
	case DO_INVVPID_ADDRESS:
	case DO_INVVPID_CONTEXT:
	case DO_INVVPID_ALL:
		return intel && guest;
	case DO_INVVPID_RETAIN:
		return intel && guest && !t->global;
	case DO_INVEPT_CONTEXT:
	case DO_INVEPT_ALL:
		return intel && run->cpu.nested.kind == M2D_NESTED_EPT;
	case DO_TLB_CONTROL_1:
	case DO_TLB_CONTROL_3:
		return !intel && guest;
	case DO_TLB_CONTROL_7:
		return !intel && guest && !t->global;
	case DO_INVLPGA: /* what it does to upper levels is left open */
		return !intel && guest && !t->upper && !t->other;
	case DO_INVLPGB:
		return !intel && guest;
	default:
		return false;
	}
}

/* May @deed follow a change of a nested entry? */
static bool enough_for_nested(const Run *run, Deed deed)
{
	switch (deed) {
	case DO_INVEPT_CONTEXT:
	case DO_INVEPT_ALL:
		return run->cpu.nested.kind == M2D_NESTED_EPT;
	case DO_TLB_CONTROL_1:
	case DO_TLB_CONTROL_3:
	case DO_INVLPGB_NESTED:
		return run->cpu.nested.kind == M2D_NESTED_NPT;
	default:
		return false;
	}
}

/* One of the instructions that @deed takes, for the page at @va where it names one. */
static M2dInsn execute(Run *run, Deed deed, const Touched *t, M2dGva va)
{
	M2dVcpu *v = run->vcpu;
	const M2dRegs *r = &run->cpu.regs;
	uint32_t tag = run->cpu.nested.tag;
	uint64_t pcid = (r->cr4 & M2D_CR4_PCIDE) ? r->cr3 & M2D_CR3_PCID : 0;
	uint64_t other = run->other_cr3 & M2D_CR3_PCID;
	M2dInsn insn = M2D_INSN_OK;

	switch (deed) {
	case DO_INVLPG:
		return m2d_vcpu_invlpg(v, va);
	case DO_INVPCID_ADDRESS:
	case DO_INVPCID_CONTEXT:
		if (t->here)
			insn = m2d_vcpu_invpcid(v, deed == DO_INVPCID_CONTEXT, pcid, va);
		if (t->other && insn == M2D_INSN_OK)
			insn = m2d_vcpu_invpcid(v, deed == DO_INVPCID_CONTEXT, other, va);
		return insn;
	case DO_INVPCID_ALL_GLOBAL:
		return m2d_vcpu_invpcid(v, 2, 0, M2D_GVA(0));
	case DO_INVPCID_ALL:
		return m2d_vcpu_invpcid(v, 3, 0, M2D_GVA(0));
	case DO_MOV_CR3:
		return m2d_vcpu_mov_cr3(v, r->cr3);
	case DO_TOGGLE_PGE:
		insn = m2d_vcpu_mov_cr4(v, r->cr4 ^ M2D_CR4_PGE);
		return insn == M2D_INSN_OK ? m2d_vcpu_mov_cr4(v, r->cr4) : insn;
	case DO_INVVPID_ADDRESS:
		return m2d_vcpu_invvpid(v, 0, tag, va);
	case DO_INVVPID_CONTEXT:
		return m2d_vcpu_invvpid(v, 1, tag, M2D_GVA(0));
	case DO_INVVPID_ALL:
		return m2d_vcpu_invvpid(v, 2, 0, M2D_GVA(0));
	case DO_INVVPID_RETAIN:
		return m2d_vcpu_invvpid(v, 3, tag, M2D_GVA(0));
	case DO_INVEPT_CONTEXT:
		return m2d_vcpu_invept(v, 1, run->cpu.nested.eptp);
	case DO_INVEPT_ALL:
		return m2d_vcpu_invept(v, 2, 0);
	case DO_INVLPGA:
		return m2d_vcpu_invlpga(v, va, tag);
	case DO_INVLPGB: /* address, ASID and global valid: any PCID */
		return m2d_vcpu_invlpgb(v, (va.v & ~UINT64_C(4095)) | 0xd, 0, tag);
	case DO_INVLPGB_NESTED: /* ASID and global valid, nested too */
		return m2d_vcpu_invlpgb(v, 0x2c, 0, tag);
	case DO_NOTHING:
	case DO_TLB_CONTROL_1: /* at the entry after */
	case DO_TLB_CONTROL_3:
	case DO_TLB_CONTROL_7:
	case N_DO:
		break;
	}
	return insn;
}

static void perform(Run *run, Deed deed, const Touched *t)
{
	bool from_host = deed >= DO_INVVPID_ADDRESS;
	bool by_page = deed == DO_INVLPG || deed == DO_INVPCID_ADDRESS ||
		       deed == DO_INVVPID_ADDRESS || deed == DO_INVLPGA || deed == DO_INVLPGB;

	if (from_host)
		load_host(run);
	for (unsigned p = 0; p < (by_page ? PAGES : 1); p++) {
		uint64_t va = run->page[p] | 0x800;
		bool again = false;

		if (by_page && !(t->pages >> p & 1))
			continue;
		if (deed == DO_INVLPG && t->shift > 12) {
			/* One address anywhere in a large page does for all of it, in however
			 * many pieces it is cached. */
			for (unsigned q = 0; q < p; q++)
				again |=
					(t->pages >> q & 1) && (run->page[q] ^ va) >> t->shift == 0;
			va = (va & ~m2d_low_mask(t->shift)) |
			     (m2d_rng_next(&run->pool->rng) & m2d_low_mask(t->shift));
		}
		if (!again)
			must(run, execute(run, deed, t, M2D_GVA(va)), deed_name[deed]);
	}
	if (deed == DO_INVLPGB || deed == DO_INVLPGB_NESTED)
		must(run, m2d_vcpu_tlbsync(run->vcpu), "TLBSYNC refused");
	if (from_host)
		enter(run, deed == DO_TLB_CONTROL_1   ? 1
			   : deed == DO_TLB_CONTROL_3 ? 3
			   : deed == DO_TLB_CONTROL_7 ? 7
						      : 0);
	run->n_deed[deed]++;
	run->last_deed = deed;
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
	while (s.nested ? !enough_for_nested(run, deed) : !enough_for_guest(run, deed, &t));
	perform(run, deed, &t);
}

/* --- registers that take effect without any invalidation ----------------------------------------
 */

static void change_rights(Run *run)
{
	Pool *pool = run->pool;
	M2dRegs *r = &run->cpu.regs;
	uint64_t cr4 = r->cr4 ^ (m2d_rng_next(&pool->rng) & (M2D_CR4_SMAP | M2D_CR4_PKE));

	if (!intel_pae(run) && pool_chance(pool, 300))
		cr4 ^= M2D_CR4_SMEP;
	switch (m2d_rng_below(&pool->rng, 3)) {
	case 0:
		r->cr0 ^= M2D_CR0_WP;
		must(run, m2d_vcpu_mov_cr0(run->vcpu, r->cr0), "MOV CR0 refused");
		break;
	case 1:
		r->cr4 = cr4;
		must(run, m2d_vcpu_mov_cr4(run->vcpu, r->cr4), "MOV CR4 refused");
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
	must(run, m2d_vcpu_mov_cr3(run->vcpu, cr3 | M2D_CR3_NOFLUSH), "MOV CR3 refused");
	run->other_cr3 = run->cpu.regs.cr3;
	run->cpu.regs.cr3 = cr3;
}

/* Leave and come back, with a drained log: neither drops anything under an own tag. */
static void exit_and_enter(Run *run)
{
	if (!run->in_guest)
		return;
	load_host(run);
	run->cpu.nested.pml_index = 511;
	enter(run, 0);
}

/* --- running ------------------------------------------------------------------------------------
 */

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
		run->in_guest ? "guest" : "host", deed_name[run->last_deed]);
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
				printf(" %s %" PRIu64, deed_name[d], run->n_deed[d]);
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
