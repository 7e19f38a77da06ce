/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tlb/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE UINT64_C(0x10000000)

const Region regions[N_REGIONS] = {
	[R_4K] = {BASE, 12, 0, {0x10, 0x20}, true},
	[R_4K_NEXT] = {BASE + 0x1000, 12, 0, {0, 0}, false},
	[R_4K_FAR] = {BASE + 0x600000, 12, 0, {0, 0}, true},
	[R_2M] = {GIB + 0x400000, 21, 0, {0x3000, 0x1f000}, true},
	[R_1G] = {2 * GIB, 30, 0, {0x3000, 0x400000}, true},
	[R_PML4] = {(UINT64_C(5) << 39) + 0x7000, 12, 0, {0, 0}, false},
	[R_4K_GLOBAL] = {BASE + 0x2000, 12, REGION_GLOBAL, {0, 8}, true},
	[R_2M_GLOBAL] = {GIB + 0x800000, 21, REGION_GLOBAL, {0x5000, 0x6000}, false},
	[R_1G_GLOBAL] = {3 * GIB, 30, REGION_GLOBAL, {0x3000, 0x800000}, false},
	[R_READ_ONLY] = {GIB + 0xc00000, 21, REGION_NO_WRITE, {0x1000, 0x9000}, false},
	[R_READ_ONLY_GLOBAL] =
		{GIB + 0x1000000, 21, REGION_NO_WRITE | REGION_GLOBAL, {0x2000, 0x6000}, false},
	[R_NESTED_RO] = {BASE + 0x3000, 12, REGION_NESTED_RO, {0, 0}, true},
	[R_MISCONFIG] = {BASE + 0x4000, 12, REGION_MISCONFIG, {0, 0}, false},
	[R_NOT_THERE] = {BASE + 0x5000, 12, REGION_NOT_THERE, {0, 0}, false},
};

static const Context intel_contexts[N_CONTEXTS] = {
	{false, false, 0, 0, 0}, {false, false, 0, 0, 1}, {true, false, 0, 1, 1},
	{true, true, 0, 1, 0},   {true, true, 0, 1, 1},   {true, true, 1, 1, 1},
	{true, true, 0, 2, 1},   {true, true, 1, 2, 0},
};

static const Context amd_contexts[N_CONTEXTS] = {
	{false, false, 0, 0, 0}, {false, false, 0, 0, 1}, {true, false, 0, 3, 1},
	{true, true, 0, 1, 0},   {true, true, 0, 1, 1},   {true, true, 0, 1, 2},
	{true, true, 1, 2, 1},   {true, true, 1, 2, 0},
};

M2dNested bench_nested(const Bench *b, const Context *c)
{
	M2dNested n = {.tag = c->tag};

	if (c->nested)
		n = b->nested[c->space];
	n.tag = c->tag;
	return n;
}

M2dRegs bench_regs(const Bench *b, const Context *c)
{
	return (M2dRegs){
		.cr0 = M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP,
		.cr3 = (c->nested ? b->root[c->space] : b->host_root) | c->pcid,
		.cr4 = M2D_CR4_PAE | M2D_CR4_PGE | M2D_CR4_PCIDE,
		.efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE,
	};
}

void bench_switch(Bench *b, unsigned c)
{
	const Context *to = &b->context[c];
	M2dRegs regs = bench_regs(b, to);
	M2dNested nested = bench_nested(b, to);

	m2d_vcpu_exit(b->p.vcpu);
	b->current = c;
	if (!to->guest) {
		m2d_vcpu_load_host(b->p.vcpu, &regs);
		return;
	}
	if (m2d_vcpu_enter(b->p.vcpu, &regs, &nested, 0) != M2D_INSN_OK) {
		fprintf(stderr, "context %u: the entry was refused\n", c);
		exit(1);
	}
}

/* Guest-physical page behind region @r: 1 GiB pages at 2 GiB, the rest below 1 GiB. */
static uint64_t region_gpa(const Region *r)
{
	return r->shift == 30 ? 2 * GIB : (r->va & (GIB - 1));
}

/* Map all regions in @p's guest tables at @root; @size: of nested pages under large pages. */
static void map_regions(Pages *p, uint64_t root, bool pieces)
{
	for (int i = 0; i < N_REGIONS; i++) {
		const Region *r = &regions[i];
		M2dPageSize size = (M2dPageSize)((r->shift - 12) / 9);
		M2dPageSize nsize = pieces && size > 0 ? size - 1 : size;
		uint64_t gpa = region_gpa(r), leaf, step = UINT64_C(1) << (12 + 9 * nsize);

		leaf = pages_map(p, GUEST_4, root, r->va, gpa, size, r->flags & REGION_GLOBAL);
		if (r->flags & (REGION_NO_WRITE | REGION_NOT_THERE)) {
			uint64_t e = m2d_space_read64(p->space, M2D_HPA(leaf));
			uint64_t off = r->flags & REGION_NO_WRITE ? 2 : 1;

			m2d_space_write64(p->space, M2D_HPA(leaf), e & ~off);
		}
		for (int t = 0; t < 2; t++)
			pages_nested_map(p, (gpa + r->touch[t]) / step * step, nsize);
		if (p->nested_mode != NESTED_OFF &&
		    (r->flags & (REGION_NESTED_RO | REGION_MISCONFIG))) {
			uint64_t e = pages_nested_entry(p, gpa, 1);
			uint64_t v = m2d_space_read64(p->space, M2D_HPA(e));

			/* Write without read (EPT), a reserved bit (NPT). */
			m2d_space_write64(p->space, M2D_HPA(e),
					  r->flags & REGION_NESTED_RO ? v & ~UINT64_C(2)
					  : p->nested_mode == EPT_4   ? v & ~UINT64_C(1)
								      : v | UINT64_C(1) << 51);
		}
	}
}

static void touch(Bench *b)
{
	for (int i = 0; i < N_REGIONS; i++) {
		const Region *r = &regions[i];

		if (r->flags & (REGION_MISCONFIG | REGION_NOT_THERE))
			continue;
		for (int t = 0; t < 2; t++)
			for (int f = 0; f <= r->fetch; f++) {
				M2dOutcome out =
					pages_access(&b->p, r->va + r->touch[t],
						     f ? M2D_ACC_FETCH : M2D_ACC_READ, false);

				if (out.kind != M2D_OUT_OK) {
					fprintf(stderr, "region %d: outcome %d\n", i, out.kind);
					exit(1);
				}
			}
	}
}

void bench_init(Bench *b, M2dMachine *machine)
{
	bool intel = machine->vendor == M2D_VENDOR_INTEL;
	Pages host;

	memset(b, 0, sizeof(*b));
	b->vendor = machine->vendor;
	b->context = intel ? intel_contexts : amd_contexts;
	pages_init(&b->p, machine, intel ? EPT_4 : NPT_4);
	b->nested[0] = b->p.nested;
	b->root[0] = pages_new_table(&b->p);
	map_regions(&b->p, b->root[0], true);
	pages_new_nested(&b->p, &b->nested[1]);
	b->p.nested = b->nested[1];
	b->p.table_size = M2D_SIZE_2M;
	b->p.next_gpa = GIB + 0x40000000 / 2;
	b->root[1] = pages_new_table(&b->p);
	map_regions(&b->p, b->root[1], false);
	host = b->p;
	host.nested_mode = NESTED_OFF;
	host.next_gpa = 16 * GIB;
	b->host_root = pages_new_table(&host);
	map_regions(&host, b->host_root, false);
	for (unsigned c = 0; c < N_CONTEXTS; c++) {
		bench_switch(b, c);
		touch(b);
	}
	bench_switch(b, 0);
	m2d_arena_attach_journal(m2d_world_arena(b->p.world));
	b->mark = m2d_arena_mark(m2d_world_arena(b->p.world));
}

void bench_clear(Bench *b)
{
	pages_clear(&b->p);
}

void bench_rollback(Bench *b)
{
	m2d_arena_rollback(m2d_world_arena(b->p.world), b->mark);
	b->current = 0;
}

bool bench_covers(const Item *item, uint64_t va)
{
	uint64_t low57 = (UINT64_C(1) << 57) - 1, at = item->va;
	unsigned shift = item->shift;

	if (!item->upper && item->kind != M2D_CTX_PHYSICAL) {
		for (int i = 0; i < N_REGIONS; i++) {
			if ((item->va ^ regions[i].va) >> regions[i].shift == 0) {
				at = regions[i].va;
				shift = regions[i].shift;
			}
		}
	}
	return ((at ^ va) & low57) >> shift == 0;
}
