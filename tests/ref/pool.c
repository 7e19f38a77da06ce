/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/ref/pool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INTEL M2D_VENDOR_INTEL
#define AMD   M2D_VENDOR_AMD

const Mode pool_mode[] = {
	{"intel-off", INTEL, FORMAT_NONE, FORMAT_NONE},
	{"intel-32", INTEL, FORMAT_32, FORMAT_NONE},
	{"intel-pae", INTEL, FORMAT_PAE, FORMAT_NONE},
	{"intel-4", INTEL, FORMAT_LONG4, FORMAT_NONE},
	{"intel-5", INTEL, FORMAT_LONG5, FORMAT_NONE},
	{"amd-32", AMD, FORMAT_32, FORMAT_NONE},
	{"amd-pae", AMD, FORMAT_PAE, FORMAT_NONE},
	{"amd-4", AMD, FORMAT_LONG4, FORMAT_NONE},
	{"amd-5", AMD, FORMAT_LONG5, FORMAT_NONE},
	{"off-npt32", AMD, FORMAT_NONE, FORMAT_32},
	{"off-nptpae", AMD, FORMAT_NONE, FORMAT_PAE},
	{"off-npt4", AMD, FORMAT_NONE, FORMAT_LONG4},
	{"off-npt5", AMD, FORMAT_NONE, FORMAT_LONG5},
	{"32-npt32", AMD, FORMAT_32, FORMAT_32},
	{"32-nptpae", AMD, FORMAT_32, FORMAT_PAE},
	{"32-npt4", AMD, FORMAT_32, FORMAT_LONG4},
	{"32-npt5", AMD, FORMAT_32, FORMAT_LONG5},
	{"pae-npt32", AMD, FORMAT_PAE, FORMAT_32},
	{"pae-nptpae", AMD, FORMAT_PAE, FORMAT_PAE},
	{"pae-npt4", AMD, FORMAT_PAE, FORMAT_LONG4},
	{"pae-npt5", AMD, FORMAT_PAE, FORMAT_LONG5},
	{"4-npt32", AMD, FORMAT_LONG4, FORMAT_32},
	{"4-nptpae", AMD, FORMAT_LONG4, FORMAT_PAE},
	{"4-npt4", AMD, FORMAT_LONG4, FORMAT_LONG4},
	{"4-npt5", AMD, FORMAT_LONG4, FORMAT_LONG5},
	{"5-npt32", AMD, FORMAT_LONG5, FORMAT_32},
	{"5-nptpae", AMD, FORMAT_LONG5, FORMAT_PAE},
	{"5-npt4", AMD, FORMAT_LONG5, FORMAT_LONG4},
	{"5-npt5", AMD, FORMAT_LONG5, FORMAT_LONG5},
	{"off-ept4", INTEL, FORMAT_NONE, FORMAT_EPT4},
	{"off-ept5", INTEL, FORMAT_NONE, FORMAT_EPT5},
	{"32-ept4", INTEL, FORMAT_32, FORMAT_EPT4},
	{"32-ept5", INTEL, FORMAT_32, FORMAT_EPT5},
	{"pae-ept4", INTEL, FORMAT_PAE, FORMAT_EPT4},
	{"pae-ept5", INTEL, FORMAT_PAE, FORMAT_EPT5},
	{"4-ept4", INTEL, FORMAT_LONG4, FORMAT_EPT4},
	{"4-ept5", INTEL, FORMAT_LONG4, FORMAT_EPT5},
	{"5-ept4", INTEL, FORMAT_LONG5, FORMAT_EPT4},
	{"5-ept5", INTEL, FORMAT_LONG5, FORMAT_EPT5},
};
const unsigned pool_n_modes = M2D_N_ELEMENTS(pool_mode);

/* --- frames ----------------------------------------------------------------------------------- */

/* Index of the frame that holds @pa, or -1. */
static int frame_of(const Pool *pool, uint64_t pa)
{
	uint64_t i = ((pa >> 12) & 511) - POOL_LOW_PFN;

	return i < POOL_FRAMES && pool->pfn[i] == pa >> 12 ? (int)i : -1;
}

static uint64_t memory_read(void *data, uint64_t pa, unsigned size)
{
	const Pool *pool = data;
	int f = frame_of(pool, pa);
	uint64_t v;

	if (f < 0)
		return 0;
	v = pool->ref[f][(pa & 4095) / 8];
	if (size == 4)
		v = (uint32_t)(v >> ((pa & 4) * 8));
	return v;
}

static void memory_write(void *data, uint64_t pa, unsigned size, uint64_t value)
{
	Pool *pool = data;
	int f = frame_of(pool, pa);
	uint64_t *word;

	if (f < 0) {
		pool->stray_writes++;
		return;
	}
	word = &pool->ref[f][(pa & 4095) / 8];
	if (size == 8) {
		*word = value;
	} else {
		unsigned shift = (pa & 4) * 8;

		*word = (*word & ~(UINT64_C(0xffffffff) << shift)) | value << shift;
	}
}

/* Level of frame @f; guest frames come first, six (nested: five) to a level. */
static unsigned frame_level(unsigned f, bool *nested)
{
	*nested = f >= POOL_GUEST;
	return *nested ? (f - POOL_GUEST) / 5 + 1 : f / 6 + 1;
}

void pool_init(Pool *pool, const Mode *mode, M2dSpace *space)
{
	memset(pool, 0, sizeof(*pool));
	pool->mode = mode;
	pool->space = space;
	pool->memory = (RefMemory){pool, memory_read, memory_write};
	for (unsigned f = 0; f < POOL_FRAMES; f++) {
		bool nested;
		unsigned level = frame_level(f, &nested);

		pool->pfn[f] = POOL_LOW_PFN + f;
		/* The last frame of each level lies high, to see all address bits in use. */
		if (f < POOL_GUEST && f % 6 == 5)
			pool->pfn[f] |= UINT64_C(1) << (21 + 2 * level);
		else if (f >= POOL_GUEST && f < POOL_PML && (f - POOL_GUEST) % 5 == 4)
			pool->pfn[f] |= UINT64_C(1) << (22 + 3 * level);
		pool->fast[f] = m2d_space_frame_make(space, pool->pfn[f]);
	}
}

void pool_write(Pool *pool, uint64_t pa, unsigned size, uint64_t value)
{
	if (frame_of(pool, pa) < 0)
		return;
	memory_write(pool, pa, size, value);
	if (size == 8)
		m2d_space_write64(pool->space, M2D_HPA(pa), value);
	else
		m2d_space_write32(pool->space, M2D_HPA(pa), (uint32_t)value);
}

bool pool_same_word(const Pool *pool, uint64_t pa)
{
	int f = frame_of(pool, pa);

	return f < 0 || pool->fast[f][(pa & 4095) / 8] == pool->ref[f][(pa & 4095) / 8];
}

uint64_t pool_difference(const Pool *pool)
{
	for (unsigned f = 0; f < POOL_FRAMES; f++) {
		if (memcmp(pool->fast[f], pool->ref[f], 4096) == 0)
			continue;
		for (unsigned i = 0; i < 512; i++)
			if (pool->fast[f][i] != pool->ref[f][i])
				return pool->pfn[f] << 12 | 8 * i;
	}
	return ~UINT64_C(0);
}

void pool_dump_word(const Pool *pool, uint64_t pa)
{
	int f = frame_of(pool, pa);

	if (f >= 0)
		fprintf(stderr,
			"memory at %#" PRIx64 ": simulator %#" PRIx64 ", expected %#" PRIx64 "\n",
			pa & ~UINT64_C(7), pool->fast[f][(pa & 4095) / 8],
			pool->ref[f][(pa & 4095) / 8]);
}

/* --- random entries --------------------------------------------------------------------------- */

bool pool_chance(Pool *pool, unsigned n)
{
	return (m2d_rng_next(&pool->rng) >> 54) < n;
}

static uint64_t bits(Pool *pool, unsigned hi, unsigned lo)
{
	return m2d_rng_next(&pool->rng) & M2D_BITS(hi, lo);
}

/* One random bit of @hi..@lo; 0 if there is none. */
static uint64_t one_bit(Pool *pool, unsigned hi, unsigned lo)
{
	return hi < lo ? 0 : UINT64_C(1) << (lo + m2d_rng_below(&pool->rng, hi - lo + 1));
}

/* A frame of the given dimension and level whose address fits @width bits. */
static unsigned pick_frame(Pool *pool, bool nested, unsigned level, unsigned width)
{
	unsigned per = nested ? 5 : 6;
	unsigned first = (nested ? POOL_GUEST : 0) + (level - 1) * per;
	unsigned f = first + (unsigned)m2d_rng_below(&pool->rng, per);

	return pool->pfn[f] >> (width - 12) != 0 ? first : f;
}

/* Address bits that the nested walk of the mode takes. */
static unsigned nested_input(const Pool *pool)
{
	switch (pool->mode->nested) {
	case FORMAT_32:
	case FORMAT_PAE:
		return 32;
	case FORMAT_LONG4:
	case FORMAT_EPT4:
		return 48;
	default:
		return 57;
	}
}

/* A guest-physical frame number that mostly leads to pool frame @f. */
static uint64_t guest_pfn(Pool *pool, unsigned f, unsigned width)
{
	unsigned input = MIN(width, nested_input(pool));
	uint64_t low = POOL_LOW_PFN + f, high;

	if (pool->mode->nested == FORMAT_NONE)
		return pool->pfn[f] >> (width - 12) != 0 ? low : pool->pfn[f];
	if (pool_chance(pool, 700))
		return low;
	high = m2d_rng_next(&pool->rng);
	if (pool_chance(pool, 400))
		high &= 0xff;
	low |= high << 9;
	return low & m2d_low_mask((pool_chance(pool, 10) ? width : input) - 12);
}

static uint64_t guest_table_pfn(Pool *pool, unsigned level, unsigned width)
{
	if (pool->strict)
		return guest_pfn(pool, pick_frame(pool, false, level, 52), width);
	if (pool_chance(pool, 16))
		return m2d_rng_next(&pool->rng) & m2d_low_mask(width - 12);
	if (pool_chance(pool, 40))
		return guest_pfn(pool, (unsigned)m2d_rng_below(&pool->rng, POOL_PML), width);
	return guest_pfn(pool, pick_frame(pool, false, level, 52), width);
}

static uint64_t guest_data_pfn(Pool *pool, unsigned width)
{
	if (pool->mode->nested == FORMAT_NONE)
		return m2d_rng_next(&pool->rng) & m2d_low_mask(width - 12);
	return guest_pfn(pool, (unsigned)m2d_rng_below(&pool->rng, 448), width);
}

static uint64_t nested_table_pfn(Pool *pool, unsigned level, unsigned width)
{
	if (!pool->strict && pool_chance(pool, 8))
		return m2d_rng_next(&pool->rng) & m2d_low_mask(width - 12);
	return pool->pfn[pick_frame(pool, true, level, width)];
}

/* What a nested 4 KiB leaf at @index points at: mostly the pool frame of that number. */
static uint64_t nested_data_pfn(Pool *pool, unsigned index, unsigned width)
{
	unsigned f = (index & 511) - POOL_LOW_PFN;

	/* Outside the pool, where nothing is: below bit 21 no frame lies above 0x1ff. */
	if (pool->strict && (f >= POOL_GUEST || pool->pfn[f] >> (width - 12) != 0))
		return (m2d_rng_next(&pool->rng) & 0x7fc00) | 0x200;
	if (pool->strict)
		return pool->pfn[f];
	if (f >= POOL_FRAMES || pool_chance(pool, 40))
		f = (unsigned)m2d_rng_below(&pool->rng, POOL_PML);
	if (pool_chance(pool, 30) || pool->pfn[f] >> (width - 12) != 0)
		return m2d_rng_next(&pool->rng) & m2d_low_mask(width - 12);
	return pool->pfn[f];
}

/* Frame bits of a large leaf: mostly the first page, where the pool is. */
static uint64_t large_frame(Pool *pool, bool nested, unsigned shift, unsigned width)
{
	if (pool_chance(pool, nested ? 860 : 300))
		return 0;
	return width > shift ? bits(pool, width - 1, shift) : 0;
}

/* How often a right is given: nested walks need many entries, repeated ones many times. */
static unsigned often(const Pool *pool, bool nested)
{
	return nested ? 1014 : pool->strict ? 1000 : 930;
}

static uint64_t random_pte(Pool *pool, bool nested, bool pae, unsigned level, unsigned index)
{
	unsigned width = nested ? pool->host_bits : pool->guest_bits;
	bool amd = pool->mode->vendor == AMD;
	uint64_t e = m2d_rng_next(&pool->rng) & (0x0e78 | M2D_BITS(58, 52) | M2D_BITS(62, 59));

	if (pool_chance(pool, nested ? 6 : 20))
		return bits(pool, 63, 1);
	e |= 1;
	if (pool_chance(pool, often(pool, nested)))
		e |= 2;
	if (pool_chance(pool, often(pool, nested)))
		e |= 4;
	if (pae)
		e &= M2D_BITS(51, 0);
	if (pool_chance(pool, nested || pool->strict ? 40 : 100))
		e |= M2D_BIT(63);
	if (pool_chance(pool, level >= 4 ? 6 : level == 1 ? 512 : 220))
		e |= M2D_BIT(7);
	if (pool_chance(pool, level >= 4 && amd ? 8 : 512))
		e |= M2D_BIT(8);
	if (pool_chance(pool, 8))
		e |= one_bit(pool, pae ? 62 : 51, width);
	if (level >= 2 && level <= 3 && (e & M2D_BIT(7))) {
		unsigned shift = level == 2 ? 21 : 30;

		if (pool_chance(pool, 30))
			e |= one_bit(pool, shift - 1, 13);
		return e | bits(pool, 12, 12) | large_frame(pool, nested, shift, width);
	}
	if (level > 1)
		return e | (nested ? nested_table_pfn(pool, level - 1, width)
				   : guest_table_pfn(pool, level - 1, width))
				   << 12;
	return e | (nested ? nested_data_pfn(pool, index, width) : guest_data_pfn(pool, width))
			   << 12;
}

static uint64_t random_pdpte(Pool *pool, bool nested)
{
	unsigned width = nested ? pool->host_bits : pool->guest_bits;
	uint64_t e = m2d_rng_next(&pool->rng) & 0x0e18;

	if (pool_chance(pool, 12))
		return bits(pool, 63, 1);
	if (pool_chance(pool, 8))
		e |= one_bit(pool, 63, width);
	if (pool_chance(pool, 8))
		e |= M2D_BIT(pool_chance(pool, 512) ? 1 : 5) << (m2d_rng_next(&pool->rng) & 1);
	return e | 1 |
	       (nested ? nested_table_pfn(pool, 2, width) : guest_table_pfn(pool, 2, width)) << 12;
}

static uint32_t random_pte32(Pool *pool, bool nested, unsigned level, unsigned index)
{
	uint64_t e = m2d_rng_next(&pool->rng) & 0x0f78;

	if (pool_chance(pool, nested ? 6 : 20))
		return (uint32_t)bits(pool, 31, 1);
	e |= 1;
	if (pool_chance(pool, often(pool, nested)))
		e |= 2;
	if (pool_chance(pool, often(pool, nested)))
		e |= 4;
	if (pool_chance(pool, level == 1 ? 512 : 260))
		e |= M2D_BIT(7);
	if (level == 2 && (e & M2D_BIT(7))) {
		/* Bits 20:13 hold 39:32 of the address; often none, so that the pool is hit. */
		if (pool_chance(pool, nested ? 100 : 300))
			e |= one_bit(pool, 20, 13) | one_bit(pool, 20, 13);
		if (pool_chance(pool, 20))
			e |= M2D_BIT(21);
		return (uint32_t)(e | bits(pool, 12, 12) | large_frame(pool, nested, 22, 32));
	}
	if (level == 2)
		return (uint32_t)(e | (nested ? nested_table_pfn(pool, 1, 32)
					      : guest_table_pfn(pool, 1, 32))
					      << 12);
	return (uint32_t)(e | (nested ? nested_data_pfn(pool, index, 32) : guest_data_pfn(pool, 32))
				      << 12);
}

static uint64_t random_ept(Pool *pool, unsigned level, unsigned index)
{
	static const uint8_t good_type[8] = {0, 1, 4, 5, 6, 6, 6, 6};
	uint64_t e = m2d_rng_next(&pool->rng) & (0x0b00 | M2D_BITS(63, 52));
	unsigned width = pool->host_bits;
	bool leaf = level == 1;

	if (pool_chance(pool, 5))
		return bits(pool, 63, 3) & (pool_chance(pool, 512) ? ~UINT64_C(0) : ~M2D_BIT(10));
	if (pool_chance(pool, 1018))
		e |= 1;
	if (pool_chance(pool, 1010))
		e |= 2;
	if (pool_chance(pool, 990))
		e |= 4;
	if (pool_chance(pool, 990))
		e |= M2D_BIT(10);
	if (pool_chance(pool, level >= 4 ? 4 : level == 1 ? 512 : 220)) {
		e |= M2D_BIT(7);
		leaf = level <= 3;
	}
	if (pool_chance(pool, 6))
		e |= one_bit(pool, 51, width);
	if (!leaf) {
		if (pool_chance(pool, 4))
			e |= one_bit(pool, 6, 3);
		return e | nested_table_pfn(pool, level - 1, width) << 12;
	}
	if (pool_chance(pool, 6))
		e |= bits(pool, 6, 3);
	else
		e |= bits(pool, 6, 6) | (uint64_t)good_type[m2d_rng_next(&pool->rng) & 7] << 3;
	if (level == 1)
		return e | nested_data_pfn(pool, index, width) << 12;
	if (pool_chance(pool, 20))
		e |= one_bit(pool, level == 2 ? 20 : 29, 12);
	return e | large_frame(pool, true, level == 2 ? 21 : 30, width);
}

static uint64_t random_entry(Pool *pool, bool nested, unsigned level, unsigned index)
{
	switch (nested ? pool->mode->nested : pool->mode->guest) {
	case FORMAT_32:
		return random_pte32(pool, nested, MIN(level, 2), index);
	case FORMAT_PAE:
		if (level >= 3)
			return random_pdpte(pool, nested);
		return random_pte(pool, nested, true, level, index);
	case FORMAT_LONG4:
	case FORMAT_LONG5:
		return random_pte(pool, nested, false, level, index);
	case FORMAT_EPT4:
	case FORMAT_EPT5:
		return random_ept(pool, level, index);
	case FORMAT_NONE:
		break;
	}
	return m2d_rng_next(&pool->rng);
}

void pool_fill(Pool *pool, unsigned guest_bits, unsigned host_bits)
{
	pool->guest_bits = guest_bits;
	pool->host_bits = host_bits;
	for (unsigned f = 0; f < POOL_PML; f++) {
		bool nested;
		unsigned level = frame_level(f, &nested);
		Format format = nested ? pool->mode->nested : pool->mode->guest;

		for (unsigned i = 0; i < 512; i++) {
			if (format == FORMAT_32)
				pool->ref[f][i] = random_entry(pool, nested, level, 2 * i) |
						  random_entry(pool, nested, level, 2 * i + 1)
							  << 32;
			else
				pool->ref[f][i] = random_entry(pool, nested, level, i);
		}
	}
	for (unsigned f = 0; f < POOL_FRAMES; f++)
		m2d_space_write(pool->space, M2D_HPA(pool->pfn[f] << 12), pool->ref[f], 4096);
}

void pool_mutate(Pool *pool, const RefStep *step)
{
	unsigned width = step->nested ? pool->host_bits : pool->guest_bits;
	unsigned top = step->size * 8 - 1;
	uint64_t e = memory_read(pool, step->pa, step->size);
	unsigned how = (unsigned)m2d_rng_below(&pool->rng, 16);

	if (pool->strict && (how == 11 || how > 12))
		how = 0; /* would lead to a frame of another level */
	switch (how) {
	case 0:
	case 1:
		e = random_entry(pool, step->nested, step->level,
				 (unsigned)(step->pa & 4095) / step->size);
		break;
	case 2:
	case 3:
	case 4:
		e ^= one_bit(pool, 2, 0);
		break;
	case 5:
	case 6:
	case 7: /* clear A and D of whatever format */
		e &= step->nested && pool->mode->nested >= FORMAT_EPT4 ? ~UINT64_C(0x300)
								       : ~UINT64_C(0x60);
		break;
	case 8:
		e ^= one_bit(pool, 11, 3);
		break;
	case 9:
		e ^= M2D_BIT(7);
		break;
	case 10:
		e ^= M2D_BIT(top);
		break;
	case 11:
		e ^= step->size == 8 ? one_bit(pool, 51, width) : one_bit(pool, 21, 12);
		break;
	case 12:
		e ^= step->size == 8 ? one_bit(pool, 62, 52) : 0;
		break;
	case 13:
		e ^= one_bit(pool, 29, 12);
		break;
	case 14:
		e = bits(pool, 63, 0);
		break;
	default:
		e ^= one_bit(pool, top, 0);
		break;
	}
	pool_write(pool, step->pa, step->size, step->size == 4 ? (uint32_t)e : e);
}

const RefStep *pool_culprit(Pool *pool, const RefResult *result)
{
	unsigned n = result->n_steps;
	const RefStep *last = &result->step[n - 1];

	/* What was read last stopped the walk, unless a right was missing further up. Where nothing
	 * lies another entry led there. */
	if (pool_chance(pool, 400))
		last = &result->step[n - 1 - m2d_rng_below(&pool->rng, MIN(n, 6))];
	for (unsigned i = 0; i < 8 && frame_of(pool, last->pa) < 0; i++)
		last = &result->step[n - 1 - m2d_rng_below(&pool->rng, MIN(n, 6))];
	return last;
}

void pool_repair(Pool *pool, const RefStep *step)
{
	pool_write(pool, step->pa, step->size,
		   random_entry(pool, step->nested, step->level,
				(unsigned)(step->pa & 4095) / step->size));
}

/* --- random registers and accesses ------------------------------------------------------------ */

void pool_regs(Pool *pool, M2dRegs *regs)
{
	static const unsigned pcid[4] = {0, 1, 0xa5a, 0xfff};
	Format format = pool->mode->guest;
	unsigned levels = format == FORMAT_32 ? 2 : format == FORMAT_PAE ? 3 : 4;
	uint64_t cr4 = m2d_rng_next(&pool->rng) &
		       (M2D_CR4_PGE | M2D_CR4_SMEP | M2D_CR4_SMAP | M2D_CR4_PKE | M2D_CR4_PKS);
	uint64_t root;

	memset(regs, 0, sizeof(*regs));
	regs->cr0 = M2D_CR0_PE | (m2d_rng_next(&pool->rng) & M2D_CR0_WP);
	if (format != FORMAT_NONE)
		regs->cr0 |= M2D_CR0_PG;
	if (pool_chance(pool, 850))
		cr4 |= M2D_CR4_PSE;
	if (pool_chance(pool, 850))
		regs->efer |= M2D_EFER_NXE;
	if (pool->mode->vendor == AMD && pool_chance(pool, 300))
		regs->efer |= M2D_EFER_TCE;
	if (format >= FORMAT_PAE)
		cr4 |= M2D_CR4_PAE;
	if (format == FORMAT_LONG5) {
		cr4 |= M2D_CR4_LA57;
		levels = 5;
	}
	if (format >= FORMAT_LONG4) {
		regs->efer |= M2D_EFER_LME | M2D_EFER_LMA;
		if (pool_chance(pool, 300))
			cr4 |= M2D_CR4_PCIDE;
	}
	regs->cr4 = cr4;
	regs->pkru = (uint32_t)(m2d_rng_next(&pool->rng) & m2d_rng_next(&pool->rng));
	regs->pkrs = (uint32_t)(m2d_rng_next(&pool->rng) & m2d_rng_next(&pool->rng));
	regs->ac = pool_chance(pool, 512);
	/* CR3 is a 32-bit register outside long mode. */
	root = guest_pfn(pool, pick_frame(pool, false, levels, 52),
			 format >= FORMAT_LONG4 ? pool->guest_bits : 32);
	regs->cr3 = root << 12 | bits(pool, 4, 3);
	if (format == FORMAT_PAE)
		regs->cr3 |= bits(pool, 11, 5);
	if (cr4 & M2D_CR4_PCIDE)
		regs->cr3 = root << 12 | pcid[m2d_rng_next(&pool->rng) & 3];
	if (format == FORMAT_PAE && pool->mode->vendor == INTEL)
		for (unsigned i = 0; i < 4; i++)
			if (pool_chance(pool, 980))
				regs->pdpte[i] = guest_table_pfn(pool, 2, pool->guest_bits) << 12 |
						 1 | bits(pool, 4, 3);
}

void pool_nested(Pool *pool, M2dNested *nested)
{
	Format format = pool->mode->nested;
	unsigned levels = format == FORMAT_32                               ? 2
			  : format == FORMAT_PAE                            ? 3
			  : format == FORMAT_LONG5 || format == FORMAT_EPT5 ? 5
									    : 4;
	uint64_t root;

	memset(nested, 0, sizeof(*nested));
	nested->tag = 1;
	if (format == FORMAT_NONE)
		return;
	root = pool->pfn[pick_frame(pool, true, levels,
				    format == FORMAT_32 || format == FORMAT_PAE ? 32
										: pool->host_bits)]
	       << 12;
	if (format >= FORMAT_EPT4) {
		nested->kind = M2D_NESTED_EPT;
		nested->eptp = root | M2D_EPTP_WALK(levels) | 6;
		nested->ept_controls = 0;
		if (pool_chance(pool, 600))
			nested->ept_controls |= M2D_EPT_EXEC_ONLY;
		if (pool_chance(pool, 940))
			nested->ept_controls |= M2D_EPT_2M;
		if (pool_chance(pool, 940))
			nested->ept_controls |= M2D_EPT_1G;
		if (pool_chance(pool, 400))
			nested->ept_controls |= M2D_EPT_MBEC;
		if (pool_chance(pool, 512))
			nested->ept_controls |= M2D_EPT_ADV_INFO;
		if (pool_chance(pool, 600)) {
			nested->eptp |= M2D_EPTP_AD;
			if (pool_chance(pool, 512))
				nested->ept_controls |= M2D_EPT_PML;
		}
		nested->pml_address = pool->pfn[POOL_PML] << 12;
		nested->pml_index = (uint16_t)m2d_rng_below(&pool->rng, 512);
		if (pool_chance(pool, 100))
			nested->pml_index = (uint16_t)m2d_rng_below(&pool->rng, 6);
		if (pool_chance(pool, 30))
			nested->pml_index = pool_chance(pool, 512) ? 0xffff : 512;
		return;
	}
	nested->kind = M2D_NESTED_NPT;
	nested->ncr3 = root;
	nested->hcr4 = m2d_rng_next(&pool->rng) &
		       (M2D_CR4_PGE | M2D_CR4_SMEP | M2D_CR4_SMAP | M2D_CR4_PKE);
	if (pool_chance(pool, 900))
		nested->hcr4 |= M2D_CR4_PSE;
	if (pool_chance(pool, 850))
		nested->hefer |= M2D_EFER_NXE;
	if (format >= FORMAT_PAE)
		nested->hcr4 |= M2D_CR4_PAE;
	if (format >= FORMAT_LONG4)
		nested->hefer |= M2D_EFER_LME | M2D_EFER_LMA;
	if (format == FORMAT_LONG5)
		nested->hcr4 |= M2D_CR4_LA57;
}

void pool_access(Pool *pool, const M2dRegs *regs, M2dAccess *access)
{
	uint64_t gva = m2d_rng_next(&pool->rng), kind = m2d_rng_below(&pool->rng, 8);

	memset(access, 0, sizeof(*access));
	if (!(regs->efer & M2D_EFER_LMA)) {
		gva &= 0xffffffff;
		if (!(regs->cr0 & M2D_CR0_PG) && pool_chance(pool, 700))
			gva &= 0xfffff;
	} else if (!pool_chance(pool, 8)) {
		unsigned shift = (regs->cr4 & M2D_CR4_LA57) ? 7 : 16;

		gva = (uint64_t)((int64_t)(gva << shift) >> shift);
	}
	access->kind = kind < 3 ? M2D_ACC_READ : kind < 6 ? M2D_ACC_WRITE : M2D_ACC_FETCH;
	access->user = pool_chance(pool, 512);
	access->implicit = access->kind != M2D_ACC_FETCH && pool_chance(pool, 100);
	access->size = 1u << m2d_rng_below(&pool->rng, 4);
	if (pool_chance(pool, 60)) {
		access->size = 1 + (uint32_t)m2d_rng_below(&pool->rng, 4096);
		gva |= bits(pool, 11, 3);
	}
	if (pool_chance(pool, 10)) {
		/* Just below where addresses stop being canonical, start again or wrap. */
		unsigned width = !(regs->efer & M2D_EFER_LMA) ? 33
				 : (regs->cr4 & M2D_CR4_LA57) ? 57
							      : 48;
		uint64_t edge = UINT64_C(1) << (width - 1);

		if (width != 33 && pool_chance(pool, 600))
			edge = pool_chance(pool, 512) ? 0 - edge : 0;
		gva = edge - 1 - m2d_rng_below(&pool->rng, 2 * access->size);
		if (width == 33)
			gva = (uint32_t)gva;
	}
	access->gva.v = gva;
}

const char *pool_compare(const RefCpu *cpu, const M2dAccess *access, const M2dOutcome *ref,
			 const M2dOutcome *out, bool refs)
{
	if (ref->kind != out->kind)
		return "kind";
	if (refs && ref->refs != out->refs)
		return "refs";
	switch (ref->kind) {
	case M2D_OUT_OK:
		if (ref->hpa.v != out->hpa.v)
			return "hpa";
		if ((access->gva.v & 4095) + access->size > 4096 && ref->hpa2.v != out->hpa2.v)
			return "hpa2";
		/* With no dimension there is no page. */
		if (((cpu->regs.cr0 & M2D_CR0_PG) || cpu->nested.kind != M2D_NESTED_NONE) &&
		    ref->size != out->size)
			return "size";
		break;
	case M2D_OUT_PF:
		if (ref->error_code != out->error_code)
			return "error_code";
		if (ref->cr2.v != out->cr2.v)
			return "cr2";
		break;
	case M2D_OUT_NPF:
		if (ref->exitinfo1 != out->exitinfo1)
			return "exitinfo1";
		if (ref->fault_gpa.v != out->fault_gpa.v)
			return "fault_gpa";
		break;
	case M2D_OUT_EPT_VIOLATION:
		if (ref->qualification != out->qualification)
			return "qualification";
		if (ref->gla.v != out->gla.v)
			return "gla";
		if (ref->fault_gpa.v != out->fault_gpa.v)
			return "fault_gpa";
		break;
	case M2D_OUT_EPT_MISCONFIG:
		if (ref->fault_gpa.v != out->fault_gpa.v)
			return "fault_gpa";
		break;
	case M2D_OUT_GP:
	case M2D_OUT_PML_FULL:
		break;
	}
	return NULL;
}
