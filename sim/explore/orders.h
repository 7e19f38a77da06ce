/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * [orders] of a scenario: the order as written, permutations of the steps, all orders. The verdict
 * is one for all of them: what a variant expects must be found in one of them, and nothing else in
 * any; "always" claims hold at the end of each, "never" claims of none, "sometimes" claims of one
 * at least.
 */
#pragma once

#include "sim/explore/variant.h"

/* m2d_ex_has_orders: the scenario asks for more than the order as written. */
bool m2d_ex_has_orders(const M2dScenario *scenario);

/* m2d_ex_explore_order: the line that asks for all orders, or NULL. */
const M2dScnOrder *m2d_ex_explore_order(const M2dScenario *scenario);

typedef struct {
	unsigned perms;       /* permutations that were run */
	M2dExVariant *search; /* NULL: not asked for */
} M2dExOrders;

/**
 * m2d_ex_orders: look at the other orders of the variant that @run ran as written, and make its
 * verdict the one for all. False with @error if that cannot be done.
 * @how: of the search; its bound on preemptions is that of the file
 */
bool m2d_ex_orders(M2dScnRun *run, const M2dScnOptions *options, const M2dExVariantOptions *how,
		   M2dExOrders *orders, GError **error);
void m2d_ex_orders_clear(M2dExOrders *orders);
