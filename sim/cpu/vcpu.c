/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPU: life, registers, entry and exit.
 * Sources: APM vol. 2 "VMRUN Instruction", "TLB Control"; SDM vol. 3 "VM Entries", "Operations
 * that Invalidate Cached Mappings".
 */
#include "sim/cpu/vcpu.h"

#include "sim/cpu/vcpu-private.h"

static const M2dNested host_context; /* one dimension, ASID and VPID 0 */

static void vcpu_free(M2dVcpu *v)
{
	m2d_mmu_clear(&v->mmu);
	g_free(v);
}

static void apply_features(M2dVcpu *v)
{
	M2dVcpuState *s = v->s;

	m2d_mmu_set_features(&v->mmu, s->in_guest ? s->guest_maxphyaddr : s->host_maxphyaddr,
			     s->in_guest ? s->guest_features : s->host_features, s->host_maxphyaddr,
			     s->host_features);
}

M2dVcpu *m2d_vcpu_new(M2dWorld *world)
{
	M2dVcpu *v = g_new0(M2dVcpu, 1);

	v->world = world;
	v->arena = m2d_world_arena(world);
	v->machine = m2d_world_machine(world);
	v->s = m2d_arena_alloc(v->arena, sizeof(M2dVcpuState), 64);
	m2d_mmu_init(&v->mmu, v->arena, m2d_world_space(world), v->machine);
	m2d_set32(v->arena, &v->s->guest_maxphyaddr, v->machine->maxphyaddr);
	m2d_set32(v->arena, &v->s->host_maxphyaddr, v->machine->maxphyaddr);
	m2d_set32(v->arena, &v->s->guest_features, M2D_FEAT_ALL);
	m2d_set32(v->arena, &v->s->host_features, M2D_FEAT_ALL);
	v->id = m2d_world_adopt_vcpu(world, v, vcpu_free);
	return v;
}

unsigned m2d_vcpu_id(const M2dVcpu *v)
{
	return v->id;
}

M2dMmu *m2d_vcpu_mmu(M2dVcpu *v)
{
	return &v->mmu;
}

const M2dRegs *m2d_vcpu_regs(const M2dVcpu *v)
{
	return &v->mmu.s->regs;
}

void m2d_vcpu_load_regs(M2dVcpu *v, const M2dRegs *regs)
{
	m2d_mmu_configure(&v->mmu, regs, &v->mmu.s->nested);
}

void m2d_vcpu_load_host(M2dVcpu *v, const M2dRegs *regs)
{
	if (v->s->in_guest)
		m2d_arena_write(v->arena, &v->s->host, regs, sizeof(*regs));
	else
		m2d_vcpu_load_regs(v, regs);
}

void m2d_vcpu_set_features(M2dVcpu *v, bool guest, unsigned maxphyaddr, uint32_t features)
{
	M2dVcpuState *s = v->s;

	g_assert(maxphyaddr >= 32 && maxphyaddr <= M2D_PHYS_BITS);
	m2d_set32(v->arena, guest ? &s->guest_maxphyaddr : &s->host_maxphyaddr, maxphyaddr);
	m2d_set32(v->arena, guest ? &s->guest_features : &s->host_features, features);
	apply_features(v);
	m2d_mmu_configure(&v->mmu, &v->mmu.s->regs, &v->mmu.s->nested);
}

/* VMRUN's checks and its TLB_CONTROL. */
static M2dInsn svm_enter(M2dVcpu *v, const M2dNested *nested, unsigned tlb_control)
{
	M2dKill kill = {
		.kinds = M2D_KINDS_ALL,
		.tag_rule = M2D_KILL_TAG_EQUAL,
		.tag = nested->tag,
		.upper = M2D_UPPER_ALL,
	};

	if (nested->kind == M2D_NESTED_EPT)
		return M2D_INSN_UD;
	if (nested->tag == 0)
		return M2D_INSN_INVALID;
	if (nested->kind == M2D_NESTED_NPT &&
	    !m2d_npt_root_valid(nested->ncr3, v->s->host_maxphyaddr))
		return M2D_INSN_INVALID;
	switch (tlb_control) {
	case 0:
		return M2D_INSN_OK;
	case 1: /* everything, the host's included */
		kill.tag_rule = M2D_KILL_TAG_ANY;
		break;
	case 3: /* everything of this ASID */
		break;
	case 7: /* non-global translations of this ASID; nested ones may stay */
		kill.kinds = M2D_KINDS_LINEAR;
		kill.pcid_rule = M2D_KILL_PCID_NONGLOBAL;
		break;
	default:
		return M2D_INSN_INVALID;
	}
	m2d_mmu_kill(&v->mmu, &kill, M2D_FLUSH_TLB_CONTROL, v->machine->cost.tlb_control);
	return M2D_INSN_OK;
}

/* Entry and exit with VPIDs off: linear and combined mappings of VPID 0 go, others stay. */
static void flush_vpid0(M2dVcpu *v)
{
	M2dKill kill = {
		.kinds = M2D_KINDS_LINEAR,
		.tag_rule = M2D_KILL_TAG_EQUAL,
		.upper = M2D_UPPER_ALL,
	};

	m2d_mmu_kill(&v->mmu, &kill, M2D_FLUSH_VPID0, 0);
}

static M2dInsn vmx_enter(M2dVcpu *v, const M2dNested *nested, unsigned tlb_control)
{
	if (nested->kind == M2D_NESTED_NPT)
		return M2D_INSN_UD;
	if (tlb_control != 0 || nested->tag > 0xffff)
		return M2D_INSN_INVALID;
	if (nested->kind == M2D_NESTED_EPT &&
	    !m2d_ept_eptp_valid(nested->eptp, v->s->host_maxphyaddr))
		return M2D_INSN_INVALID;
	if (nested->tag == 0)
		flush_vpid0(v);
	return M2D_INSN_OK;
}

M2dInsn m2d_vcpu_enter(M2dVcpu *v, const M2dRegs *guest, const M2dNested *nested,
		       unsigned tlb_control)
{
	M2dInsn r;

	if (v->s->in_guest)
		return M2D_INSN_UD;
	r = vcpu_amd(v) ? svm_enter(v, nested, tlb_control) : vmx_enter(v, nested, tlb_control);
	if (r != M2D_INSN_OK)
		return r;
	m2d_arena_write(v->arena, &v->s->host, &v->mmu.s->regs, sizeof(M2dRegs));
	m2d_set32(v->arena, &v->s->in_guest, 1);
	apply_features(v);
	m2d_mmu_configure(&v->mmu, guest, nested);
	v->mmu.stats.c.entries++;
	return M2D_INSN_OK;
}

void m2d_vcpu_exit(M2dVcpu *v)
{
	if (!v->s->in_guest)
		return;
	if (!vcpu_amd(v) && v->mmu.s->nested.tag == 0)
		flush_vpid0(v);
	m2d_arena_write(v->arena, &v->s->nested, &v->mmu.s->nested, sizeof(M2dNested));
	m2d_set32(v->arena, &v->s->in_guest, 0);
	apply_features(v);
	m2d_mmu_configure(&v->mmu, &v->s->host, &host_context);
	v->mmu.stats.c.exits++;
	m2d_timing_drain(&v->mmu.timing, &v->mmu.stats);
	m2d_timing_charge(&v->mmu.timing, &v->mmu.stats, M2D_CAUSE_EXIT_ENTRY,
			  v->machine->cost.exit_entry);
}

bool m2d_vcpu_in_guest(const M2dVcpu *v)
{
	return v->s->in_guest;
}

const M2dNested *m2d_vcpu_nested(const M2dVcpu *v)
{
	return v->s->in_guest ? &v->mmu.s->nested : &v->s->nested;
}

M2dOutcomeKind m2d_vcpu_access(M2dVcpu *v, const M2dAccess *access, M2dOutcome *out)
{
	m2d_mmu_access(&v->mmu, access, &v->last);
	if (out != NULL)
		*out = v->last;
	return v->last.kind;
}

const M2dOutcome *m2d_vcpu_last(const M2dVcpu *v)
{
	return &v->last;
}
