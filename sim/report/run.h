/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs of scenarios as text and JSON. */
#pragma once

#include "sim/base/json.h"
#include "sim/report/ladder.h"
#include "sim/explore/orders.h"

/* m2d_run_name: name of the run's variant; "" if the scenario has none. */
const char *m2d_run_name(const M2dScnRun *run);

/* m2d_run_vcpus: number of vCPUs; the actor behind them is the host. */
unsigned m2d_run_vcpus(const M2dScnRun *run);

/* m2d_run_event_text: an event as in KVM's trace, and what its number means; g_free(). */
char *m2d_run_event_text(const M2dEvent *event);

/* m2d_run_event_tells: whether a reader of a story wants events of this type. */
bool m2d_run_event_tells(M2dEventType type);

/* m2d_run_ladder: what each actor did, micro-step by micro-step, with the events that tell. */
M2dLadder *m2d_run_ladder(const M2dScnRun *run);

/* m2d_run_verdict_text: one line: variant, verdict, what was found or why it failed; g_free(). */
char *m2d_run_verdict_text(const M2dScnRun *run);

/* m2d_run_stories_text: the findings with their stories, results that differ and failed claims;
 * g_free(). */
char *m2d_run_stories_text(const M2dScnRun *run);

/* m2d_run_cost_text: cycles, faults and refills of @n runs side by side; g_free(). */
char *m2d_run_cost_text(const M2dScnRun *const *runs, unsigned n);

/* m2d_run_orders_text: what other orders than that as written gave, in one line, or NULL; g_free().
 */
char *m2d_run_orders_text(const M2dExOrders *orders);

/* m2d_run_json: append the run's object to the array that @json is in. @orders: or NULL */
void m2d_run_json(M2dJson *json, const M2dScnRun *run, const M2dExOrders *orders, bool cost);
