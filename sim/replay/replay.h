/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replay driver: a trace drives the vCPUs of a world.
 *
 * Recorded tables: a trace of a whole system brings its page tables, all stores to them and the
 * true physical address of every reference; both dimensions come from it and each translation is
 * compared. Shadow: the host's tables as recorded, but the recorded guest runs on KVM's shadow
 * paging, in the frames that its recorded nested tables gave it. Otherwise a guest model
 * (guestos.h) maps on demand, natively or over a host map.
 */
#pragma once

#include "sim/cpu/vcpu.h"
#include "sim/mmu/timing.h"
#include "sim/replay/guestos.h"
#include "sim/replay/hostmap.h"
#include "sim/replay/result.h"
#include "sim/trace/trace.h"
#include "sim/vm/duty.h"
#include "sim/vm/knobs.h"

typedef enum {
	M2D_REPLAY_AUTO, /* recorded if the trace has tables, else npt or ept by the vendor */
	M2D_REPLAY_RECORDED,
	M2D_REPLAY_NATIVE,
	M2D_REPLAY_NPT,
	M2D_REPLAY_EPT,
	M2D_REPLAY_SHADOW,
} M2dReplayMode;

/* Told about progress; false stops the replay, which then ends as interrupted. */
typedef bool (*M2dReplayProgress)(uint64_t refs, uint64_t bytes, uint64_t total_bytes, void *data);

typedef struct {
	M2dReplayMode mode;
	M2dTimingModel timing;
	unsigned vcpus; /* fold the trace's vCPUs onto so many; 0: as recorded */
	bool compare;   /* with recorded addresses, where there are any */
	bool check;     /* shadow: watch the VM with the checker */
	M2dGuestosConfig guest;
	M2dHostmapConfig host;
	M2dDutySet without; /* shadow: what KVM leaves out on purpose */
	M2dKnobs knobs;     /* shadow: KVM's behaviours */
	uint64_t samples;   /* points of the time series, about; 0: none */
	M2dReplayProgress progress;
	void *progress_data;
} M2dReplayOptions;

void m2d_replay_options_init(M2dReplayOptions *options);

typedef struct _M2dReplay M2dReplay;

/**
 * m2d_replay_new: build the world for a trace.
 * @machine: taken over. A recorded trace decides the vendor: its nested tables are AMD's if it
 *   holds VMRUN; the machine then lends geometry and costs.
 * @info: of the trace; only read during the call
 */
M2dReplay *m2d_replay_new(M2dMachine *machine, const M2dTraceInfo *info,
			  const M2dReplayOptions *options, GError **error);
void m2d_replay_free(M2dReplay *replay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dReplay, m2d_replay_free)

/* m2d_replay_batch: execute one decoded batch. */
bool m2d_replay_batch(M2dReplay *replay, const M2dBatch *batch, GError **error);
/* m2d_replay_finish: counters, samples and findings so far; the replay may go on afterwards. */
M2dResult *m2d_replay_finish(M2dReplay *replay);
M2dWorld *m2d_replay_world(M2dReplay *replay);
/* m2d_replay_refs: references seen so far. */
uint64_t m2d_replay_refs(const M2dReplay *replay);

/**
 * m2d_replay_run: all of @reader through @replay, decoding on a thread of its own.
 * Returns the result, with wall-clock seconds; NULL with @error. Stopping by the progress callback
 * is not an error.
 */
M2dResult *m2d_replay_run(M2dReplay *replay, M2dTraceReader *reader, GError **error);

/* Difference between tables in the world and their recorded final state. */
typedef struct {
	uint64_t pages, entries;       /* compared */
	uint64_t missing_a, missing_d; /* set in the recording, not here */
	uint64_t extra_a, extra_d;     /* set here, not in the recording */
	uint64_t other;                /* present entries that differ in any other bit */
	uint64_t absent;               /* recorded pages that the world does not have */
} M2dFinalDiff;

/**
 * m2d_replay_final: compare with the final state in @path: records of a u64 physical address and
 * 4096 bytes, plain or gzip, little-endian. Bits 5 and 6 of present entries are A and D.
 */
bool m2d_replay_final(M2dReplay *replay, const char *path, M2dFinalDiff *diff, GError **error);
