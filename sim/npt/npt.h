/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMD second dimension: nested page tables in the format of the host's paging mode, and what a
 * nested page fault reports. One walk translates one guest-physical address.
 *
 * Not modelled: GMET, supervisor shadow stacks, ROGPT, SNP.
 * Sources: APM vol. 2 "Nested Paging": "Nested Table Walk", "Nested versus Guest Page Faults".
 */
#pragma once

#include "sim/base/x86pte.h"
#include "sim/engine/access.h"
#include "sim/engine/walklog.h"
#include "sim/mem/space.h"

/* EXITINFO1 of #VMEXIT(NPF). */
#define M2D_NPF_P     M2D_BIT(0)  /* the nested page was present */
#define M2D_NPF_RW    M2D_BIT(1)  /* nested access was a write (table walks always are) */
#define M2D_NPF_US    M2D_BIT(2)  /* always: nested accesses are user accesses */
#define M2D_NPF_RSV   M2D_BIT(3)  /* reserved bit set in a nested entry */
#define M2D_NPF_ID    M2D_BIT(4)  /* nested access was a fetch; if hEFER.NXE or hCR4.SMEP */
#define M2D_NPF_FINAL M2D_BIT(32) /* while translating the final guest-physical address */
#define M2D_NPF_TABLE M2D_BIT(33) /* while translating the address of a guest table */
_Static_assert(((M2D_NPF_P | M2D_NPF_RW | M2D_NPF_US | M2D_NPF_RSV | M2D_NPF_ID) &
		(M2D_NPF_FINAL | M2D_NPF_TABLE)) == 0,
	       "fault bits and place bits of EXITINFO1 do not overlap");

typedef struct {
	M2dPteFormat fmt;
	uint64_t root; /* HPA of the top table */
	bool nxe;
	bool report_fetch; /* EXITINFO1 bit 4 is reported */
} M2dNptConfig;

/* m2d_npt_config: nested walks under nCR3 @ncr3 with the host's CR4 and EFER. */
void m2d_npt_config(M2dNptConfig *cfg, uint64_t ncr3, uint64_t hcr4, uint64_t hefer,
		    unsigned maxphyaddr, uint32_t features);

/* m2d_npt_root_valid: false if @ncr3 has bits that must be zero (VMEXIT_INVALID). */
bool m2d_npt_root_valid(uint64_t ncr3, unsigned maxphyaddr);

/* m2d_npt_exitinfo1: report for a fault. @present, @reserved: as found; @final: last address. */
static inline uint64_t m2d_npt_exitinfo1(const M2dNptConfig *cfg, M2dAccKind kind, bool present,
					 bool reserved, bool final)
{
	return (present ? M2D_NPF_P : 0) | (kind == M2D_ACC_WRITE ? M2D_NPF_RW : 0) | M2D_NPF_US |
	       (reserved ? M2D_NPF_RSV : 0) |
	       (kind == M2D_ACC_FETCH && cfg->report_fetch ? M2D_NPF_ID : 0) |
	       (final ? M2D_NPF_FINAL : M2D_NPF_TABLE);
}
