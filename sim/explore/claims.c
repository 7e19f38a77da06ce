/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/claims.h"

#include "sim/mem/put.h"

#define MAX_CALLS 32u
#define MAX_STEPS 64u

/* How one step ended: in the arena. */
typedef struct {
	uint64_t value, hpa;
	uint8_t ended, result, has_hpa, pad[5];
} Ended;

typedef struct {
	uint32_t count[MAX_CALLS];
	Ended ended[];
} ClaimState;

struct _M2dExClaims {
	const M2dScnWorld *w;
	ClaimState *st;
	const M2dScnExpr *call[MAX_CALLS]; /* count() and reached() terms */
	unsigned n_calls;
	bool has_counts;
	uint64_t asked;          /* steps whose outcome a claim names */
	M2dScnStepEnd *steps;    /* scratch for evaluation */
	M2dExClaimCount *counts; /* by claim; not state: over all ends */
	GArray *dirty;           /* stands for what a dirty log gave: only that it did is asked */
	char *why;
};

static void note_term(M2dExClaims *c, const M2dScnExpr *e)
{
	if (e->kind != M2D_SCN_EXPR_CALL)
		return;
	switch (e->fn) {
	case M2D_SCN_FN_COUNT:
	case M2D_SCN_FN_REACHED:
		if (c->n_calls < MAX_CALLS)
			c->call[c->n_calls++] = e;
		c->has_counts |= e->fn == M2D_SCN_FN_COUNT;
		break;
	case M2D_SCN_FN_RESULT:
	case M2D_SCN_FN_READ:
	case M2D_SCN_FN_HPA:
		if (e->args[0].value->number < MAX_STEPS)
			c->asked |= UINT64_C(1) << e->args[0].value->number;
		break;
	default:
		break;
	}
}

static bool note_claims(M2dExClaims *c)
{
	const M2dScenario *s = c->w->scenario;
	bool any = false;

	for (unsigned i = 0; i < s->n_claims; i++) {
		const M2dScnClaim *claim = &s->claims[i];

		if (!m2d_scn_claim_counts(s, c->w->variant, claim))
			continue;
		any = true;
		note_term(c, claim->left);
		for (unsigned k = 0; k < claim->n_right; k++)
			note_term(c, claim->right[k]);
	}
	return any;
}

static void on_event(const M2dEvent *event, void *data)
{
	M2dExClaims *c = data;

	for (unsigned i = 0; i < c->n_calls; i++)
		if (c->call[i]->fn == M2D_SCN_FN_COUNT && m2d_scn_event_matches(c->call[i], event))
			M2D_PUT(c->w->vm->arena, c->st->count[i], c->st->count[i] + 1);
}

M2dExClaims *m2d_ex_claims_new(const M2dScnWorld *w)
{
	M2dExClaims *c = g_new0(M2dExClaims, 1);
	unsigned n_steps = w->scenario->n_steps;

	c->w = w;
	if (!note_claims(c)) {
		g_free(c);
		return NULL;
	}
	c->st = m2d_arena_alloc(w->vm->arena, sizeof(ClaimState) + n_steps * sizeof(Ended), 64);
	c->steps = g_new0(M2dScnStepEnd, n_steps + 1);
	c->counts = g_new0(M2dExClaimCount, w->scenario->n_claims + 1);
	c->dirty = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	if (c->has_counts)
		m2d_events_listen(w->vm->ev, on_event, c);
	return c;
}

void m2d_ex_claims_free(M2dExClaims *c)
{
	if (c == NULL)
		return;
	if (c->has_counts)
		m2d_events_unlisten(c->w->vm->ev, on_event, c);
	g_free(c->steps);
	g_free(c->counts);
	g_array_unref(c->dirty);
	g_free(c->why);
	g_free(c);
}

void m2d_ex_claims_point(M2dExClaims *c, M2dPoint point)
{
	for (unsigned i = 0; i < c->n_calls; i++)
		if (c->call[i]->fn == M2D_SCN_FN_REACHED &&
		    m2d_point_find(c->call[i]->args[0].value->text) == point)
			M2D_PUT(c->w->vm->arena, c->st->count[i], c->st->count[i] + 1);
}

void m2d_ex_claims_ended(M2dExClaims *c, unsigned index, const M2dOpOutcome *o)
{
	M2dArena *arena = c->w->vm->arena;
	Ended *e = &c->st->ended[index];

	if (index >= MAX_STEPS || !(c->asked >> index & 1))
		return;
	M2D_PUT(arena, e->ended, 1);
	M2D_PUT(arena, e->result, (uint8_t)o->result);
	M2D_PUT(arena, e->value, o->value);
	M2D_PUT(arena, e->has_hpa, o->has_hpa);
	M2D_PUT(arena, e->hpa, o->hpa);
}

static uint64_t count_of(const M2dScnExpr *call, const void *data)
{
	const M2dExClaims *c = data;

	for (unsigned i = 0; i < c->n_calls; i++)
		if (c->call[i] == call)
			return c->st->count[i];
	return 0;
}

unsigned m2d_ex_claims_end(M2dExClaims *c)
{
	const M2dScenario *s = c->w->scenario;
	M2dScnEnd end = {c->w, c->steps, count_of, c};
	unsigned failed = 0;

	for (unsigned i = 0; i < s->n_steps; i++) {
		const Ended *e = &c->st->ended[i];
		unsigned kind = s->steps[i].op.kind;

		c->steps[i].ended = e->ended;
		c->steps[i].outcome.result = (M2dOpResult)e->result;
		c->steps[i].outcome.value = e->value;
		c->steps[i].outcome.has_hpa = e->has_hpa;
		c->steps[i].outcome.hpa = e->hpa;
		c->steps[i].dirty = kind == M2D_OP_GET_DIRTY_LOG || kind == M2D_OP_CLEAR_DIRTY_LOG
					    ? c->dirty
					    : NULL;
	}
	for (unsigned i = 0; i < s->n_claims; i++) {
		const M2dScnClaim *claim = &s->claims[i];
		g_autofree char *why = NULL;
		bool holds;

		if (!m2d_scn_claim_counts(s, c->w->variant, claim))
			continue;
		holds = m2d_scn_claim_holds(&end, claim, &why);
		if (holds)
			c->counts[i].yes++;
		else
			c->counts[i].no++;
		if (failed != 0 || claim->quantifier == M2D_SCN_SOMETIMES ||
		    holds == (claim->quantifier == M2D_SCN_ALWAYS))
			continue;
		failed = i + 1;
		g_free(c->why);
		c->why = m2d_scn_claim_text(claim, why);
	}
	return failed;
}

M2dExClaimCount m2d_ex_claims_count(const M2dExClaims *c, unsigned index)
{
	return c->counts[index];
}

const char *m2d_ex_claims_why(const M2dExClaims *c)
{
	return c->why;
}
