/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments of steps that are written well but mean nothing. */
#include "sim/scenario/parse-private.h"

#include <string.h>

#include "sim/base/addr.h"
#include "sim/base/bits.h"

/* The argument of @op under @name, or NULL if the operation has no such key. */
static const uint64_t *argument(const M2dOp *op, const char *name, bool *given)
{
	M2dOpKeyIter iter = {0};
	M2dOpKey key;

	while (m2d_op_key_next((M2dOpKind)op->kind, &iter, &key)) {
		if (strcmp(key.name, name) == 0) {
			*given = op->given >> key.arg & 1;
			return &op->arg[key.arg];
		}
	}
	*given = false;
	return NULL;
}

/* Keys whose numbers have limits wherever they occur. */
static bool check_limits(M2dScnParser *ps, const M2dScnStep *step)
{
	const struct {
		const char *key;
		uint64_t least, most;
	} limits[] = {
		{"level", 1, 5},
		{"pcid", 0, 4095},
		{"as", 0, 1},
		{"id", 0, 0x7fff},
		{"pcpu", 0, (ps->pcpus != 0 ? ps->pcpus : ps->vcpus) - 1},
		{"type", 0, 3},
	};

	for (unsigned i = 0; i < M2D_N_ELEMENTS(limits); i++) {
		bool given;
		const uint64_t *arg = argument(&step->op, limits[i].key, &given);

		if (arg != NULL && given && (*arg < limits[i].least || *arg > limits[i].most))
			return m2d_scn_fail_at(ps, step->verb_place,
					       "%s=%" G_GUINT64_FORMAT
					       " is out of range, expected %" G_GUINT64_FORMAT
					       " to %" G_GUINT64_FORMAT,
					       limits[i].key, *arg, limits[i].least,
					       limits[i].most);
	}
	return true;
}

/* Operands of an access: a power of two in size, values no wider, inside a page. */
static bool check_size(M2dScnParser *ps, const M2dScnStep *step)
{
	static const char *const values[] = {"value", "old", "new"};
	static const char *const addresses[] = {"gva", "gpa"};
	bool given;
	const uint64_t *size = argument(&step->op, "size", &given);

	if (size == NULL)
		return true;
	if (!m2d_is_pow2(*size) || *size > 8)
		return m2d_scn_fail_at(ps, step->verb_place,
				       "size=%" G_GUINT64_FORMAT ", expected 1, 2, 4 or 8", *size);
	for (unsigned i = 0; i < M2D_N_ELEMENTS(values); i++) {
		const uint64_t *value = argument(&step->op, values[i], &given);

		if (value != NULL && *value > m2d_low_mask(8 * (unsigned)*size))
			return m2d_scn_fail_at(ps, step->verb_place,
					       "%s=0x%" G_GINT64_MODIFIER
					       "x is too wide, expected at most %" G_GUINT64_FORMAT
					       " bytes",
					       values[i], *value, *size);
	}
	for (unsigned i = 0; i < M2D_N_ELEMENTS(addresses); i++) {
		const uint64_t *at = argument(&step->op, addresses[i], &given);

		if (at != NULL && *at % M2D_PAGE_SIZE + *size > M2D_PAGE_SIZE)
			return m2d_scn_fail_at(ps, step->verb_place,
					       "%s=0x%" G_GINT64_MODIFIER
					       "x touches two pages, expected one",
					       addresses[i], *at);
	}
	return true;
}

/* A new entry is given in one of three ways. */
static bool check_set_pte(M2dScnParser *ps, const M2dScnStep *step)
{
	bool gpa, rights, value, clear;

	argument(&step->op, "gpa", &gpa);
	argument(&step->op, "rights", &rights);
	argument(&step->op, "value", &value);
	argument(&step->op, "clear", &clear);
	if ((gpa || rights) + value + clear != 1)
		return m2d_scn_fail_at(ps, step->verb_place,
				       "which new entry, expected gpa= and rights=, or value=, or "
				       "clear");
	return true;
}

bool m2d_scn_check_op(M2dScnParser *ps, const M2dScnStep *step)
{
	bool gva;

	if (!check_limits(ps, step) || !check_size(ps, step))
		return false;
	if (step->op.kind == M2D_OP_SET_PTE)
		return check_set_pte(ps, step);
	argument(&step->op, "gva", &gva);
	if (step->op.kind == M2D_OP_INVPCID && step->op.arg[0] == 0 && !gva)
		return m2d_scn_fail_at(ps, step->verb_place,
				       "type=0 without an address, expected gva=0x...");
	if (step->op.kind == M2D_OP_IPI && step->op.arg[1] == 1 && !gva)
		return m2d_scn_fail_at(ps, step->verb_place,
				       "do=invlpg without an address, expected gva=0x...");
	return true;
}
