/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One access on a vCPU whose caches are under control: those that shall not take part are made
 * absent, so that walks neither find nor fill them.
 */
#include "sim/replay/onewalk-private.h"

#include <string.h>

#include "sim/base/error.h"

void m2d_walkview_free(M2dWalkView *view)
{
	if (view == NULL)
		return;
	g_free(view->machine);
	g_free(view->origin.path);
	g_free(view->caches);
	g_free(view);
}

void m2d_onewalk_options_init(M2dOneWalkOptions *options)
{
	*options = (M2dOneWalkOptions){.nested = M2D_NESTED_NPT};
	options->access.size = 1;
	m2d_guestos_config_init(&options->guest);
	m2d_hostmap_config_init(&options->host);
	/* Scattered frames: guest-physical and host-physical addresses must not look alike. */
	options->guest.scatter = options->host.scatter = 1;
	options->host.seed = 2;
}

static const struct {
	const char *name;
	uint32_t mask;
	const char *text;
} warm_names[] = {
	{"data", M2D_WARM_DATA, "data caches"},
	{"tlb", M2D_WARM_TLB, "TLB"},
	{"ntlb", M2D_WARM_NTLB, "nested TLB"},
	{"psc", M2D_WARM_PSC, "paging-structure caches"},
	{"npsc", M2D_WARM_NPSC, "nested paging-structure caches"},
	{"pde", M2D_WARM_PDE, "PDE cache"},
	{"pdpte", M2D_WARM_PDPTE, "PDPTE cache"},
	{"pml4e", M2D_WARM_PML4E, "PML4E cache"},
	{"pml5e", M2D_WARM_PML5E, "PML5E cache"},
	{"npde", M2D_WARM_NPDE, "nested PDE cache"},
	{"npdpte", M2D_WARM_NPDPTE, "nested PDPTE cache"},
	{"npml4e", M2D_WARM_NPML4E, "nested PML4E cache"},
	{"npml5e", M2D_WARM_NPML5E, "nested PML5E cache"},
	{"all", M2D_WARM_ALL, "all caches"},
};

bool m2d_onewalk_warm_parse(const char *text, uint32_t *warm, GError **error)
{
	g_auto(GStrv) names = g_strsplit(text, ",", -1);

	for (char **n = names; *n != NULL; n++) {
		unsigned i = 0;

		while (i < G_N_ELEMENTS(warm_names) && strcmp(*n, warm_names[i].name) != 0)
			i++;
		if (i == G_N_ELEMENTS(warm_names)) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
				    "'%s': expected names of caches: data, tlb, ntlb, psc, npsc, "
				    "all, or pde, pdpte, pml4e, pml5e, npde, npdpte, npml4e, "
				    "npml5e",
				    *n);
			return false;
		}
		*warm |= warm_names[i].mask;
	}
	return true;
}

/* The caches of @warm in words. */
static char *warm_text(const M2dOneWalkOptions *o, bool trace)
{
	g_autoptr(GString) s = g_string_new(NULL);
	uint32_t left = o->warm;

	if (o->caches)
		return g_strdup_printf("all of the machine take part, %s%s",
				       trace              ? "as the replay left them"
				       : o->n_before != 0 ? "used by earlier accesses"
							  : "empty at first",
				       o->tlb_miss ? "; the page was dropped from the TLB" : "");
	if (left == M2D_WARM_ALL)
		return g_strdup("all take part, warm");
	for (unsigned i = 0; i < G_N_ELEMENTS(warm_names); i++) {
		if ((left & warm_names[i].mask) != warm_names[i].mask)
			continue;
		left &= ~warm_names[i].mask;
		g_string_append_printf(s, "%s%s", s->len != 0 ? ", " : "", warm_names[i].text);
	}
	if (s->len == 0)
		return g_strdup("none takes part, every level is read");
	g_string_append(s, strchr(s->str, ',') != NULL || strstr(s->str, "caches") != NULL
				   ? " take part, warm"
				   : " takes part, warm");
	return g_string_free(g_steal_pointer(&s), FALSE);
}

/* Does the machine, in the mode in force, have the cache at bit @i of @M2D_WARM_PSC or NPSC? */
static bool has_psc(const M2dMmu *mmu, bool nested, unsigned level)
{
	M2dArrayId first = nested ? M2D_ARR_NPSC_PDE : M2D_ARR_PSC_PDE;
	const uint8_t *shift = nested ? mmu->s->npsc_shift : mmu->s->psc_shift;

	if (shift[level] == 0)
		return false;
	if (level == M2D_PSC_PDE && !nested && mmu->machine->tlb.l2_holds_pde)
		return mmu->tlb.array[M2D_ARR_L2].ways != 0;
	return mmu->tlb.array[first + level].ways != 0;
}

/* A cache named by itself must exist; of a group, one at least. */
static bool check_warm(const M2dMmu *mmu, uint32_t warm, GError **error)
{
	static const uint32_t groups[] = {M2D_WARM_PSC, M2D_WARM_NPSC};
	const char *missing = NULL;

	if (warm == M2D_WARM_ALL)
		return true;
	if ((warm & M2D_WARM_NTLB) &&
	    (mmu->s->nested.kind == M2D_NESTED_NONE || mmu->tlb.array[M2D_ARR_NTLB].ways == 0))
		missing = "nested TLB";
	for (unsigned g = 0; g < 2; g++) {
		bool whole = (warm & groups[g]) == groups[g], any = false;

		for (unsigned l = 0; l < M2D_PSC_LEVELS; l++) {
			uint32_t bit = M2D_WARM_PDE << (4 * g + l);
			bool has = has_psc(mmu, g == 1, l);

			any |= has;
			if (whole || !(warm & bit) || has)
				continue;
			for (unsigned i = 0; i < G_N_ELEMENTS(warm_names); i++)
				if (warm_names[i].mask == bit)
					missing = warm_names[i].text;
		}
		if (whole && !any)
			missing =
				g == 0 ? "paging-structure cache" : "nested paging-structure cache";
	}
	if (missing == NULL)
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "--warm: machine %s has no %s in this paging mode", mmu->machine->name,
		    missing);
	return false;
}

/* Let only the caches of @warm take part. */
static void limit_caches(M2dMmu *mmu, uint32_t warm)
{
	bool tlb = warm & M2D_WARM_TLB, pde = warm & M2D_WARM_PDE;
	bool l2_pde = mmu->machine->tlb.l2_holds_pde && pde;

	for (unsigned l = 0; l < M2D_PSC_LEVELS; l++) {
		if (!(warm & M2D_WARM_PDE << l))
			mmu->tlb.array[M2D_ARR_PSC_PDE + l].ways = 0;
		if (!(warm & M2D_WARM_NPDE << l))
			mmu->tlb.array[M2D_ARR_NPSC_PDE + l].ways = 0;
	}
	if (!(warm & M2D_WARM_NTLB))
		mmu->tlb.array[M2D_ARR_NTLB].ways = 0;
	for (unsigned a = M2D_ARR_L1D_4K; a <= M2D_ARR_L2_1G; a++)
		if (!tlb && !(a == M2D_ARR_L2 && l2_pde))
			mmu->tlb.array[a].ways = 0;
}

/* PDEs in the second-level TLB, when they do not take part but translations do. */
static void drop_l2_pdes(M2dMmu *mmu)
{
	const M2dArray *a = &mmu->tlb.array[M2D_ARR_L2];

	for (uint32_t i = 0; i < m2d_array_slots(a); i++)
		if (a->tag[i] != 0 && m2d_tag_class(a->tag[i]) == M2D_CLASS_PDE)
			m2d_array_drop(a, mmu->arena, i);
}

M2dOutcomeKind m2d_onewalk_scout(M2dMmu *mmu, const M2dAccess *access, M2dOutcome *out,
				 M2dWalkLog *log)
{
	M2dTimingModel model = mmu->timing.model;
	M2dStats stats = mmu->stats;
	M2dTlb tlb = mmu->tlb;
	M2dMark mark;

	m2d_arena_attach_journal(mmu->arena);
	mark = m2d_arena_mark(mmu->arena);
	mmu->timing.model = M2D_TIMING_FUNCTIONAL;
	limit_caches(mmu, 0);
	m2d_walklog_reset(&mmu->log);
	m2d_mmu_access(mmu, access, out);
	*log = mmu->log;
	mmu->tlb = tlb;
	mmu->stats = stats;
	mmu->timing.model = model;
	m2d_arena_rollback(mmu->arena, mark);
	m2d_arena_detach_journal(mmu->arena);
	return out->kind;
}

static void start_timing(M2dMmu *mmu)
{
	m2d_timing_clear(&mmu->timing);
	m2d_timing_init(&mmu->timing, mmu->machine, M2D_TIMING_BLOCKING, NULL);
}

static bool prepare(M2dMmu *mmu, const M2dAccess *access, const M2dOneWalkOptions *o,
		    bool keep_data, GError **error)
{
	M2dOutcome out;

	if (!keep_data || !o->caches)
		start_timing(mmu);
	if (!check_warm(mmu, o->warm, error))
		return false;
	if (!o->caches) {
		limit_caches(mmu, o->warm);
		/* What a replay left in them is not what was asked for. */
		if ((o->warm & M2D_WARM_TLB) && !(o->warm & M2D_WARM_PDE))
			drop_l2_pdes(mmu);
	}
	for (unsigned i = 0; i < o->n_before; i++) {
		M2dAccess before = {.gva = M2D_GVA(o->before[i]), .size = 1, .user = access->user};

		m2d_mmu_access(mmu, &before, &out);
	}
	if (o->warm != 0) {
		m2d_mmu_access(mmu, access, &out);
		if (!o->caches && !(o->warm & M2D_WARM_DATA))
			start_timing(mmu);
		if (mmu->machine->tlb.l2_holds_pde && !o->caches && !(o->warm & M2D_WARM_PDE))
			drop_l2_pdes(mmu);
	}
	if (o->tlb_miss || (!o->caches && !(o->warm & M2D_WARM_TLB)))
		m2d_tlb_drop_va(&mmu->tlb, access->gva.v, mmu->s->ctx, mmu->s->gctx);
	return true;
}

static void fill_rights(M2dWalkView *v, M2dMmu *mmu)
{
	uint64_t hpa;

	for (int user = 0; user < 2; user++)
		for (int kind = 0; kind < 3; kind++)
			if (m2d_mmu_probe(mmu, v->access.gva.v, (M2dAccKind)kind, user, &hpa))
				v->rights[user] |= (uint8_t)(1u << kind);
}

M2dWalkView *m2d_onewalk_perform(M2dMmu *mmu, const M2dAccess *access, const M2dOneWalkOptions *o,
				 bool keep_data, GError **error)
{
	const M2dMachine *m = mmu->machine;
	const M2dMmuState *s = mmu->s;
	M2dWalkView *v;
	M2dStats before;

	if (!prepare(mmu, access, o, keep_data, error))
		return NULL;
	v = g_new0(M2dWalkView, 1);
	v->machine = g_strdup(m->name);
	v->vendor = m->vendor;
	v->caches = warm_text(o, keep_data);
	v->access = *access;
	v->regs = s->regs;
	v->fmt = s->fmt;
	v->root = s->root;
	v->first_level = s->fmt.levels;
	if (s->fmt.mode == M2D_PAGING_PAE && m->vendor == M2D_VENDOR_INTEL)
		v->first_level = 2;
	v->nested = s->nested;
	v->npt = s->npt;
	v->ept = s->ept;
	for (unsigned i = 0; i < 3; i++)
		v->latency[i + 1] = m->mem.level[i].latency;
	v->latency[4] = m->mem.dram;

	m2d_timing_drain(&mmu->timing, &mmu->stats);
	before = mmu->stats;
	m2d_walklog_reset(&mmu->log);
	m2d_mmu_access(mmu, access, &v->out);
	v->log = mmu->log;
	for (unsigned i = 0; i < M2D_N_CAUSES; i++)
		v->cycles[i] = mmu->stats.cycles[i] - before.cycles[i];
	if (v->out.kind == M2D_OUT_OK)
		fill_rights(v, mmu);
	return v;
}
