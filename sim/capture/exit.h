/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exit reasons: numbers of the hardware and the names that tracefs and trace-cmd print. Unknown
 * names get numbers as they are met.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct _M2dCapExits M2dCapExits;

M2dCapExits *m2d_cap_exits_new(void);
void m2d_cap_exits_free(M2dCapExits *exits);
/* m2d_cap_exits_get: the number (M2D_CAP_EXIT_*) for @name as tracefs or trace-cmd prints it. */
uint32_t m2d_cap_exits_get(M2dCapExits *exits, const char *name, size_t len);
/* m2d_cap_exits_name: as tracefs prints it; @buf is for codes without a name. */
const char *m2d_cap_exits_name(const M2dCapExits *exits, uint32_t reason, char buf[32]);
