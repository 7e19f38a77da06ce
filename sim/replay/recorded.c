/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces that carry their page tables: events act on the architecture as they did when recorded.
 *
 * What a recording may lack is taken as permissive: EFLAGS.AC counts as set until the trace says
 * otherwise (kernels reach user memory between STAC and CLAC), and a guest that pages with PAE is
 * a 64-bit one with NXE.
 */
#include "sim/replay/replay-private.h"

/* Exit codes of intercepted flushes: what the guest attempted did not take effect. */
#define SVM_EXIT_WRITE_CR0     0x10u
#define SVM_EXIT_WRITE_CR15    0x1fu
#define SVM_EXIT_CR0_SEL_WRITE 0x65u
#define SVM_EXIT_INVLPG        0x79u

bool m2d_replay_intercepted(const M2dTraceEvent *ev, const M2dTraceEvent *next)
{
	if (next == NULL || next->kind != M2D_EV_VMEXIT || next->vcpu != ev->vcpu)
		return false;
	return (next->n >= SVM_EXIT_WRITE_CR0 && next->n <= SVM_EXIT_WRITE_CR15) ||
	       next->n == SVM_EXIT_CR0_SEL_WRITE || next->n == SVM_EXIT_INVLPG;
}

static bool is_intercepted(const M2dReplayVcpu *v, const M2dTraceEvent *ev,
			   const M2dTraceEvent *next)
{
	if (!m2d_vcpu_in_guest(v->vcpu))
		return false;
	/* A guest on shadow tables must not reach the real CR3 or flush by itself. */
	if (m2d_vcpu_nested(v->vcpu)->kind == M2D_NESTED_NONE)
		return true;
	return m2d_replay_intercepted(ev, next);
}

static void set_register(M2dRegs *regs, unsigned reg, uint64_t value)
{
	switch (reg) {
	case M2D_TR_CR0:
		regs->cr0 = value;
		break;
	case M2D_TR_CR3:
		regs->cr3 = value;
		break;
	case M2D_TR_CR4:
		regs->cr4 = value;
		break;
	case M2D_TR_EFER:
		regs->efer = value;
		break;
	case M2D_TR_PKRU:
		regs->pkru = (uint32_t)value;
		break;
	case M2D_TR_PKRS:
		regs->pkrs = (uint32_t)value;
		break;
	case M2D_TR_AC:
		regs->ac = value != 0;
		break;
	default:
		break;
	}
}

static void reg_event(M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	unsigned reg = ev->sub & ~M2D_TR_INITIAL;
	M2dRegs regs = *m2d_vcpu_regs(v->vcpu);

	if (!(ev->sub & M2D_TR_INITIAL)) {
		switch (reg) {
		case M2D_TR_CR0:
			m2d_vcpu_mov_cr0(v->vcpu, ev->a);
			return;
		case M2D_TR_CR3:
			m2d_vcpu_mov_cr3(v->vcpu, ev->a);
			return;
		case M2D_TR_CR4:
			m2d_vcpu_mov_cr4(v->vcpu, ev->a);
			return;
		case M2D_TR_EFER:
			m2d_vcpu_wrmsr_efer(v->vcpu, ev->a);
			return;
		default:
			break;
		}
	}
	set_register(&regs, reg, ev->a);
	m2d_vcpu_load_regs(v->vcpu, &regs);
}

static void vmrun_event(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	const M2dRegs *host = m2d_vcpu_regs(v->vcpu);
	M2dRegs guest = {.cr0 = ev->d, .cr3 = ev->b, .cr4 = ev->e, .ac = host->ac};
	M2dNested nested = {
		.kind = ev->c & 1 ? M2D_NESTED_NPT : M2D_NESTED_NONE,
		.tag = ev->n,
		.ncr3 = ev->a,
		.hcr4 = host->cr4,
		.hefer = host->efer,
	};
	M2dInsn insn;

	guest.efer = M2D_EFER_LME | M2D_EFER_NXE;
	if ((guest.cr0 & M2D_CR0_PG) && (guest.cr4 & M2D_CR4_PAE))
		guest.efer |= M2D_EFER_LMA;
	insn = m2d_vcpu_enter(v->vcpu, &guest, &nested, ev->guest ? 0 : ev->sub);
	/* A vCPU that was in the guest when the recording began did not enter it now. */
	if (ev->guest && insn == M2D_INSN_OK)
		v->mmu->stats.c.entries--;
	if (insn != M2D_INSN_OK)
		m2d_replay_story(r, "bad-entry", r->refs, m2d_vcpu_id(v->vcpu),
				 "VMRUN with ASID %u, TLB_CONTROL %u, nCR3 0x%" G_GINT64_MODIFIER
				 "x cannot be executed%s",
				 ev->n, ev->sub, ev->a,
				 insn == M2D_INSN_UD ? ": already in guest mode" : "");
}

void m2d_replay_setup_recorded(M2dReplay *r)
{
	static const M2dRegs permissive = {.ac = true};

	for (unsigned i = 0; i < r->n_vcpus; i++)
		m2d_vcpu_load_host(r->vcpu[i].vcpu, &permissive);
}

bool m2d_replay_event_recorded(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev,
			       const M2dTraceEvent *next, GError **error)
{
	M2dSpace *space = m2d_world_space(r->world);

	switch (ev->kind) {
	case M2D_EV_REG:
		if ((ev->sub & M2D_TR_INITIAL) || !is_intercepted(v, ev, next))
			reg_event(v, ev);
		break;
	case M2D_EV_INVLPG:
	case M2D_EV_INVPCID:
		if (!is_intercepted(v, ev, next))
			m2d_replay_flush(v, ev);
		break;
	case M2D_EV_INVLPGA:
	case M2D_EV_INVVPID:
	case M2D_EV_INVEPT:
	case M2D_EV_INVLPGB:
	case M2D_EV_TLBSYNC:
		m2d_replay_flush(v, ev);
		break;
	case M2D_EV_PTWRITE:
		/* A page that no walk was recorded to read stays absent, so that reading it shows.
		 */
		if (m2d_space_frame(space, ev->a >> M2D_PAGE_SHIFT) == NULL)
			break;
		v->mmu->stats.c.pt_writes++;
		if (ev->n == 4)
			m2d_space_write32(space, M2D_HPA(ev->a & ~UINT64_C(3)), (uint32_t)ev->b);
		else
			m2d_space_write64(space, M2D_HPA(ev->a & ~UINT64_C(7)), ev->b);
		break;
	case M2D_EV_VMRUN:
		vmrun_event(r, v, ev);
		break;
	case M2D_EV_VMEXIT:
		m2d_vcpu_exit(v->vcpu);
		break;
	default:
		break; /* markers and the guest's own #PF handler change nothing here */
	}
	return true;
}

/*
 * A recorder that takes the privilege from the segment registers marks the reads of descriptor
 * tables and the pushes of an exception that interrupts user code as CPL 3, although hardware
 * makes them as a supervisor. True if @ref succeeded so.
 */
static bool retry_implicit(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref,
			   const M2dOutcome *fault)
{
	M2dAccess a = {
		.gva = M2D_GVA(ref->va),
		.size = (uint32_t)MAX((ref->w & M2D_REF_SIZE) >> M2D_REF_SIZE_SHIFT, 1),
		.kind = (M2dAccKind)(ref->w & M2D_REF_KIND),
		.implicit = true,
	};
	M2dOutcome out;

	if (fault->kind != M2D_OUT_PF || !(ref->w & M2D_REF_USER) || a.kind == M2D_ACC_FETCH ||
	    (fault->error_code & (M2D_PFEC_P | M2D_PFEC_RSVD)) != M2D_PFEC_P)
		return false;
	if (m2d_mmu_access(v->mmu, &a, &out) != M2D_OUT_OK)
		return false;
	v->mmu->stats.c.page_faults--; /* the first attempt was not the recorded access */
	v->mmu->stats.c.implicit_refs++;
	v->mmu->stats.c.refs++;
	v->mmu->stats.c.user_refs++;
	*(a.kind == M2D_ACC_WRITE ? &v->mmu->stats.c.writes : &v->mmu->stats.c.reads) += 1;
	v->mmu->stats.c.guest_refs += (ref->w & M2D_REF_GUEST) != 0;
	if (r->opt.compare && (ref->w & M2D_REF_HAS_PA)) {
		v->mmu->stats.c.checked++;
		if (((out.hpa.v ^ ref->w) & M2D_REF_FRAME) != 0)
			return false;
	}
	return true;
}

M2dFaultAction m2d_replay_fault_recorded(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref,
					 const M2dOutcome *out)
{
	static const char *const names[] = {"no fault",     "#GP",           "#PF",
					    "#NPF",         "EPT violation", "EPT misconfiguration",
					    "log full exit"};

	if (retry_implicit(r, v, ref, out))
		return M2D_FAULT_SKIP;
	v->mmu->stats.c.checked++;
	v->mmu->stats.c.wrong++;
	m2d_replay_story(r, "wrong-translation", r->refs, m2d_vcpu_id(v->vcpu),
			 "%s (code 0x%" G_GINT64_MODIFIER "x) at 0x%" G_GINT64_MODIFIER
			 "x in %s mode where the recording reached frame 0x%" G_GINT64_MODIFIER "x",
			 names[out->kind],
			 out->kind == M2D_OUT_PF ? (uint64_t)out->error_code : out->exitinfo1,
			 ref->va, ref->w & M2D_REF_GUEST ? "guest" : "host",
			 ref->w & M2D_REF_FRAME);
	return M2D_FAULT_SKIP;
}
