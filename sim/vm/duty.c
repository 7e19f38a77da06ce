/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/vm/duty.h"

#include <string.h>

#include "sim/base/near.h"

static const struct {
	const char *name, *text;
} duties[M2D_N_DUTIES] = {
#define DUTY(id, name, what) {name, what},
#include "sim/vm/duty.def"
#undef DUTY
};

const char *m2d_duty_name(M2dDuty duty)
{
	return duties[duty].name;
}

const char *m2d_duty_text(M2dDuty duty)
{
	return duties[duty].text;
}

M2dDuty m2d_duty_find(const char *name)
{
	for (unsigned i = 0; i < M2D_N_DUTIES; i++)
		if (strcmp(duties[i].name, name) == 0)
			return (M2dDuty)i;
	return M2D_N_DUTIES;
}

const char *m2d_duty_near(const char *name)
{
	const char *near = NULL;

	for (unsigned i = 0; i < M2D_N_DUTIES; i++)
		near = m2d_near_better(name, near, duties[i].name);
	return near;
}
