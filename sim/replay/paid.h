/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a recorded hypervisor paid for its guest, counted from a native trace of the whole system:
 * exits by code, page faults by error code and by what came of them, stores to SPTEs, flushes. The
 * entries of shadow tables are told from others by their level, as the roots that VMRUN loads and
 * the links below them give it.
 *
 * What no record tells: whether a fault without a new SPTE was an emulated store, a spurious one or
 * one that was given up; that a shadow page went unsync or was synced (a fault that makes an SPTE
 * writable may be either an unsync or the first write to a clean page).
 */
#pragma once

#include "sim/trace/trace.h"

#define M2D_PAID_CODES 0x100u /* exit codes of AMD up to 0xff; more make one row */

typedef struct {
	uint64_t n;
	uint64_t host_refs; /* of the host until the next entry; left-out ones included */
} M2dPaidExit;

typedef struct {
	char *trace;         /* path as given */
	bool nested, shadow; /* whether there was a guest on nested, on shadow tables */
	/* References, those that the recorder's filter left out included. */
	uint64_t guest_refs, host_refs;
	/* Of the guest. */
	uint64_t guest_faults; /* entries of its page-fault handler */
	uint64_t cr3_loads, invlpgs, table_stores;
	/* Of its hypervisor. */
	M2dPaidExit all, exit[M2D_PAID_CODES + 1]; /* the last: other codes */
	uint64_t entries;
	uint64_t flushing_entries; /* of another ASID than before, or with a TLB_CONTROL */
	uint64_t root_changes;     /* entries with another root than before */
	/* Page faults, by error code ... */
	uint64_t absent;    /* nothing was there */
	uint64_t wp_kernel; /* a write at CPL 0 without the right */
	uint64_t wp_user;   /* a write at CPL 3 without the right */
	/* ... and by what came of them. */
	uint64_t injected; /* the guest's handler was entered next */
	uint64_t mended;   /* an SPTE was set or linked */
	uint64_t nothing;  /* neither */
	/* SPTEs. */
	uint64_t set;      /* leafs that became present */
	uint64_t writable; /* present leafs that became writable */
	uint64_t linked;   /* tables linked */
	uint64_t dropped;  /* leafs and links that went away */
} M2dPaid;

/* m2d_paid_is_leaf: whether present @entry of a table at @level maps a page. */
static inline bool m2d_paid_is_leaf(unsigned level, uint64_t entry)
{
	return level == 1 || (level <= 3 && (entry & M2D_BIT(7)));
}

void m2d_paid_free(M2dPaid *paid);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dPaid, m2d_paid_free)

/* m2d_paid_read: count the native trace @path from its start to its end; NULL with @error. */
M2dPaid *m2d_paid_read(const char *path, M2dTraceProgress progress, void *data, GError **error);
