/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trees of words and values. Models are deterministic: the first word that a step looks at is
 * always the same one, and each value that is found decides which word is next. A path is the words
 * one behind the other; where values differ, another path leaves it.
 */
#include "sim/explore/memo-private.h"

uint32_t m2d_ex_memo_find(const M2dExMemo *m, const GArray *nodes, uint32_t root)
{
	const M2dArena *arena = m->x->model.arena;
	const uint64_t *word = (const uint64_t *)(const void *)arena->base;
	const M2dExNode *node = (const M2dExNode *)(const void *)nodes->data, *n = &node[root];

	if (root == 0)
		return 0;
	for (;;) {
		if (m2d_likely(word[n->word] == n->value)) {
			n++;
			continue;
		}
		if (n->other & M2D_EX_NODE_END)
			break;
		if (n->other == 0)
			return 0;
		n = &node[n->other];
	}
	for (uint32_t i = n->other & ~M2D_EX_NODE_END; i != 0; i = m2d_ex_memo_effect(m, i)->next) {
		uint64_t end = m2d_ex_memo_brief(m, i)->end;

		if (m2d_likely(end == 0 || end == arena->used))
			return i;
	}
	return 0;
}

bool m2d_ex_memo_enter(M2dExMemo *m, GArray *nodes, uint32_t *root, const uint32_t *read,
		       uint32_t n_read, uint32_t effect, uint32_t *was)
{
	const uint64_t *word = (const uint64_t *)(const void *)m->x->model.arena->base;
	M2dExNode end = {0, M2D_EX_NODE_END | effect, 1};
	uint32_t i = *root, k = 0, at = 0;

	*was = 0;
	/* The way that is known. */
	while (i != 0) {
		M2dExNode *n = &g_array_index(nodes, M2dExNode, i);

		if (n->other & M2D_EX_NODE_END) {
			/* All of it: the arena ended elsewhere. */
			*was = n->other & ~M2D_EX_NODE_END;
			if (k != n_read || m2d_ex_memo_brief(m, *was)->end == 0)
				return false;
			n->other = end.other;
			return true;
		}
		if (k >= n_read || n->word != read[k])
			return false;
		if (word[n->word] == n->value) {
			i++;
			k++;
		} else {
			at = i;
			i = n->other;
		}
	}
	if (at == 0)
		*root = nodes->len;
	else
		g_array_index(nodes, M2dExNode, at).other = nodes->len;
	for (; k < n_read; k++) {
		M2dExNode n = {read[k], 0, word[read[k]]};

		g_array_append_val(nodes, n);
	}
	g_array_append_val(nodes, end);
	return true;
}
