/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First dimension: what the paging registers mean for guest (and native) tables, and the
 * permission algorithm. The walk itself is in sim/mmu, since each of its reads is an access to
 * the second dimension.
 *
 * Not modelled: shadow stacks (CET), SGX, memory types.
 * Sources: SDM vol. 3 "Determination of Access Rights", "Page-Fault Exceptions"; APM vol. 2
 * "Page-Protection Checks", "Page-Fault Error Code".
 */
#pragma once

#include "sim/base/x86pte.h"
#include "sim/engine/machine.h"
#include "sim/engine/access.h"

/* Rights gathered on the way down: AND of R/W and U/S, OR of NX, key of the leaf. */
typedef struct {
	bool w, u, x;
	uint8_t key;
} M2dGuestRights;

/* Inputs of the permission check that do not depend on the access. */
typedef struct {
	bool wp, smep, smap, ac, nxe, pke, pks;
	bool fetch_code; /* error-code bit 4 is reported for fetches */
	uint32_t pkru, pkrs;
} M2dGuestPolicy;

/* m2d_guest_format: the format of the tables that @regs walk. */
void m2d_guest_format(M2dPteFormat *fmt, const M2dRegs *regs, M2dVendor vendor, unsigned maxphyaddr,
		      uint32_t features);
/* m2d_guest_policy: the registers as the permission check wants them. */
void m2d_guest_policy(M2dGuestPolicy *policy, const M2dRegs *regs);

/* m2d_guest_root: physical address of the top table (PAE: of the PDPT). */
uint64_t m2d_guest_root(const M2dPteFormat *fmt, const M2dRegs *regs, unsigned maxphyaddr);

/* m2d_guest_canonical: false if @va makes #GP before any walk. */
static inline bool m2d_guest_canonical(const M2dPteFormat *fmt, uint64_t va)
{
	unsigned shift = 64u - fmt->va_bits;

	if (fmt->va_bits <= 32)
		return true; /* 32-bit modes cannot express another address */
	return (uint64_t)((int64_t)(va << shift) >> shift) == va;
}

/* m2d_guest_error_code: the bits of #PF's error code that the access alone decides. */
static inline uint32_t m2d_guest_error_code(const M2dGuestPolicy *p, M2dAccKind kind, bool user)
{
	return (kind == M2D_ACC_WRITE ? M2D_PFEC_W : 0) | (user ? M2D_PFEC_U : 0) |
	       (kind == M2D_ACC_FETCH && p->fetch_code ? M2D_PFEC_ID : 0);
}

/**
 * m2d_guest_permission: check an access against the rights of a translation.
 * @user: CPL 3 and not implicit; @implicit: an implicit supervisor access
 * Returns 0 if permitted, else the #PF error code (P set).
 */
uint32_t m2d_guest_permission(const M2dGuestPolicy *policy, const M2dGuestRights *rights,
			      M2dAccKind kind, bool user, bool implicit);
