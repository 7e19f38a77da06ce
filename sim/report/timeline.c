/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See timeline.h. */
#include "sim/report/timeline.h"

#include <inttypes.h>
#include <string.h>

#include "sim/report/chrome.h"

#define VCPUS     1 /* groups of tracks */
#define TASKS     2
#define MAX_VCPUS 1024u

/* What a task is in. */
typedef struct {
	uint32_t pid;
	int vcpu;             /* -1: none */
	uint64_t entry, exit; /* times; 0: not in one */
	uint32_t reason;
	uint64_t fault, fault_addr, fault_error;
	/* A notifier, a memslot change, a dirty log, until something else comes. */
	const char *op;
	uint64_t op_start, op_end, op_a, op_b, op_entries, op_pages;
	uint64_t flush; /* a remote flush, until its task goes on */
} Task;

struct _M2dTimeline {
	M2dChrome chrome;
	uint64_t from, to;
	GHashTable *tasks; /* Task by pid */
	Task *last;
	uint64_t asked[MAX_VCPUS]; /* time of the flush it was asked for; 0: none */
	uint32_t asker[MAX_VCPUS];
	bool vcpu_seen[MAX_VCPUS];
};

M2dTimeline *m2d_timeline_new(M2dOutFile *out, uint64_t from, uint64_t to)
{
	M2dTimeline *t = g_new0(M2dTimeline, 1);

	m2d_chrome_init(&t->chrome, out);
	t->from = from;
	t->to = to != 0 ? to : UINT64_MAX;
	t->tasks = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	return t;
}

void m2d_timeline_free(M2dTimeline *t)
{
	if (t == NULL)
		return;
	m2d_chrome_clear(&t->chrome);
	g_hash_table_unref(t->tasks);
	g_free(t);
}

/* A span on track @tid of group @pid, if it touches the window. */
static void span(M2dTimeline *t, unsigned pid, uint64_t tid, uint64_t start, uint64_t end,
		 const char *cat, const char *name, const char *args)
{
	if (end >= t->from && start <= t->to && end >= start)
		m2d_chrome_span(&t->chrome, (M2dChromeTrack){pid, tid}, start, end, cat, name,
				args);
}

static void instant(M2dTimeline *t, unsigned pid, uint64_t tid, uint64_t time, const char *cat,
		    const char *name, const char *args)
{
	if (time >= t->from && time <= t->to)
		m2d_chrome_instant(&t->chrome, (M2dChromeTrack){pid, tid}, time, cat, name, args);
}

static Task *task_of(M2dTimeline *t, uint32_t pid)
{
	if (t->last == NULL || t->last->pid != pid) {
		t->last = g_hash_table_lookup(t->tasks, GUINT_TO_POINTER(pid));
		if (t->last == NULL) {
			t->last = g_new0(Task, 1);
			t->last->pid = pid;
			t->last->vcpu = -1;
			g_hash_table_insert(t->tasks, GUINT_TO_POINTER(pid), t->last);
		}
	}
	return t->last;
}

static void end_op(M2dTimeline *t, Task *task)
{
	char args[160];

	if (task->op == NULL)
		return;
	g_snprintf(args, sizeof(args),
		   "\"start\":\"0x%" PRIx64 "\",\"end\":\"0x%" PRIx64 "\",\"entries\":%" PRIu64
		   ",\"pages\":%" PRIu64,
		   task->op_a, task->op_b, task->op_entries, task->op_pages);
	span(t, TASKS, task->pid, task->op_start, task->op_end, "mmu", task->op, args);
	task->op = NULL;
}

static void begin_op(M2dTimeline *t, Task *task, const M2dCapEvent *e, const char *name, uint64_t a,
		     uint64_t b)
{
	end_op(t, task);
	task->op = name;
	task->op_start = task->op_end = e->time;
	task->op_a = a;
	task->op_b = b;
	task->op_entries = task->op_pages = 0;
}

/* Changes that belong to the operation its task is in, or are one. */
static void zap(M2dTimeline *t, Task *task, const M2dCapEvent *e, bool page)
{
	if (task->op == NULL)
		begin_op(t, task, e, "zap", 0, 0);
	task->op_entries += !page;
	task->op_pages += page;
	task->op_end = e->time;
}

static void on_entry(M2dTimeline *t, Task *task, const M2dCapture *capture, const M2dCapEvent *e)
{
	char args[128], name[32];

	if (e->u.entry.vcpu < MAX_VCPUS) {
		task->vcpu = (int)e->u.entry.vcpu;
		t->vcpu_seen[task->vcpu] = true;
	}
	if (task->vcpu < 0)
		return;
	if (task->fault != 0) {
		g_snprintf(args, sizeof(args),
			   "\"address\":\"0x%" PRIx64 "\",\"error\":\"0x%" PRIx64 "\"",
			   task->fault_addr, task->fault_error);
		span(t, VCPUS, (unsigned)task->vcpu, task->fault, e->time, "fault", "page fault",
		     args);
	}
	if (task->exit != 0)
		span(t, VCPUS, (unsigned)task->vcpu, task->exit, e->time, "exit",
		     m2d_capture_exit_name(capture, task->reason, name), "");
	task->exit = task->fault = 0;
	task->entry = e->time;
}

static void on_exit_event(M2dTimeline *t, Task *task, const M2dCapEvent *e)
{
	if (task->vcpu >= 0 && task->entry != 0)
		span(t, VCPUS, (unsigned)task->vcpu, task->entry, e->time, "guest", "guest", "");
	task->entry = 0;
	task->exit = e->time;
	task->reason = (uint32_t)e->u.exit.reason;
}

static void on_remote_flush(M2dTimeline *t, Task *task, const M2dCapEvent *e)
{
	task->flush = e->time;
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		if (t->vcpu_seen[i] && t->asked[i] == 0) {
			t->asked[i] = e->time;
			t->asker[i] = e->pid;
		}
}

/* The vCPU flushes everything: the end of an arrow. */
static void on_flush_all(M2dTimeline *t, const Task *task, const M2dCapEvent *e)
{
	unsigned v = (unsigned)task->vcpu;

	if (task->vcpu < 0)
		return;
	span(t, VCPUS, v, e->time, e->time + 1000, "flush", "flush all", "");
	if (t->asked[v] != 0 && t->asked[v] >= t->from && e->time <= t->to)
		m2d_chrome_arrow(&t->chrome, (M2dChromeTrack){TASKS, t->asker[v]}, t->asked[v],
				 (M2dChromeTrack){VCPUS, v}, e->time, "flush", "remote flush");
	t->asked[v] = 0;
}

static void on_spte(M2dTimeline *t, const Task *task, const M2dCapEvent *e)
{
	char args[160];

	g_snprintf(args, sizeof(args),
		   "\"gfn\":\"0x%" PRIx64 "\",\"spte\":\"0x%" PRIx64 "\",\"level\":%" PRIu64,
		   e->u.set_spte.gfn, e->u.set_spte.spte, e->u.set_spte.level);
	if (task->vcpu >= 0)
		instant(t, VCPUS, (unsigned)task->vcpu, e->time, "spte", "set SPTE", args);
}

static void on_local(M2dTimeline *t, const Task *task, const M2dCapEvent *e, const char *name)
{
	if (task->vcpu >= 0)
		instant(t, VCPUS, (unsigned)task->vcpu, e->time, "flush", name, "");
}

static void on_host(M2dTimeline *t, Task *task, const M2dCapEvent *e)
{
	switch (e->kind) {
	case M2D_CAP_UNMAP_HVA:
		begin_op(t, task, e, "notifier unmap", e->u.hva.start, e->u.hva.end);
		break;
	case M2D_CAP_SET_SPTE_HVA:
		begin_op(t, task, e, "notifier change pte", e->u.set_hva.hva, 0);
		break;
	case M2D_CAP_SET_REGION:
		begin_op(t, task, e, e->u.region.size == 0 ? "delete memslot" : "set memslot",
			 e->u.region.gpa, e->u.region.gpa + e->u.region.size);
		break;
	case M2D_CAP_ZAP_GFN_RANGE:
		begin_op(t, task, e, "zap gfn range", e->u.zap_range.start, e->u.zap_range.end);
		break;
	case M2D_CAP_REMOVE_WRITE:
	case M2D_CAP_DIRTY_MASKED:
		if (task->op == NULL || strcmp(task->op, "dirty log") != 0)
			begin_op(t, task, e, "dirty log", 0, 0);
		task->op_end = e->time;
		break;
	case M2D_CAP_ZAP_ALL_FAST:
		instant(t, TASKS, task->pid, e->time, "mmu", "zap all fast", "");
		if (task->op != NULL)
			task->op_end = e->time;
		break;
	case M2D_CAP_INVAL_MMIO:
	case M2D_CAP_UNMAP_GFN:
	case M2D_CAP_FLUSH_REMOTE:
		if (task->op != NULL)
			task->op_end = e->time;
		break;
	}
}

static bool ends_op(unsigned kind)
{
	return kind == M2D_CAP_ENTRY || kind == M2D_CAP_EXIT || kind == M2D_CAP_MARK ||
	       kind == M2D_CAP_PAGE_FAULT || kind == M2D_CAP_SPTE_REQUESTED ||
	       kind == M2D_CAP_MMU_LOAD;
}

void m2d_timeline_add(M2dTimeline *t, const M2dCapture *capture, const M2dCapEvent *e)
{
	Task *task;

	if (e->kind >= M2D_CAP_N_KINDS || e->kind == M2D_CAP_BAD)
		return;
	if (e->kind == M2D_CAP_LOST) {
		instant(t, TASKS, 0, e->time, "lost", "events lost", "");
		return;
	}
	task = task_of(t, e->pid);
	if (task->flush != 0) {
		span(t, TASKS, task->pid, task->flush, e->time, "flush", "remote flush", "");
		task->flush = 0;
	}
	if (ends_op(e->kind))
		end_op(t, task);
	switch (e->kind) {
	case M2D_CAP_ENTRY:
		on_entry(t, task, capture, e);
		break;
	case M2D_CAP_EXIT:
		on_exit_event(t, task, e);
		break;
	case M2D_CAP_PAGE_FAULT:
		task->fault = e->time;
		task->fault_addr = e->u.page_fault.addr;
		task->fault_error = e->u.page_fault.error;
		break;
	case M2D_CAP_SET_SPTE:
		on_spte(t, task, e);
		break;
	case M2D_CAP_TDP_SPTE:
		/* What a fault maps is told of again. */
		if (task->fault == 0 || task->op != NULL)
			zap(t, task, e, false);
		break;
	case M2D_CAP_ZAP_PAGE:
		zap(t, task, e, true);
		break;
	case M2D_CAP_SVM_FLUSH_ALL:
	case M2D_CAP_VMX_FLUSH_ALL:
		on_flush_all(t, task, e);
		break;
	case M2D_CAP_SVM_FLUSH_CURRENT:
	case M2D_CAP_VMX_FLUSH_CURRENT:
		on_local(t, task, e, "flush current");
		break;
	case M2D_CAP_MMU_LOAD:
		on_local(t, task, e, "load root");
		break;
	case M2D_CAP_FLUSH_REMOTE:
		on_host(t, task, e);
		on_remote_flush(t, task, e);
		break;
	default:
		on_host(t, task, e);
		break;
	}
}

static int by_pid(const void *a, const void *b)
{
	const Task *x = *(const Task *const *)a, *y = *(const Task *const *)b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

gboolean m2d_timeline_finish(M2dTimeline *t, const M2dCapture *capture, uint64_t *spans,
			     uint64_t *arrows, GError **error)
{
	g_autoptr(GPtrArray) tasks = g_ptr_array_new();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, t->tasks);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		g_ptr_array_add(tasks, value);
	g_ptr_array_sort(tasks, by_pid);
	m2d_chrome_group(&t->chrome, VCPUS, "vCPUs");
	m2d_chrome_group(&t->chrome, TASKS, "MMU work by task");
	for (guint i = 0; i < tasks->len; i++) {
		Task *task = tasks->pdata[i];
		g_autofree char *name =
			g_strdup_printf("%s-%u", m2d_capture_task(capture, task->pid), task->pid);

		end_op(t, task);
		m2d_chrome_track(&t->chrome, (M2dChromeTrack){TASKS, task->pid}, name);
	}
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		if (t->vcpu_seen[i]) {
			g_autofree char *name = g_strdup_printf("vCPU %u", i);

			m2d_chrome_track(&t->chrome, (M2dChromeTrack){VCPUS, i}, name);
		}
	*spans = t->chrome.spans;
	*arrows = t->chrome.arrows;
	return m2d_chrome_finish(&t->chrome, error);
}
