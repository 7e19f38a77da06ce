/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For stories: when something happened to each SPTE. Losses of guests' entries are in a table; what
 * each SPTE was set to is written one behind the other, since that is noted all the time and looked
 * for only when something has been found. */
#include "sim/check/check-private.h"

typedef struct {
	uint64_t at, old, new, time;
	M2dSptep sptep; /* 0: nothing here */
	uint32_t step;
	uint8_t actor, vcpu;
} M2dBrief;

static const M2dMoment *moment_of(const M2dBrief *b, M2dMoment *m)
{
	*m = (M2dMoment){.time = b->time,
			 .step = b->step,
			 .type = M2D_N_EVENTS,
			 .actor = b->actor,
			 .vcpu = b->vcpu,
			 .a = {b->at, b->old, b->new}};
	return m;
}

struct _M2dBriefs {
	M2dBrief *brief; /* by a hash of the SPTE, in the next free place */
	unsigned shift;  /* 64 - log2 of the places */
	uint32_t n;
};

#define FEWEST 8 /* log2 */

M2dBriefs *m2d_briefs_new(void)
{
	M2dBriefs *b = g_new0(M2dBriefs, 1);

	b->shift = 64 - FEWEST;
	b->brief = g_new0(M2dBrief, 1u << FEWEST);
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

	return b->sptep != 0 ? moment_of(b, m) : NULL;
}

/* --- one behind the other --------------------------------------------------------------------- */

#define CHUNK 1024u
#define KEPT  (UINT64_C(1) << 20) /* the latest ones; older ones are forgotten */

struct _M2dBirths {
	M2dBrief *chunk[KEPT / CHUNK];
	uint64_t n; /* noted so far */
};

M2dBirths *m2d_births_new(void)
{
	return g_new0(M2dBirths, 1);
}

void m2d_births_free(M2dBirths *births)
{
	for (unsigned i = 0; i < KEPT / CHUNK; i++)
		g_free(births->chunk[i]);
	g_free(births);
}

void m2d_birth_put(M2dBirths *births, M2dSpIndex sp, unsigned index, const M2dEvent *e)
{
	M2dBrief **chunk = &births->chunk[births->n / CHUNK % (KEPT / CHUNK)];

	if (*chunk == NULL)
		*chunk = g_new(M2dBrief, CHUNK);
	(*chunk)[births->n++ % CHUNK] = (M2dBrief){.at = e->a[0],
						   .old = e->a[2],
						   .new = e->a[3],
						   .time = e->time,
						   .sptep = m2d_sptep(sp, index),
						   .step = e->step,
						   .actor = e->actor,
						   .vcpu = e->vcpu};
}

const M2dMoment *m2d_birth_get(const M2dBirths *births, M2dSpIndex sp, unsigned index, M2dMoment *m)
{
	uint64_t end = births->n > KEPT ? births->n - KEPT : 0;
	M2dSptep sptep = m2d_sptep(sp, index);

	for (uint64_t i = births->n; i-- > end;) {
		const M2dBrief *b = &births->chunk[i / CHUNK % (KEPT / CHUNK)][i % CHUNK];

		if (b->sptep == sptep)
			return moment_of(b, m);
	}
	return NULL;
}
