/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of sim/cpu only. */
#pragma once

#include "sim/cpu/vcpu.h"
#include "sim/mmu/mmu.h"

/* A broadcast invalidation on its way: registers as INVLPGB took them, ASID resolved. */
typedef struct {
	uint64_t rax;
	uint32_t ecx, edx;
	uint32_t from; /* vCPU that issued it */
	uint32_t pad;
} M2dBroadcast;

#define M2D_MAX_BROADCASTS 32

/* What changes: in the arena. */
typedef struct {
	M2dRegs host;
	M2dNested nested; /* of the last entry */
	uint32_t guest_maxphyaddr, guest_features;
	uint32_t host_maxphyaddr, host_features;
	uint32_t in_guest;
	uint32_t n_broadcasts;
	M2dBroadcast broadcast[M2D_MAX_BROADCASTS]; /* received, not performed yet; oldest first */
} M2dVcpuState;

struct _M2dVcpu {
	M2dWorld *world;
	M2dArena *arena;
	const M2dMachine *machine;
	unsigned id;
	M2dVcpuState *s;
	M2dMmu mmu;
	M2dOutcome last;
};

static inline bool vcpu_amd(const M2dVcpu *v)
{
	return v->machine->vendor == M2D_VENDOR_AMD;
}
