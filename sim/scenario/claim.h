/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claims of [final]: expression trees. Who evaluates them gives the functions their meaning. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/scenario/place.h"

typedef enum {
	M2D_SCN_ALWAYS,
	M2D_SCN_NEVER,
	M2D_SCN_SOMETIMES,
} M2dScnQuantifier;

typedef enum {
	M2D_SCN_FN_NONE, /* no function */
#define FUNCTION(name, word, arguments, keyed, fields, text) M2D_SCN_FN_##name,
#include "sim/scenario/functions.def"
#undef FUNCTION
	M2D_N_SCN_FUNCTIONS
} M2dScnFunction;

typedef struct {
	const char *name;
	const char *arguments; /* words as functions.def explains */
	bool keyed;            /* takes key=value too */
	const char *fields;    /* "a|b|c" */
	const char *text;      /* one line for the manual */
} M2dScnFunctionInfo;

extern const M2dScnFunctionInfo m2d_scn_function_info[M2D_N_SCN_FUNCTIONS];

typedef enum {
	M2D_SCN_EXPR_NUMBER,
	M2D_SCN_EXPR_WORD,
	M2D_SCN_EXPR_LABEL, /* number: index of the step */
	M2D_SCN_EXPR_CALL,
} M2dScnExprKind;

typedef struct _M2dScnExpr M2dScnExpr;

/* An argument of a call. */
typedef struct {
	M2dScnPlace place;
	const char *key; /* NULL: positional */
	const M2dScnExpr *value;
} M2dScnArg;

/* One term. */
struct _M2dScnExpr {
	M2dScnPlace place;
	M2dScnExprKind kind;
	uint64_t number;   /* also of a vCPU or guest address space as an argument: its index */
	const char *text;  /* as written: digits, word, label without '@', name of the function */
	M2dScnFunction fn; /* of a call */
	const M2dScnArg *args;
	unsigned n_args;
	const char *field; /* behind the dot, or NULL */
};

typedef enum {
	M2D_SCN_OP_TRUE, /* no operator: the term is not zero, not "no" and not "none" */
	M2D_SCN_OP_EQ,
	M2D_SCN_OP_NE,
	M2D_SCN_OP_LT,
	M2D_SCN_OP_LE,
	M2D_SCN_OP_GT,
	M2D_SCN_OP_GE,
	M2D_SCN_OP_IN, /* one of the list */
} M2dScnOperator;

typedef struct {
	M2dScnPlace place; /* of the quantifier */
	M2dScnQuantifier quantifier;
	const M2dScnExpr *left;
	M2dScnOperator op;
	const M2dScnExpr *const *right; /* one, or a list after "in" */
	unsigned n_right;
	const char *text; /* the predicate in canonical form */
	int variant;      /* index of the only variant it is about; -1: all that are clean */
} M2dScnClaim;

/* m2d_scn_quantifier_word: "always", "never" or "sometimes". */
const char *m2d_scn_quantifier_word(M2dScnQuantifier quantifier);
