/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/npt/npt.h"

void m2d_npt_config(M2dNptConfig *cfg, uint64_t ncr3, uint64_t hcr4, uint64_t hefer,
		    unsigned maxphyaddr, uint32_t features)
{
	M2dPteMode mode = {
		.pg = true, /* VMRUN with nested paging needs host paging */
		.pae = hcr4 & M2D_CR4_PAE,
		.pse = hcr4 & M2D_CR4_PSE,
		.lma = hefer & M2D_EFER_LMA,
		.la57 = hcr4 & M2D_CR4_LA57,
		.nxe = hefer & M2D_EFER_NXE,
		.amd = true,
		.pse36 = features & M2D_FEAT_PSE36,
		.page_1g = features & M2D_FEAT_1G,
		.maxphyaddr = maxphyaddr,
	};

	m2d_pte_format(&cfg->fmt, &mode);
	cfg->nxe = mode.nxe && mode.pae;
	cfg->report_fetch = cfg->nxe || (hcr4 & M2D_CR4_SMEP);
	if (!mode.pae)
		cfg->root = ncr3 & M2D_BITS(31, 12);
	else if (!mode.lma)
		cfg->root = ncr3 & M2D_BITS(31, 5);
	else
		cfg->root = ncr3 & m2d_low_mask(maxphyaddr) & M2D_BITS(51, 12);
}

bool m2d_npt_root_valid(uint64_t ncr3, unsigned maxphyaddr)
{
	return (ncr3 & ~m2d_low_mask(maxphyaddr)) == 0;
}
