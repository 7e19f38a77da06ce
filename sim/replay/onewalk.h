/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One translation, for teaching and for looking closely: build a world (a guest model, or a trace
 * replayed up to a reference), choose which caches take part and how warm they are, perform one
 * access and keep everything it read.
 *
 * The textbook walk has no cache at all: every level of every dimension is read, 24 entries for
 * four levels on four. Real machines reuse within one walk already, since the guest's tables lie
 * close together; M2dOneWalkOptions.caches shows that.
 */
#pragma once

#include "sim/replay/replay.h"
#include "sim/replay/walkview.h"

/* Caches that take part, filled by the same access beforehand. */
typedef enum {
	M2D_WARM_DATA = 1 << 0,  /* L1, L2 and L3 hold the entries */
	M2D_WARM_TLB = 1 << 1,   /* translations of linear addresses, both levels */
	M2D_WARM_NTLB = 1 << 2,  /* nested TLB */
	M2D_WARM_PDE = 1 << 4,   /* paging-structure caches of the first dimension, */
	M2D_WARM_PDPTE = 1 << 5, /* in the order of M2dPscLevel */
	M2D_WARM_PML4E = 1 << 6,
	M2D_WARM_PML5E = 1 << 7,
	M2D_WARM_NPDE = 1 << 8, /* of the second */
	M2D_WARM_NPDPTE = 1 << 9,
	M2D_WARM_NPML4E = 1 << 10,
	M2D_WARM_NPML5E = 1 << 11,
} M2dWarm;
#define M2D_WARM_PSC  (15u << 4)
#define M2D_WARM_NPSC (15u << 8)
#define M2D_WARM_ALL  0xff7u

/**
 * m2d_onewalk_warm_parse: add the caches named in @text ("psc,ntlb") to *@warm. Names: data, tlb,
 * ntlb, psc, npsc, all, and single levels: pde, pdpte, pml4e, pml5e, npde, npdpte, ...
 */
bool m2d_onewalk_warm_parse(const char *text, uint32_t *warm, GError **error);

/* A change to one entry before the walk, so that faults can be shown. */
typedef struct {
	M2dDimension dimension;
	unsigned level;
	unsigned guest_level; /* second dimension: that the entry serves; 0: the final address */
	uint64_t set, clear;  /* bits; a raw value clears all others */
} M2dWalkEdit;

/**
 * m2d_onewalk_edit_parse: "gL1:-W", "nL2@gL3:-P", "nL1@final:+NX" or "gL2:=0x...". Flags of
 * legacy entries and NPT: P W U PWT PCD A D PS G NX; of EPT: R W X MT IPAT PS A D XU.
 * @kind: of the second dimension, since its flags differ
 */
bool m2d_onewalk_edit_parse(const char *text, M2dNestedKind kind, M2dWalkEdit *edit,
			    GError **error);

typedef struct {
	M2dAccess access;     /* size is ignored: one byte */
	bool has_gva;         /* traces: access says what to walk, not the reference */
	M2dNestedKind nested; /* guest model */
	M2dGuestosConfig guest;
	M2dHostmapConfig host;
	bool guest_4m;          /* 32-bit guest: a 4 MiB page */
	bool untouched;         /* guest model: A and D are still clear */
	bool caches;            /* all caches take part, empty or as the replay left them */
	bool tlb_miss;          /* drop the page's translation from the TLB first */
	uint32_t warm;          /* of M2dWarm; without @caches no other cache takes part */
	const uint64_t *before; /* addresses to read first, with @caches; guest model */
	unsigned n_before;
	char **edits; /* as m2d_onewalk_edit_parse() takes them; NULL: none */
} M2dOneWalkOptions;

/* m2d_onewalk_options_init: a supervisor read in a 4-level guest with scattered frames. */
void m2d_onewalk_options_init(M2dOneWalkOptions *options);

/**
 * m2d_onewalk_model: the walk in a small guest that has just mapped the address.
 * @machine: taken over, also on failure
 */
M2dWalkView *m2d_onewalk_model(M2dMachine *machine, const M2dOneWalkOptions *options,
			       GError **error);

/**
 * m2d_onewalk_trace: replay @reader's trace up to reference @at (the first is 0) and walk.
 * @path: of the trace, for the result and for messages
 * @vcpu: to walk on; negative: the one that makes reference @at
 * With recorded tables the walk comes just before the reference. On the guest model the reference
 * is executed first, so that its page is mapped.
 * @progress: see M2dReplayOptions; NULL for none
 */
M2dWalkView *m2d_onewalk_trace(M2dMachine *machine, M2dTraceReader *reader, const char *path,
			       uint64_t at, int vcpu, const M2dOneWalkOptions *options,
			       M2dReplayProgress progress, void *progress_data, GError **error);
