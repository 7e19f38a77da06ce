/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by shadow.c, shadow-fault.c and shadow-count.c only. */
#pragma once

#include "sim/check/check.h"
#include "sim/kvm/drive.h"
#include "sim/replay/l2mem.h"
#include "sim/replay/replay-private.h"

struct _M2dReplayShadow {
	M2dVm *vm;
	M2dL2mem *mem;
	M2dCheck *check;             /* NULL: nobody watches */
	unsigned n_findings;         /* of the checker that are stories already */
	uint64_t seen[M2D_N_EVENTS]; /* events counted so far */
	/* A store that may be one to a guest table: then what it stored comes next. */
	bool held;
	M2dRef held_ref;
	M2dReplayVcpu *held_vcpu;
	const M2dTraceEvent *store; /* of the reference that runs now; NULL: not known */
	bool emulated;              /* KVM has performed it */
	/* Counted from events since the counters last got them (shadow-count.c). */
	uint64_t made, writable, linked, dropped, switches;
	uint64_t root[M2D_NO_ACTOR + 1]; /* by vCPU: of the last entry; 0: none yet */
};

static inline unsigned m2d_replay_vcpu_id(const M2dReplay *r, const M2dReplayVcpu *v)
{
	return (unsigned)(v - r->vcpu);
}

/* m2d_replay_shadow_listen: count what only the arguments of events tell. */
void m2d_replay_shadow_listen(M2dReplayShadow *s);
/* m2d_replay_shadow_count: add to the counters of @v what has happened since the last call, and
 * what the checker has found to the stories. */
void m2d_replay_shadow_count(M2dReplay *r, M2dReplayVcpu *v);
/* m2d_replay_shadow_skip: what has happened since counts nowhere. */
void m2d_replay_shadow_skip(M2dReplay *r);
/* m2d_replay_shadow_fault_count: the fault @out that KVM has just handled for @v. */
void m2d_replay_shadow_fault_count(M2dReplay *r, M2dReplayVcpu *v, const M2dOutcome *out,
				   M2dOpResult result);
/* m2d_replay_shadow_pf: the guest's own #PF handler was entered: let the fault happen. */
void m2d_replay_shadow_pf(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev);
