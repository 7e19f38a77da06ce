/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/drop.h"

#include <string.h>

#include "sim/base/error.h"

const char *m2d_ex_drop_verdict_name(M2dExDropVerdict verdict)
{
	static const char *const names[] = {
		[M2D_EX_DROP_NECESSARY] = "necessary",
		[M2D_EX_DROP_REDUNDANT] = "redundant",
		[M2D_EX_DROP_IDLE] = "no difference",
		[M2D_EX_DROP_OPEN] = "open",
	};

	return names[verdict];
}

char *m2d_ex_drop_name(const M2dScenario *s, const M2dExDropWhat *what)
{
	const M2dScnStep *step;

	if (what->step < 0)
		return g_strdup(m2d_duty_name(what->duty));
	step = &s->steps[what->step];
	return g_strdup_printf("@%s %s", step->label != NULL ? step->label : "", step->text);
}

/* --- what can be left out --------------------------------------------------------------------- */

static bool orders_something(const M2dScnStep *step)
{
	if (step->is_continue)
		return false;
	switch (step->op.kind) {
	case M2D_OP_INVLPG:
	case M2D_OP_INVPCID:
	case M2D_OP_MOV_CR3:
	case M2D_OP_MOV_CR4:
	case M2D_OP_IPI:
	case M2D_OP_AWAIT_ACKS:
	case M2D_OP_PV_FLUSH:
	case M2D_OP_AWAIT:
		return true;
	default:
		return false;
	}
}

static void add(GArray *found, int step, unsigned duty)
{
	M2dExDropWhat what = {.step = step, .duty = (M2dDuty)duty};

	g_array_append_val(found, what);
}

GArray *m2d_ex_drop_find(const M2dScenario *s, const char *name, GError **error)
{
	g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(M2dExDropWhat));
	bool all = strcmp(name, "all") == 0;
	const char *label = name + (name[0] == '@');
	int step = m2d_scenario_find_step(s, label);
	const char *near = m2d_duty_near(name);

	if (!all && step >= 0 && step < 64 && !s->steps[step].is_continue)
		add(found, step, 0);
	else if (!all && m2d_duty_find(name) != M2D_N_DUTIES)
		add(found, -1, m2d_duty_find(name));
	for (unsigned i = 0; all && i < MIN(s->n_steps, 64); i++)
		if (orders_something(&s->steps[i]))
			add(found, (int)i, 0);
	for (unsigned i = 0; all && i < M2D_N_DUTIES; i++)
		add(found, -1, i);
	if (all || found->len != 0)
		return g_steal_pointer(&found);
	g_set_error(
		error, M2D_ERROR, M2D_ERROR_INPUT,
		"%s: nothing to drop is called '%s', expected the label of a step that begins an "
		"operation, a name of mmu2d duties, or all%s%s%s",
		s->path, name, near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		near != NULL ? "'?" : "");
	return NULL;
}

/* The step, and what continues it. */
static uint64_t steps_of(const M2dScenario *s, unsigned step)
{
	uint64_t mask = UINT64_C(1) << step;

	for (unsigned i = step + 1; i < MIN(s->n_steps, 64); i++) {
		if (s->steps[i].column != s->steps[step].column)
			continue;
		if (!s->steps[i].is_continue)
			break;
		mask |= UINT64_C(1) << i;
	}
	return mask;
}

/* --- without it ------------------------------------------------------------------------------- */

/* In the order as written, what the other steps give tells as well. */
static bool run_as_written(M2dExDrop *d, const M2dExVariant *with, const M2dScnOptions *options,
			   GError **error)
{
	g_autoptr(M2dScnRun) run = m2d_scn_run(with->scenario, with->variant, options, NULL, error);

	if (run == NULL)
		return false;
	if (run->why != NULL)
		d->why = g_strdup_printf("as written: %s", run->why);
	return true;
}

static bool same_states(const M2dExResult *a, const M2dExResult *b)
{
	return a->states == b->states && a->transitions == b->transitions &&
	       a->terminals == b->terminals;
}

static char *violation_text(const M2dExVariant *v)
{
	if (v->violation == M2D_EX_CLAIM)
		return g_strdup(v->why);
	return g_strdup_printf("%s after %u steps, %u preemption%s%s", v->invariant,
			       v->schedule->len, v->preemptions, v->preemptions == 1 ? "" : "s",
			       v->is_shortest ? " (the shortest)" : "");
}

/* Options without @what; *@names holds the duties that are left out. */
static M2dScnOptions without(const M2dScenario *s, const M2dScnOptions *options,
			     const M2dExDropWhat *what, GPtrArray *names)
{
	M2dScnOptions o = *options;

	for (const char *const *n = options->without; n != NULL && *n != NULL; n++)
		g_ptr_array_add(names, (char *)*n);
	if (what->step < 0)
		g_ptr_array_add(names, (char *)m2d_duty_name(what->duty));
	else
		o.drop |= steps_of(s, (unsigned)what->step);
	g_ptr_array_add(names, NULL);
	o.without = (const char *const *)names->pdata;
	return o;
}

bool m2d_ex_drop(const M2dExVariant *with, const M2dScnOptions *options,
		 const M2dExVariantOptions *how, const M2dExDropWhat *what, M2dExDrop *d,
		 GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	M2dScnOptions o = without(with->scenario, options, what, names);

	*d = (M2dExDrop){.what = *what};
	d->search = m2d_ex_variant(with->scenario, with->variant, &o, how, error);
	if (d->search == NULL)
		return false;
	if (d->search->schedule != NULL)
		d->why = violation_text(d->search);
	else if (d->search->why != NULL)
		d->why = g_strdup(d->search->why);
	else if (what->step >= 0 && !run_as_written(d, with, &o, error))
		return false;
	d->verdict = d->why != NULL                           ? M2D_EX_DROP_NECESSARY
		     : !d->search->complete                   ? M2D_EX_DROP_OPEN
		     : same_states(with->all, d->search->all) ? M2D_EX_DROP_IDLE
							      : M2D_EX_DROP_REDUNDANT;
	return true;
}

void m2d_ex_drop_clear(M2dExDrop *d)
{
	m2d_ex_variant_free(d->search);
	d->search = NULL;
	g_clear_pointer(&d->why, g_free);
}
