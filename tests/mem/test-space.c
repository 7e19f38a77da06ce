/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spaces: sparse frames up to 52 bits, growth of the table, windows of a derived space, observers,
 * and rollback that takes frames back out.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/rng.h"
#include "sim/mem/space.h"

#define TOP_PFN ((UINT64_C(1) << (M2D_PHYS_BITS - M2D_PAGE_SHIFT)) - 1)

static M2dArena *arena_make(void)
{
	return m2d_arena_new(UINT64_C(4) << 30, NULL);
}

START_TEST(test_sparse)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dSpace) space = m2d_space_new(arena);
	M2dHpa top = M2D_HPA((TOP_PFN << M2D_PAGE_SHIFT) + 4088);

	ck_assert_uint_eq(m2d_space_read64(space, top), 0);
	ck_assert_uint_eq(m2d_space_frames(space), 0);
	ck_assert_ptr_null(m2d_space_frame(space, TOP_PFN));
	m2d_space_write64(space, top, UINT64_C(0x1122334455667788));
	m2d_space_write32(space, M2D_HPA(0), 7);
	ck_assert_uint_eq(m2d_space_frames(space), 2);
	ck_assert_uint_eq(m2d_space_read64(space, top), UINT64_C(0x1122334455667788));
	ck_assert_uint_eq(m2d_space_read32(space, M2D_HPA(top.v + 4)), 0x11223344);
	ck_assert_uint_eq(m2d_space_read64(space, M2D_HPA(0)), 7);
	ck_assert_ptr_eq(m2d_space_frame(space, 0), m2d_space_frame_make(space, 0));
	ck_assert_uint_eq((uintptr_t)m2d_space_frame(space, 0) % M2D_PAGE_SIZE, 0);
}
END_TEST

/* Many frames: in a row, and spread so that only the highest bits of the number differ. */
START_TEST(test_growth)
{
	static const unsigned shifts[] = {0, 9, 18, 26};
	unsigned shift = shifts[_i];
	uint64_t n = MIN(UINT64_C(20000), UINT64_C(1) << (40 - shift));
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dSpace) space = m2d_space_new(arena);
	const uint64_t **first = g_new(const uint64_t *, n);

	for (uint64_t i = 0; i < n; i++) {
		m2d_space_write64(space, M2D_HPA((i << shift) << M2D_PAGE_SHIFT), i + 1);
		first[i] = m2d_space_frame(space, i << shift);
	}
	ck_assert_uint_eq(m2d_space_frames(space), n);
	for (uint64_t i = 0; i < n; i++) {
		ck_assert_uint_eq(m2d_space_read64(space, M2D_HPA((i << shift) << M2D_PAGE_SHIFT)),
				  i + 1);
		/* Frames never move, whatever the table does. */
		ck_assert_ptr_eq(m2d_space_frame(space, i << shift), first[i]);
	}
	g_free(first);
}
END_TEST

typedef struct {
	uint64_t last, n;
	bool ordered;
	uint64_t sum;
} Visit;

static void visit(uint64_t pfn, const uint64_t *words, void *data)
{
	Visit *v = data;

	v->ordered = v->ordered && (v->n == 0 || pfn > v->last);
	v->last = pfn;
	v->n++;
	v->sum += words[0];
}

START_TEST(test_foreach)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dSpace) space = m2d_space_new(arena);
	Visit v = {.ordered = true};
	uint64_t sum = 0;
	M2dRng rng;

	m2d_space_foreach(space, visit, &v);
	ck_assert_uint_eq(v.n, 0);
	m2d_rng_seed(&rng, 3);
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t pfn = m2d_rng_next(&rng) & TOP_PFN;

		m2d_space_write64(space, M2D_HPA(pfn << M2D_PAGE_SHIFT), i);
		sum += i;
	}
	m2d_space_foreach(space, visit, &v);
	ck_assert(v.ordered);
	ck_assert_uint_eq(v.n, m2d_space_frames(space));
	ck_assert_uint_eq(v.sum, sum);
}
END_TEST

/* Copies of any length across frames, against a flat buffer. */
START_TEST(test_bulk)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dSpace) space = m2d_space_new(arena);
	g_autofree uint8_t *flat = g_malloc0(1 << 16), *buf = g_malloc(1 << 16);
	M2dRng rng;

	m2d_rng_seed(&rng, 5);
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t off = m2d_rng_below(&rng, 1 << 16);
		uint64_t len = m2d_rng_below(&rng, MIN(10000, (1 << 16) - off) + 1);

		if (m2d_rng_below(&rng, 2) != 0) {
			for (uint64_t k = 0; k < len; k++)
				buf[k] = (uint8_t)m2d_rng_next(&rng);
			ck_assert(m2d_space_write(space, M2D_HPA(0x7000 + off), buf, len));
			memcpy(flat + off, buf, len);
		} else {
			m2d_space_read(space, M2D_HPA(0x7000 + off), buf, len);
			ck_assert_mem_eq(buf, flat + off, len);
		}
	}
}
END_TEST

START_TEST(test_derived)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dSpace) l0 = m2d_space_new(arena);
	g_autoptr(M2dSpace) l1 = m2d_space_derive(l0);
	g_autoptr(M2dSpace) l2 = m2d_space_derive(l1);
	uint8_t bytes[8192];

	ck_assert_ptr_null(m2d_space_frame_make(l1, 5));
	memset(bytes, 0xa5, sizeof(bytes));
	ck_assert(!m2d_space_write(l1, M2D_HPA(0x5000), bytes, 8));
	m2d_space_map(l1, 5, 0x900);
	m2d_space_map(l2, 0x77, 5);
	m2d_space_write64(l2, M2D_HPA(0x77008), 42);
	ck_assert_uint_eq(m2d_space_read64(l1, M2D_HPA(0x5008)), 42);
	ck_assert_uint_eq(m2d_space_read64(l0, M2D_HPA(0x900008)), 42);
	/* A copy that runs off the mapped part stops there. */
	ck_assert(!m2d_space_write(l1, M2D_HPA(0x5ff8), bytes, 16));
	ck_assert_uint_eq(m2d_space_read64(l0, M2D_HPA(0x900ff8)), UINT64_C(0xa5a5a5a5a5a5a5a5));
	ck_assert_uint_eq(m2d_space_frames(l0), 1);
	ck_assert_uint_eq(m2d_space_frames(l1), 1);
	m2d_space_unmap(l1, 5);
	m2d_space_unmap(l1, 5);
	ck_assert_uint_eq(m2d_space_frames(l1), 0);
	ck_assert_ptr_null(m2d_space_frame(l1, 5));
	ck_assert_uint_eq(m2d_space_read64(l1, M2D_HPA(0x5008)), 0);
	/* The window comes back onto another frame; the tombstone's slot is used again. */
	m2d_space_map(l1, 5, 0x901);
	m2d_space_write64(l1, M2D_HPA(0x5008), 43);
	ck_assert_uint_eq(m2d_space_read64(l0, M2D_HPA(0x900008)), 42);
	ck_assert_uint_eq(m2d_space_read64(l0, M2D_HPA(0x901008)), 43);
}
END_TEST

/* An observer that rebuilds memory from the writes it is told of. */
typedef struct {
	uint8_t image[8192];
	unsigned writes;
	bool wrong_old;
	const M2dSpace *space;
	unsigned *order, position;
} Shadow;

static void shadow_write(const M2dWrite *w, void *data)
{
	Shadow *s = data;
	uint64_t old = 0, off = w->pa.v - 0x10000, now = 0;

	ck_assert_ptr_eq(w->space, s->space);
	ck_assert(w->size == 1 || w->size == 2 || w->size == 4 || w->size == 8);
	ck_assert_uint_eq(w->pa.v % w->size, 0);
	memcpy(&old, s->image + off, w->size);
	s->wrong_old |= old != w->old_value;
	memcpy(s->image + off, &w->new_value, w->size);
	m2d_space_read(w->space, w->pa, &now, w->size);
	ck_assert_uint_eq(now, w->new_value);
	s->writes++;
	s->position = ++*s->order;
}

START_TEST(test_observers)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dSpace) space = m2d_space_new(arena);
	unsigned order = 0, before;
	Shadow *a = g_new0(Shadow, 1), *b = g_new0(Shadow, 1);
	uint8_t buf[8192];
	M2dRng rng;

	a->space = b->space = space;
	a->order = b->order = &order;
	m2d_rng_seed(&rng, 9);
	m2d_space_observe(space, shadow_write, a);
	m2d_space_observe(space, shadow_write, b);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t off = m2d_rng_below(&rng, 8192), v = m2d_rng_next(&rng);
		uint64_t len = m2d_rng_below(&rng, MIN(100, 8192 - off) + 1);

		switch (m2d_rng_below(&rng, 3)) {
		case 0:
			m2d_space_write64(space, M2D_HPA(0x10000 + (off & ~7ull)), v);
			break;
		case 1:
			m2d_space_write32(space, M2D_HPA(0x10000 + (off & ~3ull)), (uint32_t)v);
			break;
		default:
			for (uint64_t k = 0; k < len; k++)
				buf[k] = (uint8_t)m2d_rng_next(&rng);
			ck_assert(m2d_space_write(space, M2D_HPA(0x10000 + off), buf, len));
		}
		/* In order of registration. */
		ck_assert(a->writes == 0 || a->position + 1 == b->position);
	}
	m2d_space_read(space, M2D_HPA(0x10000), buf, sizeof(buf));
	ck_assert_mem_eq(buf, a->image, sizeof(buf));
	ck_assert_mem_eq(buf, b->image, sizeof(buf));
	ck_assert(!a->wrong_old && !b->wrong_old);
	before = a->writes;
	m2d_space_unobserve(space, shadow_write, a);
	m2d_space_write64(space, M2D_HPA(0x10000), 1);
	ck_assert_uint_eq(a->writes, before);
	ck_assert_uint_eq(b->writes, before + 1);
	m2d_space_unobserve(space, shadow_write, b);
	m2d_space_unobserve(space, shadow_write, b);
	m2d_space_write64(space, M2D_HPA(0x10000), 2);
	ck_assert_uint_eq(b->writes, before + 1);
	g_free(a);
	g_free(b);
}
END_TEST

static void once(const M2dWrite *w, void *data)
{
	++*(unsigned *)data;
	m2d_space_unobserve(w->space, once, data);
}

/* An observer may take itself off while it is told of a write. */
START_TEST(test_observer_removes_itself)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dSpace) space = m2d_space_new(arena);
	unsigned n = 0;

	m2d_space_observe(space, once, &n);
	m2d_space_write64(space, M2D_HPA(0), 1);
	m2d_space_write64(space, M2D_HPA(0), 2);
	ck_assert_uint_eq(n, 1);
}
END_TEST

/* Frames, windows and the growth of the table go back with a rollback. */
START_TEST(test_rollback)
{
	g_autoptr(M2dArena) arena = arena_make();
	g_autoptr(M2dSpace) space = m2d_space_new(arena);
	g_autoptr(M2dSpace) derived = m2d_space_derive(space);
	g_autofree uint8_t *copy = NULL;
	uint64_t used;
	M2dMark mark;

	for (uint64_t i = 0; i < 100; i++)
		m2d_space_write64(space, M2D_HPA(i << 20), i);
	m2d_space_map(derived, 1, 256);
	m2d_arena_attach_journal(arena);
	mark = m2d_arena_mark(arena);
	used = arena->used;
	copy = g_memdup2(arena->base, used);
	for (unsigned round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 2000; i++)
			m2d_space_write64(space, M2D_HPA(i << 20), i + 7);
		m2d_space_map(derived, 2, 512);
		m2d_space_unmap(derived, 1);
		ck_assert_uint_eq(m2d_space_frames(space), 2000);
		ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
		m2d_arena_rollback(arena, mark);
		ck_assert_uint_eq(arena->used, used);
		ck_assert_mem_eq(arena->base, copy, used);
		ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
		ck_assert_uint_eq(m2d_space_frames(space), 100);
		ck_assert_ptr_null(m2d_space_frame(space, 1999 << 8));
		ck_assert_uint_eq(m2d_space_read64(space, M2D_HPA(99 << 20)), 99);
		ck_assert_uint_eq(m2d_space_read64(derived, M2D_HPA(0x1000)), 1);
		ck_assert_ptr_null(m2d_space_frame(derived, 2));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("space");
	TCase *tc = tcase_create("space");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_sparse);
	tcase_add_loop_test(tc, test_growth, 0, 4);
	tcase_add_test(tc, test_foreach);
	tcase_add_test(tc, test_bulk);
	tcase_add_test(tc, test_derived);
	tcase_add_test(tc, test_observers);
	tcase_add_test(tc, test_observer_removes_itself);
	tcase_add_test(tc, test_rollback);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
