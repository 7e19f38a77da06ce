/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations of the host's actor, as scenarios, random runs and searches ask for them. */
#pragma once

#include "sim/kvm/kvm.h"
#include "sim/kvm/memory.h"

/* One operation; its outcome goes where m2d_kvm_outcome() finds it. Result: that of the routine
 * that carried it out. */
typedef struct {
	M2dFrame h;
	int64_t ret;
	M2dOp op;
} m2d_host_op_frame;
M2D_ROUTINE(m2d_host_op);

/**
 * m2d_host_op_start: begin @op on the idle host actor @actor. False with @error if its arguments
 * can never be right, such as a range that is not of whole pages. What KVM refuses is an outcome,
 * %M2D_OPR_FAILED with the errno as its value.
 *
 * Outcomes: age and test-age %M2D_OPR_YES or _NO; get-dirty-log and clear-dirty-log the number of
 * pages as value, which pages by m2d_slot_log_word(); else %M2D_OPR_OK.
 */
bool m2d_host_op_start(M2dVm *vm, unsigned actor, const M2dOp *op, GError **error);
