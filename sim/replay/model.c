/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces without page tables: the guest model and, under nested paging, the host map answer the
 * faults. Each CR3 (or numbered address space) of the trace is a process of the model; a nested
 * trace's host and guest are processes of one guest.
 */
#include "sim/base/error.h"
#include "sim/replay/replay-private.h"

#define HOST_CR0 (M2D_CR0_PE | M2D_CR0_WP | M2D_CR0_PG)
#define HOST_CR4 (M2D_CR4_PSE | M2D_CR4_PAE | M2D_CR4_PGE)

/* The number of the process that CR3 (or address space) @id stands for. */
static uint64_t process_of(M2dReplay *r, uint64_t id, bool guest)
{
	int64_t key = (int64_t)(id << 1 | guest);
	gpointer value;
	guint n;

	if (g_hash_table_lookup_extended(r->cr3s, &key, NULL, &value))
		return GPOINTER_TO_UINT(value);
	n = g_hash_table_size(r->cr3s);
	g_hash_table_insert(r->cr3s, g_memdup2(&key, sizeof(key)), GUINT_TO_POINTER(n));
	return n;
}

bool m2d_replay_setup_model(M2dReplay *r, GError **error)
{
	M2dNestedKind kind = r->mode == M2D_REPLAY_NPT   ? M2D_NESTED_NPT
			     : r->mode == M2D_REPLAY_EPT ? M2D_NESTED_EPT
							 : M2D_NESTED_NONE;
	M2dRegs host = {
		.cr0 = HOST_CR0,
		.cr4 = HOST_CR4,
		.efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE,
	};
	M2dRegs regs;

	if (kind != M2D_NESTED_NONE) {
		r->host = m2d_hostmap_new(r->world, kind, &r->opt.host, error);
		if (r->host == NULL)
			return false;
	}
	r->guest = m2d_guestos_new(r->world, r->host, &r->opt.guest, error);
	if (r->guest == NULL || !m2d_guestos_regs(r->guest, process_of(r, 0, false), &regs, error))
		return false;
	for (unsigned i = 0; i < r->n_vcpus; i++) {
		M2dVcpu *v = r->vcpu[i].vcpu;
		M2dNested nested = {.tag = i + 1};

		if (kind == M2D_NESTED_NONE) {
			m2d_vcpu_load_host(v, &regs);
			continue;
		}
		m2d_hostmap_nested(r->host, &nested);
		m2d_vcpu_load_host(v, &host);
		if (m2d_vcpu_enter(v, &regs, &nested, 0) != M2D_INSN_OK) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_INTERNAL,
				    "the host map's root was refused by the vCPU");
			return false;
		}
	}
	return true;
}

bool m2d_replay_mode_model(M2dReplay *r, M2dReplayVcpu *v, bool guest, GError **error)
{
	uint64_t process = v->process[guest], cr3;
	M2dRegs regs;

	if (process == v->running)
		return true;
	if (!m2d_guestos_regs(r->guest, process, &regs, error))
		return false;
	/* A system with PCIDs keeps the other process's translations. */
	cr3 = regs.cr3 | (regs.cr4 & M2D_CR4_PCIDE ? M2D_CR3_NOFLUSH : 0);
	if (m2d_vcpu_mov_cr3(v->vcpu, cr3) != M2D_INSN_OK) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INTERNAL,
			    "loading the CR3 of process %" G_GUINT64_FORMAT " failed", process);
		return false;
	}
	v->running = process;
	return true;
}

bool m2d_replay_event_model(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev, GError **error)
{
	switch (ev->kind) {
	case M2D_EV_REG:
		if ((ev->sub & ~M2D_TR_INITIAL) == M2D_TR_CR3)
			v->process[ev->guest] = process_of(r, ev->a & ~UINT64_C(0xfff), ev->guest);
		break;
	case M2D_EV_ASPACE:
		v->process[ev->guest] = process_of(r, ev->a, ev->guest);
		break;
	case M2D_EV_VMRUN:
	case M2D_EV_VMENTRY:
		v->process[1] = process_of(r, ev->b & ~UINT64_C(0xfff), true);
		break;
	case M2D_EV_INVLPG:
		m2d_replay_flush(v, ev);
		break;
	default:
		break; /* what a recorded host or its hardware did has no counterpart here */
	}
	return true;
}

void m2d_replay_flush(M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	switch (ev->kind) {
	case M2D_EV_INVLPG:
		m2d_vcpu_invlpg(v->vcpu, M2D_GVA(ev->a));
		break;
	case M2D_EV_INVPCID:
		m2d_vcpu_invpcid(v->vcpu, ev->n, ev->a, M2D_GVA(ev->b));
		break;
	case M2D_EV_INVLPGA:
		m2d_vcpu_invlpga(v->vcpu, M2D_GVA(ev->a), ev->n);
		break;
	case M2D_EV_INVVPID:
		m2d_vcpu_invvpid(v->vcpu, ev->n, ev->a, M2D_GVA(ev->b));
		break;
	case M2D_EV_INVEPT:
		m2d_vcpu_invept(v->vcpu, ev->n, ev->a);
		break;
	case M2D_EV_INVLPGB:
		m2d_vcpu_invlpgb(v->vcpu, ev->a, (uint32_t)ev->b, (uint32_t)ev->c);
		break;
	case M2D_EV_TLBSYNC:
		m2d_vcpu_tlbsync(v->vcpu);
		break;
	default:
		break;
	}
}

M2dFaultAction m2d_replay_fault_model(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref,
				      const M2dOutcome *out, GError **error)
{
	const M2dMachine *m = m2d_world_machine(r->world);
	M2dTiming *t = &v->mmu->timing;
	M2dStats *stats = &v->mmu->stats;

	switch (out->kind) {
	case M2D_OUT_PF:
		m2d_timing_drain(t, stats);
		m2d_timing_charge(t, stats, M2D_CAUSE_PAGE_FAULT, m->cost.page_fault);
		switch (m2d_guestos_fault(r->guest, v->running, out->cr2, ref->w & M2D_REF_USER)) {
		case M2D_GUESTOS_MAPPED:
		case M2D_GUESTOS_PRESENT:
			return M2D_FAULT_RETRY;
		case M2D_GUESTOS_BAD_ADDRESS:
		case M2D_GUESTOS_DENIED:
			return M2D_FAULT_SKIP;
		case M2D_GUESTOS_NO_MEMORY:
			break;
		}
		g_set_error(error, M2D_ERROR, M2D_ERROR_BOUND,
			    "guest memory is full after %" G_GUINT64_FORMAT
			    " references; --set guest.memory=SIZE gives more",
			    r->refs);
		return M2D_FAULT_ERROR;
	case M2D_OUT_NPF:
	case M2D_OUT_EPT_VIOLATION:
		m2d_timing_drain(t, stats);
		m2d_timing_charge(t, stats, M2D_CAUSE_EXIT_ENTRY, m->cost.exit_entry);
		m2d_timing_charge(t, stats, M2D_CAUSE_NESTED_FAULT, m->cost.nested_fault);
		stats->c.exits++;
		stats->c.entries++;
		return m2d_hostmap_fault(r->host, out->fault_gpa, error) ? M2D_FAULT_RETRY
									 : M2D_FAULT_ERROR;
	case M2D_OUT_GP:
		return M2D_FAULT_SKIP;
	default:
		break;
	}
	g_set_error(error, M2D_ERROR, M2D_ERROR_INTERNAL,
		    "reference %" G_GUINT64_FORMAT " ended in a fault that no mapping can mend",
		    r->refs);
	return M2D_FAULT_ERROR;
}
