/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an SPTE is, and whether it may be so. */
#include "sim/spte/spte-state.h"

M2dSpteState m2d_spte_state(const M2dSpteFormat *f, uint64_t v, unsigned level)
{
	if (v == f->nonpresent)
		return M2D_SPTE_STATE_NONPRESENT;
	if (m2d_spte_is_frozen(f, v))
		return M2D_SPTE_STATE_FROZEN;
	if (m2d_spte_is_mmio(f, v))
		return M2D_SPTE_STATE_MMIO;
	if (!m2d_spte_is_present(f, v))
		return M2D_SPTE_STATE_BAD;
	return m2d_spte_is_last(v, level) ? M2D_SPTE_STATE_LEAF : M2D_SPTE_STATE_NONLEAF;
}

M2dSpteWrite m2d_spte_write_state(const M2dSpteFormat *f, uint64_t v)
{
	switch (m2d_spte_is_host_writable(f, v) << 2 | m2d_spte_is_mmu_writable(f, v) << 1 |
		m2d_spte_is_writable(v)) {
	case 7:
		return M2D_SPTE_WRITE_RW;
	case 6:
		return M2D_SPTE_WRITE_DL;
	case 4:
		return M2D_SPTE_WRITE_PT;
	case 0:
		return M2D_SPTE_WRITE_RO;
	default:
		return M2D_SPTE_WRITE_BAD;
	}
}

/* Address bits of @v that hardware reserves. */
static bool address_reserved(const M2dSpteFormat *f, uint64_t v)
{
	return v & f->addr & ~m2d_low_mask(f->maxphyaddr);
}

static const char *nonleaf_illegal(const M2dSpteFormat *f, uint64_t v)
{
	bool ad_disabled = !m2d_spte_ad_enabled(f, v);
	uint64_t want = m2d_spte_make_nonleaf(f, m2d_spte_pfn(f, v), ad_disabled) | f->accessed;

	if (address_reserved(f, v))
		return "table above MAXPHYADDR";
	if (ad_disabled && (v & f->accessed))
		return "A in a table link without A/D";
	if ((v | f->accessed) != want)
		return "table link with other bits than KVM sets";
	return NULL;
}

/* Types 2, 3 and 7 do not exist: a misconfiguration. */
static bool memtype_reserved(uint64_t v)
{
	unsigned mt = (v & M2D_SPTE_MT) >> 3;

	return mt == 2 || mt == 3 || mt == 7;
}

/* What only EPT leafs have: rights, present or put aside, memory type, A/D type. */
static const char *ept_illegal(const M2dSpteFormat *f, uint64_t v)
{
	bool tracked = m2d_spte_is_access_track(f, v);
	uint64_t rights = tracked ? (v & f->saved) >> f->saved_shift : v & f->acc_track;

	if (!tracked && (v & f->saved))
		return "saved rights beside rights";
	if (!rights)
		return tracked ? "access-tracked without saved rights" : "present without rights";
	/* Guest EPT entries that write are readable; else the fast page fault would make this. */
	if (!(rights & M2D_SPTE_R) && (v & (M2D_SPTE_W | f->mmu_writable)))
		return "W or MMU-writable without R, a misconfiguration";
	if (!(rights & M2D_SPTE_R) && (f->present & M2D_SPTE_R))
		return "X without R, a misconfiguration";
	if (tracked && (v & f->accessed))
		return "A in an access-tracked leaf";
	if (f->layout < M2D_SPTE_6_13 && !m2d_spte_ad_enabled(f, v) &&
	    (v & (f->accessed | f->dirty)))
		return "A or D in a leaf without A/D";
	if (memtype_reserved(v))
		return "reserved memory type";
	if (f->ad_wrprot && (v & f->ad_mask) == f->ad_mask)
		return "A/D type 3";
	return NULL;
}

static const char *leaf_illegal(const M2dSpteFormat *f, uint64_t v, unsigned level)
{
	uint64_t known = f->mmu_present | f->present | M2D_SPTE_R | M2D_SPTE_W | f->user | f->x |
			 f->nx | f->accessed | f->dirty | f->host_writable | f->mmu_writable |
			 f->ad_mask | f->saved | f->me | f->addr;
	uint64_t needed = f->present & ~f->acc_track;

	if (level > 3)
		return "leaf above level 3";
	if (level > 1)
		known |= M2D_SPTE_PS;
	if (f->kind == M2D_SPTE_EPT)
		known |= M2D_SPTE_MT | M2D_SPTE_IPAT;
	if (v & ~known)
		return "unknown bits";
	if (address_reserved(f, v))
		return "frame above MAXPHYADDR";
	if (m2d_spte_pfn(f, v) & m2d_low_mask(9 * (level - 1)))
		return "frame not aligned to its size";
	if ((v & needed) != needed)
		return f->kind == M2D_SPTE_EPT ? "suppress-#VE clear" : "P clear";
	if (m2d_spte_write_state(f, v) == M2D_SPTE_WRITE_BAD)
		return m2d_spte_is_host_writable(f, v) ? "W without MMU-writable"
						       : "writable without host-writable";
	return f->kind == M2D_SPTE_EPT ? ept_illegal(f, v) : NULL;
}

const char *m2d_spte_illegal(const M2dSpteFormat *f, uint64_t v, unsigned level)
{
	switch (m2d_spte_state(f, v, level)) {
	case M2D_SPTE_STATE_BAD:
		return "neither present nor MMIO nor empty";
	case M2D_SPTE_STATE_NONLEAF:
		return nonleaf_illegal(f, v);
	case M2D_SPTE_STATE_LEAF:
		return leaf_illegal(f, v, level);
	default:
		return NULL;
	}
}

bool m2d_spte_is_volatile(const M2dSpteFormat *f, uint64_t v, M2dSpteVolatile era)
{
	bool w = m2d_spte_is_writable(v), enabled = m2d_spte_ad_enabled(f, v);

	if (!m2d_spte_is_present(f, v))
		return false;
	/* The fast page fault may set W, */
	if (m2d_spte_is_mmu_writable(f, v) && (!w || era == M2D_SPTE_VOLATILE_OLD))
		return true;
	/* and give tracked rights back; aging may take them. */
	if (era >= M2D_SPTE_VOLATILE_6_15 ? !enabled : m2d_spte_is_access_track(f, v))
		return true;
	/* The processor may set D, and A. */
	if (enabled && w && !(v & f->dirty))
		return true;
	return enabled && era < M2D_SPTE_VOLATILE_6_13 && !(v & f->accessed);
}

bool m2d_spte_needs_flush(const M2dSpteFormat *f, uint64_t from, uint64_t to, M2dSpteFlush era)
{
	bool mmu_writable = m2d_spte_is_mmu_writable(f, from);

	/*
	 * A writable TLB entry may be left from before an earlier write-protection for dirty
	 * logging. MMU-writable tells, W doesn't.
	 */
	if (era >= M2D_SPTE_FLUSH_6_13)
		return mmu_writable && !m2d_spte_is_mmu_writable(f, to);
	return (mmu_writable && !m2d_spte_is_writable(to)) ||
	       (m2d_spte_is_accessed(f, from) && !m2d_spte_is_accessed(f, to)) ||
	       (m2d_spte_is_dirty(f, from) && !m2d_spte_is_dirty(f, to));
}

static bool access_allowed(const M2dSpteFormat *f, const M2dSpteFault *fault, uint64_t v)
{
	if (fault->exec)
		return m2d_spte_is_executable(f, v);
	if (fault->write)
		return m2d_spte_is_writable(v);
	return v & M2D_SPTE_R;
}

M2dSpteFast m2d_spte_fast_fault(const M2dSpteFormat *f, const M2dSpteFault *fault, uint64_t v,
				unsigned level, bool dirty_logged, uint64_t *to)
{
	uint64_t new = v;

	if (!m2d_spte_fault_can_be_fast(f, fault) || !m2d_spte_is_present(f, v) ||
	    !m2d_spte_is_last(v, level))
		return M2D_SPTE_FAST_NO;
	/* Another vCPU was faster, or the TLB was stale. */
	if (access_allowed(f, fault, v))
		return M2D_SPTE_FAST_SPURIOUS;
	if (m2d_spte_is_access_track(f, v)) {
		new = m2d_spte_restore_acc_track(f, v);
		if (f->layout >= M2D_SPTE_6_13)
			new |= f->accessed;
	}
	if (fault->write && m2d_spte_is_mmu_writable(f, v)) {
		if (level > 1 && dirty_logged)
			return M2D_SPTE_FAST_NO;
		new |= M2D_SPTE_W;
	}
	if (new == v || !access_allowed(f, fault, new))
		return M2D_SPTE_FAST_NO;
	*to = new;
	return M2D_SPTE_FAST_FIX;
}
