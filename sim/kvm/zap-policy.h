/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zap policies: how the pages of a memslot that is deleted or moved become unreachable. KVM had
 * five so far. Each is a routine in a file of its own; to add one, write zap-NAME.c, a row in
 * zap-policy.c and a value of knob slot-delete.
 *
 * A policy is called with slots_lock held, the slot invisible and no fault left that saw it. When
 * it returns, no vCPU can reach the slot's pages any more.
 */
#pragma once

#include "sim/kvm/memory.h"

/* All policies have this frame. */
typedef struct {
	M2dFrame h;
	uint32_t as, id;
} m2d_zap_policy_frame;

typedef struct {
	const char *name; /* as the value of the knob */
	const char *text;
	M2dRoutineId routine;
} M2dZapPolicy;

/* m2d_zap_policy: number @i, which is a value of knob slot-delete. */
const M2dZapPolicy *m2d_zap_policy(unsigned i);

typedef m2d_zap_policy_frame m2d_zap_policy_all_slow_frame;
M2D_ROUTINE(m2d_zap_policy_all_slow);
typedef m2d_zap_policy_frame m2d_zap_policy_all_fast_frame;
M2D_ROUTINE(m2d_zap_policy_all_fast);
typedef m2d_zap_policy_frame m2d_zap_policy_leafs_frame;
M2D_ROUTINE(m2d_zap_policy_leafs);
typedef m2d_zap_policy_frame m2d_zap_policy_quirk_frame;
M2D_ROUTINE(m2d_zap_policy_quirk);
