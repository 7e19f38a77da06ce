/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "toy.h"

#include <string.h>

#include "sim/base/rng.h"
#include "sim/mem/put.h"

typedef struct {
	uint8_t pc[TOY_THREADS];
	uint8_t started[TOY_THREADS]; /* of a scan: the register is set */
	uint8_t reg[TOY_THREADS];
	uint8_t read[TOY_THREADS][8]; /* values read, in order */
	uint8_t n_read[TOY_THREADS];
	uint8_t var[TOY_VARS];
} ToyState;

struct _Toy {
	ToyProgram p;
	M2dArena *arena;
	ToyState *s;
	M2dExModel model;
};

static const ToyInsn *insn(const Toy *t, unsigned thread)
{
	return &t->p.code[thread][t->s->pc[thread]];
}

static bool done(void *data, unsigned thread)
{
	return insn(data, thread)->op == TOY_END;
}

static unsigned enabled(void *data, unsigned thread)
{
	const Toy *t = data;
	const ToyInsn *i = insn(t, thread);

	switch (i->op) {
	case TOY_END:
		return 0;
	case TOY_LOCK:
		return t->s->var[i->var] == 0;
	case TOY_AWAIT:
		return t->s->var[i->var] == i->value;
	default:
		return 1;
	}
}

static void put_reg(Toy *t, unsigned thread, uint8_t value)
{
	ToyState *s = t->s;

	M2D_PUT(t->arena, s->reg[thread], value);
	/* What was read stays part of the state. */
	M2D_PUT(t->arena, s->read[thread][s->n_read[thread] % 8], value + 1);
	M2D_PUT(t->arena, s->n_read[thread], s->n_read[thread] + 1);
}

static void step(void *data, unsigned thread, unsigned alt)
{
	Toy *t = data;
	ToyState *s = t->s;
	const ToyInsn *i = insn(t, thread);
	uint8_t *var = &s->var[i->var], at;

	switch (i->op) {
	case TOY_READ:
		put_reg(t, thread, *var);
		break;
	case TOY_WRITE:
		M2D_PUT(t->arena, *var, i->value);
		break;
	case TOY_STORE:
		M2D_PUT(t->arena, *var, s->reg[thread] + i->value);
		break;
	case TOY_LOCK:
		M2D_PUT(t->arena, *var, 1);
		break;
	case TOY_UNLOCK:
		M2D_PUT(t->arena, *var, 0);
		break;
	case TOY_CMPXCHG:
		put_reg(t, thread, *var);
		if (*var == 0)
			M2D_PUT(t->arena, *var, i->value);
		break;
	case TOY_INC:
		M2D_PUT(t->arena, *var, *var + 1);
		break;
	case TOY_AGAIN:
		if (*var == i->value)
			break;
		M2D_PUT(t->arena, s->pc[thread], 0);
		return;
	case TOY_FLIP:
		M2D_PUT(t->arena, *var, 1 - *var);
		return;
	case TOY_SCAN:
		at = s->started[thread] ? s->reg[thread] : i->value;
		if (s->var[at] != 0) {
			M2D_PUT(t->arena, s->started[thread], 1);
			M2D_PUT(t->arena, s->reg[thread], at - 1);
			return;
		}
		/* Where it ended is nobody's business. */
		M2D_PUT(t->arena, s->started[thread], 0);
		M2D_PUT(t->arena, s->reg[thread], 0);
		break;
	case TOY_AWAIT:
	case TOY_END:
		break;
	}
	M2D_PUT(t->arena, s->pc[thread], s->pc[thread] + 1);
}

static void footprint_of(const Toy *t, const ToyInsn *i, int scan_at, M2dFootprint *fp)
{
	uint64_t v = UINT64_C(1) << i->var;

	switch (i->op) {
	case TOY_READ:
	case TOY_AGAIN:
		fp->read |= v;
		break;
	case TOY_SCAN:
		if (scan_at >= 0)
			fp->read |= UINT64_C(1) << scan_at;
		else
			fp->read |= m2d_low_mask(i->value + 1u);
		break;
	case TOY_WRITE:
	case TOY_STORE:
		if (!t->p.wrong_footprint || i->var != t->p.bad_var)
			fp->write |= v;
		break;
	case TOY_UNLOCK:
		fp->write |= v;
		break;
	case TOY_LOCK:
		fp->write |= v;
		fp->enable |= v;
		break;
	case TOY_AWAIT:
		fp->read |= v;
		fp->enable |= v;
		break;
	case TOY_CMPXCHG:
	case TOY_INC:
	case TOY_FLIP:
		fp->read |= v;
		fp->write |= v;
		break;
	case TOY_END:
		break;
	}
}

static void footprint(void *data, unsigned thread, M2dFootprint *fp)
{
	const Toy *t = data;
	const ToyInsn *i = insn(t, thread);

	memset(fp, 0, sizeof(*fp));
	footprint_of(t, i,
		     i->op == TOY_SCAN ? (t->s->started[thread] ? t->s->reg[thread] : i->value)
				       : -1,
		     fp);
}

static void future(void *data, unsigned thread, M2dFootprint *fp)
{
	const Toy *t = data;

	const ToyInsn *first = insn(t, thread);

	memset(fp, 0, sizeof(*fp));
	for (const ToyInsn *i = first; i->op != TOY_END; i++)
		if (i->op == TOY_AGAIN)
			first = t->p.code[thread];
	for (const ToyInsn *i = first; i->op != TOY_END; i++)
		footprint_of(t, i, -1, fp);
}

static unsigned violation(void *data)
{
	const Toy *t = data;

	return t->p.bad_var < TOY_VARS && t->s->var[t->p.bad_var] == t->p.bad_value ? 1 : 0;
}

Toy *toy_new(const ToyProgram *program)
{
	Toy *t = g_new0(Toy, 1);
	GError *error = NULL;

	t->p = *program;
	t->arena = m2d_arena_new(1 << 20, &error);
	g_assert_no_error(error);
	m2d_arena_alloc(t->arena, 64, 64);
	t->s = m2d_arena_alloc(t->arena, sizeof(ToyState), 64);
	t->model = (M2dExModel){.arena = t->arena,
				.n_actors = program->n_threads,
				.data = t,
				.enabled = enabled,
				.step = step,
				.footprint = footprint,
				.future = future,
				.done = done,
				.violation = program->bad_var < TOY_VARS ? violation : NULL};
	if (program->bad_var < TOY_VARS)
		t->model.visible = UINT64_C(1) << program->bad_var;
	return t;
}

void toy_free(Toy *t)
{
	m2d_arena_free(t->arena);
	g_free(t);
}

const M2dExModel *toy_model(Toy *t)
{
	return &t->model;
}

uint64_t toy_state(const Toy *t)
{
	const uint8_t *bytes = (const uint8_t *)t->s;
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(ToyState); i++)
		h = m2d_mix64(h ^ bytes[i]) + i;
	return h;
}

/* @last: thread that ran last, @left: preemptions that are still allowed, negative: any. */
static uint64_t count(Toy *t, int last, int left)
{
	ToyState saved = *t->s;
	uint64_t n = 0;
	bool any = false;
	bool could_go_on = last >= 0 && enabled(t, (unsigned)last);

	for (unsigned a = 0; a < t->p.n_threads; a++) {
		bool preempts = could_go_on && (int)a != last;

		if (!enabled(t, a))
			continue;
		any = true;
		if (preempts && left == 0)
			continue;
		step(t, a, 0);
		n += count(t, (int)a, left - (left > 0 && preempts));
		*t->s = saved;
	}
	return any ? n : 1;
}

uint64_t toy_interleavings(Toy *t, int bound)
{
	return count(t, -1, bound);
}

static void collect(Toy *t, GHashTable *set, bool *violated, uint64_t *deadlocks)
{
	ToyState saved = *t->s;
	bool any = false, all = true;
	uint64_t *key;

	for (unsigned a = 0; a < t->p.n_threads; a++) {
		all &= done(t, a);
		if (!enabled(t, a))
			continue;
		any = true;
		step(t, a, 0);
		if (violation(t) != 0)
			*violated = true;
		else
			collect(t, set, violated, deadlocks);
		*t->s = saved;
	}
	if (any)
		return;
	key = g_new(uint64_t, 1);
	*key = toy_state(t);
	if (g_hash_table_add(set, key) && !all)
		(*deadlocks)++;
}

GHashTable *toy_ends(Toy *t, bool *violated, uint64_t *deadlocks)
{
	GHashTable *set = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

	*violated = false;
	*deadlocks = 0;
	collect(t, set, violated, deadlocks);
	return set;
}

void toy_lastzero(ToyProgram *p, unsigned n)
{
	*p = (ToyProgram){.n_threads = n + 1, .bad_var = TOY_VARS};
	p->code[0][0] = (ToyInsn){TOY_SCAN, 0, (uint8_t)n};
	p->code[0][1] = (ToyInsn){TOY_END, 0, 0};
	for (unsigned i = 1; i <= n; i++) {
		p->code[i][0] = (ToyInsn){TOY_READ, (uint8_t)(i - 1), 0};
		p->code[i][1] = (ToyInsn){TOY_STORE, (uint8_t)i, 1};
		p->code[i][2] = (ToyInsn){TOY_END, 0, 0};
	}
}

void toy_random(ToyProgram *p, uint64_t seed)
{
	M2dRng rng;
	unsigned vars, left = 14;

	m2d_rng_seed(&rng, seed);
	*p = (ToyProgram){.n_threads = 2 + (unsigned)m2d_rng_below(&rng, 3)};
	vars = 1 + (unsigned)m2d_rng_below(&rng, 4);
	p->bad_var = (uint8_t)m2d_rng_below(&rng, vars);
	p->bad_value = (uint8_t)(1 + m2d_rng_below(&rng, 3));
	for (unsigned t = 0; t < p->n_threads; t++) {
		unsigned n = 1 + (unsigned)m2d_rng_below(&rng, MIN(6, left / (p->n_threads - t)));

		left -= n;
		for (unsigned i = 0; i < n; i++) {
			static const ToyOp ops[] = {TOY_READ,  TOY_READ,   TOY_WRITE, TOY_STORE,
						    TOY_LOCK,  TOY_UNLOCK, TOY_AWAIT, TOY_CMPXCHG,
						    TOY_WRITE, TOY_INC,    TOY_STORE, TOY_READ};

			p->code[t][i] =
				(ToyInsn){(uint8_t)ops[m2d_rng_below(&rng, M2D_N_ELEMENTS(ops))],
					  (uint8_t)m2d_rng_below(&rng, vars),
					  (uint8_t)m2d_rng_below(&rng, 3)};
		}
		p->code[t][n] = (ToyInsn){TOY_END, 0, 0};
	}
}

void toy_random_loops(ToyProgram *p, uint64_t seed)
{
	static const ToyOp ops[] = {TOY_WRITE, TOY_WRITE,  TOY_AWAIT,
				    TOY_LOCK,  TOY_UNLOCK, TOY_AGAIN};
	unsigned vars;
	M2dRng rng;

	m2d_rng_seed(&rng, seed);
	*p = (ToyProgram){.n_threads = 3 + (unsigned)m2d_rng_below(&rng, 2), .bad_var = TOY_VARS};
	vars = 1 + (unsigned)m2d_rng_below(&rng, 3);
	for (unsigned t = 0; t < p->n_threads; t++) {
		unsigned n = 1 + (unsigned)m2d_rng_below(&rng, 3);

		for (unsigned i = 0; i < n; i++)
			p->code[t][i] =
				(ToyInsn){(uint8_t)ops[m2d_rng_below(&rng, M2D_N_ELEMENTS(ops))],
					  (uint8_t)m2d_rng_below(&rng, vars),
					  (uint8_t)m2d_rng_below(&rng, 3)};
		/* Until the variable is 0, or forever. */
		if (m2d_rng_below(&rng, 3) != 0)
			p->code[t][n++] = (ToyInsn){TOY_AGAIN, (uint8_t)m2d_rng_below(&rng, vars),
						    (uint8_t)(3 * m2d_rng_below(&rng, 2))};
		p->code[t][n] = (ToyInsn){TOY_END, 0, 0};
	}
}

#define R(v)                                                                                       \
	{                                                                                          \
		TOY_READ, v, 0                                                                     \
	}
#define W(v, x)                                                                                    \
	{                                                                                          \
		TOY_WRITE, v, x                                                                    \
	}
#define S(v, x)                                                                                    \
	{                                                                                          \
		TOY_STORE, v, x                                                                    \
	}
#define L(v)                                                                                       \
	{                                                                                          \
		TOY_LOCK, v, 0                                                                     \
	}
#define U(v)                                                                                       \
	{                                                                                          \
		TOY_UNLOCK, v, 0                                                                   \
	}
#define I(v)                                                                                       \
	{                                                                                          \
		TOY_INC, v, 0                                                                      \
	}
#define X(v, x)                                                                                    \
	{                                                                                          \
		TOY_CMPXCHG, v, x                                                                  \
	}
#define A(v, x)                                                                                    \
	{                                                                                          \
		TOY_AWAIT, v, x                                                                    \
	}
#define E                                                                                          \
	{                                                                                          \
		TOY_END, 0, 0                                                                      \
	}
#define NONE .bad_var = TOY_VARS

static const ToyCase cases[] = {
	{"2 threads, 3 stores, all to different variables",
	 {2, {{W(0, 1), W(1, 1), W(2, 1), E}, {W(3, 1), W(4, 1), W(5, 1), E}}, NONE},
	 20,
	 16,
	 1,
	 {2, 6, 14, 18},
	 1},
	{"2 threads, 3 stores of different values, one variable",
	 {2, {{W(0, 1), W(0, 2), W(0, 3), E}, {W(0, 4), W(0, 5), W(0, 6), E}}, NONE},
	 20,
	 25,
	 20,
	 {2, 6, 14, 18},
	 2},
	{"3 threads, 2 stores of different values, one variable",
	 {3, {{W(0, 1), W(0, 2), E}, {W(0, 3), W(0, 4), E}, {W(0, 5), W(0, 6), E}}, NONE},
	 90,
	 55,
	 90,
	 {6, 24, 60, 90},
	 3},
	{"2 threads, read x, write x + 1",
	 {2, {{R(0), S(0, 1), E}, {R(0), S(0, 1), E}}, NONE},
	 6,
	 13,
	 4,
	 {2, 4, 6, 6},
	 3},
	{"3 threads, read x, write x + 1",
	 {3, {{R(0), S(0, 1), E}, {R(0), S(0, 1), E}, {R(0), S(0, 1), E}}, NONE},
	 90,
	 84,
	 36,
	 {6, 24, 60, 90},
	 16},
	{"1 writer, 3 readers",
	 {4, {{W(0, 1), E}, {R(0), E}, {R(0), E}, {R(0), E}}, NONE},
	 24,
	 35,
	 8,
	 {24, 24, 24, 24},
	 8},
	{"1 writer, 5 readers",
	 {6, {{W(0, 1), E}, {R(0), E}, {R(0), E}, {R(0), E}, {R(0), E}, {R(0), E}}, NONE},
	 720,
	 275,
	 32,
	 {720, 720, 720, 720},
	 32},
	{"store buffering",
	 {2, {{W(0, 1), R(1), E}, {W(1, 1), R(0), E}}, NONE},
	 6,
	 13,
	 3,
	 {2, 4, 6, 6},
	 3},
	{"message passing",
	 {2, {{W(0, 1), W(1, 1), E}, {R(1), R(0), E}}, NONE},
	 6,
	 13,
	 3,
	 {2, 4, 6, 6},
	 3},
	{"2 threads, lock, increment, unlock",
	 {2, {{L(0), I(1), U(0), E}, {L(0), I(1), U(0), E}}, NONE},
	 2,
	 12,
	 2,
	 {2, 2, 2, 2},
	 1},
	{"3 threads, lock, increment, unlock",
	 {3, {{L(0), I(1), U(0), E}, {L(0), I(1), U(0), E}, {L(0), I(1), U(0), E}}, NONE},
	 6,
	 32,
	 6,
	 {6, 6, 6, 6},
	 1},
	{"3 threads, cmpxchg",
	 {3, {{X(0, 1), E}, {X(0, 2), E}, {X(0, 3), E}}, NONE},
	 6,
	 13,
	 6,
	 {6, 6, 6, 6},
	 3},
	{"4 threads, cmpxchg",
	 {4, {{X(0, 1), E}, {X(0, 2), E}, {X(0, 3), E}, {X(0, 4), E}}, NONE},
	 24,
	 33,
	 24,
	 {24, 24, 24, 24},
	 4},
	{"lock a, lock b against lock b, lock a",
	 {2, {{L(0), L(1), U(1), U(0), E}, {L(1), L(0), U(0), U(1), E}}, NONE},
	 6,
	 19,
	 3,
	 {2, 6, 6, 6},
	 2},
	{"shootdown before free",
	 {2, {{W(0, 1), W(1, 1), A(2, 1), W(3, 1), E}, {R(0), A(1, 1), W(4, 1), W(2, 1), E}}, NONE},
	 3,
	 18,
	 2,
	 {2, 3, 3, 3},
	 2},
};

const ToyCase *toy_case(unsigned index)
{
	return index < M2D_N_ELEMENTS(cases) ? &cases[index] : NULL;
}
