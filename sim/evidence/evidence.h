/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a real KVM did, judged. From its recorded events the memslots, roots, shadow pages, SPTEs,
 * requests and flushes are rebuilt, as far as events tell of them, and compared with what KVM owes:
 * the SPTE state machine, and the rules in rules.def.
 *
 * A finding is certain if it holds whatever was not recorded; otherwise it is possible, with the
 * reason. Lost events make state unknown, and unknown state is never wrong. What is not recorded at
 * all (no kprobe on the flush functions, say) is not judged.
 *
 * Not modelled: more than one VM in a capture, and nested guests; both turn all findings into
 * possible ones. So does an Intel processor: no recording of one was at hand when the rules were
 * made. What the shadow MMU does without a tracepoint (links of tables, SPTEs dropped by
 * sync, invlpg, emulated writes and the reverse map) is unknown unless it can be inferred.
 *
 * Source: arch/x86/kvm/mmu/{mmu,tdp_mmu,spte}.c, x86.c, svm/svm.c and virt/kvm/kvm_main.c of Linux
 * 6.1 and 6.12.
 */
#pragma once

#include <glib.h>

#include "sim/capture/capture.h"
#include "sim/spte/spte.h"

typedef enum {
#define RULE(ID, name, text) M2D_RULE_##ID,
#include "sim/evidence/rules.def"
#undef RULE
	M2D_N_RULES
} M2dRule;

const char *m2d_rule_name(M2dRule rule);
const char *m2d_rule_text(M2dRule rule);

/* Where and when an event was. */
typedef struct {
	uint64_t time, place;
	uint32_t pid;
	uint16_t cpu, kind;
} M2dEvRef;

#define M2D_EV_REFS 4

typedef struct {
	M2dRule rule;
	bool certain;
	const char *doubt; /* why it is only possible; NULL if certain */
	char *text;        /* one line */
	unsigned n_refs; /* the events that lead to it, in order; the last one is where it shows */
	M2dEvRef refs[M2D_EV_REFS];
	const char *labels[M2D_EV_REFS]; /* what each is in this story */
	char *event;                     /* fields of the last one */
	unsigned needs,
		also; /* kinds that must be recorded at all for it to be a finding; 0: none */
} M2dEvFinding;

typedef struct {
	int layout; /* M2dSpteLayout, or -1: found out from the values */
} M2dEvidenceOptions;

typedef struct _M2dEvidence M2dEvidence;

M2dEvidence *m2d_evidence_new(const M2dEvidenceOptions *options);
void m2d_evidence_free(M2dEvidence *ev);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dEvidence, m2d_evidence_free)
void m2d_evidence_add(M2dEvidence *ev, const M2dCapEvent *event);
/* m2d_evidence_finish: after the last event; settles which findings stand. */
void m2d_evidence_finish(M2dEvidence *ev);

/* m2d_evidence_findings: array of M2dEvFinding in the order of their events; at most 1000 a rule.
 */
const GArray *m2d_evidence_findings(const M2dEvidence *ev);
/* m2d_evidence_dropped: findings beyond those kept. */
uint64_t m2d_evidence_dropped(const M2dEvidence *ev);
/* m2d_evidence_premises: how often @rule could have been broken. */
uint64_t m2d_evidence_premises(const M2dEvidence *ev, M2dRule rule);

#define M2D_EV_MAX_NOT_JUDGED 16u
/* m2d_evidence_not_judged: what was not recorded, or is not known of this vendor, and therefore not
 * judged; returns how many lines. */
unsigned m2d_evidence_not_judged(const M2dEvidence *ev, const char *what[M2D_EV_MAX_NOT_JUDGED]);

/* What was rebuilt, for a summary. */
typedef struct {
	const char *mmu; /* "TDP MMU", "direct MMU", "shadow paging", "unknown" */
	const char *layout;
	bool ept, vmx;
	unsigned vcpus, slots; /* slots at the end */
	uint64_t tables_made, tables_zapped, roots, leafs_set, zap_all, remote_flushes, losses;
	bool several_vms, nested;
} M2dEvSummary;

void m2d_evidence_summary(const M2dEvidence *ev, M2dEvSummary *summary);
