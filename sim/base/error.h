/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one GError domain of the project. The code tells tools/ which exit status to use; the
 * message is one line and names file, position and what was expected.
 */
#pragma once

#include <glib.h>

typedef enum {
	M2D_ERROR_INPUT,     /* bad usage or bad input: exit 2 */
	M2D_ERROR_IO,        /* a file could not be opened, read or written: exit 2 */
	M2D_ERROR_TRANSIENT, /* worth a retry (disk full, interrupted): exit 75 */
	M2D_ERROR_BOUND,     /* a bound of time, memory or states was reached: exit 3 */
	M2D_ERROR_INTERNAL,  /* our own fault: exit 3 */
} M2dErrorCode;

#define M2D_ERROR (m2d_error_quark())
GQuark m2d_error_quark(void);

/**
 * m2d_error_from_errno: set @error for a failed system call on @path.
 * @what: the action, e.g. "open" or "write"
 * ENOSPC, EDQUOT, EINTR and EAGAIN become %M2D_ERROR_TRANSIENT, all else %M2D_ERROR_IO.
 */
void m2d_error_from_errno(GError **error, int errnum, const char *what, const char *path);

/* m2d_error_exit_status: the exit status for @error as mmu2d(1) fixes them. */
int m2d_error_exit_status(const GError *error);
