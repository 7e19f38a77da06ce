/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The copy of the simulator that tells what it reads, for sim/explore/memo.h. */
#pragma once

#include "sim/explore/memo.h"

/* m2d_observed: NULL if the program was built without it: by another compiler than gcc, or with
 * sanitizers. */
const M2dExObserved *m2d_observed(void);
