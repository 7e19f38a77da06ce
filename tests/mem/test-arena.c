/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arena and journal: after random writes of every size, allocations, nested marks and rollbacks
 * the arena is byte-identical to a copy taken at the mark, and the incremental hash equals a full
 * rehash.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/base/rng.h"
#include "sim/mem/arena.h"

#define RESERVE   (UINT64_C(1) << 20)
#define MAX_MARKS 12

/* What the arena must look like when rolled back to @mark. */
typedef struct {
	M2dMark mark;
	uint8_t *copy; /* all RESERVE bytes */
} Snapshot;

/* One random write, through every entry point, into the arena and into @mirror. */
static void random_write(M2dArena *arena, uint8_t *mirror, M2dRng *rng)
{
	uint64_t off = m2d_rng_below(rng, arena->used), v = m2d_rng_next(rng);
	uint8_t bytes[200];

	/* Often the same value again, or zero: both take paths of their own. */
	if (m2d_rng_below(rng, 8) == 0)
		v = 0;
	switch (m2d_rng_below(rng, 5)) {
	case 0:
		m2d_set8(arena, m2d_arena_at(arena, off), (uint8_t)v);
		mirror[off] = (uint8_t)v;
		break;
	case 1:
		off &= ~UINT64_C(1);
		m2d_set16(arena, m2d_arena_at(arena, off), (uint16_t)v);
		memcpy(mirror + off, &v, 2);
		break;
	case 2:
		off &= ~UINT64_C(3);
		m2d_set32(arena, m2d_arena_at(arena, off), (uint32_t)v);
		memcpy(mirror + off, &v, 4);
		break;
	case 3:
		off &= ~UINT64_C(7);
		m2d_set64(arena, m2d_arena_at(arena, off), v);
		memcpy(mirror + off, &v, 8);
		break;
	default: {
		uint64_t len = m2d_rng_below(rng, MIN(sizeof(bytes), arena->used - off) + 1);

		for (uint64_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)m2d_rng_next(rng);
		m2d_arena_write(arena, m2d_arena_at(arena, off), bytes, len);
		memcpy(mirror + off, bytes, len);
	}
	}
}

/* Every step compares the hash, every rollback all bytes of the reservation. */
START_TEST(test_undo_log)
{
	g_autoptr(M2dArena) arena = m2d_arena_new(RESERVE, NULL);
	g_autofree uint8_t *mirror = g_malloc0(RESERVE);
	Snapshot marks[MAX_MARKS];
	unsigned n_marks = 0, rollbacks = 0;
	M2dRng rng;

	m2d_rng_seed(&rng, (uint64_t)_i);
	m2d_arena_alloc(arena, 4096, 64);
	for (unsigned i = 0; i < 100; i++)
		random_write(arena, mirror, &rng);
	m2d_arena_attach_journal(arena);
	ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
	for (unsigned step = 0; step < 20000; step++) {
		uint64_t what = m2d_rng_below(&rng, 1000);

		if (what < 20 && arena->used < RESERVE / 8) {
			uint64_t align = UINT64_C(8) << m2d_rng_below(&rng, 10);
			uint64_t bytes = 1 + m2d_rng_below(&rng, 300), before = arena->used;
			uint8_t *p = m2d_arena_alloc(arena, bytes, align);

			ck_assert_uint_eq(m2d_arena_offset(arena, p) % align, 0);
			ck_assert_uint_ge(m2d_arena_offset(arena, p), before);
			for (uint64_t i = 0; i < bytes; i++)
				ck_assert_uint_eq(p[i], 0);
		} else if (what < 30 && n_marks < MAX_MARKS) {
			Snapshot *s = &marks[n_marks++];

			s->mark = m2d_arena_mark(arena);
			s->copy = g_memdup2(mirror, RESERVE);
		} else if (what < 40 && n_marks > 0) {
			/* To any live mark, not only the youngest; younger ones die. */
			unsigned keep = (unsigned)m2d_rng_below(&rng, n_marks);

			m2d_arena_rollback(arena, marks[keep].mark);
			memcpy(mirror, marks[keep].copy, RESERVE);
			ck_assert_uint_eq(arena->used, marks[keep].mark.used);
			ck_assert_mem_eq(arena->base, mirror, RESERVE);
			ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
			/* The mark itself stays valid half of the time, to be used twice. */
			keep += (unsigned)m2d_rng_below(&rng, 2);
			while (n_marks > keep)
				g_free(marks[--n_marks].copy);
			rollbacks++;
		} else {
			random_write(arena, mirror, &rng);
		}
		if (step % 16 == 0)
			ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
	}
	ck_assert_mem_eq(arena->base, mirror, RESERVE);
	ck_assert_uint_gt(rollbacks, 50);
	while (n_marks > 0)
		g_free(marks[--n_marks].copy);
}
END_TEST

/* Two ways to one state give one hash; neighbours in value or place give another. */
START_TEST(test_hash_is_of_state)
{
	g_autoptr(M2dArena) arena = m2d_arena_new(RESERVE, NULL);
	uint64_t *w = m2d_arena_alloc(arena, 4096, 64), h0, h1, seen[512];

	m2d_arena_attach_journal(arena);
	h0 = arena->hash;
	m2d_set64(arena, &w[1], 5);
	m2d_set32(arena, (uint32_t *)&w[2], 6);
	h1 = arena->hash;
	m2d_set64(arena, &w[1], 0);
	m2d_set64(arena, &w[2], 0);
	ck_assert_uint_eq(arena->hash, h0);
	m2d_set8(arena, (uint8_t *)&w[2], 6);
	m2d_set16(arena, (uint16_t *)&w[1], 5);
	ck_assert_uint_eq(arena->hash, h1);
	m2d_set64(arena, &w[1], 6);
	m2d_set64(arena, &w[2], 5);
	ck_assert_uint_ne(arena->hash, h1);
	m2d_set64(arena, &w[1], 0);
	m2d_set64(arena, &w[2], 0);
	for (unsigned i = 0; i < 512; i++) {
		m2d_set64(arena, &w[i], 1);
		seen[i] = arena->hash;
		m2d_set64(arena, &w[i], 0);
		for (unsigned k = 0; k < i; k++)
			ck_assert_uint_ne(seen[i], seen[k]);
	}
}
END_TEST

#define N_STEPS 6
#define N_WORDS 64

/* Steps that are made again in any order of calls, some with stores left for later, are what the
 * same stores are without a journal's help: each step writes two words that are looked at, and
 * three that are not before it is caught up with. */
START_TEST(test_made_again)
{
	M2dArenaChange change[N_STEPS][5];
	uint64_t now[N_STEPS + 1][N_WORDS], hash[N_STEPS + 1];
	M2dMark mark[N_STEPS + 1];
	M2dArenaDelta delta[N_STEPS];
	g_autoptr(M2dArena) arena = m2d_arena_new(RESERVE, NULL);
	uint64_t *word = m2d_arena_alloc(arena, sizeof(now[0]), 8);
	M2dRng rng;

	m2d_rng_seed(&rng, (uint64_t)_i);
	m2d_arena_attach_journal(arena);
	mark[0] = m2d_arena_mark(arena);
	for (unsigned i = 0; i < N_STEPS; i++) {
		g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(M2dArenaChange));
		unsigned first = (unsigned)m2d_rng_below(&rng, 2), other = 40 + 3 * (i % 3);

		memcpy(now[i], word, sizeof(now[i]));
		hash[i] = arena->hash;
		/* Twice the same word: it is one change. */
		m2d_set64(arena, &word[first], m2d_rng_next(&rng));
		m2d_set64(arena, &word[first], m2d_rng_next(&rng));
		m2d_set64(arena, &word[4], i + 1);
		m2d_arena_fill(arena, &word[other], 3, 7 * i + 1);
		m2d_arena_changes(arena, mark[i], changes, &delta[i]);
		ck_assert_uint_eq(changes->len, 5);
		memcpy(change[i], changes->data, sizeof(change[i]));
		mark[i + 1] = m2d_arena_mark(arena);
	}
	memcpy(now[N_STEPS], word, sizeof(now[0]));
	hash[N_STEPS] = arena->hash;
	m2d_arena_rollback(arena, mark[0]);
	for (unsigned k = 0, at = 0; k < 2000; k++) {
		uint64_t what = m2d_rng_below(&rng, 8);
		bool all = true;

		if (what < 5 && at < N_STEPS) {
			if (what == 4)
				m2d_arena_catch_up(arena);
			m2d_arena_apply(arena, change[at], what < 4 ? 2 : 5, 5, &delta[at]);
			mark[++at] = m2d_arena_mark(arena);
			all = false;
		} else if (what == 5) {
			m2d_arena_catch_up(arena);
		} else {
			at = (unsigned)m2d_rng_below(&rng, at + 1);
			m2d_arena_rollback(arena, mark[at]);
			all = at == 0;
		}
		ck_assert_uint_eq(arena->hash, hash[at]);
		ck_assert_mem_eq(word, now[at], 5 * sizeof(*word));
		if (what != 5 && !all)
			continue;
		ck_assert_mem_eq(word, now[at], sizeof(now[at]));
		ck_assert_uint_eq(m2d_arena_rehash(arena), hash[at]);
	}
}
END_TEST

START_TEST(test_without_journal)
{
	g_autoptr(M2dArena) arena = m2d_arena_new(RESERVE, NULL);
	uint64_t *w = m2d_arena_alloc(arena, 64, 64);
	M2dMark mark;

	m2d_set64(arena, w, 1);
	m2d_arena_attach_journal(arena);
	mark = m2d_arena_mark(arena);
	m2d_set64(arena, w, 2);
	m2d_arena_attach_journal(arena); /* again: changes nothing, marks stay valid */
	m2d_arena_rollback(arena, mark);
	ck_assert_uint_eq(*w, 1);
	m2d_set64(arena, w, 3);
	m2d_arena_detach_journal(arena);
	m2d_set64(arena, w, 4);
	m2d_arena_detach_journal(arena);
	m2d_arena_attach_journal(arena); /* the hash is that of the present state */
	ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
	mark = m2d_arena_mark(arena);
	m2d_set64(arena, w, 5);
	m2d_arena_rollback(arena, mark);
	ck_assert_uint_eq(*w, 4);
}
END_TEST

/* A reservation that cannot be had is an error, not a crash. */
START_TEST(test_reserve_too_much)
{
	g_autoptr(GError) error = NULL;

	ck_assert_ptr_null(m2d_arena_new(UINT64_C(1) << 60, &error));
	ck_assert(g_error_matches(error, M2D_ERROR, M2D_ERROR_BOUND));
}
END_TEST

/* Running out ends the process with status 3. */
START_TEST(test_outgrow)
{
	M2dArena *arena = m2d_arena_new(RESERVE, NULL);

	m2d_arena_alloc(arena, RESERVE, 8);
	m2d_arena_alloc(arena, 8, 8);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *tc = tcase_create("arena");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_undo_log, 0, 8);
	tcase_add_test(tc, test_hash_is_of_state);
	tcase_add_loop_test(tc, test_made_again, 0, 8);
	tcase_add_test(tc, test_without_journal);
	tcase_add_test(tc, test_reserve_too_much);
	tcase_add_exit_test(tc, test_outgrow, 3);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
