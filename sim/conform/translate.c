/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's events as the capture would have them, and what of two such events must agree. Tables
 * lie in other frames than the kernel's: which of its pages is which of the model's is noted when
 * an SPTE is first set in it, and must stay so until the page is freed.
 */
#include <string.h>

#include "sim/conform/conform-private.h"

#define HAS(n) ((1u << (n)) - 1)

static uint64_t role_of(uint64_t role)
{
	return (role & (M2D_CAP_ROLE_LEVEL | M2D_CAP_ROLE_4BYTE | M2D_CAP_ROLE_QUADRANT |
			M2D_CAP_ROLE_DIRECT | M2D_CAP_ROLE_ACCESS | M2D_CAP_ROLE_INVALID |
			M2D_CAP_ROLE_NX)) |
	       (role & M2D_ROLE_AD_DISABLED ? 0 : M2D_CAP_ROLE_AD);
}

static uint64_t rights_of(uint64_t spte)
{
	return M2D_CAP_ACC_R | (spte & M2D_PTE_RW ? M2D_CAP_ACC_W : 0) |
	       (spte & M2D_PTE_NX ? 0 : M2D_CAP_ACC_X) | (spte & M2D_PTE_US ? M2D_CAP_ACC_U : 0);
}

/* Events whose fields are the capture's, in its order. */
static const struct {
	uint16_t event, kind;
	uint8_t n; /* fields */
	bool walk; /* of the guest's tables: with a direct MMU only the emulator walks */
} same[] = {
	{M2D_E_PAGETABLE_WALK, M2D_CAP_WALK, 2, true},
	{M2D_E_PAGING_ELEMENT, M2D_CAP_WALK_ELEMENT, 2, true},
	{M2D_E_SET_ACCESSED_BIT, M2D_CAP_WALK_ACCESSED, 1, true},
	{M2D_E_SET_DIRTY_BIT, M2D_CAP_WALK_DIRTY, 1, true},
	{M2D_E_WALKER_ERROR, M2D_CAP_WALK_ERROR, 1, true},
	{M2D_E_SPTE_REQUESTED, M2D_CAP_SPTE_REQUESTED, 3, false},
	{M2D_E_MARK_MMIO_SPTE, M2D_CAP_MARK_MMIO, 4, false},
	{M2D_E_CHECK_MMIO_SPTE, M2D_CAP_CHECK_MMIO, 4, false},
	{M2D_E_HANDLE_MMIO_PAGE_FAULT, M2D_CAP_MMIO_FAULT, 3, false},
	{M2D_E_KVM_MMU_ZAP_ALL_FAST, M2D_CAP_ZAP_ALL_FAST, 2, false},
	{M2D_E_FLUSH_REMOTE, M2D_CAP_FLUSH_REMOTE, 0, false},
	{M2D_E_FN_MMU_LOAD, M2D_CAP_MMU_LOAD, 0, false},
	{M2D_E_FN_MMU_UNLOAD, M2D_CAP_MMU_UNLOAD, 0, false},
	{M2D_E_FN_NEW_PGD, M2D_CAP_NEW_PGD, 1, false},
	{M2D_E_FN_MMU_INVLPG, M2D_CAP_MMU_INVLPG, 1, false},
	{M2D_E_FN_SYNC_ROOTS, M2D_CAP_SYNC_ROOTS, 0, false},
	{M2D_E_FN_SYNC_PREV_ROOTS, M2D_CAP_SYNC_PREV_ROOTS, 0, false},
	{M2D_E_FN_COMMIT_ZAP, M2D_CAP_COMMIT_ZAP, 0, false},
	{M2D_E_FN_FLUSH_MEMSLOT, M2D_CAP_FLUSH_REMOTE_MEMSLOT, 0, false},
	{M2D_E_FN_SVM_FLUSH_ASID, M2D_CAP_SVM_FLUSH_ASID, 0, false},
	{M2D_E_FN_UNMAP_GFN, M2D_CAP_UNMAP_GFN, 2, false},
	{M2D_E_FN_AGE_GFN, M2D_CAP_AGE_GFN, 2, false},
	{M2D_E_FN_TEST_AGE_GFN, M2D_CAP_TEST_AGE_GFN, 2, false},
	{M2D_E_FN_REMOVE_WRITE, M2D_CAP_REMOVE_WRITE, 0, false},
	{M2D_E_FN_DIRTY_MASKED, M2D_CAP_DIRTY_MASKED, 2, false},
	{M2D_E_FN_COLLAPSIBLE, M2D_CAP_COLLAPSIBLE, 0, false},
	{M2D_E_FN_FLUSH_SHADOW, M2D_CAP_FLUSH_SHADOW, 0, false},
	{M2D_E_FN_INVAL_MMIO, M2D_CAP_INVAL_MMIO, 1, false},
	/* Fields differ; see translate(). */
	{M2D_E_KVM_MMU_GET_PAGE, M2D_CAP_GET_PAGE, 6, false},
	{M2D_E_KVM_MMU_SYNC_PAGE, M2D_CAP_SYNC_PAGE, 5, false},
	{M2D_E_KVM_MMU_UNSYNC_PAGE, M2D_CAP_UNSYNC_PAGE, 5, false},
	{M2D_E_KVM_MMU_PREPARE_ZAP_PAGE, M2D_CAP_ZAP_PAGE, 5, false},
	{M2D_E_KVM_MMU_SET_SPTE, M2D_CAP_SET_SPTE, 5, false},
	{M2D_E_FAST_PAGE_FAULT, M2D_CAP_FAST_FAULT, 8, false},
	{M2D_E_FLUSH_HW, M2D_CAP_SVM_FLUSH_ALL, 0, false},
	{M2D_E_FLUSH_HW, M2D_CAP_SVM_FLUSH_CURRENT, 0, false},
	{M2D_E_FLUSH_HW, M2D_CAP_SVM_FLUSH_GVA, 1, false},
};

static void plain(M2dConfItem *item, unsigned kind, const uint64_t *a, unsigned n)
{
	item->kind = (uint16_t)kind;
	item->has = HAS(n);
	memcpy(item->f, a, n * sizeof(*a));
}

/* False: the kernel records nothing of that. */
static bool translate(const M2dConform *c, const M2dEvent *e, M2dConfItem *item)
{
	const uint64_t *a = e->a;
	unsigned i = 0;

	while (i < G_N_ELEMENTS(same) && same[i].event != e->type)
		i++;
	if (i == G_N_ELEMENTS(same))
		return false;
	memset(item, 0, sizeof(*item));
	switch ((M2dEventType)e->type) {
	case M2D_E_KVM_MMU_GET_PAGE:
	case M2D_E_KVM_MMU_SYNC_PAGE:
	case M2D_E_KVM_MMU_UNSYNC_PAGE:
	case M2D_E_KVM_MMU_PREPARE_ZAP_PAGE:
		plain(item, same[i].kind,
		      (const uint64_t[]){m2d_sp(c->vm, (M2dSpIndex)a[0])->valid_gen, a[1],
					 role_of(a[2]), a[3], a[4], a[5]},
		      same[i].n);
		return true;
	case M2D_E_KVM_MMU_SET_SPTE:
		plain(item, M2D_CAP_SET_SPTE,
		      (const uint64_t[]){a[0], a[1], rights_of(a[1]), a[2], a[3]}, 5);
		return true;
	case M2D_E_FAST_PAGE_FAULT:
		plain(item, M2D_CAP_FAST_FAULT,
		      (const uint64_t[]){e->vcpu, a[0], a[1], a[2], a[3], a[4],
					 a[5] == M2D_RET_PF_SPURIOUS, a[5] == M2D_RET_PF_FIXED},
		      8);
		item->has &= ~8u; /* a hashed pointer */
		return true;
	case M2D_E_FLUSH_HW:
		if (a[0] == 2) /* for the guest: has no probe */
			return false;
		plain(item,
		      a[0] == 0   ? M2D_CAP_SVM_FLUSH_ALL
		      : a[0] == 1 ? M2D_CAP_SVM_FLUSH_CURRENT
				  : M2D_CAP_SVM_FLUSH_GVA,
		      a + 1, a[0] == 3);
		return true;
	case M2D_E_FN_FLUSH_MEMSLOT:
		plain(item, same[i].kind, a, 0);
		return !c->memslot_inlined || !m2d_conf_in_dirty_log(c);
	case M2D_E_FLUSH_REMOTE:
		plain(item, M2D_CAP_FLUSH_REMOTE, (const uint64_t[]){m2d_conf_flush_caller(c)}, 1);
		return true;
	default:
		plain(item, same[i].kind, a, same[i].n);
		if (e->type == M2D_E_MARK_MMIO_SPTE)
			item->has &= ~1u; /* a hashed pointer */
		return true;
	}
}

bool m2d_conf_predicted(const M2dConform *c, unsigned kind)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(same); i++)
		if (same[i].kind == kind)
			return c->seen[kind] != 0 && (!same[i].walk || !c->tdp);
	return false;
}

/* A page of the model's is free again: whatever it was in the kernel. */
static void forget_page(M2dConform *c, uint64_t pfn)
{
	gpointer k = g_hash_table_lookup(c->m2k, GSIZE_TO_POINTER(pfn));

	if (k == NULL)
		return;
	g_hash_table_remove(c->k2m, k);
	g_hash_table_remove(c->m2k, GSIZE_TO_POINTER(pfn));
}

void m2d_conf_listen(const M2dEvent *event, void *data)
{
	M2dConform *c = data;
	M2dConfItem item;
	M2dConfTask *task;

	if (event->type == M2D_E_KVM_MMU_SYNC_PAGE)
		m2d_conf_page_synced(c, (M2dSpIndex)event->a[0]);
	if (event->type == M2D_E_SP_FREE)
		forget_page(c, event->a[3]);
	if (event->actor >= M2D_MAX_ACTORS || c->actor_task[event->actor] == M2D_CONF_NONE ||
	    !translate(c, event, &item) || !m2d_conf_predicted(c, item.kind))
		return;
	task = m2d_conf_task(c, c->actor_task[event->actor]);
	g_array_append_val(task->model, item);
	task->n_model[item.kind]++;
}

/* From now on these are one: what was known of either is wrong. */
static void rebind(M2dConform *c, gpointer k, gpointer m)
{
	gpointer to = g_hash_table_lookup(c->k2m, k), from = g_hash_table_lookup(c->m2k, m);

	if (to != NULL)
		g_hash_table_remove(c->m2k, to);
	if (from != NULL)
		g_hash_table_remove(c->k2m, from);
	g_hash_table_insert(c->k2m, k, m);
	g_hash_table_insert(c->m2k, m, k);
}

uint64_t m2d_conf_frame_of(const M2dConform *c, uint64_t at)
{
	return GPOINTER_TO_SIZE(
		g_hash_table_lookup(c->k2m, GSIZE_TO_POINTER(at >> M2D_PAGE_SHIFT)));
}

static bool same_place(M2dConform *c, uint64_t kernel, uint64_t model, bool bind)
{
	gpointer k = GSIZE_TO_POINTER(kernel >> 12), m = GSIZE_TO_POINTER(model >> 12);
	gpointer to = g_hash_table_lookup(c->k2m, k), from = g_hash_table_lookup(c->m2k, m);
	bool fits = (to == NULL && from == NULL) || (to == m && from == k);

	if ((kernel ^ model) & 0xfff)
		return false;
	if (bind && to != m) {
		c->resyncs += !fits;
		rebind(c, k, m);
	}
	return fits;
}

/* The tracepoint reads the SPTE after it was set: another vCPU's hardware may have used it by then.
 */
static bool same_spte(const M2dConform *c, uint64_t kernel, uint64_t model)
{
	uint64_t more = kernel & ~model;

	if (kernel == model)
		return true;
	return c->n_vcpus > 1 && (model & ~kernel) == 0 &&
	       (more & ~(uint64_t)(M2D_PTE_A | M2D_PTE_D)) == 0 &&
	       (!(more & M2D_PTE_D) || kernel & M2D_PTE_RW);
}

static bool same_field(M2dConform *c, const M2dCapEvent *k, const M2dConfItem *m, unsigned i,
		       bool bind)
{
	if (m->kind == M2D_CAP_SET_SPTE && i == 4)
		return same_place(c, k->u.f[i], m->f[i], bind);
	if (m->kind == M2D_CAP_SET_SPTE && i == 1)
		return same_spte(c, k->u.f[i], m->f[i]);
	if (m->kind == M2D_CAP_FLUSH_REMOTE)
		return m2d_conf_same_caller(k->u.f[i], m->f[i]);
	if (m->kind == M2D_CAP_FAST_FAULT && i == 2)
		return ((k->u.f[i] ^ m->f[i]) & 0x1f) == 0;
	return k->u.f[i] == m->f[i];
}

uint32_t m2d_conf_differ(M2dConform *c, const M2dCapEvent *kernel, const M2dConfItem *item,
			 bool bind)
{
	uint32_t both = kernel->has & item->has, differ = 0;

	for (unsigned i = 0; i < M2D_CAP_FIELDS; i++)
		if (both >> i & 1 && !same_field(c, kernel, item, i, bind))
			differ |= 1u << i;
	return differ;
}
