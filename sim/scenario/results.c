/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verdict: a variant passes if exactly the invariants that it expects are violated, and, where
 * it expects none, every result and every claim holds. In a variant that expects a violation
 * results may differ: that is what the bug does.
 */
#include "sim/scenario/results.h"

#include <string.h>

#include "sim/kvm/memory.h"
#include "sim/scenario/claims.h"

GArray *m2d_scn_dirty_of(const M2dVm *vm, const M2dScnStep *step)
{
	const M2dMemslot *slot;
	GArray *gfns;

	if (step->is_continue ||
	    (step->op.kind != M2D_OP_GET_DIRTY_LOG && step->op.kind != M2D_OP_CLEAR_DIRTY_LOG))
		return NULL;
	slot = m2d_slot(vm, (unsigned)step->op.arg[step->op.kind == M2D_OP_GET_DIRTY_LOG ? 1 : 3],
			(unsigned)step->op.arg[0]);
	gfns = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	for (uint64_t i = 0; i < slot->npages; i++) {
		uint64_t gfn = slot->base_gfn + i;

		if (*m2d_slot_log_word(vm, slot, i / 64) >> (i % 64) & 1)
			g_array_append_val(gfns, gfn);
	}
	return gfns;
}

static const char *fault_word(M2dRetPf ret)
{
	return ret == M2D_RET_PF_FIXED      ? "fixed"
	       : ret == M2D_RET_PF_SPURIOUS ? "spurious"
	       : ret == M2D_RET_PF_RETRY    ? "retry"
					    : NULL;
}

static char *dirty_text(const GArray *gfns)
{
	GString *text = g_string_new("dirty ");

	for (guint i = 0; i < gfns->len; i++)
		g_string_append_printf(text, "%s0x%" G_GINT64_MODIFIER "x", i > 0 ? "," : "",
				       g_array_index(gfns, uint64_t, i));
	if (gfns->len == 0)
		g_string_append(text, "none");
	return g_string_free(text, FALSE);
}

char *m2d_scn_outcome_text(const M2dScnStep *step, const M2dScnStepEnd *end)
{
	const M2dOpOutcome *o = &end->outcome;

	if (!end->ended)
		return g_strdup(end->reached ? "stopped" : end->blocked ? "blocked" : "not run");
	if (end->dirty != NULL)
		return dirty_text(end->dirty);
	switch (o->result) {
	case M2D_OPR_PF:
		return g_strdup_printf("pf 0x%" G_GINT64_MODIFIER "x", o->value);
	case M2D_OPR_GP:
		return g_strdup("gp");
	case M2D_OPR_MMIO:
		return g_strdup("mmio");
	case M2D_OPR_FAILED:
		return g_strdup("error");
	case M2D_OPR_YES:
	case M2D_OPR_NO:
		return g_strdup(o->result == M2D_OPR_YES ? "young yes" : "young no");
	case M2D_OPR_OK:
	case M2D_OPR_EMULATED:
		break;
	}
	if (o->has_hpa)
		return g_strdup_printf(
			"%s hpa 0x%" G_GINT64_MODIFIER "x value 0x%" G_GINT64_MODIFIER "x%s%s",
			o->result == M2D_OPR_EMULATED ? "emulated" : "ok", o->hpa, o->value,
			o->faults != 0 ? ", fault " : "",
			o->faults == 0                      ? ""
			: fault_word(o->faults_ret) != NULL ? fault_word(o->faults_ret)
							    : "emulated");
	return g_strdup("ok");
}

static bool dirty_equals(const GArray *gfns, const M2dScnResult *r)
{
	if (gfns == NULL || gfns->len != r->n_gfns)
		return false;
	for (guint i = 0; i < gfns->len; i++)
		if (g_array_index(gfns, uint64_t, i) != r->gfns[i])
			return false;
	return true;
}

static bool matches(const M2dScnResult *r, const M2dScnStep *step, const M2dScnStepEnd *end)
{
	const M2dOpOutcome *o = &end->outcome;
	bool done = o->result == M2D_OPR_OK || o->result == M2D_OPR_EMULATED;

	if (r->kind == M2D_SCN_RESULT_BLOCKED)
		return end->blocked;
	if (!end->ended)
		return false;
	switch (r->kind) {
	case M2D_SCN_RESULT_OK:
		return done;
	case M2D_SCN_RESULT_HPA:
		return done && o->has_hpa && o->hpa == r->number;
	case M2D_SCN_RESULT_VALUE:
		return done && o->value == r->number;
	case M2D_SCN_RESULT_PF:
		return o->result == M2D_OPR_PF && (!r->given || o->value == r->number);
	case M2D_SCN_RESULT_GP:
		return o->result == M2D_OPR_GP;
	case M2D_SCN_RESULT_MMIO:
		return o->result == M2D_OPR_MMIO;
	case M2D_SCN_RESULT_EMULATED:
		return o->result == M2D_OPR_EMULATED;
	case M2D_SCN_RESULT_FIXED:
		return o->faults != 0 && o->faults_ret == M2D_RET_PF_FIXED;
	case M2D_SCN_RESULT_SPURIOUS:
		return o->faults != 0 && o->faults_ret == M2D_RET_PF_SPURIOUS;
	case M2D_SCN_RESULT_RETRY:
		return o->faults != 0 && o->faults_ret == M2D_RET_PF_RETRY;
	case M2D_SCN_RESULT_DIRTY:
		return dirty_equals(end->dirty, r);
	case M2D_SCN_RESULT_YOUNG:
		return (o->result == M2D_OPR_YES) == (r->number != 0);
	case M2D_SCN_RESULT_ERROR:
		return o->result == M2D_OPR_FAILED;
	case M2D_SCN_RESULT_NONE:
	case M2D_SCN_RESULT_BLOCKED:
	case M2D_N_SCN_RESULTS:
		break;
	}
	return true;
}

/* Steps whose result is not what the variant says. */
static void compare_results(M2dScnRun *run)
{
	for (unsigned i = 0; i < run->scenario->n_steps; i++) {
		const M2dScnStep *step = &run->scenario->steps[i];
		const M2dScnResult *want = m2d_scenario_result(run->scenario, run->variant, i);
		M2dScnStepEnd *end = &run->steps[i];
		g_autofree char *expected = NULL;
		g_autofree char *found = NULL;

		if (i < 64 && run->drop >> i & 1)
			continue;
		if (want == NULL || want->kind == M2D_SCN_RESULT_NONE || matches(want, step, end))
			continue;
		expected = m2d_scn_result_text(want);
		found = m2d_scn_outcome_text(step, end);
		end->mismatch = g_strdup_printf("line %u: %s: expected %s, found %s",
						step->place.line, step->text, expected, found);
	}
}

static const M2dScnVariant *variant_of(const M2dScnRun *run)
{
	return run->variant >= 0 ? &run->scenario->variants[run->variant] : NULL;
}

static bool expected(const M2dScnVariant *v, const char *invariant)
{
	for (unsigned i = 0; v != NULL && i < v->n_expect; i++)
		if (strcmp(v->expect[i].text, invariant) == 0)
			return true;
	return false;
}

static bool found(const M2dScnRun *run, const char *invariant)
{
	for (guint i = 0; i < run->findings->len; i++)
		if (strcmp(g_array_index(run->findings, M2dScnFinding, i).invariant, invariant) ==
		    0)
			return true;
	return false;
}

static bool found_any(const M2dScnRun *run, const M2dScnVariant *v)
{
	for (unsigned i = 0; i < v->n_expect; i++)
		if (found(run, v->expect[i].text))
			return true;
	return false;
}

static void set_why(M2dScnRun *run, char *why)
{
	if (run->why == NULL)
		run->why = why;
	else
		g_free(why);
}

/* What count() and reached() of a run are. */
static uint64_t count_in_run(const M2dScnExpr *call, const void *data)
{
	const M2dScnRun *run = data;
	uint64_t n = 0;

	if (call->fn == M2D_SCN_FN_REACHED)
		return run->point_count[m2d_point_find(call->args[0].value->text)];
	for (guint i = 0; i < run->events->len; i++)
		n += m2d_scn_event_matches(call, &g_array_index(run->events, M2dEvent, i));
	return n;
}

static void judge_claims(const M2dScnWorld *w, M2dScnRun *run)
{
	const M2dScenario *s = run->scenario;
	M2dScnEnd end = {w, run->steps, count_in_run, run};
	bool one_order = s->n_orders <= 1;

	for (unsigned i = 0; i < s->n_orders; i++)
		one_order &= s->orders[i].kind != M2D_SCN_EXPLORE;
	for (unsigned i = 0; i < s->n_claims; i++) {
		const M2dScnClaim *c = &s->claims[i];
		g_autofree char *why = NULL;
		bool holds;

		if (!m2d_scn_claim_counts(s, run->variant, c))
			continue;
		holds = m2d_scn_claim_holds(&end, c, &why);
		run->held[i] = holds ? 1 : 2;
		/* "sometimes" asks for it in some order: who runs them all looks for that. */
		if (holds != (c->quantifier != M2D_SCN_NEVER) &&
		    (c->quantifier != M2D_SCN_SOMETIMES || one_order))
			g_ptr_array_add(run->claims, m2d_scn_claim_text(c, why));
	}
}

void m2d_scn_judge(const M2dScnWorld *w, M2dScnRun *run, bool results, bool claims)
{
	const M2dScnVariant *v = variant_of(run);
	bool clean = v == NULL || v->n_expect == 0;

	if (results)
		compare_results(run);
	if (claims)
		judge_claims(w, run);
	for (guint i = 0; i < run->findings->len; i++) {
		const M2dScnFinding *f = &g_array_index(run->findings, M2dScnFinding, i);

		if (!expected(v, f->invariant))
			set_why(run, g_strdup_printf("%s is violated", f->invariant));
	}
	/* Under a schedule one order is run, that was chosen for one of them. */
	for (unsigned i = 0; !clean && i < v->n_expect; i++)
		if (!found(run, v->expect[i].text) && (claims || !found_any(run, v)))
			set_why(run, g_strdup_printf("%s is not violated", v->expect[i].text));
	for (unsigned i = 0; clean && i < run->scenario->n_steps; i++)
		if (run->steps[i].mismatch != NULL)
			set_why(run, g_strdup(run->steps[i].mismatch));
	if (run->claims->len != 0)
		set_why(run, g_strdup(run->claims->pdata[0]));
	run->pass = run->why == NULL;
}
