/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of tests/scenario/parse, for tests in C. */
#pragma once

#include <glib.h>

/* case_read: the bytes of tests/scenario/parse/@name; g_free(). */
char *case_read(const char *name, gsize *len);
