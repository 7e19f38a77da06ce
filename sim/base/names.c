/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/base/names.h"

#include <string.h>

#include "sim/base/near.h"

static const char *name_at(const char *const *first, size_t stride, unsigned i)
{
	return *(const char *const *)(const void *)((const char *)first + stride * i);
}

unsigned m2d_name_index(const char *const *first, size_t stride, unsigned n, const char *name)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (strcmp(name_at(first, stride, i), name) == 0)
			break;
	return i;
}

const char *m2d_name_near(const char *const *first, size_t stride, unsigned n, const char *name)
{
	const char *near = NULL;

	for (unsigned i = 0; i < n; i++)
		near = m2d_near_better(name, near, name_at(first, stride, i));
	return near;
}
