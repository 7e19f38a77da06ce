/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/check/danger.h"

#include "sim/base/x86pte.h"
#include "sim/ept/ept.h"

#define X86_TYPE (M2D_BIT(3) | M2D_BIT(4)) /* PWT, PCD */
#define EPT_TYPE (M2D_BITS(5, 3) | M2D_BIT(6))
#define EPT_RWX  (M2D_EPT_R | M2D_EPT_W | M2D_EPT_X | M2D_EPT_XU)

static unsigned danger_ept(uint64_t old, uint64_t new, bool leaf)
{
	uint64_t lost = old & ~new, diff = old ^ new;
	unsigned r = 0;

	if (!(old & EPT_RWX))
		return 0;
	if (!(new &EPT_RWX) || (diff & (M2D_BITS(51, 12) | M2D_BIT(7))))
		r |= M2D_STALE_GONE;
	if ((lost & EPT_RWX) || (leaf && (diff & EPT_TYPE)))
		r |= M2D_STALE_RIGHT;
	if (lost & M2D_EPT_W)
		r |= M2D_STALE_WRITE;
	if (lost & M2D_EPT_A)
		r |= M2D_STALE_ACC;
	if (leaf && (lost & M2D_EPT_D))
		r |= M2D_STALE_DIRTY;
	return r;
}

unsigned m2d_danger(uint64_t old, uint64_t new, unsigned entry)
{
	bool leaf = entry & M2D_ENTRY_LEAF;
	uint64_t lost = old & ~new, diff = old ^ new;
	unsigned r = 0;

	if (entry & M2D_ENTRY_EPT)
		return danger_ept(old, new, leaf);
	if (!(old & M2D_PTE_P))
		return 0;
	if (!(new &M2D_PTE_P) || (diff & (M2D_BITS(51, 12) | M2D_PTE_PS)))
		r |= M2D_STALE_GONE;
	if ((lost & (M2D_PTE_RW | M2D_PTE_US)) || (diff & new &M2D_PTE_NX))
		r |= M2D_STALE_RIGHT;
	if (lost & M2D_PTE_RW)
		r |= M2D_STALE_WRITE;
	if (leaf && (diff & (M2D_PTE_G | X86_TYPE | UINT64_C(15) << M2D_PTE_KEY_SHIFT)))
		r |= M2D_STALE_RIGHT;
	if (lost & M2D_PTE_A)
		r |= M2D_STALE_ACC;
	if (leaf && (lost & M2D_PTE_D))
		r |= M2D_STALE_DIRTY;
	return r;
}
