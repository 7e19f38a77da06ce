/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shortest: Dijkstra by (preemptions, steps) with buckets. Nodes wait in a bucket of their number
 * of preemptions and length and are looked at when they come out, so that the first violation that
 * comes out has the least of both. A node is its parent and the step that led to it; the world is
 * moved from node to node by going back to their common ancestor and down again, which is short
 * since neighbours in a bucket are near in the tree.
 */
#include "sim/explore/explore-private.h"

#define NO_NODE UINT32_MAX

typedef struct {
	uint64_t key; /* of the state, with the actor that ran last */
	uint32_t parent;
	uint32_t depth;
	uint8_t actor, alt;
	uint8_t preemptions;
	uint8_t bad; /* invariant that the step broke */
	uint32_t pad;
} Node;

typedef struct {
	M2dExRun *run;
	M2dExTable table;
	GArray *nodes; /* of Node */
	/* Node numbers by length: with the present number of preemptions, and with one more. */
	GPtrArray *layer[2];
	GArray *at;    /* node numbers from the root to where the world is */
	GArray *marks; /* of M2dMark, parallel to @at */
} Search;

static Node *node(const Search *s, uint32_t i)
{
	return &g_array_index(s->nodes, Node, i);
}

static uint32_t here(const Search *s)
{
	return g_array_index(s->at, uint32_t, s->at->len - 1);
}

static void go_down(Search *s, uint32_t i)
{
	const M2dExModel *m = s->run->m;
	M2dMark mark;

	m->step(m->data, node(s, i)->actor, node(s, i)->alt);
	mark = m2d_arena_mark(m->arena);
	g_array_append_val(s->at, i);
	g_array_append_val(s->marks, mark);
}

/* Move the world to @target. */
static void go_to(Search *s, uint32_t target)
{
	const M2dExModel *m = s->run->m;
	uint32_t up = here(s), down = target;
	g_autoptr(GArray) path = g_array_new(FALSE, FALSE, sizeof(uint32_t));

	while (up != down) {
		if (node(s, up)->depth >= node(s, down)->depth && up != 0) {
			up = node(s, up)->parent;
			g_array_set_size(s->at, s->at->len - 1);
			g_array_set_size(s->marks, s->marks->len - 1);
		} else {
			g_array_append_val(path, down);
			down = node(s, down)->parent;
		}
	}
	m2d_arena_rollback(m->arena, g_array_index(s->marks, M2dMark, s->marks->len - 1));
	for (guint i = path->len; i-- > 0;)
		go_down(s, g_array_index(path, uint32_t, i));
}

static M2dExStep *path_to(const Search *s, uint32_t i, uint64_t *n)
{
	M2dExStep *steps;

	*n = node(s, i)->depth;
	steps = g_new(M2dExStep, *n + 1);
	for (uint64_t k = *n; k-- > 0; i = node(s, i)->parent)
		steps[k] = (M2dExStep){node(s, i)->actor, node(s, i)->alt};
	return steps;
}

static uint64_t key_of(const Search *s, unsigned last)
{
	/* Whether the next switch is a preemption depends on who ran last. */
	return s->run->m->arena->hash ^ m2d_mix64(last + 1);
}

static void enqueue(GPtrArray *layer, uint32_t depth, uint32_t id)
{
	while (layer->len <= depth)
		g_ptr_array_add(layer, g_array_new(FALSE, FALSE, sizeof(uint32_t)));
	g_array_append_val((GArray *)layer->pdata[depth], id);
}

/* The world has just been stepped to a child of @parent. */
static void add_child(Search *s, uint32_t parent, M2dExStep step, unsigned preemptions,
		      unsigned bad)
{
	M2dExRun *run = s->run;
	Node n = {.key = key_of(s, step.actor),
		  .parent = parent,
		  .depth = node(s, parent)->depth + 1,
		  .actor = step.actor,
		  .alt = step.alt,
		  .preemptions = (uint8_t)preemptions,
		  .bad = (uint8_t)bad};
	uint32_t id = s->nodes->len;
	unsigned more = preemptions - node(s, parent)->preemptions;

	/* Came out before: with no more preemptions and steps. */
	if (bad == 0 && s->table.key[m2d_ex_table_find(&s->table, n.key, 0)] != 0)
		return;
	if (run->o->max_bytes != 0 && (uint64_t)id * sizeof(Node) > run->o->max_bytes) {
		run->r->end = M2D_EX_BOUND_MEMORY;
		run->stop = true;
		return;
	}
	g_array_append_val(s->nodes, n);
	enqueue(s->layer[more], n.depth, id);
	run->r->depth = MAX(run->r->depth, n.depth);
}

static void try_step(Search *s, uint32_t parent, unsigned actor, unsigned alt, unsigned preemptions)
{
	M2dExRun *run = s->run;
	const M2dExModel *m = run->m;
	M2dExStep step = {(uint8_t)actor, (uint8_t)alt};
	unsigned bad;

	if (run->o->preemptions >= 0 && (int)preemptions > run->o->preemptions)
		return;
	m->step(m->data, actor, alt);
	run->r->transitions++;
	bad = m->violation != NULL ? m->violation(m->data) : 0;
	if (bad == 0 && m2d_ex_enabled(m) == 0 && m->end_violation != NULL) {
		bool done = true;

		for (unsigned a = 0; a < m->n_actors; a++)
			done &= m->done(m->data, a);
		bad = done ? m->end_violation(m->data) : 0;
	}
	if (node(s, parent)->depth + 1 >= run->o->max_steps) {
		run->r->end = M2D_EX_BOUND_STEPS;
		run->stop = true;
	} else {
		add_child(s, parent, step, preemptions, bad);
	}
	m2d_arena_rollback(m->arena, g_array_index(s->marks, M2dMark, s->marks->len - 1));
}

/* Node @i has come out of its bucket. */
static void expand(Search *s, uint32_t i)
{
	M2dExRun *run = s->run;
	const M2dExModel *m = run->m;
	unsigned last = i == 0 ? M2D_EX_MAX_ACTORS : node(s, i)->actor;
	unsigned preemptions = node(s, i)->preemptions;
	uint64_t key = node(s, i)->key, slot = m2d_ex_table_find(&s->table, key, 0), n;
	bool could_go_on;

	if (node(s, i)->bad != 0) {
		g_autofree M2dExStep *path = path_to(s, i, &n);

		m2d_ex_found(run, node(s, i)->bad, path, n);
		return;
	}
	if (s->table.key[slot] != 0)
		return;
	run->r->states++;
	if (m2d_ex_table_add(&s->table, slot, key, 0, 0) == UINT64_MAX ||
	    (run->o->max_states != 0 && run->r->states > run->o->max_states)) {
		run->r->end = s->table.full ? M2D_EX_BOUND_MEMORY : M2D_EX_BOUND_STATES;
		run->stop = true;
		return;
	}
	go_to(s, i);
	could_go_on = last < M2D_EX_MAX_ACTORS && m->enabled(m->data, last) != 0;
	if (m2d_ex_enabled(m) == 0) {
		g_autofree M2dExStep *path = path_to(s, i, &n);

		m2d_ex_terminal(run, path, n);
		return;
	}
	for (unsigned a = 0; a < m->n_actors && !run->stop; a++) {
		unsigned alts = m->enabled(m->data, a);

		for (unsigned k = 0; k < alts && !run->stop; k++)
			try_step(s, i, a, k, preemptions + (could_go_on && a != last));
	}
}

static bool run_layer(Search *s)
{
	bool any = false;

	/* Buckets grow behind the one being emptied. */
	for (guint depth = 0; depth < s->layer[0]->len; depth++) {
		for (guint k = 0; k < ((GArray *)s->layer[0]->pdata[depth])->len; k++) {
			expand(s, g_array_index((GArray *)s->layer[0]->pdata[depth], uint32_t, k));
			any = true;
			if (s->run->stop || !m2d_ex_tick(s->run))
				return false;
		}
	}
	return any;
}

static GPtrArray *layer_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
}

void m2d_ex_shortest(M2dExRun *run)
{
	Search s = {.run = run};
	Node root = {.parent = NO_NODE};
	uint32_t zero = 0;
	M2dMark mark = m2d_arena_mark(run->m->arena);

	m2d_ex_table_init(&s.table, false, run->o->max_bytes);
	s.nodes = g_array_new(FALSE, FALSE, sizeof(Node));
	s.layer[0] = layer_new();
	s.layer[1] = layer_new();
	s.at = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	s.marks = g_array_new(FALSE, FALSE, sizeof(M2dMark));
	root.key = key_of(&s, M2D_EX_MAX_ACTORS);
	g_array_append_val(s.nodes, root);
	g_array_append_val(s.at, zero);
	g_array_append_val(s.marks, mark);
	enqueue(s.layer[0], 0, zero);
	while (run_layer(&s)) {
		g_ptr_array_unref(s.layer[0]);
		s.layer[0] = s.layer[1];
		s.layer[1] = layer_new();
	}
	m2d_arena_rollback(run->m->arena, g_array_index(s.marks, M2dMark, 0));
	run->r->bytes = m2d_ex_table_bytes(&s.table) + s.nodes->len * sizeof(Node);
	m2d_ex_table_clear(&s.table);
	g_array_unref(s.nodes);
	g_ptr_array_unref(s.layer[0]);
	g_ptr_array_unref(s.layer[1]);
	g_array_unref(s.at);
	g_array_unref(s.marks);
}
