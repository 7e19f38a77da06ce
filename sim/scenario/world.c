/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From settings and layout to a VM: memslots, guest tables with their direct map, registers, the
 * steal-time areas. Guest tables are made in the range that `tables` names, else in the last pages
 * of the first slot.
 */
#include "sim/scenario/world.h"

#include <string.h>

#include "sim/base/error.h"
#include "sim/mmu/mmu.h"
#include "sim/mmu/timing.h"
#include "sim/vm/hostmm.h"

/* Pages for tables where the layout names none. */
#define DEFAULT_TABLES 64u

static bool fail(GError **error, const M2dScnWorld *w, const M2dScnPlace *at, const char *format,
		 ...) G_GNUC_PRINTF(4, 5);

static bool fail(GError **error, const M2dScnWorld *w, const M2dScnPlace *at, const char *format,
		 ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	if (at != NULL && at->line != 0)
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%u:%u: %s", w->scenario->path,
			    at->line, at->column, text);
	else
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: %s", w->scenario->path, text);
	return false;
}

static bool apply_open(M2dScnWorld *w, M2dVmConfig *c, GError **error)
{
	for (guint i = 0; i < w->config.open->len; i++) {
		const M2dScnSetting *s = w->config.open->pdata[i];
		GError *local = NULL;
		M2dDuty duty;

		if (s->index == M2D_SCN_SET_KNOB) {
			if (!m2d_knobs_set(&c->knobs, s->name, s->value, &local)) {
				fail(error, w, &s->place, "%s", local->message);
				g_error_free(local);
				return false;
			}
			continue;
		}
		duty = m2d_duty_find(s->name);
		if (duty == M2D_N_DUTIES)
			return fail(error, w, &s->place, "no duty is called '%s'", s->name);
		if (s->number != 0)
			m2d_duty_add(&c->without, duty);
	}
	return true;
}

static bool apply_options(M2dScnWorld *w, M2dVmConfig *c, const M2dScnOptions *o, GError **error)
{
	for (const char *const *n = o->without; n != NULL && *n != NULL; n++) {
		M2dDuty duty = m2d_duty_find(*n);

		if (duty == M2D_N_DUTIES)
			return fail(error, w, NULL, "no duty is called '%s'; see mmu2d duties", *n);
		m2d_duty_add(&c->without, duty);
	}
	return true;
}

static bool make_config(M2dScnWorld *w, M2dVmConfig *c, const M2dScnOptions *o, GError **error)
{
	const M2dScnConfig *s = &w->config;

	m2d_vm_config_init(c);
	c->tdp = s->mmu == M2D_SCN_MMU_DIRECT;
	c->ept_ad = s->ept_ad;
	c->vpid = s->vpid;
	c->n_vcpus = (unsigned)s->vcpus;
	c->n_pcpus = s->pcpus != 0 ? (unsigned)s->pcpus : c->n_vcpus;
	c->n_asids = (uint32_t)s->asids;
	c->page_limit = (uint32_t)s->page_limit;
	c->slot_zap_quirk_off = !s->slot_zap_quirk;
	c->intercept = s->guest_intercept;
	c->n_pfns = s->memory >> M2D_PAGE_SHIFT & ~UINT64_C(511);
	c->guest_maxphyaddr = (unsigned)s->maxphyaddr;
	w->kvm = g_strdup(o->kvm != NULL ? o->kvm : s->kvm);
	return m2d_knobs_profile(&c->knobs, w->kvm, error) && apply_open(w, c, error) &&
	       apply_options(w, c, o, error);
}

static bool is_set(const M2dScnWorld *w, unsigned setting)
{
	return m2d_scn_config_origin(w->scenario, w->variant, setting) != NULL;
}

static M2dMachine *load_machine(const M2dScnWorld *w, GError **error)
{
	M2dMachine *m = m2d_machine_load(w->config.machine, error);

	if (m == NULL)
		return NULL;
	/* A real processor is its vendor's unless the scenario says otherwise. */
	if (strcmp(m->name, "litmus") == 0 || is_set(w, M2D_SCN_SET_vendor))
		m->vendor =
			w->config.vendor == M2D_SCN_VENDOR_AMD ? M2D_VENDOR_AMD : M2D_VENDOR_INTEL;
	if (strcmp(m->name, "litmus") == 0 || is_set(w, M2D_SCN_SET_maxphyaddr))
		m->maxphyaddr = (uint32_t)w->config.maxphyaddr;
	if (w->config.tlb == M2D_SCN_TLB_IDEAL && strcmp(m->name, "litmus") != 0)
		m->tlb.ideal = true;
	if (!m2d_machine_check(m, error)) {
		m2d_machine_free(m);
		return NULL;
	}
	return m;
}

static void start_regs(const M2dScnConfig *s, M2dRegs *r)
{
	*r = (M2dRegs){.cr0 = M2D_CR0_PE};
	if (s->guest == M2D_SCN_GUEST_NONE)
		return;
	r->cr0 |= M2D_CR0_PG | (s->guest_wp ? M2D_CR0_WP : 0);
	r->cr4 = (s->guest_pge ? M2D_CR4_PGE : 0) | (s->guest_pse ? M2D_CR4_PSE : 0) |
		 (s->guest_smep ? M2D_CR4_SMEP : 0) | (s->guest_smap ? M2D_CR4_SMAP : 0);
	r->efer = s->guest_nx ? M2D_EFER_NXE : 0;
	if (s->guest != M2D_SCN_GUEST_32BIT)
		r->cr4 |= M2D_CR4_PAE;
	if (s->guest == M2D_SCN_GUEST_4LEVEL || s->guest == M2D_SCN_GUEST_5LEVEL) {
		r->efer |= M2D_EFER_LME | M2D_EFER_LMA;
		r->cr4 |= s->guest_pcid ? M2D_CR4_PCIDE : 0;
	}
	if (s->guest == M2D_SCN_GUEST_5LEVEL)
		r->cr4 |= M2D_CR4_LA57;
}

/* --- layout ----------------------------------------------------------------------------------- */

/* Whole huge pages of the host inside the slot are there from the start. */
static bool add_huge_pages(M2dScnWorld *w, const M2dScnObject *o, uint64_t hva, uint64_t n)
{
	uint64_t span = UINT64_C(1) << (o->slot.shift - M2D_PAGE_SHIFT);
	uint64_t first = (hva + span - 1) & ~(span - 1), end = (hva + n) & ~(span - 1);

	return span == 1 || first >= end ||
	       m2d_hostmm_populate(w->vm, first, end - first,
				   o->slot.shift == 21 ? M2D_SIZE_2M : M2D_SIZE_1G);
}

static bool add_slots(M2dScnWorld *w, uint64_t *tables, uint64_t *tables_end, GError **error)
{
	uint64_t hva = 0;
	bool first = true;

	for (unsigned i = 0; i < w->scenario->n_objects; i++) {
		const M2dScnObject *o = &w->scenario->objects[i];
		uint64_t gfn, n, at, align;
		GError *local = NULL;

		if (o->kind != M2D_SCN_SLOT)
			continue;
		gfn = o->slot.first >> M2D_PAGE_SHIFT;
		n = (o->slot.last >> M2D_PAGE_SHIFT) - gfn + 1;
		/* As aligned as the guest-physical address, so that huge pages are possible. */
		align = m2d_low_mask(MAX(o->slot.shift, 21) - M2D_PAGE_SHIFT);
		at = o->slot.has_hva ? o->slot.hva >> M2D_PAGE_SHIFT
				     : ((hva + align) & ~align) + (gfn & align);
		if (!m2d_slot_install(w->vm, o->slot.as, o->slot.id, gfn, n, at,
				      (o->slot.readonly ? M2D_SLOT_READONLY : 0) |
					      (o->slot.log_dirty ? M2D_SLOT_LOG_DIRTY : 0),
				      &local)) {
			fail(error, w, &o->place, "%s", local->message);
			g_error_free(local);
			return false;
		}
		if (!add_huge_pages(w, o, at, n))
			return fail(error, w, &o->place,
				    "no memory for huge pages, expected a "
				    "larger `memory`");
		hva = MAX(hva, at + n);
		if (first && *tables_end == 0) {
			*tables_end = o->slot.last + 1;
			*tables = *tables_end - MIN(DEFAULT_TABLES, (n + 1) / 2) * M2D_PAGE_SIZE;
		}
		first = false;
	}
	return true;
}

/* The range that `tables` names; leaves both alone if there is none. */
static void tables_range(const M2dScenario *s, uint64_t *first, uint64_t *end)
{
	for (unsigned i = 0; i < s->n_objects; i++) {
		if (s->objects[i].kind != M2D_SCN_TABLES)
			continue;
		*first = s->objects[i].tables.first & ~UINT64_C(4095);
		*end = s->objects[i].tables.last + 1;
	}
}

static uint64_t new_root(M2dScnWorld *w, const char *name)
{
	const M2dScenario *s = w->scenario;

	for (unsigned i = 0; i < s->n_objects; i++)
		if (s->objects[i].kind == M2D_SCN_GPT && s->objects[i].gpt.has_page &&
		    strcmp(s->objects[i].gpt.name, name) == 0)
			return s->objects[i].gpt.page & ~UINT64_C(4095);
	return m2d_guest_tables_new(&w->tables);
}

/* The kernel's view of its own tables, in every address space. */
static bool add_direct_map(M2dScnWorld *w, uint64_t root, uint64_t first, uint64_t end)
{
	for (uint64_t gpa = first; gpa < end; gpa += M2D_PAGE_SIZE)
		if (!m2d_guest_tables_map(&w->tables, root, w->tables.direct_map + gpa, gpa,
					  M2D_PAGE_SHIFT,
					  M2D_OP_RIGHT_R | M2D_OP_RIGHT_W | M2D_OP_RIGHT_G))
			return false;
	return true;
}

static bool add_spaces(M2dScnWorld *w, uint64_t first, uint64_t end, GError **error)
{
	unsigned n = w->scenario->n_gpts;

	w->spaces = g_new0(M2dGuestSpace, MAX(n, 1));
	for (unsigned i = 0; i < n && w->tables.fmt.levels != 0; i++) {
		uint64_t root = new_root(w, w->scenario->gpts[i]);

		if (root == 0 || !add_direct_map(w, root, first, end))
			return fail(error, w, NULL,
				    "no room for the guest's page tables from 0x%" G_GINT64_MODIFIER
				    "x on; expected a slot, or `tables gpa=` with more pages",
				    first);
		w->spaces[i].root_gpa = root;
	}
	w->guest = (M2dGuestInfo){w->spaces, n, w->tables.direct_map, w->config.guest_local_flush};
	m2d_kvm_set_guest(w->vm, &w->guest);
	return true;
}

static bool add_mapping(M2dScnWorld *w, const M2dScnObject *o, GError **error)
{
	uint64_t size = UINT64_C(1) << o->gva.shift, gpa = o->gva.gpa;

	if (w->tables.fmt.levels == 0)
		return true;
	for (uint64_t gva = o->gva.first & ~(size - 1); gva <= o->gva.last; gva += size) {
		if (!m2d_guest_tables_map(&w->tables, w->spaces[o->gva.gpt].root_gpa, gva, gpa,
					  o->gva.shift, (unsigned)o->gva.rights))
			return fail(error, w, &o->place,
				    "0x%" G_GINT64_MODIFIER
				    "x cannot be mapped: no room for tables, or "
				    "the paging mode has no page of this size there",
				    gva);
		gpa += size;
	}
	return true;
}

static bool add_objects(M2dScnWorld *w, GError **error)
{
	for (unsigned i = 0; i < w->scenario->n_objects; i++) {
		const M2dScnObject *o = &w->scenario->objects[i];

		if (o->kind == M2D_SCN_GVA && !add_mapping(w, o, error))
			return false;
		if (o->kind == M2D_SCN_MEMORY &&
		    !m2d_vm_write_guest(w->vm, M2D_GPA(o->memory.gpa), o->memory.size,
					o->memory.value, false))
			return fail(error, w, &o->place, "no memory at 0x%" G_GINT64_MODIFIER "x",
				    o->memory.gpa);
	}
	return true;
}

static void start_vcpus(M2dScnWorld *w, const M2dRegs *regs)
{
	const M2dScenario *s = w->scenario;

	for (unsigned i = 0; i < w->vm->n_vcpus; i++) {
		M2dRegs r = *regs;
		unsigned gpt = 0, pcid = 0;

		for (unsigned k = 0; k < s->n_objects; k++) {
			if (s->objects[k].kind == M2D_SCN_CR3 && s->objects[k].cr3.vcpu == i) {
				gpt = s->objects[k].cr3.gpt;
				pcid = s->objects[k].cr3.pcid;
			}
		}
		if (gpt < s->n_gpts)
			r.cr3 = w->spaces[gpt].root_gpa;
		if (r.cr4 & M2D_CR4_PCIDE)
			r.cr3 |= pcid;
		m2d_kvm_set_regs(w->vm, i, &r);
	}
}

/* struct kvm_steal_time of each vCPU: 64 bytes in the last page of the tables' range. */
static void start_steal_time(M2dScnWorld *w, uint64_t page)
{
	uint64_t value;

	if (!m2d_vm_read_guest(w->vm, M2D_GPA(page), 8, &value))
		return;
	for (unsigned i = 0; i < w->vm->n_vcpus; i++)
		M2D_PUT(w->vm->arena, w->vm->vcpu[i]->steal_gpa, page + 64 * (uint64_t)i);
}

/* Bit 0 tells the address spaces apart. */
static void start_generation(M2dScnWorld *w)
{
	for (unsigned as = 0; as < M2D_N_AS; as++)
		M2D_PUT(w->vm->arena, w->vm->slots->generation[as],
			(w->config.generation & ~UINT64_C(1)) + as);
}

static bool build(M2dScnWorld *w, const M2dScnOptions *options, GError **error)
{
	uint64_t tables = 0, tables_end = 0;
	M2dVmConfig config;
	M2dMachine *machine;
	M2dRegs regs;

	if (!make_config(w, &config, options, error))
		return false;
	machine = load_machine(w, error);
	if (machine == NULL)
		return false;
	w->world = m2d_world_new(machine, 0, error);
	if (w->world == NULL)
		return false;
	w->vm = m2d_kvm_new(w->world, &config, error);
	if (w->vm == NULL)
		return false;
	start_generation(w);
	for (unsigned i = 0; i < w->vm->n_pcpus; i++) {
		M2dMmu *mmu = m2d_vcpu_mmu(w->vm->pcpu[i]);

		m2d_timing_init(&mmu->timing, m2d_world_machine(w->world), options->timing,
				i > 0 ? &m2d_vcpu_mmu(w->vm->pcpu[0])->timing : NULL);
	}
	tables_range(w->scenario, &tables, &tables_end);
	if (!add_slots(w, &tables, &tables_end, error))
		return false;
	start_regs(&w->config, &regs);
	/* The last page is for the steal-time areas. */
	m2d_guest_tables_init(&w->tables, w->vm, &regs, tables,
			      tables_end > tables ? tables_end - M2D_PAGE_SIZE : tables);
	if (!add_spaces(w, tables, tables_end, error) || !add_objects(w, error))
		return false;
	start_vcpus(w, &regs);
	if (tables_end > tables)
		start_steal_time(w, tables_end - M2D_PAGE_SIZE);
	return true;
}

M2dScnWorld *m2d_scn_world_new(const M2dScenario *scenario, int variant,
			       const M2dScnOptions *options, GError **error)
{
	M2dScnWorld *w = g_new0(M2dScnWorld, 1);

	w->scenario = scenario;
	w->variant = variant;
	m2d_scn_config(scenario, variant, &w->config);
	if (build(w, options, error))
		return w;
	m2d_scn_world_free(w);
	return NULL;
}

void m2d_scn_world_free(M2dScnWorld *w)
{
	if (w == NULL)
		return;
	m2d_scn_config_clear(&w->config);
	m2d_vm_free(w->vm);
	m2d_world_free(w->world);
	g_free(w->spaces);
	g_free(w->kvm);
	g_free(w);
}

int m2d_scn_world_actor(const M2dScnWorld *w, M2dScnActor actor)
{
	switch (actor.kind) {
	case M2D_SCN_ACTOR_VCPU:
		return (int)actor.number;
	case M2D_SCN_ACTOR_HOST:
		return (int)w->vm->host_actor;
	case M2D_SCN_ACTOR_WORKER:
		break;
	}
	return -1;
}
