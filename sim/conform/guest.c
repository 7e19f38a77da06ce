/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a capture of shadow paging tells of the guest: its registers, what its page tables hold, and
 * what it does to them. KVM's walks show entries; what they are of is known from the entry above
 * and CR3. What the guest's memory holds is kept by guest-physical address, beside the simulated
 * frames: which frame is behind a table is recorded nowhere.
 */
#include "sim/conform/conform-private.h"

#define EXIT_WRITE_CR3 (M2D_CAP_EXIT_SVM | 0x13)

/* --- memory ----------------------------------------------------------------------------------- */

static gpointer word_key(uint64_t gpa)
{
	return (gpointer)((gpa >> 3) + 1);
}

static uint64_t read_memory(void *data, uint64_t gpa, unsigned size)
{
	M2dConform *c = data;
	uint64_t word = (uint64_t)g_hash_table_lookup(c->words, word_key(gpa)) >> 8 * (gpa & 7);

	return size == 8 ? word : word & m2d_low_mask(8 * size);
}

static void write_memory(void *data, uint64_t gpa, unsigned size, uint64_t value)
{
	M2dConform *c = data;
	uint64_t mask = (size == 8 ? UINT64_MAX : m2d_low_mask(8 * size)) << 8 * (gpa & 7);
	uint64_t word = (uint64_t)g_hash_table_lookup(c->words, word_key(gpa));

	word = (word & ~mask) | (value << 8 * (gpa & 7) & mask);
	g_hash_table_insert(c->words, word_key(gpa), (gpointer)word);
}

/* --- walks ------------------------------------------------------------------------------------ */

/* The next event of the walk that has come to @i: M2D_CONF_NONE: it is over. */
static uint32_t next_element(const M2dConform *c, uint32_t i)
{
	for (i = m2d_conf_next(c, i); i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		unsigned kind = m2d_conf_event(c, i)->kind;

		if (kind == M2D_CAP_WALK_ELEMENT)
			return i;
		/* Reading an entry can make the host invalidate pages. */
		if (kind == M2D_CAP_WALK || kind == M2D_CAP_WALK_ERROR || kind == M2D_CAP_ENTRY ||
		    kind == M2D_CAP_EXIT || kind == M2D_CAP_PAGE_FAULT ||
		    kind == M2D_CAP_SPTE_REQUESTED || kind == M2D_CAP_EMULATE)
			break;
	}
	return M2D_CONF_NONE;
}

void m2d_conf_guest_walk(M2dConform *c, uint32_t t, uint32_t i)
{
	const M2dKvmVcpu *v;
	const M2dPteFormat *fmt;
	uint64_t addr, table;

	if (i == M2D_CONF_NONE)
		return;
	v = c->vm->vcpu[m2d_conf_task(c, t)->vcpu];
	fmt = &v->mmu.gfmt;
	addr = m2d_conf_event(c, i)->u.walk.addr;
	table = v->regs.cr3 & fmt->frame_mask;
	for (i = next_element(c, i); i != M2D_CONF_NONE; i = next_element(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		unsigned level = (unsigned)e->u.element.level;

		if (level == 0 || level > M2D_MAX_LEVELS)
			return;
		/* The walk began anew: an entry had changed under it. */
		if (level == fmt->levels)
			table = v->regs.cr3 & fmt->frame_mask;
		write_memory(c, table + m2d_pte_index_offset(fmt, level, addr),
			     1u << fmt->entry_shift, e->u.element.pte);
		table = e->u.element.pte & fmt->frame_mask;
	}
}

/* --- registers -------------------------------------------------------------------------------- */

/* Of a vCPU, as userspace set it up: recorded nowhere, but its first root and walk tell. */
static void first_state(const M2dConform *c, uint32_t first, uint64_t *root, unsigned *levels)
{
	bool loading = false, rooted = false;

	*root = 0;
	*levels = 0;
	for (uint32_t i = first; i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);

		loading |= e->kind == M2D_CAP_MMU_LOAD;
		if (e->kind == M2D_CAP_GET_PAGE && loading && !rooted) {
			*root = e->u.page.gfn << M2D_PAGE_SHIFT;
			rooted = true;
		} else if (e->kind == M2D_CAP_WALK_ELEMENT) {
			*levels = (unsigned)e->u.element.level;
			return;
		}
	}
}

static void set_registers(M2dConform *c, unsigned vcpu, uint32_t first)
{
	M2dRegs r = {.cr0 = M2D_CR0_PE};
	unsigned levels;

	first_state(c, first, &r.cr3, &levels);
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
	m2d_kvm_set_regs(c->vm, vcpu, &r);
}

void m2d_conf_guest_init(M2dConform *c)
{
	c->words = g_hash_table_new(NULL, NULL);
	c->contents = (M2dGuestContents){read_memory, write_memory, c};
	c->vm->contents = &c->contents;
	for (uint32_t i = 0, done = 0; i < c->events->len; i++) {
		int vcpu = m2d_conf_task_of(c, i)->vcpu;

		if (vcpu < 0 || done >> vcpu & 1)
			continue;
		done |= 1u << vcpu;
		set_registers(c, (unsigned)vcpu, i);
	}
}

void m2d_conf_guest_free(M2dConform *c)
{
	if (c->words != NULL)
		g_hash_table_unref(c->words);
}

/* --- what the guest does ---------------------------------------------------------------------- */

static bool in_fault(const M2dConform *c, const M2dConfTask *task)
{
	return task->n_ops != 0 && task->op[task->n_ops - 1].kind == M2D_CONF_OP_FAULT &&
	       !m2d_rt_idle(c->vm->rt, task->op[task->n_ops - 1].actor);
}

/* A fault has the page from the host by now: @i is under mmu_lock. */
static void ask_host(M2dConform *c, uint32_t i)
{
	i = m2d_conf_find(c, i, M2D_CAP_SPTE_REQUESTED);
	if (i != M2D_CONF_NONE)
		m2d_conf_host_requested(c, i);
}

/* A walk that is not the fault's: the emulator fetches, loads or stores. */
static void emulator_walk(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	uint64_t addr = m2d_conf_event(c, i)->u.walk.addr;
	uint32_t error = (uint32_t)m2d_conf_event(c, i)->u.walk.error;
	uint32_t vcpu = (uint32_t)task->vcpu;

	m2d_conf_finish_ops(c, task);
	m2d_conf_guest_walk(c, t, i);
	if (error & M2D_PFEC_ID)
		M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_mmu_walk_addr, .vcpu = vcpu,
			       .gva = addr, .access = error);
	else
		M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_emulate, .vcpu = vcpu,
			       .kind = error & M2D_PFEC_W ? M2D_ACC_WRITE : M2D_ACC_READ, .size = 8,
			       .user = (error & M2D_PFEC_U) != 0, .gva = addr);
}

static void on_emulate(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	M2dKvmVcpu *v = c->vm->vcpu[task->vcpu];

	if (task->exit_reason != EXIT_WRITE_CR3)
		return;
	m2d_conf_finish_ops(c, task);
	i = m2d_conf_find(c, i, M2D_CAP_NEW_PGD);
	if (i != M2D_CONF_NONE)
		VM_PUT(c->vm, v->regs.cr3, m2d_conf_event(c, i)->u.new_pgd.pgd);
	M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_invalidate_pcid, .vcpu = (uint32_t)task->vcpu,
		       .pcid = 0);
	m2d_conf_finish_ops(c, task);
}

/* HvFlushVirtualAddressSpace and its like: a request to each processor of the mask. */
static void on_hv_flush(M2dConform *c, uint64_t mask)
{
	for (unsigned i = 0; i < c->vm->n_vcpus; i++)
		if (mask == 0 || mask >> i & 1)
			m2d_make_request(c->vm, i, M2D_REQ_TLB_FLUSH_GUEST);
}

void m2d_conf_guest_event(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	const M2dCapEvent *e = m2d_conf_event(c, i);

	switch (e->kind) {
	case M2D_CAP_EXIT:
		task->exit_reason = e->u.exit.reason;
		break;
	case M2D_CAP_WALK:
		if (!in_fault(c, task) || task->walked)
			emulator_walk(c, t, i);
		task->walked = true;
		break;
	case M2D_CAP_PAGE_FAULT:
		task->walked = false;
		break;
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_SYNC_PAGE:
	case M2D_CAP_FLUSH_REMOTE:
		/* Tables on the way down come before the request is told. */
		if (in_fault(c, task))
			ask_host(c, i);
		break;
	case M2D_CAP_EMULATE:
		on_emulate(c, t, i);
		break;
	case M2D_CAP_NEW_PGD:
		m2d_conf_finish_ops(c, task);
		M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_mmu_new_pgd,
			       .vcpu = (uint32_t)task->vcpu, .pgd = e->u.new_pgd.pgd);
		break;
	case M2D_CAP_MMU_INVLPG:
		m2d_conf_finish_ops(c, task);
		M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_mmu_invlpg,
			       .vcpu = (uint32_t)task->vcpu, .gva = e->u.invlpg.gva);
		break;
	case M2D_CAP_HV_FLUSH:
		on_hv_flush(c, e->u.hv_flush.mask);
		break;
	default:
		break;
	}
}
