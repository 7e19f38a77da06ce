/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of a recorded guest on shadow paging. References are recorded because they succeeded, so
 * all of them must get through; where the guest did fault, the recording has its handler.
 */
#include "sim/guest/guest.h"
#include "sim/mmu/mmu.h"
#include "sim/replay/shadow-private.h"
#include "sim/vm/memslot.h"

#define MAX_TRIES 64

/* What the guest's own tables say of @va; false: not mapped. */
static bool guest_rights(const M2dReplay *r, const M2dReplayVcpu *v, uint64_t va,
			 M2dGuestRights *rights)
{
	M2dVm *vm = r->shadow->vm;
	const M2dKvmVcpu *k = vm->vcpu[m2d_replay_vcpu_id(r, v)];
	const M2dPteFormat *fmt = &k->mmu.gfmt;
	uint64_t table = m2d_guest_root(fmt, &k->regs, vm->cfg.guest_maxphyaddr), entry;

	*rights = (M2dGuestRights){.w = true, .u = true, .x = true};
	for (unsigned level = fmt->levels; level >= 1; level--) {
		M2dPteClass class;

		if (!m2d_vm_read_guest(vm, M2D_GPA(table + m2d_pte_index_offset(fmt, level, va)),
				       1u << fmt->entry_shift, &entry))
			return false;
		class = m2d_pte_classify(fmt, level, entry);
		if (class != M2D_PTE_TABLE && class != M2D_PTE_LEAF)
			return false;
		if (level != fmt->pdpte_level) {
			rights->w &= (entry & M2D_PTE_RW) != 0;
			rights->u &= (entry & M2D_PTE_US) != 0;
			rights->x &= (entry & M2D_PTE_NX) == 0;
		}
		if (class == M2D_PTE_LEAF)
			return true;
		table = entry & fmt->frame_mask;
	}
	return false;
}

/* The instruction behind @ref, as far as an emulator needs it. */
static M2dKvmInsn insn_of(const M2dReplay *r, const M2dRef *ref)
{
	const M2dTraceEvent *store = r->shadow->store;
	unsigned size = (unsigned)((ref->w & M2D_REF_SIZE) >> M2D_REF_SIZE_SHIFT);
	uint64_t va = ref->va;
	M2dKvmInsn insn;

	if (size == 0 || size > 8 || (size & (size - 1)) != 0 || (va & 7) + size > 8) {
		size = store != NULL && store->n == 4 ? 4 : 8;
		va &= ~(uint64_t)(size - 1);
	}
	insn = (M2dKvmInsn){
		.kind = (M2dAccKind)(ref->w & M2D_REF_KIND),
		.size = size,
		.user = ref->w & M2D_REF_USER,
		.gva = va,
	};
	/* What nobody recorded changes nothing. */
	if (store != NULL)
		insn.value = store->b >> 8 * (va & (store->n - 1));
	else
		m2d_space_read(r->shadow->vm->space,
			       M2D_HPA((ref->w & M2D_REF_FRAME) | (va & 4095)), &insn.value, size);
	if (size < 8)
		insn.value &= m2d_low_mask(8 * size);
	return insn;
}

/* @ref has retired without the hot loop, at @hpa. */
static void count_ref(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref, uint64_t hpa)
{
	M2dCounters *c = &v->mmu->stats.c;

	c->refs++;
	c->guest_refs++;
	c->user_refs += (ref->w & M2D_REF_USER) != 0;
	switch (ref->w & M2D_REF_KIND) {
	case M2D_REF_WRITE:
		c->writes++;
		break;
	case M2D_REF_FETCH:
		c->fetches++;
		break;
	default:
		c->reads++;
		break;
	}
	if (!r->opt.compare || (ref->w & (M2D_REF_HAS_PA | M2D_REF_IO)) != M2D_REF_HAS_PA)
		return;
	c->checked++;
	if (((hpa ^ ref->w) & M2D_REF_FRAME) == 0)
		return;
	c->wrong++;
	m2d_replay_story(r, "wrong-translation", r->refs, m2d_vcpu_id(v->vcpu),
			 "KVM performed the access to 0x%" G_GINT64_MODIFIER
			 "x at 0x%" G_GINT64_MODIFIER
			 "x, the recording says frame 0x%" G_GINT64_MODIFIER "x",
			 ref->va, hpa, ref->w & M2D_REF_FRAME);
}

static M2dOpResult handle(M2dReplay *r, M2dReplayVcpu *v, const M2dOutcome *out,
			  const M2dKvmInsn *insn)
{
	M2dOpResult result = m2d_kvm_fault(r->shadow->vm, m2d_replay_vcpu_id(r, v), out, insn);

	m2d_replay_shadow_fault_count(r, v, out, result);
	return result;
}

/* The recorded user reference as the implicit supervisor access that it was. */
static bool run_implicit(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref)
{
	M2dKvmInsn insn = insn_of(r, ref);
	M2dAccess a = {
		.gva = M2D_GVA(ref->va),
		.size = (uint32_t)MAX((ref->w & M2D_REF_SIZE) >> M2D_REF_SIZE_SHIFT, 1),
		.kind = insn.kind,
		.implicit = true,
	};
	M2dOutcome out;

	insn.user = false;
	v->mmu->stats.c.page_faults--; /* the first attempt was not the recorded access */
	for (unsigned i = 0; i < MAX_TRIES; i++) {
		if (m2d_mmu_access(v->mmu, &a, &out) == M2D_OUT_OK) {
			v->mmu->stats.c.implicit_refs++;
			count_ref(r, v, ref, out.hpa.v);
			return true;
		}
		if (handle(r, v, &out, &insn) != M2D_OPR_OK)
			return false;
	}
	return false;
}

static bool is_implicit(const M2dReplay *r, const M2dReplayVcpu *v, const M2dRef *ref,
			const M2dOutcome *out)
{
	M2dGuestRights rights;

	return (ref->w & M2D_REF_USER) && (ref->w & M2D_REF_KIND) != M2D_REF_FETCH &&
	       out->kind == M2D_OUT_PF && guest_rights(r, v, out->cr2.v, &rights) && !rights.u;
}

M2dFaultAction m2d_replay_fault_shadow(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref,
				       const M2dOutcome *out)
{
	M2dReplayShadow *s = r->shadow;
	const M2dOpOutcome *o;
	M2dKvmInsn insn;

	if (!v->in_guest)
		return m2d_replay_fault_recorded(r, v, ref, out);
	if (is_implicit(r, v, ref, out)) {
		if (run_implicit(r, v, ref))
			return M2D_FAULT_SKIP;
		return m2d_replay_fault_recorded(r, v, ref, out);
	}
	insn = insn_of(r, ref);
	o = m2d_kvm_outcome(s->vm, m2d_replay_vcpu_id(r, v));
	switch (handle(r, v, out, &insn)) {
	case M2D_OPR_OK:
		return M2D_FAULT_RETRY;
	case M2D_OPR_EMULATED:
		s->emulated = true;
		count_ref(r, v, ref, o->has_hpa ? o->hpa : 0);
		return M2D_FAULT_SKIP;
	default:
		return m2d_replay_fault_recorded(r, v, ref, out);
	}
}

/* An access that the guest's tables refuse, as far as they tell; false: there is none. */
static bool refused(const M2dReplay *r, const M2dReplayVcpu *v, uint64_t va, M2dAccess *a)
{
	M2dGuestRights rights;

	*a = (M2dAccess){.gva = M2D_GVA(va), .size = 1, .kind = M2D_ACC_READ};
	a->user = (va >> 63) == 0;
	if (!guest_rights(r, v, va, &rights))
		return true;
	a->user = rights.u;
	a->kind = !rights.w ? M2D_ACC_WRITE : M2D_ACC_FETCH;
	return !rights.w || !rights.x;
}

void m2d_replay_shadow_pf(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	M2dKvmInsn insn;
	M2dAccess a;
	M2dOutcome out;

	if (!refused(r, v, ev->a, &a))
		return;
	insn = (M2dKvmInsn){.kind = a.kind, .size = 1, .user = a.user, .gva = ev->a};
	for (unsigned i = 0; i < MAX_TRIES; i++) {
		if (m2d_mmu_access(v->mmu, &a, &out) == M2D_OUT_OK ||
		    handle(r, v, &out, &insn) != M2D_OPR_OK)
			return;
	}
}
