/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine: geometry of the caching structures and the costs, as read from machines/NAME.ini.
 * Plain data: filled once, read everywhere, never changed while a world runs. Cycles are core
 * cycles of one logical processor. Each figure in the .ini files carries its source.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/base/addr.h"

typedef enum {
	M2D_VENDOR_INTEL,
	M2D_VENDOR_AMD
} M2dVendor;

/* Entries and ways; ways == entries means fully associative, entries == 0 absent. The number of
 * sets (entries / ways) is a power of two. */
typedef struct {
	uint32_t entries;
	uint32_t ways;
} M2dGeometry;

/* How the unified second-level TLB treats 1 GiB translations. */
typedef enum {
	M2D_L2_1G_NONE,  /* not held: every L1 miss walks */
	M2D_L2_1G_OWN,   /* in an array of their own, M2dMachine.tlb.l2_1g */
	M2D_L2_1G_SMASH, /* held as the 2 MiB piece that was accessed, L1 gets 1 GiB again */
} M2dL2OneG;

/* Caching-structure levels, by the entry that a cached item stands for. */
typedef enum {
	M2D_PSC_PDE,   /* points at a page table: 4 KiB pages below (32-bit paging: the PDE) */
	M2D_PSC_PDPTE, /* points at a page directory */
	M2D_PSC_PML4,
	M2D_PSC_PML5,
	M2D_PSC_LEVELS
} M2dPscLevel;

/* Paging-structure caches of one dimension. Levels whose own geometry is absent use @shared if
 * their bit (1 << M2dPscLevel) is in @shared_levels, else are not cached. */
typedef struct {
	M2dGeometry level[M2D_PSC_LEVELS];
	M2dGeometry shared;
	uint32_t shared_levels;
} M2dPscGeometry;

typedef struct {
	uint64_t bytes; /* 0: absent */
	uint32_t ways;
	uint32_t latency; /* load to use, cycles */
} M2dCacheLevel;

typedef struct _M2dMachine {
	char *name; /* file name without directory and suffix */
	char *path; /* file it was read from */
	char *description;
	char **sources; /* see m2d_machine_source(); in the order of m2d_machine_foreach() */
	M2dVendor vendor;
	double clock_ghz;    /* only for converting ns to cycles and cycles to seconds */
	uint32_t maxphyaddr; /* physical address bits of the host, 32..52 */

	struct {
		M2dGeometry l1d[M2D_N_SIZES]; /* per page size; unused if l1d_unified is present */
		M2dGeometry l1i[M2D_N_SIZES];
		M2dGeometry l1d_unified; /* one array for all page sizes (AMD since Zen) */
		M2dGeometry l1i_unified;
		M2dGeometry l2; /* unified, 4 KiB and 2 MiB */
		M2dGeometry l2_1g;
		M2dL2OneG l2_1g_mode;
		bool l2_holds_pde;   /* PDEs are ordinary entries of the L2 TLB (AMD since Zen) */
		bool ideal;          /* never evicts: staleness is kept as long as is legal */
		bool spurious_fault; /* a right missing in a cached entry faults without a re-walk
				      */
		uint32_t l1_hit;     /* cycles charged for an L1 TLB hit */
		uint32_t l2_hit;     /* extra cycles of an L2 TLB hit */
	} tlb;

	M2dPscGeometry psc;   /* guest dimension (also native) */
	M2dPscGeometry npsc;  /* nested dimension */
	uint32_t psc_lookup;  /* cycles per walk for looking up the paging-structure caches */
	M2dGeometry ntlb;     /* guest-physical to host-physical */
	uint32_t ntlb_lookup; /* cycles per lookup */

	struct {
		uint32_t walkers; /* page walkers that work in parallel (overlapped timing) */
		uint32_t start;   /* fixed cycles to start a walk */
		uint32_t
			ad_update; /* locked update of an accessed or dirty bit, beside its fetch */
		uint32_t mshrs;    /* distinct outstanding page misses (overlapped timing) */
		uint32_t window;   /* instructions in flight (overlapped timing) */
		bool fetch_from_l1; /* table entries are fetched through L1D; else from L2 on */
	} walk;

	struct {
		uint32_t line; /* bytes */
		M2dCacheLevel level[3];
		uint32_t dram; /* load to use, cycles */
	} mem;

	/* Cycles of base execution per reference, in 1/1000, and of each operation. */
	struct {
		uint32_t base_millicycles;
		uint32_t page_fault; /* delivery of #PF and the guest's handler */
		uint32_t invlpg;
		uint32_t invpcid;
		uint32_t mov_cr3;
		uint32_t global_flush; /* MOV CR4 or CR0 that flushes everything */
		uint32_t invvpid;
		uint32_t invept;
		uint32_t tlb_control; /* VMRUN with a TLB_CONTROL that flushes, beside the entry */
		uint32_t invlpga;
		uint32_t invlpgb;
		uint32_t tlbsync;
		uint32_t exit_entry;   /* VM exit and entry, hardware round trip */
		uint32_t nested_fault; /* software handler of a nested page fault, beside exit_entry
					*/
		uint32_t ipi;          /* send to handler start */
	} cost;

	/* Cycles of KVM's software, each beside what the lines around it say. */
	struct {
		uint32_t fault_handler; /* a fault in a shadow table, beside the exit */
		uint32_t emulate;       /* one instruction */
		uint32_t sync_spte;     /* one SPTE compared with its guest entry */
		uint32_t zap_spte;      /* one SPTE of a shadow page */
		uint32_t sp_alloc;      /* a shadow page allocated, zeroed and linked */
		uint32_t rmap_zap;      /* one SPTE found through its rmap */
		uint32_t wrprot_spte;   /* one SPTE found through its rmap */
		uint32_t root_load;     /* beside its shadow page and the flush */
		uint32_t memslot_lookup;
		uint32_t lock_acquire;   /* without waiting */
		uint32_t post_request;   /* to one vCPU */
		uint32_t kick;           /* of one vCPU: the sender's side */
		uint32_t kick_target;    /* the target's side, beside the exit */
		uint32_t request_check;  /* one request taken, without its service */
		uint32_t userspace_exit; /* there and back, beside the exit */
		uint32_t srcu_sync;      /* a change of memslots waits for readers */
		uint32_t hypercall;      /* dispatch, beside the exit */
	} kvm;
} M2dMachine;

/**
 * m2d_machine_load: read a machine by name or from a file.
 * @name_or_file: a name ("zen3") looked up in $MMU2D_MACHINES, the source tree's and the installed
 *   machines/ folder, or a path (anything with a '/' or ending in ".ini")
 * Unknown or missing sections or keys, values out of range and sets that are not a power of two
 * are errors that name file, line and key. Returns NULL with @error; free with m2d_machine_free().
 */
M2dMachine *m2d_machine_load(const char *name_or_file, GError **error);

/**
 * m2d_machine_set: override one key, as `--set section.key=value` does.
 * @assignment: "section.key=value" with the section and key names of the .ini file
 * False with @error for an unknown key or a value out of range.
 */
bool m2d_machine_set(M2dMachine *machine, const char *assignment, GError **error);

/* m2d_machine_check: cross-field rules after m2d_machine_set(); called by m2d_machine_load(). False
 * with @error, which names the first rule that does not hold. */
bool m2d_machine_check(const M2dMachine *machine, GError **error);

/* m2d_machine_list: NULL-terminated sorted names that m2d_machine_load() finds; g_strfreev(). */
char **m2d_machine_list(void);

/**
 * m2d_machine_foreach: call @fn with every key ("section.key") and its value as text, in the
 * order of the key table; this is how configurations are stored and printed.
 */
void m2d_machine_foreach(const M2dMachine *machine,
			 void (*fn)(const char *key, const char *value, void *data), void *data);

/**
 * m2d_machine_source: where the value of @key ("section.key") comes from, as its file remarks.
 * NULL if the file says nothing or m2d_machine_set() replaced the value. Owned by @machine.
 */
const char *m2d_machine_source(const M2dMachine *machine, const char *key);

void m2d_machine_free(M2dMachine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dMachine, m2d_machine_free)
