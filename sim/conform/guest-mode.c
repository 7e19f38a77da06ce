/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The paging mode, CR3 and PDPTEs of a guest under shadow paging, as the roots that KVM loads for
 * it and its walks tell.
 */
#include "sim/conform/conform-private.h"
#include "sim/guest/guest.h"

/* Levels of the tables that the roots are for which KVM loads at event @i, by their roles; 0: the
 * guest has paging off; -1: none is loaded. */
static int loaded_levels(const M2dConform *c, uint32_t i, uint64_t *root)
{
	for (i = m2d_conf_next(c, i); i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		uint32_t role = (uint32_t)e->u.page.role;

		if (e->kind == M2D_CAP_SYNC_ROOTS || e->kind == M2D_CAP_ENTRY ||
		    e->kind == M2D_CAP_EXIT)
			break;
		if (e->kind != M2D_CAP_GET_PAGE)
			continue;
		*root = e->u.page.gfn << M2D_PAGE_SHIFT;
		if (role & M2D_CAP_ROLE_DIRECT)
			return 0;
		if (role & M2D_CAP_ROLE_4BYTE)
			return 2;
		return (role & M2D_CAP_ROLE_LEVEL) == 2 ? 3 : (int)(role & M2D_CAP_ROLE_LEVEL);
	}
	return -1;
}

/* Registers of a guest with tables of that many levels. */
static M2dRegs registers_of(unsigned levels, uint64_t cr3)
{
	M2dRegs r = {.cr0 = M2D_CR0_PE, .cr3 = cr3};

	if (levels != 0)
		r.cr0 |= M2D_CR0_PG | M2D_CR0_WP;
	if (levels == 2)
		r.cr4 |= M2D_CR4_PSE;
	if (levels >= 3) {
		r.cr4 |= M2D_CR4_PAE;
		r.efer |= M2D_EFER_NXE;
	}
	if (levels >= 4)
		r.efer |= M2D_EFER_LMA | M2D_EFER_LME;
	if (levels == 5)
		r.cr4 |= M2D_CR4_LA57;
	return r;
}

/* Of a vCPU, as userspace set it up: recorded nowhere, but its first root tells. */
static void set_registers(M2dConform *c, unsigned vcpu, uint32_t first)
{
	uint64_t root = 0;
	int levels = -1;
	M2dRegs r;

	for (uint32_t i = first; i != M2D_CONF_NONE && levels < 0; i = m2d_conf_next(c, i))
		if (m2d_conf_event(c, i)->kind == M2D_CAP_MMU_LOAD)
			levels = loaded_levels(c, i, &root);
	r = registers_of(levels < 0 ? 0 : (unsigned)levels, levels > 0 ? root : 0);
	m2d_kvm_set_regs(c->vm, vcpu, &r);
}

static unsigned levels_of(const M2dKvmVcpu *v)
{
	return v->regs.cr0 & M2D_CR0_PG ? v->mmu.gfmt.levels : 0;
}

bool m2d_conf_guest_mode(M2dConform *c, M2dConfTask *task, uint32_t load)
{
	M2dKvmVcpu *v = c->vm->vcpu[task->vcpu];
	uint64_t root = 0;
	int levels = loaded_levels(c, load, &root);
	M2dRegs r;

	if (levels < 0 || (unsigned)levels == levels_of(v))
		return false;
	r = registers_of((unsigned)levels, levels >= 4 ? root : v->regs.cr3);
	m2d_kvm_set_regs(c->vm, (unsigned)task->vcpu, &r);
	return true;
}

/* The format of the tables that the walk at @i goes through, by the level that it begins with. */
static const M2dPteFormat *walked_format(const M2dConform *c, uint32_t i)
{
	uint32_t n = m2d_conf_find(c, i, M2D_CAP_WALK_ELEMENT);
	uint64_t level = n != M2D_CONF_NONE ? m2d_conf_event(c, n)->u.element.level : 4;

	return &c->walked[level <= M2D_MAX_LEVELS ? level : 4];
}

void m2d_conf_load_pdptes(M2dConform *c, unsigned vcpu, uint32_t i)
{
	M2dKvmVcpu *v = c->vm->vcpu[vcpu];
	uint64_t pdpte[4] = {0};

	if (v->mmu.gfmt.pdpte_level == 0)
		return;
	for (i = m2d_conf_next(c, i); i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		gpointer bits, gfn = NULL;

		if (e->kind == M2D_CAP_NEW_PGD)
			break;
		if (e->kind == M2D_CAP_WALK_ELEMENT && e->u.element.level == 3)
			gfn = GSIZE_TO_POINTER(e->u.element.pte >> M2D_PAGE_SHIFT);
		else if (e->kind == M2D_CAP_GET_PAGE &&
			 m2d_role_level((uint32_t)e->u.page.role) == 2)
			gfn = GSIZE_TO_POINTER(e->u.page.gfn);
		if (gfn == NULL || !g_hash_table_lookup_extended(c->pdpte_of, gfn, NULL, &bits))
			continue;
		if (pdpte[GPOINTER_TO_SIZE(bits) & 3] == 0)
			pdpte[GPOINTER_TO_SIZE(bits) & 3] =
				GPOINTER_TO_SIZE(gfn) << M2D_PAGE_SHIFT |
				(GPOINTER_TO_SIZE(bits) & ~UINT64_C(3)) | M2D_PTE_P;
	}
	for (unsigned n = 0; n < 4; n++) {
		VM_PUT(c->vm, v->mmu.pdptrs[n], pdpte[n]);
		VM_PUT(c->vm, v->regs.pdpte[n], pdpte[n]);
	}
}

void m2d_conf_guest_init(M2dConform *c)
{
	uint64_t cr3[M2D_MAX_KVM_VCPUS] = {0}, root;
	bool absent[M2D_MAX_KVM_VCPUS] = {false};

	c->vm->lock_break = m2d_conf_lock_break;
	c->vm->lock_break_data = c;
	m2d_conf_tables_new(c);
	for (unsigned n = 2; n <= M2D_MAX_LEVELS; n++) {
		M2dRegs r = registers_of(n, 0);

		m2d_guest_format(&c->walked[n], &r, c->vm->machine->vendor,
				 c->vm->cfg.guest_maxphyaddr, M2D_FEAT_ALL);
	}
	for (uint32_t i = 0, done = 0; i < c->events->len; i++) {
		int vcpu = m2d_conf_task_of(c, i)->vcpu;
		const M2dCapEvent *e = m2d_conf_event(c, i);

		if (vcpu < 0)
			continue;
		if (!(done >> vcpu & 1)) {
			set_registers(c, (unsigned)vcpu, i);
			cr3[vcpu] = c->vm->vcpu[vcpu]->regs.cr3;
			done |= 1u << vcpu;
		}
		if (e->kind == M2D_CAP_NEW_PGD)
			cr3[vcpu] = e->u.new_pgd.pgd;
		else if (e->kind == M2D_CAP_MMU_LOAD && loaded_levels(c, i, &root) >= 4)
			cr3[vcpu] = root;
		else if (e->kind == M2D_CAP_MMU_INVLPG)
			m2d_conf_note_invlpg(c, cr3[vcpu], i);
		else if (e->kind == M2D_CAP_WALK)
			m2d_conf_locate_walk(c, walked_format(c, i), cr3[vcpu], i, absent[vcpu]);
		else if (e->kind == M2D_CAP_SET_SPTE)
			m2d_conf_note_set(c, i);
		if (e->kind == M2D_CAP_WALK && e->u.walk.error & M2D_PFEC_W)
			m2d_conf_note_store(c, walked_format(c, i), i);
		absent[vcpu] = e->kind == M2D_CAP_PAGE_FAULT &&
			       !(e->u.page_fault.error & (M2D_PFEC_P | M2D_PFEC_RSVD));
	}
	for (uint32_t n = 0, done = 0; n < c->events->len; n++) {
		int vcpu = m2d_conf_task_of(c, n)->vcpu;

		if (vcpu < 0 || done >> vcpu & 1)
			continue;
		done |= 1u << vcpu;
		m2d_conf_load_pdptes(c, (unsigned)vcpu, n);
	}
}
