/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the reference walker share: the state of a walk, bit fields, entry formats. */
#pragma once

#include "tests/ref/refwalk.h"

/* The linear address of the access, so far as it has been translated. */
typedef struct {
	RefCpu *cpu;
	const RefMemory *mem;
	RefResult *res;
	M2dAccKind kind;
	bool user; /* judged as CPL 3 */
	bool implicit;
	uint64_t la;
	/* What the guest's entries said together. */
	bool rw, us, nx;
	unsigned key;
	uint64_t gpa;
	unsigned guest_shift; /* of the guest page; 64 with paging off */
	/* Result of the last nested walk. */
	uint64_t hpa;
	unsigned nested_shift; /* 64 in one dimension */
	bool ept_r, ept_w, ept_x, ept_ux;
} RefWalk;

static inline bool ref_bit(uint64_t v, unsigned n)
{
	return (v >> n) & 1;
}

/* Bits @hi..@lo of @v in their place; none if @hi < @lo. */
static inline uint64_t ref_field(uint64_t v, int hi, int lo)
{
	uint64_t r = 0;

	for (int i = lo; i <= hi; i++)
		r |= v & (UINT64_C(1) << i);
	return r;
}

/* Bits @hi..@lo of @v as a number. */
static inline uint64_t ref_number(uint64_t v, int hi, int lo)
{
	return ref_field(v, hi, lo) >> lo;
}

static inline bool ref_long_mode(const M2dRegs *r)
{
	return (r->efer & M2D_EFER_LMA) != 0;
}

/* ref_read_entry: read, count and note down one table entry. */
uint64_t ref_read_entry(RefWalk *w, bool nested, unsigned level, uint64_t input, uint64_t gpa,
			uint64_t pa, unsigned size);
/* ref_or_entry: a locked OR: nothing another update of the same word put there is lost. */
void ref_or_entry(RefWalk *w, uint64_t pa, unsigned size, uint64_t bits);

/**
 * ref_npt_translate, ref_ept_translate: take @gpa through the second dimension.
 * @final: the page that is accessed, as @kind; else a guest table, @kind is ignored
 * Returns true with w->hpa and w->nested_shift, or false with the exit in w->res->out.
 */
bool ref_npt_translate(RefWalk *w, uint64_t gpa, M2dAccKind kind, bool final);
bool ref_ept_translate(RefWalk *w, uint64_t gpa, M2dAccKind kind, bool final);
/* ref_ept_violation: @access_bits: qualification bits 2:0; @complete: w->ept_* hold. */
bool ref_ept_violation(RefWalk *w, uint64_t gpa, bool final, unsigned access_bits, bool complete);

/* Does present entry @e of a 4- or 5-level table have a reserved bit set? */
static inline bool ref_long_reserved(uint64_t e, unsigned level, unsigned maxphyaddr, bool nxe,
				     uint32_t features, bool amd)
{
	if (ref_field(e, 51, (int)maxphyaddr) != 0)
		return true;
	if (ref_bit(e, 63) && !nxe)
		return true;
	if (level >= 4)
		return ref_bit(e, 7) || (amd && ref_bit(e, 8));
	if (level == 3 && ref_bit(e, 7))
		return !(features & M2D_FEAT_1G) || ref_field(e, 29, 13) != 0;
	if (level == 2 && ref_bit(e, 7))
		return ref_field(e, 20, 13) != 0;
	return false;
}

/* The same for a PDE (@level 2) or PTE of PAE paging. */
static inline bool ref_pae_reserved(uint64_t e, unsigned level, unsigned maxphyaddr, bool nxe)
{
	if (ref_field(e, 62, (int)maxphyaddr) != 0)
		return true;
	if (ref_bit(e, 63) && !nxe)
		return true;
	return level == 2 && ref_bit(e, 7) && ref_field(e, 20, 13) != 0;
}

/* The same for a PDPTE of PAE paging that is read from memory. */
static inline bool ref_pdpte_reserved(uint64_t e, unsigned maxphyaddr)
{
	return ref_field(e, 63, (int)maxphyaddr) != 0 || ref_field(e, 2, 1) != 0 ||
	       ref_field(e, 8, 5) != 0;
}

/* The same for a PDE of 32-bit paging that maps 4 MiB: with PSE-36 its bits 20:13 are physical
 * address bits 39:32, as far as the processor has those. */
static inline bool ref_pde4m_reserved(uint64_t e, unsigned maxphyaddr, uint32_t features)
{
	int lo = 13;

	if (features & M2D_FEAT_PSE36)
		lo = (int)(maxphyaddr < 40 ? maxphyaddr : 40) - 19;
	return ref_field(e, 21, lo) != 0;
}

static inline uint64_t ref_pde4m_address(uint64_t e, uint64_t va)
{
	return ref_number(e, 20, 13) << 32 | ref_field(e, 31, 22) | ref_field(va, 21, 0);
}
