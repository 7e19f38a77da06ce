/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evaluation of claims at an end: of one run, or of one of all orders that a search looks at. */
#pragma once

#include "sim/scenario/runner.h"

/* What a claim is looked at in. */
typedef struct {
	const M2dScnWorld *w; /* at rest */
	const M2dScnStepEnd *steps;
	/* What a call of count() or reached() gives. */
	uint64_t (*count)(const M2dScnExpr *call, const void *data);
	const void *data;
} M2dScnEnd;

/* m2d_scn_claim_holds: whether its predicate does; @why: if not NULL, what the left side is. */
bool m2d_scn_claim_holds(const M2dScnEnd *end, const M2dScnClaim *claim, char **why);

/* m2d_scn_event_matches: @event is one that the call count(EVENT, KEY=VALUE...) counts. */
bool m2d_scn_event_matches(const M2dScnExpr *call, const M2dEvent *event);

/* m2d_scn_claim_counts: claims of a scenario are looked at in clean variants, a variant's own in
 * that one. */
bool m2d_scn_claim_counts(const M2dScenario *scenario, int variant, const M2dScnClaim *claim);

/* m2d_scn_claim_text: "line 50: always read(@2.4) == 0x222: it is ..."; @why: "it is ..." or NULL;
 * g_free(). */
char *m2d_scn_claim_text(const M2dScnClaim *claim, const char *why);
