/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What searches and reports ask of a world. */
#include "sim/explore/memo.h"
#include "sim/explore/worlds-private.h"

const M2dExModel *m2d_ex_world_model(const M2dExWorld *x)
{
	return &x->model;
}

const char *m2d_ex_world_violation_name(unsigned violation)
{
	if (violation == M2D_EX_CLAIM)
		return "claim";
	return violation == 0 ? "deadlock" : m2d_invariant((M2dInvariantId)(violation - 1))->name;
}

const char *m2d_ex_world_kvm(const M2dExWorld *x)
{
	return x->w->kvm;
}

uint64_t m2d_ex_world_premises(const M2dExWorld *x, M2dInvariantId id)
{
	uint64_t n = m2d_check_premises(x->check, id);

	return x->memo != NULL ? n + m2d_ex_memo_premises(x->memo, id) : n;
}

const uint64_t *m2d_ex_world_point_count(const M2dExWorld *x)
{
	if (x->memo != NULL)
		m2d_ex_memo_count(x->memo);
	return x->w->vm->rt->point_count;
}

M2dVm *m2d_ex_world_vm(const M2dExWorld *x)
{
	return x->w->vm;
}

M2dCheck *m2d_ex_world_check(const M2dExWorld *x)
{
	return x->check;
}

const void *m2d_ex_world_progress(const M2dExWorld *x, uint64_t *bytes)
{
	*bytes = sizeof(*x->st);
	return x->st;
}

const M2dExClaims *m2d_ex_world_claims(const M2dExWorld *x)
{
	return x->claims;
}

const uint64_t *m2d_ex_world_ended(const M2dExWorld *x)
{
	if (x->memo != NULL)
		m2d_ex_memo_count(x->memo);
	return x->ended;
}

uint64_t m2d_ex_world_repeated(const M2dExWorld *x)
{
	return x->memo != NULL ? m2d_ex_memo_hits(x->memo) : 0;
}
