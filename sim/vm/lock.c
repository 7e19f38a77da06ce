/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks are modelled objects: an actor that finds one taken waits, and a missing one shows as a
 * race. mmu_lock can be shared (a read lock since 5.12).
 */
#include "sim/vm/request.h"

M2D_ROUTINE(m2d_lock)
{
	m2d_lock_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	M2dLock *l = &vm->s->lock[f->lock];

	M2D_BEGIN(rt, f);
	M2D_POINT(rt, f, LOCK);
	M2D_WAIT(rt, f, LOCK, f->lock | f->shared << 8);
	if (f->shared)
		VM_PUT(vm, l->readers, l->readers | 1u << rt->current);
	else
		VM_PUT(vm, l->owner, rt->current + 1);
	m2d_emit(vm->ev, LOCK, f->lock, f->shared);
	m2d_vm_charge(vm, rt->current, M2D_CAUSE_KVM_OTHER, vm->machine->kvm.lock_acquire);
	M2D_END(rt, f);
}

void m2d_unlock(M2dVm *vm, M2dLockId lock)
{
	M2dLock *l = &vm->s->lock[lock];
	unsigned me = vm->rt->current;
	bool shared = l->owner != me + 1;

	if (shared) {
		g_assert(l->readers >> me & 1);
		VM_PUT(vm, l->readers, l->readers & ~(1u << me));
	} else {
		VM_PUT(vm, l->owner, 0);
	}
	m2d_emit(vm->ev, UNLOCK, lock, shared);
}

bool m2d_lock_held(const M2dVm *vm, M2dLockId lock)
{
	return vm->s->lock[lock].owner == vm->rt->current + 1;
}

bool m2d_lock_free(const M2dVm *vm, M2dLockId lock, bool shared)
{
	const M2dLock *l = &vm->s->lock[lock];

	return l->owner == 0 && (shared || l->readers == 0);
}
