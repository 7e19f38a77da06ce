/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/scenario/lint.h"

#include <string.h>

#include "sim/base/near.h"
#include "sim/scenario/config.h"

enum {
#define RULE(name, id, text) RULE_##name,
#include "sim/scenario/lint.def"
#undef RULE
};

const M2dScnRule m2d_scn_rules[] = {
#define RULE(name, id, text) {id, text},
#include "sim/scenario/lint.def"
#undef RULE
	{NULL, NULL}};

typedef struct {
	const M2dScenario *s;
	const M2dScenarioTables *tables;
	GPtrArray *findings;
} Lint;

G_GNUC_PRINTF(4, 5)
static void found(Lint *lint, unsigned rule, M2dScnPlace place, const char *format, ...)
{
	M2dScnFinding *f = g_new0(M2dScnFinding, 1);
	va_list ap;

	va_start(ap, format);
	f->text = g_strdup_vprintf(format, ap);
	va_end(ap);
	f->place = place;
	f->id = m2d_scn_rules[rule].id;
	g_ptr_array_add(lint->findings, f);
}

/* --- header, labels, address spaces --------------------------------------------------------- */

static void check_header(Lint *lint)
{
	const M2dScnPlace first = {1, 1};

	if (lint->s->title == NULL)
		found(lint, RULE_TITLE, first, "no title, expected a line 'title TEXT'");
	if (lint->s->origin == NULL)
		found(lint, RULE_ORIGIN, first, "no origin, expected a line 'origin TEXT'");
}

static bool term_uses(const M2dScnExpr *e, unsigned step)
{
	if (e->kind == M2D_SCN_EXPR_LABEL && e->number == step)
		return true;
	for (unsigned i = 0; i < e->n_args; i++)
		if (term_uses(e->args[i].value, step))
			return true;
	return false;
}

static bool claim_uses(const M2dScnClaim *c, unsigned step)
{
	for (unsigned i = 0; i < c->n_right; i++)
		if (term_uses(c->right[i], step))
			return true;
	return term_uses(c->left, step);
}

static bool label_used(const M2dScenario *s, unsigned step)
{
	for (unsigned i = 0; i < s->n_claims; i++)
		if (claim_uses(&s->claims[i], step))
			return true;
	for (unsigned i = 0; i < s->n_orders; i++)
		if (s->orders[i].kind == M2D_SCN_PERM)
			return true;
	for (unsigned i = 0; i < s->n_variants; i++)
		for (unsigned j = 0; j < s->variants[i].n_overrides; j++)
			if (s->variants[i].overrides[j].step == step)
				return true;
	return false;
}

static void check_labels(Lint *lint)
{
	for (unsigned i = 0; i < lint->s->n_steps; i++) {
		const M2dScnStep *step = &lint->s->steps[i];

		if (step->label == NULL ||
		    strspn(step->label, "0123456789.") == strlen(step->label))
			continue;
		if (!label_used(lint->s, i))
			found(lint, RULE_LABEL, step->place, "nothing refers to @%s", step->label);
	}
}

/* True if a cr3 line or a mov-cr3 step uses guest address space @gpt. */
static bool gpt_used(const M2dScenario *s, unsigned gpt)
{
	bool any_cr3 = false;

	for (unsigned i = 0; i < s->n_objects; i++) {
		if (s->objects[i].kind != M2D_SCN_CR3)
			continue;
		any_cr3 = true;
		if (s->objects[i].cr3.gpt == gpt)
			return true;
	}
	for (unsigned i = 0; i < s->n_steps; i++)
		if (!s->steps[i].is_continue && s->steps[i].op.kind == M2D_OP_MOV_CR3 &&
		    s->steps[i].op.arg[0] == gpt)
			return true;
	/* Without cr3 lines all vCPUs start in the first. */
	return !any_cr3 && gpt == 0;
}

static void check_gpts(Lint *lint)
{
	unsigned gpt = 0;

	for (unsigned i = 0; i < lint->s->n_objects; i++) {
		const M2dScnObject *o = &lint->s->objects[i];

		if (o->kind == M2D_SCN_GPT && !gpt_used(lint->s, gpt++))
			found(lint, RULE_GPT, o->place, "no cr3 and no mov-cr3 uses gpt %s",
			      o->gpt.name);
	}
}

/* --- variants ------------------------------------------------------------------------------- */

static bool same_open(const GPtrArray *a, const GPtrArray *b)
{
	if (a->len != b->len)
		return false;
	for (guint i = 0; i < a->len; i++) {
		const M2dScnSetting *x = a->pdata[i];
		bool other = true;

		for (guint j = 0; j < b->len && other; j++) {
			const M2dScnSetting *y = b->pdata[j];

			other = strcmp(x->key, y->key) != 0 || strcmp(x->value, y->value) != 0;
		}
		if (other)
			return false;
	}
	return true;
}

static bool same_settings(const M2dScenario *s, unsigned a, unsigned b)
{
	M2dScnConfig x, y;
	bool same;

	m2d_scn_config(s, (int)a, &x);
	m2d_scn_config(s, (int)b, &y);
	same = same_open(x.open, y.open);
#define M2D_SAME_TEXT(field)                            (strcmp(x.field, y.field) == 0)
#define M2D_SAME_BOOL(field)                            (x.field == y.field)
#define M2D_SAME_UINT(field)                            (x.field == y.field)
#define M2D_SAME_SIZE(field)                            (x.field == y.field)
#define M2D_SAME_ENUM(field)                            (x.field == y.field)
#define SETTING(field, key, type, preset, domain, text) same = same && M2D_SAME_##type(field);
#include "sim/scenario/settings.def"
#undef SETTING
	m2d_scn_config_clear(&x);
	m2d_scn_config_clear(&y);
	return same;
}

static void check_invariant(Lint *lint, const M2dScnName *name)
{
	const char *near = NULL, *known;

	if (lint->tables == NULL || lint->tables->name_at == NULL ||
	    lint->tables->name_at(M2D_SCN_NAME_INVARIANT, 0) == NULL)
		return;
	for (unsigned i = 0; (known = lint->tables->name_at(M2D_SCN_NAME_INVARIANT, i)) != NULL;
	     i++) {
		if (strcmp(known, name->text) == 0)
			return;
		near = m2d_near_better(name->text, near, known);
	}
	found(lint, RULE_INVARIANT, name->place, "no invariant '%s'%s%s%s", name->text,
	      near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
	      near != NULL ? "'?" : "");
}

static void check_variants(Lint *lint)
{
	const M2dScenario *s = lint->s;

	for (unsigned i = 0; i < s->n_variants; i++) {
		const M2dScnVariant *v = &s->variants[i];

		for (unsigned j = 0; j < v->n_expect; j++)
			check_invariant(lint, &v->expect[j]);
		/* Rules about pairs stop at a size that nobody reads. */
		for (unsigned j = 0; j < MIN(i, 64); j++) {
			if (same_settings(s, i, j)) {
				found(lint, RULE_SAME, v->place,
				      "variant %s has the settings of variant %s", v->name,
				      s->variants[j].name);
				break;
			}
		}
	}
}

/* --- claims --------------------------------------------------------------------------------- */

static bool is_constant(const M2dScnExpr *e)
{
	return e->kind == M2D_SCN_EXPR_NUMBER || e->kind == M2D_SCN_EXPR_WORD;
}

/* True if the predicate has one value whatever happens. Numbers are not negative. */
static bool claim_is_constant(const M2dScnClaim *c)
{
	const char *space = strrchr(c->text, ' ');
	bool constant = is_constant(c->left);

	if (c->op == M2D_SCN_OP_TRUE)
		return constant;
	for (unsigned i = 0; i < c->n_right; i++)
		constant = constant && is_constant(c->right[i]);
	if (constant)
		return true;
	if ((c->op == M2D_SCN_OP_GE || c->op == M2D_SCN_OP_LT) &&
	    c->right[0]->kind == M2D_SCN_EXPR_NUMBER && c->right[0]->number == 0)
		return true;
	/* The same term on both sides. A call with several arguments has spaces inside: it is no
	 * finding then, which is the safe side. */
	return c->op != M2D_SCN_OP_IN && space != NULL &&
	       strncmp(c->text, space + 1, strlen(space + 1)) == 0 &&
	       c->text[strlen(space + 1)] == ' ';
}

static void check_claims(Lint *lint)
{
	const M2dScenario *s = lint->s;
	bool many = false;

	for (unsigned i = 0; i < s->n_orders; i++)
		many = many || s->orders[i].kind == M2D_SCN_EXPLORE || s->n_orders > 1;
	for (unsigned i = 0; i < s->n_claims; i++) {
		const M2dScnClaim *c = &s->claims[i];

		if (claim_is_constant(c))
			found(lint, RULE_CONSTANT, c->place, "'%s' does not depend on the run",
			      c->text);
		else if (c->quantifier == M2D_SCN_SOMETIMES && !many)
			found(lint, RULE_ONCE, c->place,
			      "sometimes means always where [orders] has one order");
	}
}

/* --- steps ---------------------------------------------------------------------------------- */

static bool is_access(unsigned kind)
{
	return kind == M2D_OP_READ || kind == M2D_OP_WRITE || kind == M2D_OP_FETCH ||
	       kind == M2D_OP_CMPXCHG || kind == M2D_OP_SET_PTE || kind == M2D_OP_AWAIT;
}

/* True if @step may end in a result of @kind. */
static bool result_fits(const M2dScnStep *step, M2dScnResultKind kind)
{
	if (step->is_continue)
		return true;
	switch (kind) {
	case M2D_SCN_RESULT_HPA:
	case M2D_SCN_RESULT_VALUE:
	case M2D_SCN_RESULT_PF:
	case M2D_SCN_RESULT_MMIO:
	case M2D_SCN_RESULT_FIXED:
	case M2D_SCN_RESULT_SPURIOUS:
		return is_access(step->op.kind);
	case M2D_SCN_RESULT_GP:
	case M2D_SCN_RESULT_EMULATED:
	case M2D_SCN_RESULT_RETRY:
		return step->actor.kind == M2D_SCN_ACTOR_VCPU;
	case M2D_SCN_RESULT_DIRTY:
		return step->op.kind == M2D_OP_GET_DIRTY_LOG;
	case M2D_SCN_RESULT_YOUNG:
		return step->op.kind == M2D_OP_AGE || step->op.kind == M2D_OP_TEST_AGE;
	default:
		return true;
	}
}

static void check_result(Lint *lint, const M2dScnStep *step, const M2dScnResult *result)
{
	if (!result_fits(step, result->kind))
		found(lint, RULE_KIND, result->place, "'%s' never ends in '%s'",
		      m2d_op_info[step->op.kind].verb, m2d_scn_result_word(result->kind));
}

static void check_results(Lint *lint)
{
	const M2dScenario *s = lint->s;
	bool any = s->n_claims > 0 || s->n_variants > 0;

	for (unsigned i = 0; i < s->n_steps; i++) {
		check_result(lint, &s->steps[i], &s->steps[i].result);
		any = any || s->steps[i].result.kind != M2D_SCN_RESULT_NONE;
	}
	for (unsigned i = 0; i < s->n_variants; i++)
		for (unsigned j = 0; j < s->variants[i].n_overrides; j++)
			check_result(lint, &s->steps[s->variants[i].overrides[j].step],
				     &s->variants[i].overrides[j].result);
	if (!any)
		found(lint, RULE_UNCHECKED, s->steps[0].place,
		      "nothing can fail, expected a result, a claim or a variant");
}

static bool blocked_in_some_variant(const M2dScenario *s, unsigned step)
{
	for (int v = -1; v < (int)s->n_variants; v++)
		if (m2d_scenario_result(s, v, step)->kind == M2D_SCN_RESULT_BLOCKED)
			return true;
	return false;
}

/* True if @step leaves its actor in the middle of an operation, in some variant at least. */
static bool stops(const M2dScenario *s, unsigned step)
{
	return s->steps[step].until != NULL || blocked_in_some_variant(s, step);
}

/* Which actor is stopped where, step by step, and at the end. */
static void check_stops(Lint *lint)
{
	const M2dScenario *s = lint->s;
	g_autofree int *stopped = g_new(int, s->n_actors); /* step that stopped the actor, or -1 */

	for (unsigned i = 0; i < s->n_actors; i++)
		stopped[i] = -1;
	for (unsigned i = 0; i < s->n_steps; i++) {
		const M2dScnStep *step = &s->steps[i];
		int *at = &stopped[step->column];

		/* A thread may be scheduled out and in wherever it stands. */
		if (*at >= 0 && !step->is_continue &&
		    (step->op.kind == M2D_OP_PREEMPT || step->op.kind == M2D_OP_RESUME))
			continue;
		if (step->is_continue && *at < 0)
			found(lint, RULE_CONTINUE, step->place, "the actor is not stopped here");
		if (!step->is_continue && *at >= 0 && s->steps[*at].until != NULL)
			found(lint, RULE_STOPPED, step->place,
			      "the actor still stands at %s since line %u, expected continue",
			      s->steps[*at].until, s->steps[*at].place.line);
		*at = stops(s, i) ? (int)i : -1;
	}
	for (unsigned i = 0; i < s->n_actors; i++)
		if (stopped[i] >= 0 && s->steps[stopped[i]].until != NULL)
			found(lint, RULE_LEFT, s->steps[stopped[i]].place,
			      "the actor stays at %s, expected a continue",
			      s->steps[stopped[i]].until);
}

/* --- all ------------------------------------------------------------------------------------ */

static void finding_free(gpointer data)
{
	M2dScnFinding *f = data;

	g_free(f->text);
	g_free(f);
}

static gint by_place(gconstpointer a, gconstpointer b)
{
	const M2dScnFinding *x = *(M2dScnFinding *const *)a, *y = *(M2dScnFinding *const *)b;

	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	if (x->place.column != y->place.column)
		return x->place.column < y->place.column ? -1 : 1;
	return strcmp(x->id, y->id);
}

GPtrArray *m2d_scenario_lint(const M2dScenario *scenario, const M2dScenarioTables *tables)
{
	Lint lint = {scenario, tables, g_ptr_array_new_with_free_func(finding_free)};

	check_header(&lint);
	check_labels(&lint);
	check_gpts(&lint);
	check_variants(&lint);
	check_claims(&lint);
	check_results(&lint);
	check_stops(&lint);
	g_ptr_array_sort(lint.findings, by_place);
	return lint.findings;
}
