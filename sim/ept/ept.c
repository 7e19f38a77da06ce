/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/ept/ept.h"

#include <string.h>

void m2d_ept_config(M2dEptConfig *cfg, uint64_t eptp, uint32_t controls, unsigned maxphyaddr)
{
	uint64_t high = maxphyaddr < 52 ? M2D_BITS(51, maxphyaddr) : 0;

	memset(cfg, 0, sizeof(*cfg));
	cfg->root = eptp & m2d_low_mask(maxphyaddr) & M2D_BITS(51, 12);
	cfg->levels = (uint8_t)(((eptp >> 3) & 7) + 1);
	cfg->ad = eptp & M2D_EPTP_AD;
	cfg->exec_only = controls & M2D_EPT_EXEC_ONLY;
	cfg->page_2m = controls & M2D_EPT_2M;
	cfg->page_1g = controls & M2D_EPT_1G;
	cfg->mbec = controls & M2D_EPT_MBEC;
	cfg->adv_info = controls & M2D_EPT_ADV_INFO;
	cfg->pml = (controls & M2D_EPT_PML) && cfg->ad;
	for (unsigned l = 1; l <= 5; l++) {
		cfg->rsvd_leaf[l] = high;
		cfg->rsvd_table[l] = high | M2D_BITS(6, 3);
		if (l >= 4 || (l == 3 && !cfg->page_1g) || (l == 2 && !cfg->page_2m))
			cfg->rsvd_table[l] |= M2D_EPT_PS;
	}
	cfg->rsvd_leaf[2] |= M2D_BITS(20, 12);
	cfg->rsvd_leaf[3] |= M2D_BITS(29, 12);
}

bool m2d_ept_eptp_valid(uint64_t eptp, unsigned maxphyaddr)
{
	unsigned mt = eptp & 7, levels = ((eptp >> 3) & 7) + 1;

	return (mt == 0 || mt == 6) && (levels == 4 || levels == 5) &&
	       (eptp & M2D_BITS(11, 8)) == 0 && (eptp & ~m2d_low_mask(maxphyaddr)) == 0;
}
