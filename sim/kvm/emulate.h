/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What KVM does for a guest instruction that it emulates: routines of a vCPU outside the guest,
 * also for those who know of the instruction from elsewhere than the simulated guest.
 */
#pragma once

#include "sim/shadow/shadow.h"

/* x86_emulate_instruction() for one load or store. Result M2dFaultEnd. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint8_t kind, size, user, cmpxchg;
	uint64_t gva, value, expect;
	uint64_t gpa;
} m2d_emulate_frame;
M2D_ROUTINE(m2d_emulate);

/* kvm_invalidate_pcid(): requests and roots for a flush of one PCID. */
typedef struct {
	M2dFrame h;
	uint32_t vcpu;
	uint32_t pcid;
	uint32_t i, mask;
} m2d_invalidate_pcid_frame;
M2D_ROUTINE(m2d_invalidate_pcid);
