/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libmmu2d: the two-dimensional MMU as a library (pkg-config: mmu2d).
 *
 * Load a machine of either vendor (m2d_machine_load), build a world (m2d_world_new), add vCPUs
 * (m2d_vcpu_new), write page tables into physical memory (m2d_space_write64 on m2d_world_space),
 * set registers (m2d_vcpu_load_host, m2d_vcpu_enter), translate (m2d_vcpu_access) and read the
 * outcome, memory's A/D bits included. Every flush instruction of both vendors is a function.
 */
#pragma once

#include "sim/base/addr.h"
#include "sim/base/error.h"
#include "sim/cpu/vcpu.h"
#include "sim/engine/machine.h"
#include "sim/engine/world.h"
#include "sim/mem/arena.h"
#include "sim/mem/space.h"
#include "sim/engine/access.h"
