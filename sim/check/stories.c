/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For stories: when something happened to each SPTE. One flat array a shadow page, since this is
 * noted at every change of an SPTE. */
#include "sim/check/check-private.h"

typedef struct {
	uint64_t at, old, new, time;
	uint32_t step;
	uint8_t actor, vcpu;
	bool known;
} M2dBrief;

static void brief_free(gpointer page)
{
	g_free(page);
}

GPtrArray *m2d_briefs_new(void)
{
	return g_ptr_array_new_with_free_func(brief_free);
}

void m2d_brief_put(GPtrArray *briefs, M2dSpIndex sp, unsigned index, const M2dMoment *m)
{
	M2dBrief *page;

	if (sp >= briefs->len)
		g_ptr_array_set_size(briefs, (gint)(sp + 1));
	page = g_ptr_array_index(briefs, sp);
	if (page == NULL)
		page = briefs->pdata[sp] = g_new0(M2dBrief, 512);
	page[index] = (M2dBrief){.at = m->a[0],
				 .old = m->a[1],
				 .new = m->a[2],
				 .time = m->time,
				 .step = m->step,
				 .actor = m->actor,
				 .vcpu = m->vcpu,
				 .known = true};
}

const M2dMoment *m2d_brief_get(const GPtrArray *briefs, M2dSpIndex sp, unsigned index, M2dMoment *m)
{
	const M2dBrief *b;

	if (sp >= briefs->len || g_ptr_array_index(briefs, sp) == NULL)
		return NULL;
	b = (const M2dBrief *)g_ptr_array_index(briefs, sp) + index;
	if (!b->known)
		return NULL;
	*m = (M2dMoment){.time = b->time,
			 .step = b->step,
			 .type = M2D_N_EVENTS,
			 .actor = b->actor,
			 .vcpu = b->vcpu,
			 .a = {b->at, b->old, b->new}};
	return m;
}
