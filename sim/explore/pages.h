/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for large tables that searches visit all over: on large pages where the system has them,
 * so that visits miss the TLB less often. */
#pragma once

#include <stdint.h>

/* m2d_ex_pages_new: @bytes of zeroes, which take memory only where they are used; NULL: there is no
 * room. Free with m2d_ex_pages_free(), which takes NULL, too, and is told that at most the first
 * @touched bytes were stored to. */
void *m2d_ex_pages_new(uint64_t bytes);
void m2d_ex_pages_free(void *p, uint64_t bytes, uint64_t touched);
