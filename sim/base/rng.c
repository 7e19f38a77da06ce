/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/base/rng.h"

#include "sim/base/bits.h"

void m2d_rng_seed(M2dRng *rng, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++)
		rng->s[i] = m2d_mix64(seed += UINT64_C(0x9e3779b97f4a7c15));
}
