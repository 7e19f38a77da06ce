/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SPTEs: the entries of the page tables that KVM owns, bit for bit, in every layout KVM had
 * from 4.19 on. A format is made once per MMU kind and read-only from then on; it knows nothing of
 * VMs, memslots or shadow pages, so that the shadow MMU, the TDP MMU and the checker share it.
 *
 * Leaf entries carry three write bits. Legal are 111 writable; 110 write-protected for dirty
 * logging; 100 write-protected because the gfn holds a shadowed guest table; 000 read-only for the
 * host (host-writable, MMU-writable, W; INV-WP-3).
 *
 * Not modelled: PAE roots (their PDPTEs are no SPTEs), 32-bit hosts, MMIO without caching, the
 * per-VM MMIO marker of TDX. Sources: arch/x86/kvm/mmu/spte.[ch], before 5.10 mmu.c, in the release
 * that names the layout; SDM vol. 3 "The Extended Page Table Mechanism", APM vol. 2 "Nested
 * Paging".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/base/bits.h"

typedef enum {
	M2D_SPTE_PT,  /* shadow paging in 64-bit and PAE format, and NPT: the same bits */
	M2D_SPTE_EPT, /* EPT, also nested EPT */
} M2dSpteKind;

/* Releases that changed the layout; each holds until the next one. */
typedef enum {
	M2D_SPTE_4_19, /* bit 62 "special"; MMIO generation of 20 bits */
	M2D_SPTE_5_4,  /* two type bits 53:52, which the MMIO generation overlaps (fixed in 5.6) */
	M2D_SPTE_5_10, /* MMIO generation of 18 bits that spares the type; also 5.6 to 5.12 */
	M2D_SPTE_5_14, /* MMU-present bit 11; EPT's write bits move up; also 5.13 to 6.9 */
	M2D_SPTE_6_12, /* suppress-#VE in every EPT entry and in the non-present value; from 6.10 */
	M2D_SPTE_6_13, /* A and D are software state of EPT without hardware A/D */
	M2D_SPTE_N_LAYOUTS,
} M2dSpteLayout;

/* How accesses and writes to a page are noticed (role.ad_disabled and PML decide). */
typedef enum {
	M2D_SPTE_AD_ENABLED,     /* hardware sets A and D */
	M2D_SPTE_AD_DISABLED,    /* A by removing all rights, D by write-protection */
	M2D_SPTE_AD_WRPROT_ONLY, /* hardware sets A and D, but L2's writes must trap: PML logs GPAs
				  */
} M2dSpteAdType;

/* Rights as in KVM's ACC_*. In EPT the user right is the right to read (bit 0). */
#define M2D_SPTE_ACC_EXEC  1
#define M2D_SPTE_ACC_WRITE 2
#define M2D_SPTE_ACC_USER  4
#define M2D_SPTE_ACC_READ  M2D_SPTE_ACC_USER /* under EPT */
#define M2D_SPTE_ACC_ALL   7

#define M2D_SPTE_R M2D_BIT(0) /* EPT: readable; otherwise P: what a read needs */
#define M2D_SPTE_W M2D_BIT(1) /* in every format */
#define M2D_SPTE_X M2D_BIT(2) /* EPT only */
/* Leaf above level 1. At level 1 hardware has PAT there, which KVM leaves clear. */
#define M2D_SPTE_PS M2D_BIT(7)
/* EPT leaf: memory type and ignore-PAT. NPT and shadow paging leave both to the guest's PAT. */
#define M2D_SPTE_MT   M2D_BITS(5, 3)
#define M2D_SPTE_IPAT M2D_BIT(6)
#define M2D_SPTE_ADDR M2D_BITS(51, 12)

typedef struct {
	M2dSpteKind kind;
	M2dSpteLayout layout;
	uint8_t maxphyaddr; /* 32 to 52 */
	/*
	 * Physical address bits the L1 data cache looks at, if the processor has L1TF: the five
	 * highest are set in every MMIO SPTE so that speculation misses the cache. 0: not needed.
	 * Before 5.8 KVM did so on every processor with fewer than 47 bits.
	 */
	uint8_t l1tf_bits;
	bool ad;          /* hardware A/D; only EPT may lack it */
	bool exec_only;   /* EPT may hold entries that cannot be read */
	uint64_t me_mask; /* SME C-bit, set in tables and in leafs that map RAM */
} M2dSpteConfig;

/* What m2d_spte_format() computes; masks are 0 where the layout has no such bit. */
typedef struct {
	M2dSpteKind kind;
	M2dSpteLayout layout;
	bool ad;            /* kvm_ad_enabled */
	uint8_t maxphyaddr; /* addresses above are reserved */
	/* Hardware's bits. */
	uint64_t present;         /* set in every present entry */
	uint64_t user, x, nx;     /* exec is x set and nx clear; one of the two is 0 */
	uint64_t accessed, dirty; /* before 6.13: 0 for EPT without hardware A/D */
	uint64_t me;
	uint64_t addr; /* the frame, without me */
	/* Software's bits. */
	uint64_t mmu_present;
	uint64_t host_writable, mmu_writable;
	uint64_t ad_mask, ad_disabled, ad_wrprot; /* the A/D type and two of its values */
	uint64_t acc_track;                       /* bits removed to notice an access */
	uint64_t saved;                           /* where R and X are kept meanwhile, */
	uint8_t saved_shift;                      /* and how far up */
	/* Whole values. */
	uint64_t nonpresent, frozen; /* frozen 0: the layout has none */
	/* MMIO SPTEs. */
	uint64_t mmio_value, mmio_mask, mmio_access;
	uint64_t gen_low, gen_high; /* the bits of the generation, in two parts */
	uint8_t gen_low_shift, gen_high_shift;
	uint64_t gen_mask;           /* the part of the memslot generation that is compared */
	uint64_t l1tf, l1tf_low_gfn; /* bits forced to 1; address bits below them */
} M2dSpteFormat;

#define M2D_SPTE_L1TF_LEN 5 /* bits in the L1TF mask, and how far the address under it moves up */

/* m2d_spte_format: fill @f for @cfg. A config out of range is our own bug. */
void m2d_spte_format(M2dSpteFormat *f, const M2dSpteConfig *cfg);

/* m2d_spte_layout_name: "5.14" and so on. */
const char *m2d_spte_layout_name(M2dSpteLayout layout);

/* --- Predicates. Those on a present SPTE may be asked of no other. --- */

static inline bool m2d_spte_is_mmio(const M2dSpteFormat *f, uint64_t v)
{
	return f->mmio_value && (v & f->mmio_mask) == (f->mmio_value & f->mmio_mask);
}

static inline bool m2d_spte_is_frozen(const M2dSpteFormat *f, uint64_t v)
{
	return f->frozen && v == f->frozen;
}

/* Backed by memory as KVM sees it; an access-tracked SPTE is present, to hardware it is not. */
static inline bool m2d_spte_is_present(const M2dSpteFormat *f, uint64_t v)
{
	if (f->mmu_present)
		return v & f->mmu_present;
	return v && !m2d_spte_is_mmio(f, v) && !m2d_spte_is_frozen(f, v);
}

static inline bool m2d_spte_is_large(uint64_t v)
{
	return v & M2D_SPTE_PS;
}

static inline bool m2d_spte_is_last(uint64_t v, unsigned level)
{
	return level == 1 || m2d_spte_is_large(v);
}

static inline uint64_t m2d_spte_pfn(const M2dSpteFormat *f, uint64_t v)
{
	return (v & f->addr) >> 12;
}

static inline bool m2d_spte_is_writable(uint64_t v)
{
	return v & M2D_SPTE_W;
}

static inline bool m2d_spte_is_mmu_writable(const M2dSpteFormat *f, uint64_t v)
{
	return v & f->mmu_writable;
}

static inline bool m2d_spte_is_host_writable(const M2dSpteFormat *f, uint64_t v)
{
	return v & f->host_writable;
}

static inline bool m2d_spte_is_executable(const M2dSpteFormat *f, uint64_t v)
{
	return (v & (f->x | f->nx)) == f->x;
}

/* Under EPT: readable. */
static inline bool m2d_spte_is_user(const M2dSpteFormat *f, uint64_t v)
{
	return v & f->user;
}

static inline M2dSpteAdType m2d_spte_ad_type(const M2dSpteFormat *f, uint64_t v)
{
	if (f->ad_disabled && (v & f->ad_mask) == f->ad_disabled)
		return M2D_SPTE_AD_DISABLED;
	return v & f->ad_wrprot ? M2D_SPTE_AD_WRPROT_ONLY : M2D_SPTE_AD_ENABLED;
}

static inline bool m2d_spte_ad_enabled(const M2dSpteFormat *f, uint64_t v)
{
	return m2d_spte_ad_type(f, v) != M2D_SPTE_AD_DISABLED;
}

/* Dirty logging must write-protect instead of clearing D. */
static inline bool m2d_spte_ad_need_write_protect(const M2dSpteFormat *f, uint64_t v)
{
	return v & f->ad_mask;
}

static inline bool m2d_spte_is_access_track(const M2dSpteFormat *f, uint64_t v)
{
	return !m2d_spte_ad_enabled(f, v) && !(v & f->acc_track);
}

static inline bool m2d_spte_is_accessed(const M2dSpteFormat *f, uint64_t v)
{
	if (f->layout >= M2D_SPTE_6_13 || (f->accessed && m2d_spte_ad_enabled(f, v)))
		return v & f->accessed;
	return !m2d_spte_is_access_track(f, v);
}

/* May have been written to. Before 6.13, without a D bit, whatever is writable counts. */
static inline bool m2d_spte_is_dirty(const M2dSpteFormat *f, uint64_t v)
{
	if (f->layout >= M2D_SPTE_6_13 || (f->dirty && m2d_spte_ad_enabled(f, v)))
		return v & f->dirty;
	return m2d_spte_is_writable(v);
}

/* m2d_spte_access: the rights of a present SPTE as M2D_SPTE_ACC_*; none while it is access-tracked.
 */
static inline unsigned m2d_spte_access(const M2dSpteFormat *f, uint64_t v)
{
	return (m2d_spte_is_executable(f, v) ? M2D_SPTE_ACC_EXEC : 0) |
	       (m2d_spte_is_writable(v) ? M2D_SPTE_ACC_WRITE : 0) |
	       (m2d_spte_is_user(f, v) ? M2D_SPTE_ACC_USER : 0);
}

/* --- Constructors. --- */

/* What the caller decided about a leaf; this layer asks nobody. */
typedef struct {
	uint64_t pfn;
	uint8_t level;   /* 1 to 3 */
	uint8_t access;  /* M2D_SPTE_ACC_* of the table and of the guest's entry */
	uint8_t memtype; /* EPT: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB */
	bool ipat;       /* EPT: ignore the guest's PAT */
	M2dSpteAdType ad;
	bool host_writable; /* the memslot and the host's mapping allow writes */
	bool mmu_writable;  /* no shadowed table forbids them (the unsync succeeded) */
	bool can_dirty;     /* a writable leaf starts dirty */
	bool prefetch;      /* nobody accessed it yet: A clear or access-tracked */
	bool nx_huge;       /* the iTLB multihit mitigation: no X above level 1 */
	bool device;        /* host MMIO behind it: not encrypted */
} M2dSpteLeaf;

/*
 * m2d_spte_make_leaf: the SPTE for @in. Writable only if access, host_writable and mmu_writable all
 * say so; MMU-writable goes with it. 4.19 has no write-protect-only type and takes it for enabled.
 */
uint64_t m2d_spte_make_leaf(const M2dSpteFormat *f, const M2dSpteLeaf *in);

/* m2d_spte_make_nonleaf: the SPTE for a table: all rights, since the table's entries decide. */
uint64_t m2d_spte_make_nonleaf(const M2dSpteFormat *f, uint64_t child_pfn, bool ad_disabled);

/* m2d_spte_can_mmio: whether the format has MMIO SPTEs: no without a reserved address bit. */
static inline bool m2d_spte_can_mmio(const M2dSpteFormat *f)
{
	return f->mmio_value;
}

/* m2d_spte_make_mmio: emulate accesses to @gfn, as long as the memslots are of @generation. */
uint64_t m2d_spte_make_mmio(const M2dSpteFormat *f, uint64_t gfn, unsigned access,
			    uint64_t generation);
uint64_t m2d_spte_mmio_gfn(const M2dSpteFormat *f, uint64_t v);
unsigned m2d_spte_mmio_access(const M2dSpteFormat *f, uint64_t v);
uint64_t m2d_spte_mmio_generation(const M2dSpteFormat *f, uint64_t v);

/* The part of the memslots' @generation that an MMIO SPTE can match. */
static inline uint64_t m2d_spte_mmio_gen_mask(const M2dSpteFormat *f, uint64_t generation)
{
	return generation & f->gen_mask;
}

/*
 * m2d_spte_mark_for_access_track: note that the leaf was not accessed since: clear A, or, without
 * A/D, take away all rights and keep R and X aside. W is not kept: the next write must be noticed,
 * and MMU-writable remembers that it may be given back (INV-TRK-1).
 */
uint64_t m2d_spte_mark_for_access_track(const M2dSpteFormat *f, uint64_t v);

/* m2d_spte_restore_acc_track: give an access-tracked leaf its R and X back, no more. */
uint64_t m2d_spte_restore_acc_track(const M2dSpteFormat *f, uint64_t v);

/* m2d_spte_wrprot: clear W; with @pt_protect, for a shadowed table, also MMU-writable. */
uint64_t m2d_spte_wrprot(const M2dSpteFormat *f, uint64_t v, bool pt_protect);

/* m2d_spte_clear_dirty: clear D, or W where D does not trap (see ad_need_write_protect). */
uint64_t m2d_spte_clear_dirty(const M2dSpteFormat *f, uint64_t v);

/* What the processor, or KVM in its place, sets; 0 bits where there is none. */
static inline uint64_t m2d_spte_set_accessed(const M2dSpteFormat *f, uint64_t v)
{
	return v | f->accessed;
}

static inline uint64_t m2d_spte_set_dirty(const M2dSpteFormat *f, uint64_t v)
{
	return v | f->dirty;
}

/*
 * m2d_spte_split: entry @index of the table of @level (1 or 2) that replaces leaf @huge one level
 * above. With @nx_huge, level 1 gets the X back that the mitigation took, if @access has it.
 */
uint64_t m2d_spte_split(const M2dSpteFormat *f, uint64_t huge, unsigned level, unsigned index,
			bool nx_huge, unsigned access);

/* m2d_spte_huge: the leaf of @level (2 or 3) that replaces the table which @small is in. */
uint64_t m2d_spte_huge(const M2dSpteFormat *f, uint64_t small, unsigned level, bool nx_huge);
