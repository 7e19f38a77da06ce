/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/guest/guest.h"

void m2d_guest_format(M2dPteFormat *fmt, const M2dRegs *regs, M2dVendor vendor, unsigned maxphyaddr,
		      uint32_t features)
{
	M2dPteMode mode = {
		.pg = regs->cr0 & M2D_CR0_PG,
		.pae = regs->cr4 & M2D_CR4_PAE,
		.pse = regs->cr4 & M2D_CR4_PSE,
		.lma = regs->efer & M2D_EFER_LMA,
		.la57 = regs->cr4 & M2D_CR4_LA57,
		.nxe = regs->efer & M2D_EFER_NXE,
		.amd = vendor == M2D_VENDOR_AMD,
		.pse36 = features & M2D_FEAT_PSE36,
		.page_1g = features & M2D_FEAT_1G,
		.maxphyaddr = maxphyaddr,
	};

	m2d_pte_format(fmt, &mode);
}

void m2d_guest_policy(M2dGuestPolicy *p, const M2dRegs *regs)
{
	bool lma = regs->efer & M2D_EFER_LMA, pae = regs->cr4 & M2D_CR4_PAE;

	*p = (M2dGuestPolicy){
		.wp = regs->cr0 & M2D_CR0_WP,
		.smep = regs->cr4 & M2D_CR4_SMEP,
		.smap = regs->cr4 & M2D_CR4_SMAP,
		.ac = regs->ac,
		.nxe = (regs->efer & M2D_EFER_NXE) && pae,
		.pke = (regs->cr4 & M2D_CR4_PKE) && lma,
		.pks = (regs->cr4 & M2D_CR4_PKS) && lma,
		.pkru = regs->pkru,
		.pkrs = regs->pkrs,
	};
	p->fetch_code = p->smep || p->nxe;
}

uint64_t m2d_guest_root(const M2dPteFormat *fmt, const M2dRegs *regs, unsigned maxphyaddr)
{
	switch ((M2dPagingMode)fmt->mode) {
	case M2D_PAGING_NONE:
		return 0;
	case M2D_PAGING_32:
		return regs->cr3 & M2D_BITS(31, 12);
	case M2D_PAGING_PAE:
		return regs->cr3 & M2D_BITS(31, 5);
	case M2D_PAGING_4LEVEL:
	case M2D_PAGING_5LEVEL:
		break;
	}
	return regs->cr3 & m2d_low_mask(maxphyaddr) & M2D_BITS(51, 12);
}

/* True if the protection key of the page forbids the access. */
static bool key_forbids(const M2dGuestPolicy *p, const M2dGuestRights *r, M2dAccKind kind,
			bool user)
{
	uint32_t bits;

	if (kind == M2D_ACC_FETCH || !(r->u ? p->pke : p->pks))
		return false;
	bits = (r->u ? p->pkru : p->pkrs) >> (2 * r->key);
	if (bits & 1)
		return true;
	return (bits & 2) && kind == M2D_ACC_WRITE && (user || p->wp);
}

uint32_t m2d_guest_permission(const M2dGuestPolicy *p, const M2dGuestRights *r, M2dAccKind kind,
			      bool user, bool implicit)
{
	uint32_t code = m2d_guest_error_code(p, kind, user);
	bool bad;

	if (user) {
		bad = !r->u || (kind == M2D_ACC_WRITE && !r->w) ||
		      (kind == M2D_ACC_FETCH && p->nxe && !r->x);
	} else if (kind == M2D_ACC_FETCH) {
		bad = (p->nxe && !r->x) || (p->smep && r->u);
	} else {
		bad = (kind == M2D_ACC_WRITE && p->wp && !r->w) ||
		      (p->smap && r->u && (implicit || !p->ac));
	}
	if (key_forbids(p, r, kind, user)) {
		bad = true;
		code |= M2D_PFEC_PK;
	}
	return bad ? code | M2D_PFEC_P : 0;
}
