/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/ref/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NESTED_TABLE(level) (LAYOUT_HPA_NESTED + 0x1000 * (4 - (level)))

uint64_t layout_hpa(const Layout *l, uint64_t gpa)
{
	return l->nested.kind == M2D_NESTED_NONE ? gpa : LAYOUT_HPA_GUEST + gpa;
}

uint64_t layout_nested_leaf(uint64_t gpa)
{
	return NESTED_TABLE(1) + 8 * (gpa >> 12);
}

uint64_t layout_get(const Layout *l, uint64_t hpa)
{
	return m2d_space_read64(l->space, M2D_HPA(hpa));
}

void layout_set(Layout *l, uint64_t hpa, uint64_t value)
{
	m2d_space_write64(l->space, M2D_HPA(hpa), value);
}

static void guest_entry(Layout *l, uint64_t table, uint64_t target)
{
	layout_set(l, layout_hpa(l, LAYOUT_ENTRY(table)), target | LAYOUT_PTE);
}

void layout_init(Layout *l, const char *machine, M2dVendor vendor, M2dNestedKind kind, bool caches)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load(machine, &error);

	memset(l, 0, sizeof(*l));
	if (m != NULL) {
		m->vendor = vendor;
		m->maxphyaddr = 52;
		if (!caches) {
			memset(&m->tlb, 0, sizeof(m->tlb));
			memset(&m->psc, 0, sizeof(m->psc));
			memset(&m->npsc, 0, sizeof(m->npsc));
			memset(&m->ntlb, 0, sizeof(m->ntlb));
		}
		l->world = m2d_world_new(m, 0, &error);
	}
	if (l->world == NULL) {
		fprintf(stderr, "%s\n", error->message);
		exit(2);
	}
	l->space = m2d_world_space(l->world);
	l->vcpu = m2d_vcpu_new(l->world);
	l->nested.kind = kind;
	l->nested.tag = 1;
	guest_entry(l, LAYOUT_GPA_PML4, LAYOUT_GPA_PDPT);
	guest_entry(l, LAYOUT_GPA_PDPT, LAYOUT_GPA_PD);
	guest_entry(l, LAYOUT_GPA_PD, LAYOUT_GPA_PT);
	guest_entry(l, LAYOUT_GPA_PT, LAYOUT_GPA_DATA);
	if (kind != M2D_NESTED_NONE) {
		uint64_t table = kind == M2D_NESTED_EPT ? LAYOUT_EPT_TABLE : LAYOUT_PTE;
		uint64_t leaf = kind == M2D_NESTED_EPT ? LAYOUT_EPT : LAYOUT_PTE;

		for (unsigned level = 4; level > 1; level--)
			layout_set(l, NESTED_TABLE(level), NESTED_TABLE(level - 1) | table);
		for (uint64_t gpa = 0x1000; gpa <= LAYOUT_GPA_DATA; gpa += 0x1000)
			layout_set(l, layout_nested_leaf(gpa), layout_hpa(l, gpa) | leaf);
	}
	l->nested.ncr3 = NESTED_TABLE(4);
	l->nested.hcr4 = M2D_CR4_PAE;
	l->nested.hefer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE;
	l->nested.eptp = NESTED_TABLE(4) | M2D_EPTP_WALK(4) | 6;
	l->nested.ept_controls = M2D_EPT_2M | M2D_EPT_1G;
	l->nested.pml_address = LAYOUT_HPA_PML;
	l->nested.pml_index = 511;
	l->regs.cr0 = M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP;
	l->regs.cr3 = LAYOUT_GPA_PML4;
	l->regs.cr4 = M2D_CR4_PAE;
	l->regs.efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE;
}

void layout_clear(Layout *l)
{
	m2d_world_free(l->world);
	l->world = NULL;
}

bool layout_load(Layout *l, unsigned maxphyaddr, uint32_t features)
{
	M2dRegs host = {0};

	m2d_vcpu_exit(l->vcpu);
	m2d_vcpu_set_features(l->vcpu, false, maxphyaddr, features);
	m2d_vcpu_set_features(l->vcpu, true, maxphyaddr, features);
	if (l->nested.kind == M2D_NESTED_NONE) {
		m2d_vcpu_load_host(l->vcpu, &l->regs);
		return true;
	}
	host.cr0 = M2D_CR0_PE | M2D_CR0_PG | M2D_CR0_WP;
	host.cr4 = l->nested.hcr4;
	host.efer = l->nested.hefer;
	m2d_vcpu_load_host(l->vcpu, &host);
	return m2d_vcpu_enter(l->vcpu, &l->regs, &l->nested, 0) == M2D_INSN_OK;
}

M2dOutcomeKind layout_access(Layout *l, M2dAccKind kind, bool user, M2dOutcome *out)
{
	M2dAccess a = {.gva = M2D_GVA(LAYOUT_GVA), .size = 1, .kind = kind, .user = user};

	return m2d_vcpu_access(l->vcpu, &a, out);
}
