/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Told of each access of memory in the copy of the simulator that tools/observed.sh makes. The
 * compiler's hooks pass no context: what they fill is the one variable of this file.
 */
#include "tools/observe.h"

#ifdef M2D_HAVE_OBSERVED

#include <string.h>

/* Where nobody asks: no word is of interest. */
static M2dExReads nothing;
static M2dExReads *reads = &nothing;

static inline void touch_word(M2dExReads *r, uint64_t w)
{
	uint64_t bit = M2D_BIT(w % 64), *seen = &r->seen[w / 64];

	if (m2d_likely(*seen & bit))
		return;
	*seen |= bit;
	r->word[r->n] = (uint32_t)w;
	memcpy(&r->value[r->n++], r->base + 8 * w, 8);
}

/* Whatever is touched counts as read: a store of a part leaves the rest of its word, and one that
 * changes nothing would change another value. */
static inline void touch(const void *p, uint64_t len)
{
	M2dExReads *r = reads;
	/* Below the arena it is a large one. */
	uint64_t off = (uint64_t)((uintptr_t)p - (uintptr_t)r->base), w = off / 8;

	if (m2d_likely(w >= r->n_words) || len == 0)
		return;
	touch_word(r, w);
	if (m2d_likely(off % 8 + len <= 8))
		return;
	for (uint64_t end = MIN((off + len - 1) / 8 + 1, r->n_words); ++w < end;)
		touch_word(r, w);
}

#define M2D_HOOK(p, len, write) touch(p, len)
#include "tools/hooks.h"

/* What the copy calls in place of functions of the C library, which have no hooks. */
void *m2d_observed_memcpy(void *to, const void *from, size_t n);
void *m2d_observed_memmove(void *to, const void *from, size_t n);
void *m2d_observed_memset(void *to, int c, size_t n);
int m2d_observed_memcmp(const void *a, const void *b, size_t n);

void *m2d_observed_memcpy(void *to, const void *from, size_t n)
{
	touch(from, n);
	touch(to, n);
	return memcpy(to, from, n);
}

void *m2d_observed_memmove(void *to, const void *from, size_t n)
{
	touch(from, n);
	touch(to, n);
	return memmove(to, from, n);
}

void *m2d_observed_memset(void *to, int c, size_t n)
{
	touch(to, n);
	return memset(to, c, n);
}

int m2d_observed_memcmp(const void *a, const void *b, size_t n)
{
	touch(a, n);
	touch(b, n);
	return memcmp(a, b, n);
}

static void observe(M2dExReads *r)
{
	reads = r != NULL ? r : &nothing;
}

/* Of the copy. */
M2dExWorld *m2d_observed_world_new(const M2dScenario *scenario, int variant,
				   const M2dScnOptions *options, GError **error);
void m2d_observed_world_free(M2dExWorld *world);

const M2dExObserved *m2d_observed(void)
{
	static const M2dExObserved observed = {m2d_observed_world_new, m2d_observed_world_free,
					       observe, 4096};

	return &observed;
}

#else

const M2dExObserved *m2d_observed(void)
{
	return NULL;
}

#endif
