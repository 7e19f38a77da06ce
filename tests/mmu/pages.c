/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/mmu/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const pages_guest_name[N_GUESTS] = {"off", "32", "pae", "4", "5"};
const char *const pages_nested_name[N_NESTEDS] = {"none", "npt32", "nptpae", "npt4",
						  "npt5", "ept4",  "ept5"};

unsigned pages_guest_levels(PagesGuest g)
{
	static const unsigned levels[] = {0, 2, 3, 4, 5};

	return levels[g];
}

unsigned pages_nested_levels(PagesNested n)
{
	static const unsigned levels[] = {0, 2, 3, 4, 5, 4, 5};

	return levels[n];
}

M2dMachine *pages_machine(M2dVendor vendor)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load("generic", &error);

	if (m == NULL) {
		fprintf(stderr, "%s\n", error->message);
		exit(2);
	}
	m->vendor = vendor;
	m->maxphyaddr = 46;
	memset(&m->tlb, 0, sizeof(m->tlb));
	memset(&m->psc, 0, sizeof(m->psc));
	memset(&m->npsc, 0, sizeof(m->npsc));
	memset(&m->ntlb, 0, sizeof(m->ntlb));
	return m;
}

void pages_set(M2dMachine *machine, const char *assignment)
{
	GError *error = NULL;

	if (!m2d_machine_set(machine, assignment, &error)) {
		fprintf(stderr, "%s\n", error->message);
		exit(2);
	}
}

static uint64_t new_nested_table(Pages *p)
{
	uint64_t hpa = p->next_hpa;

	p->next_hpa += 4096;
	m2d_space_frame_make(p->space, hpa >> 12);
	return hpa;
}

void pages_new_nested(Pages *p, M2dNested *nested)
{
	PagesNested n = p->nested_mode;
	uint64_t root;

	*nested = (M2dNested){.tag = 1};
	if (n == NESTED_OFF)
		return;
	root = new_nested_table(p);
	if (pages_is_npt(n)) {
		nested->kind = M2D_NESTED_NPT;
		nested->ncr3 = root;
		nested->hcr4 = n == NPT_32 ? M2D_CR4_PSE : M2D_CR4_PAE;
		if (n == NPT_5)
			nested->hcr4 |= M2D_CR4_LA57;
		nested->hefer = M2D_EFER_NXE;
		if (n >= NPT_4)
			nested->hefer |= M2D_EFER_LME | M2D_EFER_LMA;
	} else {
		nested->kind = M2D_NESTED_EPT;
		nested->eptp = root | M2D_EPTP_WALK(pages_nested_levels(n)) | M2D_EPTP_AD | 6;
		nested->ept_controls = M2D_EPT_2M | M2D_EPT_1G;
	}
}

void pages_init(Pages *p, M2dMachine *machine, PagesNested nested)
{
	GError *error = NULL;

	memset(p, 0, sizeof(*p));
	p->world = m2d_world_new(machine, 0, &error);
	if (p->world == NULL) {
		fprintf(stderr, "%s\n", error->message);
		exit(2);
	}
	p->space = m2d_world_space(p->world);
	p->vcpu = m2d_vcpu_new(p->world);
	p->mmu = m2d_vcpu_mmu(p->vcpu);
	p->next_hpa = 0x100000;
	p->next_gpa = GIB + 0x100000;
	p->nested_mode = nested;
	pages_new_nested(p, &p->nested);
}

void pages_clear(Pages *p)
{
	m2d_world_free(p->world);
	p->world = NULL;
}

uint64_t pages_hpa(const Pages *p, uint64_t gpa)
{
	return p->nested_mode == NESTED_OFF ? gpa : gpa + PAGES_OFFSET;
}

static uint64_t get(Pages *p, uint64_t hpa, bool wide)
{
	return wide ? m2d_space_read64(p->space, M2D_HPA(hpa))
		    : m2d_space_read32(p->space, M2D_HPA(hpa));
}

static void set(Pages *p, uint64_t hpa, uint64_t value, bool wide)
{
	if (wide)
		m2d_space_write64(p->space, M2D_HPA(hpa), value);
	else
		m2d_space_write32(p->space, M2D_HPA(hpa), (uint32_t)value);
}

/* Offset of the entry for @addr in a table at @level. */
static uint64_t offset(unsigned levels, unsigned level, uint64_t addr)
{
	if (levels == 2)
		return (addr >> (12 + 10 * (level - 1)) & 1023) * 4;
	if (levels == 3 && level == 3)
		return (addr >> 30 & 3) * 8;
	return (addr >> (12 + 9 * (level - 1)) & 511) * 8;
}

static uint64_t frame_of(uint64_t entry)
{
	return entry & UINT64_C(0xffffffffff000);
}

uint64_t pages_nested_entry(Pages *p, uint64_t gpa, unsigned level)
{
	unsigned levels = pages_nested_levels(p->nested_mode);
	uint64_t table = pages_is_npt(p->nested_mode) ? p->nested.ncr3 : frame_of(p->nested.eptp);

	for (unsigned l = levels; l > level; l--)
		table = frame_of(get(p, table + offset(levels, l, gpa), levels != 2));
	return table + offset(levels, level, gpa);
}

void pages_nested_map(Pages *p, uint64_t gpa, M2dPageSize size)
{
	unsigned levels = pages_nested_levels(p->nested_mode), leaf = size + 1u;
	bool npt = pages_is_npt(p->nested_mode), wide = levels != 2;
	unsigned shift = wide ? 12 + 9 * size : 12 + 10 * size;
	uint64_t e;

	if (p->nested_mode == NESTED_OFF)
		return;
	for (unsigned l = levels; l > leaf; l--) {
		e = pages_nested_entry(p, gpa, l);
		if (get(p, e, wide) == 0)
			set(p, e, new_nested_table(p) | (levels == 3 && l == 3 ? 1 : 7), wide);
	}
	e = pages_nested_entry(p, gpa, leaf);
	if (get(p, e, wide) == 0)
		set(p, e,
		    ((gpa >> shift << shift) + PAGES_OFFSET) | (npt ? 7 : 0x37) |
			    (leaf > 1 ? 0x80 : 0),
		    wide);
}

uint64_t pages_new_table(Pages *p)
{
	uint64_t gpa = p->next_gpa;

	p->next_gpa += 4096;
	pages_nested_map(p, gpa, p->table_size);
	m2d_space_frame_make(p->space, pages_hpa(p, gpa) >> 12);
	return gpa;
}

uint64_t pages_map(Pages *p, PagesGuest g, uint64_t root, uint64_t va, uint64_t gpa,
		   M2dPageSize size, uint64_t flags)
{
	unsigned levels = pages_guest_levels(g), leaf = size + 1u;
	bool wide = levels != 2;
	uint64_t table = root, e;

	for (unsigned l = levels; l > leaf; l--) {
		e = pages_hpa(p, table + offset(levels, l, va));
		if (get(p, e, wide) == 0)
			set(p, e, pages_new_table(p) | (levels == 3 && l == 3 ? 1 : 7), wide);
		table = frame_of(get(p, e, wide));
	}
	e = pages_hpa(p, table + offset(levels, leaf, va));
	set(p, e, gpa | flags | 7 | (leaf > 1 ? 0x80 : 0), wide);
	return e;
}

M2dRegs pages_regs(Pages *p, PagesGuest g, uint64_t root)
{
	M2dRegs r = {.cr0 = M2D_CR0_PE | M2D_CR0_WP, .cr3 = root};

	if (g == GUEST_OFF)
		return r;
	r.cr0 |= M2D_CR0_PG;
	r.cr4 = g == GUEST_32 ? M2D_CR4_PSE : M2D_CR4_PAE;
	if (g >= GUEST_PAE)
		r.efer = M2D_EFER_NXE;
	if (g >= GUEST_4)
		r.efer |= M2D_EFER_LME | M2D_EFER_LMA;
	if (g == GUEST_5)
		r.cr4 |= M2D_CR4_LA57;
	if (g == GUEST_PAE)
		for (int i = 0; i < 4; i++)
			r.pdpte[i] = get(p, pages_hpa(p, root + 8u * (unsigned)i), true);
	return r;
}

void pages_load(Pages *p, const M2dRegs *regs)
{
	M2dRegs host = {.cr0 = M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP};

	if (p->nested_mode == NESTED_OFF) {
		m2d_vcpu_load_host(p->vcpu, regs);
		return;
	}
	host.cr4 = p->nested.hcr4;
	host.efer = p->nested.hefer;
	m2d_vcpu_exit(p->vcpu);
	m2d_vcpu_load_host(p->vcpu, &host);
	if (m2d_vcpu_enter(p->vcpu, regs, &p->nested, 0) != M2D_INSN_OK) {
		fprintf(stderr, "the entry was refused\n");
		exit(1);
	}
}

M2dOutcome pages_access(Pages *p, uint64_t va, M2dAccKind kind, bool user)
{
	M2dAccess a = {.gva = M2D_GVA(va), .size = 1, .kind = kind, .user = user};
	M2dOutcome out;

	m2d_vcpu_access(p->vcpu, &a, &out);
	return out;
}
