/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A result that no replay made: every field set, no two alike, some at the edges of their type. */
#pragma once

#include "sim/replay/result.h"

/* synthetic_result: for @n_vcpus; @seed varies all numbers. Free with m2d_result_free(). */
M2dResult *synthetic_result(unsigned n_vcpus, uint64_t seed);
