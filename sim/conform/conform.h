/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conformance: a real KVM's capture drives the model, and what the model does is held against what
 * the kernel recorded, event by event. Only what came from outside KVM's MMU is taken from the
 * capture; docs/conformance.md says what that is and where it has to be inferred.
 *
 * Shadow paging and the direct MMU; a capture of the TDP MMU is refused with one line.
 */
#pragma once

#include <glib.h>

#include "sim/capture/capture.h"
#include "sim/vm/duty.h"

/* Kinds that are counted: those of events, and the outcome of page faults. */
#define M2D_CONF_FAULT_OUTCOME M2D_CAP_N_KINDS
#define M2D_CONF_KINDS         (M2D_CAP_N_KINDS + 1)

/* An event as both sides have it: fields in the order of event.def, those in @has known. */
typedef struct {
	uint16_t kind;
	uint32_t has;
	uint64_t f[M2D_CAP_FIELDS];
} M2dConfItem;

typedef enum {
	M2D_CONF_SAME,
	M2D_CONF_DIFFERENT,  /* of the same kind, in the same place, some field differs */
	M2D_CONF_MISSING,    /* the kernel's alone */
	M2D_CONF_ADDITIONAL, /* the model's alone */
	M2D_CONF_INPUT,      /* of the kernel, not compared: what came from outside */
} M2dConfVerdict;

/* One line of the comparison. */
typedef struct {
	M2dConfVerdict verdict;
	unsigned kind;
	const M2dCapEvent *kernel; /* NULL: additional; then @at is the event before it */
	const M2dCapEvent *at;
	const M2dConfItem *model; /* NULL: missing, input */
	uint32_t fields;          /* that differ; bit by field */
} M2dConfRow;

typedef void (*M2dConfRowFn)(const M2dConfRow *row, void *data);

typedef struct {
	uint64_t kernel, same, different, missing, additional;
	uint64_t input; /* of the kernel's, beside @kernel: taken as input */
} M2dConfCount;

typedef struct {
	const char *kvm; /* profile; NULL: what the capture shows */
	M2dDutySet without;
	M2dConfRowFn row; /* NULL, or told of every row, window by window */
	void *row_data;
} M2dConfOptions;

/* Told of events done; false: stop. */
typedef bool (*M2dConfProgressFn)(uint64_t done, uint64_t total, void *data);

typedef struct _M2dConform M2dConform;

M2dConform *m2d_conform_new(const M2dConfOptions *options);
void m2d_conform_free(M2dConform *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dConform, m2d_conform_free)

/* m2d_conform_add: the next event of the capture; all are kept until the run. */
void m2d_conform_add(M2dConform *c, const M2dCapEvent *event);
/**
 * m2d_conform_run: drive the model through all events. False with @error: the capture cannot be
 * replayed (TDP MMU, several VMs, more than the model holds), or M2D_ERROR_TRANSIENT: stopped.
 */
bool m2d_conform_run(M2dConform *c, M2dConfProgressFn progress, void *data, GError **error);
/* m2d_conform_events: kept, all in all. */
uint64_t m2d_conform_events(const M2dConform *c);

/* m2d_conform_count: of kind @kind below M2D_CONF_KINDS. */
const M2dConfCount *m2d_conform_count(const M2dConform *c, unsigned kind);
/* m2d_conform_counted: what the MMU decides: SPTEs, shadow pages, outcomes of faults, flushes.
 * Walks of the guest's tables, entries of functions and what was asked for are compared, too. */
bool m2d_conform_counted(const M2dConform *c, unsigned kind);
/* m2d_conform_total: over all counted kinds; with @all over all that are compared. */
M2dConfCount m2d_conform_total(const M2dConform *c, bool all);
/* m2d_conform_kind_name: of any kind below M2D_CONF_KINDS. */
const char *m2d_conform_kind_name(unsigned kind);
/* m2d_conform_function: name of a function that asks for flushes, as events have it; NULL. */
const char *m2d_conform_function(uint64_t function);
/* m2d_conform_profile: the kernel profile; why: how it was found. */
const char *m2d_conform_profile(const M2dConform *c, const char **why);
/* m2d_conform_mmu: "direct" or "shadow". */
const char *m2d_conform_mmu(const M2dConform *c);
/* m2d_conform_resyncs: how often the model was set right after a difference. */
uint64_t m2d_conform_resyncs(const M2dConform *c);
