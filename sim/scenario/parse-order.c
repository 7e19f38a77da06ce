/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of [orders]: as-written, explore [preempt<=N] [hw<=N], perm LABEL... */
#include "sim/scenario/parse-private.h"

#include <string.h>

#include "sim/base/near.h"

static const char *const order_words[] = {"as-written", "explore", "perm"};

/* "preempt<=2": the number behind @prefix. */
static bool bound_of(const char *text, const char *prefix, uint64_t max, uint64_t *n)
{
	return g_str_has_prefix(text, prefix) && m2d_scn_number(text + strlen(prefix), n) &&
	       *n <= max;
}

static bool parse_bounds(M2dScnParser *ps, M2dScnOrder *order)
{
	M2dScnWord word;
	uint64_t n;

	while (m2d_scn_word(ps, &word)) {
		if (!order->bounded && bound_of(word.text, "preempt<=", 1000, &n)) {
			order->bounded = true;
			order->preempt = (unsigned)n;
		} else if (order->hw == 0 && bound_of(word.text, "hw<=", 255, &n) && n != 0) {
			order->hw = (unsigned)n;
		} else {
			return m2d_scn_fail(ps, word.at,
					    "unknown bound %s, expected preempt<=N or hw<=N",
					    m2d_scn_quote(ps, word.text));
		}
		m2d_scn_code(ps, word.text);
	}
	return true;
}

static int find_label(const M2dScnParser *ps, const char *label, const char **near)
{
	*near = NULL;
	for (guint i = 0; i < ps->steps->len; i++) {
		const M2dScnStep *step = &g_array_index(ps->steps, M2dScnStep, i);

		if (step->label == NULL)
			continue;
		if (strcmp(step->label, label) == 0)
			return (int)i;
		*near = m2d_near_better(label, *near, step->label);
	}
	return -1;
}

static bool same_actor(const M2dScnParser *ps, unsigned a, unsigned b)
{
	M2dScnActor x = g_array_index(ps->steps, M2dScnStep, a).actor;
	M2dScnActor y = g_array_index(ps->steps, M2dScnStep, b).actor;

	return x.kind == y.kind && x.number == y.number;
}

/* A permutation names every step once and keeps the order within each actor. */
static bool check_perm(M2dScnParser *ps, const GArray *steps)
{
	g_autofree bool *named = g_new0(bool, ps->steps->len);

	for (guint i = 0; i < steps->len; i++) {
		unsigned step = g_array_index(steps, unsigned, i);

		for (unsigned earlier = 0; earlier < step; earlier++)
			if (!named[earlier] && same_actor(ps, earlier, step))
				return m2d_scn_fail(
					ps, ps->start,
					"@%s before an earlier step of its actor (line %u), "
					"expected the order within an actor to stay",
					g_array_index(ps->steps, M2dScnStep, step).label,
					g_array_index(ps->steps, M2dScnStep, earlier).place.line);
		named[step] = true;
	}
	for (guint i = 0; i < ps->steps->len; i++)
		if (!named[i])
			return m2d_scn_fail(ps, ps->start,
					    "the step of line %u is left out, expected all steps",
					    g_array_index(ps->steps, M2dScnStep, i).place.line);
	return true;
}

static bool parse_perm(M2dScnParser *ps, M2dScnOrder *order)
{
	g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(unsigned));
	const char *near;
	M2dScnWord word;

	while (m2d_scn_word(ps, &word)) {
		const char *label = word.text + (word.text[0] == '@');
		int found = find_label(ps, label, &near);
		unsigned step = (unsigned)found;

		if (found < 0)
			return m2d_scn_fail(ps, word.at,
					    "no step has label %s, expected one of "
					    "[steps]%s",
					    m2d_scn_quote(ps, label), m2d_scn_hint(ps, near));
		for (guint i = 0; i < steps->len; i++)
			if (g_array_index(steps, unsigned, i) == step)
				return m2d_scn_fail(ps, word.at,
						    "second %s, expected each step "
						    "once",
						    label);
		m2d_scn_code(ps, label);
		g_array_append_val(steps, step);
	}
	if (!check_perm(ps, steps))
		return false;
	order->steps = m2d_scn_freeze(ps->pool, steps, &order->n_steps);
	return true;
}

bool m2d_scn_parse_order(M2dScnParser *ps)
{
	M2dScnOrder order = {.place = m2d_scn_place(ps, ps->p)};
	const char *near = NULL;
	M2dScnWord word;
	unsigned kind;

	m2d_scn_word(ps, &word);
	for (kind = 0; kind < G_N_ELEMENTS(order_words); kind++) {
		if (strcmp(order_words[kind], word.text) == 0)
			break;
		near = m2d_near_better(word.text, near, order_words[kind]);
	}
	if (kind == G_N_ELEMENTS(order_words))
		return m2d_scn_fail(ps, word.at,
				    "unknown order %s, expected as-written, explore or perm%s",
				    m2d_scn_quote(ps, word.text), m2d_scn_hint(ps, near));
	order.kind = (M2dScnOrderKind)kind;
	m2d_scn_code(ps, word.text);
	for (guint i = 0; i < ps->orders->len; i++) {
		const M2dScnOrder *other = &g_array_index(ps->orders, M2dScnOrder, i);

		if (other->kind == order.kind && order.kind != M2D_SCN_PERM)
			return m2d_scn_fail(ps, word.at, "second %s, expected one", word.text);
	}
	if ((order.kind == M2D_SCN_EXPLORE && !parse_bounds(ps, &order)) ||
	    (order.kind == M2D_SCN_PERM && !parse_perm(ps, &order)) ||
	    !m2d_scn_end(ps, "the end of the line"))
		return false;
	g_array_append_val(ps->orders, order);
	return true;
}
