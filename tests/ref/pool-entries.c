/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random entries, and changes to them. */
#include "tests/ref/pool-private.h"

bool pool_chance(Pool *pool, unsigned n)
{
	return (m2d_rng_next(&pool->rng) >> 54) < n;
}

uint64_t pool_bits(Pool *pool, unsigned hi, unsigned lo)
{
	return m2d_rng_next(&pool->rng) & M2D_BITS(hi, lo);
}

/* One random bit of @hi..@lo; 0 if there is none. */
static uint64_t one_bit(Pool *pool, unsigned hi, unsigned lo)
{
	return hi < lo ? 0 : UINT64_C(1) << (lo + m2d_rng_below(&pool->rng, hi - lo + 1));
}

unsigned pool_pick_frame(Pool *pool, bool nested, unsigned level, unsigned width)
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

uint64_t pool_guest_pfn(Pool *pool, unsigned f, unsigned width)
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

uint64_t pool_guest_table_pfn(Pool *pool, unsigned level, unsigned width)
{
	if (pool->strict)
		return pool_guest_pfn(pool, pool_pick_frame(pool, false, level, 52), width);
	if (pool_chance(pool, 16))
		return m2d_rng_next(&pool->rng) & m2d_low_mask(width - 12);
	if (pool_chance(pool, 40))
		return pool_guest_pfn(pool, (unsigned)m2d_rng_below(&pool->rng, POOL_PML), width);
	return pool_guest_pfn(pool, pool_pick_frame(pool, false, level, 52), width);
}

static uint64_t guest_data_pfn(Pool *pool, unsigned width)
{
	if (pool->mode->nested == FORMAT_NONE)
		return m2d_rng_next(&pool->rng) & m2d_low_mask(width - 12);
	return pool_guest_pfn(pool, (unsigned)m2d_rng_below(&pool->rng, 448), width);
}

static uint64_t nested_table_pfn(Pool *pool, unsigned level, unsigned width)
{
	if (!pool->strict && pool_chance(pool, 8))
		return m2d_rng_next(&pool->rng) & m2d_low_mask(width - 12);
	return pool->pfn[pool_pick_frame(pool, true, level, width)];
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
	return width > shift ? pool_bits(pool, width - 1, shift) : 0;
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
		return pool_bits(pool, 63, 1);
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
		return e | pool_bits(pool, 12, 12) | large_frame(pool, nested, shift, width);
	}
	if (level > 1)
		return e | (nested ? nested_table_pfn(pool, level - 1, width)
				   : pool_guest_table_pfn(pool, level - 1, width))
				   << 12;
	return e | (nested ? nested_data_pfn(pool, index, width) : guest_data_pfn(pool, width))
			   << 12;
}

static uint64_t random_pdpte(Pool *pool, bool nested)
{
	unsigned width = nested ? pool->host_bits : pool->guest_bits;
	uint64_t e = m2d_rng_next(&pool->rng) & 0x0e18;

	if (pool_chance(pool, 12))
		return pool_bits(pool, 63, 1);
	if (pool_chance(pool, 8))
		e |= one_bit(pool, 63, width);
	if (pool_chance(pool, 8))
		e |= M2D_BIT(pool_chance(pool, 512) ? 1 : 5) << (m2d_rng_next(&pool->rng) & 1);
	return e | 1 |
	       (nested ? nested_table_pfn(pool, 2, width) : pool_guest_table_pfn(pool, 2, width))
		       << 12;
}

static uint32_t random_pte32(Pool *pool, bool nested, unsigned level, unsigned index)
{
	uint64_t e = m2d_rng_next(&pool->rng) & 0x0f78;

	if (pool_chance(pool, nested ? 6 : 20))
		return (uint32_t)pool_bits(pool, 31, 1);
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
		return (uint32_t)(e | pool_bits(pool, 12, 12) | large_frame(pool, nested, 22, 32));
	}
	if (level == 2)
		return (uint32_t)(e | (nested ? nested_table_pfn(pool, 1, 32)
					      : pool_guest_table_pfn(pool, 1, 32))
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
		return pool_bits(pool, 63, 3) &
		       (pool_chance(pool, 512) ? ~UINT64_C(0) : ~M2D_BIT(10));
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
		e |= pool_bits(pool, 6, 3);
	else
		e |= pool_bits(pool, 6, 6) | (uint64_t)good_type[m2d_rng_next(&pool->rng) & 7] << 3;
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
		unsigned level = pool_frame_level(f, &nested);
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
	uint64_t e = pool->memory.read(pool, step->pa, step->size);
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
		e = pool_bits(pool, 63, 0);
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
	for (unsigned i = 0; i < 8 && pool_frame_of(pool, last->pa) < 0; i++)
		last = &result->step[n - 1 - m2d_rng_below(&pool->rng, MIN(n, 6))];
	return last;
}

void pool_repair(Pool *pool, const RefStep *step)
{
	pool_write(pool, step->pa, step->size,
		   random_entry(pool, step->nested, step->level,
				(unsigned)(step->pa & 4095) / step->size));
}
