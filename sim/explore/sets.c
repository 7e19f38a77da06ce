/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which actors need not be explored in a state, by the footprints of their steps. */
#include "sim/explore/explore-private.h"

uint32_t m2d_ex_still_asleep(const M2dExModel *m, uint32_t sleep, unsigned actor)
{
	M2dFootprint mine, other;
	uint32_t kept = 0;

	if (sleep == 0)
		return 0;
	m->footprint(m->data, actor, &mine);
	for (uint32_t left = sleep & ~(1u << actor); left != 0; left &= left - 1) {
		unsigned a = (unsigned)__builtin_ctz(left);

		m->footprint(m->data, a, &other);
		if (!m2d_fp_dependent(&mine, &other))
			kept |= 1u << a;
	}
	return kept;
}

/* The persistent set that begins with @first. */
static uint32_t close_set(const M2dExModel *m, unsigned first, uint32_t enabled)
{
	uint32_t set = 1u << first, open = set;

	while (open != 0) {
		unsigned a = (unsigned)__builtin_ctz(open);
		M2dFootprint next, rest;

		open &= open - 1;
		m->footprint(m->data, a, &next);
		for (unsigned b = 0; b < m->n_actors; b++) {
			/* One that is done may still be interrupted: its future says so. */
			if (set >> b & 1)
				continue;
			m->future(m->data, b, &rest);
			/* A member that cannot move waits for whoever may enable it. */
			if (!m2d_fp_dependent(&next, &rest))
				continue;
			set |= 1u << b;
			open |= 1u << b;
		}
		if ((set & enabled) == enabled)
			return enabled;
	}
	return set & enabled;
}

/* The actor's next step can decide whether an invariant holds. */
static bool is_visible(const M2dExModel *m, unsigned actor)
{
	M2dFootprint fp;

	if (m->visible == 0)
		return false;
	m->footprint(m->data, actor, &fp);
	return (fp.write & m->visible) != 0;
}

uint32_t m2d_ex_persistent_set(const M2dExModel *m, uint32_t enabled)
{
	uint32_t best = enabled;

	for (uint32_t left = enabled; left != 0; left &= left - 1) {
		unsigned first = (unsigned)__builtin_ctz(left);
		uint32_t set = close_set(m, first, enabled);

		if (set == 1u << first && is_visible(m, first))
			continue;
		if (__builtin_popcount(set) < __builtin_popcount(best))
			best = set;
		if ((best & (best - 1)) == 0)
			break;
	}
	return best;
}
