/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's world for a capture: an AMD machine, frames for tables where recorded memory does
 * not reach, addresses of the process folded into a range that its page table can hold.
 */
#include "sim/base/error.h"
#include "sim/conform/conform-private.h"
#include "sim/vm/hostmm.h"

/* Frames for KVM's own tables: recorded ones are far below. */
#define TABLE_PFN    (UINT64_C(1) << 26)
#define TABLE_FRAMES (UINT64_C(1) << 20)

/* The process's addresses: mmap() hands them out from above, so most of them lie below the first
 * one that is met. */
#define HVA_PAGES (UINT64_C(64) << 18)
#define HVA_BELOW (UINT64_C(48) << 18)

#define MAXPHYADDR 48

bool m2d_conf_world_new(M2dConform *c, GError **error)
{
	M2dMachine *m = m2d_machine_load("generic", error);
	M2dVmConfig config;

	if (m == NULL)
		return false;
	m->maxphyaddr = MAXPHYADDR;
	c->world = m2d_world_new(m, 0, error);
	if (c->world == NULL)
		return false;
	m2d_vm_config_init(&config);
	config.tdp = c->tdp;
	config.n_vcpus = config.n_pcpus = c->n_vcpus;
	config.flush_by_asid = false;
	config.without = c->opt.without;
	config.first_pfn = TABLE_PFN;
	config.n_pfns = TABLE_FRAMES;
	config.host_pages = HVA_PAGES;
	config.guest_maxphyaddr = MAXPHYADDR;
	if (!m2d_knobs_profile(&config.knobs, c->profile, error))
		return false;
	/* The stable kernels that record have both fixes. */
	if (c->opt.kvm == NULL)
		config.knobs.child_gfn_check = config.knobs.child_role_check = true;
	c->vm = m2d_kvm_new(c->world, &config, error);
	if (c->vm == NULL)
		return false;
	c->vm->rt->fine = true;
	while (c->vm->rt->n_tasks < M2D_MAX_ACTORS)
		m2d_rt_add_actor(c->vm->rt);
	for (unsigned i = 0; i < M2D_MAX_ACTORS; i++)
		c->actor_task[i] = M2D_CONF_NONE;
	for (guint t = 0; t < c->tasks->len; t++)
		if (m2d_conf_task(c, t)->vcpu >= 0)
			c->actor_task[m2d_conf_task(c, t)->vcpu] = t;
	m2d_events_listen(c->vm->ev, m2d_conf_listen, c);
	m2d_conf_host_init(c);
	if (!c->tdp)
		m2d_conf_guest_init(c);
	return true;
}

uint64_t m2d_conf_page(M2dConform *c, uint64_t hva)
{
	uint64_t page = hva >> M2D_PAGE_SHIFT;

	if (!c->hva_known)
		c->hva_base = (page & ~m2d_low_mask(18)) - MIN(page & ~m2d_low_mask(18), HVA_BELOW);
	c->hva_known = true;
	/* What is elsewhere is no memory of the guest's, or folded onto other pages. */
	return (page - c->hva_base) % HVA_PAGES;
}

int m2d_conf_slot(M2dConform *c, unsigned as, uint32_t id, bool make)
{
	int free = -1;

	for (int i = 0; i < (int)M2D_MAX_SLOTS; i++) {
		if (c->slot_id[as][i] == id + 1)
			return i;
		if (c->slot_id[as][i] == 0 && free < 0)
			free = i;
	}
	if (make && free >= 0)
		c->slot_id[as][free] = id + 1;
	return make ? free : -1;
}

void m2d_conf_slot_gone(M2dConform *c, unsigned as, uint32_t id)
{
	int i = m2d_conf_slot(c, as, id, false);

	if (i >= 0)
		c->slot_id[as][i] = 0;
}
