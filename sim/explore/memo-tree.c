/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trees of words and values. Models are deterministic: the first word that a step looks at is
 * always the same one, and each value that is found decides which word is next. A path is the words
 * one behind the other; where values differ, another path leaves it.
 */
#include "sim/explore/memo-private.h"
#include "sim/explore/pages.h"

#define TREE_BYTES ((M2D_EX_MAX_NODES + M2D_EX_MAX_PATH + M2D_EX_NODES_OF_END) * sizeof(M2dExNode))

void m2d_ex_trees_init(M2dExTrees *t, M2dExPages *pages)
{
	t->node = m2d_ex_pages_take(pages, TREE_BYTES);
	if (t->node == NULL)
		g_error("no memory for what steps read");
	t->n = t->most = 1;
}

void m2d_ex_trees_empty(M2dExTrees *t)
{
	t->most = MAX(t->most, t->n);
	t->n = 1;
}

void m2d_ex_trees_clear(M2dExTrees *t, M2dExPages *pages)
{
	m2d_ex_trees_empty(t);
	m2d_ex_pages_give(pages, t->node, TREE_BYTES, t->most * sizeof(M2dExNode));
}

uint32_t m2d_ex_memo_find(const M2dExMemo *m, const M2dExTrees *trees, uint32_t root,
			  uint32_t *leaf)
{
	const M2dArena *arena = m->x->model.arena;
	const uint64_t *word = (const uint64_t *)(const void *)arena->base;
	const M2dExNode *node = trees->node, *n = &node[root];

	*leaf = 0;
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
		uint32_t end = m->brief[i].end;

		if (m2d_likely(end == 0)) {
			*leaf = (uint32_t)(n - node);
			return i;
		}
		if (end == arena->used / 8)
			return i;
	}
	return 0;
}

bool m2d_ex_memo_enter(M2dExMemo *m, M2dExTrees *trees, uint32_t *root, const M2dExReads *reads,
		       uint32_t effect, uint32_t *was)
{
	M2dExNode end = {0, M2D_EX_NODE_END | effect, 1};
	uint32_t i = *root, k = 0, at = 0;

	*was = 0;
	/* The way that is known. */
	while (i != 0) {
		M2dExNode *n = &trees->node[i];

		if (n->other & M2D_EX_NODE_END) {
			/* All of it: the arena ended elsewhere. */
			*was = n->other & ~M2D_EX_NODE_END;
			if (k != reads->n || m->brief[*was].end == 0)
				return false;
			n->other = end.other;
			return true;
		}
		if (k >= reads->n || n->word != reads->word[k])
			return false;
		if (reads->value[k] == n->value) {
			i++;
			k++;
		} else {
			at = i;
			i = n->other;
		}
	}
	if (at == 0)
		*root = trees->n;
	else
		trees->node[at].other = trees->n;
	for (; k < reads->n; k++)
		trees->node[trees->n++] = (M2dExNode){reads->word[k], 0, reads->value[k]};
	trees->node[trees->n++] = end;
	trees->node[trees->n++] = (M2dExNode){0};
	return true;
}
