/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture in memory: which thread each event is of, which vCPU it runs, and what all of it
 * tells about kernel and MMU. Only kinds that event.def has are kept.
 */
#include "sim/base/error.h"
#include "sim/conform/conform-private.h"

M2dConform *m2d_conform_new(const M2dConfOptions *options)
{
	M2dConform *c = g_new0(M2dConform, 1);

	c->opt = *options;
	c->events = g_array_new(FALSE, FALSE, sizeof(M2dCapEvent));
	c->task_of = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	c->next = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	c->tasks = g_ptr_array_new();
	c->by_pid = g_hash_table_new(NULL, NULL);
	c->pages = g_hash_table_new(NULL, NULL);
	c->inputs = g_hash_table_new(NULL, NULL);
	c->read_only = g_hash_table_new(NULL, NULL);
	c->fake = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	c->lent = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	c->notifiers = g_array_new(FALSE, FALSE, sizeof(M2dConfNotifier));
	c->k2m = g_hash_table_new(NULL, NULL);
	c->m2k = g_hash_table_new(NULL, NULL);
	return c;
}

void m2d_conform_free(M2dConform *c)
{
	if (c == NULL)
		return;
	for (guint i = 0; i < c->tasks->len; i++) {
		M2dConfTask *t = m2d_conf_task(c, i);

		g_array_unref(t->kernel);
		g_array_unref(t->model);
		g_free(t);
	}
	g_array_unref(c->events);
	g_array_unref(c->task_of);
	g_array_unref(c->next);
	g_ptr_array_unref(c->tasks);
	g_array_unref(c->fake);
	g_array_unref(c->lent);
	g_array_unref(c->notifiers);
	g_hash_table_unref(c->by_pid);
	g_hash_table_unref(c->pages);
	g_hash_table_unref(c->k2m);
	g_hash_table_unref(c->m2k);
	m2d_conf_guest_free(c);
	g_hash_table_unref(c->inputs);
	g_hash_table_unref(c->read_only);
	m2d_vm_free(c->vm);
	m2d_world_free(c->world);
	g_free(c->profile);
	g_free(c);
}

static uint32_t task_of_pid(M2dConform *c, uint32_t pid)
{
	gpointer found = g_hash_table_lookup(c->by_pid, GUINT_TO_POINTER(pid));
	M2dConfTask *t;

	if (found != NULL)
		return GPOINTER_TO_UINT(found) - 1;
	t = g_new0(M2dConfTask, 1);
	t->pid = pid;
	t->number = c->tasks->len;
	t->vcpu = -1;
	t->last = t->at = M2D_CONF_NONE;
	t->kernel = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	t->model = g_array_new(FALSE, FALSE, sizeof(M2dConfItem));
	g_ptr_array_add(c->tasks, t);
	g_hash_table_insert(c->by_pid, GUINT_TO_POINTER(pid), GUINT_TO_POINTER(c->tasks->len));
	return c->tasks->len - 1;
}

/* What single events tell of kernel and machine. */
static void learn(M2dConform *c, M2dConfTask *t, const M2dCapEvent *e)
{
	uint64_t vcpu;

	if (e->kind == M2D_CAP_FAST_FAULT && e->u.fast_fault.from >> 63)
		c->nonpresent63 |= !(e->u.fast_fault.from & M2D_PTE_P);
	if (e->kind == M2D_CAP_FLUSH_REMOTE && e->has & 1)
		c->memslot_inlined |= m2d_conf_memslot_inlined(e->u.flush_remote.caller);
	if (e->kind == M2D_CAP_EXIT && e->has & 2) {
		uint64_t reason = e->u.exit.reason;

		c->vmx |= (reason & M2D_CAP_EXIT_VMX) != 0;
		c->npf |= reason == (M2D_CAP_EXIT_SVM | 0x400) || reason == (M2D_CAP_EXIT_VMX | 48);
		c->pf |= reason == (M2D_CAP_EXIT_SVM | 0x4e);
	}
	if (e->kind != M2D_CAP_ENTRY && e->kind != M2D_CAP_EXIT && e->kind != M2D_CAP_PAGE_FAULT)
		return;
	if (!(e->has & 1))
		return;
	vcpu = e->u.entry.vcpu;
	if (t->vcpu < 0 && vcpu < 0x1000)
		t->vcpu = (int)vcpu;
	c->n_vcpus = MAX(c->n_vcpus, (unsigned)vcpu + 1);
}

void m2d_conform_add(M2dConform *c, const M2dCapEvent *event)
{
	uint32_t t, i = c->events->len, none = M2D_CONF_NONE;
	M2dConfTask *task;

	if (event->kind >= M2D_CAP_N_KINDS || event->kind == M2D_CAP_MARK)
		return;
	t = task_of_pid(c, event->pid);
	task = m2d_conf_task(c, t);
	c->seen[event->kind]++;
	g_array_append_val(c->events, *event);
	g_array_append_val(c->task_of, t);
	g_array_append_val(c->next, none);
	if (event->kind == M2D_CAP_FLUSH_REMOTE && task->last != M2D_CONF_NONE)
		c->flushes_young |= m2d_conf_event(c, task->last)->kind == M2D_CAP_AGE_GFN;
	if (task->last != M2D_CONF_NONE)
		g_array_index(c->next, uint32_t, task->last) = i;
	task->last = i;
	learn(c, task, event);
}

uint64_t m2d_conform_events(const M2dConform *c)
{
	return c->events->len;
}

static void choose_profile(M2dConform *c)
{
	const uint64_t *seen = c->seen;

	if (c->opt.kvm != NULL) {
		c->profile = g_strdup(c->opt.kvm);
		c->why = "as asked";
	} else if (seen[M2D_CAP_SET_SPTE_GFN] != 0 || seen[M2D_CAP_SET_SPTE_HVA] != 0) {
		c->profile = g_strdup("6.1");
		c->why = "it has set_spte_gfn, which 6.10 removed";
	} else if (c->nonpresent63 || seen[M2D_CAP_VCPU_FLUSH_GUEST] != 0 ||
		   seen[M2D_CAP_FLUSH_REMOTE_RANGE] != 0) {
		c->profile = g_strdup("6.12");
		c->why = c->nonpresent63 ? "bit 63 is set in unused SPTEs"
					 : "functions of later kernels are probed";
	} else {
		c->profile = g_strdup("6.1");
		c->why = "nothing in the capture tells";
	}
}

static bool refuse(GError **error, const char *why)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s", why);
	return false;
}

bool m2d_conf_stream_end(M2dConform *c, GError **error)
{
	const uint64_t *seen = c->seen;

	if (seen[M2D_CAP_TDP_SPTE] != 0)
		return refuse(error,
			      "a capture of the TDP MMU: replay expects shadow paging or the "
			      "direct MMU; see `mmu2d check`");
	if (seen[M2D_CAP_NESTED_RUN] != 0 || seen[M2D_CAP_NESTED_ENTER] != 0)
		return refuse(error, "the guest runs guests, which replay has no model of");
	if (c->n_vcpus == 0)
		return refuse(error,
			      "no kvm_entry or kvm_exit: expected a capture of a running VM");
	if (c->n_vcpus > M2D_MAX_KVM_VCPUS)
		return refuse(error, "replay expects at most 8 vCPUs");
	if (c->vmx)
		return refuse(error, "a capture of VMX: replay expects one of SVM");
	c->tdp = c->npf || !c->pf;
	choose_profile(c);
	return true;
}

bool m2d_conf_starts(unsigned kind)
{
	switch (kind) {
	case M2D_CAP_ENTRY:
	case M2D_CAP_EXIT:
	case M2D_CAP_PAGE_FAULT:
	case M2D_CAP_SET_REGION:
	case M2D_CAP_UNMAP_HVA:
	case M2D_CAP_SET_SPTE_HVA:
	case M2D_CAP_AGE_HVA:
	case M2D_CAP_TEST_AGE_HVA:
	case M2D_CAP_MMU_UNLOAD:
	case M2D_CAP_USERSPACE_EXIT:
		return true;
	default:
		return false;
	}
}

uint32_t m2d_conf_find(const M2dConform *c, uint32_t i, unsigned kind)
{
	uint32_t n;

	for (n = m2d_conf_next(c, i); n != M2D_CONF_NONE; n = m2d_conf_next(c, n)) {
		unsigned k = m2d_conf_event(c, n)->kind;

		if (k == kind)
			return n;
		if (k == M2D_CAP_ENTRY || k == M2D_CAP_EXIT || k == M2D_CAP_PAGE_FAULT)
			break;
	}
	return M2D_CONF_NONE;
}
