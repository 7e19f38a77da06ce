/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routines: straight and stepped execution agree, waits block, steps can be undone. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/engine/routine.h"
#include "sim/mem/put.h"

enum {
	M2D_R_count_up = 1,
	M2D_R_add_twice,
	M2D_R_hand_over,
	N_TEST_ROUTINES
};

typedef struct {
	uint64_t total, turn;
} Shared;

/* Statistics: how often code that must not decide anything ran. */
static unsigned derived;

typedef struct {
	M2dFrame h;
	uint64_t n, i;
	uint8_t odd; /* leaves padding behind it */
} count_up_frame;

static M2D_ROUTINE(count_up)
{
	count_up_frame *f = frame;
	Shared *s = rt->owner;

	derived++;
	M2D_BEGIN(rt, f);
	for (f->i = 0; f->i < f->n; f->i++) {
		f->odd = f->i & 1;
		M2D_PUT(rt->arena, s->total, s->total + 1);
		M2D_POINT(rt, f, PUBLISHED);
	}
	M2D_RETURN(rt, f, f->i * 10);
	M2D_END(rt, f);
}

typedef struct {
	M2dFrame h;
	uint64_t n, sum;
} add_twice_frame;

static M2D_ROUTINE(add_twice)
{
	add_twice_frame *f = frame;

	M2D_BEGIN(rt, f);
	M2D_CALL(rt, f, count_up, .n = f->n);
	f->sum = (uint64_t)m2d_rt_ret(rt);
	M2D_POINT(rt, f, ZAPPED);
	if (f->n > 1)
		M2D_CALL(rt, f, count_up, .n = f->n - 1);
	f->sum += (uint64_t)m2d_rt_ret(rt);
	M2D_RETURN(rt, f, f->sum);
	M2D_END(rt, f);
}

typedef struct {
	M2dFrame h;
	uint64_t turn;
} hand_over_frame;

static M2D_ROUTINE(hand_over)
{
	hand_over_frame *f = frame;
	Shared *s = rt->owner;

	M2D_BEGIN(rt, f);
	M2D_WAIT(rt, f, LOCK, f->turn);
	M2D_PUT(rt->arena, s->turn, s->turn + 1);
	M2D_POINT(rt, f, LOCKED);
	M2D_END(rt, f);
}

static const M2dRoutineFn table[N_TEST_ROUTINES] = {NULL, count_up, add_twice, hand_over};

static bool ready(M2dRuntime *rt, unsigned actor, M2dWait kind, uint64_t arg)
{
	const Shared *s = rt->owner;

	return s->turn == arg;
}

static M2dArena *arena;
static M2dEvents events;
static M2dRuntime rt;
static Shared *shared;

static void setup(void)
{
	GError *error = NULL;

	arena = m2d_arena_new(1 << 20, &error);
	ck_assert_ptr_nonnull(arena);
	m2d_arena_alloc(arena, 64, 64);
	m2d_events_init(&events);
	m2d_rt_init(&rt, arena, &events, table, N_TEST_ROUTINES);
	shared = m2d_arena_alloc(arena, sizeof(*shared), 8);
	rt.owner = shared;
	rt.ready = ready;
	m2d_rt_add_actor(&rt);
	m2d_rt_add_actor(&rt);
}

static void teardown(void)
{
	m2d_arena_free(arena);
}

static void start_add(unsigned actor, uint64_t n)
{
	add_twice_frame f = {.n = n};

	m2d_rt_start(&rt, actor, M2D_R_add_twice, &f, sizeof(f));
}

START_TEST(straight)
{
	start_add(0, 3);
	ck_assert_int_eq(m2d_rt_run(&rt, 0), 50);
	ck_assert_uint_eq(shared->total, 5);
	ck_assert(m2d_rt_idle(&rt, 0));
}
END_TEST

START_TEST(stepped)
{
	unsigned steps = 0;

	start_add(0, 3);
	while (!m2d_rt_step(&rt, 0)) {
		steps++;
		ck_assert_uint_eq(rt.task[0]->point, steps == 4 ? M2D_PT_ZAPPED : M2D_PT_PUBLISHED);
	}
	/* Three points, one between the calls, two points. */
	ck_assert_uint_eq(steps, 6);
	ck_assert_int_eq(rt.task[0]->ret, 50);
	ck_assert_uint_eq(shared->total, 5);
}
END_TEST

START_TEST(interleaved)
{
	start_add(0, 2);
	start_add(1, 1);
	ck_assert(!m2d_rt_step(&rt, 0));
	ck_assert_uint_eq(shared->total, 1);
	ck_assert(!m2d_rt_step(&rt, 1));
	ck_assert_uint_eq(shared->total, 2);
	while (!m2d_rt_step(&rt, 1))
		;
	ck_assert_int_eq(rt.task[1]->ret, 20);
	while (!m2d_rt_step(&rt, 0))
		;
	ck_assert_int_eq(rt.task[0]->ret, 30);
}
END_TEST

START_TEST(waits)
{
	hand_over_frame f = {.turn = 1};

	m2d_rt_start(&rt, 0, M2D_R_hand_over, &f, sizeof(f));
	ck_assert(m2d_rt_enabled(&rt, 0));
	ck_assert(!m2d_rt_step(&rt, 0));
	ck_assert(!m2d_rt_enabled(&rt, 0));
	f.turn = 0;
	m2d_rt_start(&rt, 1, M2D_R_hand_over, &f, sizeof(f));
	ck_assert(!m2d_rt_step(&rt, 1));
	ck_assert(m2d_rt_enabled(&rt, 0));
	ck_assert(!m2d_rt_step(&rt, 0));
	ck_assert_uint_eq(shared->turn, 2);
	ck_assert_uint_eq(rt.task[0]->wait, M2D_WAIT_NONE);
}
END_TEST

/* Every prefix of a run is undone byte for byte, and hash and bytes don't depend on the way. */
START_TEST(undone)
{
	uint64_t hash[16];
	g_autofree uint8_t *copy = NULL;
	unsigned n = 0;
	M2dMark start;

	m2d_arena_attach_journal(arena);
	start = m2d_arena_mark(arena);
	copy = g_memdup2(arena->base, arena->used);
	start_add(0, 3);
	hash[n++] = arena->hash;
	while (!m2d_rt_step(&rt, 0)) {
		ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
		hash[n++] = arena->hash;
	}
	ck_assert_uint_eq(arena->hash, m2d_arena_rehash(arena));
	for (unsigned stop = 0; stop < n; stop++) {
		M2dMark mark;

		m2d_arena_rollback(arena, start);
		ck_assert_int_eq(memcmp(copy, arena->base, arena->used), 0);
		start_add(0, 3);
		for (unsigned i = 0; i < stop; i++) {
			mark = m2d_arena_mark(arena);
			m2d_rt_step(&rt, 0);
			m2d_arena_rollback(arena, mark);
			ck_assert_uint_eq(arena->hash, hash[i]);
			m2d_rt_step(&rt, 0);
		}
		ck_assert_uint_eq(arena->hash, hash[stop]);
	}
	m2d_arena_detach_journal(arena);
}
END_TEST

START_TEST(events_name_the_actor)
{
	M2dEvent e = {.type = M2D_E_KVM_MMU_SET_SPTE, .a = {0x12, 0x867, 1, 0x5000}};
	char buf[128];

	ck_assert_str_eq(m2d_event_format(&e, buf, sizeof(buf)),
			 "kvm_mmu_set_spte gfn=0x12 spte=0x867 level=1 at=0x5000");
	ck_assert_int_eq(m2d_event_field(M2D_E_KVM_MMU_SET_SPTE, "level"), 2);
	ck_assert_int_eq(m2d_event_field(M2D_E_KVM_MMU_SET_SPTE, "leve"), -1);
	ck_assert_uint_eq(m2d_event_find("kvm_mmu_set_spte"), M2D_E_KVM_MMU_SET_SPTE);
	ck_assert_uint_eq(m2d_event_find("nothing"), M2D_N_EVENTS);
	ck_assert_uint_eq(m2d_point_find("published"), M2D_PT_PUBLISHED);
	ck_assert_uint_eq(m2d_point_find(""), M2D_N_POINTS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("routine");
	TCase *tc = tcase_create("routine");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, straight);
	tcase_add_test(tc, stepped);
	tcase_add_test(tc, interleaved);
	tcase_add_test(tc, waits);
	tcase_add_test(tc, undone);
	tcase_add_test(tc, events_name_the_actor);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
