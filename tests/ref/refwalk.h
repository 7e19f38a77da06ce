/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slow, stateless two-dimensional page walker, written from the manuals alone and apart from
 * the simulator's own. It shares with the simulator only the types that describe input and
 * output. It caches nothing and walks bit by bit; tests compare the simulator with it.
 */
#pragma once

#include "lib/mmu2d.h"

/* Physical memory: aligned little-endian words of @size 4 or 8 bytes. */
typedef struct {
	void *data;
	uint64_t (*read)(void *data, uint64_t pa, unsigned size);
	void (*write)(void *data, uint64_t pa, unsigned size, uint64_t value);
} RefMemory;

/* Everything a walk depends on, beside memory and the access. */
typedef struct {
	M2dVendor vendor;
	M2dRegs regs;             /* of the code that runs */
	unsigned maxphyaddr;      /* that its tables are judged by */
	uint32_t features;        /* M2D_FEAT_* likewise */
	unsigned host_maxphyaddr; /* that nested tables are judged by */
	uint32_t host_features;
	M2dNested nested; /* pml_index counts down in here */
} RefCpu;

/* One table entry that was read. */
typedef struct {
	bool nested;
	unsigned level; /* 1 is the lowest table */
	unsigned size;  /* bytes of the entry */
	uint64_t input; /* the address being translated: linear or guest-physical */
	uint64_t gpa;   /* of a guest entry, before the second dimension */
	uint64_t pa;    /* where it was read */
	uint64_t value; /* as read */
} RefStep;

/* Two pages, each at most 5 guest entries behind 5-level walks and a last such walk: 35. */
#define REF_MAX_STEPS 72

typedef struct {
	M2dOutcome out; /* served_by is not filled in */
	RefStep step[REF_MAX_STEPS];
	unsigned n_steps;
	uint64_t pml_slot[REF_MAX_STEPS]; /* addresses of log entries written */
	unsigned n_pml;
} RefResult;

/**
 * ref_access: do @access as the processor @cpu would with no translation cached.
 * Accessed and dirty bits and log entries are written to @mem. Never fails.
 */
void ref_access(RefCpu *cpu, const RefMemory *mem, const M2dAccess *access, RefResult *result);

/* ref_dump: print registers, steps and outcome to stderr. */
void ref_dump(const RefCpu *cpu, const M2dAccess *access, const RefResult *result);
/* ref_dump_outcome: one line with all fields of @out. */
void ref_dump_outcome(const char *who, const M2dOutcome *out);
/* ref_outcome_name: "ok", "#PF" and so on. */
const char *ref_outcome_name(M2dOutcomeKind kind);
