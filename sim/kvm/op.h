/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations: what a step of a scenario, of a random run or of a search asks an actor to do. They
 * are declared once, in op.def; kinds, names and the keys that the scenario language takes come
 * from there. An operation is plain data: who carries it out looks only at M2dOp.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Actors that can do an operation; a mask. */
#define M2D_OP_VCPU   (1u << 0)
#define M2D_OP_HOST   (1u << 1)
#define M2D_OP_WORKER (1u << 2)

/* M2D_OP_READ and so on, in the order of op.def. */
typedef enum {
#define OP(name, verb, actors, keys, text) M2D_OP_##name,
#include "sim/kvm/op.def"
#undef OP
	M2D_N_OPS
} M2dOpKind;

#define M2D_OP_MAX_ARGS 10

typedef struct {
	uint16_t kind;  /* M2dOpKind */
	uint16_t given; /* bit i: arg[i] was given, not a default */
	uint64_t arg[M2D_OP_MAX_ARGS];
} M2dOp;

typedef struct {
	const char *name; /* as in M2D_OP_name */
	const char *verb; /* as in a scenario */
	unsigned actors;  /* M2D_OP_VCPU ... */
	const char *keys; /* as op.def explains; see m2d_op_key_next() */
	const char *text; /* one line for the manual */
} M2dOpInfo;

extern const M2dOpInfo m2d_op_info[M2D_N_OPS];

/* How an argument is written, and what its number in M2dOp.arg means. */
typedef enum {
	M2D_OP_ARG_GVA,
	M2D_OP_ARG_GPA,
	M2D_OP_ARG_HVA,
	M2D_OP_ARG_RANGE, /* first and last byte: two arguments */
	M2D_OP_ARG_UINT,
	M2D_OP_ARG_HEX,
	M2D_OP_ARG_FLAG,   /* 1 if the word stands there */
	M2D_OP_ARG_GPT,    /* index of a guest address space */
	M2D_OP_ARG_VCPU,   /* number of a vCPU */
	M2D_OP_ARG_VCPUS,  /* mask of vCPUs */
	M2D_OP_ARG_RIGHTS, /* M2D_OP_RIGHT_R ... */
	M2D_OP_ARG_BITS,   /* bits of the register, where the architecture has them */
	M2D_OP_ARG_ENUM,   /* index of the word in the list */
} M2dOpArgType;

/* Rights of a mapping: read, write, execute, user, global. */
#define M2D_OP_RIGHT_R (1u << 0)
#define M2D_OP_RIGHT_W (1u << 1)
#define M2D_OP_RIGHT_X (1u << 2)
#define M2D_OP_RIGHT_U (1u << 3)
#define M2D_OP_RIGHT_G (1u << 4)

/* One key of an operation. */
typedef struct {
	char name[24];
	M2dOpArgType type;
	bool must;         /* a step without it is an error */
	unsigned arg;      /* first index in M2dOp.arg */
	unsigned n_args;   /* 2 for a range, else 1 */
	uint64_t preset;   /* the argument where the key is not given */
	const char *words; /* of an enum: "a|b|c)", not terminated by NUL */
} M2dOpKey;

/* Where m2d_op_key_next() stands; begins as {0}. */
typedef struct {
	size_t offset;
	unsigned arg;
} M2dOpKeyIter;

/* m2d_op_keys_next: the next key of @keys, written as op.def explains; false after the last. */
bool m2d_op_keys_next(const char *keys, M2dOpKeyIter *iter, M2dOpKey *key);

/* m2d_op_key_next: the next key of operation @kind; false after the last. */
static inline bool m2d_op_key_next(M2dOpKind kind, M2dOpKeyIter *iter, M2dOpKey *key)
{
	return m2d_op_keys_next(m2d_op_info[kind].keys, iter, key);
}

/* m2d_op_find: the operation called @verb in scenarios, or -1. */
int m2d_op_find(const char *verb);

/**
 * m2d_op_word: word @index of enum @key, not terminated by NUL; NULL after the last.
 * @len: its length
 */
const char *m2d_op_word(const M2dOpKey *key, unsigned index, size_t *len);

/* m2d_op_rights: M2D_OP_RIGHT_R ... from @len letters of "rwxug" or "-"; false if others occur. */
bool m2d_op_rights(const char *text, size_t len, uint64_t *rights);

/**
 * m2d_op_bit: entry @index of the register bits that @kind takes in keys of type bits.
 * @bit: its mask in the register
 * Returns its name, or NULL after the last.
 */
const char *m2d_op_bit(M2dOpKind kind, unsigned index, uint64_t *bit);

/* m2d_op_preset: @op becomes an operation of @kind with all arguments at their defaults. */
void m2d_op_preset(M2dOp *op, M2dOpKind kind);
