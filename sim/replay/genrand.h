/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random orders and skewed ranks in constant memory, for the workload generators. */
#pragma once

#include <stdint.h>

#include "sim/base/rng.h"

/* A pseudo-random permutation of 0..n-1, computed point by point. */
typedef struct {
	uint64_t n;
	uint64_t rows, columns; /* factors of a domain of n or a little more */
	uint64_t key;
} M2dPermutation;

/* m2d_permutation_init: the permutation of @n numbers (1..2^62) that belongs to @seed. */
void m2d_permutation_init(M2dPermutation *perm, uint64_t n, uint64_t seed);
/* m2d_permutation_at: where @i < n goes; a bijection. */
uint64_t m2d_permutation_at(const M2dPermutation *perm, uint64_t i);

/* A Zipf distribution of the ranks 1..n: P(k) ~ k^-theta. */
typedef struct {
	uint64_t n;
	double theta;
	double h_first, h_last; /* the integral below the first and up to the last rank */
	double squeeze;         /* offsets up to here are accepted without a test */
} M2dZipf;

/* m2d_zipf_init: ranks 1..@n, @theta >= 0 (0: uniform; 1 and above are fine). */
void m2d_zipf_init(M2dZipf *zipf, uint64_t n, double theta);
/* m2d_zipf_next: a rank. */
uint64_t m2d_zipf_next(const M2dZipf *zipf, M2dRng *rng);
