/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/base/x86pte.h"

#include <string.h>

static void format_32(M2dPteFormat *fmt, const M2dPteMode *mode)
{
	fmt->mode = M2D_PAGING_32;
	fmt->levels = 2;
	fmt->index_bits = 10;
	fmt->entry_shift = 2;
	fmt->va_bits = 32;
	fmt->frame_mask = M2D_BITS(31, 12);
	if (!mode->pse)
		return; /* PS is ignored and nothing is reserved */
	fmt->leaf_levels = 1u << 2;
	if (mode->pse36) {
		unsigned m = mode->maxphyaddr < 40 ? mode->maxphyaddr : 40;

		fmt->rsvd_leaf[2] = M2D_BITS(21, m - 19);
	} else {
		fmt->rsvd_leaf[2] = M2D_BITS(21, 13);
	}
}

void m2d_pte_format(M2dPteFormat *fmt, const M2dPteMode *mode)
{
	uint64_t high, nx;

	memset(fmt, 0, sizeof(*fmt));
	if (!mode->pg)
		return;
	if (!mode->pae) {
		format_32(fmt, mode);
		return;
	}
	fmt->index_bits = 9;
	fmt->entry_shift = 3;
	fmt->frame_mask = M2D_BITS(51, 12);
	fmt->leaf_levels = 1u << 2;
	high = mode->maxphyaddr < 52 ? M2D_BITS(51, mode->maxphyaddr) : 0;
	nx = mode->nxe ? 0 : M2D_PTE_NX;
	for (unsigned l = 1; l <= M2D_MAX_LEVELS; l++)
		fmt->rsvd_table[l] = fmt->rsvd_leaf[l] = high | nx;
	fmt->rsvd_leaf[2] |= M2D_BITS(20, 13);
	if (!mode->lma) {
		fmt->mode = M2D_PAGING_PAE;
		fmt->levels = 3;
		fmt->va_bits = 32;
		fmt->pdpte_level = 3;
		for (unsigned l = 1; l <= 2; l++) {
			fmt->rsvd_table[l] |= M2D_BITS(62, 52);
			fmt->rsvd_leaf[l] |= M2D_BITS(62, 52);
		}
		fmt->rsvd_table[3] = high | M2D_BITS(63, 52) | M2D_BITS(2, 1) | M2D_BITS(8, 5);
		return;
	}
	fmt->mode = mode->la57 ? M2D_PAGING_5LEVEL : M2D_PAGING_4LEVEL;
	fmt->levels = mode->la57 ? 5 : 4;
	fmt->va_bits = mode->la57 ? 57 : 48;
	if (mode->page_1g) {
		fmt->leaf_levels |= 1u << 3;
		fmt->rsvd_leaf[3] |= M2D_BITS(29, 13);
	} else {
		fmt->rsvd_table[3] |= M2D_PTE_PS;
	}
	for (unsigned l = 4; l <= 5; l++)
		fmt->rsvd_table[l] |= M2D_PTE_PS | (mode->amd ? M2D_PTE_G : 0);
}
