/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel second dimension: EPT entries, misconfiguration against violation, and what an EPT
 * violation reports.
 *
 * Not modelled: #VE, sub-page permissions, supervisor shadow stacks, HLAT and paging-write.
 * Sources: SDM vol. 3 "The Extended Page Table Mechanism", "Exit Qualification for EPT
 * Violations".
 */
#pragma once

#include "sim/base/bits.h"
#include "sim/engine/access.h"
#include "sim/engine/walklog.h"
#include "sim/mem/space.h"

#define M2D_EPT_R    M2D_BIT(0)
#define M2D_EPT_W    M2D_BIT(1)
#define M2D_EPT_X    M2D_BIT(2)     /* with mode-based execute: supervisor-mode fetches */
#define M2D_EPT_MT   M2D_BITS(5, 3) /* memory type of a leaf: 0, 1, 4, 5 or 6 */
#define M2D_EPT_IPAT M2D_BIT(6)
#define M2D_EPT_PS   M2D_BIT(7)  /* maps a large page */
#define M2D_EPT_A    M2D_BIT(8)  /* if EPTP bit 6 */
#define M2D_EPT_D    M2D_BIT(9)  /* leaf, if EPTP bit 6 */
#define M2D_EPT_XU   M2D_BIT(10) /* with mode-based execute: user-mode fetches */
_Static_assert((M2D_EPT_R | M2D_EPT_W | M2D_EPT_X | M2D_EPT_MT | M2D_EPT_IPAT | M2D_EPT_PS |
		M2D_EPT_A | M2D_EPT_D | M2D_EPT_XU) == 0x7ff,
	       "EPT flag bits fill bits 10:0 without overlap");

/* Exit qualification of an EPT violation. */
#define M2D_EPTQ_READ   M2D_BIT(0)
#define M2D_EPTQ_WRITE  M2D_BIT(1)
#define M2D_EPTQ_FETCH  M2D_BIT(2)
#define M2D_EPTQ_RIGHTS 3 /* bits 5:3: AND of R, W, X over the entries used */
#define M2D_EPTQ_XU     M2D_BIT(6)
#define M2D_EPTQ_GLA    M2D_BIT(7)  /* the guest linear address is valid */
#define M2D_EPTQ_FINAL  M2D_BIT(8)  /* final translation, not a guest table */
#define M2D_EPTQ_USER   M2D_BIT(9)  /* advanced information: page is user, */
#define M2D_EPTQ_RW     M2D_BIT(10) /* writable, */
#define M2D_EPTQ_NX     M2D_BIT(11) /* not executable in the guest's tables */

typedef struct {
	uint64_t root;  /* HPA of the top table */
	uint8_t levels; /* 4 or 5 */
	bool ad, exec_only, page_2m, page_1g, mbec, adv_info, pml;
	uint64_t rsvd_table[6]; /* by level */
	uint64_t rsvd_leaf[6];
} M2dEptConfig;

/* m2d_ept_config: walks under @eptp; @controls: M2D_EPT_EXEC_ONLY and so on. */
void m2d_ept_config(M2dEptConfig *cfg, uint64_t eptp, uint32_t controls, unsigned maxphyaddr);

/* m2d_ept_eptp_valid: the checks of VM entry and INVEPT on an EPTP. */
bool m2d_ept_eptp_valid(uint64_t eptp, unsigned maxphyaddr);

/* m2d_ept_ep4ta: the part of @eptp that tags cached mappings: bits 51:12. */
static inline uint64_t m2d_ept_ep4ta(uint64_t eptp)
{
	return eptp & M2D_BITS(51, 12);
}

typedef enum {
	M2D_EPT_ENTRY_TABLE,
	M2D_EPT_ENTRY_LEAF,
	M2D_EPT_ENTRY_NOT_PRESENT,
	M2D_EPT_ENTRY_MISCONFIG,
} M2dEptClass;

/* m2d_ept_classify: what @entry, read at @level (1 = page table), is. */
static inline M2dEptClass m2d_ept_classify(const M2dEptConfig *cfg, unsigned level, uint64_t entry)
{
	bool leaf;

	if (!(entry & (M2D_EPT_R | M2D_EPT_W | M2D_EPT_X | (cfg->mbec ? M2D_EPT_XU : 0))))
		return M2D_EPT_ENTRY_NOT_PRESENT;
	if (!(entry & M2D_EPT_R) && ((entry & M2D_EPT_W) || !cfg->exec_only))
		return M2D_EPT_ENTRY_MISCONFIG;
	leaf = level == 1 || ((entry & M2D_EPT_PS) &&
			      ((level == 2 && cfg->page_2m) || (level == 3 && cfg->page_1g)));
	if (entry & (leaf ? cfg->rsvd_leaf[level] : cfg->rsvd_table[level]))
		return M2D_EPT_ENTRY_MISCONFIG;
	if (leaf) {
		unsigned mt = (entry & M2D_EPT_MT) >> 3;

		if (mt == 2 || mt == 3 || mt == 7)
			return M2D_EPT_ENTRY_MISCONFIG;
	}
	return leaf ? M2D_EPT_ENTRY_LEAF : M2D_EPT_ENTRY_TABLE;
}
