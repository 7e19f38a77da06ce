/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for large tables that searches visit all over: on large pages where the system has them,
 * so that visits miss the TLB less often. */
#pragma once

#include <stdint.h>

#include "sim/explore/explore.h"

/* m2d_ex_pages_take: @bytes of zeroes, which take memory only where they are used; NULL: there is
 * no room. @pages: memory of searches before, or NULL. Give back with m2d_ex_pages_give(), which
 * takes NULL, too, and is told that at most the first @touched bytes were stored to. */
void *m2d_ex_pages_take(M2dExPages *pages, uint64_t bytes);
void m2d_ex_pages_give(M2dExPages *pages, void *p, uint64_t bytes, uint64_t touched);
