/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of layouts. A row holds what differs between releases; what hardware fixes is filled in
 * by kind. Bits that overlap would make two states one, so every pair that may be set together is
 * asserted apart below.
 */
#include "sim/spte/spte.h"

#include <glib.h>

/*
 * Bit 11 says "present for KVM". Hardware ignores it in all formats, and a low bit is cheaper to
 * test than one above 31. Until 5.12 whatever was not 0 and not MMIO was present.
 */
#define MMU_PRESENT M2D_BIT(11)

/*
 * The A/D type. Value 0 must be "enabled": PAE reserves 62:52, and only EPT uses the others. Since
 * 5.4 two bits (3 is MMIO until 5.12); 4.19 has one, 62 and not 63 because that is suppress-#VE.
 */
#define SPECIAL     M2D_BIT(62)
#define TYPE_MASK   M2D_BITS(53, 52)
#define TYPE_AD_OFF M2D_BIT(52)
#define TYPE_WRPROT M2D_BIT(53)
#define TYPE_MMIO   TYPE_MASK

/*
 * Host-writable and MMU-writable. Bits 11:9 are ignored by all formats but EPT, which has A/D there
 * and, with MMU-present in bit 11, nothing left: from 5.13 on EPT uses high ignored bits.
 */
#define OLD_HOST_W M2D_BIT(10)
#define OLD_MMU_W  M2D_BIT(11)
#define PT_HOST_W  M2D_BIT(9)
#define PT_MMU_W   M2D_BIT(10)
#define EPT_HOST_W M2D_BIT(57)
#define EPT_MMU_W  M2D_BIT(58)

/* Access-tracked EPT leafs keep R (bit 0) and X (bit 2) this far up; W is deliberately lost. */
#define EPT_RWX         M2D_BITS(2, 0)
#define SAVED_RX        (M2D_SPTE_R | M2D_SPTE_X)
#define SAVED_SHIFT_OLD 52 /* 4.19: the first bits above the address */
#define SAVED_SHIFT     54 /* above the type */

/* EPT: hardware converts violations on entries with this bit clear into #VE, if TDX turned that on.
 */
#define SUPPRESS_VE M2D_BIT(63)

/*
 * "Not yours": a thread works on the entry without mmu_lock. Any value without R, W, X, address and
 * MMU-present would do; 5.12 had one high bit.
 */
#define FROZEN_5_12 M2D_BIT(59)
#define FROZEN_LOW  UINT64_C(0x5a0)

/* EPT: write without read is a misconfiguration, an exit of its own and cheap to tell apart. */
#define EPT_MMIO (M2D_SPTE_W | M2D_SPTE_X)
/* Otherwise: a reserved address bit in a present entry, for #PF with RSVD set. */
#define PT_MMIO (M2D_BIT(51) | M2D_SPTE_R)

#define GEN_LOW_9 M2D_BITS(11, 3) /* below: R, W, U/X; */
#define GEN_LOW_8 M2D_BITS(10, 3) /* and from 5.13 not bit 11 */

_Static_assert(!(FROZEN_LOW & (MMU_PRESENT | EPT_RWX | M2D_SPTE_ADDR)),
	       "a frozen SPTE is present to nobody and no L1TF target");
_Static_assert(!(SUPPRESS_VE & MMU_PRESENT), "nor is the non-present value");
_Static_assert(!(TYPE_MASK & (SAVED_RX << SAVED_SHIFT)), "type and saved rights");
_Static_assert(!(SPECIAL & (SAVED_RX << SAVED_SHIFT_OLD)), "special bit and saved rights");
_Static_assert(!((EPT_HOST_W | EPT_MMU_W) & (TYPE_MASK | SAVED_RX << SAVED_SHIFT)),
	       "EPT's write bits, type and saved rights");
_Static_assert(!((PT_HOST_W | PT_MMU_W | MMU_PRESENT) & (M2D_BITS(7, 0) | M2D_SPTE_ADDR)),
	       "software bits of shadow paging and hardware's");
_Static_assert(!((EPT_HOST_W | EPT_MMU_W | MMU_PRESENT | TYPE_MASK | SAVED_RX << SAVED_SHIFT) &
		 (M2D_BITS(10, 0) | M2D_SPTE_ADDR | SUPPRESS_VE)),
	       "software bits of EPT and hardware's");
_Static_assert(!((OLD_HOST_W | OLD_MMU_W) & (M2D_BITS(9, 0) | M2D_SPTE_ADDR)),
	       "old software bits and hardware's, EPT's A and D included");
_Static_assert(!(MMU_PRESENT & (GEN_LOW_8 | M2D_BITS(62, 52))),
	       "no generation makes an MMIO SPTE present");
_Static_assert(!((GEN_LOW_9 | M2D_BITS(62, 54)) & (TYPE_MASK | EPT_RWX)),
	       "nor changes the type (5.10) or the marker");
_Static_assert(!(SPECIAL & M2D_BITS(61, 52)), "nor the special bit (4.19)");

typedef struct {
	uint64_t host_w, mmu_w;
} WriteBits;

typedef struct {
	uint64_t mask, ad_off, wrprot, mmio; /* the field, and its values other than 0 */
} TypeField;

/* The generation in an MMIO SPTE: (gen << low_shift & low) | (gen << high_shift & high). */
typedef struct {
	uint8_t bits;
	uint64_t low;
	uint8_t low_shift;
	uint64_t high;
	uint8_t high_shift;
} GenField;

typedef struct {
	const char *name;
	uint64_t mmu_present, frozen, suppress_ve;
	WriteBits pt, ept;
	TypeField type;
	uint8_t saved_shift;
	bool mmio_marker; /* MMIO SPTEs are told by the marker, not by the type alone */
	GenField gen;
} Layout;

/* Fields of the rows below, by the release that brought them. */
#define WRITE_OLD  .pt = {OLD_HOST_W, OLD_MMU_W}, .ept = {OLD_HOST_W, OLD_MMU_W}
#define WRITE_5_13 .pt = {PT_HOST_W, PT_MMU_W}, .ept = {EPT_HOST_W, EPT_MMU_W}

#define TYPE_4_19 .type = {.mask = SPECIAL, .ad_off = SPECIAL, .mmio = SPECIAL}
#define TYPE_5_4                                                                                   \
	.type = {.mask = TYPE_MASK, .ad_off = TYPE_AD_OFF, .wrprot = TYPE_WRPROT, .mmio = TYPE_MMIO}
#define TYPE_5_13 .type = {.mask = TYPE_MASK, .ad_off = TYPE_AD_OFF, .wrprot = TYPE_WRPROT}

/* Bit 0 is not stored: it is set while the memslots change. */
#define GEN_4_19 .gen = {20, GEN_LOW_9, 2, M2D_BITS(61, 52), 42}
/*
 * As released: the high part begins with bit 0 of the generation again instead of bit 9, and its
 * two lowest bits drown in the type. Ten bits survive, so that from generation 1024 on no MMIO SPTE
 * is ever current.
 */
#define GEN_5_4  .gen = {19, GEN_LOW_9, 3, M2D_BITS(61, 52), 52}
#define GEN_5_6  .gen = {18, GEN_LOW_9, 3, M2D_BITS(62, 54), 45}
#define GEN_5_13 .gen = {19, GEN_LOW_8, 3, M2D_BITS(62, 52), 44}

/* Rows from 5.13 on differ in the values that stand for "none" and "frozen" only. */
#define SINCE_5_13                                                                                 \
	.mmu_present = MMU_PRESENT, WRITE_5_13, TYPE_5_13, .saved_shift = SAVED_SHIFT,             \
	.mmio_marker = true, GEN_5_13

static const Layout layouts[] = {
	[M2D_SPTE_4_19] = {.name = "4.19",
			   WRITE_OLD,
			   TYPE_4_19,
			   .saved_shift = SAVED_SHIFT_OLD,
			   .mmio_marker = true,
			   GEN_4_19},
	[M2D_SPTE_5_4] = {.name = "5.4",
			  WRITE_OLD,
			  TYPE_5_4,
			  .saved_shift = SAVED_SHIFT,
			  .mmio_marker = true,
			  GEN_5_4},
	[M2D_SPTE_5_10] = {.name = "5.10",
			   .frozen = FROZEN_5_12,
			   WRITE_OLD,
			   TYPE_5_4,
			   .saved_shift = SAVED_SHIFT,
			   GEN_5_6},
	[M2D_SPTE_5_14] = {.name = "5.14", .frozen = FROZEN_LOW, SINCE_5_13},
	[M2D_SPTE_6_12] = {.name = "6.12",
			   .frozen = FROZEN_LOW | SUPPRESS_VE,
			   .suppress_ve = SUPPRESS_VE,
			   SINCE_5_13},
	[M2D_SPTE_6_13] = {.name = "6.13",
			   .frozen = FROZEN_LOW | SUPPRESS_VE,
			   .suppress_ve = SUPPRESS_VE,
			   SINCE_5_13},
};
_Static_assert(M2D_N_ELEMENTS(layouts) == M2D_SPTE_N_LAYOUTS, "a row for each layout");

const char *m2d_spte_layout_name(M2dSpteLayout layout)
{
	return layouts[layout].name;
}

static void fill_ept(M2dSpteFormat *f, const Layout *l, const M2dSpteConfig *cfg)
{
	/* Before 6.13 masks of 0 say that hardware has no A/D. */
	bool ad = cfg->ad || cfg->layout >= M2D_SPTE_6_13;

	f->user = M2D_SPTE_R;
	f->x = M2D_SPTE_X;
	f->accessed = ad ? M2D_BIT(8) : 0;
	f->dirty = ad ? M2D_BIT(9) : 0;
	/* Where entries need not be readable, R is a right like the others. */
	f->present = (cfg->exec_only ? 0 : M2D_SPTE_R) | l->suppress_ve;
	f->host_writable = l->ept.host_w;
	f->mmu_writable = l->ept.mmu_w;
	f->acc_track = EPT_RWX;
	f->saved_shift = l->saved_shift;
	f->saved = SAVED_RX << l->saved_shift;
	f->ad_mask = l->type.mask;
	f->ad_disabled = l->type.ad_off;
	f->ad_wrprot = l->type.wrprot;
	f->mmio_value = EPT_MMIO | l->type.mmio;
	f->mmio_mask = (l->mmio_marker ? EPT_RWX | l->suppress_ve : 0) | l->type.mmio;
}

static void fill_pt(M2dSpteFormat *f, const Layout *l, const M2dSpteConfig *cfg)
{
	g_assert(cfg->ad && !cfg->exec_only);
	f->user = M2D_BIT(2);
	f->nx = M2D_BIT(63);
	f->accessed = M2D_BIT(5);
	f->dirty = M2D_BIT(6);
	f->present = M2D_SPTE_R;
	f->host_writable = l->pt.host_w;
	f->mmu_writable = l->pt.mmu_w;
	/* With 52 address bits none is reserved: no MMIO SPTEs. */
	if (cfg->maxphyaddr < 52) {
		f->mmio_value = PT_MMIO | l->type.mmio;
		f->mmio_mask = (l->mmio_marker ? PT_MMIO : 0) | l->type.mmio;
	}
	f->mmio_access = M2D_SPTE_ACC_WRITE | M2D_SPTE_ACC_USER;
}

void m2d_spte_format(M2dSpteFormat *f, const M2dSpteConfig *cfg)
{
	const Layout *l = &layouts[cfg->layout];
	unsigned low_bits = cfg->maxphyaddr;

	g_assert(cfg->layout < M2D_SPTE_N_LAYOUTS);
	g_assert(cfg->maxphyaddr >= 32 && cfg->maxphyaddr <= 52);
	g_assert(!cfg->l1tf_bits || (cfg->l1tf_bits >= 32 && cfg->l1tf_bits < 47));
	g_assert(!(cfg->me_mask & ~M2D_SPTE_ADDR));
	*f = (M2dSpteFormat){
		.kind = cfg->kind,
		.layout = cfg->layout,
		.ad = cfg->ad,
		.maxphyaddr = cfg->maxphyaddr,
		.me = cfg->me_mask,
		.addr = M2D_SPTE_ADDR & ~cfg->me_mask,
		.mmu_present = l->mmu_present,
		.nonpresent = l->suppress_ve,
		.frozen = l->frozen,
		.gen_low = l->gen.low,
		.gen_high = l->gen.high,
		.gen_low_shift = l->gen.low_shift,
		.gen_high_shift = l->gen.high_shift,
		.gen_mask = m2d_low_mask(l->gen.bits),
	};
	if (cfg->kind == M2D_SPTE_EPT)
		fill_ept(f, l, cfg);
	else
		fill_pt(f, l, cfg);
	if (cfg->l1tf_bits) {
		low_bits = cfg->l1tf_bits - M2D_SPTE_L1TF_LEN;
		f->l1tf = M2D_BITS(cfg->l1tf_bits - 1, low_bits);
	}
	f->l1tf_low_gfn = M2D_BITS(low_bits - 1, 12);
	/* The marker would be lost among moved address bits. */
	g_assert(!(f->mmio_value & (f->l1tf | f->l1tf << M2D_SPTE_L1TF_LEN | f->l1tf_low_gfn)));
	g_assert(!f->frozen || !m2d_spte_is_mmio(f, f->frozen));
	g_assert(!m2d_spte_is_mmio(f, f->nonpresent) && !m2d_spte_is_present(f, f->nonpresent));
}
