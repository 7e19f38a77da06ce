/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regions of the arena by the object that they belong to. Most are laid out with the world; chunks
 * of pools, arrays and frames that come later are looked up again at each refresh. What is not
 * registered belongs to LAYOUT.
 */
#include "sim/explore/objects.h"

#include <string.h>

#include "sim/base/names.h"
#include "sim/cpu/vcpu-private.h"
#include "sim/explore/objects-private.h"
#include "sim/shadow/shadow-private.h"
#include "sim/vm/memslot.h"

static const struct {
	const char *name, *text;
} classes[M2D_N_OBJ] = {
#define PER(id, what) {#id, what},
#define ONE(id, what) {#id, what},
#include "sim/explore/objects.def"
#undef PER
#undef ONE
};

const char *m2d_object_name(M2dObjClass kind)
{
	return classes[kind].name;
}

const char *m2d_object_text(M2dObjClass kind)
{
	return classes[kind].text;
}

M2dObjClass m2d_object_find(const char *name)
{
	return (M2dObjClass)M2D_NAME_INDEX(classes, name, name);
}

void m2d_objects_add(M2dObjects *o, GArray *list, const void *at, uint64_t bytes, unsigned class,
		     unsigned of)
{
	M2dRegion r = {.what = {.classes = class < M2D_N_OBJ ? 1u << class : 0, .of = (uint8_t)of}};

	if (at == NULL || bytes == 0)
		return;
	r.off = m2d_arena_offset(o->vm->arena, at);
	r.end = r.off + bytes;
	g_array_append_val(list, r);
}

static void add_vcpu(M2dObjects *o, unsigned i)
{
	M2dKvmVcpu *v = o->vm->vcpu[i];
	M2dShadow *sh = m2d_shadow(o->vm);

	M2D_ADD(o, v->mode, MODE, i);
	M2D_ADD(o, v->loaded, MODE, i);
	M2D_ADD(o, v->pcpu, MODE, i);
	M2D_ADD(o, v->in_guest, MODE, i);
	M2D_ADD(o, v->requests, REQ, i);
	M2D_ADD(o, v->kicks, MODE, i);
	M2D_ADD(o, v->ipis, IPI, i);
	M2D_ADD(o, v->unacked, IPI, i);
	M2D_ADD(o, v->preempt_req, MODE, i);
	m2d_objects_add(o, o->fixed, &v->tlb_ctl,
			offsetof(M2dKvmVcpu, mmu) - offsetof(M2dKvmVcpu, tlb_ctl), M2D_OBJ_REGS, i);
	M2D_ADD(o, v->mmu, ROOTS, i);
	M2D_ADD(o, v->ipi, IPI, i);
	m2d_objects_add(o, o->fixed, &v->mmio_gva, sizeof(*v) - offsetof(M2dKvmVcpu, mmio_gva),
			M2D_OBJ_REGS, i);
	M2D_ADD(o, sh->walk[i], FAULT, i);
	M2D_ADD(o, sh->fault[i], FAULT, i);
}

static void add_array(M2dObjects *o, const M2dArray *a, unsigned cpu)
{
	uint64_t sets = a->set_mask + 1, slots = sets * a->ways;

	if (a->ways == 0)
		return;
	m2d_objects_add(o, o->fixed, a->tag, slots * 8, M2D_OBJ_HW, cpu);
	m2d_objects_add(o, o->fixed, a->data, slots * 8, M2D_OBJ_HW, cpu);
	m2d_objects_add(o, o->fixed, a->n_valid, 8, M2D_OBJ_HW, cpu);
	m2d_objects_add(o, o->fixed, a->n_class, 32, M2D_OBJ_HW, cpu);
	m2d_objects_add(o, o->fixed, a->order, sets * 8, M2D_OBJ_HW, cpu);
	m2d_objects_add(o, o->fixed, a->link, sets * (a->ways + 1) * sizeof(M2dWayLink), M2D_OBJ_HW,
			cpu);
}

static void add_pcpu(M2dObjects *o, unsigned i)
{
	M2dVcpu *v = o->vm->pcpu[i];
	const M2dTlb *tlb = &v->mmu.tlb;

	m2d_objects_add(o, o->fixed, v->s, sizeof(*v->s), M2D_OBJ_HW, i);
	m2d_objects_add(o, o->fixed, v->mmu.s, sizeof(*v->mmu.s), M2D_OBJ_HW, i);
	m2d_objects_add(o, o->fixed, tlb->n_splinters, 8, M2D_OBJ_HW, i);
	m2d_objects_add(o, o->fixed, tlb->ctx.ctx, M2D_MAX_CTX * sizeof(M2dCtx), M2D_OBJ_HW, i);
	m2d_objects_add(o, o->fixed, tlb->ctx.n, 8, M2D_OBJ_HW, i);
	for (unsigned a = 0; a < M2D_N_ARRAYS; a++)
		if (tlb->alias[a] == a)
			add_array(o, &tlb->array[a], i);
}

static void add_vm(M2dObjects *o)
{
	M2dVm *vm = o->vm;
	M2dVmState *s = vm->s;
	M2dShadow *sh = m2d_shadow(vm);

	M2D_ADD(o, s->lock[M2D_LOCK_MMU], LOCK_MMU, 0);
	M2D_ADD(o, s->lock[M2D_LOCK_SLOTS], LOCK_SLOTS, 0);
	M2D_ADD(o, s->lock[M2D_LOCK_UNSYNC], LOCK_UNSYNC, 0);
	M2D_ADD(o, s->srcu, SRCU, 0);
	M2D_ADD(o, s->mmu_invalidate_seq, SEQ, 0);
	M2D_ADD(o, s->mmu_invalidate_start, SEQ, 0);
	M2D_ADD(o, s->mmu_invalidate_end, SEQ, 0);
	M2D_ADD(o, s->mmu_invalidate_in_progress, SEQ, 0);
	M2D_ADD(o, s->mmu_valid_gen, GEN, 0);
	M2D_ADD(o, s->next_asid, ASID, 0);
	M2D_ADD(o, s->asid_generation, ASID, 0);
	m2d_objects_add(o, o->fixed, vm->slots, sizeof(*vm->slots), M2D_OBJ_SLOTS, 0);
	M2D_ADD(o, *sh->s, SHADOW, 0);
	M2D_ADD(o, *sh->sp.s, SHADOW, 0);
	M2D_ADD(o, *sh->desc.s, RMAP, 0);
	m2d_objects_add(o, o->fixed, sh->sp_of_frame, vm->cfg.n_pfns * 4, M2D_OBJ_SHADOW, 0);
	m2d_objects_add(o, o->fixed, sh->translation,
			MIN(vm->cfg.n_pfns + 1, M2D_POOL_CHUNK * M2D_POOL_CHUNKS) * 8,
			M2D_OBJ_SHADOW, 0);
}

static void add_host(M2dObjects *o)
{
	M2dVm *vm = o->vm;
	const void *ptes, *frames;
	uint64_t pte_bytes, frame_bytes;

	m2d_hostmm_arrays(vm, &ptes, &pte_bytes, &frames, &frame_bytes);
	m2d_objects_add(o, o->fixed, ptes, pte_bytes, M2D_OBJ_HOST, 0);
	m2d_objects_add(o, o->fixed, frames, frame_bytes, M2D_OBJ_HOST, 0);
	g_array_index(o->fixed, M2dRegion, o->fixed->len - 1).what.owner = vm->cfg.first_pfn + 1;
}

/* The actor's task: others see only whether it is idle. */
static void add_task(M2dObjects *o, unsigned actor)
{
	const M2dTask *t = o->vm->rt->task[actor];
	M2dRegion *sp;

	m2d_objects_add(o, o->fixed, t, offsetof(M2dTask, sp), M2D_N_OBJ, actor);
	m2d_objects_add(o, o->fixed, &t->sp, sizeof(t->sp), M2D_N_OBJ, actor);
	sp = &g_array_index(o->fixed, M2dRegion, o->fixed->len - 1);
	sp->what.idle = true;
	m2d_objects_add(o, o->fixed, &t->top, sizeof(*t) - offsetof(M2dTask, top), M2D_N_OBJ,
			actor);
}

/* --- what grows ------------------------------------------------------------------------------- */

static void add_pool(M2dObjects *o, const M2dPool *pool, unsigned class)
{
	uint64_t bytes = M2D_POOL_CHUNK / 8 + (uint64_t)M2D_POOL_CHUNK * pool->size;

	for (unsigned c = 0; c < M2D_POOL_CHUNKS && pool->s->chunk[c] != 0; c++)
		m2d_objects_add(o, o->all, m2d_arena_at(o->vm->arena, pool->s->chunk[c]), bytes,
				class, 0);
}

static void add_slot(M2dObjects *o, const M2dMemslot *s)
{
	M2dArena *arena = o->vm->arena;
	uint64_t n = s->capacity;

	if (n == 0)
		return;
	for (unsigned level = 1; level <= 3; level++) {
		uint64_t bytes = ((n >> (9 * (level - 1))) + 2) * 4;

		m2d_objects_add(o, o->all, m2d_arena_at(arena, s->rmap[level - 1]), bytes,
				M2D_OBJ_RMAP, 0);
		if (level > 1)
			m2d_objects_add(o, o->all, m2d_arena_at(arena, s->lpage[level - 1]), bytes,
					M2D_OBJ_TRACK, 0);
	}
	m2d_objects_add(o, o->all, m2d_arena_at(arena, s->track), n * 2, M2D_OBJ_TRACK, 0);
	m2d_objects_add(o, o->all, m2d_arena_at(arena, s->dirty), (n + 63) / 64 * 8, M2D_OBJ_DIRTY,
			0);
	m2d_objects_add(o, o->all, m2d_arena_at(arena, s->log), (n + 63) / 64 * 8, M2D_OBJ_DIRTY,
			0);
}

/* A free frame may be read through what is stale, and is cleared for its next owner. */
uint32_t m2d_objects_frame(const M2dObjects *o, uint64_t pfn)
{
	switch (m2d_frame_owner(o->vm, pfn)) {
	case M2D_FRAME_GUEST:
		return 1u << M2D_OBJ_GUEST;
	case M2D_FRAME_TABLE:
		return 1u << M2D_OBJ_SPTE;
	case M2D_FRAME_FREE:
	case M2D_FRAME_OTHER:
		break;
	}
	return 1u << M2D_OBJ_GUEST | 1u << M2D_OBJ_SPTE;
}

static void add_frame(uint64_t pfn, const uint64_t *words, void *data)
{
	M2dObjects *o = data;

	m2d_objects_add(o, o->all, words, M2D_PAGE_SIZE, M2D_OBJ_GUEST, 0);
	g_array_index(o->all, M2dRegion, o->all->len - 1).what.frame = pfn + 1;
}

static void add_grown(M2dObjects *o)
{
	const M2dShadow *sh = m2d_shadow(o->vm);
	uint64_t pages = MIN(o->vm->cfg.n_pfns + 1, M2D_POOL_CHUNK * M2D_POOL_CHUNKS);

	add_pool(o, &sh->sp, M2D_OBJ_SHADOW);
	add_pool(o, &sh->desc, M2D_OBJ_RMAP);
	for (uint64_t i = 0; i < pages && i < m2d_pool_end(&sh->sp); i++)
		if (sh->translation[i] != 0)
			m2d_objects_add(o, o->all, m2d_arena_at(o->vm->arena, sh->translation[i]),
					4096, M2D_OBJ_SHADOW, 0);
	for (unsigned as = 0; as < M2D_N_AS; as++)
		for (unsigned id = 0; id < M2D_MAX_SLOTS; id++)
			add_slot(o, m2d_slot(o->vm, as, id));
	m2d_space_foreach(o->vm->space, add_frame, o);
	m2d_objects_check_grown(o);
}

/* --- life, looking up ------------------------------------------------------------------------- */

M2dObjects *m2d_objects_new(M2dVm *vm, M2dCheck *check)
{
	M2dObjects *o = g_new0(M2dObjects, 1);

	_Static_assert(M2D_N_OBJ <= 32, "classes fit a mask");
	o->vm = vm;
	o->check = check;
	o->fixed = g_array_new(FALSE, FALSE, sizeof(M2dRegion));
	o->all = g_array_new(FALSE, FALSE, sizeof(M2dRegion));
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		add_vcpu(o, i);
	for (unsigned i = 0; i < vm->n_pcpus; i++)
		add_pcpu(o, i);
	for (unsigned a = 0; a < vm->rt->n_tasks; a++)
		add_task(o, a);
	add_vm(o);
	add_host(o);
	m2d_objects_check(o);
	m2d_objects_refresh(o);
	return o;
}

void m2d_objects_free(M2dObjects *o)
{
	if (o == NULL)
		return;
	g_array_unref(o->fixed);
	g_array_unref(o->all);
	g_free(o);
}

void m2d_objects_private(M2dObjects *o, const void *at, uint64_t bytes, unsigned actor)
{
	m2d_objects_add(o, o->fixed, at, bytes, M2D_N_OBJ, actor);
}

static int cmp_region(gconstpointer a, gconstpointer b)
{
	const M2dRegion *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

void m2d_objects_refresh(M2dObjects *o)
{
	g_array_set_size(o->all, 0);
	g_array_append_vals(o->all, o->fixed->data, o->fixed->len);
	add_grown(o);
	g_array_sort(o->all, cmp_region);
}

M2dObjAt m2d_objects_at(const M2dObjects *o, uint64_t off)
{
	guint low = 0, high = o->all->len;
	const M2dRegion *r;
	M2dObjAt what;

	while (low < high) {
		guint mid = (low + high) / 2;

		if (g_array_index(o->all, M2dRegion, mid).off <= off)
			low = mid + 1;
		else
			high = mid;
	}
	r = low != 0 ? &g_array_index(o->all, M2dRegion, low - 1) : NULL;
	if (r == NULL || off >= r->end)
		return (M2dObjAt){.classes = 1u << M2D_OBJ_LAYOUT};
	what = r->what;
	if (what.frame != 0)
		what.classes = m2d_objects_frame(o, what.frame - 1);
	if (what.owner != 0)
		what.owner += off - r->off;
	return what;
}
