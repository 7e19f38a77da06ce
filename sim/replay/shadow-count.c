/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What KVM did for the guest, counted by vCPU: from its events and from the outcomes of faults. */
#include "sim/replay/shadow-private.h"

static const struct {
	M2dEventType event;
	size_t counter; /* offset in M2dCounters */
} counted[] = {
	{M2D_E_KVM_EXIT, offsetof(M2dCounters, kvm_exits)},
	{M2D_E_KVM_CR, offsetof(M2dCounters, kvm_cr_writes)},
	{M2D_E_KVM_PAGE_FAULT, offsetof(M2dCounters, kvm_faults)},
	{M2D_E_KVM_MMU_SET_SPTE, offsetof(M2dCounters, kvm_sptes_set)},
	{M2D_E_KVM_MMU_UNSYNC_PAGE, offsetof(M2dCounters, kvm_unsyncs)},
	{M2D_E_KVM_MMU_SYNC_PAGE, offsetof(M2dCounters, kvm_syncs)},
	{M2D_E_SP_ALLOC, offsetof(M2dCounters, kvm_pages_made)},
	{M2D_E_KVM_MMU_PREPARE_ZAP_PAGE, offsetof(M2dCounters, kvm_pages_zapped)},
	{M2D_E_ROOT_LOAD, offsetof(M2dCounters, kvm_root_loads)},
	{M2D_E_FLUSH_HW, offsetof(M2dCounters, kvm_hw_flushes)},
	{M2D_E_FLUSH_REMOTE, offsetof(M2dCounters, kvm_remote_flushes)},
	{M2D_E_NOTIFIER_DONE, offsetof(M2dCounters, kvm_notifiers)},
};

static void tell_findings(M2dReplay *r, unsigned id)
{
	M2dReplayShadow *s = r->shadow;

	for (; s->n_findings < m2d_check_n_findings(s->check); s->n_findings++) {
		const M2dFinding *f = m2d_check_finding(s->check, s->n_findings);
		unsigned vcpu = f->vcpu < r->n_vcpus ? f->vcpu : id;

		m2d_replay_story(r, m2d_invariant(f->id)->name, r->refs, vcpu, "%s\n%s", f->what,
				 f->story);
	}
}

void m2d_replay_shadow_count(M2dReplay *r, M2dReplayVcpu *v)
{
	M2dReplayShadow *s = r->shadow;
	const uint64_t *count = s->vm->ev->count;

	for (unsigned i = 0; i < G_N_ELEMENTS(counted); i++) {
		M2dEventType e = counted[i].event;
		uint64_t *c = (uint64_t *)(void *)((char *)&v->mmu->stats.c + counted[i].counter);

		*c += count[e] - s->seen[e];
		s->seen[e] = count[e];
	}
	if (s->check != NULL)
		tell_findings(r, m2d_replay_vcpu_id(r, v));
}

void m2d_replay_shadow_skip(M2dReplay *r)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(counted); i++)
		r->shadow->seen[counted[i].event] = r->shadow->vm->ev->count[counted[i].event];
}

void m2d_replay_shadow_fault_count(M2dReplay *r, M2dReplayVcpu *v, M2dOpResult result)
{
	const M2dOpOutcome *o = m2d_kvm_outcome(r->shadow->vm, m2d_replay_vcpu_id(r, v));
	M2dCounters *c = &v->mmu->stats.c;

	m2d_replay_shadow_count(r, v);
	switch (o->faults_ret) {
	case M2D_RET_PF_FIXED:
		c->kvm_fixed++;
		break;
	case M2D_RET_PF_SPURIOUS:
		c->kvm_spurious++;
		break;
	case M2D_RET_PF_INJECT:
		c->kvm_injected++;
		break;
	case M2D_RET_PF_EMULATE:
	case M2D_RET_PF_WRITE_PROTECTED:
		c->kvm_emulated++;
		break;
	default:
		c->kvm_retried++;
		break;
	}
	if (result == M2D_OPR_MMIO)
		c->kvm_mmio++;
}
