/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM of memory only, made by hand: what sim/vm needs below vCPUs and run loop.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/vm/hostmm.h"
#include "sim/vm/memslot.h"

#define FIRST_PFN  UINT64_C(512)
#define N_PFNS     UINT64_C(2048)
#define HOST_PAGES UINT64_C(4096)

typedef struct {
	M2dVm vm;
	M2dEvents ev;
	unsigned n; /* events since the last look */
	M2dEvent last;
} Fixture;

static void note(const M2dEvent *event, void *data)
{
	Fixture *fx = data;

	fx->n++;
	fx->last = *event;
}

static inline void fixture_init(Fixture *fx)
{
	M2dVm *vm = &fx->vm;

	memset(fx, 0, sizeof(*fx));
	m2d_events_init(&fx->ev);
	m2d_events_listen(&fx->ev, note, fx);
	vm->arena = m2d_arena_new(UINT64_C(1) << 30, NULL);
	/* Offset 0 means "none" in many places; a world takes it first. */
	m2d_arena_alloc(vm->arena, 64, 64);
	vm->space = m2d_space_new(vm->arena);
	vm->ev = &fx->ev;
	vm->cfg.first_pfn = FIRST_PFN;
	vm->cfg.n_pfns = N_PFNS;
	vm->cfg.host_pages = HOST_PAGES;
	vm->frames = m2d_falloc_new(vm->arena, FIRST_PFN, N_PFNS, 0, 1);
	vm->mm = m2d_hostmm_new(vm);
	m2d_memslots_init(vm);
}

static inline void fixture_free(Fixture *fx)
{
	m2d_hostmm_free(fx->vm.mm);
	m2d_falloc_free(fx->vm.frames);
	m2d_space_free(fx->vm.space);
	m2d_arena_free(fx->vm.arena);
}

/* The arena's hash now: equal states are equal bytes. */
static inline uint64_t fixture_hash(const Fixture *fx)
{
	return m2d_arena_rehash(fx->vm.arena);
}

static inline int run_tests(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
