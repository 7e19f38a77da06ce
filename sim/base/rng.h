/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seeded random numbers (xoshiro256**, Blackman and Vigna 2018): equal seeds, equal streams. */
#pragma once

#include <stdint.h>

typedef struct {
	uint64_t s[4];
} M2dRng;

/* m2d_rng_seed: start the stream that belongs to @seed (any value, 0 included). */
void m2d_rng_seed(M2dRng *rng, uint64_t seed);

/* m2d_rng_next: the next 64 random bits. */
static inline uint64_t m2d_rng_next(M2dRng *rng)
{
	uint64_t *s = rng->s;
	uint64_t r = s[1] * 5, t = s[1] << 17;

	r = ((r << 7) | (r >> 57)) * 9;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = (s[3] << 45) | (s[3] >> 19);
	return r;
}

/* m2d_rng_below: a number in 0..@n-1; @n > 0. The bias is below 2^-32 for @n < 2^32. */
static inline uint64_t m2d_rng_below(M2dRng *rng, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)m2d_rng_next(rng) * n) >> 64);
}

/* m2d_rng_unit: a number in [0, 1) with 53 random bits. */
static inline double m2d_rng_unit(M2dRng *rng)
{
	return (double)(m2d_rng_next(rng) >> 11) * 0x1.0p-53;
}
