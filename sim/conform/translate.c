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

static void page_item(const M2dConform *c, M2dConfItem *item, unsigned kind, const uint64_t *a)
{
	item->kind = (uint16_t)kind;
	item->f[0] = m2d_sp(c->vm, (M2dSpIndex)a[0])->valid_gen;
	item->f[1] = a[1];
	item->f[2] = role_of(a[2]);
	item->f[3] = a[3];
	item->f[4] = a[4];
	item->f[5] = a[5];
	item->has = HAS(kind == M2D_CAP_GET_PAGE ? 6 : 5);
}

static uint64_t rights_of(const M2dConform *c, uint64_t spte)
{
	const M2dSpteFormat *fmt = &c->vm->fmt;

	(void)fmt;
	return M2D_CAP_ACC_R | (spte & M2D_PTE_RW ? M2D_CAP_ACC_W : 0) |
	       (spte & M2D_PTE_NX ? 0 : M2D_CAP_ACC_X) | (spte & M2D_PTE_US ? M2D_CAP_ACC_U : 0);
}

static void plain(M2dConfItem *item, unsigned kind, const uint64_t *a, unsigned n)
{
	item->kind = (uint16_t)kind;
	item->has = HAS(n);
	memcpy(item->f, a, n * sizeof(*a));
}

/* False: the kernel records nothing of that. */
static bool translate(M2dConform *c, const M2dEvent *e, M2dConfItem *item)
{
	static const uint16_t flushes[] = {M2D_CAP_SVM_FLUSH_ALL, M2D_CAP_SVM_FLUSH_CURRENT, 0,
					   M2D_CAP_SVM_FLUSH_GVA};
	const uint64_t *a = e->a;

	memset(item, 0, sizeof(*item));
	switch ((M2dEventType)e->type) {
	case M2D_E_KVM_MMU_GET_PAGE:
		page_item(c, item, M2D_CAP_GET_PAGE, a);
		return true;
	case M2D_E_KVM_MMU_SYNC_PAGE:
		page_item(c, item, M2D_CAP_SYNC_PAGE, a);
		return true;
	case M2D_E_KVM_MMU_UNSYNC_PAGE:
		page_item(c, item, M2D_CAP_UNSYNC_PAGE, a);
		return true;
	case M2D_E_KVM_MMU_PREPARE_ZAP_PAGE:
		page_item(c, item, M2D_CAP_ZAP_PAGE, a);
		return true;
	case M2D_E_KVM_MMU_SET_SPTE:
		plain(item, M2D_CAP_SET_SPTE,
		      (const uint64_t[]){a[0], a[1], rights_of(c, a[1]), a[2], a[3]}, 5);
		return true;
	case M2D_E_MARK_MMIO_SPTE:
		plain(item, M2D_CAP_MARK_MMIO, a, 4);
		item->has &= ~1u;
		return true;
	case M2D_E_CHECK_MMIO_SPTE:
		plain(item, M2D_CAP_CHECK_MMIO, a, 4);
		return true;
	case M2D_E_HANDLE_MMIO_PAGE_FAULT:
		plain(item, M2D_CAP_MMIO_FAULT, a, 3);
		return true;
	case M2D_E_FAST_PAGE_FAULT:
		plain(item, M2D_CAP_FAST_FAULT,
		      (const uint64_t[]){e->vcpu, a[0], a[1], a[2], a[3], a[4],
					 a[5] == M2D_RET_PF_SPURIOUS, a[5] == M2D_RET_PF_FIXED},
		      8);
		item->has &= ~8u;
		return true;
	case M2D_E_KVM_MMU_ZAP_ALL_FAST:
		plain(item, M2D_CAP_ZAP_ALL_FAST, a, 2);
		return true;
	case M2D_E_FLUSH_REMOTE:
		plain(item, M2D_CAP_FLUSH_REMOTE, a, 0);
		return true;
	case M2D_E_FLUSH_HW:
		if (a[0] > 3 || flushes[a[0]] == 0)
			return false;
		plain(item, flushes[a[0]], a + 1, a[0] == 3);
		return true;
	default:
		return false;
	}
}

/* A page of the model's is free again: whatever it was in the kernel. */
static void forget_page(M2dConform *c, uint64_t pfn)
{
	gpointer k = g_hash_table_lookup(c->m2k, (gpointer)pfn);

	if (k == NULL)
		return;
	g_hash_table_remove(c->k2m, k);
	g_hash_table_remove(c->m2k, (gpointer)pfn);
}

void m2d_conf_listen(const M2dEvent *event, void *data)
{
	M2dConform *c = data;
	M2dConfItem item;
	M2dConfTask *task;

	if (event->type == M2D_E_SP_FREE)
		forget_page(c, event->a[3]);
	if (event->actor >= M2D_MAX_ACTORS || c->actor_task[event->actor] == M2D_CONF_NONE ||
	    !translate(c, event, &item))
		return;
	task = m2d_conf_task(c, c->actor_task[event->actor]);
	g_array_append_val(task->model, item);
	task->n_model[item.kind]++;
}

static bool same_place(M2dConform *c, uint64_t kernel, uint64_t model, bool bind)
{
	gpointer k = (gpointer)(kernel >> 12), m = (gpointer)(model >> 12);
	gpointer to = g_hash_table_lookup(c->k2m, k), from = g_hash_table_lookup(c->m2k, m);

	if ((kernel ^ model) & 0xfff)
		return false;
	if (to == NULL && from == NULL) {
		if (bind) {
			g_hash_table_insert(c->k2m, k, m);
			g_hash_table_insert(c->m2k, m, k);
		}
		return true;
	}
	return to == m && from == k;
}

static bool same_field(M2dConform *c, const M2dCapEvent *k, const M2dConfItem *m, unsigned i,
		       bool bind)
{
	if (m->kind == M2D_CAP_SET_SPTE && i == 4)
		return same_place(c, k->u.f[i], m->f[i], bind);
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

bool m2d_conf_predicted(unsigned kind)
{
	switch (kind) {
	case M2D_CAP_SET_SPTE:
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_SYNC_PAGE:
	case M2D_CAP_UNSYNC_PAGE:
	case M2D_CAP_ZAP_ALL_FAST:
	case M2D_CAP_MARK_MMIO:
	case M2D_CAP_CHECK_MMIO:
	case M2D_CAP_MMIO_FAULT:
	case M2D_CAP_FAST_FAULT:
	case M2D_CAP_FLUSH_REMOTE:
	case M2D_CAP_SVM_FLUSH_ALL:
	case M2D_CAP_SVM_FLUSH_CURRENT:
	case M2D_CAP_SVM_FLUSH_GVA:
		return true;
	default:
		return false;
	}
}
