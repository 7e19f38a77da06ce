/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Told of each access of memory in the copy of the simulator that tools/observed.sh makes. The
 * compiler's hooks pass no context: what they fill is the one variable of this file.
 */
#include "tools/observe.h"

#ifdef M2D_HAVE_OBSERVED

#include <string.h>

static M2dExReads *reads;

/* Whatever is touched counts as read: a store of a part leaves the rest of its word, and one that
 * changes nothing would change another value. */
static void touch(const void *p, uint64_t len)
{
	M2dExReads *r = reads;
	uint64_t off;

	if (r == NULL || len == 0 || (const uint8_t *)p < r->base)
		return;
	off = (uint64_t)((const uint8_t *)p - r->base);
	for (uint64_t w = off / 8; w <= (off + len - 1) / 8 && w < r->n_words; w++) {
		if (r->touched[w])
			continue;
		r->touched[w] = 1;
		r->word[r->n++] = (uint32_t)w;
	}
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
	reads = r;
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
