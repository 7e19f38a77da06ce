/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of the replay driver only. */
#pragma once

#include "sim/mmu/run.h"
#include "sim/replay/replay.h"

/* What replay knows of one vCPU besides its architecture. */
typedef struct {
	M2dVcpu *vcpu;
	M2dMmu *mmu;
	uint64_t process[2]; /* guest model: that runs in host and in guest mode of the trace */
	uint64_t running;    /* the one whose CR3 is loaded */
	bool in_guest;       /* shadow: the trace is between VMRUN and #VMEXIT */
	bool unexited;       /* shadow: it exited for what shadow paging does not exit for */
} M2dReplayVcpu;

/* What shadow mode has beside (shadow.c). */
typedef struct _M2dReplayShadow M2dReplayShadow;

struct _M2dReplay {
	M2dReplayOptions opt;
	M2dReplayMode mode; /* never AUTO */
	M2dWorld *world;
	M2dHostmap *host;  /* NULL unless the guest model runs over a second dimension */
	M2dGuestos *guest; /* NULL with recorded tables */
	GHashTable *cr3s;  /* guest model: recorded CR3 and mode to process number */
	M2dReplayVcpu *vcpu;
	unsigned n_vcpus;
	uint64_t refs; /* seen so far, skipped ones included */
	uint64_t next_sample, sample_step;
	GArray *samples;
	GArray *stories; /* of M2dViolation */
	uint64_t elided, instructions;
	uint64_t skipped; /* references that could not be executed */
	bool interrupted;
	M2dReplayVcpu *run_vcpu;
	M2dReplayShadow *shadow; /* NULL in other modes */
};

/* m2d_replay_recorded: tables come with the trace. */
static inline bool m2d_replay_recorded(const M2dReplay *r)
{
	return r->mode == M2D_REPLAY_RECORDED || r->mode == M2D_REPLAY_SHADOW;
}

/* m2d_replay_story: a finding at reference @ref. */
void m2d_replay_story(M2dReplay *r, const char *invariant, uint64_t ref, unsigned vcpu,
		      const char *format, ...) G_GNUC_PRINTF(5, 6);

/* One event: recorded.c with recorded tables, model.c with the guest model. @next is the event
 * that follows without a reference between, or NULL. */
bool m2d_replay_event_recorded(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev,
			       const M2dTraceEvent *next, GError **error);
bool m2d_replay_event_model(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev,
			    GError **error);
/* m2d_replay_intercepted: what the guest attempted in @ev was left to its hypervisor, by the exit
 * that follows. */
bool m2d_replay_intercepted(const M2dTraceEvent *ev, const M2dTraceEvent *next);
/* Flush instructions mean the same in both. */
void m2d_replay_flush(M2dReplayVcpu *v, const M2dTraceEvent *ev);

/* Before the references of a segment. */
bool m2d_replay_mode_model(M2dReplay *r, M2dReplayVcpu *v, bool guest, GError **error);

typedef enum {
	M2D_FAULT_RETRY,
	M2D_FAULT_SKIP,
	M2D_FAULT_ERROR,
} M2dFaultAction;

/* A reference faulted with *@out. */
M2dFaultAction m2d_replay_fault_recorded(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref,
					 const M2dOutcome *out);
M2dFaultAction m2d_replay_fault_model(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref,
				      const M2dOutcome *out, GError **error);

/* m2d_replay_run_refs: references of one segment, with what their faults lead to. */
bool m2d_replay_run_refs(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *refs, uint32_t n,
			 GError **error);

/* --- shadow.c ----------------------------------------------------------------------------------
 */

/* m2d_replay_shadow_new: make the VM, whose processors are the trace's vCPUs. */
bool m2d_replay_shadow_new(M2dReplay *r, GError **error);
void m2d_replay_shadow_free(M2dReplayShadow *s);
M2dVcpu *m2d_replay_shadow_cpu(const M2dReplay *r, unsigned id);
bool m2d_replay_batch_shadow(M2dReplay *r, const M2dBatch *batch, GError **error);
/* m2d_replay_shadow_finish: what was kept back for what might follow, and the checker's last word.
 */
void m2d_replay_shadow_finish(M2dReplay *r);
M2dFaultAction m2d_replay_fault_shadow(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref,
				       const M2dOutcome *out);

/* m2d_replay_setup_recorded: all vCPUs start in host mode with paging off. */
void m2d_replay_setup_recorded(M2dReplay *r);
/* m2d_replay_setup_model: build host and guest; all vCPUs start in process 0. */
bool m2d_replay_setup_model(M2dReplay *r, GError **error);
