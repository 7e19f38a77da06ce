/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who reads memslots: kvm->srcu, held by a vCPU's thread whenever it is outside of the guest. A
 * change of memslots publishes the new ones and waits until those who may still look at the old
 * ones have let go (kvm_swap_active_memslots(), 6.12: synchronize_srcu_expedited()).
 */
#pragma once

#include "sim/vm/vm.h"

/* m2d_srcu_lock, m2d_srcu_unlock: by the thread of @vcpu. */
void m2d_srcu_lock(M2dVm *vm, unsigned vcpu);
void m2d_srcu_unlock(M2dVm *vm, unsigned vcpu);
/* m2d_srcu_swapped: who holds it now may look at what was before; m2d_srcu_synced: nobody does
 * any longer. */
void m2d_srcu_swapped(M2dVm *vm);
bool m2d_srcu_synced(const M2dVm *vm);
/* m2d_srcu_ignore: do not wait for those who may still look. */
void m2d_srcu_ignore(M2dVm *vm);
