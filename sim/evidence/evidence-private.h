/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of sim/evidence share. */
#pragma once

#include "sim/evidence/evidence.h"
#include "sim/spte/spte-state.h"

#define M2D_EV_MAX_PER_RULE 1000u
#define M2D_EV_MAX_VCPUS    4096u
#define M2D_EV_MAX_BYTES    (UINT64_C(96) << 20) /* of tables; beyond it all is forgotten */
#define M2D_EV_UNKNOWN      UINT64_MAX           /* an SPTE nobody told of */
#define M2D_EV_CHUNK        32u
#define M2D_EV_BUCKETS      65536u

/* What a vCPU was asked to do before it enters the guest again. */
typedef enum {
	M2D_EV_REQ_FLUSH,
	M2D_EV_REQ_GUEST_FLUSH,
	M2D_EV_REQ_ROOT,
	M2D_EV_N_REQS,
} M2dEvReq;

typedef struct {
	bool pending,
		complete; /* complete: whoever asked has gone on, so that the vCPU must know */
	M2dEvRef ref;
} M2dEvRequest;

typedef struct _M2dEvTask M2dEvTask;

typedef struct {
	bool known;
	M2dEvTask *task;
	uint16_t cpu; /* of the last entry */
	bool in_guest;
	uint64_t first_entry, last_entry, last_flush; /* sequence numbers; 0: never */
	M2dEvRequest req[M2D_EV_N_REQS];
	uint64_t must_flush; /* a page was used again that this vCPU may have cached: since when */
	M2dEvRef freed, reused;
	/* The last flush of everything: sequence number, time, and what was asked for before it. */
	uint64_t all_seq, all_time;
	bool all_doubtful; /* another request may have been logged while it was being done */
} M2dEvVcpu;

/* Entries of a table, in pieces that exist once something is known of them. */
typedef struct {
	uint64_t value[M2D_EV_CHUNK];
	uint64_t time[M2D_EV_CHUNK], place[M2D_EV_CHUNK]; /* of the last change */
	uint32_t pid[M2D_EV_CHUNK];
	uint16_t cpu[M2D_EV_CHUNK], kind[M2D_EV_CHUNK];
} M2dEvChunk;

typedef enum {
	M2D_EV_LIVE,
	M2D_EV_DETACHED, /* unlinked; its entries are being removed */
	M2D_EV_INVALID,  /* a root that a zap-all has made obsolete, and all below it */
	M2D_EV_GONE,
} M2dEvTableState;

/* A table of KVM's: of the TDP MMU, or a shadow page. */
typedef struct _M2dEvTable M2dEvTable;
struct _M2dEvTable {
	M2dEvTable *next; /* of the same key */
	uint64_t gfn;     /* first one, or the guest table's */
	uint64_t pfn;     /* 0: not known */
	uint32_t role;    /* M2D_CAP_ROLE_*; of TDP tables only the level */
	uint8_t as;       /* 0xff: not known yet */
	uint8_t level;
	uint8_t gen;
	M2dEvTableState state;
	bool complete; /* made in view: an entry nobody told of is not present */
	bool unsync;
	/* TDP. */
	M2dEvTable *parent, *child, *sibling, **back; /* back: what points to this one as a child */
	uint32_t remover;                             /* pid */
	unsigned removed, absent; /* entries changed since it was unlinked; of them not present */
	bool zap_told;            /* its kvm_mmu_prepare_zap_page was seen */
	M2dEvRef made, unlinked, synced;
	uint64_t unlinked_seq;
	M2dEvChunk *chunks[512 / M2D_EV_CHUNK];
};

struct _M2dEvTask {
	uint32_t pid;
	M2dEvVcpu *vcpu;
	bool entered, exited; /* what the last of kvm_entry and kvm_exit was; neither: not known */
	M2dEvRef last_exit, last_entry;
	uint32_t exit_reason;
	uint64_t exit_info1, exit_info2;
	bool fault_due;     /* the exit is a page fault whose event has not come */
	bool faulted;       /* its event has come */
	bool request_known; /* kvm_mmu_spte_requested since the last exit */
	uint64_t req_gfn, req_pfn, req_level;
	M2dEvRef request, fault;
	bool sent;     /* requests whose completion its next event tells */
	bool owes;     /* a flush */
	M2dEvRef owed; /* by what */
	const char *owed_what, *owed_doubt;
	unsigned owed_also; /* a kind that must be recorded to be sure; 0: none */
	bool in_protect;    /* it write-protects or cleans for the dirty log */
	bool uncommitted;   /* shadow pages prepared for zapping, and not committed */
	M2dEvRef prepared;
	bool loaded; /* a root, and not flushed since */
	M2dEvRef load;
	bool has_root; /* it has loaded one since it unloaded the last */
	bool asid_due; /* a flush function has run that ends in svm_flush_tlb_asid() */
	M2dEvRef flush;
	bool region_due; /* a slot was made, and the generation has not gone up */
	M2dEvRef region;
	/* A notifier for these host addresses: how many slots it has to go to. */
	unsigned hva_due;
	uint64_t hva_start, hva_end;
	M2dEvRef hva;
	bool memslot_due; /* a flush of a memslot has begun */
	M2dEvRef memslot;
	bool walking;
	unsigned walk_level;               /* of the guest entry read last; 0: none */
	uint16_t prev_kind;                /* of its event before */
	bool synced, flushed, invalidated; /* roots, the ASID, an address: since its exit */
	uint64_t set_at;    /* address of the SPTE set last since its exit; 0: none */
	M2dEvTable *got[6]; /* shadow pages it got since its last exit, by level */
	/* TDP: the table it unlinked last, and a change that kvm_mmu_set_spte is to confirm. */
	M2dEvTable *removing;
	M2dEvTable *zap_due; /* whose kvm_mmu_prepare_zap_page has not come */
	bool get_page;       /* made a page that is not linked yet */
	uint64_t get_gfn;
	uint32_t get_role;
	uint8_t get_level;
	uint64_t get_exit;    /* place of the exit it was made behind */
	M2dEvTable *foretold; /* others use it already */
	uint64_t walk[6];     /* guest entries of the last walk, by level */
	bool zapped_unsync;   /* the page it zapped last was unsync, and this one */
	uint64_t zapped_gfn;
	bool changed;
	uint64_t changed_gfn, changed_spte;
	uint8_t changed_level;
	M2dEvTable *changed_table;
	M2dEvRef change;
	uint16_t op; /* kind of the notifier or range operation it is in; 0: none */
	uint64_t op_start, op_end;
	M2dEvRef op_ref;
	bool protecting; /* write-protects for the dirty log: this range, or these bits at its start
			  */
	uint64_t protect_start, protect_end, protect_mask;
	M2dEvRef protect;
	bool slot_due; /* deletes a slot, and has not zapped it */
	M2dEvRef slot_ref;
	M2dEvTask *next_hash;
};

typedef enum {
	M2D_EV_SLOT_COMING, /* until the generation tells that it is there */
	M2D_EV_SLOT_LIVE,
	M2D_EV_SLOT_GOING, /* being deleted: until the zap is through */
} M2dEvSlotState;

typedef struct {
	uint32_t id; /* address space in bits 16 and up */
	uint64_t base, pages, hva;
	uint32_t flags;
	M2dEvSlotState state;
	M2dEvRef ref;
} M2dEvSlot;

/* The page of a table that is gone. */
typedef struct {
	uint64_t seq;
	M2dEvRef ref;
} M2dEvFreed;

/* An operation that may have removed SPTEs without a word. */
typedef struct {
	uint64_t place, start, end;
} M2dEvSilent;

#define M2D_EV_SILENT 65536u

/* What a gfn was mapped to last, with 4 KiB: which frame, by which entry. */
typedef struct {
	uint64_t gfn, pfn, place, at;
	M2dEvRef ref;
} M2dEvGfn;

#define M2D_EV_GFNS 65536u

struct _M2dEvidence {
	M2dEvidenceOptions options;
	const M2dCapEvent *now;
	uint64_t seq;                  /* of the event */
	uint8_t seen[M2D_CAP_N_KINDS]; /* kinds recorded so far */
	GArray *findings;
	uint64_t kept[M2D_N_RULES], dropped, premises[M2D_N_RULES];
	/* Time. */
	uint64_t cpu_time[256];
	uint8_t cpu_seen[256];
	uint64_t time;     /* of the last event */
	unsigned time_cpu; /* its CPU; 256: there was none */
	unsigned unloads;  /* of roots by vCPUs, since the last entry */
	bool lossy; /* events were lost or could not be read: what went before is forgotten */
	bool birth; /* the VM was made in view and nothing is lost since: what is unknown is not */
	bool born;  /* the first event of a vCPU is past */
	bool tdp, several_vms, nested, smm;
	bool vmx;                                         /* the processor is Intel's */
	bool below;                                       /* a hypervisor below takes flushes */
	uint64_t last_remote, last_remote_time, n_remote; /* remote flushes asked for */
	struct {
		M2dCapEvent event;
		bool known;
	} * last_of_cpu;   /* the event before, by CPU */
	bool nonpresent63; /* bit 63 is in SPTEs that are not present */
	uint64_t direct_pages, indirect_pages;
	bool shadow;         /* SPTEs are set and the TDP MMU has not told of one */
	uint64_t end_gfn;    /* no table of level 1 or 2 reaches further */
	unsigned unbound[6]; /* shadow pages whose table page is not known, by level */
	bool roles_unknown;  /* the text does not print the roles of pages */
	unsigned root_level;
	/* SPTE format. */
	bool format_known, ept;
	M2dSpteFormat format;
	/* Tasks and vCPUs. */
	M2dEvTask *task_hash[1024], *last_task;
	GPtrArray *tasks;
	M2dEvVcpu *vcpus;
	unsigned n_vcpus; /* one above the highest id */
	/* Tables. */
	M2dEvTable **buckets;   /* by level and gfn */
	M2dEvTable *last_table; /* found last by its page, */
	uint64_t last_pfn;      /* this one */
	GHashTable *by_pfn;     /* M2dEvTable by table page */
	GHashTable *freed;      /* M2dEvFreed by page of a zapped table */
	uint64_t bytes;
	bool gen_known,
		gen_moves; /* moves: pages of generation 1 exist, so that it means something */
	uint8_t gen;       /* mmu_valid_gen */
	bool zap_gen_known;
	uint8_t zap_gen; /* that the last zap-all ended */
	M2dEvRef zap_all;
	M2dEvSilent *silent;
	uint64_t n_silent;
	M2dEvGfn *gfns; /* by the low bits of gfn */
	uint64_t
		disturbed; /* place of the last event that may drop SPTEs of shadow paging unseen */
	/* Memslots. */
	GArray *slots; /* of M2dEvSlot */
	bool slots_known;
	uint64_t mmio_gen[2]; /* by address space; */
	bool mmio_gen_known[2];
	M2dEvRef mmio_gen_ref[2];
	M2dEvSummary summary;
};

static inline M2dEvRef m2d_ev_ref(const M2dEvidence *ev)
{
	const M2dCapEvent *e = ev->now;

	return (M2dEvRef){e->time, e->place, e->pid, e->cpu, e->kind};
}

/* One line about a finding and the events that lead to it; see m2d_ev_report(). */
typedef struct {
	M2dRule rule;
	/* See M2dEvFinding; as needs an AMD function that flushes stands for Intel's, too. */
	unsigned needs, also;
	const char *doubt; /* NULL: certain */
	const M2dEvRef *refs[M2D_EV_REFS - 1];
	const char *labels[M2D_EV_REFS - 1];
} M2dEvReport;

/* Findings: findings.c */
/* m2d_ev_report: a finding at the event of now. */
void m2d_ev_report(M2dEvidence *ev, const M2dEvReport *report, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
static inline void m2d_ev_premise(M2dEvidence *ev, M2dRule rule)
{
	ev->premises[rule]++;
}

/* m2d_ev_missing: @what, which a missing or needless event shows; see M2dEvFinding.needs. */
void m2d_ev_missing(M2dEvidence *ev, const M2dEvRef *before, unsigned needs, const char *doubt,
		    const char *what);
/* m2d_ev_doubt: findings since @time are in doubt for @why. */
void m2d_ev_doubt(M2dEvidence *ev, uint64_t time, const char *why);
GArray *m2d_ev_findings_new(void);
/* m2d_ev_settle: after the last event: drop what nothing recorded bears out, and doubt the rest if
 * events may be of several guests. */
void m2d_ev_settle(M2dEvidence *ev);

/* The record itself: record.c */
void m2d_ev_check_time(M2dEvidence *ev, const M2dCapEvent *e);
/* m2d_ev_check_twice: the same event twice in a row at the same time of one CPU. */
void m2d_ev_check_twice(M2dEvidence *ev, const M2dCapEvent *e);
/* m2d_ev_look_for_birth: whether the VM is seen from its beginning: memslots come before the first
 * vCPU runs. */
void m2d_ev_look_for_birth(M2dEvidence *ev, const M2dCapEvent *e);
/* m2d_ev_walk_element: guest entries are read from the root down. */
void m2d_ev_walk_element(M2dEvidence *ev, M2dEvTask *task);

/* m2d_ev_format: the format, which the first present SPTE settles; false while it is not known. */
bool m2d_ev_format(M2dEvidence *ev, uint64_t spte);

/* Tasks and vCPUs: requests.c */
M2dEvTask *m2d_ev_task(M2dEvidence *ev, uint32_t pid);
void m2d_ev_vcpu_event(M2dEvidence *ev, M2dEvTask *task);
/* m2d_ev_ask: @req of all vCPUs in @mask (bit by id). */
void m2d_ev_ask(M2dEvidence *ev, M2dEvTask *task, M2dEvReq req, uint64_t mask);
/* m2d_ev_page_reused: page of a table unlinked at @seq is a table again. */
void m2d_ev_page_reused(M2dEvidence *ev, uint64_t seq, const M2dEvRef *unlinked);
/* m2d_ev_completed: @task goes on after asking vCPUs for something: they must know by now. */
void m2d_ev_completed(M2dEvidence *ev, M2dEvTask *task);
/* Flushes: flushes.c */
/* m2d_ev_of_vendor: @kind, or of an AMD function that flushes, the one that this processor has. */
unsigned m2d_ev_of_vendor(const M2dEvidence *ev, unsigned kind);
/* m2d_ev_local_flush: on the CPU of the vCPU that @task runs. */
void m2d_ev_local_flush(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_flush_event(M2dEvidence *ev, M2dEvTask *task);
/* m2d_ev_owe: @task owes all vCPUs a flush for @what, which @owed shows. */
void m2d_ev_owe(M2dEvidence *ev, M2dEvTask *task, M2dEvRef owed, const char *what);
/* m2d_ev_boundary: @task goes on to something else; what it owes is due. */
void m2d_ev_boundary(M2dEvidence *ev, M2dEvTask *task);

/* Tables: tables.c */
void m2d_ev_tables_init(M2dEvidence *ev);
void m2d_ev_tables_fini(M2dEvidence *ev);
M2dEvTable *m2d_ev_table_new(M2dEvidence *ev, uint8_t as, unsigned level, uint64_t gfn);
/* m2d_ev_table_adopt: @table is linked in @parent. */
void m2d_ev_table_adopt(M2dEvTable *table, M2dEvTable *parent);
void m2d_ev_table_bind(M2dEvidence *ev, M2dEvTable *table, uint64_t pfn);
/* m2d_ev_table_drop: @table was none after all. */
void m2d_ev_table_drop(M2dEvidence *ev, M2dEvTable *table);
/* m2d_ev_table_gone: @table is zapped; its page may be used again. */
void m2d_ev_table_gone(M2dEvidence *ev, M2dEvTable *table);
/* m2d_ev_tables, m2d_ev_next_table: those of @level that begin at @gfn, the newest first. */
M2dEvTable *m2d_ev_tables(M2dEvidence *ev, unsigned level, uint64_t gfn);
M2dEvTable *m2d_ev_next_table(M2dEvTable *table, unsigned level, uint64_t gfn);
M2dEvTable *m2d_ev_table_of_page(M2dEvidence *ev, uint64_t pfn);
uint64_t m2d_ev_entry(const M2dEvidence *ev, const M2dEvTable *table, unsigned index,
		      M2dEvRef *ref);
void m2d_ev_set_entry(M2dEvidence *ev, M2dEvTable *table, unsigned index, uint64_t value);
void m2d_ev_forget_tables(M2dEvidence *ev);
/* m2d_ev_silent: SPTEs of these gfns may go without a word. */
void m2d_ev_silent(M2dEvidence *ev, uint64_t start, uint64_t end);
/* m2d_ev_may_be_gone: whether an SPTE of @gfn set at @place may have gone without a word. */
bool m2d_ev_may_be_gone(const M2dEvidence *ev, uint64_t gfn, uint64_t place);

/* The TDP MMU: tdp.c; shadow pages: shadow-page.c; SPTEs that faults set:
 * shadow-spte.c; memslots and MMIO: slots.c */
void m2d_ev_tdp_event(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_tdp_done(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_page_event(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_set_spte(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_fast_fault(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_zap_all_fast(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_slot_event(M2dEvidence *ev, M2dEvTask *task);
const M2dEvSlot *m2d_ev_slot_of(const M2dEvidence *ev, uint64_t gfn);

void m2d_ev_tdp_begins(M2dEvidence *ev);
M2dEvTable *m2d_ev_tdp_leaf(M2dEvidence *ev, unsigned level, uint64_t gfn, uint64_t spte,
			    bool *match);
void m2d_ev_shadow_zap_range(M2dEvidence *ev, M2dEvTask *task, uint64_t start, uint64_t end);
void m2d_ev_check_slot(M2dEvidence *ev, uint64_t gfn);
/* m2d_ev_notified: a notifier begins, for host addresses of @start to @end. */
void m2d_ev_notified(M2dEvidence *ev, M2dEvTask *task, uint64_t start, uint64_t end);
/* m2d_ev_notified_slot: it has come to gfns of @start to @end. */
void m2d_ev_notified_slot(M2dEvidence *ev, M2dEvTask *task, uint64_t start, uint64_t end);
void m2d_ev_slots_zapped(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_slot_unzapped(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_protect(M2dEvidence *ev, M2dEvTask *task);
void m2d_ev_protected(M2dEvidence *ev, M2dEvTask *task);

/* m2d_ev_is_direct: whether a shadow page of @role maps gfns, not a guest's table. */
static inline bool m2d_ev_is_direct(uint32_t role)
{
	return role & M2D_CAP_ROLE_DIRECT;
}

static inline uint64_t m2d_ev_span(unsigned level)
{
	return UINT64_C(1) << (9 * (level - 1));
}

static inline unsigned m2d_ev_index(uint64_t gfn, unsigned level)
{
	return (unsigned)(gfn >> (9 * (level - 1))) & 511;
}
