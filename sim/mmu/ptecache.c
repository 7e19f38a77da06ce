/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/mmu/ptecache.h"

#include "sim/base/bits.h"

#define MAX_CACHE_WAYS 64

/* Tags of a set stand in order of recency, most recent first. */
typedef struct {
	uint64_t *tag; /* line number + 1 */
	uint32_t sets, ways;
	uint32_t latency;
	bool pow2;
} M2dLevel;

typedef struct {
	M2dLevel l;
} M2dSharedLevel;

struct _M2dPteCache {
	M2dLevel level[2];
	M2dSharedLevel *l3; /* counted references */
	unsigned line_shift;
	unsigned first; /* first level that walkers ask */
	uint32_t dram;
};

static void level_init(M2dLevel *l, const M2dCacheLevel *config, uint32_t line)
{
	l->latency = config->latency;
	if (config->bytes == 0)
		return;
	l->ways = MIN(config->ways, MAX_CACHE_WAYS);
	l->sets = (uint32_t)MAX(config->bytes / line / l->ways, 1);
	l->pow2 = m2d_is_pow2(l->sets);
	l->tag = g_new0(uint64_t, (size_t)l->sets * l->ways);
}

static void shared_clear(gpointer p)
{
	g_free(((M2dSharedLevel *)p)->l.tag);
}

M2dPteCache *m2d_ptecache_new(const M2dMachine *machine, M2dPteCache *sibling)
{
	M2dPteCache *c = g_new0(M2dPteCache, 1);
	uint32_t line = MAX(machine->mem.line, 8);

	c->line_shift = (unsigned)__builtin_ctz(line);
	c->first = machine->walk.fetch_from_l1 ? 0 : 1;
	c->dram = machine->mem.dram;
	for (int i = 0; i < 2; i++)
		level_init(&c->level[i], &machine->mem.level[i], line);
	if (sibling != NULL) {
		c->l3 = g_rc_box_acquire(sibling->l3);
	} else {
		c->l3 = g_rc_box_new0(M2dSharedLevel);
		level_init(&c->l3->l, &machine->mem.level[2], line);
	}
	return c;
}

void m2d_ptecache_free(M2dPteCache *c)
{
	if (c == NULL)
		return;
	for (int i = 0; i < 2; i++)
		g_free(c->level[i].tag);
	g_rc_box_release_full(c->l3, shared_clear);
	g_free(c);
}

/* True if @line was present; it is the most recent one of its set afterwards. */
static bool level_access(M2dLevel *l, uint64_t line)
{
	uint32_t set = l->pow2 ? (uint32_t)line & (l->sets - 1)
			       : (uint32_t)((m2d_mix64(line) >> 32) * l->sets >> 32);
	uint64_t *t, key = line + 1, carry = key;
	uint32_t w;

	if (l->tag == NULL)
		return false;
	t = l->tag + (size_t)set * l->ways;
	for (w = 0; w < l->ways; w++) {
		uint64_t old = t[w];

		t[w] = carry;
		carry = old;
		if (old == key)
			return true;
	}
	return false;
}

unsigned m2d_ptecache_fetch(M2dPteCache *c, uint64_t hpa, uint32_t *cycles)
{
	uint64_t line = hpa >> c->line_shift;

	for (unsigned i = c->first; i < 2; i++) {
		if (level_access(&c->level[i], line)) {
			*cycles = c->level[i].latency;
			return i + 1;
		}
	}
	if (level_access(&c->l3->l, line)) {
		*cycles = c->l3->l.latency;
		return 3;
	}
	*cycles = c->dram;
	return 4;
}
