/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that was touched is kept for the next search: a page that the kernel has not given to
 * anybody yet takes as long as a hundred states, where a hypervisor has to find it first.
 */
#include "sim/explore/pages.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_PAGE (UINT64_C(2) << 20)

/* Blocks that are kept, and the most that one may hold. */
#define N_KEPT   8u
#define MAX_KEPT (UINT64_C(256) << 20)

typedef struct {
	void *p; /* NULL: none; zeroed */
	uint64_t rounded;
} Block;

struct _M2dExPages {
	Block kept[N_KEPT];
};

/* Less than that is on small pages, whole ones. */
static uint64_t round_up(uint64_t bytes)
{
	uint64_t page = bytes < LARGE_PAGE ? 4096 : LARGE_PAGE;

	return (bytes + page - 1) & ~(page - 1);
}

M2dExPages *m2d_ex_pages_new(void)
{
	return g_new0(M2dExPages, 1);
}

void m2d_ex_pages_free(M2dExPages *pages)
{
	if (pages == NULL)
		return;
	for (unsigned i = 0; i < N_KEPT; i++)
		if (pages->kept[i].p != NULL)
			munmap(pages->kept[i].p, pages->kept[i].rounded);
	g_free(pages);
}

/* Exchange the first block of so many bytes (0: a free place for one) for @block. */
static bool swap(M2dExPages *pages, uint64_t rounded, Block *block)
{
	for (unsigned i = 0; pages != NULL && i < N_KEPT; i++) {
		Block was = pages->kept[i];

		if (was.rounded != rounded)
			continue;
		pages->kept[i] = *block;
		*block = was;
		return true;
	}
	return false;
}

void *m2d_ex_pages_take(M2dExPages *pages, uint64_t bytes)
{
	uint64_t rounded = round_up(bytes), more = bytes < LARGE_PAGE ? 0 : LARGE_PAGE, before;
	Block block = {0};
	uint8_t *p;

	if (rounded != 0 && swap(pages, rounded, &block))
		return block.p;
	p = mmap(NULL, rounded + more, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (more == 0)
		return p;
	before = -(uintptr_t)p & (LARGE_PAGE - 1);
	if (before != 0)
		munmap(p, before);
	p += before;
	if (before != more)
		munmap(p + rounded, more - before);
	madvise(p, rounded, MADV_HUGEPAGE);
	return p;
}

void m2d_ex_pages_give(M2dExPages *pages, void *p, uint64_t bytes, uint64_t touched)
{
	Block block = {p, round_up(bytes)};

	if (p == NULL)
		return;
	if (pages != NULL && touched <= MAX_KEPT && block.rounded != 0) {
		memset(p, 0, touched);
		if (swap(pages, 0, &block))
			return;
	}
	munmap(p, block.rounded);
}
