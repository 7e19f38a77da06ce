/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory of a scenario: blocks that are freed together, however far the parser got. */
#include "sim/scenario/parse-private.h"

#include <string.h>

struct _M2dScnPool {
	GPtrArray *blocks;
};

M2dScnPool *m2d_scn_pool_new(void)
{
	M2dScnPool *pool = g_new0(M2dScnPool, 1);

	pool->blocks = g_ptr_array_new_with_free_func(g_free);
	return pool;
}

void m2d_scn_pool_free(M2dScnPool *pool)
{
	g_ptr_array_unref(pool->blocks);
	g_free(pool);
}

void *m2d_scn_alloc(M2dScnPool *pool, gsize size)
{
	void *block = g_malloc0(MAX(size, 1));

	g_ptr_array_add(pool->blocks, block);
	return block;
}

const char *m2d_scn_strndup(M2dScnPool *pool, const char *text, gsize len)
{
	char *copy = m2d_scn_alloc(pool, len + 1);

	memcpy(copy, text, len);
	return copy;
}

void *m2d_scn_freeze(M2dScnPool *pool, GArray *array, unsigned *n)
{
	gsize size = array->len * g_array_get_element_size(array);
	void *block = m2d_scn_alloc(pool, size);

	if (size > 0)
		memcpy(block, array->data, size);
	*n = array->len;
	g_array_set_size(array, 0);
	return block;
}
