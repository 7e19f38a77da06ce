/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arrays that a machine has, and what is looked up in and filled into them. */
#include "sim/tlb/tlb-private.h"

/* Geometry of every array when the machine is "ideal": nothing realistic evicts from it. */
static const M2dGeometry ideal_geometry = {65536, 16};

static M2dGeometry array_geometry(const M2dMachine *m, M2dArrayId id)
{
	switch (id) {
	case M2D_ARR_L1D_4K:
	case M2D_ARR_L1D_2M:
	case M2D_ARR_L1D_1G:
		return m->tlb.l1d[id - M2D_ARR_L1D_4K];
	case M2D_ARR_L1I_4K:
	case M2D_ARR_L1I_2M:
	case M2D_ARR_L1I_1G:
		return m->tlb.l1i[id - M2D_ARR_L1I_4K];
	case M2D_ARR_L2:
		return m->tlb.l2;
	case M2D_ARR_L2_1G:
		return m->tlb.l2_1g_mode == M2D_L2_1G_OWN ? m->tlb.l2_1g : (M2dGeometry){0, 0};
	case M2D_ARR_PSC_PDE:
	case M2D_ARR_PSC_PDPTE:
	case M2D_ARR_PSC_PML4:
	case M2D_ARR_PSC_PML5:
		return m->psc.level[id - M2D_ARR_PSC_PDE];
	case M2D_ARR_NPSC_PDE:
	case M2D_ARR_NPSC_PDPTE:
	case M2D_ARR_NPSC_PML4:
	case M2D_ARR_NPSC_PML5:
		return m->npsc.level[id - M2D_ARR_NPSC_PDE];
	case M2D_ARR_NTLB:
		return m->ntlb;
	case M2D_N_ARRAYS:
		break;
	}
	return (M2dGeometry){0, 0};
}

static void init_shared_psc(M2dTlb *tlb, M2dArrayId first, const M2dPscGeometry *g)
{
	int owner = -1;

	for (int l = 0; l < M2D_PSC_LEVELS; l++) {
		M2dArrayId id = (M2dArrayId)(first + l);

		if (g->level[l].entries != 0 || !(g->shared_levels >> l & 1))
			continue;
		if (owner < 0) {
			owner = (int)id;
			m2d_array_init(&tlb->array[id], tlb->arena,
				       tlb->machine->tlb.ideal && g->shared.entries != 0
					       ? ideal_geometry
					       : g->shared);
		} else {
			tlb->array[id] = tlb->array[owner];
			tlb->alias[id] = (uint8_t)owner;
		}
	}
}

static void init_unified_l1(M2dTlb *tlb, M2dArrayId first, M2dGeometry g)
{
	if (g.entries == 0)
		return;
	m2d_array_init(&tlb->array[first], tlb->arena, g);
	for (int i = 1; i < M2D_N_SIZES; i++) {
		tlb->array[first + i] = tlb->array[first];
		tlb->alias[first + i] = (uint8_t)first;
	}
}

void m2d_tlb_init(M2dTlb *tlb, M2dArena *arena, const M2dMachine *machine)
{
	bool ideal = machine->tlb.ideal;

	*tlb = (M2dTlb){.arena = arena, .machine = machine};
	for (int i = 0; i < M2D_N_ARRAYS; i++)
		tlb->alias[i] = (uint8_t)i;
	for (int i = 0; i < M2D_N_ARRAYS; i++) {
		M2dGeometry g = array_geometry(machine, (M2dArrayId)i);
		bool unified = (i <= M2D_ARR_L1D_1G && machine->tlb.l1d_unified.entries != 0) ||
			       (i >= M2D_ARR_L1I_4K && i <= M2D_ARR_L1I_1G &&
				machine->tlb.l1i_unified.entries != 0);

		if (g.entries != 0 && ideal)
			g = ideal_geometry;
		if (!unified)
			m2d_array_init(&tlb->array[i], arena, g);
	}
	init_unified_l1(tlb, M2D_ARR_L1D_4K,
			ideal && machine->tlb.l1d_unified.entries ? ideal_geometry
								  : machine->tlb.l1d_unified);
	init_unified_l1(tlb, M2D_ARR_L1I_4K,
			ideal && machine->tlb.l1i_unified.entries ? ideal_geometry
								  : machine->tlb.l1i_unified);
	init_shared_psc(tlb, M2D_ARR_PSC_PDE, &machine->psc);
	init_shared_psc(tlb, M2D_ARR_NPSC_PDE, &machine->npsc);
	tlb->n_splinters = m2d_arena_alloc(arena, sizeof(uint64_t), 8);
	m2d_ctx_init(&tlb->ctx, arena);
}

uint32_t m2d_tlb_ctx(M2dTlb *tlb, const M2dCtx *ctx, const uint32_t *keep)
{
	uint32_t id = m2d_ctx_find(&tlb->ctx, ctx);
	g_autofree bool *used = NULL;

	if (id == 0)
		id = m2d_ctx_add(&tlb->ctx, tlb->arena, ctx);
	if (id != 0)
		return id;
	tlb->ctx_epoch++;
	used = g_new0(bool, M2D_MAX_CTX);
	for (; keep != NULL && *keep != 0; keep++)
		used[*keep] = true;
	for (int a = 0; a < M2D_N_ARRAYS; a++)
		for (uint32_t s = 0; s < m2d_array_slots(&tlb->array[a]); s++)
			used[m2d_tag_ctx(tlb->array[a].tag[s])] = true;
	for (uint32_t i = 1; i < M2D_MAX_CTX; i++)
		if (!used[i])
			m2d_ctx_remove(&tlb->ctx, tlb->arena, i);
	id = m2d_ctx_add(&tlb->ctx, tlb->arena, ctx);
	if (id == 0) {
		/* Every context holds items: dropping all of them is what hardware may always do.
		 */
		M2dKill all = {.kinds = M2D_KINDS_ALL, .upper = M2D_UPPER_ALL};

		m2d_tlb_kill(tlb, &all);
		return m2d_tlb_ctx(tlb, ctx, keep);
	}
	return id;
}

/* Look for @va as a page of @size in array @id, under @ctx and then under @gctx. */
M2D_ALWAYS_INLINE M2dTlbSlot find_size(M2dTlb *tlb, M2dArrayId id, uint64_t va, M2dPageSize size,
				       uint32_t ctx, uint32_t gctx)
{
	const M2dArray *a = &tlb->array[id];
	unsigned shift = m2d_size_shift(size);
	uint32_t set = m2d_tlb_set_of(a, va, shift);
	int32_t slot;

	if (a->ways == 0 || a->n_class[size] == 0)
		return (M2dTlbSlot){-1, 0, 0};
	slot = m2d_array_find(a, set, m2d_tag(va, shift, size, ctx),
			      m2d_tag(va, shift, size, gctx));
	if (slot < 0)
		return (M2dTlbSlot){-1, 0, 0};
	m2d_array_touch(a, tlb->arena, set, (uint32_t)slot);
	return (M2dTlbSlot){(int8_t)id, set, (uint32_t)slot};
}

M2dTlbSlot m2d_tlb_find_l1(M2dTlb *tlb, uint64_t va, bool fetch, uint32_t ctx, uint32_t gctx)
{
	M2dArrayId first = fetch ? M2D_ARR_L1I_4K : M2D_ARR_L1D_4K;
	M2dTlbSlot s = {-1, 0, 0};

	for (int size = 0; size < M2D_N_SIZES && s.array < 0; size++)
		s = find_size(tlb, (M2dArrayId)(first + size), va, (M2dPageSize)size, ctx, gctx);
	return s;
}

/* Store an item in one array, in place of an older one of the same tag if there is one; @absent:
 * there is none. */
M2D_ALWAYS_INLINE M2dTlbSlot put(M2dTlb *tlb, M2dArrayId id, uint64_t va, unsigned shift,
				 uint64_t tag, uint64_t data, bool absent)
{
	const M2dArray *a = &tlb->array[id];
	uint32_t set = m2d_tlb_set_of(a, va, shift);
	int32_t slot;

	if (a->ways == 0)
		return (M2dTlbSlot){-1, 0, 0};
	slot = absent ? -1 : m2d_array_find(a, set, tag, tag);
	if (slot < 0)
		slot = (int32_t)m2d_array_victim(a, set);
	m2d_array_put(a, tlb->arena, set, (uint32_t)slot, tag, data);
	return (M2dTlbSlot){(int8_t)id, set, (uint32_t)slot};
}

static inline void tell_fill(const M2dTlb *tlb, M2dTlbSlot s)
{
	if (m2d_unlikely(tlb->watch != NULL) && s.array >= 0)
		tlb->watch->fill(tlb->watch->data, tlb->alias[s.array], s.slot);
}

static inline void tell_copy(const M2dTlb *tlb, M2dTlbSlot from, M2dTlbSlot to)
{
	if (m2d_unlikely(tlb->watch != NULL) && to.array >= 0)
		tlb->watch->copy(tlb->watch->data, tlb->alias[from.array], from.slot,
				 tlb->alias[to.array], to.slot);
}

static M2dTlbSlot put_l1(M2dTlb *tlb, uint64_t va, bool fetch, uint32_t ctx, uint64_t data,
			 bool absent)
{
	M2dPageSize size = m2d_item_esize(data);
	M2dArrayId first = fetch ? M2D_ARR_L1I_4K : M2D_ARR_L1D_4K;
	unsigned shift;

	/* A size without an array of its own is held as the piece that was accessed. */
	while (size > M2D_SIZE_4K && tlb->array[first + size].ways == 0) {
		size--;
		shift = m2d_size_shift(size);
		data |= va & m2d_low_mask(shift + 9) & ~m2d_low_mask(shift);
		data = (data & ~M2D_ITEM_ESIZE) | (uint64_t)size << M2D_ITEM_ESIZE_SHIFT;
	}
	shift = m2d_size_shift(size);
	if (m2d_item_gshift(data) > shift)
		m2d_set64(tlb->arena, tlb->n_splinters, *tlb->n_splinters + 1);
	return put(tlb, (M2dArrayId)(first + size), va, shift, m2d_tag(va, shift, size, ctx), data,
		   absent);
}

static M2dTlbSlot put_l2(M2dTlb *tlb, uint64_t va, uint32_t ctx, uint64_t data)
{
	M2dPageSize size = m2d_item_esize(data);
	M2dArrayId id = M2D_ARR_L2;
	unsigned shift;

	if (size == M2D_SIZE_1G) {
		if (tlb->machine->tlb.l2_1g_mode == M2D_L2_1G_NONE)
			return (M2dTlbSlot){-1, 0, 0};
		if (tlb->machine->tlb.l2_1g_mode == M2D_L2_1G_OWN)
			id = M2D_ARR_L2_1G;
		else
			size = M2D_SIZE_2M; /* the tag covers 2 MiB, the data still says 1 GiB */
	}
	shift = m2d_size_shift(size);
	if (m2d_item_gshift(data) > shift)
		m2d_set64(tlb->arena, tlb->n_splinters, *tlb->n_splinters + 1);
	return put(tlb, id, va, shift, m2d_tag(va, shift, size, ctx), data, false);
}

M2dTlbSlot m2d_tlb_find_l2(M2dTlb *tlb, uint64_t va, bool fetch, uint32_t ctx, uint32_t gctx,
			   M2dTlbSlot *l1)
{
	M2dTlbSlot s = find_size(tlb, M2D_ARR_L2, va, M2D_SIZE_4K, ctx, gctx);

	if (s.array < 0)
		s = find_size(tlb, M2D_ARR_L2, va, M2D_SIZE_2M, ctx, gctx);
	if (s.array < 0)
		s = find_size(tlb, M2D_ARR_L2_1G, va, M2D_SIZE_1G, ctx, gctx);
	if (s.array >= 0) {
		*l1 = put_l1(tlb, va, fetch, m2d_tag_ctx(m2d_tlb_tag(tlb, s)), m2d_tlb_data(tlb, s),
			     true);
		tell_copy(tlb, s, *l1);
	}
	return s;
}

M2dTlbSlot m2d_tlb_fill(M2dTlb *tlb, uint64_t va, bool fetch, uint32_t ctx, uint32_t gctx,
			uint64_t data)
{
	uint32_t c = data & M2D_ITEM_G ? gctx : ctx;
	M2dTlbSlot l1, l2;

	l2 = put_l2(tlb, va, c, data);
	tell_fill(tlb, l2);
	l1 = put_l1(tlb, va, fetch, c, data, false);
	if (l2.array >= 0)
		tell_copy(tlb, l2, l1);
	else
		tell_fill(tlb, l1);
	return l1;
}

const M2dTlbPlace m2d_tlb_places[M2D_TLB_PLACES] = {
	{M2D_ARR_L1D_4K, 0}, {M2D_ARR_L1D_2M, 1}, {M2D_ARR_L1D_1G, 2},
	{M2D_ARR_L1I_4K, 0}, {M2D_ARR_L1I_2M, 1}, {M2D_ARR_L1I_1G, 2},
	{M2D_ARR_L2, 0},     {M2D_ARR_L2, 1},     {M2D_ARR_L2_1G, 2},
};

void m2d_tlb_drop_va(M2dTlb *tlb, uint64_t va, uint32_t ctx, uint32_t gctx)
{
	for (size_t i = 0; i < M2D_TLB_PLACES; i++) {
		const M2dTlbPlace *p = &m2d_tlb_places[i];
		M2dTlbSlot s;

		do {
			s = find_size(tlb, (M2dArrayId)p->array, va, (M2dPageSize)p->size, ctx,
				      gctx);
			if (s.array < 0)
				break;
			m2d_tlb_forget_slot(tlb, (unsigned)s.array, s.slot);
		} while (s.array >= 0);
	}
}

M2dPscHit m2d_psc_find(M2dTlb *tlb, bool nested, uint64_t va, uint32_t ctx,
		       const uint8_t shifts[M2D_PSC_LEVELS])
{
	M2dArrayId first = nested ? M2D_ARR_NPSC_PDE : M2D_ARR_PSC_PDE;

	for (unsigned l = 0; l < M2D_PSC_LEVELS; l++) {
		M2dArrayId id = (M2dArrayId)(first + l);
		unsigned class = l;
		const M2dArray *a;
		uint32_t set;
		uint64_t tag;
		int32_t slot;

		if (shifts[l] == 0)
			continue;
		if (l == M2D_PSC_PDE && !nested && tlb->machine->tlb.l2_holds_pde) {
			id = M2D_ARR_L2;
			class = M2D_CLASS_PDE;
		}
		a = &tlb->array[id];
		if (a->ways == 0 || a->n_class[class] == 0)
			continue;
		set = m2d_tlb_set_of(a, va, shifts[l]);
		tag = m2d_tag(va, shifts[l], class, ctx);
		slot = m2d_array_find(a, set, tag, tag);
		if (slot < 0)
			continue;
		m2d_array_touch(a, tlb->arena, set, (uint32_t)slot);
		m2d_tlb_used(tlb, id, (uint32_t)slot);
		return (M2dPscHit){a->data[slot], (M2dPscLevel)l, true};
	}
	return (M2dPscHit){0, M2D_PSC_PDE, false};
}

void m2d_psc_fill(M2dTlb *tlb, bool nested, M2dPscLevel level, unsigned shift, uint64_t va,
		  uint32_t ctx, uint64_t data)
{
	M2dArrayId id = (M2dArrayId)((nested ? M2D_ARR_NPSC_PDE : M2D_ARR_PSC_PDE) + (int)level);
	unsigned class = level;

	if (level == M2D_PSC_PDE && !nested && tlb->machine->tlb.l2_holds_pde) {
		id = M2D_ARR_L2;
		class = M2D_CLASS_PDE;
	}
	data |= (uint64_t)shift << M2D_PSC_SHIFT_SHIFT;
	tell_fill(tlb, put(tlb, id, va, shift, m2d_tag(va, shift, class, ctx), data, false));
}

uint64_t m2d_ntlb_find(M2dTlb *tlb, uint64_t gpa, uint32_t ctx, uint32_t *found)
{
	for (int size = 0; size < M2D_N_SIZES; size++) {
		M2dTlbSlot s = find_size(tlb, M2D_ARR_NTLB, gpa, (M2dPageSize)size, ctx, ctx);

		if (s.array < 0)
			continue;
		*found = s.slot;
		return m2d_tlb_data(tlb, s);
	}
	return 0;
}

void m2d_ntlb_fill(M2dTlb *tlb, uint64_t gpa, uint32_t ctx, uint64_t data)
{
	M2dPageSize size = m2d_item_esize(data);
	unsigned shift = m2d_size_shift(size);

	tell_fill(tlb,
		  put(tlb, M2D_ARR_NTLB, gpa, shift, m2d_tag(gpa, shift, size, ctx), data, false));
}
