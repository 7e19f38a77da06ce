/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest model and host map. A walk written apart from the builder reads the entries from memory
 * and must reach what the models say; shares are kept, sizes do not depend on the order of the
 * faults, rights and tags are those of a real system, and memory that runs out is an answer.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/base/rng.h"
#include "sim/replay/guestos.h"

static M2dWorld *world_make(M2dVendor vendor, unsigned maxphyaddr)
{
	M2dMachine *machine = g_new0(M2dMachine, 1);

	machine->vendor = vendor;
	machine->maxphyaddr = maxphyaddr;
	return m2d_world_new(machine, UINT64_C(8) << 30, NULL);
}

/* An assertion that costs nothing while it holds: these run for every entry of every walk. */
#define EXPECT_EQ(a, b)                                                                            \
	do {                                                                                       \
		if ((uint64_t)(a) != (uint64_t)(b))                                                \
			ck_abort_msg("%s is not %s", #a, #b);                                      \
	} while (0)

/* Walk nested tables from the M2dNested alone; false if @gpa is not mapped. */
static bool walk_nested(const M2dSpace *space, const M2dNested *n, uint64_t gpa, uint64_t *hpa,
			unsigned *leaf_level)
{
	bool ept = n->kind == M2D_NESTED_EPT;
	unsigned levels = ept ? (n->eptp >> 3 & 7) + 1 : n->hcr4 & M2D_CR4_LA57 ? 5 : 4;
	uint64_t table = (ept ? n->eptp : n->ncr3) & UINT64_C(0xffffffffff000);

	for (unsigned level = levels; level >= 1; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t e = m2d_space_read64(space, M2D_HPA(table + (gpa >> shift & 511) * 8));
		bool leaf = level == 1 || (e & 0x80) != 0;

		if ((e & 7) == 0)
			return false;
		EXPECT_EQ(e & 7, 7);     /* P, R/W, U/S; or R, W, X */
		EXPECT_EQ(e & 0xf00, 0); /* neither accessed nor dirty nor global */
		EXPECT_EQ(e >> 52, 0);
		EXPECT_EQ(e >> 7 & 1, leaf && level > 1);
		if (ept) /* memory type: write-back in a leaf, reserved in a table entry */
			EXPECT_EQ(e >> 3 & 0xf, leaf ? 6 : 0);
		else
			EXPECT_EQ(e & 0x78, 0);
		table = e & UINT64_C(0xffffffffff000);
		if (leaf) {
			EXPECT_EQ(level <= 3, true);
			/* Address bits below the page size are reserved. */
			EXPECT_EQ(table & ((UINT64_C(1) << shift) - 1), 0);
			*hpa = table | (gpa & ((UINT64_C(1) << shift) - 1));
			*leaf_level = level;
			return true;
		}
	}
	return false;
}

typedef struct {
	const M2dSpace *space;
	const M2dNested *nested; /* NULL: native */
} Dimension;

static uint64_t guest_read(const Dimension *d, uint64_t gpa, unsigned size)
{
	uint64_t hpa = gpa;
	unsigned level;

	/* Guest memory that the host does not back yet is zero. */
	if (d->nested != NULL && !walk_nested(d->space, d->nested, gpa, &hpa, &level))
		return 0;
	return size == 8 ? m2d_space_read64(d->space, M2D_HPA(hpa))
			 : m2d_space_read32(d->space, M2D_HPA(hpa));
}

/* Walk a guest's tables from its registers alone. */
static bool walk_guest(const Dimension *d, const M2dRegs *r, uint64_t gva, uint64_t *gpa,
		       unsigned *leaf_level, bool *user, bool *global)
{
	bool lma = r->efer & M2D_EFER_LMA, pae = r->cr4 & M2D_CR4_PAE;
	unsigned levels = lma ? (r->cr4 & M2D_CR4_LA57 ? 5 : 4) : pae ? 3 : 2;
	unsigned size = pae ? 8 : 4, bits = pae ? 9 : 10;
	uint64_t table = r->cr3 & (lma ? UINT64_C(0xffffffffff000) : UINT64_C(0xffffffe0));

	*user = true;
	for (unsigned level = levels; level >= 1; level--) {
		unsigned shift = 12 + bits * (level - 1);
		uint64_t i = gva >> shift & ((1u << bits) - 1);
		uint64_t e = guest_read(d, table + i * size, size);
		bool leaf = level == 1 || (e & 0x80) != 0;

		if ((e & 1) == 0)
			return false;
		if (!lma && pae && level == 3) {
			EXPECT_EQ(e & 0xffe, 0); /* a PDPTE knows no rights */
		} else {
			EXPECT_EQ(e & 2, 2);
			*user = *user && (e & 4) != 0;
			EXPECT_EQ(e & 0x78, 0); /* no PWT, PCD, A, D */
		}
		EXPECT_EQ(e >> 52, 0);
		EXPECT_EQ(e >> 7 & 1, leaf && level > 1);
		if (!leaf)
			EXPECT_EQ(e & 0x100, 0);
		*global = (e & 0x100) != 0;
		table = e & UINT64_C(0xffffffffff000);
		if (leaf) {
			EXPECT_EQ(table & ((UINT64_C(1) << shift) - 1), 0);
			*gpa = table | (gva & ((UINT64_C(1) << shift) - 1));
			*leaf_level = level;
			return true;
		}
	}
	return false;
}

static uint64_t random_user(M2dRng *rng, const M2dGuestosConfig *c)
{
	/* Clustered and spread addresses, so that tables are shared and not. */
	uint64_t top = c->paging == M2D_GUESTOS_4LEVEL   ? UINT64_C(1) << 47
		       : c->paging == M2D_GUESTOS_5LEVEL ? UINT64_C(1) << 56
							 : UINT64_C(0xc0000000);
	uint64_t base = m2d_rng_below(rng, 4) * (top / 5);

	return m2d_rng_below(rng, 3) == 0 ? m2d_rng_below(rng, top)
					  : base + m2d_rng_below(rng, UINT64_C(64) << 20);
}

static uint64_t random_kernel(M2dRng *rng, const M2dGuestosConfig *c)
{
	if (c->paging == M2D_GUESTOS_PAE || c->paging == M2D_GUESTOS_32BIT)
		return UINT64_C(0xc0000000) + m2d_rng_below(rng, UINT64_C(1) << 30);
	return UINT64_C(0xffff888000000000) + m2d_rng_below(rng, UINT64_C(64) << 30);
}

/* One case of the matrix below. */
typedef struct {
	M2dNestedKind kind;
	unsigned host_levels;
	M2dGuestosPaging paging;
	double shares[4]; /* guest 2M, 1G; host 2M, 1G */
	double scatter;
} Case;

static const Case cases[] = {
	{M2D_NESTED_NONE, 4, M2D_GUESTOS_4LEVEL, {0, 0, 0, 0}, 0},
	{M2D_NESTED_NONE, 4, M2D_GUESTOS_4LEVEL, {0.5, 0.1, 0, 0}, 0.5},
	{M2D_NESTED_NONE, 4, M2D_GUESTOS_5LEVEL, {0.3, 0, 0, 0}, 1},
	{M2D_NESTED_NONE, 4, M2D_GUESTOS_PAE, {0.4, 0, 0, 0}, 0.2},
	{M2D_NESTED_NONE, 4, M2D_GUESTOS_32BIT, {0, 0, 0, 0}, 0.2},
	{M2D_NESTED_NPT, 4, M2D_GUESTOS_4LEVEL, {0.5, 0, 0.5, 0}, 0.5},
	{M2D_NESTED_NPT, 5, M2D_GUESTOS_5LEVEL, {0.2, 0.1, 0.3, 0.3}, 0},
	{M2D_NESTED_NPT, 4, M2D_GUESTOS_PAE, {0.2, 0, 0, 0}, 1},
	{M2D_NESTED_NPT, 4, M2D_GUESTOS_32BIT, {0, 0, 1, 0}, 0},
	{M2D_NESTED_EPT, 4, M2D_GUESTOS_4LEVEL, {0, 0, 0, 1}, 0.5},
	{M2D_NESTED_EPT, 5, M2D_GUESTOS_5LEVEL, {0.5, 0.1, 0.5, 0.2}, 1},
	{M2D_NESTED_EPT, 4, M2D_GUESTOS_PAE, {0, 0, 0.5, 0}, 0},
};

START_TEST(test_walks)
{
	const Case *c = &cases[_i];
	M2dVendor vendor = c->kind == M2D_NESTED_EPT ? M2D_VENDOR_INTEL : M2D_VENDOR_AMD;
	g_autoptr(M2dWorld) world = world_make(vendor, 46);
	g_autoptr(M2dHostmap) host = NULL;
	g_autoptr(M2dGuestos) os = NULL;
	g_autoptr(GHashTable) pages = g_hash_table_new(g_direct_hash, g_direct_equal);
	M2dHostmapConfig hc;
	M2dGuestosConfig gc;
	M2dNested nested = {.tag = 77};
	Dimension d = {m2d_world_space(world), NULL};
	M2dRegs regs[3];
	M2dRng rng;

	m2d_hostmap_config_init(&hc);
	hc.levels = c->host_levels;
	hc.share_2m = c->shares[2];
	hc.share_1g = c->shares[3];
	hc.scatter = c->scatter;
	hc.memory = UINT64_C(32) << 40; /* of 4 KiB pages only few are ever made */
	m2d_guestos_config_init(&gc);
	gc.paging = c->paging;
	gc.share_2m = c->shares[0];
	gc.share_1g = c->shares[1];
	gc.scatter = c->scatter;
	gc.memory = c->paging >= M2D_GUESTOS_PAE ? 0 : UINT64_C(8) << 40;
	if (c->kind != M2D_NESTED_NONE) {
		host = m2d_hostmap_new(world, c->kind, &hc, NULL);
		ck_assert_ptr_nonnull(host);
		m2d_hostmap_nested(host, &nested);
		ck_assert_uint_eq(nested.tag, 77);
		ck_assert_uint_eq(nested.kind, c->kind);
		d.nested = &nested;
	}
	os = m2d_guestos_new(world, host, &gc, NULL);
	ck_assert_ptr_nonnull(os);
	for (uint64_t p = 0; p < 3; p++)
		ck_assert(m2d_guestos_regs(os, p * 100, &regs[p], NULL));
	if (host != NULL) {
		uint64_t taken = m2d_hostmap_taken(host);
		M2dPageSize size;
		M2dGpa gpa;

		ck_assert(!m2d_guestos_find(os, 0, M2D_GVA(0), &gpa, &size));
		ck_assert_uint_eq(m2d_hostmap_taken(host), taken);
	}
	m2d_rng_seed(&rng, (uint64_t)_i);
	for (unsigned step = 0; step < 1500; step++) {
		uint64_t p = m2d_rng_below(&rng, 3);
		bool kernel = m2d_rng_below(&rng, 4) == 0, user = false, global = false, before,
		     found;
		uint64_t gva = kernel ? random_kernel(&rng, &gc) : random_user(&rng, &gc);
		uint64_t gpa, hpa;
		M2dGpa model_gpa;
		M2dHpa model_hpa;
		M2dPageSize size;
		uint64_t used = m2d_world_arena(world)->used;
		unsigned level;

		before = walk_guest(&d, &regs[p], gva, &gpa, &level, &user, &global);
		found = m2d_guestos_find(os, p * 100, M2D_GVA(gva), &model_gpa, &size);
		/* A kernel page may be mapped for another process only. */
		ck_assert(before == found || (kernel && found));
		/* Looking made nothing. */
		ck_assert_uint_eq(m2d_world_arena(world)->used, used);
		ck_assert_uint_eq(m2d_guestos_fault(os, p * 100, M2D_GVA(gva), !kernel),
				  before ? M2D_GUESTOS_PRESENT : M2D_GUESTOS_MAPPED);
		ck_assert(walk_guest(&d, &regs[p], gva, &gpa, &level, &user, &global));
		ck_assert(m2d_guestos_find(os, p * 100, M2D_GVA(gva), &model_gpa, &size));
		ck_assert_uint_eq(gpa, model_gpa.v);
		ck_assert_uint_eq(level, (unsigned)size + 1);
		ck_assert(user == !kernel);
		ck_assert(global == kernel);
		ck_assert_uint_eq(m2d_guestos_fault(os, p * 100, M2D_GVA(gva), !kernel),
				  M2D_GUESTOS_PRESENT);
		/* No two linear pages share memory, but for the kernel's in all processes. */
		if (!before) {
			gpointer key = GSIZE_TO_POINTER(gpa >> 12);
			uint64_t owner = kernel ? 4 : p + 1, old;

			old = GPOINTER_TO_SIZE(g_hash_table_lookup(pages, key));
			ck_assert(old == 0 || (kernel && old == owner));
			g_hash_table_insert(pages, key, GSIZE_TO_POINTER(owner));
		}
		if (host == NULL)
			continue;
		/* The second dimension, on demand as a nested page fault would ask for it. */
		if (!walk_nested(d.space, &nested, gpa, &hpa, &level))
			ck_assert(m2d_hostmap_fault(host, M2D_GPA(gpa), NULL));
		ck_assert(walk_nested(d.space, &nested, gpa, &hpa, &level));
		ck_assert(m2d_hostmap_find(host, M2D_GPA(gpa), &model_hpa, &size));
		ck_assert_uint_eq(hpa, model_hpa.v);
		ck_assert_uint_eq(level, (unsigned)size + 1);
		ck_assert(m2d_hostmap_translate(host, M2D_GPA(gpa), &model_hpa));
		ck_assert_uint_eq(hpa, model_hpa.v);
		ck_assert(!m2d_hostmap_fault(host, M2D_GPA(gpa), NULL));
	}
}
END_TEST

START_TEST(test_registers)
{
	g_autoptr(M2dWorld) world = world_make(M2D_VENDOR_INTEL, 46);
	g_autoptr(GError) error = NULL;
	M2dGuestosConfig gc;
	M2dRegs a, b;

	m2d_guestos_config_init(&gc);
	{
		g_autoptr(M2dGuestos) os = m2d_guestos_new(world, NULL, &gc, NULL);

		ck_assert(m2d_guestos_regs(os, 0, &a, NULL) && m2d_guestos_regs(os, 41, &b, NULL));
		ck_assert_uint_eq(a.cr3 & 0xfff, 1);
		ck_assert_uint_eq(b.cr3 & 0xfff, 42);
		ck_assert_uint_ne(a.cr3 >> 12, b.cr3 >> 12);
		ck_assert_uint_eq(a.cr0, M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP);
		ck_assert_uint_eq(a.cr4, M2D_CR4_PAE | M2D_CR4_PGE | M2D_CR4_PCIDE);
		ck_assert_uint_eq(a.efer, M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE);
		ck_assert(m2d_guestos_regs(os, 0, &b, NULL));
		ck_assert_uint_eq(a.cr3, b.cr3);
		ck_assert(!m2d_guestos_regs(os, M2D_GUESTOS_PROCESSES, &b, &error));
		ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
		/* Addresses nobody can map. */
		ck_assert_uint_eq(m2d_guestos_fault(os, 0, M2D_GVA(UINT64_C(1) << 47), false),
				  M2D_GUESTOS_BAD_ADDRESS);
		ck_assert_uint_eq(m2d_guestos_fault(os, 0, M2D_GVA(UINT64_C(1) << 63), false),
				  M2D_GUESTOS_BAD_ADDRESS);
		ck_assert_uint_eq(
			m2d_guestos_fault(os, 0, M2D_GVA(UINT64_C(0xffff800000000000)), true),
			M2D_GUESTOS_DENIED);
	}
	gc.pcid = gc.global = false;
	gc.paging = M2D_GUESTOS_PAE;
	{
		g_autoptr(M2dGuestos) os = m2d_guestos_new(world, NULL, &gc, NULL);

		ck_assert(m2d_guestos_regs(os, 0, &a, NULL) && m2d_guestos_regs(os, 1, &b, NULL));
		ck_assert_uint_eq(a.cr4, M2D_CR4_PAE);
		ck_assert_uint_eq(a.efer, M2D_EFER_NXE);
		ck_assert_uint_eq(a.cr3 & 0x1f, 0);
		ck_assert_uint_lt(a.cr3, UINT64_C(1) << 32);
		for (unsigned i = 0; i < 4; i++) {
			ck_assert_uint_eq(
				m2d_space_read64(m2d_world_space(world), M2D_HPA(a.cr3 + 8 * i)),
				a.pdpte[i]);
			ck_assert_uint_eq(a.pdpte[i] & 0xfff, 1);
			ck_assert(i == 3 ? a.pdpte[i] == b.pdpte[i] : a.pdpte[i] != b.pdpte[i]);
		}
		ck_assert_uint_eq(m2d_guestos_fault(os, 0, M2D_GVA(UINT64_C(1) << 32), false),
				  M2D_GUESTOS_BAD_ADDRESS);
	}
}
END_TEST

/* EPTP: write-back, walk length, A/D as asked. */
START_TEST(test_eptp)
{
	g_autoptr(M2dWorld) world = world_make(M2D_VENDOR_INTEL, 46);
	M2dHostmapConfig hc;
	M2dNested nested = {0};

	m2d_hostmap_config_init(&hc);
	for (unsigned i = 0; i < 4; i++) {
		g_autoptr(M2dHostmap) host = NULL;

		hc.levels = 4 + i % 2;
		hc.ad = i >= 2;
		host = m2d_hostmap_new(world, M2D_NESTED_EPT, &hc, NULL);
		m2d_hostmap_nested(host, &nested);
		ck_assert_uint_eq(nested.eptp & 7, 6);
		ck_assert_uint_eq(nested.eptp >> 3 & 7, hc.levels - 1);
		ck_assert_uint_eq(nested.eptp >> 6 & 1, hc.ad);
		ck_assert_uint_eq(nested.eptp >> 7 & 0x1f, 0);
		ck_assert_uint_eq(m2d_hostmap_gpa_bits(host), 46);
	}
}
END_TEST

/* The share of regions with each size, within five standard deviations. */
START_TEST(test_shares)
{
	static const double shares[][2] = {{0.5, 0}, {0.1, 0.2}, {0, 0.5}, {0.3, 0.7}, {1, 0}};
	double s2m = shares[_i][0], s1g = shares[_i][1];
	g_autoptr(M2dWorld) world = world_make(M2D_VENDOR_AMD, 52);
	g_autoptr(M2dHostmap) host = NULL;
	M2dHostmapConfig hc;
	unsigned n[M2D_N_SIZES] = {0}, total = 4000;

	m2d_hostmap_config_init(&hc);
	hc.share_2m = s2m;
	hc.share_1g = s1g;
	hc.seed = 12345;
	hc.memory = UINT64_C(1) << 50;
	host = m2d_hostmap_new(world, M2D_NESTED_NPT, &hc, NULL);
	for (unsigned i = 0; i < total; i++) {
		M2dGpa gpa = M2D_GPA((uint64_t)i * ((UINT64_C(1) << 30) + (UINT64_C(6) << 20)));
		M2dPageSize size;
		M2dHpa hpa;

		ck_assert(m2d_hostmap_translate(host, gpa, &hpa));
		ck_assert(m2d_hostmap_find(host, gpa, &hpa, &size));
		n[size]++;
	}
	ck_assert(fabs(n[M2D_SIZE_1G] - s1g * total) <= 5 * sqrt(total * s1g * (1 - s1g)));
	ck_assert(fabs(n[M2D_SIZE_2M] - s2m * total) <= 5 * sqrt(total * s2m * (1 - s2m)));
}
END_TEST

/* Map the same pages in two orders: sizes agree; in one order: frames agree too. */
START_TEST(test_order)
{
	M2dWorld *w[3] = {world_make(M2D_VENDOR_AMD, 48), world_make(M2D_VENDOR_AMD, 48),
			  world_make(M2D_VENDOR_AMD, 48)};
	M2dHostmap *host[3];
	M2dGuestos *os[3];
	uint64_t gva[2000];
	M2dGuestosConfig gc;
	M2dHostmapConfig hc;
	M2dRng rng;
	unsigned moved = 0, large = 0;

	m2d_guestos_config_init(&gc);
	m2d_hostmap_config_init(&hc);
	gc.share_2m = hc.share_2m = 0.4;
	gc.share_1g = hc.share_1g = 0.1;
	gc.scatter = hc.scatter = 0.5;
	gc.memory = UINT64_C(4) << 40;
	hc.memory = UINT64_C(64) << 40;
	m2d_rng_seed(&rng, 2);
	for (unsigned i = 0; i < G_N_ELEMENTS(gva); i++)
		gva[i] = random_user(&rng, &gc);
	for (unsigned k = 0; k < 3; k++) {
		M2dRegs regs;

		host[k] = m2d_hostmap_new(w[k], M2D_NESTED_NPT, &hc, NULL);
		os[k] = m2d_guestos_new(w[k], host[k], &gc, NULL);
		ck_assert(m2d_guestos_regs(os[k], 0, &regs, NULL));
		for (unsigned i = 0; i < G_N_ELEMENTS(gva); i++) {
			unsigned at = k == 2 ? (unsigned)G_N_ELEMENTS(gva) - 1 - i : i;

			ck_assert_uint_le(m2d_guestos_fault(os[k], 0, M2D_GVA(gva[at]), true),
					  M2D_GUESTOS_PRESENT);
		}
	}
	ck_assert_uint_eq(m2d_world_arena(w[0])->used, m2d_world_arena(w[1])->used);
	ck_assert_uint_eq(m2d_arena_rehash(m2d_world_arena(w[0])),
			  m2d_arena_rehash(m2d_world_arena(w[1])));
	for (unsigned i = 0; i < G_N_ELEMENTS(gva); i++) {
		M2dGpa gpa[3];
		M2dPageSize size[3];

		for (unsigned k = 0; k < 3; k++)
			ck_assert(m2d_guestos_find(os[k], 0, M2D_GVA(gva[i]), &gpa[k], &size[k]));
		ck_assert_uint_eq(gpa[0].v, gpa[1].v);
		ck_assert_uint_eq(size[0], size[2]);
		moved += gpa[0].v != gpa[2].v;
		large += size[0] != M2D_SIZE_4K;
	}
	ck_assert_uint_gt(moved, 100); /* the reverse order really was another */
	ck_assert_uint_gt(large, 100);
	for (unsigned k = 0; k < 3; k++) {
		m2d_guestos_free(os[k]);
		m2d_hostmap_free(host[k]);
		m2d_world_free(w[k]);
	}
}
END_TEST

/* Memory that runs out: smaller pages serve first, then the fault says so. */
START_TEST(test_full)
{
	g_autoptr(M2dWorld) world = world_make(M2D_VENDOR_AMD, 46);
	g_autoptr(M2dGuestos) os = NULL;
	g_autoptr(M2dHostmap) host = NULL;
	g_autoptr(GError) error = NULL;
	M2dGuestosConfig gc;
	M2dHostmapConfig hc;
	M2dGuestosFault fault = M2D_GUESTOS_MAPPED;
	unsigned n[M2D_N_SIZES] = {0};
	M2dRegs regs;
	M2dHpa hpa;

	m2d_guestos_config_init(&gc);
	gc.memory = UINT64_C(64) << 20;
	gc.share_1g = 0.5;
	gc.share_2m = 0.5;
	os = m2d_guestos_new(world, NULL, &gc, NULL);
	ck_assert(m2d_guestos_regs(os, 0, &regs, NULL));
	for (uint64_t i = 0; fault != M2D_GUESTOS_NO_MEMORY; i++) {
		M2dPageSize size;
		M2dGpa gpa;

		ck_assert_uint_lt(i, 100000);
		fault = m2d_guestos_fault(os, 0, M2D_GVA(i << 21), true);
		if (m2d_guestos_find(os, 0, M2D_GVA(i << 21), &gpa, &size))
			n[size]++;
	}
	ck_assert_uint_eq(n[M2D_SIZE_1G], 0);
	ck_assert_uint_gt(n[M2D_SIZE_2M], 20);
	ck_assert_uint_gt(n[M2D_SIZE_4K], 20);
	ck_assert_uint_eq(m2d_guestos_taken(os), (UINT64_C(62) << 20));

	m2d_hostmap_config_init(&hc);
	hc.memory = UINT64_C(8) << 20;
	host = m2d_hostmap_new(world, M2D_NESTED_NPT, &hc, NULL);
	for (uint64_t i = 0; m2d_hostmap_translate(host, M2D_GPA(i << 12), &hpa); i++)
		ck_assert_uint_lt(i, 4000);
	ck_assert(!m2d_hostmap_fault(host, M2D_GPA(UINT64_C(1) << 40), &error));
	ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_BOUND));
	g_clear_error(&error);
	ck_assert(!m2d_hostmap_translate(host, M2D_GPA(UINT64_C(1) << 46), &hpa));
	ck_assert(!m2d_hostmap_fault(host, M2D_GPA(UINT64_C(1) << 46), &error));
	ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
}
END_TEST

/* All of it is arena state: a rollback unmaps. */
START_TEST(test_rollback)
{
	g_autoptr(M2dWorld) world = world_make(M2D_VENDOR_AMD, 46);
	M2dArena *arena = m2d_world_arena(world);
	g_autoptr(M2dHostmap) host = NULL;
	g_autoptr(M2dGuestos) os = NULL;
	M2dGuestosConfig gc;
	M2dHostmapConfig hc;
	uint64_t hash[2] = {0}, first;
	M2dPageSize size;
	M2dRegs regs;
	M2dMark mark;
	M2dGpa gpa;

	m2d_hostmap_config_init(&hc);
	m2d_guestos_config_init(&gc);
	gc.scatter = hc.scatter = 0.5;
	host = m2d_hostmap_new(world, M2D_NESTED_NPT, &hc, NULL);
	os = m2d_guestos_new(world, host, &gc, NULL);
	ck_assert(m2d_guestos_regs(os, 0, &regs, NULL));
	ck_assert_uint_eq(m2d_guestos_fault(os, 0, M2D_GVA(0x1000), true), M2D_GUESTOS_MAPPED);
	m2d_arena_attach_journal(arena);
	mark = m2d_arena_mark(arena);
	first = arena->hash;
	for (unsigned round = 0; round < 2; round++) {
		ck_assert(m2d_guestos_regs(os, 1, &regs, NULL));
		for (uint64_t i = 0; i < 500; i++)
			ck_assert_uint_eq(
				m2d_guestos_fault(os, i & 1, M2D_GVA(i * 0x123456000), true),
				M2D_GUESTOS_MAPPED);
		hash[round] = arena->hash;
		ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
		m2d_arena_rollback(arena, mark);
		ck_assert_uint_eq(m2d_arena_rehash(arena), first);
		ck_assert(!m2d_guestos_find(os, 0, M2D_GVA(2 * 0x123456000ull), &gpa, &size));
		ck_assert(m2d_guestos_find(os, 0, M2D_GVA(0x1000), &gpa, &size));
	}
	ck_assert_uint_eq(hash[0], hash[1]);
}
END_TEST

static void append(const char *key, const char *value, void *data)
{
	g_ptr_array_add(data, g_strdup_printf("%s=%s", key, value));
}

/* What foreach records, set takes; what is wrong is refused and changes nothing. */
START_TEST(test_settings)
{
	static const char *const good[] = {"guest.share-2m=0.25", "guest.share-1g=.5",
					   "guest.memory=3G",     "guest.paging=5level",
					   "guest.pcid=no",       "guest.seed=18446744073709551615",
					   "guest.scatter=1",     "guest.memory=0x40000000"};
	static const char *const bad[] = {
		"guest.share-2m=1.5",
		"guest.share-2m=-0.1",
		"guest.share-2m=nan",
		"guest.share-2m=",
		"guest.share-2m=0.5x",
		"guest.share-2m",
		"guest.share-3m=0.5",
		"guest.memory=5X",
		"guest.memory=1e30",
		"guest.memory=-1",
		"guest.memory=1.3",
		"guest.memory=99999999999T",
		"guest.paging=6level",
		"guest.pcid=maybe",
		"guest.seed=-1",
		"guest.seed=1 ",
		"=",
		"",
		"guest.memory=0xg",
		"guest.seed=18446744073709551616",
	};
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) again = g_ptr_array_new_with_free_func(g_free);
	M2dGuestosConfig a, b;
	M2dHostmapConfig h;

	m2d_guestos_config_init(&a);
	for (unsigned i = 0; i < G_N_ELEMENTS(good); i++)
		ck_assert(m2d_guestos_config_set(&a, good[i], NULL));
	ck_assert(a.share_2m == 0.25 && a.share_1g == 0.5 && a.memory == UINT64_C(1) << 30);
	ck_assert(a.paging == M2D_GUESTOS_5LEVEL && !a.pcid && a.seed == UINT64_MAX);
	m2d_guestos_config_foreach(&a, append, lines);
	ck_assert_uint_eq(lines->len, 8);
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;

		ck_assert(!m2d_guestos_config_set(&a, bad[i], &error));
		ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
		ck_assert_ptr_null(strchr(error->message, '\n'));
	}
	m2d_guestos_config_init(&b);
	for (unsigned i = 0; i < lines->len; i++)
		ck_assert(m2d_guestos_config_set(&b, lines->pdata[i], NULL));
	m2d_guestos_config_foreach(&b, append, again);
	for (unsigned i = 0; i < lines->len; i++)
		ck_assert_str_eq(lines->pdata[i], again->pdata[i]);
	ck_assert_str_eq(lines->pdata[1], "guest.memory=1G");
	m2d_hostmap_config_init(&h);
	ck_assert(m2d_hostmap_config_set(&h, "host.levels=5", NULL) && h.levels == 5);
	ck_assert(!m2d_hostmap_config_set(&h, "host.levels=6", NULL));
	ck_assert(!m2d_hostmap_config_set(&h, "guest.levels=4", NULL));
}
END_TEST

/* Settings that are fine one by one but not together. */
START_TEST(test_contradictions)
{
	static const char *const guest[][3] = {
		{"guest.share-2m=0.6", "guest.share-1g=0.6"},
		{"guest.paging=pae", "guest.share-1g=0.1"},
		{"guest.paging=32bit", "guest.share-2m=0.1"},
		{"guest.paging=pae", "guest.memory=5G"},
		{"guest.memory=128T"},
		{"guest.memory=4M"},
	};
	static const char *const host[][3] = {
		{"host.share-2m=0.6", "host.share-1g=0.6"},
		{"host.memory=1M"},
		{"host.memory=128T"},
	};
	g_autoptr(M2dWorld) world = world_make(M2D_VENDOR_AMD, 46);

	for (unsigned i = 0; i < G_N_ELEMENTS(guest); i++) {
		g_autoptr(GError) error = NULL;
		M2dGuestosConfig gc;

		m2d_guestos_config_init(&gc);
		for (unsigned k = 0; guest[i][k] != NULL; k++)
			ck_assert(m2d_guestos_config_set(&gc, guest[i][k], NULL));
		ck_assert_ptr_null(m2d_guestos_new(world, NULL, &gc, &error));
		ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
	}
	for (unsigned i = 0; i < G_N_ELEMENTS(host); i++) {
		g_autoptr(GError) error = NULL;
		M2dHostmapConfig hc;

		m2d_hostmap_config_init(&hc);
		for (unsigned k = 0; host[i][k] != NULL; k++)
			ck_assert(m2d_hostmap_config_set(&hc, host[i][k], NULL));
		ck_assert_ptr_null(m2d_hostmap_new(world, M2D_NESTED_NPT, &hc, &error));
		ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_INPUT));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guestos");
	TCase *tc = tcase_create("guestos");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_walks, 0, G_N_ELEMENTS(cases));
	tcase_add_test(tc, test_registers);
	tcase_add_test(tc, test_eptp);
	tcase_add_loop_test(tc, test_shares, 0, 5);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_rollback);
	tcase_add_test(tc, test_settings);
	tcase_add_test(tc, test_contradictions);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
