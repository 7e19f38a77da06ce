/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Permutation: a Feistel network over rows x columns, a rectangle that just holds n points
 * (Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains"); points outside 0..n-1 are
 * sent round again, which keeps it a bijection.
 *
 * Zipf: rejection-inversion (Hörmann and Derflinger 1996, "Rejection-inversion to generate
 * variates from monotone discrete distributions"): no tables, a bounded number of trials.
 */
#include "sim/replay/genrand.h"

#include <math.h>

#include "sim/base/bits.h"

#define ROUNDS 6u /* even, so that the halves end where they began */

void m2d_permutation_init(M2dPermutation *p, uint64_t n, uint64_t seed)
{
	uint64_t rows = (uint64_t)sqrt((double)n);

	rows = rows > 0 ? rows : 1;
	p->n = n;
	p->rows = rows;
	p->columns = (n + rows - 1) / rows;
	p->key = m2d_mix64(seed ^ UINT64_C(0x7065726d75746521));
}

/* A round function: a number below @n. */
static uint64_t scramble(const M2dPermutation *p, unsigned round, uint64_t half, uint64_t n)
{
	uint64_t x = m2d_mix64(p->key + (half << 3 | round) * UINT64_C(0x9e3779b97f4a7c15));

	return (uint64_t)(((unsigned __int128)x * n) >> 64);
}

uint64_t m2d_permutation_at(const M2dPermutation *p, uint64_t i)
{
	do {
		uint64_t row = i / p->columns, column = i % p->columns;

		for (unsigned round = 0; round < ROUNDS; round += 2) {
			row += scramble(p, round, column, p->rows);
			row -= row >= p->rows ? p->rows : 0;
			column += scramble(p, round + 1, row, p->columns);
			column -= column >= p->columns ? p->columns : 0;
		}
		i = row * p->columns + column;
	} while (i >= p->n);
	return i;
}

/* log1p(t)/t and expm1(t)/t, also near 0, where theta passes 1. */
static double log1p_over(double t)
{
	return fabs(t) > 1e-8 ? log1p(t) / t : 1 - t * (0.5 - t / 3);
}

static double expm1_over(double t)
{
	return fabs(t) > 1e-8 ? expm1(t) / t : 1 + t * (0.5 + t / 6);
}

/* The density x^-theta, its integral from 1 to x, and the integral's inverse. */
static double density(const M2dZipf *z, double x)
{
	return exp(-z->theta * log(x));
}

static double integral(const M2dZipf *z, double x)
{
	double l = log(x);

	return expm1_over((1 - z->theta) * l) * l;
}

static double integral_inverse(const M2dZipf *z, double area)
{
	double t = fmax(area * (1 - z->theta), -1);

	return exp(log1p_over(t) * area);
}

void m2d_zipf_init(M2dZipf *z, uint64_t n, double theta)
{
	z->n = n;
	z->theta = theta;
	z->h_first = integral(z, 1.5) - 1;
	z->h_last = integral(z, (double)n + 0.5);
	z->squeeze = 2 - integral_inverse(z, integral(z, 2.5) - density(z, 2));
}

uint64_t m2d_zipf_next(const M2dZipf *z, M2dRng *rng)
{
	for (;;) {
		double u = z->h_last + m2d_rng_unit(rng) * (z->h_first - z->h_last);
		double x = integral_inverse(z, u), k = floor(x + 0.5);

		k = fmin(fmax(k, 1), (double)z->n);
		if (k - x <= z->squeeze || u >= integral(z, k + 0.5) - density(z, k))
			return (uint64_t)k;
	}
}
