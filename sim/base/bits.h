/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bits and masks, and branch hints. Bit numbers count from 0 as in the vendors' manuals. */
#pragma once

#include <stdint.h>

#define M2D_BIT(n) (UINT64_C(1) << (n))
/* Bits @hi down to @lo, both included; @hi <= 63. */
#define M2D_BITS(hi, lo)  ((~UINT64_C(0) >> (63 - (hi))) & (~UINT64_C(0) << (lo)))
#define m2d_likely(x)     __builtin_expect(!!(x), 1)
#define m2d_unlikely(x)   __builtin_expect(!!(x), 0)
#define M2D_ALWAYS_INLINE static inline __attribute__((always_inline))
#define M2D_N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* The low @n bits set; @n from 0 to 64. */
static inline uint64_t m2d_low_mask(unsigned n)
{
	return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

/* True if @v is a power of two (0 is not). */
static inline int m2d_is_pow2(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* 64-bit finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits. */
static inline uint64_t m2d_mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* m2d_pause: tell the processor that this thread spins. */
static inline void m2d_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}
