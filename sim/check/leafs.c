/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leaf SPTEs counted by the frame that they map, so that most questions need no look at SPTEs. */
#include "sim/check/check-private.h"

static uint16_t *writable_count(const M2dCheck *c, uint64_t pfn, unsigned level)
{
	uint64_t page = pfn >> (9 * (level - 1));

	return &c->s->writable[(page * 4 + level) * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}

bool m2d_maybe_writable(const M2dCheck *c, uint64_t pfn)
{
	for (unsigned level = 1; level <= 3; level++)
		if (*writable_count(c, pfn, level) != 0)
			return true;
	return false;
}

void m2d_count_leaf(M2dCheck *c, uint64_t spte, unsigned level, int by)
{
	uint16_t *writable;
	uint64_t i, n = UINT64_C(1) << (9 * (level - 1)), end;

	if (!m2d_spte_is_present(&c->vm->fmt, spte) || !m2d_spte_is_last(spte, level))
		return;
	if (m2d_spte_is_writable(spte)) {
		writable = writable_count(c, m2d_spte_pfn(&c->vm->fmt, spte), level);
		CHECK_PUT(c, *writable, *writable + by);
	}
	i = m2d_spte_pfn(&c->vm->fmt, spte) - c->vm->cfg.first_pfn;
	end = MIN(i + n, c->vm->cfg.n_pfns);
	if (c->vm->arena->journal == NULL)
		for (uint64_t k = i; k < end; k++)
			c->maps[k] = (uint16_t)(c->maps[k] + by);
	else
		for (uint64_t k = i; k < end; k++)
			CHECK_PUT(c, c->maps[k], c->maps[k] + by);
}
