/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/report/run.h"

#include <string.h>

#include "sim/scenario/results.h"

const char *m2d_run_name(const M2dScnRun *run)
{
	return run->variant >= 0 ? run->scenario->variants[run->variant].name : "";
}

unsigned m2d_run_vcpus(const M2dScnRun *run)
{
	return m2d_scn_vcpus(run->scenario, run->variant);
}

/* --- the ladder of a run ---------------------------------------------------------------------- */

/* Events that a reader of a story wants: not bookkeeping, not what the step's own line says. */
bool m2d_run_event_tells(M2dEventType type)
{
	switch (type) {
	case M2D_E_LOCK:
	case M2D_E_UNLOCK:
	case M2D_E_KVM_VCPU_MODE:
	case M2D_E_FRAME_OWNED:
	case M2D_E_SPTE_CHANGED:
	case M2D_E_SYNC_SPTE:
	case M2D_E_SP_ALLOC:
	case M2D_E_OP_DONE:
	case M2D_E_GUEST_ACCESS:
	case M2D_E_KVM_PAGE_FAULT_DONE:
	case M2D_E_FLUSH_REMOTE_DONE:
	case M2D_E_KVM_REQUEST_DONE:
	case M2D_E_CHECK_MMIO_SPTE:
	case M2D_E_DIRTY_MARKED:
	case M2D_E_KVM_MMU_GET_PAGE:
		return false;
	default:
		return true;
	}
}

static void add_events(const M2dScnRun *run, const M2dScnMicro *m, GString *cell)
{
	for (guint i = 0; i < m->n_events; i++) {
		const M2dEvent *e = &g_array_index(run->events, M2dEvent, m->first_event + i);
		g_autofree char *text =
			m2d_run_event_tells((M2dEventType)e->type) ? m2d_run_event_text(e) : NULL;

		if (text != NULL)
			g_string_append_printf(cell, "%s  %s", cell->len != 0 ? "\n" : "", text);
	}
}

static unsigned column_of(const M2dScnRun *run, unsigned actor, unsigned n_vcpus)
{
	for (unsigned i = 0; i < run->scenario->n_actors; i++) {
		const M2dScnActor *a = &run->scenario->actors[i];

		if ((a->kind == M2D_SCN_ACTOR_VCPU && a->number == actor) ||
		    (a->kind == M2D_SCN_ACTOR_HOST && actor >= n_vcpus))
			return i;
	}
	return run->scenario->n_actors;
}

/* A row; the column behind those of the scenario's actors is there once it is needed. */
static void add_row(M2dLadder *ladder, const char *number, unsigned column, unsigned *n_columns,
		    const char *text)
{
	if (column >= *n_columns)
		*n_columns = m2d_ladder_column(ladder, "others") + 1;
	m2d_ladder_row(ladder, number, column, text);
}

M2dLadder *m2d_run_ladder(const M2dScnRun *run)
{
	const M2dScenario *s = run->scenario;
	M2dLadder *ladder = m2d_ladder_new();
	g_autofree bool *begun = g_new0(bool, s->n_steps + 1);
	unsigned n_vcpus = m2d_run_vcpus(run), n_columns = s->n_actors;
	bool interrupt = false; /* the row of an interrupt has been begun */

	for (unsigned i = 0; i < s->n_actors; i++) {
		g_autofree char *title = m2d_scn_actor_text(s->actors[i]);

		m2d_ladder_column(ladder, title);
	}
	for (guint i = 0; i < run->micro->len; i++) {
		const M2dScnMicro *m = &g_array_index(run->micro, M2dScnMicro, i);
		const M2dScnStep *step = m->step >= 0 ? &s->steps[m->step] : NULL;
		GString *cell = g_string_new(NULL);
		const char *number = NULL;

		if (step != NULL && !begun[m->step]) {
			begun[m->step] = true;
			number = step->label;
			g_string_append(cell, step->text);
		}
		add_events(run, m, cell);
		if (step != NULL || i == 0 ||
		    g_array_index(run->micro, M2dScnMicro, i - 1).actor != m->actor)
			interrupt = false;
		if (m->hw && cell->len != 0)
			g_string_prepend(cell, "(hardware)\n");
		else if (step == NULL && !interrupt && cell->len != 0) {
			g_string_prepend(cell, "(interrupt)\n");
			interrupt = true;
		}
		if (!m->done && m->point != M2D_PT_NONE && cell->len != 0)
			g_string_append_printf(cell, "\n  [%s]",
					       m2d_point_name((M2dPoint)m->point));
		if (m->done && step != NULL) {
			g_autofree char *text = m2d_scn_outcome_text(step, &run->steps[m->step]);

			g_string_append_printf(cell, "%s  -> %s", cell->len != 0 ? "\n" : "", text);
		}
		if (cell->len != 0)
			add_row(ladder, number, column_of(run, m->actor, n_vcpus), &n_columns,
				cell->str);
		g_string_free(cell, TRUE);
	}
	return ladder;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static void add_expected(const M2dScnRun *run, GString *text)
{
	const M2dScnVariant *v = run->variant >= 0 ? &run->scenario->variants[run->variant] : NULL;

	if (v == NULL || v->n_expect == 0) {
		g_string_append(text, "clean");
		return;
	}
	for (unsigned i = 0; i < v->n_expect; i++)
		g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", v->expect[i].text);
}

/* Why @run failed, without what m2d_run_stories_text() says below it. */
static const char *short_why(const M2dScnRun *run)
{
	for (unsigned i = 0; i < run->scenario->n_steps; i++)
		if (g_strcmp0(run->steps[i].mismatch, run->why) == 0)
			return "a result differs";
	if (run->claims->len != 0 && strcmp(run->claims->pdata[0], run->why) == 0)
		return "a claim does not hold";
	return run->why;
}

char *m2d_run_verdict_text(const M2dScnRun *run)
{
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "%-4s  %-28s kvm %-8s ", run->pass ? "pass" : "FAIL",
			       m2d_run_name(run), run->kvm);
	if (run->pass) {
		add_expected(run, text);
		if (run->findings->len != 0)
			g_string_append(text, " (violated, as expected)");
		else if (run->variant >= 0 && run->scenario->variants[run->variant].n_expect != 0)
			g_string_append(text, " (violated in another order, as expected)");
	} else {
		g_string_append(text, "expected ");
		add_expected(run, text);
		g_string_append_printf(text, "; %s", short_why(run));
	}
	return g_string_free(text, FALSE);
}

char *m2d_run_orders_text(const M2dExOrders *orders)
{
	const M2dExVariant *v = orders->search;
	g_autofree char *end = v != NULL ? m2d_ex_variant_end(v) : NULL;
	GString *text = g_string_new(NULL);

	if (orders->perms != 0)
		g_string_append_printf(text, "%u permutation%s", orders->perms,
				       orders->perms == 1 ? "" : "s");
	if (v != NULL)
		g_string_append_printf(
			text, "%sexplored, %s: %" G_GUINT64_FORMAT " states, %.2f s%s%s",
			text->len != 0 ? "; " : "", end, v->all->states, v->seconds,
			v->schedule != NULL ? ", " : "", v->schedule != NULL ? v->invariant : "");
	if (text->len != 0)
		return g_string_free(text, FALSE);
	g_string_free(text, TRUE);
	return NULL;
}

char *m2d_run_stories_text(const M2dScnRun *run)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < run->findings->len; i++) {
		const M2dScnFinding *f = &g_array_index(run->findings, M2dScnFinding, i);

		g_string_append_printf(text, "  %s: %s\n", f->invariant, f->what);
		for (const char *line = f->story; *line != '\0';) {
			size_t n = strcspn(line, "\n");

			g_string_append_printf(text, "    %.*s\n", (int)n, line);
			line += n + (line[n] != '\0');
		}
	}
	for (unsigned i = 0; i < run->scenario->n_steps; i++)
		if (run->steps[i].mismatch != NULL)
			g_string_append_printf(text, "  result: %s\n", run->steps[i].mismatch);
	for (guint i = 0; i < run->claims->len; i++)
		g_string_append_printf(text, "  claim: %s\n", (char *)run->claims->pdata[i]);
	return g_string_free(text, FALSE);
}

/* --- costs ------------------------------------------------------------------------------------ */

typedef struct {
	const char *name;
	uint64_t (*value)(const M2dScnRun *run, unsigned index);
	unsigned index;
} CostRow;

static uint64_t class_cycles(const M2dScnRun *run, unsigned class)
{
	uint64_t sum = 0;

	for (unsigned c = 0; c < M2D_N_CAUSES; c++)
		if ((unsigned)m2d_cause_class((M2dCause)c) == class)
			sum += run->stats.cycles[c];
	return sum;
}

static uint64_t cause_cycles(const M2dScnRun *run, unsigned cause)
{
	return run->stats.cycles[cause];
}

/* What has no row of its own. */
static uint64_t other_software(const M2dScnRun *run, unsigned unused)
{
	return run->stats.cycles[M2D_CAUSE_KVM_OTHER] + run->stats.cycles[M2D_CAUSE_NESTED_FAULT] +
	       run->stats.cycles[M2D_CAUSE_PAGE_FAULT];
}

static uint64_t event_count(const M2dScnRun *run, unsigned event)
{
	return run->event_count[event];
}

static uint64_t total_cycles(const M2dScnRun *run, unsigned unused)
{
	return run->cycles;
}

static uint64_t walks(const M2dScnRun *run, unsigned unused)
{
	return run->stats.c.walks;
}

static uint64_t refills(const M2dScnRun *run, unsigned unused)
{
	return run->stats.c.refilled;
}

static const CostRow cost_rows[] = {
	{"cycles", total_cycles, 0},
	{"  hardware walks", class_cycles, M2D_CLASS_WALK},
	{"  hypervisor software", class_cycles, M2D_CLASS_SOFTWARE},
	{"    exits and entries", cause_cycles, M2D_CAUSE_EXIT_ENTRY},
	{"    flush instructions", cause_cycles, M2D_CAUSE_FLUSH},
	{"    fault handling", cause_cycles, M2D_CAUSE_KVM_FAULT},
	{"    emulation", cause_cycles, M2D_CAUSE_KVM_EMULATE},
	{"    synchronising", cause_cycles, M2D_CAUSE_KVM_SYNC},
	{"    zapping", cause_cycles, M2D_CAUSE_KVM_ZAP},
	{"    loading roots", cause_cycles, M2D_CAUSE_KVM_ROOT},
	{"    other", other_software, 0},
	{"  cross-CPU", class_cycles, M2D_CLASS_CROSS},
	{"exits", event_count, M2D_E_KVM_EXIT},
	{"page faults", event_count, M2D_E_KVM_PAGE_FAULT},
	{"stores for the guest", event_count, M2D_E_EMULATED_WRITE},
	{"shadow pages made", event_count, M2D_E_SP_ALLOC},
	{"shadow pages zapped", event_count, M2D_E_KVM_MMU_PREPARE_ZAP_PAGE},
	{"leaf SPTEs installed", event_count, M2D_E_KVM_MMU_SET_SPTE},
	{"pages synced", event_count, M2D_E_KVM_MMU_SYNC_PAGE},
	{"remote flushes", event_count, M2D_E_FLUSH_REMOTE},
	{"local flushes", event_count, M2D_E_FLUSH_HW},
	{"walks", walks, 0},
	{"refills of what flushes dropped", refills, 0},
};

char *m2d_run_cost_text(const M2dScnRun *const *runs, unsigned n)
{
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "%-32s", "");
	for (unsigned i = 0; i < n; i++)
		g_string_append_printf(text, " %*s", (int)MAX(12, strlen(m2d_run_name(runs[i]))),
				       m2d_run_name(runs[i]));
	g_string_append_c(text, '\n');
	for (unsigned r = 0; r < M2D_N_ELEMENTS(cost_rows); r++) {
		g_string_append_printf(text, "%-32s", cost_rows[r].name);
		for (unsigned i = 0; i < n; i++)
			g_string_append_printf(text, " %*" G_GUINT64_FORMAT,
					       (int)MAX(12, strlen(m2d_run_name(runs[i]))),
					       cost_rows[r].value(runs[i], cost_rows[r].index));
		g_string_append_c(text, '\n');
	}
	return g_string_free(text, FALSE);
}
