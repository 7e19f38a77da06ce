/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of batches, which is kept from one to the next. */
#include <stdlib.h>
#include <sys/mman.h>

#include "sim/trace/decode-private.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

void m2d_batch_room(void *array, uint32_t *cap, uint32_t n, size_t size)
{
	void **p = array;

	if (n <= *cap)
		return;
	g_free(*p);
	*cap = n + n / 4;
	*p = g_malloc(*cap * size);
}

/* This is the largest array by far: in large pages where the system has them, since taking
 * 4 MiB by small page faults costs as much as decoding into them. */
void m2d_batch_room_refs(M2dBatch *batch, uint32_t n)
{
	size_t bytes = ((size_t)n * sizeof(M2dRef) + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	void *p;

	if (n <= batch->cap_refs)
		return;
	free(batch->refs);
	if ((size_t)n * sizeof(M2dRef) < HUGE_PAGE) {
		batch->refs = g_new(M2dRef, n);
		batch->cap_refs = n;
		return;
	}
	p = aligned_alloc(HUGE_PAGE, bytes);
	if (p == NULL)
		g_error("out of memory");
	madvise(p, bytes, MADV_HUGEPAGE);
	batch->refs = p;
	batch->cap_refs = (uint32_t)(bytes / sizeof(M2dRef));
}

void m2d_batch_clear(M2dBatch *batch)
{
	free(batch->refs);
	g_free(batch->events);
	g_free(batch->segments);
	g_free(batch->pages);
	g_free(batch->page_data);
	memset(batch, 0, sizeof(*batch));
}
