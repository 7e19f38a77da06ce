/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/vm/vm.h"

#include "sim/base/error.h"
#include "sim/mmu/mmu.h"
#include "sim/vm/hostmm.h"
#include "sim/vm/memslot.h"
#include "sim/vm/request.h"

void m2d_vm_config_init(M2dVmConfig *c)
{
	*c = (M2dVmConfig){
		.ept_ad = true,
		.vpid = true,
		.n_vcpus = 1,
		.n_pcpus = 1,
		.n_asids = 16,
		.flush_by_asid = true,
		.first_pfn = 0x8000,
		.n_pfns = 0x4000,
		.host_pages = 0x10000,
		.guest_maxphyaddr = 40,
	};
	m2d_knobs_profile(&c->knobs, M2D_KNOBS_DEFAULT, NULL);
}

static bool check_config(const M2dVmConfig *c, GError **error)
{
	const char *what = NULL;

	if (c->n_vcpus < 1 || c->n_vcpus > M2D_MAX_KVM_VCPUS)
		what = "1 to 8 vCPUs";
	else if (c->n_pcpus < 1 || c->n_pcpus > M2D_MAX_KVM_VCPUS)
		what = "1 to 8 physical CPUs";
	else if (c->n_asids < 2 || c->n_asids > 65536)
		what = "2 to 65536 ASIDs";
	else if (c->guest_maxphyaddr < 32 || c->guest_maxphyaddr > 52)
		what = "32 to 52 guest-physical address bits";
	if (what == NULL)
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "expected %s", what);
	return false;
}

static void make_format(M2dVm *vm)
{
	M2dSpteConfig c = {
		.kind = vm->cfg.tdp && !m2d_vm_amd(vm) ? M2D_SPTE_EPT : M2D_SPTE_PT,
		.layout = (M2dSpteLayout)vm->cfg.knobs.spte_layout,
		.maxphyaddr = (uint8_t)vm->machine->maxphyaddr,
		.ad = vm->cfg.ept_ad || m2d_vm_amd(vm) || !vm->cfg.tdp,
	};

	c.exec_only = c.kind == M2D_SPTE_EPT;
	m2d_spte_format(&vm->fmt, &c);
}

static void add_pcpus(M2dVm *vm)
{
	for (unsigned i = 0; i < vm->n_pcpus; i++) {
		vm->pcpu[i] = m2d_vcpu_new(vm->world);
		/* Shadow tables are the host's: their addresses have the host's width. */
		m2d_vcpu_set_features(
			vm->pcpu[i], true,
			vm->cfg.tdp ? MIN(vm->cfg.guest_maxphyaddr, vm->machine->maxphyaddr)
				    : vm->machine->maxphyaddr,
			M2D_FEAT_ALL);
		VM_PUT(vm, vm->s->asid_generation[i], 1);
		/* The first allocation starts a generation, which flushes whatever was there. */
		VM_PUT(vm, vm->s->next_asid[i], vm->cfg.n_asids);
	}
}

static void add_vcpus(M2dVm *vm)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		M2dKvmVcpu *v = m2d_arena_alloc(vm->arena, sizeof(M2dKvmVcpu), 64);

		vm->vcpu[i] = v;
		m2d_rt_add_actor(vm->rt);
		VM_PUT(vm, v->pcpu, i % vm->n_pcpus);
		if (!m2d_vm_amd(vm) && vm->cfg.vpid)
			VM_PUT(vm, v->vpid, i + 1);
	}
	vm->host_actor = m2d_rt_add_actor(vm->rt);
}

M2dVm *m2d_vm_new(M2dWorld *world, const M2dVmConfig *config, GError **error)
{
	M2dVm *vm;

	if (!check_config(config, error))
		return NULL;
	vm = g_new0(M2dVm, 1);
	vm->world = world;
	vm->arena = m2d_world_arena(world);
	vm->space = m2d_world_space(world);
	vm->ev = m2d_world_events(world);
	vm->rt = m2d_world_runtime(world);
	vm->machine = m2d_world_machine(world);
	vm->cfg = *config;
	vm->n_vcpus = config->n_vcpus;
	vm->n_pcpus = config->n_pcpus;
	vm->s = m2d_arena_alloc(vm->arena, sizeof(M2dVmState), 64);
	vm->frames = m2d_falloc_new(vm->arena, config->first_pfn, config->n_pfns, 0, 1);
	vm->rt->owner = vm;
	make_format(vm);
	add_pcpus(vm);
	add_vcpus(vm);
	vm->mm = m2d_hostmm_new(vm);
	m2d_memslots_init(vm);
	return vm;
}

void m2d_vm_free(M2dVm *vm)
{
	if (vm == NULL)
		return;
	if (vm->shadow_free != NULL)
		vm->shadow_free(vm->shadow);
	if (vm->kvm_free != NULL)
		vm->kvm_free(vm->kvm);
	m2d_hostmm_free(vm->mm);
	m2d_falloc_free(vm->frames);
	g_free(vm);
}

void m2d_vm_charge(M2dVm *vm, unsigned id, M2dCause cause, uint64_t cycles)
{
	M2dMmu *mmu;

	if (id == M2D_NO_ACTOR || id >= vm->n_vcpus) {
		vm->host_cycles[cause] += cycles;
		return;
	}
	mmu = m2d_vcpu_mmu(m2d_vm_hw(vm, vm->vcpu[id]));
	m2d_timing_charge(&mmu->timing, &mmu->stats, cause, cycles);
}
