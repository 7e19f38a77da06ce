/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For stories: when something happened to each SPTE. One table for all of them, as large as what
 * was noted, since this is noted at every change of an SPTE. */
#include "sim/check/check-private.h"

typedef struct {
	uint64_t at, old, new, time;
	M2dSptep sptep; /* 0: nothing here */
	uint32_t step;
	uint8_t actor, vcpu;
} M2dBrief;

struct _M2dBriefs {
	M2dBrief *brief; /* by a hash of the SPTE, in the next free place */
	unsigned shift;  /* 64 - log2 of the places */
	uint32_t n;
};

M2dBriefs *m2d_briefs_new(unsigned log2)
{
	M2dBriefs *b = g_new0(M2dBriefs, 1);

	b->shift = 64 - log2;
	b->brief = g_new0(M2dBrief, UINT64_C(1) << log2);
	return b;
}

void m2d_briefs_free(M2dBriefs *briefs)
{
	g_free(briefs->brief);
	g_free(briefs);
}

/* Where @sptep is, or would be. */
static M2dBrief *place(const M2dBriefs *b, M2dSptep sptep)
{
	uint64_t mask = (UINT64_C(1) << (64 - b->shift)) - 1;
	uint64_t i = (uint64_t)sptep * UINT64_C(0x9e3779b97f4a7c15) >> b->shift;

	while (b->brief[i].sptep != 0 && b->brief[i].sptep != sptep)
		i = (i + 1) & mask;
	return &b->brief[i];
}

static void grow(M2dBriefs *b)
{
	uint64_t places = UINT64_C(1) << (64 - b->shift);
	M2dBriefs larger = {g_new0(M2dBrief, 2 * places), b->shift - 1, b->n};

	for (uint64_t i = 0; i < places; i++)
		if (b->brief[i].sptep != 0)
			*place(&larger, b->brief[i].sptep) = b->brief[i];
	g_free(b->brief);
	*b = larger;
}

void m2d_brief_put(M2dBriefs *briefs, M2dSpIndex sp, unsigned index, const M2dMoment *m)
{
	M2dBrief *b = place(briefs, m2d_sptep(sp, index));

	if (b->sptep == 0)
		briefs->n++;
	*b = (M2dBrief){.at = m->a[0],
			.old = m->a[1],
			.new = m->a[2],
			.time = m->time,
			.sptep = m2d_sptep(sp, index),
			.step = m->step,
			.actor = m->actor,
			.vcpu = m->vcpu};
	if (briefs->n >= UINT64_C(7) << (61 - briefs->shift))
		grow(briefs);
}

const M2dMoment *m2d_brief_get(const M2dBriefs *briefs, M2dSpIndex sp, unsigned index, M2dMoment *m)
{
	const M2dBrief *b = place(briefs, m2d_sptep(sp, index));

	if (b->sptep == 0)
		return NULL;
	*m = (M2dMoment){.time = b->time,
			 .step = b->step,
			 .type = M2D_N_EVENTS,
			 .actor = b->actor,
			 .vcpu = b->vcpu,
			 .a = {b->at, b->old, b->new}};
	return m;
}
