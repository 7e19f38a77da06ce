/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/vm/srcu.h"

#define HELD UINT64_C(1)
#define OLD  UINT64_C(2) /* since before the last swap */

void m2d_srcu_lock(M2dVm *vm, unsigned vcpu)
{
	VM_PUT(vm, vm->s->srcu[vcpu], vm->s->srcu[vcpu] | HELD);
}

void m2d_srcu_unlock(M2dVm *vm, unsigned vcpu)
{
	VM_PUT(vm, vm->s->srcu[vcpu], 0);
}

void m2d_srcu_swapped(M2dVm *vm)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (vm->s->srcu[i] & HELD)
			VM_PUT(vm, vm->s->srcu[i], HELD | OLD);
}

bool m2d_srcu_synced(const M2dVm *vm)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (vm->s->srcu[i] & OLD)
			return false;
	return true;
}

void m2d_srcu_ignore(M2dVm *vm)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		VM_PUT(vm, vm->s->srcu[i], vm->s->srcu[i] & ~OLD);
}
