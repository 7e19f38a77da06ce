/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Claims over all orders: always in every complete schedule's end, never in none, sometimes in one
 * at least. What claims ask about the past, how often something happened and what a step gave, is
 * kept in the arena, so that a search does not take two ends for one that a claim tells apart.
 */
#pragma once

#include "sim/scenario/claims.h"

typedef struct _M2dExClaims M2dExClaims;

/* m2d_ex_claims_new: the claims of the variant that @w is of; NULL: there are none to look at. */
M2dExClaims *m2d_ex_claims_new(const M2dScnWorld *w);
/* m2d_ex_claims_free: also of NULL. */
void m2d_ex_claims_free(M2dExClaims *claims);

/* m2d_ex_claims_point: some actor stopped at @point. */
void m2d_ex_claims_point(M2dExClaims *claims, M2dPoint point);
/* m2d_ex_claims_ended: step @index of the scenario ended with @outcome. */
void m2d_ex_claims_ended(M2dExClaims *claims, unsigned index, const M2dOpOutcome *outcome);

/* m2d_ex_claims_end: look at all claims in an end; returns the first that does not hold there, as
 * its index + 1; 0: none. A "sometimes" never fails here. */
unsigned m2d_ex_claims_end(M2dExClaims *claims);

/* How a claim did in the ends that were looked at. */
typedef struct {
	uint64_t yes, no;
} M2dExClaimCount;

/* m2d_ex_claims_count: of claim @index of the scenario. */
M2dExClaimCount m2d_ex_claims_count(const M2dExClaims *claims, unsigned index);
/* m2d_ex_claims_why: the failed claim that m2d_ex_claims_end() returned last, as text, or NULL. */
const char *m2d_ex_claims_why(const M2dExClaims *claims);
