/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Harvests of the dirty log, and the bits that hardware sets.
 *
 * No event tells of KVM_GET_DIRTY_LOG or KVM_CLEAR_DIRTY_LOG; the first word of the bitmap that
 * loses write access does. Getting takes all that is dirty; clearing takes what userspace hands
 * back, which is an input: of that, what is dirty is taken. The memslot is the one of which all
 * those words are dirty.
 */
#include "sim/conform/conform-private.h"

typedef enum {
	FIT_NONE,
	FIT_PART, /* all that was taken is dirty */
	FIT_ALL,  /* and nothing else is */
} Fit;

static unsigned dirty_words(M2dVm *vm, M2dMemslot *slot)
{
	unsigned n = 0;

	for (uint64_t w = 0; w < (slot->npages + 63) / 64; w++)
		n += m2d_slot_dirty_word(vm, slot, w, false) != 0;
	return n;
}

/* The run of words from event @i on, held against a memslot. @wrong: out: pages that were taken and
 * are not dirty, or the other way round. */
static Fit fit(const M2dConform *c, M2dMemslot *slot, uint32_t i, unsigned *wrong)
{
	unsigned n = 0;
	Fit f = FIT_ALL;

	*wrong = 0;
	for (; i != M2D_CONF_NONE; i = m2d_conf_next(c, i), n++) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		uint64_t dirty;

		if (e->kind != M2D_CAP_DIRTY_MASKED)
			break;
		if (e->u.dirty_masked.offset >= slot->npages) {
			*wrong = UINT_MAX;
			return FIT_NONE;
		}
		dirty = m2d_slot_dirty_word(c->vm, slot, e->u.dirty_masked.offset / 64, false);
		*wrong += (unsigned)__builtin_popcountll(e->u.dirty_masked.mask ^ dirty);
		if (e->u.dirty_masked.mask & ~dirty)
			f = FIT_NONE;
	}
	if (f == FIT_ALL && (*wrong != 0 || n != dirty_words(c->vm, slot)))
		f = FIT_PART;
	return f;
}

/* The memslot that fits best; NULL: none is logged. */
static M2dMemslot *find_slot(const M2dConform *c, uint32_t i, Fit *best)
{
	M2dMemslot *found = NULL;
	unsigned least = UINT_MAX;

	*best = FIT_NONE;
	for (unsigned n = 0; n < M2D_N_AS * M2D_MAX_SLOTS; n++) {
		M2dMemslot *slot = m2d_slot(c->vm, n / M2D_MAX_SLOTS, n % M2D_MAX_SLOTS);
		unsigned wrong;
		Fit f;

		if (slot->npages == 0 || !(slot->flags & M2D_SLOT_LOG_DIRTY))
			continue;
		f = fit(c, slot, i, &wrong);
		if (found != NULL && (f < *best || (f == *best && wrong >= least)))
			continue;
		found = slot;
		*best = f;
		least = wrong;
	}
	return found;
}

/* What userspace hands back: the words of the run. Their end, as gfns. */
static uint64_t hand_back(M2dConform *c, M2dMemslot *slot, uint32_t i)
{
	uint64_t end = slot->base_gfn;

	for (uint64_t w = 0; w < (slot->npages + 63) / 64; w++)
		VM_PUT(c->vm, *m2d_slot_log_word(c->vm, slot, w), 0);
	for (; i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		uint64_t offset = e->u.dirty_masked.offset;

		if (e->kind != M2D_CAP_DIRTY_MASKED || offset >= slot->npages)
			break;
		VM_PUT(c->vm, *m2d_slot_log_word(c->vm, slot, offset / 64), e->u.dirty_masked.mask);
		end = slot->base_gfn + MIN(offset + 64, slot->npages);
	}
	return end;
}

void m2d_conf_dirty_start(M2dConform *c, uint32_t t, uint32_t i)
{
	M2dMemslot *slot;
	Fit f;

	slot = find_slot(c, i, &f);
	if (slot == NULL)
		return;
	c->manual |= f == FIT_PART;
	if (f == FIT_ALL || (f == FIT_NONE && !c->manual))
		M2D_CONF_START(c, t, M2D_CONF_OP_OTHER, m2d_get_dirty_log, .as = slot->as,
			       .id = slot->id);
	else
		M2D_CONF_START(c, t, M2D_CONF_OP_OTHER, m2d_clear_dirty_log, .as = slot->as,
			       .id = slot->id, .gfn = slot->base_gfn, .end = hand_back(c, slot, i));
}

/* --- accessed and dirty bits ------------------------------------------------------------------ */

/* The last entry of the vCPU's tables for @addr that is present; 0: none. */
static M2dSptep leaf_of(const M2dConform *c, unsigned vcpu, uint64_t addr)
{
	const M2dVm *vm = c->vm;
	const M2dKvmVcpu *v = vm->vcpu[vcpu];
	uint64_t spte = 0;
	M2dShadowWalk it;

	m2d_shadow_walk_init(vm, v, v->mmu.root.sp, addr, &it);
	for (; it.level != 0; m2d_shadow_walk_next(vm, &it, spte)) {
		spte = m2d_spte_read(vm, it.sptep);
		if (m2d_spte_is_present(&vm->fmt, spte) && m2d_spte_is_last(spte, it.level))
			return it.sptep;
	}
	return 0;
}

void m2d_conf_used(M2dConform *c, M2dSptep sptep, uint64_t bits)
{
	m2d_space_write64(c->vm->space, m2d_spte_hpa(c->vm, sptep),
			  m2d_spte_read(c->vm, sptep) | bits);
}

void m2d_conf_hardware_bits(M2dConform *c, uint32_t i)
{
	uint32_t n = m2d_conf_find(c, i, M2D_CAP_FAST_FAULT);
	const uint64_t bits = c->vm->fmt.accessed | c->vm->fmt.dirty;
	const M2dCapEvent *e;
	uint64_t old;
	M2dSptep p;

	if (n == M2D_CONF_NONE || m2d_conf_task_of(c, i)->vcpu < 0)
		return;
	e = m2d_conf_event(c, n);
	p = leaf_of(c, (unsigned)m2d_conf_task_of(c, i)->vcpu, e->u.fast_fault.gva);
	if (p == 0)
		return;
	old = m2d_spte_read(c->vm, p);
	/* They may have been set since; nothing else may differ. */
	if (((old ^ e->u.fast_fault.from) & ~bits) == 0 && !(old & ~e->u.fast_fault.from))
		m2d_space_write64(c->vm->space, m2d_spte_hpa(c->vm, p), e->u.fast_fault.from);
}

/* --- ageing ----------------------------------------------------------------------------------- */

/* The first SPTE of a list, where hardware sets the accessed bit. */
static void set_accessed(M2dSptep p, void *data)
{
	M2dConform *c = *(M2dConform **)data;

	if (c == NULL)
		return;
	m2d_conf_used(c, p, c->vm->fmt.accessed);
	*(M2dConform **)data = NULL;
}

/* The kernel found a page of the range young, and the model would not: the guest has accessed one
 * since. */
static void access_one(M2dConform *c, uint64_t gfn, uint64_t end)
{
	M2dMemslot *slot = m2d_gfn_to_slot(c->vm, 0, gfn);

	for (; slot != NULL && gfn < end && m2d_slot_has(slot, gfn); gfn++) {
		M2dConform *unmet = c;

		for (unsigned level = 1; level <= 3 && unmet != NULL; level++)
			m2d_list_foreach(c->vm, *m2d_slot_rmap(c->vm, slot, gfn, level),
					 set_accessed, &unmet);
		if (unmet == NULL)
			return;
	}
}

static bool is_young(const M2dConform *c, uint64_t gfn, uint64_t end)
{
	const M2dMemslot *slot = m2d_gfn_to_slot(c->vm, 0, gfn);

	for (; slot != NULL && gfn < end && m2d_slot_has(slot, gfn); gfn++)
		if (m2d_mmu_test_age_gfn(c->vm, slot, gfn))
			return true;
	return false;
}

void m2d_conf_age_start(M2dConform *c, uint32_t t, uint32_t i)
{
	const M2dCapEvent *e = m2d_conf_event(c, i);
	bool test = e->kind == M2D_CAP_TEST_AGE_HVA;
	uint64_t start = m2d_conf_page(c, test ? e->u.test_age_hva.hva : e->u.age_hva.start), n = 1;
	uint32_t g = m2d_conf_next(c, i), f;

	if (!test && e->has & 2)
		n = (e->u.age_hva.end >> 12) - (e->u.age_hva.start >> 12);
	if (g != M2D_CONF_NONE && m2d_conf_event(c, g)->kind == M2D_CAP_AGE_GFN) {
		uint64_t gfn = m2d_conf_event(c, g)->u.age_gfn.start;
		uint64_t end = m2d_conf_event(c, g)->u.age_gfn.end;

		f = m2d_conf_next(c, g);
		if (f != M2D_CONF_NONE && m2d_conf_event(c, f)->kind == M2D_CAP_FLUSH_REMOTE &&
		    !is_young(c, gfn, end))
			access_one(c, gfn, end);
	}
	M2D_CONF_START(c, t, M2D_CONF_OP_OTHER, m2d_mmu_notifier_age, .start = start,
		       .end = start + n, .test = test, .keep = !c->flushes_young);
}
