/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a capture of shadow paging tells of the guest: what its instructions make KVM do.
 */
#include "sim/conform/conform-private.h"

#define EXIT_WRITE_CR3 (M2D_CAP_EXIT_SVM | 0x13)
#define EXIT_PF        (M2D_CAP_EXIT_SVM | 0x4e)

/* Back in the guest: the store that faulted is made. */
static void store_now(M2dConform *c, M2dConfTask *task, uint32_t i)
{
	uint32_t n = m2d_conf_next(c, i);

	if (task->store_gpa == 0)
		return;
	/* It faults again: nothing was stored. */
	n = n != M2D_CONF_NONE ? m2d_conf_next(c, n) : n;
	if (n != M2D_CONF_NONE && m2d_conf_event(c, n)->kind == M2D_CAP_PAGE_FAULT &&
	    m2d_conf_event(c, n)->u.page_fault.addr == task->store_addr)
		return;
	m2d_conf_stored(c, &c->vm->vcpu[task->vcpu]->mmu.gfmt, task->store_gpa, i);
	task->store_gpa = 0;
}

static bool in_fault(const M2dConform *c, M2dConfTask *task)
{
	const M2dConfOp *op = m2d_conf_top(task);

	return op != NULL && op->kind == M2D_CONF_OP_FAULT && !m2d_rt_idle(c->vm->rt, op->actor);
}

/* The fault found each entry that it had walked as it was. */
static void entries_unchanged(M2dConform *c, const M2dConfTask *task)
{
	const M2dGuestWalk *w = m2d_mmu_last_fault(c->vm, (unsigned)task->vcpu);
	unsigned size = 1u << c->vm->vcpu[task->vcpu]->mmu.gfmt.entry_shift;

	for (unsigned level = w->level; level != 0 && level <= M2D_MAX_LEVELS; level++)
		if (w->pte[level - 1] & M2D_PTE_P && w->pte_gpa[level - 1] != 0)
			m2d_conf_guest_write(c, w->pte_gpa[level - 1], size, w->pte[level - 1]);
}

/* A fault has the page from the host by now: @i is under mmu_lock. */
static void ask_host(M2dConform *c, const M2dConfTask *task, uint32_t i)
{
	i = m2d_conf_find(c, i, M2D_CAP_SPTE_REQUESTED);
	if (i == M2D_CONF_NONE)
		return;
	entries_unchanged(c, task);
	m2d_conf_host_fault(c, task->fault_event);
	m2d_conf_host_requested(c, i);
	m2d_conf_host_passed(c, i, task->fault_event);
}

M2dSptep m2d_conf_shadow_of(const M2dConform *c, const M2dConfTask *task, uint64_t addr)
{
	uint32_t i = m2d_conf_find(c, task->fault_event, M2D_CAP_WALK);
	uint64_t gpa = i != M2D_CONF_NONE ? m2d_conf_leaf_gpa(c, i) : 0;

	for (M2dSpIndex n = 1; n < m2d_shadow_max_sp(c->vm) && gpa != 0; n++) {
		const M2dSp *sp = m2d_sp(c->vm, n);

		/* A guest's table of four-byte entries has two shadow pages. */
		if (sp->role & M2D_ROLE_HAS_4_BYTE_GPTE &&
		    m2d_role_quadrant(sp->role) != (addr >> 21 & 1))
			continue;
		if (sp->pfn != 0 && sp->gfn == gpa >> M2D_PAGE_SHIFT &&
		    m2d_role_level(sp->role) == 1 && !(sp->role & M2D_ROLE_DIRECT) &&
		    !m2d_sp_obsolete(c->vm, sp))
			return m2d_sptep(n, addr >> M2D_PAGE_SHIFT & 511);
	}
	return 0;
}

/* Hardware found nothing where KVM sets an SPTE at event @set, and nobody has set it in between:
 * KVM has dropped what the model still has. The guest cleared the entry, unseen, and it was made
 * again. */
static bool was_dropped(const M2dConform *c, const M2dConfTask *task, uint32_t set)
{
	const M2dCapEvent *fault = m2d_conf_event(c, task->fault_event);
	const M2dCapEvent *e = m2d_conf_event(c, set);
	gpointer at = GSIZE_TO_POINTER(e->u.set_spte.at);

	return !(fault->u.page_fault.error & (M2D_PFEC_P | M2D_PFEC_RSVD)) &&
	       (!(e->u.set_spte.spte & M2D_PTE_RW) || e->u.set_spte.spte & c->vm->fmt.dirty) &&
	       m2d_conf_first_after(g_hash_table_lookup(c->set_at, at), task->entered) == set;
}

/* The model's for the SPTE that is set at event @set; 0: its table is not known. */
static M2dSptep sptep_at(const M2dConform *c, uint32_t set)
{
	uint64_t at = m2d_conf_event(c, set)->u.set_spte.at;
	uint64_t pfn = m2d_conf_frame_of(c, at);
	M2dSpIndex sp = pfn != 0 ? m2d_shadow_sp_of_frame(c->vm, pfn) : 0;

	return sp != 0 ? m2d_sptep(sp, at / 8 & 511) : 0;
}

/* What hardware has done to the SPTE of the fault shows in what KVM does with it. It is set to what
 * it is in the model: it was dirty, which goes, since. It is not set at all, being what it should
 * be: it was accessed. Nothing else tells of either. */
static void hardware_used(M2dConform *c, const M2dConfTask *task, uint32_t i)
{
	const uint64_t addr = m2d_conf_event(c, task->fault_event)->u.page_fault.addr;
	const M2dSpteFormat *fmt = &c->vm->fmt;
	uint64_t gfn = m2d_conf_event(c, i)->u.requested.gfn, old;
	uint32_t set = m2d_conf_find(c, i, M2D_CAP_SET_SPTE);
	uint64_t level = m2d_conf_event(c, i)->u.requested.level;
	M2dSptep p = 0;

	if (level < 1 || level > 3)
		return;
	if (set != M2D_CONF_NONE)
		p = sptep_at(c, set);
	else if (level == 1)
		p = m2d_conf_shadow_of(c, task, addr);
	if (p == 0)
		return;
	gfn &= ~m2d_low_mask(9 * (unsigned)(level - 1));
	old = m2d_spte_read(c->vm, p);
	if (set != M2D_CONF_NONE && m2d_conf_event(c, set)->u.set_spte.gfn == gfn) {
		if (m2d_spte_is_present(fmt, old) && was_dropped(c, task, set)) {
			m2d_drop_spte(c->vm, p);
			c->resyncs++;
			return;
		}
		if (old != m2d_conf_event(c, set)->u.set_spte.spte || !m2d_spte_is_writable(old))
			return;
		if (!(old & fmt->dirty))
			g_hash_table_add(c->inputs, GUINT_TO_POINTER(set));
		m2d_conf_used(c, p, fmt->dirty);
	} else if (m2d_spte_is_present(fmt, old) &&
		   !(m2d_spte_is_writable(old) && old & fmt->dirty) &&
		   m2d_conf_find(c, i, M2D_CAP_MARK_MMIO) == M2D_CONF_NONE) {
		m2d_conf_used(c, p, fmt->accessed);
	}
}

/* Of a load or store that nothing tells the size of: that of an entry, if it is aligned. */
static uint8_t access_size(const M2dPteFormat *fmt, uint64_t addr)
{
	if (addr % 8 == 0 && fmt->entry_shift == 3)
		return 8;
	return addr % 4 == 0 ? 4 : 1;
}

/* A store to a shadowed page by an instruction that is not for page tables: KVM gives up the shadow
 * pages in place of emulating, and the guest goes on where it was. Which instruction it is shows in
 * that only. A second time at the same place it is emulated. */
static bool retried(const M2dConform *c, M2dConfTask *task, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint32_t n = m2d_conf_find(c, i, M2D_CAP_ENTRY);
	bool again;

	if (!task->emulating || task->exit_reason != EXIT_PF || !(e->u.walk.error & M2D_PFEC_W) ||
	    e->u.walk.addr != task->store_addr)
		return false;
	task->emulating = false;
	again = task->retry_rip == task->exit_rip && task->retry_addr == e->u.walk.addr;
	task->retry_rip = task->retry_addr = 0;
	if (again || n == M2D_CONF_NONE || m2d_conf_event(c, n)->u.entry.rip != task->exit_rip)
		return false;
	task->retry_rip = task->exit_rip;
	task->retry_addr = e->u.walk.addr;
	return true;
}

void m2d_conf_guest_unprotect(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	const M2dCapEvent *e = m2d_conf_event(c, i);
	uint64_t gpa;

	M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_mmu_walk_addr, .vcpu = (uint32_t)task->vcpu,
		       .gva = e->u.walk.addr, .access = (uint32_t)e->u.walk.error);
	m2d_conf_finish_ops(c, task);
	if (m2d_conf_walked_to(c, &c->vm->vcpu[task->vcpu]->mmu.gfmt, i, &gpa))
		M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_mmu_unprotect_gfn,
			       .gfn = gpa >> M2D_PAGE_SHIFT);
}

/* A walk that is not the fault's: the emulator fetches, loads or stores. */
static void emulator_walk(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	uint64_t addr = m2d_conf_event(c, i)->u.walk.addr;
	uint32_t error = (uint32_t)m2d_conf_event(c, i)->u.walk.error;
	uint32_t vcpu = (uint32_t)task->vcpu;
	const M2dPteFormat *fmt = &c->vm->vcpu[vcpu]->mmu.gfmt;
	uint64_t gpa, value = 0;
	M2dConfOp *op = NULL;

	m2d_conf_finish_ops(c, task);
	m2d_conf_guest_walk(c, t, i);
	if (retried(c, task, i)) {
		task->store_gpa = 0;
		m2d_conf_guest_unprotect(c, t, i);
		return;
	}
	if (error & M2D_PFEC_W && m2d_conf_walked_to(c, fmt, i, &gpa)) {
		value = m2d_conf_stored(c, fmt, gpa, i);
		task->store_gpa = 0;
	}
	if (error & M2D_PFEC_ID)
		M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_mmu_walk_addr, .vcpu = vcpu,
			       .gva = addr, .access = error);
	else
		op = M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_emulate, .vcpu = vcpu,
				    .kind = error & M2D_PFEC_W ? M2D_ACC_WRITE : M2D_ACC_READ,
				    .size = access_size(fmt, addr),
				    .user = (error & M2D_PFEC_U) != 0, .gva = addr, .value = value);
	if (op != NULL)
		op->emulates = true;
}

static void on_emulate(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	M2dKvmVcpu *v = c->vm->vcpu[task->vcpu];

	if (task->exit_reason != EXIT_WRITE_CR3)
		return;
	m2d_conf_finish_ops(c, task);
	i = m2d_conf_find(c, i, M2D_CAP_NEW_PGD);
	if (i != M2D_CONF_NONE) {
		VM_PUT(c->vm, v->regs.cr3, m2d_conf_event(c, i)->u.new_pgd.pgd);
		m2d_conf_load_pdptes(c, (unsigned)task->vcpu, i);
	}
	M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_invalidate_pcid, .vcpu = (uint32_t)task->vcpu,
		       .pcid = 0);
	m2d_conf_finish_ops(c, task);
}

void m2d_conf_page_synced(M2dConform *c, M2dSpIndex sp)
{
	const M2dPteFormat *fmt = &c->vm->vcpu[0]->mmu.gfmt;
	uint64_t gfn = m2d_sp(c->vm, sp)->gfn;

	if (c->tdp)
		return;
	/* It cannot be stored to from now on without a fault. */
	m2d_conf_settle_entries(c, fmt, gfn << M2D_PAGE_SHIFT,
				(unsigned)M2D_PAGE_SIZE >> fmt->entry_shift, c->now,
				m2d_conf_store_after(c, gfn, c->now));
	m2d_conf_guest_sync(c, sp);
}

/* The next flush of the guest's behind event @i: what it stored before is for then, or earlier. */
static uint32_t next_guest_flush(const M2dConform *c, uint32_t i)
{
	for (i++; i < c->events->len; i++) {
		unsigned kind = m2d_conf_event(c, i)->kind;

		if (kind == M2D_CAP_SYNC_ROOTS || kind == M2D_CAP_MMU_INVLPG)
			return i;
	}
	return M2D_CONF_NONE;
}

/* A table that is unsync and not in use at the moment is found again, and brought up to date. */
static void found(M2dConform *c, const M2dConfTask *task, uint32_t i)
{
	const M2dPteFormat *fmt = &c->vm->vcpu[task->vcpu]->mmu.gfmt;
	uint64_t gfn;

	/* The flush for what has changed comes before kvm_mmu_get_page. */
	if (m2d_conf_event(c, i)->kind != M2D_CAP_GET_PAGE)
		i = m2d_conf_find(c, i, M2D_CAP_GET_PAGE);
	if (i == M2D_CONF_NONE)
		return;
	gfn = m2d_conf_event(c, i)->u.page.gfn;
	for (M2dSpIndex n = 1; n < m2d_shadow_max_sp(c->vm); n++) {
		const M2dSp *sp = m2d_sp(c->vm, n);

		if (sp->pfn == 0 || sp->gfn != gfn || !sp->unsync ||
		    (sp->role ^ m2d_conf_event(c, i)->u.page.role) & M2D_CAP_ROLE_QUADRANT)
			continue;
		m2d_conf_settle_entries(c, fmt, gfn << M2D_PAGE_SHIFT,
					(unsigned)M2D_PAGE_SIZE >> fmt->entry_shift, i,
					next_guest_flush(c, i));
		m2d_conf_guest_found(c, n);
		return;
	}
}

/* HvFlushVirtualAddressSpace and its like: a request to each processor of the mask. */
static void on_hv_flush(M2dConform *c, uint64_t mask)
{
	for (unsigned i = 0; i < c->vm->n_vcpus; i++)
		if (mask == 0 || mask >> i & 1)
			m2d_make_request(c->vm, i, M2D_REQ_TLB_FLUSH_GUEST);
}

/* Between a store that KVM performs and mmu_lock nothing is recorded. */
void m2d_conf_guest_stores(M2dConform *c, M2dConfTask *task, uint32_t i)
{
	const M2dConfOp *op = m2d_conf_top(task);
	const M2dTask *t;
	uint32_t n = m2d_conf_next(c, i);

	if (op == NULL || !op->emulates)
		return;
	if (n != M2D_CONF_NONE) {
		unsigned kind = m2d_conf_event(c, n)->kind;

		if (kind == M2D_CAP_WALK_ELEMENT || kind == M2D_CAP_WALK_ACCESSED ||
		    kind == M2D_CAP_WALK_DIRTY)
			return;
	}
	t = c->vm->rt->task[op->actor];
	while (m2d_conf_runs(c, op->actor) && t->point != M2D_PT_EMULATED &&
	       t->point != M2D_PT_LOCK)
		m2d_conf_step(c, op->actor);
}

void m2d_conf_guest_event(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dConfTask *task = m2d_conf_task(c, t);
	const M2dCapEvent *e = m2d_conf_event(c, i);

	switch (e->kind) {
	case M2D_CAP_ENTRY:
		task->entered = i;
		store_now(c, task, i);
		break;
	case M2D_CAP_WALK:
		if (task->unprotects) {
			task->unprotects = false;
			break;
		}
		if (!in_fault(c, task) || task->walked)
			emulator_walk(c, t, i);
		else if (e->u.walk.error & M2D_PFEC_W &&
			 !m2d_conf_walked_to(c, &c->vm->vcpu[task->vcpu]->mmu.gfmt, i,
					     &task->store_gpa))
			task->store_gpa = 0;
		task->walked = true;
		break;
	case M2D_CAP_PAGE_FAULT:
		task->walked = false;
		task->store_gpa = 0;
		task->store_addr = e->u.page_fault.addr;
		break;
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_SYNC_PAGE:
	case M2D_CAP_FLUSH_REMOTE:
		/* Tables on the way down come before the request is told. */
		if (in_fault(c, task))
			ask_host(c, task, i);
		found(c, task, i);
		break;
	case M2D_CAP_SPTE_REQUESTED:
		if (in_fault(c, task)) {
			entries_unchanged(c, task);
			hardware_used(c, task, i);
			m2d_conf_guest_prefetch(
				c, task, i,
				m2d_conf_shadow_of(
					c, task,
					m2d_conf_event(c, task->fault_event)->u.page_fault.addr));
		}
		break;
	case M2D_CAP_EXIT:
		task->emulating = false;
		task->exit_rip = e->u.exit.rip;
		break;
	case M2D_CAP_EMULATE:
		task->emulating = true;
		on_emulate(c, t, i);
		break;
	case M2D_CAP_NEW_PGD:
		m2d_conf_finish_ops(c, task);
		M2D_CONF_START(c, t, M2D_CONF_OP_GUEST, m2d_mmu_new_pgd,
			       .vcpu = (uint32_t)task->vcpu, .pgd = e->u.new_pgd.pgd);
		break;
	case M2D_CAP_MMU_INVLPG:
		m2d_conf_finish_ops(c, task);
		m2d_conf_guest_invlpg(c, task, i);
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
