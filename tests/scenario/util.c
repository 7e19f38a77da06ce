/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/scenario/util.h"

char *case_read(const char *name, gsize *len)
{
	g_autofree char *path =
		g_build_filename(M2D_SOURCE_DIR, "tests", "scenario", "parse", name, NULL);
	char *text = NULL;

	g_assert_true(g_file_get_contents(path, &text, len, NULL));
	return text;
}
