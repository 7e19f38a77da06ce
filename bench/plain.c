/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/plain.h"

#include <glib.h>

#define L1_SETS 16
#define L1_WAYS 4
#define L2_SETS 128
#define L2_WAYS 12

typedef struct {
	uint64_t tag;   /* page number << 16 | ASID, + 1; 0: free */
	uint64_t frame; /* and permissions in bits 2:0: R, W, X */
	uint64_t used;  /* time of last use */
} Entry;

struct _Plain {
	Entry l1[2][L1_SETS][L1_WAYS];
	Entry l2[L2_SETS][L2_WAYS];
	uint64_t now;
	PlainCounts counts;
};

Plain *plain_new(void)
{
	return g_new0(Plain, 1);
}

void plain_free(Plain *plain)
{
	g_free(plain);
}

PlainCounts plain_counts(const Plain *plain)
{
	return plain->counts;
}

static inline Entry *find(Entry *set, int ways, uint64_t tag)
{
	for (int w = 0; w < ways; w++)
		if (set[w].tag == tag)
			return &set[w];
	return NULL;
}

static inline Entry *oldest(Entry *set, int ways)
{
	Entry *e = set;

	for (int w = 1; w < ways; w++)
		if (set[w].used < e->used)
			e = &set[w];
	return e;
}

void plain_run(Plain *p, const M2dRef *refs, size_t n, uint32_t asid)
{
	uint64_t now = p->now, l1_hits = 0, faults = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t page = refs[i].va >> 12, tag = (page << 16 | asid) + 1;
		unsigned kind = refs[i].w & 3;
		Entry *set = p->l1[kind >> 1][page % L1_SETS], *e = find(set, L1_WAYS, tag);

		now++;
		if (__builtin_expect(e != NULL, 1)) {
			l1_hits++;
		} else {
			Entry *set2 = p->l2[page % L2_SETS], *e2 = find(set2, L2_WAYS, tag);

			if (e2 != NULL) {
				p->counts.l2_hits++;
			} else {
				e2 = oldest(set2, L2_WAYS);
				e2->tag = tag;
				e2->frame = page << 12 | 7;
				p->counts.misses++;
			}
			e2->used = now;
			e = oldest(set, L1_WAYS);
			e->tag = tag;
			e->frame = e2->frame;
		}
		e->used = now;
		faults += !(e->frame >> kind & 1);
	}
	p->now = now;
	p->counts.l1_hits += l1_hits;
	p->counts.faults += faults;
}
