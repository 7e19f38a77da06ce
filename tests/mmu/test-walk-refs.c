/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many table entries a walk reads: every combination of guest levels, nested levels and page
 * sizes, cold and with each caching structure warm, against the formula
 *
 *   refs = g + (tables reached through the second dimension) * n_tab + n_data
 *
 * with g guest entries read, n_tab and n_data nested entries read to reach a guest table and the
 * data. Cold, all g tables are reached that way; a paging-structure hit supplies the host address
 * of its table, so one fewer. With equal nested sizes this is (g + 1)(n + 1) - 1 cold and
 * g'(n + 1) after a hit that leaves g' levels.
 */
#include <check.h>
#include <stdio.h>

#include "sim/base/rng.h"
#include "tests/mmu/pages.h"

typedef struct {
	M2dVendor vendor;
	PagesGuest guest;
	PagesNested nested;
	M2dPageSize gsize; /* guest page */
	M2dPageSize table; /* nested pages under guest tables */
	M2dPageSize ndata; /* nested pages under data */
} Combo;

/* Levels of entries that a guest walk reads from memory when nothing is cached. */
static unsigned guest_top(const Combo *c)
{
	if (c->guest == GUEST_PAE && c->vendor == M2D_VENDOR_INTEL)
		return 2; /* PDPTEs are in registers */
	return pages_guest_levels(c->guest);
}

static unsigned guest_reads(const Combo *c)
{
	return c->guest == GUEST_OFF ? 0 : guest_top(c) - c->gsize;
}

static unsigned nested_reads(const Combo *c, M2dPageSize size)
{
	return c->nested == NESTED_OFF ? 0 : pages_nested_levels(c->nested) - size;
}

/* Largest page size of each mode. */
static M2dPageSize guest_max(PagesGuest g)
{
	return g == GUEST_OFF ? M2D_SIZE_4K : g <= GUEST_PAE ? M2D_SIZE_2M : M2D_SIZE_1G;
}

static M2dPageSize nested_max(PagesNested n)
{
	return n == NESTED_OFF ? M2D_SIZE_4K : n <= NPT_PAE ? M2D_SIZE_2M : M2D_SIZE_1G;
}

static unsigned n_combos;

static void foreach_combo(void (*fn)(const Combo *))
{
	n_combos = 0;
	for (int v = 0; v < 2; v++)
		for (int g = 0; g < N_GUESTS; g++)
			for (int n = 0; n < N_NESTEDS; n++) {
				bool intel = v == M2D_VENDOR_INTEL;

				if (n != NESTED_OFF && pages_is_npt((PagesNested)n) == intel)
					continue;
				for (unsigned gs = 0; gs <= guest_max((PagesGuest)g); gs++)
					for (unsigned t = 0; t <= nested_max((PagesNested)n); t++)
						for (unsigned d = 0;
						     d <= nested_max((PagesNested)n); d++) {
							Combo c = {(M2dVendor)v,   (PagesGuest)g,
								   (PagesNested)n, (M2dPageSize)gs,
								   (M2dPageSize)t, (M2dPageSize)d};

							fn(&c);
							n_combos++;
						}
			}
}

static const char *text(const Combo *c)
{
	static char s[128];

	snprintf(s, sizeof(s), "%s guest %s page %d nested %s tables %d data %d",
		 c->vendor == M2D_VENDOR_AMD ? "amd" : "intel", pages_guest_name[c->guest],
		 c->gsize, pages_nested_name[c->nested], c->table, c->ndata);
	return s;
}

/* One mapped address and one beside it at its last level, on another page of both dimensions. */
typedef struct {
	Pages p;
	uint64_t root;
	uint64_t va[2], gpa[2], leaf[2];
	unsigned gshift;
} World;

static uint64_t base_va(PagesGuest g)
{
	uint64_t va = UINT64_C(1) << 30 | 5 << 12 | 0x120;

	if (g == GUEST_32)
		return va | 3 << 22;
	va |= 3 << 21;
	if (g >= GUEST_4)
		va |= UINT64_C(0x22) << 39;
	if (g == GUEST_5)
		va |= UINT64_C(0x11) << 48;
	return va;
}

static void world_init(World *w, const Combo *c, M2dMachine *m)
{
	uint64_t place[2] = {2 * GIB, 0};
	M2dRegs regs;

	pages_init(&w->p, m, c->nested);
	w->p.table_size = c->table;
	w->root = c->guest == GUEST_OFF ? 0 : pages_new_table(&w->p);
	w->gshift = c->guest == GUEST_32 ? 12 + 10 * c->gsize : 12 + 9 * c->gsize;
	for (int i = 0; i < 2; i++) {
		uint64_t base = place[i];

		if (c->guest == GUEST_OFF) {
			w->gpa[i] = w->va[i] = base + 0x805120;
		} else {
			w->va[i] = base_va(c->guest) ^ (uint64_t)i << w->gshift;
			base += c->gsize == M2D_SIZE_4K ? 0x5000 : 0;
			base += c->gsize == M2D_SIZE_2M ? 0x800000 : 0;
			w->gpa[i] = base + (w->va[i] & m2d_low_mask(w->gshift));
			w->leaf[i] =
				pages_map(&w->p, c->guest, w->root, w->va[i], base, c->gsize, 0);
		}
		pages_nested_map(&w->p, w->gpa[i], c->ndata);
	}
	regs = pages_regs(&w->p, c->guest, w->root);
	pages_load(&w->p, &regs);
}

static unsigned access_refs(World *w, const Combo *c, int i, M2dAccKind kind)
{
	M2dOutcome out = pages_access(&w->p, w->va[i], kind, false);

	ck_assert_msg(out.kind == M2D_OUT_OK, "%s: outcome %d", text(c), out.kind);
	ck_assert_msg(out.hpa.v == pages_hpa(&w->p, w->gpa[i]), "%s: %lx, expected %lx", text(c),
		      (unsigned long)out.hpa.v, (unsigned long)pages_hpa(&w->p, w->gpa[i]));
	return out.refs;
}

/* --- cold ------------------------------------------------------------------------------------- */

/* The order of Bhargava et al.: the nested walk of each guest table, its entry, then the data. */
static void check_order(World *w, const Combo *c, unsigned g, unsigned n_tab, unsigned n_data)
{
	const M2dWalkLog *log = &w->p.mmu->log;
	unsigned i = 0, top = guest_top(c);

	for (unsigned k = 0; k <= g; k++) {
		unsigned n = k < g ? n_tab : n_data, level = k < g ? top - k : 0;

		for (unsigned l = 0; l < n; l++, i++) {
			ck_assert_int_eq(log->fetch[i].dimension, M2D_DIM_NESTED);
			ck_assert_int_eq(log->fetch[i].level, pages_nested_levels(c->nested) - l);
			ck_assert_int_eq(log->fetch[i].guest_level, level);
		}
		if (k < g) {
			ck_assert_int_eq(log->fetch[i].dimension, M2D_DIM_GUEST);
			ck_assert_int_eq(log->fetch[i].level, level);
			i++;
		}
	}
	ck_assert_uint_eq(i, log->n);
}

static void cold(const Combo *c)
{
	unsigned g = guest_reads(c), nt = nested_reads(c, c->table), nd = nested_reads(c, c->ndata);
	unsigned expect = g + g * nt + nd, refs;
	M2dPageSize size = c->guest == GUEST_OFF ? c->ndata : c->gsize;
	World w;

	world_init(&w, c, pages_machine(c->vendor));
	for (int again = 0; again < 2; again++) {
		refs = access_refs(&w, c, 0, M2D_ACC_READ);
		ck_assert_msg(refs == expect, "%s: %u refs, expected %u", text(c), refs, expect);
		check_order(&w, c, g, nt, nd);
	}
	ck_assert_uint_eq(w.p.mmu->stats.c.guest_entries, 2 * g);
	ck_assert_uint_eq(w.p.mmu->stats.c.nested_entries, 2 * (expect - g));
	if (c->nested != NESTED_OFF && c->ndata < size)
		size = c->ndata;
	if (c->guest != GUEST_OFF || c->nested != NESTED_OFF)
		ck_assert_int_eq(m2d_vcpu_last(w.p.vcpu)->size, size);
	pages_clear(&w.p);
}

START_TEST(cold_walks)
{
	foreach_combo(cold);
	/* Intel: 5 guests x 3 nestings; AMD: 5 x 5, times their page sizes. */
	ck_assert_uint_eq(n_combos, 11 * (1 + 9 + 9) + 11 * (1 + 4 + 4 + 9 + 9));
}
END_TEST

/* The literal tables of the literature, so that the formula itself cannot drift. */
START_TEST(literal_tables)
{
	static const struct {
		PagesGuest g;
		PagesNested n;
		unsigned refs[3][3]; /* guest size, nested size */
	} rows[] = {
		{GUEST_4, NPT_4, {{24, 19, 14}, {19, 15, 11}, {14, 11, 8}}},
		{GUEST_4, NPT_5, {{29, 24, 19}, {23, 19, 15}, {17, 14, 11}}},
		{GUEST_5, NPT_4, {{29, 23, 17}, {24, 19, 14}, {19, 15, 11}}},
		{GUEST_5, NPT_5, {{35, 29, 23}, {29, 24, 19}, {23, 19, 15}}},
		{GUEST_4, EPT_4, {{24, 19, 14}, {19, 15, 11}, {14, 11, 8}}},
		{GUEST_4, EPT_5, {{29, 24, 19}, {23, 19, 15}, {17, 14, 11}}},
		{GUEST_5, EPT_4, {{29, 23, 17}, {24, 19, 14}, {19, 15, 11}}},
		{GUEST_5, EPT_5, {{35, 29, 23}, {29, 24, 19}, {23, 19, 15}}},
	};
	static const struct {
		PagesGuest g;
		PagesNested n;
		unsigned refs;
	} singles[] = {
		{GUEST_OFF, NPT_4, 4},  {GUEST_OFF, EPT_5, 5},    {GUEST_OFF, NESTED_OFF, 0},
		{GUEST_32, NPT_4, 14},  {GUEST_32, EPT_4, 14},    {GUEST_PAE, EPT_4, 14},
		{GUEST_PAE, NPT_4, 19}, {GUEST_4, NESTED_OFF, 4}, {GUEST_5, NESTED_OFF, 5},
		{GUEST_32, NPT_32, 8},  {GUEST_4, NPT_PAE, 19},
	};
	World w;

	for (size_t r = 0; r < G_N_ELEMENTS(rows); r++)
		for (unsigned gs = 0; gs < 3; gs++)
			for (unsigned ns = 0; ns < 3; ns++) {
				Combo c = {pages_is_npt(rows[r].n) ? M2D_VENDOR_AMD
								   : M2D_VENDOR_INTEL,
					   rows[r].g,
					   rows[r].n,
					   (M2dPageSize)gs,
					   (M2dPageSize)ns,
					   (M2dPageSize)ns};

				world_init(&w, &c, pages_machine(c.vendor));
				ck_assert_uint_eq(access_refs(&w, &c, 0, M2D_ACC_READ),
						  rows[r].refs[gs][ns]);
				pages_clear(&w.p);
			}
	for (size_t r = 0; r < G_N_ELEMENTS(singles); r++) {
		bool npt = pages_is_npt(singles[r].n);
		Combo c = {npt ? M2D_VENDOR_AMD : M2D_VENDOR_INTEL,
			   singles[r].g,
			   singles[r].n,
			   M2D_SIZE_4K,
			   M2D_SIZE_4K,
			   M2D_SIZE_4K};

		world_init(&w, &c, pages_machine(c.vendor));
		ck_assert_uint_eq(access_refs(&w, &c, 0, M2D_ACC_READ), singles[r].refs);
		pages_clear(&w.p);
	}
}
END_TEST

/* --- paging-structure caches ------------------------------------------------------------------ */

static const char *const psc_key[M2D_PSC_LEVELS] = {"pde", "pdpte", "pml4", "pml5"};

static void set_psc(M2dMachine *m, const char *section, int level)
{
	char s[64];

	snprintf(s, sizeof(s), "%s.%s=32/full", section, psc_key[level]);
	pages_set(m, s);
}

/* Does a walk with top level @top and leaf level @leaf use a table entry that cache @p holds? */
static bool psc_applies(unsigned top, unsigned leaf, unsigned p)
{
	return p + 2 <= top && p + 2 > leaf;
}

static void warm_psc(const Combo *c)
{
	unsigned g = guest_reads(c), nt = nested_reads(c, c->table), nd = nested_reads(c, c->ndata);
	unsigned leaf = c->gsize + 1u;

	for (unsigned p = 0; p < M2D_PSC_LEVELS; p++) {
		bool hit = c->guest != GUEST_OFF && psc_applies(guest_top(c), leaf, p);
		unsigned left = p + 2 - leaf, expect = g + g * nt + nd, refs;
		M2dMachine *m = pages_machine(c->vendor);
		World w;

		set_psc(m, "psc", (int)p);
		world_init(&w, c, m);
		refs = access_refs(&w, c, 0, M2D_ACC_READ);
		ck_assert_msg(refs == expect, "%s psc %s cold: %u refs, expected %u", text(c),
			      psc_key[p], refs, expect);
		if (hit)
			expect = left + (left - 1) * nt + nd;
		if (hit && c->table == c->ndata)
			ck_assert_uint_eq(expect, left * (nt + 1));
		for (int i = 1; i >= 0; i--) { /* the neighbour shares all tables */
			refs = access_refs(&w, c, i, M2D_ACC_READ);
			ck_assert_msg(refs == expect, "%s psc %s: %u refs, expected %u", text(c),
				      psc_key[p], refs, expect);
		}
		ck_assert_uint_eq(w.p.mmu->stats.c.psc_hits, hit ? 2 : 0);
		pages_clear(&w.p);
	}
}

START_TEST(psc_hits)
{
	foreach_combo(warm_psc);
}
END_TEST

static void warm_npsc(const Combo *c)
{
	unsigned g = guest_reads(c);

	if (c->nested == NESTED_OFF)
		return;
	for (unsigned p = 0; p < M2D_PSC_LEVELS; p++) {
		unsigned top = pages_nested_levels(c->nested);
		unsigned nt = nested_reads(c, c->table), nd = nested_reads(c, c->ndata), refs;
		M2dMachine *m = pages_machine(c->vendor);
		World w;

		set_psc(m, "npsc", (int)p);
		world_init(&w, c, m);
		access_refs(&w, c, 0, M2D_ACC_READ);
		if (psc_applies(top, c->table + 1u, p))
			nt = p + 1 - c->table;
		if (psc_applies(top, c->ndata + 1u, p))
			nd = p + 1 - c->ndata;
		refs = access_refs(&w, c, 0, M2D_ACC_READ);
		ck_assert_msg(refs == g + g * nt + nd, "%s npsc %s: %u refs, expected %u", text(c),
			      psc_key[p], refs, g + g * nt + nd);
		pages_clear(&w.p);
	}
}

START_TEST(npsc_hits)
{
	foreach_combo(warm_npsc);
}
END_TEST

/* --- nested TLB, TLB, both -------------------------------------------------------------------- */

static void warm_ntlb(const Combo *c)
{
	unsigned g = guest_reads(c), nd = nested_reads(c, c->ndata), refs;
	M2dMachine *m = pages_machine(c->vendor);
	World w;

	if (c->nested == NESTED_OFF) {
		m2d_machine_free(m);
		return;
	}
	pages_set(m, "ntlb.size=64/full");
	world_init(&w, c, m);
	access_refs(&w, c, 0, M2D_ACC_READ);
	refs = access_refs(&w, c, 1, M2D_ACC_READ);
	ck_assert_msg(refs == g + nd, "%s ntlb without data: %u refs, expected %u", text(c), refs,
		      g + nd);
	for (int i = 0; i < 2; i++) {
		refs = access_refs(&w, c, i, M2D_ACC_READ);
		ck_assert_msg(refs == g, "%s ntlb: %u refs, expected %u", text(c), refs, g);
	}
	pages_clear(&w.p);
}

START_TEST(ntlb_hits)
{
	foreach_combo(warm_ntlb);
}
END_TEST

static void warm_tlb(const Combo *c)
{
	bool translates = c->guest != GUEST_OFF || c->nested != NESTED_OFF;
	unsigned g = guest_reads(c), nt = nested_reads(c, c->table), nd = nested_reads(c, c->ndata);
	M2dMachine *m = pages_machine(c->vendor);
	unsigned full = g + g * nt + nd, refs;
	World w;

	pages_set(m, "tlb.l1d.unified=16/full");
	world_init(&w, c, m);
	ck_assert_uint_eq(access_refs(&w, c, 0, M2D_ACC_READ), full);
	ck_assert_uint_eq(access_refs(&w, c, 0, M2D_ACC_READ), 0);
	/* A clean entry does not serve a store: one whole walk, which sets D in both dimensions. */
	refs = access_refs(&w, c, 0, M2D_ACC_WRITE);
	ck_assert_msg(refs == full, "%s dirty: %u refs, expected %u", text(c), refs, full);
	ck_assert_uint_eq(w.p.mmu->stats.c.d_assists, translates ? 1 : 0);
	if (c->guest != GUEST_OFF)
		ck_assert_uint_eq(m2d_space_read32(w.p.space, M2D_HPA(w.leaf[0])) & 0x60, 0x60);
	if (c->nested != NESTED_OFF) {
		uint64_t e = pages_nested_entry(&w.p, w.gpa[0], c->ndata + 1u);
		uint32_t ad = pages_is_npt(c->nested) ? 0x60 : 0x300;

		ck_assert_uint_eq(m2d_space_read32(w.p.space, M2D_HPA(e)) & ad, ad);
	}
	ck_assert_uint_eq(access_refs(&w, c, 0, M2D_ACC_WRITE), 0);
	ck_assert_uint_eq(access_refs(&w, c, 0, M2D_ACC_READ), 0);
	ck_assert_uint_eq(w.p.mmu->stats.c.d_assists, translates ? 1 : 0);
	/* Not the instruction side. */
	ck_assert_uint_eq(access_refs(&w, c, 0, M2D_ACC_FETCH), full);
	pages_clear(&w.p);
}

START_TEST(tlb_hits)
{
	foreach_combo(warm_tlb);
}
END_TEST

/* Without the translation but with everything above it: one guest entry and the nested leaf. */
static void warm_all_but_tlb(const Combo *c)
{
	bool nested = c->nested != NESTED_OFF;

	if (c->guest == GUEST_OFF)
		return;
	for (int ntlb = 0; ntlb < 2; ntlb++) {
		M2dMachine *m = pages_machine(c->vendor);
		M2dKill leaves = {.kinds = M2D_KINDS_LINEAR, .upper = M2D_UPPER_NONE};
		unsigned refs, steps = 1;
		World w;

		pages_set(m, "tlb.l1d.unified=16/full");
		pages_set(m, "tlb.l2=64/full");
		for (int p = 0; p < M2D_PSC_LEVELS; p++) {
			set_psc(m, "psc", p);
			set_psc(m, "npsc", p);
		}
		if (ntlb)
			pages_set(m, "ntlb.size=64/full");
		world_init(&w, c, m);
		access_refs(&w, c, 0, M2D_ACC_READ);
		m2d_tlb_kill(&w.p.mmu->tlb, &leaves);
		refs = access_refs(&w, c, 0, M2D_ACC_READ);
		/* A leaf in the top table has nothing above it to be cached, so that table must be
		 * reached again; otherwise only the data's nested leaf is missing. */
		if (nested && !ntlb)
			steps += guest_reads(c) == 1 ? 2 : 1;
		ck_assert_msg(refs == steps,
			      "%s only leaves missing, ntlb %d: %u refs, expected %u", text(c),
			      ntlb, refs, steps);
		pages_clear(&w.p);
	}
}

START_TEST(leaves_only)
{
	foreach_combo(warm_all_but_tlb);
}
END_TEST

/* --- fills ------------------------------------------------------------------------------------ */

static unsigned psc_items(const Pages *p, unsigned level)
{
	return (unsigned)*p->mmu->tlb.array[M2D_ARR_PSC_PDE + level].n_valid;
}

/* A walk that hits at one level fills exactly the levels below. */
static void fills(const Combo *c)
{
	unsigned top = guest_top(c), leaf = c->gsize + 1u, index = c->guest == GUEST_32 ? 10 : 9;

	if (c->guest == GUEST_OFF)
		return;
	for (unsigned split = leaf; split <= top; split++) {
		M2dMachine *m = pages_machine(c->vendor);
		unsigned before[M2D_PSC_LEVELS];
		uint64_t va2;
		World w;

		for (int p = 0; p < M2D_PSC_LEVELS; p++)
			set_psc(m, "psc", p);
		world_init(&w, c, m);
		/* An address whose walk leaves the first one's at level @split. */
		va2 = w.va[0] ^ UINT64_C(2) << (12 + index * (split - 1));
		pages_map(&w.p, c->guest, w.root, va2, w.gpa[0] & ~m2d_low_mask(w.gshift), c->gsize,
			  0);
		access_refs(&w, c, 0, M2D_ACC_READ);
		for (unsigned p = 0; p < M2D_PSC_LEVELS; p++) {
			before[p] = psc_items(&w.p, p);
			ck_assert_msg(before[p] == psc_applies(top, leaf, p), "%s fill of %s: %u",
				      text(c), psc_key[p], before[p]);
		}
		ck_assert_int_eq(pages_access(&w.p, va2, M2D_ACC_READ, false).kind, M2D_OUT_OK);
		ck_assert_uint_eq(w.p.mmu->stats.c.psc_hits, split < top);
		for (unsigned p = 0; p < M2D_PSC_LEVELS; p++) {
			/* The entry at level p + 2 was read if it is at or below the split. */
			bool filled = psc_applies(top, leaf, p) && p + 2 <= split;

			ck_assert_msg(psc_items(&w.p, p) == before[p] + filled,
				      "%s split at %u: %s has %u", text(c), split, psc_key[p],
				      psc_items(&w.p, p));
		}
		pages_clear(&w.p);
	}
}

START_TEST(exact_fills)
{
	foreach_combo(fills);
}
END_TEST

/* --- metamorphic ------------------------------------------------------------------------------ */

#define TRACE_PAGES 96
#define TRACE_REFS  3000

/* Entries read by one random trace on a machine with one more setting. */
static uint64_t trace_refs(PagesNested nested, const char *setting)
{
	M2dMachine *m = pages_machine(pages_is_npt(nested) ? M2D_VENDOR_AMD : M2D_VENDOR_INTEL);
	uint64_t root, refs = 0;
	M2dRegs regs;
	M2dRng rng;
	Pages p;

	if (setting != NULL)
		pages_set(m, setting);
	pages_init(&p, m, nested);
	root = pages_new_table(&p);
	/* Pages spread over several tables of each level. */
	for (uint64_t i = 0; i < TRACE_PAGES; i++) {
		uint64_t va = (i % 3) << 39 | (i / 3 % 2) << 30 | (i / 6 % 4) << 21 | i << 12;

		pages_nested_map(&p, 2 * GIB + i * 4096, M2D_SIZE_4K);
		pages_map(&p, GUEST_4, root, va, 2 * GIB + i * 4096, M2D_SIZE_4K, 0);
	}
	regs = pages_regs(&p, GUEST_4, root);
	pages_load(&p, &regs);
	m2d_rng_seed(&rng, 7);
	for (int r = 0; r < TRACE_REFS; r++) {
		uint64_t a = m2d_rng_below(&rng, TRACE_PAGES), b = m2d_rng_below(&rng, TRACE_PAGES);
		uint64_t i = MIN(a, b); /* some pages more often than others */
		uint64_t va = (i % 3) << 39 | (i / 3 % 2) << 30 | (i / 6 % 4) << 21 | i << 12;
		M2dAccKind kind = m2d_rng_below(&rng, 4) == 0 ? M2D_ACC_WRITE : M2D_ACC_READ;
		M2dOutcome out = pages_access(&p, va, kind, false);

		ck_assert_int_eq(out.kind, M2D_OUT_OK);
		refs += out.refs;
	}
	pages_clear(&p);
	return refs;
}

START_TEST(monotone)
{
	static const char *const caches[] = {
		"tlb.l1d.unified", "tlb.l1d.4k", "psc.pde",   "psc.pdpte", "psc.pml4",
		"npsc.pde",        "npsc.pdpte", "npsc.pml4", "ntlb.size",
	};
	static const PagesNested nestings[] = {NESTED_OFF, NPT_4, EPT_4};

	for (size_t n = 0; n < G_N_ELEMENTS(nestings); n++) {
		uint64_t none = trace_refs(nestings[n], NULL);

		ck_assert_uint_eq(none, TRACE_REFS * (nestings[n] == NESTED_OFF ? 4u : 24u));
		for (size_t c = 0; c < G_N_ELEMENTS(caches); c++) {
			uint64_t last = none;
			bool nested = g_str_has_prefix(caches[c], "n");

			for (unsigned size = 1; size <= 128; size *= 2) {
				char s[64];
				uint64_t refs;

				snprintf(s, sizeof(s), "%s=%u/full", caches[c], size);
				refs = trace_refs(nestings[n], s);
				ck_assert_msg(refs <= last, "%s over %s: %lu refs, %lu with half",
					      s, pages_nested_name[nestings[n]],
					      (unsigned long)refs, (unsigned long)last);
				last = refs;
			}
			/* 128 entries hold all of it: the cache must have served something. */
			ck_assert(last < none || (nested && nestings[n] == NESTED_OFF));
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("walk-refs");
	TCase *t = tcase_create("walk-refs");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, cold_walks);
	tcase_add_test(t, literal_tables);
	tcase_add_test(t, psc_hits);
	tcase_add_test(t, npsc_hits);
	tcase_add_test(t, ntlb_hits);
	tcase_add_test(t, tlb_hits);
	tcase_add_test(t, leaves_only);
	tcase_add_test(t, exact_fills);
	tcase_add_test(t, monotone);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
