/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/replay/tables.h"

#define ADDRESS M2D_BITS(51, 12)

/* A number in [0, 1) that belongs to region @region of the address space alone. */
static double region_unit(uint64_t seed, uint64_t region)
{
	return (double)(m2d_mix64(m2d_mix64(seed) ^ m2d_mix64(region + 1)) >> 11) * 0x1.0p-53;
}

M2dPageSize m2d_page_shares_size(const M2dPageShares *s, uint64_t addr)
{
	/* Both draws differ in the seed, so that region 0 of either size is independent. */
	if (s->share_1g > 0 && region_unit(2 * s->seed, addr >> 30) < s->share_1g)
		return M2D_SIZE_1G;
	if (s->share_2m > 0 &&
	    region_unit(2 * s->seed + 1, addr >> 21) * (1 - s->share_1g) < s->share_2m)
		return M2D_SIZE_2M;
	return M2D_SIZE_4K;
}

static unsigned level_shift(const M2dTables *t, unsigned level)
{
	return M2D_PAGE_SHIFT + t->index_bits * (level - 1u);
}

/* HPA of the entry for @va in @table. */
static bool entry_locate(const M2dTables *t, uint64_t table, unsigned level, uint64_t va,
			 M2dHpa *hpa)
{
	uint64_t index = (va >> level_shift(t, level)) & m2d_low_mask(t->index_bits);
	uint64_t pa = table + (index << t->entry_shift);

	if (t->locate != NULL)
		return t->locate(t->data, pa, hpa);
	*hpa = M2D_HPA(pa);
	return true;
}

bool m2d_tables_read_entry(const M2dTables *t, uint64_t table, unsigned level, uint64_t va,
			   uint64_t *entry)
{
	M2dHpa hpa;

	if (!entry_locate(t, table, level, va, &hpa))
		return false;
	*entry = t->entry_shift == 3 ? m2d_space_read64(t->space, hpa)
				     : m2d_space_read32(t->space, hpa);
	return true;
}

bool m2d_tables_write_entry(const M2dTables *t, uint64_t table, unsigned level, uint64_t va,
			    uint64_t entry)
{
	M2dHpa hpa;

	if (!entry_locate(t, table, level, va, &hpa))
		return false;
	if (t->entry_shift == 3)
		m2d_space_write64(t->space, hpa, entry);
	else
		m2d_space_write32(t->space, hpa, (uint32_t)entry);
	return true;
}

bool m2d_tables_new_table(const M2dTables *t, uint64_t *pa)
{
	uint64_t pfn;

	if (!m2d_falloc_take(t->frames, M2D_SIZE_4K, &pfn))
		return false;
	*pa = pfn << M2D_PAGE_SHIFT;
	return true;
}

/* True if @entry, read at @level, maps a page. */
static bool is_leaf(const M2dTables *t, unsigned level, uint64_t entry)
{
	return level == 1 || (entry & t->large) != 0;
}

static void page_set(const M2dTables *t, unsigned level, uint64_t va, uint64_t entry,
		     M2dTablesPage *page)
{
	uint64_t offset = m2d_low_mask(level_shift(t, level));

	page->size = (M2dPageSize)(level - 1);
	page->pa = (entry & ADDRESS & ~offset) | (va & offset);
	page->entry = entry;
}

bool m2d_tables_find(const M2dTables *t, uint64_t root, uint64_t va, M2dTablesPage *page)
{
	uint64_t table = root, entry;

	for (unsigned level = t->levels; level >= 1; level--) {
		if (!m2d_tables_read_entry(t, table, level, va, &entry) ||
		    (entry & t->present) == 0)
			return false;
		if (is_leaf(t, level, entry)) {
			page_set(t, level, va, entry, page);
			return true;
		}
		table = entry & ADDRESS;
	}
	return false;
}

/* An entry that maps a page, or leads to a new table; false if memory is full. */
static bool entry_make(const M2dTables *t, unsigned level, M2dPageSize *size,
		       const M2dTableBits *bits, uint64_t *entry)
{
	uint64_t pfn, table;

	while (level <= (unsigned)*size + 1) {
		if (m2d_falloc_take(t->frames, *size, &pfn)) {
			*entry = (pfn << M2D_PAGE_SHIFT) | bits->leaf | (level > 1 ? t->large : 0);
			return true;
		}
		if (*size == M2D_SIZE_4K)
			return false;
		--*size; /* no block is left: the next smaller size serves */
	}
	if (!m2d_tables_new_table(t, &table))
		return false;
	*entry = table | bits->table;
	return true;
}

M2dTablesResult m2d_tables_map(const M2dTables *t, uint64_t root, uint64_t va,
			       const M2dTableBits *bits, const M2dPageShares *shares,
			       M2dTablesPage *page)
{
	M2dPageSize size = m2d_page_shares_size(shares, va);
	M2dTablesResult result = M2D_TABLES_PRESENT;
	uint64_t table = root, entry;

	for (unsigned level = t->levels; level >= 1; level--) {
		if (!m2d_tables_read_entry(t, table, level, va, &entry))
			return M2D_TABLES_NO_MEMORY;
		if ((entry & t->present) == 0) {
			if (!entry_make(t, level, &size, bits, &entry) ||
			    !m2d_tables_write_entry(t, table, level, va, entry))
				return M2D_TABLES_NO_MEMORY;
			result = M2D_TABLES_MAPPED;
		}
		if (is_leaf(t, level, entry)) {
			page_set(t, level, va, entry, page);
			return result;
		}
		table = entry & ADDRESS;
		if (level <= (unsigned)size + 1)
			size = (M2dPageSize)(level - 2);
	}
	g_assert_not_reached();
}
