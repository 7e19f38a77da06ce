/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that invalidate cached translations: operand checks, then exactly the scope that
 * the manuals oblige. Privilege is the caller's business.
 * Sources: SDM vol. 2 INVLPG, INVPCID; vol. 3 INVVPID, INVEPT and "Operations that Invalidate
 * Cached Mappings"; APM vol. 2 "TLB Management", vol. 3 INVLPGA, INVLPGB, TLBSYNC.
 */
#include "sim/cpu/vcpu-private.h"

/* A kill for linear addresses under the VPID or ASID in force. */
static M2dKill linear_kill(const M2dVcpu *v, M2dKillPcid rule, uint32_t pcid, M2dKillUpper upper)
{
	return (M2dKill){
		.kinds = M2D_KINDS_LINEAR,
		.tag_rule = M2D_KILL_TAG_EQUAL,
		.tag = v->mmu.s->nested.tag,
		.pcid_rule = rule,
		.pcid = pcid,
		.upper = upper,
	};
}

/* AMD: unless EFER.TCE is set, page invalidations also drop all upper-level items of the ASID. */
static void amd_drop_uppers(M2dVcpu *v, uint32_t asid)
{
	M2dKill kill = {
		.kinds = M2D_KINDS_LINEAR,
		.tag_rule = M2D_KILL_TAG_EQUAL,
		.tag = asid,
		.upper = M2D_UPPER_ALL,
		.keep_leaves = true,
	};

	if (vcpu_amd(v) && !(v->mmu.s->regs.efer & M2D_EFER_TCE))
		m2d_tlb_kill(&v->mmu.tlb, &kill);
}

static bool canonical(const M2dVcpu *v, uint64_t va)
{
	return m2d_guest_canonical(&v->mmu.s->fmt, va);
}

M2dInsn m2d_vcpu_invlpg(M2dVcpu *v, M2dGva gva)
{
	M2dKill kill = linear_kill(v, M2D_KILL_PCID_OR_GLOBAL, v->mmu.s->pcid,
				   vcpu_amd(v) ? M2D_UPPER_PATH : M2D_UPPER_ALL);

	if (!canonical(v, gva.v))
		return M2D_INSN_OK; /* a non-canonical operand is a no-op */
	kill.match_va = true;
	kill.va = gva.v;
	m2d_mmu_kill(&v->mmu, &kill, M2D_FLUSH_INVLPG, v->machine->cost.invlpg);
	amd_drop_uppers(v, kill.tag);
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_invpcid(M2dVcpu *v, uint64_t type, uint64_t pcid, M2dGva gva)
{
	M2dKill kill;

	if (type > 3 || (pcid & ~UINT64_C(0xfff)))
		return M2D_INSN_GP;
	if (type <= 1 && pcid != 0 && !(v->mmu.s->regs.cr4 & M2D_CR4_PCIDE))
		return M2D_INSN_GP;
	if (type == 0 && !canonical(v, gva.v))
		return M2D_INSN_GP;
	switch (type) {
	case 0:
		kill = linear_kill(v, M2D_KILL_PCID_EQUAL, (uint32_t)pcid, M2D_UPPER_PATH);
		kill.match_va = true;
		kill.va = gva.v;
		break;
	case 1:
		kill = linear_kill(v, M2D_KILL_PCID_EQUAL, (uint32_t)pcid, M2D_UPPER_ALL);
		break;
	case 2:
		kill = linear_kill(v, M2D_KILL_PCID_ANY, 0, M2D_UPPER_ALL);
		break;
	default:
		kill = linear_kill(v, M2D_KILL_PCID_NONGLOBAL, 0, M2D_UPPER_ALL);
		break;
	}
	m2d_mmu_kill(&v->mmu, &kill, M2D_FLUSH_INVPCID, v->machine->cost.invpcid);
	if (type == 0)
		amd_drop_uppers(v, kill.tag);
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_invvpid(M2dVcpu *v, uint64_t type, uint64_t vpid, M2dGva gva)
{
	M2dKill kill = {
		.kinds = M2D_KINDS_LINEAR,
		.tag_rule = M2D_KILL_TAG_EQUAL,
		.tag = (uint32_t)(vpid & 0xffff),
		.upper = M2D_UPPER_ALL,
	};

	if (vcpu_amd(v) || v->s->in_guest)
		return M2D_INSN_UD;
	if (type > 3 || (vpid & ~UINT64_C(0xffff)) || (vpid == 0 && type != 2) ||
	    (type == 0 && !canonical(v, gva.v)))
		return M2D_INSN_VMFAIL;
	if (type == 0) {
		kill.match_va = true;
		kill.va = gva.v;
		kill.upper = M2D_UPPER_PATH;
	} else if (type == 2) {
		kill.tag_rule = M2D_KILL_TAG_NONZERO;
	} else if (type == 3) {
		kill.pcid_rule = M2D_KILL_PCID_NONGLOBAL;
	}
	m2d_mmu_kill(&v->mmu, &kill, M2D_FLUSH_INVVPID, v->machine->cost.invvpid);
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_invept(M2dVcpu *v, uint64_t type, uint64_t eptp)
{
	M2dKill kill = {
		.kinds = M2D_KINDS_PHYSICAL | M2D_KINDS_COMBINED,
		.match_root = type == 1,
		.root = m2d_ept_ep4ta(eptp),
		.upper = M2D_UPPER_ALL,
	};

	if (vcpu_amd(v) || v->s->in_guest)
		return M2D_INSN_UD;
	if (type < 1 || type > 2 || (type == 1 && !m2d_ept_eptp_valid(eptp, v->s->host_maxphyaddr)))
		return M2D_INSN_VMFAIL;
	m2d_mmu_kill(&v->mmu, &kill, M2D_FLUSH_INVEPT, v->machine->cost.invept);
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_invlpga(M2dVcpu *v, M2dGva gva, uint32_t asid)
{
	M2dKill kill = {
		.kinds = M2D_KINDS_LINEAR,
		.tag_rule = M2D_KILL_TAG_EQUAL,
		.tag = asid,
		.match_va = true,
		.va = gva.v,
		.upper = M2D_UPPER_PATH,
	};

	if (!vcpu_amd(v) || v->s->in_guest)
		return M2D_INSN_UD;
	m2d_mmu_kill(&v->mmu, &kill, M2D_FLUSH_INVLPGA, v->machine->cost.invlpga);
	amd_drop_uppers(v, asid);
	return M2D_INSN_OK;
}

/* --- broadcast -------------------------------------------------------------------------------- */

#define INVLPGB_VA        M2D_BIT(0)
#define INVLPGB_PCID      M2D_BIT(1)
#define INVLPGB_ASID      M2D_BIT(2)
#define INVLPGB_GLOBAL    M2D_BIT(3)
#define INVLPGB_FINAL     M2D_BIT(4) /* final translation only: upper levels may stay */
#define INVLPGB_NESTED    M2D_BIT(5)
#define INVLPGB_MBZ       M2D_BITS(11, 6)
#define INVLPGB_STRIDE_2M 0x80000000u

/* Perform one broadcast on @v. */
static void perform(M2dVcpu *v, const M2dBroadcast *b)
{
	bool global = b->rax & INVLPGB_GLOBAL;
	uint64_t stride = b->ecx & INVLPGB_STRIDE_2M ? UINT64_C(1) << 21 : 4096;
	uint32_t pages = b->rax & INVLPGB_VA ? (b->ecx & 0xffff) + 1 : 1;
	M2dKill kill = {
		.kinds = M2D_KINDS_LINEAR,
		.tag_rule = b->rax & INVLPGB_ASID ? M2D_KILL_TAG_EQUAL : M2D_KILL_TAG_ANY,
		.tag = b->edx & 0xffff,
		.pcid = b->edx >> 16 & 0xfff,
		.match_va = b->rax & INVLPGB_VA,
		.va = b->rax & ~UINT64_C(0xfff),
		.upper = b->rax & INVLPGB_FINAL ? M2D_UPPER_NONE
			 : b->rax & INVLPGB_VA  ? M2D_UPPER_PATH
						: M2D_UPPER_ALL,
	};

	if (b->rax & INVLPGB_PCID)
		kill.pcid_rule = global ? M2D_KILL_PCID_OR_GLOBAL : M2D_KILL_PCID_EQUAL;
	else
		kill.pcid_rule = global ? M2D_KILL_PCID_ANY : M2D_KILL_PCID_NONGLOBAL;
	for (uint32_t i = 0; i < pages; i++, kill.va += stride)
		m2d_mmu_kill(&v->mmu, &kill, M2D_FLUSH_INVLPGB, 0);
	if (b->rax & INVLPGB_NESTED) {
		M2dKill nested = {
			.kinds = M2D_KINDS_PHYSICAL,
			.tag_rule = kill.tag_rule,
			.tag = kill.tag,
			.upper = M2D_UPPER_ALL,
		};

		m2d_mmu_kill(&v->mmu, &nested, M2D_FLUSH_INVLPGB, 0);
	}
}

/* Perform the oldest @n broadcasts that @v has received from vCPU @from (any if negative). */
static void perform_received(M2dVcpu *v, int from)
{
	M2dVcpuState *s = v->s;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->n_broadcasts; i++) {
		M2dBroadcast b = s->broadcast[i];

		if (from < 0 || b.from == (uint32_t)from)
			perform(v, &b);
		else
			m2d_arena_write(v->arena, &s->broadcast[kept++], &b, sizeof(b));
	}
	m2d_set32(v->arena, &s->n_broadcasts, kept);
}

M2dInsn m2d_vcpu_invlpgb(M2dVcpu *v, uint64_t rax, uint32_t ecx, uint32_t edx)
{
	M2dBroadcast b = {.rax = rax, .ecx = ecx, .edx = edx, .from = v->id};
	unsigned n = m2d_world_n_vcpus(v->world);

	if (!vcpu_amd(v))
		return M2D_INSN_UD;
	if ((rax & INVLPGB_MBZ) || (edx & 0xf0000000u))
		return M2D_INSN_GP;
	if (v->s->in_guest) {
		/* Hardware substitutes the guest's ASID. */
		b.rax |= INVLPGB_ASID;
		b.edx = (edx & ~0xffffu) | (v->mmu.s->nested.tag & 0xffff);
	}
	m2d_timing_charge(&v->mmu.timing, &v->mmu.stats, M2D_CAUSE_FLUSH, v->machine->cost.invlpgb);
	v->mmu.stats.bill[M2D_FLUSH_INVLPGB].direct_cycles +=
		v->mmu.timing.model == M2D_TIMING_FUNCTIONAL ? 0 : v->machine->cost.invlpgb;
	perform(v, &b);
	for (unsigned i = 0; i < n; i++) {
		M2dVcpu *o = m2d_world_vcpu(v->world, i);

		if (o == v)
			continue;
		/* A full queue forces the oldest ones through: early is always allowed. */
		if (o->s->n_broadcasts == M2D_MAX_BROADCASTS)
			perform_received(o, -1);
		m2d_arena_write(o->arena, &o->s->broadcast[o->s->n_broadcasts], &b, sizeof(b));
		m2d_set32(o->arena, &o->s->n_broadcasts, o->s->n_broadcasts + 1);
	}
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_tlbsync(M2dVcpu *v)
{
	unsigned n = m2d_world_n_vcpus(v->world);

	if (!vcpu_amd(v))
		return M2D_INSN_UD;
	for (unsigned i = 0; i < n; i++)
		perform_received(m2d_world_vcpu(v->world, i), (int)v->id);
	m2d_timing_drain(&v->mmu.timing, &v->mmu.stats);
	m2d_timing_charge(&v->mmu.timing, &v->mmu.stats, M2D_CAUSE_TLBSYNC,
			  v->machine->cost.tlbsync);
	return M2D_INSN_OK;
}
