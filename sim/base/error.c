/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/base/error.h"

#include <errno.h>
#include <stdbool.h>

/* By hand: the formatter takes the name in G_DEFINE_QUARK() for a subtraction. */
GQuark m2d_error_quark(void)
{
	return g_quark_from_static_string("m2d-error-quark");
}

void m2d_error_from_errno(GError **error, int errnum, const char *what, const char *path)
{
	bool transient =
		errnum == ENOSPC || errnum == EDQUOT || errnum == EINTR || errnum == EAGAIN;

	g_set_error(error, M2D_ERROR, transient ? M2D_ERROR_TRANSIENT : M2D_ERROR_IO,
		    "%s: cannot %s: %s", path, what, g_strerror(errnum));
}

int m2d_error_exit_status(const GError *error)
{
	if (error == NULL)
		return 0;
	if (error->domain != M2D_ERROR)
		return 2;
	switch ((M2dErrorCode)error->code) {
	case M2D_ERROR_INPUT:
	case M2D_ERROR_IO:
		return 2;
	case M2D_ERROR_TRANSIENT:
		return 75;
	case M2D_ERROR_BOUND:
	case M2D_ERROR_INTERNAL:
		return 3;
	}
	return 3;
}
