/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recorded nested tables as the memory of a process: the frames that a recorded hypervisor had
 * given its guest are the frames of the VM that runs the guest instead. A guest-physical page is
 * the page of that number of the process; it is placed when it is first needed, and taken away by
 * way of the notifiers, when the guest is next entered, if the recorded hypervisor took it away.
 */
#pragma once

#include "sim/vm/vm.h"

/* Guest-physical memory that a VM can have here: pages. */
#define M2D_L2MEM_PAGES (UINT64_C(1) << 24)

typedef struct _M2dL2mem M2dL2mem;

/* m2d_l2mem_new: the memory of @vm, which has memslots but no pages yet. */
M2dL2mem *m2d_l2mem_new(M2dVm *vm);
void m2d_l2mem_free(M2dL2mem *mem);

/* m2d_l2mem_wrote: before a store of @value to the recorded nested entry at @hpa. */
void m2d_l2mem_wrote(M2dL2mem *mem, M2dHpa hpa, uint64_t value);
/* m2d_l2mem_enter: the recorded guest is entered on tables at @ncr3, that are walked with the
 * host's @hcr4 and @hefer. */
void m2d_l2mem_enter(M2dL2mem *mem, uint64_t ncr3, uint64_t hcr4, uint64_t hefer);
/* m2d_l2mem_has: the recorded tables have something from @gpa on. */
bool m2d_l2mem_has(const M2dL2mem *mem, uint64_t gpa);
