/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads of the second dimension that no linear address leads to. */
#pragma once

#include "sim/mmu/mmu.h"

/**
 * m2d_walker_read_pdpte: read the PDPTE at guest-physical @gpa for a load of the PDPTE registers.
 * With EPT it is a data read that sets no dirty bit (SDM "EPT and PAE Paging"). False: @out holds
 * the exit, with qualification bits 7 and 8 clear.
 */
bool m2d_walker_read_pdpte(M2dMmu *mmu, uint64_t gpa, uint64_t *value, M2dOutcome *out);
