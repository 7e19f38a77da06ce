/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.dat through libtracecmd, in a process of its own: a damaged file may do to that library
 * what it likes. Private to sim/capture.
 */
#pragma once

#include <glib.h>

#include "sim/capture/event.h"

#define M2D_CAP_DAT_MAGIC     "\x17\x08\x44tracing"
#define M2D_CAP_DAT_MAGIC_LEN 10

typedef struct _M2dCapDat M2dCapDat;

/* What else comes through the pipe, as kinds of M2dCapEvent. */
enum {
	M2D_CAP_DAT_NAME = 0xffff, /* kind @place from now on is u.text */
	M2D_CAP_DAT_TASK = 0xfffe, /* task @pid is u.text */
	M2D_CAP_DAT_END = 0xfffd,
	M2D_CAP_DAT_ERROR = 0xfffc, /* u.text says what is wrong with the file */
};

/* m2d_cap_dat_open: start reading file @fd, called @name in messages; takes @fd over. */
M2dCapDat *m2d_cap_dat_open(int fd, const char *name, GError **error);
void m2d_cap_dat_close(M2dCapDat *dat);
/* m2d_cap_dat_next: 1 with an event or another kind above; 0 at the end; -1 with @error. */
int m2d_cap_dat_next(M2dCapDat *dat, M2dCapEvent *event, GError **error);

/* m2d_cap_dat_child: read @in with libtracecmd, write events to @out. Runs in the child. */
void m2d_cap_dat_child(int in, int out);
