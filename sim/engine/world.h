/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world: the root from which everything hangs. It owns the arena, the root space (HPA) and a
 * machine; vCPUs are added by sim/cpu. Two worlds in one process share nothing.
 */
#pragma once

#include "sim/engine/machine.h"
#include "sim/mem/arena.h"
#include "sim/mem/space.h"

typedef struct _M2dWorld M2dWorld;
typedef struct _M2dVcpu M2dVcpu;

/* Bytes of address space that m2d_world_new() reserves when 0 is passed. */
#define M2D_WORLD_DEFAULT_RESERVE (UINT64_C(64) << 30)

/**
 * m2d_world_new: an empty world on @machine.
 * @machine: taken over, also when NULL is returned
 * @reserve: bound in bytes of all simulated state together; 0: the default, or as much of it, by
 *   halves down to 1 GiB, as the system lets a process reserve
 * NULL with @error if the system lets a process reserve less.
 */
M2dWorld *m2d_world_new(M2dMachine *machine, uint64_t reserve, GError **error);
void m2d_world_free(M2dWorld *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dWorld, m2d_world_free)

/* What the world owns: its state, its physical memory (host-physical addresses), its machine. */
M2dArena *m2d_world_arena(const M2dWorld *world);
M2dSpace *m2d_world_space(const M2dWorld *world);
const M2dMachine *m2d_world_machine(const M2dWorld *world);

unsigned m2d_world_n_vcpus(const M2dWorld *world);
/* m2d_world_vcpu: vCPU @id, which must be below m2d_world_n_vcpus(). */
M2dVcpu *m2d_world_vcpu(const M2dWorld *world, unsigned id);
/* m2d_world_adopt_vcpu: used by m2d_vcpu_new(): the next id; @free_vcpu runs with the world. */
unsigned m2d_world_adopt_vcpu(M2dWorld *world, M2dVcpu *vcpu, void (*free_vcpu)(M2dVcpu *));
