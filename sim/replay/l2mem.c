/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Placing goes by regions of 2 MiB, so that KVM finds neighbours of a page present as it would in
 * a running process. What the recorded hypervisor changes is looked at when the guest is entered
 * next: until then it has not promised anything.
 */
#include "sim/replay/l2mem.h"

#include "sim/kvm/drive.h"
#include "sim/npt/npt.h"
#include "sim/vm/hostmm.h"

#define REGION_SHIFT 9u /* of pages */
#define REGION_PAGES (1u << REGION_SHIFT)

struct _M2dL2mem {
	M2dVm *vm;
	uint64_t ncr3, hcr4, hefer;
	M2dNptConfig npt;
	GArray *regions;   /* of uint64_t: regions with a page placed, in order of need */
	GHashTable *known; /* the same, to be found */
	bool lost;         /* the tables may say less of a placed page, or another thing */
};

static void on_demand(M2dVm *vm, uint64_t page, void *data);

M2dL2mem *m2d_l2mem_new(M2dVm *vm)
{
	M2dL2mem *mem = g_new0(M2dL2mem, 1);

	mem->vm = vm;
	mem->regions = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	mem->known = g_hash_table_new(g_direct_hash, g_direct_equal);
	m2d_hostmm_on_demand(vm, on_demand, mem);
	return mem;
}

void m2d_l2mem_free(M2dL2mem *mem)
{
	if (mem == NULL)
		return;
	g_array_unref(mem->regions);
	g_hash_table_unref(mem->known);
	g_free(mem);
}

/* Walk for @gpa down to @level; false: nothing there. *@table: the table of that level, or of a
 * higher one if a large page comes before; *@level then says which. */
static bool walk(const M2dL2mem *mem, uint64_t gpa, unsigned *level, uint64_t *table)
{
	const M2dPteFormat *fmt = &mem->npt.fmt;
	uint64_t entry;

	*table = mem->npt.root;
	for (unsigned l = fmt->levels; l > *level; l--) {
		entry = m2d_space_read64(mem->vm->space,
					 M2D_HPA(*table + m2d_pte_index_offset(fmt, l, gpa)));
		switch (m2d_pte_classify(fmt, l, entry)) {
		case M2D_PTE_TABLE:
			*table = entry & fmt->frame_mask;
			break;
		case M2D_PTE_LEAF:
			*level = l;
			return true;
		default:
			return false;
		}
	}
	return true;
}

/* The page that entry @gpa of the table of @level maps; false: none. */
static bool leaf_at(const M2dL2mem *mem, uint64_t table, unsigned level, uint64_t gpa,
		    uint64_t *base)
{
	const M2dPteFormat *fmt = &mem->npt.fmt;
	uint64_t entry = m2d_space_read64(mem->vm->space,
					  M2D_HPA(table + m2d_pte_index_offset(fmt, level, gpa)));

	if (m2d_pte_classify(fmt, level, entry) != M2D_PTE_LEAF)
		return false;
	*base = m2d_pte_leaf_base(fmt, level, entry);
	return true;
}

/* Something below the table of @level that begins at @base lies at @gpa or above. */
static bool any_from(const M2dL2mem *mem, uint64_t table, unsigned level, uint64_t base,
		     uint64_t gpa)
{
	const M2dPteFormat *fmt = &mem->npt.fmt;
	unsigned shift = m2d_pte_shift(fmt, level);

	for (uint64_t i = 0; i < UINT64_C(1) << fmt->index_bits; i++) {
		uint64_t first = base + (i << shift), entry;

		if (first >= M2D_L2MEM_PAGES << M2D_PAGE_SHIFT)
			break;
		if (first + m2d_low_mask(shift) < gpa)
			continue;
		entry = m2d_space_read64(mem->vm->space, M2D_HPA(table + (i << fmt->entry_shift)));
		switch (m2d_pte_classify(fmt, level, entry)) {
		case M2D_PTE_LEAF:
			return true;
		case M2D_PTE_TABLE:
			if (first >= gpa ||
			    any_from(mem, entry & fmt->frame_mask, level - 1, first, gpa))
				return true;
			break;
		default:
			break;
		}
	}
	return false;
}

bool m2d_l2mem_has(const M2dL2mem *mem, uint64_t gpa)
{
	return any_from(mem, mem->npt.root, mem->npt.fmt.levels, 0, gpa);
}

/* Frame of @page by the recorded tables, given the lowest table of its region. */
static bool frame_at(const M2dL2mem *mem, uint64_t table, unsigned level, uint64_t page,
		     uint64_t *pfn)
{
	uint64_t gpa = page << M2D_PAGE_SHIFT, base, inside;

	if (!leaf_at(mem, table, level, gpa, &base))
		return false;
	inside = m2d_low_mask(m2d_pte_shift(&mem->npt.fmt, level));
	*pfn = (base | (gpa & inside)) >> M2D_PAGE_SHIFT;
	return true;
}

static void note_region(M2dL2mem *mem, uint64_t region)
{
	if (g_hash_table_add(mem->known, GSIZE_TO_POINTER(region)))
		g_array_append_val(mem->regions, region);
}

static void on_demand(M2dVm *vm, uint64_t page, void *data)
{
	M2dL2mem *mem = data;
	uint64_t region = page >> REGION_SHIFT, first = region << REGION_SHIFT, table, pfn, now;
	unsigned level = 1;

	if (mem->ncr3 == 0 || !walk(mem, first << M2D_PAGE_SHIFT, &level, &table) ||
	    !frame_at(mem, table, level, page, &pfn)) {
		/* Memory that the recorded guest did not have: KVM allocates, until it has. */
		mem->lost = true;
		note_region(mem, region);
		return;
	}
	note_region(mem, region);
	if (level > 1 && frame_at(mem, table, level, first, &pfn)) {
		m2d_hostmm_place_block(vm, first, pfn, M2D_SIZE_2M);
		return;
	}
	for (uint64_t p = first; p < first + REGION_PAGES; p++)
		if (!m2d_hostmm_peek(vm, p, &now, NULL) && frame_at(mem, table, level, p, &pfn))
			m2d_hostmm_place(vm, p, pfn);
}

void m2d_l2mem_wrote(M2dL2mem *mem, M2dHpa hpa, uint64_t value)
{
	uint64_t old = m2d_space_read64(mem->vm->space, hpa);

	/* Where the entry is in the tables, or whether it still is in any, does not matter: a look
	 * too many finds nothing. */
	if ((old & M2D_PTE_P) &&
	    (!(value & M2D_PTE_P) || ((old ^ value) & (mem->npt.fmt.frame_mask | M2D_PTE_PS)) != 0))
		mem->lost = true;
}

/* Take away what the tables say otherwise of; true: some page of the region is left. */
static bool check_region(M2dL2mem *mem, uint64_t region)
{
	uint64_t first = region << REGION_SHIFT, table = 0, start = 0, n = 0, pfn, now;
	unsigned level = 1;
	bool any = walk(mem, first << M2D_PAGE_SHIFT, &level, &table), left = false;

	for (uint64_t p = first; p <= first + REGION_PAGES; p++) {
		bool placed = p < first + REGION_PAGES && m2d_hostmm_peek(mem->vm, p, &now, NULL);

		if (placed && !(any && frame_at(mem, table, level, p, &pfn) && pfn == now)) {
			start = n++ == 0 ? p : start;
			continue;
		}
		left |= placed;
		if (n != 0)
			m2d_kvm_unmap_pages(mem->vm, start, n);
		n = 0;
	}
	return left;
}

void m2d_l2mem_enter(M2dL2mem *mem, uint64_t ncr3, uint64_t hcr4, uint64_t hefer)
{
	guint kept = 0;

	if (ncr3 != mem->ncr3 || hcr4 != mem->hcr4 || hefer != mem->hefer) {
		mem->ncr3 = ncr3;
		mem->hcr4 = hcr4;
		mem->hefer = hefer;
		m2d_npt_config(&mem->npt, ncr3, hcr4, hefer, mem->vm->machine->maxphyaddr,
			       M2D_FEAT_ALL);
		mem->lost = true;
	}
	if (!mem->lost)
		return;
	mem->lost = false;
	for (guint i = 0; i < mem->regions->len; i++) {
		uint64_t region = g_array_index(mem->regions, uint64_t, i);

		if (check_region(mem, region))
			g_array_index(mem->regions, uint64_t, kept++) = region;
		else
			g_hash_table_remove(mem->known, GSIZE_TO_POINTER(region));
	}
	g_array_set_size(mem->regions, kept);
}
