/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/soundness/workload.h"

#include <string.h>

bool snd_pcpu_is_free(const M2dVm *vm, unsigned pcpu)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpu[i]->loaded && vm->vcpu[i]->pcpu == pcpu)
			return false;
	return true;
}

static uint64_t pick(SndWorkload *g, uint64_t n)
{
	return m2d_rng_below(&g->rng, n);
}

static bool chance(SndWorkload *g, unsigned percent)
{
	return pick(g, 100) < percent;
}

/* Argument @i of the operation added last. */
static void arg(SndGroup *b, unsigned i, uint64_t value)
{
	M2dOp *op = &b->op[b->n - 1];

	op->arg[i] = value;
	op->given |= (uint16_t)(1u << i);
}

static void add(SndGroup *b, M2dOpKind kind)
{
	g_assert(b->n < SND_MAX_GROUP);
	m2d_op_preset(&b->op[b->n++], kind);
}

static void add1(SndGroup *b, M2dOpKind kind, uint64_t value)
{
	add(b, kind);
	arg(b, 0, value);
}

static uint64_t any_data(SndWorkload *g)
{
	return snd_data_gpa((unsigned)pick(g, snd_n_data()));
}

static unsigned any_page(SndWorkload *g)
{
	/* The first region is the busiest. */
	return (unsigned)pick(g, chance(g, 40) ? 16 : SND_N_PAGES);
}

static uint64_t others(const SndWorkload *g, unsigned actor)
{
	return ((UINT64_C(1) << g->vm->n_vcpus) - 1) & ~(UINT64_C(1) << actor);
}

static bool paging(const SndWorkload *g)
{
	return g->model->fmt[0].levels != 0;
}

/* --- accesses --------------------------------------------------------------------------------- */

static uint64_t any_gva(SndWorkload *g)
{
	uint64_t page = paging(g) ? snd_page_gva(g->model->regions, any_page(g)) : any_data(g);

	return page + snd_oracle_offset((unsigned)pick(g, SND_WORDS));
}

static void touch(SndWorkload *g, SndGroup *b, uint64_t gva)
{
	bool user = chance(g, 70);

	switch (pick(g, 10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		add1(b, M2D_OP_READ, gva);
		if (user)
			arg(b, 2, 1);
		break;
	case 4:
		add1(b, M2D_OP_FETCH, gva);
		if (user)
			arg(b, 1, 1);
		break;
	case 5:
		add1(b, M2D_OP_CMPXCHG, gva);
		arg(b, 1, chance(g, 50) ? 0 : g->serial);
		arg(b, 2, ++g->serial);
		break;
	default:
		add1(b, M2D_OP_WRITE, gva);
		arg(b, 1, ++g->serial);
		if (user)
			arg(b, 3, 1);
		break;
	}
}

static void touches(SndWorkload *g, SndGroup *b)
{
	uint64_t gva = any_gva(g);
	uint64_t n = 1 + pick(g, 4);

	for (uint64_t i = 0; i < n; i++)
		touch(g, b, chance(g, 50) ? gva : any_gva(g));
}

/* --- flushes ---------------------------------------------------------------------------------- */

static void flush_all_local(SndWorkload *g, SndGroup *b)
{
	if (chance(g, 70)) {
		add1(b, M2D_OP_INVPCID, 2);
		return;
	}
	add(b, M2D_OP_MOV_CR4);
	arg(b, 1, M2D_CR4_PGE);
	add(b, M2D_OP_MOV_CR4);
	arg(b, 0, M2D_CR4_PGE);
}

static void cr3(SndGroup *b, const SndWorkload *g, unsigned space, bool noflush)
{
	add1(b, M2D_OP_MOV_CR3, space);
	if (g->c->pcid)
		arg(b, 1, space + 1);
	if (noflush && g->c->pcid)
		arg(b, 2, 1);
}

/* A flush that covers @gva in the space, on this vCPU. */
static void flush_local(SndWorkload *g, SndGroup *b, unsigned actor, unsigned space, uint64_t gva)
{
	unsigned now = snd_model_space(g->model, actor);

	switch (pick(g, 8)) {
	case 0:
		flush_all_local(g, b);
		break;
	case 1:
		cr3(b, g, now, false);
		break;
	case 2:
		add1(b, M2D_OP_INVPCID, g->c->pcid ? 1 + pick(g, 3) : 2 + pick(g, 2));
		if (g->c->pcid)
			arg(b, 1, space + 1);
		break;
	case 3:
		add1(b, M2D_OP_INVPCID, 0);
		if (g->c->pcid)
			arg(b, 1, space + 1);
		arg(b, 2, gva);
		break;
	default:
		add1(b, M2D_OP_INVLPG, gva);
		break;
	}
}

/* The same on the others; what is preempted gets a flag, or takes its interrupt later. */
static void flush_others(SndWorkload *g, SndGroup *b, unsigned actor, uint64_t gva, bool all)
{
	bool preempted = false;

	for (unsigned i = 0; i < g->vm->n_vcpus; i++)
		preempted |= !g->vm->vcpu[i]->loaded;
	if (all || preempted || chance(g, 40)) {
		add1(b, M2D_OP_PV_FLUSH, others(g, actor));
		if (!all && chance(g, 70))
			arg(b, 1, gva);
		return;
	}
	add1(b, M2D_OP_IPI, others(g, actor));
	arg(b, 1, 1 + pick(g, 3));
	arg(b, 2, gva);
	add(b, M2D_OP_AWAIT_ACKS);
}

/* --- edits of tables -------------------------------------------------------------------------- */

static void set_pte(SndGroup *b, uint64_t gva, unsigned space, unsigned level)
{
	add1(b, M2D_OP_SET_PTE, gva);
	arg(b, 1, space);
	arg(b, 2, level);
}

static uint64_t any_rights(SndWorkload *g, bool kernel)
{
	uint64_t r = M2D_OP_RIGHT_R | (chance(g, 60) ? M2D_OP_RIGHT_W : 0) |
		     (chance(g, 60) ? M2D_OP_RIGHT_X : 0);

	if (kernel)
		return r | M2D_OP_RIGHT_G;
	return r | (chance(g, 85) ? M2D_OP_RIGHT_U : 0);
}

/* One entry of level 1. */
static void edit_leaf(SndWorkload *g, SndGroup *b, unsigned space, unsigned page)
{
	uint64_t gva = snd_page_gva(g->model->regions, page);
	bool kernel = g->model->regions[snd_region_of(g->model->regions, page)].kernel;
	uint64_t at = snd_model_find(g->model, space, gva, 1);
	uint64_t old = at != 0 ? snd_model_entry(g->model, at) : 0;

	set_pte(b, gva, space, 1);
	switch (pick(g, 6)) {
	case 0:
		arg(b, 6, 1);
		break;
	case 1: /* accessed and dirty bits go */
		arg(b, 5, old);
		break;
	case 2:
		if (old & M2D_PTE_P) {
			arg(b, 4, any_rights(g, kernel));
			break;
		}
		/* fallthrough */
	default:
		arg(b, 3, any_data(g));
		arg(b, 4, any_rights(g, kernel));
		break;
	}
}

static void edit(SndWorkload *g, SndGroup *b, unsigned actor)
{
	unsigned space = chance(g, 70) ? snd_model_space(g->model, actor)
				       : (unsigned)pick(g, SND_MAX_SPACES);
	unsigned page = any_page(g), n = chance(g, 20) ? 1 + (unsigned)pick(g, 4) : 1;
	uint64_t gva = snd_page_gva(g->model->regions, page);
	bool lazy = chance(g, 15);

	if (chance(g, 60))
		touch(g, b, gva + snd_oracle_offset((unsigned)pick(g, SND_WORDS)));
	for (unsigned i = 0; i < n; i++)
		edit_leaf(g, b, space, (page + i) % SND_N_PAGES);
	if (n > 1 && !lazy)
		flush_all_local(g, b);
	else if (!lazy)
		flush_local(g, b, actor, space, gva);
	if (!lazy && chance(g, 80))
		flush_others(g, b, actor, gva, n > 1);
	/* What was flushed in another address space shows there. */
	if (space != snd_model_space(g->model, actor) && chance(g, 50)) {
		cr3(b, g, space, true);
		add1(b, M2D_OP_READ, gva);
	}
	if (chance(g, 60))
		touch(g, b, gva + snd_oracle_offset((unsigned)pick(g, SND_WORDS)));
}

static void flush_everywhere(SndWorkload *g, SndGroup *b, unsigned actor)
{
	flush_all_local(g, b);
	flush_others(g, b, actor, 0, true);
}

static uint64_t table_bits(void)
{
	return M2D_PTE_P | M2D_PTE_RW | M2D_PTE_US;
}

/* A store to an entry of a table that nothing leads to yet, or any more. */
static void store_entry(SndWorkload *g, SndGroup *b, uint64_t table, unsigned level, uint64_t gva,
			uint64_t value)
{
	const M2dPteFormat *fmt = &g->model->fmt[0];

	add1(b, M2D_OP_WRITE,
	     g->model->w->tables.direct_map + table + m2d_pte_index_offset(fmt, level, gva));
	arg(b, 1, value);
	arg(b, 2, 1u << fmt->entry_shift);
}

/* A region gets a new table of level 1 with the same pages, or others. */
static void replace_table(SndWorkload *g, SndGroup *b, unsigned actor)
{
	const SndRegion *r = g->model->regions;
	unsigned space = (unsigned)pick(g, SND_MAX_SPACES), region = (unsigned)pick(g, 3);
	uint64_t gva = r[region].gva, at = snd_model_find(g->model, space, gva, 2);
	uint64_t old = snd_model_entry(g->model, at) & g->model->fmt[0].frame_mask, new, entry;

	if (g->n_pool == 0)
		return;
	new = g->pool[--g->n_pool];
	b->freed = old;
	for (unsigned i = 0; i < r[region].pages; i++) {
		uint64_t page = gva + (uint64_t)i * M2D_PAGE_SIZE;

		entry = snd_model_entry(g->model, snd_model_find(g->model, space, page, 1));
		if (entry != 0)
			store_entry(g, b, new, 1, page, entry);
	}
	set_pte(b, gva, space, 2);
	arg(b, 5, new | table_bits());
	flush_everywhere(g, b, actor);
	for (unsigned i = 0; i < r[region].pages; i++)
		store_entry(g, b, old, 1, gva + (uint64_t)i * M2D_PAGE_SIZE, 0);
}

/* A new directory (level 2) with the same entries. Its page was, or will be, a table of level 1.
 * Only where nobody can be about to store to an entry that he has looked up before. */
static void replace_directory(SndWorkload *g, SndGroup *b, unsigned actor)
{
	const SndRegion *r = g->model->regions;
	unsigned space = (unsigned)pick(g, SND_MAX_SPACES), region = (unsigned)pick(g, 3);
	uint64_t at = snd_model_find(g->model, space, r[region].gva, 3), old, new;

	if (g->n_pool == 0 || at == 0)
		return;
	old = snd_model_entry(g->model, at) & g->model->fmt[0].frame_mask;
	new = g->pool[--g->n_pool];
	b->freed = old;
	for (unsigned i = 0; i < SND_N_REGIONS; i++) {
		uint64_t entry = snd_model_find(g->model, space, r[i].gva, 2);

		if (snd_model_find(g->model, space, r[i].gva, 3) == at)
			store_entry(g, b, new, 2, r[i].gva, snd_model_entry(g->model, entry));
	}
	set_pte(b, r[region].gva, space, 3);
	arg(b, 5, new | table_bits());
	flush_everywhere(g, b, actor);
	for (unsigned i = 0; i < SND_N_REGIONS; i++)
		if (snd_model_find(g->model, space, r[i].gva, 3) == at)
			store_entry(g, b, old, 2, r[i].gva, 0);
	touch(g, b, r[region].gva);
}

/* From small pages to a large one or back, by break-before-make. */
static void change_size(SndWorkload *g, SndGroup *b, unsigned actor)
{
	const SndRegion *r = &g->model->regions[3];
	unsigned space = (unsigned)pick(g, SND_MAX_SPACES);
	uint64_t now = snd_model_entry(g->model, snd_model_find(g->model, space, r->gva, 2));

	set_pte(b, r->gva, space, 2);
	arg(b, 6, 1);
	flush_everywhere(g, b, actor);
	set_pte(b, r->gva, space, 2);
	if (now & M2D_PTE_PS)
		arg(b, 5, g->big_table[space] | table_bits());
	else
		arg(b, 5, SND_BIG | table_bits() | M2D_PTE_PS);
	for (unsigned i = 0; i < 2; i++)
		touch(g, b, r->gva + pick(g, r->pages) * M2D_PAGE_SIZE);
}

/* Rights of all pages below an entry of level 2 or higher. */
static void upper_rights(SndWorkload *g, SndGroup *b, unsigned actor)
{
	const M2dPteFormat *fmt = &g->model->fmt[0];
	unsigned space = snd_model_space(g->model, actor), region = (unsigned)pick(g, 4);
	unsigned top = fmt->pdpte_level != 0 ? 2 : fmt->levels;
	unsigned level = 2 + (unsigned)pick(g, top - 1);
	uint64_t gva = g->model->regions[region].gva, at, now;

	at = snd_model_find(g->model, space, gva, level);
	now = at != 0 ? snd_model_entry(g->model, at) : 0;
	if (!(now & M2D_PTE_P))
		return;
	set_pte(b, gva, space, level);
	arg(b, 5, now & M2D_PTE_RW && chance(g, 60) ? now & ~M2D_PTE_RW : now | M2D_PTE_RW);
	if (chance(g, 15))
		arg(b, 5, now & ~M2D_PTE_US);
	else
		arg(b, 5, b->op[b->n - 1].arg[5] | M2D_PTE_US);
	flush_local(g, b, actor, space, gva);
	if (chance(g, 70))
		flush_others(g, b, actor, gva, true);
	for (unsigned i = 0; i < 2; i++)
		touch(g, b, gva + pick(g, 4) * M2D_PAGE_SIZE);
}

/* --- registers -------------------------------------------------------------------------------- */

static void registers(SndWorkload *g, SndGroup *b)
{
	uint64_t what = pick(g, 4);

	if (what == 3 && g->model->fmt[0].entry_shift == 3) {
		/* Bit 63 is reserved meanwhile, in the direct map too. KVM's shadow pages do not
		 * tell the two meanings of the bit apart (role.efer_nx is always set), so nobody
		 * may look. */
		add(b, M2D_OP_WRMSR_EFER);
		arg(b, 1, M2D_EFER_NXE);
		add1(b, M2D_OP_INVPCID, 2);
		if (g->vm->cfg.tdp)
			touches(g, b);
		add(b, M2D_OP_WRMSR_EFER);
		arg(b, 0, M2D_EFER_NXE);
		add1(b, M2D_OP_INVPCID, 2);
		return;
	}
	add(b, what == 0 ? M2D_OP_MOV_CR4 : M2D_OP_MOV_CR0);
	arg(b, chance(g, what == 0 ? 50 : 70) ? 0 : 1, what == 0 ? M2D_CR4_SMEP : M2D_CR0_WP);
	touches(g, b);
}

/* --- a vCPU ----------------------------------------------------------------------------------- */

static void structural(SndWorkload *g, SndGroup *b, unsigned actor)
{
	if (g->structural >= 0)
		return;
	switch (pick(g, g->model->fmt[0].levels >= 4 && !g->c->stepped ? 4 : 3)) {
	case 0:
		replace_table(g, b, actor);
		break;
	case 1:
		change_size(g, b, actor);
		break;
	case 3:
		replace_directory(g, b, actor);
		break;
	default:
		upper_rights(g, b, actor);
		break;
	}
	if (b->n != 0)
		g->structural = (int)actor;
}

static void thread(SndWorkload *g, SndGroup *b)
{
	if (chance(g, 70))
		add(b, M2D_OP_PREEMPT);
	else
		add(b, chance(g, 50) ? M2D_OP_EXIT : M2D_OP_ENTER);
}

/* A processor that no vCPU is scheduled on. */
static unsigned free_pcpu(SndWorkload *g)
{
	unsigned first = (unsigned)pick(g, g->vm->n_pcpus);

	for (unsigned i = 0; i < g->vm->n_pcpus; i++) {
		unsigned pcpu = (first + i) % g->vm->n_pcpus;

		if (snd_pcpu_is_free(g->vm, pcpu))
			return pcpu;
	}
	g_assert_not_reached();
}

static void vcpu_group(SndWorkload *g, unsigned actor, SndGroup *b)
{
	uint64_t dice = pick(g, 100);

	if (!g->vm->vcpu[actor]->loaded) {
		add1(b, M2D_OP_RESUME, free_pcpu(g));
		return;
	}
	if (dice < 4)
		thread(g, b);
	else if (dice < 50 || !paging(g))
		touches(g, b);
	else if (dice < 74)
		edit(g, b, actor);
	else if (dice < 80)
		flush_local(g, b, actor, (unsigned)pick(g, SND_MAX_SPACES),
			    snd_page_gva(g->model->regions, any_page(g)));
	else if (dice < 90)
		cr3(b, g, (unsigned)pick(g, SND_MAX_SPACES), chance(g, 60));
	else if (dice < 93)
		registers(g, b);
	else
		structural(g, b, actor);
	if (b->n == 0)
		touches(g, b);
}

/* --- the host --------------------------------------------------------------------------------- */

static void range(SndGroup *b, M2dOpKind kind, unsigned first, uint64_t gpa, uint64_t pages)
{
	add(b, kind);
	arg(b, first, gpa);
	arg(b, first + 1, gpa + pages * M2D_PAGE_SIZE - 1);
}

static void pages(SndWorkload *g, SndGroup *b)
{
	uint64_t gpa = any_data(g), n = 1 + pick(g, chance(g, 20) ? 8 : 1);

	switch (pick(g, 8)) {
	case 0:
		range(b, M2D_OP_UNMAP, 0, gpa, n);
		break;
	case 1:
		range(b, M2D_OP_PROTECT, 0, gpa, n);
		break;
	case 2:
	case 3:
		range(b, M2D_OP_UNPROTECT, 0, gpa, n);
		break;
	case 4:
		range(b, M2D_OP_AGE, 0, gpa, n);
		break;
	case 5:
		add1(b, M2D_OP_TEST_AGE, gpa);
		break;
	default:
		/* Pages of tables move, too. */
		if (chance(g, 30))
			gpa = SND_TABLES + pick(g, 96) * M2D_PAGE_SIZE;
		add1(b, M2D_OP_MIGRATE, gpa);
		break;
	}
}

static void slots(SndWorkload *g, SndGroup *b)
{
	switch (pick(g, 4)) {
	case 0:
		g->coming = !g->coming;
		if (!g->coming) {
			add1(b, M2D_OP_SLOT_DELETE, SND_SLOT_COMING);
			if (chance(g, 50))
				arg(b, 2, 1);
			break;
		}
		range(b, M2D_OP_SLOT_CREATE, 1, SND_COMING, SND_SLOT_BYTES >> M2D_PAGE_SHIFT);
		arg(b, 0, SND_SLOT_COMING);
		arg(b, 3, SND_COMING);
		break;
	case 1:
		g->moved = !g->moved;
		range(b, M2D_OP_SLOT_MOVE, 1, g->moved ? SND_MOVED : SND_MOVING,
		      SND_SLOT_BYTES >> M2D_PAGE_SHIFT);
		arg(b, 0, SND_SLOT_MOVING);
		break;
	default:
		add1(b, M2D_OP_SLOT_FLAGS, pick(g, SND_SLOT_MOVING + 1));
		if (chance(g, 65))
			arg(b, 3, 1);
		break;
	}
}

static void host_group(SndWorkload *g, SndGroup *b)
{
	uint64_t dice = pick(g, 100);

	if (dice < 45) {
		pages(g, b);
	} else if (dice < 60) {
		add1(b, M2D_OP_GET_DIRTY_LOG, pick(g, SND_SLOT_MOVING + 1));
	} else if (dice < 72) {
		slots(g, b);
	} else if (dice < 82) {
		add1(b, M2D_OP_POKE, any_data(g) + snd_oracle_offset((unsigned)pick(g, SND_WORDS)));
		arg(b, 1, ++g->serial);
	} else if (dice < 94) {
		add1(b, chance(g, 45) ? M2D_OP_TRACK : M2D_OP_UNTRACK, any_data(g));
	} else if (dice < 97) {
		add1(b, M2D_OP_PAGE_LIMIT, 24 + pick(g, 80));
	} else {
		add1(b, M2D_OP_PCPU_OFFLINE, pick(g, g->vm->n_pcpus));
	}
}

void snd_workload_group(SndWorkload *g, unsigned actor, SndGroup *b)
{
	memset(b, 0, sizeof(*b));
	if (actor >= g->vm->n_vcpus)
		host_group(g, b);
	else
		vcpu_group(g, actor, b);
}

void snd_workload_ended(SndWorkload *g, unsigned actor, const SndGroup *b)
{
	if (b->freed != 0)
		g->pool[g->n_pool++] = b->freed;
	if (g->structural == (int)actor)
		g->structural = -1;
}

void snd_workload_init(SndWorkload *g, const SndConfig *c, SndModel *model)
{
	memset(g, 0, sizeof(*g));
	g->c = c;
	g->vm = model->vm;
	g->model = model;
	g->structural = -1;
	m2d_rng_seed(&g->rng, c->seed);
	if (!paging(g))
		return;
	for (unsigned i = 0; i < SND_POOL; i++)
		g->pool[g->n_pool++] = SND_TABLES_END - (2 + i) * M2D_PAGE_SIZE;
	g_assert(model->w->tables.next <= g->pool[SND_POOL - 1]);
	for (unsigned s = 0; s < SND_MAX_SPACES; s++)
		g->big_table[s] =
			snd_model_entry(model, snd_model_find(model, s, model->regions[3].gva, 2)) &
			model->fmt[0].frame_mask;
}
