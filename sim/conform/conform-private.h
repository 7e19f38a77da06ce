/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of sim/conform share, and nobody else sees. */
#pragma once

#include <string.h>

#include "sim/conform/conform.h"
#include "sim/kvm/emulate.h"
#include "sim/kvm/kvm.h"
#include "sim/kvm/memory.h"

#define M2D_CONF_NONE 0xffffffffu /* no event, no task */

/* An operation of the model that a kernel event started. */
typedef struct {
	uint8_t actor;
	uint8_t kind;        /* M2dConfOpKind */
	bool emulates;       /* a load or store */
	bool given_up;       /* a page fault whose last event is past */
	bool due;            /* its last event is past; to be finished at the thread's next one */
	bool creates;        /* a region that is not there yet */
	bool removes;        /* or will not be */
	bool published;      /* a region whose first change can be seen */
	bool applied;        /* and the last one */
	uint64_t start, end; /* notifiers: pages of the model's process; regions: gfns */
	uint64_t from;       /* regions: gfn before the move */
	uint64_t seq;        /* page faults: of invalidations, as it was read */
} M2dConfOp;

typedef enum {
	M2D_CONF_OP_FAULT,
	M2D_CONF_OP_ENTER,
	M2D_CONF_OP_NOTIFIER, /* invalidate_range_start */
	M2D_CONF_OP_REGION,   /* KVM_SET_USER_MEMORY_REGION */
	M2D_CONF_OP_OTHER,
	M2D_CONF_OP_GUEST, /* of the vCPU's thread: emulation and what it leads to */
} M2dConfOpKind;

#define M2D_CONF_MAX_OPS 4

/* A thread of the host. */
typedef struct {
	uint32_t pid;
	uint32_t number;                /* among the tasks */
	int vcpu;                       /* that it runs; -1: none */
	uint32_t last;                  /* its event read last, while they are linked */
	uint32_t at;                    /* its last event so far */
	M2dConfOp op[M2D_CONF_MAX_OPS]; /* innermost last */
	unsigned n_ops;
	bool faulted;                   /* a page fault in this window */
	bool walked;                    /* and the walk that it makes was seen */
	bool unprotects;                /* there is one before that, to unprotect the page */
	bool refused;                   /* the host does not let it */
	uint32_t exit_reason;           /* of the last one: M2D_CAP_EXIT_SVM and its code */
	uint64_t store_gpa;             /* of the store that faulted; 0: none */
	uint64_t exit_rip;              /* of the exit under way */
	uint64_t retry_rip, retry_addr; /* what was last retried in place of emulated */
	bool emulating;                 /* an instruction, since the exit */
	uint64_t store_addr;
	uint32_t fault_event;
	uint32_t entered;   /* event: the guest, last */
	uint64_t root_zaps; /* as the vCPU entered the guest last */
	bool left;          /* for userspace, in this window */
	/* The window: from an exit to the next entry, or one operation. */
	GArray *kernel; /* uint32_t: indices of compared events */
	GArray *model;  /* M2dConfItem */
	uint32_t n_kernel[M2D_CAP_N_KINDS], n_model[M2D_CAP_N_KINDS];
	int outcome; /* model's, of the fault under way: M2dConfOutcome; -1 none */
} M2dConfTask;

typedef enum {
	M2D_CONF_OUT_NONE = 1, /* retried: nothing was mapped */
	M2D_CONF_OUT_MAPPED,   /* mapped, or found mapped */
	M2D_CONF_OUT_FAST,     /* mended without mmu_lock, or found mended */
	M2D_CONF_OUT_EMULATED, /* MMIO, or a write that KVM performs */
	M2D_CONF_OUT_INJECTED, /* the guest's own fault */
	M2D_CONF_OUT_REFUSED,  /* the host has no page for it: userspace gets an error */
} M2dConfOutcome;

/* An invalidation whose end no event tells. */
typedef struct {
	uint64_t start, end; /* pages of the model's process */
	uint32_t task, event;
	bool changed; /* the host has changed its page: the end is next */
} M2dConfNotifier;

struct _M2dConform {
	M2dConfOptions opt;
	/* The capture. */
	GArray *events;   /* M2dCapEvent */
	GArray *task_of;  /* uint32_t: by event */
	GArray *next;     /* uint32_t: next event of the same task */
	GPtrArray *tasks; /* M2dConfTask * */
	GHashTable *by_pid;
	uint64_t seen[M2D_CAP_N_KINDS];
	bool nonpresent63, npf, pf, vmx;
	unsigned n_vcpus;
	char *profile;
	const char *why;
	/* The model. */
	M2dWorld *world;
	M2dVm *vm;
	bool tdp;
	uint32_t actor_task[M2D_MAX_ACTORS];
	uint32_t busy; /* mask of actors above the vCPUs' that an operation holds */
	/* The host. */
	bool hva_known;    /* an address was met, from which follows */
	uint64_t hva_base; /* page */
	GHashTable *pages; /* page, + 1 -> what is known of it: bits of host.c */
	GArray *fake;      /* uint64_t: pages that got a frame nobody knows */
	GArray *lent;      /* uint64_t: pages that are writable for the fault under way only */
	GArray *notifiers; /* M2dConfNotifier */
	uint32_t slot_id[M2D_N_AS][M2D_MAX_SLOTS]; /* the kernel's id of each of the model's; +1 */
	/* The guest, under shadow paging. */
	GHashTable *read_only; /* gpa of a guest entry -> INVLPG since which it is taken for that */
	GHashTable *inputs;    /* set of uint32_t: events that show what else nothing shows */
	GHashTable *words;     /* gpa >> 3, + 1 -> what its memory holds there */
	M2dPteFormat walked[M2D_MAX_LEVELS + 1]; /* tables of that many levels */
	M2dGuestContents contents;
	GArray *element_gpa;    /* uint64_t: by event: where a walk's element was read */
	GHashTable *invlpg_of;  /* page -> GArray of uint32_t: INVLPGs, in order */
	GHashTable *store_in;   /* the same by gfn */
	GHashTable *store_at;   /* gpa -> GArray of uint32_t: walks for stores there, in order */
	GArray *element_page;   /* uint64_t: by event: page of an address space that it was read for
				 */
	GHashTable *seen_page;  /* the same -> GArray of uint32_t: elements of level 1 */
	GHashTable *pdpte_of;   /* gfn of a PAE directory -> low bits of its PDPTE, number in 1:0 */
	GHashTable *first_page; /* gfn of a table of level 1 -> page that its first entry is for */
	GHashTable *seen_at;    /* gpa -> GArray of uint32_t: elements read there, in order */
	GHashTable *absent;     /* set of uint32_t: elements of level 1 for a fault with P clear */
	GHashTable *set_at;     /* address of an SPTE -> GArray of uint32_t: events that set it */
	/* Addresses that correspond: pages of tables. */
	GHashTable *k2m, *m2k; /* pfn -> pfn */
	uint32_t now;          /* event */
	unsigned unloaded;     /* vCPUs that the end of the VM has unloaded */
	M2dConfCount count[M2D_CONF_KINDS];
	bool manual;          /* userspace clears what it has got of the dirty log itself */
	bool stuck;           /* the model cannot go on */
	bool flushes_young;   /* the host ages by clear_flush_young() */
	bool memslot_inlined; /* m2d_conf_memslot_inlined() of some caller */
	uint64_t root_zaps;   /* roots that were zapped so far, while in use */
	uint64_t resyncs;
};

static inline const M2dCapEvent *m2d_conf_event(const M2dConform *c, uint32_t i)
{
	return &g_array_index(c->events, M2dCapEvent, i);
}

static inline uint32_t m2d_conf_next(const M2dConform *c, uint32_t i)
{
	return g_array_index(c->next, uint32_t, i);
}

static inline M2dConfTask *m2d_conf_task(const M2dConform *c, uint32_t t)
{
	return g_ptr_array_index(c->tasks, t);
}

static inline M2dConfTask *m2d_conf_task_of(const M2dConform *c, uint32_t event)
{
	return m2d_conf_task(c, g_array_index(c->task_of, uint32_t, event));
}

/* --- stream.c ---------------------------------------------------------------------------------
 */

/* m2d_conf_stream_end: what all events together tell: vCPUs, MMU, profile. */
bool m2d_conf_stream_end(M2dConform *c, GError **error);
/* m2d_conf_find: the first event of @kind from @i on in the window of @i's task, which ends
 * with the entry of its vCPU or the start of another operation; M2D_CONF_NONE: none. */
uint32_t m2d_conf_find(const M2dConform *c, uint32_t i, unsigned kind);
/* m2d_conf_starts: events of @kind begin an operation. */
bool m2d_conf_starts(unsigned kind);
/* m2d_conf_predicted: the model should make events of @kind. */
bool m2d_conf_predicted(const M2dConform *c, unsigned kind);

/* --- world.c ----------------------------------------------------------------------------------
 */

bool m2d_conf_world_new(M2dConform *c, GError **error);
/* m2d_conf_page: the model's page for host address @hva. */
uint64_t m2d_conf_page(M2dConform *c, uint64_t hva);
/* m2d_conf_slot: the model's number for memslot @id; -1: there are too many. */
int m2d_conf_slot(M2dConform *c, unsigned as, uint32_t id, bool make);
void m2d_conf_slot_gone(M2dConform *c, unsigned as, uint32_t id);

/* --- translate.c ------------------------------------------------------------------------------
 */

/* m2d_conf_listen: take what the model says into its task's window. */
void m2d_conf_listen(const M2dEvent *event, void *data);
/* m2d_conf_differ: fields of @item that @kernel has otherwise; bit by field. */
uint32_t m2d_conf_differ(M2dConform *c, const M2dCapEvent *kernel, const M2dConfItem *item,
			 bool bind);
/* m2d_conf_frame_of: the model's frame for the kernel's table at @at; 0: it is not known. */
uint64_t m2d_conf_frame_of(const M2dConform *c, uint64_t at);

/* --- ops.c ------------------------------------------------------------------------------------
 */

/* m2d_conf_runs: @actor has an operation under way, and the model can follow the capture. */
static inline bool m2d_conf_runs(const M2dConform *c, unsigned actor)
{
	return !c->stuck && !m2d_rt_idle(c->vm->rt, actor);
}

/* m2d_conf_step: one micro-step of @actor, after whatever it waits for. */
void m2d_conf_step(M2dConform *c, unsigned actor);
/* m2d_conf_step_op: the same of an operation. */
void m2d_conf_step_op(M2dConform *c, M2dConfOp *op);
/* m2d_conf_finish: @actor's operation to its end; _top: the innermost of @task, which has one. */
void m2d_conf_finish(M2dConform *c, unsigned actor);
void m2d_conf_finish_top(M2dConform *c, M2dConfTask *task);
/* m2d_conf_finish_ops: all operations under way of @task; _but_entry: up to an entry of its vCPU.
 */
void m2d_conf_finish_ops(M2dConform *c, M2dConfTask *task);
void m2d_conf_finish_but_entry(M2dConform *c, M2dConfTask *task);
/* m2d_conf_finish_due: those that only wait to ask for a flush, behind their last event: a vCPU
 * that enters the guest just then may not have been asked yet. */
void m2d_conf_finish_due(M2dConform *c, uint32_t i);
/* m2d_conf_top: the innermost operation of @task; NULL: none. */
M2dConfOp *m2d_conf_top(M2dConfTask *task);
/* m2d_conf_tidy: forget operations that are through. */
void m2d_conf_tidy(M2dConform *c, M2dConfTask *task);
/* m2d_conf_op: begin routine @number for task @t; the frame as for m2d_rt_start(). */
M2dConfOp *m2d_conf_op(M2dConform *c, uint32_t t, unsigned kind, unsigned number, const void *frame,
		       uint32_t size);
/* m2d_conf_start_enter: the vCPU of @task begins to enter the guest; false: it cannot. */
bool m2d_conf_start_enter(M2dConform *c, M2dConfTask *task);
/* m2d_conf_send_flush: who has begun a remote flush asks vCPUs for it; false: nobody has. */
bool m2d_conf_send_flush(M2dConform *c);
/* m2d_conf_root_dropped: event @i zaps an invalid root, if it does: so its vCPU was the last to use
 * it, and others that are about to drop it have. */
void m2d_conf_root_dropped(M2dConform *c, uint32_t i);
/* m2d_conf_take_actor: an idle one above the vCPUs'. */
unsigned m2d_conf_take_actor(M2dConform *c, uint32_t t);

/* M2D_CONF_START(c, task, kind, routine, .argument = value...) */
#define M2D_CONF_START(c, t, op_kind, name, ...)                                                   \
	({                                                                                         \
		name##_frame conf_frame_ = {.h = {0}, ##__VA_ARGS__};                              \
		m2d_clear_padding(&conf_frame_);                                                   \
		m2d_conf_op((c), (t), (op_kind), M2D_R_##name, &conf_frame_, sizeof(conf_frame_)); \
	})

/* --- faults.c ---------------------------------------------------------------------------------
 */

/* m2d_conf_outcome: what the kernel made of the page fault at event @i. */
M2dConfOutcome m2d_conf_outcome(const M2dConform *c, uint32_t i);
/* m2d_conf_fault: event @i is a page fault of thread @t. */
void m2d_conf_fault(M2dConform *c, uint32_t t, uint32_t i);
/* m2d_conf_fault_goes_on: its thread goes on with an event of @kind. */
void m2d_conf_fault_goes_on(M2dConform *c, M2dConfTask *task, unsigned kind);
/* m2d_conf_read_sequence: the fault goes as far as the host's page, before mmu_lock. */
void m2d_conf_read_sequence(M2dConform *c, M2dConfOp *op);
/* m2d_conf_give_up: its last event is past: one that came to nothing has a reason. */
void m2d_conf_give_up(M2dConform *c, M2dConfTask *task);
/* m2d_conf_end_fault: it is through: compare the outcome. */
void m2d_conf_end_fault(M2dConform *c, M2dConfTask *task);

/* --- slots.c ----------------------------------------------------------------------------------
 */

/* m2d_conf_region: event @i is a memslot ioctl of thread @t. */
void m2d_conf_region(M2dConform *c, uint32_t t, uint32_t i);
/* m2d_conf_publish_slots: changes can be seen from now on, if nothing is against it. */
void m2d_conf_publish_slots(M2dConform *c);
/* m2d_conf_settle_slots: memslots go as far as @outcome of the fault at event @i wants;
 * _generation: as far as its look at an MMIO SPTE does; _log: as the request at event @i does. */
void m2d_conf_settle_slots(M2dConform *c, uint32_t i, M2dConfOutcome outcome);
void m2d_conf_settle_generation(M2dConform *c, uint32_t i);
void m2d_conf_settle_log(M2dConform *c, uint32_t i);
/* m2d_conf_slot_fits: they are as @outcome wants. */
bool m2d_conf_slot_fits(const M2dConform *c, uint32_t i, M2dConfOutcome outcome);
/* m2d_conf_slot_changes: an ioctl about the memslot of @gfn is under way. */
bool m2d_conf_slot_changes(M2dConform *c, uint64_t gfn);

/* --- callers.c --------------------------------------------------------------------------------
 */

/* m2d_conf_flush_caller: the function that asks for the remote flush that is just announced, as
 * m2d_cap_symbol() has it; 0: it has no name in the kernel. */
uint64_t m2d_conf_flush_caller(const M2dConform *c);
/* m2d_conf_memslot_inlined: kvm_flush_remote_tlbs_memslot() was part of that function.
 * m2d_conf_in_dirty_log: the routine that runs is a dirty log ioctl. */
bool m2d_conf_memslot_inlined(uint64_t caller);
bool m2d_conf_in_dirty_log(const M2dConform *c);
/* m2d_conf_same_caller: as far as both are known. */
bool m2d_conf_same_caller(uint64_t kernel, uint64_t model);

/* --- drive.c ----------------------------------------------------------------------------------
 */

/* m2d_conf_drive: event @i. */
void m2d_conf_drive(M2dConform *c, uint32_t i);
/* m2d_conf_close: the window of @t is over. */
void m2d_conf_close(M2dConform *c, uint32_t t);

/* --- host.c -----------------------------------------------------------------------------------
 */

/* m2d_conf_host_fault: before the fault at event @i: what the host must have done by then. */
void m2d_conf_host_fault(M2dConform *c, uint32_t i);
/* m2d_conf_host_write: the fault at event @i, if it writes: the host will let it, or not. */
void m2d_conf_host_write(M2dConform *c, uint32_t i, bool allowed);
/* m2d_conf_prefetches: the fault that asked for an SPTE at event @i maps neighbours, too. */
bool m2d_conf_prefetches(const M2dConform *c, uint32_t i);
/* m2d_conf_host_requested: at kvm_mmu_spte_requested @i: the host's page behind it, neighbours. */
void m2d_conf_host_requested(M2dConform *c, uint32_t i);
/* m2d_conf_host_retries: the model has a reason to retry the fault at event @i, which read the
 * sequence of invalidations @seq.
 * m2d_conf_host_retry: it came to nothing without one: an invalidation that has begun and whose end
 * nothing tells must have ended meanwhile. */
bool m2d_conf_host_retries(const M2dConform *c, uint32_t i, unsigned vcpu, uint64_t seq);
void m2d_conf_host_retry(M2dConform *c, uint32_t i);
/* m2d_conf_host_passed: the fault that began at event @fault found no invalidation of its page: at
 * kvm_mmu_spte_requested @i. */
void m2d_conf_host_passed(M2dConform *c, uint32_t i, uint32_t fault);
/* m2d_conf_host_shown: kvm_mmu_set_spte @i, not of a fault: the host's page behind it. */
void m2d_conf_host_shown(M2dConform *c, uint32_t i);
void m2d_conf_host_unmapped(M2dConform *c, uint64_t start, uint64_t end);
void m2d_conf_host_init(M2dConform *c);
/* m2d_conf_host_forget: pages that were made up for a fault that came to nothing. */
void m2d_conf_host_forget(M2dConform *c);
/* Invalidations: begun by @t; ended as far as @t's next event at @i tells. */
void m2d_conf_notifier_begun(M2dConform *c, uint32_t t, uint64_t start, uint64_t end);
void m2d_conf_notifiers_end(M2dConform *c, uint32_t t);
void m2d_conf_notifiers_end_all(M2dConform *c);
/* m2d_conf_notifier_changes: thread @t changes the page: the end is next. */
void m2d_conf_notifier_changes(M2dConform *c, uint32_t t);

/* --- guest-tables.c ----------------------------------------------------------------------------
 */

void m2d_conf_tables_new(M2dConform *c);
void m2d_conf_guest_free(M2dConform *c);
/* m2d_conf_guest_read, m2d_conf_guest_write: @size bytes of guest memory, 1 to 8, aligned. */
uint64_t m2d_conf_guest_read(M2dConform *c, uint64_t gpa, unsigned size);
void m2d_conf_guest_write(M2dConform *c, uint64_t gpa, unsigned size, uint64_t value);
/* m2d_conf_locate_walk: note where the entries of the walk at event @i are, for a guest with this
 * CR3; @absent: it is for a fault for which hardware found nothing present; m2d_conf_note_store: it
 * is for a store. All of both before the first event is driven. */
void m2d_conf_locate_walk(M2dConform *c, const M2dPteFormat *fmt, uint64_t cr3, uint32_t i,
			  bool absent);
void m2d_conf_note_store(M2dConform *c, const M2dPteFormat *fmt, uint32_t i);
/* m2d_conf_note_invlpg: the same for an INVLPG; m2d_conf_note_set: for an SPTE that is set. */
void m2d_conf_note_set(M2dConform *c, uint32_t i);
void m2d_conf_note_invlpg(M2dConform *c, uint64_t cr3, uint32_t i);
/* m2d_conf_invalidated: the INVLPG at event @now is for the entry at @gpa: what is seen of it up to
 * the next INVLPG is there already. False: nothing is. */
bool m2d_conf_invalidated(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, uint64_t cr3,
			  uint32_t now);
/* m2d_conf_invalidates_next: the next INVLPG of the page that the one at event @i is for, by the
 * same vCPU. */
uint32_t m2d_conf_invalidates_next(const M2dConform *c, uint64_t cr3, uint32_t i);
/* m2d_conf_guest_walk: the walk at event @i: what it read lies in guest memory now. */
void m2d_conf_guest_walk(M2dConform *c, uint32_t t, uint32_t i);
/* m2d_conf_leaf_gpa: the entry of level 1 that the walk at event @i read; 0: none. */
uint64_t m2d_conf_leaf_gpa(const M2dConform *c, uint32_t i);
/* m2d_conf_walked_to: where the walk at event @i led to; false: nowhere. */
bool m2d_conf_walked_to(const M2dConform *c, const M2dPteFormat *fmt, uint32_t i, uint64_t *gpa);
/* m2d_conf_seen_later: what the next walk behind event @now shows in the entry at @gpa; false: it
 * is not seen any more. */
bool m2d_conf_seen_later(const M2dConform *c, uint64_t gpa, uint32_t now, uint64_t *value);
/* m2d_conf_store_after: the next store that faults in the table at @gfn. */
uint32_t m2d_conf_store_after(const M2dConform *c, uint64_t gfn, uint32_t now);
/* m2d_conf_settle_entries: the @n entries from @gpa on are what will be seen of them up to event
 * @until. */
void m2d_conf_settle_entries(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, unsigned n,
			     uint32_t now, uint32_t until);
/* m2d_conf_first_after: the first event after @i that is on @list; M2D_CONF_NONE: none.
 * m2d_conf_seen_next: that shows the entry at @gpa.
 * m2d_conf_put_entry: the element at event @i is what the entry at @gpa holds from now on. */
uint32_t m2d_conf_first_after(const GArray *list, uint32_t i);
uint32_t m2d_conf_seen_next(const M2dConform *c, uint64_t gpa, uint32_t i);
void m2d_conf_put_entry(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, uint32_t i,
			uint32_t now);
/* m2d_conf_fault_gfn: what the page fault at event @i is for; false: the walk leads nowhere. */
bool m2d_conf_fault_gfn(const M2dConform *c, uint32_t i, uint64_t *gfn);
/* m2d_conf_stored: the guest stores to @gpa: what the next walk of that entry shows lies there now.
 * Returns it. */
uint64_t m2d_conf_stored(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, uint32_t now);

/* --- guest-invlpg.c ----------------------------------------------------------------------------
 */

/* m2d_conf_would_map: whether KVM would map a guest's entry of level 1 at once, and writable.
 * m2d_conf_entry_explains: and like the SPTE set at event @i, in a table with rights @access.
 * m2d_conf_entry_shown: @entry, changed as little as makes it so. */
bool m2d_conf_would_map(const M2dConform *c, const M2dPteFormat *fmt, uint64_t entry,
			bool *writable);
bool m2d_conf_entry_explains(const M2dConform *c, const M2dPteFormat *fmt, uint64_t entry,
			     unsigned access, uint32_t i);
uint64_t m2d_conf_entry_shown(const M2dConform *c, const M2dPteFormat *fmt, uint64_t entry,
			      uint32_t i);
/* m2d_conf_takes_away: whether synchronising an SPTE with the guest's @entry is worth a flush. */
bool m2d_conf_takes_away(const M2dConform *c, const M2dPteFormat *fmt, M2dSptep sptep,
			 uint64_t entry);
/* m2d_conf_guest_invlpg: INVLPG at event @i: what it shows of the guest's entry. */
void m2d_conf_guest_invlpg(M2dConform *c, const M2dConfTask *task, uint32_t i);

/* --- guest-changed.c, guest-sync.c, guest-prefetch.c -------------------------------------------
 */

/* m2d_conf_guest_changed: the fault of @task was retried, since the guest changed an entry between
 * the walk and mmu_lock; false: nothing says so. */
bool m2d_conf_guest_changed(M2dConform *c, const M2dConfTask *task);
/* m2d_conf_guest_sync: page @sp is being synchronised, as of the event at hand. */
void m2d_conf_guest_sync(M2dConform *c, M2dSpIndex sp);
/* m2d_conf_lock_break: the thread of @actor gives up mmu_lock between two pages that it
 * synchronises, as it goes on after others have had it; @data: the M2dConform. */
bool m2d_conf_lock_break(void *data, unsigned actor);
/* m2d_conf_guest_found: page @sp, not in use so far, will be, as of the event at hand, and is
 * brought up to date for that. */
void m2d_conf_guest_found(M2dConform *c, M2dSpIndex sp);
/* m2d_conf_guest_prefetch: what the SPTEs show that a fault sets beside its own, the one that is
 * asked for at event @i; @sptep: its own, 0: its table is not there yet. */
void m2d_conf_guest_prefetch(M2dConform *c, const M2dConfTask *task, uint32_t i, M2dSptep sptep);

/* --- guest-mode.c -----------------------------------------------------------------------------
 */

/* m2d_conf_guest_init: registers of the vCPUs as far as the capture tells; the model exists. */
void m2d_conf_guest_init(M2dConform *c);
/* m2d_conf_load_pdptes: PDPTEs, if it has any, of the vCPU of event @i from there on: those of its
 * walks, and of the roots that are loaded, up to the next load of CR3. */
void m2d_conf_load_pdptes(M2dConform *c, unsigned vcpu, uint32_t i);
/* m2d_conf_guest_mode: the roots that are loaded at event @load are for another paging mode: the
 * guest's registers become such; false: they are not. */
bool m2d_conf_guest_mode(M2dConform *c, M2dConfTask *task, uint32_t load);

/* --- guest.c ----------------------------------------------------------------------------------
 */

/* m2d_conf_guest_stores: behind event @i: a store that KVM performs for the guest, if that is next.
 */
void m2d_conf_guest_stores(M2dConform *c, M2dConfTask *task, uint32_t i);
/* m2d_conf_guest_unprotect: KVM gives up the shadow pages of what the walk at event @i leads to. */
void m2d_conf_guest_unprotect(M2dConform *c, uint32_t t, uint32_t i);
/* m2d_conf_shadow_of: the SPTE that shadows the guest's entry of level 1 for the fault at hand; 0:
 * there is none yet. */
M2dSptep m2d_conf_shadow_of(const M2dConform *c, const M2dConfTask *task, uint64_t addr);
/* m2d_conf_page_synced: the model is about to read the table that page @sp shadows; it is
 * protected. */
void m2d_conf_page_synced(M2dConform *c, M2dSpIndex sp);
/* m2d_conf_guest_event: event @i of @t's vCPU, if it is the guest's doing, begins an operation. */
void m2d_conf_guest_event(M2dConform *c, uint32_t t, uint32_t i);

/* --- regs.c -----------------------------------------------------------------------------------
 */

/* m2d_conf_registers: before the entry of a vCPU: what loads of registers asked of the MMU. */
void m2d_conf_registers(M2dConform *c, M2dConfTask *task);
void m2d_conf_smm(M2dConform *c, M2dConfTask *task, bool enter);

/* --- dirty.c ----------------------------------------------------------------------------------
 */

/* m2d_conf_dirty_start: thread @t harvests the dirty log; event @i is of its first word. */
void m2d_conf_dirty_start(M2dConform *c, uint32_t t, uint32_t i);
/* m2d_conf_age_start: thread @t ages pages, or looks how old they are: event @i. */
void m2d_conf_age_start(M2dConform *c, uint32_t t, uint32_t i);
/* m2d_conf_hardware_bits: set the bits that hardware has set in the SPTE of the fault at event @i,
 * as far as KVM shows what it read. */
void m2d_conf_hardware_bits(M2dConform *c, uint32_t i);
/* m2d_conf_used: hardware sets @bits in the SPTE. */
void m2d_conf_used(M2dConform *c, M2dSptep sptep, uint64_t bits);

/* --- compare.c --------------------------------------------------------------------------------
 */

/* m2d_conf_compare: a window: align and count. */
void m2d_conf_compare(M2dConform *c, M2dConfTask *task);
void m2d_conf_count_outcome(M2dConform *c, uint32_t fault, M2dConfOutcome kernel,
			    M2dConfOutcome model);
