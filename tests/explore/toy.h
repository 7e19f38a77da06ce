/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small concurrent programs whose interleavings, states and traces are known. */
#pragma once

#include "sim/explore/explore.h"

typedef enum {
	TOY_READ,  /* register = variable */
	TOY_WRITE, /* variable = value */
	TOY_STORE, /* variable = register + value */
	TOY_LOCK,  /* waits for 0, then 1 */
	TOY_UNLOCK,
	TOY_AWAIT,   /* waits until the variable is value */
	TOY_CMPXCHG, /* if 0: value; register = what was there */
	TOY_INC,     /* variable = variable + 1, in one step */
	TOY_AGAIN,   /* back to the thread's first unless the variable is value */
	TOY_FLIP,    /* variable = 1 - variable, and the same again, forever */
	TOY_SCAN,    /* register counts down from value until variable[register] is 0 */
	TOY_END,
} ToyOp;

typedef struct {
	uint8_t op, var, value;
} ToyInsn;

#define TOY_THREADS 10
#define TOY_INSNS   16
#define TOY_VARS    16

typedef struct {
	unsigned n_threads;
	ToyInsn code[TOY_THREADS][TOY_INSNS]; /* ends with TOY_END */
	/* The invariant: this variable never has this value (TOY_VARS: none). */
	uint8_t bad_var, bad_value;
	bool wrong_footprint; /* a store that is not declared: mutation test */
} ToyProgram;

typedef struct _Toy Toy;

Toy *toy_new(const ToyProgram *program);
void toy_free(Toy *toy);
const M2dExModel *toy_model(Toy *toy);
/* A fingerprint of variables, registers and positions, without the engine's. */
uint64_t toy_state(const Toy *toy);

/* Counts over all interleavings by plain recursion. @bound: preemptions, -1: any. */
uint64_t toy_interleavings(Toy *toy, int bound);
/* Distinct end states over all interleavings, as a set of toy_state(). */
GHashTable *toy_ends(Toy *toy, bool *violated, uint64_t *deadlocks);

/* The programs of the table: index from 0; NULL after the last. */
typedef struct {
	const char *name;
	ToyProgram program;
	uint64_t interleavings, states, traces; /* 0: not known */
	uint64_t bounded[4];                    /* schedules with at most 0..3 preemptions */
	uint64_t ends;
} ToyCase;
const ToyCase *toy_case(unsigned index);

/* A random program from @seed. */
void toy_random(ToyProgram *program, uint64_t seed);
/* The same with loops, so that there are cycles of states. */
void toy_random_loops(ToyProgram *program, uint64_t seed);
/* lastzero(n) with @n writers. */
void toy_lastzero(ToyProgram *program, unsigned n);
