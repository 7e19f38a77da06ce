/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The random workloads of tests/soundness, observed. */
#pragma once

#include "collect.h"

/* workloads: @seeds of each kind of VM, on old and new kernels. */
void workloads(Collect *c, unsigned seeds);
