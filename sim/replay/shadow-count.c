/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What KVM did for the guest, counted by vCPU: from its events and from the outcomes of faults. */
#include "sim/base/x86pte.h"
#include "sim/replay/paid.h"
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

/* Present to a walk: not zero, nor KVM's value of an entry that never was. */
static void on_spte(M2dReplayShadow *s, unsigned level, uint64_t old, uint64_t entry)
{
	bool was = old & M2D_PTE_P, is = entry & M2D_PTE_P;

	if (was && !is)
		s->dropped++;
	else if (is && !m2d_paid_is_leaf(level, entry))
		s->linked++;
	else if (is && !was)
		s->made++;
	else if (is && (entry & ~old & M2D_PTE_RW))
		s->writable++;
}

static void on_event(const M2dEvent *e, void *data)
{
	M2dReplayShadow *s = data;

	if (e->type == M2D_E_SPTE_CHANGED) {
		on_spte(s, (unsigned)e->a[1], e->a[2], e->a[3]);
	} else {
		s->switches += s->root[e->vcpu] != 0 && s->root[e->vcpu] != e->a[0];
		s->root[e->vcpu] = e->a[0];
	}
}

void m2d_replay_shadow_listen(M2dReplayShadow *s)
{
	static const bool types[M2D_N_EVENTS] = {
		[M2D_E_SPTE_CHANGED] = true,
		[M2D_E_KVM_ENTRY] = true,
	};

	m2d_events_listen_to(s->vm->ev, on_event, s, types);
}

/* Move *@from to *@to. */
static void take(uint64_t *to, uint64_t *from)
{
	*to += *from;
	*from = 0;
}

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
	take(&v->mmu->stats.c.kvm_sptes_made, &s->made);
	take(&v->mmu->stats.c.kvm_sptes_writable, &s->writable);
	take(&v->mmu->stats.c.kvm_sptes_linked, &s->linked);
	take(&v->mmu->stats.c.kvm_sptes_dropped, &s->dropped);
	take(&v->mmu->stats.c.kvm_root_switches, &s->switches);
	if (s->check != NULL)
		tell_findings(r, m2d_replay_vcpu_id(r, v));
}

void m2d_replay_shadow_skip(M2dReplay *r)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(counted); i++)
		r->shadow->seen[counted[i].event] = r->shadow->vm->ev->count[counted[i].event];
}

/* By error code, as the exits of a recording can be told apart. */
static void count_code(M2dCounters *c, const M2dOutcome *out)
{
	if (out->kind != M2D_OUT_PF)
		return;
	if (!(out->error_code & M2D_PFEC_P))
		c->kvm_pf_absent++;
	else if (out->error_code & M2D_PFEC_W)
		*(out->error_code & M2D_PFEC_U ? &c->kvm_pf_wp_user : &c->kvm_pf_wp_kernel) += 1;
}

void m2d_replay_shadow_fault_count(M2dReplay *r, M2dReplayVcpu *v, const M2dOutcome *out,
				   M2dOpResult result)
{
	const M2dOpOutcome *o = m2d_kvm_outcome(r->shadow->vm, m2d_replay_vcpu_id(r, v));
	M2dCounters *c = &v->mmu->stats.c;

	m2d_replay_shadow_count(r, v);
	count_code(c, out);
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
