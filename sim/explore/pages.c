/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/pages.h"

#include <stddef.h>
#include <sys/mman.h>

#define LARGE_PAGE (UINT64_C(2) << 20)

/* Less than that is on small pages, whole ones. */
static uint64_t round_up(uint64_t bytes)
{
	uint64_t page = bytes < LARGE_PAGE ? 4096 : LARGE_PAGE;

	return (bytes + page - 1) & ~(page - 1);
}

void *m2d_ex_pages_new(uint64_t bytes)
{
	uint64_t rounded = round_up(bytes), more = bytes < LARGE_PAGE ? 0 : LARGE_PAGE, before;
	uint8_t *p = mmap(NULL, rounded + more, PROT_READ | PROT_WRITE,
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

void m2d_ex_pages_free(void *p, uint64_t bytes)
{
	if (p != NULL)
		munmap(p, round_up(bytes));
}
