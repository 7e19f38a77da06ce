/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/vm/duty.h"

#include "sim/base/names.h"

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
	return (M2dDuty)M2D_NAME_INDEX(duties, name, name);
}

const char *m2d_duty_near(const char *name)
{
	return M2D_NAME_NEAR(duties, name, name);
}
