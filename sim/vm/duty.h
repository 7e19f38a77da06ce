/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What KVM's MMU owes, one name each, so that any one of it can be left out: see duty.def. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum {
#define DUTY(name, text, what) M2D_DUTY_##name,
#include "sim/vm/duty.def"
#undef DUTY
	M2D_N_DUTIES
} M2dDuty;

typedef struct {
	uint64_t word[(M2D_N_DUTIES + 63) / 64];
} M2dDutySet;

static inline bool m2d_duty_in(const M2dDutySet *set, M2dDuty duty)
{
	return set->word[duty / 64] >> (duty % 64) & 1;
}

static inline void m2d_duty_add(M2dDutySet *set, M2dDuty duty)
{
	set->word[duty / 64] |= UINT64_C(1) << (duty % 64);
}

const char *m2d_duty_name(M2dDuty duty);
/* m2d_duty_text: what is left out when the duty is. */
const char *m2d_duty_text(M2dDuty duty);
/* m2d_duty_find: M2D_N_DUTIES if there is none of that name. */
M2dDuty m2d_duty_find(const char *name);
/* m2d_duty_near: the name that a typist of @name may have meant, or NULL. */
const char *m2d_duty_near(const char *name);

/* M2D_OWES(vm, NAME): false if this run leaves the duty out. */
#define M2D_OWES(vm, NAME) (!m2d_duty_in(&(vm)->cfg.without, M2D_DUTY_##NAME))
