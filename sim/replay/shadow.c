/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recorded nested guest on KVM's shadow paging. The recorded host runs on its own tables; what
 * it recorded for its guest, nested tables and the exits for them, is only the guest's memory
 * here (l2mem.h). The guest's references and stores are the recorded ones, in frames that are the
 * recorded ones, so that each must come out at the recorded address.
 *
 * A store to a guest table is two records, the reference and what it stored. The reference is
 * kept back until it is known which, since KVM may have to perform it.
 *
 * Not modelled: nested guests that were recorded on shadow tables; guests of several vCPUs that
 * move between processors are taken for one vCPU a processor.
 */
#include <inttypes.h>

#include "sim/base/error.h"
#include "sim/replay/shadow-private.h"
#include "sim/vm/memslot.h"

#define SVM_EXIT_NPF 0x400u

/* Frames for KVM's own tables: a range that recorded memory does not reach. */
#define TABLE_FRAMES (UINT64_C(1) << 18)
#define TABLE_PFN    (UINT64_C(1) << 24)

/* Memory above this is added when the guest has some. */
#define LOW_PAGES (UINT64_C(1) << 20)

static bool add_memory(M2dReplayShadow *s, GError **error)
{
	return m2d_slot_install(s->vm, 0, 0, 0, LOW_PAGES, 0, 0, error);
}

static bool add_high_memory(M2dReplayShadow *s, GError **error)
{
	if (m2d_slot(s->vm, 0, 1)->npages != 0 ||
	    !m2d_l2mem_has(s->mem, LOW_PAGES << M2D_PAGE_SHIFT))
		return true;
	return m2d_slot_install(s->vm, 0, 1, LOW_PAGES, M2D_L2MEM_PAGES - LOW_PAGES, LOW_PAGES, 0,
				error);
}

bool m2d_replay_shadow_new(M2dReplay *r, GError **error)
{
	const M2dMachine *m = m2d_world_machine(r->world);
	M2dReplayShadow *s = g_new0(M2dReplayShadow, 1);
	M2dVmConfig config;

	r->shadow = s;
	m2d_vm_config_init(&config);
	config.n_vcpus = config.n_pcpus = r->n_vcpus;
	config.knobs = r->opt.knobs;
	config.without = r->opt.without;
	config.n_pfns = TABLE_FRAMES;
	config.first_pfn =
		MIN(TABLE_PFN, (UINT64_C(1) << (m->maxphyaddr - M2D_PAGE_SHIFT)) - TABLE_FRAMES);
	config.host_pages = M2D_L2MEM_PAGES;
	config.guest_maxphyaddr = m->maxphyaddr;
	s->vm = m2d_kvm_new(r->world, &config, error);
	if (s->vm == NULL) {
		g_prefix_error(error, "--mmu shadow: ");
		return false;
	}
	m2d_replay_shadow_listen(s);
	s->mem = m2d_l2mem_new(s->vm);
	return add_memory(s, error);
}

void m2d_replay_shadow_free(M2dReplayShadow *s)
{
	if (s == NULL)
		return;
	m2d_check_free(s->check);
	m2d_l2mem_free(s->mem);
	m2d_vm_free(s->vm);
	g_free(s);
}

M2dVcpu *m2d_replay_shadow_cpu(const M2dReplay *r, unsigned id)
{
	return r->shadow->vm->pcpu[id];
}

/* --- entry and exit --------------------------------------------------------------------------- */

/* Registers of the guest that it changed without an exit, or in one that the trace has. */
static void take_registers(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	unsigned id = m2d_replay_vcpu_id(r, v);
	M2dVm *vm = r->shadow->vm;
	const M2dRegs *now = &vm->vcpu[id]->regs;
	M2dRegs regs = {
		.cr0 = ev->d,
		.cr3 = ev->b,
		.cr4 = ev->e,
		.efer = M2D_EFER_LME | M2D_EFER_NXE,
		.ac = m2d_vcpu_regs(v->vcpu)->ac,
	};

	if ((regs.cr0 & M2D_CR0_PG) && (regs.cr4 & M2D_CR4_PAE))
		regs.efer |= M2D_EFER_LMA;
	if (now->efer == 0) {
		m2d_kvm_set_regs(vm, id, &regs);
		return;
	}
	if (now->efer != regs.efer)
		m2d_kvm_mov_cr(vm, id, 8, regs.efer, false);
	if (now->cr0 != regs.cr0)
		m2d_kvm_mov_cr(vm, id, 0, regs.cr0, false);
	if (now->cr4 != regs.cr4)
		m2d_kvm_mov_cr(vm, id, 4, regs.cr4, false);
	if (now->cr3 != regs.cr3)
		m2d_kvm_mov_cr(vm, id, 3, regs.cr3, false);
}

static bool vmrun_event(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev, GError **error)
{
	unsigned id = m2d_replay_vcpu_id(r, v);
	const M2dRegs *host = m2d_vcpu_regs(v->vcpu);
	M2dReplayShadow *s = r->shadow;

	if (!(ev->c & 1)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "reference %" PRIu64 ": the recorded guest runs on shadow tables "
			    "already; --mmu shadow expected nested tables",
			    r->refs);
		return false;
	}
	m2d_l2mem_enter(s->mem, ev->a, host->cr4, host->efer);
	if (!add_high_memory(s, error))
		return false;
	/* Nothing before the first guest is the checker's business. */
	if (r->opt.check && s->check == NULL)
		s->check = m2d_check_new(s->vm, NULL);
	take_registers(r, v, ev);
	v->in_guest = true;
	if (!m2d_kvm_enter(s->vm, id))
		m2d_replay_story(r, "bad-entry", r->refs, id, "KVM could not enter the guest");
	/* Neither exit nor entry if they were for the nested tables; nor an entry now if the
	 * recording began in the guest. */
	if (v->unexited || ev->guest)
		v->mmu->stats.c.entries--;
	v->unexited = false;
	m2d_replay_shadow_count(r, v);
	return true;
}

/* An exit that shadow paging does not have, for the recorded host's sake. */
static void unexit(M2dReplay *r, M2dReplayVcpu *v)
{
	M2dMmu *mmu = v->mmu;
	uint64_t cycles = mmu->stats.cycles[M2D_CAUSE_EXIT_ENTRY];

	m2d_kvm_leave(r->shadow->vm, m2d_replay_vcpu_id(r, v), SVM_EXIT_NPF);
	mmu->stats.c.exits--;
	mmu->timing.cycles -= mmu->stats.cycles[M2D_CAUSE_EXIT_ENTRY] - cycles;
	mmu->stats.cycles[M2D_CAUSE_EXIT_ENTRY] = cycles;
	m2d_replay_shadow_skip(r);
	v->unexited = true;
}

static void vmexit_event(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	unsigned id = m2d_replay_vcpu_id(r, v);

	v->in_guest = false;
	if (!r->shadow->vm->vcpu[id]->in_guest)
		return; /* it was interrupted */
	if (ev->n == SVM_EXIT_NPF) {
		unexit(r, v);
		return;
	}
	m2d_kvm_leave(r->shadow->vm, id, ev->n);
	m2d_replay_shadow_count(r, v);
}

/* --- events of the guest ---------------------------------------------------------------------- */

/* Registers that neither exit nor flush. */
static void quiet_register(M2dReplay *r, M2dReplayVcpu *v, unsigned reg, uint64_t value)
{
	M2dVm *vm = r->shadow->vm;
	M2dKvmVcpu *k = vm->vcpu[m2d_replay_vcpu_id(r, v)];
	M2dRegs hw = *m2d_vcpu_regs(v->vcpu);

	if (reg == M2D_TR_AC) {
		VM_PUT(vm, k->regs.ac, value != 0);
		hw.ac = value != 0;
	} else if (reg == M2D_TR_PKRU) {
		VM_PUT(vm, k->regs.pkru, value);
		hw.pkru = (uint32_t)value;
	} else if (reg == M2D_TR_PKRS) {
		VM_PUT(vm, k->regs.pkrs, value);
		hw.pkrs = (uint32_t)value;
	}
	m2d_vcpu_load_regs(v->vcpu, &hw);
}

static void guest_register(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	unsigned id = m2d_replay_vcpu_id(r, v);
	M2dVm *vm = r->shadow->vm;
	bool pcid = vm->vcpu[id]->regs.cr4 & M2D_CR4_PCIDE;

	switch (ev->sub) {
	case M2D_TR_CR0:
		m2d_kvm_mov_cr(vm, id, 0, ev->a, false);
		break;
	case M2D_TR_CR3:
		m2d_kvm_mov_cr(vm, id, 3, ev->a & ~M2D_CR3_NOFLUSH,
			       pcid && (ev->a & M2D_CR3_NOFLUSH));
		break;
	case M2D_TR_CR4:
		m2d_kvm_mov_cr(vm, id, 4, ev->a, false);
		break;
	case M2D_TR_EFER:
		m2d_kvm_mov_cr(vm, id, 8, ev->a, false);
		break;
	default:
		quiet_register(r, v, ev->sub, ev->a);
		break;
	}
	m2d_replay_shadow_count(r, v);
}

static void guest_event(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	unsigned id = m2d_replay_vcpu_id(r, v);
	M2dVm *vm = r->shadow->vm;

	switch (ev->kind) {
	case M2D_EV_REG:
		guest_register(r, v, ev);
		return;
	case M2D_EV_INVLPG:
		m2d_kvm_invlpg(vm, id, ev->a);
		v->mmu->stats.c.kvm_invalidations++;
		break;
	case M2D_EV_INVPCID:
		m2d_kvm_invpcid(vm, id, ev->n, (uint32_t)ev->a, ev->b);
		v->mmu->stats.c.kvm_invalidations++;
		break;
	case M2D_EV_PF:
		if (m2d_kvm_enter(vm, id))
			m2d_replay_shadow_pf(r, v, ev);
		break;
	default:
		break;
	}
	m2d_replay_shadow_count(r, v);
}

static void write_table(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	M2dSpace *space = m2d_world_space(r->world);

	v->mmu->stats.c.pt_writes++;
	if (ev->n == 4)
		m2d_space_write32(space, M2D_HPA(ev->a & ~UINT64_C(3)), (uint32_t)ev->b);
	else
		m2d_space_write64(space, M2D_HPA(ev->a & ~UINT64_C(7)), ev->b);
}

/* Stores of the host, and of whoever is not seen to store. */
static void ptwrite_event(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	M2dHpa hpa = M2D_HPA(ev->a & ~UINT64_C(7));

	if (m2d_space_frame(m2d_world_space(r->world), ev->a >> M2D_PAGE_SHIFT) == NULL)
		return;
	if ((ev->sub & 2) && !ev->guest)
		m2d_l2mem_wrote(r->shadow->mem, hpa, ev->b);
	write_table(r, v, ev);
}

/* The reference kept back, alone. */
static bool run_held(M2dReplay *r, GError **error)
{
	M2dReplayShadow *s = r->shadow;

	s->held = false;
	s->emulated = false;
	return m2d_replay_run_refs(r, s->held_vcpu, &s->held_ref, 1, error);
}

/* ... if there is one. */
static bool run_rest(M2dReplay *r, GError **error)
{
	return !r->shadow->held || run_held(r, error);
}

void m2d_replay_shadow_finish(M2dReplay *r)
{
	M2dReplayShadow *s = r->shadow;

	run_rest(r, NULL);
	if (s->check != NULL) {
		m2d_check_end(s->check);
		m2d_replay_shadow_count(r, &r->vcpu[0]);
	}
}

/* Whether @ev is what the reference kept back has stored. */
static bool is_held_store(const M2dReplay *r, const M2dReplayVcpu *v, const M2dTraceEvent *ev)
{
	const M2dReplayShadow *s = r->shadow;
	uint64_t pa = (s->held_ref.w & M2D_REF_FRAME) | (s->held_ref.va & 4095);

	return s->held && ev->kind == M2D_EV_PTWRITE && s->held_vcpu == v &&
	       (pa & ~UINT64_C(7)) == (ev->a & ~UINT64_C(7));
}

/* A store of the guest to a page of tables: on hardware if the shadow lets it, else by KVM. */
static bool guest_store(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev, GError **error)
{
	M2dReplayShadow *s = r->shadow;
	bool ok;

	s->store = ev;
	ok = run_held(r, error);
	s->store = NULL;
	if (ok && s->emulated)
		v->mmu->stats.c.pt_writes++;
	else if (ok)
		write_table(r, v, ev);
	return ok;
}

static bool shadow_event(M2dReplay *r, M2dReplayVcpu *v, const M2dTraceEvent *ev,
			 const M2dTraceEvent *next, GError **error)
{
	if (is_held_store(r, v, ev))
		return guest_store(r, v, ev, error);
	if (!run_rest(r, error))
		return false;
	switch (ev->kind) {
	case M2D_EV_PTWRITE:
		ptwrite_event(r, v, ev);
		return true;
	case M2D_EV_VMRUN:
		return vmrun_event(r, v, ev, error);
	case M2D_EV_VMEXIT:
		vmexit_event(r, v, ev);
		return true;
	case M2D_EV_INVLPGA:
		return true; /* of the recorded hypervisor, about its guest */
	default:
		break;
	}
	if (!v->in_guest)
		return m2d_replay_event_recorded(r, v, ev, next, error);
	if (!m2d_replay_intercepted(ev, next))
		guest_event(r, v, ev);
	return true;
}

static bool run_segment(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *refs, uint32_t n,
			GError **error)
{
	M2dReplayShadow *s = r->shadow;
	const M2dRef *last = &refs[n - 1];

	if (!run_rest(r, error))
		return false;
	if (v->in_guest) {
		m2d_kvm_enter(s->vm, m2d_replay_vcpu_id(r, v));
		if ((last->w & (M2D_REF_KIND | M2D_REF_HAS_PA | M2D_REF_IO | M2D_REF_DIRECT)) ==
		    (M2D_REF_WRITE | M2D_REF_HAS_PA)) {
			s->held = true;
			s->held_ref = *last;
			s->held_vcpu = v;
			n--;
		}
	}
	return n == 0 || m2d_replay_run_refs(r, v, refs, n, error);
}

bool m2d_replay_batch_shadow(M2dReplay *r, const M2dBatch *batch, GError **error)
{
	for (uint32_t i = 0; i < batch->n_segments; i++) {
		const M2dSegment *seg = &batch->segments[i];
		uint32_t end = seg->first_event + seg->n_events;

		for (uint32_t e = seg->first_event; e < end; e++) {
			const M2dTraceEvent *ev = &batch->events[e];

			if (!shadow_event(r, &r->vcpu[ev->vcpu % r->n_vcpus], ev,
					  e + 1 < end ? ev + 1 : NULL, error))
				return false;
		}
		if (seg->n_refs != 0 &&
		    !run_segment(r, &r->vcpu[seg->vcpu % r->n_vcpus], batch->refs + seg->first_ref,
				 seg->n_refs, error))
			return false;
	}
	return true;
}
